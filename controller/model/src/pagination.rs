//! `nextToken` and `maxResults`: a token is the position behind a key, sealed to the list it was given for.
//!
//! A token is hexadecimal: eight bytes of SipHash-2-4 over the list's identity and the key, then the key. The seal is no
//! secret; it finds tokens that are cut, mistyped, or used with another request.

use std::hash::Hasher as _;

use siphasher::sip::SipHasher24;

use crate::error::EcsError;

/// Bytes of the seal.
const SEAL_BYTES: usize = 8;

/// Bytes of the longest key. Keys are ARNs and names, of which none is longer.
pub const KEY_BYTES_MAX: usize = 2_048;

/// Which part of a list is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Identifies the list: the operation and its filters.
    list: String,
    /// The answer begins behind this key.
    pub after: Option<String>,
    /// And has at most so many elements.
    pub limit: usize,
}

impl Page {
    /// Reads a request's token and maxResults. `list` identifies operation and filters; `default` is the page where none
    /// is given, `max` the largest.
    ///
    /// # Errors
    /// `InvalidParameterException` for a maxResults outside 1 to `max`, and "Invalid token." for any token that this list
    /// hasn't given.
    pub fn new(
        list: impl Into<String>,
        token: Option<&str>,
        max_results: Option<i32>,
        default: usize,
        max: usize,
    ) -> Result<Self, EcsError> {
        let list = list.into();
        let limit = match max_results {
            None => default,
            Some(given) => usize::try_from(given)
                .ok()
                .filter(|given| (1..=max).contains(given))
                .ok_or_else(|| EcsError::invalid_parameter(format!("maxResults must be between 1 and {max}.")))?,
        };
        let after = token.filter(|token| !token.is_empty()).map(|token| open(&list, token)).transpose()?;
        Ok(Self { list, after, limit })
    }

    /// Cuts the page from `items`, which come in the list's order and begin behind [`Self::after`]. Returns it with the
    /// token of the next one, where there is more.
    pub fn cut<T>(&self, items: impl IntoIterator<Item = T>, key: impl Fn(&T) -> String) -> (Vec<T>, Option<String>) {
        let mut items = items.into_iter();
        let page: Vec<T> = items.by_ref().take(self.limit).collect();
        let more = items.next().is_some();
        let token = page.last().filter(|_| more).map(|last| seal(&self.list, &key(last)));
        (page, token)
    }
}

fn seal_of(list: &str, key: &str) -> u64 {
    let mut hasher = SipHasher24::new_with_key(b"drydock-page-key");
    hasher.write(list.as_bytes());
    hasher.write(&[0]);
    hasher.write(key.as_bytes());
    hasher.finish()
}

fn seal(list: &str, key: &str) -> String {
    let bytes = seal_of(list, key).to_be_bytes().into_iter().chain(key.bytes());
    bytes.flat_map(|byte| [byte >> 4, byte & 0xf]).filter_map(|half| char::from_digit(u32::from(half), 16)).collect()
}

fn open(list: &str, token: &str) -> Result<String, EcsError> {
    let invalid = || EcsError::invalid_parameter("Invalid token.");
    if !token.len().is_multiple_of(2) || token.len() > (KEY_BYTES_MAX + SEAL_BYTES) * 2 {
        return Err(invalid());
    }
    let half = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let bytes: Option<Vec<u8>> =
        token.as_bytes().chunks_exact(2).map(|pair| Some(half(pair[0])? << 4 | half(pair[1])?)).collect();
    let bytes = bytes.ok_or_else(invalid)?;
    let (seal, key) = bytes.split_at_checked(SEAL_BYTES).ok_or_else(invalid)?;
    let key = std::str::from_utf8(key).map_err(|_| invalid())?;
    if seal_of(list, key).to_be_bytes() == seal { Ok(key.to_owned()) } else { Err(invalid()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::{Page, seal};

    fn page(token: Option<&str>, limit: i32) -> Result<Page, String> {
        Page::new("ListTasks default", token, Some(limit), 100, 100).map_err(|error| error.to_string())
    }

    #[test]
    fn bounds() {
        assert_eq!(Page::new("x", None, None, 10, 100).unwrap().limit, 10);
        for wrong in [0, -1, 101] {
            assert_eq!(
                page(None, wrong).unwrap_err(),
                "InvalidParameterException: maxResults must be between 1 and 100."
            );
        }
    }

    #[test]
    fn foreign_tokens_are_refused() {
        let good = seal("ListTasks default", "key");
        assert_eq!(page(Some(&good), 1).unwrap().after.as_deref(), Some("key"));
        for wrong in [&good[1..], &good[2..], "zz", "é", "00", &good.replace('a', "b"), &seal("ListTasks prod", "key")]
        {
            if wrong != good {
                assert_eq!(page(Some(wrong), 1).unwrap_err(), "InvalidParameterException: Invalid token.", "{wrong}");
            }
        }
    }

    proptest! {
        /// All pages together are the list, whatever their size.
        #[test]
        fn pages_add_up(keys: std::collections::BTreeSet<String>, limit in 1_i32..7) {
            let keys: Vec<String> = keys.into_iter().collect();
            let mut seen: Vec<String> = Vec::new();
            let mut token: Option<String> = None;
            loop {
                let page = page(token.as_deref(), limit).unwrap();
                let rest = keys.iter().filter(|key| page.after.as_ref().is_none_or(|after| *key > after)).cloned();
                let (part, next) = page.cut(rest, Clone::clone);
                prop_assert!(part.len() <= usize::try_from(limit).unwrap());
                seen.extend(part);
                prop_assert_eq!(next.is_some(), seen.len() < keys.len());
                token = next;
                if token.is_none() {
                    break;
                }
            }
            prop_assert_eq!(seen, keys);
        }

        #[test]
        fn no_token_breaks_it(token: String) {
            let _ = page(Some(&token), 1);
        }
    }
}
