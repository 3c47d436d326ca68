//! One element, value or answer of 100 KB, 1 MB and 10 MB at each edge: the engine goes on, a leaver of the
//! same round is out, and everything ends well.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use manntall::sim::world::{Event, ObjectId};
use manntall::transport::{Method, Request, Response};
use serde_json::{Value, json};

use super::trial::{Told, Trial};
use crate::acceptance::{entitled, happen, next_poll};
use crate::history::runtime;
use crate::stage::Fate;

const SIZES: [usize; 3] = [100 * 1024, 1_000_000, 10_000_000];

/// Where something large comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edge {
    /// A property of a user.
    UserProperty,
    /// The name of a group of the tenant.
    GroupName,
    /// The members of a group of the tenant.
    Members,
    /// The link to the next round.
    DeltaLink,
    /// The text of a refusal of Graph's.
    GraphError,
    /// The id of a new account.
    PlatformId,
    /// A value in the answer to a change.
    Title,
    /// A value in a look-up or a listing.
    Found,
    /// The members of a group of the platform.
    PlatformMembers,
    /// The text of a refusal of the platform's.
    PlatformError,
}

const EDGES: [Edge; 10] = [
    Edge::UserProperty,
    Edge::GroupName,
    Edge::Members,
    Edge::DeltaLink,
    Edge::GraphError,
    Edge::PlatformId,
    Edge::Title,
    Edge::Found,
    Edge::PlatformMembers,
    Edge::PlatformError,
];

impl Edge {
    /// The requests that are answered so.
    fn is_met(self, request: &Request) -> bool {
        let (method, path) = (request.method, request.url.path());
        match self {
            Self::UserProperty | Self::DeltaLink => path.ends_with("/users/delta"),
            Self::GroupName | Self::Members | Self::GraphError => path.ends_with("/groups/delta"),
            Self::PlatformId => method == Method::Post && path.ends_with("/Users"),
            // Everybody's answer is as large, the leaver's too.
            Self::Title | Self::PlatformError => {
                method == Method::Patch && path.contains("/Users/") && !is_departure(request)
            }
            Self::Found => method == Method::Get && path.ends_with("/Users"),
            Self::PlatformMembers => method == Method::Get && path.contains("/Groups"),
        }
    }

    /// The answer with something large in it.
    fn enlarge(self, leaver: ObjectId, size: usize, mut response: Response) -> Response {
        let large = "x".repeat(size);
        let mut body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        match self {
            Self::UserProperty => others(&mut body, leaver, |user| user["jobTitle"] = json!(large)),
            Self::GroupName => others(&mut body, leaver, |one| one["displayName"] = json!(large)),
            Self::Members => others(&mut body, leaver, |group| {
                group["members@delta"] = devices(size);
            }),
            Self::DeltaLink => {
                if let Some(link) = body["@odata.deltaLink"].as_str() {
                    body["@odata.deltaLink"] = json!(format!("{link}{large}"));
                }
            }
            Self::GraphError => {
                response.status = 400;
                body = json!({ "error": { "code": "BadRequest", "message": large } });
            }
            Self::PlatformId => body["id"] = json!(large),
            Self::Title => body["title"] = json!(large),
            Self::Found => {
                let found = body["Resources"].as_array_mut().into_iter().flatten();
                found.for_each(|one| one["title"] = json!(large));
            }
            Self::PlatformMembers => {
                // Beside the true ones, as where others put them in.
                let crowd = |group: &mut Value| {
                    let mut members = group["members"].as_array().cloned().unwrap_or_default();
                    members
                        .extend((0..size / 64).map(|at| json!({ "value": format!("{at:044}") })));
                    group["members"] = members.into();
                };
                match body.get_mut("Resources").and_then(Value::as_array_mut) {
                    Some(found) => found.iter_mut().for_each(crowd),
                    None => crowd(&mut body),
                }
            }
            Self::PlatformError => {
                response.status = 400;
                body = json!({ "status": "400", "scimType": "invalidValue", "detail": large });
            }
        }
        response.body = serde_json::to_vec(&body).unwrap().into();
        response
    }
}

/// Everybody on a page but one.
fn others(page: &mut Value, but: ObjectId, mut change: impl FnMut(&mut Value)) {
    let but = but.to_string();
    let elements = page["value"].as_array_mut().into_iter().flatten();
    elements
        .filter(|one| one["id"] != *but && one["@removed"].is_null())
        .take(1)
        .for_each(&mut change);
}

/// Members of a kind that nobody is interested in.
fn devices(size: usize) -> Value {
    let mut rng = fastrand::Rng::with_seed(1);
    let device = |_| {
        let id = ObjectId::random(&mut rng).to_string();
        json!({ "@odata.type": "#microsoft.graph.device", "id": id })
    };
    (0..size / 90).map(device).collect()
}

fn is_departure(request: &Request) -> bool {
    let body = request.body.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
    body.contains("\"active\"")
}

/// The first answers of this kind are large, and the leaver of that round is out.
async fn a_leaver_is_out_beside(edge: Edge, size: usize) {
    let mut trial = Trial::begin().await;
    let leaver = *entitled(&trial.stage).last().unwrap();
    trial.unrest();
    happen(&trial.stage, Event::Disable { user: leaver });
    trial.note();
    let left = Arc::new(AtomicU32::new(3));
    let met = Arc::clone(&left);
    trial.stage.lock().meddler = Some(Box::new(move |request| {
        let strikes = edge.is_met(request) && left.load(Ordering::Relaxed) > 0;
        strikes.then(|| {
            left.fetch_sub(1, Ordering::Relaxed);
            Fate::Change(Box::new(move |response| edge.enlarge(leaver, size, response)))
        })
    }));
    next_poll(&trial.stage).await;
    trial.cycle(&mut Told::default()).await;
    assert_eq!(trial.is_active(leaver), Some(false), "{edge:?} of {size}");
    assert!(met.load(Ordering::Relaxed) < 3, "{edge:?} was never met");
    trial.stage.lock().meddler = None;
    // What was not read, and what was refused, comes with the next day.
    for seconds in [24 * 3_600 + 60, 3_700, 3_700, 7 * 3_600] {
        trial.stage.pass(Duration::from_secs(seconds)).await;
        trial.cycle(&mut Told::default()).await;
    }
    trial.converge().await;
}

#[test]
fn nothing_of_any_size_at_any_edge_holds_up_a_leaver() {
    for edge in EDGES {
        for size in SIZES {
            runtime().block_on(Box::pin(a_leaver_is_out_beside(edge, size)));
        }
    }
}
