//! How things stand, in words.

use super::rewritten;

#[test]
fn a_changed_login_name_is_told_with_what_it_means() {
    let login = "userName: the platform keeps another value for 3 people; their login name is what the platform shows";
    assert_eq!(rewritten("userName", 3), login);
    assert_eq!(rewritten("title", 1), "title: the platform keeps another value for 1 person");
    let group = "displayName: the platform keeps another value for 2 groups";
    assert_eq!(rewritten("groups.displayName", 2), group);
}
