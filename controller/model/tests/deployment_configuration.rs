//! What `deploymentConfiguration` may say, and what ECS answers where it may not (ecs-semantics §2.3).
#![allow(clippy::unwrap_used, reason = "tests read better so")]

use drydock_model::requests::deployment_configuration::{Deployed, check_given, check_whole};
use drydock_model::requests::services::{create_service, update_service};
use drydock_proto::ecs::{CreateServiceRequest, DeploymentConfiguration, UpdateServiceRequest};

fn answer(result: Result<(), drydock_model::error::EcsError>) -> String {
    result.map_or_else(|error| error.message, |()| "ok".to_owned())
}

fn parse(text: &str) -> DeploymentConfiguration {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

// rule: 2.3/blue-green-bake, 2.3/linear-ranges, 2.3/canary-ranges, 2.3/hook-timeout, 2.3/hooks-stages, 2.3/early-success
#[test]
fn each_member_has_its_bounds() {
    let bake = "bakeTimeInMinutes must be between 0 and 1440.";
    let needs_bake = "bakeTimeInMinutes must be specified when the deployment strategy is BLUE_GREEN.";
    let step = "stepPercent must be a multiple of 0.1 from 3.0 to 100.0.";
    let canary = "canaryPercent must be a multiple of 0.1 from 0.1 to 100.0.";
    let stages = "A lifecycle hook must have at least one lifecycleStage.";
    let shift = "PAUSE hooks cannot be configured at TEST_TRAFFIC_SHIFT or PRODUCTION_TRAFFIC_SHIFT.";
    let timeout = "timeoutInMinutes must be between 1 and 20160.";
    let lambda = "hookTargetArn, roleArn and hookDetails are not valid for a PAUSE hook.";
    let value = "The value of thresholdConfiguration must be at least 1.";
    let whole = "earlySuccessCriteria must have healthyPercent and sourceServiceRevisionCleanup when enabled.";
    for (given, expected) in [
        (r#"{}"#, "ok"),
        (r#"{"strategy": "BLUE_GREEN"}"#, needs_bake),
        (r#"{"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 0}"#, "ok"),
        (r#"{"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 1440}"#, "ok"),
        (r#"{"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 1441}"#, bake),
        (r#"{"strategy": "BLUE_GREEN", "bakeTimeInMinutes": -1}"#, bake),
        (r#"{"linearConfiguration": {}}"#, "ok"),
        (r#"{"linearConfiguration": {"stepPercent": 3.0, "stepBakeTimeInMinutes": 0}}"#, "ok"),
        (r#"{"linearConfiguration": {"stepPercent": 33.3, "stepBakeTimeInMinutes": 1440}}"#, "ok"),
        (r#"{"linearConfiguration": {"stepPercent": 2.9}}"#, step),
        (r#"{"linearConfiguration": {"stepPercent": 33.33}}"#, step),
        (r#"{"linearConfiguration": {"stepPercent": 100.1}}"#, step),
        (
            r#"{"linearConfiguration": {"stepBakeTimeInMinutes": 1441}}"#,
            "stepBakeTimeInMinutes must be between 0 and 1440.",
        ),
        (r#"{"canaryConfiguration": {"canaryPercent": 0.1, "canaryBakeTimeInMinutes": 1440}}"#, "ok"),
        (r#"{"canaryConfiguration": {"canaryPercent": 0.0}}"#, canary),
        (r#"{"canaryConfiguration": {"canaryPercent": 0.15}}"#, canary),
        (
            r#"{"canaryConfiguration": {"canaryBakeTimeInMinutes": -1}}"#,
            "canaryBakeTimeInMinutes must be between 0 and 1440.",
        ),
        (r#"{"lifecycleHooks": []}"#, "ok"),
        (r#"{"lifecycleHooks": [{"targetType": "PAUSE"}]}"#, stages),
        (
            r#"{"lifecycleHooks": [{"targetType": "PAUSE", "lifecycleStages": ["PRE_SCALE_UP", "POST_SCALE_UP"]}]}"#,
            "ok",
        ),
        (r#"{"lifecycleHooks": [{"targetType": "PAUSE", "lifecycleStages": ["TEST_TRAFFIC_SHIFT"]}]}"#, shift),
        (r#"{"lifecycleHooks": [{"targetType": "PAUSE", "lifecycleStages": ["PRODUCTION_TRAFFIC_SHIFT"]}]}"#, shift),
        (
            r#"{"lifecycleHooks": [{"targetType": "PAUSE", "lifecycleStages": ["PRE_SCALE_UP"], "hookTargetArn": "a"}]}"#,
            lambda,
        ),
        (
            r#"{"lifecycleHooks": [{"targetType": "PAUSE", "lifecycleStages": ["PRE_SCALE_UP"],
                "timeoutConfiguration": {"timeoutInMinutes": 0}}]}"#,
            timeout,
        ),
        (
            r#"{"lifecycleHooks": [{"targetType": "PAUSE", "lifecycleStages": ["PRE_SCALE_UP"],
                "timeoutConfiguration": {"timeoutInMinutes": 20160, "action": "CONTINUE"}}]}"#,
            "ok",
        ),
        (
            r#"{"lifecycleHooks": [{"targetType": "PAUSE", "lifecycleStages": ["PRE_SCALE_UP"],
                "timeoutConfiguration": {"timeoutInMinutes": 20161}}]}"#,
            timeout,
        ),
        (
            r#"{"deploymentCircuitBreaker": {"enable": true, "rollback": true,
                "thresholdConfiguration": {"type": "COUNT", "value": 1}}}"#,
            "ok",
        ),
        (
            r#"{"deploymentCircuitBreaker": {"enable": true, "rollback": true,
                "thresholdConfiguration": {"type": "UNBOUNDED_PERCENT", "value": 0}}}"#,
            value,
        ),
        (
            r#"{"deploymentCircuitBreaker": {"thresholdConfiguration": {"value": 5}}}"#,
            "thresholdConfiguration must have a type.",
        ),
        (
            r#"{"deploymentCircuitBreaker": {"thresholdConfiguration": {"type": "COUNT"}}}"#,
            "thresholdConfiguration must have a value.",
        ),
        (r#"{"earlySuccessCriteria": {"enable": false}}"#, "ok"),
        (r#"{"earlySuccessCriteria": {"enable": true, "healthyPercent": 90}}"#, whole),
        (
            r#"{"earlySuccessCriteria": {"enable": true, "healthyPercent": 101}}"#,
            "The healthyPercent of earlySuccessCriteria must be between 0 and 100.",
        ),
    ] {
        assert_eq!(answer(check_given(&parse(given))), expected, "{given}");
    }
    let hook = r#"{"targetType": "PAUSE", "lifecycleStages": ["PRE_SCALE_UP"]}"#;
    let hooks = |count: usize| parse(&format!(r#"{{"lifecycleHooks": [{}]}}"#, vec![hook; count].join(",")));
    assert_eq!(answer(check_given(&hooks(20))), "ok");
    assert_eq!(answer(check_given(&hooks(21))), "lifecycleHooks cannot have more than 20 elements.");
}

// rule: 2.3/breaker-rolling-only, 2.3/strategies, 2.3/early-success
#[test]
fn members_belong_to_strategies_and_services() {
    let replica = Deployed { daemon: false, by_ecs: true };
    let daemon = Deployed { daemon: true, by_ecs: true };
    let external = Deployed { daemon: false, by_ecs: false };
    let breaker = "The deployment circuit breaker can only be used with the ROLLING deployment strategy and the ECS \
                   deployment controller.";
    let hooks = r#"{"lifecycleHooks": [{"targetType": "PAUSE", "lifecycleStages": ["PRE_SCALE_UP"]}]}"#;
    let early = |percent: i32, minimum: i32| {
        format!(
            r#"{{"minimumHealthyPercent": {minimum}, "earlySuccessCriteria":
                {{"enable": true, "healthyPercent": {percent}, "sourceServiceRevisionCleanup": "DEFERRED"}}}}"#
        )
    };
    for (given, service, expected) in [
        (r#"{"strategy": "BLUE_GREEN"}"#.to_owned(), replica, "ok"),
        (
            r#"{"strategy": "BLUE_GREEN"}"#.to_owned(),
            daemon,
            "The BLUE_GREEN deployment strategy is not supported for services of type DAEMON.",
        ),
        (
            r#"{"strategy": "CANARY"}"#.to_owned(),
            external,
            "The CANARY deployment strategy is only supported with the ECS deployment controller.",
        ),
        (r#"{"deploymentCircuitBreaker": {"enable": true, "rollback": true}}"#.to_owned(), replica, "ok"),
        (r#"{"deploymentCircuitBreaker": {"enable": true, "rollback": true}}"#.to_owned(), daemon, "ok"),
        (r#"{"deploymentCircuitBreaker": {"enable": true, "rollback": true}}"#.to_owned(), external, breaker),
        (
            r#"{"strategy": "BLUE_GREEN", "deploymentCircuitBreaker": {"enable": true, "rollback": true}}"#.to_owned(),
            replica,
            breaker,
        ),
        (
            r#"{"linearConfiguration": {}}"#.to_owned(),
            replica,
            "linearConfiguration is only valid when the deployment strategy is LINEAR.",
        ),
        (r#"{"strategy": "LINEAR", "linearConfiguration": {}}"#.to_owned(), replica, "ok"),
        (
            r#"{"strategy": "LINEAR", "canaryConfiguration": {}}"#.to_owned(),
            replica,
            "canaryConfiguration is only valid when the deployment strategy is CANARY.",
        ),
        (
            r#"{"bakeTimeInMinutes": 5}"#.to_owned(),
            replica,
            "bakeTimeInMinutes is not valid when the deployment strategy is ROLLING.",
        ),
        (r#"{"bakeTimeInMinutes": 0}"#.to_owned(), replica, "ok"),
        (hooks.to_owned(), replica, "lifecycleHooks are not valid when the deployment strategy is ROLLING."),
        (early(80, 80), replica, "ok"),
        (
            early(79, 80),
            replica,
            "The healthyPercent of earlySuccessCriteria must be greater than or equal to minimumHealthyPercent.",
        ),
        (
            early(80, 50).replacen('{', r#"{"strategy": "BLUE_GREEN", "#, 1),
            replica,
            "earlySuccessCriteria can only be used with the ROLLING deployment strategy.",
        ),
    ] {
        assert_eq!(answer(check_whole(&parse(&given), service)), expected, "{given} {service:?}");
    }
}

// rule: 2.3/alarms-refused, 2.3/hook-lambda, 2.3/strategies-need-traffic
#[test]
fn what_nothing_here_could_do_is_refused_by_name() {
    let traffic = "UnsupportedFeatureException: deploymentConfiguration.strategy: LINEAR or CANARY isn't supported: these \
                   strategies shift traffic between two service revisions and need a load balancer or Service Connect, \
                   and the service can have neither yet.";
    let lambda = "UnsupportedFeatureException: deploymentConfiguration.lifecycleHooks with targetType AWS_LAMBDA isn't \
                  supported: nothing here can run a Lambda function.";
    let alarms = "UnsupportedFeatureException: deploymentConfiguration.alarms.enable: true isn't supported: there is no \
                  CloudWatch whose alarms could be read.";
    for (given, expected) in [
        (r#"{"strategy": "LINEAR"}"#, traffic),
        (r#"{"strategy": "CANARY", "canaryConfiguration": {"canaryPercent": 10.0}}"#, traffic),
        (r#"{"lifecycleHooks": [{"hookTargetArn": "a", "lifecycleStages": ["PRE_SCALE_UP"]}]}"#, lambda),
        (r#"{"lifecycleHooks": [{"targetType": "AWS_LAMBDA", "lifecycleStages": ["PRE_SCALE_UP"]}]}"#, lambda),
        (r#"{"alarms": {"enable": true, "rollback": true, "alarmNames": ["a"]}}"#, alarms),
        (r#"{"alarms": {"enable": false, "rollback": false, "alarmNames": ["a"]}}"#, "ok"),
        (r#"{"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 1}"#, "ok"),
    ] {
        let configuration = Some(parse(given));
        let create = CreateServiceRequest {
            service_name: Some("web".to_owned()),
            task_definition: Some("web".to_owned()),
            desired_count: Some(1),
            deployment_configuration: configuration.clone(),
            ..Default::default()
        };
        let update = UpdateServiceRequest {
            service: Some("web".to_owned()),
            deployment_configuration: configuration,
            ..Default::default()
        };
        let text = |result: Result<(), drydock_model::error::EcsError>| {
            result.map_or_else(|error| error.to_string(), |()| "ok".to_owned())
        };
        assert_eq!(text(create_service(&create)), expected, "{given}");
        assert_eq!(text(update_service(&update)), expected, "{given}");
    }
}
