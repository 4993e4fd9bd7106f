//! The start-failure throttle (ecs-semantics §2.3): tasks that go from PENDING to STOPPED without ever running delay
//! the next start, ever longer. Tasks that did run never do. AWS publishes the cap and not the curve; the curve is ours.

use drydock_state::Millis;

/// The delay after the first counted failure, in milliseconds; each further one doubles it.
pub const DELAY_FIRST_MS: u64 = 5_000;

/// The longest delay, in milliseconds: 27 minutes.
pub const DELAY_MAX_MS: u64 = 27 * 60 * 1_000;

/// So many failures in a row, with no task running in between, make the event "is unable to consistently start tasks
/// successfully.".
pub const IMPAIRED_AFTER_FAILURES: u32 = 3;

/// How long to wait after a number of failed starts in a row. Failures of tasks that were started together count as
/// one: see [`rounds`].
#[must_use]
pub fn delay_ms(rounds: u32) -> Millis {
    if rounds == 0 {
        return 0;
    }
    let doubled = 1_u64.checked_shl(rounds - 1).and_then(|factor| DELAY_FIRST_MS.checked_mul(factor));
    doubled.unwrap_or(DELAY_MAX_MS).min(DELAY_MAX_MS)
}

/// Counts the failed starts of one step into `failures`: tasks created before `counted_until` belong to a round that
/// has been counted. Returns the new count and the new `counted_until`.
///
/// A round is what was started together, so that the failure of ten tasks at once doesn't count ten times.
#[must_use]
pub fn rounds(
    failures: u32,
    counted_until: Millis,
    failed_created_at: impl IntoIterator<Item = Millis>,
) -> (u32, Millis) {
    let mut created: Vec<Millis> = failed_created_at.into_iter().filter(|at| *at > counted_until).collect();
    created.sort_unstable();
    created.dedup();
    let until = created.last().copied().unwrap_or(counted_until);
    (failures.saturating_add(u32::try_from(created.len()).unwrap_or(u32::MAX)), until)
}

#[cfg(test)]
mod tests {
    use super::{DELAY_MAX_MS, delay_ms, rounds};

    #[test]
    fn it_doubles_up_to_27_minutes() {
        let seconds: Vec<u64> = (0..12).map(|rounds| delay_ms(rounds) / 1_000).collect();
        assert_eq!(seconds, [0, 5, 10, 20, 40, 80, 160, 320, 640, 1280, 1620, 1620]);
        assert_eq!(delay_ms(u32::MAX), DELAY_MAX_MS);
    }

    #[test]
    fn what_was_started_together_counts_once() {
        for (before, created, after) in [
            ((0, 0), vec![5, 5, 5], (1, 5)),
            ((1, 5), vec![5, 9, 5], (2, 9)),
            ((2, 9), vec![], (2, 9)),
            ((2, 9), vec![4], (2, 9)),
            ((0, 0), vec![1, 2], (2, 2)),
        ] {
            assert_eq!(rounds(before.0, before.1, created), after);
        }
    }
}
