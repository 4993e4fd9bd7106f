//! RegisterContainerInstance, by a client that acts as an agent: what it says of its machine, in our terms.
//!
//! The instance identity document is taken at its word: there is no EC2 here whose signature could be verified.

use drydock_proto::ecs::{Attribute, RegisterContainerInstanceRequest, Resource};
use serde_json::Value;

use super::well_formed;
use crate::capabilities;
use crate::error::{EcsError, ExceptionName};
use crate::resources::{Available, PORTS_MAX, Ports, RESERVED_TCP_PORTS, RESERVED_UDP_PORTS};
use crate::tags;

/// CPU units of an instance whose client doesn't say what it has, as test suites do: two vCPUs.
pub const CPU_DEFAULT: u32 = 2_048;
/// MiB of such an instance: what a machine with 8 GiB leaves to tasks.
pub const MEMORY_MIB_DEFAULT: u32 = 7_680;
/// Attributes of one registration. Amazon's agent tells about 60.
pub const ATTRIBUTES_MAX: usize = 256;
/// Characters of an identity document, of a version, of an id.
const DOCUMENT_CHARS_MAX: usize = 16 * 1024;
const TEXT_CHARS_MAX: usize = 255;

/// A registration, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// What it has; the taken ports are those it reserves.
    pub capacity: Available,
    /// Its attributes: those it names, those of the identity document, and, where it names no capability, all of them.
    pub attributes: Vec<Attribute>,
    /// EC2's id; empty where the document names none.
    pub ec2_instance_id: String,
    /// Empty where it isn't told.
    pub agent_version: String,
    /// The commit that the agent was built from; empty where it isn't told.
    pub agent_hash: String,
    /// Without the word `DockerVersion: ` that Amazon's agent puts before it.
    pub docker_version: String,
}

/// RegisterContainerInstance, as far as it can be checked without the state.
///
/// # Errors
/// `InvalidParameterException`, `ClientException` for the identity document, `AttributeLimitExceededException`.
pub fn register_container_instance(request: &RegisterContainerInstanceRequest) -> Result<Registration, EcsError> {
    well_formed(request)?;
    tags::check(&request.tags)?;
    let document = Document::read(request.instance_identity_document.as_deref())?;
    let versions = request.version_info.clone().unwrap_or_default();
    let docker = versions.docker_version.unwrap_or_default();
    let registration = Registration {
        capacity: capacity(request)?,
        attributes: attributes(request, &document)?,
        ec2_instance_id: document.text("instanceId"),
        agent_version: versions.agent_version.unwrap_or_default(),
        agent_hash: versions.agent_hash.unwrap_or_default(),
        docker_version: docker.strip_prefix("DockerVersion: ").unwrap_or(&docker).to_owned(),
    };
    let texts = [
        &registration.ec2_instance_id,
        &registration.agent_version,
        &registration.agent_hash,
        &registration.docker_version,
    ];
    if texts.iter().any(|text| text.chars().count() > TEXT_CHARS_MAX) {
        let text = format!("A version or an id of a container instance has at most {TEXT_CHARS_MAX} characters.");
        return Err(EcsError::invalid_parameter(text));
    }
    Ok(registration)
}

/// An instance identity document: JSON as EC2 gives it, or nothing.
struct Document(serde_json::Map<String, Value>);

impl Document {
    fn read(text: Option<&str>) -> Result<Self, EcsError> {
        let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return Ok(Self(serde_json::Map::new())) };
        if text.len() > DOCUMENT_CHARS_MAX {
            return Err(EcsError::client(format!(
                "The instance identity document has more than {DOCUMENT_CHARS_MAX} characters."
            )));
        }
        match serde_json::from_str(text) {
            Ok(Value::Object(members)) => Ok(Self(members)),
            _ => Err(EcsError::client("The instance identity document is not valid JSON.")),
        }
    }

    fn text(&self, member: &str) -> String {
        self.0.get(member).and_then(Value::as_str).unwrap_or_default().to_owned()
    }
}

fn attributes(request: &RegisterContainerInstanceRequest, document: &Document) -> Result<Vec<Attribute>, EcsError> {
    if request.attributes.iter().any(|attribute| attribute.name.as_deref().is_none_or(str::is_empty)) {
        return Err(EcsError::invalid_parameter("An attribute must have a name."));
    }
    if request.attributes.len() > ATTRIBUTES_MAX {
        let text = format!("A container instance registers with at most {ATTRIBUTES_MAX} attributes.");
        return Err(EcsError::new(ExceptionName::AttributeLimitExceeded, text));
    }
    let named = |name: &str| request.attributes.iter().any(|attribute| attribute.name() == name);
    let mut all = request.attributes.clone();
    let of_document = [
        ("ecs.availability-zone", document.text("availabilityZone")),
        ("ecs.instance-type", document.text("instanceType")),
        ("ecs.ami-id", document.text("imageId")),
        ("ecs.os-type", "linux".to_owned()),
    ];
    for (name, value) in of_document {
        if !value.is_empty() && !named(name) {
            all.push(Attribute { name: Some(name.to_owned()), value: Some(value), ..Attribute::default() });
        }
    }
    let is_capability = |attribute: &Attribute| attribute.name().contains(".capability.");
    if !request.attributes.iter().any(is_capability) {
        // Clients that only play an agent don't list what it can do; one that lists anything is taken at its word.
        let capability = |name: String| Attribute { name: Some(name), ..Attribute::default() };
        all.extend(capabilities::all().into_iter().map(capability));
    }
    Ok(all)
}

fn capacity(request: &RegisterContainerInstanceRequest) -> Result<Available, EcsError> {
    let named = |name: &str| request.total_resources.iter().find(|resource| resource.name() == name);
    let known = ["CPU", "MEMORY", "PORTS", "PORTS_UDP", "GPU"];
    if let Some(other) = request.total_resources.iter().find(|resource| !known.contains(&resource.name())) {
        return Err(EcsError::invalid_parameter(format!("Unknown resource: {}.", other.name())));
    }
    let ports = |name: &str, default: &[u16]| match named(name) {
        Some(resource) => ports(resource),
        None => Ok(default.iter().copied().collect()),
    };
    let devices = request.platform_devices.iter().map(|device| device.id.clone().unwrap_or_default());
    let mut gpus: Vec<Box<str>> = match named("GPU") {
        Some(resource) => resource.string_set_value.iter().map(|id| id.as_str().into()).collect(),
        None => devices.map(String::into_boxed_str).collect(),
    };
    gpus.sort_unstable();
    gpus.dedup();
    if gpus.iter().any(|id| id.is_empty() || id.chars().count() > TEXT_CHARS_MAX) {
        return Err(EcsError::invalid_parameter("A GPU must have an id."));
    }
    Ok(Available {
        cpu: named("CPU").map_or(Ok(CPU_DEFAULT), whole)?,
        memory_mib: named("MEMORY").map_or(Ok(MEMORY_MIB_DEFAULT), whole)?,
        taken_tcp: ports("PORTS", &RESERVED_TCP_PORTS)?,
        taken_udp: ports("PORTS_UDP", &RESERVED_UDP_PORTS)?,
        gpus: gpus.into(),
        interfaces: None,
    })
}

/// A whole number from 1, in whichever of the three members it comes.
fn whole(resource: &Resource) -> Result<u32, EcsError> {
    let double = || resource.double_value.filter(|value| value.fract() == 0.0 && value.abs() < f64::from(u32::MAX));
    let value = resource.integer_value.map(i64::from).or(resource.long_value);
    #[allow(clippy::cast_possible_truncation, reason = "whole and in bounds: checked where it is read")]
    let value = value.or_else(|| double().map(|value| value as i64));
    value.and_then(|value| u32::try_from(value).ok()).filter(|value| *value > 0).ok_or_else(|| {
        EcsError::invalid_parameter(format!("The resource {} must be a whole number above 0.", resource.name()))
    })
}

fn ports(resource: &Resource) -> Result<Ports, EcsError> {
    if resource.string_set_value.len() > PORTS_MAX {
        return Err(EcsError::invalid_parameter(format!("A container instance reserves at most {PORTS_MAX} ports.")));
    }
    let wrong = |text: &String| EcsError::invalid_parameter(format!("{text:?} is no port."));
    resource.string_set_value.iter().map(|text| text.parse::<u16>().map_err(|_| wrong(text))).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use drydock_proto::ecs::{Attribute, RegisterContainerInstanceRequest, Resource};

    use super::{CPU_DEFAULT, MEMORY_MIB_DEFAULT, register_container_instance};
    use crate::capabilities;

    fn resource(name: &str, integer: Option<i32>, strings: &[&str]) -> Resource {
        let string_set_value = strings.iter().map(ToString::to_string).collect();
        Resource { name: Some(name.to_owned()), integer_value: integer, string_set_value, ..Resource::default() }
    }

    #[test]
    fn what_an_agent_says_of_its_machine_is_taken_at_its_word() {
        let document = r#"{"instanceId": "i-1", "availabilityZone": "eu-west-1b", "instanceType": "m5.large", "x": 1}"#;
        let request = RegisterContainerInstanceRequest {
            instance_identity_document: Some(document.to_owned()),
            total_resources: vec![
                resource("CPU", Some(2048), &[]),
                resource("MEMORY", Some(7764), &[]),
                resource("PORTS", None, &["22", "8080"]),
                resource("GPU", None, &["b", "a"]),
            ],
            attributes: vec![Attribute {
                name: Some("ecs.instance-type".to_owned()),
                value: Some("mine".to_owned()),
                ..Attribute::default()
            }],
            ..RegisterContainerInstanceRequest::default()
        };
        let found = register_container_instance(&request).unwrap();
        assert_eq!(found.ec2_instance_id, "i-1");
        assert_eq!((found.capacity.cpu, found.capacity.memory_mib), (2048, 7764));
        assert_eq!(found.capacity.taken_tcp.iter().collect::<Vec<_>>(), [22, 8080]);
        assert_eq!(found.capacity.gpus.iter().map(|id| &**id).collect::<Vec<_>>(), ["a", "b"]);
        let value = |name: &str| {
            let found: Vec<_> = found.attributes.iter().filter(|attribute| attribute.name() == name).collect();
            assert!(found.len() <= 1, "{name} twice");
            found.first().and_then(|attribute| attribute.value.clone())
        };
        assert_eq!(value("ecs.availability-zone").as_deref(), Some("eu-west-1b"));
        assert_eq!(value("ecs.instance-type").as_deref(), Some("mine"));
        assert_eq!(value("ecs.os-type").as_deref(), Some("linux"));
        assert!(found.attributes.iter().any(|attribute| attribute.name() == "ecs.capability.task-eni"));
    }

    #[test]
    fn who_says_nothing_gets_what_test_suites_expect_and_who_names_a_capability_gets_no_other() {
        let found = register_container_instance(&RegisterContainerInstanceRequest::default()).unwrap();
        assert_eq!((found.capacity.cpu, found.capacity.memory_mib), (CPU_DEFAULT, MEMORY_MIB_DEFAULT));
        assert_eq!(found.attributes.len(), capabilities::all().len() + 1);
        let capability = Attribute { name: Some("ecs.capability.task-eni".to_owned()), ..Attribute::default() };
        let request = RegisterContainerInstanceRequest {
            attributes: vec![capability],
            ..RegisterContainerInstanceRequest::default()
        };
        assert_eq!(register_container_instance(&request).unwrap().attributes.len(), 2);
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        let with = |resources: Vec<Resource>, document: &str| RegisterContainerInstanceRequest {
            instance_identity_document: Some(document.to_owned()),
            total_resources: resources,
            ..RegisterContainerInstanceRequest::default()
        };
        let table = [
            (with(vec![resource("CPU", Some(0), &[])], ""), "The resource CPU must be a whole number above 0."),
            (with(vec![resource("MEMORY", None, &[])], ""), "The resource MEMORY must be a whole number above 0."),
            (with(vec![resource("WIND", Some(1), &[])], ""), "Unknown resource: WIND."),
            (with(vec![resource("PORTS", None, &["x"])], ""), "\"x\" is no port."),
            (with(vec![resource("GPU", None, &[""])], ""), "A GPU must have an id."),
            (with(Vec::new(), "[1]"), "The instance identity document is not valid JSON."),
        ];
        for (request, text) in table {
            assert_eq!(register_container_instance(&request).unwrap_err().message, text);
        }
    }
}
