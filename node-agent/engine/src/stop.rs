//! The way down: containers in the reverse order of their dependencies, then the network, then, much later, what is
//! left of the containers.

use crate::container::{Known, OpKind};
use crate::io::RuntimeOp;
use crate::limits;
use crate::spec::stop_timeout_ms;
use crate::task::{Ctx, Network, Target, Task};

impl Task {
    /// One pass; true where something changed, so that another may find more to do.
    pub(crate) fn drive_stop(&mut self, ctx: &mut Ctx<'_>) -> bool {
        let mut changed = false;
        for index in 0..self.containers.len() {
            changed |= self.stop_container(index, ctx);
        }
        match self.network {
            // Its result, or its deadline, decides; then it is released.
            Network::Providing { .. } => return changed,
            // A failed try may have left something.
            Network::Wanted { since: Some(_), .. } => self.network = Network::Up,
            _ => {}
        }
        if self.containers.iter().all(|container| container.known == Known::Stopped) {
            changed |= self.release_network(ctx);
        }
        changed
    }

    pub(crate) fn release_network(&mut self, ctx: &mut Ctx<'_>) -> bool {
        if self.network != Network::Up {
            return false;
        }
        let task_arn = self.arn().to_owned();
        let id = ctx.run(Target::Network(task_arn.clone()), RuntimeOp::ReleaseNetwork { task_arn });
        self.network = Network::Releasing { id, deadline: ctx.now + limits::RELEASE_TIMEOUT_MS };
        self.touched = true;
        true
    }

    pub(crate) fn stop_container(&mut self, index: usize, ctx: &mut Ctx<'_>) -> bool {
        let container = &mut self.containers[index];
        match (container.known, container.op.map(|op| op.kind)) {
            (Known::Stopped, _) => return false,
            (Known::None | Known::Pulled, Some(OpKind::Pull)) => {
                if let Some(op) = container.op.take() {
                    ctx.cancel(op.id);
                }
            }
            // A create or a start under way leaves something behind: its result, or its deadline, comes first.
            (_, Some(_)) => return false,
            (Known::Running, None) | (Known::Created, None)
                if container.may_run || container.known == Known::Running =>
            {
                return self.begin_stop(index, ctx);
            }
            _ => {}
        }
        self.containers[index].give_up(String::new);
        self.touched = true;
        true
    }

    fn begin_stop(&mut self, index: usize, ctx: &mut Ctx<'_>) -> bool {
        let progress = self.progress();
        let container = &mut self.containers[index];
        if container.restart_due {
            // Between an exit and its restart nothing runs.
            container.give_up(String::new);
            self.touched = true;
            return true;
        }
        let in_order = container.may_run || self.graph.may_stop(index, &progress);
        let Some(runtime_id) = container.runtime_id.clone() else {
            container.give_up(|| "CannotInspectContainerError: the container is gone".into());
            return true;
        };
        if in_order && container.may_begin(OpKind::Stop, ctx.now) {
            let definition = &self.spec.containers[index];
            let op = RuntimeOp::Stop { runtime_id, timeout_ms: stop_timeout_ms(definition) };
            let id = ctx.run(Target::Container(self.spec.task_arn().to_owned(), index), op);
            container.begin(id, OpKind::Stop, definition, ctx.now);
            self.touched = true;
        }
        false
    }

    /// Removes a stopped task's containers and what else it had. Sets `cleaned` at the end.
    pub(crate) fn clean(&mut self, ctx: &mut Ctx<'_>) {
        let mut left = false;
        for (index, container) in self.containers.iter_mut().enumerate() {
            let Some(runtime_id) = container.runtime_id.clone().filter(|_| !container.removed) else { continue };
            left = true;
            if container.may_begin(OpKind::Remove, ctx.now) {
                let target = Target::Container(self.spec.task_arn().to_owned(), index);
                let id = ctx.run(target, RuntimeOp::Remove { runtime_id });
                container.begin(id, OpKind::Remove, &self.spec.containers[index], ctx.now);
            }
        }
        if !left && !self.cleaned && self.forgetting.is_none() {
            let task_arn = self.arn().to_owned();
            self.forgetting = Some(ctx.run(Target::Forget(task_arn.clone()), RuntimeOp::ForgetTask { task_arn }));
        }
    }

    /// Looks at the containers for which a hint came, where no operation is under way.
    pub(crate) fn check(&mut self, ctx: &mut Ctx<'_>) {
        let task_arn = self.spec.task_arn();
        for (index, container) in self.containers.iter_mut().enumerate() {
            let due = container.check_due_at().is_some_and(|at| at <= ctx.now);
            let Some(runtime_id) = container.runtime_id.clone().filter(|_| due) else { continue };
            let id = ctx.run(Target::Check(task_arn.to_owned(), index), RuntimeOp::Inspect { runtime_id });
            container.check =
                crate::container::Check { running: Some((id, ctx.now + limits::INSPECT_TIMEOUT_MS)), due_at: None };
        }
    }
}
