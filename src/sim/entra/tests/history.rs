//! Random histories, read page by page by a reader that knows nothing but the documentation.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::sim::world::Properties;

pub(super) const USERS: &str = "/v1.0/users/delta?$select=id,accountEnabled,displayName,givenName,surname,mail,mobilePhone,userPrincipalName,department,jobTitle,officeLocation,employeeId,preferredLanguage,userType,businessPhones,onPremisesExtensionAttributes,manager";
pub(super) const GROUPS: &str =
    "/v1.0/groups/delta?$select=displayName,description,groupTypes,securityEnabled,members";

/// What a reader holds who merges whatever is listed.
#[derive(Debug, Default, PartialEq)]
struct Mirror {
    objects: BTreeMap<String, BTreeMap<String, Value>>,
    managers: BTreeMap<String, String>,
    members: BTreeMap<String, BTreeSet<(String, String)>>,
}

impl Mirror {
    fn fold(&mut self, pages: &[Value]) {
        for object in objects(pages) {
            let id = object["id"].as_str().unwrap().to_owned();
            if object.get("@removed").is_some() {
                self.objects.remove(&id);
                self.managers.remove(&id);
                self.members.remove(&id);
                continue;
            }
            let known = self.objects.entry(id.clone()).or_default();
            for (name, value) in object.as_object().unwrap() {
                match name.as_str() {
                    "id" => {}
                    "manager@delta" => {
                        self.managers.remove(&id);
                        self.managers
                            .extend(present(value).pop().map(|(_, manager)| (id.clone(), manager)));
                    }
                    "members@delta" => {
                        let members = self.members.entry(id.clone()).or_default();
                        let (gone, here): (Vec<_>, Vec<_>) = value
                            .as_array()
                            .unwrap()
                            .iter()
                            .partition(|entry| entry.get("@removed").is_some());
                        members.extend(here.into_iter().map(member));
                        members.retain(|known| !gone.iter().any(|entry| member(entry) == *known));
                    }
                    _ => drop(known.insert(name.clone(), value.clone())),
                }
            }
        }
        // Types nobody has heard of are none of this reader's business.
        for members in self.members.values_mut() {
            members.retain(|(kind, _)| kind != "#microsoft.graph.agentIdentity");
        }
        self.members.retain(|_, members| !members.is_empty());
    }
}

fn member(entry: &Value) -> (String, String) {
    (entry["@odata.type"].as_str().unwrap().to_owned(), entry["id"].as_str().unwrap().to_owned())
}

fn present(value: &Value) -> Vec<(String, String)> {
    value
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry.get("@removed").is_none())
        .map(member)
        .collect()
}

/// What a reader should hold, from the world itself.
fn truth(world: &World, kind: Kind, address: &str) -> Mirror {
    let mut mirror = Mirror::default();
    let select: BTreeSet<&str> = address.split("$select=").nth(1).unwrap().split(',').collect();
    let selected = |properties: &Properties| {
        let all = properties.iter().filter(|(name, _)| select.contains(name));
        all.map(|(name, value)| (name.to_owned(), value.clone())).collect()
    };
    match kind {
        Kind::Users => {
            for user in world.live_users() {
                mirror.objects.insert(user.id.to_string(), selected(&user.properties));
                mirror
                    .managers
                    .extend(user.manager.map(|manager| (user.id.to_string(), manager.to_string())));
            }
        }
        Kind::Groups => {
            for group in world.live_groups() {
                mirror.objects.insert(group.id.to_string(), selected(&group.properties));
                let members = group
                    .members
                    .iter()
                    .map(|m| (m.kind.odata_type().to_owned(), m.id.to_string()));
                mirror.members.insert(group.id.to_string(), members.collect());
            }
            mirror.members.retain(|_, members| !members.is_empty());
        }
    }
    mirror
}

/// A reader of one kind, in the middle of a round or between two.
struct Reader {
    kind: Kind,
    start: &'static str,
    mirror: Mirror,
    target: String,
}

impl Reader {
    fn new(kind: Kind, start: &'static str) -> Self {
        Self { kind, start, mirror: Mirror::default(), target: start.to_owned() }
    }

    /// Reads one page; true at the end of a round.
    fn step(&mut self, bench: &mut Bench) -> bool {
        let page = bench.read(&self.target);
        let next = page.get("@odata.nextLink").or(page.get("@odata.deltaLink")).unwrap();
        next.as_str().unwrap().clone_into(&mut self.target);
        let done = page.get("@odata.deltaLink").is_some();
        self.mirror.fold(&[page]);
        done
    }

    fn finish(&mut self, bench: &mut Bench) {
        let mut pages = 0;
        while !self.step(bench) {
            pages += 1;
            assert!(pages < 5_000, "the round does not end");
        }
    }

    fn check(&self, bench: &Bench) {
        let truth = truth(&bench.world, self.kind, self.start);
        let wrong = |id: &&String| self.mirror.objects.get(*id) != truth.objects.get(*id);
        let ids: BTreeSet<_> =
            self.mirror.objects.keys().chain(truth.objects.keys()).filter(wrong).collect();
        let pairs: Vec<_> =
            ids.iter().map(|id| (self.mirror.objects.get(*id), truth.objects.get(*id))).collect();
        assert_eq!(ids, BTreeSet::new(), "{pairs:#?}");
        assert_eq!(self.mirror.managers, truth.managers);
        assert_eq!(self.mirror.members, truth.members);
    }
}

fn happen(bench: &mut Bench, rng: &mut fastrand::Rng, events: usize) {
    for _ in 0..events {
        let event = bench.world.random_event(rng).unwrap();
        bench.world.apply(event).unwrap();
    }
}

/// Random events between any two pages; when the world is quiet at last, every reader holds the truth.
fn histories(quirks: Quirks, links_max: usize, seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut bench = Bench::new(seed);
        bench.entra.quirks = quirks;
        bench.entra.options.links_max = links_max;
        bench.entra.options.page_size_max = rng.usize(1..12);
        let mut readers = [Reader::new(Kind::Users, USERS), Reader::new(Kind::Groups, GROUPS)];
        for _ in 0..60 {
            let events = rng.usize(..3);
            happen(&mut bench, &mut rng, events);
            bench.prefer = rng.bool().then_some("return=minimal");
            let at = rng.usize(..2);
            readers[at].step(&mut bench);
        }
        for mut reader in readers {
            // The round that is under way, then two: a round may lag behind by one.
            for _ in 0..3 {
                reader.finish(&mut bench);
            }
            reader.check(&bench);
        }
    }
}

#[test]
fn a_reader_ends_up_with_the_truth() {
    histories(Quirks::default(), 500, 0..150);
}

#[test]
fn a_reader_ends_up_with_the_truth_whatever_habits_graph_shows() {
    histories(Quirks::all(30), 500, 0..150);
    histories(Quirks::all(30), 2, 0..50);
    histories(Quirks::all(100), 3, 0..50);
}
