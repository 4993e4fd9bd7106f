//! What the lists and descriptions of all nouns share: failures, counts.

use drydock_proto::ecs;

/// `failures[]` of something that isn't there (ecs-semantics §2.2).
pub(super) fn missing(arn: String) -> ecs::Failure {
    ecs::Failure { arn: Some(arn), reason: Some("MISSING".to_owned()), detail: None }
}

/// A count as ECS's int32; what doesn't fit, which the limits exclude, is the largest.
pub(super) fn count(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// An id of a page's key: 32 hex digits.
pub(super) fn after(key: Option<&str>) -> Option<u128> {
    key.and_then(|key| u128::from_str_radix(key, 16).ok())
}
