//! The commands that README.md, docs/cli.md, docs/aws.md and docs/simulator.md show, run as written, one after the other, in the
//! root of the tree, with an empty home. `drydock` and `cargo run --release --` are the program that was just built; `up` gets a folder and
//! ports of its own, and everything else is told these ports as a user would tell them, by the environment.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use drydock_tests::console::{NOT_RUN, PAGES_RUN, commands};
use drydock_tests::process::{Process, Run};
use drydock_tests::stage::{self, Stage};
use drydock_tests::{ports, wait, workspace};
use tempfile::TempDir;

/// What the README writes for the program in a clone that hasn't installed it.
const FROM_SOURCE: &str = "cargo run --release --";
/// Time in which `up` must say that it is ready, and a command that follows something must show something.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// `up --api-port P` serves AWS's clients at P + 2.
const AWS_AFTER_API: u16 = 2;

/// A shell in which the commands of one page are run.
struct Shell {
    folder: TempDir,
    path: String,
    endpoint: String,
    port: u16,
    up: Option<Process>,
}

impl Shell {
    fn new() -> Result<Self> {
        let folder = TempDir::with_prefix_in("documents-", stage::scratch())?;
        std::fs::create_dir(folder.path().join("home"))?;
        let bin = folder.path().join("bin");
        std::fs::create_dir(&bin)?;
        std::os::unix::fs::symlink(drydock_tests::binary(), bin.join("drydock"))?;
        let port = ports::free()?;
        let endpoint: Vec<String> = (0..3).map(|at| format!("127.0.0.1:{}", port + at * 10)).collect();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
        Ok(Self { folder, path, endpoint: endpoint.join(","), port, up: None })
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new("sh");
        command.arg("-c").arg(line).current_dir(workspace::root()).env_clear();
        command.env("PATH", &self.path).env("HOME", self.folder.path().join("home"));
        command.env("DRYDOCK_ENDPOINT", &self.endpoint);
        // An `export` of the page would end with its own line.
        command.env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.port + AWS_AFTER_API));
        command.env("AWS_ACCESS_KEY_ID", "any").env("AWS_SECRET_ACCESS_KEY", "any");
        command.env("AWS_DEFAULT_REGION", "us-east-1").env("AWS_PAGER", "");
        command
    }

    async fn run(&mut self, line: &str) -> Result<()> {
        let line = line.replace(FROM_SOURCE, "drydock");
        let logs = self.folder.path().to_path_buf();
        if line.starts_with("drydock up") && !line.contains("--once") {
            self.end_up().await?;
            let data = self.folder.path().join("data");
            // Tasks count as healthy after a second instead of ECS's 40: every `--wait` waits for that.
            let place = format!("--api-port {} --data-dir {}", self.port, data.display());
            // Simulated: the examples' images needn't be had here (`containers` is for Docker, and .ci/run).
            let line = format!("exec {line} {place} --healthy-after 1s --runtime simulated");
            let up = Process::start("up", self.command(&line), &logs.join("up.log"))?;
            self.up = Some(up);
            return self.ready().await;
        }
        if line.contains("--follow") {
            let line = format!("exec {line}");
            let follower = Process::start("follower", self.command(&line), &logs.join("follow.log"))?;
            wait::holds(&line, ANSWER_MAX, async || {
                ensure!(!follower.output().is_empty(), "shows nothing");
                Ok(())
            })
            .await?;
            return follower.kill();
        }
        let run = Run::of(&mut self.command(&line))?;
        run.ok().map(|_| ())
    }

    async fn ready(&mut self) -> Result<()> {
        let up = self.up.as_mut().context("up was started")?;
        wait::holds("up is ready", ANSWER_MAX, async || {
            ensure!(up.output().contains("Ctrl-C"), "{}", up.output());
            Ok(())
        })
        .await?;
        Ok(())
    }

    async fn end_up(&mut self) -> Result<()> {
        let Some(up) = self.up.take() else { return Ok(()) };
        let status = up.terminate(ANSWER_MAX).await?;
        ensure!(status.success(), "up ended with {status}");
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_that_is_shown_works() -> Result<()> {
    let _stage = Stage::take().await?;
    for page in PAGES_RUN {
        let Ok(text) = std::fs::read_to_string(workspace::root().join(page)) else { continue };
        let mut shell = Shell::new()?;
        for line in commands(&text) {
            if NOT_RUN.iter().any(|(beginning, _)| line.starts_with(beginning)) {
                continue;
            }
            let program = line.split(' ').next().unwrap_or_default();
            if ["aws", "curl"].contains(&program) && !crate::is_installed(program) {
                println!("{page}: $ {line} is skipped: {program} isn't installed");
                continue;
            }
            println!("{page}: $ {line}");
            shell.run(&line).await.with_context(|| format!("{page}: $ {line}"))?;
        }
        shell.end_up().await?;
        let left: Vec<_> = std::fs::read_dir(Path::new(&shell.folder.path().join("home")))?.collect();
        println!("{page}: {} entries left in HOME", left.len());
    }
    Ok(())
}
