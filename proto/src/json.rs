//! How ECS shapes look as JSON: enums by ECS's spelling, times as epoch seconds (the AWS wire) or ISO 8601 (what
//! people read), `null` as absent. Used by the generated types only; no IO.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::Serializer;

/// An enum with ECS's spelling of each value.
pub trait WireEnum {
    /// Number and spelling of every value but the unspecified one.
    const SPELLINGS: &'static [(i32, &'static str)];

    /// ECS's spelling of a number; `None` where this build doesn't know it.
    #[must_use]
    fn spelling(number: i32) -> Option<&'static str> {
        Self::SPELLINGS.iter().find(|(n, _)| *n == number).map(|(_, name)| *name)
    }

    /// The number behind a spelling; case matters, as in ECS.
    #[must_use]
    fn number(spelling: &str) -> Option<i32> {
        Self::SPELLINGS.iter().find(|(_, name)| *name == spelling).map(|(n, _)| *n)
    }
}

/// How times are written by the serializers of this thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimeFormat {
    /// Seconds since 1970 as a number with milliseconds: AWS JSON 1.1.
    #[default]
    EpochSeconds,
    /// `2026-01-23T17:57:58.123Z`: what the AWS CLI prints and EventBridge carries.
    Iso8601,
}

thread_local! {
    static TIME_FORMAT: Cell<TimeFormat> = const { Cell::new(TimeFormat::EpochSeconds) };
}

/// Runs `write` with times written in `format` on this thread.
pub fn with_times<T>(format: TimeFormat, write: impl FnOnce() -> T) -> T {
    let before = TIME_FORMAT.replace(format);
    let out = write();
    TIME_FORMAT.set(before);
    out
}

fn parse_enum<T: WireEnum, E: serde::de::Error>(text: &str) -> Result<i32, E> {
    T::number(text).ok_or_else(|| {
        let all: Vec<&str> = T::SPELLINGS.iter().map(|(_, name)| *name).collect();
        E::custom(format_args!("unknown value `{text}`, expected one of: {}", all.join(", ")))
    })
}

fn spelled<T: WireEnum, E: serde::ser::Error>(number: i32) -> Result<&'static str, E> {
    T::spelling(number).ok_or_else(|| E::custom(format_args!("no value {number} in this enum")))
}

/// `optional` enum fields.
pub mod optional_enum {
    use super::{Deserialize, Deserializer, Serializer, WireEnum, parse_enum, spelled};

    /// Writes the spelling.
    ///
    /// # Errors
    /// A number that the enum doesn't have.
    pub fn serialize<T: WireEnum, S: Serializer>(value: &Option<i32>, out: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(number) => out.serialize_str(spelled::<T, S::Error>(*number)?),
            None => out.serialize_none(),
        }
    }

    /// Reads a spelling or `null`.
    ///
    /// # Errors
    /// A spelling that the enum doesn't have; the message lists all.
    pub fn deserialize<'de, T: WireEnum, D: Deserializer<'de>>(from: D) -> Result<Option<i32>, D::Error> {
        let text = Option::<std::borrow::Cow<'de, str>>::deserialize(from)?;
        text.map(|text| parse_enum::<T, D::Error>(&text)).transpose()
    }
}

/// Enum fields without presence: 0 is written as `null`.
pub mod plain_enum {
    use super::{Deserializer, Serializer, WireEnum, optional_enum};

    /// Writes the spelling.
    ///
    /// # Errors
    /// A number that the enum doesn't have.
    pub fn serialize<T: WireEnum, S: Serializer>(value: &i32, out: S) -> Result<S::Ok, S::Error> {
        optional_enum::serialize::<T, S>(&(*value != 0).then_some(*value), out)
    }

    /// Reads a spelling or `null`.
    ///
    /// # Errors
    /// A spelling that the enum doesn't have; the message lists all.
    pub fn deserialize<'de, T: WireEnum, D: Deserializer<'de>>(from: D) -> Result<i32, D::Error> {
        optional_enum::deserialize::<T, D>(from).map(Option::unwrap_or_default)
    }
}

/// `repeated` enum fields.
pub mod list_enum {
    use super::{Deserialize, Deserializer, Serializer, WireEnum, parse_enum, spelled};
    use serde::ser::SerializeSeq as _;

    /// Writes the spellings.
    ///
    /// # Errors
    /// A number that the enum doesn't have.
    pub fn serialize<T: WireEnum, S: Serializer>(values: &[i32], out: S) -> Result<S::Ok, S::Error> {
        let mut list = out.serialize_seq(Some(values.len()))?;
        for number in values {
            list.serialize_element(spelled::<T, S::Error>(*number)?)?;
        }
        list.end()
    }

    /// Reads spellings or `null`.
    ///
    /// # Errors
    /// A spelling that the enum doesn't have; the message lists all.
    pub fn deserialize<'de, T: WireEnum, D: Deserializer<'de>>(from: D) -> Result<Vec<i32>, D::Error> {
        let texts = Option::<Vec<String>>::deserialize(from)?.unwrap_or_default();
        texts.iter().map(|text| parse_enum::<T, D::Error>(text)).collect()
    }
}

/// Reads `null` as an empty list or map.
///
/// # Errors
/// Whatever the value's own reader refuses.
pub fn null_as_empty<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(from).map(Option::unwrap_or_default)
}

/// Structures in one list that are read at most; a longer list is refused. Three bytes of JSON (`{},`) may become a thousand
/// in memory, and ECS has no list of structures that is nearly as long.
pub const STRUCTURES_MAX: usize = 10_000;

/// Reads a structure, or `null` as none. A derived reader alone would take a list for a structure, member by member.
///
/// # Errors
/// Anything else than a JSON object, and whatever the structure's own reader refuses.
pub fn structure<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    Ok(Option::<Structure<T>>::deserialize(from)?.map(|Structure(found)| found))
}

/// Reads a list of structures, or `null` as an empty one.
///
/// # Errors
/// As [`structure`]; or more than [`STRUCTURES_MAX`].
pub fn structures<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::<Structures<T>>::deserialize(from)?.map(|Structures(list)| list).unwrap_or_default())
}

struct Structure<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Structure<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        T::deserialize(NoList(from)).map(Self)
    }
}

/// Asks for a structure as its reader does, with the members that it knows, and takes nothing else.
struct NoList<D>(D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for NoList<D> {
    type Error = D::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_struct(name, fields, MembersOnly(visitor))
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct MembersOnly<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for MembersOnly<V> {
    type Value = V::Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a structure")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(members)
    }
}

struct Structures<T>(Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Structures<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_seq(StructuresVisitor(PhantomData))
    }
}

struct StructuresVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for StructuresVisitor<T> {
    type Value = Structures<T>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list of structures")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        use serde::de::Error as _;
        let mut list = Vec::new();
        while let Some(Structure(item)) = items.next_element()? {
            if list.len() == STRUCTURES_MAX {
                return Err(A::Error::custom(format_args!("a list of more than {STRUCTURES_MAX} structures")));
            }
            list.push(item);
        }
        Ok(Structures(list))
    }
}

/// Times.
pub mod timestamp {
    use super::{Deserializer, Serializer, TIME_FORMAT, TimeFormat, TimeVisitor};
    use prost_types::Timestamp;

    /// Writes the time in the format that [`super::with_times`] chose.
    ///
    /// # Errors
    /// Only the serializer's own.
    pub fn serialize<S: Serializer>(value: &Option<Timestamp>, out: S) -> Result<S::Ok, S::Error> {
        let Some(time) = value else { return out.serialize_none() };
        match TIME_FORMAT.get() {
            TimeFormat::Iso8601 => out.serialize_str(&time.to_string()),
            TimeFormat::EpochSeconds => {
                let millis = time.seconds * 1_000 + i64::from(time.nanos) / 1_000_000;
                #[allow(clippy::cast_precision_loss, reason = "exact to the millisecond until the year 287396")]
                out.serialize_f64(millis as f64 / 1_000.0)
            }
        }
    }

    /// Reads epoch seconds, ISO 8601 or `null`.
    ///
    /// # Errors
    /// Anything else.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
        from.deserialize_any(TimeVisitor)
    }
}

/// Seconds from 1970 to the end of the year 9999, which is the last that ISO 8601 writes in four digits. Later times, and
/// those as far before 1970, are refused: nobody may count on more when times are added up.
const SECONDS_MAX: i64 = 253_402_300_799;

fn bounded<E: serde::de::Error>(time: prost_types::Timestamp) -> Result<Option<prost_types::Timestamp>, E> {
    match (-SECONDS_MAX..=SECONDS_MAX).contains(&time.seconds) {
        true => Ok(Some(time)),
        false => Err(E::custom("this time is out of range")),
    }
}

struct TimeVisitor;

impl<'de> Visitor<'de> for TimeVisitor {
    type Value = Option<prost_types::Timestamp>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a time as epoch seconds or ISO 8601")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_any(self)
    }

    fn visit_i64<E: serde::de::Error>(self, seconds: i64) -> Result<Self::Value, E> {
        bounded(prost_types::Timestamp { seconds, nanos: 0 })
    }

    fn visit_u64<E: serde::de::Error>(self, seconds: u64) -> Result<Self::Value, E> {
        let seconds = i64::try_from(seconds).map_err(|_| E::custom("this time is out of range"))?;
        self.visit_i64(seconds)
    }

    fn visit_f64<E: serde::de::Error>(self, seconds: f64) -> Result<Self::Value, E> {
        #[allow(clippy::cast_possible_truncation, reason = "saturates, and is bounded below")]
        let millis = (seconds * 1_000.0).round() as i64;
        #[allow(clippy::cast_possible_truncation, reason = "less than 1,000,000,000")]
        let nanos = (millis.rem_euclid(1_000) * 1_000_000) as i32;
        bounded(prost_types::Timestamp { seconds: millis.div_euclid(1_000), nanos })
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        let time = text.parse().map_err(|_| E::custom(format_args!("`{text}` isn't a time in ISO 8601")))?;
        bounded(time)
    }
}
