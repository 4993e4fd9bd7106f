//! The way up: network, then pull, create and start of each container as its dependencies allow.

use std::sync::Arc;

use crate::container::{Container, Known, Op, OpKind, Verdict};
use crate::dependency::Readiness;
use crate::io::{EffectId, FailureKind, ObservedState, Outcome, RuntimeError, RuntimeOp};
use crate::limits::{self, Millis};
use crate::task::{Ctx, Network, Target, Task, failed_to_start};

impl Task {
    /// One pass; true where something changed, so that another may find more to do.
    pub(crate) fn drive_start(&mut self, ctx: &mut Ctx<'_>) -> bool {
        self.wait_until = None;
        if self.orphan || !self.granted || !self.network_is_up(ctx) {
            return false;
        }
        let mut changed = false;
        for index in 0..self.containers.len() {
            changed |= self.drive_container(index, ctx);
            if self.stopping() {
                return true;
            }
        }
        changed
    }

    fn network_is_up(&mut self, ctx: &mut Ctx<'_>) -> bool {
        match self.network {
            Network::Wanted { since, attempts, retry_at } if retry_at <= ctx.now => {
                let op = RuntimeOp::ProvideNetwork(Arc::clone(&self.spec));
                let id = ctx.run(Target::Network(self.arn().to_owned()), op);
                self.network = Network::Providing { id, since: since.unwrap_or(ctx.now), attempts: attempts + 1 };
                false
            }
            Network::NotNeeded | Network::Up => true,
            _ => false,
        }
    }

    fn drive_container(&mut self, index: usize, ctx: &mut Ctx<'_>) -> bool {
        let container = &self.containers[index];
        if container.may_run {
            return self.stop_container(index, ctx);
        }
        let kind = match container.known {
            Known::None => OpKind::Pull,
            Known::Pulled => OpKind::Create,
            Known::Created => OpKind::Start,
            Known::Running if container.restart_due => OpKind::Start,
            Known::Running | Known::Stopped => return false,
        };
        if container.op.is_some() {
            return false;
        }
        if container.known < Known::Running {
            match self.graph.may_start(index, &self.progress(), ctx.now) {
                Readiness::Ready => {}
                Readiness::Wait(until) => {
                    self.wait_until = self.wait_until.into_iter().chain(until).min();
                    return false;
                }
                Readiness::Never(why) => {
                    self.containers[index].give_up(|| format!("CannotStartContainerError: {why}"));
                    self.stop_because(failed_to_start(&self.containers[index].reason));
                    return true;
                }
            }
        }
        self.containers[index].may_begin(kind, ctx.now) && self.begin(index, kind, ctx)
    }

    fn begin(&mut self, index: usize, kind: OpKind, ctx: &mut Ctx<'_>) -> bool {
        let runtime_id = self.containers[index].runtime_id.clone();
        let op = match (kind, runtime_id) {
            (OpKind::Pull, _) => RuntimeOp::Pull(self.spec.container(index)),
            (OpKind::Create, _) => RuntimeOp::Create(self.spec.container(index)),
            (OpKind::Start, Some(runtime_id)) => RuntimeOp::Start { runtime_id },
            _ => return false,
        };
        if kind == OpKind::Pull && self.times.pull_started_at.is_none() {
            self.times.pull_started_at = Some(ctx.now);
        }
        let id = ctx.run(Target::Container(self.arn().to_owned(), index), op);
        self.containers[index].begin(id, kind, &self.spec.containers[index], ctx.now);
        self.touched = true;
        false
    }

    /// The result of [`RuntimeOp::ProvideNetwork`] or [`RuntimeOp::ReleaseNetwork`].
    pub(crate) fn on_network(&mut self, id: EffectId, result: Result<Outcome, RuntimeError>, now: Millis) {
        self.touched = true;
        match (&self.network, result) {
            (Network::Providing { id: own, .. }, Ok(Outcome::Network(provided))) if *own == id => {
                self.provided = provided;
                self.network = Network::Up;
            }
            (Network::Providing { id: own, since, attempts }, result) if *own == id => {
                let (since, attempts) = (*since, *attempts);
                let error = result.err();
                let again = error.as_ref().is_some_and(|error| error.kind == FailureKind::Unavailable)
                    && now < since + limits::NETWORK_TIMEOUT_MS;
                let retry_at = now + limits::retry_wait_ms(attempts);
                self.network = Network::Wanted { since: Some(since), attempts, retry_at };
                if !again {
                    // What was half set up is taken down on the way to STOPPED.
                    self.network = Network::Up;
                    let why = error.map_or_else(|| "timed out".to_owned(), |error| error.message);
                    let reason = format!("ResourceInitializationError: unable to set up the task's network: {why}");
                    self.stop_because(failed_to_start(&reason));
                }
            }
            (Network::Releasing { id: own, .. }, _) if *own == id => self.network = Network::Released,
            _ => {}
        }
    }

    /// The result of a container's operation.
    pub(crate) fn on_operation(
        &mut self,
        index: usize,
        id: EffectId,
        result: Result<Outcome, RuntimeError>,
        now: Millis,
    ) {
        let stopping = self.stopping();
        let definition = &self.spec.containers[index];
        let container = &mut self.containers[index];
        let Some(op) = container.op.filter(|op| op.id == id) else { return };
        container.end(id);
        self.touched = true;
        match (op.kind, result) {
            (OpKind::Pull, Ok(Outcome::Pulled { image_digest })) => {
                container.known = container.known.max(Known::Pulled);
                container.image_digest = image_digest;
                self.times.pull_stopped_at = Some(now);
            }
            (OpKind::Start, Ok(Outcome::Observed(seen))) => {
                if container.known == Known::Running {
                    container.restart_count += 1;
                    container.exit_code = None;
                    container.started_at = Some(now);
                }
                if !container.observe(&seen, definition, stopping, now) && seen.state == ObservedState::Created {
                    settle(container, op, Some(&not_started()), now);
                }
            }
            (OpKind::Create, Ok(Outcome::Observed(seen))) => {
                container.observe(&seen, definition, stopping, now);
            }
            (OpKind::Stop, Ok(Outcome::Observed(seen))) => {
                container.observe(&seen, definition, true, now);
                if seen.state == ObservedState::Created && container.tries() >= limits::STOP_UNSTARTED_TRIES {
                    container.give_up(String::new);
                } else if container.known == Known::Stopped {
                    container.may_run = false;
                } else {
                    settle(container, op, None, now);
                }
            }
            (OpKind::Stop, Err(RuntimeError { kind: FailureKind::NotFound, message })) => {
                container.give_up(|| format!("CannotInspectContainerError: {message}"));
            }
            (OpKind::Remove, Ok(_) | Err(RuntimeError { kind: FailureKind::NotFound, .. })) => {
                container.removed = true;
            }
            (_, result) => settle(container, op, result.err().as_ref(), now),
        }
    }

    /// Ends what ran out of time.
    pub(crate) fn expire(&mut self, ctx: &mut Ctx<'_>) {
        for container in &mut self.containers {
            if let Some(op) = container.op.filter(|op| op.deadline <= ctx.now) {
                ctx.cancel(op.id);
                container.end(op.id);
                settle(container, op, None, ctx.now);
                self.touched = true;
            }
            if let Some((id, _)) = container.check.running.filter(|(_, deadline)| *deadline <= ctx.now) {
                ctx.cancel(id);
                container.check = crate::container::Check { running: None, due_at: Some(ctx.now) };
            }
        }
        match self.network {
            Network::Providing { id, since, .. } if since + limits::NETWORK_TIMEOUT_MS <= ctx.now => {
                ctx.cancel(id);
                self.network = Network::Up;
                let reason = format!(
                    "ResourceInitializationError: unable to set up the task's network: timed out after {}",
                    limits::span(limits::NETWORK_TIMEOUT_MS)
                );
                self.stop_because(failed_to_start(&reason));
            }
            Network::Releasing { id, deadline } if deadline <= ctx.now => {
                ctx.cancel(id);
                self.network = Network::Released;
            }
            _ => {}
        }
    }
}

/// What a failed (or, without an error, expired) operation does to its container.
fn settle(container: &mut Container, op: Op, error: Option<&RuntimeError>, now: Millis) {
    if container.failed(op.kind, error, now) == Verdict::Retry {
        return;
    }
    let unsure = error.is_none_or(|error| error.kind == FailureKind::Unavailable);
    match op.kind {
        OpKind::Remove => container.removed = true,
        // Whether it runs isn't known: it is stopped before it counts as stopped.
        OpKind::Start if unsure => container.may_run = true,
        _ => container.give_up(String::new),
    }
}

fn not_started() -> RuntimeError {
    RuntimeError { kind: FailureKind::Failed, message: "the runtime started it and it did not start".into() }
}
