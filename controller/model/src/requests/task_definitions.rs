//! Task definitions: how a request names one, and the operations other than registration.

use drydock_proto::ecs::{
    DeleteTaskDefinitionsRequest, DeregisterTaskDefinitionRequest, DescribeTaskDefinitionRequest,
    ListTaskDefinitionFamiliesRequest, ListTaskDefinitionsRequest,
};

use super::{listed, page, well_formed};
use crate::arn::Scope;
use crate::error::{EcsError, ExceptionName};
use crate::names;
use crate::pagination::Page;

/// Task definitions that DeleteTaskDefinitions takes.
pub const DELETE_MAX: usize = 10;
/// Page of both lists where none is asked for.
pub const LIST_DEFAULT: usize = 100;

/// A task definition as requests name it: `FAMILY`, `FAMILY:REVISION`, or an ARN of either.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// Region and account, of an ARN.
    pub scope: Option<Scope>,
    /// Its family.
    pub family: String,
    /// Its revision; the latest ACTIVE one where there is none.
    pub revision: Option<u32>,
}

/// Reads a reference.
///
/// # Errors
/// `ClientException` for what can't name a task definition.
pub fn reference(text: &str) -> Result<Reference, EcsError> {
    let (scope, name) = match text.strip_prefix("arn:") {
        None => (None, text),
        Some(rest) => {
            let invalid = || EcsError::client(format!("Invalid task definition ARN '{text}'."));
            let parts: Vec<&str> = rest.splitn(5, ':').collect();
            let [_, "ecs", region, account, path] = parts[..] else { return Err(invalid()) };
            let name = path.strip_prefix("task-definition/").ok_or_else(invalid)?;
            (Some(Scope { region: region.to_owned(), account: account.to_owned() }), name)
        }
    };
    let (family, revision) = name.split_once(':').map_or((name, None), |(family, revision)| (family, Some(revision)));
    names::check(ExceptionName::Client, "Family", family)?;
    let number = |text: &str| {
        let number = text.bytes().all(|digit| digit.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        let number = number.filter(|number| *number > 0);
        number.ok_or_else(|| EcsError::client(format!("Invalid revision number. Number: {text}")))
    };
    Ok(Reference { scope, family: family.to_owned(), revision: revision.map(number).transpose()? })
}

/// A reference that must name a revision.
fn with_revision(text: &str) -> Result<Reference, EcsError> {
    let found = reference(text)?;
    if found.revision.is_none() {
        return Err(EcsError::client(format!("A revision must be specified: '{text}'.")));
    }
    Ok(found)
}

/// DescribeTaskDefinition. Returns which.
///
/// # Errors
/// `ClientException`.
pub fn describe_task_definition(request: &DescribeTaskDefinitionRequest) -> Result<Reference, EcsError> {
    well_formed(request)?;
    reference(names::required(ExceptionName::Client, "taskDefinition", &request.task_definition)?)
}

/// DeregisterTaskDefinition. Returns which: always with a revision.
///
/// # Errors
/// `ClientException`.
pub fn deregister_task_definition(request: &DeregisterTaskDefinitionRequest) -> Result<Reference, EcsError> {
    with_revision(names::required(ExceptionName::Client, "taskDefinition", &request.task_definition)?)
}

/// DeleteTaskDefinitions. Which of them can't be deleted is told one by one, in the answer's failures.
///
/// # Errors
/// `InvalidParameterException`.
pub fn delete_task_definitions(request: &DeleteTaskDefinitionsRequest) -> Result<(), EcsError> {
    listed("taskDefinitions", &request.task_definitions, 1, DELETE_MAX)
}

/// ListTaskDefinitions.
///
/// # Errors
/// `InvalidParameterException`.
pub fn list_task_definitions(request: &ListTaskDefinitionsRequest) -> Result<Page, EcsError> {
    let mut filters = request.clone();
    let asked = (filters.next_token.take(), filters.max_results.take());
    page("ListTaskDefinitions", &filters, asked, LIST_DEFAULT)
}

/// ListTaskDefinitionFamilies.
///
/// # Errors
/// `InvalidParameterException`.
pub fn list_task_definition_families(request: &ListTaskDefinitionFamiliesRequest) -> Result<Page, EcsError> {
    let mut filters = request.clone();
    let asked = (filters.next_token.take(), filters.max_results.take());
    page("ListTaskDefinitionFamilies", &filters, asked, LIST_DEFAULT)
}
