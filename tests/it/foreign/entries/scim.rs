//! What a platform answers: lists, resources, errors and discovery, to reads and to writes.

use std::collections::BTreeSet;
use std::sync::Arc;

use manntall::core::model::{AttrPath, Attributes, Datum, ScimId};
use manntall::scim::dialect::{Dialect, MemberRemove, UpdateMethod};
use manntall::scim::members::OtherMembers;
use manntall::scim::pace::{Pacer, Permit};
use manntall::scim::{
    Cursor, ListPage, Listed, MatchBy, Reader, ScimError, ScimOptions, Turn, Walk, Writer,
};
use manntall::transport::{Method, Request, Response};
use secrecy::SecretString;
use serde_json::Value;

use super::answer::{Canned, answer};
use super::{Ticking, done, is_harmless, url};

const BASE: &str = "https://platform.example.no/scim/v2";
const TOKEN: &str = "kjennelig-tilgangsbevis";
/// What we send of a person, and what no message about it may say.
const NAME: &str = "Kjennelig Navnesen";
/// The same, answer by answer, so often: it is not asked for again and again.
const PAGES_MAX: usize = 3;

/// A client of the platform that gives one answer to everything.
struct Peer {
    reader: Reader,
    writer: Writer,
    pacer: Pacer,
    given: Response,
}

impl Peer {
    fn new(given: &Response, dialect: Dialect) -> Self {
        let response = given.clone();
        let transport = Canned::new(move |request: &Request| {
            stays_at_home(request);
            response.clone()
        });
        let clock = Arc::new(Ticking::new());
        let token = || SecretString::from(TOKEN);
        let options = ScimOptions { url: url(BASE), token: Arc::new(token), dialect };
        Self {
            reader: Reader::new(options.clone(), transport.clone(), clock.clone()),
            writer: Writer::new(options, transport, clock.clone(), Arc::default()),
            pacer: Pacer::new(100_000.0, 64, clock),
            given: given.clone(),
        }
    }

    fn permit(&self) -> Permit {
        done(self.pacer.permit())
    }

    /// What came of it, if anything did; what is said otherwise is fit for a journal.
    fn checked<T>(&self, result: Result<T, ScimError>) -> Option<T> {
        if let Err(error) = &result {
            is_harmless(error);
            self.says_nothing_of(&["tilgangsbevis"], error);
        }
        result.ok()
    }

    /// The same for what was sent with a name, which the platform may say back.
    fn named<T>(&self, result: Result<T, ScimError>) -> Option<T> {
        if let Err(error) = &result {
            self.says_nothing_of(&["kjennelig", "navnesen"], error);
        }
        self.checked(result)
    }

    fn says_nothing_of(&self, private: &[&str], error: &ScimError) {
        let words = error.to_string().to_lowercase();
        // Of a redirect the host is shown.
        let is_redirect = (300..400).contains(&self.given.status);
        assert!(is_redirect || !private.iter().any(|part| words.contains(part)), "{words}");
    }
}

/// No answer bends where the next request goes, or what is sent back of it.
fn stays_at_home(request: &Request) {
    let url = &request.url;
    assert_eq!(url.origin().ascii_serialization(), "https://platform.example.no");
    let segments: Vec<&str> = url.path_segments().expect("a path").collect();
    let known = match segments.as_slice() {
        ["scim", "v2", "ServiceProviderConfig" | "Me" | "Users" | "Groups"] => true,
        ["scim", "v2", "Users" | "Groups", id] => !id.is_empty(),
        _ => false,
    };
    assert!(known && url.fragment().is_none(), "{url}");
    if request.method == Method::Put {
        let body = request.body.as_deref().unwrap_or_default();
        let body: Value = serde_json::from_slice(body).expect("JSON");
        let body = body.as_object().expect("an object");
        let of_the_target = |name: &String| ["id", "meta", "groups"].contains(&name.as_str());
        assert!(!body.keys().any(of_the_target) && !body.values().any(Value::is_null));
    }
}

/// Reads, creates, changes and deletes against a platform that always answers alike.
pub(crate) fn scim_answer(bytes: &[u8]) {
    let given = answer(bytes);
    let peer = Peer::new(&given, Dialect::default());
    peer.checked(done(peer.reader.discover(peer.permit())));
    peer.checked(done(peer.reader.fingerprint(peer.permit())));
    peer.checked(done(peer.reader.own_account(peer.permit())));
    look_up(&peer);
    let mut ids = list(&peer, |at| done(peer.reader.list_users(peer.permit(), at)), |one| one.id);
    ids.extend(list(&peer, |at| done(peer.reader.list_groups(peer.permit(), at)), |one| one.id));
    ids.extend(create(&peer));
    let put = Dialect {
        update_method: UpdateMethod::PutMerge,
        member_remove: MemberRemove::PutMerge,
        ..Dialect::default()
    };
    let put = Peer::new(&given, put);
    // Whatever the platform calls its resources, they are asked for, and changed, as just those.
    for id in ids.into_iter().chain([ScimId::new("7")]).take(4) {
        if let Some(Some(user)) = peer.checked(done(peer.reader.user(peer.permit(), &id))) {
            assert_eq!(user.id, id);
            let held = user.attributes(person().keys());
            assert!(held.len() <= person().len());
            change(&peer, &id, &held, true);
            change(&put, &id, &held, false);
        }
        if let Some(Some(group)) = peer.checked(done(peer.reader.group(peer.permit(), &id))) {
            assert_eq!(group.id, id);
            let members: Vec<ScimId> = group.members.unwrap_or_default().into_iter().collect();
            let (permit, writer) = (put.permit(), &put.writer);
            put.checked(done(writer.remove_members(
                permit,
                &id,
                &members,
                &OtherMembers::default(),
            )));
            put.checked(done(writer.add_members(
                put.permit(),
                &id,
                &members,
                &OtherMembers::default(),
            )));
        }
        change(&peer, &id, &Attributes::new(), true);
        peer.checked(done(peer.writer.remove_members(
            peer.permit(),
            &id,
            std::slice::from_ref(&id),
            &OtherMembers::default(),
        )));
    }
}

/// What we want somebody to have.
fn person() -> Attributes {
    let paths =
        ["userName", "name.formatted", "emails[type eq \"work\"].value", "active", "manager"];
    let path = |text: &str| AttrPath::parse(text).expect("a path");
    paths.iter().map(|text| (path(text), Datum::from(NAME))).collect()
}

/// Before a PUT nothing is sent but a question.
fn change(peer: &Peer, id: &ScimId, held: &Attributes, is_patch: bool) {
    let changed = done(peer.writer.update_user(peer.permit(), id, held, &person()));
    let changed = if is_patch { peer.named(changed) } else { peer.checked(changed) };
    if let Some(Some(user)) = changed {
        assert_eq!(user.id, *id);
    }
}

/// A hit is one that was looked for.
fn look_up(peer: &Peer) {
    let by = MatchBy::UserName(NAME);
    for user in peer.named(done(peer.reader.user_by(peer.permit(), by))).unwrap_or_default() {
        assert_eq!(user.user_name.unwrap_or_default().to_lowercase(), NAME.to_lowercase());
    }
    let by = MatchBy::ExternalId(NAME);
    for group in peer.named(done(peer.reader.group_by(peer.permit(), by))).unwrap_or_default() {
        assert_eq!(group.external_id.as_deref(), Some(NAME));
    }
}

/// Walks a listing to its end, which there is.
fn list<T: Listed>(
    peer: &Peer,
    ask: impl Fn(&Cursor) -> Result<ListPage<T>, ScimError>,
    id: impl Fn(T) -> ScimId,
) -> BTreeSet<ScimId> {
    let (mut ids, mut walk) = (BTreeSet::new(), Walk::new(0));
    for _ in 0..PAGES_MAX {
        let Some(page) = peer.checked(ask(&walk.cursor())) else { return ids };
        let turn = walk.take(&page);
        ids.extend(page.items.into_iter().map(&id));
        if turn == Turn::Ended {
            return ids;
        }
    }
    unreachable!("the same page is asked for without end")
}

fn create(peer: &Peer) -> Vec<ScimId> {
    let user = peer.named(done(peer.writer.create_user(peer.permit(), &person())));
    let group = peer.named(done(peer.writer.create_group(peer.permit(), NAME, NAME, &[])));
    user.map(|user| user.id).into_iter().chain(group.map(|group| group.id)).collect()
}
