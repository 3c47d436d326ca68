//! The `roles` claim of an access token: which application permissions were granted. For diagnosis only:
//! Microsoft calls these tokens opaque, so nothing is ever decided by what stands here.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::transport::json;

#[derive(Deserialize)]
struct Claims {
    /// Left out by Entra when nothing is granted.
    #[serde(default)]
    roles: BTreeSet<String>,
}

/// The roles in `token`; `None` when it cannot be read as what it was when this was written.
pub(super) fn of(token: &str) -> Option<BTreeSet<String>> {
    let claims = token.split('.').nth(1)?.trim_end_matches('=');
    let claims = json::lenient(&URL_SAFE_NO_PAD.decode(claims).ok()?.into());
    let claims: Claims = serde_json::from_slice(&claims).ok()?;
    Some(claims.roles)
}
