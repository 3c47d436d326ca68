//! Words with counts.

/// The noun or verb that goes with a count.
pub fn plural<'a, N: Copy + PartialEq + From<u8>>(
    count: N,
    one: &'a str,
    many: &'a str,
) -> &'a str {
    if count == N::from(1) { one } else { many }
}
