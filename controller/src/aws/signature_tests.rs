//! Tests of the verification: AWS's published examples, what is refused in which words, and that nothing that is signed can be
//! changed.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};
use drydock_state::Millis;
use proptest::prelude::*;

use super::{Received, Refused, basic, time, verify};
use crate::aws::keys::Keys;
use crate::aws::keys::tests::keys;

/// 2015-08-30T12:36:00Z, the time of AWS's examples.
const NOW: Millis = 1_440_938_160_000;
const ROOM: &str =
    "[default]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY\n";

/// A request that the tests change.
#[derive(Clone)]
struct Sent {
    method: &'static str,
    uri: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Sent {
    /// `METHOD TARGET`, headers, an empty line, the body.
    fn of(method: &'static str, text: &str) -> Self {
        let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
        let mut lines = head.lines();
        let uri = lines.next().unwrap().to_owned();
        let headers = lines.map(|line| line.split_once(':').unwrap());
        let headers = headers.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
        Self { method, uri, headers, body: body.as_bytes().to_vec() }
    }

    /// A request to ECS as an SDK sends it, signed for the time `at`.
    fn signed(at: Millis, body: &str) -> Self {
        let text = "/\nHost: 127.0.0.1:4566\nContent-Type: application/x-amz-json-1.1\n\
                    X-Amz-Target: AmazonEC2ContainerServiceV20141113.ListClusters";
        let mut sent = Self::of("POST", text);
        sent.body = body.as_bytes().to_vec();
        sent.sign(at, "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "ecs", None);
        sent
    }

    /// As an SDK does it.
    fn sign(&mut self, at: Millis, id: &str, secret: &str, service: &str, token: Option<&str>) {
        let identity = Credentials::new(id, secret, token.map(str::to_owned), None, "test").into();
        let parameters = SigningParams::builder().identity(&identity).region("us-east-1").name(service);
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(at);
        let parameters = parameters.time(time).settings(SigningSettings::default()).build().unwrap().into();
        let added: Vec<(String, String)> = {
            let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let body = SignableBody::Bytes(&self.body);
            let request = SignableRequest::new(self.method, &self.uri, headers, body).unwrap();
            let signed = sign(request, &parameters).unwrap();
            signed.output().headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        self.headers.extend(added);
    }

    fn set(&mut self, name: &str, value: &str) {
        self.headers.retain(|(found, _)| !found.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    fn get(&self, name: &str) -> &str {
        &self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).unwrap().1
    }

    fn verified(&self, keys: &Keys, service: &str, now: Millis) -> Result<String, Refused> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
        }
        let uri: Uri = self.uri.parse().unwrap();
        let received = Received { method: self.method, uri: &uri, headers: &headers, body: &self.body };
        verify(keys, &received, service, now).map(|key| key.profile.clone())
    }

    fn refused(&self) -> Refused {
        self.verified(&keys(ROOM), "ecs", NOW).unwrap_err()
    }
}

#[test]
fn aws_s_own_examples_are_believed() {
    let token = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";
    let more = "my-header1;";
    // AWS's signing test suite (aws-sig-v4): name, method, request, further signed headers, signature.
    let table = [
        ("get-vanilla", "GET", "/", "", "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        (
            "get-header-key-duplicate",
            "GET",
            "/\nMy-Header1:value2\nMy-Header1:value2\nMy-Header1:value1",
            more,
            "",
            "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
        ),
        (
            "get-header-value-order",
            "GET",
            "/\nMy-Header1:value4\nMy-Header1:value1\nMy-Header1:value3\nMy-Header1:value2",
            more,
            "",
            "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
        ),
        (
            "get-header-value-trim",
            "GET",
            "/\nMy-Header1: value1\nMy-Header2: \"a   b   c\"",
            "my-header1;my-header2;",
            "",
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        ),
        (
            "post-header-key-sort",
            "POST",
            "/\nMy-Header1:value1",
            more,
            "",
            "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
        ),
        (
            "post-header-value-case",
            "POST",
            "/\nMy-Header1:VALUE1",
            more,
            "",
            "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
        ),
        (
            "post-vanilla-query",
            "POST",
            "/?Param1=value1",
            "",
            "",
            "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
        ),
        (
            "get-vanilla-with-session-token",
            "GET",
            "/",
            "",
            ";x-amz-security-token",
            "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
        ),
    ];
    let check = |name: &str, mut sent: Sent, signed: &str, signature: &str| {
        sent.set("Host", "example.amazonaws.com");
        sent.set("X-Amz-Date", "20150830T123600Z");
        let with_token = signed.contains("x-amz-security-token");
        let keys = if with_token { keys(&format!("{ROOM}aws_session_token = {token}\n")) } else { keys(ROOM) };
        if with_token {
            sent.set("X-Amz-Security-Token", token);
        }
        let credential = "AKIDEXAMPLE/20150830/us-east-1/service/aws4_request";
        let header = format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={signed}, Signature={signature}");
        sent.set("Authorization", &header);
        assert_eq!(sent.verified(&keys, "service", NOW), Ok("default".to_owned()), "{name}");
    };
    for (name, method, request, before, after, signature) in table {
        let signed = match before.split_once("my-") {
            Some(_) => format!("host;{before}x-amz-date{after}"),
            None => format!("host;x-amz-date{after}"),
        };
        check(name, Sent::of(method, request), &signed, signature);
    }
    let form = "/\nContent-Type:application/x-www-form-urlencoded\nContent-Length:13\n\
                x-amz-content-sha256:9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e\n\nParam1=value1";
    check(
        "post-x-www-form-urlencoded",
        Sent::of("POST", form),
        "content-length;content-type;host;x-amz-content-sha256;x-amz-date",
        "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
    );
}

#[test]
fn an_sdk_s_request_is_believed_within_five_minutes() {
    let sent = Sent::signed(NOW, "{}");
    let at = |now: Millis| sent.verified(&keys(ROOM), "ecs", now);
    for now in [NOW, NOW - 300_000, NOW + 300_000] {
        assert_eq!(at(now), Ok("default".to_owned()), "{now}");
    }
    assert_eq!(
        at(NOW + 301_000).unwrap_err().to_string(),
        "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T124101Z - 5 min.)"
    );
    assert_eq!(
        at(NOW - 301_000).unwrap_err().to_string(),
        "Signature not yet current: 20150830T123600Z is still later than 20150830T123559Z (20150830T123059Z + 5 min.)"
    );
    assert!(matches!(at(NOW + 301_000), Err(Refused::Invalid(_))));
    // How many spaces are between the words of a header doesn't count.
    let mut spaced = Sent::of("POST", "/\nHost: here\nMy-Header: a b c");
    spaced.sign(NOW, "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "ecs", None);
    spaced.set("My-Header", "  a   b c ");
    assert_eq!(spaced.verified(&keys(ROOM), "ecs", NOW), Ok("default".to_owned()));
}

#[test]
fn what_is_wrong_is_said_as_aws_says_it() {
    type Spoil = fn(&mut Sent);
    fn authorization(sent: &mut Sent, change: impl Fn(&str) -> String) {
        let changed = change(sent.get("authorization"));
        sent.set("authorization", &changed);
    }
    let (missing, incomplete, unrecognized, invalid) = ("MissingToken", "Incomplete", "Unrecognized", "Invalid");
    let table: [(Spoil, &str, &str); 22] = [
        (|s| s.headers.retain(|(name, _)| name != "authorization"), missing, "Missing Authentication Token"),
        (|s| s.set("authorization", "Bearer x"), missing, "Missing Authentication Token"),
        (
            |s| {
                s.headers.retain(|(name, _)| name != "authorization");
                s.uri = "/?X-Amz-Signature=0".to_owned();
            },
            missing,
            "presigned requests are not taken here",
        ),
        (
            |s| s.set("authorization", "AWS4-HMAC-SHA256 x=y"),
            incomplete,
            "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. \
             Authorization header requires 'SignedHeaders' parameter. Authorization=AWS4-HMAC-SHA256 x=y",
        ),
        (
            |s| {
                s.set("authorization", "AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host, Signature=0");
                s.headers.retain(|(name, _)| name != "x-amz-date");
            },
            incomplete,
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. Authorization=",
        ),
        (
            |s| s.set("authorization", "AWS4-HMAC-SHA256 Credential=a, nonsense"),
            incomplete,
            "'nonsense' not a valid key=value pair (missing equal-sign) in Authorization header: 'AWS4-",
        ),
        (
            |s| s.set("x-amz-date", "Sun, 30 Aug 2015 12:36:00 GMT"),
            incomplete,
            "Date must be in ISO-8601 'basic format'. Got 'Sun, 30 Aug 2015 12:36:00 GMT'. See http://en.wikipedia.org",
        ),
        (|s| s.set("x-amz-date", "20151330T123600Z"), incomplete, "Got '20151330T123600Z'"),
        (|s| s.set("x-amz-date", "00000101T000000Z"), invalid, "Signature expired: "),
        (
            |s| authorization(s, |old| old.replace(";host", "")),
            invalid,
            "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
        ),
        (
            |s| authorization(s, |old| old.replace(";x-amz-target", "")),
            invalid,
            "'X-Amz-Target' must be a 'SignedHeader' in the AWS Authorization.",
        ),
        (
            |s| authorization(s, |old| old.replace("SignedHeaders=", "SignedHeaders=accept;")),
            incomplete,
            "'accept' is named as a SignedHeader, but it does not exist in the HTTP request.",
        ),
        (
            |s| authorization(s, |old| old.replace("SHA256", "SHA512")),
            incomplete,
            "Unsupported AWS 'algorithm': 'AWS4-HMAC-SHA512' (only AWS4-HMAC-SHA256 for now). ",
        ),
        (
            |s| authorization(s, |old| old.replace("/ecs/", "/")),
            incomplete,
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got \
             'AKIDEXAMPLE/20150830/us-east-1/aws4_request'",
        ),
        (
            |s| authorization(s, |old| old.replace("us-east-1", "US")),
            invalid,
            "Credential should be scoped to a valid region, not 'US'.",
        ),
        (
            |s| authorization(s, |old| old.replace("/ecs/", "/sts/")),
            invalid,
            "Credential should be scoped to correct service: 'ecs'.",
        ),
        (
            |s| authorization(s, |old| old.replace("20150830/us-east-1/ecs/aws4_request", "20150829/us-east-1/ecr/x")),
            invalid,
            "Credential should be scoped to correct service: 'ecs'. Credential should be scoped with a valid terminator: \
             'aws4_request', not 'x'. Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from \
             HTTP: '20150829' != '20150830', from '20150830T123600Z'.",
        ),
        (
            |s| authorization(s, |old| old.replace("AKIDEXAMPLE", "AKIDOTHER")),
            unrecognized,
            "The security token included in the request is invalid.",
        ),
        // Of another region.
        (|s| authorization(s, |old| old.replace("us-east-1", "us-east-2")), invalid, super::MISMATCH),
        (|s| s.set("x-amz-security-token", "x"), unrecognized, "The security token included"),
        // A header that isn't signed says nothing.
        (|s| s.set("x-amz-content-sha256", "UNSIGNED-PAYLOAD"), "Ok", ""),
        (
            |s| {
                s.headers.retain(|(name, _)| name != "authorization" && name != "x-amz-date");
                s.sign(NOW, "AKIDEXAMPLE", "another secret", "ecs", None);
            },
            invalid,
            super::MISMATCH,
        ),
    ];
    for (at, (spoil, kind, text)) in table.into_iter().enumerate() {
        let mut sent = Sent::signed(NOW, "{}");
        spoil(&mut sent);
        let verified = sent.verified(&keys(ROOM), "ecs", NOW);
        let (found, said) = match &verified {
            Ok(_) => ("Ok", String::new()),
            Err(error @ Refused::MissingToken(_)) => (missing, error.to_string()),
            Err(error @ Refused::Incomplete(_)) => (incomplete, error.to_string()),
            Err(error @ Refused::Unrecognized) => (unrecognized, error.to_string()),
            Err(error @ Refused::Invalid(_)) => (invalid, error.to_string()),
        };
        assert!(found == kind && said.contains(text), "row {at}: {found}: {said}");
    }
}

#[test]
fn a_body_is_always_signed_whatever_a_header_says_of_it() {
    let mut sent = Sent::of("POST", "/\nHost: here\nX-Amz-Content-Sha256: UNSIGNED-PAYLOAD\n\n{}");
    let identity =
        Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None, None, "test").into();
    let parameters = SigningParams::builder().identity(&identity).region("us-east-1").name("ecs");
    let time = SystemTime::UNIX_EPOCH + Duration::from_millis(NOW);
    let parameters = parameters.time(time).settings(SigningSettings::default()).build().unwrap().into();
    let headers: Vec<(String, String)> = sent.headers.clone();
    let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let request = SignableRequest::new("POST", "/", headers, SignableBody::UnsignedPayload).unwrap();
    let signed = sign(request, &parameters).unwrap();
    sent.headers.extend(signed.output().headers().map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(sent.refused(), Refused::Invalid(super::MISMATCH.to_owned()));
}

#[test]
fn a_session_token_goes_with_its_key() {
    let room = "[temporary]\naws_access_key_id = ASIA1\naws_secret_access_key = s\naws_session_token = FwoG==\n";
    let with = |token: Option<&str>| {
        let mut sent = Sent::of("POST", "/\nHost: here");
        sent.sign(NOW, "ASIA1", "s", "ecs", token);
        sent.verified(&keys(room), "ecs", NOW)
    };
    assert_eq!(with(Some("FwoG==")), Ok("temporary".to_owned()));
    assert_eq!(with(Some("FwoH==")), Err(Refused::Unrecognized));
    assert_eq!(with(None), Err(Refused::Unrecognized));
    // Some clients add it after they have signed.
    let mut after = Sent::of("POST", "/\nHost: here");
    after.sign(NOW, "ASIA1", "s", "ecs", None);
    after.set("x-amz-security-token", "FwoG==");
    assert_eq!(after.verified(&keys(room), "ecs", NOW), Ok("temporary".to_owned()));
}

#[test]
fn times_are_written_as_aws_writes_them() {
    assert_eq!(basic(1_440_938_160), "20150830T123600Z");
    for seconds in [0, 951_782_399, 951_782_400, 1_709_164_800, 4_102_444_799] {
        let read = time(&basic(seconds)).unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(read.as_secs(), seconds);
    }
    for wrong in [
        "",
        "20150830",
        "20150830T123600",
        "2015-08-30T12:36Z",
        "20150230T123600Z",
        "20150830t123600z",
        "2015083éT12360Z",
    ] {
        assert_eq!(time(wrong), None, "{wrong}");
    }
}

proptest! {
    /// Whatever of the request is signed (a header, the body, the target, the signature itself): one bit more, and it is refused.
    #[test]
    fn nothing_that_is_signed_can_be_changed(
        body in "[ -~]{1,200}", place in 0_usize..6, at in any::<prop::sample::Index>(), bit in 0_u8..7,
    ) {
        let room = keys(ROOM);
        let mut sent = Sent::signed(NOW, &body);
        prop_assert!(sent.verified(&room, "ecs", NOW).is_ok());
        let flip = |bytes: &mut Vec<u8>| {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        };
        let name = ["host", "content-type", "x-amz-target", "x-amz-date", "authorization", ""][place];
        if name.is_empty() {
            flip(&mut sent.body);
        } else {
            let mut bytes = sent.get(name).as_bytes().to_vec();
            let old = bytes.clone();
            flip(&mut bytes);
            // No header can have it, or it means the same.
            prop_assume!(HeaderValue::from_bytes(&bytes).is_ok() && std::str::from_utf8(&bytes).is_ok());
            let squeezed = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap().replace([' ', '\t'], "").to_lowercase();
            prop_assume!(name != "authorization" || squeezed(&bytes) != squeezed(&old));
            sent.set(name, std::str::from_utf8(&bytes).unwrap());
        }
        prop_assert!(sent.verified(&room, "ecs", NOW).is_err());
    }
}
