//! What `service create` and `service update` take as flags, and the requests they make. A flag wins over the same
//! member of a file.

use clap::Args;
use drydock_proto::ecs::{
    AssignPublicIp, AvailabilityZoneRebalancing, AwsVpcConfiguration, CapacityProviderStrategyItem,
    CapacityProviderStrategyItemList, CreateServiceRequest, DeploymentCircuitBreaker, DeploymentConfiguration,
    DeploymentController, DeploymentControllerType, DeploymentLifecycleHook, DeploymentLifecycleHookList,
    DeploymentLifecycleHookStage, DeploymentLifecycleHookTargetType, DeploymentStrategy, LaunchType,
    NetworkConfiguration, PropagateTags, SchedulingStrategy, Tag, ThresholdConfiguration, ThresholdType,
    UpdateServiceRequest,
};

use drydock_proto::json::WireEnum as _;

use super::flags;

/// ECS's launch types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LaunchTypeFlag {
    /// On the container instances of the cluster, by their resources.
    Ec2,
    /// By the task's own CPU and memory.
    Fargate,
    /// On instances that are registered as external.
    External,
}

impl LaunchTypeFlag {
    /// The number in requests.
    #[must_use]
    pub fn number(self) -> i32 {
        match self {
            Self::Ec2 => LaunchType::Ec2.into(),
            Self::Fargate => LaunchType::Fargate.into(),
            Self::External => LaunchType::External.into(),
        }
    }
}

/// The network of tasks in awsvpc mode.
#[derive(Debug, Clone, Default, Args)]
pub struct NetworkFlags {
    /// A subnet (awsvpc); repeat or separate by commas for more, up to 16.
    #[arg(long, value_name = "SUBNET", value_delimiter = ',')]
    pub subnet: Vec<String>,
    /// A security group (awsvpc); repeat or separate by commas for more, up to 5.
    #[arg(long, value_name = "GROUP", value_delimiter = ',', requires = "subnet")]
    pub security_group: Vec<String>,
    /// Whether tasks get a public address (awsvpc).
    #[arg(long, requires = "subnet")]
    pub assign_public_ip: bool,
}

impl NetworkFlags {
    /// The configuration, where a subnet was given.
    #[must_use]
    pub fn configuration(&self) -> Option<NetworkConfiguration> {
        let assign = self.assign_public_ip.then_some(AssignPublicIp::Enabled.into());
        let configuration = AwsVpcConfiguration {
            subnets: self.subnet.clone(),
            security_groups: self.security_group.clone(),
            assign_public_ip: assign,
        };
        (!self.subnet.is_empty()).then_some(NetworkConfiguration { awsvpc_configuration: Some(configuration) })
    }
}

/// How a deployment proceeds.
#[derive(Debug, Clone, Default, Args)]
pub struct DeploymentFlags {
    /// Percent of desiredCount that must be healthy during a deployment (ECS: 100).
    #[arg(long, value_name = "PERCENT")]
    pub minimum_healthy_percent: Option<i32>,
    /// Percent of desiredCount that may run during a deployment (ECS: 200).
    #[arg(long, value_name = "PERCENT")]
    pub maximum_percent: Option<i32>,
    /// Lets a deployment fail whose tasks don't start; `rollback` also goes back to the last one that completed.
    #[arg(long, value_enum, value_name = "MODE")]
    pub circuit_breaker: Option<Breaker>,
    /// When the circuit breaker trips: percent of desiredCount from 3 to 200 tasks (BOUNDED_PERCENT, ECS: 50), without these
    /// bounds (UNBOUNDED_PERCENT), or a COUNT.
    #[arg(long, value_name = "TYPE=VALUE", value_parser = threshold, requires = "circuit_breaker")]
    pub circuit_breaker_threshold: Option<ThresholdConfiguration>,
    /// Failures count all together: a task that becomes healthy doesn't set the circuit breaker back.
    #[arg(long, requires = "circuit_breaker")]
    pub circuit_breaker_no_reset: bool,
    /// How the new revision takes the place of the old one.
    #[arg(long, value_enum, value_name = "STRATEGY")]
    pub deployment_strategy: Option<StrategyFlag>,
    /// How long both revisions run beside each other once the new one serves (BLUE_GREEN), in minutes.
    #[arg(long, value_name = "MINUTES")]
    pub bake_time: Option<i32>,
    /// A stage at which the deployment pauses until `service-deployment continue`; repeat for more.
    #[arg(long, value_name = "STAGE", value_parser = pause)]
    pub pause_at: Vec<DeploymentLifecycleHookStage>,
}

/// Strategies of deployments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StrategyFlag {
    /// Task by task, within the two percentages.
    Rolling,
    /// All at once, beside the old revision.
    BlueGreen,
    /// In equal steps of traffic.
    Linear,
    /// A small share of traffic first.
    Canary,
}

impl StrategyFlag {
    fn number(self) -> i32 {
        match self {
            Self::Rolling => DeploymentStrategy::Rolling.into(),
            Self::BlueGreen => DeploymentStrategy::BlueGreen.into(),
            Self::Linear => DeploymentStrategy::Linear.into(),
            Self::Canary => DeploymentStrategy::Canary.into(),
        }
    }
}

fn threshold(text: &str) -> Result<ThresholdConfiguration, String> {
    let (kind, value) = text.split_once('=').ok_or("write TYPE=VALUE, such as COUNT=5")?;
    let kind = ThresholdType::number(kind).ok_or("TYPE is COUNT, BOUNDED_PERCENT or UNBOUNDED_PERCENT")?;
    let value = value.parse().map_err(|_| format!("{value} is no whole number"))?;
    Ok(ThresholdConfiguration { r#type: Some(kind), value: Some(value) })
}

fn pause(text: &str) -> Result<DeploymentLifecycleHookStage, String> {
    let stage = DeploymentLifecycleHookStage::number(text).and_then(|number| number.try_into().ok());
    stage.ok_or_else(|| format!("{text} is no stage of a hook, such as PRE_SCALE_UP or POST_SCALE_UP"))
}

/// Modes of the circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Breaker {
    /// No breaker.
    Off,
    /// The deployment fails.
    On,
    /// The deployment fails and is rolled back.
    Rollback,
}

impl DeploymentFlags {
    fn merge(&self, into: &mut Option<DeploymentConfiguration>) {
        let percents = self.minimum_healthy_percent.or(self.maximum_percent).or(self.bake_time).is_some();
        let others = self.circuit_breaker.is_some() || self.deployment_strategy.is_some();
        if !percents && !others && self.pause_at.is_empty() {
            return;
        }
        let configuration = into.get_or_insert_with(DeploymentConfiguration::default);
        configuration.minimum_healthy_percent = self.minimum_healthy_percent.or(configuration.minimum_healthy_percent);
        configuration.maximum_percent = self.maximum_percent.or(configuration.maximum_percent);
        if let Some(breaker) = self.circuit_breaker {
            configuration.deployment_circuit_breaker = Some(DeploymentCircuitBreaker {
                enable: Some(breaker != Breaker::Off),
                rollback: Some(breaker == Breaker::Rollback),
                reset_on_healthy_task: self.circuit_breaker_no_reset.then_some(false),
                threshold_configuration: self.circuit_breaker_threshold,
            });
        }
        configuration.strategy = self.deployment_strategy.map(StrategyFlag::number).or(configuration.strategy);
        configuration.bake_time_in_minutes = self.bake_time.or(configuration.bake_time_in_minutes);
        if !self.pause_at.is_empty() {
            let mut hook = DeploymentLifecycleHook::default();
            hook.set_target_type(DeploymentLifecycleHookTargetType::Pause);
            self.pause_at.iter().for_each(|stage| hook.push_lifecycle_stages(*stage));
            configuration.lifecycle_hooks = Some(DeploymentLifecycleHookList { items: vec![hook] });
        }
    }
}

/// Whether tasks are spread evenly over zones again where they aren't.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct ZoneFlags {
    /// Whether the tasks of a service in steady state move where they are spread unevenly over Availability Zones.
    #[arg(long, value_enum)]
    pub availability_zone_rebalancing: Option<RebalancingFlag>,
}

impl ZoneFlags {
    /// The number of `availabilityZoneRebalancing` in requests.
    #[must_use]
    pub fn rebalancing(self) -> Option<i32> {
        self.availability_zone_rebalancing.map(|state| match state {
            RebalancingFlag::Enabled => AvailabilityZoneRebalancing::Enabled.into(),
            RebalancingFlag::Disabled => AvailabilityZoneRebalancing::Disabled.into(),
        })
    }
}

/// The two states of rebalancing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RebalancingFlag {
    /// They move.
    Enabled,
    /// They stay.
    Disabled,
}

/// Tags that tasks get beside their own.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct TagFlags {
    /// Where tags of the tasks come from.
    #[arg(long, value_enum)]
    pub propagate_tags: Option<PropagateFlag>,
    /// Gives each task the tags aws:ecs:clusterName and aws:ecs:serviceName; `=false` no longer.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub enable_ecs_managed_tags: Option<bool>,
}

impl TagFlags {
    /// The number of `propagateTags` in requests.
    #[must_use]
    pub fn propagate(self) -> Option<i32> {
        self.propagate_tags.map(|from| match from {
            PropagateFlag::Service => PropagateTags::Service.into(),
            PropagateFlag::TaskDefinition => PropagateTags::TaskDefinition.into(),
            PropagateFlag::None => PropagateTags::None.into(),
        })
    }
}

/// Where tags of tasks come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PropagateFlag {
    /// The service.
    Service,
    /// The task definition.
    TaskDefinition,
    /// Nowhere.
    None,
}

/// How many tasks a service has, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SchedulingFlag {
    /// desiredCount of them.
    Replica,
    /// One on each instance.
    Daemon,
}

/// Who deploys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ControllerFlag {
    /// ECS.
    Ecs,
    /// Whoever makes task sets.
    External,
}

impl ControllerFlag {
    fn controller(self) -> DeploymentController {
        let kind = match self {
            Self::Ecs => DeploymentControllerType::Ecs,
            Self::External => DeploymentControllerType::External,
        };
        DeploymentController { r#type: Some(kind.into()) }
    }
}

/// Flags of `service create`.
#[derive(Debug, Clone, Default, Args)]
pub struct CreateFlags {
    /// FAMILY, FAMILY:REVISION or ARN.
    #[arg(short, long)]
    pub task_definition: Option<String>,
    /// How many tasks (1 where neither flag nor file say).
    #[arg(short = 'n', long, allow_negative_numbers = true)]
    pub desired_count: Option<i32>,
    /// Where the tasks run.
    #[arg(long, value_enum)]
    pub launch_type: Option<LaunchTypeFlag>,
    /// A capacity provider and its share: NAME, NAME=WEIGHT or NAME=WEIGHT:BASE; repeat or separate by commas for more.
    #[arg(long, value_name = "ITEM", value_delimiter = ',', value_parser = flags::strategy_item, conflicts_with = "launch_type")]
    pub capacity_provider_strategy: Vec<CapacityProviderStrategyItem>,
    /// REPLICA or DAEMON.
    #[arg(long, value_enum)]
    pub scheduling_strategy: Option<SchedulingFlag>,
    /// Who deploys: ECS, or somebody else by task sets (EXTERNAL); then the service has no task definition of its own.
    #[arg(long, value_enum, value_name = "CONTROLLER")]
    pub deployment_controller: Option<ControllerFlag>,
    /// Network of the tasks.
    #[command(flatten)]
    pub network: NetworkFlags,
    /// How deployments proceed.
    #[command(flatten)]
    pub deployment: DeploymentFlags,
    /// Spread of the tasks over zones.
    #[command(flatten)]
    pub zones: ZoneFlags,
    /// Tags of the tasks.
    #[command(flatten)]
    pub tags: TagFlags,
    /// A tag; repeat for more.
    #[arg(long, value_name = "KEY=VALUE", value_parser = flags::tag)]
    pub tag: Vec<Tag>,
}

impl CreateFlags {
    /// Puts the flags into a request.
    pub fn merge(self, name: Option<String>, into: &mut CreateServiceRequest) {
        into.service_name = name.or(into.service_name.take());
        into.task_definition = self.task_definition.or(into.task_definition.take());
        into.launch_type = self.launch_type.map(LaunchTypeFlag::number).or(into.launch_type);
        if !self.capacity_provider_strategy.is_empty() {
            into.capacity_provider_strategy = self.capacity_provider_strategy;
        }
        let strategy = self.scheduling_strategy.map(|strategy| match strategy {
            SchedulingFlag::Replica => SchedulingStrategy::Replica.into(),
            SchedulingFlag::Daemon => SchedulingStrategy::Daemon.into(),
        });
        into.scheduling_strategy = strategy.or(into.scheduling_strategy);
        let daemon = into.scheduling_strategy == Some(SchedulingStrategy::Daemon.into());
        into.desired_count = self.desired_count.or(into.desired_count).or((!daemon).then_some(1));
        into.deployment_controller =
            self.deployment_controller.map(ControllerFlag::controller).or(into.deployment_controller);
        into.network_configuration = self.network.configuration().or(into.network_configuration.take());
        self.deployment.merge(&mut into.deployment_configuration);
        into.availability_zone_rebalancing = self.zones.rebalancing().or(into.availability_zone_rebalancing);
        into.propagate_tags = self.tags.propagate().or(into.propagate_tags);
        into.enable_ecs_managed_tags = self.tags.enable_ecs_managed_tags.or(into.enable_ecs_managed_tags);
        into.tags.extend(self.tag);
    }
}

/// Flags of `service update`.
#[derive(Debug, Clone, Default, Args)]
pub struct UpdateFlags {
    /// FAMILY, FAMILY:REVISION or ARN.
    #[arg(short, long)]
    pub task_definition: Option<String>,
    /// How many tasks.
    #[arg(short = 'n', long, allow_negative_numbers = true)]
    pub desired_count: Option<i32>,
    /// A capacity provider and its share: NAME, NAME=WEIGHT or NAME=WEIGHT:BASE; repeat or separate by commas for more.
    #[arg(long, value_name = "ITEM", value_delimiter = ',', value_parser = flags::strategy_item)]
    pub capacity_provider_strategy: Vec<CapacityProviderStrategyItem>,
    /// Replaces all tasks, even where nothing else changes.
    #[arg(long)]
    pub force_new_deployment: bool,
    /// Network of the tasks.
    #[command(flatten)]
    pub network: NetworkFlags,
    /// How deployments proceed.
    #[command(flatten)]
    pub deployment: DeploymentFlags,
    /// Spread of the tasks over zones.
    #[command(flatten)]
    pub zones: ZoneFlags,
    /// Tags of the tasks.
    #[command(flatten)]
    pub tags: TagFlags,
}

impl UpdateFlags {
    /// Puts the flags into a request.
    pub fn merge(self, name: Option<String>, into: &mut UpdateServiceRequest) {
        into.service = name.or(into.service.take());
        into.task_definition = self.task_definition.or(into.task_definition.take());
        into.desired_count = self.desired_count.or(into.desired_count);
        if !self.capacity_provider_strategy.is_empty() {
            let items = self.capacity_provider_strategy;
            into.capacity_provider_strategy = Some(CapacityProviderStrategyItemList { items });
        }
        into.force_new_deployment = self.force_new_deployment.then_some(true).or(into.force_new_deployment);
        into.network_configuration = self.network.configuration().or(into.network_configuration.take());
        self.deployment.merge(&mut into.deployment_configuration);
        into.availability_zone_rebalancing = self.zones.rebalancing().or(into.availability_zone_rebalancing);
        into.propagate_tags = self.tags.propagate().or(into.propagate_tags);
        into.enable_ecs_managed_tags = self.tags.enable_ecs_managed_tags.or(into.enable_ecs_managed_tags);
    }
}
