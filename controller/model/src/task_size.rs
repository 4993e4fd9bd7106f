//! How a task's CPU and memory are spelled: `256`, `.25 vCPU`, `512`, `0.5 GB` (ecs-semantics §2.2).

/// CPU units: a whole number of them, or vCPUs that come to one.
#[must_use]
pub fn parse_cpu(text: &str) -> Option<u32> {
    parse(text, "vcpu")
}

/// MiB: a whole number of them, or GB (of 1,024 MiB) that come to one.
#[must_use]
pub fn parse_memory(text: &str) -> Option<u32> {
    parse(text, "gb")
}

fn parse(text: &str, unit: &str) -> Option<u32> {
    let text = text.trim().to_ascii_lowercase();
    match text.strip_suffix(unit) {
        Some(number) => thousand_and_twenty_four_times(number.trim_end()),
        None if text.bytes().all(|digit| digit.is_ascii_digit()) => text.parse().ok(),
        None => None,
    }
}

/// 1,024 × a decimal of at most nine places, where that is a whole number.
fn thousand_and_twenty_four_times(decimal: &str) -> Option<u32> {
    const PLACES_MAX: usize = 9;
    let (whole, fraction) = decimal.split_once('.').unwrap_or((decimal, ""));
    let digits = |part: &str| part.bytes().all(|digit| digit.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) || fraction.len() > PLACES_MAX {
        return None;
    }
    let number = |part: &str| if part.is_empty() { Some(0) } else { part.parse::<u64>().ok() };
    let scale = 10_u64.pow(u32::try_from(fraction.len()).ok()?);
    let scaled = number(whole)?.checked_mul(scale)?.checked_add(number(fraction)?)?.checked_mul(1024)?;
    (scaled % scale == 0).then_some(())?;
    u32::try_from(scaled / scale).ok()
}

#[cfg(test)]
mod tests {
    use super::{parse_cpu, parse_memory};

    // rule: 2.2/unit-spellings
    #[test]
    fn spellings() {
        for (text, units) in [
            ("256", Some(256)),
            (" 1024 ", Some(1024)),
            ("1 vCPU", Some(1024)),
            ("1vcpu", Some(1024)),
            (".5 vCPU", Some(512)),
            (".25 vcpu", Some(256)),
            ("0.125 VCPU", Some(128)),
            ("2. vcpu", Some(2048)),
            ("32 vCPU", Some(32_768)),
            ("", None),
            (".", None),
            (". vcpu", None),
            ("vcpu", None),
            ("0.3 vcpu", None),
            ("-1", None),
            ("1.5", None),
            ("1 GB", None),
            ("1e3", None),
            ("99999999999", None),
            ("9999999999999999999999 vcpu", None),
        ] {
            assert_eq!(parse_cpu(text), units, "{text:?}");
        }
        for (text, mib) in [
            ("512", Some(512)),
            ("2 GB", Some(2048)),
            ("2GB", Some(2048)),
            (".5 gb", Some(512)),
            ("30.5 GB", Some(31_232)),
            ("2 vcpu", None),
            ("2 MB", None),
            ("٣", None),
        ] {
            assert_eq!(parse_memory(text), mib, "{text:?}");
        }
    }
}
