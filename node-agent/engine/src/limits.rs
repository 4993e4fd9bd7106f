//! Every wait, retry and batch of the engine, with its unit and what happens at the bound (design §3.11).

/// Milliseconds: of a span, or since 1970 where a moment is meant.
pub type Millis = u64;

const SECOND: Millis = 1_000;
const MINUTE: Millis = 60 * SECOND;
const HOUR: Millis = 60 * MINUTE;

/// One image may be pulled for so long (ecs-semantics §2.1); then the container fails with CannotPullContainerError's
/// sibling, ContainerRuntimeTimeoutError.
pub const PULL_TIMEOUT_MS: Millis = 2 * HOUR;
/// Tries of a pull that failed for a reason that may pass; the last error is the container's reason.
pub const PULL_ATTEMPTS_MAX: u32 = 5;
/// A container must be created within this, retries included.
pub const CREATE_TIMEOUT_MS: Millis = 4 * MINUTE;
/// A container must be started within this, retries included (`ECS_CONTAINER_START_TIMEOUT`).
pub const START_TIMEOUT_MS: Millis = 3 * MINUTE;
/// How long dependents wait for the condition of a container that sets no `startTimeout`. ECS sets no limit there; by
/// then the controllers end a task that doesn't run.
pub const DEPENDENCY_WAIT_MS: Millis = 3 * HOUR;
/// Between SIGTERM and SIGKILL where a container sets no `stopTimeout` (`ECS_CONTAINER_STOP_TIMEOUT`).
pub const STOP_TIMEOUT_MS: Millis = 30 * SECOND;
/// What one try of a stop may take beyond the container's stop timeout; then it is tried again.
pub const STOP_GRACE_MS: Millis = 30 * SECOND;
/// A container that can't be stopped is declared STOPPED after this, counted from the first try; its removal, forced,
/// is still tried.
pub const STOP_GIVE_UP_MS: Millis = 30 * MINUTE;
/// A container whose start ran out of time may start late, so it is stopped until it has exited. One that hasn't started
/// after so many tries counts as stopped.
pub const STOP_UNSTARTED_TRIES: u32 = 5;
/// A task's network must be up within this; then the task fails with ResourceInitializationError.
pub const NETWORK_TIMEOUT_MS: Millis = MINUTE;
/// A task's network must be released within this; then the task is STOPPED all the same and cleaning up tries again.
pub const RELEASE_TIMEOUT_MS: Millis = MINUTE;
/// An inspection that takes longer is asked anew.
pub const INSPECT_TIMEOUT_MS: Millis = 30 * SECOND;
/// A removal that takes longer is tried again.
pub const REMOVE_TIMEOUT_MS: Millis = 2 * MINUTE;
/// Tries of a removal; then the container is left to the next listing.
pub const REMOVE_ATTEMPTS_MAX: u32 = 10;
/// How often all containers are listed, so that a lost event costs time only.
pub const LIST_EVERY_MS: Millis = 5 * MINUTE;
/// A listing that takes longer is asked anew.
pub const LIST_TIMEOUT_MS: Millis = MINUTE;
/// First wait after a runtime that couldn't be reached; doubles up to [`RETRY_MAX_MS`].
pub const RETRY_MIN_MS: Millis = SECOND;
/// Longest wait between two tries.
pub const RETRY_MAX_MS: Millis = 30 * SECOND;
/// Changes of one task within this become one report.
pub const REPORT_FOLD_MS: Millis = 50;
/// A report that isn't acknowledged is sent again after this.
pub const REPORT_RESEND_MS: Millis = 5 * SECOND;
/// Reports in one message; more go in further messages.
pub const REPORTS_PER_MESSAGE_MAX: usize = 100;
/// Tasks in one question of stop verification; the controllers take no more. The others are asked about once these are
/// answered.
pub const VERIFY_TASKS_MAX: usize = 1_000;
/// A question of stop verification that isn't answered is asked again after this.
pub const VERIFY_RESEND_MS: Millis = 10 * SECOND;
/// A request for the whole manifest that isn't answered is repeated after this.
pub const MANIFEST_REQUEST_RESEND_MS: Millis = 5 * SECOND;
/// A task may wait for CPU, memory or ports of older tasks for so long; then it fails to start.
pub const HOST_WAIT_MS: Millis = 30 * MINUTE;
/// A stopped task's containers are kept for so long, for their logs.
pub const CLEANUP_WAIT_MS: Millis = 3 * HOUR;
/// Stopped tasks whose containers are kept; at the bound the oldest are removed first.
pub const STOPPED_TASKS_MAX: usize = 100;
/// Characters of a reason; the rest is cut off (ECS keeps 1,024 of a stoppedReason).
pub const REASON_CHARS_MAX: usize = 1_024;

/// First and longest wait between rounds of dialling the controllers; the wait doubles, with jitter of a half either way.
pub const BACKOFF_MIN_MS: Millis = 250;
/// See [`BACKOFF_MIN_MS`].
pub const BACKOFF_MAX_MS: Millis = 5 * SECOND;
/// Redirects that are followed at once, one after another; then it is waited as after a failure.
pub const REDIRECTS_MAX: u32 = 4;
/// Controllers that are remembered; more are left out.
pub const CONTROLLERS_MAX: usize = 32;
/// Tasks of one manifest; one with more is refused, and the session with it.
pub const MANIFEST_TASKS_MAX: usize = 100_000;
/// Heartbeats where a Welcome names no interval.
pub const HEARTBEAT_DEFAULT_MS: Millis = 5 * SECOND;
/// The least interval that is obeyed.
pub const HEARTBEAT_MIN_MS: Millis = 100;

/// The wait before try number `attempt` (from 1): doubles from [`RETRY_MIN_MS`] to [`RETRY_MAX_MS`].
#[must_use]
pub fn retry_wait_ms(attempt: u32) -> Millis {
    RETRY_MIN_MS.saturating_mul(1 << attempt.saturating_sub(1).min(10)).min(RETRY_MAX_MS)
}

/// A span as ECS writes it in reasons: `3m0s`, `2h0m0s`, `30s`.
#[must_use]
pub fn span(ms: Millis) -> String {
    let seconds = ms / SECOND;
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) if ms.is_multiple_of(SECOND) => format!("{s}s"),
        (0, 0, s) => format!("{s}.{:03}s", ms % SECOND),
        (0, m, s) => format!("{m}m{s}s"),
        (h, m, s) => format!("{h}h{m}m{s}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::{retry_wait_ms, span};

    #[test]
    fn spans_read_as_in_ecs() {
        for (ms, text) in
            [(180_000, "3m0s"), (7_200_000, "2h0m0s"), (30_000, "30s"), (1_500, "1.500s"), (61_000, "1m1s")]
        {
            assert_eq!(span(ms), text);
        }
    }

    #[test]
    fn waits_double_up_to_the_bound() {
        let waits: Vec<u64> = [1, 2, 3, 5, 6, 40].into_iter().map(retry_wait_ms).collect();
        assert_eq!(waits, [1_000, 2_000, 4_000, 16_000, 30_000, 30_000]);
    }
}
