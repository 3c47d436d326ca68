//! What the keys mean: the words to what `outline` says about their form, and the reference page made
//! of both. A key without words here, or words about a key that is gone, fail a test; so does a default
//! that is not the real one.

use std::fmt::Write;
use std::time::Duration;

use super::outline::{Key, Outline, Shape, keys};

/// The words to one key.
#[derive(Debug, Clone, Copy)]
pub struct Words {
    /// Path of the key; `*` stands for any one part.
    pub path: &'static str,
    /// What counts when it is left out, as it would be written; empty when nothing does.
    pub default: &'static str,
    /// What it is for.
    pub meaning: &'static str,
}

const fn key(path: &'static str, default: &'static str, meaning: &'static str) -> Words {
    Words { path, default, meaning }
}

/// All of them.
pub const WORDS: &[Words] = &[
    key("service", "", "The service itself."),
    key(
        "service.state_dir",
        "\"/var/lib/manntall\"",
        "Folder of the store; keep it on a local disk.",
    ),
    key("service.poll_interval", "\"1m\"", "How often Graph is asked for changes."),
    key(
        "service.full_compare",
        "\"1d\"",
        "How often everything is read beside the changes. Delta links live seven days.",
    ),
    key(
        "service.confirm_absence",
        "\"1h\"",
        "What a complete read of Entra misses, or one look at the platform, counts once a second one, so much \
         later, misses it, too.",
    ),
    key("service.time_zone", "\"UTC\"", "IANA name of the zone for times that people read."),
    key("network", "", "The way out, for every request: tenants, platforms, webhooks and pings."),
    key(
        "network.proxy",
        "",
        "HTTP proxy, `http://HOST:PORT` or `https://HOST:PORT`. This machine's own addresses are always reached \
         directly.",
    ),
    key(
        "network.proxy_credentials_file",
        "",
        "File with `NAME:PASSWORD` for the proxy, as a secret; read anew for each connection.",
    ),
    key(
        "network.proxy_from_environment",
        "false",
        "Whether `HTTPS_PROXY` or `ALL_PROXY`, and `NO_PROXY`, of the environment count instead of `proxy`.",
    ),
    key(
        "network.no_proxy",
        "[]",
        "What is reached directly: names with all below them, addresses, networks as `10.0.0.0/8`.",
    ),
    key(
        "network.ca_file",
        "",
        "Certificates in PEM of authorities to trust beside those of the system.",
    ),
    key("status", "", "How the running service is asked and told."),
    key(
        "status.listen",
        "\"127.0.0.1:9470\"",
        "Address of the status port. Elsewhere than on loopback it needs a `token_file`.",
    ),
    key(
        "status.control_socket",
        "",
        "Where the service takes commands. Without it: `control.sock` in systemd's runtime directory, else \
         in `service.state_dir`.",
    ),
    key("status.token_file", "", "File with the token that the status port asks for."),
    key(
        "status.hosts",
        "[]",
        "Names that the status port answers to, beside localhost and its address.",
    ),
    key(
        "status.readers",
        "\"manntall\"",
        "Unix group whose members may look, over the control socket.",
    ),
    key(
        "status.approvers",
        "\"manntall-approve\"",
        "Unix group whose members may approve and change things, and see names and values.",
    ),
    key("notices", "", "Who is told when somebody should look."),
    key("notices.language", "\"en\"", "Language of the notices."),
    key(
        "notices.webhook_url_file",
        "",
        "File with the address that gets each notice as JSON, as a secret.",
    ),
    key(
        "notices.mail_server",
        "",
        "`smtps://HOST`, or `smtp://` with a loopback address for a relay on this machine.",
    ),
    key("notices.mail_from", "", "Sender of the mails."),
    key("notices.mail_to", "", "Who gets them."),
    key("notices.mail_user", "", "Name at the mail server; with `mail_password_file`."),
    key("notices.mail_password_file", "", "File with its password."),
    key("notices.ping_start_url", "", "Asked when the service starts."),
    key("notices.ping_success_url", "", "Asked every five minutes while all is well."),
    key("notices.ping_fail_url", "", "Asked instead while it is not."),
    key(
        "sources",
        "",
        "One table for each Entra tenant. The name is yours, and a part of everybody's identity: choose it \
         once.",
    ),
    key("sources.NAME.tenant_id", "", "GUID of the tenant."),
    key("sources.NAME.client_id", "", "GUID of the application registered in it."),
    key(
        "sources.NAME.client_secret_file",
        "",
        "File with the client secret: its value, not its id.",
    ),
    key(
        "sources.NAME.client_secret_expires",
        "",
        "When the client secret ends, as Entra shows it; warned of from 30 days before.",
    ),
    key("sources.NAME.certificate_file", "", "File with the application's certificate, PEM."),
    key("sources.NAME.private_key_file", "", "File with the private key of the certificate, PEM."),
    key(
        "sources.NAME.federated_token_file",
        "",
        "File with a token of another issuer that Entra was told to trust; read anew each time.",
    ),
    key("sources.NAME.cloud", "\"global\"", "Which of Microsoft's clouds the tenant is in."),
    key(
        "sources.NAME.graph_url",
        "",
        "Origin of Microsoft Graph, instead of `cloud`; with `login_url`.",
    ),
    key(
        "sources.NAME.login_url",
        "",
        "Origin of the token endpoint, instead of `cloud`; with `graph_url`.",
    ),
    key(
        "sources.NAME.keep",
        "'user.userType != \"Guest\"'",
        "Of which users more than the id is kept on this machine.",
    ),
    key("targets", "", "One table for each platform. The name is yours."),
    key("targets.NAME.url", "", "Base of its SCIM API."),
    key(
        "targets.NAME.preset",
        "\"generic\"",
        "Which kind of server it is; `generic` is written to RFC 7644.",
    ),
    key("targets.NAME.token_file", "", "File with the bearer token."),
    key(
        "targets.NAME.token_expires",
        "",
        "When the token ends, if the platform says so; warned of from 30 days before.",
    ),
    key(
        "targets.NAME.requests_per_second",
        "10",
        "Pace of all requests together; fractions are allowed.",
    ),
    key("targets.NAME.concurrency", "8", "Requests in flight at once."),
    key(
        "targets.NAME.adopt",
        "\"approve\"",
        "Accounts that exist already: left alone, adopted with one approval when they are more than ten, \
         or adopted unasked. What carries the id of somebody else waits for a word always.",
    ),
    key(
        "targets.NAME.never",
        "[]",
        "Accounts that are never touched, neither changed nor adopted: login names, or ids on the platform. \
         The account whose token is used is one of them by itself, where the platform has /Me.",
    ),
    key("targets.NAME.dialect", "", "Switches for a server that departs from the standard."),
    key(
        "targets.NAME.dialect.content_type",
        "\"application/scim+json\"",
        "Media type of what is sent.",
    ),
    key(
        "targets.NAME.dialect.update_method",
        "\"patch\"",
        "How attributes are changed; `put_merge` reads, merges and puts.",
    ),
    key(
        "targets.NAME.dialect.member_remove",
        "\"value_filter\"",
        "How one member is taken out of a group. The wrong way empties groups on some servers.",
    ),
    key(
        "targets.NAME.dialect.member_batch",
        "50",
        "Members in one request. What is refused is halved until the one who is not taken stands alone.",
    ),
    key(
        "targets.NAME.dialect.members_read",
        "\"auto\"",
        "How the members of a group are read. `attributes` asks for them by name, `never` trusts what the \
         server confirms.",
    ),
    key(
        "targets.NAME.dialect.group_create_with_members",
        "false",
        "Whether a new group may carry its first members.",
    ),
    key("targets.NAME.dialect.clear_value", "\"remove\"", "How an attribute is emptied."),
    key(
        "targets.NAME.dialect.match_external_id",
        "true",
        "Whether the server stores `externalId` and filters on it.",
    ),
    key("targets.NAME.dialect.page_size", "100", "Resources in one answer of a listing."),
    key("targets.NAME.scope", "", "Who gets an account. Leaving the scope deactivates it."),
    key(
        "targets.NAME.scope.people",
        "'person.accountEnabled and person.userType != \"Guest\"'",
        "Whoever this is true for.",
    ),
    key(
        "targets.NAME.scope.groups",
        "",
        "Object ids of groups; only their members are in scope, also through nested groups. Whoever leaves them \
         is deactivated, so with a pilot group too.",
    ),
    key(
        "targets.NAME.account",
        "",
        "SCIM attribute = expression over the person, over the default mapping; `\"\"` leaves an attribute \
         as it is on the platform.",
    ),
    key("targets.NAME.groups", "", "Which groups there are; without such a table there are none."),
    key(
        "targets.NAME.groups[].id",
        "",
        "Name of the rule; a part of its groups' identity, so it stays.",
    ),
    key(
        "targets.NAME.groups[].from",
        "",
        "Groups of the directory carried over, or groups made of people.",
    ),
    key("targets.NAME.groups[].where", "", "Which groups of the directory; `'true'` for all."),
    key(
        "targets.NAME.groups[].each",
        "",
        "The value that decides on a person's group; absent or empty: no group.",
    ),
    key(
        "targets.NAME.groups[].name",
        "",
        "What the groups are called. Without it: `group.displayName` or `key`.",
    ),
    key(
        "targets.NAME.budget",
        "",
        "How much may change at once before somebody has to approve. A share alone keeps the floor and cap.",
    ),
    key(
        "targets.NAME.budget.deactivate",
        "{ percent = 2, min = 5, max = 250 }",
        "Of the active managed accounts.",
    ),
    key(
        "targets.NAME.budget.delete",
        "{ percent = 0.5, min = 3, max = 50 }",
        "Of the managed accounts, and of the groups by themselves.",
    ),
    key(
        "targets.NAME.budget.member_remove",
        "{ percent = 3, min = 25 }",
        "Of the managed memberships.",
    ),
    key("targets.NAME.budget.group_shrink", "\"50%\"", "Of one group with at least ten members."),
    key(
        "targets.NAME.budget.rename",
        "{ percent = 2, min = 10 }",
        "Changed login names or main addresses.",
    ),
    key(
        "targets.NAME.budget.clear",
        "{ percent = 5, min = 10 }",
        "One attribute, of the accounts that hold it.",
    ),
    key("targets.NAME.budget.create", "{ percent = 10, min = 50 }", "After the first import."),
    key("targets.NAME.budget.reactivate", "{ percent = 2, min = 5 }", "Of the managed accounts."),
    key("targets.NAME.budget.*.percent", "", "The share, from 0.01 to 100."),
    key("targets.NAME.budget.*.min", "", "At least so many, however small the population."),
    key("targets.NAME.budget.*.max", "", "At most so many, however large."),
];

/// The words to the key at `path`.
pub fn words(path: &str) -> Option<&'static Words> {
    let fits = |pattern: &str| {
        let mut parts = path.split('.');
        pattern.split('.').all(|one| parts.next().is_some_and(|part| one == "*" || one == part))
            && parts.next().is_none()
    };
    WORDS.iter().find(|words| fits(words.path))
}

/// The reference page.
pub fn page() -> String {
    let mut text = "# Configuration\n\n\
        <!-- Made by `manntall generate`; do not edit. -->\n\n\
        Every key there is. A key that is not here is refused, with the nearest right name. \
        [manntall.example.toml](../../deploy/manntall.example.toml) shows them in use; \
        `manntall config schema` writes the same as a JSON schema for editors.\n\n\
        Any simple value can come from the environment instead, which wins over the file: `MANNTALL__`, \
        then the key in capitals with `__` for each dot, as `MANNTALL__SERVICE__POLL_INTERVAL=30s`. \
        Relative files lie beside the configuration.\n"
        .to_owned();
    let mut heading = String::new();
    for (path, key) in keys() {
        let Some(words) = words(&path) else { continue };
        let is_table = key.outline.shapes.iter().any(Shape::holds_keys);
        let is_only_table = key.outline.shapes.iter().all(Shape::holds_keys);
        if is_only_table {
            heading = header(&path, &key.outline);
            let _ = write!(text, "\n## {heading}\n\n{}\n", words.meaning);
            if holds_plain_keys(&key.outline) {
                text.push_str("\n| Key | Takes | Default | Meaning |\n|---|---|---|---|\n");
            }
            continue;
        }
        let name = if path.contains(".budget.") {
            path.rsplit_once(".budget.").map_or(path.as_str(), |(_, name)| name)
        } else {
            key.name.as_str()
        };
        // The parts of each budget are the same; one says it for all.
        if words.path.contains('*') && !path.contains(".deactivate.") {
            continue;
        }
        let name = if words.path.contains('*') {
            name.replace("deactivate", "…")
        } else {
            name.to_owned()
        };
        let default = match (words.default, key.required) {
            ("", true) => "**must be given**".to_owned(),
            ("", false) => "–".to_owned(),
            (default, _) => format!("`{}`", default.replace('|', "\\|")),
        };
        let takes = takes(&key.outline) + if is_table { ", or a table" } else { "" };
        let _ = writeln!(text, "| `{name}` | {takes} | {default} | {} |", words.meaning);
    }
    let _ = heading;
    text
}

fn header(path: &str, outline: &Outline) -> String {
    let named = outline.shapes.iter().any(|shape| matches!(shape, Shape::Named(_)));
    let list = outline.shapes.iter().any(|shape| matches!(shape, Shape::List(_)));
    match (named, list) {
        (true, _) if holds_plain_keys(outline) => format!("`[{path}.NAME]`"),
        (_, true) => format!("`[[{path}]]`"),
        _ => format!("`[{path}]`"),
    }
}

/// Whether the table itself, or the tables in it, have keys with fixed names.
fn holds_plain_keys(outline: &Outline) -> bool {
    outline.shapes.iter().any(|shape| match shape {
        Shape::Table(keys) => !keys.is_empty(),
        Shape::Named(inner) | Shape::List(inner) => holds_plain_keys(inner),
        _ => false,
    })
}

impl Shape {
    /// Whether it is written as a table, or as several.
    fn holds_keys(&self) -> bool {
        match self {
            Self::Table(_) | Self::Named(_) => true,
            Self::List(inner) => inner.shapes.iter().all(Self::holds_keys),
            _ => false,
        }
    }
}

/// What a key takes, in words.
fn takes(outline: &Outline) -> String {
    let span = |span: &Duration| humantime::format_duration(*span).to_string().replace(' ', "");
    let one = |shape: &Shape| match shape {
        Shape::Text => "text".to_owned(),
        Shape::Expression => "expression".to_owned(),
        Shape::Guid => "GUID".to_owned(),
        Shape::Url => "URL".to_owned(),
        Shape::Duration(least, most) => {
            format!("duration, `\"{}\"` to `\"{}\"`", span(least), span(most))
        }
        Shape::Date => "date, as `\"2027-03-01\"`".to_owned(),
        Shape::Share => "share, as `\"2%\"`".to_owned(),
        Shape::Choice(words) => {
            words.iter().map(|word| format!("`\"{word}\"`")).collect::<Vec<_>>().join(", ")
        }
        Shape::Truth => "`true` or `false`".to_owned(),
        Shape::Whole(least, most) => format!("whole number, {least} to {most}"),
        Shape::Number(most) => format!("number above 0, up to {most}"),
        Shape::List(inner) => format!("list of: {}", takes(inner)),
        Shape::Table(_) | Shape::Named(_) => String::new(),
    };
    let words = outline.shapes.iter().map(one).filter(|words| !words.is_empty());
    words.collect::<Vec<_>>().join(" or ")
}

/// A key of a table, as the schema needs it.
pub(super) fn meaning(path: &str, key: &Key) -> String {
    words(path).map_or_else(|| key.name.clone(), |words| words.meaning.replace('`', ""))
}
