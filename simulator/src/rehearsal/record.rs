//! What came of a rehearsal, as data.

use std::collections::BTreeMap;

use serde::Serialize;

use super::units::{Dollars, Span};

/// All of it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The scenario's title.
    pub title: Option<String>,
    /// What was drawn by chance follows from it.
    pub seed: u64,
    /// How long it lasted, in milliseconds.
    pub until: Span,
    /// What happened, in order.
    pub lines: Vec<Line>,
    /// Lines that were too many.
    pub lines_left_out: u64,
    /// How things stood, at equal distances.
    pub samples: Vec<Sample>,
    /// Every deployment that was under way.
    pub deployments: Vec<DeploymentRecord>,
    /// Times in which a service wasn't in steady state.
    pub unsteady: Vec<Unsteady>,
    /// What it cost.
    pub costs: Costs,
    /// What came of each expectation.
    pub verdicts: Vec<Verdict>,
}

/// What a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// What the scenario does.
    Script,
    /// A service's event, in ECS's words.
    Event,
    /// A deployment's rolloutState or status.
    Deployment,
    /// A container instance.
    Instance,
    /// The controllers.
    Controller,
}

/// Something that happened.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// When, in milliseconds.
    pub at: Span,
    /// What it is about.
    pub kind: Kind,
    /// The service, where it is about one.
    pub service: Option<String>,
    /// In words.
    pub text: String,
}

/// How things stood.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    /// When, in milliseconds.
    pub at: Span,
    /// By name.
    pub services: BTreeMap<String, ServiceSample>,
    /// By name.
    pub zones: BTreeMap<String, ZoneSample>,
    /// What was spent since the beginning.
    pub costs: Costs,
}

/// How a service stood. All are numbers of tasks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceSample {
    /// Wanted.
    pub desired: u32,
    /// RUNNING, and wanted so.
    pub running: u32,
    /// On the way to RUNNING.
    pub pending: u32,
    /// Told to stop, and not STOPPED yet.
    pub stopping: u32,
    /// RUNNING, with health checks that say so where there are any.
    pub healthy: u32,
    /// What minimumHealthyPercent asks for.
    pub minimum: u32,
    /// What maximumPercent allows.
    pub maximum: u32,
}

/// How a zone stood.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ZoneSample {
    /// Instances whose agents are connected.
    pub instances: u32,
    /// Tasks that aren't STOPPED.
    pub tasks: u32,
    /// CPU units that tasks hold, of those instances.
    pub cpu_held: u64,
    /// CPU units of those instances.
    pub cpu: u64,
    /// MiB that tasks hold.
    pub memory_held: u64,
    /// MiB.
    pub memory: u64,
}

/// What was spent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Costs {
    /// On the tasks, as Fargate bills them.
    pub fargate: Dollars,
    /// On the instances.
    pub ec2: Dollars,
}

/// A deployment.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentRecord {
    /// Whose.
    pub service: String,
    /// 1 is that of the service's creation.
    pub number: u64,
    /// What it goes to, `family:revision`.
    pub task_definition: String,
    /// When it was created, in milliseconds; 0 for one that was there at the beginning.
    pub created: Span,
    /// When it reached a final status, in milliseconds.
    pub finished: Option<Span>,
    /// As `deployments[]` tells.
    pub rollout_state: String,
    /// As DescribeServiceDeployments tells.
    pub status: String,
    /// In words.
    pub reason: String,
}

/// A time in which a service wasn't in steady state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unsteady {
    /// Which.
    pub service: String,
    /// Since when, in milliseconds.
    pub from: Span,
    /// Until when, in milliseconds; none where it was so at the end.
    pub until: Option<Span>,
}

/// What came of an expectation.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// Where it stands in the scenario: `expect[2]`.
    pub place: String,
    /// What was expected.
    pub expected: String,
    /// Whether it held.
    pub held: bool,
    /// What was seen.
    pub seen: String,
}

impl Record {
    /// Whether every expectation held.
    #[must_use]
    pub fn held(&self) -> bool {
        self.verdicts.iter().all(|verdict| verdict.held)
    }
}
