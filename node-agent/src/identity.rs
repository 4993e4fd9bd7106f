//! Who this instance is: a token made at the first start and the ARN that the controllers gave. In a small file of its
//! own, so that it outlives a damaged journal: without it the instance would be a new one, and its containers nobody's.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::AgentError;

const FILE: &str = "identity.json";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) instance_token: String,
    #[serde(default)]
    pub(crate) container_instance_arn: String,
    /// Of 127.0.0.1, where tasks in the host's network find their metadata: containers that run have been told it.
    #[serde(default)]
    pub(crate) endpoint_port: Option<u16>,
}

/// The data folder, held by this process alone as long as this lives.
#[derive(Debug)]
pub(crate) struct DataDir {
    pub(crate) path: PathBuf,
    _lock: File,
}

impl DataDir {
    pub(crate) fn open(path: &Path) -> Result<Self, AgentError> {
        fs::create_dir_all(path).map_err(AgentError::disk(path))?;
        let lock_path = path.join("lock");
        let lock = File::create(&lock_path).map_err(AgentError::disk(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(fs::TryLockError::WouldBlock) => Err(AgentError::InUse(path.to_owned())),
            Err(fs::TryLockError::Error(error)) => Err(AgentError::disk(lock_path)(error)),
        }
    }

    /// The identity, made where there is none.
    pub(crate) fn identity(&self) -> Result<Identity, AgentError> {
        let path = self.path.join(FILE);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| AgentError::Disk {
                path,
                source: std::io::Error::new(std::io::ErrorKind::InvalidData, error),
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let identity = Identity {
                    instance_token: random_hex()?,
                    container_instance_arn: String::new(),
                    endpoint_port: None,
                };
                self.keep(&identity)?;
                Ok(identity)
            }
            Err(error) => Err(AgentError::disk(path)(error)),
        }
    }

    /// Writes it: a new file, synced, then renamed over the old, then the folder synced.
    pub(crate) fn keep(&self, identity: &Identity) -> Result<(), AgentError> {
        let path = self.path.join(FILE);
        let new = self.path.join("identity.json.new");
        let write = || -> std::io::Result<()> {
            let mut file = File::create(&new)?;
            file.write_all(&serde_json::to_vec(identity)?)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            File::open(&self.path)?.sync_all()
        };
        write().map_err(AgentError::disk(path))
    }
}

/// 32 random hex digits.
pub(crate) fn random_hex() -> Result<String, AgentError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| AgentError::Random(error.to_string()))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{AgentError, DataDir};

    #[test]
    fn an_identity_lasts_and_its_folder_has_one_owner() {
        let temp = tempfile::tempdir().unwrap();
        let data = DataDir::open(temp.path()).unwrap();
        let mut identity = data.identity().unwrap();
        assert_eq!(identity.instance_token.len(), 32);
        identity.container_instance_arn = "arn".into();
        data.keep(&identity).unwrap();
        assert!(matches!(DataDir::open(temp.path()), Err(AgentError::InUse(_))));
        drop(data);
        assert_eq!(DataDir::open(temp.path()).unwrap().identity().unwrap(), identity);
    }
}
