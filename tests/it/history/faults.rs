//! Puts the faults of a step in the way of its process, and takes them away.

use std::sync::atomic::Ordering;

use manntall::sim::entra::{Counting, Distortion, EmptyReads, ExpireLinks, LoopLinks};
use manntall::sim::platform::Kind;
use manntall::sim::platform::fault::{Fault, Faults, Matcher, PathKind, Refusal, RetryAfter};
use manntall::sim::platform::stubborn::{Form, Untaken};
use manntall::store::memory::CrashPoint;
use manntall::transport::Method;

use super::asked;
use super::play::Play;
use super::script::{ALONE, EntraFault, PlatformFault, Step, Way};
use crate::stage::{Chaos, Fate, Inner, SCIM};

impl Play {
    /// Puts faults in the way of the next process.
    pub(super) fn trouble(&mut self, step: &Step) {
        if let Some((number, before)) = step.commit {
            let when = if before { CrashPoint::BeforeCommit } else { CrashPoint::AfterCommit };
            self.stage.store.crash_at(number, when);
        }
        self.stage.skew_ms.store(step.skew_s * 1_000, Ordering::Relaxed);
        let is_hard_to_reach = step.entra.is_some() || step.way != Way::default();
        self.recent.lock().unwrap().may_be_silent = is_hard_to_reach;
        let mut inner = self.stage.lock();
        let inner = &mut *inner;
        inner.chaos = Chaos {
            rng: fastrand::Rng::with_seed(step.dice),
            not_sent: step.way.not_sent,
            lost_answers: step.way.lost_answers,
            errors_before: step.way.errors_before,
            errors_after: step.way.errors_after,
            throttled: step.way.throttled,
            end_in: step.end,
            ended: false,
            latency_ms: inner.chaos.latency_ms,
            fired: std::mem::take(&mut inner.chaos.fired),
        };
        let faults = &mut inner.entra.faults;
        match step.entra {
            None => {}
            Some(EntraFault::LinksGone) => faults.expire_links = Some(ExpireLinks::Gone),
            Some(EntraFault::LinksNotFound) => faults.expire_links = Some(ExpireLinks::NotFound),
            Some(EntraFault::Forbidden) => faults.forbidden = true,
            Some(EntraFault::TokenRefused) => faults.refuse_token = Some(7_000_222),
            Some(EntraFault::EnabledNull) => {
                faults.account_enabled_null = true;
                faults.expire_links = Some(ExpireLinks::Gone);
            }
            Some(EntraFault::DepartmentWithheld) => {
                faults.withhold = ["department".to_owned()].into();
                faults.expire_links = Some(ExpireLinks::Gone);
            }
            Some(EntraFault::TitleWithheld) => {
                faults.withhold = ["jobTitle".to_owned()].into();
                faults.expire_links = Some(ExpireLinks::Gone);
            }
            Some(EntraFault::EmptyRead) => {
                faults.empty_full_reads = Some(EmptyReads::CountZero);
                faults.expire_links = Some(ExpireLinks::Gone);
            }
            Some(EntraFault::PagesLost) => {
                faults.lose_pages = 3;
                faults.expire_links = Some(ExpireLinks::Gone);
            }
            Some(EntraFault::Html) => faults.html_page = true,
            Some(EntraFault::HalfBodies) => faults.cut_body = true,
            Some(EntraFault::LoopingLinks) => faults.loop_links = Some(LoopLinks::SameLink),
            Some(EntraFault::NextLinksRefused) => faults.refuse_next_links = Some(404),
            Some(EntraFault::CountOff) => faults.counting = Some(Counting::Off(2)),
            Some(EntraFault::CountRefused) => {
                faults.counting = Some(Counting::Refused(400));
                faults.expire_links = Some(ExpireLinks::Gone);
            }
            Some(EntraFault::StrayLinks) => faults.stray_links = 2,
            Some(EntraFault::NewcomersBare) => faults.bare_newcomers = true,
            Some(EntraFault::LongLinks) => faults.long_links = Some((2, 100)),
            Some(other) => {
                faults.distort = distortion(other);
                // A complete read and a delta round alike.
                faults.expire_links = step.dice.is_multiple_of(2).then_some(ExpireLinks::Gone);
            }
        }
        for fault in &step.platform {
            strike(inner, *fault);
        }
    }

    /// Takes all faults away, and remembers which were met.
    pub(super) fn calm(&mut self, step: &Step, met: (u64, u64)) {
        let crashed = self.stage.store.is_crashed();
        self.stage.store = self.stage.store.reopen();
        self.stage.skew_ms.store(0, Ordering::Relaxed);
        let now = asked(&self.stage);
        let mut fired = Vec::new();
        {
            let mut inner = self.stage.lock();
            let inner = &mut *inner;
            if let Some((_, end)) = step.end.filter(|_| inner.chaos.ended) {
                fired.push(format!("killed: {end:?}"));
            } else if let Some((_, before)) = step.commit.filter(|_| crashed) {
                let when = if before { "before" } else { "after" };
                fired.push(format!("killed {when} a commit"));
            }
            if step.skew_s != 0 {
                fired.push("clock wrong".to_owned());
            }
            if let Some(fault) = step.entra.filter(|_| now.0 > met.0) {
                fired.push(format!("entra: {fault:?}"));
            }
            let waiting = &inner.platform.faults.fail_next;
            for fault in step.platform.iter().filter(|_| now.1 > met.1) {
                let is_met = if ALONE.contains(fault) {
                    inner.platform.faults.alone_met > 0
                } else {
                    !waiting.iter().any(|(_, one)| name(one) == Some(*fault))
                };
                if is_met {
                    fired.push(format!("platform: {fault:?}"));
                }
            }
            inner.entra.faults = manntall::sim::entra::Faults::default();
            inner.platform.faults = Faults::default();
            inner.meddler = None;
            inner.held_token.clone_from(&inner.platform.options().token);
            let latency_ms = inner.chaos.latency_ms;
            let fired = std::mem::take(&mut inner.chaos.fired);
            inner.chaos = Chaos { latency_ms, fired, ..Chaos::default() };
        }
        for what in fired {
            self.fire(what);
        }
    }
}

/// What is wrong with the pages of a tenant.
fn distortion(fault: EntraFault) -> Option<Distortion> {
    Some(match fault {
        EntraFault::HalfNames => Distortion::HalfNames,
        EntraFault::HalfTexts => Distortion::HalfTexts,
        EntraFault::NullLinks => Distortion::NullLinks,
        EntraFault::OddEntries => Distortion::OddEntries,
        EntraFault::WrongTypes => Distortion::WrongTypes,
        EntraFault::NoObjects => Distortion::NoObjects,
        EntraFault::NoIds => Distortion::NoIds,
        EntraFault::OddRemovals => Distortion::OddRemovals,
        EntraFault::LargeTexts => Distortion::Large(110),
        EntraFault::OtherLetters => Distortion::OtherLetters,
        _ => return None,
    })
}

/// Switches on a fault of the platform.
fn strike(inner: &mut Inner, fault: PlatformFault) {
    let patch = Matcher::of("PATCH", PathKind::Item(Kind::User));
    let other = inner.platform.users().next().map(|user| user.id.clone()).unwrap_or_default();
    let mut next = |matcher, fault| inner.platform.faults.fail_next.push_back((matcher, fault));
    match fault {
        PlatformFault::CutBody => next(Matcher::default(), Fault::CutBody),
        PlatformFault::FirstOperationOnly => next(patch, Fault::FirstOperationOnly),
        PlatformFault::NoOperation => next(patch, Fault::NoOperation),
        PlatformFault::Html => next(Matcher::default(), Fault::Html(200)),
        PlatformFault::OtherId => next(patch, Fault::OtherId(other)),
        PlatformFault::TokenRefused => "of yesterday".clone_into(&mut inner.held_token),
        PlatformFault::NoSeats => inner.platform.faults.no_seats = Some(403),
        PlatformFault::ThrottlesOne => {
            strike_one(inner, Fault::TooManyRequests(RetryAfter::Seconds(2)));
        }
        PlatformFault::WaitsForOne => {
            strike_one(inner, Fault::Unavailable(RetryAfter::Seconds(3_600)));
        }
        PlatformFault::RedirectsOne => strike_one(inner, Fault::Redirect(302)),
        PlatformFault::DistrustsOne => strike_one(inner, Fault::StatusBefore(401)),
        PlatformFault::HtmlForOne => strike_one(inner, Fault::Html(200)),
        PlatformFault::ErrorsInSuccess => strike_one(inner, Fault::ErrorInSuccess(500)),
        PlatformFault::ForbidsOne => refuse_one(inner, 403),
        PlatformFault::FailsOne => refuse_one(inner, 500),
        PlatformFault::TitlesRefused => untaken(inner, Form::InvalidPath),
        PlatformFault::ClearingsIgnored => untaken(inner, Form::IgnoredWhenCleared),
        PlatformFault::HidesOne => {
            // Under another login name nothing would stand in the way of a second account.
            if !is_renamed(inner, &other) {
                inner.platform.faults.unfindable.insert(other);
            }
        }
        PlatformFault::GatewayNotFound => {
            inner.platform.faults.gateway_not_found.push(Matcher::default());
        }
        PlatformFault::ListsCut => inner.platform.faults.listed_max = Some(2),
        PlatformFault::MembersCut => inner.platform.faults.members.shown_max = Some(1),
        PlatformFault::MembersNeverShown => inner.platform.faults.members.never_shown = true,
        PlatformFault::MembersByName => inner.platform.faults.members.shown_by_name = true,
        PlatformFault::MembersInCapitals => inner.platform.faults.members.in_capitals = true,
        PlatformFault::CreatesInactive => inner.platform.faults.creates_inactive = true,
        PlatformFault::CreatesBare => {
            for kind in [Kind::User, Kind::Group] {
                let create = Matcher::of("POST", PathKind::Collection(kind));
                next(create, Fault::AnswersWith(204, String::new()));
            }
        }
        PlatformFault::InactiveUnlisted => inner.platform.faults.answers.inactive_unlisted = true,
        PlatformFault::ReadLag => inner.platform.faults.copy_lag_ms = 20_000,
        PlatformFault::OtherLocation => {
            inner.platform.faults.location =
                Some("https://elsewhere.example.com/Users/1".to_owned());
        }
        PlatformFault::OtherPlatform => {
            inner.meddler = Some(Box::new(|request| {
                let is_config = request.method == Method::Get
                    && request.url.as_str() == format!("{SCIM}/ServiceProviderConfig");
                is_config.then(|| {
                    Fate::Change(Box::new(|mut response| {
                        let text = String::from_utf8_lossy(&response.body);
                        response.body = text.replacen('{', r#"{"vendor":"another","#, 1).into();
                        response
                    }))
                })
            }));
        }
    }
}

/// Every write of one person is answered with this status.
fn refuse_one(inner: &mut Inner, status: u16) {
    let names = inner.world.live_users().filter_map(|user| user.text("userPrincipalName"));
    let Some(contains) = names.min().map(str::to_owned) else { return };
    let attribute = "userName".to_owned();
    inner.platform.faults.refuse_users.push(Refusal { attribute, contains, status });
}

/// Whether the owner of an account goes by another login name by now.
fn is_renamed(inner: &Inner, id: &str) -> bool {
    let account = inner.platform.user(id);
    let owned = account.and_then(|account| {
        let mut users = inner.world.users().iter();
        users.find(|(user, _)| account.external_id() == Some(user.to_string().as_str()))
    });
    let name = owned.and_then(|(_, user)| user.text("userPrincipalName"));
    name.is_some_and(|name| {
        account.is_none_or(|account| !account.user_name().eq_ignore_ascii_case(name))
    })
}

/// Everything about one person is answered so.
fn strike_one(inner: &mut Inner, fault: Fault) {
    let names = inner.world.live_users().filter_map(|user| user.text("userPrincipalName"));
    let Some(name) = names.max().map(str::to_owned) else { return };
    inner.platform.faults.alone.push((name, fault));
}

/// Titles are not taken, in this way.
fn untaken(inner: &mut Inner, form: Form) {
    let attribute = "title".to_owned();
    let in_creates = form == Form::InvalidPath;
    inner.platform.faults.untaken.push(Untaken { attribute, form, in_creates });
}

/// The fault of ours that the simulator's stands for.
fn name(fault: &Fault) -> Option<PlatformFault> {
    match fault {
        Fault::CutBody => Some(PlatformFault::CutBody),
        Fault::FirstOperationOnly => Some(PlatformFault::FirstOperationOnly),
        Fault::NoOperation => Some(PlatformFault::NoOperation),
        Fault::Html(_) => Some(PlatformFault::Html),
        Fault::OtherId(_) => Some(PlatformFault::OtherId),
        Fault::AnswersWith(..) => Some(PlatformFault::CreatesBare),
        _ => None,
    }
}
