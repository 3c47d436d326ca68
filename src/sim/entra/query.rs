//! Reading a request: path, query options and preferences, as OData and Graph define them.

use std::collections::BTreeMap;

use super::link::Kind;
use super::reply::Refusal;
use crate::sim::http::Request;
use crate::sim::world::{ObjectId, schema};

/// Ids in one `$filter` of a delta request at most (Graph: "user: delta").
const FILTER_IDS_MAX: usize = 50;

/// Path segments and query options, decoded.
pub(super) struct Target {
    pub(super) path: Vec<String>,
    options: BTreeMap<String, String>,
}

impl Target {
    pub(super) fn parse(target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let options = url::form_urlencoded::parse(query.as_bytes());
        Self {
            path: path.trim_matches('/').split('/').map(decode_segment).collect(),
            // Graph takes its own options with and without the dollar sign.
            options: options
                .map(|(name, value)| (name.trim_start_matches('$').to_owned(), value.into_owned()))
                .collect(),
        }
    }

    /// The query option `name`, written without its dollar sign.
    pub(super) fn option(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str)
    }

    /// The selected properties, or the default ones of `kind`.
    pub(super) fn select(&self, kind: Kind) -> Result<Vec<String>, Refusal> {
        let Some(select) = self.option("select") else {
            return Ok(kind.default_select().iter().map(|name| (*name).to_owned()).collect());
        };
        let mut names = Vec::new();
        for name in select.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let known = match kind {
                Kind::Users => schema::user_property(name).is_some(),
                Kind::Groups => schema::group_property(name).is_some(),
            };
            if !known && name != kind.relation() && !name.starts_with("extension_") {
                return Err(Refusal::no_property(name, kind));
            }
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    /// The ids of `$filter=id eq '..' or id eq '..'`; nothing else can be filtered for in delta.
    pub(super) fn filter(&self) -> Result<Vec<ObjectId>, Refusal> {
        let Some(filter) = self.option("filter") else { return Ok(Vec::new()) };
        let unsupported = || Refusal::new(400, "Request_UnsupportedQuery", "Filter not supported.");
        let mut ids = Vec::new();
        for term in filter.split(" or ") {
            let quoted = term.trim().strip_prefix("id eq ").ok_or_else(unsupported)?.trim();
            let id = quoted.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
            ids.push(id.and_then(|id| id.parse().ok()).ok_or_else(unsupported)?);
        }
        if ids.len() > FILTER_IDS_MAX {
            return Err(Refusal::new(
                400,
                "Request_UnsupportedQuery",
                "Too many ids in the filter.",
            ));
        }
        Ok(ids)
    }
}

/// A plus sign stands for itself in a path.
fn decode_segment(segment: &str) -> String {
    let kept = segment.replace('+', "%2B");
    // No equals sign can come first in what is parsed, so that all of it ends up in the value.
    let line = format!("={kept}").replace('&', "%26");
    url::form_urlencoded::parse(line.as_bytes()).map(|(_, value)| value.into_owned()).collect()
}

/// What the `Prefer` headers ask for (RFC 7240: several headers, or several preferences in one).
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Preferences {
    pub(super) minimal: bool,
    pub(super) page_size: Option<usize>,
}

impl Preferences {
    pub(super) fn of(req: &Request) -> Self {
        let mut preferences = Self::default();
        let lines = req.headers.iter().filter(|(name, _)| name == "prefer");
        for preference in lines.flat_map(|(_, line)| line.split([',', ';'])) {
            match preference.trim().split_once('=') {
                Some(("return", "minimal")) => preferences.minimal = true,
                Some(("odata.maxpagesize" | "maxpagesize", size)) => {
                    preferences.page_size = size.parse().ok().filter(|size| *size > 0);
                }
                _ => {}
            }
        }
        preferences
    }
}
