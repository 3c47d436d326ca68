//! The real transport against a loopback socket that answers with prepared bytes.

#![expect(clippy::unwrap_used, reason = "tests fail loudly")]

use std::io::Write;

use secrecy::SecretString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::clock::SystemClock;
use crate::transport::Bearer;

/// What the socket does with the connection after it has written its bytes.
enum Then {
    Close,
    Hold,
}

fn transport(limits: Limits) -> HttpTransport {
    let options = HttpOptions { limits, ..HttpOptions::default() };
    HttpTransport::new(&options, Arc::new(SystemClock::start())).unwrap()
}

/// Answers one connection and gives back what it was sent.
async fn serve(answer: Vec<u8>, then: Then) -> (Url, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/secret/path?q=1", listener.local_addr().unwrap()));
    let served = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut sent = Vec::new();
        let mut piece = [0; 4096];
        while !sent.windows(4).any(|window| window == b"\r\n\r\n") {
            let length = socket.read(&mut piece).await.unwrap();
            sent.extend_from_slice(piece.get(..length).unwrap());
        }
        // The client may hang up in the middle of an answer that it refuses.
        let _hung_up = socket.write_all(&answer).await;
        if matches!(then, Then::Hold) {
            while socket.read(&mut piece).await.is_ok_and(|length| length > 0) {}
        }
        String::from_utf8(sent).unwrap()
    });
    (url.unwrap(), served)
}

fn ok(headers: &str, body: &[u8]) -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 200 OK\r\n{headers}\r\n").into_bytes();
    answer.extend_from_slice(body);
    answer
}

async fn fetch(answer: Vec<u8>, then: Then, limits: Limits) -> Result<Response, TransportError> {
    let (url, served) = serve(answer, then).await;
    let transport = transport(limits);
    let result = transport.send(Request::new(Method::Get, url)).await;
    drop(transport);
    served.await.unwrap();
    result
}

fn unanswered(result: Result<Response, TransportError>) -> String {
    match result {
        Err(TransportError::Unanswered { host, detail }) => {
            assert!(host.starts_with("127.0.0.1:"), "{host}");
            assert!(!detail.contains("secret"), "{detail}");
            detail
        }
        other => format!("unexpected: {other:?}"),
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let answer =
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
    let response = fetch(answer.to_vec(), Then::Close, Limits::default()).await.unwrap();
    assert_eq!(response.status, 302);
    assert_eq!(response.header("location"), Some("http://127.0.0.1:1/"));
}

#[tokio::test]
async fn a_cut_body_is_no_answer() {
    let answer = ok("Content-Length: 100\r\n", b"half");
    let detail = unanswered(fetch(answer, Then::Close, Limits::default()).await);
    assert!(detail.contains("body"), "{detail}");
}

#[tokio::test]
async fn a_stalled_body_ends_at_the_idle_limit() {
    let limits = Limits { idle: Duration::from_millis(50), ..Limits::default() };
    let answer = ok("Content-Length: 100\r\n", b"half");
    let detail = unanswered(fetch(answer, Then::Hold, limits).await);
    assert!(detail.contains("timed out"), "{detail}");
}

#[tokio::test]
async fn silence_ends_at_the_limit_for_the_whole_request() {
    let limits = Limits { whole: Duration::from_millis(50), ..Limits::default() };
    let detail = unanswered(fetch(Vec::new(), Then::Hold, limits).await);
    assert!(detail.contains("timed out"), "{detail}");
}

#[tokio::test]
async fn a_body_over_the_limit_is_dropped_after_decompression() {
    let limits = Limits { body_bytes_max: 1000, ..Limits::default() };
    let bomb = gzip(&[b'a'; 5000]);
    assert!(bomb.len() < 1000);
    let headers = format!("Content-Encoding: gzip\r\nContent-Length: {}\r\n", bomb.len());
    let detail = unanswered(fetch(ok(&headers, &bomb), Then::Hold, limits).await);
    assert!(detail.contains("longer than 1000 bytes"), "{detail}");
}

#[tokio::test]
async fn a_compressed_body_arrives_plain() {
    let body = gzip(b"plain text");
    let headers = format!("Content-Encoding: gzip\r\nContent-Length: {}\r\n", body.len());
    let response = fetch(ok(&headers, &body), Then::Close, Limits::default()).await.unwrap();
    assert_eq!(response.body.as_ref(), b"plain text");
}

#[tokio::test]
async fn a_damaged_compressed_body_is_no_answer() {
    let headers = "Content-Encoding: gzip\r\nContent-Length: 7\r\n";
    let answer = ok(headers, b"no gzip");
    assert!(!unanswered(fetch(answer, Then::Close, Limits::default()).await).is_empty());
}

#[tokio::test]
async fn a_token_is_sent_to_its_own_origin_only() {
    let (url, served) = serve(ok("Content-Length: 0\r\n", b""), Then::Close).await;
    let bearer = Bearer::for_origin_of(&url, SecretString::from("t0ken"));
    let elsewhere = Url::parse("http://127.0.0.1:1/").unwrap();
    assert!(Request::new(Method::Get, elsewhere).authorized(&bearer).is_err());
    let request = Request::new(Method::Get, url).authorized(&bearer).unwrap();
    transport(Limits::default()).send(request).await.unwrap();
    let sent = served.await.unwrap();
    assert!(sent.contains("authorization: Bearer t0ken\r\n"), "{sent}");
    assert!(sent.contains(concat!("user-agent: manntall/", env!("CARGO_PKG_VERSION"))), "{sent}");
}

#[tokio::test]
async fn what_cannot_be_sent_safely_is_not_sent() {
    let transport = transport(Limits::default());
    let plain = Request::new(Method::Get, Url::parse("http://graph.example.no/").unwrap());
    let loose = Request::new(Method::Get, Url::parse("http://127.0.0.1:1/").unwrap())
        .header("authorization", "Bearer t0ken");
    for request in [plain, loose] {
        let result = transport.send(request).await;
        assert!(matches!(result, Err(TransportError::NotSent { .. })), "{result:?}");
    }
}

#[tokio::test]
async fn a_closed_port_means_that_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    let result = transport(Limits::default()).send(Request::new(Method::Get, url)).await;
    assert!(matches!(result, Err(TransportError::NotSent { .. })), "{result:?}");
}

fn tls_answer(certified: &rcgen::CertifiedKey<rcgen::KeyPair>) -> tokio_rustls::TlsAcceptor {
    let key = rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der());
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_no_client_auth()
    .with_single_cert(vec![certified.cert.der().clone()], key.unwrap())
    .unwrap();
    tokio_rustls::TlsAcceptor::from(Arc::new(config))
}

#[tokio::test]
async fn an_unknown_certificate_is_refused_and_a_given_one_trusted() {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    for (extra_ca_pem, trusted) in [(None, false), (Some(certified.cert.pem().into_bytes()), true)]
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = tls_answer(&certified);
        let served = tokio::spawn(async move {
            let (socket, _) = listener.accept().await.unwrap();
            let Ok(mut socket) = acceptor.accept(socket).await else { return };
            let mut piece = [0; 4096];
            let _request = socket.read(&mut piece).await;
            socket.write_all(&ok("Content-Length: 0\r\n", b"")).await.unwrap();
            let _closed = socket.shutdown().await;
        });
        let options = HttpOptions { extra_ca_pem, ..HttpOptions::default() };
        let transport = HttpTransport::new(&options, Arc::new(SystemClock::start())).unwrap();
        let url = Url::parse(&format!("https://localhost:{port}/")).unwrap();
        let result = transport.send(Request::new(Method::Get, url)).await;
        served.await.unwrap();
        match result {
            Ok(response) => assert!(trusted && response.status == 200),
            Err(TransportError::NotSent { detail, .. }) => {
                assert!(!trusted && detail.contains("update-ca-certificates"), "{detail}");
            }
            Err(error) => assert_eq!(error.to_string(), ""),
        }
    }
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}
