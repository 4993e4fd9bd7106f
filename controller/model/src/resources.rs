//! The arithmetic of an instance's resources: CPU units, MiB, ports and GPUs (ecs-semantics §2.4), in whole numbers.
//!
//! [`Needs`] is what a task takes, [`Available`] what an instance has left. Nothing here goes below zero or above what
//! was registered without saying so.

mod needs;
mod ports;

pub use needs::needs;
pub use ports::Ports;

use drydock_proto::ecs;

/// TCP ports that no task gets unless the agent says otherwise: ssh, Docker, the agent.
pub const RESERVED_TCP_PORTS: [u16; 6] = [22, 2375, 2376, 51_678, 51_679, 51_680];

/// UDP ports that no task gets: none.
pub const RESERVED_UDP_PORTS: [u16; 0] = [];

/// Reserved ports of an instance, TCP and UDP together, its default ones counted. A task that would go above is not
/// placed there ([`Lacking::Ports`]). Ports that the runtime chooses itself don't count.
pub const PORTS_MAX: usize = 100;

/// CPU units of one vCPU.
pub const CPU_UNITS_PER_VCPU: u32 = 1024;

/// What a task takes of an instance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Needs {
    /// CPU units.
    pub cpu: u32,
    /// MiB.
    pub memory_mib: u32,
    /// Host ports that it asks for by number.
    pub tcp: Ports,
    /// The same for UDP.
    pub udp: Ports,
    /// How many GPUs of its own.
    pub gpus: u32,
    /// How many network interfaces of its own: one in the awsvpc network mode.
    pub interfaces: u32,
}

/// What an instance has, or has left.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Available {
    /// CPU units.
    pub cpu: u32,
    /// MiB.
    pub memory_mib: u32,
    /// TCP ports that are taken, those reserved at registration included.
    pub taken_tcp: Ports,
    /// The same for UDP.
    pub taken_udp: Ports,
    /// Ids of the free GPUs, sorted.
    pub gpus: Box<[Box<str>]>,
    /// Network interfaces for tasks; unset: as many as it takes.
    pub interfaces: Option<u32>,
}

/// The first thing that an instance hasn't enough of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Lacking {
    /// Too few CPU units.
    #[error("RESOURCE:CPU")]
    Cpu,
    /// Too few MiB.
    #[error("RESOURCE:MEMORY")]
    Memory,
    /// A TCP port is taken, or the instance is at [`PORTS_MAX`].
    #[error("RESOURCE:PORTS")]
    Ports,
    /// A UDP port is taken.
    #[error("RESOURCE:PORTS_UDP")]
    PortsUdp,
    /// Too few GPUs.
    #[error("RESOURCE:GPU")]
    Gpu,
    /// No network interface is left.
    #[error("RESOURCE:ENI")]
    Interfaces,
}

impl Lacking {
    /// `failures[].reason` of RunTask.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Cpu => "RESOURCE:CPU",
            Self::Memory => "RESOURCE:MEMORY",
            Self::Ports => "RESOURCE:PORTS",
            Self::PortsUdp => "RESOURCE:PORTS_UDP",
            Self::Gpu => "RESOURCE:GPU",
            Self::Interfaces => "RESOURCE:ENI",
        }
    }

    /// What the service event says after "The closest matching (container-instance ID)" (ecs-semantics §2.3).
    #[must_use]
    pub const fn explanation(self) -> &'static str {
        match self {
            Self::Cpu => "has insufficient CPU units available.",
            Self::Memory => "has insufficient memory available.",
            Self::Ports | Self::PortsUdp => "is already using a port required by your task.",
            Self::Gpu => "has insufficient GPU resource available.",
            Self::Interfaces => "encountered error \"RESOURCE:ENI\".",
        }
    }
}

/// More was given back than had been taken: a defect of the caller, which must not be stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("more {0} was given back than the instance had taken")]
pub struct GivenBackTwice(&'static str);

impl Available {
    /// Whether a task fits.
    ///
    /// # Errors
    /// What it lacks, in ECS's order: CPU, memory, ports, UDP ports, GPUs, network interfaces.
    pub fn fits(&self, needs: &Needs) -> Result<(), Lacking> {
        if needs.cpu > self.cpu {
            return Err(Lacking::Cpu);
        }
        if needs.memory_mib > self.memory_mib {
            return Err(Lacking::Memory);
        }
        let ports = self.taken_tcp.len() + self.taken_udp.len() + needs.tcp.len() + needs.udp.len();
        let asks = !needs.tcp.is_empty() || !needs.udp.is_empty();
        if needs.tcp.meets(&self.taken_tcp) || (asks && ports > PORTS_MAX) {
            return Err(Lacking::Ports);
        }
        if needs.udp.meets(&self.taken_udp) {
            return Err(Lacking::PortsUdp);
        }
        if usize::try_from(needs.gpus).map_or(true, |gpus| gpus > self.gpus.len()) {
            return Err(Lacking::Gpu);
        }
        if self.interfaces.is_some_and(|left| needs.interfaces > left) {
            return Err(Lacking::Interfaces);
        }
        Ok(())
    }

    /// What a task lacks here, with the figures (`failures[].detail`); `None` where it fits.
    #[must_use]
    pub fn shortage(&self, needs: &Needs) -> Option<String> {
        let taken = |asked: &Ports, taken: &Ports| {
            let ports: Vec<String> = asked.iter().filter(|port| taken.contains(*port)).map(|p| p.to_string()).collect();
            match ports.as_slice() {
                [] => format!("more than {PORTS_MAX} ports would be reserved"),
                [port] => format!("port {port} is taken"),
                ports => format!("ports {} are taken", ports.join(", ")),
            }
        };
        Some(match self.fits(needs).err()? {
            Lacking::Cpu => format!("{} CPU units needed, {} left", needs.cpu, self.cpu),
            Lacking::Memory => format!("{} MiB needed, {} left", needs.memory_mib, self.memory_mib),
            Lacking::Ports => taken(&needs.tcp, &self.taken_tcp),
            Lacking::PortsUdp => taken(&needs.udp, &self.taken_udp),
            Lacking::Gpu => format!("{} GPUs needed, {} left", needs.gpus, self.gpus.len()),
            Lacking::Interfaces => {
                format!("{} network interface needed, {} left", needs.interfaces, self.interfaces.unwrap_or_default())
            }
        })
    }

    /// Takes what a task needs; returns the ids of its GPUs, the first free ones.
    ///
    /// # Errors
    /// What it lacks; then nothing has changed.
    pub fn take(&mut self, needs: &Needs) -> Result<Box<[Box<str>]>, Lacking> {
        self.fits(needs)?;
        let gpus = usize::try_from(needs.gpus).map_err(|_| Lacking::Gpu)?;
        self.cpu -= needs.cpu;
        self.memory_mib -= needs.memory_mib;
        self.taken_tcp.add(&needs.tcp);
        self.taken_udp.add(&needs.udp);
        self.interfaces = self.interfaces.map(|left| left - needs.interfaces);
        if gpus == 0 {
            return Ok(Box::default());
        }
        let (taken, left) = self.gpus.split_at(gpus);
        let taken: Box<[Box<str>]> = taken.into();
        self.gpus = left.into();
        Ok(taken)
    }

    /// Gives back what [`Self::take`] took, on an instance that registered with `all`.
    ///
    /// # Errors
    /// Where more is given back than was taken; then nothing has changed.
    pub fn give_back(&mut self, all: &Self, needs: &Needs, gpus: &[Box<str>]) -> Result<(), GivenBackTwice> {
        let within = |left: u32, back: u32, all: u32| left.checked_add(back).filter(|sum| *sum <= all);
        let cpu = within(self.cpu, needs.cpu, all.cpu).ok_or(GivenBackTwice("CPU"))?;
        let memory_mib = within(self.memory_mib, needs.memory_mib, all.memory_mib).ok_or(GivenBackTwice("MEMORY"))?;
        if !self.taken_tcp.contains_all(&needs.tcp) || needs.tcp.meets(&all.taken_tcp) {
            return Err(GivenBackTwice("PORTS"));
        }
        if !self.taken_udp.contains_all(&needs.udp) || needs.udp.meets(&all.taken_udp) {
            return Err(GivenBackTwice("PORTS_UDP"));
        }
        if gpus.iter().any(|gpu| self.gpus.contains(gpu) || !all.gpus.contains(gpu)) {
            return Err(GivenBackTwice("GPU"));
        }
        let interfaces = match (self.interfaces, all.interfaces) {
            (Some(left), Some(all)) => {
                Some(within(left, needs.interfaces, all).ok_or(GivenBackTwice("network interfaces"))?)
            }
            (left, _) => left,
        };
        self.cpu = cpu;
        self.memory_mib = memory_mib;
        self.interfaces = interfaces;
        self.taken_tcp.remove(&needs.tcp);
        self.taken_udp.remove(&needs.udp);
        if !gpus.is_empty() {
            let mut free: Vec<Box<str>> = self.gpus.iter().chain(gpus).cloned().collect();
            free.sort_unstable();
            self.gpus = free.into();
        }
        Ok(())
    }

    /// As `registeredResources` and `remainingResources` show it: CPU, MEMORY, PORTS, PORTS_UDP, and GPU where there is
    /// one. The ports are those that are taken.
    #[must_use]
    pub fn render(&self, has_gpus: bool) -> Vec<ecs::Resource> {
        let integer = |name: &str, value: u32| ecs::Resource {
            name: Some(name.to_owned()),
            r#type: Some("INTEGER".to_owned()),
            integer_value: Some(i32::try_from(value).unwrap_or(i32::MAX)),
            long_value: Some(0),
            double_value: Some(0.0),
            ..ecs::Resource::default()
        };
        let set = |name: &str, values: Vec<String>| ecs::Resource {
            name: Some(name.to_owned()),
            r#type: Some("STRINGSET".to_owned()),
            integer_value: Some(0),
            long_value: Some(0),
            double_value: Some(0.0),
            string_set_value: values,
        };
        let ports = |ports: &Ports| ports.iter().map(|port| port.to_string()).collect();
        let mut out = vec![
            integer("CPU", self.cpu),
            integer("MEMORY", self.memory_mib),
            set("PORTS", ports(&self.taken_tcp)),
            set("PORTS_UDP", ports(&self.taken_udp)),
        ];
        if has_gpus {
            out.push(set("GPU", self.gpus.iter().map(|gpu| gpu.to_string()).collect()));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::collection::btree_set;
    use proptest::prelude::*;

    use super::*;

    fn instance() -> Available {
        Available {
            cpu: 2048,
            memory_mib: 4096,
            taken_tcp: RESERVED_TCP_PORTS.into_iter().collect(),
            taken_udp: Ports::default(),
            gpus: ["gpu-0", "gpu-1"].map(Box::from).into(),
            interfaces: Some(2),
        }
    }

    fn asks(cpu: u32, memory_mib: u32, tcp: &[u16], udp: &[u16], gpus: u32) -> Needs {
        Needs {
            cpu,
            memory_mib,
            tcp: tcp.iter().copied().collect(),
            udp: udp.iter().copied().collect(),
            gpus,
            interfaces: 0,
        }
    }

    // rule: 2.4/reserved-ports-cap
    // rule: 2.4/reserved-ports, 2.4/reserved-ports-cap
    #[test]
    fn what_an_instance_lacks() {
        let many: Vec<u16> = (1000..1095).collect();
        for (needs, expected) in [
            (asks(2048, 4096, &[80], &[53, 22], 2), "fits"),
            (asks(2049, 9999, &[22], &[], 9), "RESOURCE:CPU"),
            (asks(1, 4097, &[22], &[], 0), "RESOURCE:MEMORY"),
            (asks(1, 1, &[80, 51_680], &[], 0), "RESOURCE:PORTS"),
            (asks(1, 1, &many, &[], 0), "RESOURCE:PORTS"),
            (asks(1, 1, &many[1..], &[], 0), "fits"),
            (asks(1, 1, &[], &[], 3), "RESOURCE:GPU"),
        ] {
            let found = instance().fits(&needs).map_or_else(|lacking| lacking.to_string(), |()| "fits".to_owned());
            assert_eq!(found, expected, "{needs:?}");
        }
        let mut used = instance();
        used.take(&asks(0, 0, &[80], &[53], 1)).unwrap();
        assert_eq!(used.fits(&asks(0, 0, &[53], &[], 1)), Ok(()));
        assert_eq!(used.fits(&asks(0, 0, &[80], &[], 0)), Err(Lacking::Ports));
        assert_eq!(used.fits(&asks(0, 0, &[], &[53], 0)), Err(Lacking::PortsUdp));
        assert_eq!(used.fits(&asks(0, 0, &[], &[], 2)), Err(Lacking::Gpu));
    }

    #[test]
    fn nothing_is_given_back_twice() {
        let all = instance();
        let needs = asks(100, 100, &[80], &[53], 1);
        let mut left = all.clone();
        let gpus = left.take(&needs).unwrap();
        left.give_back(&all, &needs, &gpus).unwrap();
        assert_eq!(left, all);
        for (again, what) in [
            (asks(1, 0, &[], &[], 0), "CPU"),
            (asks(0, 1, &[], &[], 0), "MEMORY"),
            (asks(0, 0, &[80], &[], 0), "PORTS"),
            (asks(0, 0, &[22], &[], 0), "PORTS"),
            (asks(0, 0, &[], &[53], 0), "PORTS_UDP"),
        ] {
            assert_eq!(left.give_back(&all, &again, &[]), Err(GivenBackTwice(what)));
        }
        assert_eq!(left.give_back(&all, &asks(0, 0, &[], &[], 1), &gpus), Err(GivenBackTwice("GPU")));
        assert_eq!(left, all);
    }

    // rule: 2.4/resources-shape
    // rule: 2.4/resources-shape
    #[test]
    fn as_the_api_shows_it() {
        let shown: Vec<String> = instance()
            .render(true)
            .into_iter()
            .map(|r| {
                let (name, value) = (r.name.unwrap(), r.integer_value.unwrap());
                format!("{name} {value} {}", r.string_set_value.join(","))
            })
            .collect();
        assert_eq!(
            shown,
            [
                "CPU 2048 ",
                "MEMORY 4096 ",
                "PORTS 0 22,2375,2376,51678,51679,51680",
                "PORTS_UDP 0 ",
                "GPU 0 gpu-0,gpu-1"
            ]
        );
        assert_eq!(instance().render(false).len(), 4);
    }

    fn any_needs() -> impl Strategy<Value = Needs> {
        let ports = || btree_set(1_u16..60, 0..4).prop_map(|set| set.into_iter().collect::<Ports>());
        (0_u32..800, 0_u32..1500, ports(), ports(), 0_u32..2, 0_u32..2).prop_map(
            |(cpu, memory_mib, tcp, udp, gpus, interfaces)| Needs { cpu, memory_mib, tcp, udp, gpus, interfaces },
        )
    }

    proptest! {
        /// Whatever is taken, in whatever order it comes back, the whole is whole again, and no step goes out of bounds.
        #[test]
        fn taking_and_giving_back_leaves_nothing(tasks in proptest::collection::vec(any_needs(), 0..12), turn: usize) {
            let all = instance();
            let mut left = all.clone();
            let mut held = Vec::new();
            for needs in tasks {
                let before = left.clone();
                match left.take(&needs) {
                    Ok(gpus) => {
                        prop_assert!(before.fits(&needs).is_ok());
                        prop_assert_eq!(left.cpu + needs.cpu, before.cpu);
                        prop_assert_eq!(gpus.len() + left.gpus.len(), before.gpus.len());
                        held.push((needs, gpus));
                    }
                    Err(lacking) => {
                        prop_assert_eq!(before.fits(&needs), Err(lacking));
                        prop_assert_eq!(&before, &left);
                    }
                }
            }
            let turn = if held.is_empty() { 0 } else { turn % held.len() };
            held.rotate_left(turn);
            for (needs, gpus) in &held {
                prop_assert!(left.give_back(&all, needs, gpus).is_ok());
            }
            prop_assert_eq!(left, all);
        }
    }
}
