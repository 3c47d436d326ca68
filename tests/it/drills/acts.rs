//! How each drill is brought about: the real service against the simulated ones.

use std::fs;
use std::io::Write;
use std::path::Path;

use manntall::clock::{Clock, SystemClock};
use serde_json::{Value, json};

use super::seen::{Seen, Service};
use crate::cli::service::wait_until;
use crate::cli::site::Site;

/// A site on which everything is done.
fn calm(more: &str) -> Site {
    let site = Site::with(&["--users", "60"], more);
    site.run(&["sync"]).expect(0);
    site
}

/// The value by which a state of tenant and platform is told.
fn pair(state: &str) -> String {
    format!(r#"manntall_pair_state{{tenant="asker",target="platform",state="{state}"}} 1"#)
}

fn own(kind: &str) -> String {
    format!(r#"manntall_own_trouble{{kind="{kind}"}} 1"#)
}

fn broken_graph(faults: &Value, words: &str, alert: &str, state: &str) -> Seen {
    let site = calm("");
    site.break_down(&json!({ "graph": faults }));
    Service::start(&site).see(words, alert, &pair(state))
}

pub(super) fn consent_withdrawn() -> Seen {
    let faults = json!({ "forbidden": true });
    broken_graph(&faults, "GroupMember.Read.All", "ManntallQuarantined", "quarantined")
}

pub(super) fn secret_expired() -> Seen {
    let faults = json!({ "refuse_token": 7_000_222 });
    broken_graph(&faults, "AADSTS7000222", "ManntallQuarantined", "quarantined")
}

pub(super) fn proxy_login_page() -> Seen {
    let faults = json!({ "html_page": true });
    broken_graph(&faults, "Everything known stays as it is", "ManntallDegraded", "degraded")
}

pub(super) fn unknown_authority() -> Seen {
    let site = Site::new();
    let key = rcgen::KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    fs::write(site.path("tls.crt"), certificate.pem()).unwrap();
    fs::write(site.path("tls.key"), key.serialize_pem()).unwrap();
    let file = |name| site.path(name).to_str().unwrap().to_owned();
    let (certificate, key) = (file("tls.crt"), file("tls.key"));
    let other = Site::with(&["--tls-cert", &certificate, "--tls-key", &key], "");
    // The same tenant, behind another certificate.
    let config = fs::read_to_string(site.config()).unwrap();
    let config = config.replace(site.said("graph_url"), other.said("graph_url"));
    fs::write(site.config(), config).unwrap();
    Service::start(&site).see(
        "Everything known stays as it is",
        "ManntallDegraded",
        &pair("degraded"),
    )
}

pub(super) fn clock_wrong() -> Seen {
    let site = calm("");
    let now = jiff::Timestamp::from_millisecond(SystemClock::start().now().0).unwrap();
    let later = now + jiff::SignedDuration::from_mins(10);
    let date = later.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    site.break_down(&json!({ "graph": { "date": date } }));
    let service = Service::start(&site);
    wait_until("it is noticed", || service.get("metrics").contains(&own("clock")));
    let skew = "manntall_clock_skew_seconds{";
    let seen = service.see("clock of this machine", "ManntallClockSkew", skew);
    let skew = service.get("metrics");
    let skew = skew.lines().find(|line| line.starts_with("manntall_clock_skew_seconds{")).unwrap();
    let skew: f64 = skew.rsplit(' ').next().unwrap().parse().unwrap();
    assert!((-660.0..-500.0).contains(&skew), "the alert is about {skew}");
    seen
}

pub(super) fn disk_full() -> Option<Seen> {
    let site = Site::with(&["--users", "60"], "");
    let socket = site.path("control.sock");
    site.configure_first(&format!("control_socket = \"{}\"", socket.display()));
    let service = Service::start_on(&site, Some(96 * 1024))?;
    let everybody = site.employees().len();
    wait_until("the first import", || site.active().len() == everybody);
    wait_until("it rests", || service.get("metrics").contains(&pair("idle")));
    // The service's own view of its disk.
    let disk = Path::new("/proc").join(service.process.0.id().to_string());
    let filler = disk.join("root").join(site.state().strip_prefix("/").unwrap()).join("filler");
    let mut file = fs::File::create(&filler).unwrap();
    for size in [1 << 20, 4096] {
        while file.write_all(&vec![7; size]).is_ok() {}
    }
    let before = site.writes();
    let leaver = site.disable(1).remove(0);
    let mut seen = service.see("no room", "ManntallDiskFull", &own("disk_full"));
    // Which file is met first is a matter of chance.
    for text in [&mut seen.status, &mut seen.log] {
        let (before, rest) = text.split_once("to write the store: ").unwrap();
        let (detail, after) = rest.split_once(". Nothing is read").unwrap();
        assert!(detail.contains("/var/lib/manntall/"), "{detail}");
        *text = format!(
            "{before}to write the store: (the file, and what the system says). Nothing is read{after}"
        );
    }
    // Nothing is sent, everything answers, and a command says why nothing is done.
    assert_eq!(site.writes(), before, "something was sent that is not on record");
    assert!(site.active().contains(&leaver));
    let refused = site.run(&["pause"]).expect(1);
    assert!(refused.talk.contains("not done") && refused.talk.contains("df -h"));
    assert!(service.get("livez").starts_with("HTTP/1.1 200"));
    assert!(service.get("healthz").starts_with("HTTP/1.1 503"));
    assert_eq!(site.run(&["status", "--check"]).code, 2);
    drop(file);
    fs::remove_file(filler).unwrap();
    wait_until("it goes on by itself", || !site.active().contains(&leaver));
    wait_until("it is told", || {
        service.get("metrics").contains(&own("disk_full").replace(" 1", " 0"))
    });
    site.run(&["sync"]).expect(0);
    site.run(&["status", "--check"]).expect(0);
    Some(seen)
}

pub(super) fn hold() -> Seen {
    let site = calm("");
    site.disable(12);
    let trips = "manntall_held_oldest_timestamp_seconds{target=\"platform\"} ";
    Service::start(&site).see("budget.deactivate", "ManntallHeld", trips)
}

pub(super) fn quarantine() -> Seen {
    let site = calm("");
    site.secret("platform.token", "k7Qv3x9Zr2Lw8");
    site.disable(1);
    let sample = pair("quarantined");
    Service::start(&site).see("nothing is sent there", "ManntallQuarantined", &sample)
}

pub(super) fn one_mail_for_two() -> Seen {
    let named = "\n[targets.platform.account]\n\
                 userName = 'person.mail if person.mail else person.userPrincipalName'\n";
    let site = calm(named);
    let people = site.employees();
    for (id, _) in people.iter().take(2) {
        let mail = "felles@asker.example.no";
        site.happen(&json!({ "event": "set_property", "user": id, "name": "mail", "value": mail }));
    }
    let stuck = "manntall_escrow_oldest_timestamp_seconds{target=\"platform\"} ";
    Service::start(&site).see("stuck", "ManntallStuck", stuck)
}

pub(super) fn seat_limit() -> Seen {
    let site = calm("");
    site.break_down(&json!({ "scim": { "no_seats": 403 } }));
    let newcomer =
        json!({ "userPrincipalName": "nina.ny@asker.example.no", "displayName": "Nina Ny" });
    let id = "6f0d5b6e-0a0c-4c0e-9b77-2f1f6f7f0001";
    site.happen(&json!({ "event": "hire", "user": id, "properties": newcomer }));
    let seats = "manntall_without_seats{target=\"platform\"} 1";
    Service::start(&site).see("no seat left", "ManntallNoSeats", seats)
}

pub(super) fn second_instance() -> Seen {
    let site = calm("");
    let first = Service::start(&site);
    let socket = site.state().join("control.sock");
    wait_until("the control socket", || std::os::unix::net::UnixStream::connect(&socket).is_ok());
    let second = site.run(&["run"]).expect(11);
    assert!(second.talk.contains(&format!("({})", first.process.0.id())), "{}", second.talk);
    assert!(second.talk.contains("nothing was done"), "{}", second.talk);
    assert!(second.talk.contains("manntall status"), "{}", second.talk);
    first.see("another manntall", "ManntallSecondInstance", &own("rival"))
}

pub(super) fn store_rolled_back() -> Seen {
    let site = calm("");
    let (now, old) = (site.state().join("store"), site.path("old"));
    copy(&now, &old);
    site.disable(1);
    site.run(&["sync"]).expect(0);
    fs::remove_dir_all(&now).unwrap();
    copy(&old, &now);
    // The comparison takes its time, so that the doubt can be looked at.
    let wait = json!([{ "method": "GET" }, { "too_many_requests": { "seconds": 20 } }]);
    site.break_down(&json!({ "scim": { "fail_next": [wait, wait, wait] } }));
    let service = Service::start(&site);
    // What Entra has told meanwhile is planned, and shown as what waits.
    let waits = r#"manntall_pending_operations{target="platform",op="deactivate"} 1"#;
    wait_until("the plan", || service.get("metrics").contains(waits));
    service.see("in doubt", "ManntallStateInDoubt", &own("doubt"))
}

fn copy(from: &Path, to: &Path) {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
