//! Tags of a resource that may be tagged often: a version shares what didn't change with the one before, and each tag
//! carries its digest, so that one more tag costs one more tag. Pure values.

use std::sync::Arc;

use drydock_proto::ecs;
use prost::Message as _;

use crate::table::digest_of;

/// Digests of tags have a domain of their own, apart from the tables'.
const DOMAIN: u8 = 255;

/// Tags in the order in which their keys first came.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tags(Arc<[Entry]>);

#[derive(Debug, Clone, PartialEq)]
struct Entry {
    tag: Arc<ecs::Tag>,
    digest: u64,
}

impl Entry {
    fn new(tag: ecs::Tag) -> Self {
        Self { digest: digest_of(DOMAIN, &tag.encode_to_vec()), tag: Arc::new(tag) }
    }
}

impl From<Vec<ecs::Tag>> for Tags {
    fn from(tags: Vec<ecs::Tag>) -> Self {
        Self(tags.into_iter().map(Entry::new).collect())
    }
}

impl Tags {
    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As the API gives them.
    #[must_use]
    pub fn to_vec(&self) -> Vec<ecs::Tag> {
        self.0.iter().map(|entry| ecs::Tag::clone(&entry.tag)).collect()
    }

    /// With these too: the value of a key that is there already is replaced.
    #[must_use]
    pub fn with(&self, tags: &[ecs::Tag]) -> Self {
        let mut entries = self.0.to_vec();
        for tag in tags {
            let entry = Entry::new(tag.clone());
            match entries.iter_mut().find(|known| known.tag.key == tag.key) {
                Some(known) => *known = entry,
                None => entries.push(entry),
            }
        }
        Self(entries.into())
    }

    /// Without these keys; one that isn't there is no error.
    #[must_use]
    pub fn without(&self, keys: &[String]) -> Self {
        let stays = |entry: &&Entry| !keys.iter().any(|key| entry.tag.key.as_ref() == Some(key));
        Self(self.0.iter().filter(stays).cloned().collect())
    }

    /// A digest of all of them, in their order.
    pub(crate) fn digest(&self) -> u64 {
        let bytes: Vec<u8> = self.0.iter().flat_map(|entry| entry.digest.to_le_bytes()).collect();
        digest_of(DOMAIN, &bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Vec<ecs::Tag> {
        pairs.iter().map(|(k, v)| ecs::Tag { key: Some((*k).into()), value: Some((*v).into()) }).collect()
    }

    #[test]
    fn they_change_by_key_and_keep_their_order() {
        let start = Tags::from(tags(&[("a", "1"), ("b", "2")]));
        let more = start.with(&tags(&[("b", "3"), ("c", "4")]));
        assert_eq!(more.to_vec(), tags(&[("a", "1"), ("b", "3"), ("c", "4")]));
        assert!(Arc::ptr_eq(&start.0[0].tag, &more.0[0].tag), "what didn't change is shared");
        assert_eq!(more.without(&["b".into(), "x".into()]).to_vec(), tags(&[("a", "1"), ("c", "4")]));
        assert_eq!((start.len(), start.is_empty(), Tags::default().is_empty()), (2, false, true));
    }

    #[test]
    fn the_digest_tells_values_order_and_number_apart_and_not_how_they_came_about() {
        let all = [
            Tags::default(),
            Tags::from(tags(&[("a", "1")])),
            Tags::from(tags(&[("a", "2")])),
            Tags::from(tags(&[("a", "1"), ("b", "1")])),
            Tags::from(tags(&[("b", "1"), ("a", "1")])),
        ];
        let digests: std::collections::BTreeSet<u64> = all.iter().map(Tags::digest).collect();
        assert_eq!(digests.len(), all.len());
        let grown = Tags::default().with(&tags(&[("a", "0")])).with(&tags(&[("a", "1")])).with(&tags(&[("b", "1")]));
        assert_eq!(grown.digest(), all[3].digest());
        assert_eq!(grown, all[3]);
    }
}
