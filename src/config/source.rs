//! Reads `[sources.NAME]`.

use url::Url;

use super::reading::{Entry, Reading, Table};
use super::{Credential, Source};
use crate::core::expression::{Expression, Subject};

/// Everybody but guests.
const KEEP: &str = "user.userType != \"Guest\"";

/// Clouds with Graph's and the login service's origin (Graph, "National cloud deployments").
const CLOUDS: [(&str, (&str, &str)); 4] = [
    ("global", ("https://graph.microsoft.com", "https://login.microsoftonline.com")),
    ("us-gov", ("https://graph.microsoft.us", "https://login.microsoftonline.us")),
    ("us-dod", ("https://dod-graph.microsoft.us", "https://login.microsoftonline.us")),
    ("china", ("https://microsoftgraph.chinacloudapi.cn", "https://login.chinacloudapi.cn")),
];

pub(super) fn read(mut table: Table, reading: &mut Reading<'_>) -> Option<Source> {
    let tenant_id = table.required("tenant_id", "the GUID of the tenant", reading, Entry::guid);
    let expected = "the GUID of the application registered in the tenant";
    let client_id = table.required("client_id", expected, reading, Entry::guid);
    let expires = table.take("client_secret_expires");
    let credential = credential(&mut table, expires.as_ref(), reading);
    let urls = urls(&mut table, reading);
    let keep = table.optional("keep", reading, |entry| entry.filter(Subject::User));
    let keep = match keep {
        Some(keep) => Some(keep),
        None => Expression::parse(KEEP, Subject::User).ok(),
    };
    table.finish(reading);
    let (graph_url, login_url) = urls?;
    Some(Source {
        tenant_id: tenant_id?.to_string(),
        client_id: client_id?.to_string(),
        credential: credential?,
        graph_url,
        login_url,
        keep: keep?,
    })
}

/// `graph_url` and `login_url` where given, else those of `cloud`. One without the other would send
/// the credential to one cloud for a token of another.
fn urls(table: &mut Table, reading: &mut Reading<'_>) -> Option<(Url, Url)> {
    let cloud = table.optional("cloud", reading, |entry| entry.choice(&CLOUDS));
    let graph = table.take("graph_url");
    let login = table.take("login_url");
    let (graph, login) = match (graph, login) {
        (None, None) => {
            let (graph, login) = cloud.unwrap_or(CLOUDS[0].1);
            return Url::parse(graph).ok().zip(Url::parse(login).ok());
        }
        (Some(graph), Some(login)) => (graph, login),
        (Some(alone), None) => {
            reading.refuse(&alone.name, &alone.key, "needs `login_url` beside it");
            return None;
        }
        (None, Some(alone)) => {
            reading.refuse(&alone.name, &alone.key, "needs `graph_url` beside it");
            return None;
        }
    };
    let mut origin = |entry: &Entry| {
        entry.origin().map_err(|wrong| reading.refuse(&entry.node.place, &entry.key, wrong)).ok()
    };
    let (graph, login) = (origin(&graph), origin(&login));
    graph.zip(login)
}

/// Exactly one way to prove who we are.
fn credential(
    table: &mut Table,
    expires: Option<&Entry>,
    reading: &mut Reading<'_>,
) -> Option<Credential> {
    const WAYS: &str = "one of client_secret_file, certificate_file with private_key_file, or \
                        federated_token_file";
    let names =
        ["client_secret_file", "certificate_file", "private_key_file", "federated_token_file"];
    let entries = names.map(|name| table.take(name));
    let day = expires.and_then(|entry| {
        let day = entry.date();
        day.map_err(|wrong| reading.refuse(&entry.node.place, &entry.key, wrong)).ok()
    });
    let files = entries.each_ref().map(|entry| {
        let entry = entry.as_ref()?;
        entry
            .filled()
            .map_err(|wrong| reading.refuse(&entry.node.place, &entry.key, wrong))
            .map(|file| reading.secret_file(file))
            .ok()
    });
    let [secret, certificate, private_key, federated] = &entries;
    let ways = [secret.as_ref(), certificate.as_ref().or(private_key.as_ref()), federated.as_ref()];
    let mut given = ways.into_iter().flatten();
    if given.next().is_none() {
        table.missing("client_secret_file", WAYS, reading);
        return None;
    }
    let mut extra = false;
    for entry in given {
        let message = format!("is a second credential; give {WAYS}");
        reading.refuse(&entry.name, &entry.key, message);
        extra = true;
    }
    for (one, other, name) in [
        (certificate, private_key, "private_key_file"),
        (private_key, certificate, "certificate_file"),
    ] {
        if let (Some(alone), None) = (one, other) {
            reading.refuse(&alone.name, &alone.key, format!("needs `{name}` beside it"));
        }
    }
    if extra {
        return None;
    }
    if let (Some(alone), None) = (expires, secret) {
        reading.refuse(&alone.name, &alone.key, "needs `client_secret_file` beside it");
    }
    Some(match files {
        [Some(file), None, None, None] => Credential::Secret { file, expires: day },
        [None, Some(certificate), Some(private_key), None] => {
            Credential::Certificate { certificate, private_key }
        }
        [None, None, None, Some(token)] => Credential::Federated { token },
        _ => return None,
    })
}
