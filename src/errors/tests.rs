//! A chain is one line and says each thing once.

use super::chain;

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
