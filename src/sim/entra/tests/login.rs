//! The token endpoint.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json as body;

use super::*;

/// Posts `form` to the token endpoint of `tenant`.
fn post(
    entra: &mut Entra,
    world: &World,
    tenant: &str,
    form: &[(&str, &str)],
    basic: Option<&str>,
) -> Response {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let headers =
        basic.map(|pair| ("authorization".to_owned(), format!("Basic {}", STANDARD.encode(pair))));
    let request = Request {
        method: "POST".to_owned(),
        target: format!("/{tenant}/oauth2/v2.0/token"),
        headers: headers.into_iter().collect(),
        body: body.into_bytes(),
    };
    entra.handle(world, &request, NOW)
}

const SCOPE: (&str, &str) = ("scope", "https://graph.example.no/.default");
const GRANT: (&str, &str) = ("grant_type", "client_credentials");
const CLIENT: (&str, &str) = ("client_id", "8d2b6f3a-51c4-4b7e-8a59-1f0e6c9d2b47");
const SECRET: (&str, &str) = ("client_secret", "simulated~secret");

pub(super) fn fresh_token(entra: &mut Entra, world: &World) -> String {
    let tenant = world.tenant_id.to_string();
    let response = post(entra, world, &tenant, &[CLIENT, SECRET, GRANT, SCOPE], None);
    entra.counters = Counters::default();
    json(&response)["access_token"].as_str().unwrap().to_owned()
}

/// The status, error and code of a refused token request.
fn refused(bench: &mut Bench, form: &[(&str, &str)]) -> (u16, String, u64) {
    let tenant = bench.world.tenant_id.to_string();
    let response = post(&mut bench.entra, &bench.world, &tenant, form, None);
    let body = json(&response);
    let code = body["error_codes"][0].as_u64().unwrap();
    let description = body["error_description"].as_str().unwrap();
    assert!(
        description.starts_with(&format!("AADSTS{code}: ")) && description.contains("Trace ID: ")
    );
    assert_eq!(body["timestamp"], "2026-11-18 11:06:40Z");
    (response.status, body["error"].as_str().unwrap().to_owned(), code)
}

#[test]
fn a_token_is_a_jwt_with_roles() {
    let bench = Bench::new(1);
    let claims = bench.token.split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    assert_eq!(claims["roles"], body!(["User.Read.All", "GroupMember.Read.All"]));
    assert_eq!(claims["tid"], bench.world.tenant_id.to_string());
    assert!(bench.token.starts_with("eyJ") && bench.token.split('.').count() == 3);
}

#[test]
fn a_secret_is_taken_in_the_body_or_by_basic_authentication() {
    let mut bench = Bench::new(1);
    let basic = format!("{}:simulated%7Esecret", CLIENT.1);
    let response =
        post(&mut bench.entra, &bench.world, "asker.example.no", &[GRANT, SCOPE], Some(&basic));
    assert_eq!((response.status, json(&response)["expires_in"].as_u64()), (200, Some(3_599)));
    assert_eq!((bench.entra.counters.of(RequestKind::Token), bench.entra.counters.graph()), (1, 0));
}

#[test]
fn refusals_have_entras_codes() {
    let mut bench = Bench::new(1);
    let all = [CLIENT, SECRET, GRANT, SCOPE];
    let with = |name: &str, value: &'static str| {
        all.map(|(known, old)| if known == name { (known, value) } else { (known, old) })
    };
    let cases: [(Vec<_>, (u16, &str, u64)); 7] = [
        (with("client_secret", "x").to_vec(), (401, "invalid_client", 7_000_215)),
        (with("client_id", "x").to_vec(), (400, "unauthorized_client", 700_016)),
        (with("scope", "User.Read").to_vec(), (400, "invalid_scope", 70_011)),
        (with("grant_type", "password").to_vec(), (400, "unsupported_grant_type", 70_003)),
        (vec![CLIENT, GRANT, SCOPE], (401, "invalid_client", 7_000_218)),
        (vec![CLIENT, SECRET, SCOPE], (400, "invalid_request", 900_144)),
        (vec![CLIENT, SECRET, GRANT], (400, "invalid_request", 900_144)),
    ];
    for (form, (status, error, code)) in cases {
        assert_eq!(refused(&mut bench, &form), (status, error.to_owned(), code));
    }
    bench.entra.faults.refuse_token = Some(7_000_222);
    assert_eq!(refused(&mut bench, &all), (401, "invalid_client".to_owned(), 7_000_222));
    let response = post(&mut bench.entra, &bench.world, "other.example.no", &all, None);
    assert_eq!(json(&response)["error_codes"][0], 90_002);
}

#[test]
fn an_assertion_is_refused_unless_signatures_are_given_up() {
    let mut bench = Bench::new(1);
    let tenant = bench.world.tenant_id;
    let audience = format!("https://login.example.no/{tenant}/oauth2/v2.0/token");
    let assertion = |algorithm: &str, header: &str, audience: &str, expires: u64| {
        let header = body!({ "alg": algorithm, "typ": "JWT", header: "abc" });
        let claims = body!({ "iss": CLIENT.1, "sub": CLIENT.1, "aud": audience, "exp": expires });
        [header, claims, body!("signature")]
            .map(|part| URL_SAFE_NO_PAD.encode(part.to_string()))
            .join(".")
    };
    let kind = ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    let code = |entra: &mut Entra, assertion: &str| {
        let form = [CLIENT, GRANT, SCOPE, kind, ("client_assertion", assertion)];
        let response = post(entra, &bench.world, &tenant.to_string(), &form, None);
        json(&response)["error_codes"][0].as_u64()
    };
    let entra = &mut bench.entra;
    let good = assertion("PS256", "x5t#S256", &audience, NOW + 600);
    assert_eq!(code(entra, &good), Some(700_027));
    entra.options.accept_unsigned_assertions = true;
    assert_eq!(code(entra, &good), None);
    assert_eq!(code(entra, &assertion("RS256", "x5t", &audience, NOW + 600)), None);
    assert_eq!(code(entra, &assertion("none", "x5t", &audience, NOW + 600)), Some(50_027));
    assert_eq!(code(entra, &assertion("RS256", "kid", &audience, NOW + 600)), Some(50_027));
    assert_eq!(code(entra, &assertion("RS256", "x5t", "x", NOW + 600)), Some(50_027));
    assert_eq!(code(entra, &assertion("RS256", "x5t", &audience, NOW)), Some(700_027));
}

#[test]
fn the_configuration_leads_to_the_token_endpoint() {
    let mut bench = Bench::new(1);
    let tenant = bench.world.tenant_id;
    let configuration = bench.read(&format!("/{tenant}/v2.0/.well-known/openid-configuration"));
    let endpoint = format!("https://login.example.no/{tenant}/oauth2/v2.0/token");
    assert_eq!(configuration["token_endpoint"], endpoint);
    assert_eq!(bench.read(&format!("/{tenant}/discovery/v2.0/keys"))["keys"], body!([]));
    assert_eq!(bench.get("/common/v2.0/.well-known/openid-configuration").status, 400);
}

#[test]
fn graph_takes_only_its_own_tokens_while_they_are_good() {
    let mut bench = Bench::new(1);
    let invalid = (401, "InvalidAuthenticationToken".to_owned());
    let good = bench.token.clone();
    assert_eq!(bench.get("/v1.0/users").status, 200);
    for wrong in ["", "x.y.z", &format!("{good}x"), &Bench::new(2).token] {
        wrong.clone_into(&mut bench.token);
        assert_eq!(bench.refusal("/v1.0/users"), invalid);
    }
    bench.entra.options.token_life_s = 0;
    bench.token = fresh_token(&mut bench.entra, &bench.world);
    assert_eq!(bench.refusal("/v1.0/users"), invalid);
}

#[test]
fn missing_consent_shows_only_as_forbidden() {
    let mut bench = Bench::new(1);
    bench.entra.options.roles = vec!["User.Read.All".to_owned()];
    bench.token = fresh_token(&mut bench.entra, &bench.world);
    assert_eq!(bench.get("/v1.0/users/delta").status, 200);
    let denied = (403, "Authorization_RequestDenied".to_owned());
    assert_eq!(bench.refusal("/v1.0/groups/delta"), denied);
}
