//! AWS Signature Version 4, verified: the request is signed again by AWS's own signer, with the key that it names, the time
//! that it gives and the headers that it says are signed, and the two signatures are compared in constant time. What is wrong
//! is refused in the order and the words of AWS's front door. Pure: keys, request and time come from outside.

use std::collections::BTreeSet;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use axum::http::{HeaderMap, Uri};
use ctutils::CtEq as _;
use drydock_state::Millis;

use super::keys::{Key, Keys};
use super::scope::{Credential, credential};
use crate::limits::AWS_SIGNATURE_SKEW_MAX;

/// The one algorithm.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const DATE: &str = "x-amz-date";
const TOKEN: &str = "x-amz-security-token";
const MISMATCH: &str = "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
                        Access Key and signing method. Consult the service documentation for details.";

/// Why a request isn't believed. Each is an exception of AWS's front door.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// It isn't signed.
    #[error("{0}")]
    MissingToken(&'static str),
    /// Something is missing in its signature, or isn't in the form.
    #[error("{0}")]
    Incomplete(String),
    /// Nobody has that key, or it goes with another session token.
    #[error("The security token included in the request is invalid.")]
    Unrecognized,
    /// Another request was signed, or with another secret, at another time, for another service.
    #[error("{0}")]
    Invalid(String),
}

/// What came in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Received<'a> {
    pub(super) method: &'a str,
    pub(super) uri: &'a Uri,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
}

/// The parameters of an authorization header.
struct Parameters<'a> {
    algorithm: &'a str,
    credential: &'a str,
    /// In lower case.
    signed: BTreeSet<String>,
    signature: &'a str,
}

/// The key that a request is signed with.
///
/// # Errors
/// It isn't signed for `service`, or not so that it is believed at `now`, in milliseconds since 1970.
pub(super) fn verify<'a>(
    keys: &'a Keys,
    request: &Received<'_>,
    service: &str,
    now: Millis,
) -> Result<&'a Key, Refused> {
    let date = text(request.headers, DATE).or_else(|| text(request.headers, "date"));
    let parameters = parameters(authorization(request)?, date.is_some())?;
    let date = date.unwrap_or_default();
    let time = time(date).ok_or_else(|| {
        let see = "See http://en.wikipedia.org/wiki/ISO_8601";
        Refused::Incomplete(format!("Date must be in ISO-8601 'basic format'. Got '{date}'. {see}"))
    })?;
    check_age(date, time, now)?;
    check_signed_headers(&parameters.signed, request.headers)?;
    if parameters.algorithm != ALGORITHM {
        let algorithm = parameters.algorithm;
        return Err(Refused::Incomplete(format!(
            "Unsupported AWS 'algorithm': '{algorithm}' (only {ALGORITHM} for now). "
        )));
    }
    let credential = credential(parameters.credential)?;
    check_scope(&credential, service, date)?;
    let key = keys.get(credential.key_id).ok_or(Refused::Unrecognized)?;
    let expected = signature(&credential, key, request, &parameters.signed, time)
        .ok_or_else(|| Refused::Invalid(MISMATCH.to_owned()))?;
    if !same(&expected, parameters.signature) {
        return Err(Refused::Invalid(MISMATCH.to_owned()));
    }
    match (&key.token, text(request.headers, TOKEN)) {
        (None, None) => Ok(key),
        (Some(token), Some(given)) if same(token, given) => Ok(key),
        _ => Err(Refused::Unrecognized),
    }
}

/// In time that doesn't depend on how much of it is the same.
fn same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).to_bool()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    std::str::from_utf8(headers.get(name)?.as_bytes()).ok()
}

fn authorization<'a>(request: &Received<'a>) -> Result<&'a str, Refused> {
    if let Some(header) = text(request.headers, "authorization").filter(|header| header.starts_with("AWS4-")) {
        return Ok(header);
    }
    if request.uri.query().is_some_and(|query| query.to_ascii_lowercase().contains("x-amz-signature=")) {
        let why =
            "Missing Authentication Token: presigned requests are not taken here, sign with an Authorization header";
        return Err(Refused::MissingToken(why));
    }
    Err(Refused::MissingToken("Missing Authentication Token"))
}

/// Reads `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`.
fn parameters(header: &str, dated: bool) -> Result<Parameters<'_>, Refused> {
    let (algorithm, rest) = header.split_once(' ').unwrap_or((header, ""));
    let (mut credential, mut signed, mut signature) = (None, None, None);
    for part in rest.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let Some((name, value)) = part.split_once('=') else {
            return Err(Refused::Incomplete(format!(
                "'{part}' not a valid key=value pair (missing equal-sign) in Authorization header: '{header}'."
            )));
        };
        match name {
            "Credential" => credential = Some(value),
            "SignedHeaders" => signed = Some(value),
            "Signature" => signature = Some(value),
            _ => {}
        }
    }
    let mut missing = String::new();
    for (name, value) in [("Credential", credential), ("Signature", signature), ("SignedHeaders", signed)] {
        if value.is_none_or(str::is_empty) {
            missing.push_str(&format!("Authorization header requires '{name}' parameter. "));
        }
    }
    if !dated {
        missing.push_str("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ");
    }
    match (credential, signed, signature) {
        (Some(credential), Some(signed), Some(signature)) if missing.is_empty() => Ok(Parameters {
            algorithm,
            credential,
            signed: signed.split(';').map(str::to_ascii_lowercase).collect(),
            signature,
        }),
        _ => Err(Refused::Incomplete(format!("{missing}Authorization={header}"))),
    }
}

/// The time of `20150830T123600Z`.
fn time(basic: &str) -> Option<SystemTime> {
    let shape = |(at, byte): (usize, u8)| match at {
        8 => byte == b'T',
        15 => byte == b'Z',
        _ => byte.is_ascii_digit(),
    };
    if basic.len() != 16 || !basic.bytes().enumerate().all(shape) {
        return None;
    }
    let part = |from: usize, to: usize| basic.get(from..to).unwrap_or_default();
    let (year, month, day) = (part(0, 4), part(4, 6), part(6, 8));
    let (hour, minute, second) = (part(9, 11), part(11, 13), part(13, 15));
    let extended = format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z");
    SystemTime::try_from(DateTime::from_str(&extended, Format::DateTime).ok()?).ok()
}

/// The reverse of [`time`], of seconds since 1970.
fn basic(seconds: u64) -> String {
    let time = DateTime::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
    time.fmt(Format::DateTime).unwrap_or_default().replace(['-', ':'], "")
}

fn check_age(date: &str, time: SystemTime, now: Millis) -> Result<(), Refused> {
    // A time before 1970 has expired, too.
    let time = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let (now, skew) = (now / 1_000, AWS_SIGNATURE_SKEW_MAX.as_secs());
    let (earliest, latest, minutes) = (now.saturating_sub(skew), now.saturating_add(skew), skew / 60);
    if time < earliest {
        let (earliest, now) = (basic(earliest), basic(now));
        return Err(Refused::Invalid(format!(
            "Signature expired: {date} is now earlier than {earliest} ({now} - {minutes} min.)"
        )));
    }
    if time > latest {
        let (latest, now) = (basic(latest), basic(now));
        return Err(Refused::Invalid(format!(
            "Signature not yet current: {date} is still later than {latest} ({now} + {minutes} min.)"
        )));
    }
    Ok(())
}

/// What decides what a request does must be signed: where it goes to and which operation it is. (The body always is.)
fn check_signed_headers(signed: &BTreeSet<String>, headers: &HeaderMap) -> Result<(), Refused> {
    let unsigned = |name: &str| Refused::Invalid(format!("{name} must be a 'SignedHeader' in the AWS Authorization."));
    if !signed.contains("host") {
        return Err(unsigned("'Host' or ':authority'"));
    }
    if headers.contains_key("x-amz-target") && !signed.contains("x-amz-target") {
        return Err(unsigned("'X-Amz-Target'"));
    }
    match signed.iter().find(|name| !headers.contains_key(name.as_str())) {
        Some(name) => Err(Refused::Incomplete(format!(
            "'{name}' is named as a SignedHeader, but it does not exist in the HTTP request."
        ))),
        None => Ok(()),
    }
}

fn check_scope(credential: &Credential<'_>, service: &str, date: &str) -> Result<(), Refused> {
    let mut wrong = Vec::new();
    if credential.service != service {
        wrong.push(format!("Credential should be scoped to correct service: '{service}'."));
    }
    if credential.terminator != "aws4_request" {
        let terminator = credential.terminator;
        wrong.push(format!("Credential should be scoped with a valid terminator: 'aws4_request', not '{terminator}'."));
    }
    let (day, given) = (date.get(..8).unwrap_or_default(), credential.date);
    if given != day {
        wrong.push(format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{given}' != '{day}', \
             from '{date}'."
        ));
    }
    if wrong.is_empty() { Ok(()) } else { Err(Refused::Invalid(wrong.join(" "))) }
}

/// The signature that the request should have; `None` where it has what no client can have signed.
fn signature(
    credential: &Credential<'_>,
    key: &Key,
    request: &Received<'_>,
    signed: &BTreeSet<String>,
    time: SystemTime,
) -> Option<String> {
    let mut headers = Vec::new();
    for name in signed {
        for value in request.headers.get_all(name) {
            headers.push((name.as_str(), std::str::from_utf8(value.as_bytes()).ok()?));
        }
    }
    let mut settings = SigningSettings::default();
    // Everything that the client says is signed; the signer adds a header that not all do.
    settings.excluded_headers = Some(if signed.contains(DATE) { Vec::new() } else { vec![DATE.into()] });
    // The session token is a header like others here: it is signed where the client signed it.
    let identity = Credentials::builder()
        .access_key_id(credential.key_id)
        .secret_access_key(key.secret.as_str())
        .provider_name("the file of keys")
        .build()
        .into();
    let parameters = SigningParams::builder()
        .identity(&identity)
        .region(credential.region)
        .name(credential.service)
        .time(time)
        .settings(settings)
        .build()
        .ok()?;
    let target = request.uri.path_and_query().map_or("/", |target| target.as_str());
    let request =
        SignableRequest::new(request.method, target, headers.into_iter(), SignableBody::Bytes(request.body)).ok()?;
    Some(sign(request, &parameters.into()).ok()?.signature().to_owned())
}

#[cfg(test)]
#[path = "signature_tests.rs"]
mod tests;
