//! Nothing that is quoted acts on a terminal.

use super::*;

#[test]
fn whatever_is_quoted_only_begins_lines_and_changes_colours() {
    let ours =
        format!("{}one{:#}\ntwo", anstyle::Style::new().bold(), anstyle::Style::new().bold());
    assert_eq!(safe(&ours), ours);
    for (foreign, shown) in [
        ("a\u{1b}[2Jb", "a\\u{1b}[2Jb"),
        ("a\u{1b}]0;x\u{7}", "a\\u{1b}]0;x\\u{7}"),
        ("a\u{9b}31mb", "a\\u{9b}31mb"),
        ("a\u{202e}b\u{2066}c\u{200b}d\r\te", "a\\u{202e}b\\u{2066}c\\u{200b}d\\u{d}\\u{9}e"),
        ("\u{1b}[", "\\u{1b}["),
    ] {
        assert_eq!(safe(foreign), shown);
    }
    assert_eq!(escaped("{\"by\":\"\u{9b}\u{202e}x\"}\n"), "{\"by\":\"\\u009b\\u202ex\"}\n");
}
