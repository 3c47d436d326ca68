//! A line of JSON does nothing.

use super::*;

#[test]
fn a_line_of_json_is_the_same_text_and_does_nothing() {
    assert_eq!(escaped("{\"m\":\"a\u{9b}\u{202e}b\"}\n"), "{\"m\":\"a\\u009b\\u202eb\"}\n");
}
