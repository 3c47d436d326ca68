//! `allow`: announces beforehand that more changes of a kind are to come, such as the end of the summer
//! jobs; lists what was announced, and takes it back.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::ground::Ground;
use super::reveal::Sight;
use super::said::Said;
use super::until::Until;
use super::view::text::{harmless, number, time, time_of};
use super::{Exit, Failure, pause};
use crate::core::judge::{Guard, Window};
use crate::core::model::Timestamp;
use crate::cycle::guards::Announcement;

/// Arguments of `allow`.
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize)]
pub(super) struct AllowArgs {
    #[command(flatten)]
    counts: Counts,
    /// When it ends: a date (its whole day counts), a time as 2027-06-30T16:00, or a span as 14d
    #[arg(long, value_name = "WHEN", requires = "Counts",
        required_unless_present_any = ["list", "revoke"])]
    until: Option<Until>,
    /// Why; recorded with your name
    #[arg(long, value_name = "TEXT", required_unless_present_any = ["list", "revoke"])]
    reason: Option<String>,
    /// Show what was announced
    #[arg(long, conflicts_with_all = ["Counts", "until", "reason", "revoke"])]
    list: bool,
    /// Take an announcement back
    #[arg(long, value_name = "ID", conflicts_with_all = ["Counts", "until", "reason"])]
    revoke: Option<u32>,
}

/// How many in all, of each tenant.
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize)]
#[group(multiple = true)]
struct Counts {
    /// Accounts to be deactivated
    #[arg(long, value_name = "N", value_parser = count())]
    deactivations: Option<u64>,
    /// Accounts, and groups, to be deleted
    #[arg(long, value_name = "N", value_parser = count())]
    deletions: Option<u64>,
    /// Members to be taken out of groups
    #[arg(long, value_name = "N", value_parser = count())]
    member_removals: Option<u64>,
    /// Members to be taken out of one group; the last one stays
    #[arg(long, value_name = "N", value_parser = count())]
    group_shrink: Option<u64>,
    /// Login names or main addresses to be changed
    #[arg(long, value_name = "N", value_parser = count())]
    renames: Option<u64>,
    /// Values of one attribute to be cleared
    #[arg(long, value_name = "N", value_parser = count())]
    clears: Option<u64>,
    /// Accounts to be created
    #[arg(long, value_name = "N", value_parser = count())]
    creates: Option<u64>,
    /// Accounts to be reactivated
    #[arg(long, value_name = "N", value_parser = count())]
    reactivations: Option<u64>,
}

fn count() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..=10_000_000)
}

impl Counts {
    fn asked(&self) -> Vec<(Guard, u64)> {
        let Self {
            deactivations,
            deletions,
            member_removals,
            group_shrink,
            renames,
            clears,
            creates,
            reactivations,
        } = self;
        let all = [
            (Guard::Deactivate, deactivations),
            (Guard::Delete, deletions),
            (Guard::MemberRemove, member_removals),
            (Guard::GroupShrink, group_shrink),
            (Guard::Rename, renames),
            (Guard::Clear, clears),
            (Guard::Create, creates),
            (Guard::Reactivate, reactivations),
        ];
        all.into_iter().filter_map(|(guard, count)| Some((guard, (*count)?))).collect()
    }
}

/// An announcement as it is shown.
#[derive(Debug, Serialize)]
pub(super) struct WindowView {
    id: u32,
    guard: &'static str,
    count: u64,
    used: u64,
    from: String,
    until: String,
    by: String,
    reason: String,
    open: bool,
    revoked_by: Option<String>,
}

/// All announcements.
#[derive(Debug, Serialize)]
struct WindowsView {
    allowed: Vec<WindowView>,
}

impl AllowArgs {
    /// Whether it only lists.
    pub(super) fn lists(&self) -> bool {
        self.list
    }
}

pub(super) fn said(ground: &mut Ground<'_>, args: &AllowArgs) -> Result<Said, Failure> {
    let (now, by) = (ground.now, ground.by.clone());
    if args.list {
        let sight = &ground.sight;
        let windows = ground.state().windows.iter();
        let allowed = windows.map(|window| view(window, now, sight)).collect();
        let view = WindowsView { allowed };
        return Ok(Said::shown(ground.form, &view, |view| render(&view.allowed)));
    }
    if let Some(id) = args.revoke {
        if !ground.state_mut().revoke(id, by.as_str().into(), now) {
            let message = format!("nothing is announced as {id}; see: manntall allow --list");
            return Err(Failure::new(Exit::Failed, message));
        }
        return Ok(Said::talked(format!(
            "{by} took {id} back; the budgets of the configuration count again."
        )));
    }
    let (Some(until), Some(reason)) = (&args.until, &args.reason) else {
        return Err(Failure::new(Exit::Usage, "say --until and --reason"));
    };
    let instead = "Raise the budget in the configuration instead";
    let until = until.end(&ground.config.service.time_zone, now, instead)?;
    if reason.trim().is_empty() {
        return Err(Failure::new(Exit::Usage, "--reason is empty; say why"));
    }
    let reason = pause::reason_of(reason)?;
    let mut said = Said { data: None, talk: Vec::new(), exit: Exit::Done };
    for (guard, count) in args.counts.asked() {
        let id = ground.state_mut().allow(
            Announcement { guard, count, until, by: by.as_str().into(), reason: reason.clone() },
            now,
        );
        said = said.and(format!(
            "{by} announced {} for {guard} until {} as {id}; every other guard stays. What is held \
             already waits for manntall approve.",
            number(count),
            time(until)
        ));
    }
    Ok(said)
}

/// How a window is shown.
pub(super) fn view(window: &Window, now: Timestamp, sight: &Sight) -> WindowView {
    let Window { id, guard, count, at, until, by, reason, used, revoked } = window;
    WindowView {
        id: *id,
        guard: guard.name(),
        count: *count,
        used: used.values().copied().max().unwrap_or(0),
        from: at.to_string(),
        until: until.to_string(),
        by: by.to_string(),
        reason: sight.free_text(reason),
        open: window.is_open(now),
        revoked_by: revoked.as_ref().map(|(_, by)| by.to_string()),
    }
}

/// Announcements for people.
pub(super) fn render(views: &[WindowView]) -> String {
    if views.is_empty() {
        return "Nothing is announced.".to_owned();
    }
    let mut text = String::new();
    for WindowView { id, guard, count, used, from, until, by, reason, open, revoked_by } in views {
        let (count, used) = (number(*count), number(*used));
        let (from, until) = (time_of(from), time_of(until));
        let state = match (revoked_by, open) {
            (Some(by), _) => format!("revoked by {}", harmless(by)),
            (None, true) => "in force".to_owned(),
            (None, false) => "over".to_owned(),
        };
        let _ =
            writeln!(text, "{id}  {count} for {guard}, {used} used, {from} to {until}: {state}");
        let _ = writeln!(text, "   {}: {}", harmless(by), harmless(reason));
    }
    text
}
