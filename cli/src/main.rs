//! The `drydock` command. All of it is in the library, for tests to reach.

use std::process::ExitCode;

fn main() -> ExitCode {
    drydock_cli::main()
}
