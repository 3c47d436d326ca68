//! SOURCE EDGE: reads users and groups of one Entra tenant through Microsoft Graph, and ends in
//! [`crate::core::model`].
//!
//! One call reads one page. What the pages add up to, when to ask again and what to store belongs to
//! the walker. Nothing here retries, except that a refused token is renewed once; nothing follows a
//! link to another origin; no wire shape leaves this folder.

mod answer;
mod assertion;
mod client;
pub mod delta;
mod error;
mod link;
mod refusal;
mod roles;
mod token;
mod wire;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use secrecy::SecretString;
use url::Url;

pub use client::{GraphClient, origins};
pub use error::{Disposition, GraphError, RETRY_AFTER_MAX, Refusal};
pub use link::{Link, Next, Position};
pub use wire::{Finding, Flaw, Page};

use crate::core::model::SourceName;

/// Everything the client has to know about one tenant.
#[derive(Debug, Clone)]
pub struct GraphOptions {
    /// The operator's name of the source.
    pub source: SourceName,
    /// Tenant GUID. A domain name would work too, but a domain can move between tenants.
    pub tenant_id: String,
    /// Application (client) id.
    pub client_id: String,
    /// How we prove who we are.
    pub credential: Credential,
    /// Origin of Graph, for example `https://graph.microsoft.com`.
    pub graph_url: Url,
    /// Origin of the token endpoint, for example `https://login.microsoftonline.com`.
    pub login_url: Url,
    /// Properties of users to ask for, by Graph's names; `manager` may be among them.
    ///
    /// Only what is selected is tracked: without `accountEnabled` nobody is ever seen disabled.
    pub user_properties: BTreeSet<String>,
    /// Properties of groups to ask for; `members` is always asked for.
    pub group_properties: BTreeSet<String>,
}

/// Reads a secret anew, so that a rotated file is picked up by the next token request. The error says
/// which file could not be read and why.
pub type SecretReader = Arc<dyn Fn() -> Result<SecretString, String> + Send + Sync>;

/// How the application proves who it is.
#[derive(Clone)]
pub enum Credential {
    /// A client secret.
    Secret(SecretReader),
    /// A certificate that is registered with the application; RSA only, as Entra wants.
    Certificate {
        /// Reads the certificate as PEM.
        certificate: SecretReader,
        /// Reads the private key as PEM (PKCS#1 or PKCS#8, not encrypted).
        private_key: SecretReader,
    },
    /// A token of another issuer that Entra was told to trust (workload identity federation).
    Federated(SecretReader),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret(_) => "Secret",
            Self::Certificate { .. } => "Certificate",
            Self::Federated(_) => "Federated",
        })
    }
}
