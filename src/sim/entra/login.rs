//! The login endpoint: tokens for client credentials, and the metadata that libraries ask for first.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::query::Target;
use super::reply::{Refusal, Stamp};
use super::{Entra, EntraOptions};
use crate::sim::http::{Request, Response};
use crate::sim::world::World;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What an access token claims, as far as it counts.
#[derive(Debug, Clone)]
pub(super) struct Claims {
    /// Unix time in seconds.
    exp: u64,
    roles: Vec<String>,
}

impl Entra {
    pub(super) fn login(
        &mut self,
        world: &World,
        req: &Request,
        target: &Target,
        stamp: &Stamp,
    ) -> Response {
        let path: Vec<&str> = target.path.iter().map(String::as_str).collect();
        let (tenant, rest) = path.split_first().unwrap_or((&"", &[]));
        let ours = tenant.eq_ignore_ascii_case(&world.tenant_id.to_string())
            || tenant.eq_ignore_ascii_case(&world.domain);
        match (req.method.as_str(), rest) {
            ("POST" | "GET", _) if !ours => self.login_refusal(90_002, stamp),
            ("POST", ["oauth2", "v2.0", "token"]) => match self.grant(world, req, tenant, stamp) {
                Ok(response) => response,
                Err(code) => self.login_refusal(code, stamp),
            },
            ("GET", ["v2.0", ".well-known", "openid-configuration"]) => {
                stamp.login_json(200, &self.openid_configuration(tenant))
            }
            ("GET", ["discovery", "v2.0", "keys"]) => stamp.login_json(200, &json!({ "keys": [] })),
            _ => stamp.refuse(&Refusal::new(404, "NotFound", "There is no such page.")),
        }
    }

    fn login_refusal(&self, code: u32, stamp: &Stamp) -> Response {
        let (status, error, text) = explain(code);
        stamp.login_error(status, error, code, text, &self.options.login_url)
    }

    fn openid_configuration(&self, tenant: &str) -> Value {
        let base = format!("{}/{tenant}", self.options.login_url);
        json!({
            "issuer": format!("{base}/v2.0"),
            "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
            "token_endpoint": format!("{base}/oauth2/v2.0/token"),
            "jwks_uri": format!("{base}/discovery/v2.0/keys"),
            "token_endpoint_auth_methods_supported":
                ["client_secret_post", "private_key_jwt", "client_secret_basic"],
            "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
            "response_modes_supported": ["query", "fragment", "form_post"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
        })
    }

    /// Checks a token request in the order in which Entra complains.
    fn grant(
        &self,
        world: &World,
        req: &Request,
        tenant: &str,
        stamp: &Stamp,
    ) -> Result<Response, u32> {
        if let Some(code) = self.faults.refuse_token {
            return Err(code);
        }
        let form: BTreeMap<String, String> =
            url::form_urlencoded::parse(&req.body).into_owned().collect();
        let field =
            |name: &str| form.get(name).map(String::as_str).filter(|value| !value.is_empty());
        let basic = req.header("authorization").and_then(basic_credentials);
        match field("grant_type") {
            None => return Err(900_144),
            Some("client_credentials") => {}
            Some(_) => return Err(70_003),
        }
        let basic_id = basic.as_ref().map(|(id, _)| id.as_str());
        let client_id = field("client_id").or(basic_id).ok_or(900_144_u32)?;
        if !client_id.eq_ignore_ascii_case(&self.options.client_id) {
            return Err(700_016);
        }
        let secret = field("client_secret").or(basic.as_ref().map(|(_, secret)| secret.as_str()));
        match (secret, field("client_assertion")) {
            (Some(secret), _) if secret == self.options.client_secret => {}
            (Some(_), _) => return Err(7_000_215),
            (None, Some(assertion)) => {
                if field("client_assertion_type") != Some(ASSERTION_TYPE) {
                    return Err(900_144);
                }
                self.check_assertion(assertion, tenant, stamp.now_unix_s)?;
            }
            (None, None) => return Err(7_000_218),
        }
        let scope = field("scope").ok_or(900_144_u32)?;
        if scope != format!("{}/.default", self.options.graph_url) {
            return Err(70_011);
        }
        let body = json!({
            "token_type": "Bearer",
            "expires_in": self.options.token_life_s,
            "ext_expires_in": self.options.token_life_s,
            "access_token": self.issue(world, stamp),
        });
        Ok(stamp.login_json(200, &body))
    }

    /// Checks everything about a client assertion but its signature (Entra: "Certificate credentials").
    fn check_assertion(&self, assertion: &str, tenant: &str, now_unix_s: u64) -> Result<(), u32> {
        let mut parts = assertion.split('.');
        let mut part = || parts.next().and_then(decode_json).ok_or(50_027_u32);
        let (header, claims) = (part()?, part()?);
        let thumbprint =
            ["x5t", "x5t#S256"].iter().any(|name| header.get(*name).is_some_and(Value::is_string));
        let algorithm = header.get("alg").and_then(Value::as_str);
        let client = Some(self.options.client_id.as_str());
        let claim = |name: &str| claims.get(name).and_then(Value::as_str);
        let audience = format!("{}/{tenant}/oauth2/v2.0/token", self.options.login_url);
        let expires = claims.get("exp").and_then(Value::as_u64).unwrap_or_default();
        if !matches!(algorithm, Some("RS256" | "PS256")) || !thumbprint {
            return Err(50_027);
        }
        if claim("iss") != client || claim("sub") != client || claim("aud") != Some(&audience) {
            return Err(50_027);
        }
        if expires <= now_unix_s || !self.options.accept_unsigned_assertions {
            return Err(700_027);
        }
        Ok(())
    }

    fn issue(&self, world: &World, stamp: &Stamp) -> String {
        let EntraOptions { client_id, graph_url, roles, token_life_s, .. } = &self.options;
        let header = json!({ "typ": "JWT", "alg": "RS256", "kid": "simulated" });
        let roles = self.faults.roles.as_ref().unwrap_or(roles);
        let mut claims = json!({
            "aud": graph_url,
            "iss": format!("{}/{}/", self.options.login_url, world.tenant_id),
            "iat": stamp.now_unix_s,
            "nbf": stamp.now_unix_s,
            "exp": stamp.now_unix_s + token_life_s,
            "appid": client_id,
            "idtyp": "app",
            "roles": roles,
            "tid": world.tenant_id,
            "uti": stamp.request_id,
            "ver": "1.0",
        });
        // Entra leaves the claim out where nothing is granted.
        if let (true, Some(claims)) = (roles.is_empty(), claims.as_object_mut()) {
            claims.remove("roles");
        }
        let signed =
            [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
        let signature = URL_SAFE_NO_PAD.encode(self.seal(world, signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// The roles of the request's access token, if it is one of ours and still good.
    pub(super) fn check_access_token(
        &mut self,
        world: &World,
        req: &Request,
        now_unix_s: u64,
    ) -> Result<Vec<String>, Refusal> {
        let bearer = req.header("authorization").and_then(|header| header.split_once(' '));
        let bearer = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let token = bearer.map(|(_, token)| token.trim()).unwrap_or_default();
        if !self.opened.contains_key(token)
            && let Some(claims) = self.open_access_token(world, token)
        {
            self.opened.insert(token.to_owned(), claims);
        }
        let claims = self.opened.get(token).filter(|claims| now_unix_s < claims.exp);
        let roles = claims.map(|claims| claims.roles.clone());
        roles.ok_or_else(|| Refusal::unauthorized(&self.options))
    }

    /// What the token claims, if its seal is ours.
    fn open_access_token(&self, world: &World, token: &str) -> Option<Claims> {
        let (signed, signature) = token.rsplit_once('.')?;
        let expected = URL_SAFE_NO_PAD.encode(self.seal(world, signed.as_bytes()));
        let claims = decode_json(signed.split_once('.')?.1)?;
        let roles = claims.get("roles").and_then(Value::as_array).into_iter().flatten();
        let roles = roles.filter_map(Value::as_str).map(str::to_owned).collect();
        let exp = claims.get("exp")?.as_u64()?;
        (signature == expected).then_some(Claims { exp, roles })
    }
}

/// Client id and secret of HTTP Basic, both form-encoded (RFC 6749 section 2.3.1).
fn basic_credentials(header: &str) -> Option<(String, String)> {
    let decoded = String::from_utf8(STANDARD.decode(header.strip_prefix("Basic ")?).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    let decode = |text: &str| {
        url::form_urlencoded::parse(format!("={text}").as_bytes())
            .map(|(_, value)| value.into_owned())
            .next()
    };
    Some((decode(id)?, decode(secret)?))
}

/// Libraries pad or do not pad.
fn decode_json(part: &str) -> Option<Value> {
    let bytes = URL_SAFE_NO_PAD.decode(part).or_else(|_| URL_SAFE.decode(part)).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Status, OAuth error and text of an AADSTS code (Entra: "error codes").
fn explain(code: u32) -> (u16, &'static str, &'static str) {
    match code {
        7_000_215 => (
            401,
            "invalid_client",
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID.",
        ),
        7_000_222 => {
            (401, "invalid_client", "The provided client secret keys for app are expired.")
        }
        7_000_218 => (
            401,
            "invalid_client",
            "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
        ),
        700_027 => (
            401,
            "invalid_client",
            "The certificate with identifier used to sign the client assertion is not registered on application.",
        ),
        50_027 => (401, "invalid_client", "JWT token is invalid or malformed."),
        700_016 => (400, "unauthorized_client", "Application was not found in the directory."),
        7_000_112 => (400, "unauthorized_client", "Application is disabled."),
        90_002 => (400, "invalid_request", "Tenant was not found."),
        900_144 => {
            (400, "invalid_request", "The request body must contain the required parameters.")
        }
        70_011 => (
            400,
            "invalid_scope",
            "The provided value for the input parameter 'scope' is not valid.",
        ),
        70_003 => (400, "unsupported_grant_type", "The app requested an unsupported grant type."),
        53_003 => (400, "invalid_grant", "Access has been blocked by Conditional Access policies."),
        50_000 | 90_033 => {
            (503, "temporarily_unavailable", "A transient error has occurred. Please try again.")
        }
        90_055 => (429, "temporarily_unavailable", "Tenant is throttled. Please try again later."),
        _ => (400, "invalid_request", "The request was refused."),
    }
}
