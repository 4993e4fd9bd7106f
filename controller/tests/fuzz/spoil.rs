//! Spoils requests: by their structure and by their bytes, all from one seed.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation, unreachable_pub)]

use serde_json::{Map, Value, json};

/// A generator that gives the same numbers for the same seed, everywhere (SplitMix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap()
    }

    pub fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}

/// What is sent.
pub struct Spoilt {
    pub bytes: Vec<u8>,
    /// Its HTTP may be spoilt, too: then HTTP's own refusal is as good as AWS's.
    pub http: bool,
}

/// One spoilt request of an operation.
pub fn spoilt(random: &mut Random, operation: &str, valid: &Value) -> Spoilt {
    let mut body = valid.clone();
    match random.below(10) {
        // By structure alone: two thirds.
        0..=6 => {
            for _ in 0..=random.below(3) {
                structure(random, &mut body);
            }
            Spoilt { bytes: request(operation, body.to_string().as_bytes()), http: false }
        }
        7 | 8 => {
            let mut text = body.to_string().into_bytes();
            for _ in 0..=random.below(3) {
                bytes(random, &mut text);
            }
            Spoilt { bytes: request(operation, &text), http: false }
        }
        _ => Spoilt { bytes: head(random, operation, &body.to_string()), http: true },
    }
}

pub fn request(operation: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-amz-json-1.1\r\n\
         X-Amz-Target: AmazonEC2ContainerServiceV20141113.{operation}\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=AKID/20261126/us-east-1/ecs/aws4_request, SignedHeaders=host, Signature=0\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// Pointers to every value of a document but the document itself.
fn places(value: &Value, at: &str, into: &mut Vec<String>) {
    let mut below = |key: &str, value: &Value| {
        let place = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
        into.push(place.clone());
        places(value, &place, into);
    };
    match value {
        Value::Object(members) => members.iter().for_each(|(key, value)| below(key, value)),
        Value::Array(items) => items.iter().enumerate().for_each(|(at, value)| below(&at.to_string(), value)),
        _ => {}
    }
}

fn structure(random: &mut Random, body: &mut Value) {
    let mut all = Vec::new();
    places(body, "", &mut all);
    if all.is_empty() || random.below(40) == 0 {
        *body = random.pick(&[json!([]), json!(null), json!("x"), json!(1), json!([{}]), json!({})]);
        return;
    }
    let place = random.pick(&all);
    if random.below(6) == 0 {
        return remove_or_rename(random, body, &place);
    }
    let other = body.pointer(&random.pick(&all)).cloned().unwrap_or_default();
    let at = body.pointer_mut(&place).unwrap();
    *at = replaced(random, at.take(), other);
}

fn remove_or_rename(random: &mut Random, body: &mut Value, place: &str) {
    let (parent, key) = place.rsplit_once('/').unwrap();
    let renames = random.below(2) == 0;
    match body.pointer_mut(parent).unwrap() {
        Value::Object(members) => {
            let value = members.remove(&key.replace("~1", "/").replace("~0", "~")).unwrap_or_default();
            if renames {
                members.insert(format!("{key}X"), value);
            }
        }
        Value::Array(items) => drop(items.remove(key.parse().unwrap())),
        _ => {}
    }
}

fn replaced(random: &mut Random, old: Value, other: Value) -> Value {
    match random.below(30) {
        0 => json!(null),
        1 => json!(random.below(2) == 0),
        2 => json!(random.pick(&[0, -1, 1, 11, 101, 65_536, i64::from(i32::MAX), i64::from(i32::MIN)])),
        3 => json!(random.pick(&[i64::MAX, i64::MIN, 5_000_000_000, -5_000_000_000])),
        4 => json!(u64::MAX),
        5 => json!(random.pick(&[0.5, -0.0, 1e308, -1e308, 1e-300, 1e15])),
        6 => json!(""),
        7 => json!("x".repeat(random.pick(&[33, 256, 1_025, 70_000]))),
        8 => json!(random.pick(&[
            "\u{0}",
            "\u{feff}a",
            "a\u{202e}b",
            "ü🦀",
            " ",
            "a b",
            "../..",
            "%00",
            "'; --",
            "\r\n"
        ])),
        9 => json!([]),
        10 => json!({}),
        11 => json!([old]),
        12 => json!({ "a": old }),
        13 => json!(random.pick(&["MOON", "enabled ", "ec2", "-1", "0", "NaN", "1.5", "99999999999999999999"])),
        14 => {
            let mut deep = old;
            for _ in 0..random.pick(&[5, 126, 127, 300]) {
                deep = if random.below(2) == 0 { json!([deep]) } else { json!({ "a": deep }) };
            }
            deep
        }
        // A list in place of a structure, member by member; and the other way round.
        15 | 16 => match old {
            Value::Object(members) => members.into_iter().map(|(_, value)| value).collect(),
            Value::Array(items) => items.into_iter().enumerate().map(|(at, item)| (at.to_string(), item)).collect(),
            other => json!([other, 1]),
        },
        17 | 18 => match old {
            Value::Array(items) if !items.is_empty() => {
                let times = random.pick(&[2, 11, 51, 101, 1_001]);
                (0..times).map(|at| items[at % items.len()].clone()).collect()
            }
            Value::Object(members) => more_members(random, members),
            other => json!([other, null]),
        },
        19 => json!(old.to_string()),
        20 => json!("arn:aws:ecs:us-east-1:000000000000:cluster/default"),
        21 => json!(random.pick(&[
            "arn:aws:ecs",
            "arn:aws:ecs:::/",
            "arn:aws:s3:::b",
            "::::::",
            "arn:aws:ecs:us-east-1:1:task/x/y/z"
        ])),
        22 => json!(random.pick(&[
            "attribute:",
            "a == b or",
            "((((((",
            "task:group == *",
            "attribute:x =~ (a*)*b",
            "not not"
        ])),
        23 => match old {
            Value::String(text) => json!(format!("{text}{text}x")),
            Value::Number(number) => json!(number.to_string()),
            other => other,
        },
        _ => other,
    }
}

fn more_members(random: &mut Random, mut members: Map<String, Value>) -> Value {
    for at in 0..random.pick(&[1, 60, 2_000]) {
        members.insert(format!("unheardOf{at}"), json!([{ "a": at }]));
    }
    Value::Object(members)
}

fn bytes(random: &mut Random, text: &mut Vec<u8>) {
    let at = random.below(text.len());
    const TOKENS: [&[u8]; 16] = [
        b"NaN",
        b"1e999",
        b"-",
        b"\"",
        b"\\",
        b"\\ud800",
        b"\\udc00\\ud800",
        b"\xff\xfe",
        b"\xed\xa0\x80",
        b"\x00",
        b"{",
        b"}",
        b"]",
        b",",
        b"[[[[[[[[",
        b"//",
    ];
    match random.below(6) {
        0 if !text.is_empty() => text[at] ^= 1 << random.below(8),
        1 => text.truncate(at),
        2 => drop(text.splice(at..at, random.pick(&TOKENS).iter().copied())),
        3 => {
            let end = (at + random.below(40)).min(text.len());
            let part = text[at..end].to_vec();
            text.splice(at..at, part);
        }
        4 => drop(text.drain(at..(at + random.below(20)).min(text.len()))),
        _ => {
            let end = (at + 1).min(text.len());
            text.splice(at..end, random.pick(&TOKENS).iter().copied());
        }
    }
}

/// A request whose headers are wrong.
fn head(random: &mut Random, operation: &str, body: &str) -> Vec<u8> {
    let valid = String::from_utf8(request(operation, body.as_bytes())).unwrap();
    let change = |from: &str, to: &str| valid.replacen(from, to, 1).into_bytes();
    let target = format!("X-Amz-Target: AmazonEC2ContainerServiceV20141113.{operation}\r\n");
    let length = format!("Content-Length: {}", body.len());
    match random.below(20) {
        0 => change(&target, ""),
        1 => change(".", ""),
        2 => change(operation, &operation.to_lowercase()),
        3 => change(operation, random.pick(&["", "LaunchRocket", "ExecuteCommand", "Run Task", "../x", "é"])),
        4 => change("AmazonEC2ContainerServiceV20141113", "DynamoDB_20120810"),
        5 => change(&target, &target.repeat(2)),
        6 => change(&length, &format!("Content-Length: {}", body.len() + 1 + random.below(1_000))),
        7 => change(&length, &format!("Content-Length: {}", random.below(body.len() + 1))),
        8 => change(
            &length,
            random.pick(&["Content-Length: -1", "Content-Length: x", "Content-Length: 99999999999999999999", "X: y"]),
        ),
        9 => change(&length, &format!("{length}\r\nContent-Length: 1")),
        10 => change(&length, "Transfer-Encoding: chunked"),
        11 => change("POST", random.pick(&["GET", "PUT", "DELETE", "OPTIONS", "BREW", "post"])),
        12 => change("POST /", random.pick(&["POST /x", "POST //", "POST *", "POST /?a=%zz", "POST http://y/"])),
        13 => change(
            "AKID/20261126/us-east-1/ecs/aws4_request",
            random.pick(&["", "A", "/////", "A/B/EU WEST/ecs/x", "a/b/c/d/e/f"]),
        ),
        14 => change("application/x-amz-json-1.1", random.pick(&["text/html", "application/cbor", "", "é"])),
        15 => change("HTTP/1.1", random.pick(&["HTTP/1.0", "HTTP/2.0", "HTTP/9", "HTCPCP/1.0", ""])),
        16 => change("Host: x", &format!("Host: x\r\nX-Long: {}", "y".repeat(random.pick(&[1_000, 30_000, 80_000])))),
        17 => change("Host: x", &"A: b\r\n".repeat(random.pick(&[50, 99, 150]))),
        _ => {
            let mut spoilt = valid.clone().into_bytes();
            let head = spoilt.len() - body.len();
            let at = random.below(head);
            spoilt[at] ^= 1 << random.below(8);
            spoilt
        }
    }
}
