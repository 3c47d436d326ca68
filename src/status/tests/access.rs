//! Who is answered at all.

use super::*;

fn status(desk: &Desk, request: &Request<()>) -> u16 {
    answer(desk, request).status().as_u16()
}

fn named(host: &str) -> Request<()> {
    Request::get("/livez").header("host", host).body(()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn only_names_on_the_list_are_answered() {
    let desk = desk(busy());
    for host in [
        "localhost",
        "localhost:9470",
        "LOCALHOST",
        "127.0.0.1:9470",
        "127.0.0.2",
        "[::1]:9470",
        "manntall.example.no",
        "Manntall.Example.no:443",
    ] {
        assert_eq!(status(&desk, &named(host)), 200, "{host}");
    }
    for host in [
        "",
        "evil.example",
        "localhost.evil.example",
        "evil.example:9470",
        "10.0.0.5",
        "0.0.0.0",
        "localhost@evil.example",
        "manntall.example.no.",
        "127.0.0.1.evil.example",
        "[::1]evil:1",
        "localhost:evil",
    ] {
        assert_eq!(status(&desk, &named(host)), 421, "{host}");
    }
    assert_eq!(status(&desk, &Request::get("/").body(()).unwrap()), 421, "no host at all");
    let two = Request::get("/").header("host", "localhost").header("host", "localhost");
    assert_eq!(status(&desk, &two.body(()).unwrap()), 421);
    let absolute = Request::get("http://evil.example/").header("host", "localhost");
    assert_eq!(status(&desk, &absolute.body(()).unwrap()), 421);
}

#[tokio::test(start_paused = true)]
async fn the_address_that_it_listens_on_is_a_name_of_it() {
    let bearer = format!("Bearer {TOKEN}");
    let desk = desk_of(busy(), [10, 0, 0, 5].into(), Some(TOKEN));
    let ask = |host| {
        Request::get("/").header("host", host).header("authorization", &bearer).body(()).unwrap()
    };
    assert_eq!(status(&desk, &ask("10.0.0.5:9470")), 200);
    assert_eq!(status(&desk, &ask("10.0.0.6:9470")), 421);
}

#[tokio::test(start_paused = true)]
async fn a_page_from_elsewhere_is_refused() {
    let desk = desk(busy());
    for (origin, expected) in [
        ("http://localhost:9470", 200),
        ("https://manntall.example.no", 200),
        ("https://evil.example", 403),
        ("null", 403),
    ] {
        assert_eq!(status(&desk, &request("/livez", &[("origin", origin)])), expected, "{origin}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_can_be_changed() {
    let desk = desk(busy());
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
        let request = Request::builder().method(method).uri("/").header("host", "localhost");
        let answer = answer(&desk, &request.body(()).unwrap());
        assert_eq!(answer.status().as_u16(), 405, "{method}");
        assert_eq!(answer.headers()["allow"], "GET, HEAD");
    }
    let head = Request::head("/").header("host", "localhost").body(()).unwrap();
    assert_eq!(status(&desk, &head), 200);
}

#[tokio::test(start_paused = true)]
async fn beyond_this_machine_everything_but_a_pulse_needs_the_token() {
    let desk = desk_of(busy(), [0, 0, 0, 0].into(), Some(TOKEN));
    let basic = |pair: &str| {
        use base64::Engine as _;
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
    };
    let bearer = format!("Bearer {TOKEN}");
    let longer = format!("Bearer {TOKEN}x");
    let prefix = format!("Bearer {}", &TOKEN[..10]);
    for path in PATHS {
        let found = status(&desk, &request(path, &[]));
        let is_pulse = path.contains("z?");
        assert_eq!(found == 401, !is_pulse, "{path}");
        for wrong in ["Bearer", "Bearer ", &longer, &prefix, "Digest x", &basic("only-a-name")] {
            let found = status(&desk, &request(path, &[("authorization", wrong)]));
            assert_eq!(found, 401, "{path} with {wrong}");
        }
        for right in [&bearer, &basic(&format!("anybody:{TOKEN}"))] {
            let found = status(&desk, &request(path, &[("authorization", right)]));
            assert_ne!(found, 401, "{path} with {right}");
        }
    }
    let answer = answer(&desk, &request("/", &[]));
    let ways: Vec<_> = answer.headers().get_all("www-authenticate").iter().collect();
    assert_eq!(ways.len(), 2, "programs and browsers are told how");
}

#[tokio::test(start_paused = true)]
async fn a_pulse_beyond_this_machine_is_one_word_whatever_is_asked_for() {
    let desk = desk_of(busy(), [0, 0, 0, 0].into(), Some(TOKEN));
    for path in ["/livez", "/readyz?verbose", "/healthz"] {
        let (status, text) = get(&desk, path, &[("accept", "application/json")]).await;
        assert!((status, text.as_str()) == (StatusCode::OK, "ok\n"), "{path}: {status} {text}");
    }
    let (status, text) =
        get(&desk_of(Snapshot::default(), [0, 0, 0, 0].into(), None), "/readyz", &[]).await;
    assert_eq!((status.as_u16(), text.as_str()), (503, "failed\n"));
    // A load balancer asks for the address that it knows; a name can be bent to any address.
    for (host, expected) in [("10.0.0.5:9470", 200), ("evil.example:9470", 421)] {
        assert_eq!(self::status(&desk, &named(host)), expected, "{host}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_token_is_refused_on_this_machine_too() {
    let wrong = [("authorization", "Bearer wrong")];
    assert_eq!(status(&desk(busy()), &request("/", &wrong)), 401);
    let without = desk_of(busy(), Ipv4Addr::LOCALHOST.into(), None);
    assert_eq!(status(&without, &request("/", &wrong)), 401, "where none is known");
    assert_eq!(status(&without, &request("/", &[])), 200);
}

#[tokio::test(start_paused = true)]
async fn every_answer_forbids_what_a_page_could_do() {
    let desk = desk(busy());
    let evil = Request::get("/").header("host", "evil.example").body(()).unwrap();
    let answers = PATHS.iter().map(|path| answer(&desk, &request(path, &[])));
    for answer in answers.chain([answer(&desk, &evil)]) {
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("x-frame-options"), "DENY");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("x-content-type-options"), "nosniff");
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none';"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("script") && !policy.contains("unsafe"), "{policy}");
    }
}

#[tokio::test(start_paused = true)]
async fn on_this_machine_a_browser_is_asked_to_sign_in_where_it_follows_the_link() {
    let ask = |query: &str| {
        Request::get(format!("/{query}")).header("host", "localhost").body(()).unwrap()
    };
    let with = |query: &str, token: &str| {
        let (mut parts, ()) = ask(query).into_parts();
        let value = format!("Bearer {token}").parse().unwrap();
        parts.headers.insert("authorization", value);
        Request::from_parts(parts, ())
    };
    let desk = desk_of(busy(), [127, 0, 0, 1].into(), Some(TOKEN));
    assert_eq!(status(&desk, &ask("")), 200);
    let challenge = answer(&desk, &ask("?sign-in&lang=nb"));
    assert_eq!(challenge.status(), 401);
    let schemes = challenge.headers().get_all("www-authenticate").iter();
    assert!(schemes.into_iter().any(|scheme| scheme.to_str().unwrap().starts_with("Basic ")));
    assert_eq!(status(&desk, &with("?sign-in", TOKEN)), 200);
    assert_eq!(status(&desk, &with("?sign-in", "wrong")), 401);
    // Without a token nobody could sign in.
    let desk = desk_of(busy(), [127, 0, 0, 1].into(), None);
    assert_eq!(status(&desk, &ask("?sign-in")), 200);
}
