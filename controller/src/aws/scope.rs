//! The credential scope that every signed request carries (`Credential=AKID/20261126/us-east-1/ecs/aws4_request`): its third
//! part is the region that the request is about, whether or not its signature is verified.

use axum::http::HeaderMap;
use drydock_model::arn::Scope;

use super::signature::Refused;

/// Bytes of a region's name: AWS's longest has 14.
const REGION_BYTES_MAX: usize = 32;

/// A credential, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Credential<'a> {
    /// May have slashes of its own.
    pub(super) key_id: &'a str,
    pub(super) date: &'a str,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
    pub(super) terminator: &'a str,
}

/// Takes a credential apart.
///
/// # Errors
/// It has fewer than five parts, or none of its parts can be a region.
pub(super) fn credential(text: &str) -> Result<Credential<'_>, Refused> {
    let wrong = || {
        Refused::Incomplete(format!(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{text}'"
        ))
    };
    let mut parts = text.rsplitn(5, '/');
    let mut next = || parts.next().filter(|part| !part.is_empty()).ok_or_else(wrong);
    let (terminator, service, region, date, key_id) = (next()?, next()?, next()?, next()?, next()?);
    let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if region.len() > REGION_BYTES_MAX || !region.bytes().all(fine) {
        return Err(Refused::Invalid(format!("Credential should be scoped to a valid region, not '{region}'.")));
    }
    Ok(Credential { key_id, date, region, service, terminator })
}

/// The region of the credential scope in this controller's account; its own region where a request has none.
///
/// # Errors
/// As [`credential`].
pub(super) fn of(headers: &HeaderMap, own: &Scope) -> Result<Scope, Refused> {
    let Some(authorization) = headers.get("authorization").and_then(|value| value.to_str().ok()) else {
        return Ok(own.clone());
    };
    let Some(rest) = authorization.strip_prefix("AWS4-HMAC-SHA256") else { return Ok(own.clone()) };
    let given = rest.split(',').find_map(|part| part.trim().strip_prefix("Credential="));
    let region = credential(given.unwrap_or_default())?.region.to_owned();
    Ok(Scope { region, account: own.account.clone() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use axum::http::HeaderMap;
    use drydock_model::arn::Scope;

    use super::of;
    use crate::aws::signature::Refused;

    #[test]
    fn the_region_is_that_of_the_credential_scope() {
        let own = Scope { region: "us-east-1".into(), account: "000000000000".into() };
        let region = |authorization: &str| {
            let mut headers = HeaderMap::new();
            if !authorization.is_empty() {
                headers.insert("authorization", authorization.parse().unwrap());
            }
            of(&headers, &own).map(|scope| scope.region)
        };
        let signed = |scope: &str| format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
        assert_eq!(region("").unwrap(), "us-east-1");
        assert_eq!(region("Bearer x").unwrap(), "us-east-1");
        assert_eq!(region(&signed("AKID/20261126/eu-central-1/ecs/aws4_request")).unwrap(), "eu-central-1");
        assert_eq!(region(&signed("AKID/20261126/eu-north-1/sts/aws4_request")).unwrap(), "eu-north-1");
        // Access keys may have slashes of their own.
        assert_eq!(region(&signed("a/b/20261126/eu-west-1/ecs/aws4_request")).unwrap(), "eu-west-1");
        for wrong in ["", "AKID", "us-east-1/ecs/aws4_request", "AKID/x//ecs/aws4_request"] {
            let refused = region(&signed(wrong)).unwrap_err();
            assert!(
                matches!(&refused, Refused::Incomplete(text) if text.ends_with(&format!("got '{wrong}'"))),
                "{refused}"
            );
        }
        let refused = region(&signed("AKID/x/EU/ecs/aws4_request")).unwrap_err();
        assert_eq!(refused.to_string(), "Credential should be scoped to a valid region, not 'EU'.");
    }
}
