//! What is told apart from the linked one, and what is not.

use super::Marks;
use crate::core::model::{AttrPath, Attributes, Datum};

const OURS: &str = "a0000000-0000-4000-8000-000000000012";

fn texts(all: &[(AttrPath, &str)]) -> Attributes {
    all.iter().map(|(path, text)| (path.clone(), Datum::Text((*text).into()))).collect()
}

fn marks(answered: &Attributes, tells_id: bool) -> Marks {
    let (id, name) = (AttrPath::external_id(), AttrPath::user_name());
    let sent = texts(&[(id, OURS), (name.clone(), "arne@example.no")]);
    Marks::new(OURS, &name, (&sent, answered), Some("arne.ny@example.no"), tells_id)
}

#[test]
fn what_shows_neither_our_id_nor_a_name_of_ours_is_another() {
    let (board, okta) = (Some("board@example.no"), Some("okta-1"));
    let marks = marks(&Attributes::new(), true);
    assert!(marks.is_another(okta, board));
    assert!(marks.is_another(None, board), "where the target shows our ids, none is another one");
    assert!(marks.is_another(Some(" "), board));
    for name in ["arne@example.no", "ARNE@example.no ", "arne.ny@example.no"] {
        assert!(!marks.is_another(okta, Some(name)), "{name} is its own");
    }
    assert!(!marks.is_another(Some(OURS), board), "renamed by somebody");
    assert!(!marks.is_another(Some(&OURS.to_uppercase()), board));
}

#[test]
fn what_is_not_told_or_never_was_makes_nothing_another() {
    let board = Some("board@example.no");
    for untold in [None, Some(""), Some(" ")] {
        assert!(!marks(&Attributes::new(), true).is_another(Some("okta-1"), untold));
    }
    assert!(!marks(&Attributes::new(), false).is_another(None, board));
    let dropped = [(AttrPath::external_id(), Datum::Null)].into();
    assert!(!marks(&dropped, true).is_another(None, board), "it never showed our id");
    assert!(!Marks::default().is_another(Some("okta-1"), board), "nothing is known of it");
}

#[test]
fn what_is_gone_is_found_again_by_our_id_or_by_its_name_alone() {
    let (known, silent) = (marks(&Attributes::new(), true), marks(&Attributes::new(), false));
    let (board, arne) = (Some("board@example.no"), Some("Arne@example.no"));
    assert!(known.may_be_again(Some(OURS), board));
    assert!(known.may_be_again(None, arne) && silent.may_be_again(None, board));
    assert!(!known.may_be_again(None, board) && !known.may_be_again(None, None));
    assert!(!known.may_be_again(Some("okta-1"), arne));
}

#[test]
fn what_the_target_made_of_our_values_is_ours() {
    let (id, name) = (AttrPath::external_id(), AttrPath::user_name());
    let answered = texts(&[(id, "x-12"), (name, "arne")]);
    let marks = marks(&answered, true);
    assert!(!marks.is_another(Some("x-12"), Some("board@example.no")));
    assert!(!marks.is_another(Some("okta-1"), Some("Arne")));
    assert!(marks.is_another(Some("okta-1"), Some("board@example.no")));
}
