//! Tags: at most 50 a resource, keys of 1 to 128 and values of up to 256 characters (ecs-semantics §1).

use std::collections::BTreeSet;

use drydock_proto::ecs::Tag;

use crate::error::EcsError;

/// Tags of one resource.
pub const TAGS_MAX: usize = 50;
/// Characters of a key.
pub const KEY_CHARS_MAX: usize = 128;
/// Characters of a value.
pub const VALUE_CHARS_MAX: usize = 256;

/// Checks the tags of a request.
///
/// # Errors
/// `InvalidParameterException`: too many, a key or value out of bounds or with other characters than letters, digits,
/// spaces and `_.:/=+-@`, a key twice, or the prefix `aws:`, which is AWS's own.
pub fn check(tags: &[Tag]) -> Result<(), EcsError> {
    check_count(tags.len())?;
    let mut keys = BTreeSet::new();
    for tag in tags {
        let key = tag.key.as_deref().unwrap_or_default();
        check_key(key)?;
        check_text("value", tag.value.as_deref().unwrap_or_default(), 0, VALUE_CHARS_MAX)?;
        if !keys.insert(key) {
            return Err(EcsError::invalid_parameter(format!("Duplicate tag key '{key}'.")));
        }
    }
    Ok(())
}

/// Checks how many tags a resource has.
///
/// # Errors
/// `InvalidParameterException`: more than [`TAGS_MAX`].
pub fn check_count(count: usize) -> Result<(), EcsError> {
    if count > TAGS_MAX {
        return Err(EcsError::invalid_parameter(format!("The number of tags can't exceed {TAGS_MAX}.")));
    }
    Ok(())
}

/// Tags that a task gets of what it is made from, with its own over them (ecs-semantics §2.6, `propagateTags`).
///
/// # Errors
/// `InvalidParameterException`: together they are more than [`TAGS_MAX`].
pub fn propagated(from: &[Tag], own: &[Tag]) -> Result<Vec<Tag>, EcsError> {
    let mut tags = from.to_vec();
    for tag in own {
        match tags.iter_mut().find(|known| known.key == tag.key) {
            Some(known) => known.value.clone_from(&tag.value),
            None => tags.push(tag.clone()),
        }
    }
    check_count(tags.len())?;
    Ok(tags)
}

/// Checks a tag's key.
///
/// # Errors
/// As [`check`].
pub fn check_key(key: &str) -> Result<(), EcsError> {
    check_text("key", key, 1, KEY_CHARS_MAX)
}

fn check_text(what: &str, text: &str, min: usize, max: usize) -> Result<(), EcsError> {
    let wrong = |why: String| Err(EcsError::invalid_parameter(format!("Invalid tag {what} '{text}': {why}")));
    if !(min..=max).contains(&text.chars().count()) {
        return wrong(format!("it must have {min} to {max} characters."));
    }
    let is_allowed =
        |c: char| matches!(c, 'a'..='z' | 'A'..='Z' | '0'..='9' | ' ') || "_.:/=+-@".contains(c) || c.is_alphanumeric();
    if !text.chars().all(is_allowed) {
        return wrong("only letters, digits, spaces and _.:/=+-@ are allowed.".to_owned());
    }
    if text.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("aws:")) {
        return wrong("the prefix aws: is reserved.".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use drydock_proto::ecs::Tag;

    use super::check;

    // rule: 2.7/tags
    #[test]
    fn tags() {
        let tags = |pairs: &[(&str, &str)]| -> Vec<Tag> {
            pairs.iter().map(|(k, v)| Tag { key: Some((*k).to_owned()), value: Some((*v).to_owned()) }).collect()
        };
        let long = "k".repeat(128);
        for (good, pairs) in [
            (true, vec![]),
            (true, vec![("team", "blue"), ("Team", "größe 1"), ("a.b:c/d=e+f-g@h_i", "")]),
            (true, vec![(long.as_str(), "x")]),
            (false, vec![("", "x")]),
            (false, vec![("k", "a\nb")]),
            (false, vec![("k", "1"), ("k", "2")]),
            (false, vec![("AWS:x", "1")]),
            (false, vec![("x", "aws:y")]),
            (false, vec![("x", "<y>")]),
        ] {
            assert_eq!(check(&tags(&pairs)).is_ok(), good, "{pairs:?}");
        }
        let many: Vec<Tag> =
            (0..51).map(|at| Tag { key: Some(format!("k{at}")), value: Some("v".to_owned()) }).collect();
        assert!(check(&many[..50]).is_ok() && check(&many).is_err());
    }
}
