//! TARGET EDGE: speaks SCIM 2.0 (RFC 7643, RFC 7644) to one platform.
//!
//! [`Reader`] can only ask; [`Writer`] can only change. They are separate types, so that a dry run,
//! which never builds a writer, cannot change anything. Each method takes a [`pace::Permit`] by value
//! and sends one request; only the dialect's `put_merge` needs a second one, whose permit it waits
//! for itself. Nothing is retried here, because whether a request may be repeated is for the caller
//! to decide from the [`ScimError`].
//!
//! What comes from the target is never trusted with more than it must be: URLs are built from the
//! configured base and an encoded id, `meta.location` is not followed, and an answer about another
//! resource than the one asked for is an error.

pub mod dialect;
pub mod pace;

mod address;
mod body;
mod client;
mod complaint;
mod error;
mod identity;
mod lenient;
pub mod members;
mod merge;
mod patch;
mod read;
mod recent;
mod resource;
mod version;
mod walk;
mod words;
mod write;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use secrecy::SecretString;
use url::Url;

pub use complaint::{About, Extent};
pub use error::ScimError;
pub use read::{Discovery, MatchBy, Reader};
pub use recent::RecentWrites;
pub use resource::{GroupResource, UserResource};
pub use walk::{Cursor, ListPage, Listed, Told, Turn, Walk};
pub use words::Words;
pub use write::Writer;

use dialect::Dialect;

/// Gives the token anew for every request, so that a token that was replaced is used at once.
pub type TokenSource = Arc<dyn Fn() -> SecretString + Send + Sync>;

/// Where one target is and how it wants to be spoken to.
#[derive(Clone)]
pub struct ScimOptions {
    /// Base of the SCIM API, for example `https://platform.example.no/scim/v2`.
    pub url: Url,
    /// The bearer token; it is bound to the origin of `url`.
    pub token: TokenSource,
    /// How the target departs from the standard.
    pub dialect: Dialect,
}

impl fmt::Debug for ScimOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, token: _, dialect } = self;
        f.debug_struct("ScimOptions")
            .field("url", &url.as_str())
            .field("dialect", dialect)
            .finish_non_exhaustive()
    }
}
