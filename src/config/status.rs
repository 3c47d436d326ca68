//! Reads `[status]`: the status port and the control socket.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use super::Status;
use super::reading::{Entry, Reading, Table, Wrong};

/// Where the status port listens when nothing else is said.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9470);

/// The name of the socket in its folder.
const SOCKET: &str = "control.sock";

/// Where the unit for systemd has the service's sockets. A command typed by hand has no
/// `RUNTIME_DIRECTORY` and finds the service here.
const RUNTIME_DIRECTORY: &str = "/run/manntall";

/// A path of a Unix socket is shorter than this on Linux (unix(7), `sun_path`).
const SOCKET_PATH_MAX: usize = 107;

pub(super) fn read(
    mut table: Table,
    state_dir: &Path,
    environment: &BTreeMap<String, String>,
    reading: &mut Reading<'_>,
) -> Status {
    let mut place = None;
    let listen = table.optional("listen", reading, |entry| {
        place = Some((entry.node.place.clone(), entry.key.clone()));
        address(entry)
    });
    let listen = listen.unwrap_or(LISTEN);
    let socket = table.optional("control_socket", reading, |entry| {
        let path = entry.filled()?;
        if path.len() > SOCKET_PATH_MAX {
            return Err(format!("a socket's path has {SOCKET_PATH_MAX} bytes at the most").into());
        }
        Ok(path.to_owned())
    });
    let token_file = table
        .optional("token_file", reading, |entry| Ok(entry.filled()?.to_owned()))
        .map(|file| reading.secret_file(&file));
    let hosts = table.take("hosts").map_or_else(BTreeSet::new, |entry| hosts(&entry, reading));
    let readers = table.optional("readers", reading, group);
    let approvers = table.optional("approvers", reading, group);
    table.finish(reading);
    if let (Some((place, key)), None, false) = (place, &token_file, listen.ip().is_loopback()) {
        let message = "others on the network could read the status: name a file with a token as \
                       status.token_file, or listen on a loopback address";
        reading.refuse(&place, &key, message);
    }
    let configured = socket.map(|path| reading.resolve(&path));
    // systemd separates several folders with a colon (systemd.exec, "RuntimeDirectory=").
    let runtime = environment.get("RUNTIME_DIRECTORY").and_then(|all| all.split(':').next());
    let runtime = runtime.filter(|folder| !folder.is_empty());
    let control_socket = configured.unwrap_or_else(|| match runtime {
        Some(folder) => Path::new(folder).join(SOCKET),
        None => state_dir.join(SOCKET),
    });
    let mut control_sockets = vec![control_socket.clone()];
    for folder in [Path::new(RUNTIME_DIRECTORY), state_dir] {
        let usual = folder.join(SOCKET);
        if !control_sockets.contains(&usual) {
            control_sockets.push(usual);
        }
    }
    Status {
        listen,
        control_socket,
        control_sockets,
        token_file,
        hosts,
        readers: readers.unwrap_or_else(|| "manntall".to_owned()),
        approvers: approvers.unwrap_or_else(|| "manntall-approve".to_owned()),
    }
}

fn address(entry: &Entry) -> Result<SocketAddr, Wrong> {
    let text = entry.filled()?;
    text.parse().map_err(|_| "expected an address with its port, as \"127.0.0.1:9470\"".into())
}

/// The name of a unix group. Whether the machine knows it is asked when somebody comes.
fn group(entry: &Entry) -> Result<String, Wrong> {
    let name = entry.filled()?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !name.bytes().all(fits) {
        return Err("is no name of a group".into());
    }
    Ok(name.to_owned())
}

/// Names under which the status port may be called, without scheme and port.
fn hosts(entry: &Entry, reading: &mut Reading<'_>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let Some(items) = entry.node.items() else {
        let message = "expected a list of host names, as [\"manntall.example.no\"]";
        reading.refuse(&entry.node.place, &entry.key, message);
        return names;
    };
    for (at, node) in items.into_iter().enumerate() {
        let item = Entry { key: format!("{}[{at}]", entry.key), name: entry.name.clone(), node };
        match item.filled().and_then(host) {
            Ok(name) => drop(names.insert(name)),
            Err(wrong) => reading.refuse(&item.node.place, &item.key, wrong),
        }
    }
    names
}

fn host(name: &str) -> Result<String, Wrong> {
    match url::Host::parse(name) {
        Ok(host) => Ok(host.to_string()),
        Err(_) => Err("expected a host name without scheme and port".into()),
    }
}
