//! Holds what is seen against what is expected.

use drydock_state::State;
use drydock_state::row::ServiceRow;

use super::fleet::is_about;
use super::observer::{count, ordinal};
use super::record::{Costs, Kind, Line, Record, ServiceSample, Verdict};
use super::scenario::{
    ExpectCost, ExpectCount, ExpectDeployment, ExpectEvent, ExpectNoTask, ExpectService, ExpectSteady, ExpectUnsteady,
    Expectation, PriceList, Rollout, Scenario,
};
use super::units::Span;

/// What was seen of one expectation so far.
#[derive(Debug, Clone, Default)]
struct Track {
    /// The first time that it didn't hold, in words.
    broken: Option<String>,
    /// Whether it holds as things stand, or when it first did.
    met: Option<Span>,
    /// What stands now, in words.
    stands: String,
    /// The lowest or highest number that was seen, and when.
    extreme: Option<(u32, Span)>,
}

/// The judge of one rehearsal.
pub(crate) struct Judge<'a> {
    expect: &'a [Expectation],
    tracks: Vec<Track>,
    until: Span,
}

impl<'a> Judge<'a> {
    pub(crate) fn new(scenario: &'a Scenario) -> Self {
        let expect = &scenario.expect;
        Self { expect, tracks: vec![Track::default(); expect.len()], until: scenario.until }
    }

    /// Looks at a state, as of a moment since the beginning.
    pub(crate) fn see(&mut self, at: Span, state: &State) {
        for (expected, track) in self.expect.iter().zip(&mut self.tracks) {
            if let Some(expected) = &expected.deployment {
                track.deployment(expected, at, state);
            }
            if let Some(expected) = &expected.running_never_below {
                track.bound(expected, at, state, |count, bound| count < bound);
            }
            if let Some(expected) = &expected.running_never_above {
                track.bound(expected, at, state, |count, bound| count > bound);
            }
            if let Some(expected) = &expected.healthy_never_below_minimum {
                track.healthy(expected, at, state);
            }
            if let Some(expected) = &expected.steady {
                track.steady(expected, at, state);
            }
            if let Some(expected) = &expected.no_task_on {
                track.no_task(expected, at, self.until, state);
            }
        }
    }

    /// The verdicts, in the scenario's order.
    pub(crate) fn verdicts(self, record: &Record) -> Vec<Verdict> {
        let judged = self.expect.iter().zip(self.tracks).enumerate();
        judged.map(|(place, (expected, track))| verdict(place, expected, track, record)).collect()
    }
}

fn find<'a>(state: &'a State, name: &str) -> Option<&'a ServiceRow> {
    state.all_services().find(|row| &*row.name == name).map(|row| &**row)
}

fn is_within(at: Span, from: Option<Span>, until: Option<Span>) -> bool {
    from.is_none_or(|from| from <= at) && until.is_none_or(|until| at <= until)
}

impl Track {
    fn deployment(&mut self, expected: &ExpectDeployment, at: Span, state: &State) {
        if expected.by.is_some_and(|by| by < at) {
            return;
        }
        let found = find(state, &expected.service).and_then(|service| {
            state
                .deployments(service.key)
                .rev()
                .find(|row| expected.number.is_none_or(|number| ordinal(state, row) == number))
        });
        let Some(row) = found else {
            self.stands = "there was no such deployment".to_owned();
            return;
        };
        let rollout = expected.rollout_state.is_none_or(|wanted| spelling(wanted) == row.rollout_state.as_str());
        let status = expected.status.as_ref().is_none_or(|wanted| wanted == row.status.as_str());
        if rollout && status {
            self.met.get_or_insert(at);
        } else {
            self.met = None;
        }
        self.stands = format!("deployment {} was {} ({})", ordinal(state, row), row.rollout_state.as_str(), row.status);
    }

    fn sample(name: &str, state: &State) -> ServiceSample {
        find(state, name).map(|service| count(state, service)).unwrap_or_default()
    }

    fn bound(&mut self, expected: &ExpectCount, at: Span, state: &State, is_beyond: impl Fn(u32, u32) -> bool) {
        if !is_within(at, expected.from, expected.until) {
            return;
        }
        let running = Self::sample(&expected.service, state).running;
        // What is worse than the worst so far is further beyond.
        if self.extreme.is_none_or(|(worst, _)| is_beyond(running, worst)) {
            self.extreme = Some((running, at));
        }
        if is_beyond(running, expected.count) {
            self.broken.get_or_insert_with(|| format!("{running} RUNNING at {at}"));
        }
    }

    fn healthy(&mut self, expected: &ExpectService, at: Span, state: &State) {
        if !is_within(at, expected.from, expected.until) {
            return;
        }
        let ServiceSample { healthy, minimum, .. } = Self::sample(&expected.service, state);
        if self.extreme.is_none_or(|(worst, _)| healthy < worst) {
            self.extreme = Some((healthy, at));
        }
        if healthy < minimum {
            self.broken.get_or_insert_with(|| format!("{healthy} of at least {minimum} healthy at {at}"));
        }
    }

    fn steady(&mut self, expected: &ExpectSteady, at: Span, state: &State) {
        if !is_within(at, None, expected.at) {
            return;
        }
        if find(state, &expected.service).is_some_and(|service| service.progress.steady) {
            self.met.get_or_insert(at);
        } else {
            self.met = None;
        }
    }

    fn no_task(&mut self, expected: &ExpectNoTask, at: Span, end: Span, state: &State) {
        if !is_within(at, expected.from.or(Some(end)), expected.until) {
            return;
        }
        for row in state.all_instances() {
            let zone = row.availability_zone().map_or("", |zone| &**zone);
            if is_about(expected, &row.info.token, zone) {
                let tasks = state.live_tasks_on(row.key).count();
                if tasks > 0 {
                    self.broken.get_or_insert_with(|| format!("{tasks} on {} at {at}", row.info.token));
                }
            }
        }
    }

    fn bounded(self, what: &str) -> (bool, String) {
        let worst = self.extreme.map(|(count, at)| format!("the {what} was {count}, at {at}"));
        match (self.broken, worst) {
            (Some(broken), worst) => (false, format!("{broken}; {}", worst.unwrap_or_default())),
            (None, Some(worst)) => (true, worst),
            (None, None) => (false, "that time never came".to_owned()),
        }
    }
}

fn spelling(rollout: Rollout) -> &'static str {
    match rollout {
        Rollout::Completed => "COMPLETED",
        Rollout::Failed => "FAILED",
        Rollout::InProgress => "IN_PROGRESS",
    }
}

fn window(from: Option<Span>, until: Option<Span>) -> String {
    let part = |word: &str, at: Option<Span>| at.map(|at| format!(" {word} {at}")).unwrap_or_default();
    format!("{}{}", part("from", from), part("until", until))
}

fn by(at: Option<Span>) -> String {
    at.map_or_else(|| " by the end".to_owned(), |at| format!(" by {at}"))
}

fn verdict(place: usize, expected: &Expectation, track: Track, record: &Record) -> Verdict {
    let lines = &record.lines;
    let (expected, (held, seen)) = if let Some(of) = &expected.deployment {
        deployment(of, &track)
    } else if let Some(of) = &expected.running_never_below {
        let what = format!("{} never has fewer than {} RUNNING{}", of.service, of.count, window(of.from, of.until));
        (what, track.bounded("lowest"))
    } else if let Some(of) = &expected.running_never_above {
        let what = format!("{} never has more than {} RUNNING{}", of.service, of.count, window(of.from, of.until));
        (what, track.bounded("highest"))
    } else if let Some(of) = &expected.healthy_never_below_minimum {
        let window = window(of.from, of.until);
        (
            format!("{} never has fewer healthy than minimumHealthyPercent asks for{window}", of.service),
            track.bounded("lowest"),
        )
    } else if let Some(of) = &expected.steady {
        let when = of.at.map_or_else(|| " at the end".to_owned(), |at| format!(" at {at}"));
        let seen = track.met.map_or_else(|| "it wasn't".to_owned(), |at| format!("it was, since {at}"));
        (format!("{} is in steady state{when}", of.service), (track.met.is_some(), seen))
    } else if let Some(of) = &expected.unsteady_at_most {
        unsteady(of, record)
    } else if let Some(of) = &expected.no_task_on {
        no_task(of, &track)
    } else if let Some(of) = &expected.cost_below {
        cost(of, record.costs)
    } else if let Some(of) = &expected.event {
        let what = format!("an event says {:?}{}", of.text, by(of.by));
        let seen = match event(of, lines) {
            Some(line) => (true, format!("{}, at {}", line.text, line.at)),
            None => (false, "none did".to_owned()),
        };
        (what, seen)
    } else if let Some(of) = &expected.no_event {
        let what = format!("no event says {:?}{}", of.text, window(of.after, of.by));
        let seen = match event(of, lines) {
            Some(line) => (false, format!("{}, at {}", line.text, line.at)),
            None => (true, "none did".to_owned()),
        };
        (what, seen)
    } else {
        ("nothing".to_owned(), (false, "an expectation must say what is expected".to_owned()))
    };
    Verdict { place: format!("expect[{place}]"), expected, held, seen }
}

fn deployment(of: &ExpectDeployment, track: &Track) -> (String, (bool, String)) {
    let which = of.number.map_or_else(|| "the newest deployment".to_owned(), |number| format!("deployment {number}"));
    let how = [of.rollout_state.map(|state| spelling(state).to_owned()), of.status.clone()];
    let how = how.into_iter().flatten().collect::<Vec<_>>().join(" and ");
    let what = format!("{which} of {} is {how}{}", of.service, by(of.by));
    let since = track.met.map(|at| format!(", since {at}")).unwrap_or_default();
    (what, (track.met.is_some(), format!("{}{since}", track.stands)))
}

fn unsteady(of: &ExpectUnsteady, record: &Record) -> (String, (bool, String)) {
    let times = record.unsteady.iter().filter(|time| time.service == of.service);
    let longest = times.map(|time| (time.until.unwrap_or(record.until).0 - time.from.0, time.from)).max();
    let what = format!("{} isn't out of steady state for longer than {}", of.service, of.time);
    match longest {
        None => (what, (true, "it never was".to_owned())),
        Some((time, from)) => (what, (time <= of.time.0, format!("it was for {} from {from}", Span(time)))),
    }
}

fn no_task(of: &ExpectNoTask, track: &Track) -> (String, (bool, String)) {
    let named = |word: &str, name: &Option<String>| name.as_ref().map(|name| format!("{word} {name}"));
    let which = [named("instance", &of.instance), named("group", &of.group), named("zone", &of.zone)];
    let which = which.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let when = if of.from.is_none() { " at the end".to_owned() } else { window(of.from, of.until) };
    let seen = track.broken.clone().unwrap_or_else(|| "there was none".to_owned());
    (format!("no task is on {which}{when}"), (track.broken.is_none(), seen))
}

fn cost(of: &ExpectCost, costs: Costs) -> (String, (bool, String)) {
    let (list, spent) = match of.on {
        PriceList::Fargate => ("Fargate", costs.fargate),
        PriceList::Ec2 => ("EC2", costs.ec2),
    };
    (format!("it costs less than {} on {list}", of.dollars), (spent < of.dollars, format!("it cost {spent}")))
}

fn event<'a>(of: &ExpectEvent, lines: &'a [Line]) -> Option<&'a Line> {
    lines.iter().find(|line| {
        line.kind == Kind::Event
            && of.service.as_ref().is_none_or(|name| line.service.as_ref() == Some(name))
            && is_within(line.at, of.after, of.by)
            && line.text.contains(&of.text)
    })
}
