//! How what went wrong looks to a gRPC client: a status code, ECS's text, and the name of ECS's exception in the
//! metadata. The only place that maps errors to the wire.

use std::time::Duration;

use drydock_consensus::{ConfError, ProposeError, ReadError, TransferError};
use drydock_model::error::{EcsError, ExceptionName};
use drydock_proto::raft::Failure;
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

/// Metadata key with the name of ECS's exception.
pub const EXCEPTION_KEY: &str = "ecs-exception";
/// Metadata key with the milliseconds after which a refused request may be tried again (gRPC's own name for it).
pub const RETRY_KEY: &str = "grpc-retry-pushback-ms";
/// What AWS calls a refusal for load.
const THROTTLING: &str = "ThrottlingException";
/// After this an overloaded controller is likely to take the request.
pub(crate) const RETRY_AFTER: Duration = Duration::from_millis(100);

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ApiError {
    /// ECS says no. Its name travels beside the text, not in it.
    #[error("{}", .0.message)]
    Ecs(#[from] EcsError),
    /// No leader, or it can't be reached; nothing was written.
    #[error("{0}")]
    Unavailable(String),
    /// A bound on the work in flight was reached; nothing was written.
    #[error("{0}")]
    Overloaded(String),
    /// Not known whether the write took place.
    #[error("{0}")]
    Unknown(String),
    /// Too large, malformed, or against the state of the control plane.
    #[error("{message}")]
    Refused {
        /// gRPC's code for it.
        code: Code,
        /// What is wrong and what to do.
        message: String,
    },
    /// What another controller answered, as it was.
    #[error("{message}")]
    Relayed {
        /// gRPC's code for it.
        code: Code,
        /// ECS's or AWS's name for it.
        exception: String,
        /// Its text.
        message: String,
        /// ARNs that `ConflictException` carries.
        resource_ids: Vec<String>,
    },
}

/// gRPC's code for an ECS exception.
#[must_use]
pub(crate) const fn code_of(name: ExceptionName) -> Code {
    use ExceptionName as E;
    match name {
        E::AccessDenied => Code::PermissionDenied,
        E::AttributeLimitExceeded | E::LimitExceeded => Code::ResourceExhausted,
        E::Client | E::InvalidParameter => Code::InvalidArgument,
        E::ClusterNotFound
        | E::NamespaceNotFound
        | E::PlatformUnknown
        | E::ResourceNotFound
        | E::ServiceDeploymentNotFound
        | E::ServiceNotFound
        | E::TargetNotFound
        | E::TaskSetNotFound => Code::NotFound,
        E::Blocked
        | E::ClusterContainsCapacityProvider
        | E::ClusterContainsContainerInstances
        | E::ClusterContainsServices
        | E::ClusterContainsTasks
        | E::Conflict
        | E::MissingVersion
        | E::NoUpdateAvailable
        | E::PlatformTaskDefinitionIncompatibility
        | E::ResourceInUse
        | E::ServiceNotActive
        | E::TargetNotConnected
        | E::UpdateInProgress => Code::FailedPrecondition,
        E::Server => Code::Internal,
        E::UnsupportedFeature => Code::Unimplemented,
    }
}

impl ApiError {
    fn code(&self) -> Code {
        match self {
            Self::Ecs(error) => code_of(error.name),
            Self::Unavailable(_) => Code::Unavailable,
            Self::Overloaded(_) => Code::ResourceExhausted,
            Self::Unknown(_) => Code::Unknown,
            Self::Refused { code, .. } | Self::Relayed { code, .. } => *code,
        }
    }

    /// ARNs that go with it.
    pub(crate) fn resource_ids(&self) -> &[String] {
        match self {
            Self::Ecs(error) => &error.resource_ids,
            Self::Relayed { resource_ids, .. } => resource_ids,
            _ => &[],
        }
    }

    /// The name of the exception that it is to a client.
    pub(crate) fn exception(&self) -> &str {
        match self {
            Self::Ecs(error) => error.name.as_str(),
            Self::Overloaded(_) => THROTTLING,
            Self::Relayed { exception, .. } => exception,
            Self::Refused { code: Code::InvalidArgument | Code::OutOfRange, .. } => {
                ExceptionName::InvalidParameter.as_str()
            }
            Self::Refused { .. } => ExceptionName::Client.as_str(),
            Self::Unavailable(_) | Self::Unknown(_) => ExceptionName::Server.as_str(),
        }
    }

    /// As one controller tells it to another.
    pub(crate) fn to_failure(&self) -> Failure {
        Failure {
            exception: self.exception().to_owned(),
            message: self.to_string(),
            code: self.code() as i32,
            resource_ids: self.resource_ids().to_vec(),
        }
    }

    /// What another controller told. What surely was not written there, or was refused for load, is told as such.
    pub(crate) fn from_failure(failure: Failure) -> Self {
        match (Code::from_i32(failure.code), failure.exception.as_str()) {
            (Code::Unavailable, _) => Self::Unavailable(failure.message),
            (Code::ResourceExhausted, THROTTLING) => Self::Overloaded(failure.message),
            (code, _) => Self::Relayed {
                code,
                exception: failure.exception,
                message: failure.message,
                resource_ids: failure.resource_ids,
            },
        }
    }
}

impl From<ApiError> for Status {
    fn from(error: ApiError) -> Self {
        let mut status = Self::new(error.code(), error.to_string());
        if let Ok(name) = MetadataValue::try_from(error.exception()) {
            status.metadata_mut().insert(EXCEPTION_KEY, name);
        }
        if error.code() == Code::ResourceExhausted && error.exception() == THROTTLING {
            let millis = u64::try_from(RETRY_AFTER.as_millis()).unwrap_or(u64::MAX);
            status.metadata_mut().insert(RETRY_KEY, MetadataValue::from(millis));
        }
        status
    }
}

impl From<ProposeError> for ApiError {
    fn from(error: ProposeError) -> Self {
        let text = error.to_string();
        match error {
            ProposeError::NotLeader { .. } | ProposeError::Superseded => Self::Unavailable(text),
            ProposeError::Overloaded => Self::Overloaded(text),
            ProposeError::TooLarge { .. } | ProposeError::Empty => {
                Self::Refused { code: Code::OutOfRange, message: text }
            }
            ProposeError::Unknown | ProposeError::Stopped => Self::Unknown(text),
        }
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        let text = error.to_string();
        match error {
            ReadError::Overloaded => Self::Overloaded(text),
            ReadError::Timeout { .. } | ReadError::Stopped => Self::Unavailable(text),
        }
    }
}

impl From<ConfError> for ApiError {
    fn from(error: ConfError) -> Self {
        let message = error.to_string();
        let code = match error {
            ConfError::Propose(error) => return error.into(),
            ConfError::NotMember { .. } => Code::NotFound,
            ConfError::AlreadyMember { .. } => Code::AlreadyExists,
            ConfError::ZeroId | ConfError::ContextTooLarge { .. } => Code::InvalidArgument,
            _ => Code::FailedPrecondition,
        };
        Self::Refused { code, message }
    }
}

impl From<TransferError> for ApiError {
    fn from(error: TransferError) -> Self {
        let message = error.to_string();
        match error {
            TransferError::NotLeader { .. } | TransferError::Stopped => Self::Unavailable(message),
            _ => Self::Refused { code: Code::FailedPrecondition, message },
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use drydock_consensus::ProposeError;
    use drydock_model::error::EcsError;
    use tonic::{Code, Status};

    use super::{ApiError, EXCEPTION_KEY, RETRY_KEY};

    #[test]
    fn the_text_is_that_of_ecs() {
        assert_eq!(Status::from(ApiError::from(EcsError::cluster_not_found())).message(), "Cluster not found.");
    }

    #[test]
    fn errors_keep_their_name_and_text_on_their_way() {
        let table = [
            (ApiError::from(EcsError::cluster_not_found()), Code::NotFound, "ClusterNotFoundException", false),
            (EcsError::invalid_parameter("x").into(), Code::InvalidArgument, "InvalidParameterException", false),
            (EcsError::unsupported("x").into(), Code::Unimplemented, "UnsupportedFeatureException", false),
            (ProposeError::Overloaded.into(), Code::ResourceExhausted, "ThrottlingException", true),
            (ProposeError::NotLeader { leader: None }.into(), Code::Unavailable, "ServerException", false),
            (ProposeError::Unknown.into(), Code::Unknown, "ServerException", false),
            (ProposeError::TooLarge { bytes: 2, max: 1 }.into(), Code::OutOfRange, "InvalidParameterException", false),
        ];
        for (error, code, exception, retry) in table {
            let text = error.to_string();
            let relayed = ApiError::from_failure(error.to_failure());
            for status in [Status::from(error), Status::from(relayed)] {
                assert_eq!(status.code(), code, "{text}");
                assert_eq!(status.metadata().get(EXCEPTION_KEY).unwrap().to_str().unwrap(), exception);
                assert_eq!(status.metadata().contains_key(RETRY_KEY), retry, "{text}");
                assert_eq!(status.message(), text);
            }
        }
    }
}
