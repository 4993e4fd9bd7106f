//! Small things that people type as one word: `NAME=VALUE`, durations. Pure.

use std::time::Duration;

use drydock_proto::ecs::{CapacityProviderStrategyItem, Tag};

/// The longest duration that is taken: a week.
const DURATION_MAX: Duration = Duration::from_secs(7 * 86_400);

/// Reads `KEY=VALUE`; the value may be empty and hold further `=`.
///
/// # Errors
/// No `=`, or nothing before it.
pub fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE".to_owned()),
    }
}

/// Reads a tag as `KEY=VALUE`.
///
/// # Errors
/// As [`pair`].
pub fn tag(text: &str) -> Result<Tag, String> {
    pair(text).map(|(key, value)| Tag { key: Some(key), value: Some(value) })
}

/// Reads an item of a capacity provider strategy: `NAME`, `NAME=WEIGHT` or `NAME=WEIGHT:BASE`. The weight is 1 where
/// none is given.
///
/// # Errors
/// No name, or what isn't a number.
pub fn strategy_item(text: &str) -> Result<CapacityProviderStrategyItem, String> {
    let wrong = || "write NAME, NAME=WEIGHT or NAME=WEIGHT:BASE".to_owned();
    let (name, numbers) = text.split_once('=').unwrap_or((text, "1"));
    let (weight, base) = numbers.split_once(':').unwrap_or((numbers, "0"));
    let number = |text: &str| text.parse::<i32>().map_err(|_| wrong());
    if name.is_empty() {
        return Err(wrong());
    }
    Ok(CapacityProviderStrategyItem {
        capacity_provider: Some(name.to_owned()),
        weight: Some(number(weight)?),
        base: Some(number(base)?),
    })
}

/// Reads a duration: `90` or `90s`, `500ms`, `10m`, `2h`, `1d`.
///
/// # Errors
/// Anything else, or more than a week.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write a number with its unit: 500ms, 90s, 10m, 2h, 1d (at most 7d)".to_owned();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let millis = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    let duration = number.checked_mul(millis).map(Duration::from_millis).ok_or_else(wrong)?;
    if duration > DURATION_MAX { Err(wrong()) } else { Ok(duration) }
}

#[cfg(test)]
mod tests {
    use super::{duration, pair, strategy_item};
    use std::time::Duration;

    #[test]
    fn words_are_read() {
        let seconds = |n| Ok(Duration::from_secs(n));
        for (text, expected) in
            [("90", seconds(90)), ("90s", seconds(90)), ("10m", seconds(600)), ("2h", seconds(7_200))]
        {
            assert_eq!(duration(text), expected, "{text}");
        }
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        for wrong in ["", "s", "-1s", "1w", "1.5s", "8d", "99999999999999999999", "999999999999999999d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        assert_eq!(pair("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert_eq!(pair("a="), Ok(("a".into(), String::new())));
        assert!(pair("a").is_err() && pair("=b").is_err());
        for (text, weight, base) in [("a", 1, 0), ("a=4", 4, 0), ("a=4:2", 4, 2), ("a=0:2", 0, 2)] {
            let item = strategy_item(text).map(|item| (item.capacity_provider, item.weight, item.base));
            assert_eq!(item, Ok((Some("a".to_owned()), Some(weight), Some(base))), "{text}");
        }
        assert!(["", "=1", "a=", "a=x", "a=1:"].into_iter().all(|text| strategy_item(text).is_err()));
    }
}
