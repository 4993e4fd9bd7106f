//! Times and money as people write them: `90s`, `1h30m`, `2s-4s`, `$0.0416`. No floats.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Milliseconds in each unit of time, the longest first.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
/// Longest time that is read: 30 days.
const SPAN_MAX_MS: u64 = 30 * 24 * 3_600_000;
/// Nano-dollars of a dollar.
const NANO: u64 = 1_000_000_000;
/// Most dollars that are read.
const DOLLARS_MAX: u64 = 1_000_000;

/// A time: milliseconds, written as `250ms`, `90s`, `1h30m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span(pub u64);

/// A time, or any between two: `2s-4s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanRange(pub Span, pub Span);

/// Money: nano-dollars, written as `$0.0416`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Dollars(pub u64);

impl Span {
    /// Reads one; `None` where it isn't one, or is longer than 30 days.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut rest = text.trim();
        let (mut sum, mut least) = (0_u64, u64::MAX);
        if rest.is_empty() {
            return None;
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit())?;
            let (number, tail) = rest.split_at(digits);
            let unit = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(unit);
            let (_, ms) = UNITS.into_iter().find(|(name, _)| *name == unit).filter(|(_, ms)| *ms < least)?;
            sum = number.parse::<u64>().ok()?.checked_mul(ms)?.checked_add(sum).filter(|sum| *sum <= SPAN_MAX_MS)?;
            (least, rest) = (ms, tail);
        }
        Some(Self(sum))
    }
}

impl SpanRange {
    fn read(text: &str) -> Option<Self> {
        let (low, high) = text.split_once('-').unwrap_or((text, text));
        let range = Self(Span::read(low)?, Span::read(high)?);
        (range.0 <= range.1).then_some(range)
    }

    /// As the simulated runtime takes it.
    #[must_use]
    pub fn knob(self) -> String {
        format!("{}-{}", self.0.0, self.1.0)
    }
}

impl Dollars {
    /// Reads one; `None` where it isn't one, or is more than a million.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let text = text.trim().strip_prefix('$')?;
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > 9 {
            return None;
        }
        let whole = whole.parse::<u64>().ok().filter(|whole| *whole <= DOLLARS_MAX)?;
        let part: u64 = format!("{part:0<9}").parse().ok()?;
        Some(Self(whole * NANO + part))
    }
}

/// `$0.0416`, with as many places as it needs and two at least.
impl fmt::Display for Dollars {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = format!("{:09}", self.0 % NANO);
        let kept = part.trim_end_matches('0').len().max(2);
        write!(out, "${}.{}", self.0 / NANO, &part[..kept])
    }
}

/// `1:02:03.456` from the beginning on.
impl fmt::Display for Span {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (h, m, s) = (self.0 / 3_600_000, self.0 / 60_000 % 60, self.0 / 1_000 % 60);
        write!(out, "{h}:{m:02}:{s:02}.{:03}", self.0 % 1_000)
    }
}

macro_rules! read_from_text {
    ($($type:ty, $takes:literal;)*) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = String::deserialize(from)?;
                let wrong = || serde::de::Error::custom(format!("{text:?} isn't {}", $takes));
                Self::read(&text).ok_or_else(wrong)
            }
        }
    )*};
}

read_from_text! {
    Span, "a time, such as 250ms, 90s or 1h30m, of 30 days at most";
    SpanRange, "a time, such as 90s, or a range of two, such as 2s-4s";
    Dollars, "an amount, such as $0.0416, with nine places and a million dollars at most";
}

/// Milliseconds.
impl Serialize for Span {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(self.0)
    }
}

/// Text, so that no reader rounds it.
impl Serialize for Dollars {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&drydock_model::billing::dollars(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::{Dollars, Span, SpanRange};

    #[test]
    fn times() {
        for (text, expected) in [
            ("250ms", Some(250)),
            ("90s", Some(90_000)),
            ("1h30m", Some(5_400_000)),
            ("2m5s", Some(125_000)),
            ("0s", Some(0)),
            ("720h", Some(2_592_000_000)),
            ("721h", None),
            ("", None),
            ("90", None),
            ("s", None),
            ("5s2m", None),
            ("1s1s", None),
            ("-5s", None),
            ("1.5s", None),
            ("99999999999999999999s", None),
        ] {
            assert_eq!(Span::read(text).map(|span| span.0), expected, "{text}");
        }
        assert_eq!(SpanRange::read("2s-4s").map(SpanRange::knob).as_deref(), Some("2000-4000"));
        assert_eq!(SpanRange::read("4s-2s"), None);
        assert_eq!(Span(3_723_456).to_string(), "1:02:03.456");
    }

    #[test]
    fn money() {
        for (text, expected) in [
            ("$0.0416", Some("$0.0416")),
            ("$12", Some("$12.00")),
            ("$0.000000001", Some("$0.000000001")),
            ("0.5", None),
            ("$", None),
            ("$1.", None),
            ("$1.0000000001", None),
            ("$-1", None),
            ("$1000001", None),
        ] {
            assert_eq!(Dollars::read(text).map(|dollars| dollars.to_string()).as_deref(), expected, "{text}");
        }
    }
}
