//! Which target this is, and whose token we use: read before anything else is asked of it.

use std::fmt::Write as _;

use serde_json::Value;
use sha2::{Digest, Sha256};
use url::Url;

use super::address::{self, Collection};
use super::client::Call;
use super::pace::Permit;
use super::{Reader, ScimError, lenient};
use crate::core::model::ScimId;

/// What a `/ServiceProviderConfig` says that is no sign of another target: documentation, metadata
/// with versions and dates, and what a newer release of the same target may change.
const VOLATILE: [&str; 6] =
    ["meta", "documentationuri", "specuri", "description", "primary", "supported"];

impl Reader {
    /// The base that the target was configured with.
    pub fn url(&self) -> &Url {
        &self.0.options.url
    }

    /// A digest of what `/ServiceProviderConfig` (RFC 7643 §5) says about *which* target it is: its
    /// schemas, its authentication schemes and whatever the vendor adds, such as an organisation. What
    /// the target can do may change with every release, so features and limits do not count. `None`
    /// when there is no such resource.
    pub async fn fingerprint(&self, permit: Permit) -> Result<Option<String>, ScimError> {
        let call = Call::get(address::service_provider_config(&self.0.options.url));
        let Some(answer) = self.0.send(&permit, call).await? else { return Ok(None) };
        let mut leaves = Vec::new();
        collect(&answer.json, &mut String::new(), &mut leaves);
        leaves.sort_unstable();
        let digest = Sha256::digest(leaves.join("\n"));
        let mut short = String::new();
        for byte in digest.iter().take(8) {
            let _ = write!(short, "{byte:02x}");
        }
        Ok(Some(short))
    }

    /// The account whose token we use (RFC 7644 §3.11), where the target has `/Me` and says so.
    pub async fn own_account(&self, permit: Permit) -> Result<Option<ScimId>, ScimError> {
        let call = Call::get(address::me(&self.0.options.url));
        match self.0.send(&permit, call).await {
            Ok(answer) => {
                Ok(answer.and_then(|answer| lenient::get(&answer.json, "id").and_then(lenient::id)))
            }
            // Most targets have none; some answer with 400, 403 or a page instead of 404 or 501.
            Err(
                ScimError::Rejected { .. }
                | ScimError::Refused { .. }
                | ScimError::NotScim { .. }
                | ScimError::Conflict { .. }
                | ScimError::Gone,
            ) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// One cheap question that the target answers only to whom it trusts.
    pub async fn probe(&self, permit: Permit) -> Result<(), ScimError> {
        let query = [("startIndex", "1"), ("count", "1")];
        let call = Call::get(address::collection(&self.0.options.url, Collection::Users, &query));
        let answer = self.0.send(&permit, call).await?;
        answer.map(|_| ()).ok_or_else(|| Collection::Users.missing(&self.0.options.url))
    }
}

/// Every text in `json` with its place, but for what is volatile. Order says nothing.
fn collect(json: &Value, place: &mut String, leaves: &mut Vec<String>) {
    match json {
        Value::Object(members) => {
            for (name, value) in members {
                let name = name.to_lowercase();
                if VOLATILE.contains(&name.as_str()) {
                    continue;
                }
                let length = place.len();
                place.push('/');
                place.push_str(&name);
                collect(value, place, leaves);
                place.truncate(length);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, place, leaves)),
        Value::String(text) => leaves.push(format!("{place}={text}")),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
