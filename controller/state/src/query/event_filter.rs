//! Which events a watcher wants. A pure function of the event.

use drydock_proto::control::WatchEventsRequest;

use super::Arns;
use crate::event::{Event, EventKind};

/// A watcher's wishes: an event must meet all that are given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    cluster: Option<String>,
    detail_types: Vec<String>,
    service: Option<String>,
    task: Option<String>,
}

impl EventFilter {
    /// What a request asks for; an empty text asks for nothing.
    #[must_use]
    pub fn of(request: &WatchEventsRequest) -> Self {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        Self {
            cluster: given(&request.cluster),
            detail_types: request.detail_types.clone(),
            service: given(&request.service),
            task: given(&request.task),
        }
    }

    /// Whether it wants an event. A service's are its actions, its deployments' and its tasks'; a task's are its own.
    #[must_use]
    pub fn wants(&self, event: &Event) -> bool {
        let arns = Arns::new(&event.scope, &event.cluster);
        self.cluster.as_deref().is_none_or(|wish| wish == &*event.cluster || wish == arns.cluster())
            && (self.detail_types.is_empty() || self.detail_types.iter().any(|of| of == event.kind.detail_type()))
            && self.service.as_deref().is_none_or(|wish| {
                service_of(&event.kind).is_some_and(|name| wish == name || wish == arns.service(name))
            })
            && self.task.as_deref().is_none_or(|wish| match &event.kind {
                EventKind::Task { task, .. } => wish == task.key.to_string() || wish == arns.task(task.key),
                _ => false,
            })
    }
}

/// The name of the service that an event is about.
fn service_of(kind: &EventKind) -> Option<&str> {
    match kind {
        EventKind::Task { task, .. } => task.service.and_then(|_| task.group.strip_prefix("service:")),
        EventKind::Instance { .. } | EventKind::Scaling(_) => None,
        EventKind::ServiceAction { service, .. } | EventKind::Deployment { service, .. } => Some(&service.name),
    }
}
