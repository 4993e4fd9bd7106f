//! A small HTTP/1.1 client for the AWS wire: one connection, one request at a time, bytes as given. For load and for requests
//! that no client library would send.

use anyhow::{Context as _, Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Bytes of an answer's headers that are read at most.
const HEAD_MAX: usize = 64 * 1024;

/// A connection that is kept between requests.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// One whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its HTTP status.
    pub status: u16,
    /// Its status line and headers.
    pub head: String,
    /// Its body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header; its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// A request of the AWS wire: signed as far as anybody looks, and kept alive.
#[must_use]
pub fn aws_request(operation: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.1\r\n\
         X-Amz-Target: AmazonEC2ContainerServiceV20141113.{operation}\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=any/20261126/us-east-1/ecs/aws4_request, SignedHeaders=host, \
         Signature=0\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

impl Connection {
    /// Connects to `host:port`.
    ///
    /// # Errors
    /// Nobody listens there.
    pub async fn dial(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// Sends a request and reads its whole answer, which must have a `Content-Length`.
    ///
    /// # Errors
    /// The connection ends or is reset before the answer is whole.
    pub async fn call(&mut self, request: &[u8]) -> Result<Answer> {
        // One who refuses may close before all was sent, and its answer is there nevertheless.
        let sent = self.stream.write_all(request).await;
        let answer = self.answer().await;
        if answer.is_err() {
            sent.context("send")?;
        }
        answer
    }

    async fn answer(&mut self) -> Result<Answer> {
        self.buffer.clear();
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|found| found == b"\r\n\r\n") {
                break at;
            }
            ensure!(self.buffer.len() < HEAD_MAX, "headers without an end");
            self.more().await.context("headers")?;
        };
        let head = String::from_utf8(self.buffer[..end].to_vec())?;
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).context("a status")?;
        let length: usize = header(&head, "content-length").context("a content-length")?.parse()?;
        let (from, to) = (end + 4, end + 4 + length);
        while self.buffer.len() < to {
            self.more().await.with_context(|| format!("the body after {head}"))?;
        }
        ensure!(self.buffer.len() == to, "more than one answer");
        Ok(Answer { status, head, body: self.buffer[from..to].to_vec() })
    }

    async fn more(&mut self) -> Result<()> {
        let count = self.stream.read_buf(&mut self.buffer).await?;
        ensure!(count > 0, "ended after {} bytes of an answer", self.buffer.len());
        Ok(())
    }
}
