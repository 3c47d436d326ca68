//! Who may see what. Checked for every request, before anything else.
//!
//! A browser on this machine can be made to send requests to a loopback port under a foreign name (DNS
//! rebinding), so every request names a host that is on the list. That Host and Origin agree proves
//! nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Request;
use hyper::header::{AUTHORIZATION, HOST, ORIGIN};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use super::{Desk, is_reading};

/// The three questions of monitors.
const PULSES: [&str; 3] = ["/livez", "/readyz", "/healthz"];

/// What a request may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sight {
    /// Whether it is well: one word to one of the three questions of monitors.
    Pulse,
    /// Counts and states.
    Counts,
    /// Ids of holds and the words of errors as well.
    Everything,
}

/// Why a request is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It names a host that is not on the list, or none.
    Host,
    /// It comes from a page of a host that is not on the list.
    Origin,
    /// It would change something.
    Method,
    /// It carries no token where one is needed, or a wrong one.
    Token,
}

/// What the request may see, if anything.
pub(super) fn check<B>(desk: &Desk, request: &Request<B>) -> Result<Sight, Refusal> {
    let headers = request.headers();
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return Err(Refusal::Host) };
    // An absolute target overrules the Host header (RFC 9112 §3.2.2), so both must be on the list.
    let target = request.uri().authority().map(hyper::http::uri::Authority::as_str);
    let named = [host.to_str().ok(), target.or(host.to_str().ok())];
    if !named.into_iter().all(|name| name.is_some_and(|name| is_known(desk, name))) {
        return Err(Refusal::Host);
    }
    for origin in headers.get_all(ORIGIN) {
        let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        if !origin.is_some_and(|(_, authority)| is_known(desk, authority)) {
            return Err(Refusal::Origin);
        }
    }
    if !is_reading(request.method()) {
        return Err(Refusal::Method);
    }
    let mut given = headers.get_all(AUTHORIZATION).iter();
    match (given.next(), given.next(), &desk.token) {
        (None, _, _) if desk.address.is_loopback() => Ok(Sight::Counts),
        // A load balancer or a supervisor carries no token, and what it is told names nothing.
        (None, _, _) if PULSES.contains(&request.uri().path()) => Ok(Sight::Pulse),
        (Some(value), None, Some(token)) => {
            let given = value.to_str().ok().and_then(credential).ok_or(Refusal::Token)?;
            let token = token();
            if is_same(given.as_bytes(), token.expose_secret().as_bytes()) {
                Ok(Sight::Everything)
            } else {
                Err(Refusal::Token)
            }
        }
        _ => Err(Refusal::Token),
    }
}

/// Whether `authority`, a host with or without a port, is on the list.
fn is_known(desk: &Desk, authority: &str) -> bool {
    let (host, port) = match authority.rfind(':') {
        // Colons within brackets belong to an IPv6 address.
        Some(at) if !authority[at..].contains(']') => authority.split_at(at),
        _ => (authority, ""),
    };
    if !port.bytes().skip(1).all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let host = host.to_ascii_lowercase();
    if host == "localhost" || desk.hosts.contains(&host) {
        return true;
    }
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&host);
    // An address is nobody's name, so no name can be bent to it.
    let address: Option<std::net::IpAddr> = address.parse().ok();
    // Who listens on all addresses has some that nobody here knows.
    let is_own = |address| desk.address.is_unspecified() || desk.address == address;
    address.is_some_and(|address| address.is_loopback() || is_own(address))
}

/// The token in an `Authorization` header: a bearer token, or the password that a browser asks for.
fn credential(value: &str) -> Option<String> {
    let (scheme, rest) = value.trim().split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
    pair.split_once(':').map(|(_, password)| password.to_owned())
}

/// Compares in a time that says nothing about where two texts differ: by their digests, all of them.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let (one, other) = (Sha256::digest(one), Sha256::digest(other));
    one.iter().zip(other).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}
