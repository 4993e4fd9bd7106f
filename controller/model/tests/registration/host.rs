//! What a task asks of its host: ports, volumes, the kernel, log drivers.

use crate::{check, ec2, fargate};

// rule: 2.2/text-awsvpc-ports, 2.5/none-mode
#[test]
fn ports() {
    let port = |network: &str, mapping: &str| {
        format!("task {{\"networkMode\": {network}}}\napp {{\"portMappings\": [{mapping}]}}")
    };
    let must = "'containerPort' must be between 1 and 65535.";
    let of_app = |text: &str| format!("Invalid setting for container 'app'. {text}");
    check(
        ec2,
        &[
            (&port("null", r#"{"containerPort": 80, "hostPort": 8080}"#), "ok"),
            (&port(r#""awsvpc""#, r#"{"containerPort": 80, "hostPort": 80}"#), "ok"),
            (&port(r#""awsvpc""#, r#"{"containerPort": 80, "hostPort": 0}"#), "ok"),
            (
                &port(r#""awsvpc""#, r#"{"containerPort": 80, "hostPort": 8080}"#),
                "When networkMode=awsvpc, the host ports and container ports in port mappings must match.",
            ),
            (
                &port(r#""host""#, r#"{"containerPort": 80, "hostPort": 8080}"#),
                "When networkMode=host, the host ports and container ports in port mappings must match.",
            ),
            (&port(r#""none""#, r#"{"containerPort": 80}"#), "Port mappings are not supported when networkMode=none."),
            (&port("null", "{}"), &of_app(must)),
            (&port("null", r#"{"containerPort": 0}"#), &of_app(must)),
            (&port("null", r#"{"containerPort": 65536}"#), &of_app(must)),
            (
                &port("null", r#"{"containerPort": 1, "hostPort": -1}"#),
                &of_app("'hostPort' must be between 0 and 65535."),
            ),
            (&port("null", r#"{"containerPortRange": "100-200"}"#), "ok"),
            (&port("null", r#"{"containerPortRange": "200-100"}"#), &of_app("'containerPortRange' must be…")),
            (&port("null", r#"{"containerPortRange": "0-9"}"#), &of_app("'containerPortRange' must be…")),
            (&port("null", r#"{"containerPortRange": "+1-9"}"#), &of_app("'containerPortRange' must be…")),
            (&port(r#""host""#, r#"{"containerPortRange": "1-9"}"#), &of_app("'containerPortRange' needs…")),
            (&port("null", r#"{"containerPortRange": "1-9", "hostPort": 5}"#), &of_app("'hostPort' and…")),
            (
                &port("null", r#"{"containerPortRange": "100-200"}, {"containerPort": 150}"#),
                &of_app("The port range 150-150 overlaps another port mapping."),
            ),
            (&port("null", r#"{"containerPortRange": "100-200"}, {"containerPort": 150, "protocol": "udp"}"#), "ok"),
            (
                &port("null", r#"{"containerPort": 80, "name": "http"}, {"containerPort": 81, "name": "http"}"#),
                "Duplicate port mapping name 'http'.",
            ),
            (&port("null", r#"{"containerPort": 80, "name": "HTTP"}"#), &of_app("The port mapping name 'HTTP' must…")),
        ],
    );
    check(
        ec2,
        &[
            (
                "task {\"networkMode\": \"awsvpc\"}\napp {\"extraHosts\": [{\"hostname\": \"h\", \"ipAddress\": \"10.0.0.1\"}]}",
                "Extra hosts are not supported when networkMode=awsvpc.",
            ),
            (
                "task {\"networkMode\": \"awsvpc\"}\napp {\"hostname\": \"h\"}",
                "Hostname is not supported on container when networkMode=awsvpc.",
            ),
            ("app {\"hostname\": \"h\", \"dnsServers\": [\"10.0.0.2\"]}", "ok"),
        ],
    );
}

// rule: 2.1/volume-host, 2.1/volume-docker, 2.1/volume-efs, 2.1/volume-fsx, 2.1/volume-s3, 2.1/volume-ebs, 2.1/volume-empty
#[test]
fn volumes() {
    let volume = |config: &str| format!(r#"task {{"volumes": [{{"name": "v", {config}}}]}}"#);
    check(
        ec2,
        &[
            (
                "task {\"volumes\": [{\"name\": \"v\"}]}\napp {\"mountPoints\": [{\"sourceVolume\": \"v\", \"containerPath\": \"/v\"}]}",
                "ok",
            ),
            (r#"app {"mountPoints": [{"sourceVolume": "v", "containerPath": "/v"}]}"#, "Unknown volume 'v'."),
            (r#"app {"mountPoints": [{"containerPath": "/v"}]}"#, "Unknown volume 'null'."),
            (r#"task {"volumes": [{"name": "v"}, {"name": "v"}]}"#, "Duplicate volume name 'v'."),
            (r#"task {"volumes": [{}]}"#, "Volume.name should not be null or empty."),
            (&volume(r#""host": {"sourcePath": ""}"#), "host.sourcePath should not be blank."),
            (
                &volume(r#""host": {"sourcePath": "/x"}, "efsVolumeConfiguration": {"fileSystemId": "fs-1"}"#),
                "The volume 'v' has more than one configuration.",
            ),
            (
                &volume(r#""efsVolumeConfiguration": {}"#),
                "efsVolumeConfiguration.fileSystemId should not be null or empty.",
            ),
            (
                &volume(
                    r#""efsVolumeConfiguration": {"fileSystemId": "fs-1", "authorizationConfig": {"iam": "ENABLED"}}"#,
                ),
                "efsVolumeConfiguration.transitEncryption must be ENABLED…",
            ),
            (&volume(r#""efsVolumeConfiguration": {"fileSystemId": "fs-1"}"#), "ok"),
            (
                &volume(
                    r#""efsVolumeConfiguration": {"fileSystemId": "fs-1", "rootDirectory": "/x", "transitEncryption": "ENABLED", "authorizationConfig": {"accessPointId": "fsap-1"}}"#,
                ),
                "efsVolumeConfiguration.rootDirectory must be omitted or '/'…",
            ),
            (
                &volume(r#""fsxWindowsFileServerVolumeConfiguration": {"fileSystemId": "fs-1", "rootDirectory": "d"}"#),
                "fsxWindowsFileServerVolumeConfiguration.authorizationConfig.credentialsParameter should not be null…",
            ),
            (
                &volume(
                    r#""fsxWindowsFileServerVolumeConfiguration": {"fileSystemId": "fs-1", "rootDirectory": "d", "authorizationConfig": {"credentialsParameter": "p", "domain": "d"}}"#,
                ),
                "ok",
            ),
            (&volume(r#""s3filesVolumeConfiguration": {}"#), "s3filesVolumeConfiguration.fileSystemArn should not…"),
            (
                &volume(r#""s3filesVolumeConfiguration": {"fileSystemArn": "arn", "transitEncryptionPort": 65536}"#),
                "s3filesVolumeConfiguration.transitEncryptionPort must be between 0 and 65535.",
            ),
            (
                &volume(r#""dockerVolumeConfiguration": {"autoprovision": true}"#),
                "dockerVolumeConfiguration.autoprovision can only…",
            ),
            (&volume(r#""dockerVolumeConfiguration": {"autoprovision": true, "scope": "shared"}"#), "ok"),
            (
                r#"task {"volumes": [{"name": "a", "configuredAtLaunch": true}, {"name": "b", "configuredAtLaunch": true}]}"#,
                "Only one volume can be configured at launch.",
            ),
        ],
    );
}

// rule: 2.2/fargate-nofile
#[test]
fn linux_parameters_and_ulimits() {
    let linux = |text: &str| format!(r#"app {{"linuxParameters": {{{text}}}}}"#);
    let ulimit = |name: &str, soft: i32, hard: i32| {
        format!(r#"app {{"ulimits": [{{"name": "{name}", "softLimit": {soft}, "hardLimit": {hard}}}]}}"#)
    };
    check(
        ec2,
        &[
            (&linux(r#""capabilities": {"add": ["SYS_ADMIN", "CAP_CHOWN"], "drop": ["ALL"]}"#), "ok"),
            (
                &linux(r#""capabilities": {"add": ["FLY"]}"#),
                "Invalid setting for container 'app'. There is no Linux capability 'FLY'.",
            ),
            (&linux(r#""swappiness": 101"#), "Invalid setting for container 'app'. 'swappiness' must…"),
            (
                &linux(r#""tmpfs": [{"containerPath": "/t", "size": 0}]"#),
                "Invalid setting for container 'app'. A tmpfs must…",
            ),
            (&linux(r#""devices": [{"hostPath": "dev/x"}]"#), "Invalid setting for container 'app'. A device must…"),
            (&ulimit("nofile", 10, 20), "ok"),
            (&ulimit("nofile", 10, -1), "ok"),
            (&ulimit("nofile", -1, 10), "Invalid setting for container 'app'. A ulimit's 'softLimit' must…"),
            (
                r#"app {"ulimits": [{"name": "nofile", "softLimit": 1}]}"#,
                "Invalid setting for container 'app'. A ulimit must…",
            ),
            (
                "task {\"networkMode\": \"host\"}\napp {\"systemControls\": [{\"namespace\": \"net.core.somaxconn\", \"value\": \"1\"}]}",
                "Invalid setting for container 'app'. The system control…",
            ),
            (
                r#"app {"resourceRequirements": [{"type": "GPU", "value": "0"}]}"#,
                "Invalid setting for container 'app'. The value of…",
            ),
        ],
    );
    check(fargate, &[(&ulimit("nofile", 65_535, 1_048_576), "ok")]);
    check(fargate, &[(&ulimit("nofile", 1_048_577, 1_048_577), "Invalid setting for container 'app'. The nofile…")]);
}

// rule: 2.2/text-awslogs-options, 2.2/text-role-for-awslogs, 2.2/fargate-log-drivers, 2.6/awslogs, 2.6/firelens
#[test]
fn logging() {
    let log = |driver: &str, options: &str| {
        format!(r#"app {{"logConfiguration": {{"logDriver": "{driver}", "options": {{{options}}}}}}}"#)
    };
    let router = |kind: &str, options: &str| {
        format!(
            "{}\nalso {{\"firelensConfiguration\": {{\"type\": \"{kind}\", \"options\": {{{options}}}}}}}",
            log("awsfirelens", "")
        )
    };
    let awslogs = r#""awslogs-group": "g", "awslogs-region": "r""#;
    check(
        ec2,
        &[
            (&log("json-file", ""), "ok"),
            (&log("awslogs", awslogs), "ok"),
            (
                &log("awslogs", r#""awslogs-group": "g""#),
                "Log driver awslogs requires options: awslogs-region, awslogs-group",
            ),
            (
                r#"app {"logConfiguration": {}}"#,
                "Invalid setting for container 'app'. 'logConfiguration.logDriver' must be specified.",
            ),
            (&log("awsfirelens", ""), "When a container has the awsfirelens log driver…"),
            (
                &format!("{}\nalso {{\"firelensConfiguration\": {{\"type\": \"fluentbit\"}}}}", log("awsfirelens", "")),
                "ok",
            ),
            (
                r#"also {"firelensConfiguration": {"type": "fluentbit"}}"#,
                "When a firelensConfiguration object is specified, at least one container has to be configured with the awsfirelens log driver.",
            ),
        ],
    );
    let role = r#"task {"executionRoleArn": "exec"}"#;
    check(
        fargate,
        &[
            (
                &log("awslogs", awslogs),
                "Fargate requires task definition to have execution role ARN to support log driver awslogs.",
            ),
            (
                &format!("{role}\n{}", log("awslogs", awslogs)),
                "Log driver awslogs requires options: awslogs-stream-prefix",
            ),
            (&format!("{role}\n{}", log("awslogs", &format!(r#"{awslogs}, "awslogs-stream-prefix": "p""#))), "ok"),
            (&log("splunk", r#""splunk-url": "u", "splunk-token": "t""#), "ok"),
            (&router("fluentbit", r#""config-file-type": "file""#), "ok"),
            (
                &router("fluentd", r#""config-file-type": "s3""#),
                "Fargate compatible task definitions do not support the FireLens option config-file-type s3",
            ),
            (&log("journald", ""), "Fargate compatible task definitions do not support log driver journald"),
            (&log("json-file", ""), "Fargate compatible task definitions do not support log driver json-file"),
        ],
    );
}
