//! What a pretended container does, and where that is written.
//!
//! | knob | meaning | default |
//! |---|---|---|
//! | `pull-ms` | its image takes so long | 20 |
//! | `pull-error` | its image can't be pulled, with this text | – |
//! | `digest` | what its tag stands for, `sha256:` and 64 hex digits, until the controllers pin another | follows from its name |
//! | `create-error` | it can't be created | – |
//! | `start-ms` | its start takes so long | 10 |
//! | `start-error` | it can't be started | – |
//! | `run-for-ms` | it exits by itself after | never |
//! | `exit-code` | … with this code, 0–255 | 0 |
//! | `kill-after-ms` | it is killed for want of memory after | never |
//! | `healthy-after-ms` | its health check (if the definition has one) says HEALTHY after | one interval |
//! | `unhealthy-after-ms` | … and UNHEALTHY after | never |
//! | `stop-ms` | it takes so long to exit after SIGTERM; more than its stopTimeout means SIGKILL | 10 |
//! | `stop-exit-code` | … with this code | 0 |
//! | `log-every-ms` | it writes a line so often | never |
//!
//! Each is a Docker label `drydock.sim/KNOB` of the container definition, or a setting of a [`StageRow`] of the agent's
//! configuration. A time may be a range, `100-500`: which value it is follows from the task, the container and the knob.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::limits::Millis;
use crate::network::hash;
use crate::spec::ContainerSpec;

/// What the labels begin with.
pub const LABEL_PREFIX: &str = "drydock.sim/";

/// Knobs of all containers whose image matches; later rows and then labels win.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageRow {
    /// An image, in which `*` stands for anything.
    pub image: String,
    /// Knob → value, as a label would have it.
    pub set: BTreeMap<String, String>,
}

/// One container's knobs, read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Knobs {
    pub(crate) pull_ms: Millis,
    pub(crate) pull_error: Option<String>,
    #[serde(default)]
    pub(crate) digest: Option<String>,
    pub(crate) create_error: Option<String>,
    pub(crate) start_ms: Millis,
    pub(crate) start_error: Option<String>,
    pub(crate) run_for_ms: Option<Millis>,
    pub(crate) exit_code: u8,
    pub(crate) kill_after_ms: Option<Millis>,
    pub(crate) healthy_after_ms: Option<Millis>,
    pub(crate) unhealthy_after_ms: Option<Millis>,
    pub(crate) stop_ms: Millis,
    pub(crate) stop_exit_code: u8,
    pub(crate) log_every_ms: Option<Millis>,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            pull_ms: 20,
            pull_error: None,
            digest: None,
            create_error: None,
            start_ms: 10,
            start_error: None,
            run_for_ms: None,
            exit_code: 0,
            kill_after_ms: None,
            healthy_after_ms: None,
            unhealthy_after_ms: None,
            stop_ms: 10,
            stop_exit_code: 0,
            log_every_ms: None,
        }
    }
}

/// A knob that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadKnob {
    /// There's no knob of this name.
    #[error("there is no knob {LABEL_PREFIX}{0}")]
    Unknown(String),
    /// Its value isn't what it takes.
    #[error("{LABEL_PREFIX}{knob} is {value:?}, and takes {takes}")]
    Value {
        /// Which.
        knob: String,
        /// As given.
        value: String,
        /// What would do.
        takes: &'static str,
    },
}

impl Knobs {
    /// Reads what the table and the labels say of a container.
    ///
    /// # Errors
    /// An unknown knob or a value that can't be read.
    pub fn read(stages: &[StageRow], spec: &ContainerSpec) -> Result<Self, BadKnob> {
        let definition = spec.definition();
        let mut knobs = Self::default();
        let from_table = stages.iter().filter(|row| matches(&row.image, definition.image())).flat_map(|row| &row.set);
        let from_labels = definition
            .docker_labels
            .iter()
            .filter_map(|(label, value)| Some((label.strip_prefix(LABEL_PREFIX)?, value)));
        let all = from_table.map(|(knob, value)| (knob.as_str(), value)).chain(from_labels);
        for (knob, value) in all {
            knobs.set(knob, value, &[spec.task.task_arn(), spec.name(), knob])?;
        }
        Ok(knobs)
    }

    /// Checks the knobs of a table.
    ///
    /// # Errors
    /// The first that is wrong.
    pub fn check(stages: &[StageRow]) -> Result<(), BadKnob> {
        let mut scratch = Self::default();
        stages.iter().flat_map(|row| &row.set).try_for_each(|(knob, value)| scratch.set(knob, value, &[]))
    }

    fn set(&mut self, knob: &str, value: &str, key: &[&str]) -> Result<(), BadKnob> {
        let time = || pick(knob, value, key);
        let code = || {
            value.trim().parse().map_err(|_| BadKnob::Value {
                knob: knob.into(),
                value: value.into(),
                takes: "an exit code from 0 to 255",
            })
        };
        match knob {
            "pull-ms" => self.pull_ms = time()?,
            "pull-error" => self.pull_error = Some(value.to_owned()),
            "digest" => self.digest = Some(value.to_owned()),
            "create-error" => self.create_error = Some(value.to_owned()),
            "start-ms" => self.start_ms = time()?,
            "start-error" => self.start_error = Some(value.to_owned()),
            "run-for-ms" => self.run_for_ms = Some(time()?),
            "exit-code" => self.exit_code = code()?,
            "kill-after-ms" => self.kill_after_ms = Some(time()?),
            "healthy-after-ms" => self.healthy_after_ms = Some(time()?),
            "unhealthy-after-ms" => self.unhealthy_after_ms = Some(time()?),
            "stop-ms" => self.stop_ms = time()?,
            "stop-exit-code" => self.stop_exit_code = code()?,
            "log-every-ms" => self.log_every_ms = Some(time()?.max(1)),
            _ => return Err(BadKnob::Unknown(knob.to_owned())),
        }
        Ok(())
    }
}

/// `250`, or a value of `100-500` chosen by the key.
fn pick(knob: &str, value: &str, key: &[&str]) -> Result<Millis, BadKnob> {
    let bad = || BadKnob::Value {
        knob: knob.into(),
        value: value.into(),
        takes: "milliseconds, such as 250, or a range, such as 100-500",
    };
    let (low, high) = value.split_once('-').unwrap_or((value, value));
    let (low, high): (u32, u32) = (low.trim().parse().map_err(|_| bad())?, high.trim().parse().map_err(|_| bad())?);
    if low > high {
        return Err(bad());
    }
    let width = u128::from(high - low) + 1;
    let chosen = u64::try_from((hash(key) >> 64) % width).unwrap_or_default();
    Ok(u64::from(low) + chosen)
}

/// Whether `text` matches a pattern in which `*` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == text };
    let Some(rest) = text.strip_prefix(head) else { return false };
    (0..=rest.len()).filter(|at| rest.is_char_boundary(*at)).any(|at| matches(tail, &rest[at..]))
}

#[cfg(test)]
mod tests {
    use super::{BadKnob, Knobs, StageRow, matches, pick};

    #[test]
    fn patterns() {
        for (pattern, text, expected) in [
            ("nginx", "nginx", true),
            ("nginx", "nginx:1", false),
            ("nginx*", "nginx:1", true),
            ("*/web:*", "r.example/team/web:3", true),
            ("*/web:*", "web:3", false),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn times_and_ranges() {
        assert_eq!(pick("k", "250", &[]), Ok(250));
        let many: Vec<u64> = (0..200).map(|n| pick("k", "100-104", &[&format!("task-{n}")]).unwrap()).collect();
        assert!((100..=104).all(|value| many.contains(&value)), "{many:?}");
        assert!(many.iter().all(|value| (100..=104).contains(value)));
        assert_eq!(pick("k", "100-500", &["a", "b"]), pick("k", "100-500", &["a", "b"]));
        for bad in ["", "soon", "5-1", "-3", "99999999999"] {
            assert!(pick("k", bad, &[]).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_wrong_table_is_refused() {
        let row = |knob: &str, value: &str| StageRow {
            image: "*".into(),
            set: [(knob.to_owned(), value.to_owned())].into_iter().collect(),
        };
        assert_eq!(Knobs::check(&[row("pull-ms", "5")]), Ok(()));
        assert_eq!(Knobs::check(&[row("pul-ms", "5")]), Err(BadKnob::Unknown("pul-ms".into())));
        let wrong = Knobs::check(&[row("exit-code", "300")]).unwrap_err();
        assert_eq!(wrong.to_string(), r#"drydock.sim/exit-code is "300", and takes an exit code from 0 to 255"#);
    }
}
