//! Polls on demand are shared.

use super::*;

#[test]
fn many_who_ask_share_one_poll_every_five_seconds() {
    let at = Duration::from_millis;
    let mut asked = Asked::default();
    let turns: Vec<_> = (0..4).map(|ms| asked.turn(at(ms), at(ms))).collect();
    assert!(turns.iter().all(|turn| *turn == Turn::Asks), "{turns:?}");
    assert!(matches!(asked.turn(at(10), at(10)), Turn::Waits(wait) if wait > at(4_000)));
    // Two waited: the first asks, the other shares.
    assert_eq!(asked.turn(at(10), at(5_010)), Turn::Asks);
    assert_eq!(asked.turn(at(11), at(5_010)), Turn::Shares);
    let mut polls = 0;
    for ms in (5_020..65_020).step_by(50) {
        polls += u32::from(asked.turn(at(ms), at(ms)) == Turn::Asks);
    }
    assert!((11..=13).contains(&polls), "{polls} in a minute");
}
