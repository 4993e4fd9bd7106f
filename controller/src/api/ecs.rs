//! The ECS API over gRPC: one line an operation. Everything that happens is in `crate::write` and `crate::read`.

use std::sync::Arc;

use drydock_proto::ecs;
use drydock_proto::ecs::ecs_server::Ecs;
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use super::context::{Freshness, with_index};
use super::errors::ApiError;
use crate::caller::Caller;
use crate::core::Core;
use crate::metrics::Face;
use crate::request::{Request as Operation, Response as Answered};
use crate::write::{Answer, unexpected};

/// The service.
pub(crate) struct EcsApi {
    pub(crate) core: Arc<Core>,
    /// As whom requests are made: nobody is authenticated on this port yet.
    pub(crate) caller: Caller,
}

impl EcsApi {
    async fn answer(&self, operation: Operation, metadata: &tonic::metadata::MetadataMap) -> Result<Answer, Status> {
        let (name, begun) = (operation.operation(), Instant::now());
        let answered = self.carry_out(operation, metadata).await;
        let exception = answered.as_ref().err().map(ApiError::exception);
        self.core.metrics.requests.answered(Face::Grpc, name, exception, begun.elapsed());
        Ok(answered?)
    }

    async fn carry_out(
        &self,
        operation: Operation,
        metadata: &tonic::metadata::MetadataMap,
    ) -> Result<Answer, ApiError> {
        if operation.is_write() {
            return self.core.write(operation, &self.caller).await;
        }
        self.core.read(operation, &self.caller, Freshness::of(metadata)?).await
    }
}

macro_rules! rpcs {
    ($($method:ident: $operation:ident($request:ident) -> $response:ident;)+) => {
        #[tonic::async_trait]
        impl Ecs for EcsApi {
            $(async fn $method(
                &self,
                request: Request<ecs::$request>,
            ) -> Result<Response<ecs::$response>, Status> {
                let (metadata, _, message) = request.into_parts();
                let answer = self.answer(message.into(), &metadata).await?;
                match answer.response {
                    Answered::$operation(response) => Ok(with_index(*response, answer.index)),
                    _ => Err(unexpected(stringify!($operation)).into()),
                }
            })+
        }
    };
}

rpcs! {
    create_cluster: CreateCluster(CreateClusterRequest) -> CreateClusterResponse;
    delete_cluster: DeleteCluster(DeleteClusterRequest) -> DeleteClusterResponse;
    describe_clusters: DescribeClusters(DescribeClustersRequest) -> DescribeClustersResponse;
    list_clusters: ListClusters(ListClustersRequest) -> ListClustersResponse;
    update_cluster: UpdateCluster(UpdateClusterRequest) -> UpdateClusterResponse;
    update_cluster_settings: UpdateClusterSettings(UpdateClusterSettingsRequest) -> UpdateClusterSettingsResponse;
    create_capacity_provider: CreateCapacityProvider(CreateCapacityProviderRequest) -> CreateCapacityProviderResponse;
    update_capacity_provider: UpdateCapacityProvider(UpdateCapacityProviderRequest) -> UpdateCapacityProviderResponse;
    delete_capacity_provider: DeleteCapacityProvider(DeleteCapacityProviderRequest) -> DeleteCapacityProviderResponse;
    describe_capacity_providers: DescribeCapacityProviders(DescribeCapacityProvidersRequest) -> DescribeCapacityProvidersResponse;
    put_cluster_capacity_providers: PutClusterCapacityProviders(PutClusterCapacityProvidersRequest) -> PutClusterCapacityProvidersResponse;
    register_task_definition: RegisterTaskDefinition(RegisterTaskDefinitionRequest) -> RegisterTaskDefinitionResponse;
    deregister_task_definition: DeregisterTaskDefinition(DeregisterTaskDefinitionRequest) -> DeregisterTaskDefinitionResponse;
    describe_task_definition: DescribeTaskDefinition(DescribeTaskDefinitionRequest) -> DescribeTaskDefinitionResponse;
    list_task_definitions: ListTaskDefinitions(ListTaskDefinitionsRequest) -> ListTaskDefinitionsResponse;
    list_task_definition_families: ListTaskDefinitionFamilies(ListTaskDefinitionFamiliesRequest) -> ListTaskDefinitionFamiliesResponse;
    delete_task_definitions: DeleteTaskDefinitions(DeleteTaskDefinitionsRequest) -> DeleteTaskDefinitionsResponse;
    run_task: RunTask(RunTaskRequest) -> RunTaskResponse;
    start_task: StartTask(StartTaskRequest) -> StartTaskResponse;
    stop_task: StopTask(StopTaskRequest) -> StopTaskResponse;
    describe_tasks: DescribeTasks(DescribeTasksRequest) -> DescribeTasksResponse;
    list_tasks: ListTasks(ListTasksRequest) -> ListTasksResponse;
    get_task_protection: GetTaskProtection(GetTaskProtectionRequest) -> GetTaskProtectionResponse;
    update_task_protection: UpdateTaskProtection(UpdateTaskProtectionRequest) -> UpdateTaskProtectionResponse;
    execute_command: ExecuteCommand(ExecuteCommandRequest) -> ExecuteCommandResponse;
    create_service: CreateService(CreateServiceRequest) -> CreateServiceResponse;
    update_service: UpdateService(UpdateServiceRequest) -> UpdateServiceResponse;
    delete_service: DeleteService(DeleteServiceRequest) -> DeleteServiceResponse;
    describe_services: DescribeServices(DescribeServicesRequest) -> DescribeServicesResponse;
    list_services: ListServices(ListServicesRequest) -> ListServicesResponse;
    list_services_by_namespace: ListServicesByNamespace(ListServicesByNamespaceRequest) -> ListServicesByNamespaceResponse;
    list_service_deployments: ListServiceDeployments(ListServiceDeploymentsRequest) -> ListServiceDeploymentsResponse;
    describe_service_deployments: DescribeServiceDeployments(DescribeServiceDeploymentsRequest) -> DescribeServiceDeploymentsResponse;
    describe_service_revisions: DescribeServiceRevisions(DescribeServiceRevisionsRequest) -> DescribeServiceRevisionsResponse;
    create_task_set: CreateTaskSet(CreateTaskSetRequest) -> CreateTaskSetResponse;
    update_task_set: UpdateTaskSet(UpdateTaskSetRequest) -> UpdateTaskSetResponse;
    delete_task_set: DeleteTaskSet(DeleteTaskSetRequest) -> DeleteTaskSetResponse;
    describe_task_sets: DescribeTaskSets(DescribeTaskSetsRequest) -> DescribeTaskSetsResponse;
    update_service_primary_task_set: UpdateServicePrimaryTaskSet(UpdateServicePrimaryTaskSetRequest) -> UpdateServicePrimaryTaskSetResponse;
    register_container_instance: RegisterContainerInstance(RegisterContainerInstanceRequest) -> RegisterContainerInstanceResponse;
    deregister_container_instance: DeregisterContainerInstance(DeregisterContainerInstanceRequest) -> DeregisterContainerInstanceResponse;
    describe_container_instances: DescribeContainerInstances(DescribeContainerInstancesRequest) -> DescribeContainerInstancesResponse;
    list_container_instances: ListContainerInstances(ListContainerInstancesRequest) -> ListContainerInstancesResponse;
    update_container_instances_state: UpdateContainerInstancesState(UpdateContainerInstancesStateRequest) -> UpdateContainerInstancesStateResponse;
    update_container_agent: UpdateContainerAgent(UpdateContainerAgentRequest) -> UpdateContainerAgentResponse;
    discover_poll_endpoint: DiscoverPollEndpoint(DiscoverPollEndpointRequest) -> DiscoverPollEndpointResponse;
    submit_task_state_change: SubmitTaskStateChange(SubmitTaskStateChangeRequest) -> SubmitTaskStateChangeResponse;
    submit_container_state_change: SubmitContainerStateChange(SubmitContainerStateChangeRequest) -> SubmitContainerStateChangeResponse;
    submit_attachment_state_changes: SubmitAttachmentStateChanges(SubmitAttachmentStateChangesRequest) -> SubmitAttachmentStateChangesResponse;
    stop_service_deployment: StopServiceDeployment(StopServiceDeploymentRequest) -> StopServiceDeploymentResponse;
    continue_service_deployment: ContinueServiceDeployment(ContinueServiceDeploymentRequest) -> ContinueServiceDeploymentResponse;
    put_attributes: PutAttributes(PutAttributesRequest) -> PutAttributesResponse;
    delete_attributes: DeleteAttributes(DeleteAttributesRequest) -> DeleteAttributesResponse;
    list_attributes: ListAttributes(ListAttributesRequest) -> ListAttributesResponse;
    tag_resource: TagResource(TagResourceRequest) -> TagResourceResponse;
    untag_resource: UntagResource(UntagResourceRequest) -> UntagResourceResponse;
    list_tags_for_resource: ListTagsForResource(ListTagsForResourceRequest) -> ListTagsForResourceResponse;
    put_account_setting: PutAccountSetting(PutAccountSettingRequest) -> PutAccountSettingResponse;
    put_account_setting_default: PutAccountSettingDefault(PutAccountSettingDefaultRequest) -> PutAccountSettingDefaultResponse;
    delete_account_setting: DeleteAccountSetting(DeleteAccountSettingRequest) -> DeleteAccountSettingResponse;
    list_account_settings: ListAccountSettings(ListAccountSettingsRequest) -> ListAccountSettingsResponse;
}
