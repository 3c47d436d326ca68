//! A first load of a whole municipality, and what comes after it: what it costs, beside the least that
//! it could cost; how many requests it takes; the next start; a cycle in which nothing has changed; a
//! changed rule.

use std::collections::BTreeMap;
use std::time::Duration;

use manntall::config;
use serde_json::Value;

use crate::measure::{
    Cost, bytes_in, cpu_of, cpu_of_threads, memory_of, ms, now, pause, peak_of, seconds, tell,
    to_its_end, wait_until,
};
use crate::minimal::Work;
use crate::planning;
use crate::recorder::Recorder;
use crate::site::Site;

/// Requests under way at once.
pub(crate) const CONCURRENCY: usize = 8;

/// Members in one request.
const MEMBERS: usize = 1_000;

/// Nothing measured here takes longer, not even on a slow machine.
const PATIENCE: Duration = Duration::from_secs(3600);

/// How large the municipality is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// Users of the tenant; one in fifty is a guest.
    pub(crate) users: usize,
    pub(crate) groups: usize,
    /// Direct memberships. Through nested groups they become more.
    pub(crate) memberships: usize,
}

impl Size {
    /// Services of this size, and a configuration that carries everything over.
    pub(crate) fn site(self) -> Site {
        let numbers = [self.users, self.groups, self.memberships].map(|number| number.to_string());
        let [users, groups, memberships] = &numbers;
        let site =
            Site::with(&["--users", users, "--groups", groups, "--memberships", memberships], "");
        site.configure_target(site.said("scim_url"), &rest("person.displayName"));
        site
    }
}

/// The rest of the target's table: no limit, and one expression to change.
pub(crate) fn rest(display_name: &str) -> String {
    format!(
        r#"requests_per_second = 10000
concurrency = {CONCURRENCY}

[targets.platform.dialect]
member_batch = {MEMBERS}
group_create_with_members = true

[targets.platform.account]
displayName = '{display_name}'

[[targets.platform.groups]]
id = "all"
from = "directory"
where = 'group.displayName is startingwith("")'
"#
    )
}

/// Everything about one size.
pub(crate) fn all(size: Size) {
    let site = size.site();
    let scim_url = site.said("scim_url").to_owned();
    let authority = scim_url.trim_start_matches("http://").split('/').next().unwrap().to_owned();
    let recorder = Recorder::before(&authority);
    let recorded = scim_url.replace(&authority, &recorder.address());

    // With nobody in scope the pages are read and stored, and nothing else is done.
    site.configure_target(&recorded, &nobody());
    let collect = timed(&site, &["sync"]);
    told("collect", collect);
    tell("  requests to Graph", &graph_requests(&site).to_string());
    std::fs::remove_dir_all(site.state()).unwrap();

    site.configure_target(&recorded, &rest("person.displayName"));
    drop(recorder.take());
    let load = timed(&site, &["sync"]);
    told("first load", load);
    let requests = recorder.take();
    formula(&site, requests.len());
    tell("  store", &format!("{} MiB", bytes_in(&site.state()) >> 20));
    let _ = least(&site, size, load, requests);

    planning::of(&site, &recorded);
    restart(&site);
    quiet(&site);
}

/// Nobody in scope, by a rule that has an answer for everybody.
fn nobody() -> String {
    "requests_per_second = 10000\nscope.people = 'person.userPrincipalName is startingwith(\"-\")'\n".to_owned()
}

fn timed(site: &Site, arguments: &[&str]) -> Cost {
    let (begun, log) = (now(), site.path("log"));
    let running = site.start_logged(arguments, &log);
    to_its_end(running, begun)
        .unwrap_or_else(|ended| panic!("{ended}: {}", std::fs::read_to_string(log).unwrap()))
}

fn told(name: &str, cost: Cost) {
    let Cost { wall, cpu, peak_mib } = cost;
    tell(
        name,
        &format!("{} of processor, {} in all, peak {peak_mib:.0} MiB", seconds(cpu), seconds(wall)),
    );
}

pub(crate) fn requests(site: &Site) -> Value {
    site.ask("GET", "requests", &Value::Null)
}

pub(crate) fn graph_requests(site: &Site) -> u64 {
    let counts: BTreeMap<String, u64> =
        serde_json::from_value(requests(site)["graph"].clone()).unwrap();
    counts.values().sum()
}

/// Requests against what design and dialect allow: each account and group once, what does not go with a
/// group's create in batches, and one listing with discovery.
fn formula(site: &Site, sent: usize) {
    let platform = site.ask("GET", "platform", &Value::Null);
    let users = platform["users"].as_array().unwrap().len();
    let groups = platform["groups"].as_array().unwrap();
    let members = |group: &Value| group["members"].as_array().map_or(0, Vec::len);
    let memberships: usize = groups.iter().map(members).sum();
    let batches: usize =
        groups.iter().map(|group| members(group).saturating_sub(MEMBERS).div_ceil(MEMBERS)).sum();
    let least = users + groups.len() + batches;
    tell("  people, groups, memberships", &format!("{users}, {}, {memberships}", groups.len()));
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
    let ratio = sent as f64 / least as f64;
    tell("  requests to the platform, of the formula's", &format!("{sent} of {least}: {ratio:.4}"));
    let kinds: BTreeMap<String, u64> =
        serde_json::from_value(requests(site)["scim"].clone()).unwrap();
    tell("  by kind, with those of collecting", &format!("{kinds:?}"));
}

/// What a minimal program takes for the same requests and records.
fn least(site: &Site, size: Size, load: Cost, requests: Vec<crate::recorder::Asked>) -> f64 {
    let config = config::load(&site.config(), &BTreeMap::new()).unwrap();
    let list = |names: std::collections::BTreeSet<String>, relation: Option<&str>| {
        let names: Vec<String> = names.into_iter().chain(relation.map(str::to_owned)).collect();
        format!("$select=id,{}", names.join(","))
    };
    let deltas = vec![
        format!("/v1.0/users/delta?{}", list(config.user_properties(), None)),
        format!("/v1.0/groups/delta?{}", list(config.group_properties(), Some("members"))),
    ];
    let fresh = size.site();
    let work = Work { records: planning::records(site), ..Work::on(&fresh, deltas, requests) };
    let count = work.records.len();
    let cpu = work.cost(&fresh.path("work"));
    tell(
        "  the same by a minimal program",
        &format!("{} of processor, {count} records", seconds(cpu)),
    );
    let ratio = load.cpu.as_secs_f64() / cpu.as_secs_f64();
    tell("  ratio", &format!("{ratio:.2}"));
    ratio
}

/// A start with somebody to let go: until the platform has been told.
fn restart(site: &Site) {
    told("sync with nothing to do", timed(site, &["sync"]));
    site.disable(1);
    let before = site.writes();
    let service = site.start(&["run"]);
    let took = wait_until("the leaver", PATIENCE, || site.writes() > before);
    tell("restart until a leaver is deactivated", &seconds(took));
    tell("  peak until then", &format!("{:.0} MiB", peak_of(service.0.id())));
}

/// Cycles in which nothing has changed, in the running service with its status port.
pub(crate) fn quiet(site: &Site) {
    const SPAN_S: u64 = 120;
    /// What was read at the start is counted for the report a minute later. That is no cycle's.
    const SETTLES_S: u64 = 75;
    told("sync before the quiet", timed(site, &["sync"]));
    let service = site.start(&["run"]);
    let pid = service.0.id();
    let polls = || requests(site)["graph"]["users_delta"].as_u64().unwrap();
    let first = polls();
    wait_until("two polls", PATIENCE, || polls() > first + 2);
    pause(SETTLES_S * 1000);
    let state = |site: &Site| {
        let asked = requests(site);
        let by_store = cpu_of_threads(pid, |name| name.starts_with("sled-"));
        let by_cycles = cpu_of(pid).saturating_sub(by_store);
        let asked = (graph_requests(site), asked["scim_total"].as_u64().unwrap());
        (polls(), asked, by_cycles, by_store)
    };
    let before = state(site);
    pause(SPAN_S * 1000);
    let after = state(site);
    let cycles = after.0 - before.0;
    let each = after.2.saturating_sub(before.2) / u32::try_from(cycles).unwrap();
    tell("quiet cycle", &format!("{} of processor each of {cycles}", ms(each)));
    tell(
        "  requests to Graph, to the platform, in all of them",
        &format!("{}, {}", after.1.0 - before.1.0, after.1.1 - before.1.1),
    );
    // They wake once a second, whatever there is to do.
    let by_store = after.3.saturating_sub(before.3) * 60 / u32::try_from(SPAN_S).unwrap();
    tell("  threads of the store beside it", &format!("{} of processor a minute", ms(by_store)));
    tell("  memory at rest", &format!("{:.0} MiB", memory_of(pid)));
}

/// Holds a first load to its ceilings, which are ratios: what it holds at most against what it stores, and its processor
/// against that of a minimal program in the same run. `cargo test` builds both with the same profile.
pub(crate) fn ceilings(size: Size) {
    const MEMORY: f64 = 5.0;
    const PROCESSOR: f64 = 6.0;
    let site = size.site();
    let scim_url = site.said("scim_url").to_owned();
    let authority = scim_url.trim_start_matches("http://").split('/').next().unwrap().to_owned();
    let recorder = Recorder::before(&authority);
    site.configure_target(
        &scim_url.replace(&authority, &recorder.address()),
        &rest("person.displayName"),
    );
    let load = timed(&site, &["sync"]);
    told("first load", load);
    let records: usize =
        planning::records(&site).iter().map(|(key, value)| key.len() + value.len()).sum();
    #[expect(clippy::cast_precision_loss, reason = "a ratio")]
    let memory = load.peak_mib * f64::from(1 << 20) / records as f64;
    tell("  peak against what is stored", &format!("{memory:.2} of at most {MEMORY}"));
    let processor = least(&site, size, load, recorder.take());
    tell(
        "  processor against the minimal program's",
        &format!("{processor:.2} of at most {PROCESSOR}"),
    );
    assert!(memory <= MEMORY && processor <= PROCESSOR, "above a ceiling");
}

/// The first load alone, without what stands between.
pub(crate) fn memory(size: Size) {
    let site = size.site();
    let Size { users, groups, memberships } = size;
    told(&format!("first load of {users}, {groups}, {memberships}"), timed(&site, &["sync"]));
    told("  the next sync", timed(&site, &["sync"]));
}
