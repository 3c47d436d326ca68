//! Faults that are a matter of bytes, over real loopback sockets and the transport that the service uses.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use manntall::clock::{Clock, SystemClock};
use manntall::transport::http::{HttpOptions, HttpTransport, Limits};
use manntall::transport::{Method, Request, Response, Transport, TransportError};
use rcgen::{CertificateParams, CertifiedIssuer, DnType, KeyPair, date_time_ymd};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

fn transport(limits: Limits, extra_ca_pem: Option<Vec<u8>>) -> HttpTransport {
    let options = HttpOptions { limits, extra_ca_pem, ..HttpOptions::default() };
    HttpTransport::new(&options, Arc::new(SystemClock::start())).unwrap()
}

/// Limits that a test can wait for.
fn short() -> Limits {
    Limits {
        connect: Duration::from_millis(300),
        idle: Duration::from_millis(300),
        whole: Duration::from_millis(900),
        ..Limits::default()
    }
}

pub(super) fn real<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// How one connection is dealt with after the request has come.
enum Act {
    /// These bytes, and then the end.
    Say(Vec<u8>),
    /// These bytes, then silence.
    SayAndWait(Vec<u8>),
    /// The first so many bytes at once and the others one by one, with this pause between.
    Drip(usize, Vec<u8>, Duration),
}

/// A server for one connection after the other, each with its act.
async fn serve(acts: Vec<Act>) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for act in acts {
            let (mut socket, _) = listener.accept().await.unwrap();
            tokio::spawn(async move { perform(&mut socket, act).await });
        }
    });
    Url::parse(&format!("http://{address}/")).unwrap()
}

async fn perform(socket: &mut TcpStream, act: Act) {
    let mut piece = [0; 4096];
    let _ = socket.read(&mut piece).await;
    match act {
        Act::Say(bytes) => {
            let _ = socket.write_all(&bytes).await;
            let _ = socket.shutdown().await;
        }
        Act::SayAndWait(bytes) => {
            let _ = socket.write_all(&bytes).await;
            while socket.read(&mut piece).await.is_ok_and(|length| length > 0) {}
        }
        Act::Drip(at_once, bytes, pause) => {
            let (first, rest) = bytes.split_at(at_once);
            let _ = socket.write_all(first).await;
            for byte in rest {
                if socket.write_all(&[*byte]).await.is_err() {
                    return;
                }
                SystemClock::start().sleep(pause).await;
            }
        }
    }
}

async fn get(limits: Limits, url: &Url) -> Result<Response, TransportError> {
    transport(limits, None).send(Request::new(Method::Get, url.clone())).await
}

fn ok(headers: &str, body: &[u8]) -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 200 OK\r\n{headers}\r\n").into_bytes();
    answer.extend_from_slice(body);
    answer
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn n1_an_answer_cut_at_any_byte_is_no_answer() {
    real(async {
        let body = br#"{"@odata.deltaLink":"https://graph.example.no/x","value":[]}"#;
        let headers =
            format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
        let whole = ok(&headers, body);
        let acts = (0..whole.len()).map(|at| Act::Say(whole[..at].to_vec())).collect();
        let url = serve(acts).await;
        for at in 0..whole.len() {
            let result = get(Limits::default(), &url).await;
            assert!(result.is_err(), "cut after {at} bytes: {result:?}");
        }
    });
}

#[test]
fn n2_the_limits_of_the_service_are_those_that_are_promised() {
    let limits = Limits::default();
    assert_eq!(limits.connect, Duration::from_secs(10));
    assert_eq!(limits.idle, Duration::from_secs(30));
    assert_eq!(limits.whole, Duration::from_secs(120));
    assert_eq!(limits.body_bytes_max, 64 * 1024 * 1024);
}

#[test]
fn n2_a_slow_drip_ends_at_the_limit_for_the_whole_request() {
    real(async {
        let answer = ok("content-length: 1000\r\n", &[b' '; 1000]);
        let head = answer.len() - 1000;
        let pause = Duration::from_millis(20);
        let acts = [0, head].map(|at_once| Act::Drip(at_once, answer.clone(), pause));
        let url = serve(acts.into()).await;
        for part in ["head", "body"] {
            let began = SystemClock::start();
            let result = get(short(), &url).await;
            let took = began.elapsed();
            assert!(matches!(result, Err(TransportError::Unanswered { .. })), "{part}: {result:?}");
            assert!(took < Duration::from_secs(15), "it would take twenty: {part}: {took:?}");
        }
    });
}

#[test]
fn n2_a_stall_ends_at_the_idle_limit_wherever_it_comes() {
    real(async {
        let whole = ok("content-length: 10\r\n", b"0123456789");
        let places = [0, 5, whole.len() - 10, whole.len() - 1];
        let acts = places.iter().map(|at| Act::SayAndWait(whole[..*at].to_vec())).collect();
        let url = serve(acts).await;
        for at in places {
            let began = SystemClock::start();
            let result = get(short(), &url).await;
            let took = began.elapsed();
            assert!(matches!(result, Err(TransportError::Unanswered { .. })), "{at}: {result:?}");
            assert!(took < Duration::from_secs(60), "{at}: {took:?}");
        }
    });
}

#[test]
fn n2_a_peer_that_says_nothing_in_the_handshake_ends_at_the_connect_limit() {
    real(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("https://{}/", listener.local_addr().unwrap())).unwrap();
        let began = SystemClock::start();
        let limits =
            Limits { idle: Duration::from_secs(90), whole: Duration::from_secs(90), ..short() };
        let result = get(limits, &url).await;
        assert!(matches!(result, Err(TransportError::NotSent { .. })), "{result:?}");
        assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    });
}

#[test]
fn n3_a_gzip_bomb_ends_at_64_mib() {
    real(async {
        // 300 MiB of nothing in 300 KiB.
        let bomb = gzip(&vec![0; 300 * 1024 * 1024]);
        assert!(bomb.len() < 1024 * 1024);
        let headers = format!("content-encoding: gzip\r\ncontent-length: {}\r\n", bomb.len());
        let url = serve(vec![Act::SayAndWait(ok(&headers, &bomb))]).await;
        match get(Limits::default(), &url).await {
            Err(TransportError::Unanswered { detail, .. }) => {
                assert!(detail.contains("longer than 67108864 bytes"), "{detail}");
            }
            other => panic!("{:?}", other.map(|answer| answer.body.len())),
        }
    });
}

#[test]
fn n3_broken_compression_and_wrong_lengths_are_no_answer() {
    real(async {
        let squeezed = gzip(b"{\"value\":[]}");
        let cut = &squeezed[..squeezed.len() - 5];
        let answers = [
            ok("content-encoding: gzip\r\ncontent-length: 7\r\n", b"no gzip"),
            ok(&format!("content-encoding: gzip\r\ncontent-length: {}\r\n", cut.len()), cut),
            ok("content-length: 100\r\n", b"half"),
            ok("content-length: ten\r\n", b"0123456789"),
            ok("content-length: 5\r\ncontent-length: 10\r\n", b"0123456789"),
            ok("transfer-encoding: chunked\r\n", b"5\r\nhal"),
            ok("transfer-encoding: chunked\r\n", b"zz\r\nhalf"),
        ];
        let count = answers.len();
        let url = serve(answers.into_iter().map(Act::Say).collect()).await;
        for at in 0..count {
            let result = get(Limits::default(), &url).await;
            assert!(result.is_err(), "{at}: {result:?}");
        }
    });
}

#[test]
fn limits_headers_without_end_are_no_answer() {
    real(async {
        let many = "x-one-of-many: y\r\n".repeat(5_000);
        let long = format!("x-long: {}\r\n", "y".repeat(2 * 1024 * 1024));
        let url = serve(vec![Act::Say(ok(&many, b"")), Act::Say(ok(&long, b""))]).await;
        for which in ["many", "long"] {
            let result = get(Limits::default(), &url).await;
            assert!(result.is_err(), "{which}: {:?}", result.map(|answer| answer.headers.len()));
        }
    });
}

/// A server certificate: for this name, between these years.
struct Certificate {
    name: &'static str,
    years: (i32, i32),
    trusted: bool,
}

/// What a client that knows our own authority makes of a server with this certificate.
async fn handshake(certificate: &Certificate) -> Result<Response, TransportError> {
    let authority = |name: &str| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    };
    let (known, unknown) = (authority("Kommunens CA"), authority("Fremmed CA"));
    let mut params = CertificateParams::new(vec![certificate.name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, certificate.name);
    params.not_before = date_time_ymd(certificate.years.0, 1, 1);
    params.not_after = date_time_ymd(certificate.years.1, 1, 1);
    let key = KeyPair::generate().unwrap();
    let issuer = if certificate.trusted { &known } else { &unknown };
    let leaf = params.signed_by(&key, issuer).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_no_client_auth()
    .with_single_cert(
        vec![leaf.der().clone()],
        rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
    )
    .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let Ok(mut socket) = acceptor.accept(socket).await else { return };
        let mut piece = [0; 4096];
        let _ = socket.read(&mut piece).await;
        let _ = socket.write_all(&ok("content-length: 0\r\n", b"")).await;
        let _ = socket.shutdown().await;
    });
    let url = Url::parse(&format!("https://localhost:{port}/")).unwrap();
    let transport = transport(Limits::default(), Some(known.pem().into_bytes()));
    transport.send(Request::new(Method::Get, url)).await
}

fn refused(certificate: &Certificate) -> String {
    match real(handshake(certificate)) {
        Err(TransportError::NotSent { detail, .. }) => detail,
        other => panic!("{other:?}"),
    }
}

#[test]
fn n6_a_good_certificate_of_the_configured_authority_is_taken() {
    let good = Certificate { name: "localhost", years: (2020, 2099), trusted: true };
    assert_eq!(real(handshake(&good)).unwrap().status, 200);
}

#[test]
fn n6_an_expired_certificate_is_refused_with_its_dates() {
    let detail = refused(&Certificate { name: "localhost", years: (2018, 2020), trusted: true });
    assert!(detail.contains("expired"), "{detail}");
    assert!(detail.contains("network.ca_file"), "{detail}");
    assert!(detail.contains("update-ca-certificates"), "{detail}");
}

#[test]
fn n6_a_certificate_that_is_not_valid_yet_is_refused() {
    let detail = refused(&Certificate { name: "localhost", years: (2090, 2099), trusted: true });
    assert!(detail.contains("not valid yet"), "{detail}");
}

#[test]
fn n6_an_unknown_issuer_is_refused_and_it_is_said_what_helps() {
    let detail = refused(&Certificate { name: "localhost", years: (2020, 2099), trusted: false });
    assert!(detail.contains("UnknownIssuer"), "{detail}");
    assert!(detail.contains("network.ca_file"), "{detail}");
    assert!(detail.contains("update-ca-certificates"), "{detail}");
}

#[test]
fn n6_a_certificate_for_another_name_is_refused_with_both_names() {
    let name = "elsewhere.example.no";
    let detail = refused(&Certificate { name, years: (2020, 2099), trusted: true });
    assert!(detail.contains("localhost") && detail.contains(name), "{detail}");
}

#[test]
fn n6_a_protocol_that_is_too_old_is_refused() {
    real(async {
        // A server that speaks TLS 1.0 alone refuses our hello with alert 70, protocol_version
        // (RFC 5246 §7.2).
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("https://{}/", listener.local_addr().unwrap())).unwrap();
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            perform(&mut socket, Act::Say(vec![0x15, 3, 1, 0, 2, 2, 70])).await;
        });
        match get(Limits::default(), &url).await {
            Err(TransportError::NotSent { detail, .. }) => {
                assert!(detail.contains("ProtocolVersion"), "{detail}");
            }
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn n7_an_address_of_a_name_that_does_not_answer_gives_way_to_the_next() {
    real(async {
        // `localhost` has two addresses; only one of them has somebody listening.
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address).await else { continue };
            let port = listener.local_addr().unwrap().port();
            let url = Url::parse(&format!("http://localhost:{port}/")).unwrap();
            tokio::spawn(async move {
                let (mut socket, _) = listener.accept().await.unwrap();
                perform(&mut socket, Act::Say(ok("content-length: 0\r\n", b""))).await;
            });
            let result = get(short(), &url).await;
            let only_v4 =
                !std::fs::read_to_string("/etc/hosts").unwrap_or_default().contains("::1");
            assert!(
                result.is_ok() || (only_v4 && address.starts_with('[')),
                "{address}: {result:?}"
            );
        }
    });
}
