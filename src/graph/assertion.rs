//! The signed statement that proves possession of a certificate (RFC 7523; Entra's "Certificate
//! credentials"): PS256 with the SHA-256 thumbprint.
//!
//! RSA only: Entra registers no other key. Whether the certificate is still valid is left to Entra.

use std::sync::Arc;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{SignatureAlgorithm, SignatureScheme};
use secrecy::SecretString;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::core::model::Timestamp;

/// `client_assertion_type` of a JWT (RFC 7523 §2.2).
pub(super) const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The statement counts from a little before now, so that a clock which is slightly ahead of Entra's
/// is forgiven.
const SKEW_SECONDS: i64 = 10;

/// Life of a statement; Entra recommends five to ten minutes.
const LIFE_SECONDS: i64 = 600;

/// What is stated.
pub(super) struct Claims<'a> {
    /// The token endpoint.
    pub(super) audience: &'a str,
    /// Issuer and subject alike.
    pub(super) client_id: &'a str,
    /// Never used twice.
    pub(super) id: String,
    /// Wall-clock time.
    pub(super) now: Timestamp,
}

/// Signs the claims. The error names what is wrong with the files, not what is in them.
pub(super) fn sign(
    claims: &Claims<'_>,
    certificate_pem: &str,
    key_pem: &str,
) -> Result<SecretString, String> {
    let certificate = CertificateDer::from_pem_slice(certificate_pem.as_bytes())
        .map_err(|_| "the certificate file holds no PEM certificate".to_owned())?;
    let key = rsa_key(key_pem)?;
    CertifiedKey::new(vec![certificate.clone()], Arc::clone(&key))
        .keys_match()
        .map_err(|_| "the private key does not belong to the certificate".to_owned())?;
    let not_before = claims.now.0.div_euclid(1000) - SKEW_SECONDS;
    let header = json!({
        "alg": "PS256",
        "typ": "JWT",
        "x5t#S256": BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(&certificate)),
    });
    let body = json!({
        "aud": claims.audience,
        "iss": claims.client_id,
        "sub": claims.client_id,
        "jti": claims.id,
        "iat": not_before,
        "nbf": not_before,
        "exp": not_before + LIFE_SECONDS,
    });
    let text = format!(
        "{}.{}",
        BASE64_URL_SAFE_NO_PAD.encode(header.to_string()),
        BASE64_URL_SAFE_NO_PAD.encode(body.to_string())
    );
    let signature = key
        .choose_scheme(&[SignatureScheme::RSA_PSS_SHA256])
        .ok_or("the private key cannot sign with PS256")?
        .sign(text.as_bytes())
        .map_err(|error| format!("the private key cannot sign: {error}"))?;
    Ok(SecretString::from(format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))))
}

fn rsa_key(key_pem: &str) -> Result<Arc<dyn SigningKey>, String> {
    if key_pem.contains("ENCRYPTED") {
        return Err("the private key is encrypted; give it without a passphrase".to_owned());
    }
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes())
        .map_err(|_| "the private key file holds no PEM private key".to_owned())?;
    let key = rustls::crypto::ring::sign::any_supported_type(&key)
        .map_err(|_| "the private key is of a kind that cannot be used".to_owned())?;
    if key.algorithm() == SignatureAlgorithm::RSA {
        Ok(key)
    } else {
        Err("the private key is not RSA, and Entra accepts RSA certificates only".to_owned())
    }
}
