//! The answer to a connection that is one too many: HTTP 503 as AWS's clients know it and try again. Reads a bounded part of
//! what comes, for a bounded time, and keeps none of it.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::limits::{AWS_HEAD_BYTES_MAX, AWS_REFUSED_READ_MAX};

/// Bytes that are read at a time.
const PART: usize = 4 * 1024;
/// What ends the headers of a request.
const END: &[u8] = b"\r\n\r\n";

/// Answers and closes, each step within `patience`.
pub(super) async fn tell(mut stream: TcpStream, patience: Duration) {
    // Some clients take an answer that comes before their request for a fault. One who sends nothing gets it nevertheless.
    let asked = tokio::time::timeout(patience, read_head(&mut stream)).await;
    let left = asked.ok().and_then(Result::ok).unwrap_or(AWS_REFUSED_READ_MAX);
    let rest = async {
        stream.write_all(answer().as_bytes()).await?;
        stream.shutdown().await?;
        forget(&mut stream, left).await
    };
    match tokio::time::timeout(patience, rest).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a refused connection to the AWS port ended"),
        Err(_) => tracing::debug!("a refused connection to the AWS port didn't end in time"),
    }
}

/// Reads up to the end of the headers, or [`AWS_HEAD_BYTES_MAX`]. Gives how many bytes the client still has to send: a bound
/// where it doesn't say.
async fn read_head(stream: &mut TcpStream) -> io::Result<usize> {
    let (mut part, mut head) = ([0; PART], Vec::with_capacity(PART));
    while head.len() < AWS_HEAD_BYTES_MAX {
        let count = stream.read(&mut part).await?;
        let Some(new) = part.get(..count).filter(|new| !new.is_empty()) else { break };
        // The end may lie across two parts.
        let from = head.len().saturating_sub(END.len() - 1);
        head.extend_from_slice(new);
        let end = head.get(from..).and_then(|new| new.windows(END.len()).position(|found| found == END));
        if let Some(end) = end {
            let body = head.len() - from - end - END.len();
            return Ok(body_length(&head).map_or(AWS_REFUSED_READ_MAX, |length| length.saturating_sub(body)));
        }
    }
    Ok(AWS_REFUSED_READ_MAX)
}

fn body_length(head: &[u8]) -> Option<usize> {
    let text = String::from_utf8_lossy(head);
    let mut headers = text.lines().skip(1).take_while(|line| !line.is_empty()).filter_map(|line| line.split_once(':'));
    let given = headers.find(|(name, _)| {
        name.eq_ignore_ascii_case("content-length") || name.eq_ignore_ascii_case("transfer-encoding")
    });
    match given {
        Some((_, value)) => value.trim().parse().ok(),
        None => Some(0),
    }
}

/// Reads what the client still sends, up to a bound: a socket that is closed with bytes unread resets the connection, and the
/// answer is lost with that.
async fn forget(stream: &mut TcpStream, left: usize) -> io::Result<()> {
    let (mut part, mut length) = ([0; PART], 0);
    while length < left.min(AWS_REFUSED_READ_MAX) {
        match stream.read(&mut part).await? {
            0 => break,
            count => length += count,
        }
    }
    Ok(())
}

fn answer() -> String {
    let body = r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#;
    format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: {}\r\nx-amzn-ErrorType: ThrottlingException\r\n\
         x-amzn-RequestId: {}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        super::JSON,
        crate::identity::random().map_or_else(|_| "0".to_owned(), super::uuid),
        body.len()
    )
}
