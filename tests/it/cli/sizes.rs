//! The program itself against a tenant that sends what is too large, or what nobody can read.

use serde_json::json;

use super::site::Site;

#[test]
fn what_a_tenant_sends_ends_no_process_whatever_its_size_and_form() {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    let (writes, active) = (site.writes(), site.active());
    for distortion in [
        json!({ "large": 110 }),
        json!({ "large": 400 }),
        json!("no_objects"),
        json!("no_ids"),
        json!("null_links"),
        json!("all_types"),
    ] {
        for _ in 0..2 {
            let faults = json!({ "distort": distortion, "expire_links": "gone" });
            site.break_down(&json!({ "graph": faults }));
            site.run(&["sync"]).expect(0);
        }
        assert_eq!((site.writes(), site.active()), (writes, active.clone()), "{distortion}");
    }
    site.break_down(&json!({ "graph": { "long_links": [4, 1_000], "expire_links": "gone" } }));
    site.run(&["sync"]).expect(69);
    site.break_down(&json!({ "graph": {} }));
    site.run(&["state", "verify"]).expect(0);
    assert_eq!(site.writes(), writes);
}
