//! The Docker engine as the suites see it: whether one is reachable, an image made without a registry, and what runs.
//! Speaks HTTP over the engine's socket itself, so that the tests don't see through the library that they test.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::stage;

/// The image that the suites run: nothing but a static busybox.
pub const IMAGE: &str = "drydock-test/busybox:1";
/// Wait for one answer.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// Where the engine listens unless `DOCKER_HOST` says otherwise.
const SOCKET: &str = "/var/run/docker.sock";
/// Where a static busybox may be (Debian: busybox-static).
const BUSYBOX: [&str; 2] = ["/bin/busybox", "/usr/bin/busybox"];

/// Whether an agent started from here may enter containers' networks: whether this process has CAP_NET_ADMIN and
/// CAP_SYS_ADMIN.
///
/// # Errors
/// `/proc` can't be read.
pub fn may_enter_networks() -> Result<bool> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let capabilities = status.lines().find_map(|line| line.strip_prefix("CapEff:")).context("CapEff")?;
    let capabilities = u64::from_str_radix(capabilities.trim(), 16)?;
    Ok([12, 21].iter().all(|bit| capabilities & (1 << bit) != 0))
}

/// An engine that answered.
#[derive(Debug, Clone)]
pub struct Engine {
    socket: String,
}

impl Engine {
    /// The engine of this machine.
    ///
    /// # Errors
    /// None is reachable: why.
    pub fn reach() -> Result<Self> {
        let host = std::env::var("DOCKER_HOST").unwrap_or_else(|_| format!("unix://{SOCKET}"));
        let socket = host.strip_prefix("unix://").with_context(|| format!("DOCKER_HOST is {host}, not a socket"))?;
        let engine = Self { socket: socket.to_owned() };
        engine.call("GET", "/_ping", &[])?;
        Ok(engine)
    }

    /// Makes [`IMAGE`] unless it is there.
    ///
    /// # Errors
    /// No busybox on this machine, or the engine refuses.
    pub fn need_image(&self) -> Result<()> {
        if self.call("GET", &format!("/images/{IMAGE}/json"), &[]).is_ok() {
            return Ok(());
        }
        let busybox = BUSYBOX.iter().find(|path| std::fs::metadata(path).is_ok());
        let busybox = busybox.context("no busybox to make an image of (Debian: apt-get install busybox-static)")?;
        let folder = TempDir::new_in(stage::scratch())?;
        let bin = folder.path().join("bin");
        std::fs::create_dir(&bin)?;
        std::fs::copy(busybox, bin.join("busybox"))?;
        for name in ["sh", "sleep", "echo", "cat", "true", "false"] {
            std::os::unix::fs::symlink("busybox", bin.join(name))?;
        }
        let tar = Command::new("tar").arg("-C").arg(folder.path()).args(["-cf", "-", "bin"]).output()?;
        ensure!(tar.status.success(), "tar: {}", String::from_utf8_lossy(&tar.stderr));
        let (name, tag) = IMAGE.split_once(':').context("a tag")?;
        self.call("POST", &format!("/images/create?fromSrc=-&repo={name}&tag={tag}"), &tar.stdout)?;
        Ok(())
    }

    /// Containers, running or not, that have all of `labels` (`key=value`), as the engine lists them.
    ///
    /// # Errors
    /// The engine refuses.
    pub fn containers(&self, labels: &[String]) -> Result<Vec<Value>> {
        let filters = serde_json::json!({ "label": labels }).to_string();
        let answer = self.call("GET", &format!("/containers/json?all=1&filters={}", percent(&filters)), &[])?;
        Ok(serde_json::from_slice(&answer)?)
    }

    /// kill -9 of a container, behind everybody's back.
    ///
    /// # Errors
    /// The engine refuses.
    pub fn kill(&self, id: &str) -> Result<()> {
        self.call("POST", &format!("/containers/{id}/kill"), &[]).map(|_| ())
    }

    /// Removes a container, running or not.
    ///
    /// # Errors
    /// The engine refuses.
    pub fn remove(&self, id: &str) -> Result<()> {
        self.call("DELETE", &format!("/containers/{id}?force=1&v=1"), &[]).map(|_| ())
    }

    fn call(&self, method: &str, path: &str, body: &[u8]) -> Result<Vec<u8>> {
        let mut stream = UnixStream::connect(&self.socket).with_context(|| self.socket.clone())?;
        stream.set_read_timeout(Some(ANSWER_MAX))?;
        stream.set_write_timeout(Some(ANSWER_MAX))?;
        // HTTP/1.0: the answer ends with the connection, and never comes in chunks.
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: docker\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").context("an answer without a head")?;
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let status: u16 = head.split_whitespace().nth(1).context("a status")?.parse()?;
        let body = answer.split_off(end + 4);
        if !(200..300).contains(&status) {
            bail!("{method} {path}: {status} {}", String::from_utf8_lossy(&body));
        }
        Ok(body)
    }
}

/// Percent-encodes what isn't a letter or a digit.
fn percent(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(encode).collect()
}
