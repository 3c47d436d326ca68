//! Reads `[notices]`: who is told when somebody should look.

use url::Url;

use super::reading::{Entry, Reading, Table, Wrong};
use super::{Mail, Notices};

pub(super) fn read(mut table: Table, reading: &mut Reading<'_>) -> Notices {
    let languages = [("en", "en"), ("nb", "nb"), ("sv", "sv")];
    let language = table
        .optional("language", reading, |entry| entry.choice(&languages))
        .unwrap_or("en")
        .to_owned();
    let file = |entry: &Entry| Ok(entry.filled()?.to_owned());
    let webhook = table.optional("webhook_url_file", reading, file);
    let webhook_url_file = webhook.map(|file| reading.secret_file(&file));
    let mail = mail(&mut table, reading);
    let mut ping = |name| table.optional(name, reading, Entry::url);
    let (start, success, fail) =
        (ping("ping_start_url"), ping("ping_success_url"), ping("ping_fail_url"));
    table.finish(reading);
    Notices {
        language,
        webhook_url_file,
        mail,
        ping_start_url: start,
        ping_success_url: success,
        ping_fail_url: fail,
    }
}

/// All of what mail needs, or none of it.
fn mail(table: &mut Table, reading: &mut Reading<'_>) -> Option<Mail> {
    let names = ["mail_server", "mail_from", "mail_to", "mail_user", "mail_password_file"];
    let [server, from, to, user, password] = names.map(|name| table.take(name));
    let Some(server) = server else {
        for entry in [from, to, user, password].into_iter().flatten() {
            reading.refuse(&entry.name, &entry.key, "needs `mail_server` beside it");
        }
        return None;
    };
    for (name, is_there) in [("mail_from", from.is_some()), ("mail_to", to.is_some())] {
        if !is_there {
            reading.refuse(&server.name, &server.key, format!("needs `{name}` beside it"));
        }
    }
    if let (Some(alone), None) | (None, Some(alone)) = (&user, &password) {
        let message = "mail_user and mail_password_file belong together";
        reading.refuse(&alone.name, &alone.key, message);
    }
    let address = reading.at(&server, mail_server);
    let from = from.and_then(|entry| reading.at(&entry, mail_address));
    let to = to.map_or_else(Vec::new, |entry| mail_addresses(&entry, reading));
    let text = |entry: &Entry| Ok(entry.filled()?.to_owned());
    let user = user.and_then(|entry| reading.at(&entry, text));
    let password = password.and_then(|entry| reading.at(&entry, text));
    Some(Mail {
        server: address?,
        from: from?,
        to,
        user: user.zip(password.map(|file| reading.secret_file(&file))),
    })
}

fn mail_server(entry: &Entry) -> Result<Url, Wrong> {
    const EXPECTED: &str =
        "expected smtps://HOST, or smtp:// with a loopback address for a relay on this machine";
    let url = Url::parse(entry.filled()?).map_err(|_| EXPECTED)?;
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let address = host.parse::<std::net::IpAddr>();
    let is_local = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    let fits = match url.scheme() {
        "smtps" => !host.is_empty(),
        "smtp" => is_local,
        _ => false,
    };
    let is_bare = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    if fits && is_bare { Ok(url) } else { Err(EXPECTED.into()) }
}

fn mail_address(entry: &Entry) -> Result<String, Wrong> {
    let text = entry.filled()?;
    let (name, host) = text.split_once('@').unwrap_or_default();
    let is_plain = !text.contains(|one: char| one.is_whitespace() || one.is_control());
    if is_plain && !name.is_empty() && !host.is_empty() {
        return Ok(text.to_owned());
    }
    Err("expected a mail address, as drift@example.no".into())
}

fn mail_addresses(entry: &Entry, reading: &mut Reading<'_>) -> Vec<String> {
    const EXPECTED: &str = "expected a list of mail addresses, as [\"drift@example.no\"]";
    let items = entry.node.items().unwrap_or_default();
    if items.is_empty() {
        reading.refuse(&entry.node.place, &entry.key, EXPECTED);
    }
    let mut addresses = Vec::new();
    for (index, node) in items.into_iter().enumerate() {
        let key = format!("{}[{index}]", entry.key);
        let item = Entry { key, name: entry.name.clone(), node };
        addresses.extend(reading.at(&item, mail_address));
    }
    addresses
}
