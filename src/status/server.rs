//! Sockets and limits around the answers: slow clients, many clients, large heads.
//!
//! A connection serves one request and is gone. When all places are taken the oldest connection gives
//! way: whoever asks properly is answered at once, so the oldest is one that dawdles. Thus any number of
//! idle connections leaves the port answering.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{oneshot, watch};
use tokio::task::{AbortHandle, JoinSet};

use super::{Desk, answer};
use crate::errors::panic_words;

/// A head takes so long at the most.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// A connection takes so long at the most, answer and all.
const WHOLE_TIME: Duration = Duration::from_secs(15);
/// Connections at a time.
const CONNECTIONS_MAX: usize = 64;
/// Size of a head, request line and all.
const HEAD_BYTES_MAX: usize = 8 * 1024;
/// After a failure to accept, as when no file handle is left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A running server; it ends with this value.
pub struct Running {
    desk: watch::Sender<Arc<Desk>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    failed: Option<Failed>,
}

/// Hears of a panic of the server as a whole; one in a single answer costs that answer only.
type Failed = oneshot::Receiver<String>;

impl Running {
    /// From now on answers are made from another desk; the port stays open.
    pub fn replace(&self, desk: Desk) {
        self.desk.send_replace(Arc::new(desk));
    }

    /// Waits until the server has met a bug, and gives its words. A service whose port is dead is half
    /// dead, and nobody would notice.
    pub async fn failed(&mut self) -> String {
        if let Some(failed) = &mut self.failed {
            let ended = failed.await;
            self.failed = None;
            if let Ok(words) = ended {
                return words;
            }
        }
        // It was stopped, or could not be served at all, which was said.
        std::future::pending().await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            // A panic there has been shown; it is no reason to panic here.
            let _ = thread.join();
        }
    }
}

/// Serves `desk` on `listener` in a thread of its own.
///
/// # Errors
/// When the system gives no thread or no runtime.
pub fn start(listener: TcpListener, desk: Desk) -> io::Result<Running> {
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (stop, stopped) = oneshot::channel();
    let (sender, desk) = watch::channel(Arc::new(desk));
    let (thread, failed) = watch_over(move || {
        runtime.block_on(async {
            tokio::select! {
                () = serve(listener, desk) => {}
                _ = stopped => {}
            }
        });
    })?;
    Ok(Running { desk: sender, stop: Some(stop), thread: Some(thread), failed: Some(failed) })
}

/// Does the work in a thread of its own, and tells when it panics.
pub(super) fn watch_over(
    work: impl FnOnce() + Send + 'static,
) -> io::Result<(JoinHandle<()>, Failed)> {
    let (tell, failed) = oneshot::channel();
    let thread = std::thread::Builder::new().name("status".to_owned()).spawn(move || {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
            let _ = tell.send(panic_words(panic.as_ref()));
        }
    })?;
    Ok((thread, failed))
}

async fn serve(listener: TcpListener, desk: watch::Receiver<Arc<Desk>>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "the status port cannot be served; everything else goes on");
            return;
        }
    };
    let mut open = JoinSet::new();
    let mut oldest: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                while open.try_join_next().is_some() {}
                oldest.retain(|connection| !connection.is_finished());
                if oldest.len() >= CONNECTIONS_MAX
                    && let Some(dawdler) = oldest.pop_front()
                {
                    dawdler.abort();
                }
                let desk = Arc::clone(&desk.borrow());
                oldest.push_back(open.spawn(converse(stream, desk)));
            }
            Err(error) => {
                tracing::debug!(%error, "a connection to the status port was lost");
                let clock = Arc::clone(&desk.borrow().clock);
                clock.sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Serves one connection, as [`start`] does each.
pub async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, desk: Arc<Desk>) {
    let deadline = desk.clock.sleep(WHOLE_TIME);
    let service = service_fn(move |request| {
        let answer = answer(&desk, &request);
        async move { Ok::<_, Infallible>(answer) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_header_size(HEAD_BYTES_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // How a stranger's connection ends is the stranger's business.
        _ = connection => {}
        () = deadline => {}
    }
}
