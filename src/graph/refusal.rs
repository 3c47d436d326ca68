//! What Entra's refusals mean and what helps against each ("Microsoft Entra authentication and
//! authorization error codes"). The numbers choose the advice only; what is done about a refusal is
//! decided by whether it can pass by itself.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::answer::tidy;
use super::error::{GraphError, Refusal};

/// Faults of the token service itself, which pass.
const TRANSIENT: [u64; 6] = [90033, 90006, 90012, 90024, 90090, 50000];

/// The tenant is throttled at the token service.
const THROTTLED: u64 = 90055;

/// The error body of the token endpoint (RFC 6749 §5.2 with Entra's additions).
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct EntraError {
    error: String,
    #[serde(default)]
    error_description: Option<String>,
    #[serde(default)]
    error_codes: Vec<u64>,
    #[serde(default)]
    trace_id: Option<String>,
    #[serde(default)]
    correlation_id: Option<String>,
}

impl oauth2::ErrorResponse for EntraError {}

impl fmt::Display for EntraError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error)
    }
}

impl EntraError {
    /// What the refusal means to the caller.
    pub(super) fn meaning(self, host: String) -> GraphError {
        let number = self.error_codes.first().copied();
        if number == Some(THROTTLED) {
            return GraphError::Throttled { host, after: None };
        }
        let code = number.map(|number| format!("AADSTS{number}"));
        if self.error == "temporarily_unavailable" || number.is_some_and(|n| TRANSIENT.contains(&n))
        {
            let what = code.unwrap_or(self.error);
            return GraphError::Unavailable { host, what, after: None };
        }
        let words = self.error_description.as_deref().unwrap_or(&self.error);
        // The ids follow on the same line or the next, and are shown by themselves.
        let words = words.split("Trace ID:").next().unwrap_or(words);
        GraphError::Refused(Box::new(Refusal {
            by: host,
            words: tidy(words, 300),
            code,
            trace_id: self.trace_id.map(|id| tidy(&id, 64)),
            correlation_id: self.correlation_id.map(|id| tidy(&id, 64)),
            hint: number.and_then(hint),
        }))
    }
}

fn hint(number: u64) -> Option<&'static str> {
    Some(match number {
        7_000_215 => {
            "use the value of the client secret, not its id, and check that it belongs to this client_id"
        }
        7_000_222 => "create a new client secret, or move to a certificate",
        700_027 => {
            "upload this certificate to the application, and check the private key and the clock of this machine"
        }
        700_030 | 50012 => "upload this certificate to the application",
        700_016 | 700_011 => {
            "check tenant_id and client_id; an application of another tenant needs admin consent in this one first"
        }
        7_000_112 | 70001 => "enable the enterprise application in Entra",
        90002 => "check tenant_id and cloud",
        900_382 | 90038 => "set the cloud that the tenant is in",
        500_011 | 50001 => "check that graph_url and login_url belong to the same cloud",
        70011 | 700_022 | 28002 => "check graph_url: it must be the bare origin of Graph",
        7_000_218 | 900_144 => "check that the credential of this source is configured",
        53003 | 530_032 => {
            "allow this machine's address in Conditional Access, or exclude the service principal"
        }
        65001 | 90094 => "grant admin consent to the application in this tenant",
        _ => return None,
    })
}

/// Advice for a refusal by Graph itself.
pub(super) fn graph_hint(status: u16) -> &'static str {
    if status == 401 {
        "Graph does not accept tokens of this login_url; check cloud, graph_url and login_url"
    } else {
        "grant the application permissions User.Read.All and GroupMember.Read.All, with admin consent"
    }
}
