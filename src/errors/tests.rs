//! A chain is one line and says each thing once.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail loudly")]

use super::{chain, panic_words};

#[derive(Debug, thiserror::Error)]
#[error("cannot read\nthe secret")]
struct Outer(#[source] Middle);

#[derive(Debug, thiserror::Error)]
#[error("the secret")]
struct Middle(#[source] Inner);

#[derive(Debug, thiserror::Error)]
#[error("permission denied")]
struct Inner;

#[test]
fn a_chain_is_one_line_without_repetition() {
    assert_eq!(chain(&Outer(Middle(Inner))), "cannot read the secret: permission denied");
}

#[test]
fn a_panic_says_what_stumbled_and_not_over_whom() {
    let words =
        |stumble: fn()| panic_words(std::panic::catch_unwind(stumble).unwrap_err().as_ref());
    let slice = words(|| {
        let name = std::hint::black_box("Søren Østby");
        assert_ne!(&name[..2], "");
    });
    assert!(slice.contains("char boundary") && !slice.contains("Østby"), "{slice}");
    let parse = words(|| panic!("cannot use {:?} as \"active\" of `x`", "kari@asker.example.no"));
    assert_eq!(parse, "cannot use … as … of …");
    assert_eq!(words(|| std::panic::panic_any(7)), "no words");
}
