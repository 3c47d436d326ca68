//! Limits over real sockets: clients that dawdle, come in crowds or talk too much.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::{busy, real_desk};
use crate::status::server::{self, Running, watch_over};

fn serve() -> (Running, std::net::SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (server::start(listener, real_desk(busy())).unwrap(), address)
}

fn connect(address: std::net::SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

fn ask(address: std::net::SocketAddr, head: &str) -> String {
    let mut stream = connect(address);
    // The port may answer and close before all was said.
    let _ = stream.write_all(head.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[expect(clippy::disallowed_methods, reason = "real sockets take real time")]
fn now() -> Instant {
    Instant::now()
}

#[test]
fn it_answers_over_a_socket_and_hangs_up() {
    let (_running, address) = serve();
    let answer = ask(address, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nok\n"),
        "{answer}"
    );
    let answer = ask(address, "HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-length: ") && body.is_empty(), "{answer}");
    let answer = ask(address, "GET / HTTP/1.0\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.0 421 "), "{answer}");
}

#[test]
fn a_client_that_dawdles_is_hung_up_on_after_five_seconds() {
    let (_running, address) = serve();
    let began = now();
    let mut idle = connect(address);
    let mut slow = connect(address);
    slow.write_all(b"GET / HTTP/1.1\r\nHost: loc").unwrap();
    for stream in [&mut idle, &mut slow] {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        let text = String::from_utf8_lossy(&rest).into_owned();
        assert!(!text.starts_with("HTTP/1.1 200"), "{text}");
    }
    let took = began.elapsed();
    assert!(took > Duration::from_secs(4) && took < Duration::from_secs(12), "{took:?}");
}

#[test]
fn a_crowd_of_idle_clients_keeps_nobody_else_out() {
    let (_running, address) = serve();
    let crowd: Vec<TcpStream> = (0..300).map(|_| connect(address)).collect();
    let began = now();
    let answer = ask(address, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(began.elapsed() < Duration::from_secs(4), "it had not to wait for the crowd");
    // The first of the crowd have had to give way.
    let mut rest = Vec::new();
    let _ = (&crowd[0]).read_to_end(&mut rest);
    assert!(rest.is_empty());
    assert!(began.elapsed() < Duration::from_secs(4));
}

#[test]
fn a_head_of_more_than_eight_kilobytes_is_refused() {
    let (_running, address) = serve();
    let head = |filler: usize| {
        format!(
            "GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Filler: {}\r\n\r\n",
            "x".repeat(filler)
        )
    };
    assert!(ask(address, &head(7_000)).starts_with("HTTP/1.1 200"));
    let answer = ask(address, &head(9_000));
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn the_port_is_free_once_the_server_has_ended() {
    let (running, address) = serve();
    drop(running);
    let taken = TcpStream::connect(address);
    assert!(taken.is_err());
}

#[test]
fn a_panic_of_the_status_port_is_heard() {
    let name = std::hint::black_box("Kari Nordmann");
    let (thread, failed) = watch_over(move || panic!("no answer for {name:?}")).unwrap();
    assert_eq!(failed.blocking_recv().unwrap(), "no answer for …");
    thread.join().unwrap();
    // One that only ends is no bug.
    let (thread, failed) = watch_over(|| {}).unwrap();
    thread.join().unwrap();
    assert!(failed.blocking_recv().is_err());
}
