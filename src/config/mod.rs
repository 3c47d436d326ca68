//! The configuration: TOML file, then `MANNTALL__…` environment. Everything is checked before anything
//! starts, every error is reported with its place, and nothing is ignored.
//!
//! What it does not do: read the environment of the process (it is handed in), and open the secret
//! files that it names (see [`secret`], which is asked when a secret is needed).

mod account;
mod attributes;
mod budget;
mod dialect;
mod errors;
mod file;
mod groups;
mod network;
mod notices;
pub mod outline;
mod quoting;
mod reading;
pub mod reference;
pub mod schema;
mod secrets;
mod service;
mod source;
mod status;
mod target;
mod tree;
mod value;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use toml::de::DeTable;
use url::Url;

pub use self::errors::{ConfigError, ConfigErrors};
pub use self::network::{Network, Proxy};
pub use self::secrets::{SecretError, secret, shown};

use self::reading::{Reading, Table, Wrong};
use self::tree::{Node, Place};
use crate::core::expression::Expression;
use crate::core::model::{AttrPath, SourceName, Timestamp};
use crate::core::policy::{GroupRule, Policy};
use crate::scim::dialect::Dialect;

/// Where the configuration is looked for when nothing else is said.
pub const DEFAULT_PATH: &str = "/etc/manntall/manntall.toml";

/// A checked configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[service]`.
    pub service: Service,
    /// `[network]`.
    pub network: Network,
    /// `[status]`.
    pub status: Status,
    /// `[notices]`.
    pub notices: Notices,
    /// `[sources.NAME]`; this version takes exactly one.
    pub sources: BTreeMap<SourceName, Source>,
    /// `[targets.NAME]`; this version takes exactly one.
    pub targets: BTreeMap<String, Target>,
}

/// `[service]`: the service itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// `state_dir`: folder of the store. Default: /var/lib/manntall.
    pub state_dir: PathBuf,
    /// `poll_interval`: how often Graph is asked for changes, from "5s". Default: "1m".
    pub poll_interval: Duration,
    /// `full_compare`: how often source and target are read as a whole beside the deltas, at most "6d".
    /// Default: "1d".
    pub full_compare: Duration,
    /// `confirm_absence`: how soon the second read follows that confirms what the first one missed.
    /// Default: "1h".
    pub confirm_absence: Duration,
    /// `time_zone`: IANA name of the zone for dates that people read. Default: UTC.
    pub time_zone: String,
}

/// `[status]`: how the running service is asked and told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// `listen`: address and port of the status port. Default: 127.0.0.1:9470.
    pub listen: SocketAddr,
    /// `control_socket`: where the service takes commands. Default: control.sock in the runtime
    /// directory that systemd made, else in `service.state_dir`.
    pub control_socket: PathBuf,
    /// Where commands look for the service: the above, then the default places.
    pub control_sockets: Vec<PathBuf>,
    /// `token_file`: file with the token that the status port asks for; needed when it does not listen
    /// on a loopback address.
    pub token_file: Option<PathBuf>,
    /// `hosts`: names beside localhost and the address itself that the status port answers to.
    pub hosts: BTreeSet<String>,
    /// `readers`: unix group whose members may look, over the control socket. Default: manntall.
    pub readers: String,
    /// `approvers`: unix group whose members may approve and change things there, and see names and
    /// values. Default: manntall-approve.
    pub approvers: String,
}

/// `[notices]`: who is told when somebody should look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notices {
    /// `language`: of the notices: en, nb or sv. Default: en.
    pub language: String,
    /// `webhook_url_file`: file with the address that gets each notice as JSON; whoever knows such an
    /// address can write there, so it is a secret.
    pub webhook_url_file: Option<PathBuf>,
    /// `mail_server` and what belongs to it.
    pub mail: Option<Mail>,
    /// `ping_start_url`: asked when the service starts.
    pub ping_start_url: Option<Url>,
    /// `ping_success_url`: asked every five minutes while all is well.
    pub ping_success_url: Option<Url>,
    /// `ping_fail_url`: asked instead while it is not.
    pub ping_fail_url: Option<Url>,
}

/// Notices by mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// `mail_server`: smtps://HOST, or smtp:// for a relay on this machine.
    pub server: Url,
    /// `mail_from`: the sender.
    pub from: String,
    /// `mail_to`: who gets them.
    pub to: Vec<String>,
    /// `mail_user` and `mail_password_file`.
    pub user: Option<(String, PathBuf)>,
}

/// `[sources.NAME]`: one Entra tenant.
#[derive(Debug, Clone)]
pub struct Source {
    /// `tenant_id`: GUID of the tenant.
    pub tenant_id: String,
    /// `client_id`: GUID of the application registered in it.
    pub client_id: String,
    /// How the application proves itself.
    pub credential: Credential,
    /// `graph_url`, or that of `cloud`: origin of Microsoft Graph.
    pub graph_url: Url,
    /// `login_url`, or that of `cloud`: origin of the token endpoint.
    pub login_url: Url,
    /// `keep`: users of whom more than the id is kept. Default: everybody but guests.
    pub keep: Expression,
}

/// How the application proves itself to Entra; files only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// `client_secret_file`.
    Secret {
        /// File with the client secret.
        file: PathBuf,
        /// `client_secret_expires`: when Entra stops to accept it, as the operator noted.
        expires: Option<Timestamp>,
    },
    /// `certificate_file` and `private_key_file`, both PEM.
    Certificate {
        /// File with the certificate.
        certificate: PathBuf,
        /// File with its private key.
        private_key: PathBuf,
    },
    /// `federated_token_file`: a token of another issuer that Entra was told to trust.
    Federated {
        /// File with the token.
        token: PathBuf,
    },
}

/// `[targets.NAME]`: one platform.
#[derive(Debug, Clone)]
pub struct Target {
    /// `url`: base of its SCIM API, without a slash at the end unless that is all the path.
    pub url: Url,
    /// `token_file`: file with the bearer token.
    pub token_file: PathBuf,
    /// `token_expires`: when the platform stops to accept it, as the operator noted.
    pub token_expires: Option<Timestamp>,
    /// `requests_per_second`: pace of all requests together. Default: 10.
    pub requests_per_second: f64,
    /// `concurrency`: requests in flight, 1 to 64. Default: 8.
    pub concurrency: usize,
    /// `preset` with the switches of `[targets.NAME.dialect]` over it.
    pub dialect: Dialect,
    /// Where the mapping of each attribute was written, in words; what is not here is the default.
    pub written: BTreeMap<AttrPath, String>,
    /// Who, what and how much.
    pub policy: Policy,
}

impl Target {
    /// What of the mapping is probably a slip: attributes of names that SCIM does not know.
    pub fn doubts(&self) -> impl Iterator<Item = String> {
        let mapped = self.written.iter().filter(|(path, _)| self.policy.account.contains_key(path));
        mapped.filter_map(|(path, place)| Some(format!("{place}: {}", attributes::doubt(path)?)))
    }
}

/// Reads and checks the configuration at `path` with `environment` over it.
pub fn load(path: &Path, environment: &BTreeMap<String, String>) -> Result<Config, ConfigErrors> {
    let text = file::read(path).map_err(|message| ConfigErrors {
        text: String::new(),
        errors: vec![ConfigError {
            file: path.display().to_string(),
            line: 0,
            column: 0,
            key: String::new(),
            message,
            suggestion: None,
            mark: None,
            masked: None,
        }],
    })?;
    parse(text, path, environment)
}

/// Checks the text of a configuration that lies, or would lie, at `path`: see [`load`].
pub fn parse(
    text: String,
    path: &Path,
    environment: &BTreeMap<String, String>,
) -> Result<Config, ConfigErrors> {
    let mut reading = Reading { file: path, text: &text, errors: Vec::new() };
    let config = read(&mut reading, environment);
    if let Some(message) = config.as_ref().and_then(file::is_too_large) {
        reading.refuse(&Place::File(0..0), "", message);
    }
    let mut errors = reading.errors;
    errors.sort_by_key(|error| (error.line == 0, error.line, error.column));
    match config {
        Some(config) if errors.is_empty() => Ok(config),
        _ => Err(ConfigErrors { text, errors }),
    }
}

/// Where a service with the configuration at `path` would be found, whatever else is wrong in the file:
/// a service goes on although its file was broken meanwhile. `None` where the file cannot be read,
/// unless it is the one in the usual place, which is closed to whoever may only look.
pub fn whereabouts(
    path: &Path,
    environment: &BTreeMap<String, String>,
) -> Option<(Service, Status)> {
    let text = match file::read_start(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            (path == Path::new(DEFAULT_PATH)).then(String::new)?
        }
        Err(_) => return None,
    };
    let mut reading = Reading { file: path, text: &text, errors: Vec::new() };
    let (file, _) = DeTable::parse_recoverable(reading.text);
    let node = tree::layered(&file, environment).ok()?;
    let mut root = Table::open(node, String::new(), &mut reading)?;
    let service = service::read(root.table("service", &mut reading)?, &mut reading);
    let status = root.table("status", &mut reading)?;
    let status = status::read(status, &service.state_dir, environment, &mut reading);
    Some((service, status))
}

fn read(reading: &mut Reading<'_>, environment: &BTreeMap<String, String>) -> Option<Config> {
    let (file, syntax) = DeTable::parse_recoverable(reading.text);
    for error in &syntax {
        let at = error.span().unwrap_or(0..0);
        let message = format!("not valid TOML: {}", error.message());
        reading.refuse(&Place::File(at), "", Wrong { is_hidden: true, ..Wrong::from(message) });
    }
    let broken: BTreeSet<usize> = reading.errors.iter().map(|error| error.line).collect();
    let node = match tree::layered(&file, environment) {
        Ok(node) => node,
        Err(error) => {
            reading.refuse(&Place::File(0..0), "", error.to_string());
            return None;
        }
    };
    let config = sections(node, environment, reading);
    if !syntax.is_empty() {
        forget_echoes(reading, &broken);
        return None;
    }
    config
}

/// Drops what only a syntax error brought about: errors on its line, and keys that seem missing
/// because it hides them. A broken table header makes everything below it belong elsewhere.
fn forget_echoes(reading: &mut Reading<'_>, broken: &BTreeSet<usize>) {
    let lines: Vec<&str> = reading.text.lines().collect();
    let header = broken.iter().any(|line| {
        lines.get(line.saturating_sub(1)).is_some_and(|line| line.trim_start().starts_with('['))
    });
    reading.errors.retain(|error| {
        let echo =
            header || broken.contains(&error.line) || error.message.starts_with("is missing");
        error.key.is_empty() || !echo
    });
}

fn sections(
    node: Node,
    environment: &BTreeMap<String, String>,
    reading: &mut Reading<'_>,
) -> Option<Config> {
    let mut root = Table::open(node, String::new(), reading)?;
    let service = root.table("service", reading).map(|table| service::read(table, reading));
    let state_dir = service.as_ref().map(|service| service.state_dir.clone()).unwrap_or_default();
    let network =
        root.table("network", reading).map(|table| network::read(table, environment, reading));
    let status = root
        .table("status", reading)
        .map(|table| status::read(table, &state_dir, environment, reading));
    let notices = root.table("notices", reading).map(|table| notices::read(table, reading));
    let sources = only_one(&mut root, "sources", "tenant", reading)
        .and_then(|(name, table)| Some((SourceName::new(&name), source::read(table, reading)?)));
    let targets = only_one(&mut root, "targets", "platform", reading)
        .and_then(|(name, table)| Some((name, target::read(table, reading)?)));
    root.finish(reading);
    Some(Config {
        service: service?,
        network: network?,
        status: status?,
        notices: notices?,
        sources: BTreeMap::from([sources?]),
        targets: BTreeMap::from([targets?]),
    })
}

/// The only table under `[sources]` or `[targets]`.
fn only_one(
    root: &mut Table,
    section: &'static str,
    noun: &str,
    reading: &mut Reading<'_>,
) -> Option<(String, Table)> {
    let table = root.table(section, reading)?;
    let (key, place) = (table.key.clone(), table.place.clone());
    let mut found = None;
    for (name, entry) in table.all() {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if name.is_empty() || !name.bytes().all(fits) {
            let message = "a name holds letters without accents, digits, - and _ only";
            reading.refuse(&entry.name, &entry.key, message);
        }
        if found.is_some() {
            let message =
                format!("is one {noun} too many: this version handles one tenant and one platform");
            reading.refuse(&entry.name, &entry.key, message);
        } else {
            found = Some((name, entry));
        }
    }
    let Some((name, entry)) = found else {
        let message = format!("is missing: one {noun} as [{section}.NAME]");
        reading.refuse(&place, &key, message);
        return None;
    };
    Some((name, Table::open(entry.node, entry.key, reading)?))
}

impl Config {
    /// The user properties to ask Graph for: what any expression reads, and what is always needed.
    pub fn user_properties(&self) -> BTreeSet<String> {
        let always = ["accountEnabled", "userPrincipalName", "userType"];
        let mut names: BTreeSet<String> = always.map(str::to_owned).into();
        for source in self.sources.values() {
            names.extend(source.keep.reads().iter().cloned());
        }
        for Policy { people, account, groups, .. } in self.policies() {
            names.extend(people.reads().iter().cloned());
            names.extend(account.values().flat_map(Expression::reads).cloned());
            for rule in groups {
                if let GroupRule::People { each, .. } = rule {
                    names.extend(each.reads().iter().cloned());
                }
            }
        }
        names
    }

    /// The group properties to ask Graph for.
    pub fn group_properties(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::from(["displayName".to_owned()]);
        for rule in self.policies().flat_map(|policy| &policy.groups) {
            if let GroupRule::Directory { filter, name, .. } = rule {
                names.extend(filter.reads().union(name.reads()).cloned());
            }
        }
        names
    }

    /// The files that hold secrets, with the keys that name them, to be checked before the start.
    pub fn secret_files(&self) -> Vec<(String, &Path)> {
        let mut files = Vec::new();
        for (name, source) in &self.sources {
            let (key, file) = match &source.credential {
                Credential::Secret { file, expires: _ } => ("client_secret_file", file),
                Credential::Certificate { private_key, .. } => ("private_key_file", private_key),
                Credential::Federated { token } => ("federated_token_file", token),
            };
            files.push((format!("sources.{name}.{key}"), file.as_path()));
        }
        let proxy = self.network.proxy.as_ref();
        if let Some(file) = proxy.and_then(|proxy| proxy.credentials.as_ref()) {
            files.push(("network.proxy_credentials_file".to_owned(), file.as_path()));
        }
        if let Some(file) = &self.status.token_file {
            files.push(("status.token_file".to_owned(), file.as_path()));
        }
        let Notices { webhook_url_file, mail, .. } = &self.notices;
        if let Some(file) = webhook_url_file {
            files.push(("notices.webhook_url_file".to_owned(), file.as_path()));
        }
        if let Some((_, file)) = mail.as_ref().and_then(|mail| mail.user.as_ref()) {
            files.push(("notices.mail_password_file".to_owned(), file.as_path()));
        }
        for (name, target) in &self.targets {
            files.push((format!("targets.{name}.token_file"), target.token_file.as_path()));
        }
        files
    }

    fn policies(&self) -> impl Iterator<Item = &Policy> {
        self.targets.values().map(|target| &target.policy)
    }
}

/// A digest of the rules (keep, scope, mapping, groups) that stays the same while they do, whatever
/// else changes.
pub fn digest(config: &Config) -> String {
    // Length before text: no text can be taken for two.
    let mut rules = String::new();
    let mut rule = |words: &[&str]| {
        for word in words {
            let _ = write!(rules, "{}:{word}", word.len());
        }
        rules.push('\n');
    };
    for (name, source) in &config.sources {
        rule(&["keep", name.as_str(), source.keep.text()]);
    }
    for (name, target) in &config.targets {
        let Policy { people, people_of, account, groups, .. } = &target.policy;
        rule(&["people", name, people.text()]);
        for id in people_of.iter().flatten() {
            rule(&["people_of", name, &id.to_string()]);
        }
        for (path, expression) in account {
            rule(&["account", name, path.as_str(), expression.text()]);
        }
        for group in groups {
            match group {
                GroupRule::Directory { id, filter, name: called } => {
                    rule(&["directory", name, id, filter.text(), called.text()]);
                }
                GroupRule::People { id, each, name: called } => {
                    rule(&["people", name, id, each.text(), called.text()]);
                }
            }
        }
    }
    Sha256::digest(rules).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
