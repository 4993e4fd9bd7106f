//! The commands that documents show in ```console blocks: a line that begins with `$ ` is a command, goes on over lines
//! that end in `\`, and what follows is its output.

/// Pages whose commands the suite `documents` runs, from the first to the last, against a cluster of their own.
pub const PAGES_RUN: [&str; 4] = ["README.md", "docs/cli.md", "docs/aws.md", "docs/simulator.md"];

/// Commands that it doesn't run, by how they begin, each with the reason.
pub const NOT_RUN: &[(&str, &str)] = &[
    ("cargo test", "it is what runs"),
    ("cargo bench", "takes minutes, and a quiet machine"),
    ("DRYDOCK_TEST_KILLS=50 cargo test", "the durability suite itself, with other numbers"),
];

/// All commands of a page, each on one line.
#[must_use]
pub fn commands(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut inside = false;
    let mut goes_on = false;
    for line in text.lines() {
        let bare = line.trim();
        if let Some(language) = bare.strip_prefix("```") {
            inside = !inside && language == "console";
            goes_on = false;
        } else if inside && goes_on {
            goes_on = bare.ends_with('\\');
            if let Some(command) = found.last_mut() {
                command.push(' ');
                command.push_str(bare.trim_end_matches('\\').trim());
            }
        } else if let Some(command) = bare.strip_prefix("$ ").filter(|_| inside) {
            goes_on = command.ends_with('\\');
            found.push(command.trim_end_matches('\\').trim().to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::commands;

    #[test]
    fn commands_are_told_from_output() {
        let page = "```console\n$ drydock up \\\n    --once\nready $ 3\n$ ls\n```\n```sh\n$ no\n```\n$ no\n";
        assert_eq!(commands(page), ["drydock up --once", "ls"]);
    }
}
