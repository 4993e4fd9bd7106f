//! Docker, as far as `up` needs it: whether an engine is reachable, whether an image is there or can be pulled, and an
//! image of our own for the web example where no registry can be reached. That image holds this very program with the
//! shared libraries that it needs, imported as a tar: no registry, no compiler, no Dockerfile.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::CreateImageOptionsBuilder;
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::sync::mpsc;

use crate::failure::Failure;

/// The image that is made where the example's own can't be had.
pub const HELLO: &str = "drydock/hello:latest";
/// Wait for an engine to answer.
const PING_MAX: Duration = Duration::from_secs(2);
/// Wait for an image to be pulled.
const PULL_MAX: Duration = Duration::from_secs(120);
/// Wait for our own image to be imported.
const IMPORT_MAX: Duration = Duration::from_secs(120);
/// Bytes of the tar handed over at a time; at most [`PARTS_AHEAD`] of them wait.
const PART_BYTES: usize = 256 * 1024;
/// Parts of the tar that wait for the engine. Then reading waits.
const PARTS_AHEAD: usize = 4;
/// The label that tells which program an image of ours holds.
const BUILD_LABEL: &str = "drydock.build";

/// An engine, where one is reachable: by `DOCKER_HOST`, or at its usual socket.
pub async fn engine() -> Result<Docker, String> {
    let docker = Docker::connect_with_defaults().map_err(|error| error.to_string())?;
    match tokio::time::timeout(PING_MAX, docker.ping()).await {
        Ok(Ok(_)) => Ok(docker),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("it doesn't answer within {} s", PING_MAX.as_secs())),
    }
}

/// Whether the engine has the image.
pub async fn is_there(docker: &Docker, image: &str) -> bool {
    docker.inspect_image(image).await.is_ok()
}

/// Pulls an image.
///
/// # Errors
/// The registry's or engine's reason, or two minutes have passed.
pub async fn pull(docker: &Docker, image: &str) -> Result<(), String> {
    let reference = if image.contains('@') || image.rsplit('/').next().is_some_and(|name| name.contains(':')) {
        image.to_owned()
    } else {
        format!("{image}:latest")
    };
    let options = CreateImageOptionsBuilder::default().from_image(&reference).build();
    let all = async {
        let mut steps = docker.create_image(Some(options), None, None);
        while let Some(step) = steps.next().await {
            step.map_err(|error| error.to_string())?;
        }
        Ok(())
    };
    tokio::time::timeout(PULL_MAX, all).await.unwrap_or_else(|_| Err(format!("not within {} s", PULL_MAX.as_secs())))
}

/// Makes [`HELLO`] where it is missing or holds another build.
///
/// # Errors
/// This program's own files can't be read, or the engine refuses.
pub async fn make_hello(docker: &Docker) -> Result<(), Failure> {
    let program = PathBuf::from("/proc/self/exe");
    let found = program.metadata().map_err(Failure::system("can't read this program's own file"))?;
    let changed = found.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    let build = format!("{}-{}", found.len(), changed.map_or(0, |time| time.as_millis()));
    if let Ok(image) = docker.inspect_image(HELLO).await
        && image.config.and_then(|config| config.labels).is_some_and(|labels| labels.get(BUILD_LABEL) == Some(&build))
    {
        return Ok(());
    }
    let libraries = libraries().await?;
    let mut folders: Vec<String> =
        libraries.iter().filter_map(|path| path.parent()).map(|folder| folder.display().to_string()).collect();
    folders.sort();
    folders.dedup();
    let changes = vec![
        "ENTRYPOINT [\"/drydock\"]".to_owned(),
        "CMD [\"serve-hello\", \"--port\", \"80\"]".to_owned(),
        "EXPOSE 80".to_owned(),
        format!("ENV LD_LIBRARY_PATH={}", folders.join(":")),
        format!("LABEL {BUILD_LABEL}={build}"),
    ];
    let (sender, receiver) = mpsc::channel(PARTS_AHEAD);
    let writer =
        tokio::task::spawn_blocking(move || write_tar(Parts { sender, part: Vec::new() }, &program, &libraries));
    let body = bollard::body_try_stream(tokio_stream::wrappers::ReceiverStream::new(receiver));
    let (repo, tag) = HELLO.split_once(':').unwrap_or((HELLO, "latest"));
    let options = CreateImageOptionsBuilder::default().from_src("-").repo(repo).tag(tag).changes(changes).build();
    let import = async {
        let mut steps = docker.create_image(Some(options), Some(body), None);
        while let Some(step) = steps.next().await {
            step.map_err(|error| Failure::Other(format!("Docker can't import {HELLO}: {error}")))?;
        }
        Ok::<(), Failure>(())
    };
    let late = || Failure::Other(format!("Docker didn't import {HELLO} within {} s", IMPORT_MAX.as_secs()));
    tokio::time::timeout(IMPORT_MAX, import).await.map_err(|_| late())??;
    let written = writer.await.map_err(|error| Failure::Other(error.to_string()))?;
    written.map_err(Failure::system(format!("can't make the image {HELLO}")))
}

/// The shared libraries that this program needs, with the loader itself. The loader lists them when it finds this
/// variable; a program without a loader (linked statically) takes no notice and prints its version.
async fn libraries() -> Result<Vec<PathBuf>, Failure> {
    let mut command = tokio::process::Command::new("/proc/self/exe");
    command.arg("version").env("LD_TRACE_LOADED_OBJECTS", "1").stdin(std::process::Stdio::null());
    let output = command.output().await.map_err(Failure::system("can't list the libraries of this program"))?;
    Ok(parse_libraries(&String::from_utf8_lossy(&output.stdout)))
}

/// Lines such as `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)` and `/lib64/ld-linux-x86-64.so.2 (0x…)`.
fn parse_libraries(listed: &str) -> Vec<PathBuf> {
    let path = |line: &str| {
        let (found, _) = line.trim().rsplit_once(" (0x")?;
        let found = found.split_once(" => ").map_or(found, |(_, path)| path);
        found.starts_with('/').then(|| PathBuf::from(found))
    };
    listed.lines().filter_map(path).collect()
}

fn write_tar(parts: Parts, program: &Path, libraries: &[PathBuf]) -> std::io::Result<()> {
    let mut tar = tar::Builder::new(parts);
    // The file behind a link is wanted, under the name that the loader asks for.
    tar.follow_symlinks(true);
    // Docker doesn't read GNU's form for files with holes.
    tar.sparse(false);
    for library in libraries {
        tar.append_path_with_name(library, library.strip_prefix("/").unwrap_or(library))?;
    }
    tar.append_path_with_name(program, "drydock")?;
    tar.into_inner()?.flush()
}

/// Hands what is written over to the engine in parts.
struct Parts {
    sender: mpsc::Sender<std::io::Result<Bytes>>,
    part: Vec<u8>,
}

impl Write for Parts {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.part.extend_from_slice(bytes);
        if self.part.len() >= PART_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let part = Bytes::from(std::mem::take(&mut self.part));
        let gone = |_| std::io::Error::new(std::io::ErrorKind::BrokenPipe, "the engine stopped reading");
        self.sender.blocking_send(Ok(part)).map_err(gone)
    }
}

#[cfg(test)]
mod tests {
    use super::parse_libraries;
    use std::path::Path;

    #[test]
    fn the_loaders_list_is_read() {
        let listed = "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibgcc_s.so.1 => /lib/x86_64-linux-gnu/libgcc_s.so.1 (0x00007f)\n\
                      \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n\t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        let expected =
            ["/lib/x86_64-linux-gnu/libgcc_s.so.1", "/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"];
        assert_eq!(parse_libraries(listed), expected.map(Path::new));
        assert!(parse_libraries("drydock 0.1.0\n").is_empty());
    }
}
