//! Errors as AWS words them: `__type` with the exception's name, `message` with its text, HTTP 400 for what the client did
//! and 5xx for what it may try again.

use axum::Json;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use drydock_model::error::{EcsError, ExceptionName};
use serde_json::{Map, Value};

use super::serialization::wrong_type;
use super::signature::Refused;
use crate::api::errors::ApiError;

/// Names the member whose value can't be read: AWS's texts don't.
const MEMBER_HEADER: &str = "x-drydock-member";
/// Characters of a path that an error repeats.
const PATH_CHARS_SHOWN: usize = 100;

/// What a request is refused with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    status: StatusCode,
    exception: String,
    message: String,
    resource_ids: Vec<String>,
    /// Path of the member that is to blame; empty where none is.
    member: String,
}

impl Failure {
    fn new(status: StatusCode, exception: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            exception: exception.to_owned(),
            message: message.into(),
            resource_ids: Vec::new(),
            member: String::new(),
        }
    }

    /// Its exception's name.
    pub(super) fn exception(&self) -> &str {
        &self.exception
    }

    /// No operation has that name.
    pub(super) fn unknown_operation() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "UnknownOperationException", "")
    }

    /// Operations are posted to `/`, and this is another path, or another method.
    pub(super) fn no_such_path(method: &str, path: &str) -> Self {
        let path: String = path.chars().take(PATH_CHARS_SHOWN).collect();
        let text = format!("There is nothing at {method} {path}. Operations are posted to /.");
        Self::new(StatusCode::BAD_REQUEST, "UnknownOperationException", text)
    }

    /// The body has more bytes than are read.
    pub(super) fn too_large(max: usize) -> Self {
        let text = format!("Request must be smaller than {max} bytes.");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLargeException", text)
    }

    /// The body isn't there as a whole.
    pub(super) fn cut_off(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "SerializationException", message)
    }

    /// More requests than AWS takes.
    pub(super) fn throttled(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "ThrottlingException", message)
    }

    /// Nobody may reset what this port leads to.
    pub(super) fn no_reset() -> Self {
        let text = "A reset is not allowed here: controllers allow it with --aws-reset, and `drydock up` does.";
        Self::new(StatusCode::FORBIDDEN, "AccessDeniedException", text)
    }

    /// A defect of ours.
    pub(super) fn internal(message: String) -> Self {
        tracing::error!(message, "an answer can't be written");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, ExceptionName::Server.as_str(), message)
    }

    /// The body isn't JSON, or isn't this operation's. A word that an enum doesn't have is refused as AWS's front door does,
    /// with the path of the member.
    pub(super) fn malformed(error: &serde_path_to_error::Error<serde_json::Error>) -> Self {
        let text = error.inner().to_string();
        if let Some((value, set)) =
            text.strip_prefix("unknown value `").and_then(|rest| rest.split_once("`, expected one of: "))
        {
            // serde_json adds where it was.
            let set = set.split(" at line ").next().unwrap_or(set);
            let text = format!(
                "1 validation error detected: Value '{value}' at '{}' failed to satisfy constraint: Member must satisfy enum \
                 value set: [{set}]",
                member(&error.path().to_string())
            );
            return EcsError::invalid_parameter(text).into();
        }
        let path = error.path().to_string();
        let text = wrong_type(&text, &path).unwrap_or(text);
        let path = if path == "." { String::new() } else { path };
        Self { member: path, ..Self::new(StatusCode::BAD_REQUEST, "SerializationException", text) }
    }
}

/// AWS counts members of lists from 1: `containerDefinitions.2.member.name`.
fn member(path: &str) -> String {
    let mut out = String::new();
    for part in path.split(['.', '[']).filter(|part| !part.is_empty()) {
        out.push_str(if out.is_empty() { "" } else { "." });
        match part.strip_suffix(']').and_then(|number| number.parse::<u64>().ok()) {
            Some(number) => out.push_str(&format!("{}.member", number + 1)),
            None => out.push_str(part),
        }
    }
    out
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let (exception, message) = (error.exception().to_owned(), error.to_string());
        let resource_ids = error.resource_ids().to_vec();
        let server = exception == ExceptionName::Server.as_str();
        let (status, message) = match error {
            ApiError::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, message),
            ApiError::Overloaded(_) => (StatusCode::BAD_REQUEST, "Rate exceeded".to_owned()),
            _ if server => (StatusCode::INTERNAL_SERVER_ERROR, message),
            _ => (StatusCode::BAD_REQUEST, message),
        };
        Self { status, exception, message, resource_ids, member: String::new() }
    }
}

impl From<Refused> for Failure {
    /// ECS answers HTTP 400 to all of them.
    fn from(refused: Refused) -> Self {
        let exception = match refused {
            Refused::MissingToken(_) => "MissingAuthenticationTokenException",
            Refused::Incomplete(_) => "IncompleteSignatureException",
            Refused::Unrecognized => "UnrecognizedClientException",
            Refused::Invalid(_) => "InvalidSignatureException",
        };
        Self::new(StatusCode::BAD_REQUEST, exception, refused.to_string())
    }
}

impl From<EcsError> for Failure {
    fn from(error: EcsError) -> Self {
        ApiError::from(error).into()
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut body = Map::new();
        body.insert("__type".to_owned(), Value::String(self.exception.clone()));
        body.insert("message".to_owned(), Value::String(self.message));
        if !self.resource_ids.is_empty() {
            body.insert("resourceIds".to_owned(), self.resource_ids.into());
        }
        let mut response = (self.status, Json(Value::Object(body))).into_response();
        let headers = response.headers_mut();
        headers.insert("content-type", HeaderValue::from_static(super::JSON));
        if let Ok(exception) = HeaderValue::try_from(self.exception) {
            headers.insert("x-amzn-errortype", exception);
        }
        if !self.member.is_empty()
            && let Ok(member) = HeaderValue::try_from(self.member)
        {
            headers.insert(MEMBER_HEADER, member);
        }
        response
    }
}

/// The answer under its request's id.
pub(super) fn with_id(mut response: Response, id: &str) -> Response {
    if let Ok(id) = HeaderValue::try_from(id) {
        response.headers_mut().insert("x-amzn-requestid", id);
    }
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use axum::http::StatusCode;
    use drydock_model::error::EcsError;

    use super::{Failure, member};
    use crate::api::errors::ApiError;
    use crate::request::Request;

    #[test]
    fn members_are_named_as_aws_names_them() {
        assert_eq!(member("launchType"), "launchType");
        assert_eq!(
            member("containerDefinitions[1].portMappings[0].protocol"),
            "containerDefinitions.2.member.portMappings.1.member.protocol"
        );
    }

    #[test]
    fn what_is_wrong_with_a_body_is_said() {
        let table = [
            ("{", "SerializationException", "EOF"),
            ("[]", "SerializationException", "Start of list found where not expected"),
            (r#"{"cluster": 5}"#, "SerializationException", "NUMBER_VALUE cannot be converted to String"),
            (
                r#"{"launchType": "MOON"}"#,
                "InvalidParameterException",
                "Value 'MOON' at 'launchType' failed to satisfy constraint: Member must satisfy enum value set: [",
            ),
        ];
        for (body, exception, part) in table {
            let error = Request::from_json("RunTask", body.as_bytes()).unwrap().unwrap_err();
            let failure = Failure::malformed(&error);
            assert_eq!((failure.status, failure.exception.as_str()), (StatusCode::BAD_REQUEST, exception), "{body}");
            assert!(failure.message.contains(part), "{body}: {}", failure.message);
        }
    }

    #[test]
    fn clients_know_from_the_status_what_to_try_again() {
        let mut conflict = EcsError::cluster_not_found();
        conflict.resource_ids = vec!["arn".to_owned()];
        let table = [
            (ApiError::from(EcsError::cluster_not_found()), 400, "ClusterNotFoundException"),
            (ApiError::Unavailable("x".into()), 503, "ServerException"),
            (ApiError::Unknown("x".into()), 500, "ServerException"),
            (ApiError::Overloaded("x".into()), 400, "ThrottlingException"),
        ];
        for (error, status, exception) in table {
            let failure = Failure::from(error);
            assert_eq!((failure.status.as_u16(), failure.exception.as_str()), (status, exception));
        }
        // Also where the leader refused, and another controller passes it on.
        let relayed = ApiError::from_failure(ApiError::from(conflict).to_failure());
        assert_eq!(Failure::from(relayed).resource_ids, ["arn"]);
    }
}
