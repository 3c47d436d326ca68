//! What is said again, and what is not.

use super::*;

#[test]
fn the_same_again_is_counted_and_told_when_its_time_is_over() {
    let mut lines = Lines::default();
    let at = Duration::from_secs;
    assert!(lines.shows("no answer".to_owned(), at(0)));
    assert!(!lines.shows("no answer".to_owned(), at(60)));
    assert!(!lines.shows("no answer".to_owned(), at(599)));
    assert!(lines.shows("something else".to_owned(), at(70)));
    assert_eq!(lines.take_over(at(599)), []);
    assert_eq!(lines.take_over(at(670)), [("no answer".to_owned(), 2)]);
    assert!(lines.shows("no answer".to_owned(), at(671)), "and then it is news again");
}

#[test]
fn many_different_lines_are_not_remembered_for_ever() {
    let mut lines = Lines::default();
    for number in 0..2 * KNOWN_MAX {
        assert!(lines.shows(number.to_string(), Duration::ZERO));
    }
    assert_eq!(lines.0.len(), KNOWN_MAX);
}
