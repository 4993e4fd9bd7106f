//! Names of clusters, services, families, containers and volumes: 1 to 255 of `[A-Za-z0-9_-]` (ecs-semantics §1).

use crate::error::{EcsError, ExceptionName};

/// Characters of the longest name.
pub const NAME_CHARS_MAX: usize = 255;

/// Checks a name; `what` is what ECS calls it, e.g. `Family` or `Container.name`.
///
/// # Errors
/// `exception`, with ECS's texts: "… should not be null or empty.", "… longer than 255.", "… contains invalid
/// characters.".
pub fn check(exception: ExceptionName, what: &str, name: &str) -> Result<(), EcsError> {
    let problem = if name.is_empty() {
        " should not be null or empty."
    } else if name.len() > NAME_CHARS_MAX {
        " longer than 255."
    } else if !name.bytes().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, b'_' | b'-')) {
        " contains invalid characters."
    } else {
        return Ok(());
    };
    Err(EcsError::new(exception, format!("{what}{problem}")))
}

/// Checks a text's length; `what` is what ECS calls it, e.g. `startedBy`.
///
/// # Errors
/// `InvalidParameterException` "… longer than N.".
pub fn at_most(what: &str, chars_max: usize, text: Option<&str>) -> Result<(), EcsError> {
    match text {
        Some(text) if text.chars().count() > chars_max => {
            Err(EcsError::invalid_parameter(format!("{what} longer than {chars_max}.")))
        }
        _ => Ok(()),
    }
}

/// The text of a member that ECS requires.
///
/// # Errors
/// `exception` "… should not be null or empty.".
pub fn required<'a>(exception: ExceptionName, what: &str, text: &'a Option<String>) -> Result<&'a str, EcsError> {
    match text.as_deref() {
        None | Some("") => Err(EcsError::new(exception, format!("{what} should not be null or empty."))),
        Some(text) => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::error::ExceptionName::Client;

    // rule: 2.2/names
    #[test]
    fn names() {
        let found = |name: &str| check(Client, "Family", name).err().map(|error| error.message);
        assert_eq!(found("web-1_B"), None);
        assert_eq!(found(&"x".repeat(255)), None);
        assert_eq!(found("").as_deref(), Some("Family should not be null or empty."));
        assert_eq!(found(&"x".repeat(256)).as_deref(), Some("Family longer than 255."));
        for name in ["a b", "a/b", "ä", "<APP>", "a\0"] {
            assert_eq!(found(name).as_deref(), Some("Family contains invalid characters."), "{name}");
        }
    }
}
