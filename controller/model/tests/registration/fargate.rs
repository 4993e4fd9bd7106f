//! What Fargate sells and what it refuses (ecs-semantics §2.2).

use drydock_model::fargate::sizes;
use drydock_model::task_definition::validate_registration;

use crate::{check, fargate, patched};

// rule: 2.2/unit-spellings
#[test]
fn what_fargate_refuses() {
    let no = |what: &str| format!("Fargate compatible task definitions do not support {what}");
    check(
        fargate,
        &[
            ("", "ok"),
            (r#"task {"cpu": "1 vCPU", "memory": "2GB"}"#, "ok"),
            // rule: 2.2/fargate-network-mode
            (r#"task {"networkMode": null}"#, "Fargate only supports network mode ‘awsvpc’."),
            (r#"task {"networkMode": "bridge"}"#, "Fargate only supports network mode ‘awsvpc’."),
            // rule: 2.2/text-cpu-at-task-level
            (r#"task {"cpu": null}"#, "Fargate requires that 'cpu' be defined at the task level."),
            (r#"task {"memory": null}"#, "Fargate requires that 'memory' be defined at the task level."),
            // rule: 2.2/text-no-configuration, 2.2/fargate-pairs
            (
                r#"task {"memory": "513"}"#,
                "No Fargate configuration exists for given values: 256 CPU, 513 memory. See the Amazon ECS documentation for the valid values.",
            ),
            // rule: 2.2/fargate-pairs-windows
            (
                r#"task {"runtimePlatform": {"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"}}"#,
                "No Fargate configuration exists for given values: 256 CPU, 512 memory…",
            ),
            // rule: 2.2/fargate-pid-mode
            (
                r#"task {"pidMode": "host"}"#,
                "Tasks using the Fargate launch type do not support pidMode 'host'. The supported value for pidMode is 'task'.",
            ),
            (r#"task {"pidMode": "task"}"#, "ok"),
            // rule: 2.2/fargate-forbids-ipc
            (r#"task {"ipcMode": "task"}"#, "Tasks using the Fargate launch type do not support ipcMode."),
            // rule: 2.2/fargate-forbids-constraints
            (
                r#"task {"placementConstraints": [{"type": "memberOf", "expression": "attribute:x == y"}]}"#,
                &no("constraints"),
            ),
            (r#"task {"volumes": [{"name": "v", "host": {"sourcePath": "/x"}}]}"#, &no("sourcePath")),
            (r#"task {"volumes": [{"name": "v", "host": {}}]}"#, "ok"),
            // rule: 2.2/fargate-forbids-docker-volumes, 2.1/volume-docker
            (r#"task {"volumes": [{"name": "v", "dockerVolumeConfiguration": {}}]}"#, &no("dockerVolumeConfiguration")),
            // rule: 2.2/fargate-forbids-container-members
            (r#"app {"privileged": true}"#, &no("privileged")),
            (r#"app {"privileged": false}"#, "ok"),
            (r#"app {"disableNetworking": true}"#, &no("disableNetworking")),
            (r#"app {"dockerSecurityOptions": ["no-new-privileges"]}"#, &no("dockerSecurityOptions")),
            // rule: 2.2/fargate-forbids-gpu
            (
                r#"app {"resourceRequirements": [{"type": "GPU", "value": "1"}]}"#,
                "Tasks using the Fargate launch type do not support GPU resource requirements.",
            ),
            (r#"app {"dockerSecurityOptions": ["label:level:s0"]}"#, &no("dockerSecurityOptions")),
            (
                "task {\"requiresCompatibilities\": [\"EC2\", \"FARGATE\"]}\napp {\"privileged\": true}",
                &no("privileged"),
            ),
            // rule: 2.2/fargate-host-port
            (
                r#"app {"portMappings": [{"containerPort": 80, "hostPort": 8080}]}"#,
                "When networkMode=awsvpc, the host ports and container ports in port mappings must match.",
            ),
            (r#"app {"portMappings": [{"containerPort": 80, "hostPort": 80}, {"containerPort": 81}]}"#, "ok"),
            // rule: 2.2/fargate-forbids-container-members
            (r#"app {"links": ["other"]}"#, "Links are not supported when networkMode=awsvpc."),
            (
                r#"app {"dnsServers": ["10.0.0.2"]}"#,
                "DNS servers are not supported on container when networkMode=awsvpc.",
            ),
            (
                r#"app {"dnsSearchDomains": ["a.b"]}"#,
                "DNS search domains are not supported on container when networkMode=awsvpc.",
            ),
            (
                r#"app {"extraHosts": [{"hostname": "h", "ipAddress": "10.0.0.1"}]}"#,
                "Extra hosts are not supported when networkMode=awsvpc.",
            ),
            (r#"app {"stopTimeout": 120, "startTimeout": 2}"#, "ok"),
            // rule: 2.2/fargate-capabilities
            (r#"app {"linuxParameters": {"capabilities": {"add": ["SYS_PTRACE"]}}}"#, "ok"),
            (
                r#"app {"linuxParameters": {"capabilities": {"add": ["NET_ADMIN"]}}}"#,
                &no("added capabilities other than SYS_PTRACE"),
            ),
            // rule: 2.2/fargate-forbids-linux-parameters
            (r#"app {"linuxParameters": {"devices": [{"hostPath": "/dev/x"}]}}"#, &no("devices")),
            (r#"app {"linuxParameters": {"sharedMemorySize": 64}}"#, &no("sharedMemorySize")),
            (r#"app {"linuxParameters": {"tmpfs": [{"containerPath": "/t", "size": 1}]}}"#, &no("tmpfs")),
            // rule: 2.2/fargate-forbids-swap
            (r#"app {"linuxParameters": {"maxSwap": 1}}"#, &no("maxSwap")),
            (r#"app {"linuxParameters": {"swappiness": 1}}"#, &no("swappiness")),
            // rule: 2.1/stop-timeout-range
            (
                r#"app {"stopTimeout": 121}"#,
                "Invalid setting for container 'app'. 'stopTimeout' must be between 2 and 120 on Fargate.",
            ),
            // rule: 2.1/start-timeout-range
            (
                r#"app {"startTimeout": 1}"#,
                "Invalid setting for container 'app'. 'startTimeout' must be between 2 and 120 on Fargate.",
            ),
            // rule: 2.2/text-role-for-ecr
            (
                r#"app {"image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/web:1"}"#,
                "Fargate requires task definition to have execution role ARN to support ECR images.",
            ),
        ],
    );
}

/// Each pair of the table registers, spelled in either way, and comes back in whole numbers; no other pair of the sizes
/// that occur does.
// rule: 2.2/fargate-pairs, 2.2/unit-spellings
#[test]
fn the_77_pairs_register() {
    let all: Vec<(u32, u32)> = sizes().collect();
    let register = |cpu: &str, memory: &str| {
        let request = patched(fargate(), &format!(r#"task {{"cpu": "{cpu}", "memory": "{memory}"}}"#));
        validate_registration(&serde_json::from_value(request).unwrap())
    };
    let quarters = |units: u32| format!("{}.{:03}", units / 1024, units % 1024 * 1000 / 1024);
    let mut registered = 0;
    for (cpu, _) in &all {
        for (_, memory) in &all {
            let found = register(&cpu.to_string(), &memory.to_string());
            assert_eq!(found.is_ok(), all.contains(&(*cpu, *memory)), "{cpu} {memory}");
        }
    }
    for (cpu, memory) in all {
        let spelled = (format!("{} vCPU", quarters(cpu)), format!("{}GB", quarters(memory)));
        for (cpu_text, memory_text) in [(cpu.to_string(), memory.to_string()), spelled] {
            let kept = register(&cpu_text, &memory_text).unwrap();
            assert_eq!((kept.cpu, kept.memory), (Some(cpu.to_string()), Some(memory.to_string())), "{cpu_text}");
            registered += 1;
        }
    }
    assert_eq!(registered, 2 * 77);
}
