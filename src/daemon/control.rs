//! The control socket: takes one request of a command typed on this machine, hands it on, and sends
//! what is said to it, line by line.
//!
//! It knows who is at the other end and what they may do, and bounds everything: connections, lines,
//! waiting. What a request means it does not know.

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::{Abortable, Aborted, BoxFuture, FutureExt};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;

use super::rights::{self, Groups, Right};
use super::slots::{Place, Slots};
use crate::clock::Clock;

/// The longest request of somebody who may only look: a command with a name in it.
const READER_BYTES_MAX: u64 = 64 * 1024;
/// The longest request of somebody who may approve: a saved plan of a hundred thousand changes.
const APPROVER_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// A request is there within this, and each line of the answer is taken within it.
const LINE_TIME_MAX: Duration = Duration::from_secs(10);
/// While an answer takes its time, the other end hears so often that somebody works on it.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Lines that wait for a slow reader; what comes then is progress that nobody misses.
const LINES_MAX: usize = 8;

/// Whoever asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The name of their user.
    pub name: String,
    /// What they may do.
    pub right: Right,
    /// Whether they are root or the owner of the service, who may speak for somebody else.
    pub is_owner: bool,
}

/// Tells a caller something before the answer is there.
pub type Tell = mpsc::Sender<String>;

/// Knows what requests mean.
pub trait Host: Send + Sync {
    /// The groups that have rights, as configured now.
    fn groups(&self) -> Groups;
    /// The last line for this caller. Dropped when the caller goes.
    fn answer(&self, caller: Caller, request: String, tell: Tell) -> BoxFuture<'_, String>;
    /// The last line for a request that is not looked at.
    fn refuse(&self, why: &str) -> String;
    /// The line that is sent while an answer takes its time.
    fn heartbeat(&self) -> String;
}

/// A socket in the file system, gone with the value.
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
    owner: u32,
}

impl ControlSocket {
    /// Opens the socket for its owner and the group of readers. What a killed service left behind is
    /// replaced; a socket that somebody answers on is not.
    ///
    /// # Errors
    /// When somebody else answers there, or the system refuses.
    pub fn open(path: &Path, groups: &Groups) -> io::Result<Self> {
        if let Ok(found) = std::fs::symlink_metadata(path) {
            if !found.file_type().is_socket() {
                return Err(io::Error::other("something else lies there"));
            }
            if std::os::unix::net::UnixStream::connect(path).is_ok() {
                return Err(io::Error::other("another service answers there"));
            }
            std::fs::remove_file(path)?;
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
        let made = std::fs::metadata(path)?;
        let given = match rights::group_id(&groups.readers) {
            // As a rule it is the service's own group.
            Some(group) if group == made.gid() => true,
            Some(group) => std::os::unix::fs::chown(path, None, Some(group)).is_ok(),
            None => false,
        };
        if !given {
            tracing::warn!(
                group = %groups.readers,
                "the control socket cannot be given to the group, so only root and the user of the \
                 service reach it; make the group, and that user a member of it"
            );
        }
        Ok(Self { listener, path: path.to_owned(), owner: made.uid() })
    }

    /// Serves whoever comes, for as long as it is polled.
    pub async fn serve(&self, host: &dyn Host, clock: &dyn Clock) {
        let mut open = FuturesUnordered::new();
        let mut slots = Slots::default();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        let Some(place) = self.place(&stream, &mut slots) else { continue };
                        let Place { number, asked, aborted } = place;
                        let one = connection(stream, self.owner, host, clock, asked);
                        let one = Abortable::new(AssertUnwindSafe(one).catch_unwind(), aborted);
                        open.push(async move { (number, one.await) });
                    }
                    Err(error) => {
                        tracing::warn!("the control socket takes nobody for a second: {error}");
                        clock.sleep(Duration::from_secs(1)).await;
                    }
                },
                Some((number, ended)) = open.next() => {
                    slots.end(number);
                    match ended {
                        Ok(Ok(Ok(()))) | Err(Aborted) => {}
                        Ok(Ok(Err(error))) => {
                            tracing::debug!("a caller on the control socket went: {error}");
                        }
                        Ok(Err(_)) => tracing::error!("a request on the control socket has panicked"),
                    }
                }
            }
        }
    }

    /// A place for whoever has come; none where all of theirs, or all of everybody's, are at work.
    fn place(&self, stream: &UnixStream, slots: &mut Slots) -> Option<Place> {
        let uid = stream.peer_cred().ok()?.uid();
        slots.take(uid, rights::is_owner(uid, self.owner))
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // Who finds it later finds nobody there, and replaces it.
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn connection(
    stream: UnixStream,
    owner: u32,
    host: &dyn Host,
    clock: &dyn Clock,
    asked: Arc<AtomicBool>,
) -> io::Result<()> {
    let caller = caller(&stream, owner, host.groups()).await?;
    let bytes_max = match caller.right {
        Right::Approve => APPROVER_BYTES_MAX,
        Right::Read | Right::None => READER_BYTES_MAX,
    };
    let (read, mut write) = stream.into_split();
    let mut reader = BufReader::new(read);
    let request = tokio::select! {
        request = line(&mut reader, bytes_max) => request?,
        () = clock.sleep(LINE_TIME_MAX) => return Err(io::ErrorKind::TimedOut.into()),
    };
    let Some(request) = request else {
        let told = refuse(reader, write, host, bytes_max);
        return tokio::select! {
            told = told => told,
            () = clock.sleep(LINE_TIME_MAX) => Ok(()),
        };
    };
    asked.store(true, Ordering::Relaxed);
    let (tell, mut told) = mpsc::channel(LINES_MAX);
    let mut answering = host.answer(caller, request, tell);
    let mut more = [0_u8];
    loop {
        let (text, is_last) = tokio::select! {
            biased;
            Some(text) = told.recv() => (text, false),
            answer = &mut answering => {
                // What was told before it comes before it.
                let told = std::iter::from_fn(|| told.try_recv().ok());
                let text: Vec<String> = told.chain([answer]).collect();
                (text.join("\n"), true)
            }
            // Nobody asks twice: this is the end of the other side.
            _ = reader.read(&mut more) => return Ok(()),
            () = clock.sleep(HEARTBEAT) => (host.heartbeat(), false),
        };
        let sent = async {
            write.write_all(text.as_bytes()).await?;
            write.write_all(b"\n").await
        };
        tokio::select! {
            sent = sent => sent?,
            () = clock.sleep(LINE_TIME_MAX) => return Err(io::ErrorKind::TimedOut.into()),
        }
        if is_last {
            return Ok(());
        }
    }
}

async fn caller(stream: &UnixStream, owner: u32, groups: Groups) -> io::Result<Caller> {
    let peer = stream.peer_cred()?;
    let (uid, gid) = (peer.uid(), peer.gid());
    // The user database may be a server that does not answer; the loop does not wait for it.
    let found = tokio::task::spawn_blocking(move || {
        let (name, peer) = rights::look_up(uid, gid);
        let [readers, approvers] =
            [&groups.readers, &groups.approvers].map(|g| rights::group_id(g));
        (name, rights::right(&peer, owner, readers, approvers))
    });
    let (name, right) = found.await.map_err(io::Error::other)?;
    Ok(Caller { name, right, is_owner: rights::is_owner(uid, owner) })
}

/// Says that a request is too long, and then takes the rest of it: who is still writing reads no answer.
async fn refuse(
    mut reader: impl AsyncBufRead + Unpin,
    mut write: impl AsyncWriteExt + Unpin,
    host: &dyn Host,
    bytes_max: u64,
) -> io::Result<()> {
    let kib = bytes_max / 1024;
    let why =
        format!("the request is longer than {kib} KiB, so it was not looked at. Nothing was done");
    write.write_all(host.refuse(&why).as_bytes()).await?;
    write.write_all(b"\n").await?;
    loop {
        let rest = reader.fill_buf().await?;
        let (length, is_end) = (rest.len(), rest.is_empty() || rest.contains(&b'\n'));
        reader.consume(length);
        if is_end {
            return Ok(());
        }
    }
}

/// The next line; none where it is longer than that.
async fn line(
    reader: &mut (impl AsyncBufRead + Unpin),
    bytes_max: u64,
) -> io::Result<Option<String>> {
    let mut text = String::new();
    reader.take(bytes_max).read_line(&mut text).await?;
    if text.ends_with('\n') {
        return Ok(Some(text));
    }
    if text.len() as u64 >= bytes_max { Ok(None) } else { Err(io::ErrorKind::InvalidData.into()) }
}
