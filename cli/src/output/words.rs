//! Short forms for people: ids, ages, times, and the colour of a status. Pure, but for reading the clock once.

use std::time::{SystemTime, UNIX_EPOCH};

use prost_types::Timestamp;

/// Characters of an id that tables show. Two of a million random ids share them with a chance of 1 in 500.
pub const ID_CHARS: usize = 12;

/// The last part of an ARN: the name or id; anything else as it is.
#[must_use]
pub fn name_of(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// An id or ARN cut to [`ID_CHARS`].
#[must_use]
pub fn short_id(arn: &str) -> String {
    name_of(arn).chars().take(ID_CHARS).collect()
}

/// `some` or an empty cell.
#[must_use]
pub fn text(value: Option<&str>) -> String {
    value.unwrap_or_default().to_owned()
}

/// A number or an empty cell.
#[must_use]
pub fn number<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// The spelling of an enum value or an empty cell.
#[must_use]
pub fn spelling<T: drydock_proto::json::WireEnum>(value: Option<i32>) -> String {
    value.and_then(T::spelling).unwrap_or_default().to_owned()
}

/// Seconds since 1970 now.
#[must_use]
pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| i64::try_from(passed.as_secs()).unwrap_or(i64::MAX))
}

/// A moment given in seconds since 1970.
#[must_use]
pub fn instant(seconds: i64) -> Timestamp {
    Timestamp { seconds, nanos: 0 }
}

/// How long ago, in the largest unit that fits: `12s`, `5m`, `3h`, `8d`.
#[must_use]
pub fn age(now: i64, then: Option<&Timestamp>) -> String {
    let Some(then) = then else { return String::new() };
    let seconds = now.saturating_sub(then.seconds).max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// How long until `then`, seen from `now`, rounded up, in the largest unit that fits: `38 s`, `5 min`, `3 h`, `29 d`.
#[must_use]
pub fn until(now: Option<&Timestamp>, then: &Timestamp) -> String {
    let millis =
        |time: &Timestamp| time.seconds.saturating_mul(1_000).saturating_add(i64::from(time.nanos) / 1_000_000);
    let left = millis(then).saturating_sub(now.map_or(0, millis)).max(0);
    let seconds = (left + 999) / 1_000;
    match seconds {
        0..=120 => format!("{seconds} s"),
        121..=7_200 => format!("{} min", (seconds + 59) / 60),
        7_201..=172_800 => format!("{} h", (seconds + 3_599) / 3_600),
        _ => format!("{} d", (seconds + 86_399) / 86_400),
    }
}

/// The time of day with milliseconds, in UTC: `17:57:58.123`.
#[must_use]
pub fn clock(time: Option<&Timestamp>) -> String {
    let Some(time) = time else { return String::new() };
    let day = time.seconds.rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}.{:03}", day / 3_600, day / 60 % 60, day % 60, time.nanos.max(0) / 1_000_000)
}

/// The ANSI colour of a status word: green for well, yellow for on its way, red for failed, dim for over.
#[must_use]
pub fn colour_of(word: &str) -> Option<&'static str> {
    match word {
        "ACTIVE" | "RUNNING" | "COMPLETED" | "HEALTHY" | "LEADER" | "connected" => Some("32"),
        "PROVISIONING" | "PENDING" | "ACTIVATING" | "DEACTIVATING" | "STOPPING" | "DEPROVISIONING" | "DRAINING"
        | "IN_PROGRESS" | "REGISTERING" | "DEREGISTERING" | "LEARNER" | "CANDIDATE" => Some("33"),
        "FAILED" | "UNHEALTHY" | "REGISTRATION_FAILED" | "disconnected" | "unreachable" => Some("31"),
        "STOPPED" | "INACTIVE" => Some("2"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_grow_in_their_units() {
        let at = |seconds| Timestamp { seconds, nanos: 0 };
        let table =
            [(0, "0s"), (119, "119s"), (120, "2m"), (7_199, "119m"), (7_200, "2h"), (172_800, "2d"), (-5, "0s")];
        for (passed, expected) in table {
            assert_eq!(age(1_000_000, Some(&at(1_000_000 - passed))), expected);
        }
        assert_eq!(age(0, None), "");
        assert_eq!(clock(Some(&Timestamp { seconds: 86_400 + 3_661, nanos: 5_000_000 })), "01:01:01.005");
    }

    #[test]
    fn what_is_left_is_rounded_up() {
        let at = |millis: i64| Timestamp {
            seconds: millis / 1_000,
            nanos: i32::try_from(millis % 1_000).unwrap_or_default() * 1_000_000,
        };
        let table = [
            (-5, "0 s"),
            (1, "1 s"),
            (38_000, "38 s"),
            (120_000, "120 s"),
            (120_001, "3 min"),
            (7_200_000, "120 min"),
            (7_201_000, "3 h"),
            (172_801_000, "3 d"),
        ];
        for (left, expected) in table {
            assert_eq!(until(Some(&at(500_250)), &at(500_250 + left)), expected, "{left}");
        }
    }

    #[test]
    fn names_are_the_last_part_of_an_arn() {
        let table = [
            ("arn:aws:ecs:us-east-1:1:task/default/0123456789abcdef0123456789abcdef", "0123456789ab"),
            ("arn:aws:ecs:us-east-1:1:task-definition/web:12", "web:12"),
            ("web", "web"),
        ];
        for (arn, expected) in table {
            assert_eq!(short_id(arn), expected);
        }
    }
}
