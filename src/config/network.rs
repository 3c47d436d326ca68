//! Reads `[network]`: the way out. What the environment says about proxies counts only where the file
//! allows it, so that a service and a command typed by hand go the same way.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use url::Url;

use super::outline::Shape;
use super::reading::{Entry, Reading, Table, Wrong};
use super::tree::{Content, Node, Place};

/// Where the environment names a proxy for https, the first that is set. Plain http is for this
/// machine's own addresses, which no proxy is asked for.
const PROXIES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// Where the environment names hosts that are reached directly.
const NO_PROXIES: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// `[network]`: the way out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// `proxy`, or the one that the environment names.
    pub proxy: Option<Proxy>,
    /// `no_proxy`: names with all below them, addresses and networks that are reached directly.
    pub no_proxy: Vec<String>,
    /// `ca_file`: certificates in PEM to trust beside those of the system.
    pub ca_file: Option<PathBuf>,
}

/// A proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Its address, without user information.
    pub url: Url,
    /// The variable of the environment that names it; none where the file does.
    pub variable: Option<&'static str>,
    /// `proxy_credentials_file`: file with NAME:PASSWORD.
    pub credentials: Option<PathBuf>,
}

pub(super) fn read(
    mut table: Table,
    environment: &BTreeMap<String, String>,
    reading: &mut Reading<'_>,
) -> Network {
    let own = table.take("proxy");
    let credentials = table.take("proxy_credentials_file");
    let mut is_allowed = None;
    let allowed = table.optional("proxy_from_environment", reading, |entry| {
        is_allowed = Some((entry.name.clone(), entry.key.clone()));
        entry.truth()
    });
    let direct = table.take("no_proxy");
    let ca_file = table.optional("ca_file", reading, |entry| Ok(entry.filled()?.to_owned()));
    let key = format!("{}.proxy", table.key);
    table.finish(reading);
    let allowed = allowed == Some(true);
    if let (true, Some(_), Some((place, key))) = (allowed, &own, &is_allowed) {
        reading.refuse(place, key, "is set beside `proxy`; say one of the two");
    }
    let other = if allowed { named(&PROXIES, environment) } else { None };
    let variable = other.map(|(variable, _)| variable);
    let entry = own.or_else(|| other.map(|(variable, text)| of_environment(variable, text, &key)));
    let has_way = allowed || entry.is_some();
    for needy in [&credentials, &direct].into_iter().flatten() {
        if !has_way && !needy.node.items().is_some_and(|items| items.is_empty()) {
            reading.refuse(&needy.name, &needy.key, "needs `proxy` beside it");
        }
    }
    let credentials = credentials.and_then(|entry| reading.at(&entry, file));
    let credentials = credentials.map(|file| reading.secret_file(&file));
    let mut no_proxy = direct.map_or_else(Vec::new, |entry| hosts(&entry, reading));
    if let (true, Some((_, text))) = (allowed, named(&NO_PROXIES, environment)) {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        no_proxy.extend(entries.map(|entry| entry.strip_prefix("*.").unwrap_or(entry).to_owned()));
    }
    let proxy = entry.and_then(|entry| reading.at(&entry, address));
    Network {
        proxy: proxy.map(|url| Proxy { url, variable, credentials }),
        no_proxy,
        ca_file: ca_file.map(|file| reading.resolve(&file)),
    }
}

/// The first of these variables that says something.
fn named<'a>(
    names: &[&'static str],
    environment: &'a BTreeMap<String, String>,
) -> Option<(&'static str, &'a str)> {
    let said = names.iter().filter_map(|name| Some((*name, environment.get(*name)?.trim())));
    said.into_iter().find(|(_, text)| !text.is_empty())
}

/// What a variable says, as if it had been written under `key`. Without a scheme it means http, as
/// everywhere else where these variables are read.
fn of_environment(variable: &'static str, text: &str, key: &str) -> Entry {
    let place = Place::Variable(variable.to_owned());
    let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let node = Node { place: place.clone(), content: Content::Text(text) };
    Entry { key: key.to_owned(), name: place, node }
}

fn file(entry: &Entry) -> Result<String, Wrong> {
    Ok(entry.filled()?.to_owned())
}

/// The address of a proxy. http is enough to reach it: what goes through is encrypted from end to end.
fn address(entry: &Entry) -> Result<Url, Wrong> {
    const EXPECTED: &str =
        "expected the address of an HTTP proxy, as \"http://proxy.example.no:3128\"";
    entry.note(Shape::Url);
    let url = Url::parse(entry.filled()?).map_err(|_| EXPECTED)?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(EXPECTED.into());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "must not hold a user name or password; write NAME:PASSWORD into a file, and name \
                    it as proxy_credentials_file"
                .into(),
        );
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err("must be a scheme, a host and a port only".into());
    }
    Ok(url)
}

fn hosts(entry: &Entry, reading: &mut Reading<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let Some(items) = entry.node.items() else {
        let message = "expected a list, as [\"intern.example.no\", \"10.0.0.0/8\"]";
        reading.refuse(&entry.node.place, &entry.key, message);
        return found;
    };
    for (index, node) in items.into_iter().enumerate() {
        let key = format!("{}[{index}]", entry.key);
        let item = Entry { key, name: entry.name.clone(), node };
        found.extend(reading.at(&item, host));
    }
    found
}

/// A name with all below it, an address, a network, or `*` for everything.
fn host(entry: &Entry) -> Result<String, Wrong> {
    const EXPECTED: &str =
        "expected a host name without scheme and port, an address, or a network as 10.0.0.0/8";
    let text = entry.filled()?.trim();
    if let Some(name) = text.strip_prefix("*.") {
        return Err(Wrong {
            message: "a name counts for all names below it, too".to_owned(),
            suggestion: Some(name.to_owned()),
            within: None,
            is_hidden: false,
        });
    }
    let (address, bits) = text.split_once('/').unwrap_or((text, "0"));
    if let Ok(address) = address.trim_matches(['[', ']']).parse::<IpAddr>() {
        let most = if address.is_ipv4() { 32 } else { 128 };
        let fits = bits.parse::<u8>().is_ok_and(|bits| bits <= most);
        let plain = text.replace(['[', ']'], "");
        return if fits { Ok(plain) } else { Err(EXPECTED.into()) };
    }
    let name = text.strip_prefix('.').unwrap_or(text);
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    if text == "*" || (is_name && !name.is_empty()) {
        Ok(text.to_owned())
    } else {
        Err(EXPECTED.into())
    }
}
