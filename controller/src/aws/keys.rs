//! The keys that requests may be signed with, from a file in the form of AWS's shared credentials file. Reads that file once,
//! at the start. Secrets are never shown: neither in errors nor by `Debug`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::limits::{AWS_KEYS_FILE_BYTES_MAX, IAM_USER_NAME_CHARS_MAX};

/// A file of keys can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// It can't be read, or is larger than [`AWS_KEYS_FILE_BYTES_MAX`].
    #[error("the file of keys {path}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// It isn't a credentials file, or has no key.
    #[error("{path}:{line}: {why}")]
    Wrong {
        /// Which.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong; never with a secret in it.
        why: String,
    },
}

/// One profile's key.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Key {
    /// The name of the profile, which is also that of the user.
    pub(super) profile: String,
    pub(super) secret: String,
    /// Goes with temporary keys.
    pub(super) token: Option<String>,
}

/// All keys, by access key id.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Keys(BTreeMap<String, Key>);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("profile", &self.profile).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(&self.0).finish()
    }
}

impl Keys {
    /// Reads a file.
    ///
    /// # Errors
    /// It can't be read, is too large, isn't in the form, or has no key.
    pub(crate) fn read(path: &Path) -> Result<Self, KeysError> {
        use std::io::Read as _;
        let unread = |source| KeysError::Read { path: path.to_owned(), source };
        let mut text = String::new();
        let file = std::fs::File::open(path).map_err(unread)?;
        let length = file.take(AWS_KEYS_FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(unread)?;
        if u64::try_from(length).is_ok_and(|length| length > AWS_KEYS_FILE_BYTES_MAX) {
            let why = format!("larger than {AWS_KEYS_FILE_BYTES_MAX} bytes");
            return Err(unread(std::io::Error::new(std::io::ErrorKind::FileTooLarge, why)));
        }
        Self::parse(&text).map_err(|(line, why)| KeysError::Wrong { path: path.to_owned(), line, why })
    }

    /// The key of an access key id.
    pub(super) fn get(&self, id: &str) -> Option<&Key> {
        self.0.get(id)
    }

    /// Profiles without a key of their own (those that assume a role, say) are passed over, and so are other settings.
    fn parse(text: &str) -> Result<Self, (usize, String)> {
        let mut keys = Self(BTreeMap::new());
        let mut profiles: Vec<Profile> = Vec::new();
        // How far the last setting is indented: a line that is further goes on with it.
        let mut indent = usize::MAX;
        for (at, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line)) {
            let content = line.trim();
            if content.is_empty() || content.starts_with(['#', ';']) {
                continue;
            }
            let depth = line.len() - line.trim_start().len();
            if content.starts_with('[') && depth == 0 {
                let name = content.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(name, _)| name.trim());
                let name = name.ok_or_else(|| (at, "a profile is written [NAME]".to_owned()))?;
                if profiles.iter().any(|profile| profile.name == name) {
                    return Err((at, format!("the profile [{name}] is there twice")));
                }
                profiles.push(Profile { name: name.to_owned(), line: at, ..Profile::default() });
                indent = usize::MAX;
                continue;
            }
            let Some(profile) = profiles.last_mut() else {
                return Err((at, "a setting before the first [PROFILE]".to_owned()));
            };
            if depth > indent {
                profile.goes_on().map_err(|why| (at, why))?;
                continue;
            }
            indent = depth;
            profile.set(content).map_err(|why| (at, why))?;
        }
        for profile in profiles {
            let line = profile.line;
            let Some((id, key)) = profile.key().map_err(|why| (line, why))? else { continue };
            if let Some(other) = keys.0.get(&id) {
                let why = format!("[{}] has the aws_access_key_id of [{}]", key.profile, other.profile);
                return Err((line, why));
            }
            keys.0.insert(id, key);
        }
        match keys.0.is_empty() {
            true => Err((1, "no profile has an aws_access_key_id: requests could never be signed".to_owned())),
            false => Ok(keys),
        }
    }
}

/// A profile as far as it has been read.
#[derive(Default)]
struct Profile {
    name: String,
    line: usize,
    id: Option<String>,
    secret: Option<String>,
    token: Option<String>,
    /// The setting read last is one of these three.
    of_key: bool,
}

impl Profile {
    fn set(&mut self, content: &str) -> Result<(), String> {
        let (name, value) = content.split_once('=').ok_or("a setting is written NAME = VALUE")?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        let slot = match name.as_str() {
            "aws_access_key_id" => &mut self.id,
            "aws_secret_access_key" => &mut self.secret,
            "aws_session_token" => &mut self.token,
            _ => {
                self.of_key = false;
                return Ok(());
            }
        };
        self.of_key = true;
        if value.is_empty() || !value.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(format!("{name} must be one word"));
        }
        if slot.replace(value.to_owned()).is_some() {
            return Err(format!("{name} is there twice in [{}]", self.name));
        }
        Ok(())
    }

    /// A further line of the setting read last.
    fn goes_on(&self) -> Result<(), String> {
        if self.of_key { Err("a key goes over more than one line".to_owned()) } else { Ok(()) }
    }

    fn key(self) -> Result<Option<(String, Key)>, String> {
        let Self { name, id, secret, token, .. } = self;
        let (id, secret) = match (id, secret) {
            (Some(id), Some(secret)) => (id, secret),
            (None, None) => return Ok(None),
            (None, Some(_)) => return Err(format!("[{name}] has an aws_secret_access_key and no aws_access_key_id")),
            (Some(_), None) => return Err(format!("[{name}] has an aws_access_key_id and no aws_secret_access_key")),
        };
        // It becomes an IAM user's name.
        let fine = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
        if name.is_empty() || name.len() > IAM_USER_NAME_CHARS_MAX || !name.chars().all(fine) {
            return Err(format!(
                "the profile [{name}] names a user: 1 to {IAM_USER_NAME_CHARS_MAX} letters, digits and _+=,.@-"
            ));
        }
        Ok(Some((id, Key { profile: name, secret, token })))
    }
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::{Keys, KeysError};
    use crate::limits::AWS_KEYS_FILE_BYTES_MAX;

    /// The keys of a text that is fine.
    pub(in crate::aws) fn keys(text: &str) -> Keys {
        Keys::parse(text).unwrap()
    }

    #[test]
    fn a_credentials_file_as_people_have_it_is_read() {
        let keys = keys(
            "# mine\n\
             [default]\n\
             aws_access_key_id = AKIDEXAMPLE\n\
             aws_secret_access_key=wJalr/XUtn+FEMI=\n\
             region = eu-west-1\n\
             s3 =\n  max_concurrent_requests = 20\n  addressing_style = path\n\
             \n\
             [role]\n\
             role_arn = arn:aws:iam::123456789012:role/x\n\
             source_profile = default\n\
             [temporary]\r\n\
             ; from STS\n\
             AWS_ACCESS_KEY_ID=ASIA1\n\
             aws_secret_access_key = s\n\
             aws_session_token = FwoG==\n",
        );
        let default = keys.get("AKIDEXAMPLE").unwrap();
        assert_eq!((default.profile.as_str(), default.secret.as_str()), ("default", "wJalr/XUtn+FEMI="));
        assert_eq!(default.token, None);
        let temporary = keys.get("ASIA1").unwrap();
        assert_eq!((temporary.profile.as_str(), temporary.token.as_deref()), ("temporary", Some("FwoG==")));
        assert_eq!(keys.0.len(), 2);
        let shown = format!("{keys:?}");
        assert!(shown.contains("temporary") && !shown.contains("FwoG") && !shown.contains("wJalr"), "{shown}");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let key = "aws_access_key_id = A\naws_secret_access_key = secret\n";
        let table = [
            (String::new(), 1, "no profile has an aws_access_key_id"),
            ("[a]\nregion = x\n".to_owned(), 1, "no profile has an aws_access_key_id"),
            (format!("{key}[a]\n"), 1, "before the first [PROFILE]"),
            (format!("[a\n{key}"), 1, "written [NAME]"),
            (format!("[a]\n{key}\n[a]\n"), 5, "[a] is there twice"),
            ("[a]\nnonsense\n".to_owned(), 2, "NAME = VALUE"),
            ("[a]\naws_access_key_id = A\n".to_owned(), 1, "no aws_secret_access_key"),
            ("\n[a]\naws_secret_access_key = secret\n".to_owned(), 2, "no aws_access_key_id"),
            ("[a]\naws_access_key_id =\n".to_owned(), 2, "aws_access_key_id must be one word"),
            ("[a]\naws_secret_access_key = se cret # mine\n".to_owned(), 2, "aws_secret_access_key must be one word"),
            (format!("[a]\n{key}{key}"), 4, "aws_access_key_id is there twice in [a]"),
            (format!("[a]\n{key}  more\n"), 4, "more than one line"),
            (format!("[profile a]\n{key}"), 1, "names a user"),
            (format!("[{}]\n{key}", "a".repeat(65)), 1, "names a user"),
            (format!("[a]\n{key}[b]\n{key}"), 4, "[b] has the aws_access_key_id of [a]"),
        ];
        for (text, line, part) in table {
            let (at, why) = Keys::parse(&text).unwrap_err();
            assert!(at == line && why.contains(part), "{text}: {at}: {why}");
            assert!(!why.contains("secret ") && !why.contains("cret #"), "{why}");
        }
    }

    #[test]
    fn a_file_that_can_t_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys");
        let said = |error: KeysError| error.to_string();
        assert!(said(Keys::read(&file).unwrap_err()).contains("keys: "), "it isn't there");
        std::fs::write(&file, "[a]\nx\n").unwrap();
        assert!(said(Keys::read(&file).unwrap_err()).ends_with("keys:2: a setting is written NAME = VALUE"));
        let long = usize::try_from(AWS_KEYS_FILE_BYTES_MAX).unwrap() + 1;
        std::fs::write(&file, "#".repeat(long)).unwrap();
        assert!(said(Keys::read(&file).unwrap_err()).contains("larger than"));
        std::fs::write(&file, [b'[', 0xff, b']']).unwrap();
        assert!(said(Keys::read(&file).unwrap_err()).contains("UTF-8"));
    }
}
