//! `check --online`: what Entra and the platform say about this configuration. Each check is one line
//! with its remedy; one that fails does not keep the others from running. Only GET requests go to the
//! platform, and to Graph; the token endpoint takes nothing else than POST.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;
use url::Url;

use super::permissions;
use crate::cli::Exit;
use crate::cli::network;
use crate::cli::surroundings;
use crate::cli::view::text::{number, time};
use crate::cli::wire::Wiring;
use crate::config::{self, Source, Target};
use crate::core::model::Kind;
use crate::core::report::{Credential, Nearness};
use crate::graph::{GraphClient, GraphError, Position};
use crate::scim::dialect::{MemberRemove, UpdateMethod};
use crate::scim::pace::Pacer;
use crate::scim::{Cursor, Discovery, Reader, ScimError};
use crate::transport::{Method, Request};

/// Assertions and tokens are good for minutes; from here on they begin to fail.
const SKEW_MAX: Duration = Duration::from_secs(240);
/// So much is a sign that the clock is not kept.
const SKEW_DOUBTFUL: Duration = Duration::from_secs(30);

/// What to do where nothing answers and nothing better is known.
const UNREACHABLE: &str = "check name resolution, the firewall, and network.proxy if there is one";

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// As it should be.
    Good,
    /// Works, and should be looked at.
    Doubtful,
    /// Does not work.
    Bad,
    /// Could not be tried because of another one.
    Skipped,
}

/// One check.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Finding {
    /// The tenant or platform, by the operator's name.
    pub(super) subject: String,
    /// What was checked.
    pub(super) check: &'static str,
    pub(super) state: State,
    /// What was found.
    pub(super) found: String,
    /// What to do about it.
    pub(super) remedy: Option<String>,
    #[serde(skip)]
    pub(super) exit: Option<Exit>,
}

/// Everything that was found.
#[derive(Debug, Default, Serialize)]
pub(super) struct Findings {
    pub(super) checks: Vec<Finding>,
    /// For the Entra administrator, where something is to be granted.
    pub(super) letters: Vec<String>,
}

/// Notes findings about one tenant or platform.
struct Notes<'a> {
    subject: &'a str,
    findings: &'a mut Findings,
}

impl Notes<'_> {
    fn add(&mut self, check: &'static str, state: State, found: impl Into<String>) {
        let subject = self.subject.to_owned();
        let found = found.into();
        let (remedy, exit) = (None, None);
        self.findings.checks.push(Finding { subject, check, state, found, remedy, exit });
    }

    fn good(&mut self, check: &'static str, found: impl Into<String>) {
        self.add(check, State::Good, found);
    }

    fn skipped(&mut self, check: &'static str, why: &str) {
        self.add(check, State::Skipped, why);
    }

    fn doubtful(&mut self, check: &'static str, found: impl Into<String>, remedy: &str) {
        self.add(check, State::Doubtful, found);
        self.last(remedy, None);
    }

    fn bad(&mut self, check: &'static str, exit: Exit, found: impl Into<String>, remedy: &str) {
        self.add(check, State::Bad, found);
        self.last(remedy, Some(exit));
    }

    fn last(&mut self, remedy: &str, exit: Option<Exit>) {
        if let Some(last) = self.findings.checks.last_mut() {
            last.remedy = (!remedy.is_empty()).then(|| remedy.to_owned());
            last.exit = exit;
        }
    }

    /// A failure, in the error's own words; its hint is its remedy.
    fn graph(&mut self, check: &'static str, error: &GraphError) {
        let exit = match error {
            GraphError::Refused(_) => Exit::Refused,
            GraphError::Throttled { .. } => Exit::Throttled,
            GraphError::Unsupported { .. } => Exit::Config,
            _ => Exit::Unreachable,
        };
        let text = crate::errors::chain(error);
        let (found, hint) = text.split_once("; hint: ").unwrap_or((&text, ""));
        let remedy = if exit == Exit::Unreachable && hint.is_empty() { UNREACHABLE } else { hint };
        self.bad(check, exit, found, remedy);
    }

    fn scim(&mut self, check: &'static str, error: &ScimError) {
        let (exit, remedy) = match error {
            ScimError::Refused { .. } => {
                (Exit::Refused, "ask the platform's administrator for a token with these rights")
            }
            ScimError::Throttled { .. } => (Exit::Throttled, "lower requests_per_second"),
            _ => (Exit::Unreachable, "check url, the firewall and the proxy of this machine"),
        };
        let text = crate::errors::chain(error);
        // Whoever checks holds the token, and has to repair it.
        let text = match error.told() {
            Some(told) => format!("{text}. It says: {told}"),
            None => text,
        };
        let (found, remedy) = text.split_once("; hint: ").unwrap_or((&text, remedy));
        self.bad(check, exit, found, remedy);
    }
}

/// Runs all checks.
pub(super) async fn run(wiring: &Wiring) -> Findings {
    let mut findings = Findings::default();
    way_out(wiring, &mut Notes { subject: "network", findings: &mut findings });
    for (name, source) in &wiring.config.sources {
        let client = wiring.graph_client(*name, source);
        let mut notes = Notes { subject: name.as_str(), findings: &mut findings };
        of_source(wiring, source, &client, &mut notes).await;
    }
    for (name, target) in &wiring.config.targets {
        let mut notes = Notes { subject: name, findings: &mut findings };
        of_target(wiring, target, &mut notes).await;
    }
    findings
}

/// The proxy in use and the authorities trusted beside those of the system. Whether they do is seen
/// with the first peer.
fn way_out(wiring: &Wiring, notes: &mut Notes<'_>) {
    let settings = &wiring.config.network;
    match network::proxy_in_words(settings) {
        Some(proxy) => notes.good("proxy", proxy),
        None => notes.good("proxy", "none; every peer is reached directly"),
    }
    let Some(file) = &settings.ca_file else { return };
    let now = wiring.clock.now();
    match network::authorities(file) {
        Err(fault) => notes.bad("authorities", Exit::Config, fault, ""),
        Ok((_, ends)) => {
            let (count, first) = (ends.len(), ends.into_iter().min().unwrap_or(now));
            let noun = if count == 1 { "certificate" } else { "certificates" };
            let found = format!("{count} {noun} in {}", file.display());
            if first <= now {
                let found = format!("{found}; one has ended {}", time(first));
                let remedy = "replace it with the one that its authority uses now, or take it out";
                notes.bad("authorities", Exit::Config, found, remedy);
            } else {
                notes.good("authorities", format!("{found}; the first ends {}", time(first)));
            }
        }
    }
}

async fn of_source(wiring: &Wiring, source: &Source, client: &GraphClient, notes: &mut Notes<'_>) {
    let name = notes.subject.to_owned();
    let ours = [Credential::ClientSecret(name.clone()), Credential::Certificate(name)];
    ends(wiring, &ours, notes);
    if let config::Credential::Certificate { certificate: file, .. } = &source.credential
        && surroundings::first_end(file).is_none()
    {
        let found = format!("{} does not say when it ends", file.display());
        notes.doubtful("expiry", found, "check that it is a certificate in PEM");
    }
    clock(wiring, &source.login_url, notes).await;
    let granted = match client.roles().await {
        Ok(granted) => {
            notes.good("token", format!("Entra gave one to {}", source.client_id));
            granted
        }
        Err(error) => {
            notes.graph("token", &error);
            if let GraphError::Refused(refusal) = &error {
                let code = refusal.code.as_deref().unwrap_or_default();
                notes.findings.letters.extend(permissions::letter_about(source, code));
            }
            for check in ["permissions", "people", "groups"] {
                notes.skipped(check, "not tried without a token");
            }
            return;
        }
    };
    match &granted {
        Some(granted) => granted_roles(source, granted, notes),
        None => notes.doubtful(
            "permissions",
            "the token does not say what is granted",
            "see whether people and groups can be read, below",
        ),
    }
    for (check, kind) in [("people", Kind::Users), ("groups", Kind::Groups)] {
        match (client.count(kind).await, kind) {
            (Ok(0), Kind::Users) => notes.bad(
                check,
                Exit::Refused,
                "Graph counts 0 users, which no tenant has",
                "check tenant_id, and that User.Read.All is granted as an application permission",
            ),
            (Ok(0), Kind::Groups) => {
                notes.doubtful(check, "Graph counts 0 groups", "check tenant_id if there are any");
            }
            (Ok(count), _) => notes.good(check, format!("Graph counts {}", number(count))),
            (Err(error @ GraphError::Uncounted { .. }), kind) => {
                uncounted(check, kind, client, &error, notes).await;
            }
            (Err(error), _) => notes.graph(check, &error),
        }
    }
}

/// Graph does not count. What is read is read all the same, which is tried here.
async fn uncounted(
    check: &'static str,
    kind: Kind,
    client: &GraphClient,
    error: &GraphError,
    notes: &mut Notes<'_>,
) {
    match client.page(kind, &Position::Start).await {
        Ok(page) => notes.doubtful(
            check,
            format!("{error}; they can be read ({} on the first page)", page.elements.len()),
            "nothing need be done: without a count nobody is taken for gone because a complete read misses \
             them, and everything else goes on; report it to Microsoft if it stays",
        ),
        Err(error) => notes.graph(check, &error),
    }
}

fn granted_roles(source: &Source, granted: &BTreeSet<String>, notes: &mut Notes<'_>) {
    let (missing, excess) = (permissions::missing(granted), permissions::excess(granted));
    for need in &missing {
        let found = format!("{} is not granted: {}", need.least, need.without);
        let remedy = "have an administrator add it as an application permission and grant consent; the \
                      text below is ready to send";
        notes.bad("permissions", Exit::Refused, found, remedy);
    }
    for (role, why) in &excess {
        let found = format!("{role} is granted and not needed: {why}");
        notes.doubtful("permissions", found, "have it taken away once the others are granted");
    }
    if missing.is_empty() && excess.is_empty() {
        let all: Vec<&str> = granted.iter().map(String::as_str).collect();
        notes.good("permissions", all.join(", "));
    }
    if !missing.is_empty() {
        notes.findings.letters.push(permissions::letter(source, &missing, &excess));
    }
}

/// When these credentials end, as far as that is known.
fn ends(wiring: &Wiring, whose: &[Credential], notes: &mut Notes<'_>) {
    const CHECK: &str = "expiry";
    let now = wiring.clock.now();
    let known = surroundings::expiries(&wiring.config);
    for expiry in known.into_iter().filter(|expiry| whose.contains(&expiry.what)) {
        let found = expiry.consequences(now).unwrap_or_default();
        match expiry.nearness(now) {
            Nearness::Far => notes.good(CHECK, expiry.brief(now)),
            Nearness::Near(_) => notes.doubtful(CHECK, found, expiry.remedy()),
            Nearness::Over => notes.bad(CHECK, Exit::Refused, found, expiry.remedy()),
        }
    }
}

/// This machine's clock against the `Date` of whoever answers at `url` (RFC 9110 §6.6.1). Any answer
/// will do.
async fn clock(wiring: &Wiring, url: &Url, notes: &mut Notes<'_>) {
    const CHECK: &str = "clock";
    let asked = wiring.clock.now();
    let response = match wiring.transport.send(Request::new(Method::Get, url.clone())).await {
        Ok(response) => response,
        Err(error) => {
            let host = url.host_str().unwrap_or_default();
            let text = format!("{host} does not answer: {error}");
            let (found, remedy) = text.split_once("; hint: ").unwrap_or((&text, UNREACHABLE));
            notes.bad(CHECK, Exit::Unreachable, found, remedy);
            return;
        }
    };
    let answered = wiring.clock.now();
    let Some(date) = response.date() else {
        notes.doubtful(CHECK, "the answer has no date, so the clock cannot be compared", "");
        return;
    };
    // The header has whole seconds, and was written between the two.
    let ahead = asked.since(date).saturating_sub(Duration::from_secs(1));
    let skew = ahead.max(date.since(answered));
    let host = url.host_str().unwrap_or_default();
    let found = format!("{} s from that of {host}", skew.as_secs());
    let remedy = "let this machine keep its clock (timedatectl set-ntp true)";
    if skew > SKEW_MAX {
        notes.bad(CHECK, Exit::Refused, found, remedy);
    } else if skew > SKEW_DOUBTFUL {
        notes.doubtful(CHECK, found, remedy);
    } else {
        notes.good(CHECK, found);
    }
}

async fn of_target(wiring: &Wiring, target: &Target, notes: &mut Notes<'_>) {
    ends(wiring, &[Credential::Token(notes.subject.to_owned())], notes);
    clock(wiring, &target.url, notes).await;
    let pacer = Pacer::new(target.requests_per_second, target.concurrency, wiring.clock.clone());
    let reader = match wiring.reader() {
        Ok(reader) => reader,
        Err(failure) => return notes.bad("token", failure.exit, failure.message, ""),
    };
    match reader.discover(pacer.permit().await).await {
        Ok(told) => dialect(target, told, notes),
        Err(error) => notes.scim("discovery", &error),
    }
    accounts(&reader, &pacer, target, notes).await;
}

/// So many resources fit into any answer.
const FEW: usize = 10;

/// Whether accounts and groups can be listed with this token.
async fn accounts(reader: &Reader, pacer: &Pacer, target: &Target, notes: &mut Notes<'_>) {
    let (first, permit) = (Cursor::first(), pacer.permit().await);
    let told = |total: Option<usize>| match total {
        Some(total) => format!("the platform lists {}", number(total as u64)),
        None => "the platform lists them, without a total".to_owned(),
    };
    match reader.list_users(permit, &first).await {
        Ok(page) => notes.good("accounts", told(page.total)),
        Err(error) => {
            let few = reader.in_pages_of(FEW).list_users(pacer.permit().await, &first).await;
            short_pages("accounts", &error, &few.map(|page| page.total), notes);
        }
    }
    if target.policy.groups.is_empty() {
        return;
    }
    match reader.list_groups(pacer.permit().await, &first).await {
        Ok(page) => notes.good("groups", told(page.total)),
        Err(error) => {
            let few = reader.in_pages_of(FEW).list_groups(pacer.permit().await, &first).await;
            short_pages("groups", &error, &few.map(|page| page.total), notes);
        }
    }
}

/// A page of the usual size cannot be read: it may be too large for the platform or for us.
fn short_pages(
    check: &'static str,
    error: &ScimError,
    few: &Result<Option<usize>, ScimError>,
    notes: &mut Notes<'_>,
) {
    let Ok(total) = few else { return notes.scim(check, error) };
    let total = total.map_or("it does not say how many".to_owned(), |total| {
        format!("it lists {}", number(total as u64))
    });
    let found = format!("a whole page cannot be read, and one of {FEW} can ({total}): {error}");
    let remedy = format!("set page_size = {FEW} under [targets.*.dialect]");
    notes.doubtful(check, found, &remedy);
}

/// What the platform says about itself against the dialect. It is a hint: servers err about themselves.
fn dialect(target: &Target, told: Discovery, notes: &mut Notes<'_>) {
    const CHECK: &str = "dialect";
    let (dialect, before) = (&target.dialect, notes.findings.checks.len());
    if !told.told {
        let remedy = "compare [targets.*.dialect] with the platform's documentation";
        notes.doubtful(CHECK, "the platform has no ServiceProviderConfig", remedy);
        return;
    }
    let patches = dialect.update_method == UpdateMethod::Patch;
    if !told.patch && patches {
        let found = "the platform says that it takes no PATCH, and update_method is \"patch\"";
        notes.doubtful(CHECK, found, "set update_method = \"put_merge\"");
    }
    if !told.patch && dialect.member_remove != MemberRemove::PutMerge {
        let found = "the platform says that it takes no PATCH, and members are removed by it";
        notes.doubtful(CHECK, found, "set member_remove = \"put_merge\"");
    }
    if !told.filter {
        let found = "the platform says that it does not filter: existing accounts are found by listing only";
        let remedy = "set match_external_id = false if it does not store externalId either";
        notes.doubtful(CHECK, found, remedy);
    }
    if let Some(most) = told.max_results.filter(|most| *most < dialect.page_size) {
        let found = format!("the platform gives at most {most} resources at once");
        notes.doubtful(CHECK, found, &format!("set page_size = {most}"));
    }
    if notes.findings.checks.len() == before {
        notes.good(CHECK, "agrees with what the platform says about itself");
    }
}
