//! `sts:GetCallerIdentity`, the one operation of another service that tools ask before anything else: which account the
//! credentials are of. In STS's form: a form goes in, XML comes out.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use drydock_model::arn::Scope;

/// The answer; `None` where the body asks for something else.
pub(super) fn answer(body: &[u8], scope: &Scope, id: &str) -> Option<Response> {
    let form = std::str::from_utf8(body).ok()?;
    form.split('&').find(|pair| *pair == "Action=GetCallerIdentity")?;
    let account = &scope.account;
    let xml = format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
         <Arn>arn:aws:iam::{account}:root</Arn><UserId>{account}</UserId><Account>{account}</Account>\
         </GetCallerIdentityResult><ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata>\
         </GetCallerIdentityResponse>"
    );
    Some((StatusCode::OK, [("content-type", "text/xml")], xml).into_response())
}
