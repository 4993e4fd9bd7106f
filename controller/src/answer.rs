//! From a request to what answers it: the command of a write, the rendering of what came of it, the query of a read.
//! Pure functions of the state, one line an operation.

use drydock_model::arn::Scope;
use drydock_model::error::EcsError;
use drydock_model::task_definition::validate_registration;
use drydock_proto::ecs;
use drydock_state::command::RunTask;
use drydock_state::query::Query;
use drydock_state::{Command, Outcome, State};

use crate::api::errors::ApiError;
use crate::request::{Request, Response};
use crate::write::unexpected;

/// What a write can be refused for without a look at the state: such a one never enters the log. (The state checks again:
/// it believes nobody.)
///
/// # Errors
/// ECS's exception.
pub(crate) fn check(request: &Request) -> Result<(), EcsError> {
    use drydock_model::requests::{
        account_settings, agent, attributes, capacity_providers, clusters, container_instances, protection,
        registration, service_deployments, services, tagging, task_definitions, task_sets, tasks,
    };
    match request {
        Request::CreateCluster(request) => clusters::create_cluster(request).map(drop),
        Request::DeleteCluster(request) => clusters::delete_cluster(request),
        Request::UpdateCluster(request) => clusters::update_cluster(request),
        Request::UpdateClusterSettings(request) => clusters::update_cluster_settings(request),
        Request::CreateCapacityProvider(request) => capacity_providers::create_capacity_provider(request).map(drop),
        Request::UpdateCapacityProvider(request) => capacity_providers::update_capacity_provider(request).map(drop),
        Request::DeleteCapacityProvider(request) => capacity_providers::delete_capacity_provider(request).map(drop),
        Request::PutClusterCapacityProviders(request) => capacity_providers::put_cluster_capacity_providers(request),
        Request::RegisterTaskDefinition(request) => validate_registration(request).map(drop),
        Request::DeregisterTaskDefinition(request) => task_definitions::deregister_task_definition(request).map(drop),
        Request::DeleteTaskDefinitions(request) => task_definitions::delete_task_definitions(request),
        Request::RunTask(request) => tasks::run_task(request).map(drop),
        Request::StartTask(request) => tasks::start_task(request),
        Request::StopTask(request) => tasks::stop_task(request),
        Request::UpdateTaskProtection(request) => protection::update_task_protection(request).map(drop),
        Request::CreateService(request) => services::create_service(request),
        Request::UpdateService(request) => services::update_service(request),
        Request::DeleteService(request) => services::delete_service(request),
        Request::RegisterContainerInstance(request) => registration::register_container_instance(request).map(drop),
        Request::SubmitTaskStateChange(request) => agent::submit_task_state_change(request).map(drop),
        Request::SubmitContainerStateChange(request) => agent::submit_container_state_change(request).map(drop),
        Request::SubmitAttachmentStateChanges(request) => agent::submit_attachment_state_changes(request),
        Request::DeregisterContainerInstance(request) => container_instances::deregister_container_instance(request),
        Request::UpdateContainerInstancesState(request) => {
            container_instances::update_container_instances_state(request)
        }
        Request::StopServiceDeployment(request) => service_deployments::stop_service_deployment(request).map(drop),
        Request::ContinueServiceDeployment(request) => {
            service_deployments::continue_service_deployment(request).map(drop)
        }
        Request::PutAccountSetting(request) => account_settings::put_account_setting(request).map(drop),
        Request::PutAccountSettingDefault(request) => account_settings::put_account_setting_default(request).map(drop),
        Request::DeleteAccountSetting(request) => account_settings::delete_account_setting(request).map(drop),
        Request::CreateTaskSet(request) => task_sets::create_task_set(request),
        Request::UpdateTaskSet(request) => task_sets::update_task_set(request),
        Request::DeleteTaskSet(request) => task_sets::delete_task_set(request),
        Request::UpdateServicePrimaryTaskSet(request) => task_sets::update_service_primary_task_set(request),
        Request::PutAttributes(request) => attributes::put_attributes(request),
        Request::DeleteAttributes(request) => attributes::delete_attributes(request),
        Request::TagResource(request) => tagging::tag_resource(request).map(drop),
        Request::UntagResource(request) => tagging::untag_resource(request).map(drop),
        _ => Ok(()),
    }
}

/// The command of a write. RunTask still has to be placed.
///
/// # Errors
/// It is a read.
pub(crate) fn command(request: Request) -> Result<Command, ApiError> {
    Ok(match request {
        Request::CreateCluster(request) => Command::CreateCluster(request),
        Request::DeleteCluster(request) => Command::DeleteCluster(*request),
        Request::UpdateCluster(request) => Command::UpdateCluster(request),
        Request::UpdateClusterSettings(request) => Command::UpdateClusterSettings(*request),
        Request::CreateCapacityProvider(request) => Command::CreateCapacityProvider(request),
        Request::UpdateCapacityProvider(request) => Command::UpdateCapacityProvider(request),
        Request::DeleteCapacityProvider(request) => Command::DeleteCapacityProvider(*request),
        Request::PutClusterCapacityProviders(request) => Command::PutClusterCapacityProviders(*request),
        Request::RegisterTaskDefinition(request) => Command::RegisterTaskDefinition(request),
        Request::DeregisterTaskDefinition(request) => Command::DeregisterTaskDefinition(*request),
        Request::DeleteTaskDefinitions(request) => Command::DeleteTaskDefinitions(*request),
        Request::RunTask(request) => Command::RunTask(Box::new(RunTask { request: *request, placements: Vec::new() })),
        Request::StartTask(request) => Command::StartTask(request),
        Request::StopTask(request) => Command::StopTask(*request),
        Request::UpdateTaskProtection(request) => Command::UpdateTaskProtection(*request),
        Request::CreateService(request) => Command::CreateService(request),
        Request::UpdateService(request) => Command::UpdateService(request),
        Request::DeleteService(request) => Command::DeleteService(*request),
        Request::RegisterContainerInstance(request) => Command::RegisterContainerInstance(request),
        Request::SubmitTaskStateChange(request) => Command::SubmitTaskStateChange(request),
        Request::SubmitContainerStateChange(request) => Command::SubmitContainerStateChange(*request),
        Request::SubmitAttachmentStateChanges(request) => Command::SubmitAttachmentStateChanges(*request),
        Request::DeregisterContainerInstance(request) => Command::DeregisterContainerInstance(*request),
        Request::UpdateContainerInstancesState(request) => Command::UpdateContainerInstancesState(*request),
        Request::StopServiceDeployment(request) => Command::StopServiceDeployment(*request),
        Request::ContinueServiceDeployment(request) => Command::ContinueServiceDeployment(*request),
        Request::PutAccountSetting(request) => Command::PutAccountSetting(*request),
        Request::PutAccountSettingDefault(request) => Command::PutAccountSettingDefault(*request),
        Request::DeleteAccountSetting(request) => Command::DeleteAccountSetting(*request),
        Request::CreateTaskSet(request) => Command::CreateTaskSet(request),
        Request::UpdateTaskSet(request) => Command::UpdateTaskSet(*request),
        Request::DeleteTaskSet(request) => Command::DeleteTaskSet(*request),
        Request::UpdateServicePrimaryTaskSet(request) => Command::UpdateServicePrimaryTaskSet(*request),
        Request::PutAttributes(request) => Command::PutAttributes(*request),
        Request::DeleteAttributes(request) => Command::DeleteAttributes(*request),
        Request::TagResource(request) => Command::TagResource(*request),
        Request::UntagResource(request) => Command::UntagResource(*request),
        read => return Err(unexpected(read.operation())),
    })
}

/// The answer to a write from its outcome. `state` has seen its entry.
///
/// # Errors
/// ECS's exception that the outcome is; or an outcome that isn't this request's.
pub(crate) fn written(state: &State, scope: &Scope, request: &Request, outcome: Outcome) -> Result<Response, ApiError> {
    let query = Query::new(state, scope);
    let boxed = match (request, outcome) {
        (_, Outcome::Refused(error)) => return Err(error.into()),
        (_, Outcome::Cluster(row)) => cluster(request, query.render_cluster(&row)),
        (_, Outcome::CapacityProvider(row)) => capacity_provider(request, query.render_capacity_provider(&row)),
        (Request::RegisterTaskDefinition(_), Outcome::Definition(row)) => {
            let response = ecs::RegisterTaskDefinitionResponse {
                task_definition: Some(query.render_definition(&row)),
                tags: row.tags.to_vec(),
            };
            Some(Response::RegisterTaskDefinition(Box::new(response)))
        }
        (Request::DeregisterTaskDefinition(_), Outcome::Definition(row)) => {
            let response =
                ecs::DeregisterTaskDefinitionResponse { task_definition: Some(query.render_definition(&row)) };
            Some(Response::DeregisterTaskDefinition(Box::new(response)))
        }
        (Request::DeleteTaskDefinitions(_), Outcome::Definitions(rows, failures)) => {
            let task_definitions = rows.iter().map(|row| query.render_definition(row)).collect();
            let response = ecs::DeleteTaskDefinitionsResponse { task_definitions, failures };
            Some(Response::DeleteTaskDefinitions(Box::new(response)))
        }
        (_, Outcome::Service(row)) => service(request, query.render_service(&row)),
        (_, Outcome::TaskSet(row)) => task_set(request, query.render_task_set(&row)),
        (Request::RunTask(_), Outcome::Tasks(rows, failures)) => {
            let tasks = rows.iter().map(|row| query.render_task(row)).collect();
            Some(Response::RunTask(Box::new(ecs::RunTaskResponse { tasks, failures })))
        }
        (Request::StartTask(_), Outcome::Tasks(rows, failures)) => {
            let tasks = rows.iter().map(|row| query.render_task(row)).collect();
            Some(Response::StartTask(Box::new(ecs::StartTaskResponse { tasks, failures })))
        }
        (Request::StopTask(_), Outcome::Task(row)) => {
            Some(Response::StopTask(Box::new(ecs::StopTaskResponse { task: Some(query.render_task(&row)) })))
        }
        (Request::UpdateTaskProtection(_), Outcome::Protection(rows, failures)) => {
            let protected_tasks = rows.iter().map(|row| query.render_protection(row)).collect();
            let response = ecs::UpdateTaskProtectionResponse { protected_tasks, failures };
            Some(Response::UpdateTaskProtection(Box::new(response)))
        }
        (Request::RegisterContainerInstance(_), Outcome::Instance(row)) => {
            let container_instance = Some(query.render_instance(&row));
            let response = ecs::RegisterContainerInstanceResponse { container_instance };
            Some(Response::RegisterContainerInstance(Box::new(response)))
        }
        (Request::DeregisterContainerInstance(_), Outcome::Instance(row)) => {
            let container_instance = Some(query.render_instance(&row));
            let response = ecs::DeregisterContainerInstanceResponse { container_instance };
            Some(Response::DeregisterContainerInstance(Box::new(response)))
        }
        (Request::UpdateContainerInstancesState(_), Outcome::Instances(rows, failures)) => {
            let container_instances = rows.iter().map(|row| query.render_instance(row)).collect();
            let response = ecs::UpdateContainerInstancesStateResponse { container_instances, failures };
            Some(Response::UpdateContainerInstancesState(Box::new(response)))
        }
        (Request::StopServiceDeployment(asked), Outcome::Done) => {
            let service_deployment_arn = asked.service_deployment_arn.clone();
            let response = ecs::StopServiceDeploymentResponse { service_deployment_arn };
            Some(Response::StopServiceDeployment(Box::new(response)))
        }
        (Request::ContinueServiceDeployment(asked), Outcome::Done) => {
            let service_deployment_arn = asked.service_deployment_arn.clone();
            let response = ecs::ContinueServiceDeploymentResponse { service_deployment_arn };
            Some(Response::ContinueServiceDeployment(Box::new(response)))
        }
        (_, Outcome::AccountSetting(setting)) => account_setting(request, *setting),
        (Request::PutAttributes(_), Outcome::Attributes(attributes)) => {
            Some(Response::PutAttributes(Box::new(ecs::PutAttributesResponse { attributes })))
        }
        (Request::DeleteAttributes(_), Outcome::Attributes(attributes)) => {
            Some(Response::DeleteAttributes(Box::new(ecs::DeleteAttributesResponse { attributes })))
        }
        (asked, Outcome::Done) if acknowledged(asked).is_some() => acknowledged(asked),
        (Request::TagResource(_), Outcome::Done) => Some(Response::TagResource(Box::default())),
        (Request::UntagResource(_), Outcome::Done) => Some(Response::UntagResource(Box::default())),
        _ => None,
    };
    boxed.ok_or_else(|| unexpected(request.operation()))
}

/// What agents are answered.
fn acknowledged(request: &Request) -> Option<Response> {
    let acknowledgment = Some("ACK".to_owned());
    Some(match request {
        Request::SubmitTaskStateChange(_) => {
            Response::SubmitTaskStateChange(Box::new(ecs::SubmitTaskStateChangeResponse { acknowledgment }))
        }
        Request::SubmitContainerStateChange(_) => {
            Response::SubmitContainerStateChange(Box::new(ecs::SubmitContainerStateChangeResponse { acknowledgment }))
        }
        Request::SubmitAttachmentStateChanges(_) => {
            Response::SubmitAttachmentStateChanges(Box::new(ecs::SubmitAttachmentStateChangesResponse {
                acknowledgment,
            }))
        }
        _ => return None,
    })
}

fn capacity_provider(request: &Request, provider: ecs::CapacityProvider) -> Option<Response> {
    let capacity_provider = Some(provider);
    Some(match request {
        Request::CreateCapacityProvider(_) => {
            Response::CreateCapacityProvider(Box::new(ecs::CreateCapacityProviderResponse { capacity_provider }))
        }
        Request::UpdateCapacityProvider(_) => {
            Response::UpdateCapacityProvider(Box::new(ecs::UpdateCapacityProviderResponse { capacity_provider }))
        }
        Request::DeleteCapacityProvider(_) => {
            Response::DeleteCapacityProvider(Box::new(ecs::DeleteCapacityProviderResponse { capacity_provider }))
        }
        _ => return None,
    })
}

fn cluster(request: &Request, cluster: ecs::Cluster) -> Option<Response> {
    let cluster = Some(cluster);
    Some(match request {
        Request::CreateCluster(_) => Response::CreateCluster(Box::new(ecs::CreateClusterResponse { cluster })),
        Request::DeleteCluster(_) => Response::DeleteCluster(Box::new(ecs::DeleteClusterResponse { cluster })),
        Request::UpdateCluster(_) => Response::UpdateCluster(Box::new(ecs::UpdateClusterResponse { cluster })),
        Request::UpdateClusterSettings(_) => {
            Response::UpdateClusterSettings(Box::new(ecs::UpdateClusterSettingsResponse { cluster }))
        }
        Request::PutClusterCapacityProviders(_) => {
            Response::PutClusterCapacityProviders(Box::new(ecs::PutClusterCapacityProvidersResponse { cluster }))
        }
        _ => return None,
    })
}

fn account_setting(request: &Request, setting: ecs::Setting) -> Option<Response> {
    let setting = Some(setting);
    Some(match request {
        Request::PutAccountSetting(_) => {
            Response::PutAccountSetting(Box::new(ecs::PutAccountSettingResponse { setting }))
        }
        Request::PutAccountSettingDefault(_) => {
            Response::PutAccountSettingDefault(Box::new(ecs::PutAccountSettingDefaultResponse { setting }))
        }
        Request::DeleteAccountSetting(_) => {
            Response::DeleteAccountSetting(Box::new(ecs::DeleteAccountSettingResponse { setting }))
        }
        _ => return None,
    })
}

fn service(request: &Request, service: ecs::Service) -> Option<Response> {
    let service = Some(service);
    Some(match request {
        Request::CreateService(_) => Response::CreateService(Box::new(ecs::CreateServiceResponse { service })),
        Request::UpdateService(_) => Response::UpdateService(Box::new(ecs::UpdateServiceResponse { service })),
        Request::DeleteService(_) => Response::DeleteService(Box::new(ecs::DeleteServiceResponse { service })),
        _ => return None,
    })
}

fn task_set(request: &Request, task_set: ecs::TaskSet) -> Option<Response> {
    let task_set = Some(task_set);
    Some(match request {
        Request::CreateTaskSet(_) => Response::CreateTaskSet(Box::new(ecs::CreateTaskSetResponse { task_set })),
        Request::UpdateTaskSet(_) => Response::UpdateTaskSet(Box::new(ecs::UpdateTaskSetResponse { task_set })),
        Request::DeleteTaskSet(_) => Response::DeleteTaskSet(Box::new(ecs::DeleteTaskSetResponse { task_set })),
        Request::UpdateServicePrimaryTaskSet(_) => {
            Response::UpdateServicePrimaryTaskSet(Box::new(ecs::UpdateServicePrimaryTaskSetResponse { task_set }))
        }
        _ => return None,
    })
}

/// The answer to a read. `aws` is the URL of this controller's AWS port, where it has one.
///
/// # Errors
/// ECS's exception; or it is a write.
pub(crate) fn read(state: &State, scope: &Scope, request: &Request, aws: Option<&str>) -> Result<Response, ApiError> {
    let query = Query::new(state, scope);
    let response: Result<Response, EcsError> = match request {
        Request::DescribeClusters(r) => query.describe_clusters(r).map(|a| Response::DescribeClusters(Box::new(a))),
        Request::ListClusters(r) => query.list_clusters(r).map(|a| Response::ListClusters(Box::new(a))),
        Request::DescribeTaskDefinition(r) => {
            query.describe_task_definition(r).map(|a| Response::DescribeTaskDefinition(Box::new(a)))
        }
        Request::ListTaskDefinitions(r) => {
            query.list_task_definitions(r).map(|a| Response::ListTaskDefinitions(Box::new(a)))
        }
        Request::ListTaskDefinitionFamilies(r) => {
            query.list_task_definition_families(r).map(|a| Response::ListTaskDefinitionFamilies(Box::new(a)))
        }
        Request::DescribeTasks(r) => query.describe_tasks(r).map(|a| Response::DescribeTasks(Box::new(a))),
        Request::ListTasks(r) => query.list_tasks(r).map(|a| Response::ListTasks(Box::new(a))),
        Request::GetTaskProtection(r) => query.get_task_protection(r).map(|a| Response::GetTaskProtection(Box::new(a))),
        Request::DescribeServices(r) => query.describe_services(r).map(|a| Response::DescribeServices(Box::new(a))),
        Request::ListServices(r) => query.list_services(r).map(|a| Response::ListServices(Box::new(a))),
        Request::ListServiceDeployments(r) => {
            query.list_service_deployments(r).map(|a| Response::ListServiceDeployments(Box::new(a)))
        }
        Request::DescribeServiceDeployments(r) => {
            query.describe_service_deployments(r).map(|a| Response::DescribeServiceDeployments(Box::new(a)))
        }
        Request::DescribeServiceRevisions(r) => {
            query.describe_service_revisions(r).map(|a| Response::DescribeServiceRevisions(Box::new(a)))
        }
        Request::DescribeTaskSets(r) => query.describe_task_sets(r).map(|a| Response::DescribeTaskSets(Box::new(a))),
        Request::DescribeContainerInstances(r) => {
            query.describe_container_instances(r).map(|a| Response::DescribeContainerInstances(Box::new(a)))
        }
        Request::ListContainerInstances(r) => {
            query.list_container_instances(r).map(|a| Response::ListContainerInstances(Box::new(a)))
        }
        Request::ListServicesByNamespace(r) => {
            query.list_services_by_namespace(r).map(|a| Response::ListServicesByNamespace(Box::new(a)))
        }
        Request::ExecuteCommand(r) => query.execute_command(r).map(|a| Response::ExecuteCommand(Box::new(a))),
        Request::UpdateContainerAgent(r) => {
            query.update_container_agent(r).map(|a| Response::UpdateContainerAgent(Box::new(a)))
        }
        Request::DiscoverPollEndpoint(r) => {
            let endpoint = aws.ok_or_else(|| EcsError::client("This controller serves no AWS client (aws.listen)."));
            let answered = endpoint.and_then(|endpoint| query.discover_poll_endpoint(r, endpoint));
            answered.map(|a| Response::DiscoverPollEndpoint(Box::new(a)))
        }
        Request::ListAccountSettings(r) => {
            query.list_account_settings(r).map(|a| Response::ListAccountSettings(Box::new(a)))
        }
        Request::ListAttributes(r) => query.list_attributes(r).map(|a| Response::ListAttributes(Box::new(a))),
        Request::DescribeCapacityProviders(r) => {
            query.describe_capacity_providers(r).map(|a| Response::DescribeCapacityProviders(Box::new(a)))
        }
        Request::ListTagsForResource(r) => {
            query.list_tags_for_resource(r).map(|a| Response::ListTagsForResource(Box::new(a)))
        }
        write => return Err(unexpected(write.operation())),
    };
    Ok(response?)
}

#[cfg(test)]
mod tests {
    use super::{Request, check};

    #[test]
    fn what_is_wrong_without_a_look_at_the_state_never_enters_the_log() {
        let wrong = [
            Request::RegisterTaskDefinition(Box::default()),
            Request::DeregisterTaskDefinition(Box::default()),
            Request::DeleteTaskDefinitions(Box::default()),
            Request::RunTask(Box::default()),
            Request::StartTask(Box::default()),
            Request::StopTask(Box::default()),
            Request::UpdateTaskProtection(Box::default()),
            Request::CreateService(Box::default()),
            Request::UpdateService(Box::default()),
            Request::DeleteService(Box::default()),
            Request::DeleteCluster(Box::default()),
            Request::UpdateCluster(Box::default()),
            Request::UpdateClusterSettings(Box::default()),
            Request::SubmitTaskStateChange(Box::default()),
            Request::SubmitContainerStateChange(Box::default()),
            Request::SubmitAttachmentStateChanges(Box::default()),
            Request::DeregisterContainerInstance(Box::default()),
            Request::UpdateContainerInstancesState(Box::default()),
            Request::StopServiceDeployment(Box::default()),
            Request::ContinueServiceDeployment(Box::default()),
            Request::PutAccountSetting(Box::default()),
            Request::PutAccountSettingDefault(Box::default()),
            Request::DeleteAccountSetting(Box::default()),
            Request::CreateTaskSet(Box::default()),
            Request::UpdateTaskSet(Box::default()),
            Request::DeleteTaskSet(Box::default()),
            Request::UpdateServicePrimaryTaskSet(Box::default()),
            Request::PutAttributes(Box::default()),
            Request::DeleteAttributes(Box::default()),
            Request::TagResource(Box::default()),
            Request::UntagResource(Box::default()),
        ];
        for request in wrong {
            assert!(check(&request).is_err(), "{}", request.operation());
        }
        // ECS makes `default` of it.
        assert_eq!(check(&Request::CreateCluster(Box::default())), Ok(()));
    }
}
