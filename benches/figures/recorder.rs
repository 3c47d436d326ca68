//! Stands between Manntall and the simulated platform, passes everything on, and remembers what was
//! asked, in the order in which it came. It understands as much of HTTP/1.1 as the two speak with each
//! other: bodies of a told length, one request after the other on each connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

/// One request.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) body: Vec<u8>,
}

/// A place to ask that remembers.
pub(crate) struct Recorder {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Recorder {
    /// Before the service at `upstream`, for as long as this process lives.
    pub(crate) fn before(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (record, upstream) = (Arc::clone(&asked), upstream.to_owned());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (record, upstream) = (Arc::clone(&record), upstream.clone());
                // A connection that ends, ends its thread.
                std::thread::spawn(move || pass_on(client, &upstream, &record));
            }
        });
        Self { address, asked }
    }

    /// Its address, for the place of the upstream's in a URL.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// What was asked so far.
    pub(crate) fn take(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

fn pass_on(mut client: TcpStream, upstream: &str, record: &Mutex<Vec<Asked>>) -> Option<()> {
    let mut server = TcpStream::connect(upstream).ok()?;
    client.set_nodelay(true).ok()?;
    server.set_nodelay(true).ok()?;
    let (mut from_client, mut from_server) = (Vec::new(), Vec::new());
    loop {
        let (message, head) = message(&mut client, &mut from_client)?;
        let line = std::str::from_utf8(message.get(..head)?).ok()?.lines().next()?.to_owned();
        let mut words = line.split(' ').map(str::to_owned);
        let asked = Asked {
            method: words.next()?,
            target: words.next()?,
            body: message.get(head..)?.to_vec(),
        };
        record.lock().unwrap().push(asked);
        server.write_all(&message).ok()?;
        let (answer, _) = self::message(&mut server, &mut from_server)?;
        client.write_all(&answer).ok()?;
    }
}

/// The next whole message, and how long its head is; what came after it is kept for the next.
fn message(stream: &mut TcpStream, kept: &mut Vec<u8>) -> Option<(Vec<u8>, usize)> {
    let mut piece = [0; 16 * 1024];
    loop {
        if let Some(head) = kept.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = head + 4;
            let whole = head + length(kept.get(..head)?);
            if kept.len() >= whole {
                let rest = kept.split_off(whole);
                return Some((std::mem::replace(kept, rest), head));
            }
        }
        let count = stream.read(&mut piece).ok()?;
        if count == 0 {
            return None;
        }
        kept.extend_from_slice(piece.get(..count)?);
    }
}

fn length(head: &[u8]) -> usize {
    let text = String::from_utf8_lossy(head).to_ascii_lowercase();
    let told =
        text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    told.unwrap_or(0)
}
