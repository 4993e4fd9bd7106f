//! Encoding of rows, all but those of tasks. Digests are taken over it.

use std::sync::Arc;

use drydock_model::capacity::Serves;
use drydock_model::status::{
    ClusterStatus, InstanceStatus, ServiceDeploymentStatus, ServiceStatus, TaskDefinitionStatus,
};
use drydock_proto::state as wire;
use prost::Message;

use super::Bad;
use super::parts::{
    available, code, definition_key, deployment_key, ecs_enum, from_available, from_definition_key,
    from_deployment_key, from_hook, from_id, from_instance_key, from_progress, from_revision_key, from_rollback,
    from_service_key, from_task_key, from_token_key, hook, id, instance_key, need, progress, revision_key, rollback,
    service_key, shared, task_key, text, token_key,
};
use super::plan::rollout_state;
use super::task_row::{from_launch, launch};
use crate::key::{ClusterId, FamilyKey, ScopeId};
use crate::row::{
    ClusterRow, DefinitionRow, DeploymentRow, FamilyRow, InstanceInfo, InstanceRow, RevisionRow, ServiceEventRow,
    ServiceEventsRow, ServiceRow, TokenResult, TokenRow,
};

/// A row and its encoding.
pub(crate) trait WireRow: Sized {
    /// Its message.
    type Wire: Message + Default;

    /// Its number among the tables: parts digests of equal bytes in two tables.
    const TABLE: u8;

    /// Encodes it.
    fn to_wire(&self) -> Self::Wire;

    /// Encodes it without the large parts that seldom change: a digest of those is kept beside the row, so that a change
    /// of the rest doesn't pay for them.
    fn to_wire_live(&self) -> Self::Wire {
        self.to_wire()
    }

    /// Encodes those parts alone; `None` for a row that has none.
    fn to_wire_fixed(&self) -> Option<Self::Wire> {
        None
    }

    /// The digest of parts that carry their own, and are in neither of the two; 0 where there are none.
    fn digest_of_parts(&self) -> u64 {
        0
    }

    /// Whether those parts are the very same objects (not merely equal ones) as in an earlier version of the row.
    fn shares_fixed(&self, _earlier: &Self) -> bool {
        true
    }
}

/// A row that can be decoded by itself; a task's needs rows of other tables.
pub(crate) trait FromWire: WireRow {
    /// Decodes it.
    fn from_wire(row: Self::Wire) -> Result<Self, Bad>;
}

impl WireRow for ClusterRow {
    type Wire = wire::ClusterRow;
    const TABLE: u8 = 1;

    fn to_wire(&self) -> wire::ClusterRow {
        let mut document = (*self.document).clone();
        document.tags = self.tags.to_vec();
        wire::ClusterRow { document: Some(document), ..self.to_wire_live() }
    }

    fn to_wire_live(&self) -> wire::ClusterRow {
        wire::ClusterRow {
            id: self.id.0,
            scope: self.scope.0,
            name: self.name.to_string(),
            status: self.status.code(),
            version: self.version,
            created_at: self.created_at,
            reap_at: self.reap_at,
            document: None,
        }
    }

    fn to_wire_fixed(&self) -> Option<wire::ClusterRow> {
        Some(wire::ClusterRow { document: Some((*self.document).clone()), ..wire::ClusterRow::default() })
    }

    fn shares_fixed(&self, earlier: &Self) -> bool {
        Arc::ptr_eq(&self.document, &earlier.document)
    }

    fn digest_of_parts(&self) -> u64 {
        self.tags.digest()
    }
}

impl FromWire for ClusterRow {
    fn from_wire(row: wire::ClusterRow) -> Result<Self, Bad> {
        let mut document = need(row.document, "document of a cluster")?;
        let tags = std::mem::take(&mut document.tags).into();
        Ok(Self {
            id: ClusterId(row.id),
            scope: ScopeId(row.scope),
            name: row.name.into(),
            status: code("cluster status", row.status, ClusterStatus::from_code)?,
            version: row.version,
            created_at: row.created_at,
            reap_at: row.reap_at,
            document: Arc::new(document),
            tags,
        })
    }
}

impl WireRow for FamilyRow {
    type Wire = wire::FamilyRow;
    const TABLE: u8 = 2;

    fn to_wire(&self) -> wire::FamilyRow {
        wire::FamilyRow {
            scope: self.key.scope.0,
            family: self.key.family.to_string(),
            last_revision: self.last_revision,
        }
    }
}

impl FromWire for FamilyRow {
    fn from_wire(row: wire::FamilyRow) -> Result<Self, Bad> {
        let key = FamilyKey { scope: ScopeId(row.scope), family: row.family.into() };
        Ok(Self { key, last_revision: row.last_revision })
    }
}

impl WireRow for DefinitionRow {
    type Wire = wire::DefinitionRow;
    const TABLE: u8 = 3;

    fn to_wire(&self) -> wire::DefinitionRow {
        wire::DefinitionRow {
            key: Some(definition_key(&self.key)),
            status: self.status.code(),
            version: self.version,
            registered_at: self.registered_at,
            deregistered_at: self.deregistered_at,
            delete_requested_at: self.delete_requested_at,
            reap_at: self.reap_at,
            registered_by: self.registered_by.to_string(),
            document: Some((*self.document).clone()),
            tags: self.tags.to_vec(),
        }
    }
}

impl FromWire for DefinitionRow {
    fn from_wire(row: wire::DefinitionRow) -> Result<Self, Bad> {
        Ok(Self {
            key: from_definition_key(need(row.key, "key of a task definition")?),
            status: code("task definition status", row.status, TaskDefinitionStatus::from_code)?,
            version: row.version,
            registered_at: row.registered_at,
            deregistered_at: row.deregistered_at,
            delete_requested_at: row.delete_requested_at,
            reap_at: row.reap_at,
            registered_by: row.registered_by.into(),
            document: Arc::new(need(row.document, "document of a task definition")?),
            tags: row.tags.into(),
        })
    }
}

impl WireRow for InstanceRow {
    type Wire = wire::InstanceRow;
    const TABLE: u8 = 4;

    fn to_wire(&self) -> wire::InstanceRow {
        let fixed = self.fixed();
        wire::InstanceRow {
            token: fixed.token,
            ec2_instance_id: fixed.ec2_instance_id,
            attributes: fixed.attributes,
            runtime: fixed.runtime,
            agent_version: fixed.agent_version,
            docker_version: fixed.docker_version,
            put_attributes: fixed.put_attributes,
            serves: fixed.serves,
            capacity_provider: fixed.capacity_provider,
            tags: fixed.tags,
            ..self.to_wire_live()
        }
    }

    fn to_wire_live(&self) -> wire::InstanceRow {
        wire::InstanceRow {
            key: Some(instance_key(self.key)),
            version: self.version,
            status: self.status.code(),
            registered: Some(available(&self.registered)),
            remaining: Some(available(&self.remaining)),
            agent_connected: self.agent_connected,
            connected_at: self.connected_at,
            disconnected_at: self.disconnected_at,
            lost_at: self.lost_at,
            registered_at: self.registered_at,
            changed_at: self.changed_at,
            reap_at: self.reap_at,
            ..wire::InstanceRow::default()
        }
    }

    fn to_wire_fixed(&self) -> Option<wire::InstanceRow> {
        Some(self.fixed())
    }

    fn shares_fixed(&self, earlier: &Self) -> bool {
        Arc::ptr_eq(&self.info, &earlier.info) && Arc::ptr_eq(&self.tags, &earlier.tags)
    }
}

impl InstanceRow {
    fn fixed(&self) -> wire::InstanceRow {
        let attribute = |(name, value): (&Arc<str>, &Option<Arc<str>>)| wire::InstanceAttribute {
            name: name.to_string(),
            value: text(value.as_deref()),
        };
        let attributes = self.info.attributes.iter().map(attribute);
        wire::InstanceRow {
            token: self.info.token.to_string(),
            ec2_instance_id: text(self.info.ec2_instance_id.as_deref()),
            attributes: attributes.collect(),
            put_attributes: self.info.put.iter().map(attribute).collect(),
            runtime: self.info.runtime.to_string(),
            agent_version: self.info.agent_version.to_string(),
            docker_version: text(self.info.docker_version.as_deref()),
            serves: self.info.serves.code(),
            capacity_provider: text(self.info.capacity_provider.as_deref()),
            agent_hash: text(self.info.agent_hash.as_deref()),
            tags: self.tags.to_vec(),
            ..wire::InstanceRow::default()
        }
    }
}

impl FromWire for InstanceRow {
    fn from_wire(row: wire::InstanceRow) -> Result<Self, Bad> {
        let attribute = |attribute: wire::InstanceAttribute| (attribute.name.into(), shared(attribute.value));
        let attributes = row.attributes.into_iter().map(attribute);
        Ok(Self {
            key: from_instance_key(&need(row.key, "key of an instance")?),
            version: row.version,
            status: code("instance status", row.status, InstanceStatus::from_code)?,
            info: Arc::new(InstanceInfo {
                token: row.token.into(),
                ec2_instance_id: row.ec2_instance_id.map(Into::into),
                attributes: attributes.collect(),
                put: row.put_attributes.into_iter().map(attribute).collect(),
                runtime: row.runtime.into(),
                agent_version: row.agent_version.into(),
                docker_version: row.docker_version.map(Into::into),
                serves: code("what an instance serves", row.serves, Serves::from_code)?,
                capacity_provider: shared(row.capacity_provider),
                agent_hash: row.agent_hash.map(Into::into),
            }),
            registered: from_available(need(row.registered, "registered resources")?)?,
            remaining: from_available(need(row.remaining, "remaining resources")?)?,
            agent_connected: row.agent_connected,
            connected_at: row.connected_at,
            disconnected_at: row.disconnected_at,
            lost_at: row.lost_at,
            registered_at: row.registered_at,
            changed_at: row.changed_at,
            reap_at: row.reap_at,
            tags: row.tags.into(),
        })
    }
}

impl WireRow for ServiceRow {
    type Wire = wire::ServiceRow;
    const TABLE: u8 = 5;

    fn to_wire(&self) -> wire::ServiceRow {
        wire::ServiceRow { document: Some((*self.document).clone()), ..self.to_wire_live() }
    }

    fn to_wire_live(&self) -> wire::ServiceRow {
        wire::ServiceRow {
            key: Some(service_key(self.key)),
            name: self.name.to_string(),
            status: self.status.code(),
            version: self.version,
            generation: self.generation,
            desired_count: self.desired_count,
            primary_deployment: self.primary_deployment,
            current_deployment: self.current_deployment,
            target_revision: self.target_revision,
            completed_deployment: self.completed_deployment,
            created_at: self.created_at,
            created_by: self.created_by.to_string(),
            progress: Some(progress(&self.progress)),
            reap_at: self.reap_at,
            document: None,
        }
    }

    fn to_wire_fixed(&self) -> Option<wire::ServiceRow> {
        Some(wire::ServiceRow { document: Some((*self.document).clone()), ..wire::ServiceRow::default() })
    }

    fn shares_fixed(&self, earlier: &Self) -> bool {
        Arc::ptr_eq(&self.document, &earlier.document)
    }
}

impl FromWire for ServiceRow {
    fn from_wire(row: wire::ServiceRow) -> Result<Self, Bad> {
        Ok(Self {
            key: from_service_key(&need(row.key, "key of a service")?),
            group: Self::group_of(&row.name),
            name: row.name.into(),
            status: code("service status", row.status, ServiceStatus::from_code)?,
            version: row.version,
            generation: row.generation,
            desired_count: row.desired_count,
            primary_deployment: row.primary_deployment,
            current_deployment: row.current_deployment,
            target_revision: row.target_revision,
            completed_deployment: row.completed_deployment,
            created_at: row.created_at,
            created_by: row.created_by.into(),
            progress: from_progress(&need(row.progress, "progress of a service")?),
            reap_at: row.reap_at,
            document: Arc::new(need(row.document, "document of a service")?),
        })
    }
}

impl WireRow for ServiceEventsRow {
    type Wire = wire::ServiceEventsRow;
    const TABLE: u8 = 6;

    fn to_wire(&self) -> wire::ServiceEventsRow {
        let event = |event: &ServiceEventRow| wire::ServiceEvent {
            id: Some(id(event.id)),
            created_at: event.created_at,
            message: event.message.to_string(),
        };
        wire::ServiceEventsRow { key: Some(service_key(self.key)), events: self.events.iter().map(event).collect() }
    }
}

impl FromWire for ServiceEventsRow {
    fn from_wire(row: wire::ServiceEventsRow) -> Result<Self, Bad> {
        let event = |event: wire::ServiceEvent| {
            Ok(ServiceEventRow {
                id: from_id(&need(event.id, "id of a service event")?),
                created_at: event.created_at,
                message: event.message.into(),
            })
        };
        Ok(Self {
            key: from_service_key(&need(row.key, "key of service events")?),
            events: Arc::new(row.events.into_iter().map(event).collect::<Result<_, Bad>>()?),
        })
    }
}

impl WireRow for DeploymentRow {
    type Wire = wire::DeploymentRow;
    const TABLE: u8 = 7;

    fn to_wire(&self) -> wire::DeploymentRow {
        wire::DeploymentRow {
            key: Some(deployment_key(self.key)),
            id: self.id,
            version: self.version,
            target_revision: self.target_revision,
            source_revisions: self.source_revisions.to_vec(),
            status: self.status.code(),
            status_reason: text(self.status_reason.as_deref()),
            rollout_state: self.rollout_state as u32,
            rollout_state_reason: self.rollout_state_reason.to_string(),
            stage: self.stage as u32,
            failed_tasks: self.failed_tasks,
            failure_count: self.failure_count,
            breaker: self.breaker as u32,
            ever_ran: self.ever_ran,
            counted_until: self.counted_until,
            created_at: self.created_at,
            started_at: self.started_at,
            updated_at: self.updated_at,
            finished_at: self.finished_at,
            stopped_at: self.stopped_at,
            stage_deadline: self.stage_deadline,
            deadline: self.deadline,
            wake_at: self.wake_at,
            rollback: self.rollback.as_ref().map(rollback),
            reap_at: self.reap_at,
            configuration: Some((*self.configuration).clone()),
            counted_at: self.counted_at,
            threshold: self.threshold,
            halted: self.halted,
            production_traffic: self.production_traffic,
            test_traffic: self.test_traffic,
            bake_until: self.bake_until,
            hooks: self.hooks.iter().map(hook).collect(),
        }
    }
}

impl FromWire for DeploymentRow {
    fn from_wire(row: wire::DeploymentRow) -> Result<Self, Bad> {
        Ok(Self {
            key: from_deployment_key(&need(row.key, "key of a deployment")?)?,
            id: row.id,
            started_by: Self::started_by_of(row.id),
            version: row.version,
            target_revision: row.target_revision,
            source_revisions: row.source_revisions.into(),
            status: code("service deployment status", row.status, ServiceDeploymentStatus::from_code)?,
            status_reason: shared(row.status_reason),
            rollout_state: code("rollout state", row.rollout_state, rollout_state)?,
            rollout_state_reason: row.rollout_state_reason.into(),
            stage: ecs_enum("lifecycle stage", row.stage)?,
            failed_tasks: row.failed_tasks,
            failure_count: row.failure_count,
            breaker: ecs_enum("breaker status", row.breaker)?,
            ever_ran: row.ever_ran,
            counted_until: row.counted_until,
            created_at: row.created_at,
            started_at: row.started_at,
            updated_at: row.updated_at,
            finished_at: row.finished_at,
            stopped_at: row.stopped_at,
            stage_deadline: row.stage_deadline,
            deadline: row.deadline,
            wake_at: row.wake_at,
            rollback: row.rollback.map(from_rollback),
            counted_at: row.counted_at,
            threshold: row.threshold,
            halted: row.halted,
            production_traffic: row.production_traffic,
            test_traffic: row.test_traffic,
            bake_until: row.bake_until,
            hooks: row.hooks.iter().map(from_hook).collect::<Result<_, Bad>>()?,
            reap_at: row.reap_at,
            configuration: Arc::new(need(row.configuration, "configuration of a deployment")?),
        })
    }
}

impl WireRow for RevisionRow {
    type Wire = wire::RevisionRow;
    const TABLE: u8 = 8;

    fn to_wire(&self) -> wire::RevisionRow {
        wire::RevisionRow {
            key: Some(revision_key(self.key)),
            id: self.id,
            created_at: self.created_at,
            definition: Some(definition_key(&self.definition)),
            launch: Some(launch(&self.launch)),
            document: Some((*self.document).clone()),
            image_digests: (*self.image_digests).clone(),
        }
    }
}

impl FromWire for RevisionRow {
    fn from_wire(row: wire::RevisionRow) -> Result<Self, Bad> {
        Ok(Self {
            key: from_revision_key(&need(row.key, "key of a revision")?)?,
            id: row.id,
            created_at: row.created_at,
            definition: from_definition_key(need(row.definition, "task definition of a revision")?),
            launch: Arc::new(from_launch(need(row.launch, "launch of a revision")?)?),
            document: Arc::new(need(row.document, "document of a revision")?),
            image_digests: Arc::new(row.image_digests),
        })
    }
}

impl WireRow for TokenRow {
    type Wire = wire::TokenRow;
    const TABLE: u8 = 10;

    fn to_wire(&self) -> wire::TokenRow {
        let (tasks, failures, service, task_set) = match &self.result {
            TokenResult::Tasks(tasks, failures) => {
                (tasks.iter().copied().map(task_key).collect(), failures.to_vec(), None, None)
            }
            TokenResult::Service(key) => (Vec::new(), Vec::new(), Some(service_key(*key)), None),
            TokenResult::TaskSet(key) => (Vec::new(), Vec::new(), Some(service_key(key.service)), Some(key.number)),
        };
        wire::TokenRow {
            key: Some(token_key(&self.key)),
            request_digest: self.request_digest,
            expires_at: self.expires_at,
            tasks,
            failures,
            service,
            task_set,
        }
    }
}

impl FromWire for TokenRow {
    fn from_wire(row: wire::TokenRow) -> Result<Self, Bad> {
        let result = match (row.service.as_ref().map(from_service_key), row.task_set) {
            (Some(service), Some(number)) => TokenResult::TaskSet(service.task_set(number)),
            (Some(service), None) => TokenResult::Service(service),
            (None, _) => TokenResult::Tasks(row.tasks.iter().map(from_task_key).collect(), row.failures.into()),
        };
        Ok(Self {
            key: from_token_key(need(row.key, "key of a token")?)?,
            request_digest: row.request_digest,
            expires_at: row.expires_at,
            result,
        })
    }
}
