//! The nouns and their verbs: each file holds one noun, from its arguments to its tables. All of them speak to a
//! controller through [`Client`] and print through [`Screen`].

pub mod account_setting;
pub mod attribute;
pub mod capacity_provider;
pub mod cluster;
pub mod container_instance;
pub mod controller;
pub mod cost;
pub mod events;
pub mod explain;
pub mod flags;
pub mod ids;
pub mod logs;
pub mod names;
pub mod pages;
pub mod protection;
pub mod service;
pub mod service_deployment;
pub mod service_flags;
pub mod status;
pub mod task;
pub mod task_definition;
pub mod task_set;
pub mod wait;

use drydock_proto::ecs::Failure as EcsFailure;
use serde::Serialize;

use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Format, Screen, Table};

/// The ECS API's client.
pub type Ecs = drydock_proto::ecs::ecs_client::EcsClient<tonic::transport::Channel>;

/// What every command has.
#[derive(Debug, Clone)]
pub struct Context {
    /// The controllers.
    pub client: Client,
    /// Where it prints.
    pub screen: Screen,
    /// The cluster of the command: name or ARN.
    pub cluster: String,
    /// Whether somebody named it, by flag or environment: then it wins over that of a file.
    pub cluster_is_named: bool,
}

impl Context {
    /// The cluster, as requests have it.
    #[must_use]
    pub fn in_cluster(&self) -> Option<String> {
        Some(self.cluster.clone())
    }

    /// The cluster for a request out of a file, which may name one itself.
    #[must_use]
    pub fn cluster_over(&self, of_file: Option<String>) -> Option<String> {
        of_file.filter(|_| !self.cluster_is_named).or_else(|| self.in_cluster())
    }

    /// An answer that lists failures beside what went well: the table of the latter, if there is any, and then as
    /// [`Context::none_failed`].
    ///
    /// # Errors
    /// There is a failure, or the output is closed.
    pub fn answer_beside<T: Serialize>(
        &self,
        answer: &T,
        failures: &[EcsFailure],
        table: impl FnOnce() -> Table,
    ) -> Result<(), Failure> {
        match self.screen.format {
            Format::Table if !failures.is_empty() => self.screen.rows(&table())?,
            _ => self.screen.answer(answer, table)?,
        }
        self.none_failed(failures)
    }

    /// Ends a command whose answer lists failures: they go to stderr, and the command fails.
    ///
    /// # Errors
    /// There is a failure.
    pub fn none_failed(&self, failures: &[EcsFailure]) -> Result<(), Failure> {
        let line = |failure: &EcsFailure| {
            let mut line = failure.arn.clone().unwrap_or_default();
            for part in [&failure.reason, &failure.detail].into_iter().flatten().filter(|part| !part.is_empty()) {
                line.push_str(if line.is_empty() { "" } else { ": " });
                line.push_str(part);
            }
            line
        };
        match failures {
            [] => Ok(()),
            [one] => Err(Failure::Partly(line(one))),
            many => {
                many.iter().for_each(|failure| self.screen.note(&format!("failure: {}", line(failure))));
                Err(Failure::Partly(format!("{} of the things asked for failed", many.len())))
            }
        }
    }
}
