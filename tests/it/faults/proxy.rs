//! N10: proxies with and without a password, what is reached without them, and authorities of one's own.
//! The proxy is a few lines over loopback; behind it whatever name is asked for is one peer with TLS.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use manntall::clock::SystemClock;
use manntall::transport::http::{HttpOptions, HttpTransport};
use manntall::transport::proxy::Proxy;
use manntall::transport::{Method, Request, Response, Transport, TransportError};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use url::Url;

use super::sockets::real;
use crate::cli::site::Site;

const PEER: &str = "https://graph.example.no/v1.0/users/delta";

/// An authority, and a certificate of it for the names that the tests use.
struct Papers {
    authority: String,
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Papers {
    fn new() -> Self {
        Self::of("Kommunens CA")
    }

    fn of(authority: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, authority);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let names = ["graph.example.no", "platform.example.no", "localhost", "127.0.0.1"];
        let params = CertificateParams::new(names.map(str::to_owned)).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        Self { authority: issuer.pem(), certificate, key }
    }

    fn acceptor(&self) -> TlsAcceptor {
        let key = rustls::pki_types::PrivateKeyDer::try_from(self.key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.der().clone()], key.unwrap())
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// A peer with TLS that answers everything with 200, one request a connection.
async fn peer(papers: &Papers) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, acceptor) = (listener.local_addr().unwrap(), papers.acceptor());
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let Ok(mut socket) = acceptor.accept(socket).await else { continue };
            let _ = socket.read(&mut [0; 4096]).await;
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello";
            let _ = socket.write_all(answer).await;
            let _ = socket.shutdown().await;
        }
    });
    address
}

/// What a proxy lets through.
#[derive(Clone)]
enum Lets {
    Everybody,
    /// Whoever says this NAME:PASSWORD.
    Only(Arc<Mutex<String>>),
    Nobody,
}

/// A proxy, and the first lines of what it was asked.
struct Middle {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Middle {
    /// Every name leads to `peer`.
    async fn start(lets: Lets, peer: SocketAddr, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (lets, log, tls) = (lets.clone(), Arc::clone(&log), tls.clone());
                tokio::spawn(async move {
                    let _ = match tls {
                        Some(tls) => deal(tls.accept(socket).await?, &lets, peer, &log).await,
                        None => deal(socket, &lets, peer, &log).await,
                    };
                    std::io::Result::Ok(())
                });
            }
        });
        Self { address, asked }
    }

    fn url(&self, scheme: &str) -> Url {
        let host = if scheme == "https" { "localhost" } else { "127.0.0.1" };
        Url::parse(&format!("{scheme}://{host}:{}", self.address.port())).unwrap()
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// One connection to the proxy.
async fn deal(
    socket: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    lets: &Lets,
    peer: SocketAddr,
    log: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut socket = BufReader::new(socket);
    let (mut head, mut line) = (Vec::new(), String::new());
    while socket.read_line(&mut line).await? > 2 {
        head.push(std::mem::take(&mut line).trim_end().to_owned());
    }
    log.lock().unwrap().extend(head.first().cloned());
    let said = head.iter().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("proxy-authorization").then(|| value.to_owned())
    });
    let refusal = match lets {
        Lets::Everybody => None,
        Lets::Nobody => Some("403 Forbidden"),
        Lets::Only(who) => {
            let wanted = format!("Basic {}", STANDARD.encode(who.lock().unwrap().as_str()));
            (said != Some(wanted)).then_some("407 Proxy Authentication Required")
        }
    };
    if let Some(status) = refusal {
        // As real ones do: a page for people, which must not be taken for the peer's answer.
        let page = "<html><title>Log in</title>hush</html>";
        let length = page.len();
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{page}");
        socket.write_all(answer.as_bytes()).await?;
        return socket.shutdown().await;
    }
    let mut onward = TcpStream::connect(peer).await?;
    socket.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    copy_bidirectional(&mut socket, &mut onward).await?;
    Ok(())
}

fn transport(papers: &Papers, proxy: Proxy) -> HttpTransport {
    let options = HttpOptions {
        extra_ca_pem: Some(papers.authority.clone().into_bytes()),
        proxy: Some(proxy),
        ..HttpOptions::default()
    };
    HttpTransport::new(&options, Arc::new(SystemClock::start())).unwrap()
}

async fn get(transport: &HttpTransport, url: &str) -> Result<Response, TransportError> {
    transport.send(Request::new(Method::Get, Url::parse(url).unwrap())).await
}

/// What is said when nothing was sent; the host is always the peer's.
fn not_sent(result: Result<Response, TransportError>) -> String {
    match result {
        Err(TransportError::NotSent { host, detail }) => {
            assert_eq!(host, "graph.example.no");
            assert!(!detail.contains("hush") && !detail.contains("Passord"), "{detail}");
            detail
        }
        other => panic!("{other:?}"),
    }
}

fn says(text: &str) -> Arc<dyn Fn() -> secrecy::SecretString + Send + Sync> {
    let text = text.to_owned();
    Arc::new(move || text.clone().into())
}

#[test]
fn n10_a_request_goes_through_the_proxy_and_stays_encrypted() {
    real(async {
        let papers = Papers::new();
        let middle = Middle::start(Lets::Everybody, peer(&papers).await, None).await;
        let through = transport(&papers, Proxy::new(middle.url("http"), &[], None));
        assert_eq!(get(&through, PEER).await.unwrap().body.as_ref(), b"hello");
        assert_eq!(middle.asked(), ["CONNECT graph.example.no:443 HTTP/1.1"]);
    });
}

#[test]
fn n10_a_proxy_that_is_reached_with_tls_is_used_alike() {
    real(async {
        let papers = Papers::new();
        let tls = Some(papers.acceptor());
        let middle = Middle::start(Lets::Everybody, peer(&papers).await, tls).await;
        let through = transport(&papers, Proxy::new(middle.url("https"), &[], None));
        assert_eq!(get(&through, PEER).await.unwrap().status, 200);
        assert_eq!(middle.asked().len(), 1);
    });
}

#[test]
fn n10_credentials_are_sent_to_the_letter_and_read_anew_for_each_connection() {
    real(async {
        let papers = Papers::new();
        let who = Arc::new(Mutex::new("manntall:Pass%41ord: @/æ#".to_owned()));
        let lets = Lets::Only(Arc::clone(&who));
        let middle = Middle::start(lets, peer(&papers).await, None).await;
        let file = Arc::clone(&who);
        let reader: Arc<dyn Fn() -> secrecy::SecretString + Send + Sync> =
            Arc::new(move || file.lock().unwrap().clone().into());
        let through = transport(&papers, Proxy::new(middle.url("http"), &[], Some(reader)));
        assert_eq!(get(&through, PEER).await.unwrap().status, 200);
        *who.lock().unwrap() = "manntall:next".to_owned();
        assert_eq!(get(&through, PEER).await.unwrap().status, 200);
        assert_eq!(middle.asked().len(), 2);
    });
}

#[test]
fn n10_a_proxy_that_asks_for_a_password_is_named_and_never_taken_for_the_peer() {
    real(async {
        let papers = Papers::new();
        let lets = Lets::Only(Arc::new(Mutex::new("manntall:Passord".to_owned())));
        let middle = Middle::start(lets, peer(&papers).await, None).await;
        let name = middle.url("http").to_string();
        let name = name.trim_end_matches('/');
        let without = transport(&papers, Proxy::new(middle.url("http"), &[], None));
        let detail = not_sent(get(&without, PEER).await);
        let expected = format!("the proxy {name} asks for a name and a password (status 407)");
        assert!(detail.contains(&expected), "{detail}");
        assert!(detail.contains("; hint: write NAME:PASSWORD into a file"), "{detail}");
        let wrong = Proxy::new(middle.url("http"), &[], Some(says("manntall:Passord2")));
        let detail = not_sent(get(&transport(&papers, wrong), PEER).await);
        let expected = format!("the proxy {name} refuses the name and password");
        assert!(detail.contains(&expected), "{detail}");
        assert!(detail.contains("network.proxy_credentials_file"), "{detail}");
    });
}

#[test]
fn n10_a_proxy_that_refuses_or_is_gone_is_named_with_what_to_do() {
    real(async {
        let papers = Papers::new();
        let middle = Middle::start(Lets::Nobody, peer(&papers).await, None).await;
        let through = transport(&papers, Proxy::new(middle.url("http"), &[], None));
        let detail = not_sent(get(&through, PEER).await);
        assert!(detail.contains("opens no way to graph.example.no"), "{detail}");
        assert!(detail.contains("network.no_proxy"), "{detail}");

        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}", closed.local_addr().unwrap())).unwrap();
        drop(closed);
        let gone = transport(&papers, Proxy::new(url, &[], None));
        let detail = not_sent(get(&gone, PEER).await);
        assert!(detail.contains("cannot be reached") && detail.contains("refused"), "{detail}");
        assert!(detail.contains("; hint: check network.proxy"), "{detail}");
    });
}

#[test]
fn n10_a_proxy_that_opens_tls_is_not_trusted_until_its_authority_is() {
    real(async {
        let (papers, other) = (Papers::new(), Papers::of("Mellommannens CA"));
        let middle = Middle::start(Lets::Everybody, peer(&other).await, None).await;
        let proxy = Proxy::new(middle.url("http"), &[], None);
        let detail = not_sent(get(&transport(&papers, proxy.clone()), PEER).await);
        assert!(detail.contains("UnknownIssuer"), "{detail}");
        assert!(detail.contains("through the proxy http://127.0.0.1"), "{detail}");
        assert!(detail.contains("network.ca_file"), "{detail}");
        assert_eq!(get(&transport(&other, proxy), PEER).await.unwrap().status, 200);
    });
}

#[test]
fn n10_this_machine_and_what_no_proxy_names_are_reached_without_the_proxy() {
    real(async {
        let papers = Papers::new();
        let peer = peer(&papers).await;
        let middle = Middle::start(Lets::Everybody, peer, None).await;
        let direct = ["platform.example.no".to_owned(), "10.0.0.0/8".to_owned()];
        let proxy = Proxy::new(middle.url("http"), &direct, None);
        let through = transport(&papers, proxy.clone());
        for host in ["localhost", "127.0.0.1"] {
            let url = format!("https://{host}:{}/", peer.port());
            assert_eq!(get(&through, &url).await.unwrap().status, 200);
        }
        assert!(middle.asked().is_empty(), "{:?}", middle.asked());
        let leads_to = |url: &str| proxy.leads_to(&Url::parse(url).unwrap());
        for direct in [
            "https://platform.example.no/scim",
            "https://x.platform.example.no/",
            "https://10.2.3.4/",
            "https://[::1]:8443/",
            "http://localhost/",
        ] {
            assert!(!leads_to(direct), "{direct}");
        }
        for led in ["https://otherplatform.example.no/", "https://11.0.0.1/", PEER] {
            assert!(leads_to(led), "{led}");
        }
    });
}

#[test]
fn n10_the_program_goes_through_the_proxy_of_its_configuration_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let papers = Papers::new();
    let [certificate, key] = ["peer.crt", "peer.key"].map(|name| folder.path().join(name));
    std::fs::write(&certificate, papers.certificate.pem()).unwrap();
    std::fs::write(&key, papers.key.serialize_pem()).unwrap();
    let text = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let (certificate, key) = (text(&certificate), text(&key));
    let site = Site::with(&["--users", "30", "--tls-cert", &certificate, "--tls-key", &key], "");
    let platform = Url::parse(site.said("scim_url")).unwrap();
    let far = site.said("scim_url").replace(
        &format!("{}:{}", platform.host_str().unwrap(), platform.port().unwrap()),
        "platform.example.no",
    );
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let lets = Lets::Only(Arc::new(Mutex::new("manntall:Passord".to_owned())));
    let at = format!("127.0.0.1:{}", platform.port().unwrap()).parse().unwrap();
    let middle = runtime.block_on(Middle::start(lets, at, None));
    site.configure_target(&far, "requests_per_second = 500\n");
    let plain = std::fs::read_to_string(site.config()).unwrap();
    let network = |more: &str| {
        let proxy = middle.url("http");
        let table = format!("[network]\nca_file = \"ca.pem\"\nproxy = \"{proxy}\"\n{more}\n");
        std::fs::write(site.config(), format!("{table}{plain}")).unwrap();
    };
    network("");
    let ended = site.run(&["check"]).expect(78);
    assert!(
        ended.talk.contains("network.ca_file") && ended.talk.contains("in PEM"),
        "{}",
        ended.talk
    );
    std::fs::write(site.path("ca.pem"), &papers.authority).unwrap();
    let ended = site.run(&["check", "--online"]).expect(69);
    assert!(ended.data.contains("(status 407)"), "{}", ended.data);
    assert!(ended.data.contains("✓ asker token"), "{}", ended.data);

    network("proxy_credentials_file = \"proxy.secret\"");
    site.secret("proxy.secret", "no colon");
    let ended = site.run(&["check"]).expect(78);
    assert!(ended.talk.contains("does not hold NAME:PASSWORD"), "{}", ended.talk);
    site.secret("proxy.secret", "manntall:Passord");
    let ended = site.run(&["check", "--online"]).expect(0);
    for words in ["✓ network proxy: http://127.0.0.1:", "✓ network authorities: 1 certificate in "]
    {
        assert!(ended.data.contains(words), "{words} in\n{}", ended.data);
    }
    site.run(&["sync"]).expect(0);
    let asked = middle.asked();
    assert!(asked.len() > 2, "{asked:?}");
    let only = "CONNECT platform.example.no:443 HTTP/1.1";
    assert!(asked.iter().all(|line| line == only), "the tenant is on this machine: {asked:?}");
}
