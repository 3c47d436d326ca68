//! The server on a loopback socket, with and without TLS.
#![expect(clippy::unwrap_used, reason = "tests fail loudly")]

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{BODY_BYTES_MAX, Reply, TlsIdentity, serve};
use crate::sim::http::{Request, Response};

/// Answers what came in, so that a test sees both directions at once.
#[expect(clippy::needless_pass_by_value, reason = "the shape of a handler")]
fn echo(request: Request) -> Reply {
    let length = request.body.len();
    let seen = format!(
        "{} {} {} {length}",
        request.method,
        request.target,
        request.header("x-sent").unwrap_or("-")
    );
    Response {
        status: 207,
        headers: vec![("x-answer".to_owned(), "yes".to_owned())],
        body: seen.into_bytes(),
    }
    .into()
}

struct Running {
    address: std::net::SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<io::Result<()>>,
}

async fn start(identity: Option<TlsIdentity>, handler: fn(Request) -> Reply) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async move {
        let _ = stopped.await;
    };
    Running { address, stop, task: tokio::spawn(serve(listener, identity, handler, shutdown)) }
}

async fn exchange(mut stream: impl AsyncReadExt + AsyncWriteExt + Unpin, request: &[u8]) -> String {
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    // A server that refuses a body may close before all of it was read.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

const POST: &[u8] = b"POST /a%20b?$select=id HTTP/1.1\r\nhost: x\r\nX-Sent: \xc3\xa6\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabc";

#[tokio::test]
async fn request_and_answer_pass_unchanged() {
    let server = start(None, echo).await;
    let answer = exchange(TcpStream::connect(server.address).await.unwrap(), POST).await;
    assert!(answer.starts_with("HTTP/1.1 207"), "{answer}");
    assert!(answer.contains("x-answer: yes"), "{answer}");
    assert!(answer.ends_with("POST /a%20b?$select=id \u{e6} 3"), "{answer}");
    server.stop.send(()).unwrap();
    server.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn body_beyond_the_limit_is_refused() {
    let server = start(None, echo).await;
    let head = format!(
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        BODY_BYTES_MAX + 1
    );
    let request = [head.into_bytes(), vec![b'x'; BODY_BYTES_MAX + 1]].concat();
    let answer = exchange(TcpStream::connect(server.address).await.unwrap(), &request).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    server.stop.send(()).unwrap();
    server.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn delay_of_one_answer_holds_up_no_other() {
    fn slow_on_request(request: Request) -> Reply {
        let delay =
            if request.target == "/slow" { Duration::from_secs(3600) } else { Duration::ZERO };
        Reply { delay, ..echo(request) }
    }
    let server = start(None, slow_on_request).await;
    let mut slow = TcpStream::connect(server.address).await.unwrap();
    slow.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let quick = TcpStream::connect(server.address).await.unwrap();
    let answer =
        exchange(quick, b"GET /quick HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.ends_with("GET /quick - 0"), "{answer}");
    server.stop.send(()).unwrap();
    // The slow answer is still owed; the server ends all the same.
    server.task.await.unwrap().unwrap();
}

fn identity() -> (TlsIdentity, rcgen::CertifiedKey<rcgen::KeyPair>) {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let identity = TlsIdentity {
        cert_pem: certified.cert.pem().into_bytes(),
        key_pem: certified.signing_key.serialize_pem().into_bytes(),
    };
    (identity, certified)
}

#[tokio::test]
async fn tls_serves_while_a_silent_client_is_connected() {
    let (identity, certified) = identity();
    let server = start(Some(identity), echo).await;
    let _silent = TcpStream::connect(server.address).await.unwrap();
    let mut broken = TcpStream::connect(server.address).await.unwrap();
    broken.write_all(b"this is no handshake").await.unwrap();

    let mut roots = rustls::RootCertStore::empty();
    roots.add(certified.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = TcpStream::connect(server.address).await.unwrap();
    let stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
    let answer = exchange(stream, POST).await;
    assert!(answer.starts_with("HTTP/1.1 207"), "{answer}");
    server.stop.send(()).unwrap();
    server.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn unusable_identity_is_an_error_at_once() {
    let (mut identity, _) = identity();
    identity.key_pem = b"no key".to_vec();
    let server = start(Some(identity), echo).await;
    let error = server.task.await.unwrap().unwrap_err();
    assert!(error.to_string().starts_with("the private key is unusable"), "{error}");
}
