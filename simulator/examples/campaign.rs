//! Many nights, one after another, and their figures; or one again, with its story. The first that fails is made smaller.
//!
//! ```text
//! cargo run -p drydock-simulator --example campaign -- --seeds 1000 [--first 1] [--minutes 10]
//! cargo run -p drydock-simulator --example campaign -- --seed 4711
//! ```
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command")]

use std::process::ExitCode;

use drydock_simulator::{Figures, Plan, Random, night, shrink};

/// What was asked for.
struct Asked {
    first: u64,
    seeds: u64,
    bad_ms: u64,
}

fn asked(arguments: &[String]) -> Result<Asked, String> {
    let mut asked = Asked { first: 1, seeds: 100, bad_ms: 10 * 60_000 };
    for pair in arguments.chunks(2) {
        let [name, value] = pair else { return Err(format!("{pair:?}: a name and a number")) };
        let value: u64 = value.parse().map_err(|_| format!("{value:?} isn't a number"))?;
        match name.as_str() {
            "--seeds" => asked.seeds = value,
            "--first" => asked.first = value,
            "--minutes" => asked.bad_ms = value * 60_000,
            "--seed" => (asked.first, asked.seeds) = (value, 1),
            other => return Err(format!("{other:?}: --seeds, --first, --minutes or --seed")),
        }
    }
    Ok(asked)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Asked { first, seeds, bad_ms } = match asked(&arguments) {
        Ok(asked) => asked,
        Err(wrong) => {
            eprintln!("{wrong}");
            return ExitCode::from(2);
        }
    };
    let (mut all, mut violations) = (Figures::default(), Vec::new());
    for seed in first..first + seeds {
        match night(seed, Plan::of(&mut Random::new(seed)), bad_ms) {
            Ok(one) => {
                all.virtual_ms += one.virtual_ms;
                all.faults += one.faults;
                all.commits += one.commits;
                all.calls += one.calls;
                all.quiet_after_ms = all.quiet_after_ms.max(one.quiet_after_ms);
            }
            Err(violation) => {
                println!("seed {seed}: {}", violation.what);
                violations.push(violation);
            }
        }
    }
    if let Some(violation) = violations.first() {
        println!("\nThe story of seed {}:\n{violation}\n", violation.seed);
        let plan = Plan::of(&mut Random::new(violation.seed));
        println!("{}\n", shrink(plan, bad_ms, (**violation).clone()));
    }
    println!("simulated: {seeds} seeds from {first}, {} virtual minutes of faults each", bad_ms / 60_000);
    println!("  {:>10} virtual hours", all.virtual_ms / 3_600_000);
    println!("  {:>10} faults injected, lost, doubled and late messages apart", all.faults);
    println!("  {:>10} commits", all.commits);
    println!("  {:>10} calls answered", all.calls);
    println!("  {:>10} s at most from the last fault until all was as asked for", all.quiet_after_ms / 1_000);
    println!("  {:>10} violations", violations.len());
    if violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
