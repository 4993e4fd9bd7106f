//! What in a scenario doesn't fit together, though each value by itself could be read.

use std::collections::BTreeSet;

use drydock_engine::simulated::knobs::Knobs;
use drydock_model::status::ServiceDeploymentStatus;

use super::director::request_of;
use super::fleet::{group_name, room};
use super::scenario::{Event, Expectation, InstanceGroup, Scenario, Which};
use super::units::Span;
use super::{INSTANCES_MAX, Materials, TASKS_MAX, UNTIL_MAX_MS};

/// Something wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where: `events[2].scale.service`.
    pub path: String,
    /// What.
    pub message: String,
}

/// Everything that is wrong, in the scenario's order.
#[must_use]
pub fn check(scenario: &Scenario, materials: &Materials) -> Vec<Fault> {
    let mut check = Check { scenario, faults: Vec::new(), services: BTreeSet::new(), end: scenario.until };
    check.whole();
    for (at, group) in scenario.instances.iter().enumerate() {
        check.group(&format!("instances[{at}]"), group);
    }
    check.images();
    check.services(materials);
    check.loads();
    for (at, event) in scenario.events.iter().enumerate() {
        check.event(&format!("events[{at}]"), event);
    }
    for (at, expected) in scenario.expect.iter().enumerate() {
        check.expectation(&format!("expect[{at}]"), expected);
    }
    check.faults
}

struct Check<'a> {
    scenario: &'a Scenario,
    faults: Vec<Fault>,
    services: BTreeSet<String>,
    end: Span,
}

impl Check<'_> {
    fn fault(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.faults.push(Fault { path: path.into(), message: message.into() });
    }

    fn whole(&mut self) {
        let scenario = self.scenario;
        if self.end.0 < 1_000 || self.end.0 > UNTIL_MAX_MS {
            self.fault("until", "a rehearsal lasts from 1s to 168h");
        }
        if !matches!(scenario.controllers, None | Some(1 | 3 | 5)) {
            self.fault("controllers", "there are 1, 3 or 5");
        }
        if scenario.instances.is_empty() {
            self.fault("instances", "there must be one at least");
        }
        if scenario.services.is_empty() {
            self.fault("services", "there must be one at least");
        }
        let all = scenario.instances.iter().chain(scenario.events.iter().filter_map(|event| event.add.as_ref()));
        if all.map(|group| u64::from(group.count.unwrap_or(1))).sum::<u64>() > u64::from(INSTANCES_MAX) {
            self.fault("instances", format!("there are more than {INSTANCES_MAX}, those that join later included"));
        }
    }

    fn group(&mut self, path: &str, group: &InstanceGroup) {
        let (cpu, memory) = room(group);
        if cpu == 0 || memory == 0 {
            let what = match &group.instance_type {
                Some(name) => format!("the type {name} isn't known here: say cpu and memory_mib, and price_an_hour"),
                None => "say type, or cpu and memory_mib".to_owned(),
            };
            self.fault(path, what);
        }
        if group.count == Some(0) {
            self.fault(format!("{path}.count"), "there must be one at least");
        }
        if group.zone.is_empty() {
            self.fault(format!("{path}.zone"), "a zone has a name");
        }
    }

    fn images(&mut self) {
        for (at, image) in self.scenario.images.iter().enumerate() {
            if let Err(bad) = Knobs::check(&[image.stage()]) {
                self.fault(format!("images[{at}]"), bad.to_string());
            }
        }
    }

    fn services(&mut self, materials: &Materials) {
        for (at, service) in self.scenario.services.iter().enumerate() {
            let path = format!("services[{at}]");
            if service.file.is_some() && service.request.is_some() {
                self.fault(format!("{path}.request"), "say file or request, and not both");
            }
            let request = request_of(service, materials);
            match request.service_name {
                None => self.fault(&path, "a service has a name, here or in its request"),
                Some(name) => {
                    if !self.services.insert(name.clone()) {
                        self.fault(&path, format!("another service is called {name}, too"));
                    }
                }
            }
            if request.desired_count.is_some_and(|count| u32::try_from(count).is_ok_and(|count| count > TASKS_MAX)) {
                self.fault(format!("{path}.desired_count"), format!("{TASKS_MAX} tasks at most"));
            }
        }
    }

    fn loads(&mut self) {
        for (at, load) in self.scenario.load.iter().enumerate() {
            let path = format!("load[{at}]");
            self.service(&path, &load.service);
            if load.a_task_takes == 0 {
                self.fault(format!("{path}.a_task_takes"), "a task takes something");
            }
            if load.least > load.most || load.most > TASKS_MAX {
                self.fault(format!("{path}.most"), format!("least ≤ most ≤ {TASKS_MAX}"));
            }
            if load.every.is_some_and(|every| every.0 < 1_000) {
                self.fault(format!("{path}.every"), "a second at least");
            }
            if load.points.is_empty() {
                self.fault(format!("{path}.points"), "there must be one at least");
            }
            if load.points.iter().zip(load.points.iter().skip(1)).any(|(a, b)| a.at >= b.at) {
                self.fault(format!("{path}.points"), "each is later than the one before");
            }
        }
    }

    fn service(&mut self, path: &str, name: &str) {
        if !self.services.contains(name) {
            self.fault(format!("{path}.service"), format!("there is no service {name}"));
        }
    }

    fn moment(&mut self, path: &str, at: Option<Span>) {
        if at.is_some_and(|at| at > self.end) {
            self.fault(path, format!("the rehearsal is over at {}", self.end));
        }
    }

    fn event(&mut self, path: &str, event: &Event) {
        self.moment(&format!("{path}.at"), Some(event.at));
        let which = [
            ("lose", &event.lose),
            ("restore", &event.restore),
            ("terminate", &event.terminate),
            ("drain", &event.drain),
            ("activate", &event.activate),
        ];
        let others = [
            event.deploy.is_some(),
            event.scale.is_some(),
            event.reclaim_spot.is_some(),
            event.interrupt_tasks.is_some(),
            event.add.is_some(),
            event.crash_leader.is_some(),
        ];
        let said =
            which.iter().filter(|(_, which)| which.is_some()).count() + others.iter().filter(|said| **said).count();
        if said != 1 {
            self.fault(path, format!("an event is exactly one thing, such as deploy, scale or lose; here are {said}"));
        }
        for (name, which) in which.into_iter().filter_map(|(name, which)| Some((name, which.as_ref()?))) {
            self.which(&format!("{path}.{name}"), which);
        }
        if let Some(deploy) = &event.deploy {
            self.service(&format!("{path}.deploy"), &deploy.service);
            if deploy.task_definition.is_none() && deploy.request.is_none() {
                self.fault(format!("{path}.deploy"), "say task_definition, or request, or both");
            }
        }
        if let Some(scale) = &event.scale {
            self.service(&format!("{path}.scale"), &scale.service);
            if scale.desired_count > TASKS_MAX {
                self.fault(format!("{path}.scale.desired_count"), format!("{TASKS_MAX} tasks at most"));
            }
        }
        if let Some(reclaim) = &event.reclaim_spot {
            let which = Which { zone: reclaim.zone.clone(), group: reclaim.group.clone(), ..Which::default() };
            self.named(&format!("{path}.reclaim_spot"), &which);
            if !self.scenario.instances.iter().any(|group| group.spot) {
                self.fault(format!("{path}.reclaim_spot"), "no instances are spot: true");
            }
        }
        if let Some(interrupt) = &event.interrupt_tasks {
            self.service(&format!("{path}.interrupt_tasks"), &interrupt.service);
        }
        if let Some(group) = &event.add {
            self.group(&format!("{path}.add"), group);
        }
    }

    fn which(&mut self, path: &str, which: &Which) {
        if which.instance.is_none() && which.group.is_none() && which.zone.is_none() {
            self.fault(path, "say which: instance, group or zone");
        }
        self.named(path, which);
    }

    /// Whether there are such names at all.
    fn named(&mut self, path: &str, which: &Which) {
        let scenario = self.scenario;
        let groups = scenario.instances.iter().chain(scenario.events.iter().filter_map(|event| event.add.as_ref()));
        let groups: Vec<&InstanceGroup> = groups.collect();
        if let Some(zone) = which.zone.as_ref().filter(|zone| !groups.iter().any(|group| group.zone == **zone)) {
            self.fault(format!("{path}.zone"), format!("there is no zone {zone}"));
        }
        if let Some(name) = which.group.as_ref().filter(|name| !groups.iter().any(|group| group_name(group) == *name)) {
            self.fault(format!("{path}.group"), format!("there is no group {name}"));
        }
        let of_group = |name: &str| {
            name.rsplit_once('-').is_some_and(|(group, number)| {
                number.parse::<u32>().is_ok() && groups.iter().any(|one| group_name(one) == group)
            })
        };
        if let Some(name) = which.instance.as_ref().filter(|name| !of_group(name)) {
            self.fault(
                format!("{path}.instance"),
                format!("there is no instance {name}: names are GROUP-1, GROUP-2 …"),
            );
        }
    }

    fn expectation(&mut self, path: &str, expected: &Expectation) {
        let said = [
            expected.deployment.is_some(),
            expected.running_never_below.is_some(),
            expected.running_never_above.is_some(),
            expected.healthy_never_below_minimum.is_some(),
            expected.steady.is_some(),
            expected.unsteady_at_most.is_some(),
            expected.no_task_on.is_some(),
            expected.cost_below.is_some(),
            expected.event.is_some(),
            expected.no_event.is_some(),
        ];
        let said = said.iter().filter(|said| **said).count();
        if said != 1 {
            self.fault(
                path,
                format!("an expectation is exactly one thing, such as deployment or steady; here are {said}"),
            );
        }
        if let Some(of) = &expected.deployment {
            let path = format!("{path}.deployment");
            self.service(&path, &of.service);
            self.moment(&format!("{path}.by"), of.by);
            if of.rollout_state.is_none() && of.status.is_none() {
                self.fault(&path, "say rollout_state, or status, or both");
            }
            let known: Vec<&str> = ServiceDeploymentStatus::ALL.iter().map(|status| status.as_str()).collect();
            if let Some(status) = of.status.as_ref().filter(|status| !known.contains(&status.as_str())) {
                self.fault(format!("{path}.status"), format!("{status} is none of {}", known.join(", ")));
            }
        }
        let counts = [
            ("running_never_below", &expected.running_never_below),
            ("running_never_above", &expected.running_never_above),
        ];
        for (name, of) in counts.into_iter().filter_map(|(name, of)| Some((name, of.as_ref()?))) {
            self.of_service(&format!("{path}.{name}"), &of.service, of.from, of.until);
        }
        if let Some(of) = &expected.healthy_never_below_minimum {
            self.of_service(&format!("{path}.healthy_never_below_minimum"), &of.service, of.from, of.until);
        }
        if let Some(of) = &expected.steady {
            self.service(&format!("{path}.steady"), &of.service);
            self.moment(&format!("{path}.steady.at"), of.at);
        }
        if let Some(of) = &expected.unsteady_at_most {
            self.service(&format!("{path}.unsteady_at_most"), &of.service);
        }
        if let Some(of) = &expected.no_task_on {
            let path = format!("{path}.no_task_on");
            let (instance, group, zone) = (of.instance.clone(), of.group.clone(), of.zone.clone());
            self.which(&path, &Which { instance, group, zone, count: None });
            self.moment(&format!("{path}.from"), of.from);
        }
        for (name, of) in [("event", &expected.event), ("no_event", &expected.no_event)] {
            let Some(of) = of else { continue };
            if let Some(service) = &of.service {
                self.service(&format!("{path}.{name}"), service);
            }
            self.moment(&format!("{path}.{name}.after"), of.after);
            self.moment(&format!("{path}.{name}.by"), of.by);
        }
    }

    fn of_service(&mut self, path: &str, service: &str, from: Option<Span>, until: Option<Span>) {
        self.service(path, service);
        self.moment(&format!("{path}.from"), from);
        self.moment(&format!("{path}.until"), until);
    }
}
