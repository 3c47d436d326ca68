//! Delta rounds (Graph: "Use delta query to track changes", "user: delta", "group: delta").
//!
//! A round is fixed to a stretch of the world's log when it begins, but every page shows objects as they
//! are when it is read. Whatever changes after the stretch comes again in the next round, so that a reader
//! who merges all that is listed ends up with the truth, and one who counts on more does not.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, RangeBounds as _};

use serde_json::{Map, Value, json};

use super::distort;
use super::faults::happens;
use super::link::{Cursor, Kind, Link, Purpose};
use super::query::{Preferences, Target};
use super::reply::{Refusal, Stamp};
use super::{Entra, LoopLinks};
use crate::sim::http::{Request, Response};
use crate::sim::world::{
    Group, MemberRef, ObjectId, ObjectRef, Properties, State, User, What, World,
};

/// Objects per page, whatever is asked for.
const PAGE_SIZE_MAX: usize = 200;
/// Empty pages in a row at most, so that a round ends.
const EMPTY_PAGES_MAX: u8 = 3;

/// What has to be said about an object in a round.
#[derive(Debug, Default, Clone)]
struct Touched {
    /// It is new to the reader, or may be: everything has to be said.
    whole: bool,
    properties: BTreeSet<String>,
    /// Whom the user reported to before each change of manager, oldest first.
    managers_before: Vec<Option<ObjectId>>,
    members: BTreeSet<MemberRef>,
}

/// How much fits on a page.
#[derive(Debug, Clone, Copy)]
struct Room {
    objects: usize,
    links: usize,
    links_of_one: usize,
}

impl Entra {
    pub(super) fn delta(
        &mut self,
        world: &World,
        kind: Kind,
        req: &Request,
        target: &Target,
        stamp: &Stamp,
    ) -> Result<Response, Refusal> {
        let unsupported =
            ["expand", "orderby", "search"].iter().find(|name| target.option(name).is_some());
        if let Some(name) = unsupported {
            let message = format!("Query option '{name}' is not supported for delta.");
            return Err(Refusal::new(400, "Request_UnsupportedQuery", message));
        }
        let preferences = Preferences::of(req);
        let link = self.requested(world, kind, target, stamp.now_unix_s)?;
        let skipped = target.option("deltatoken") == Some("latest")
            || if link.from.is_none() {
                self.faults.empty_full_reads.is_some()
            } else {
                self.faults.lose_changes
            };
        let (mut value, next) =
            if skipped { (Vec::new(), None) } else { self.page(world, &link, preferences) };
        if link.from.is_none() && self.faults.lose_pages > 0 {
            self.faults.lose_pages -= 1;
            value.clear();
        }
        if let Some(distortion) = self.faults.distort {
            distortion.apply(kind, &mut value);
        }
        let wrong = happens(&mut self.rng, self.quirks.wrong_context);
        let context = if wrong {
            self.context(&link).replace('(', "(deletedDateTime,")
        } else {
            self.context(&link)
        };
        let (name, mut address) =
            self.following(world, link, (next, value.is_empty()), stamp.now_unix_s);
        if let Some((links, thousands)) = self.faults.long_links.filter(|(links, _)| *links > 0) {
            self.faults.long_links = Some((links - 1, thousands));
            let many = usize::try_from(thousands).unwrap_or(usize::MAX);
            address.push_str(&"a".repeat(many * 1_000));
        }
        if self.faults.stray_links > 0 {
            self.faults.stray_links -= 1;
            let (own, other) = match kind {
                Kind::Users => ("/users/", "/groups/"),
                Kind::Groups => ("/groups/", "/users/"),
            };
            address = address.replacen(own, other, 1);
        }
        let name = self.faults.distort.map_or_else(|| name.to_owned(), |how| how.name(name));
        let body = json!({ "@odata.context": context, name: address, "value": value });
        let mut response = stamp.json(&body);
        response.body = distort::written(response.body);
        if preferences.minimal {
            response.headers.push(("preference-applied".to_owned(), "return=minimal".to_owned()));
        }
        Ok(response)
    }

    /// The page that is asked for: the next of a round, or the first of a new one.
    fn requested(
        &mut self,
        world: &World,
        kind: Kind,
        target: &Target,
        now_unix_s: u64,
    ) -> Result<Link, Refusal> {
        if let Some(token) = target.option("skiptoken") {
            if let Some(status) = self.faults.refuse_next_links {
                return Err(Refusal::new(status, "UnknownError", ""));
            }
            if target.option("select").is_some() {
                let message = "$select is not supported together with $skiptoken.";
                return Err(Refusal::new(400, "Request_UnsupportedQuery", message));
            }
            return self.open(world, token, (kind, Purpose::Page), now_unix_s);
        }
        let link = match target.option("deltatoken") {
            // The empty token is that of a resync location.
            None | Some("latest" | "") => {
                let start = Link::start(kind, target.select(kind)?, target.filter()?);
                Link { issued_s: now_unix_s, epoch: self.epoch, ..start }
            }
            Some(token) => {
                let last = self.open(world, token, (kind, Purpose::Round), now_unix_s)?;
                Link { purpose: Purpose::Page, from: Some(last.upto), ..last }
            }
        };
        let newest = world.sequence();
        let seen = self.seen.insert(kind, newest).unwrap_or(newest);
        let lags = happens(&mut self.rng, self.quirks.lag);
        let upto = if lags { seen.min(newest).max(link.from.unwrap_or_default()) } else { newest };
        Ok(Link { upto, ..link })
    }

    /// The link at the end of a page, with its name.
    fn following(
        &mut self,
        world: &World,
        link: Link,
        (next, is_empty): (Option<Cursor>, bool),
        now_unix_s: u64,
    ) -> (&'static str, String) {
        let empty_pages = if is_empty { link.empty_pages.saturating_add(1) } else { 0 };
        let round = Link { cursor: Cursor::Start, empty_pages: 0, ..link };
        if let Some(how) = self.faults.loop_links {
            let address = match how {
                LoopLinks::SameLink => self.address_as_is(world, &round),
                LoopLinks::FreshLinks => self.address(world, round, now_unix_s),
            };
            return ("@odata.nextLink", address);
        }
        if let Some(origin) = self.faults.foreign_next_link.clone() {
            let page = Link { cursor: next.unwrap_or(round.cursor), ..round };
            let address = self.address(world, page, now_unix_s);
            return ("@odata.nextLink", address.replacen(&self.options.graph_url, &origin, 1));
        }
        if let Some(cursor) = next {
            let page = Link { cursor, empty_pages, ..round };
            return ("@odata.nextLink", self.address(world, page, now_unix_s));
        }
        let done = Link { purpose: Purpose::Round, ..round };
        ("@odata.deltaLink", self.address(world, done, now_unix_s))
    }

    /// The objects of a page, and where the next one begins.
    fn page(
        &mut self,
        world: &World,
        link: &Link,
        preferences: Preferences,
    ) -> (Vec<Value>, Option<Cursor>) {
        if link.empty_pages < EMPTY_PAGES_MAX && happens(&mut self.rng, self.quirks.empty_pages) {
            return (Vec::new(), Some(link.cursor));
        }
        let room = self.room(preferences);
        let (mut page, next) = self.fill(world, link, preferences.minimal, &room);
        self.add_unknown_members(world, &mut page);
        let noise = [self.repeated(world, link, &room), self.old_tombstone(world, link)];
        for object in noise.into_iter().flatten() {
            page.insert(self.rng.usize(..=page.len()), object);
        }
        (page, next)
    }

    fn room(&mut self, preferences: Preferences) -> Room {
        let asked = preferences.page_size.unwrap_or(PAGE_SIZE_MAX);
        let objects = asked.min(self.options.page_size_max).clamp(1, PAGE_SIZE_MAX);
        let links = self.options.links_max.max(1);
        let short = happens(&mut self.rng, self.quirks.short_pages);
        let split = happens(&mut self.rng, self.quirks.split_groups);
        Room {
            objects: if short { self.rng.usize(1..=objects.min(4)) } else { objects },
            links,
            links_of_one: if split { self.rng.usize(1..=links.min(3)) } else { links },
        }
    }

    fn fill(
        &mut self,
        world: &World,
        link: &Link,
        minimal: bool,
        room: &Room,
    ) -> (Vec<Value>, Option<Cursor>) {
        let (mut page, mut links, mut resume) = (Vec::new(), 0, link.cursor);
        for (id, touched) in candidates(world, link) {
            loop {
                if page.len() >= room.objects || links >= room.links {
                    return (page, Some(resume));
                }
                let after = match resume {
                    Cursor::Within(current, member) if current == id => Some(member),
                    _ => None,
                };
                let mixed = happens(&mut self.rng, self.quirks.mixed_forms);
                let form = Form {
                    minimal: minimal != mixed,
                    after,
                    links_max: room.links_of_one.min(room.links - links),
                };
                let shown = self.appearance(world, link, id, &touched, &form);
                page.extend(shown.object);
                links += shown.links;
                let Some(member) = shown.unfinished_after else {
                    resume = Cursor::After(id);
                    break;
                };
                resume = Cursor::Within(id, member);
            }
        }
        (page, None)
    }

    fn appearance(
        &self,
        world: &World,
        link: &Link,
        id: ObjectId,
        touched: &Touched,
        form: &Form,
    ) -> Shown {
        let user =
            || world.users().get(&id).and_then(|user| self.user(link, user, touched, form.minimal));
        let group = || world.groups().get(&id).map(|group| self.group(link, group, touched, form));
        match link.kind {
            Kind::Users => Shown { object: user(), ..Shown::default() },
            Kind::Groups => group().unwrap_or_default(),
        }
    }

    fn user(&self, link: &Link, user: &User, touched: &Touched, minimal: bool) -> Option<Value> {
        if user.state != State::Live {
            return Some(tombstone(user.id, user.state));
        }
        let selected = link.select.iter().any(|name| name == "manager");
        let changed = touched.whole || !touched.managers_before.is_empty();
        let manager = match (user.manager, touched.managers_before.iter().flatten().last()) {
            (Some(now), _) if selected && changed => Some(json!([reference(MemberRef::user(now))])),
            (None, Some(before)) if selected => Some(json!([removed(MemberRef::user(*before))])),
            _ => None,
        };
        let mut fields =
            self.changed_fields(link, &user.properties, touched, (minimal, manager.is_some()))?;
        if let Some(manager) = manager {
            fields.insert("manager@delta".to_owned(), manager);
        }
        if self.faults.bare_newcomers && link.from.is_some() && touched.whole {
            fields.remove("accountEnabled");
        }
        Some(object(user.id, fields))
    }

    fn group(&self, link: &Link, group: &Group, touched: &Touched, form: &Form) -> Shown {
        if group.state != State::Live {
            return Shown { object: Some(tombstone(group.id, group.state)), ..Shown::default() };
        }
        let rest = (form.after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let mut listed = BTreeSet::new();
        let is_hidden = self.faults.hide_members.contains(&group.id);
        if link.select.iter().any(|name| name == "members") && !is_hidden {
            // A whole group lists its losses too: the reader may have met the group before it was due.
            listed.extend(touched.members.range(rest));
            if touched.whole {
                listed.extend(group.members.range(rest).take(form.links_max + 1));
            }
        }
        let more = listed.len() > form.links_max;
        let listed: Vec<_> = listed.into_iter().take(form.links_max).collect();
        let Some(mut fields) = self.changed_fields(
            link,
            &group.properties,
            touched,
            (form.minimal, !listed.is_empty()),
        ) else {
            return Shown::default();
        };
        if !listed.is_empty() {
            let is_member = |member: &MemberRef| group.members.contains(member);
            let members =
                listed.iter().map(|m| if is_member(m) { reference(*m) } else { removed(*m) });
            fields.insert("members@delta".to_owned(), members.collect());
        }
        Shown {
            object: Some(object(group.id, fields)),
            links: listed.len(),
            unfinished_after: listed.last().copied().filter(|_| more),
        }
    }

    /// The properties to tell, or `None` where nothing that is tracked changed. What was never set is
    /// absent; what was cleared is null.
    fn changed_fields(
        &self,
        link: &Link,
        properties: &Properties,
        touched: &Touched,
        (minimal, relation_changed): (bool, bool),
    ) -> Option<Map<String, Value>> {
        let changed = |name: &&String| touched.properties.contains(*name);
        if !touched.whole && !relation_changed && !link.select.iter().any(|name| changed(&name)) {
            return None;
        }
        let everything = touched.whole || !minimal;
        let told = link.select.iter().filter(|name| everything || changed(name));
        let told = told.filter(|name| !self.faults.withhold.contains(*name));
        let set =
            told.filter_map(|name| Some((name.clone(), self.shown(name, properties.get(name)?))));
        Some(set.collect())
    }

    /// An object of a complete read a second time, or one that did not change in an incremental round.
    fn repeated(&mut self, world: &World, link: &Link, room: &Room) -> Option<Value> {
        let percent =
            if link.from.is_none() { self.quirks.duplicates } else { self.quirks.replays };
        if !happens(&mut self.rng, percent) {
            return None;
        }
        let everybody = Link { from: None, cursor: Cursor::Start, ..link.clone() };
        let candidates: Vec<_> = candidates(world, &everybody).collect();
        let (id, touched) = self.rng.choice(candidates)?;
        let form = Form { minimal: false, after: None, links_max: room.links_of_one };
        self.appearance(world, link, id, &touched, &form).object
    }

    /// A tombstone of something that a new reader never saw.
    fn old_tombstone(&mut self, world: &World, link: &Link) -> Option<Value> {
        if link.from.is_some() || !link.filter.is_empty() {
            return None;
        }
        if !happens(&mut self.rng, self.quirks.unknown_tombstones) {
            return None;
        }
        let mut dead: Vec<_> = match link.kind {
            Kind::Users => world.users().values().map(|user| (user.id, user.state)).collect(),
            Kind::Groups => world.groups().values().map(|group| (group.id, group.state)).collect(),
        };
        dead.retain(|(_, state)| *state != State::Live);
        dead.push((world.fresh_id(&mut self.rng), State::Purged));
        self.rng.choice(dead).map(|(id, state)| tombstone(id, state))
    }

    fn add_unknown_members(&mut self, world: &World, page: &mut [Value]) {
        for object in page {
            let members = object.get_mut("members@delta").and_then(Value::as_array_mut);
            if let (Some(members), true) =
                (members, happens(&mut self.rng, self.quirks.unknown_members))
            {
                let id = world.fresh_id(&mut self.rng);
                members.push(json!({ "@odata.type": "#microsoft.graph.agentIdentity", "id": id }));
            }
        }
    }
}

/// How an object is to appear.
struct Form {
    minimal: bool,
    /// Members up to this one have been listed.
    after: Option<MemberRef>,
    links_max: usize,
}

/// An object as it appears on a page.
#[derive(Default)]
struct Shown {
    object: Option<Value>,
    links: usize,
    /// Set where members are left for another appearance.
    unfinished_after: Option<MemberRef>,
}

/// The objects of a round from the link's cursor on, in the order of their ids, which is no order at all
/// as far as a reader can tell.
fn candidates<'a>(
    world: &'a World,
    link: &'a Link,
) -> Box<dyn Iterator<Item = (ObjectId, Touched)> + 'a> {
    let start = match link.cursor {
        Cursor::Start => Bound::Unbounded,
        Cursor::After(id) => Bound::Excluded(id),
        Cursor::Within(id, _) => Bound::Included(id),
    };
    let range = (start, Bound::Unbounded);
    let wanted = |id: &ObjectId| link.filter.is_empty() || link.filter.contains(id);
    if let Some(from) = link.from {
        let mut touched = touched(world, link.kind, from, link.upto);
        touched.retain(|id, _| wanted(id) && range.contains(id));
        return Box::new(touched.into_iter());
    }
    // Whoever came after the beginning of the round is left to the next one.
    let newer = touched(world, link.kind, link.upto, world.sequence());
    let visible =
        move |id: &ObjectId| wanted(id) && !newer.get(id).is_some_and(|touched| touched.whole);
    let live: Box<dyn Iterator<Item = ObjectId>> = match link.kind {
        Kind::Users => Box::new(
            world
                .users()
                .range(range)
                .filter(|(_, user)| user.state == State::Live)
                .map(|(id, _)| *id),
        ),
        Kind::Groups => Box::new(
            world
                .groups()
                .range(range)
                .filter(|(_, group)| group.state == State::Live)
                .map(|(id, _)| *id),
        ),
    };
    Box::new(live.filter(visible).map(|id| (id, Touched { whole: true, ..Touched::default() })))
}

/// What happened to the objects of `kind` in a stretch of the log.
fn touched(world: &World, kind: Kind, from: u64, upto: u64) -> BTreeMap<ObjectId, Touched> {
    let mut objects: BTreeMap<ObjectId, Touched> = BTreeMap::new();
    for change in world.changes(from, upto) {
        let (ObjectRef::User(id) | ObjectRef::Group(id)) = change.object;
        if matches!(change.object, ObjectRef::User(_)) != (kind == Kind::Users) {
            continue;
        }
        let touched = objects.entry(id).or_default();
        match &change.what {
            What::Created | What::Restored => touched.whole = true,
            What::Properties(names) => touched.properties.extend(names.iter().cloned()),
            What::Manager { before } => touched.managers_before.push(*before),
            What::MemberAdded(member) | What::MemberRemoved(member) => {
                touched.members.insert(*member);
            }
            // The state of the object says it all.
            What::SoftDeleted | What::Purged => {}
        }
    }
    objects
}

fn object(id: ObjectId, mut fields: Map<String, Value>) -> Value {
    fields.insert("id".to_owned(), id.to_string().into());
    Value::Object(fields)
}

fn tombstone(id: ObjectId, state: State) -> Value {
    let reason = if state == State::Purged { "deleted" } else { "changed" };
    json!({ "id": id, "@removed": { "reason": reason } })
}

fn reference(member: MemberRef) -> Value {
    json!({ "@odata.type": member.kind.odata_type(), "id": member.id })
}

/// The reason of a removed link is always "deleted".
fn removed(member: MemberRef) -> Value {
    json!({ "@odata.type": member.kind.odata_type(), "id": member.id, "@removed": { "reason": "deleted" } })
}
