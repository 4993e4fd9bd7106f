//! Requests by operation, face and code, and how long they took. The labels are words of ours: what a client sends that
//! isn't one of them counts as [`UNKNOWN`].

use std::time::Duration;

use drydock_model::error::ExceptionName;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Unit;

use super::page::Page;

/// An operation or an exception that isn't in the lists.
pub(crate) const UNKNOWN: &str = "Unknown";
/// The one operation of another service that is answered.
pub(crate) const GET_CALLER_IDENTITY: &str = "GetCallerIdentity";
/// The code of a request that was carried out.
const OK: &str = "OK";

/// Upper bounds of a request's time, in seconds. A read takes less than a millisecond, a write a round to the peers and a
/// sync; an election takes about one second, a write waits two for a leader, and one that was handed on 15 for an answer.
pub(super) const BUCKETS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 2.5, 15.0];

/// What AWS's front door answers, beside ECS's own exceptions.
const FRONT_DOOR: [&str; 14] = [
    "AccessDeniedException",
    "ExpiredTokenException",
    "IncompleteSignatureException",
    "InternalFailure",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "RequestEntityTooLargeException",
    "RequestExpired",
    "SerializationException",
    "ThrottlingException",
    "UnknownOperationException",
    "UnrecognizedClientException",
    "ValidationException",
];

/// How a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Face {
    /// As AWS JSON over HTTP.
    Aws,
    /// As a gRPC call.
    Grpc,
}

impl Face {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Grpc => "grpc",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    operation: &'static str,
    face: &'static str,
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Took {
    operation: &'static str,
    face: &'static str,
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

/// What is counted of requests. A series is made by the first request that needs it.
#[derive(Debug)]
pub(crate) struct Requests {
    answered: Family<Answered, Counter>,
    took: Family<Took, Histogram, fn() -> Histogram>,
    /// Requests that other controllers handed on to this one.
    forwarded: Counter,
}

impl Default for Requests {
    fn default() -> Self {
        let took = Family::new_with_constructor(histogram as fn() -> Histogram);
        Self { answered: Family::default(), took, forwarded: Counter::default() }
    }
}

/// The exception as a label.
fn code(exception: Option<&str>) -> &'static str {
    let Some(exception) = exception else { return OK };
    let known = ExceptionName::ALL.into_iter().map(ExceptionName::as_str).chain(FRONT_DOOR);
    known.into_iter().find(|known| *known == exception).unwrap_or(UNKNOWN)
}

impl Requests {
    /// Counts a request that was answered, with its exception where it was refused.
    pub(crate) fn answered(&self, face: Face, operation: &'static str, exception: Option<&str>, took: Duration) {
        let (face, code) = (face.as_str(), code(exception));
        self.answered.get_or_create(&Answered { operation, face, code }).inc();
        self.took.get_or_create(&Took { operation, face }).observe(took.as_secs_f64());
    }

    /// Counts a request that another controller handed on: it counts there, by what it is.
    pub(crate) fn forwarded(&self) {
        self.forwarded.inc();
    }

    pub(super) fn show(&self, page: &mut Page) {
        let help = "Requests that were answered or refused here, by operation, face and code";
        page.add("drydock_requests", help, None, self.answered.clone());
        let help = "Time from a request to its answer";
        page.add("drydock_request_duration", help, Some(Unit::Seconds), self.took.clone());
        let help = "Requests that other controllers handed on to this one as the leader";
        page.add("drydock_requests_forwarded", help, None, self.forwarded.clone());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prometheus_client::encoding::text::encode;

    use super::{Face, Requests, UNKNOWN, code};
    use crate::metrics::page::Page;

    #[test]
    fn a_code_is_one_of_a_bounded_list() {
        let table = [
            (None, "OK"),
            (Some("ClusterNotFoundException"), "ClusterNotFoundException"),
            (Some("ThrottlingException"), "ThrottlingException"),
            (Some("SomethingElseException"), UNKNOWN),
            (Some(""), UNKNOWN),
        ];
        for (exception, expected) in table {
            assert_eq!(code(exception), expected, "{exception:?}");
        }
    }

    #[test]
    fn what_is_not_known_makes_one_series() {
        let requests = Requests::default();
        for exception in ["Aa", "Bb", "Cc"] {
            requests.answered(Face::Aws, UNKNOWN, Some(exception), Duration::from_millis(2));
        }
        let mut page = Page::default();
        requests.show(&mut page);
        let mut text = String::new();
        assert!(encode(&mut text, &page.registry()).is_ok());
        let series: Vec<&str> = text.lines().filter(|line| line.starts_with("drydock_requests_total")).collect();
        let expected = r#"drydock_requests_total{operation="Unknown",face="aws",code="Unknown"} 3"#;
        assert_eq!(series, [expected]);
        let bucket = r#"drydock_request_duration_seconds_bucket{le="0.0025",operation="Unknown",face="aws"} 3"#;
        assert!(text.contains(bucket), "{text}");
    }
}
