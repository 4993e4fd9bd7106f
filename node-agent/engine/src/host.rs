//! What of the instance is taken: a second line of defence, since the controllers may place a task while an older one
//! is still stopping here (ecs-semantics §2.4).

use std::collections::BTreeMap;

use crate::spec::Needs;

/// What the instance offers to tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// CPU units, 1,024 a vCPU.
    pub cpu: u64,
    /// MiB.
    pub memory_mib: u64,
}

/// Who has taken what. Taking and giving back are idempotent by task.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    offer: Offer,
    taken: BTreeMap<String, Needs>,
    /// Sums over all of them.
    cpu: u64,
    memory_mib: u64,
    /// How many have taken a port.
    ports: BTreeMap<(bool, u16), u32>,
}

impl Host {
    pub(crate) fn new(offer: Offer) -> Self {
        Self { offer, taken: BTreeMap::new(), cpu: 0, memory_mib: 0, ports: BTreeMap::new() }
    }

    /// Takes what a task needs; false where it isn't there now.
    pub(crate) fn take(&mut self, task_arn: &str, needs: &Needs) -> bool {
        if self.taken.contains_key(task_arn) {
            return true;
        }
        let fits = self.cpu + needs.cpu <= self.offer.cpu
            && self.memory_mib + needs.memory_mib <= self.offer.memory_mib
            && needs.ports.iter().all(|port| !self.ports.contains_key(port));
        if fits {
            self.take_by_force(task_arn, needs.clone());
        }
        fits
    }

    /// A task that was found running has what it has.
    pub(crate) fn take_by_force(&mut self, task_arn: &str, needs: Needs) {
        self.give_back(task_arn);
        self.cpu += needs.cpu;
        self.memory_mib += needs.memory_mib;
        for port in &needs.ports {
            *self.ports.entry(*port).or_default() += 1;
        }
        self.taken.insert(task_arn.to_owned(), needs);
    }

    pub(crate) fn give_back(&mut self, task_arn: &str) {
        let Some(needs) = self.taken.remove(task_arn) else { return };
        self.cpu -= needs.cpu;
        self.memory_mib -= needs.memory_mib;
        for port in &needs.ports {
            let last = self.ports.get_mut(port).is_none_or(|count| {
                *count -= 1;
                *count == 0
            });
            if last {
                self.ports.remove(port);
            }
        }
    }

    /// Whether a task could ever fit, with nothing else here.
    pub(crate) fn could_fit(&self, needs: &Needs) -> bool {
        needs.cpu <= self.offer.cpu && needs.memory_mib <= self.offer.memory_mib
    }
}

#[cfg(test)]
mod tests {
    use super::{Host, Needs, Offer};

    fn needs(cpu: u64, memory_mib: u64, ports: &[u16]) -> Needs {
        Needs { cpu, memory_mib, ports: ports.iter().map(|port| (false, *port)).collect() }
    }

    #[test]
    fn what_is_taken_is_taken_once() {
        let mut host = Host::new(Offer { cpu: 1_000, memory_mib: 1_000 });
        assert!(host.take("a", &needs(600, 100, &[80])));
        assert!(host.take("a", &needs(600, 100, &[80])), "again is no more");
        assert!(!host.take("b", &needs(600, 100, &[])), "CPU");
        assert!(!host.take("b", &needs(1, 901, &[])), "memory");
        assert!(!host.take("b", &needs(1, 1, &[80])), "ports");
        host.give_back("a");
        assert!(host.take("b", &needs(1_000, 1_000, &[80])));
        host.take_by_force("c", needs(500, 500, &[80]));
        host.give_back("b");
        assert!(!host.take("d", &needs(501, 1, &[])));
        assert!(!host.could_fit(&needs(1_001, 1, &[])) && host.could_fit(&needs(1_000, 1_000, &[80])));
    }
}
