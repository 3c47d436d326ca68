//! A site: simulated services, a configuration, and the commands run on it. Everything is gone with it.

use std::collections::BTreeSet;
use std::fs::DirBuilder;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

/// A process that ends with the value.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a command came to.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) data: String,
    pub(crate) talk: String,
}

impl Ended {
    /// Checks the exit code, and shows everything where it is another.
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.data, self.talk);
        self
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.data).expect("the command wrote JSON")
    }
}

/// Simulated services with a configuration for them.
pub(crate) struct Site {
    folder: tempfile::TempDir,
    hello: Value,
    _services: Running,
}

impl Site {
    /// A tenant of 60 people and an empty platform.
    pub(crate) fn new() -> Self {
        Self::with(&["--users", "60"], "")
    }

    /// Services started with `arguments`, and `more` at the end of the target's table.
    pub(crate) fn with(arguments: &[&str], more: &str) -> Self {
        let mut services = Command::new(env!("CARGO_BIN_EXE_manntall"));
        services.arg("simulate").args(arguments).stdout(Stdio::piped());
        let mut services = Running(services.spawn().expect("simulate starts"));
        let mut first = String::new();
        let stdout = services.0.stdout.as_mut().expect("its output is piped");
        BufReader::new(stdout).read_line(&mut first).expect("it says hello");
        let hello: Value = serde_json::from_str(&first).expect("hello is JSON");
        let site = Self { folder: tempfile::tempdir().unwrap(), hello, _services: services };
        site.secret("asker.secret", site.said("client_secret"));
        site.secret("platform.token", site.said("scim_token"));
        site.configure(more);
        site
    }

    /// Writes the configuration anew, with `more` at the end of the target's table.
    pub(crate) fn configure(&self, more: &str) {
        self.write_config("", more);
    }

    /// Writes the configuration anew, with more in the table of the status.
    pub(crate) fn configure_first(&self, status: &str) {
        self.write_config(status, "");
    }

    fn write_config(&self, status: &str, more: &str) {
        let pace =
            if more.contains("requests_per_second") { "" } else { "requests_per_second = 500" };
        let groups = r#"
[[targets.platform.groups]]
id = "plt"
from = "directory"
where = 'group.displayName is startingwith("PLT ")'
name = 'group.displayName | replace("PLT ", "")'
"#;
        self.write_target(status, self.said("scim_url"), &format!("{pace}\n{more}\n{groups}"));
    }

    /// Writes the configuration of the simulated tenant and the platform at `url`; `rest` is whatever
    /// else its table and those below it say.
    pub(crate) fn configure_target(&self, url: &str, rest: &str) {
        self.write_target("", url, rest);
    }

    fn write_target(&self, status: &str, url: &str, rest: &str) {
        let text = format!(
            r#"[service]
state_dir = "{}"
poll_interval = "5s"

[status]
listen = "127.0.0.1:0"
{status}

[sources.asker]
tenant_id = "{}"
client_id = "{}"
client_secret_file = "asker.secret"
graph_url = "{}"
login_url = "{}"

[targets.platform]
url = "{url}"
token_file = "platform.token"
{rest}"#,
            self.state().display(),
            self.said("tenant_id"),
            self.said("client_id"),
            self.said("graph_url"),
            self.said("login_url"),
        );
        std::fs::write(self.config(), text).unwrap();
    }

    pub(crate) fn said(&self, name: &str) -> &str {
        self.hello[name].as_str().expect("hello has it")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path("manntall.toml")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// Writes a secret file that only its owner can read.
    pub(crate) fn secret(&self, name: &str, text: &str) {
        write_private(&self.path(name), text);
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_manntall"));
        command.args(arguments).arg("--config").arg(self.config());
        command.env_clear().env("LOGNAME", "kari").env("TMPDIR", self.folder.path());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        Self::end(self.command(arguments))
    }

    /// Runs a command with the state on a disk of its own of so many KiB; `None` where this machine lets
    /// nobody have one.
    pub(crate) fn run_on_disk(&self, kib: u64, arguments: &[&str]) -> Option<Ended> {
        const SCRIPT: &str = r#"
            mount -t tmpfs -o "size=$1k,mode=700" none "$2" || exit 99
            cp -a --sparse=always "$3/." "$2/" 2>/dev/null
            disk=$2 kept=$3; shift 3
            "$@"; code=$?
            rm -rf "$kept" && mkdir -m 700 "$kept" && cp -a --sparse=always "$disk/." "$kept/" && exit "$code"
            exit 98"#;
        let (state, kept) = (self.state(), self.path("kept"));
        let private = |path: &Path| DirBuilder::new().recursive(true).mode(0o700).create(path);
        private(&state).unwrap();
        std::fs::rename(&state, &kept).unwrap();
        private(&state).unwrap();
        let command = self.command(arguments);
        let mut shell = Command::new("unshare");
        shell.args(["-rm", "sh", "-c", SCRIPT, "sh"]).arg(kib.to_string()).args([&state, &kept]);
        shell.arg(command.get_program()).args(command.get_args());
        shell.env("LOGNAME", "kari");
        let ended = Self::end(shell);
        std::fs::remove_dir(&state).unwrap();
        std::fs::rename(&kept, &state).unwrap();
        (!ended.talk.contains("unshare:") && ended.code != 99).then_some(ended)
    }

    /// Starts a command that goes on, with what it logs in a file, and the state on a disk of its own of so
    /// many KiB. That disk is reached through the process alone.
    pub(crate) fn start_on_disk(&self, kib: u64, arguments: &[&str], log: &Path) -> Running {
        const SCRIPT: &str = r#"
            mount -t tmpfs -o "size=$1k,mode=700" none "$2" || exit 99
            shift 2; exec "$@""#;
        DirBuilder::new().recursive(true).mode(0o700).create(self.state()).unwrap();
        let command = self.command(arguments);
        let mut shell = Command::new("unshare");
        shell.args(["-rm", "sh", "-c", SCRIPT, "sh", &kib.to_string()]).arg(self.state());
        shell.arg(command.get_program()).args(command.get_args()).env("LOGNAME", "kari");
        let log = std::fs::File::create(log).unwrap();
        Running(shell.stderr(log).stdout(Stdio::null()).spawn().unwrap())
    }

    pub(crate) fn end(mut command: Command) -> Ended {
        let Output { status, stdout, stderr } = command.output().unwrap();
        Ended {
            code: status.code().expect("no signal ended it"),
            data: String::from_utf8(stdout).expect("stdout is text"),
            talk: String::from_utf8_lossy(&stderr).into_owned(),
        }
    }

    /// Starts a command that goes on.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        self.start_with(arguments, &[])
    }

    /// Starts a command that goes on, with more in its environment.
    pub(crate) fn start_with(&self, arguments: &[&str], more: &[(&str, &str)]) -> Running {
        let mut command = self.command(arguments);
        command.envs(more.iter().copied());
        Running(command.stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap())
    }

    /// Starts a command that goes on, with what it logs in a file.
    pub(crate) fn start_logged(&self, arguments: &[&str], log: &Path) -> Running {
        let mut command = self.command(arguments);
        command.stdout(Stdio::null()).stderr(std::fs::File::create(log).unwrap());
        Running(command.spawn().unwrap())
    }

    /// Asks the way in that the simulator has for tests.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let origin = self.said("scim_url").strip_prefix("http://").unwrap();
        let address = origin.split('/').next().unwrap();
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut stream = TcpStream::connect(address).unwrap();
        write!(
            stream,
            "{method} /_sim/{path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            self.said("scim_token"),
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
        assert!(head.starts_with("HTTP/1.1 200"), "{method} {path}: {head}\n{body}");
        serde_json::from_str(body).expect("a JSON answer")
    }

    /// Lets one thing happen in the tenant.
    pub(crate) fn happen(&self, event: &Value) {
        self.ask("POST", "event", event);
    }

    /// Sets what goes wrong.
    pub(crate) fn break_down(&self, faults: &Value) {
        self.ask("POST", "faults", faults);
    }

    /// How many writes the platform has dealt with.
    pub(crate) fn writes(&self) -> u64 {
        self.ask("GET", "requests", &Value::Null)["scim_writes"].as_u64().unwrap()
    }

    /// Everybody with an enabled account, no guests: object id and login name.
    pub(crate) fn employees(&self) -> Vec<(String, String)> {
        let truth = self.ask("GET", "truth", &Value::Null);
        let users = truth["users"].as_array().unwrap().iter();
        users
            .filter(|user| user["state"] == "live")
            .filter(|user| user["properties"]["accountEnabled"] == true)
            .filter(|user| user["properties"]["userType"] != "Guest")
            .map(|user| {
                let name = user["properties"]["userPrincipalName"].as_str().unwrap();
                (user["id"].as_str().unwrap().to_owned(), name.to_owned())
            })
            .collect()
    }

    /// Login names of the active accounts on the platform.
    pub(crate) fn active(&self) -> BTreeSet<String> {
        let platform = self.ask("GET", "platform", &Value::Null);
        let users = platform["users"].as_array().unwrap().iter();
        users
            .filter(|user| user["active"] == true)
            .map(|user| user["userName"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Disables the first `count` employees and gives their login names.
    pub(crate) fn disable(&self, count: usize) -> Vec<String> {
        let people: Vec<_> = self.employees().into_iter().take(count).collect();
        for (id, _) in &people {
            self.happen(&json!({ "event": "disable", "user": id }));
        }
        people.into_iter().map(|(_, name)| name).collect()
    }
}

pub(crate) fn write_private(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}
