//! Times of the log as protobuf has them.

use crate::key::Millis;

/// Milliseconds since 1970 as a protobuf timestamp.
#[must_use]
pub fn timestamp(at: Millis) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: i64::try_from(at / 1_000).unwrap_or(i64::MAX),
        nanos: i32::try_from(at % 1_000).unwrap_or_default() * 1_000_000,
    }
}

/// A protobuf timestamp as milliseconds since 1970; times before that are 0.
pub(super) fn millis(at: &prost_types::Timestamp) -> Millis {
    let seconds = u64::try_from(at.seconds).unwrap_or_default();
    seconds.saturating_mul(1_000).saturating_add(u64::try_from(at.nanos).unwrap_or_default() / 1_000_000)
}
