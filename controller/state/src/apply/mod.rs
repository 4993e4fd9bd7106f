//! `apply`: one log entry changes the state, or is refused and changes nothing. One file a noun; the rules that hold
//! here are in the crate's documentation.

mod account_setting;
mod agent;
mod attribute;
mod capacity_provider;
mod cluster;
mod definition;
mod deployment;
mod external_service;
mod instance;
mod lifecycle;
mod lookup;
mod outside;
mod plan;
mod plan_set;
mod protection;
mod reap;
mod report;
mod reset;
mod run_task;
mod service;
mod service_config;
mod service_deployment;
mod spot;
mod system;
mod tag;
mod task_set;

use std::collections::BTreeSet;
use std::sync::Arc;

pub use deployment::DEPLOYMENTS_KEPT_MAX;
use drydock_model::arn::Scope;
use drydock_model::error::EcsError;
use drydock_model::ids::Ids;
pub use task_set::TASK_SETS_MAX;

use crate::codec;
use crate::command::{Command, Envelope};
use crate::event::{Event, EventKind};
use crate::key::{ClusterId, Key, Millis, ScopeId};
use crate::outcome::{Applied, Halt, Outcome};
use crate::state::State;

/// The digest of the state is remembered each time the log crosses a multiple of this many entries.
pub const CHECKPOINT_EVERY: u64 = 256;

/// So many digests are remembered; the oldest goes first. A Checkpoint of an older index is answered `Checked(false)`.
pub const CHECKPOINTS_MAX: usize = 64;

/// Why a command isn't carried out.
pub(crate) enum Fail {
    /// A business error: an outcome.
    Refused(EcsError),
    /// The state contradicts itself.
    Halt(Halt),
}

impl From<EcsError> for Fail {
    fn from(error: EcsError) -> Self {
        Self::Refused(error)
    }
}

impl From<Halt> for Fail {
    fn from(halt: Halt) -> Self {
        Self::Halt(halt)
    }
}

/// What a handler answers.
pub(crate) type Answer = Result<Outcome, Fail>;

/// One entry being applied. A handler checks all that can be refused before it changes anything.
pub(crate) struct Apply<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) index: u64,
    pub(crate) now: Millis,
    pub(crate) ids: Ids,
    pub(crate) scope: &'a Scope,
    pub(crate) caller: &'a str,
    events: Vec<Event>,
    dirty: BTreeSet<Key>,
}

impl State {
    /// Applies the bytes of a log entry: see [`Self::apply`].
    ///
    /// # Errors
    /// As [`Self::apply`], and where they can't be decoded.
    pub fn apply_bytes(&mut self, index: u64, term: u64, bytes: &[u8]) -> Result<Applied, Halt> {
        let envelope = codec::decode(index, bytes)?;
        self.apply(index, term, &envelope)
    }

    /// Applies one log entry of `term` at `index`. Entries come in order; indices that raft uses for itself are left
    /// out, or told by [`Self::skip`].
    ///
    /// # Errors
    /// [`Halt`] where going on would make this replica differ from the others: it must stop, with the error as evidence.
    pub fn apply(&mut self, index: u64, term: u64, envelope: &Envelope) -> Result<Applied, Halt> {
        self.skip(index, term)?;
        if envelope.epoch != term {
            return Ok(Applied { outcome: Outcome::Superseded, events: Vec::new(), dirty: BTreeSet::new() });
        }
        let now = self.counters.last_now.max(envelope.now_ms);
        self.counters.last_now = now;
        let mut apply = Apply {
            state: self,
            index,
            now,
            ids: Ids::new(envelope.seed),
            scope: &envelope.scope,
            caller: &envelope.caller,
            events: Vec::new(),
            dirty: BTreeSet::new(),
        };
        let outcome = match apply.command(&envelope.command) {
            Ok(outcome) => outcome,
            Err(Fail::Refused(error)) => Outcome::Refused(error),
            Err(Fail::Halt(halt)) => return Err(halt),
        };
        Ok(Applied { outcome, events: apply.events, dirty: apply.dirty })
    }

    /// Notes that the log has got to `index` with an entry that isn't a command (raft's own).
    ///
    /// # Errors
    /// [`Halt::OutOfOrder`] where that was applied already.
    pub fn skip(&mut self, index: u64, term: u64) -> Result<(), Halt> {
        let last = self.counters.applied_index;
        if index <= last {
            return Err(Halt::OutOfOrder { index, last });
        }
        if last > 0 && index / CHECKPOINT_EVERY != last / CHECKPOINT_EVERY {
            self.checkpoints.insert(last, self.digest());
            while self.checkpoints.len() > CHECKPOINTS_MAX {
                let Some((oldest, _)) = self.checkpoints.get_min().copied() else { break };
                self.checkpoints.remove(&oldest);
            }
        }
        self.counters.applied_index = index;
        self.counters.applied_term = term;
        Ok(())
    }
}

impl Apply<'_> {
    fn command(&mut self, command: &Command) -> Answer {
        match command {
            Command::CreateCluster(request) => self.create_cluster(request),
            Command::DeleteCluster(request) => self.delete_cluster(request),
            Command::UpdateCluster(request) => self.update_cluster(request),
            Command::UpdateClusterSettings(request) => self.update_cluster_settings(request),
            Command::RegisterTaskDefinition(request) => self.register_task_definition(request),
            Command::DeregisterTaskDefinition(request) => self.deregister_task_definition(request),
            Command::DeleteTaskDefinitions(request) => self.delete_task_definitions(request),
            Command::CreateService(request) => self.create_service(request),
            Command::UpdateService(request) => self.update_service(request),
            Command::DeleteService(request) => self.delete_service(request),
            Command::RunTask(run) => self.run_task(run),
            Command::StartTask(request) => self.start_task(request),
            Command::StopTask(request) => self.stop_task(request),
            Command::DeregisterContainerInstance(request) => self.deregister_instance(request),
            Command::UpdateContainerInstancesState(request) => self.update_instances_state(request),
            Command::PutAttributes(request) => self.put_attributes(request),
            Command::DeleteAttributes(request) => self.delete_attributes(request),
            Command::TagResource(request) => self.tag_resource(request),
            Command::UntagResource(request) => self.untag_resource(request),
            Command::UpdateTaskProtection(request) => self.update_task_protection(request),
            Command::StopServiceDeployment(request) => self.stop_service_deployment(request),
            Command::ContinueServiceDeployment(request) => self.continue_service_deployment(request),
            Command::PutAccountSetting(request) => self.put_account_setting(request),
            Command::PutAccountSettingDefault(request) => self.put_account_setting_default(request),
            Command::DeleteAccountSetting(request) => self.delete_account_setting(request),
            Command::CreateTaskSet(request) => self.create_task_set(request),
            Command::UpdateTaskSet(request) => self.update_task_set(request),
            Command::DeleteTaskSet(request) => self.delete_task_set(request),
            Command::UpdateServicePrimaryTaskSet(request) => self.update_primary_task_set(request),
            Command::CreateCapacityProvider(request) => self.create_capacity_provider(request),
            Command::UpdateCapacityProvider(request) => self.update_capacity_provider(request),
            Command::DeleteCapacityProvider(request) => self.delete_capacity_provider(request),
            Command::PutClusterCapacityProviders(request) => self.put_cluster_capacity_providers(request),
            Command::RegisterContainerInstance(request) => self.register_container_instance(request),
            Command::SubmitTaskStateChange(request) => self.submit_task_state_change(request),
            Command::SubmitContainerStateChange(request) => self.submit_container_state_change(request),
            Command::SubmitAttachmentStateChanges(request) => self.submit_attachment_state_changes(request),
            Command::InterruptTask(interrupt) => self.interrupt_task(interrupt),
            Command::RegisterInstance(register) => self.register_instance(register),
            Command::InstanceConnected(key) => self.instance_connected(*key),
            Command::InstanceDisconnected(key) => self.instance_disconnected(*key),
            Command::ReportStatuses(reports) => self.report_statuses(reports),
            Command::Plan(plan) => self.plan(plan),
            Command::Reap(keys) => Ok(self.reap(keys)),
            Command::Checkpoint { index, digest } => self.checkpoint(*index, *digest),
            Command::PutSettings(settings) => self.put_settings(settings),
            Command::Reset => self.reset(),
            Command::PutNames(names) => self.put_names(names),
            Command::NewEpoch => Ok(self.new_epoch()),
        }
    }

    /// The number of the envelope's scope, given now where it has none. Changes the state: only after all checks.
    fn scope_for_write(&mut self) -> ScopeId {
        if let Some(id) = self.state.scope_id(self.scope) {
            return id;
        }
        self.state.counters.scopes += 1;
        let id = ScopeId(self.state.counters.scopes);
        self.state.put_scope(id, Arc::new(self.scope.clone()));
        id
    }

    fn mark(&mut self, key: Key) {
        self.dirty.insert(key);
    }

    /// Emits an event about something in a cluster.
    fn emit(&mut self, cluster: ClusterId, kind: EventKind) -> Result<(), Halt> {
        let id = self.ids.bits();
        let row = self.state.cluster(cluster).ok_or_else(|| self.contradiction("an event of no cluster"))?;
        let scope = self.state.scope(row.scope).ok_or_else(|| self.contradiction("a cluster of no scope"))?;
        self.events.push(Event {
            index: self.index,
            ordinal: u32::try_from(self.events.len()).unwrap_or(u32::MAX),
            at: self.now,
            id,
            scope: Arc::clone(scope),
            cluster: Arc::clone(&row.name),
            kind,
        });
        Ok(())
    }

    fn contradiction(&self, what: impl Into<String>) -> Halt {
        Halt::Contradiction { index: self.index, what: what.into() }
    }
}
