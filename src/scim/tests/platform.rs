//! Reader and writer against the simulator's platform in each of its personalities, over the wire
//! form of requests and answers, with its rate limit on.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};
use url::{Position, Url};

use super::bench::{HandClock, attributes};
use crate::clock::Clock;
use crate::core::model::{Attributes, Datum, ENTERPRISE, ScimId};
use crate::scim::dialect::{Dialect, MemberRemove, UpdateMethod};
use crate::scim::members::OtherMembers;
use crate::scim::pace::{Pacer, Permit};
use crate::scim::{MatchBy, Reader, ScimError, ScimOptions, Turn, Walk, Writer};
use crate::sim::http;
use crate::sim::platform::record::Rate;
use crate::sim::platform::{Personality, Platform, PlatformOptions};
use crate::transport::{Request, Response, Transport, TransportError};

const BASE: &str = "https://platform.example.no/scim/v2/";

struct Wire {
    platform: Arc<Mutex<Platform>>,
    clock: Arc<HandClock>,
}

impl Transport for Wire {
    fn send(&self, request: Request) -> BoxFuture<'static, Result<Response, TransportError>> {
        let mut headers: Vec<(String, String)> =
            request.headers.iter().map(|(name, value)| ((*name).into(), value.clone())).collect();
        let secret = request.bearer_secret().unwrap().expose_secret().to_owned();
        headers.push(("authorization".to_owned(), format!("Bearer {secret}")));
        let request = http::Request {
            method: request.method.name().to_owned(),
            target: request.url[Position::BeforePath..].to_owned(),
            headers,
            body: request.body.unwrap_or_default().to_vec(),
        };
        let now = u64::try_from(self.clock.now().0).unwrap();
        let http::Response { status, headers, body } =
            self.platform.lock().unwrap().handle(&request, now);
        let answer = Response { status, headers, body: Bytes::from(body) };
        Box::pin(std::future::ready(Ok(answer)))
    }
}

struct Bench {
    platform: Arc<Mutex<Platform>>,
    pacer: Pacer,
    reader: Reader,
    writer: Writer,
}

impl Bench {
    fn new(personality: Personality, dialect: Dialect) -> Self {
        let mut options = PlatformOptions::new(personality, BASE, "t0ken");
        options.rate = Some(Rate { per_second: 10, burst: 1 });
        options.page_size_max = 2;
        let platform = Arc::new(Mutex::new(Platform::new(options)));
        let clock = Arc::new(HandClock::default());
        let wire = Arc::new(Wire { platform: platform.clone(), clock: clock.clone() });
        let options = ScimOptions {
            url: Url::parse(BASE).unwrap(),
            token: Arc::new(|| SecretString::from("t0ken")),
            dialect,
        };
        Self {
            platform,
            pacer: Pacer::new(10.0, 1, clock.clone()),
            reader: Reader::new(options.clone(), wire.clone(), clock.clone()),
            writer: Writer::new(options, wire, clock, Arc::default()),
        }
    }

    async fn permit(&self) -> Permit {
        self.pacer.permit().await
    }

    async fn user(&self, id: &ScimId, like: &Attributes) -> Attributes {
        let user = self.reader.user(self.permit().await, id).await.unwrap().unwrap();
        user.attributes(like.keys())
    }

    async fn members(&self, id: &ScimId) -> Vec<String> {
        let group = self.reader.group(self.permit().await, id).await.unwrap().unwrap();
        group.members.unwrap_or_default().iter().map(ToString::to_string).collect()
    }
}

/// Every personality with a dialect that fits it.
fn pairs() -> Vec<(Personality, Dialect)> {
    let array = Dialect { member_remove: MemberRemove::ValueArray, ..Dialect::default() };
    let put = Dialect {
        update_method: UpdateMethod::PutMerge,
        member_remove: MemberRemove::PutMerge,
        ..Dialect::default()
    };
    vec![
        (Personality::Strict, Dialect::default()),
        (Personality::Strict, put.clone()),
        (Personality::Sloppy, Dialect::default()),
        (Personality::Sloppy, put),
        (Personality::Legacy, array),
    ]
}

fn person(name: &str) -> Attributes {
    let department = format!("{ENTERPRISE}:department");
    attributes([
        ("externalId", format!("id of {name}").as_str().into()),
        ("userName", format!("{name}@asker.example.no").as_str().into()),
        ("active", true.into()),
        ("displayName", name.into()),
        ("name.givenName", name.into()),
        ("emails[type eq \"work\"].value", format!("{name}@asker.example.no").as_str().into()),
        (&department, "Hjemmetjenesten".into()),
    ])
}

#[tokio::test]
async fn accounts_become_what_was_sent_on_every_platform() {
    for (personality, dialect) in pairs() {
        let bench = Bench::new(personality, dialect);
        let name = "O\"Bri\\en Ærø 🦊 100% R&D a+b";
        let held = person(name);
        let created = bench.writer.create_user(bench.permit().await, &held).await.unwrap();
        let chief = bench.writer.create_user(bench.permit().await, &person("chief")).await.unwrap();
        assert_eq!(bench.user(&created.id, &held).await, held, "{personality:?}");

        let login = format!("{name}@ASKER.example.no");
        for by in [MatchBy::UserName(&login), MatchBy::ExternalId(&format!("id of {name}"))] {
            let hits = bench.reader.user_by(bench.permit().await, by).await.unwrap();
            assert_eq!(hits.len(), 1, "{personality:?}");
            assert_eq!(hits[0].id, created.id);
        }

        let (department, manager) =
            (format!("{ENTERPRISE}:department"), format!("{ENTERPRISE}:manager"));
        let wanted = attributes([
            ("active", false.into()),
            ("name.familyName", "Åsen".into()),
            ("emails[type eq \"work\"].value", Datum::Null),
            ("phoneNumbers[type eq \"mobile\"].value", "+4790000000".into()),
            (&department, Datum::Null),
            (&manager, chief.id.as_str().into()),
        ]);
        let permit = bench.permit().await;
        bench.writer.update_user(permit, &created.id, &held, &wanted).await.unwrap();
        assert_eq!(bench.user(&created.id, &wanted).await, wanted, "{personality:?}");
        assert_eq!(bench.platform.lock().unwrap().violations, 0);
    }
}

#[tokio::test]
async fn exactly_the_right_members_leave_on_every_platform() {
    for (personality, dialect) in pairs() {
        let bench = Bench::new(personality, dialect);
        let mut ids = Vec::new();
        for name in ["kari", "ola", "siri", "per"] {
            let user = bench.writer.create_user(bench.permit().await, &person(name)).await;
            ids.push(user.unwrap().id);
        }
        let permit = bench.permit().await;
        let group =
            bench.writer.create_group(permit, "b7d3", "Vann & avløp", &[]).await.unwrap().id;
        // In two requests, as a large group is filled.
        for some in ids.chunks(2) {
            bench
                .writer
                .add_members(bench.permit().await, &group, some, &OtherMembers::default())
                .await
                .unwrap();
        }
        let permit = bench.permit().await;
        bench
            .writer
            .remove_members(permit, &group, &ids[1..3], &OtherMembers::default())
            .await
            .unwrap();
        let mut left = vec![ids[0].to_string(), ids[3].to_string()];
        left.sort();
        assert_eq!(bench.members(&group).await, left, "{personality:?}");

        let by = MatchBy::DisplayName("Vann & avløp");
        let hits = bench.reader.group_by(bench.permit().await, by).await.unwrap();
        assert_eq!(hits.len(), 1);
        assert_eq!((&hits[0].id, &hits[0].members), (&group, &None));
        let name = |name: &str| attributes([("displayName", name.into())]);
        let (permit, held) = (bench.permit().await, name("Vann & avløp"));
        bench
            .writer
            .update_group(permit, &group, (&held, &name("Vann")), &OtherMembers::default())
            .await
            .unwrap();
        assert_eq!(bench.members(&group).await, left, "a new name leaves the members alone");

        let mut walk = Walk::new(ids.len());
        let mut listed = Vec::new();
        loop {
            let page = bench.reader.list_users(bench.permit().await, &walk.cursor()).await.unwrap();
            let turn = walk.take(&page);
            listed.extend(page.items.into_iter().map(|user| user.id));
            if turn == Turn::Ended {
                break;
            }
        }
        assert!(walk.told().is_whole(), "{personality:?}: {}", walk.told());
        listed.sort();
        ids.sort();
        assert_eq!(listed, ids, "{personality:?}");

        bench.writer.delete_group(bench.permit().await, &group).await.unwrap();
        let again = bench.writer.delete_group(bench.permit().await, &group).await;
        assert_eq!(again, Err(ScimError::Gone));
        assert_eq!(bench.reader.group(bench.permit().await, &group).await, Ok(None));
        let gone = bench
            .writer
            .add_members(bench.permit().await, &group, &ids, &OtherMembers::default())
            .await;
        assert_eq!(gone, Err(ScimError::Gone));
        assert_eq!(bench.platform.lock().unwrap().violations, 0);
    }
}

#[tokio::test]
async fn second_account_with_the_same_login_is_a_conflict_without_names() {
    let bench = Bench::new(Personality::Strict, Dialect::default());
    bench.writer.create_user(bench.permit().await, &person("kari")).await.unwrap();
    let again = bench.writer.create_user(bench.permit().await, &person("kari")).await;
    let Err(ScimError::Conflict { words, .. }) = again else { unreachable!("{again:?}") };
    let told = words.told().unwrap_or_default().to_lowercase();
    assert!(!told.contains("kari"), "{told}");
}

#[tokio::test]
async fn discovery_is_read() {
    let bench = Bench::new(Personality::Strict, Dialect::default());
    let discovery = bench.reader.discover(bench.permit().await).await.unwrap();
    assert!(discovery.told && discovery.patch && discovery.filter);
}
