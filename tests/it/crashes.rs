//! Crash points, all of them: one little story is told again and again, and each time the process ends
//! at another point: before and after each commit, and at each request before it is sent, before it is
//! answered, and before its answer is recorded. Started again, it must come to the same end as if
//! nothing had happened; and so it must when it ends a second time on the way.
//!
//! Every tenth point in each test run; all of them with `MANNTALL_CRASH_POINTS=all`.

use std::collections::BTreeMap;
use std::time::Duration;

use manntall::scim::dialect::MemberRemove;
use manntall::sim::platform::Platform;
use manntall::sim::world::{GeneratorOptions, State, generate};
use manntall::store::memory::CrashPoint;
use serde_json::Value;

use crate::history::{counts, runtime, settle};
use crate::oracle::differences;
use crate::stage::{End, Stage};

/// Where the process ends, counted from the beginning of the story or from the last start.
#[derive(Debug, Clone, Copy)]
enum Point {
    Commit(u64, CrashPoint),
    Request(u32, End),
}

/// A way to tell the story.
#[derive(Debug, Clone, Copy)]
struct Manner {
    name: &'static str,
    seed: u64,
    member_remove: MemberRemove,
    first_members: bool,
}

const MANNERS: [Manner; 3] = [
    Manner {
        name: "value filter, first members in the create",
        seed: 1,
        member_remove: MemberRemove::ValueFilter,
        first_members: true,
    },
    Manner {
        name: "value filter, members apart",
        seed: 2,
        member_remove: MemberRemove::ValueFilter,
        first_members: false,
    },
    Manner {
        name: "whole groups put",
        seed: 3,
        member_remove: MemberRemove::PutMerge,
        first_members: false,
    },
];

/// How the story ended.
#[derive(Debug, PartialEq)]
struct Ending {
    /// What the platform shows, by external ids.
    picture: BTreeMap<String, Value>,
    /// Where it differs from the truth.
    wrong: Vec<String>,
    /// Requests to the platform once all was done.
    at_rest: u64,
}

/// Tells the story with the process ending at `points`, and counts its commits and requests.
async fn tell(manner: Manner, points: &[Point]) -> (Ending, u64, u32) {
    let world = generate(&GeneratorOptions {
        users: 9,
        groups: 3,
        memberships: 14,
        seed: manner.seed,
        ..GeneratorOptions::default()
    });
    let mut stage = Stage::new(world, manner.seed);
    stage.dialect.member_remove = manner.member_remove;
    stage.dialect.group_create_with_members = manner.first_members;
    stage.lock().chaos.latency_ms = 20;
    let mut rng = fastrand::Rng::with_seed(manner.seed);
    let mut points = points.iter();
    plan_end(&stage, points.next());
    for _ in 0..5 {
        live(&mut stage, &mut points).await;
        stage.pass(Duration::from_secs(61)).await;
        let mut inner = stage.lock();
        for _ in 0..5 {
            let live = inner.world.groups().values().filter(|one| one.state == State::Live).count();
            if let Some(event) = inner.world.random_event(&mut rng)
                && live > 1
            {
                let _ = inner.world.apply(event);
            }
        }
    }
    live(&mut stage, &mut points).await;
    let (commits, requests) = (stage.store.commits(), stage.lock().trace.len());
    end(&mut stage);
    stage.pass(Duration::from_secs(61)).await;
    let mut engine = stage.engine().unwrap();
    settle(&stage, &mut engine).await;
    let before = counts(&stage);
    stage.pass(Duration::from_secs(61)).await;
    settle(&stage, &mut engine).await;
    let inner = stage.lock();
    let ending = Ending {
        picture: picture(&inner.platform),
        wrong: differences(&inner.world, &inner.platform),
        at_rest: inner.platform.requests.total() - before.1,
    };
    (ending, commits, u32::try_from(requests).unwrap())
}

/// One synchronisation, with as many processes as it takes.
async fn live(stage: &mut Stage, points: &mut std::slice::Iter<'_, Point>) {
    loop {
        let life = async {
            let mut engine = stage.engine().ok()?;
            stage.drive(&mut engine).await.ok()?;
            for _ in 0..6 {
                if engine.holds().is_empty() {
                    break;
                }
                crate::history::approve_all(stage, &mut engine);
                stage.drive(&mut engine).await.ok()?;
            }
            Some(())
        };
        // A request at which the process ends never comes back.
        if let Ok(Some(())) = tokio::time::timeout(Duration::from_secs(600), life).await {
            return;
        }
        end(stage);
        plan_end(stage, points.next());
    }
}

/// The process is gone, and no other end is planned.
fn end(stage: &mut Stage) {
    stage.store = stage.store.reopen();
    let chaos = &mut stage.lock().chaos;
    (chaos.end_in, chaos.ended) = (None, false);
}

fn plan_end(stage: &Stage, point: Option<&Point>) {
    match point {
        Some(Point::Commit(n, when)) => stage.store.crash_at(*n, *when),
        Some(Point::Request(n, end)) => stage.lock().chaos.end_in = Some((*n, *end)),
        None => {}
    }
}

/// What the platform shows, without what the platform itself gave: ids, times, versions.
fn picture(platform: &Platform) -> BTreeMap<String, Value> {
    let known: BTreeMap<&str, &str> =
        platform.users().filter_map(|user| Some((user.id.as_str(), user.external_id()?))).collect();
    let by_external = |id: &str| known.get(id).copied().unwrap_or("nobody known").to_owned();
    let mut picture = BTreeMap::new();
    for user in platform.users() {
        let mut shown = Value::Object(user.attributes.clone());
        let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        if let Some(manager) = shown.pointer_mut(&format!("/{enterprise}/manager/value")) {
            *manager = by_external(manager.as_str().unwrap_or_default()).into();
        }
        picture.insert(user.external_id().unwrap_or_default().to_owned(), shown);
    }
    for group in platform.groups() {
        let mut members: Vec<String> = group.members.iter().map(|id| by_external(id)).collect();
        members.sort();
        let shown = serde_json::json!({ "name": group.display_name(), "members": members });
        picture.insert(group.external_id().unwrap_or_default().to_owned(), shown);
    }
    picture
}

/// Every point of a story with so many commits and requests.
fn all_points(commits: u64, requests: u32) -> Vec<Point> {
    let commits = (1..=commits).flat_map(|n| {
        [CrashPoint::BeforeCommit, CrashPoint::AfterCommit].map(|when| Point::Commit(n, when))
    });
    let requests = (0..requests).flat_map(|n| {
        [End::Unsent, End::Unanswered, End::Unrecorded].map(|end| Point::Request(n, end))
    });
    commits.chain(requests).collect()
}

#[test]
fn a_crash_at_any_point_changes_nothing_in_the_end() {
    let every = match std::env::var("MANNTALL_CRASH_POINTS").as_deref() {
        Ok("all") => 1,
        _ => 10,
    };
    for manner in MANNERS {
        let (calm, commits, requests) = runtime().block_on(tell(manner, &[]));
        assert_eq!((calm.wrong.len(), calm.at_rest), (0, 0), "{calm:#?}");
        let points = all_points(commits, requests);
        let chosen: Vec<(usize, Point)> =
            points.iter().copied().enumerate().step_by(every).collect();
        let next = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while let Some((at, point)) =
                        chosen.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
                    {
                        // The second time soon after the first.
                        let second = points[(at * 7) % points.len().min(120)];
                        for ends in [vec![*point], vec![*point, second]] {
                            let (ending, ..) = runtime().block_on(tell(manner, &ends));
                            assert!(
                                ending == calm,
                                "{}: {ends:?}: {}",
                                manner.name,
                                unlike(&ending, &calm)
                            );
                        }
                    }
                });
            }
        });
        println!(
            "{}: {} of {} crash points, each also with a second crash",
            manner.name,
            chosen.len(),
            points.len()
        );
    }
}

fn unlike(ending: &Ending, calm: &Ending) -> String {
    let keys = ending.picture.keys().chain(calm.picture.keys());
    let unlike: BTreeMap<_, _> = keys
        .filter(|key| ending.picture.get(*key) != calm.picture.get(*key))
        .map(|key| (key, (ending.picture.get(key), calm.picture.get(key))))
        .collect();
    format!("{:#?} {:?}, {} requests at rest", unlike, ending.wrong, ending.at_rest)
}
