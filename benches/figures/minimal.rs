//! A minimal program that does what a first load has to do at the least, to compare with: it follows the
//! pages of Graph, sends the requests that Manntall has sent, with as many under way, and stores the
//! records that Manntall has stored, flushed as often as answers come in. It decides nothing, checks
//! nothing but the status, and would lose its way at the first surprise.
//!
//! It runs as a process of its own: this program, started with the file that says what is to be sent.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use serde::{Deserialize, Serialize};

use crate::measure::{cpu_of, to_its_end};
use crate::recorder::Asked;
use crate::site::{Running, Site};

/// Before the comparison is given up.
const TRIES: u32 = 100;

/// What the minimal program is told.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Work {
    pub(crate) graph_url: String,
    pub(crate) token_url: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    /// What is read first of users, and of groups.
    pub(crate) deltas: Vec<String>,
    /// `http://` and the authority.
    pub(crate) platform: String,
    pub(crate) platform_token: String,
    pub(crate) concurrency: usize,
    pub(crate) requests: Vec<Asked>,
    pub(crate) records: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) store: PathBuf,
}

impl Work {
    /// The same on a fresh site of the same seed.
    pub(crate) fn on(site: &Site, deltas: Vec<String>, requests: Vec<Asked>) -> Self {
        let scim_url = site.said("scim_url");
        Self {
            graph_url: site.said("graph_url").to_owned(),
            token_url: format!(
                "{}/{}/oauth2/v2.0/token",
                site.said("login_url"),
                site.said("tenant_id")
            ),
            client_id: site.said("client_id").to_owned(),
            client_secret: site.said("client_secret").to_owned(),
            deltas,
            platform: scim_url.strip_suffix("/scim/v2").unwrap_or(scim_url).to_owned(),
            platform_token: site.said("scim_token").to_owned(),
            concurrency: crate::load::CONCURRENCY,
            requests,
            records: Vec::new(),
            store: site.path("minimal"),
        }
    }

    /// Has it done by a process of its own, and says what it took of the processors.
    pub(crate) fn cost(&self, file: &Path) -> Duration {
        std::fs::write(file, postcard::to_stdvec(self).unwrap()).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("minimal").arg(file).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut said = child.stdout.take().unwrap();
        to_its_end(Running(child), crate::measure::now()).expect("it ends well");
        let mut text = String::new();
        std::io::Read::read_to_string(&mut said, &mut text).unwrap();
        Duration::from_nanos(text.trim().parse().unwrap())
    }
}

/// Does the work of a file, and says how many nanoseconds of processor it took.
pub(crate) fn run(file: &Path) {
    let work: Work = postcard::from_bytes(&std::fs::read(file).unwrap()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let before = cpu_of(std::process::id());
    runtime.block_on(carry_out(work));
    println!("{}", cpu_of(std::process::id()).saturating_sub(before).as_nanos());
}

#[expect(clippy::disallowed_methods, reason = "it is compared with the transport of the service")]
async fn carry_out(work: Work) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().gzip(true).build().unwrap();
    let db = sled::Config::new()
        .path(&work.store)
        .cache_capacity(4 * 1024 * 1024)
        .segment_size(8 * 1024 * 1024)
        .flush_every_ms(None)
        .open()
        .unwrap();
    read_pages(&client, &work).await;
    let bearer = format!("Bearer {}", work.platform_token);
    let sends = work.requests.into_iter().map(|Asked { method, target, body }| {
        let url = format!("{}{target}", work.platform);
        let client = &client;
        let bearer = &bearer;
        async move {
            // A create may overtake that of the manager whom it refers to; then it is sent again.
            for _ in 0..TRIES {
                let request = client
                    .request(method.parse().unwrap(), &url)
                    .header("authorization", bearer)
                    .header("accept", "application/scim+json, application/json")
                    .header("content-type", "application/scim+json")
                    .body(body.clone());
                let answer = request.send().await.unwrap();
                let is_good = answer.status() != 400;
                let told = answer.bytes().await.unwrap();
                let _: Option<Named> = serde_json::from_slice(&told).ok();
                if is_good {
                    return true;
                }
            }
            false
        }
    });
    let (requests, records) = (sends.len().max(1), work.records.len());
    let mut left = work.records.into_iter();
    let (mut done, mut stored, mut refused) = (0_usize, 0_usize, 0_usize);
    let mut answers = stream::iter(sends).buffer_unordered(work.concurrency).ready_chunks(64);
    while let Some(some) = answers.next().await {
        done += some.len();
        refused += some.iter().filter(|is_good| !**is_good).count();
        let due = records * done / requests;
        let mut batch = sled::Batch::default();
        for (key, value) in left.by_ref().take(due - stored) {
            batch.insert(key, value);
        }
        stored = due;
        db.apply_batch(batch).unwrap();
        db.flush().unwrap();
    }
    assert_eq!(refused, 0, "of {requests} requests");
}

#[derive(Deserialize)]
struct Named {
    #[expect(dead_code, reason = "what is read is not used, but it has to be read")]
    id: String,
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
}

#[derive(Deserialize)]
struct Page {
    #[serde(rename = "@odata.nextLink")]
    next: Option<String>,
    #[expect(dead_code, reason = "what is read is not used, but it has to be read")]
    value: Vec<serde_json::Value>,
}

#[expect(clippy::disallowed_methods, reason = "it is compared with the transport of the service")]
async fn read_pages(client: &reqwest::Client, work: &Work) {
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "client_credentials")
        .append_pair("client_id", &work.client_id)
        .append_pair("client_secret", &work.client_secret)
        .append_pair("scope", &format!("{}/.default", work.graph_url))
        .finish();
    let asked = client
        .post(&work.token_url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form);
    let told = asked.send().await.unwrap().bytes().await.unwrap();
    let token: Token = serde_json::from_slice(&told).expect("a token");
    let bearer = format!("Bearer {}", token.access_token);
    for delta in &work.deltas {
        let mut next = Some(format!("{}{delta}", work.graph_url));
        while let Some(url) = next {
            let asked = client
                .get(url)
                .header("authorization", &bearer)
                .header("prefer", "return=minimal, odata.maxpagesize=200");
            let told = asked.send().await.unwrap().bytes().await.unwrap();
            let page: Page = serde_json::from_slice(&told).expect("a page");
            next = page.next;
        }
    }
}
