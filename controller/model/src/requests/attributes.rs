//! Attributes of container instances: PutAttributes, DeleteAttributes, ListAttributes (ecs-semantics §2.4).

use drydock_proto::ecs::{Attribute, DeleteAttributesRequest, ListAttributesRequest, PutAttributesRequest, TargetType};

use super::{page, required, well_formed};
use crate::error::EcsError;
use crate::pagination::Page;

/// Attributes of one request, and custom attributes of one resource.
pub const ATTRIBUTES_MAX: usize = 10;
/// Characters of a name, and of a value.
pub const CHARS_MAX: usize = 128;
/// Page of ListAttributes where none is asked for.
pub const LIST_DEFAULT: usize = 100;

/// What the names of built-in attributes begin with: neither put nor deleted by requests.
const BUILT_IN: [&str; 2] = ["ecs.", "com.amazonaws."];

/// Whether an attribute is ECS's own, or says what the agent can do.
#[must_use]
pub fn is_built_in(name: &str) -> bool {
    BUILT_IN.iter().any(|prefix| name.starts_with(prefix))
}

/// PutAttributes.
///
/// # Errors
/// `InvalidParameterException`.
pub fn put_attributes(request: &PutAttributesRequest) -> Result<(), EcsError> {
    well_formed(request)?;
    check_all(&request.attributes)?;
    request.attributes.iter().try_for_each(|attribute| check_value(attribute.value.as_deref().unwrap_or_default()))
}

/// DeleteAttributes. Values aren't looked at.
///
/// # Errors
/// `InvalidParameterException`.
pub fn delete_attributes(request: &DeleteAttributesRequest) -> Result<(), EcsError> {
    well_formed(request)?;
    check_all(&request.attributes)
}

/// ListAttributes.
///
/// # Errors
/// `InvalidParameterException`.
pub fn list_attributes(request: &ListAttributesRequest) -> Result<Page, EcsError> {
    if request.target_type() != TargetType::ContainerInstance {
        return Err(EcsError::invalid_parameter("targetType must be container-instance."));
    }
    if request.attribute_value.is_some() && request.attribute_name.is_none() {
        return Err(EcsError::invalid_parameter("attributeName must be specified where attributeValue is."));
    }
    let mut filters = request.clone();
    let asked = (filters.next_token.take(), filters.max_results.take());
    page("ListAttributes", &filters, asked, LIST_DEFAULT)
}

fn check_all(attributes: &[Attribute]) -> Result<(), EcsError> {
    if attributes.is_empty() {
        return Err(EcsError::invalid_parameter("attributes cannot be empty."));
    }
    if attributes.len() > ATTRIBUTES_MAX {
        let text = format!("attributes cannot have more than {ATTRIBUTES_MAX} elements.");
        return Err(EcsError::invalid_parameter(text));
    }
    attributes.iter().try_for_each(check)
}

fn check(attribute: &Attribute) -> Result<(), EcsError> {
    let name = required("name", &attribute.name)?;
    let of_name = |c: char| c.is_ascii_alphanumeric() || "-_/\\.".contains(c);
    if name.chars().count() > CHARS_MAX || !name.chars().all(of_name) {
        return Err(EcsError::invalid_parameter(format!("Invalid attribute name '{name}'.")));
    }
    if is_built_in(name) {
        return Err(EcsError::invalid_parameter(format!("The attribute '{name}' is built in.")));
    }
    let target = required("targetId", &attribute.target_id)?;
    if attribute.target_type() != TargetType::ContainerInstance && !target.starts_with("arn:") {
        return Err(EcsError::invalid_parameter("targetType must be specified where targetId is no ARN."));
    }
    Ok(())
}

fn check_value(value: &str) -> Result<(), EcsError> {
    let of_value = |c: char| c.is_ascii_alphanumeric() || "-_.@/\\: ".contains(c);
    let good = value.chars().count() <= CHARS_MAX && value.chars().all(of_value) && value.trim() == value;
    if good { Ok(()) } else { Err(EcsError::invalid_parameter(format!("Invalid attribute value '{value}'."))) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn attribute(name: &str, value: &str, target: &str, typed: bool) -> Attribute {
        Attribute {
            name: Some(name.to_owned()),
            value: Some(value.to_owned()),
            target_id: Some(target.to_owned()),
            target_type: typed.then_some(TargetType::ContainerInstance as i32),
        }
    }

    // rule: 2.7/custom-attributes, 2.4/attributes-built-in
    #[test]
    fn names_values_and_targets() {
        let long = "a".repeat(129);
        for (name, value, target, typed, expected) in [
            ("stack", "blue one", "id", true, ""),
            ("a-b_c/d\\e.f", "a-b_c.d@e/f\\g:h", "arn:aws:ecs:…", false, ""),
            (&long[1..], &long[1..], "id", true, ""),
            ("", "x", "id", true, "name should not be null or empty."),
            (&long, "x", "id", true, "Invalid attribute name"),
            ("a b", "x", "id", true, "Invalid attribute name"),
            ("ecs.os-type", "x", "id", true, "The attribute 'ecs.os-type' is built in."),
            ("com.amazonaws.ecs.capability.x", "x", "id", true, "The attribute 'com."),
            ("stack", &long, "id", true, "Invalid attribute value"),
            ("stack", " x", "id", true, "Invalid attribute value ' x'."),
            ("stack", "a*b", "id", true, "Invalid attribute value"),
            ("stack", "x", "", true, "targetId should not be null or empty."),
            ("stack", "x", "id", false, "targetType must be specified where targetId is no ARN."),
        ] {
            let attributes = vec![attribute(name, value, target, typed)];
            let found = put_attributes(&PutAttributesRequest { cluster: None, attributes });
            let text = found.map_or_else(|error| error.message, |()| String::new());
            assert!(text.starts_with(expected) && expected.is_empty() == text.is_empty(), "{name} {value}: {text}");
        }
        let many = |count| vec![attribute("a", "", "id", true); count];
        let put = |count| put_attributes(&PutAttributesRequest { cluster: None, attributes: many(count) });
        assert!(put(10).is_ok() && put(11).is_err() && put(0).is_err());
        let delete = |name: &str| {
            let attributes = vec![attribute(name, "*", "id", true)];
            delete_attributes(&DeleteAttributesRequest { cluster: None, attributes })
        };
        assert!(delete("stack").is_ok() && delete("ecs.os-type").is_err());
    }

    #[test]
    fn lists() {
        let list = |typed: bool, name: bool, value: bool, most: i32| {
            list_attributes(&ListAttributesRequest {
                target_type: typed.then_some(TargetType::ContainerInstance as i32),
                attribute_name: name.then(|| "a".to_owned()),
                attribute_value: value.then(|| "b".to_owned()),
                max_results: Some(most),
                ..ListAttributesRequest::default()
            })
        };
        assert!(list(true, true, true, 100).is_ok());
        for wrong in [list(false, true, true, 1), list(true, false, true, 1), list(true, true, true, 101)] {
            assert!(wrong.is_err());
        }
    }
}
