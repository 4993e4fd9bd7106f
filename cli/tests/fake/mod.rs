//! A controller that carries nothing out: it writes down what it is asked and answers as it was told, so that tests see
//! which request a command line becomes. Beside it: running the real binary.
#![allow(clippy::unwrap_used, clippy::expect_used, dead_code, missing_docs, unreachable_pub)]

use std::collections::{BTreeMap, VecDeque};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use drydock_proto::control::control_server::{Control, ControlServer};
use drydock_proto::ecs::ecs_server::{Ecs, EcsServer};
use drydock_proto::{control, ecs};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::metadata::MetadataValue;
use tonic::{Code, Request, Response, Status};

/// What the next call of an operation is answered with; the last one stays.
#[derive(Clone)]
pub enum Answer {
    Ok(Value),
    /// Code, exception ("" for none), text.
    Error(Code, &'static str, &'static str),
}

#[derive(Default)]
pub struct Script {
    pub asked: Vec<String>,
    pub answers: BTreeMap<&'static str, VecDeque<Answer>>,
    /// Items of each stream, one list a call; a list ends with a break.
    pub events: VecDeque<Vec<control::WatchEventsResponse>>,
    pub logs: VecDeque<(Vec<control::LogLine>, bool)>,
}

#[derive(Clone, Default)]
pub struct Fake(pub Arc<Mutex<Script>>);

impl Fake {
    pub fn answers(&self, operation: &'static str, answers: &[Answer]) {
        self.0.lock().unwrap().answers.insert(operation, answers.iter().cloned().collect());
    }

    pub fn ok(&self, operation: &'static str, answer: Value) {
        self.answers(operation, &[Answer::Ok(answer)]);
    }

    pub fn take_asked(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().asked)
    }

    fn answer<Q: Serialize, A: DeserializeOwned>(
        &self,
        operation: &'static str,
        request: &Request<Q>,
    ) -> Result<Response<A>, Status> {
        let mut script = self.0.lock().unwrap();
        let strong = request.metadata().get("drydock-consistency").is_some_and(|value| value == "strong");
        let mut asked = serde_json::to_value(request.get_ref()).unwrap();
        // Random: that it is there is what counts.
        if let Some(token) = asked.get_mut("clientToken") {
            assert_eq!(token.as_str().unwrap().len(), 32);
            *token = "TOKEN".into();
        }
        script.asked.push(format!("{operation}{} {asked}", if strong { " (strong)" } else { "" }));
        let answers = script.answers.entry(operation).or_default();
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        match answer.unwrap_or(Answer::Ok(serde_json::json!({}))) {
            Answer::Ok(value) => Ok(Response::new(serde_json::from_value(value).unwrap())),
            Answer::Error(code, exception, text) => {
                let mut status = Status::new(code, text);
                if !exception.is_empty() {
                    status.metadata_mut().insert("ecs-exception", MetadataValue::from_static(exception));
                }
                Err(status)
            }
        }
    }
}

macro_rules! operations {
    ($($method:ident $request:ident $response:ident,)*) => {
        #[tonic::async_trait]
        impl Ecs for Fake {
            $(async fn $method(&self, request: Request<ecs::$request>) -> Result<Response<ecs::$response>, Status> {
                self.answer(stringify!($method), &request)
            })*
        }
    };
}

operations! {
    create_cluster CreateClusterRequest CreateClusterResponse,
    delete_cluster DeleteClusterRequest DeleteClusterResponse,
    describe_clusters DescribeClustersRequest DescribeClustersResponse,
    list_clusters ListClustersRequest ListClustersResponse,
    update_cluster UpdateClusterRequest UpdateClusterResponse,
    update_cluster_settings UpdateClusterSettingsRequest UpdateClusterSettingsResponse,
    register_task_definition RegisterTaskDefinitionRequest RegisterTaskDefinitionResponse,
    deregister_task_definition DeregisterTaskDefinitionRequest DeregisterTaskDefinitionResponse,
    describe_task_definition DescribeTaskDefinitionRequest DescribeTaskDefinitionResponse,
    list_task_definitions ListTaskDefinitionsRequest ListTaskDefinitionsResponse,
    list_task_definition_families ListTaskDefinitionFamiliesRequest ListTaskDefinitionFamiliesResponse,
    delete_task_definitions DeleteTaskDefinitionsRequest DeleteTaskDefinitionsResponse,
    put_account_setting PutAccountSettingRequest PutAccountSettingResponse,
    put_account_setting_default PutAccountSettingDefaultRequest PutAccountSettingDefaultResponse,
    delete_account_setting DeleteAccountSettingRequest DeleteAccountSettingResponse,
    list_account_settings ListAccountSettingsRequest ListAccountSettingsResponse,
    run_task RunTaskRequest RunTaskResponse,
    start_task StartTaskRequest StartTaskResponse,
    stop_task StopTaskRequest StopTaskResponse,
    get_task_protection GetTaskProtectionRequest GetTaskProtectionResponse,
    update_task_protection UpdateTaskProtectionRequest UpdateTaskProtectionResponse,
    describe_tasks DescribeTasksRequest DescribeTasksResponse,
    list_tasks ListTasksRequest ListTasksResponse,
    create_service CreateServiceRequest CreateServiceResponse,
    update_service UpdateServiceRequest UpdateServiceResponse,
    delete_service DeleteServiceRequest DeleteServiceResponse,
    describe_services DescribeServicesRequest DescribeServicesResponse,
    list_services ListServicesRequest ListServicesResponse,
    list_services_by_namespace ListServicesByNamespaceRequest ListServicesByNamespaceResponse,
    list_service_deployments ListServiceDeploymentsRequest ListServiceDeploymentsResponse,
    describe_service_deployments DescribeServiceDeploymentsRequest DescribeServiceDeploymentsResponse,
    describe_service_revisions DescribeServiceRevisionsRequest DescribeServiceRevisionsResponse,
    stop_service_deployment StopServiceDeploymentRequest StopServiceDeploymentResponse,
    continue_service_deployment ContinueServiceDeploymentRequest ContinueServiceDeploymentResponse,
    register_container_instance RegisterContainerInstanceRequest RegisterContainerInstanceResponse,
    update_container_agent UpdateContainerAgentRequest UpdateContainerAgentResponse,
    execute_command ExecuteCommandRequest ExecuteCommandResponse,
    discover_poll_endpoint DiscoverPollEndpointRequest DiscoverPollEndpointResponse,
    submit_task_state_change SubmitTaskStateChangeRequest SubmitTaskStateChangeResponse,
    submit_container_state_change SubmitContainerStateChangeRequest SubmitContainerStateChangeResponse,
    submit_attachment_state_changes SubmitAttachmentStateChangesRequest SubmitAttachmentStateChangesResponse,
    deregister_container_instance DeregisterContainerInstanceRequest DeregisterContainerInstanceResponse,
    describe_container_instances DescribeContainerInstancesRequest DescribeContainerInstancesResponse,
    list_container_instances ListContainerInstancesRequest ListContainerInstancesResponse,
    update_container_instances_state UpdateContainerInstancesStateRequest UpdateContainerInstancesStateResponse,
    put_attributes PutAttributesRequest PutAttributesResponse,
    delete_attributes DeleteAttributesRequest DeleteAttributesResponse,
    list_attributes ListAttributesRequest ListAttributesResponse,
    tag_resource TagResourceRequest TagResourceResponse,
    untag_resource UntagResourceRequest UntagResourceResponse,
    list_tags_for_resource ListTagsForResourceRequest ListTagsForResourceResponse,
    create_task_set CreateTaskSetRequest CreateTaskSetResponse,
    update_task_set UpdateTaskSetRequest UpdateTaskSetResponse,
    delete_task_set DeleteTaskSetRequest DeleteTaskSetResponse,
    describe_task_sets DescribeTaskSetsRequest DescribeTaskSetsResponse,
    update_service_primary_task_set UpdateServicePrimaryTaskSetRequest UpdateServicePrimaryTaskSetResponse,
    create_capacity_provider CreateCapacityProviderRequest CreateCapacityProviderResponse,
    update_capacity_provider UpdateCapacityProviderRequest UpdateCapacityProviderResponse,
    delete_capacity_provider DeleteCapacityProviderRequest DeleteCapacityProviderResponse,
    describe_capacity_providers DescribeCapacityProvidersRequest DescribeCapacityProvidersResponse,
    put_cluster_capacity_providers PutClusterCapacityProvidersRequest PutClusterCapacityProvidersResponse,
}

type Items<T> = ReceiverStream<Result<T, Status>>;

fn stream<T: Send + 'static>(items: Vec<T>, broken: bool) -> Response<Items<T>> {
    let (sender, receiver) = tokio::sync::mpsc::channel(items.len() + 1);
    for item in items {
        sender.try_send(Ok(item)).ok().unwrap();
    }
    if broken {
        sender.try_send(Err(Status::unavailable("this controller goes away"))).ok().unwrap();
    }
    Response::new(ReceiverStream::new(receiver))
}

#[tonic::async_trait]
impl Control for Fake {
    type WatchEventsStream = Items<control::WatchEventsResponse>;
    type GetLogsStream = Items<control::LogLine>;

    async fn status(
        &self,
        request: Request<control::StatusRequest>,
    ) -> Result<Response<control::StatusResponse>, Status> {
        self.answer("status", &request)
    }

    async fn add_controller(
        &self,
        request: Request<control::AddControllerRequest>,
    ) -> Result<Response<control::AddControllerResponse>, Status> {
        self.answer("add_controller", &request)
    }

    async fn remove_controller(
        &self,
        request: Request<control::RemoveControllerRequest>,
    ) -> Result<Response<control::RemoveControllerResponse>, Status> {
        self.answer("remove_controller", &request)
    }

    async fn transfer_leadership(
        &self,
        request: Request<control::TransferLeadershipRequest>,
    ) -> Result<Response<control::TransferLeadershipResponse>, Status> {
        self.answer("transfer_leadership", &request)
    }

    async fn explain_service(
        &self,
        request: Request<control::ExplainServiceRequest>,
    ) -> Result<Response<control::ExplainServiceResponse>, Status> {
        self.answer("explain_service", &request)
    }

    async fn explain_task(
        &self,
        request: Request<control::ExplainTaskRequest>,
    ) -> Result<Response<control::ExplainTaskResponse>, Status> {
        self.answer("explain_task", &request)
    }

    async fn explain_run_task(
        &self,
        request: Request<control::ExplainRunTaskRequest>,
    ) -> Result<Response<control::ExplainRunTaskResponse>, Status> {
        self.answer("explain_run_task", &request)
    }

    async fn interrupt_task(
        &self,
        request: Request<control::InterruptTaskRequest>,
    ) -> Result<Response<control::InterruptTaskResponse>, Status> {
        self.answer("interrupt_task", &request)
    }

    async fn describe_scaling(
        &self,
        request: Request<control::DescribeScalingRequest>,
    ) -> Result<Response<control::DescribeScalingResponse>, Status> {
        self.answer("describe_scaling", &request)
    }

    async fn put_names(
        &self,
        request: Request<control::PutNamesRequest>,
    ) -> Result<Response<control::PutNamesResponse>, Status> {
        self.answer("put_names", &request)
    }

    async fn get_names(
        &self,
        request: Request<control::GetNamesRequest>,
    ) -> Result<Response<control::GetNamesResponse>, Status> {
        self.answer("get_names", &request)
    }

    async fn watch_events(
        &self,
        request: Request<control::WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        self.answer::<_, Value>("watch_events", &request)?;
        match self.0.lock().unwrap().events.pop_front() {
            Some(items) => Ok(stream(items, true)),
            None => Err(Status::unavailable("no more events")),
        }
    }

    async fn get_costs(
        &self,
        request: Request<control::GetCostsRequest>,
    ) -> Result<Response<control::GetCostsResponse>, Status> {
        self.answer("get_costs", &request)
    }

    async fn get_logs(
        &self,
        request: Request<control::GetLogsRequest>,
    ) -> Result<Response<Self::GetLogsStream>, Status> {
        self.answer::<_, Value>("get_logs", &request)?;
        match self.0.lock().unwrap().logs.pop_front() {
            Some((lines, broken)) => Ok(stream(lines, broken)),
            None => Err(Status::unavailable("no more lines")),
        }
    }
}

/// A fake that listens, on a runtime of its own.
pub struct Server {
    pub fake: Fake,
    pub address: String,
    _runtime: tokio::runtime::Runtime,
}

impl Server {
    pub fn start() -> Self {
        let fake = Fake::default();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let service = tonic::transport::Server::builder()
            .add_service(EcsServer::new(fake.clone()))
            .add_service(ControlServer::new(fake.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        runtime.spawn(service);
        Self { fake, address, _runtime: runtime }
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(arguments);
        command.env("DRYDOCK_ENDPOINT", &self.address);
        command
    }

    /// Runs the command line to its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).output().unwrap())
    }
}

/// The real binary, in an empty environment.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_drydock"));
    command.env_clear().args(arguments);
    command
}

/// What a command line led to.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}
