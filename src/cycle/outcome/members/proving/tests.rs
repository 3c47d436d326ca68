//! What a form of member changes is taken for, by who was shown before and after it.

use super::*;

fn ids(names: &str) -> BTreeSet<ScimId> {
    names.split_whitespace().map(ScimId::new).collect()
}

fn removal(named: &str, before: &str, after: &str) -> Verdict {
    judge(false, &ids(named), &ids(before), &ids(after))
}

fn addition(named: &str, before: &str, after: &str) -> Verdict {
    judge(true, &ids(named), &ids(before), &ids(after))
}

#[test]
fn a_way_that_takes_out_the_others_is_blamed_at_its_first_use() {
    assert_eq!(removal("a", "a b c d", ""), Verdict::Others(3));
    assert_eq!(removal("a", "a b", ""), Verdict::Others(1));
    assert_eq!(removal("a", "a b c d", "a c d"), Verdict::Others(1), "another one in place of it");
    assert_eq!(addition("d", "a b c", "d"), Verdict::Others(3), "replaced");
}

#[test]
fn one_of_many_who_is_taken_out_at_the_same_moment_is_nobodys_fault() {
    assert_eq!(removal("a", "a b c d", "c d"), Verdict::Open);
    assert_eq!(addition("e", "a b c d", "b c d e"), Verdict::Open);
    assert_eq!(removal("a", "a b c d", "b c d"), Verdict::Proven);
    assert_eq!(addition("a b", "", "a b"), Verdict::Proven);
}

#[test]
fn a_removal_is_proven_only_where_others_could_have_been_taken_out() {
    assert_eq!(removal("a", "a", ""), Verdict::Open);
    assert_eq!(removal("z", "a b", "a b"), Verdict::Open, "who was not shown says nothing");
}

#[test]
fn nobody_changed_is_the_fault_of_the_way_and_one_person_is_not() {
    assert_eq!(removal("a b", "a b c", "a b c"), Verdict::Nobody);
    assert_eq!(addition("a b", "c", "c"), Verdict::Nobody);
    assert_eq!(addition("a", "c", "c"), Verdict::Idle);
    assert_eq!(
        addition("a b", "c", "a c"),
        Verdict::Proven,
        "who is not taken is a matter of its own"
    );
}
