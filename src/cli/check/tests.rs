//! Permissions and certificates, without any network.
#![expect(clippy::unwrap_used, reason = "tests fail loudly")]

use std::collections::BTreeSet;

use super::certificate::not_after;
use super::permissions::{excess, missing};

fn granted(roles: &[&str]) -> BTreeSet<String> {
    roles.iter().map(|role| (*role).to_owned()).collect()
}

fn least(roles: &[&str]) -> Vec<&'static str> {
    missing(&granted(roles)).iter().map(|need| need.least).collect()
}

#[test]
fn the_least_permissions_and_the_wider_ones_are_enough() {
    assert!(least(&["User.Read.All", "GroupMember.Read.All"]).is_empty());
    assert!(least(&["Directory.Read.All"]).is_empty());
    assert_eq!(least(&["User.Read.All"]), ["GroupMember.Read.All"]);
    assert_eq!(least(&[]), ["User.Read.All", "GroupMember.Read.All"]);
}

#[test]
fn a_permission_that_leaves_properties_empty_is_not_enough() {
    assert_eq!(least(&["User.ReadBasic.All", "GroupMember.Read.All"]), ["User.Read.All"]);
}

#[test]
fn what_may_write_or_is_too_wide_is_named() {
    let found = excess(&granted(&["User.ReadWrite.All", "Group.Read.All", "User.Read.All"]));
    let roles: Vec<_> = found.iter().map(|(role, _)| role.as_str()).collect();
    assert_eq!(roles, ["User.ReadWrite.All", "Group.Read.All"]);
    assert!(excess(&granted(&["User.Read.All", "GroupMember.Read.All"])).is_empty());
}

#[test]
fn the_end_of_a_certificate_is_read_in_both_forms_of_time() {
    for (year, expected) in [(2031, "2031-05-06T00:00:00Z"), (2060, "2060-05-06T00:00:00Z")] {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters =
            rcgen::CertificateParams::new(vec!["a.example.no".to_owned()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(year, 5, 6);
        let pem = parameters.self_signed(&key).unwrap().pem();
        assert_eq!(not_after(&pem).unwrap().to_string(), expected);
    }
    for wrong in ["", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----"] {
        assert_eq!(not_after(wrong), None);
    }
}
