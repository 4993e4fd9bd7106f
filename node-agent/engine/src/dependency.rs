//! `dependsOn` as a graph: who may start, who may stop, and what can never be (ecs-semantics §2.1). Pure functions of
//! the containers' states; it knows no runtime and keeps no state.

use drydock_model::status::HealthStatus;
use drydock_proto::ecs::{ContainerCondition, ContainerDefinition};

use crate::limits::Millis;
use crate::spec::start_timeout_ms;

/// What a container must have done before another may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Started; that it has stopped since does no harm.
    Start,
    /// Exited, with whatever code.
    Complete,
    /// Exited with 0.
    Success,
    /// Its health check passes. Looked at only while the dependent starts.
    Healthy,
}

/// One `dependsOn`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dependency {
    /// Place of the container that is waited for.
    pub on: usize,
    /// What is waited for.
    pub condition: Condition,
}

/// How far a container is, as far as others depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Has not been started.
    Waiting,
    /// Runs.
    Running {
        /// Since when.
        started_at: Millis,
        /// What its health check says.
        health: HealthStatus,
    },
    /// Has stopped.
    Stopped {
        /// `None` where it never ran or its code is unknown.
        exit_code: Option<i32>,
        /// Whether it ever ran.
        ran: bool,
    },
}

/// Whether a container may be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// All its conditions hold.
    Ready,
    /// Not yet; look again by then at the latest, where a moment is known.
    Wait(Option<Millis>),
    /// A condition can't come true any more. The text says which.
    Never(String),
}

/// The graph can't be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// `dependsOn` names a container that the task doesn't have.
    #[error("container {container} depends on {on}, which the task definition doesn't have")]
    Unknown {
        /// The dependent.
        container: String,
        /// The name that isn't there.
        on: String,
    },
    /// Containers wait for each other.
    #[error("containers wait for each other: {0}")]
    Cycle(String),
}

/// Who waits for whom, by the containers' places.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Graph {
    names: Vec<String>,
    start_timeouts: Vec<Millis>,
    dependencies: Vec<Vec<Dependency>>,
}

impl Graph {
    /// Reads `dependsOn`, and `links` and `volumesFrom` as START dependencies, since the runtime needs their targets.
    ///
    /// # Errors
    /// A name that isn't there, or a cycle: both are refused at registration, so this is a second look.
    pub fn new(containers: &[ContainerDefinition]) -> Result<Self, GraphError> {
        let names: Vec<String> = containers.iter().map(|container| container.name().to_owned()).collect();
        let dependencies =
            containers.iter().map(|container| dependencies(container, &names)).collect::<Result<Vec<_>, _>>()?;
        let graph = Self { names, start_timeouts: containers.iter().map(start_timeout_ms).collect(), dependencies };
        graph.check_acyclic()?;
        Ok(graph)
    }

    /// What a container waits for.
    #[must_use]
    pub fn dependencies(&self, container: usize) -> &[Dependency] {
        self.dependencies.get(container).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether a container may be pulled, created and started. `progress` is by place.
    #[must_use]
    pub fn may_start(&self, container: usize, progress: &[Progress], now: Millis) -> Readiness {
        let mut wait = None;
        for dependency in self.dependencies(container) {
            let Some(target) = progress.get(dependency.on) else { continue };
            match verdict(dependency.condition, *target, self.start_timeouts[dependency.on], now) {
                Verdict::Holds => {}
                Verdict::Wait(until) => wait = Some(earlier(wait.flatten(), until)),
                Verdict::Never(why) => {
                    let text = format!(
                        "dependency {} of container {} {why}",
                        self.names[dependency.on], self.names[container]
                    );
                    return Readiness::Never(text);
                }
            }
        }
        wait.map_or(Readiness::Ready, Readiness::Wait)
    }

    /// Whether a container may be stopped: whoever depends on it has stopped before.
    #[must_use]
    pub fn may_stop(&self, container: usize, progress: &[Progress]) -> bool {
        self.dependencies.iter().zip(progress).all(|(dependencies, dependent)| {
            matches!(dependent, Progress::Stopped { .. }) || dependencies.iter().all(|d| d.on != container)
        })
    }

    fn check_acyclic(&self) -> Result<(), GraphError> {
        let mut done = vec![false; self.names.len()];
        loop {
            let next = (0..done.len()).find(|at| !done[*at] && self.dependencies[*at].iter().all(|d| done[d.on]));
            match next {
                Some(at) => done[at] = true,
                None if done.iter().all(|one| *one) => return Ok(()),
                None => {
                    let stuck: Vec<&str> =
                        self.names.iter().zip(&done).filter(|(_, d)| !**d).map(|(name, _)| name.as_str()).collect();
                    return Err(GraphError::Cycle(stuck.join(", ")));
                }
            }
        }
    }
}

enum Verdict {
    Holds,
    Wait(Option<Millis>),
    Never(String),
}

fn verdict(condition: Condition, target: Progress, start_timeout: Millis, now: Millis) -> Verdict {
    match (condition, target) {
        (Condition::Start, Progress::Running { .. } | Progress::Stopped { ran: true, .. }) => Verdict::Holds,
        (Condition::Complete, Progress::Stopped { ran: true, .. }) => Verdict::Holds,
        (Condition::Success, Progress::Stopped { ran: true, exit_code: Some(0) }) => Verdict::Holds,
        (Condition::Healthy, Progress::Running { health: HealthStatus::Healthy, .. }) => Verdict::Holds,
        (_, Progress::Stopped { ran: false, .. }) => Verdict::Never("did not start".into()),
        (_, Progress::Stopped { exit_code: Some(code), .. }) => Verdict::Never(format!("exited with code {code}")),
        (_, Progress::Stopped { exit_code: None, .. }) => Verdict::Never("exited".into()),
        (_, Progress::Waiting) => Verdict::Wait(None),
        (_, Progress::Running { started_at, .. }) => {
            let until = started_at.saturating_add(start_timeout);
            if now < until {
                return Verdict::Wait(Some(until));
            }
            let wanted = match condition {
                Condition::Healthy => "HEALTHY",
                Condition::Success => "SUCCESS",
                _ => "COMPLETE",
            };
            Verdict::Never(format!(
                "wasn't {wanted} within its start timeout of {}",
                crate::limits::span(start_timeout)
            ))
        }
    }
}

fn earlier(one: Option<Millis>, other: Option<Millis>) -> Option<Millis> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

fn dependencies(container: &ContainerDefinition, names: &[String]) -> Result<Vec<Dependency>, GraphError> {
    let find = |on: &str| {
        names
            .iter()
            .position(|name| name == on)
            .ok_or_else(|| GraphError::Unknown { container: container.name().to_owned(), on: on.to_owned() })
    };
    let mut out = Vec::new();
    for dependency in &container.depends_on {
        let condition = match dependency.condition() {
            ContainerCondition::Complete => Condition::Complete,
            ContainerCondition::Success => Condition::Success,
            ContainerCondition::Healthy => Condition::Healthy,
            ContainerCondition::Start | ContainerCondition::Unspecified => Condition::Start,
        };
        out.push(Dependency { on: find(dependency.container_name())?, condition });
    }
    let links = container.links.iter().map(|link| link.split(':').next().unwrap_or(link));
    let volumes = container.volumes_from.iter().map(|from| from.source_container());
    for on in links.chain(volumes) {
        out.push(Dependency { on: find(on)?, condition: Condition::Start });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use drydock_model::status::HealthStatus::{Healthy, Unhealthy, Unknown};
    use drydock_proto::ecs::ContainerDependency;

    use super::*;

    /// `app<init:SUCCESS,db:HEALTHY init db` → definitions.
    fn containers(text: &str) -> Vec<ContainerDefinition> {
        text.split_whitespace()
            .map(|part| {
                let (name, needs) = part.split_once('<').unwrap_or((part, ""));
                let depends_on = needs
                    .split(',')
                    .filter(|need| !need.is_empty())
                    .map(|need| {
                        let (on, condition) = need.split_once(':').unwrap();
                        let number = <ContainerCondition as drydock_proto::json::WireEnum>::number(condition);
                        ContainerDependency { container_name: Some(on.into()), condition: Some(number.unwrap()) }
                    })
                    .collect();
                ContainerDefinition { name: Some(name.into()), depends_on, ..Default::default() }
            })
            .collect()
    }

    fn running(health: HealthStatus) -> Progress {
        Progress::Running { started_at: 1_000, health }
    }

    const WAITING: Progress = Progress::Waiting;
    const NEVER_RAN: Progress = Progress::Stopped { exit_code: None, ran: false };
    const EXIT_0: Progress = Progress::Stopped { exit_code: Some(0), ran: true };
    const EXIT_3: Progress = Progress::Stopped { exit_code: Some(3), ran: true };

    // rule: 2.1/depends-start, 2.1/depends-complete, 2.1/depends-success, 2.1/depends-healthy
    // rule: 2.1/depends-never-satisfied
    #[test]
    fn conditions() {
        let timeout = 1_000 + START_TIMEOUT;
        const START_TIMEOUT: Millis = crate::limits::DEPENDENCY_WAIT_MS;
        let wait = |text: &str| text.to_owned();
        // condition, target, at → verdict: `ready`, `wait`, `wait UNTIL` or the reason.
        let table: &[(&str, Progress, Millis, String)] = &[
            ("START", WAITING, 5, wait("wait")),
            ("START", running(Unknown), 5, wait("ready")),
            ("START", EXIT_3, 5, wait("ready")),
            ("START", NEVER_RAN, 5, wait("dependency t of container a did not start")),
            ("COMPLETE", running(Unknown), 1_500, format!("wait {timeout}")),
            (
                "COMPLETE",
                running(Unknown),
                timeout,
                wait("dependency t of container a wasn't COMPLETE within its start timeout of 3h0m0s"),
            ),
            ("COMPLETE", EXIT_3, 5, wait("ready")),
            ("SUCCESS", EXIT_0, 5, wait("ready")),
            ("SUCCESS", EXIT_3, 5, wait("dependency t of container a exited with code 3")),
            ("SUCCESS", running(Healthy), 1_500, format!("wait {timeout}")),
            ("HEALTHY", running(Healthy), timeout + 9, wait("ready")),
            ("HEALTHY", running(Unknown), 1_500, format!("wait {timeout}")),
            ("HEALTHY", running(Unhealthy), timeout - 1, format!("wait {timeout}")),
            (
                "HEALTHY",
                running(Unhealthy),
                timeout,
                wait("dependency t of container a wasn't HEALTHY within its start timeout of 3h0m0s"),
            ),
            ("HEALTHY", EXIT_0, 5, wait("dependency t of container a exited with code 0")),
        ];
        for (condition, target, now, expected) in table {
            let graph = Graph::new(&containers(&format!("a<t:{condition} t"))).unwrap();
            let found = match graph.may_start(0, &[WAITING, *target], *now) {
                Readiness::Ready => "ready".to_owned(),
                Readiness::Wait(None) => "wait".to_owned(),
                Readiness::Wait(Some(until)) => format!("wait {until}"),
                Readiness::Never(why) => why,
            };
            assert_eq!(&found, expected, "{condition} {target:?} at {now}");
        }
    }

    // rule: 2.1/start-timeout
    #[test]
    fn the_target_s_own_start_timeout_counts() {
        let mut all = containers("a<t:HEALTHY t");
        all[1].start_timeout = Some(10);
        let graph = Graph::new(&all).unwrap();
        assert_eq!(graph.may_start(0, &[WAITING, running(Unknown)], 1_000), Readiness::Wait(Some(11_000)));
    }

    // rule: 2.1/depends-reverse-at-stop
    #[test]
    fn shutdown_goes_the_other_way_round() {
        let graph = Graph::new(&containers("app<proxy:START proxy log")).unwrap();
        let up = running(Unknown);
        let may = |progress: &[Progress]| (0..3).map(|at| graph.may_stop(at, progress)).collect::<Vec<_>>();
        assert_eq!(may(&[up, up, up]), [true, false, true]);
        assert_eq!(may(&[EXIT_0, up, up]), [true, true, true]);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let unknown = Graph::new(&containers("a<b:START")).unwrap_err();
        assert_eq!(unknown.to_string(), "container a depends on b, which the task definition doesn't have");
        let cycle = Graph::new(&containers("a<b:START b<c:HEALTHY c<a:START d")).unwrap_err();
        assert_eq!(cycle, GraphError::Cycle("a, b, c".into()));
        assert!(Graph::new(&containers("a<a:START")).is_err());
    }

    #[test]
    fn links_and_volumes_are_dependencies_too() {
        let mut all = containers("web db data");
        all[0].links = vec!["db:database".into()];
        all[0].volumes_from =
            vec![drydock_proto::ecs::VolumeFrom { source_container: Some("data".into()), read_only: None }];
        let graph = Graph::new(&all).unwrap();
        assert_eq!(graph.may_start(0, &[WAITING, running(Unknown), WAITING], 5), Readiness::Wait(None));
        assert_eq!(graph.may_start(0, &[WAITING, running(Unknown), EXIT_0], 5), Readiness::Ready);
    }
}
