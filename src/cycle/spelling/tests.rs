//! What is meant by an id in another letter case.

use super::ById;
use crate::core::model::ScimId;

fn ids(all: &[&str]) -> ById<usize> {
    let mut ids = ById::default();
    for (number, id) in all.iter().enumerate() {
        ids.insert(ScimId::new(id), number);
    }
    ids
}

fn meant<'a>(ids: &'a ById<usize>, told: &str) -> Option<&'a str> {
    ids.meant(&ScimId::new(told)).map(ScimId::as_str)
}

#[test]
fn an_id_is_exactly_one_or_the_only_one_in_another_letter_case() {
    let mut ids = ids(&["abc", "ABD", "Abe", "aBe", "abf", "ABF"]);
    assert_eq!(meant(&ids, "ABC"), Some("abc"));
    assert_eq!(meant(&ids, "abd"), Some("ABD"));
    assert_eq!(meant(&ids, "aBd"), Some("ABD"));
    assert_eq!(meant(&ids, "abe"), None, "of two none is meant");
    assert_eq!(meant(&ids, "Abe"), Some("Abe"));
    assert_eq!(meant(&ids, "ABF"), Some("ABF"));
    assert_eq!(meant(&ids, "Abf"), None);
    assert_eq!(meant(&ids, "x"), None);
    ids.remove(&ScimId::new("aBe"));
    assert_eq!(meant(&ids, "abe"), Some("Abe"));
    ids.remove(&ScimId::new("abc"));
    assert_eq!(meant(&ids, "ABC"), None);
}

#[test]
fn only_an_id_whose_letter_case_says_nothing_has_an_owner_in_another_one() {
    let ids = ids(&["2f1c8a9e-0000-4000-8000-00000000abcd", "0015000000Gv7qJ"]);
    let owner = |told: &str| ids.owner(&ScimId::new(told)).copied();
    assert_eq!(owner("2F1C8A9E-0000-4000-8000-00000000ABCD"), Some(0));
    assert_eq!(owner("0015000000Gv7qJ"), Some(1));
    assert_eq!(owner("0015000000gV7qJ"), None);
}
