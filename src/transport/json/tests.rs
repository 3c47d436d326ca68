//! What a strict parser makes of a body that was read leniently.

#![expect(clippy::unwrap_used, reason = "tests fail loudly")]

use bytes::Bytes;
use serde_json::{Value, json};

use super::lenient;

fn read(body: &[u8]) -> Value {
    let text = lenient(&Bytes::copy_from_slice(body));
    serde_json::from_slice(&text).unwrap()
}

#[test]
fn a_body_that_is_in_order_is_given_back_as_it_is() {
    let body =
        Bytes::from_static(br#"{"a":"\ud83d\ude00 \" \\ \\ud83d \/ \u00e5 \n","b":[1, "\t"]}"#);
    assert_eq!(lenient(&body).as_ptr(), body.as_ptr());
    assert_eq!(read(&body)["a"], "\u{1f600} \" \\ \\ud83d / å \n");
}

#[test]
fn half_of_a_surrogate_pair_becomes_one_replacement_character() {
    for (body, text) in [
        (r#"["\ud83d"]"#, "\u{fffd}"),
        (r#"["a\uDE00b"]"#, "a\u{fffd}b"),
        (r#"["\ud83d\ud83d\ude00"]"#, "\u{fffd}\u{1f600}"),
        (r#"["\ude00\ud83d"]"#, "\u{fffd}\u{fffd}"),
        (r#"["\ud83d\u0041"]"#, "\u{fffd}A"),
        (r#"["\ud83dude00"]"#, "\u{fffd}ude00"),
        (r#"["\\\ud83d"]"#, "\\\u{fffd}"),
    ] {
        assert_eq!(read(body.as_bytes()), json!([text]), "{body}");
    }
    assert_eq!(read(br#"{"\ud83d":1}"#), json!({"\u{fffd}": 1}));
}

#[test]
fn what_is_no_utf_8_and_bare_control_characters_spoil_nothing_else() {
    assert_eq!(read(b"[\"K\xe5re\",\"\xc3\"]"), json!(["K\u{fffd}re", "\u{fffd}"]));
    assert_eq!(read(b"[\"a\x01b\tc\nd\",\r\n\t1]"), json!(["a\u{1}b\tc\nd", 1]));
    assert_eq!(
        read(br#"["\x41","\u12","\u+123","\-"]"#),
        json!(["\\x41", "\\u12", "\\u+123", "\\-"])
    );
    assert_eq!(read(b"\xef\xbb\xbf{}"), json!({}));
}
