//! Permissions, without any network.

use std::collections::BTreeSet;

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
