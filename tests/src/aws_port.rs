//! HTTP/1.1 to a controller's AWS port without a client library: a figure's page, or one operation as JSON.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// Wait for an answer, elections included.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP's status.
    pub status: u16,
    /// The header `content-type`.
    pub content_type: String,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    /// It is none.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.body).with_context(|| self.body.clone())
    }
}

fn send(address: &str, head: &str, body: &str) -> Result<Answer> {
    let mut connection = TcpStream::connect(address).with_context(|| address.to_owned())?;
    connection.set_read_timeout(Some(ANSWER_MAX))?;
    let length = body.len();
    write!(connection, "{head}Host: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")?;
    let mut text = String::new();
    connection.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").context("no answer")?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).context("no status")?;
    let mut headers = head.lines().filter_map(|line| line.split_once(": "));
    let content_type = headers.find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let content_type = content_type.map(|(_, value)| value.to_owned()).unwrap_or_default();
    Ok(Answer { status, content_type, body: body.to_owned() })
}

/// `GET`s a path.
///
/// # Errors
/// No answer.
pub fn get(address: &str, path: &str) -> Result<Answer> {
    send(address, &format!("GET {path} HTTP/1.1\r\n"), "")
}

/// Makes one operation of ECS, as AWS's clients do; the answer may be a refusal.
///
/// # Errors
/// No answer.
pub fn call(address: &str, operation: &str, body: &Value) -> Result<Answer> {
    let head = format!(
        "POST / HTTP/1.1\r\nContent-Type: application/x-amz-json-1.1\r\n\
         X-Amz-Target: AmazonEC2ContainerServiceV20141113.{operation}\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=AKID/20261126/us-east-1/ecs/aws4_request, SignedHeaders=host, \
         Signature=0\r\n"
    );
    send(address, &head, &body.to_string())
}

/// As [`call`]; the answer must be one that carries the operation out.
///
/// # Errors
/// No answer, or a refusal.
pub fn done(address: &str, operation: &str, body: &Value) -> Result<Value> {
    let answer = call(address, operation, body)?;
    ensure!(answer.status == 200, "{operation} {body}: {} {}", answer.status, answer.body);
    answer.json()
}
