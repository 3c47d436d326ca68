//! Programs that we did not write: where they are, how they are run, and plain requests to servers.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use manntall::clock::SystemClock;
use manntall::transport::http::{HttpOptions, HttpTransport};
use manntall::transport::{Bearer, Method, Request, Transport};
use serde_json::Value;
use url::Url;

use crate::cli::site::Running;

/// The token that the servers ask for unless told otherwise.
pub(super) const TOKEN: &str = "third-party";

/// A command that runs one of our scripts with the Python that has the packages.
pub(super) fn python(script: &str) -> Command {
    let mut command = Command::new(installed("venv/bin/python"));
    command.arg(scripts().join(script)).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// A command that runs one of our scripts with Node.
pub(crate) fn node(script: &str) -> Command {
    installed("node/node_modules");
    installed("servers/node_modules");
    let mut command = Command::new("node");
    command.arg(scripts().join(script));
    command
}

/// Prometheus' tool: the system's, or the one that was taken out of its package.
pub(crate) fn promtool() -> Command {
    let ours = third_party().join("promtool/usr/bin/promtool");
    Command::new(if ours.exists() { ours } else { PathBuf::from("promtool") })
}

fn third_party() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/third-party")
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/third_party")
}

fn installed(name: &str) -> PathBuf {
    let path = third_party().join(name);
    assert!(path.exists(), "the software that judges Manntall is not installed: run ./test");
    path
}

/// Runs a command to its end and gives what it wrote.
pub(crate) fn succeed(mut command: Command) -> String {
    let output = command.output().expect("it starts");
    let data = String::from_utf8(output.stdout).expect("stdout is text");
    let talk = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\nstdout:\n{data}\nstderr:\n{talk}", output.status);
    data
}

/// A SCIM server on a free port, empty at first. It ends with the value.
pub(super) struct Server {
    pub(super) url: String,
    _folder: tempfile::TempDir,
    _process: Running,
}

impl Server {
    /// Starts one of our scripts that takes `--port-file` and says on stdout where it listens.
    pub(super) fn start(mut command: Command) -> Self {
        let folder = tempfile::tempdir().unwrap();
        command.arg("--port-file").arg(folder.path().join("url")).stdout(Stdio::piped());
        let mut process = Running(command.spawn().expect("it starts"));
        let stdout = process.0.stdout.as_mut().expect("its output is piped");
        let mut url = String::new();
        BufReader::new(stdout).read_line(&mut url).expect("it says where it is");
        assert!(url.starts_with("http://127.0.0.1:"), "{command:?} did not start");
        Self { url: url.trim().to_owned(), _folder: folder, _process: process }
    }

    /// Everything of one kind from a server whose `totalResults` proves nothing: page by page, until
    /// a page holds no new id.
    pub(super) fn walk(&self, kind: &str) -> Vec<Value> {
        let mut all: BTreeMap<String, Value> = BTreeMap::new();
        for start in (1..).step_by(10) {
            let url = format!("{}/{kind}?startIndex={start}&count=50", self.url);
            let mut page = request(Method::Get, &url, TOKEN, None);
            let resources = page["Resources"].as_array_mut().map(std::mem::take);
            let before = all.len();
            for resource in resources.unwrap_or_default() {
                all.insert(resource["id"].as_str().expect("an id").to_owned(), resource);
            }
            if all.len() == before {
                break;
            }
        }
        all.into_values().collect()
    }

    /// Everything of one kind, page by page.
    pub(super) fn all(&self, kind: &str) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            let start = all.len() + 1;
            let url = format!("{}/{kind}?startIndex={start}&count=100", self.url);
            let mut page = request(Method::Get, &url, TOKEN, None);
            let total = page["totalResults"].as_u64().expect("a list says how long it is");
            let resources = page["Resources"].as_array_mut().map(std::mem::take);
            let resources = resources.unwrap_or_default();
            let ended = resources.is_empty();
            all.extend(resources);
            if ended || all.len() as u64 >= total {
                assert_eq!(all.len() as u64, total, "the pages hold everything");
                return all;
            }
        }
    }
}

/// One request with a token and without a body; gives the JSON that was answered.
pub(super) fn request(method: Method, url: &str, token: &str, ca: Option<&str>) -> Value {
    let options = HttpOptions {
        extra_ca_pem: ca.map(|pem| pem.as_bytes().to_vec()),
        ..HttpOptions::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let response = runtime.block_on(async {
        let transport = HttpTransport::new(&options, Arc::new(SystemClock::start())).unwrap();
        let url = Url::parse(url).unwrap();
        let bearer = Bearer::for_origin_of(&url, token.into());
        let request = Request::new(method, url).authorized(&bearer).unwrap();
        transport.send(request).await.unwrap()
    });
    assert_eq!(response.status, 200, "{url}");
    serde_json::from_slice(&response.body).expect("a JSON answer")
}
