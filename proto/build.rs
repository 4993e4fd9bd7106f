//! Compiles the .proto files (by protox: no protoc anywhere) and writes down, beside the types, how each ECS shape
//! looks as JSON: member names, enum spellings, time formats. Touches only OUT_DIR.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use protox::prost_reflect::{
    Cardinality, DescriptorPool, DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor,
    ReflectMessage as _,
};

/// Packages whose messages have a JSON form.
const JSON_PACKAGES: [&str; 2] = ["drydock.ecs.v1", "drydock.control.v1"];

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    println!("cargo:rerun-if-changed=drydock");
    let mut compiler = protox::Compiler::new([&root])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(protos(&root.join("drydock"))?)?;
    let pool = compiler.descriptor_pool();
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), compiler.encode_file_descriptor_set())?;

    let mut config = prost_build::Config::new();
    config.btree_map(["."]).enable_type_names();
    config.bytes([".drydock.raft.v1"]);
    describe_json(&pool, &mut config);
    std::fs::write(out.join("wire_enums.rs"), wire_enums(&pool))?;
    tonic_prost_build::configure().compile_fds_with_config(compiler.file_descriptor_set(), config)?;
    Ok(())
}

fn protos(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(protos(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn is_json(package: &str) -> bool {
    JSON_PACKAGES.contains(&package)
}

fn flag(options: &DynamicMessage, name: &str) -> bool {
    option(options, name).is_some_and(|value| value.as_bool() == Some(true))
}

fn option(options: &DynamicMessage, name: &str) -> Option<protox::prost_reflect::Value> {
    let extension = options.descriptor().parent_pool().get_extension_by_name(name)?;
    options.has_extension(&extension).then(|| options.get_extension(&extension).into_owned())
}

/// Gives each message its serde attributes.
fn describe_json(pool: &DescriptorPool, config: &mut prost_build::Config) {
    for message in pool.all_messages().filter(|m| is_json(m.package_name()) && !m.is_map_entry()) {
        let path = format!(".{}", message.full_name());
        config.message_attribute(&path, "#[derive(serde::Serialize, serde::Deserialize)]");
        if flag(&message.options(), "drydock.wire.list") {
            config.message_attribute(&path, "#[serde(transparent)]");
            for field in message.fields().filter(|field| is_structure(&field.kind())) {
                let read = "#[serde(deserialize_with = \"crate::json::structures\")]";
                config.field_attribute(format!("{path}.{}", field.name()), read);
            }
            continue;
        }
        config.message_attribute(&path, "#[serde(default)]");
        for field in message.fields().filter(|f| f.containing_oneof().is_none_or(|o| o.is_synthetic())) {
            config.field_attribute(format!("{path}.{}", field.name()), field_attribute(&field));
        }
        describe_oneofs(&message, config);
    }
}

fn describe_oneofs(message: &MessageDescriptor, config: &mut prost_build::Config) {
    for oneof in message.oneofs().filter(|o| !o.is_synthetic()) {
        let path = format!(".{}.{}", message.full_name(), oneof.name());
        config.type_attribute(&path, "#[derive(serde::Serialize, serde::Deserialize)]");
        config.type_attribute(&path, "#[serde(untagged)]");
    }
}

/// Whether values of this kind are JSON objects: messages are, but for those that stand for a list.
fn is_structure(kind: &Kind) -> bool {
    matches!(kind, Kind::Message(found) if is_json(found.package_name()) && !flag(&found.options(), "drydock.wire.list"))
}

fn field_attribute(field: &FieldDescriptor) -> String {
    let mut parts = vec![format!("rename = \"{}\"", field.json_name())];
    let list = field.is_list();
    if list || field.is_map() {
        if !flag(&field.options(), "drydock.wire.emit_empty") {
            let kind = if list { "Vec" } else { "std::collections::BTreeMap" };
            parts.push(format!("skip_serializing_if = \"{kind}::is_empty\""));
        }
    } else if field.supports_presence() {
        parts.push("skip_serializing_if = \"Option::is_none\"".to_owned());
    }
    let shape = match (list, field.cardinality() == Cardinality::Optional && field.supports_presence()) {
        (true, _) => "list",
        (_, true) => "optional",
        _ => "plain",
    };
    match field.kind() {
        Kind::Enum(found) => {
            let name = rust_name(found.name());
            let module = field.parent_message().package_name().split('.').nth(1).unwrap_or_default().to_owned();
            let owner = found.package_name().split('.').nth(1).unwrap_or(&module).to_owned();
            for side in ["serialize", "deserialize"] {
                parts.push(format!("{side}_with = \"crate::json::{shape}_enum::{side}::<crate::{owner}::{name}, _>\""));
            }
        }
        Kind::Message(found) if found.full_name() == "google.protobuf.Timestamp" => {
            parts.push("with = \"crate::json::timestamp\"".to_owned());
        }
        kind if list && is_structure(&kind) => {
            parts.push("deserialize_with = \"crate::json::structures\"".to_owned());
        }
        kind if !field.is_map() && is_structure(&kind) => {
            parts.push("deserialize_with = \"crate::json::structure\"".to_owned());
        }
        _ if list || field.is_map() => parts.push("deserialize_with = \"crate::json::null_as_empty\"".to_owned()),
        _ => {}
    }
    format!("#[serde({})]", parts.join(", "))
}

/// How prost names a type: `CPUArchitecture` becomes `CpuArchitecture`.
fn rust_name(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (at, letter) in letters.iter().enumerate() {
        let after_upper = at > 0 && letters[at - 1].is_uppercase();
        let before_lower = letters.get(at + 1).is_some_and(|next| next.is_lowercase());
        if after_upper && !before_lower { out.extend(letter.to_lowercase()) } else { out.push(*letter) }
    }
    out
}

fn wire_enums(pool: &DescriptorPool) -> String {
    let mut out = String::new();
    for found in pool.all_enums().filter(|e| is_json(e.package_name())) {
        let module = found.package_name().split('.').nth(1).unwrap_or_default().to_owned();
        let spellings: Vec<String> = found
            .values()
            .filter(|value| value.number() != 0)
            .map(|value| format!("({}, {:?})", value.number(), spelling(&found, value.name(), &value.options())))
            .collect();
        let _ = writeln!(
            out,
            "impl crate::json::WireEnum for crate::{module}::{} {{\n    const SPELLINGS: &'static [(i32, &'static str)] = &[{}];\n}}",
            rust_name(found.name()),
            spellings.join(", ")
        );
    }
    out
}

fn spelling(found: &EnumDescriptor, value: &str, options: &DynamicMessage) -> String {
    if let Some(given) = option(options, "drydock.wire.spelling") {
        return given.as_str().unwrap_or_default().to_owned();
    }
    let zero = found.values().find(|v| v.number() == 0).map(|v| v.name().to_owned()).unwrap_or_default();
    let prefix = zero.trim_end_matches("UNSPECIFIED");
    value.strip_prefix(prefix).unwrap_or(value).to_owned()
}
