//! `drydock serve-hello`: the small web server in the image that `drydock up --example` makes where no registry can be
//! reached. Listens on one port; knows nothing of the rest.

use std::time::Duration;

use clap::Args;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::failure::Failure;
use crate::output;
use crate::processes::stop_signal;

/// Bytes of a request that are read; the rest is ignored.
const REQUEST_BYTES_MAX: usize = 4_096;
/// Wait for a request, and for its answer to be taken.
const EXCHANGE_MAX: Duration = Duration::from_secs(5);
/// Connections at once; more wait to be accepted.
const CONNECTIONS_MAX: usize = 64;

/// Arguments of the command.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The port, on all addresses.
    #[arg(long, default_value_t = 80)]
    port: u16,
}

/// Serves until SIGTERM or Ctrl-C. (A process with id 1 has no default action for signals.)
///
/// # Errors
/// The port can't be had.
pub async fn run(arguments: &Arguments) -> Result<(), Failure> {
    let address = (std::net::Ipv6Addr::UNSPECIFIED, arguments.port);
    let listener = match TcpListener::bind(address).await {
        Ok(listener) => listener,
        // A host without IPv6.
        Err(_) => TcpListener::bind((std::net::Ipv4Addr::UNSPECIFIED, arguments.port))
            .await
            .map_err(Failure::system(format!("can't listen on port {}", arguments.port)))?,
    };
    output::print(&format!("serving on port {}\n", arguments.port))?;
    let free = std::sync::Arc::new(tokio::sync::Semaphore::new(CONNECTIONS_MAX));
    let mut stop = std::pin::pin!(stop_signal());
    loop {
        let Ok(permit) = std::sync::Arc::clone(&free).acquire_owned().await else { return Ok(()) };
        tokio::select! {
            () = &mut stop => return output::print("stopping\n"),
            accepted = listener.accept() => {
                let Ok((connection, peer)) = accepted else { continue };
                tokio::spawn(async move {
                    if let Ok(Ok(path)) = tokio::time::timeout(EXCHANGE_MAX, answer(connection)).await {
                        // The log is what `drydock logs` shows of the example; without a reader there is nothing to do.
                        let _ = output::print(&format!("{peer} GET {path}\n"));
                    }
                    drop(permit);
                });
            }
        }
    }
}

async fn answer(mut connection: TcpStream) -> std::io::Result<String> {
    let mut request = vec![0; REQUEST_BYTES_MAX];
    let length = connection.read(&mut request).await?;
    let text = String::from_utf8_lossy(&request[..length]);
    let path = text.split_ascii_whitespace().nth(1).unwrap_or("/").to_owned();
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let body = format!("Hello from Drydock, container {}\n", host.trim());
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n", body.len());
    connection.write_all(format!("{head}connection: close\r\n\r\n{body}").as_bytes()).await?;
    connection.shutdown().await?;
    Ok(path)
}
