//! What Entra answers: pages, counts, single users, tokens and refusals.

use std::collections::BTreeSet;
use std::sync::Arc;

use manntall::core::model::{Datum, Element, Kind, ObjectId, Properties, SourceName};
use manntall::graph::{
    Credential, GraphClient, GraphError, GraphOptions, Link, Next, Page, Position,
};
use manntall::random::Random;
use manntall::transport::{Request, Response};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::answer::{Canned, answer};
use super::callers::leads_home;
use super::{Ticking, done, is_harmless, url};

const SECRET: &str = "kjennelig-hemmelighet";
const TOKEN: &[u8] = br#"{"token_type":"Bearer","expires_in":3599,"access_token":"x"}"#;

/// A client that is given `page` by Graph, and `token` by the token endpoint.
fn graph(page: Response, token: Response) -> GraphClient {
    let names = ["accountEnabled", "displayName", "manager", "members", "userPrincipalName"];
    let properties: BTreeSet<String> = names.map(str::to_owned).into();
    let options = GraphOptions {
        source: SourceName::new("asker"),
        tenant_id: "11111111-1111-4111-8111-111111111111".to_owned(),
        client_id: "22222222-2222-4222-8222-222222222222".to_owned(),
        credential: Credential::Secret(Arc::new(|| Ok(SecretString::from(SECRET)))),
        graph_url: url("https://graph.example.no"),
        login_url: url("https://login.example.no"),
        user_properties: properties.clone(),
        group_properties: properties,
    };
    let transport = Canned::new(move |request: &Request| {
        if request.url.as_str().starts_with("https://login.example.no/") {
            assert!(request.bearer_secret().is_none());
            return token.clone();
        }
        leads_home(request.url.as_str());
        let bearer = request.bearer_secret().expect("a token");
        assert_ne!(bearer.expose_secret(), SECRET);
        page.clone()
    });
    GraphClient::new(options, transport, Arc::new(Ticking::new()), Arc::new(Random::seeded(1)))
}

/// A page of users and of groups, from the first one and from a link, a count, and one user.
pub(crate) fn graph_page(bytes: &[u8]) {
    let given = answer(bytes);
    let client = graph(given.clone(), answer(TOKEN));
    for (kind, path) in [(Kind::Users, "users"), (Kind::Groups, "groups")] {
        let link = format!("https://graph.example.no/v1.0/{path}/delta?$deltatoken=x");
        for at in [Position::Start, Position::Link(Link::stored(link))] {
            match done(client.page(kind, &at)) {
                Ok(page) => was_told(&page, &given),
                Err(error) => explains(&error),
            }
        }
    }
    match done(client.count(Kind::Users)) {
        Ok(count) => {
            let text = String::from_utf8_lossy(&given.body).into_owned();
            assert!(text.trim_end().ends_with(&count.to_string()), "{count} of {text:?}");
        }
        Err(error) => explains(&error),
    }
    if let Err(error) = done(client.object(Kind::Users, ObjectId::from_bytes([0x11; 16]))) {
        explains(&error);
    }
}

fn explains(error: &GraphError) {
    is_harmless(error);
    assert!(!error.to_string().contains(SECRET), "{error}");
}

/// Nothing is taken from a page that does not stand in its bytes, read by another parser: no state, no
/// tombstone, no member who came or went.
fn was_told(page: &Page, given: &Response) {
    if let Next::Page(link) | Next::Delta(link) = &page.next {
        leads_home(link.as_str());
    }
    for finding in &page.findings {
        is_harmless(finding);
    }
    // Of numbers and letters that nobody selected, the other parser is stricter.
    let Ok(body) = serde_json::from_slice::<Value>(&given.body) else { return };
    let both = ["@odata.nextLink", "@odata.deltaLink"]
        .map(|name| under(&body, name).any(Value::is_string));
    assert_ne!(both[0], both[1], "a page goes on, or is the last");
    let told = under(&body, "value").find_map(Value::as_array).expect("a list");
    // Nobody on the page is lost: each element is there at least once, and be it as one that cannot be read.
    assert!(page.elements.len() >= told.len());
    for element in &page.elements {
        let Some(of) = element.id() else { continue };
        if !matches!(element, Element::Unreadable { .. }) {
            let of_id = |one: &&Value| id(one) == Some(of);
            assert!(told.iter().filter(of_id).any(|one| says(one, element)), "{element:?}");
        }
    }
}

/// What stands under a name, in whatever letters.
fn under<'a>(json: &'a Value, name: &'a str) -> impl Iterator<Item = &'a Value> {
    let fields = json.as_object().into_iter().flatten();
    fields.filter(|(told, _)| told.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// The id under its name, in other letters where there is none in the right ones.
fn id(json: &Value) -> Option<ObjectId> {
    let named = |(name, value)| (name, Value::as_str(value));
    let fields = json.as_object()?;
    let exact = fields.get("id").map(Value::as_str);
    let other = || {
        let mut fields = fields.iter().map(named);
        fields.find(|(name, _)| name.eq_ignore_ascii_case("id")).map(|(_, text)| text)
    };
    exact.or_else(other)?.and_then(|text| ObjectId::parse(text.trim()))
}

/// Whether the annotation is there and says something.
fn is_removed(json: &Value) -> bool {
    under(json, "@removed").any(|removed| !removed.is_null())
}

fn says(told: &Value, element: &Element) -> bool {
    let removed = is_removed(told);
    let related = |name: &str, wanted: ObjectId, gone: bool| {
        let entries = under(told, name).filter_map(Value::as_array).flatten();
        let mut entries = entries.filter(|one| id(one) == Some(wanted));
        entries.any(|one| is_removed(one) == gone)
    };
    match element {
        Element::Removed { .. } => removed,
        Element::Unreadable { .. } => true,
        Element::User { properties, .. } => {
            let mut properties: Properties = properties.clone();
            let manager = match properties.remove("manager") {
                None => true,
                Some(Datum::Text(id)) => {
                    related("manager@delta", ObjectId::parse(&id).expect("an id"), false)
                }
                Some(other) => {
                    let mut list =
                        under(told, "manager@delta").filter_map(Value::as_array).flatten();
                    other == Datum::Null && list.all(is_removed)
                }
            };
            let enabled = properties.get("accountEnabled");
            assert!(enabled.is_none_or(|datum| matches!(datum, Datum::Bool(_))));
            !removed && manager && holds(told, &properties)
        }
        Element::Group { properties, added, removed: gone, .. } => {
            !removed
                && holds(told, properties)
                && added.iter().all(|(_, id)| related("members@delta", *id, false))
                && gone.iter().all(|id| related("members@delta", *id, true))
        }
    }
}

fn holds(told: &Value, properties: &Properties) -> bool {
    properties.iter().all(|(name, datum)| under(told, name.as_str()).any(|json| same(json, datum)))
}

fn same(json: &Value, datum: &Datum) -> bool {
    match datum {
        Datum::Null => json.is_null(),
        Datum::Bool(value) => json.as_bool() == Some(*value),
        Datum::Int(value) => json.as_i64() == Some(*value),
        Datum::Text(value) => json.as_str() == Some(value),
        Datum::List(items) => json.as_array().is_some_and(|array| {
            array.len() == items.len() && array.iter().zip(items).all(|(one, item)| same(one, item))
        }),
        Datum::Map(map) => json.as_object().is_some_and(|object| {
            let kept = object.keys().filter(|name| !name.contains('@'));
            kept.count() == map.len()
                && map
                    .iter()
                    .all(|(name, item)| object.get(name).is_some_and(|value| same(value, item)))
        }),
    }
}

/// The answer of the token endpoint.
pub(crate) fn token_answer(bytes: &[u8]) {
    let given = answer(bytes);
    let body: Value = serde_json::from_slice(&given.body).unwrap_or_default();
    let mut page = answer(b"7");
    page.headers = vec![("content-type".to_owned(), "text/plain".to_owned())];
    let client = graph(page, given);
    let (roles, count) = (done(client.roles()), done(client.count(Kind::Users)));
    // A token is used at once, and renewed after a refusal.
    for error in [roles.err(), count.err()].into_iter().flatten() {
        explains(&error);
        let mut others = body.clone();
        let token = others.as_object_mut().and_then(|body| body.remove("access_token"));
        let token = token.as_ref().and_then(Value::as_str).unwrap_or_default();
        let is_elsewhere = others.to_string().contains(token);
        assert!(token.len() < 8 || is_elsewhere || !error.to_string().contains(token), "{error}");
    }
}
