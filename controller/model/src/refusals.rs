//! What Drydock doesn't do yet, and therefore refuses instead of storing it and doing nothing (design §3, issue 3).
//!
//! One table a request: a member, when it counts as given, and why it is refused. Whoever builds what a row names deletes
//! the row. docs/compatibility.md is checked against [`all`].

use drydock_proto::ecs::{ClusterConfiguration, ClusterSetting};
use drydock_proto::ecs::{
    Compatibility, CreateCapacityProviderRequest, CreateClusterRequest, CreateServiceRequest, CreateTaskSetRequest,
    DeleteCapacityProviderRequest, DeploymentConfiguration, DeploymentController, DeploymentControllerType,
    DeploymentLifecycleHookTargetType, DeploymentStrategy, DescribeCapacityProvidersRequest, LaunchType,
    ListTasksRequest, RegisterTaskDefinitionRequest, ResourceType, RunTaskRequest, Setting, SettingName,
    StartTaskRequest, SubmitTaskStateChangeRequest, TaskDefinition, TaskOverride, UpdateCapacityProviderRequest,
    UpdateClusterRequest, UpdateServiceRequest,
};

use crate::error::EcsError;

/// A member that is refused.
pub struct Refusal<R: 'static> {
    /// The member, as ECS spells it, with the values that are refused where others are obeyed.
    pub field: &'static str,
    /// What is missing: ends the sentence "FIELD isn't supported: …".
    pub reason: &'static str,
    given: fn(&R) -> bool,
}

/// A row of the tables, for documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The operation, as ECS spells it.
    pub operation: &'static str,
    /// [`Refusal::field`].
    pub field: &'static str,
    /// [`Refusal::reason`].
    pub reason: &'static str,
}

/// Refuses a request that has a member of the table.
///
/// # Errors
/// `UnsupportedFeatureException`, whose text names the member.
pub fn check<R>(table: &[Refusal<R>], request: &R) -> Result<(), EcsError> {
    match table.iter().find(|refusal| (refusal.given)(request)) {
        Some(refusal) => Err(EcsError::unsupported(format!("{} isn't supported: {}.", refusal.field, refusal.reason))),
        None => Ok(()),
    }
}

/// Every row of every table.
#[must_use]
pub fn all() -> Vec<Row> {
    fn rows<R>(operation: &'static str, table: &[Refusal<R>]) -> Vec<Row> {
        table.iter().map(|row| Row { operation, field: row.field, reason: row.reason }).collect()
    }
    [
        rows("CreateCluster", CREATE_CLUSTER),
        rows("UpdateCluster", UPDATE_CLUSTER),
        rows("CreateCapacityProvider", CREATE_CAPACITY_PROVIDER),
        rows("UpdateCapacityProvider", UPDATE_CAPACITY_PROVIDER),
        rows("DeleteCapacityProvider", DELETE_CAPACITY_PROVIDER),
        rows("DescribeCapacityProviders", DESCRIBE_CAPACITY_PROVIDERS),
        rows("RegisterTaskDefinition", REGISTER_TASK_DEFINITION),
        rows("RunTask, StartTask, CreateService, UpdateService, CreateTaskSet", USE_TASK_DEFINITION),
        rows("CreateService", CREATE_SERVICE),
        rows("UpdateService", UPDATE_SERVICE),
        rows("CreateTaskSet", CREATE_TASK_SET),
        rows("RunTask", RUN_TASK),
        rows("StartTask", START_TASK),
        rows("RunTask, StartTask (overrides)", OVERRIDES),
        rows("ListTasks", LIST_TASKS),
        rows("SubmitTaskStateChange", SUBMIT_TASK_STATE_CHANGE),
        rows("PutAccountSetting, PutAccountSettingDefault", ACCOUNT_SETTING),
    ]
    .concat()
}

const NO_MANAGED_INSTANCES: &str = "there are no ECS Managed Instances";
const NO_EXEC: &str = "there is no ECS Exec yet";
const NO_EBS: &str = "there are no EBS volumes";
const NO_LAUNCH_TYPE: &str = "only EC2 and FARGATE are launch types here";
const NO_LOAD_BALANCERS: &str = "there are no load balancers yet";
const NO_DISCOVERY: &str = "there is no service discovery yet";
const NO_CONNECT: &str = "there is no Service Connect yet";
const NO_LATTICE: &str = "there is no VPC Lattice";
const NO_TRAFFIC: &str = "these strategies shift traffic between two service revisions and need a load balancer or \
     Service Connect, and the service can have neither yet";
const NO_CODE_DEPLOY: &str = "there is no CodeDeploy, only the controllers ECS and EXTERNAL";
const NO_INSIGHTS: &str = "there are no figures of single tasks";

/// SubmitTaskStateChange.
pub const SUBMIT_TASK_STATE_CHANGE: &[Refusal<SubmitTaskStateChangeRequest>] =
    &[Refusal { field: "managedAgents", reason: NO_EXEC, given: |request| !request.managed_agents.is_empty() }];

/// CreateCluster.
pub const CREATE_CLUSTER: &[Refusal<CreateClusterRequest>] = &[
    Refusal {
        field: "configuration",
        reason: "there is neither ECS Exec nor managed storage yet",
        given: |request| has_configuration(request.configuration.as_ref()),
    },
    Refusal {
        field: "serviceConnectDefaults",
        reason: NO_CONNECT,
        given: |request| request.service_connect_defaults.is_some(),
    },
    Refusal {
        field: "settings: containerInsights enhanced",
        reason: NO_INSIGHTS,
        given: |request| has_enhanced_insights(&request.settings),
    },
];

/// UpdateCluster, and UpdateClusterSettings by its settings.
pub const UPDATE_CLUSTER: &[Refusal<UpdateClusterRequest>] = &[
    Refusal {
        field: "configuration",
        reason: "there is neither ECS Exec nor managed storage yet",
        given: |request| has_configuration(request.configuration.as_ref()),
    },
    Refusal {
        field: "serviceConnectDefaults",
        reason: NO_CONNECT,
        given: |request| request.service_connect_defaults.is_some(),
    },
    Refusal {
        field: "settings: containerInsights enhanced",
        reason: NO_INSIGHTS,
        given: |request| has_enhanced_insights(&request.settings),
    },
];

/// CreateCapacityProvider.
pub const CREATE_CAPACITY_PROVIDER: &[Refusal<CreateCapacityProviderRequest>] = &[
    Refusal {
        field: "managedInstancesProvider",
        reason: NO_MANAGED_INSTANCES,
        given: |request| request.managed_instances_provider.is_some(),
    },
    Refusal { field: "cluster", reason: NO_MANAGED_INSTANCES, given: |request| request.cluster.is_some() },
];

/// UpdateCapacityProvider.
pub const UPDATE_CAPACITY_PROVIDER: &[Refusal<UpdateCapacityProviderRequest>] = &[
    Refusal {
        field: "managedInstancesProvider",
        reason: NO_MANAGED_INSTANCES,
        given: |request| request.managed_instances_provider.is_some(),
    },
    Refusal { field: "cluster", reason: NO_MANAGED_INSTANCES, given: |request| request.cluster.is_some() },
];

/// DeleteCapacityProvider.
pub const DELETE_CAPACITY_PROVIDER: &[Refusal<DeleteCapacityProviderRequest>] =
    &[Refusal { field: "cluster", reason: NO_MANAGED_INSTANCES, given: |request| request.cluster.is_some() }];

/// DescribeCapacityProviders.
pub const DESCRIBE_CAPACITY_PROVIDERS: &[Refusal<DescribeCapacityProvidersRequest>] =
    &[Refusal { field: "cluster", reason: NO_MANAGED_INSTANCES, given: |request| request.cluster.is_some() }];

/// RegisterTaskDefinition.
pub const REGISTER_TASK_DEFINITION: &[Refusal<RegisterTaskDefinitionRequest>] = &[
    Refusal {
        field: "inferenceAccelerators",
        reason: "AWS has ended Elastic Inference",
        given: |request| {
            let mut needs = request.container_definitions.iter().flat_map(|c| &c.resource_requirements);
            !request.inference_accelerators.is_empty()
                || needs.any(|need| need.r#type() == ResourceType::InferenceAccelerator)
        },
    },
    Refusal {
        field: "requiresCompatibilities: MANAGED_INSTANCES",
        reason: NO_LAUNCH_TYPE,
        given: |request| request.requires_compatibilities().any(|given| given == Compatibility::ManagedInstances),
    },
    Refusal {
        field: "enableFaultInjection: true",
        reason: "there is no fault injection endpoint yet",
        given: |request| request.enable_fault_injection == Some(true),
    },
];

/// A task definition that tasks are to be made of. It may be registered all the same.
pub const USE_TASK_DEFINITION: &[Refusal<TaskDefinition>] = &[Refusal {
    field: "volumes: configuredAtLaunch (of the task definition)",
    reason: NO_EBS,
    given: |definition| definition.volumes.iter().any(|volume| volume.configured_at_launch == Some(true)),
}];

/// CreateService.
pub const CREATE_SERVICE: &[Refusal<CreateServiceRequest>] = &[
    Refusal {
        field: "deploymentController: CODE_DEPLOY",
        reason: NO_CODE_DEPLOY,
        given: |request| is_code_deploy(request.deployment_controller.as_ref()),
    },
    Refusal {
        field: "deploymentConfiguration.strategy: LINEAR or CANARY",
        reason: NO_TRAFFIC,
        given: |request| request.deployment_configuration.as_ref().is_some_and(shifts_traffic),
    },
    Refusal {
        field: "deploymentConfiguration.alarms.enable: true",
        reason: "there is no CloudWatch whose alarms could be read",
        given: |request| request.deployment_configuration.as_ref().is_some_and(has_alarms),
    },
    Refusal {
        field: "deploymentConfiguration.lifecycleHooks with targetType AWS_LAMBDA",
        reason: "nothing here can run a Lambda function",
        given: |request| request.deployment_configuration.as_ref().is_some_and(has_lambda_hook),
    },
    Refusal {
        field: "launchType other than EC2 or FARGATE",
        reason: NO_LAUNCH_TYPE,
        given: |request| is_other_launch_type(request.launch_type()),
    },
    Refusal { field: "loadBalancers", reason: NO_LOAD_BALANCERS, given: |request| !request.load_balancers.is_empty() },
    Refusal { field: "role", reason: NO_LOAD_BALANCERS, given: |request| request.role.is_some() },
    Refusal {
        field: "serviceRegistries",
        reason: NO_DISCOVERY,
        given: |request| !request.service_registries.is_empty(),
    },
    Refusal {
        field: "serviceConnectConfiguration.enabled: true",
        reason: NO_CONNECT,
        given: |request| request.service_connect_configuration.as_ref().is_some_and(|c| c.enabled == Some(true)),
    },
    Refusal {
        field: "volumeConfigurations",
        reason: NO_EBS,
        given: |request| !request.volume_configurations.is_empty(),
    },
    Refusal {
        field: "vpcLatticeConfigurations",
        reason: NO_LATTICE,
        given: |request| !request.vpc_lattice_configurations.is_empty(),
    },
    Refusal {
        field: "enableExecuteCommand: true",
        reason: NO_EXEC,
        given: |request| request.enable_execute_command == Some(true),
    },
];

/// UpdateService.
pub const UPDATE_SERVICE: &[Refusal<UpdateServiceRequest>] = &[
    Refusal {
        field: "deploymentController: CODE_DEPLOY",
        reason: NO_CODE_DEPLOY,
        given: |request| is_code_deploy(request.deployment_controller.as_ref()),
    },
    Refusal {
        field: "deploymentConfiguration.strategy: LINEAR or CANARY",
        reason: NO_TRAFFIC,
        given: |request| request.deployment_configuration.as_ref().is_some_and(shifts_traffic),
    },
    Refusal {
        field: "deploymentConfiguration.alarms.enable: true",
        reason: "there is no CloudWatch whose alarms could be read",
        given: |request| request.deployment_configuration.as_ref().is_some_and(has_alarms),
    },
    Refusal {
        field: "deploymentConfiguration.lifecycleHooks with targetType AWS_LAMBDA",
        reason: "nothing here can run a Lambda function",
        given: |request| request.deployment_configuration.as_ref().is_some_and(has_lambda_hook),
    },
    Refusal {
        field: "loadBalancers",
        reason: NO_LOAD_BALANCERS,
        given: |request| request.load_balancers.as_ref().is_some_and(|list| !list.items.is_empty()),
    },
    Refusal {
        field: "serviceRegistries",
        reason: NO_DISCOVERY,
        given: |request| request.service_registries.as_ref().is_some_and(|list| !list.items.is_empty()),
    },
    Refusal {
        field: "serviceConnectConfiguration.enabled: true",
        reason: NO_CONNECT,
        given: |request| request.service_connect_configuration.as_ref().is_some_and(|c| c.enabled == Some(true)),
    },
    Refusal {
        field: "volumeConfigurations",
        reason: NO_EBS,
        given: |request| request.volume_configurations.as_ref().is_some_and(|list| !list.items.is_empty()),
    },
    Refusal {
        field: "vpcLatticeConfigurations",
        reason: NO_LATTICE,
        given: |request| request.vpc_lattice_configurations.as_ref().is_some_and(|list| !list.items.is_empty()),
    },
    Refusal {
        field: "enableExecuteCommand: true",
        reason: NO_EXEC,
        given: |request| request.enable_execute_command == Some(true),
    },
];

/// CreateTaskSet.
pub const CREATE_TASK_SET: &[Refusal<CreateTaskSetRequest>] = &[
    Refusal { field: "loadBalancers", reason: NO_LOAD_BALANCERS, given: |request| !request.load_balancers.is_empty() },
    Refusal {
        field: "serviceRegistries",
        reason: NO_DISCOVERY,
        given: |request| !request.service_registries.is_empty(),
    },
    Refusal {
        field: "launchType other than EC2 or FARGATE",
        reason: NO_LAUNCH_TYPE,
        given: |request| is_other_launch_type(request.launch_type()),
    },
];

/// RunTask.
pub const RUN_TASK: &[Refusal<RunTaskRequest>] = &[
    Refusal {
        field: "launchType other than EC2 or FARGATE",
        reason: NO_LAUNCH_TYPE,
        given: |request| is_other_launch_type(request.launch_type()),
    },
    Refusal {
        field: "volumeConfigurations",
        reason: NO_EBS,
        given: |request| !request.volume_configurations.is_empty(),
    },
    Refusal {
        field: "enableExecuteCommand: true",
        reason: NO_EXEC,
        given: |request| request.enable_execute_command == Some(true),
    },
    Refusal { field: "referenceId", reason: "ECS keeps it to itself", given: |request| request.reference_id.is_some() },
];

/// StartTask.
pub const START_TASK: &[Refusal<StartTaskRequest>] = &[
    Refusal {
        field: "volumeConfigurations",
        reason: NO_EBS,
        given: |request| !request.volume_configurations.is_empty(),
    },
    Refusal {
        field: "enableExecuteCommand: true",
        reason: NO_EXEC,
        given: |request| request.enable_execute_command == Some(true),
    },
    Refusal { field: "referenceId", reason: "ECS keeps it to itself", given: |request| request.reference_id.is_some() },
];

/// The overrides of RunTask and StartTask.
pub const OVERRIDES: &[Refusal<TaskOverride>] = &[Refusal {
    field: "inferenceAcceleratorOverrides",
    reason: "AWS has ended Elastic Inference",
    given: |overrides| !overrides.inference_accelerator_overrides.is_empty(),
}];

/// PutAccountSetting and PutAccountSettingDefault: names and values that nothing here could obey.
pub const ACCOUNT_SETTING: &[Refusal<Setting>] = &[
    Refusal {
        field: "value: disabled, of serviceLongArnFormat, taskLongArnFormat and containerInstanceLongArnFormat",
        reason: "all ARNs have the long format",
        given: |setting| {
            use SettingName::{ContainerInstanceLongArnFormat, ServiceLongArnFormat, TaskLongArnFormat};
            let long = [ContainerInstanceLongArnFormat, ServiceLongArnFormat, TaskLongArnFormat];
            long.contains(&setting.name()) && setting.value() == "disabled"
        },
    },
    Refusal {
        field: "value: enhanced, of containerInsights",
        reason: NO_INSIGHTS,
        given: |setting| setting.name() == SettingName::ContainerInsights && setting.value() == "enhanced",
    },
    Refusal {
        field: "value: enabled, of awsvpcTrunking",
        reason: "there are no network interfaces whose number could grow",
        given: |setting| setting.name() == SettingName::AwsvpcTrunking && setting.value() != "disabled",
    },
    Refusal {
        field: "value: enabled, of fargateFIPSMode",
        reason: "nothing here is validated for FIPS 140",
        given: |setting| setting.name() == SettingName::FargateFipsMode && setting.value() != "disabled",
    },
    Refusal {
        field: "value: enabled, of fargateEventWindows",
        reason: "no task is retired for maintenance",
        given: |setting| setting.name() == SettingName::FargateEventWindows && setting.value() != "disabled",
    },
    Refusal {
        field: "value: on, of tagResourceAuthorization",
        reason: "there is no IAM",
        given: |setting| setting.name() == SettingName::TagResourceAuthorization && setting.value() != "off",
    },
    Refusal {
        field: "value: non-blocking, of defaultLogDriverMode",
        reason: "output goes to the log driver as Docker does it",
        given: |setting| setting.name() == SettingName::DefaultLogDriverMode && setting.value() != "blocking",
    },
];

/// ListTasks.
pub const LIST_TASKS: &[Refusal<ListTasksRequest>] = &[Refusal {
    field: "daemonName",
    reason: "there are no daemons of managed instances",
    given: |request| request.daemon_name.is_some(),
}];

fn has_configuration(configuration: Option<&ClusterConfiguration>) -> bool {
    configuration
        .is_some_and(|c| c.execute_command_configuration.is_some() || c.managed_storage_configuration.is_some())
}

fn has_enhanced_insights(settings: &[ClusterSetting]) -> bool {
    settings.iter().any(|setting| setting.value.as_deref() == Some("enhanced"))
}

fn shifts_traffic(configuration: &DeploymentConfiguration) -> bool {
    matches!(configuration.strategy(), DeploymentStrategy::Linear | DeploymentStrategy::Canary)
}

/// AWS_LAMBDA is what a hook is unless it says otherwise.
fn has_lambda_hook(configuration: &DeploymentConfiguration) -> bool {
    let hooks = configuration.lifecycle_hooks.iter().flat_map(|list| &list.items);
    hooks.into_iter().any(|hook| hook.target_type() != DeploymentLifecycleHookTargetType::Pause)
}

fn is_code_deploy(controller: Option<&DeploymentController>) -> bool {
    controller.is_some_and(|controller| controller.r#type() == DeploymentControllerType::CodeDeploy)
}

fn has_alarms(configuration: &DeploymentConfiguration) -> bool {
    configuration.alarms.as_ref().is_some_and(|alarms| alarms.enable == Some(true))
}

fn is_other_launch_type(launch_type: LaunchType) -> bool {
    matches!(launch_type, LaunchType::External | LaunchType::ManagedInstances)
}
