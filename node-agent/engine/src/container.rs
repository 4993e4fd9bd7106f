//! One container's ladder, NONE → PULLED → CREATED → RUNNING → STOPPED, and the operation it waits for. No step leads
//! back; a restart by its restart policy stays RUNNING.

use drydock_model::status::{ContainerStatus, HealthStatus};
use drydock_proto::agent::ContainerReport;
use drydock_proto::ecs::HealthStatus as WireHealth;
use drydock_proto::ecs::{ContainerDefinition, NetworkBinding};

use crate::dependency::Progress;
use crate::io::{EffectId, FailureKind, Observation, ObservedState, RuntimeError};
use crate::limits::{self, Millis};
use crate::spec;

/// How far a container is known to be. Maps to ECS's PENDING, RUNNING, STOPPED in [`Known::status`] alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Known {
    None,
    Pulled,
    Created,
    Running,
    Stopped,
}

impl Known {
    pub(crate) fn status(self) -> ContainerStatus {
        match self {
            Self::None | Self::Pulled | Self::Created => ContainerStatus::Pending,
            Self::Running => ContainerStatus::Running,
            Self::Stopped => ContainerStatus::Stopped,
        }
    }
}

/// The operations that a container waits for, one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpKind {
    Pull,
    Create,
    Start,
    Stop,
    Remove,
}

/// An operation under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Op {
    pub(crate) id: EffectId,
    pub(crate) kind: OpKind,
    /// It isn't awaited any longer.
    pub(crate) deadline: Millis,
}

/// The tries of one kind of operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Phase {
    kind: OpKind,
    since: Millis,
    attempts: u32,
    retry_at: Millis,
}

/// An inspection: asked for by hints and listings, beside the operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Check {
    /// Under way, with its deadline.
    pub(crate) running: Option<(EffectId, Millis)>,
    /// To be asked (again) from then on.
    pub(crate) due_at: Option<Millis>,
}

/// What became of a failed operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is tried again later.
    Retry,
    /// The container is done for.
    Failed,
}

#[derive(Debug, Clone)]
pub(crate) struct Container {
    pub(crate) known: Known,
    pub(crate) runtime_id: Option<String>,
    pub(crate) op: Option<Op>,
    phase: Option<Phase>,
    pub(crate) check: Check,
    /// The last operation that ended: what was seen before it began is old.
    pub(crate) touched: EffectId,
    /// A start whose outcome isn't known: it must be stopped before it counts as stopped.
    pub(crate) may_run: bool,
    /// It exited and its restart policy wants it back.
    pub(crate) restart_due: bool,
    pub(crate) ran: bool,
    pub(crate) removed: bool,
    pub(crate) exit_code: Option<i32>,
    pub(crate) reason: String,
    pub(crate) health: HealthStatus,
    pub(crate) bindings: Vec<NetworkBinding>,
    pub(crate) image_digest: String,
    pub(crate) started_at: Option<Millis>,
    pub(crate) restart_count: u32,
}

impl Container {
    pub(crate) fn new() -> Self {
        Self {
            known: Known::None,
            runtime_id: None,
            op: None,
            phase: None,
            check: Check::default(),
            touched: EffectId(0),
            may_run: false,
            restart_due: false,
            ran: false,
            removed: false,
            exit_code: None,
            reason: String::new(),
            health: HealthStatus::Unknown,
            bindings: Vec::new(),
            image_digest: String::new(),
            started_at: None,
            restart_count: 0,
        }
    }

    /// As its last report left it; the listing completes it.
    pub(crate) fn restore(report: &ContainerReport, started_at: Option<Millis>) -> Self {
        let status = report.last_status.parse().unwrap_or(ContainerStatus::Pending);
        Self {
            known: match status {
                ContainerStatus::Pending => Known::None,
                ContainerStatus::Running => Known::Running,
                ContainerStatus::Stopped => Known::Stopped,
            },
            runtime_id: (!report.runtime_id.is_empty()).then(|| report.runtime_id.clone()),
            ran: status == ContainerStatus::Running || report.exit_code.is_some(),
            exit_code: report.exit_code,
            reason: report.reason.clone(),
            bindings: report.network_bindings.clone(),
            image_digest: report.image_digest.clone(),
            started_at,
            restart_count: report.restart_count,
            // Until the runtime says otherwise: a restart of the agent makes no task less healthy.
            health: match report.health_status() {
                WireHealth::Healthy => HealthStatus::Healthy,
                WireHealth::Unhealthy => HealthStatus::Unhealthy,
                WireHealth::Unknown | WireHealth::Unspecified => HealthStatus::Unknown,
            },
            ..Self::new()
        }
    }

    pub(crate) fn progress(&self) -> Progress {
        match self.known {
            Known::Running => {
                Progress::Running { started_at: self.started_at.unwrap_or_default(), health: self.health }
            }
            Known::Stopped => Progress::Stopped { exit_code: self.exit_code, ran: self.ran },
            _ => Progress::Waiting,
        }
    }

    /// Whether it may be given an operation of this kind now. A new kind begins a new count of tries.
    pub(crate) fn may_begin(&self, kind: OpKind, now: Millis) -> bool {
        self.op.is_none() && self.phase.is_none_or(|phase| phase.kind != kind || phase.retry_at <= now)
    }

    pub(crate) fn begin(&mut self, id: EffectId, kind: OpKind, definition: &ContainerDefinition, now: Millis) {
        let phase = match self.phase {
            Some(phase) if phase.kind == kind => Phase { attempts: phase.attempts + 1, ..phase },
            _ => Phase { kind, since: now, attempts: 1, retry_at: 0 },
        };
        self.phase = Some(phase);
        let deadline = match kind {
            OpKind::Stop => now + spec::stop_timeout_ms(definition) + limits::STOP_GRACE_MS,
            OpKind::Remove => now + limits::REMOVE_TIMEOUT_MS,
            _ => (phase.since + timeout_ms(kind)).max(now),
        };
        self.op = Some(Op { id, kind, deadline });
    }

    /// Tries of the present kind of operation.
    pub(crate) fn tries(&self) -> u32 {
        self.phase.map_or(0, |phase| phase.attempts)
    }

    /// The operation ended; what was seen before is old now.
    pub(crate) fn end(&mut self, id: EffectId) {
        self.op = None;
        self.touched = id;
        if self.check.running.is_some() {
            self.check = Check { running: None, due_at: Some(0) };
        }
    }

    /// The operation failed or ran out of time: what now? Sets the reason where it is given up.
    pub(crate) fn failed(&mut self, kind: OpKind, error: Option<&RuntimeError>, now: Millis) -> Verdict {
        let Some(phase) = self.phase.as_mut().filter(|phase| phase.kind == kind) else { return Verdict::Failed };
        let out_of_time = now >= phase.since + timeout_ms(kind);
        let again = match (kind, error.map(|error| &error.kind)) {
            (OpKind::Remove, _) => phase.attempts < limits::REMOVE_ATTEMPTS_MAX,
            (OpKind::Stop, _) | (_, Some(FailureKind::Unavailable)) => !out_of_time,
            (OpKind::Pull, Some(FailureKind::Transient)) => !out_of_time && phase.attempts < limits::PULL_ATTEMPTS_MAX,
            _ => false,
        };
        if again {
            phase.retry_at = now + limits::retry_wait_ms(phase.attempts);
            return Verdict::Retry;
        }
        if self.reason.is_empty() && kind != OpKind::Remove {
            self.reason = reason(kind, error.filter(|error| !out_of_time || error.kind != FailureKind::Unavailable));
        }
        Verdict::Failed
    }

    /// Takes in what the runtime sees. Never goes back. True where its exit is to be followed by a restart.
    pub(crate) fn observe(
        &mut self,
        seen: &Observation,
        definition: &ContainerDefinition,
        stopping: bool,
        now: Millis,
    ) -> bool {
        self.runtime_id = Some(seen.runtime_id.clone());
        if !seen.image_digest.is_empty() {
            self.image_digest.clone_from(&seen.image_digest);
        }
        if self.known == Known::Stopped {
            return false;
        }
        if !seen.network_bindings.is_empty() {
            self.bindings.clone_from(&seen.network_bindings);
        }
        match &seen.state {
            ObservedState::Created => self.known = self.known.max(Known::Created),
            ObservedState::Running => {
                self.known = Known::Running;
                self.ran = true;
                self.restart_due = false;
                self.health = seen.health;
                self.started_at = seen.started_at.or(self.started_at).or(Some(now));
            }
            ObservedState::Exited { exit_code, reason } => {
                self.ran = true;
                self.started_at = seen.started_at.or(self.started_at).or(Some(now));
                self.exit_code = *exit_code;
                if self.reason.is_empty() {
                    self.reason = clip(reason);
                }
                if !stopping && self.wants_restart(definition, seen.finished_at.unwrap_or(now)) {
                    self.known = Known::Running;
                    self.restart_due = true;
                    self.phase = None;
                    return true;
                }
                self.known = Known::Stopped;
            }
        }
        false
    }

    /// Its restart policy: it ran for the period at least, and its code isn't one to ignore (ecs-semantics §2.1).
    fn wants_restart(&self, definition: &ContainerDefinition, finished_at: Millis) -> bool {
        const RESTART_PERIOD_S: i32 = 300;
        let Some(policy) = definition.restart_policy.as_ref().filter(|policy| policy.enabled()) else { return false };
        let ignored = self.exit_code.is_some_and(|code| policy.ignored_exit_codes.contains(&code));
        let period = u64::try_from(policy.restart_attempt_period.unwrap_or(RESTART_PERIOD_S)).unwrap_or_default();
        let ran = finished_at.saturating_sub(self.started_at.unwrap_or(finished_at));
        !ignored && ran >= period * 1_000
    }

    /// It is stopped and never ran, or its end couldn't be seen.
    pub(crate) fn give_up(&mut self, reason: impl FnOnce() -> String) {
        self.known = Known::Stopped;
        self.restart_due = false;
        self.may_run = false;
        if self.reason.is_empty() {
            self.reason = clip(&reason());
        }
    }

    /// When it is to be inspected, where that makes sense at all.
    pub(crate) fn check_due_at(&self) -> Option<Millis> {
        let possible = self.op.is_none() && self.check.running.is_none() && !self.restart_due;
        let alive = matches!(self.known, Known::Created | Known::Running) && self.runtime_id.is_some();
        self.check.due_at.filter(|_| possible && alive)
    }

    /// Moments at which something may have to happen to it. Those in the past have been dealt with.
    pub(crate) fn deadlines(&self) -> impl Iterator<Item = Millis> + use<> {
        let retry = self.phase.map(|phase| phase.retry_at).filter(|at| *at > 0 && self.op.is_none());
        let checks = [self.check.running.map(|(_, deadline)| deadline), self.check_due_at()];
        let own = [self.op.map(|op| op.deadline), retry];
        own.into_iter().chain(checks).flatten()
    }

    pub(crate) fn report(&self, definition: &ContainerDefinition) -> ContainerReport {
        let health = match (definition.health_check.is_some(), self.health) {
            (true, HealthStatus::Healthy) => WireHealth::Healthy,
            (true, HealthStatus::Unhealthy) => WireHealth::Unhealthy,
            _ => WireHealth::Unknown,
        };
        ContainerReport {
            name: definition.name().to_owned(),
            last_status: self.known.status().as_str().to_owned(),
            exit_code: if self.known == Known::Stopped { self.exit_code } else { None },
            reason: self.reason.clone(),
            runtime_id: self.runtime_id.clone().unwrap_or_default(),
            image_digest: self.image_digest.clone(),
            health_status: health.into(),
            network_bindings: self.bindings.clone(),
            network_interfaces: Vec::new(),
            restart_count: self.restart_count,
        }
    }
}

fn timeout_ms(kind: OpKind) -> Millis {
    match kind {
        OpKind::Pull => limits::PULL_TIMEOUT_MS,
        OpKind::Create => limits::CREATE_TIMEOUT_MS,
        OpKind::Start => limits::START_TIMEOUT_MS,
        OpKind::Stop => limits::STOP_GIVE_UP_MS,
        OpKind::Remove => limits::REMOVE_TIMEOUT_MS,
    }
}

/// ECS's words for a failed operation; without an error it ran out of time.
fn reason(kind: OpKind, error: Option<&RuntimeError>) -> String {
    let (name, state) = match kind {
        OpKind::Pull => ("CannotPullContainerError", "pulled"),
        OpKind::Create => ("CannotCreateContainerError", "created"),
        OpKind::Start => ("CannotStartContainerError", "running"),
        OpKind::Stop | OpKind::Remove => ("CannotStopContainerError", "stopped"),
    };
    clip(&match error {
        Some(RuntimeError { kind: FailureKind::Named(name), message }) => format!("{name}: {message}"),
        Some(error) => format!("{name}: {}", error.message),
        None => format!(
            "ContainerRuntimeTimeoutError: Could not transition to {state}; timed out after waiting {}",
            limits::span(timeout_ms(kind))
        ),
    })
}

/// Cut to [`limits::REASON_CHARS_MAX`].
pub(crate) fn clip(text: &str) -> String {
    text.chars().take(limits::REASON_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use drydock_proto::ecs::HealthCheck;

    use super::{Container, ContainerDefinition, HealthStatus, WireHealth};

    // rule: 2.1/health-of-image-ignored, 2.1/health-unknown
    #[test]
    fn what_an_image_s_own_check_says_is_not_told() {
        let container = Container { health: HealthStatus::Unhealthy, ..Container::new() };
        for (health_check, expected) in
            [(None, WireHealth::Unknown), (Some(HealthCheck::default()), WireHealth::Unhealthy)]
        {
            let definition = ContainerDefinition { health_check, ..ContainerDefinition::default() };
            assert_eq!(container.report(&definition).health_status(), expected);
        }
    }
}
