//! What each deployment waited for: the deciders' explanations, looked at while it was under way, as stretches of time.

use std::collections::BTreeMap;

use drydock_proto::control::{ExplainServiceRequest, WaitKind};
use drydock_simulator::rehearsal::units::Span;
use drydock_simulator::rehearsal::{CLUSTER, Look, scope};
use serde::Serialize;

use crate::commands::explain::wait_line;

/// What a deployment waited for, of one kind.
#[derive(Debug, Clone, Serialize)]
pub(super) struct WaitedFor {
    /// Whose.
    pub service: String,
    /// Which deployment: 1 is that of the service's creation.
    pub deployment: u64,
    /// `HEALTHY`, `PLACEMENT` …
    pub kind: String,
    /// In words, as when it was first seen.
    pub text: String,
    /// From when until when, in milliseconds.
    pub stretches: Vec<(Span, Span)>,
}

/// All that was seen so far.
#[derive(Debug, Default)]
pub(super) struct Waits {
    all: BTreeMap<(String, u64, WaitOrder), WaitedFor>,
    /// The looks at each deployment: its last, and the one before.
    last: BTreeMap<(String, u64), Span>,
}

/// The order of the kinds is that of their numbers.
type WaitOrder = i32;

impl Waits {
    /// Looks at a service whose deployment is under way.
    pub(super) fn look(&mut self, look: &Look<'_>) {
        let service = look.service.name.to_string();
        let request = ExplainServiceRequest { cluster: CLUSTER.to_owned(), service: service.clone() };
        let Ok(answer) = drydock_controller::explain::of_service(look.state, &scope(), look.now_ms, &request) else {
            return;
        };
        let before = self.last.insert((service.clone(), look.deployment), look.at);
        for wait in &answer.waits {
            let found = self.all.entry((service.clone(), look.deployment, wait.kind)).or_insert_with(|| WaitedFor {
                service: service.clone(),
                deployment: look.deployment,
                kind: kind(wait.kind()),
                text: wait_line(wait, answer.now.as_ref()),
                stretches: Vec::new(),
            });
            match found.stretches.last_mut() {
                Some((_, until)) if *until == look.at => {}
                Some((_, until)) if Some(*until) == before => *until = look.at,
                _ => found.stretches.push((look.at, look.at)),
            }
        }
    }

    /// By service, deployment and kind.
    #[must_use]
    pub(super) fn into_all(self) -> Vec<WaitedFor> {
        self.all.into_values().collect()
    }
}

fn kind(kind: WaitKind) -> String {
    kind.as_str_name().trim_start_matches("WAIT_KIND_").to_owned()
}
