//! Requests by name, for the metrics and for what is beyond the classic surface: an operation's own name where there is such an operation, and one word for all else, so
//! that nothing that a client sends becomes a label.

use axum::http::HeaderMap;

use super::TARGET;
use crate::metrics::{GET_CALLER_IDENTITY, UNKNOWN};
use crate::request::Request;

/// Operations of ECS beyond the classic surface: known, and not there.
const BEYOND: [(&str, &[&str]); 3] = [
    (
        "daemons of ECS Managed Instances",
        &[
            "CreateDaemon",
            "DeleteDaemon",
            "DeleteDaemonTaskDefinition",
            "DescribeDaemon",
            "DescribeDaemonDeployments",
            "DescribeDaemonRevisions",
            "DescribeDaemonTaskDefinition",
            "ListDaemonDeployments",
            "ListDaemonTaskDefinitions",
            "ListDaemons",
            "RegisterDaemonTaskDefinition",
            "UpdateDaemon",
        ],
    ),
    (
        "the express mode",
        &[
            "CreateExpressGatewayService",
            "DeleteExpressGatewayService",
            "DescribeExpressGatewayService",
            "UpdateExpressGatewayService",
        ],
    ),
    (
        "gateways",
        &[
            "AssociateGatewayWithCluster",
            "CreateGateway",
            "DeleteGateway",
            "DescribeGateway",
            "DescribeGatewayResources",
            "DescribeGatewayRoute",
            "DisassociateGatewayFromCluster",
            "ListGatewayClusterAssociations",
            "ListGatewayRoutes",
            "ListGateways",
            "UpdateGateway",
        ],
    ),
];

/// An operation beyond the classic surface, and what it is of.
pub(super) fn beyond(operation: &str) -> Option<(&'static str, &'static str)> {
    let known = BEYOND.iter().flat_map(|(what, names)| names.iter().map(|name| (*name, *what)));
    known.into_iter().find(|(name, _)| *name == operation)
}

/// What a request is counted as. `answered`: one without a target was answered, so it was the only one that has none.
pub(super) fn operation(headers: &HeaderMap, answered: bool) -> &'static str {
    let Some(target) = headers.get("x-amz-target") else {
        return if answered { GET_CALLER_IDENTITY } else { UNKNOWN };
    };
    let name = target.to_str().ok().and_then(|target| target.strip_prefix(TARGET)).unwrap_or_default();
    Request::name_of(name).or_else(|| Some(beyond(name)?.0)).unwrap_or(UNKNOWN)
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue};

    use super::operation;

    #[test]
    fn only_operations_have_names() {
        let table = [
            (Some("AmazonEC2ContainerServiceV20141113.RunTask"), true, "RunTask"),
            (Some("AmazonEC2ContainerServiceV20141113.ListTasks"), false, "ListTasks"),
            (Some("AmazonEC2ContainerServiceV20141113.CreateDaemon"), false, "CreateDaemon"),
            (Some("AmazonEC2ContainerServiceV20141113.Invented"), false, "Unknown"),
            (Some("RunTask"), false, "Unknown"),
            (None, true, "GetCallerIdentity"),
            (None, false, "Unknown"),
        ];
        for (target, answered, expected) in table {
            let mut headers = HeaderMap::new();
            if let Some(target) = target {
                headers.insert("x-amz-target", HeaderValue::from_static(target));
            }
            assert_eq!(operation(&headers, answered), expected, "{target:?}");
        }
    }
}
