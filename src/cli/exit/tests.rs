//! What a failure looks like.

use super::*;

#[test]
fn a_failure_says_so_first_and_its_first_line_fits() {
    let long = "the state in /var/lib/manntall is held by another process (17); nothing was done, and it \
                goes on; manntall status asks it how it is";
    let text = Failure::new(Exit::Locked, long).in_full();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "Failed: the state in /var/lib/manntall is held by another process (17);");
    assert_eq!(lines[1], long.split_once("; ").unwrap_or_default().1);
    let short = Failure::new(Exit::Failed, "no hold dead. See: manntall holds").in_full();
    assert_eq!(short, "Failed: no hold dead. See: manntall holds");
    let once = Failure::new(Exit::Failed, short.clone()).in_full();
    assert_eq!(once, short, "said once");
    let shown = "error: unknown key\n  --> manntall.toml:3:1";
    assert_eq!(Failure::new(Exit::Config, shown).in_full(), shown);
}
