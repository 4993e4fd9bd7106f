//! A serde deserializer over a [`tree`](super::tree): it knows the path and place of what it reads, lists every unknown
//! member with the name that was likely meant, and takes a value only where it has the very type (as the AWS CLI does:
//! `"512"` isn't a number, `512` isn't a string). `null` is absent. Pure.

use std::cell::RefCell;
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::complaint::Complaint;
use super::nearest::nearest;
use super::tree::{Member, Node, Value};

/// Reads a value of type `T` out of `node`.
///
/// # Errors
/// Every unknown member that was met, and the first value of a wrong type; never empty.
pub fn read<T: DeserializeOwned>(node: &Node) -> Result<T, Vec<Complaint>> {
    let unknown = RefCell::new(Vec::new());
    let result = T::deserialize(Reader { node, path: &Path::Root, unknown: &unknown });
    let mut complaints = unknown.into_inner();
    match result {
        Ok(value) if complaints.is_empty() => Ok(value),
        Ok(_) => Err(complaints),
        Err(wrong) => {
            complaints.push(wrong);
            complaints.sort_by_key(|complaint| complaint.at.map_or((u32::MAX, 0), |at| (at.line, at.column)));
            Err(complaints)
        }
    }
}

enum Path<'a> {
    Root,
    Member(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => Ok(()),
            Path::Item(owner, at) => write!(out, "{owner}[{at}]"),
            Path::Member(owner, name) if name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') => {
                match owner {
                    Path::Root => out.write_str(name),
                    _ => write!(out, "{owner}.{name}"),
                }
            }
            Path::Member(owner, name) => write!(out, "{owner}[{name:?}]"),
        }
    }
}

/// `'p` is as long as the walk stands at this value, `'de` as long as the tree lives.
#[derive(Clone, Copy)]
struct Reader<'p, 'de> {
    node: &'de Node,
    path: &'p Path<'p>,
    unknown: &'p RefCell<Vec<Complaint>>,
}

impl<'p, 'de> Reader<'p, 'de> {
    fn complaint(self, message: String, hint: Option<String>) -> Complaint {
        Complaint { at: Some(self.node.at), path: self.path.to_string(), message, hint }
    }

    fn expected(self, what: &str) -> Complaint {
        let found = &self.node.value;
        let hint = match (what, found) {
            (_, Value::Text(text)) if what.starts_with("a whole number") && text.parse::<i64>().is_ok() => {
                Some(format!("write {text} without quotes"))
            }
            ("true or false", Value::Text(text)) if text.parse::<bool>().is_ok() => {
                Some(format!("write {text} without quotes"))
            }
            ("a string", Value::Integer(number)) => Some(format!("write \"{number}\"")),
            ("a string", Value::Float(number)) => Some(format!("write \"{number}\"")),
            ("a string", Value::Bool(value)) => Some(format!("write \"{value}\"")),
            ("a list", _) => Some("put it in [ ]".to_owned()),
            _ => None,
        };
        self.complaint(format!("expected {what}, found {}", found.described()), hint)
    }

    /// Gives an error of a visitor, which knows neither place nor path, those of this value.
    fn placed(self, mut error: Complaint) -> Complaint {
        if error.at.is_none() {
            error.at = Some(self.node.at);
            error.path = self.path.to_string();
            error.hint = spelling_hint(&error.message);
        }
        error
    }

    fn whole<T: TryFrom<i128>>(self, from: i128, to: i128) -> Result<T, Complaint> {
        let Value::Integer(number) = self.node.value else { return Err(self.expected("a whole number")) };
        T::try_from(number).map_err(|_| self.expected(&format!("a whole number from {from} to {to}")))
    }

    fn members(self, members: &'de [Member], fields: Option<&'static [&'static str]>) -> Members<'p, 'de> {
        Members { left: members.iter(), fields, value: None, reader: self }
    }

    fn inside<T: DeserializeSeed<'de>>(self, path: &Path<'_>, node: &'de Node, seed: T) -> Result<T::Value, Complaint> {
        let reader = Reader { node, path, unknown: self.unknown };
        // What a member's own rule refuses (the spelling of an enum) is about that member's value.
        seed.deserialize(reader).map_err(|error| reader.placed(error))
    }

    fn object(self) -> Result<&'de [Member], Complaint> {
        match &self.node.value {
            Value::Object(members) => Ok(members),
            _ => Err(self.expected("an object")),
        }
    }
}

/// The spelling that was likely meant, out of the message of a refused enum value (`drydock_proto::json`).
fn spelling_hint(message: &str) -> Option<String> {
    let (given, known) = message.strip_prefix("unknown value `")?.split_once("`, expected one of: ")?;
    nearest(given, known.split(", ")).map(|meant| format!("did you mean \"{meant}\"?"))
}

macro_rules! whole_numbers {
    ($($method:ident $visit:ident $type:ty,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
            let number: $type = self.whole(i128::from(<$type>::MIN), i128::from(<$type>::MAX))?;
            visitor.$visit(number).map_err(|error| self.placed(error))
        }
    )*};
}

impl<'de> Deserializer<'de> for Reader<'_, 'de> {
    type Error = Complaint;

    whole_numbers! {
        deserialize_i8 visit_i8 i8,
        deserialize_i16 visit_i16 i16,
        deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64,
        deserialize_u8 visit_u8 u8,
        deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64,
    }

    forward_to_deserialize_any! { i128 u128 char bytes byte_buf unit unit_struct identifier tuple tuple_struct }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        let result = match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Integer(value) => match i64::try_from(*value) {
                Ok(value) => visitor.visit_i64(value),
                Err(_) => visitor.visit_i128(*value),
            },
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Text(value) => visitor.visit_borrowed_str(value),
            Value::List(_) => return self.deserialize_seq(visitor),
            Value::Object(_) => return self.deserialize_map(visitor),
        };
        result.map_err(|error| self.placed(error))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        match self.node.value {
            Value::Bool(value) => visitor.visit_bool(value).map_err(|error| self.placed(error)),
            _ => Err(self.expected("true or false")),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        let value = match self.node.value {
            Value::Float(value) => value,
            #[allow(clippy::cast_precision_loss, reason = "a fraction was asked for")]
            Value::Integer(value) => value as f64,
            _ => return Err(self.expected("a number")),
        };
        visitor.visit_f64(value).map_err(|error| self.placed(error))
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        match &self.node.value {
            Value::Text(text) => visitor.visit_borrowed_str(text).map_err(|error| self.placed(error)),
            _ => Err(self.expected("a string")),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        let result = match self.node.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        };
        result.map_err(|error| self.placed(error))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Complaint> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        let Value::List(items) = &self.node.value else { return Err(self.expected("a list")) };
        let items = Items { left: items.iter().enumerate(), reader: self };
        visitor.visit_seq(items).map_err(|error| self.placed(error))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        visitor.visit_map(self.members(self.object()?, None)).map_err(|error| self.placed(error))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Complaint> {
        let members = self.object()?;
        for member in members.iter().filter(|member| !fields.contains(&member.name.as_str())) {
            let hint = match nearest(&member.name, fields.iter().copied()) {
                Some(meant) => format!("did you mean \"{meant}\"?"),
                None => format!("known here: {}", fields.join(", ")),
            };
            self.unknown.borrow_mut().push(Complaint {
                at: Some(member.at),
                path: Path::Member(self.path, &member.name).to_string(),
                message: "unknown field".to_owned(),
                hint: Some(hint),
            });
        }
        visitor.visit_map(self.members(members, Some(fields))).map_err(|error| self.placed(error))
    }

    /// Enums without data, by their name.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Complaint> {
        let Value::Text(text) = &self.node.value else { return Err(self.expected("a string")) };
        if !variants.contains(&text.as_str()) {
            let message = format!("unknown value `{text}`, expected one of: {}", variants.join(", "));
            let hint = spelling_hint(&message);
            return Err(self.complaint(message, hint));
        }
        visitor.visit_enum(StrDeserializer::new(text)).map_err(|error| self.placed(error))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        visitor.visit_unit()
    }
}

struct Items<'p, 'de> {
    left: std::iter::Enumerate<std::slice::Iter<'de, Node>>,
    reader: Reader<'p, 'de>,
}

impl<'de> SeqAccess<'de> for Items<'_, 'de> {
    type Error = Complaint;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Complaint> {
        let Some((at, node)) = self.left.next() else { return Ok(None) };
        self.reader.inside(&Path::Item(self.reader.path, at), node, seed).map(Some)
    }
}

struct Members<'p, 'de> {
    left: std::slice::Iter<'de, Member>,
    /// The names that a struct knows: the others were complained about and are passed over.
    fields: Option<&'static [&'static str]>,
    value: Option<&'de Member>,
    reader: Reader<'p, 'de>,
}

impl<'de> MapAccess<'de> for Members<'_, 'de> {
    type Error = Complaint;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Complaint> {
        let fields = self.fields;
        let known = |member: &&Member| fields.is_none_or(|fields| fields.contains(&member.name.as_str()));
        let Some(member) = self.left.by_ref().filter(known).find(|member| member.node.value != Value::Null) else {
            return Ok(None);
        };
        self.value = Some(member);
        seed.deserialize(StrDeserializer::<Complaint>::new(&member.name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Complaint> {
        let member = self.value.take().ok_or_else(|| self.reader.complaint("a value without a name".into(), None))?;
        self.reader.inside(&Path::Member(self.reader.path, &member.name), &member.node, seed)
    }
}
