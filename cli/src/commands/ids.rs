//! Full ids from what tables show: the first characters of a task's or instance's id, where they name one only.

use drydock_proto::ecs::{DesiredStatus, ListTasksRequest};

use super::{Context, pages};
use crate::failure::Failure;
use crate::output::words::name_of;

/// Characters of a whole id.
const ID_CHARS: usize = 32;
/// Fewer characters are no prefix: whoever types them most likely means something else.
const PREFIX_CHARS_MIN: usize = 3;

fn is_prefix(id: &str) -> bool {
    (PREFIX_CHARS_MIN..ID_CHARS).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The task that `given` names: an ARN or a whole id as it is, the start of an id completed.
///
/// # Errors
/// Several tasks start so, or those of the calls. Where none does, `given` is kept: ECS's own error follows.
pub async fn task(context: &Context, given: &str) -> Result<String, Failure> {
    if !is_prefix(given) {
        return Ok(given.to_owned());
    }
    let mut arns = Vec::new();
    for status in [DesiredStatus::Running, DesiredStatus::Stopped] {
        let request = ListTasksRequest {
            cluster: context.in_cluster(),
            desired_status: Some(status.into()),
            ..Default::default()
        };
        arns.extend(pages::task_arns(&context.client, request).await?);
    }
    the_one("tasks", given, &arns)
}

/// [`task`] for several.
///
/// # Errors
/// As [`task`].
pub async fn tasks(context: &Context, given: &[String]) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    for one in given {
        found.push(task(context, one).await?);
    }
    Ok(found)
}

/// The container instance that `given` names, as [`task`].
///
/// # Errors
/// As [`task`].
pub async fn instance(context: &Context, given: &str) -> Result<String, Failure> {
    if !is_prefix(given) {
        return Ok(given.to_owned());
    }
    let arns = pages::instance_arns(&context.client, &context.cluster, None, None).await?;
    the_one("container instances", given, &arns)
}

/// [`instance`] for several.
///
/// # Errors
/// As [`instance`].
pub async fn instances(context: &Context, given: &[String]) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    for one in given {
        found.push(instance(context, one).await?);
    }
    Ok(found)
}

fn the_one(what: &str, given: &str, arns: &[String]) -> Result<String, Failure> {
    let wanted = given.to_ascii_lowercase();
    let mut found: Vec<&str> = arns.iter().map(|arn| name_of(arn)).filter(|id| id.starts_with(&wanted)).collect();
    found.sort_unstable();
    found.dedup();
    match found[..] {
        [] => Ok(given.to_owned()),
        [one] => Ok(one.to_owned()),
        _ => Err(Failure::Usage(format!("{} {what} have ids that start with {given}: give more of it", found.len()))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::{is_prefix, the_one};

    #[test]
    fn a_prefix_names_one_or_nothing() {
        let arns: Vec<String> =
            ["a/task/c/abc1", "a/task/c/abc2", "a/task/c/def3", "a/task/c/def3"].map(Into::into).into();
        assert_eq!(the_one("tasks", "def", &arns).unwrap(), "def3");
        assert_eq!(the_one("tasks", "DEF", &arns).unwrap(), "def3");
        assert_eq!(the_one("tasks", "fff", &arns).unwrap(), "fff");
        assert!(the_one("tasks", "abc", &arns).unwrap_err().to_string().starts_with("2 tasks"));
        assert!(is_prefix("abc") && !is_prefix("ab") && !is_prefix("arn:aws") && !is_prefix(&"a".repeat(32)));
    }
}
