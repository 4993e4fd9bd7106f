//! Containers by themselves and among each other: dependencies, health checks, restarts, time-outs.

use crate::{check, ec2};

// rule: 2.1/essential-needed, 2.2/text-no-essential, 2.1/depends-unknown, 2.1/depends-cycle
// rule: 2.1/depends-not-on-essential, 2.1/depends-healthy-needs-check
#[test]
fn essential_containers_and_dependencies() {
    const HEALTH: &str = r#""healthCheck": {"command": ["CMD", "true"]}"#;
    check(
        ec2,
        &[
            (r#"app {"essential": false}"#, "Task definition doesn't have any essential container."),
            (
                r#"app {"dependsOn": [{"containerName": "x", "condition": "START"}]}"#,
                "Cannot depend on container + 'x' because it does not exist",
            ),
            ("app {\"dependsOn\": [{\"containerName\": \"other\", \"condition\": \"SUCCESS\"}]}\nalso {}", "ok"),
            (
                "app {\"dependsOn\": [{\"containerName\": \"other\", \"condition\": \"COMPLETE\"}]}\nalso {\"essential\": null}",
                "A dependency container with SUCCESS or COMPLETE condition cannot be an essential container",
            ),
            (
                "app {\"dependsOn\": [{\"containerName\": \"other\", \"condition\": \"HEALTHY\"}]}\nalso {}",
                "Invalid setting for container 'app'. It depends on 'other' being HEALTHY, which has no health check.",
            ),
            (
                &format!(
                    "app {{\"dependsOn\": [{{\"containerName\": \"other\", \"condition\": \"HEALTHY\"}}]}}\nalso {{{HEALTH}}}"
                ),
                "ok",
            ),
            (
                "app {\"dependsOn\": [{\"containerName\": \"other\"}]}\nalso {}",
                "Invalid setting for container 'app'. Its dependency on 'other' has no condition.",
            ),
            (
                r#"app {"dependsOn": [{"containerName": "app", "condition": "START"}]}"#,
                "Container 'app' depends on itself by a circle of dependencies.",
            ),
            (
                "app {\"links\": [\"other:o\"]}\nalso {\"volumesFrom\": [{\"sourceContainer\": \"app\"}]}",
                "Container 'app' depends on itself by a circle of dependencies.",
            ),
            ("app {\"links\": [\"other:o\"]}\nalso {\"links\": [\"app\"]}", "Container links should not have a cycle"),
            (
                "app {\"dependsOn\": [{\"containerName\": \"other\", \"condition\": \"START\"}]}\nalso {\"dependsOn\": [{\"containerName\": \"app\", \"condition\": \"START\"}]}",
                "Container 'app' depends on itself by a circle of dependencies.",
            ),
            (
                "app {\"dependsOn\": [{\"containerName\": \"other\", \"condition\": \"SUCCESS\"}]}\nalso {\"essential\": true}",
                "A dependency container with SUCCESS or COMPLETE condition cannot be an essential container",
            ),
            ("app {\"links\": [\"other:o\"]}\nalso {}", "ok"),
            (r#"app {"links": ["x:y"]}"#, "Invalid setting for container 'app'. Its link 'x:y' names no container…"),
            (
                "task {\"networkMode\": \"awsvpc\"}\napp {\"links\": [\"other\"]}\nalso {}",
                "Links are not supported when networkMode=awsvpc.",
            ),
            (
                r#"app {"volumesFrom": [{"sourceContainer": "x"}]}"#,
                "Invalid setting for container 'app'. volumesFrom: container 'x' does not exist.",
            ),
        ],
    );
}

// rule: 2.1/health-command, 2.1/health-ranges, 2.1/restart-policy-ranges
#[test]
fn health_checks_timeouts_and_restarts() {
    let bounds =
        |what: &str, range: &str| format!("Invalid setting for container 'app'. '{what}' must be between {range}.");
    let health = |more: &str| format!(r#"app {{"healthCheck": {{"command": ["CMD-SHELL", "x"]{more}}}}}"#);
    let ignored = |count: usize| {
        let codes = vec!["1"; count].join(", ");
        format!(r#"app {{"restartPolicy": {{"enabled": true, "ignoredExitCodes": [{codes}]}}}}"#)
    };
    let command = "Invalid setting for container 'app'. 'healthCheck.command' must begin…";
    check(
        ec2,
        &[
            (&health(""), "ok"),
            (&health(r#", "interval": 5, "timeout": 2, "retries": 1, "startPeriod": 0"#), "ok"),
            (&health(r#", "interval": 300, "timeout": 60, "retries": 10, "startPeriod": 300"#), "ok"),
            (&health(r#", "interval": 301"#), &bounds("healthCheck.interval", "5 and 300")),
            (&health(r#", "timeout": 1"#), &bounds("healthCheck.timeout", "2 and 60")),
            (&health(r#", "retries": 11"#), &bounds("healthCheck.retries", "1 and 10")),
            (&health(r#", "startPeriod": -1"#), &bounds("healthCheck.startPeriod", "0 and 300")),
            (&health(r#", "interval": 4"#), &bounds("healthCheck.interval", "5 and 300")),
            (&health(r#", "timeout": 61"#), &bounds("healthCheck.timeout", "2 and 60")),
            (&health(r#", "retries": 0"#), &bounds("healthCheck.retries", "1 and 10")),
            (&health(r#", "startPeriod": 301"#), &bounds("healthCheck.startPeriod", "0 and 300")),
            (r#"app {"healthCheck": {"command": []}}"#, command),
            (r#"app {"healthCheck": {"command": ["curl", "x"]}}"#, command),
            (r#"app {"healthCheck": {"command": ["CMD"]}}"#, command),
            (r#"app {"stopTimeout": -1}"#, "Invalid setting for container 'app'. 'stopTimeout' must be between…"),
            (r#"app {"stopTimeout": 500, "startTimeout": 1}"#, "ok"),
            (r#"app {"restartPolicy": {"enabled": true, "restartAttemptPeriod": 60}}"#, "ok"),
            (
                r#"app {"restartPolicy": {"enabled": true, "restartAttemptPeriod": 59}}"#,
                &bounds("restartPolicy.restartAttemptPeriod", "60 and 1800"),
            ),
            (
                r#"app {"restartPolicy": {"enabled": true, "restartAttemptPeriod": 1801}}"#,
                &bounds("restartPolicy.restartAttemptPeriod", "60 and 1800"),
            ),
            (&ignored(50), "ok"),
            (
                &ignored(51),
                "Invalid setting for container 'app'. 'restartPolicy.ignoredExitCodes' may have at most 50 codes.",
            ),
            (
                r#"app {"restartPolicy": {}}"#,
                "Invalid setting for container 'app'. 'restartPolicy.enabled' must be specified.",
            ),
        ],
    );
}
