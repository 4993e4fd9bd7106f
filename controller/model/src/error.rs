//! The exceptions that ECS answers with, by ECS's own names, with ECS's texts where they are known.

use std::fmt;

/// Name of an ECS exception (the `__type` of an AWS JSON 1.1 error).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "each variant is the name of ECS's exception")]
pub enum ExceptionName {
    AccessDenied,
    AttributeLimitExceeded,
    Blocked,
    Client,
    ClusterContainsCapacityProvider,
    ClusterContainsContainerInstances,
    ClusterContainsServices,
    ClusterContainsTasks,
    ClusterNotFound,
    Conflict,
    InvalidParameter,
    LimitExceeded,
    MissingVersion,
    NamespaceNotFound,
    NoUpdateAvailable,
    PlatformTaskDefinitionIncompatibility,
    PlatformUnknown,
    ResourceInUse,
    ResourceNotFound,
    Server,
    ServiceDeploymentNotFound,
    ServiceNotActive,
    ServiceNotFound,
    TargetNotConnected,
    TargetNotFound,
    TaskSetNotFound,
    UnsupportedFeature,
    UpdateInProgress,
}

impl ExceptionName {
    /// All of them.
    pub const ALL: [Self; 28] = [
        Self::AccessDenied,
        Self::AttributeLimitExceeded,
        Self::Blocked,
        Self::Client,
        Self::ClusterContainsCapacityProvider,
        Self::ClusterContainsContainerInstances,
        Self::ClusterContainsServices,
        Self::ClusterContainsTasks,
        Self::ClusterNotFound,
        Self::Conflict,
        Self::InvalidParameter,
        Self::LimitExceeded,
        Self::MissingVersion,
        Self::NamespaceNotFound,
        Self::NoUpdateAvailable,
        Self::PlatformTaskDefinitionIncompatibility,
        Self::PlatformUnknown,
        Self::ResourceInUse,
        Self::ResourceNotFound,
        Self::Server,
        Self::ServiceDeploymentNotFound,
        Self::ServiceNotActive,
        Self::ServiceNotFound,
        Self::TargetNotConnected,
        Self::TargetNotFound,
        Self::TaskSetNotFound,
        Self::UnsupportedFeature,
        Self::UpdateInProgress,
    ];

    /// As AWS spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessDenied => "AccessDeniedException",
            Self::AttributeLimitExceeded => "AttributeLimitExceededException",
            Self::Blocked => "BlockedException",
            Self::Client => "ClientException",
            Self::ClusterContainsCapacityProvider => "ClusterContainsCapacityProviderException",
            Self::ClusterContainsContainerInstances => "ClusterContainsContainerInstancesException",
            Self::ClusterContainsServices => "ClusterContainsServicesException",
            Self::ClusterContainsTasks => "ClusterContainsTasksException",
            Self::ClusterNotFound => "ClusterNotFoundException",
            Self::Conflict => "ConflictException",
            Self::InvalidParameter => "InvalidParameterException",
            Self::LimitExceeded => "LimitExceededException",
            Self::MissingVersion => "MissingVersionException",
            Self::NamespaceNotFound => "NamespaceNotFoundException",
            Self::NoUpdateAvailable => "NoUpdateAvailableException",
            Self::PlatformTaskDefinitionIncompatibility => "PlatformTaskDefinitionIncompatibilityException",
            Self::PlatformUnknown => "PlatformUnknownException",
            Self::ResourceInUse => "ResourceInUseException",
            Self::ResourceNotFound => "ResourceNotFoundException",
            Self::Server => "ServerException",
            Self::ServiceDeploymentNotFound => "ServiceDeploymentNotFoundException",
            Self::ServiceNotActive => "ServiceNotActiveException",
            Self::ServiceNotFound => "ServiceNotFoundException",
            Self::TargetNotConnected => "TargetNotConnectedException",
            Self::TargetNotFound => "TargetNotFoundException",
            Self::TaskSetNotFound => "TaskSetNotFoundException",
            Self::UnsupportedFeature => "UnsupportedFeatureException",
            Self::UpdateInProgress => "UpdateInProgressException",
        }
    }

    /// The exception of that name, with or without `Exception` at its end.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|known| known.as_str() == name || known.as_str().strip_suffix("Exception") == Some(name))
    }
}

impl fmt::Display for ExceptionName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// An ECS exception: what a client gets instead of an answer. A value, not a failure of ours (design §3.4).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {message}")]
pub struct EcsError {
    /// Its name.
    pub name: ExceptionName,
    /// Its text; ECS's own where that is known.
    pub message: String,
    /// ARNs that `ConflictException` carries.
    pub resource_ids: Vec<String>,
}

impl EcsError {
    /// An exception with a text.
    #[must_use]
    pub fn new(name: ExceptionName, message: impl Into<String>) -> Self {
        Self { name, message: message.into(), resource_ids: Vec::new() }
    }

    /// `ClientException`: an action or a resource that the caller may not use as it did.
    #[must_use]
    pub fn client(message: impl Into<String>) -> Self {
        Self::new(ExceptionName::Client, message)
    }

    /// `InvalidParameterException`.
    #[must_use]
    pub fn invalid_parameter(message: impl Into<String>) -> Self {
        Self::new(ExceptionName::InvalidParameter, message)
    }

    /// `ClusterNotFoundException`, "Cluster not found.".
    #[must_use]
    pub fn cluster_not_found() -> Self {
        Self::new(ExceptionName::ClusterNotFound, "Cluster not found.")
    }

    /// `ServiceNotFoundException`, "Service not found.".
    #[must_use]
    pub fn service_not_found() -> Self {
        Self::new(ExceptionName::ServiceNotFound, "Service not found.")
    }

    /// `ServiceNotActiveException`, "Service was not ACTIVE.".
    #[must_use]
    pub fn service_not_active() -> Self {
        Self::new(ExceptionName::ServiceNotActive, "Service was not ACTIVE.")
    }

    /// `TaskSetNotFoundException`.
    #[must_use]
    pub fn task_set_not_found() -> Self {
        Self::new(ExceptionName::TaskSetNotFound, "The specified task set was not found.")
    }

    /// `UnsupportedFeatureException`: what Drydock doesn't do (yet) and therefore refuses to store.
    #[must_use]
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ExceptionName::UnsupportedFeature, message)
    }
}

#[cfg(test)]
mod tests {
    use super::ExceptionName;

    #[test]
    fn every_name_is_found_again_and_is_listed_once() {
        for name in ExceptionName::ALL {
            assert_eq!(ExceptionName::parse(name.as_str()), Some(name));
        }
        let mut sorted = ExceptionName::ALL.to_vec();
        sorted.sort();
        sorted.dedup();
        assert_eq!(sorted.len(), ExceptionName::ALL.len());
        assert_eq!(ExceptionName::parse("Nonsense"), None);
    }
}
