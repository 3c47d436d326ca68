//! What can be made to go wrong: faults are switched on by hand, quirks come up by chance.
//!
//! A fault is something an operator has to hear of, or a client has to survive. A quirk is what Graph does
//! on a good day; no client may come to another result because of it.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::distort::Distortion;
use crate::sim::world::ObjectId;

/// Switches of the fake tenant; all off by default. Those with a count wear off by themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each switch stands for itself and all may be on at once"
)]
pub struct Faults {
    /// Every link issued before the next request is refused from then on; taken by that request.
    pub expire_links: Option<ExpireLinks>,
    /// Complete reads list nobody, and end at once with a delta link.
    pub empty_full_reads: Option<EmptyReads>,
    /// `accountEnabled` is null for everybody, as where a permission is missing.
    pub account_enabled_null: bool,
    /// Incremental rounds list nothing and still move the delta link on, so that changes are lost.
    pub lose_changes: bool,
    /// Every read is refused with 403, as after consent was withdrawn.
    pub forbidden: bool,
    /// The next requests find their access token refused with 401.
    pub unauthorized_next: u32,
    /// The next requests are throttled.
    pub throttle: Option<Throttle>,
    /// The next requests get 503.
    pub server_error_next: u32,
    /// Tokens say that these permissions are granted, and no others; an empty list is withdrawn consent.
    pub roles: Option<Vec<String>>,
    /// Token requests are refused with this AADSTS code.
    pub refuse_token: Option<u32>,
    /// Answers are a login page in HTML with status 200, as from a proxy that wants a person.
    pub html_page: bool,
    /// Bodies end in the middle.
    pub cut_body: bool,
    /// Requests are redirected to this address.
    pub redirect: Option<String>,
    /// Every delta page ends with a nextLink to this origin.
    pub foreign_next_link: Option<String>,
    /// Every delta page leads back to the start of its round.
    pub loop_links: Option<LoopLinks>,
    /// Next links are refused with this status and an error that nobody can make anything of.
    pub refuse_next_links: Option<u16>,
    /// The next so many pages of complete reads hold nothing of what belongs on them.
    pub lose_pages: u32,
    /// What the `Date` of every answer says, as where two clocks are apart.
    pub date: Option<String>,
    /// Single users are not found (404), although rounds tell of them: a replica that lags behind.
    pub hide_single_users: bool,
    /// Groups whose members are not told any more, as of hidden memberships where a permission was taken away.
    pub hide_members: BTreeSet<ObjectId>,
    /// Properties that are told of nobody, as where a permission was taken away.
    pub withhold: BTreeSet<String>,
    /// Who is new or back is told without `accountEnabled` in delta rounds.
    pub bare_newcomers: bool,
    /// Elements of delta pages that cannot be read as they should be.
    pub distort: Option<Distortion>,
    /// What becomes of a count.
    pub counting: Option<Counting>,
    /// The next so many links at the end of delta pages are longer by so many thousand characters.
    pub long_links: Option<(u32, u32)>,
    /// The next so many links at the end of delta pages lead to the pages of the other kind of object.
    pub stray_links: u32,
}

/// How counts go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counting {
    /// They are refused with this status.
    Refused(u16),
    /// They are more than there are by so many.
    Off(i64),
    /// They are no numbers.
    NoNumber,
}

/// How a link that is too old is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpireLinks {
    /// 410 with a `Location`.
    Gone,
    /// 400 with `syncStateNotFound`.
    NotFound,
}

/// What counts say while complete reads are empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmptyReads {
    /// Counts say 0 too.
    CountZero,
    /// Counts tell the truth.
    CountTrue,
}

/// How a chain of links repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoopLinks {
    /// The same link again and again.
    SameLink,
    /// A link that looks new each time.
    FreshLinks,
}

/// Throttling of the next requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Throttle {
    /// How many requests are still refused.
    pub requests: u32,
    /// The `Retry-After` that goes with it; Graph does not always send one.
    pub retry_after_s: Option<u64>,
}

/// How often, out of a hundred, Graph's habits show; all 0 by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quirks {
    /// A page is empty and has a nextLink (at most three in a row).
    pub empty_pages: u8,
    /// A page holds but a few objects.
    pub short_pages: u8,
    /// A page of a complete read repeats an object of the round.
    pub duplicates: u8,
    /// A page of an incremental round lists an object that did not change.
    pub replays: u8,
    /// The groups of a page come in pieces of one to three members.
    pub split_groups: u8,
    /// An object comes in the other form, minimal or full, than was asked for.
    pub mixed_forms: u8,
    /// A group has a member of a type that nobody has heard of.
    pub unknown_members: u8,
    /// A page of a complete read holds a tombstone of something deleted long ago.
    pub unknown_tombstones: u8,
    /// The context names other properties than the page holds.
    pub wrong_context: u8,
    /// A round shows what was there when the last round of its kind began, and nothing newer. Users and
    /// groups lag apart, so that groups have members which are not to be seen yet. Two rounds in a quiet
    /// world catch up.
    pub lag: u8,
}

impl Quirks {
    /// Every quirk with the same probability.
    pub fn all(percent: u8) -> Self {
        Self {
            empty_pages: percent,
            short_pages: percent,
            duplicates: percent,
            replays: percent,
            split_groups: percent,
            mixed_forms: percent,
            unknown_members: percent,
            unknown_tombstones: percent,
            wrong_context: percent,
            lag: percent,
        }
    }
}

/// Whether something of probability `percent` happens now. A quirk that is off draws nothing, so that it
/// leaves the others as they are.
pub(super) fn happens(rng: &mut fastrand::Rng, percent: u8) -> bool {
    percent > 0 && rng.u8(..100) < percent
}
