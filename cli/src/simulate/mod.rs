//! `drydock simulate`: a scenario's files, the rehearsal, and what is told of it. Reads the scenario and what it names,
//! writes the report; the rehearsal itself ([`drydock_simulator::rehearsal`]) touches nothing.

pub mod live;
mod materials;
mod report;
mod text;
mod waits;

use std::path::PathBuf;

use clap::Args;
use drydock_simulator::rehearsal::check::check;
use drydock_simulator::rehearsal::{Record, rehearse};
use serde::Serialize;

use crate::failure::Failure;
use crate::load::request::SCENARIO;
use crate::load::{Loaded, load};
use crate::output::{Format, Screen, print};
use drydock_simulator::rehearsal::scenario::Scenario;
use live::Live;
use waits::{WaitedFor, Waits};

/// What is rehearsed, and where it is told.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// The scenario, YAML or JSON; `-` is stdin. docs/simulator.md says what it may hold.
    #[arg(value_name = "SCENARIO")]
    pub scenario: PathBuf,
    /// Decides what is drawn by chance: the same seed gives the same output, byte for byte [default: the scenario's, or 1]
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
    /// Writes a page with plots: one HTML file that needs nothing else.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Begins with the instances and services of the live cluster instead of the scenario's.
    #[arg(long)]
    pub from_cluster: bool,
}

/// A rehearsal with what each deployment waited for.
#[derive(Debug, Serialize)]
struct Told {
    #[serde(flatten)]
    record: Record,
    #[serde(rename = "waitedFor")]
    waited_for: Vec<WaitedFor>,
}

/// Rehearses a scenario, in the place of whose fleet and services those of a `live` cluster are, where there is one.
///
/// # Errors
/// The scenario is wrong, an expectation didn't hold, or the report can't be written.
pub fn run(arguments: &Arguments, live: Option<Live>, screen: &Screen) -> Result<(), Failure> {
    let Loaded { request: mut scenario, source, .. } = load::<Scenario>(&arguments.scenario, SCENARIO)?;
    let mut materials = materials::read(&scenario, &arguments.scenario)?;
    if let Some(live) = live {
        live.put_into(&mut scenario, &mut materials).map_err(Failure::Usage)?;
    }
    let faults = check(&scenario, &materials);
    if !faults.is_empty() {
        let faults = faults.iter().map(|fault| (fault.path.as_str(), fault.message.as_str()));
        return Err(source.wrong(faults).into());
    }
    let seed = arguments.seed.or(scenario.seed).unwrap_or(1);
    let mut waits = Waits::default();
    let record = rehearse(&scenario, &materials, seed, &mut |look| waits.look(look));
    let record = record.map_err(|why| Failure::Usage(format!("{}: {why}", arguments.scenario.display())))?;
    let told = Told { record, waited_for: waits.into_all() };
    if let Some(file) = &arguments.report {
        let page = report::page(&told.record, &told.waited_for);
        std::fs::write(file, page).map_err(Failure::system(format!("writing {}", file.display())))?;
    }
    match screen.format {
        Format::Table => print(&text::timeline(&told.record))?,
        _ => screen.document(&told)?,
    }
    let broken = told.record.verdicts.iter().filter(|verdict| !verdict.held).count();
    match broken {
        0 => Ok(()),
        1 => Err(Failure::Partly("an expectation didn't hold".to_owned())),
        many => Err(Failure::Partly(format!("{many} expectations didn't hold"))),
    }
}
