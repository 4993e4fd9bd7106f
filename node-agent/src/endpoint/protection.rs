//! A task protects itself: `$ECS_AGENT_URI/task-protection/v1/state` becomes GetTaskProtection or UpdateTaskProtection of
//! the controllers' own API, and their answer has the form that ECS's agent gives it.

use std::time::Duration;

use drydock_proto::ecs::ecs_client::EcsClient;
use drydock_proto::ecs::{Failure, GetTaskProtectionRequest, ProtectedTask, UpdateTaskProtectionRequest};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Reply;
use super::marks;
use crate::session;
use drydock_engine::TaskView;

/// The controllers must answer within this.
const ANSWER_MAX: Duration = Duration::from_secs(4);
/// The metadata key by which the controllers name ECS's exception.
const EXCEPTION: &str = "ecs-exception";
const INVALID: &str = "InvalidParameterException";

/// What is asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Wanted {
    protection_enabled: Option<bool>,
    expires_in_minutes: Option<i32>,
}

fn error(status: u16, task_arn: &str, code: &str, message: &str) -> Reply {
    let mut error = json!({ "Code": code, "Message": message });
    if let Some(object) = error.as_object_mut().filter(|_| !task_arn.is_empty()) {
        object.insert("Arn".to_owned(), task_arn.into());
    }
    Reply { status, body: json!({ "error": error }) }
}

/// The answer where no task is known by the id of the request.
pub(crate) fn unknown() -> Reply {
    error(404, "", "ResourceNotFoundException", "Failed to find a task for the request")
}

/// The state of a task's protection.
pub(crate) async fn get(view: &TaskView, controller: Option<&str>) -> Reply {
    let task = view.spec.task_arn();
    let (cluster, tasks) = (Some(view.spec.assigned.cluster.clone()), vec![task.to_owned()]);
    if let Some(refused) = without_role(view) {
        return refused;
    }
    let asked = call(controller, async |mut client| {
        let answer = client.get_task_protection(GetTaskProtectionRequest { cluster, tasks }).await?.into_inner();
        Ok((answer.protected_tasks, answer.failures))
    });
    told(task, asked.await)
}

/// Changes it.
pub(crate) async fn put(view: &TaskView, controller: Option<&str>, body: &[u8]) -> Reply {
    let Ok(wanted) = serde_json::from_slice::<Wanted>(body) else {
        return error(400, "", INVALID, "UpdateTaskProtection: failed to decode request");
    };
    let task = view.spec.task_arn();
    let Some(enabled) = wanted.protection_enabled else {
        return error(400, task, INVALID, "Invalid request: does not contain 'ProtectionEnabled' field");
    };
    if let Some(refused) = without_role(view) {
        return refused;
    }
    let request = UpdateTaskProtectionRequest {
        cluster: Some(view.spec.assigned.cluster.clone()),
        tasks: vec![task.to_owned()],
        protection_enabled: Some(enabled),
        expires_in_minutes: wanted.expires_in_minutes,
    };
    let asked = call(controller, async |mut client| {
        let answer = client.update_task_protection(request).await?.into_inner();
        Ok((answer.protected_tasks, answer.failures))
    });
    told(task, asked.await)
}

/// ECS's agent asks with the task's own credentials, so a task without a role can't.
fn without_role(view: &TaskView) -> Option<Reply> {
    let text = "Invalid Request: no task IAM role credentials available for task";
    marks::role(&view.spec).is_none().then(|| error(403, view.spec.task_arn(), "AccessDeniedException", text))
}

type Told = (Vec<ProtectedTask>, Vec<Failure>);

async fn call(
    controller: Option<&str>,
    ask: impl AsyncFnOnce(EcsClient<tonic::transport::Channel>) -> Result<Told, tonic::Status>,
) -> Result<Told, tonic::Status> {
    let Some(controller) = controller else { return Err(tonic::Status::unavailable("no controller is reachable")) };
    let whole = async {
        let channel = session::connect(controller).await.map_err(tonic::Status::unavailable)?;
        ask(EcsClient::new(channel)).await
    };
    match tokio::time::timeout(ANSWER_MAX, whole).await {
        Ok(told) => told,
        Err(_) => Err(tonic::Status::deadline_exceeded("no answer in time")),
    }
}

fn told(task: &str, answer: Result<Told, tonic::Status>) -> Reply {
    let body = match answer {
        Ok((protected, failures)) => match (failures.first(), protected.first()) {
            (Some(failure), _) => json!({ "failure": capitalised(failure) }),
            (None, Some(protected)) => json!({ "protection": capitalised(protected) }),
            (None, None) => return error(500, task, "ServerException", "Unexpected error occurred"),
        },
        Err(status) => return refused(task, &status),
    };
    Reply { status: 200, body }
}

fn refused(task: &str, status: &tonic::Status) -> Reply {
    let exception = status.metadata().get(EXCEPTION).and_then(|name| name.to_str().ok());
    match exception {
        Some(name @ "ServerException") => error(500, task, name, status.message()),
        Some(name) => error(400, task, name, status.message()),
        // Nobody has answered: what ECS's agent says of its own call that took too long.
        None => error(504, task, "RequestCanceled", "Timed out calling ECS Task Protection API"),
    }
}

/// The members of an answer as ECS's agent spells them: with a capital, and times as text.
fn capitalised(message: &impl serde::Serialize) -> Value {
    let Ok(Value::Object(members)) = serde_json::to_value(message) else { return Value::Null };
    let spelled = members.into_iter().map(|(name, value)| {
        let mut letters = name.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        let value = match (name.as_str(), value.as_f64()) {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time after 1970")]
            ("expirationDate", Some(seconds)) => super::render::seconds((seconds * 1_000.0) as u64).into(),
            _ => value,
        };
        (first.into_iter().chain(letters).collect::<String>(), value)
    });
    Value::Object(spelled.collect())
}

#[cfg(test)]
mod tests {
    use drydock_proto::ecs::{Failure, ProtectedTask};
    use serde_json::json;

    use super::{refused, told};

    // rule: 2.5/agent-uri
    #[test]
    fn answers_have_the_form_of_ecs_s_agent() {
        let until = prost_types::Timestamp { seconds: 1_769_191_078, nanos: 0 };
        let protected =
            ProtectedTask { task_arn: Some("t".into()), protection_enabled: Some(true), expiration_date: Some(until) };
        let failure = Failure { arn: Some("t".into()), reason: Some("TASK_NOT_VALID".into()), detail: None };
        for (answer, expected) in [
            (
                (vec![protected], vec![]),
                json!({"protection": {
                    "TaskArn": "t", "ProtectionEnabled": true, "ExpirationDate": "2026-01-23T17:57:58Z"}}),
            ),
            ((vec![], vec![failure]), json!({"failure": {"Arn": "t", "Reason": "TASK_NOT_VALID"}})),
        ] {
            let reply = told("t", Ok(answer));
            assert_eq!((reply.status, reply.body), (200, expected));
        }
        let mut invalid = tonic::Status::invalid_argument("expiresInMinutes: too many");
        invalid
            .metadata_mut()
            .insert("ecs-exception", "InvalidParameterException".parse().unwrap_or_else(|_| unreachable!()));
        for (status, code, expected) in [
            (
                400,
                invalid,
                json!({"Arn": "t", "Code": "InvalidParameterException", "Message": "expiresInMinutes: too many"}),
            ),
            (
                504,
                tonic::Status::unavailable("away"),
                json!({"Arn": "t", "Code": "RequestCanceled", "Message": "Timed out calling ECS Task Protection API"}),
            ),
        ] {
            let reply = refused("t", &code);
            assert_eq!((reply.status, reply.body), (status, json!({ "error": expected })));
        }
    }
}
