//! The program itself against a tenant that sends what is too large, or what nobody can read.

use rustix::process::Signal;
use serde_json::json;

use super::control::{serving, signal, stop};
use super::site::Site;

#[test]
fn what_a_tenant_sends_ends_no_process_whatever_its_size_and_form() {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    let (writes, active) = (site.writes(), site.active());
    for (distortion, code) in [
        (json!({ "large": 110 }), 0),
        (json!({ "large": 400 }), 0),
        // Somebody is there, and nobody knows who.
        (json!("no_objects"), 3),
        (json!("no_ids"), 3),
        (json!("null_links"), 0),
        (json!("all_types"), 0),
    ] {
        for _ in 0..2 {
            let faults = json!({ "distort": distortion, "expire_links": "gone" });
            site.break_down(&json!({ "graph": faults }));
            site.run(&["sync"]).expect(code);
        }
        assert_eq!((site.writes(), site.active()), (writes, active.clone()), "{distortion}");
    }
    site.break_down(&json!({ "graph": { "long_links": [4, 1_000], "expire_links": "gone" } }));
    site.run(&["sync"]).expect(69);
    site.break_down(&json!({ "graph": {} }));
    site.run(&["state", "verify"]).expect(0);
    assert_eq!(site.writes(), writes);
}

#[test]
fn a_configuration_of_any_size_leaves_the_service_as_it_was() {
    let (site, service) = serving();
    let good = std::fs::read_to_string(site.config()).unwrap();
    for size in [100 * 1024, 1_000_000, 10_000_000] {
        let large = "x".repeat(size);
        for text in [
            format!("{good}\n# {large}\n"),
            format!("{large} = 1\n{good}"),
            format!("{good}\n[{large}]\n"),
            format!("[status]\ntitle = \"{large}\"\n{good}"),
        ] {
            std::fs::write(site.config(), text).unwrap();
            let ended = site.run(&["check"]);
            assert!([0, 78].contains(&ended.code), "{size}: {}", ended.talk);
            assert!(
                ended.data.len() + ended.talk.len() < 20_000,
                "{size}: what is said is as large"
            );
            signal(&service, Signal::HUP);
        }
        std::fs::write(site.config(), &good).unwrap();
        signal(&service, Signal::HUP);
        let leaver = site.disable(1).remove(0);
        site.run(&["sync"]).expect(0);
        assert!(!site.active().contains(&leaver), "{size}");
    }
    stop(service);
}
