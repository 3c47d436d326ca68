//! Versions: some targets take a change of a resource only with the version that it is made to (RFC 7644 §3.14,
//! RFC 6585 §3). They are told it, once one has been asked for.

use std::sync::atomic::{AtomicBool, Ordering};

use super::ScimError;
use super::address::{self, Collection};
use super::client::{Answer, Call, Client};
use super::pace::Permit;
use crate::core::model::ScimId;

/// A longer version is none.
const LENGTH_MAX: usize = 256;

/// Whether the target has asked for versions, for as long as the process runs.
#[derive(Debug, Default)]
pub(super) struct Versions(AtomicBool);

impl Client {
    /// Sends the change of a known resource. Where the target wants to be told a version, the resource is read
    /// for it, and the change sent once more.
    pub(super) async fn change(
        &self,
        permit: Permit,
        (kind, id): (Collection, &ScimId),
        call: Call,
    ) -> Result<Option<Answer>, ScimError> {
        let mut permit = permit;
        if !self.versions.0.load(Ordering::Relaxed) {
            match self.send(&permit, call.clone()).await {
                Err(ScimError::Outdated { .. }) => {
                    self.versions.0.store(true, Ordering::Relaxed);
                }
                answer => return answer,
            }
            permit = permit.again().await;
        }
        let get = Call::get_one(address::resource(&self.options.url, kind, id)?);
        let Some(read) = self.send(&permit, get).await? else { return Ok(None) };
        let call = match read.version.filter(|version| is_sendable(version)) {
            Some(version) => call.if_match(version),
            None => call,
        };
        let permit = permit.again().await;
        self.send(&permit, call).await
    }
}

/// Whether it can be put into a header.
fn is_sendable(version: &str) -> bool {
    let is_plain = version.bytes().all(|byte| byte.is_ascii_graphic());
    !version.is_empty() && version.len() <= LENGTH_MAX && is_plain
}
