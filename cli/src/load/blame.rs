//! Which value of a file ECS's rules refuse: the controllers tell only ECS's text. The rules are pure, so they can be asked
//! again here with one value after the other replaced by a harmless one: the value without which that very text doesn't come
//! is the one. No IO.

use serde::de::DeserializeOwned;

use super::complaint::{Complaint, render};
use super::deserialize;
use super::tree::{Node, Value};

/// Values of a file that are tried; where it has more, no place is told.
const VALUES_MAX: usize = 2_000;
/// What is put in a text's place first.
const HARMLESS: &str = "harmless";
/// What is put in a text's place: any word, or a size.
const HARMLESS_TEXTS: [&str; 2] = [HARMLESS, "256"];

/// A file as it was read, kept for telling places in it.
#[derive(Debug)]
pub struct Source {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) root: Node,
}

/// The text that the rules refuse a request with.
pub type Rules<T> = fn(&T) -> Option<String>;

impl Source {
    /// Where the value is that the rules refuse with this text, ready for people: the file's beginning where no single
    /// value is to blame. `None` where the file as it stands isn't refused so: then the exception is about something else.
    #[must_use]
    pub fn blame<T: DeserializeOwned>(&self, exception: &str, text: &str, rules: Rules<T>) -> Option<String> {
        // `None` where it is no request at all, as with a word in place of an enum's.
        let refused = |root: &Node| deserialize::read::<T>(root).ok().map(|request| rules(&request));
        let is_refused_so = |root: &Node| refused(root).flatten().as_deref() == Some(text);
        if !is_refused_so(&self.root) {
            return None;
        }
        let mut places = Vec::new();
        values(&self.root, &mut Vec::new(), &mut places);
        if places.len() > VALUES_MAX {
            return None;
        }
        let place =
            self.first_to_blame(&places, text, &refused).or_else(|| self.last_to_blame(&places, text, &refused));
        let about_containers = text.contains("ontainer");
        let place = place.or_else(|| about_containers.then(|| self.item_to_blame(&is_refused_so)).flatten());
        let place = place.unwrap_or_default();
        let (path, node) = self.describe(&place)?;
        let complaint = Complaint { at: Some(node.at), path, message: format!("{exception}: {text}"), hint: None };
        Some(render(&self.name, &self.text, &[complaint]))
    }

    /// The value without which the text doesn't come. Of several: one that makes the file good (a name that the text
    /// repeats changes it, too), that the text speaks of, the last.
    fn first_to_blame(
        &self,
        places: &[Vec<usize>],
        text: &str,
        refused: &impl Fn(&Node) -> Option<Option<String>>,
    ) -> Option<Vec<usize>> {
        let said = text.to_ascii_lowercase();
        let mut best: Option<((bool, usize), &Vec<usize>)> = None;
        for place in places {
            let mut root = self.root.clone();
            let mut tried = |value: Value| {
                at_mut(&mut root, place)?.value = value;
                refused(&root)
            };
            let (value, others) = (harmless(&self.root, place), words(&self.root, place));
            let with: Vec<Option<String>> = value.into_iter().filter_map(&mut tried).collect();
            let good =
                with.iter().any(Option::is_none) || others.into_iter().filter_map(tried).any(|now| now.is_none());
            let gone = !with.is_empty() && with.iter().all(|now| !self.is_same(place, text, now.as_deref()));
            let spoken = self.describe(place).map_or(0, |(path, _)| spoken_of(&path, &said));
            // What is put in its place may be refused by a rule that comes first, and hide the one that is looked for: only
            // what the text speaks of is blamed without a file that is good.
            if !good && (!gone || spoken == 0) {
                continue;
            }
            let score = (good, spoken);
            if best.is_none_or(|(least, _)| score >= least) {
                best = Some((score, place));
            }
        }
        best.map(|(_, place)| place.clone())
    }

    /// The last one, where several values are refused with the same text: the others are replaced by harmless ones.
    fn last_to_blame(
        &self,
        places: &[Vec<usize>],
        text: &str,
        refused: &impl Fn(&Node) -> Option<Option<String>>,
    ) -> Option<Vec<usize>> {
        let mut root = self.root.clone();
        let mut said = text.to_owned();
        for place in places {
            let tried: Vec<(Node, Option<String>)> = harmless(&root, place)
                .into_iter()
                .filter_map(|value| {
                    let mut other = root.clone();
                    at_mut(&mut other, place)?.value = value;
                    refused(&other).map(|now| (other, now))
                })
                .collect();
            if tried.is_empty() {
                continue;
            }
            match tried.into_iter().find(|(_, now)| self.is_same(place, &said, now.as_deref())) {
                Some((other, now)) => {
                    root = other;
                    said = now.unwrap_or_default();
                }
                None => return Some(place.clone()),
            }
        }
        None
    }

    /// Whether a text is the one that was said before a value was replaced: word for word, or with the new value where the
    /// old one was (a container's name says which one is meant, and isn't what is wrong).
    fn is_same(&self, place: &[usize], said: &str, now: Option<&str>) -> bool {
        let Some(now) = now else { return false };
        let renamed = |new: &str| match self.describe(place).map(|(_, node)| &node.value) {
            Some(Value::Text(old)) if !old.is_empty() => said.match_indices(old.as_str()).any(|(at, _)| {
                let rest = now.strip_prefix(&said[..at]).and_then(|rest| rest.strip_prefix(new));
                rest == Some(&said[at + old.len()..])
            }),
            _ => false,
        };
        now == said || HARMLESS_TEXTS.into_iter().any(renamed)
    }

    /// The one of the containers that lacks something: alone, it is still refused.
    fn item_to_blame(&self, is_refused_so: &impl Fn(&Node) -> bool) -> Option<Vec<usize>> {
        let Value::Object(members) = &self.root.value else { return None };
        let (at, list) = members.iter().enumerate().find(|(_, member)| member.name == "containerDefinitions")?;
        let Value::List(items) = &list.node.value else { return None };
        if items.is_empty() {
            return Some(vec![at]);
        }
        let alone = |item: &usize| {
            let mut root = self.root.clone();
            if let Some(node) = at_mut(&mut root, &[at]) {
                node.value = Value::List(vec![items[*item].clone()]);
            }
            is_refused_so(&root)
        };
        let guilty: Vec<usize> = (0..items.len()).filter(alone).collect();
        match guilty[..] {
            [item] => Some(vec![at, item]),
            _ => Some(vec![at]),
        }
    }

    /// The path as people write it, and the node.
    fn describe(&self, place: &[usize]) -> Option<(String, &Node)> {
        let (mut path, mut node) = (String::new(), &self.root);
        for step in place {
            node = match &node.value {
                Value::Object(members) => {
                    let member = members.get(*step)?;
                    path.push_str(if path.is_empty() { "" } else { "." });
                    path.push_str(&member.name);
                    &member.node
                }
                Value::List(items) => {
                    path.push_str(&format!("[{step}]"));
                    items.get(*step)?
                }
                _ => return None,
            };
        }
        Some((path, node))
    }
}

/// The places of all values that hold no others, in the file's order.
fn values(node: &Node, place: &mut Vec<usize>, found: &mut Vec<Vec<usize>>) {
    let inside: Vec<&Node> = match &node.value {
        Value::Object(members) => members.iter().map(|member| &member.node).collect(),
        Value::List(items) => items.iter().collect(),
        Value::Null => return,
        _ => return found.push(place.clone()),
    };
    for (step, node) in inside.into_iter().enumerate() {
        place.push(step);
        values(node, place, found);
        place.pop();
    }
}

/// Values that would do in its place. A rule that refuses them all as it did before isn't about this value.
fn harmless(root: &Node, place: &[usize]) -> Vec<Value> {
    let mut root = root.clone();
    match at_mut(&mut root, place).map(|node| &node.value) {
        Some(Value::Bool(value)) => vec![Value::Bool(!value), Value::Null],
        Some(Value::Integer(_)) => [256, 1, 0].map(Value::Integer).into_iter().chain([Value::Null]).collect(),
        Some(Value::Text(_)) => HARMLESS_TEXTS.map(|text| Value::Text(text.to_owned())).into(),
        _ => vec![Value::Null],
    }
}

/// What may stand for a word that isn't free: nothing, a size, or one of an enum that excludes others.
fn words(root: &Node, place: &[usize]) -> Vec<Value> {
    let mut root = root.clone();
    match at_mut(&mut root, place).map(|node| &node.value) {
        Some(Value::Text(_)) => {
            let words = ["awsvpc", "EC2", "json-file", "512"].map(|text| Value::Text(text.to_owned()));
            words.into_iter().chain([Value::Null]).collect()
        }
        _ => Vec::new(),
    }
}

/// How many words of the last name in a path (`networkMode`: two) a text has.
fn spoken_of(path: &str, text: &str) -> usize {
    let name = path.rsplit('.').next().unwrap_or(path);
    let name = name.split('[').next().unwrap_or(name);
    let mut words: Vec<String> = Vec::new();
    for letter in name.chars() {
        match words.last_mut() {
            Some(word) if !letter.is_ascii_uppercase() => word.push(letter),
            _ => words.push(letter.to_ascii_lowercase().to_string()),
        }
    }
    words.iter().filter(|word| text.contains(word.as_str())).count()
}

fn at_mut<'a>(root: &'a mut Node, place: &[usize]) -> Option<&'a mut Node> {
    place.iter().try_fold(root, |node, step| match &mut node.value {
        Value::Object(members) => members.get_mut(*step).map(|member| &mut member.node),
        Value::List(items) => items.get_mut(*step),
        _ => None,
    })
}
