//! Task definitions as people write them, made short and neutral: each registers and comes back whole, or is refused
//! with ECS's exception.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use drydock_model::capabilities;
use drydock_model::task_definition::validate_registration;
use drydock_proto::ecs::RegisterTaskDefinitionRequest;
use serde_json::Value;

/// Members that a description shows and a registration ignores, or that registration itself rewrites.
const NOT_ECHOED: [&str; 8] =
    ["tags", "taskDefinitionArn", "revision", "status", "registeredAt", "registeredBy", "cpu", "memory"];

const FIXTURES: [(&str, &str); 13] = [
    ("fargate-units", include_str!("fixtures/fargate-units.json")),
    ("host-network", include_str!("fixtures/host-network.json")),
    ("pasted-description", include_str!("fixtures/pasted-description.json")),
    ("firelens-and-proxy", include_str!("fixtures/firelens-and-proxy.json")),
    ("bridge-udp", include_str!("fixtures/bridge-udp.json")),
    ("gpu", include_str!("fixtures/gpu.json")),
    ("dynamic-port", include_str!("fixtures/dynamic-port.json")),
    ("links-and-volumes-from", include_str!("fixtures/links-and-volumes-from.json")),
    ("windows-fargate", include_str!("fixtures/windows-fargate.json")),
    ("efs-and-restarts", include_str!("fixtures/efs-and-restarts.json")),
    ("templated", include_str!("fixtures/templated.json")),
    ("text-for-number", include_str!("fixtures/text-for-number.json")),
    ("skeleton", include_str!("fixtures/skeleton.json")),
];

fn fixture(name: &str) -> &'static str {
    FIXTURES.iter().find(|(known, _)| *known == name).unwrap().1
}

fn register(name: &str) -> Result<Value, String> {
    register_text(fixture(name))
}

fn register_text(text: &str) -> Result<Value, String> {
    let request: RegisterTaskDefinitionRequest =
        serde_json::from_str(text).map_err(|error| format!("not decoded: {error}"))?;
    let definition = validate_registration(&request).map_err(|error| error.to_string())?;
    Ok(serde_json::to_value(definition).unwrap())
}

/// Asserts that `given` is within `kept`: every member, every element, in its place.
fn within(given: &Value, kept: &Value, path: &str) {
    match (given, kept) {
        (Value::Null, _) => {}
        (Value::Object(given), _) => {
            for (name, value) in given {
                within(value, kept.get(name).unwrap_or(&Value::Null), &format!("{path}.{name}"));
            }
        }
        (Value::Array(given), _) => {
            let kept = kept.as_array().map_or(&[][..], Vec::as_slice);
            assert_eq!(given.len(), kept.len(), "{path}");
            for (at, (given, kept)) in given.iter().zip(kept).enumerate() {
                within(given, kept, &format!("{path}[{at}]"));
            }
        }
        _ => assert_eq!(given, kept, "{path}"),
    }
}

/// Asserts that all of a definition was kept, and that what ECS derives of it is derived.
fn whole(text: &str, kept: &Value, name: &str) {
    let mut given: Value = serde_json::from_str(text).unwrap();
    let members = given.as_object_mut().unwrap();
    NOT_ECHOED.iter().for_each(|member| {
        members.remove(*member);
    });
    // Where the description shows what ECS derived, ours must be the same.
    if let Some(Value::Array(attributes)) = members.remove("requiresAttributes") {
        let names = |list: &[Value]| {
            let mut names: Vec<String> = list.iter().map(|a| a["name"].as_str().unwrap().to_owned()).collect();
            names.sort();
            names
        };
        assert_eq!(names(kept["requiresAttributes"].as_array().unwrap()), names(&attributes), "{name}");
    }
    let offered = capabilities::all();
    for required in kept["requiresAttributes"].as_array().into_iter().flatten() {
        assert!(offered.iter().any(|offered| required["name"] == offered.as_str()), "{name}: {required}");
    }
    within(&given, kept, name);
}

// rule: 2.2/register-returns-whole, 2.4/requires-attributes
#[test]
fn these_register_and_come_back_whole() {
    for (name, cpu, memory, compatibilities) in [
        ("fargate-units", "256", "512", "EC2 FARGATE"),
        ("host-network", "-", "-", "EXTERNAL EC2"),
        ("pasted-description", "512", "2048", "EC2 FARGATE"),
        ("firelens-and-proxy", "1024", "2048", "EC2 FARGATE"),
        ("bridge-udp", "-", "-", "EXTERNAL EC2"),
        ("gpu", "4096", "16384", "EC2"),
        ("dynamic-port", "1024", "3072", "EC2"),
        ("links-and-volumes-from", "-", "-", "EXTERNAL EC2"),
        ("windows-fargate", "2048", "4096", "EC2 FARGATE"),
        ("efs-and-restarts", "256", "512", "EC2 FARGATE"),
    ] {
        let kept = register(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        whole(fixture(name), &kept, name);
        let text = |member: &str| kept[member].as_str().unwrap_or("-").to_owned();
        assert_eq!((text("cpu").as_str(), text("memory").as_str()), (cpu, memory), "{name}");
        let list: Vec<&str> = kept["compatibilities"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert_eq!(list.join(" "), compatibilities, "{name}");
    }
}

#[test]
fn these_are_refused() {
    for (name, expected) in [
        ("templated", "ClientException: Role is not valid"),
        ("text-for-number", "not decoded: invalid type: string \"256\", expected i32 at line"),
        ("skeleton", "not decoded: unknown value ``, expected one of: X86_64, ARM64 at line"),
    ] {
        let found = register(name).unwrap_err();
        assert!(found.starts_with(expected), "{name}: {found}");
    }
}

// rule: 2.2/register-returns-whole, 2.1/essential-default, 2.1/volume-empty
#[test]
fn what_ecs_fills_in() {
    let kept = register("dynamic-port").unwrap();
    assert_eq!(kept["networkMode"], Value::Null);
    let container = &kept["containerDefinitions"][0];
    for empty in ["environment", "mountPoints", "volumesFrom", "systemControls"] {
        assert_eq!(container[empty], serde_json::json!([]), "{empty}");
    }
    let kept = register("links-and-volumes-from").unwrap();
    let container = &kept["containerDefinitions"][2];
    assert_eq!(container["essential"], true);
    assert_eq!(container["cpu"], 0);
    assert_eq!(container["portMappings"], serde_json::json!([{"containerPort": 80, "hostPort": 0, "protocol": "tcp"}]));
    assert_eq!(kept["volumes"], serde_json::json!([{"name": "vol", "host": {}}]));
    let kept = register("efs-and-restarts").unwrap();
    assert_eq!(kept["volumes"][1]["efsVolumeConfiguration"]["rootDirectory"], "/");
}

/// A folder of your own definitions: each registers and comes back whole, or is refused with one of ECS's exceptions. What
/// becomes of each is printed (`-- --nocapture`).
#[test]
#[allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a test, for whoever named the folder")]
fn those_of_a_folder() {
    let Some(folder) = std::env::var_os("DRYDOCK_TEST_DEFINITIONS") else { return };
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "json")) {
        let text = std::fs::read_to_string(path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy();
        match register_text(&text) {
            Ok(kept) => {
                whole(&text, &kept, &name);
                println!("{name}: {}", kept["compatibilities"]);
            }
            Err(error) => println!("{name}: {error}"),
        }
    }
}
