//! Every bound of the leader's parts, with its unit and with what happens there (design §3.11).

use drydock_state::Millis;

/// Items of any one list in an agent's message. More ends the session.
pub const REPORT_LIST_MAX: usize = 256;
/// Bytes of a text of an agent that is kept. The rest is cut off.
pub const REPORT_TEXT_BYTES_MAX: usize = 1_024;
/// Bytes of one task's report. A larger one ends the session: with it no command could be made.
pub const REPORT_BYTES_MAX: usize = 128 * 1024;
/// Sessions with agents at once. One more is refused with `RESOURCE_EXHAUSTED`.
pub const SESSIONS_MAX: usize = 20_000;
/// Wait for the hello of an agent; then the session ends.
pub const SESSION_HELLO_MAX_MS: Millis = 10_000;
/// Heartbeats that an agent may miss before it counts as disconnected.
pub const HEARTBEATS_MISSED_MAX: u32 = 3;
/// Heartbeats of all agents together in a second; a larger fleet sends them more rarely.
pub const HEARTBEATS_PER_SECOND_MAX: u64 = 400;
/// How often silent agents are looked for.
pub const LIVENESS_INTERVAL_MS: Millis = 250;
/// Instances declared disconnected in one look. More wait for the next.
pub const DISCONNECTS_AT_ONCE_MAX: usize = 64;
/// After a change of the leader, agents have so many times the usual silence to come back.
pub const FAILOVER_GRACE_FACTOR: u64 = 2;
/// Bytes of one manifest or of its parts (a single larger task still goes alone).
pub const MANIFEST_PART_BYTES: usize = 1024 * 1024;
/// Tasks in one StopVerification. More ends the session.
pub const STOP_VERIFICATION_TASKS_MAX: usize = 1_000;
/// Wait for the others' reports before a command is made of those that are there.
pub const REPORTS_WINDOW_MS: Millis = 10;
/// Reports in one command. More go into the next.
pub const REPORTS_PER_COMMAND_MAX: usize = 1_000;
/// Approximate bytes of reports in one command. More go into the next.
pub const REPORTS_BYTES_PER_COMMAND_MAX: usize = 256 * 1024;
/// Reports that wait to be committed, of all agents. More are dropped unacknowledged: their agents send them again.
pub const REPORTS_WAITING_MAX: usize = 100_000;
/// Wait before something of the leader's own is proposed again that was refused for load, or came to nothing.
pub const RETRY_OVERLOADED_MS: Millis = 50;
/// Changes that one step of the reconcilers may decide; the rest waits for the next step.
pub const PLAN_CHANGES_PER_STEP: usize = 500;
/// Longest wait of the reconcilers without looking at the clock again, which somebody may have set.
pub const DEADLINE_WAIT_MAX_MS: Millis = 10_000;
/// Entries after which the digest of the state is put into the log.
pub const CHECKPOINT_EVERY_ENTRIES: u64 = 1_000;
/// Time after which the digest of the state is put into the log, if anything changed.
pub const CHECKPOINT_INTERVAL_MS: Millis = 10_000;
