//! The `drydock` command as a library, so that tests reach its parts: the [`client`] of any controller, the nouns and
//! their verbs ([`commands`]), the [`load`]er of files that people write, the local cluster ([`up`]), and rehearsals
//! ([`simulate`]).
//!
//! It knows the controllers by their gRPC API only; the two crates behind `drydock controller` and `drydock agent` are
//! called at their `run` and nowhere else, but for the words of explanations, which a rehearsal has from the controller's.

pub mod arguments;
pub mod client;
pub mod commands;
pub mod failure;
pub mod hello;
pub mod load;
pub mod output;
pub mod processes;
pub mod simulate;
pub mod up;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use arguments::{Cli, Command, Options};
use client::Client;
use commands::Context;
use failure::Failure;
use output::Screen;

/// The whole command: reads the command line, carries it out, and says on stderr what went wrong.
#[must_use]
pub fn main() -> ExitCode {
    let ended = match processes::Server::of(std::env::args_os().skip(1)) {
        Some(server) => server.run(),
        None => run(Cli::parse()),
    };
    let failure = match ended {
        Ok(()) => return ExitCode::SUCCESS,
        Err(failure) => failure,
    };
    if failure.exit_code() != 0 {
        let hint = failure.hint().map(|hint| format!("hint: {hint}\n")).unwrap_or_default();
        // Where stderr is gone, the exit code still tells.
        let _ = write!(std::io::stderr(), "error: {failure}\n{hint}");
    }
    ExitCode::from(failure.exit_code())
}

/// Carries out a command line.
///
/// # Errors
/// Whatever went wrong; its text, hint and exit code are in the failure.
pub fn run(cli: Cli) -> Result<(), Failure> {
    let Cli { options, command } = cli;
    match command {
        Command::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "drydock", &mut script);
            output::print(&String::from_utf8_lossy(&script))
        }
        Command::Version => output::print(&format!("drydock {}\n", env!("CARGO_PKG_VERSION"))),
        Command::Controller { verb: None, flags } => processes::controller(*flags),
        Command::Agent(flags) => processes::agent(*flags, &options),
        Command::ServeHello(arguments) => processes::on_one_thread(hello::run(&arguments)),
        Command::Up(arguments) => processes::on_one_thread(up::run(*arguments, Screen::of_process(options.output))),
        Command::Simulate(arguments) if !arguments.from_cluster => {
            simulate::run(&arguments, None, &Screen::of_process(options.output))
        }
        client_command => processes::on_one_thread(ask(&options, client_command)),
    }
}

async fn ask(options: &Options, command: Command) -> Result<(), Failure> {
    let context = Context {
        client: Client::new(options.endpoints(), options.stale)?,
        screen: Screen::of_process(options.output),
        cluster: options.cluster_name().to_owned(),
        cluster_is_named: options.cluster.is_some(),
    };
    match command {
        Command::Status => commands::status::run(&context).await,
        Command::Simulate(arguments) => {
            let live = simulate::live::read(&context).await?;
            simulate::run(&arguments, Some(live), &context.screen)
        }
        Command::Cluster(verb) => commands::cluster::run(&context, verb).await,
        Command::CapacityProvider(verb) => commands::capacity_provider::run(&context, verb).await,
        Command::TaskDefinition(verb) => commands::task_definition::run(&context, verb).await,
        Command::ServiceDeployment(verb) => commands::service_deployment::run(&context, verb).await,
        Command::Service(verb) => commands::service::run(&context, verb).await,
        Command::TaskSet(verb) => commands::task_set::run(&context, verb).await,
        Command::Task(verb) => commands::task::run(&context, verb).await,
        Command::Attribute(verb) => commands::attribute::run(&context, verb).await,
        Command::ContainerInstance(verb) => commands::container_instance::run(&context, verb).await,
        Command::Controller { verb: Some(verb), .. } => commands::controller::run(&context, verb).await,
        Command::AccountSetting(verb) => commands::account_setting::run(&context, verb).await,
        Command::Names(verb) => commands::names::run(&context, verb).await,
        Command::Events(arguments) => commands::events::run(&context, arguments).await,
        Command::Logs(arguments) => commands::logs::run(&context, arguments).await,
        // The other commands ask no controller: `run` has carried them out.
        _ => Ok(()),
    }
}
