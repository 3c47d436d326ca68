//! Who may do what over the control socket, and what systemd hears of the loop.

use std::time::Duration;

use sd_notify::NotifyState;

use super::notify::beat;
use super::rights::{Peer, Right, right};

const OWNER: u32 = 990;
const READERS: u32 = 991;
const APPROVERS: u32 = 992;

fn right_of(uid: u32, groups: &[u32]) -> Right {
    let peer = Peer { uid, groups: groups.iter().copied().collect() };
    right(&peer, OWNER, Some(READERS), Some(APPROVERS))
}

#[test]
fn looking_and_approving_are_two_rights_of_two_groups() {
    assert_eq!(right_of(1000, &[1000]), Right::None);
    assert_eq!(right_of(1000, &[1000, READERS]), Right::Read);
    assert_eq!(right_of(1000, &[1000, APPROVERS]), Right::Approve);
    assert_eq!(right_of(1000, &[APPROVERS, READERS]), Right::Approve);
}

#[test]
fn root_and_the_owner_may_do_everything() {
    assert_eq!(right_of(0, &[]), Right::Approve);
    assert_eq!(right_of(OWNER, &[]), Right::Approve);
}

#[test]
fn nobody_belongs_to_a_group_that_the_machine_does_not_know() {
    let everywhere = Peer { uid: 1000, groups: (0..5000).collect() };
    assert_eq!(right(&everywhere, OWNER, None, None), Right::None);
    assert_eq!(right(&everywhere, OWNER, Some(READERS), None), Right::Read);
}

#[test]
fn a_request_that_is_lost_starves_the_watchdog() {
    let feeds = |longest: Option<u64>| {
        let states = beat("1 tenant ok", longest.map(Duration::from_secs));
        states.iter().any(|state| matches!(state, NotifyState::Watchdog))
    };
    assert!(feeds(None) && feeds(Some(0)) && feeds(Some(120)));
    assert!(!feeds(Some(24 * 3600)));
}
