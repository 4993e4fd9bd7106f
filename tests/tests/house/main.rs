//! The house rules as ordinary tests: the arrows between crates, tidy files, documents whose links and tables hold,
//! rules that each have a test. They read the tree and start nothing but `cargo metadata`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod arrows;
mod compatibility;
mod documents;
mod rules;
mod tidy;
