//! Controllers that can't come back as they are (their folder is lost, or somebody else's) are replaced by new ones, as often
//! as it takes: whoever runs `up` has no other hand to do it with.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::children::Children;
use super::console::Console;
use crate::client::Client;

/// How often is looked whether a controller is lost.
const LOST_LOOK: Duration = Duration::from_millis(500);
/// Wait before one that couldn't be replaced is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// When a look is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// At the start: one that somebody removed in an earlier run comes back as a new one.
    Start,
    /// While all runs: one that somebody removes is meant to be away.
    Running,
}

/// What is known of the lost ones; what is said, is said once.
#[derive(Debug, Default)]
pub struct Replacing {
    /// By controller: why it wasn't replaced when that was tried last.
    failures: BTreeMap<String, String>,
    /// The next try of those.
    retry_at: Option<Instant>,
    /// Those that somebody removed.
    away: BTreeSet<String>,
    /// It was said that the rest has no majority.
    told_of_majority: bool,
}

impl Replacing {
    /// Goes on for ever; replaces members that lose their disk meanwhile.
    pub async fn keep_whole<T>(&mut self, children: &mut Children, client: &Client, console: &Console) -> T {
        let mut look = tokio::time::interval(LOST_LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            look.tick().await;
            self.look(children, client, console, When::Running).await;
        }
    }

    /// One look; whether one was replaced. Where one can't be, the others go on without it.
    pub async fn look(&mut self, children: &mut Children, client: &Client, console: &Console, when: When) -> bool {
        let mut lost = children.lost();
        self.failures.retain(|name, _| lost.contains(name));
        lost.retain(|name| !self.away.contains(name));
        let new = lost.iter().any(|name| !self.failures.contains_key(name));
        let again = self.retry_at.is_none_or(|at| Instant::now() >= at);
        if lost.is_empty() || !(new || again) {
            return false;
        }
        self.retry_at = Some(Instant::now() + RETRY);
        if when == When::Running {
            // Those that somebody removed are no loss to the others.
            let members = children.members(client).await;
            if let Ok(members) = &members {
                let (away, still) = lost.into_iter().partition(|name| children.is_away(name, members));
                self.away.extend::<Vec<String>>(away);
                lost = still;
            }
            let all = members.map_or(children.layout().controllers.len() - self.away.len(), |members| members.len());
            if self.no_majority(&lost, all, console) {
                // Looked at again as seldom as those that couldn't be replaced.
                self.failures.extend(lost.into_iter().map(|name| (name, String::new())));
                return false;
            }
        }
        let mut replaced = false;
        for name in lost {
            match children.replace_controller(&name, client).await {
                Ok(aside) => {
                    let kept = aside.map(|folder| format!("; its old folder is kept as {}", folder.display()));
                    console.line(&format!("{name} is replaced by a new controller{}", kept.unwrap_or_default()));
                    self.failures.remove(&name);
                    replaced = true;
                }
                Err(failure) => {
                    let why = failure.to_string();
                    if self.failures.get(&name) != Some(&why) {
                        console.line(&format!("{name} isn't replaced yet: {why}"));
                    }
                    self.failures.insert(name, why);
                }
            }
        }
        replaced
    }

    /// Says where so many are lost that the rest can decide nothing. What runs goes on, nothing else does.
    fn no_majority(&mut self, lost: &[String], all: usize, console: &Console) -> bool {
        let gone = !lost.is_empty() && lost.len() * 2 >= all;
        if gone && !self.told_of_majority {
            console.line(&format!(
                "{} of {all} controllers can't come back as they are ({}): the others are no majority and can decide nothing. \
                 Tasks run on. Put back one of their folders from a backup and start this again, or begin anew with another \
                 --data-dir",
                lost.len(),
                lost.join(", ")
            ));
        }
        self.told_of_majority = gone;
        gone
    }
}
