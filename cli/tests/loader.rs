//! What the loader makes of files, good and bad: one table of texts, with what a person gets to read.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use drydock_cli::load::request::{SERVICE, TASK_DEFINITION, from_text, load};
use drydock_cli::load::{FILE_BYTES_MAX, Shape};
use drydock_model::task_definition::validate_registration;
use drydock_proto::ecs::{
    ContainerDefinition, CreateServiceRequest, KeyValuePair, PortMapping, RegisterTaskDefinitionRequest,
};
use expect_test::{Expect, expect};

fn read(name: &str, text: &str, shape: Shape) -> Result<(RegisterTaskDefinitionRequest, Vec<String>), String> {
    match from_text(name, text, shape) {
        Ok(loaded) => Ok((loaded.request, loaded.notes)),
        Err(error) => Err(error.to_string()),
    }
}

fn refused(name: &str, text: &str, expected: &Expect) {
    let error = read(name, text, TASK_DEFINITION).expect_err(text);
    expected.assert_eq(&error);
}

#[test]
fn json_and_yaml_give_the_same_request() {
    let json = r#"{"family": "web", "cpu": "256", "containerDefinitions": [
        {"name": "app", "image": "nginx", "memory": 512, "essential": true, "command": null,
         "portMappings": [{"containerPort": 80}], "environment": [{"name": "A", "value": "1"}]}]}"#;
    let yaml = "
family: web
cpu: '256'
containerDefinitions:
  - name: app
    image: nginx
    memory: 512
    essential: true
    command:
    portMappings: [{containerPort: 80}]
    environment:
      - {name: A, value: \"1\"}
";
    let expected = RegisterTaskDefinitionRequest {
        family: Some("web".into()),
        cpu: Some("256".into()),
        container_definitions: vec![ContainerDefinition {
            name: Some("app".into()),
            image: Some("nginx".into()),
            memory: Some(512),
            essential: Some(true),
            port_mappings: vec![PortMapping { container_port: Some(80), ..Default::default() }],
            environment: vec![KeyValuePair { name: Some("A".into()), value: Some("1".into()) }],
            ..Default::default()
        }],
        ..Default::default()
    };
    for (name, text) in [("web.json", json), ("web.yaml", yaml), ("stdin", json), ("stdin", yaml)] {
        assert_eq!(read(name, text, TASK_DEFINITION).unwrap(), (expected.clone(), Vec::new()), "{name}");
    }
}

#[test]
fn yaml_takes_aliases_and_keeps_words_as_strings() {
    let text = "
family: f
containerDefinitions:
  - &base
    name: a
    image: i
    environment: [{name: MODE, value: on}, {name: ANSWER, value: yes}]
  - <<: *base
    name: b
";
    let (request, _) = read("f.yaml", text, TASK_DEFINITION).unwrap();
    let [a, b] = &request.container_definitions[..] else { panic!("{request:?}") };
    assert_eq!((b.name.as_deref(), &b.environment), (Some("b"), &a.environment));
    assert_eq!(a.environment[0].value.as_deref(), Some("on"));
}

#[test]
fn the_output_of_describe_can_be_registered_again() {
    let text = r#"{"taskDefinition": {"taskDefinitionArn": "arn:…", "family": "f", "revision": 3, "status": "ACTIVE",
        "registeredAt": "2026-01-01T00:00:00Z", "registeredBy": null, "compatibilities": ["EC2"],
        "requiresAttributes": [{"name": "x"}], "volumes": [], "containerDefinitions": []},
        "tags": [{"key": "k", "value": "v"}]}"#;
    let (request, notes) = read("f.json", text, TASK_DEFINITION).unwrap();
    assert_eq!(request.family.as_deref(), Some("f"));
    assert_eq!(request.tags.len(), 1);
    expect![[r#"
        f.json: left out what only answers have: taskDefinitionArn, revision, status, registeredAt, compatibilities, requiresAttributes"#]]
    .assert_eq(&notes.join("\n"));
}

#[test]
fn a_service_file_is_read_by_the_same_loader() {
    let text = r#"{"service": {"serviceName": "web", "taskDefinition": "web:1", "desiredCount": 3, "events": [],
        "runningCount": 3, "deploymentConfiguration": {"maximumPercent": 200, "strategy": "ROLLING"}}}"#;
    let request: CreateServiceRequest = from_text("s.json", text, SERVICE).unwrap().request;
    assert_eq!(request.task_definition.as_deref(), Some("web:1"));
    let flat = r#"{"serviceName": "web", "taskDefinition": "web:1"}"#;
    let request: CreateServiceRequest = from_text("s.json", flat, SERVICE).unwrap().request;
    assert_eq!(request.task_definition.as_deref(), Some("web:1"));
    let error = from_text::<CreateServiceRequest>("s.json", r#"{"launchType": "fargate"}"#, SERVICE).unwrap_err();
    expect![[r#"
        s.json:1:16: launchType: unknown value `fargate`, expected one of: EC2, FARGATE, EXTERNAL, MANAGED_INSTANCES
            1 | {"launchType": "fargate"}
              |                ^
              = did you mean "FARGATE"?"#]]
    .assert_eq(&error.to_string());
}

#[test]
fn wrong_types_are_shown_in_their_place() {
    refused(
        "web.json",
        "{\"family\": \"web\",\n  \"containerDefinitions\": [\n    {\"name\": \"app\", \"memory\": \"512\"}\n  ]}",
        &expect![[r#"
            web.json:3:31: containerDefinitions[0].memory: expected a whole number, found the string "512"
                3 |     {"name": "app", "memory": "512"}
                  |                               ^
                  = write 512 without quotes"#]],
    );
    refused(
        "web.yaml",
        "family: web\ncpu: 256\n",
        &expect![[r#"
            web.yaml:2:6: cpu: expected a string, found the number 256
                2 | cpu: 256
                  |      ^
                  = write "256""#]],
    );
    refused(
        "web.json",
        r#"{"containerDefinitions": {"name": "app"}}"#,
        &expect![[r#"
            web.json:1:26: containerDefinitions: expected a list, found an object
                1 | {"containerDefinitions": {"name": "app"}}
                  |                          ^
                  = put it in [ ]"#]],
    );
    refused(
        "web.json",
        r#"{"containerDefinitions": [{"memory": 99999999999, "cpu": 1}]}"#,
        &expect![[r#"
            web.json:1:38: containerDefinitions[0].memory: expected a whole number from -2147483648 to 2147483647, found the number 99999999999
                1 | {"containerDefinitions": [{"memory": 99999999999, "cpu": 1}]}
                  |                                      ^"#]],
    );
    refused(
        "web.json",
        r#"{"containerDefinitions": [{"dockerLabels": {"com.example.x": 1}}]}"#,
        &expect![[r#"
            web.json:1:62: containerDefinitions[0].dockerLabels["com.example.x"]: expected a string, found the number 1
                1 | {"containerDefinitions": [{"dockerLabels": {"com.example.x": 1}}]}
                  |                                                              ^
                  = write "1""#]],
    );
    refused(
        "web.json",
        r#"{"containerDefinitions": [null]}"#,
        &expect![[r#"
            web.json:1:27: containerDefinitions[0]: expected an object, found null
                1 | {"containerDefinitions": [null]}
                  |                           ^"#]],
    );
}

#[test]
fn every_unknown_field_is_named_with_what_was_meant() {
    refused(
        "web.yaml",
        "Family: web\ncontainer_definitions: []\ncontainerDefinitions:\n- name: app\n  mem: 1\n  zzz: 1\n  portMappings:\n  - containerport: 80\n",
        &expect![[r#"
            web.yaml:1:1: Family: unknown field
                1 | Family: web
                  | ^
                  = did you mean "family"?
            web.yaml:2:1: container_definitions: unknown field
                2 | container_definitions: []
                  | ^
                  = did you mean "containerDefinitions"?
            web.yaml:5:3: containerDefinitions[0].mem: unknown field
                5 |   mem: 1
                  |   ^
                  = known here: name, image, repositoryCredentials, cpu, memory, memoryReservation, links, portMappings, essential, restartPolicy, entryPoint, command, environment, environmentFiles, mountPoints, volumesFrom, linuxParameters, secrets, dependsOn, startTimeout, stopTimeout, versionConsistency, hostname, user, workingDirectory, disableNetworking, privileged, readonlyRootFilesystem, dnsServers, dnsSearchDomains, extraHosts, dockerSecurityOptions, interactive, pseudoTerminal, dockerLabels, ulimits, logConfiguration, healthCheck, systemControls, resourceRequirements, firelensConfiguration, credentialSpecs
            web.yaml:6:3: containerDefinitions[0].zzz: unknown field
                6 |   zzz: 1
                  |   ^
                  = known here: name, image, repositoryCredentials, cpu, memory, memoryReservation, links, portMappings, essential, restartPolicy, entryPoint, command, environment, environmentFiles, mountPoints, volumesFrom, linuxParameters, secrets, dependsOn, startTimeout, stopTimeout, versionConsistency, hostname, user, workingDirectory, disableNetworking, privileged, readonlyRootFilesystem, dnsServers, dnsSearchDomains, extraHosts, dockerSecurityOptions, interactive, pseudoTerminal, dockerLabels, ulimits, logConfiguration, healthCheck, systemControls, resourceRequirements, firelensConfiguration, credentialSpecs
            web.yaml:8:5: containerDefinitions[0].portMappings[0].containerport: unknown field
                8 |   - containerport: 80
                  |     ^
                  = did you mean "containerPort"?"#]],
    );
}

#[test]
fn bad_enums_list_what_is_known() {
    refused(
        "web.json",
        r#"{"networkMode": "awsVpc"}"#,
        &expect![[r#"
            web.json:1:17: networkMode: unknown value `awsVpc`, expected one of: bridge, host, awsvpc, none
                1 | {"networkMode": "awsVpc"}
                  |                 ^
                  = did you mean "awsvpc"?"#]],
    );
    refused(
        "web.json",
        r#"{"requiresCompatibilities": ["FARGTE"]}"#,
        &expect![[r#"
            web.json:1:29: requiresCompatibilities: unknown value `FARGTE`, expected one of: EC2, FARGATE, EXTERNAL, MANAGED_INSTANCES
                1 | {"requiresCompatibilities": ["FARGTE"]}
                  |                             ^
                  = did you mean "FARGATE"?"#]],
    );
    refused(
        "web.yaml",
        "containerDefinitions:\n  - name: app\n    portMappings: [{containerPort: 80, protocol: TCP}]\n",
        &expect![[r#"
            web.yaml:3:50: containerDefinitions[0].portMappings[0].protocol: unknown value `TCP`, expected one of: tcp, udp
                3 |     portMappings: [{containerPort: 80, protocol: TCP}]
                  |                                                  ^
                  = did you mean "tcp"?"#]],
    );
}

#[test]
fn malformed_json_is_shown_in_its_place() {
    refused(
        "web.json",
        "{\n  \"family\": \"web\",\n  \"cpu\": \"256\"\n  \"memory\": \"512\"\n}",
        &expect![[r#"
            web.json:4:3: malformed JSON: expected ',' or '}', found '"'
                4 |   "memory": "512"
                  |   ^"#]],
    );
    refused(
        "web.json",
        "{\n  \"family\": \"web\",\n}",
        &expect![[r#"
            web.json:3:1: malformed JSON: expected a member's name in double quotes, found '}'
                3 | }
                  | ^
                  = no comma after the last member"#]],
    );
    refused(
        "web.json",
        "{\"family\": web}",
        &expect![[r#"
            web.json:1:12: malformed JSON: expected a value, found web
                1 | {"family": web}
                  |            ^
                  = a string needs double quotes: "web""#]],
    );
    refused(
        "web.json",
        "// the web\n{}",
        &expect![[r#"
            web.json:1:1: malformed JSON: expected a value, found '/'
                1 | // the web
                  | ^
                  = JSON has no comments; YAML has"#]],
    );
    refused(
        "web.json",
        "{\"family\": \"a\",\n \"family\": \"b\"}",
        &expect![[r#"
            web.json:2:2: "family" is given twice, first at line 1
                2 |  "family": "b"}
                  |  ^"#]],
    );
    refused(
        "web.json",
        "{\"family\":",
        &expect![[r#"
        web.json:1:11: malformed JSON: expected a value, found the end of the file
            1 | {"family":
              |           ^"#]],
    );
}

#[test]
fn malformed_yaml_is_shown_in_its_place() {
    refused(
        "web.yaml",
        "family: web\n  cpu: 1\n",
        &expect![[r#"
        web.yaml:2:6: malformed YAML: mapping values are not allowed in this context
            2 |   cpu: 1
              |      ^"#]],
    );
    refused(
        "web.yaml",
        "family: [a, b\n",
        &expect![[r#"
        web.yaml:1:9: malformed YAML: unclosed bracket '['
            1 | family: [a, b
              |         ^"#]],
    );
    refused(
        "web.yaml",
        "family: web\nfamily: api\n",
        &expect![[r#"
        web.yaml:2:1: malformed YAML: duplicate mapping key: family
            2 | family: api
              | ^"#]],
    );
    refused(
        "web.yaml",
        "family: *nowhere\n",
        &expect![[r#"
        web.yaml:1:9: malformed YAML: alias references unknown anchor
            1 | family: *nowhere
              |         ^"#]],
    );
    refused(
        "web.yaml",
        "family: a\n---\nfamily: b\n",
        &expect![[r#"
        web.yaml:3:1: malformed YAML: multiple YAML documents detected
            3 | family: b
              | ^"#]],
    );
}

#[test]
fn a_file_that_holds_no_object_is_refused() {
    for (name, text, expected) in [
        ("a.json", "", "a.json:1:1: malformed JSON: expected a value, found the end of the file"),
        ("a.json", "{}", "a.json:1:1: there is nothing in this file"),
        ("a.yaml", "", "a.yaml:1:1: there is nothing in this file"),
        ("a.yaml", "# only a comment\n", "a.yaml:1:1: there is nothing in this file"),
        ("a.json", "[]", "a.json:1:1: expected an object, found a list"),
        ("a.yaml", "web", "a.yaml:1:1: expected an object, found the string \"web\""),
    ] {
        let error = read(name, text, TASK_DEFINITION).expect_err(text);
        assert_eq!(error.lines().next().unwrap_or_default(), expected);
    }
}

/// Nested aliases unfold to 9^9 values: the reader must refuse and not unfold.
#[test]
fn a_bomb_of_aliases_is_refused() {
    let mut text = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for (name, of) in ["b", "c", "d", "e", "f", "g", "h", "i"].iter().zip(["a", "b", "c", "d", "e", "f", "g", "h"]) {
        text.push_str(&format!("{name}: &{name} [{}]\n", vec![format!("*{of}"); 9].join(",")));
    }
    let error = read("bomb.yaml", &text, TASK_DEFINITION).expect_err("a bomb");
    assert!(error.contains("malformed YAML"), "{error}");
    let deep = format!("family: {}", "[".repeat(10_000));
    assert!(read("deep.yaml", &deep, TASK_DEFINITION).is_err());
}

#[test]
fn files_are_bounded_and_must_be_text() {
    let folder = tempfile::tempdir().unwrap();
    let error = |name: &str, bytes: &[u8]| {
        let file = folder.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        let error = load::<RegisterTaskDefinitionRequest>(&file, TASK_DEFINITION).unwrap_err().to_string();
        error.replace(&format!("{}/", folder.path().display()), "")
    };
    let ten_mib = vec![b' '; 10 * 1024 * 1024];
    assert_eq!(error("big.json", &ten_mib), "big.json is larger than 4 MiB, which is the most that is read");
    assert!(ten_mib.len() as u64 > FILE_BYTES_MAX);
    assert_eq!(error("latin1.json", b"{\n\"family\": \"\xe9\"}"), "latin1.json:2: this isn't UTF-8 text");
    let missing = load::<RegisterTaskDefinitionRequest>("no/such.json".as_ref(), TASK_DEFINITION).unwrap_err();
    assert!(missing.to_string().starts_with("can't read no/such.json: No such file"), "{missing}");
}

#[test]
fn a_long_line_is_shown_in_part() {
    let text = format!(r#"{{"family": "{}", "cpu": 1}}"#, "x".repeat(5_000));
    let error = read("web.json", &text, TASK_DEFINITION).unwrap_err();
    assert!(error.lines().all(|line| line.len() < 130), "{error}");
    assert!(error.contains("\"cpu\": 1"), "{error}");
}

/// ECS's texts name no place: the rules are asked which value they mean.
#[test]
fn a_value_that_ecs_refuses_is_found_in_the_file() {
    let check = |text: &str, expected: Expect| {
        let loaded = from_text::<RegisterTaskDefinitionRequest>("web.json", text, TASK_DEFINITION).unwrap();
        let refused = validate_registration(&loaded.request).unwrap_err();
        let rules = |request: &RegisterTaskDefinitionRequest| validate_registration(request).err().map(|e| e.message);
        let place = loaded.source.blame("ClientException", &refused.message, rules);
        expected.assert_eq(&place.unwrap_or_else(|| format!("no place: {}", refused.message)));
    };
    let long = "n".repeat(256);
    check(
        &format!(
            "{{\"family\": \"f\", \"containerDefinitions\": [\n{{\"name\": \"a\", \"image\": \"i\", \"memory\": 512}},\n\
             {{\"image\": \"i\", \"memory\": 512, \"name\": \"{long}\"}}]}}"
        ),
        expect![[r#"
            web.json:3:39: containerDefinitions[1].name: ClientException: Container.name longer than 255.
                3 | {"image": "i", "memory": 512, "name": "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn
                  |                                       ^"#]],
    );
    check(
        "{\"networkMode\": \"bridge\", \"containerDefinitions\": [{\"name\": \"a\", \"image\": \"i\", \"memory\": 512}],\n \
         \"family\": \"a b\"}",
        expect![[r#"
            web.json:2:12: family: ClientException: Family contains invalid characters.
                2 |  "family": "a b"}
                  |            ^"#]],
    );
    check(
        "{\"family\": \"f\",\n \"containerDefinitions\": []}",
        expect![[r#"
        web.json:2:26: containerDefinitions: ClientException: Container list cannot be empty.
            2 |  "containerDefinitions": []}
              |                          ^"#]],
    );
    // The text says which container it means; its name isn't what is wrong.
    check(
        "{\"family\": \"f\", \"containerDefinitions\": [{\"name\": \"a\", \"image\": \"i\", \"memory\": 512},\n\
         {\"name\": \"b\", \"image\": \"i\"}]}",
        expect![[r#"
            web.json:2:1: containerDefinitions[1]: ClientException: Invalid setting for container 'b'. At least one of 'memory' or 'memoryReservation' must be specified.
                2 | {"name": "b", "image": "i"}]}
                  | ^"#]],
    );
    check(
        "{\"family\": \"f\", \"containerDefinitions\": [{\"name\": \"a\", \"image\": \"i\", \"memory\": 512},\n\
         {\"name\": \"b\", \"memory\": 512}]}",
        expect![[r#"
            web.json:2:1: containerDefinitions[1]: ClientException: Container.image should not be null or empty.
                2 | {"name": "b", "memory": 512}]}
                  | ^"#]],
    );
    check(
        "{\"family\": \"f\", \"containerDefinitions\": [{\"name\": \"a\", \"image\": \"i\", \"memory\": 512,\n\
         \"healthCheck\": {\"command\": [\"CMD\", \"x\"],\n \"interval\": 3}}]}",
        expect![[r#"
            web.json:3:14: containerDefinitions[0].healthCheck.interval: ClientException: Invalid setting for container 'a'. 'healthCheck.interval' must be between 5 and 300.
                3 |  "interval": 3}}]}
                  |              ^"#]],
    );
    check(
        "{\"family\": \"f\", \"cpu\": \"256\", \"networkMode\": \"bridge\",\n \"executionRoleArn\": \"<role>\",\n \
         \"taskRoleArn\": \"<role>\",\n \
         \"containerDefinitions\": [{\"name\": \"a\", \"image\": \"i\", \"memory\": 512}]}",
        expect![[r#"
            web.json:3:17: taskRoleArn: ClientException: Role is not valid
                3 |  "taskRoleArn": "<role>",
                  |                 ^"#]],
    );
    // Replacing the volume's name would only bring an earlier refusal.
    check(
        "{\"family\": \"f\", \"volumes\": [{\"name\": \"v\"}], \"containerDefinitions\": [{\"name\": \"a\", \"image\": \"i\",\n\
         \"mountPoints\": [{\"sourceVolume\": \"v\", \"containerPath\": \"/v\"}], \"memory\": 512,\n\
         \"logConfiguration\": {\"logDriver\": \"awsfirelens\"}}]}",
        expect![[r#"
            web.json:3:35: containerDefinitions[0].logConfiguration.logDriver: ClientException: When a container has the awsfirelens log driver, one container must have a firelensConfiguration.
                3 | "logConfiguration": {"logDriver": "awsfirelens"}}]}
                  |                                   ^"#]],
    );
    check(
        "{\"family\": \"f\", \"containerDefinitions\": [{\"name\": \"a\", \"image\": \"i\", \"memory\": 512},\n\
         {\"name\": \"a\", \"image\": \"i\", \"memory\": 512}]}",
        expect![[r#"
            web.json:2:10: containerDefinitions[1].name: ClientException: Duplicate container name 'a'.
                2 | {"name": "a", "image": "i", "memory": 512}]}
                  |          ^"#]],
    );
    check(
        "{\"family\": \"f\", \"requiresCompatibilities\": [\"FARGATE\"], \"cpu\": \"256\", \"memory\": \"512\",\n\
         \"networkMode\": \"bridge\", \"containerDefinitions\": [{\"name\": \"a\", \"image\": \"i\"}]}",
        expect![[r#"
            web.json:2:16: networkMode: ClientException: Fargate only supports network mode ‘awsvpc’.
                2 | "networkMode": "bridge", "containerDefinitions": [{"name": "a", "image": "i"}]}
                  |                ^"#]],
    );
    check(
        "{\"family\": \"f\", \"requiresCompatibilities\": [\"FARGATE\"], \"networkMode\": \"awsvpc\",\n \"cpu\": \"256\", \"memory\": \"4096\",\n\
         \"containerDefinitions\": [{\"name\": \"a\", \"image\": \"i\"}]}",
        expect![[r#"
            web.json:2:26: memory: ClientException: No Fargate configuration exists for given values: 256 CPU, 4096 memory. See the Amazon ECS documentation for the valid values.
                2 |  "cpu": "256", "memory": "4096",
                  |                          ^"#]],
    );
    check(
        "{\"family\": \"f\"}",
        expect![[r#"
        web.json:1:1: ClientException: Container list cannot be empty.
            1 | {"family": "f"}
              | ^"#]],
    );
}
