//! One token per tenant, renewed in time, sent nowhere else; refusals in Entra's words.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use rustls::pki_types::pem::PemObject;

use super::*;

const KEY: &str = include_str!("../../../tests/fixtures/graph/test-only-rsa.key");
const CERTIFICATE: &str = include_str!("../../../tests/fixtures/graph/test-only-rsa.crt");
const EC_KEY: &str = include_str!("../../../tests/fixtures/graph/test-only-ec.key");

fn empty_page() -> Response {
    last_page(&json!([]))
}

async fn wait(seconds: u64) {
    tokio::time::advance(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn many_callers_share_one_token_request() {
    let bench = Bench::new();
    bench.graph(empty_page()).graph(empty_page()).graph(empty_page());
    let (one, two, three) = tokio::join!(bench.users(), bench.users(), bench.users());
    assert!(one.is_ok() && two.is_ok() && three.is_ok());
    assert_eq!(bench.forms().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn each_tenant_reads_with_a_token_of_its_own() {
    let (one, other) = (Bench::new(), Bench::with(Credential::Secret(reader("s"))));
    other.token("other", 3600);
    for (bench, token) in [(&one, "first"), (&other, "other"), (&one, "first")] {
        bench.graph(empty_page());
        bench.users().await.unwrap();
        assert_eq!(bench.tokens().last().unwrap(), token);
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_when_five_minutes_or_a_tenth_are_left() {
    for (life, kept_until) in [(3600, 3299), (600, 539), (60, 53)] {
        let bench = Bench::with(Credential::Secret(reader("s")));
        bench.token("first", life);
        bench.token("second", life);
        bench.graph(empty_page()).graph(empty_page()).graph(empty_page());
        bench.users().await.unwrap();
        wait(kept_until).await;
        bench.users().await.unwrap();
        wait(2).await;
        bench.users().await.unwrap();
        assert_eq!(bench.tokens(), ["first", "first", "second"], "{life}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_claims_to_live_beyond_all_time_is_used() {
    let bench = Bench::with(Credential::Secret(reader("s")));
    bench.token("first", u64::MAX);
    bench.graph(empty_page()).graph(empty_page());
    wait(10).await;
    bench.users().await.unwrap();
    bench.users().await.unwrap();
    assert_eq!(bench.tokens(), ["first", "first"]);
}

#[tokio::test(start_paused = true)]
async fn an_old_token_is_used_while_a_new_one_cannot_be_had() {
    let bench = Bench::new();
    bench.graph(empty_page()).graph(empty_page());
    bench.users().await.unwrap();
    wait(3400).await;
    bench.login(Ok(raw(503, "text/html", "<p>")));
    bench.users().await.unwrap();
    assert_eq!(bench.tokens(), ["first", "first"]);
    wait(300).await;
    bench.login(Ok(raw(503, "text/html", "<p>")));
    let error = bench.users().await.unwrap_err();
    assert!(matches!(error, GraphError::Unavailable { .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_renewed_once_and_the_same_url_repeated() {
    let refused = json!({"error": {"code": "InvalidAuthenticationToken", "message": "expired"}});
    let bench = Bench::new();
    bench.token("second", 3600);
    bench.graph(answer(401, &refused)).graph(empty_page());
    bench.users().await.unwrap();
    assert_eq!(bench.tokens(), ["first", "second"]);
    let urls = bench.urls();
    assert_eq!(urls.first(), urls.last());

    bench.token("third", 3600);
    bench.graph(answer(401, &refused)).graph(answer(401, &refused));
    let error = bench.users().await.unwrap_err();
    assert!(matches!(error, GraphError::Refused(_)), "{error:?}");
    assert_eq!(bench.tokens(), ["first", "second", "second", "third"]);
}

#[tokio::test(start_paused = true)]
async fn two_callers_with_one_refused_token_renew_it_once() {
    let refused = json!({"error": {"code": "InvalidAuthenticationToken", "message": "expired"}});
    let bench = Bench::new();
    bench.token("second", 3600);
    bench.graph(answer(401, &refused)).graph(answer(401, &refused));
    bench.graph(empty_page()).graph(empty_page());
    let (one, two) = tokio::join!(bench.users(), bench.users());
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(bench.forms().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_rotated_secret_is_read_anew() {
    let reads = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&reads);
    let read: SecretReader = Arc::new(move || {
        let number = counter.fetch_add(1, Ordering::SeqCst);
        Ok(SecretString::from(format!("secret-{number}\n")))
    });
    let bench = Bench::with(Credential::Secret(read));
    bench.token("first", 3600);
    bench.token("second", 3600);
    bench.graph(answer(401, &json!({}))).graph(empty_page());
    bench.users().await.unwrap();
    let secrets: Vec<_> = bench
        .forms()
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| (name == "client_secret").then_some(value))
        .collect();
    assert_eq!(secrets, ["secret-0", "secret-1"]);
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_cannot_be_read_is_a_refusal_and_sends_nothing() {
    let read: SecretReader = Arc::new(|| Err("asker.secret: permission denied".to_owned()));
    let bench = Bench::with(Credential::Secret(read));
    let words = bench.users().await.unwrap_err().to_string();
    assert!(words.contains("asker.secret: permission denied"), "{words}");
    assert!(bench.canned.sent.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn passing_faults_of_the_token_service_are_tried_again() {
    let body = |error: &str, code: u64| json!({"error": error, "error_codes": [code]});
    for (status, body, throttled) in [
        (400, body("invalid_request", 90033), false),
        (400, body("temporarily_unavailable", 1), false),
        (400, body("invalid_request", 90055), true),
        (429, body("invalid_request", 1), true),
        (503, body("server_error", 1), false),
    ] {
        let bench = Bench::with(Credential::Secret(reader("s")));
        bench.login(Ok(answer(status, &body)));
        let error = bench.users().await.unwrap_err();
        assert!(matches!(error.disposition(), Disposition::Retry { .. }), "{body}: {error:?}");
        assert_eq!(matches!(error, GraphError::Throttled { .. }), throttled, "{body}: {error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_damaged_token_answer_shows_nothing_of_itself() {
    for body in ["{\"access_token\": [\"t0ken\"]}", "\"t0ken\"", "{\"access_token\": \"t0ken\""] {
        let bench = Bench::with(Credential::Secret(reader("s")));
        bench.login(Ok(raw(200, "application/json", body)));
        let error = bench.users().await.unwrap_err();
        assert!(matches!(error, GraphError::Unusable { .. }), "{error:?}");
        assert!(!format!("{error:?} {error}").contains("t0ken"), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_federated_token_is_passed_on() {
    let bench = Bench::with(Credential::Federated(reader("external.jwt\n")));
    bench.token("first", 3600);
    bench.graph(empty_page());
    bench.users().await.unwrap();
    let form = bench.forms().remove(0);
    assert!(form.contains(&("client_assertion".into(), "external.jwt".into())), "{form:?}");
}

#[tokio::test(start_paused = true)]
async fn a_certificate_signs_what_entra_documents() {
    let credential =
        Credential::Certificate { certificate: reader(CERTIFICATE), private_key: reader(KEY) };
    let bench = Bench::with(credential);
    bench.token("first", 3600);
    bench.graph(empty_page());
    bench.users().await.unwrap();
    let form = bench.forms().remove(0);
    let value = |name: &str| form.iter().find(|(key, _)| key == name).unwrap().1.clone();
    assert_eq!(
        value("client_assertion_type"),
        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    );
    let assertion = value("client_assertion");
    let (signed, signature) = assertion.rsplit_once('.').unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let decode = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).unwrap();
    let header: Value = serde_json::from_slice(&decode(header)).unwrap();
    let claims: Value = serde_json::from_slice(&decode(claims)).unwrap();
    assert_eq!((&header["alg"], &header["typ"]), (&json!("PS256"), &json!("JWT")));
    // As `openssl x509 -outform der | openssl dgst -sha256` gives it for the certificate.
    let thumbprint = "dMmtA9DioTlskDM82k_BwLzJX3tFLXYBS0Djvva4GS4";
    assert_eq!(header["x5t#S256"], json!(thumbprint));
    let endpoint = format!("https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token");
    assert_eq!(
        (&claims["aud"], &claims["iss"], &claims["sub"]),
        (&json!(endpoint), &json!(CLIENT), &json!(CLIENT))
    );
    assert_eq!(claims["nbf"], json!(NOW.0 / 1000 - 10));
    assert_eq!(claims["exp"], json!(NOW.0 / 1000 + 590));
    assert!(verifies(signed.as_bytes(), &decode(signature)));
    assert!(!verifies(b"another text", &decode(signature)));
}

/// Checks a signature with the key of the test certificate, by another way than it was made.
fn verifies(text: &[u8], signature: &[u8]) -> bool {
    let key = rustls::pki_types::PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap();
    let key = rustls::crypto::ring::sign::any_supported_type(&key).unwrap();
    let spki = key.public_key().unwrap();
    // The bare key follows 24 bytes that say "RSA, 2048 bits" (RFC 5280 §4.1).
    let bare = spki.get(24..).unwrap();
    let provider = rustls::crypto::ring::default_provider();
    let schemes = provider.signature_verification_algorithms.mapping;
    let (_, ways) = schemes
        .iter()
        .find(|(scheme, _)| *scheme == rustls::SignatureScheme::RSA_PSS_SHA256)
        .unwrap();
    ways.iter().any(|way| way.verify_signature(bare, text, signature).is_ok())
}

#[tokio::test(start_paused = true)]
async fn a_credential_that_cannot_work_is_named_before_anything_is_sent() {
    let other = rcgen::generate_simple_self_signed(["other".to_owned()]).unwrap();
    for (certificate, key, words) in [
        (CERTIFICATE, EC_KEY, "the private key is not RSA"),
        (CERTIFICATE, "nothing", "holds no PEM private key"),
        ("nothing", KEY, "holds no PEM certificate"),
        (&other.cert.pem(), KEY, "does not belong to the certificate"),
        (CERTIFICATE, "-----BEGIN ENCRYPTED PRIVATE KEY-----", "is encrypted"),
    ] {
        let bench = Bench::with(Credential::Certificate {
            certificate: reader(certificate),
            private_key: reader(key),
        });
        let error = bench.users().await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert!(bench.canned.sent.lock().unwrap().is_empty());
    }
}
