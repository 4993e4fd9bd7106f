//! Credentials of task roles: from a file in the form of AWS's shared credentials, or made up where none is configured.
//! There is no IAM: what a role may do is the file's affair, and made-up ones open nothing but Drydock itself.

use std::path::Path;

use drydock_engine::limits::Millis;
use serde_json::{Value, json};

use crate::config::CredentialsConfig;
use crate::identity::random_hex;

/// For how long a client may use what it was given. Those of a file are read again with each request, so that a client
/// comes to know of new ones within this.
pub(crate) const LIFETIME_MS: Millis = 6 * 3_600 * 1_000;
/// Bytes of a credentials file; a longer one is refused.
const FILE_BYTES_MAX: u64 = 256 * 1_024;

/// The three parts of a set of credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Keys {
    access_key_id: String,
    secret_access_key: String,
    /// Empty where there is none.
    token: String,
}

/// Credentials for a role, as the endpoint answers them.
///
/// # Errors
/// The configured file can't be read, or has no such profile: why.
pub(crate) fn of_role(config: &CredentialsConfig, role_arn: &str, now: Millis) -> Result<Value, String> {
    let keys = match &config.file {
        Some(file) => from_file(file, config.profiles.get(role_arn).unwrap_or(&config.profile))?,
        None => made_up()?,
    };
    Ok(json!({
        "RoleArn": role_arn,
        "AccessKeyId": keys.access_key_id,
        "SecretAccessKey": keys.secret_access_key,
        "Token": keys.token,
        "Expiration": super::render::seconds(now + LIFETIME_MS),
    }))
}

/// Anew with each request: whoever takes them for real ones sees by their names that they aren't.
fn made_up() -> Result<Keys, String> {
    let random = || random_hex().map_err(|error| error.to_string());
    let (id, secret, token) = (random()?.to_uppercase(), random()?, random()?);
    Ok(Keys {
        access_key_id: format!("ASIADRYDOCK{}", id.get(..9).unwrap_or_default()),
        secret_access_key: format!("drydock-{secret}"),
        token: format!("drydock-made-up-{token}"),
    })
}

fn from_file(path: &Path, profile: &str) -> Result<Keys, String> {
    let told = |error: std::io::Error| format!("{}: {error}", path.display());
    if std::fs::metadata(path).map_err(told)?.len() > FILE_BYTES_MAX {
        return Err(format!("{}: more than {FILE_BYTES_MAX} bytes", path.display()));
    }
    let text = std::fs::read_to_string(path).map_err(told)?;
    in_profile(&text, profile).map_err(|why| format!("{}: {why}", path.display()))
}

/// The keys of one `[profile]` of a file like `~/.aws/credentials`.
fn in_profile(text: &str, profile: &str) -> Result<Keys, String> {
    let mut current = "";
    let mut found = false;
    let (mut id, mut secret, mut token) = (None, None, None);
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            current = name.trim();
            current = current.strip_prefix("profile ").map_or(current, str::trim);
            found |= current == profile;
            continue;
        }
        let Some((key, value)) = line.split_once('=').filter(|_| current == profile) else { continue };
        let place = match key.trim() {
            "aws_access_key_id" => &mut id,
            "aws_secret_access_key" => &mut secret,
            "aws_session_token" => &mut token,
            _ => continue,
        };
        *place = Some(value.trim().to_owned());
    }
    match (id, secret) {
        (Some(access_key_id), Some(secret_access_key)) => {
            Ok(Keys { access_key_id, secret_access_key, token: token.unwrap_or_default() })
        }
        _ if found => Err(format!("the profile {profile:?} lacks aws_access_key_id or aws_secret_access_key")),
        _ => Err(format!("there's no profile {profile:?}")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use super::{CredentialsConfig, in_profile, of_role};

    const FILE: &str = "# mine\n[default]\naws_access_key_id = AKIA1\naws_secret_access_key=s1\n\n[profile web]\n\
                        aws_access_key_id=ASIA2\naws_secret_access_key = s=2\naws_session_token = t2\n[half]\n\
                        aws_access_key_id=ASIA3\n";

    #[test]
    fn profiles() {
        for (profile, expected) in [
            ("default", Ok("AKIA1 s1 ")),
            ("web", Ok("ASIA2 s=2 t2")),
            ("half", Err("the profile \"half\" lacks aws_access_key_id or aws_secret_access_key")),
            ("none", Err("there's no profile \"none\"")),
        ] {
            let keys = in_profile(FILE, profile);
            let keys = keys.map(|keys| format!("{} {} {}", keys.access_key_id, keys.secret_access_key, keys.token));
            assert_eq!(keys.as_deref().map_err(String::as_str), expected, "{profile}");
        }
    }

    // rule: 2.5/credentials
    #[test]
    fn by_role_and_read_again_each_time() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("credentials");
        std::fs::write(&file, FILE).unwrap();
        let profiles = BTreeMap::from([("arn:aws:iam::1:role/web".to_owned(), "web".to_owned())]);
        let config = CredentialsConfig { file: Some(file.clone()), profiles, ..Default::default() };
        let web = of_role(&config, "arn:aws:iam::1:role/web", 1_769_191_078_500).unwrap();
        assert_eq!(
            web,
            serde_json::json!({
                "RoleArn": "arn:aws:iam::1:role/web", "AccessKeyId": "ASIA2", "SecretAccessKey": "s=2", "Token": "t2",
                "Expiration": "2026-01-23T23:57:58Z"
            })
        );
        assert_eq!(of_role(&config, "other", 0).unwrap()["AccessKeyId"], "AKIA1");
        std::fs::write(&file, FILE.replace("AKIA1", "AKIA9")).unwrap();
        assert_eq!(of_role(&config, "other", 0).unwrap()["AccessKeyId"], "AKIA9");
        std::fs::remove_file(&file).unwrap();
        assert!(of_role(&config, "other", 0).unwrap_err().contains("No such file"));
    }

    #[test]
    fn made_up_ones_say_so_and_change() {
        let one = of_role(&CredentialsConfig::default(), "r", 0).unwrap();
        let two = of_role(&CredentialsConfig::default(), "r", 0).unwrap();
        assert!(one["AccessKeyId"].as_str().unwrap().starts_with("ASIADRYDOCK"));
        assert_eq!(one["AccessKeyId"].as_str().unwrap().len(), 20);
        assert!(one["Token"].as_str().unwrap().starts_with("drydock-made-up-"));
        assert_ne!(one["SecretAccessKey"], two["SecretAccessKey"]);
    }
}
