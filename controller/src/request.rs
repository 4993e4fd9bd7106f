//! Every operation of the ECS API as one value: decoded at the edge (gRPC or the AWS wire), carried to the
//! leader as it is, and answered in one match. A write becomes a command of the log; a read is a function of the state.

use drydock_proto::ecs;
use prost::Message as _;

/// The service that the operations belong to.
const SERVICE: &str = "/drydock.ecs.v1.Ecs/";

/// Why a JSON text isn't a request, and where.
pub type JsonError = serde_path_to_error::Error<serde_json::Error>;

fn read_json<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, JsonError> {
    use serde::de::Error as _;
    let nowhere = |error| JsonError::new(serde_path_to_error::Track::new().path(), error);
    // serde would take a list for a structure, member by member; within it `drydock_proto::json` sees to that.
    if body.trim_ascii_start().first() == Some(&b'[') {
        return Err(nowhere(serde_json::Error::custom("invalid type: sequence, expected a structure")));
    }
    let mut text = serde_json::Deserializer::from_slice(body);
    let request = serde_path_to_error::deserialize(&mut text)?;
    text.end().map_err(nowhere)?;
    Ok(request)
}

macro_rules! operations {
    (
        writes { $($write:ident($write_request:ident) -> $write_response:ident),+ $(,)? }
        reads { $($read:ident($read_request:ident) -> $read_response:ident),+ $(,)? }
    ) => {
        /// A request of the ECS API.
        #[derive(Debug, Clone, PartialEq)]
        #[allow(missing_docs, reason = "ECS's own names")]
        pub enum Request {
            $($write(Box<ecs::$write_request>),)+
            $($read(Box<ecs::$read_request>),)+
        }

        /// The answer to the request of the same name.
        #[derive(Debug, Clone, PartialEq)]
        #[allow(missing_docs, reason = "ECS's own names")]
        pub enum Response {
            $($write(Box<ecs::$write_response>),)+
            $($read(Box<ecs::$read_response>),)+
        }

        impl Request {
            /// ECS's name of the operation.
            #[must_use]
            pub const fn operation(&self) -> &'static str {
                match self {
                    $(Self::$write(_) => stringify!($write),)+
                    $(Self::$read(_) => stringify!($read),)+
                }
            }

            /// ECS's name of an operation as a word of this program; `None` where there is no such operation.
            #[must_use]
            pub fn name_of(operation: &str) -> Option<&'static str> {
                match operation {
                    $(stringify!($write) => Some(stringify!($write)),)+
                    $(stringify!($read) => Some(stringify!($read)),)+
                    _ => None,
                }
            }

            /// Whether it changes something: the leader's business.
            #[must_use]
            pub const fn is_write(&self) -> bool {
                match self {
                    $(Self::$write(_) => true,)+
                    $(Self::$read(_) => false,)+
                }
            }

            /// Its bytes on the wire.
            #[must_use]
            pub fn encode(&self) -> Vec<u8> {
                match self {
                    $(Self::$write(request) => request.encode_to_vec(),)+
                    $(Self::$read(request) => request.encode_to_vec(),)+
                }
            }

            /// How many these are.
            #[must_use]
            pub fn encoded_len(&self) -> usize {
                match self {
                    $(Self::$write(request) => request.encoded_len(),)+
                    $(Self::$read(request) => request.encoded_len(),)+
                }
            }

            /// The request of a gRPC method; `None` where there is no such method.
            ///
            /// # Errors
            /// The bytes aren't that request.
            pub fn decode(method: &str, body: &[u8]) -> Option<Result<Self, prost::DecodeError>> {
                match method.strip_prefix(SERVICE)? {
                    $(stringify!($write) => Some(ecs::$write_request::decode(body).map(|r| Self::$write(Box::new(r)))),)+
                    $(stringify!($read) => Some(ecs::$read_request::decode(body).map(|r| Self::$read(Box::new(r)))),)+
                    _ => None,
                }
            }

            /// The request of an operation from AWS's JSON; `None` where there is no such operation. Members that the
            /// operation doesn't have are passed over, as AWS does.
            ///
            /// # Errors
            /// The text isn't JSON or isn't that request; with the path of what is wrong.
            pub fn from_json(operation: &str, body: &[u8]) -> Option<Result<Self, JsonError>> {
                match operation {
                    $(stringify!($write) => Some(read_json::<ecs::$write_request>(body).map(Self::from)),)+
                    $(stringify!($read) => Some(read_json::<ecs::$read_request>(body).map(Self::from)),)+
                    _ => None,
                }
            }

            /// The response to this request from its bytes.
            ///
            /// # Errors
            /// The bytes aren't that response.
            pub fn decode_response(&self, body: &[u8]) -> Result<Response, prost::DecodeError> {
                Ok(match self {
                    $(Self::$write(_) => Response::$write(Box::new(ecs::$write_response::decode(body)?)),)+
                    $(Self::$read(_) => Response::$read(Box::new(ecs::$read_response::decode(body)?)),)+
                })
            }
        }

        impl Response {
            /// Its bytes on the wire.
            #[must_use]
            pub fn encode(&self) -> Vec<u8> {
                match self {
                    $(Self::$write(response) => response.encode_to_vec(),)+
                    $(Self::$read(response) => response.encode_to_vec(),)+
                }
            }

            /// AWS's JSON of it.
            ///
            /// # Errors
            /// A number that its enum doesn't have: a defect of ours.
            pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
                match self {
                    $(Self::$write(response) => serde_json::to_vec(response),)+
                    $(Self::$read(response) => serde_json::to_vec(response),)+
                }
            }
        }

        $(impl From<ecs::$write_request> for Request {
            fn from(request: ecs::$write_request) -> Self {
                Self::$write(Box::new(request))
            }
        })+

        $(impl From<ecs::$read_request> for Request {
            fn from(request: ecs::$read_request) -> Self {
                Self::$read(Box::new(request))
            }
        })+
    };
}

operations! {
    writes {
        CreateCluster(CreateClusterRequest) -> CreateClusterResponse,
        DeleteCluster(DeleteClusterRequest) -> DeleteClusterResponse,
        UpdateCluster(UpdateClusterRequest) -> UpdateClusterResponse,
        UpdateClusterSettings(UpdateClusterSettingsRequest) -> UpdateClusterSettingsResponse,
        CreateCapacityProvider(CreateCapacityProviderRequest) -> CreateCapacityProviderResponse,
        UpdateCapacityProvider(UpdateCapacityProviderRequest) -> UpdateCapacityProviderResponse,
        DeleteCapacityProvider(DeleteCapacityProviderRequest) -> DeleteCapacityProviderResponse,
        PutClusterCapacityProviders(PutClusterCapacityProvidersRequest) -> PutClusterCapacityProvidersResponse,
        RegisterTaskDefinition(RegisterTaskDefinitionRequest) -> RegisterTaskDefinitionResponse,
        DeregisterTaskDefinition(DeregisterTaskDefinitionRequest) -> DeregisterTaskDefinitionResponse,
        DeleteTaskDefinitions(DeleteTaskDefinitionsRequest) -> DeleteTaskDefinitionsResponse,
        RunTask(RunTaskRequest) -> RunTaskResponse,
        StartTask(StartTaskRequest) -> StartTaskResponse,
        StopTask(StopTaskRequest) -> StopTaskResponse,
        UpdateTaskProtection(UpdateTaskProtectionRequest) -> UpdateTaskProtectionResponse,
        CreateService(CreateServiceRequest) -> CreateServiceResponse,
        UpdateService(UpdateServiceRequest) -> UpdateServiceResponse,
        DeleteService(DeleteServiceRequest) -> DeleteServiceResponse,
        CreateTaskSet(CreateTaskSetRequest) -> CreateTaskSetResponse,
        UpdateTaskSet(UpdateTaskSetRequest) -> UpdateTaskSetResponse,
        DeleteTaskSet(DeleteTaskSetRequest) -> DeleteTaskSetResponse,
        UpdateServicePrimaryTaskSet(UpdateServicePrimaryTaskSetRequest) -> UpdateServicePrimaryTaskSetResponse,
        RegisterContainerInstance(RegisterContainerInstanceRequest) -> RegisterContainerInstanceResponse,
        DeregisterContainerInstance(DeregisterContainerInstanceRequest) -> DeregisterContainerInstanceResponse,
        UpdateContainerInstancesState(UpdateContainerInstancesStateRequest) -> UpdateContainerInstancesStateResponse,
        SubmitTaskStateChange(SubmitTaskStateChangeRequest) -> SubmitTaskStateChangeResponse,
        SubmitContainerStateChange(SubmitContainerStateChangeRequest) -> SubmitContainerStateChangeResponse,
        SubmitAttachmentStateChanges(SubmitAttachmentStateChangesRequest) -> SubmitAttachmentStateChangesResponse,
        StopServiceDeployment(StopServiceDeploymentRequest) -> StopServiceDeploymentResponse,
        ContinueServiceDeployment(ContinueServiceDeploymentRequest) -> ContinueServiceDeploymentResponse,
        PutAttributes(PutAttributesRequest) -> PutAttributesResponse,
        DeleteAttributes(DeleteAttributesRequest) -> DeleteAttributesResponse,
        TagResource(TagResourceRequest) -> TagResourceResponse,
        UntagResource(UntagResourceRequest) -> UntagResourceResponse,
        PutAccountSetting(PutAccountSettingRequest) -> PutAccountSettingResponse,
        PutAccountSettingDefault(PutAccountSettingDefaultRequest) -> PutAccountSettingDefaultResponse,
        DeleteAccountSetting(DeleteAccountSettingRequest) -> DeleteAccountSettingResponse,
    }
    reads {
        ListAccountSettings(ListAccountSettingsRequest) -> ListAccountSettingsResponse,
        DescribeClusters(DescribeClustersRequest) -> DescribeClustersResponse,
        ListClusters(ListClustersRequest) -> ListClustersResponse,
        DescribeCapacityProviders(DescribeCapacityProvidersRequest) -> DescribeCapacityProvidersResponse,
        DescribeTaskDefinition(DescribeTaskDefinitionRequest) -> DescribeTaskDefinitionResponse,
        ListTaskDefinitions(ListTaskDefinitionsRequest) -> ListTaskDefinitionsResponse,
        ListTaskDefinitionFamilies(ListTaskDefinitionFamiliesRequest) -> ListTaskDefinitionFamiliesResponse,
        DescribeTasks(DescribeTasksRequest) -> DescribeTasksResponse,
        ExecuteCommand(ExecuteCommandRequest) -> ExecuteCommandResponse,
        ListTasks(ListTasksRequest) -> ListTasksResponse,
        GetTaskProtection(GetTaskProtectionRequest) -> GetTaskProtectionResponse,
        DescribeServices(DescribeServicesRequest) -> DescribeServicesResponse,
        ListServices(ListServicesRequest) -> ListServicesResponse,
        ListServicesByNamespace(ListServicesByNamespaceRequest) -> ListServicesByNamespaceResponse,
        ListServiceDeployments(ListServiceDeploymentsRequest) -> ListServiceDeploymentsResponse,
        DescribeServiceDeployments(DescribeServiceDeploymentsRequest) -> DescribeServiceDeploymentsResponse,
        DescribeServiceRevisions(DescribeServiceRevisionsRequest) -> DescribeServiceRevisionsResponse,
        DescribeTaskSets(DescribeTaskSetsRequest) -> DescribeTaskSetsResponse,
        DescribeContainerInstances(DescribeContainerInstancesRequest) -> DescribeContainerInstancesResponse,
        ListContainerInstances(ListContainerInstancesRequest) -> ListContainerInstancesResponse,
        UpdateContainerAgent(UpdateContainerAgentRequest) -> UpdateContainerAgentResponse,
        DiscoverPollEndpoint(DiscoverPollEndpointRequest) -> DiscoverPollEndpointResponse,
        ListAttributes(ListAttributesRequest) -> ListAttributesResponse,
        ListTagsForResource(ListTagsForResourceRequest) -> ListTagsForResourceResponse,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::Request;

    fn refused(operation: &str, body: &[u8]) -> String {
        let error = Request::from_json(operation, body).unwrap().map(|read| format!("taken: {read:?}")).unwrap_err();
        error.to_string()
    }

    /// Each is refused with the path of what is wrong, and with a reason.
    #[test]
    fn shapes_are_held_strictly() {
        let long = format!(r#"{{"tags":[{}{{}}]}}"#, "{},".repeat(10_000));
        let deep = format!(r#"{{"tags":{}"#, "[".repeat(100_000));
        let deep_unknown = format!(r#"{{"x":{}"#, r#"{"y":"#.repeat(100_000));
        let table: &[(&str, &str, &[&str])] = &[
            // Lists in place of structures, wherever these are.
            ("RunTask", r#"{"overrides":[]}"#, &["overrides", "invalid type: sequence, expected a structure"]),
            ("RunTask", r#"{"tags":[["k","v"]]}"#, &["tags[0]", "sequence, expected a structure"]),
            (
                "RegisterTaskDefinition",
                r#"{"containerDefinitions":[{},{"healthCheck":[["CMD"]]}]}"#,
                &["containerDefinitions[1].healthCheck", "sequence, expected a structure"],
            ),
            (
                "UpdateService",
                r#"{"loadBalancers":[["arn"]]}"#,
                &["loadBalancers[0]", "sequence, expected a structure"],
            ),
            ("RunTask", r#"{"overrides":5}"#, &["overrides", "integer `5`, expected a structure"]),
            ("RunTask", r#"{"tags":{}}"#, &["tags", "map, expected a list of structures"]),
            ("RunTask", r#"{"tags":[null]}"#, &["tags[0]", "null, expected a structure"]),
            ("UpdateService", r#"{"loadBalancers":{}}"#, &["loadBalancers", "map"]),
            ("DescribeTasks", r#"{"tasks":{}}"#, &["tasks", "map"]),
            ("DescribeTasks", r#"{"tasks":[7]}"#, &["tasks[0]", "integer `7`, expected a string"]),
            (
                "RegisterTaskDefinition",
                r#"{"containerDefinitions":[{"dockerLabels":[]}]}"#,
                &["dockerLabels", "sequence"],
            ),
            // Numbers.
            ("RunTask", r#"{"count":1.5}"#, &["count", "1.5"]),
            ("RunTask", r#"{"count":"1"}"#, &["count", "string"]),
            ("RunTask", r#"{"count":5000000000}"#, &["count", "5000000000"]),
            ("RunTask", r#"{"count":-1e999}"#, &["count", "out of range"]),
            ("RunTask", r#"{"count":NaN}"#, &["count", "expected"]),
            ("RunTask", r#"{"group":1}"#, &["group", "integer `1`, expected a string"]),
            ("RunTask", r#"{"enableExecuteCommand":1}"#, &["enableExecuteCommand", "integer `1`, expected a boolean"]),
            // Times.
            ("ListServiceDeployments", r#"{"createdAt":{"after":1e300}}"#, &["createdAt.after", "out of range"]),
            ("ListServiceDeployments", r#"{"createdAt":{"after":9223372036854775807}}"#, &["createdAt.after", "range"]),
            (
                "ListServiceDeployments",
                r#"{"createdAt":{"after":18446744073709551615}}"#,
                &["createdAt.after", "range"],
            ),
            ("ListServiceDeployments", r#"{"createdAt":{"after":true}}"#, &["createdAt.after", "boolean"]),
            // Enums.
            ("RunTask", r#"{"launchType":1}"#, &["launchType", "integer `1`"]),
            ("RunTask", r#"{"launchType":["EC2"]}"#, &["launchType", "sequence"]),
            ("RunTask", r#"{"launchType":"ec2"}"#, &["launchType", "unknown value `ec2`"]),
            // Texts.
            ("RunTask", r#"{"group":"\ud800"}"#, &["group", "hex escape"]),
            ("RunTask", r#"{"group":"\udc00\ud800"}"#, &["group", "hex escape"]),
            ("RunTask", "{\"group\":\"a\nb\"}", &["group", "control character"]),
            // The same member twice, and what has no end.
            ("RunTask", r#"{"count":1,"count":2}"#, &["duplicate field `count`"]),
            ("RunTask", &deep, &["tags[0]", "sequence, expected a structure"]),
            ("RunTask", &deep_unknown, &["EOF"]),
            ("RunTask", &long, &["tags", "more than 10000 structures"]),
            ("RunTask", r#"{"tags":[{}"#, &["EOF"]),
        ];
        for (operation, body, parts) in table {
            let error = refused(operation, body.as_bytes());
            let shown: String = body.chars().take(80).collect();
            for part in *parts {
                assert!(error.contains(part), "{shown}: no {part:?} in {error:?}");
            }
        }
        for body in [&b"{\"group\":\"\xff\"}"[..], b"\xef\xbb\xbf{}", b"{\"gr\xc3oup\":1}", b"{\"a\":\"\x00\"}"] {
            refused("RunTask", body);
        }
    }

    /// What AWS takes is taken: members that an operation doesn't have, `null`, empty structures, times in either form.
    #[test]
    fn leniency_is_aws_s() {
        let table = [
            ("RunTask", r#"{"unheardOf":[[[{"a":[1,2.5,null]}]]],"count":1}"#, r#"{"count":1}"#),
            ("RunTask", r#"{"tags":null,"overrides":null,"launchType":null,"count":null,"group":null}"#, "{}"),
            ("RunTask", r#"{"overrides":{"containerOverrides":null}}"#, r#"{"overrides":{}}"#),
            ("RunTask", " {\n\t\"count\" : 1 } ", r#"{"count":1}"#),
            ("UpdateService", r#"{"loadBalancers":null}"#, "{}"),
            (
                "ListServiceDeployments",
                r#"{"createdAt":{"after":1700000000.25}}"#,
                r#"{"createdAt":{"after":"2023-11-14T22:13:20.250Z"}}"#,
            ),
            ("ListServiceDeployments", r#"{"createdAt":{"before":-1}}"#, r#"{"createdAt":{"before":-1.0}}"#),
        ];
        for (operation, body, same) in table {
            let read = |body: &str| Request::from_json(operation, body.as_bytes()).unwrap().unwrap();
            assert_eq!(read(body), read(same), "{body}");
        }
    }
}
