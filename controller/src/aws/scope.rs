//! The region that a request is about: the third part of the credential scope that every signed request carries
//! (`Credential=AKID/20261126/us-east-1/ecs/aws4_request`). Signatures aren't verified: any credentials are taken.

use axum::http::HeaderMap;
use drydock_model::arn::Scope;

use super::failure::Failure;

/// Bytes of a region's name: AWS's longest has 14.
const REGION_BYTES_MAX: usize = 32;

/// The region of the credential scope in this controller's account; its own region where a request has none.
pub(super) fn of(headers: &HeaderMap, own: &Scope) -> Result<Scope, Failure> {
    let Some(authorization) = headers.get("authorization") else { return Ok(own.clone()) };
    let authorization = authorization.to_str().map_err(|_| wrong())?;
    let Some(rest) = authorization.strip_prefix("AWS4-HMAC-SHA256") else { return Ok(own.clone()) };
    let credential = rest.split(',').find_map(|part| part.trim().strip_prefix("Credential="));
    let region = credential.and_then(|credential| credential.rsplit('/').nth(2)).ok_or_else(wrong)?;
    let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if region.is_empty() || region.len() > REGION_BYTES_MAX || !region.bytes().all(fine) {
        return Err(wrong());
    }
    Ok(Scope { region: region.to_owned(), account: own.account.clone() })
}

fn wrong() -> Failure {
    Failure::incomplete_signature(
        "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term.",
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use axum::http::HeaderMap;
    use drydock_model::arn::Scope;

    use super::of;

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
        // Access keys may have slashes of their own.
        assert_eq!(region(&signed("a/b/20261126/eu-west-1/ecs/aws4_request")).unwrap(), "eu-west-1");
        for wrong in ["AKID", "AKID/x/EU/ecs/aws4_request", "AKID/x//ecs/aws4_request"] {
            assert!(region(&signed(wrong)).is_err(), "{wrong}");
        }
    }
}
