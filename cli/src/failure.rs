//! How a command can fail: the text, the advice that goes with it, and the exit code that scripts may trust.

use serde::de::DeserializeOwned;
use thiserror::Error;
use tonic::Code;

use crate::load::{LoadError, Rules, Source};

/// Exit code of a request that a controller, ECS's rules or the operating system refused.
pub const EXIT_REFUSED: u8 = 1;
/// Exit code of a command line or file that is wrong in itself; nothing was sent.
pub const EXIT_USAGE: u8 = 2;
/// Exit code where no controller could be reached, or none that may decide.
pub const EXIT_UNREACHABLE: u8 = 3;
/// Exit code where what was waited for failed or didn't come in time.
pub const EXIT_WAIT: u8 = 4;
/// Exit code of an agent or controller that can't come back as it is (the control plane doesn't want it any more, or its
/// disk lost what it held): starting it again won't help.
pub const EXIT_FOR_GOOD: u8 = 5;

/// Why a command ends without success.
#[derive(Debug, Error)]
pub enum Failure {
    /// An ECS exception.
    #[error("{exception}: {message}")]
    Ecs {
        /// ECS's name for it, such as `ClusterNotFoundException`.
        exception: String,
        /// ECS's text.
        message: String,
    },
    /// An ECS exception about a value of a file, with its place.
    #[error("{0}")]
    EcsInFile(String),
    /// A controller refused for a reason that ECS has no name for.
    #[error("refused ({code:?}): {message}")]
    Refused {
        /// gRPC's code.
        code: Code,
        /// The controller's text.
        message: String,
    },
    /// The answer lists failures beside what went well; they are printed already.
    #[error("{0}")]
    Partly(String),
    /// The command line is wrong.
    #[error("{0}")]
    Usage(String),
    /// The file is wrong.
    #[error(transparent)]
    File(#[from] LoadError),
    /// No endpoint took a connection.
    #[error("no controller can be reached at {endpoints}: {reason}")]
    Unreachable {
        /// What was tried.
        endpoints: String,
        /// The last error.
        reason: String,
    },
    /// Controllers answer, but none could carry the request out in time.
    #[error("no controller could take the request: {0}")]
    Unavailable(String),
    /// The connection broke after the request was sent, and sending it again could do it twice.
    #[error("no answer came, and the request may or may not have been carried out: {0}")]
    Uncertain(String),
    /// What was waited for failed or didn't come in time.
    #[error("{0}")]
    Wait(String),
    /// The operating system refused something.
    #[error("{doing}: {source}")]
    System {
        /// What was being done.
        doing: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// This agent or controller can't come back as it is.
    #[error("{0}")]
    ForGood(String),
    /// Anything else, in words for people.
    #[error("{0}")]
    Other(String),
    /// Whoever read the output went away: no error, but nothing more to do.
    #[error("the output was closed")]
    OutputClosed,
}

impl Failure {
    /// The same, with the place in the file where it is an exception about one of its values.
    #[must_use]
    pub fn placed<T: DeserializeOwned>(self, source: &Source, rules: Rules<T>) -> Self {
        match &self {
            Failure::Ecs { exception, message } => match source.blame(exception, message, rules) {
                Some(text) => Failure::EcsInFile(text),
                None => self,
            },
            _ => self,
        }
    }

    /// An error of the operating system while `doing` something.
    pub fn system(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Failure {
        let doing = doing.into();
        move |source| Failure::System { doing, source }
    }

    /// What the process ends with.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::OutputClosed => 0,
            Failure::Usage(_) | Failure::File(_) => EXIT_USAGE,
            Failure::Unreachable { .. } | Failure::Unavailable(_) | Failure::Uncertain(_) => EXIT_UNREACHABLE,
            Failure::Wait(_) => EXIT_WAIT,
            Failure::ForGood(_) => EXIT_FOR_GOOD,
            Failure::Ecs { .. }
            | Failure::EcsInFile(_)
            | Failure::Refused { .. }
            | Failure::Partly(_)
            | Failure::System { .. }
            | Failure::Other(_) => EXIT_REFUSED,
        }
    }

    /// What to do next, where there is advice.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Failure::Ecs { exception, message } => return advice(exception, message).map(str::to_owned),
            Failure::Unreachable { .. } => {
                "is a cluster running? `drydock up` starts one here; --endpoint or DRYDOCK_ENDPOINT names another"
            }
            Failure::Unavailable(_) => {
                "a majority of the controllers must run: see `drydock status`; reads work with --stale meanwhile"
            }
            Failure::Partly(text) if text.ends_with(": MISSING") => {
                "it isn't in the cluster, or not any more: `list` shows what is; --cluster names another"
            }
            Failure::Uncertain(_) => "look whether it was done (list or describe) before you repeat it",
            _ => return None,
        };
        Some(text.to_owned())
    }
}

/// Advice by exception, the more special text first.
fn advice(exception: &str, message: &str) -> Option<&'static str> {
    /// Exception, a part of its text (empty: any), advice.
    const TABLE: &[(&str, &str, &str)] = &[
        (
            "ClusterNotFoundException",
            "",
            "`drydock cluster list` shows what there is; `drydock cluster create NAME` makes one",
        ),
        (
            "ServiceNotFoundException",
            "",
            "`drydock service list` shows the services of the cluster; --cluster names another",
        ),
        ("ServiceNotActiveException", "", "the service was deleted; create it again with `drydock service create`"),
        (
            "ClusterContainsServicesException",
            "",
            "delete its services first: `drydock service list`, `drydock service delete NAME --force`",
        ),
        ("ClusterContainsTasksException", "", "stop its tasks first: `drydock task list`, `drydock task stop TASK`"),
        (
            "ClusterContainsContainerInstancesException",
            "",
            "deregister its instances first: `drydock container-instance deregister INSTANCE --force`",
        ),
        (
            "ClientException",
            "TaskDefinition is inactive",
            "register it again: `drydock task-definition register -f FILE`",
        ),
        ("ClientException", "TaskDefinition not found", "`drydock task-definition list` shows what there is"),
        ("ClientException", "Unable to describe task definition", "`drydock task-definition list` shows what there is"),
        (
            "InvalidParameterException",
            "was not idempotent",
            "a service of this name exists; change it with `drydock service update`",
        ),
        (
            "InvalidParameterException",
            "Found running tasks",
            "drain it first (`drydock container-instance drain`), or give --force",
        ),
        ("InvalidParameterException", "scaled above 0", "scale it to 0 first, or delete it with --force"),
        ("InvalidParameterException", "still Draining", "wait until it is INACTIVE: `drydock service describe NAME`"),
        (
            "InvalidParameterException",
            "Network Configuration must be provided",
            "give --subnet, and --security-group where needed",
        ),
        (
            "InvalidParameterException",
            "task was not found",
            "`drydock task list` shows the tasks; stopped ones with --desired-status STOPPED",
        ),
        ("InvalidParameterException", "No Container Instances", "start an agent: `drydock agent --help`"),
        ("ThrottlingException", "", "the control plane is busy; try again in a moment"),
    ];
    let fits = |(name, part, _): &&(&str, &str, &str)| *name == exception && message.contains(part);
    TABLE.iter().find(fits).map(|(_, _, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::Failure;

    #[test]
    fn codes_and_advice_go_with_the_kind() {
        let ecs =
            |exception: &str, message: &str| Failure::Ecs { exception: exception.into(), message: message.into() };
        let unreachable = || Failure::Unreachable { endpoints: "h:1".into(), reason: "refused".into() };
        let table = [
            (ecs("ClusterNotFoundException", "Cluster not found."), 1, Some("drydock cluster list")),
            (ecs("ClientException", "TaskDefinition not found."), 1, Some("task-definition list")),
            (ecs("ClientException", "Something else."), 1, None),
            (Failure::Usage("x".into()), 2, None),
            (unreachable(), 3, Some("drydock up")),
            (Failure::Uncertain("x".into()), 3, Some("before you repeat")),
            (Failure::Wait("x".into()), 4, None),
            (Failure::OutputClosed, 0, None),
        ];
        for (failure, code, hint) in table {
            assert_eq!(failure.exit_code(), code, "{failure}");
            match hint {
                Some(part) => assert!(failure.hint().is_some_and(|hint| hint.contains(part)), "{failure}"),
                None => assert_eq!(failure.hint(), None, "{failure}"),
            }
        }
    }
}
