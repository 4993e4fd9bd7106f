//! docs/operations.md, carried out as written: its files, its commands, on machines that are folders and loopback ports
//! of this one. `systemctl stop` and `start` become a SIGTERM and the machine's last controller command.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

const PAGE: &str = include_str!("../../docs/operations.md");

/// Time for anything to happen. Far more than it takes.
const PATIENCE: Duration = Duration::from_secs(90);

/// A step of the page: a file or a command, on a machine (the last number of its address).
#[derive(Debug, PartialEq)]
enum Step {
    File { machine: u8, path: String, text: String },
    Command { machine: u8, line: String },
}

fn machine(address: &str) -> u8 {
    address.strip_prefix("10.0.0.").unwrap().parse().unwrap()
}

/// The page's steps in their order.
fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```").filter(|language| !language.is_empty()) else { continue };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        match language {
            "yaml" => {
                let (address, path) = block[0].strip_prefix("# ").unwrap().split_once(':').unwrap();
                let (machine, path) = (machine(address), path.to_owned());
                steps.push(Step::File { machine, path, text: block[1..].join("\n") });
            }
            "console" => {
                let text = block.join("\n").replace("\\\n", " ");
                for line in text.lines() {
                    let (address, line) = line.split_once("$ ").expect("a command, not output");
                    steps.push(Step::Command { machine: machine(address), line: line.to_owned() });
                }
            }
            other => assert_eq!(other, "ini", "a block that this test doesn't know"),
        }
    }
    steps
}

#[derive(Default)]
struct Machine {
    /// `controller` and `agent`.
    processes: BTreeMap<&'static str, Child>,
    /// The last command that started a controller.
    controller: String,
    /// Variables of its shell.
    shell: String,
}

struct World {
    folder: tempfile::TempDir,
    ports: BTreeMap<(u8, u16), u16>,
    machines: BTreeMap<u8, Machine>,
}

impl Drop for World {
    fn drop(&mut self) {
        for child in self.machines.values_mut().flat_map(|machine| machine.processes.values_mut()) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl World {
    fn new() -> Self {
        let mut ports = BTreeMap::new();
        let mut held = Vec::new();
        for machine in 1..=4 {
            for port in [7700, 7701] {
                let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
                ports.insert((machine, port), listener.local_addr().unwrap().port());
                held.push(listener);
            }
        }
        Self { folder: tempfile::tempdir().unwrap(), ports, machines: BTreeMap::new() }
    }

    /// Text of the page as this world has it.
    fn here(&self, machine: u8, text: &str) -> String {
        let home = self.folder.path().join(machine.to_string());
        let mut text = text.to_owned();
        for ((machine, port), free) in &self.ports {
            text = text.replace(&format!("10.0.0.{machine}:{port}"), &format!("127.0.0.1:{free}"));
        }
        for folder in ["/etc/drydock", "/var/lib/drydock"] {
            text = text.replace(folder, &format!("{}{folder}", home.display()));
        }
        assert!(!text.contains("10.0.0."), "an address that this test doesn't know: {text}");
        text
    }

    fn shell(&mut self, machine: u8, line: &str) -> Command {
        let program = PathBuf::from(env!("CARGO_BIN_EXE_drydock"));
        let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
        let shell = &self.machines.entry(machine).or_default().shell;
        let mut command = Command::new("sh");
        command.arg("-ec").arg(format!("{shell}\n{line}")).env_clear().env("PATH", path);
        // No engine: this test is about the machines, not about containers.
        command.env("DOCKER_HOST", "unix:///nowhere.sock").stdin(Stdio::null());
        command
    }

    fn output(&mut self, machine: u8, line: &str) -> String {
        let output = self.shell(machine, line).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "$ {line}\n{}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    fn start(&mut self, machine: u8, kind: &'static str, line: &str) {
        let log = self.folder.path().join(format!("{machine}-{kind}.log"));
        let log = std::fs::File::options().create(true).append(true).open(log).unwrap();
        let mut command = self.shell(machine, &format!("exec {line}"));
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let port = self.ports[&(machine, 7700)];
        let machine = self.machines.get_mut(&machine).unwrap();
        assert!(machine.processes.insert(kind, child).is_none(), "{kind} runs already");
        if kind == "controller" {
            machine.controller = line.to_owned();
            // What comes next may be its stop, which it takes in good order only once it has begun.
            holds("the controller listens", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
        }
    }

    fn stop(&mut self, machine: u8) {
        let mut child = self.machines.get_mut(&machine).unwrap().processes.remove("controller").unwrap();
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        let status = holds("the controller stops", || child.try_wait().unwrap());
        assert!(status.success(), "{status}");
    }

    /// Waits until the command prints so many lines with `part`.
    fn shows(&mut self, line: &str, part: &str, count: usize) {
        let found = |out: &str| out.lines().filter(|line| line.contains(part)).count() == count;
        holds(&format!("{line} shows {part:?} {count} times"), || found(&self.output(1, line)).then_some(()));
    }

    fn run(&mut self, machine: u8, line: &str) {
        let line = self.here(machine, line);
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match words[..] {
            ["systemctl", "stop", "drydock-controller"] => self.stop(machine),
            ["systemctl", "start", "drydock-controller"] => {
                let line = self.machines[&machine].controller.clone();
                self.start(machine, "controller", &line);
            }
            ["drydock", "controller", flag, ..] if flag.starts_with("--") => {
                self.start(machine, "controller", &line);
                if words.contains(&"--join") {
                    let name = words[words.iter().position(|word| *word == "--name").unwrap() + 1];
                    self.shows("drydock controller list | grep FOLLOWER", &format!("{name} "), 1);
                }
            }
            ["drydock", "agent", ..] => {
                self.start(machine, "agent", &line);
                let agents = self.machines.values().filter(|machine| machine.processes.contains_key("agent")).count();
                self.shows("drydock container-instance list", " connected ", agents);
            }
            ["drydock", "controller", "remove", "four"] => {
                self.output(machine, &line);
                let mut child = self.machines.get_mut(&4).unwrap().processes.remove("controller").unwrap();
                let status = holds("the removed controller ends", || child.try_wait().unwrap());
                assert!(!status.success());
            }
            [word, ..] if word == "export" || word.contains('=') => {
                self.output(machine, &line);
                self.machines.get_mut(&machine).unwrap().shell.push_str(&format!("{line}\n"));
            }
            _ => drop(self.output(machine, &line)),
        }
    }
}

fn holds<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_page_works_as_written() {
    let mut world = World::new();
    let steps = steps(PAGE);
    assert!(steps.len() > 40, "{steps:?}");
    for step in steps {
        match step {
            Step::File { machine, path, text } => {
                let path = PathBuf::from(world.here(machine, &path));
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, world.here(machine, &text)).unwrap();
            }
            Step::Command { machine, line } => {
                // What a failed run shows: the page's line, not this world's.
                println!("10.0.0.{machine}$ {line}");
                world.run(machine, &line);
            }
        }
    }
    // All is there after the restore.
    world.shows("drydock cluster list", "default", 1);
    world.shows("drydock container-instance list", " connected ", 2);
    world.shows("drydock controller list", "FOLLOWER", 2);
}

#[test]
fn a_page_becomes_steps() {
    let page =
        "```yaml\n# 10.0.0.2:/etc/x.yaml\na: 1\n```\ntext\n```console\n10.0.0.1$ one \\\n    two\n10.0.0.3$ x\n```\n";
    let command = |machine, line: &str| Step::Command { machine, line: line.to_owned() };
    let file = Step::File { machine: 2, path: "/etc/x.yaml".into(), text: "a: 1".into() };
    assert_eq!(steps(page), [file, command(1, "one      two"), command(3, "x")]);
}
