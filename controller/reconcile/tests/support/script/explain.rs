//! The verb `explain` of scripts: what the service or a task waits for, and why a task stops. Times are seconds from
//! now, ids the script's names.

use std::fmt::{Debug, Write as _};

use drydock_reconcile::{explain_service, explain_task};

use super::Script;

impl Script {
    pub(super) fn explain(&self, line: &str) -> String {
        match line.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["explain"] => self.explain_service(),
            ["explain", task] => self.explain_task(task),
            _ => String::new(),
        }
    }

    fn explain_service(&self) -> String {
        let mut out = String::new();
        let service = self.world.service("web").key;
        let found = explain_service(&self.world.state, service, self.world.now).unwrap();
        if found.steady {
            let _ = writeln!(out, "    steady");
        }
        assert_eq!((found.starts, found.stops), (0, 0), "the world has settled");
        for wait in &found.waits {
            let _ = writeln!(out, "    {} by {:?}", self.short(wait), wait.cause());
        }
        out
    }

    fn explain_task(&self, name: &str) -> String {
        let mut out = String::new();
        let found = explain_task(&self.world.state, self.task(name), self.world.now).unwrap();
        for wait in &found.waits {
            let _ = writeln!(out, "    {}", self.short(wait));
        }
        if let Some(ending) = &found.ending {
            let _ = writeln!(out, "    decided by {}", self.short(&ending.decider));
        }
        out
    }

    /// Its `Debug` form with times from now and names for ids.
    fn short(&self, of: &impl Debug) -> String {
        let mut text = format!("{of:?}");
        for row in self.world.state.instances(self.world.cluster()) {
            text = text.replace(&row.key.id.to_string(), row.attribute("name").unwrap());
        }
        for (id, name) in &self.deployments {
            text = text.replace(&id.to_string(), name);
        }
        let mut out = String::new();
        for (at, part) in text.split("until: ").enumerate() {
            if at == 0 {
                out.push_str(part);
                continue;
            }
            let part = part.strip_prefix("Some(").map_or_else(|| part.to_owned(), |rest| rest.replacen(')', "", 1));
            let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
            match digits.parse::<u64>() {
                Ok(until) => {
                    let left = until.checked_sub(self.world.now).unwrap();
                    let _ = write!(out, "in {} s{}", left.div_ceil(1_000), &part[digits.len()..]);
                }
                Err(_) => out.push_str(&part),
            }
        }
        out
    }
}
