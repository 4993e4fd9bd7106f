//! What a client says beside its request: how fresh a read must be. And what an answer says beside its message: which
//! entry of the log it has seen.

use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Response};

use super::errors::ApiError;

/// Metadata key of an answer: the index of the log that it has seen.
pub const APPLIED_INDEX_KEY: &str = "drydock-applied-index";
/// Metadata key of a request: `strong` for a linearizable read, `local` (the default) for this replica's state.
pub const CONSISTENCY_KEY: &str = "drydock-consistency";
/// Metadata key of a request: the read must have seen this entry; the number comes from an earlier answer.
pub const MIN_INDEX_KEY: &str = "drydock-min-index";

/// How fresh a read must be.
///
/// Without a wish a read is answered from the replica that was asked. A write is answered only once that replica has
/// applied it, so whoever stays with one controller reads its own writes; whoever goes from one to another passes
/// `drydock-min-index` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Freshness {
    pub(crate) strong: bool,
    pub(crate) min_index: u64,
}

impl Freshness {
    /// What the metadata asks for.
    ///
    /// # Errors
    /// A value that isn't one.
    pub(crate) fn of(metadata: &MetadataMap) -> Result<Self, ApiError> {
        // Most requests have neither.
        let strong = match metadata.get(CONSISTENCY_KEY).map(MetadataValue::as_bytes) {
            None | Some(b"local") => false,
            Some(b"strong") => true,
            Some(_) => return Err(bad(CONSISTENCY_KEY, "strong or local")),
        };
        let min_index = match metadata.get(MIN_INDEX_KEY) {
            None => 0,
            Some(value) => {
                let number = value.to_str().ok().and_then(|text| text.parse().ok());
                number.ok_or_else(|| bad(MIN_INDEX_KEY, "an index of the log"))?
            }
        };
        Ok(Self { strong, min_index })
    }
}

fn bad(key: &str, expected: &str) -> ApiError {
    ApiError::Refused { code: Code::InvalidArgument, message: format!("the metadata {key} must be {expected}") }
}

/// An answer with the index that it has seen.
pub(crate) fn with_index<T>(message: T, index: u64) -> Response<T> {
    let mut response = Response::new(message);
    response.metadata_mut().insert(APPLIED_INDEX_KEY, MetadataValue::from(index));
    response
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tonic::metadata::MetadataMap;

    use super::{CONSISTENCY_KEY, Freshness, MIN_INDEX_KEY};

    #[test]
    fn freshness_is_what_the_metadata_says() {
        let of = |pairs: &[(&'static str, &str)]| {
            let mut metadata = MetadataMap::new();
            for (key, value) in pairs {
                metadata.insert(*key, value.parse().unwrap());
            }
            Freshness::of(&metadata)
        };
        assert_eq!(of(&[]).unwrap(), Freshness::default());
        assert_eq!(of(&[(CONSISTENCY_KEY, "strong")]).unwrap(), Freshness { strong: true, min_index: 0 });
        assert_eq!(of(&[(MIN_INDEX_KEY, "17")]).unwrap(), Freshness { strong: false, min_index: 17 });
        assert!(of(&[(CONSISTENCY_KEY, "eventual")]).is_err());
        assert!(of(&[(MIN_INDEX_KEY, "x")]).is_err());
    }
}
