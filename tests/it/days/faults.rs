//! What goes wrong at the tenant and at the platform, from some moment on.

use manntall::sim::entra::{EmptyReads, ExpireLinks, LoopLinks};
use manntall::sim::platform::fault::{Fault, Matcher};

use super::script::{EntraTrouble, PlatformTrouble};
use crate::stage::{Chaos, Inner};

pub(super) fn trouble_entra(inner: &mut Inner, trouble: EntraTrouble) -> bool {
    let faults = &mut inner.entra.faults;
    match trouble {
        EntraTrouble::LinksGone => faults.expire_links = Some(ExpireLinks::Gone),
        EntraTrouble::LinksNotFound => faults.expire_links = Some(ExpireLinks::NotFound),
        EntraTrouble::Forbidden => faults.forbidden = true,
        EntraTrouble::TokenRefused => faults.refuse_token = Some(7_000_222),
        EntraTrouble::EmptyRead => {
            faults.empty_full_reads = Some(EmptyReads::CountZero);
            faults.expire_links = Some(ExpireLinks::Gone);
        }
        EntraTrouble::PagesLost => {
            faults.lose_pages = 3;
            faults.expire_links = Some(ExpireLinks::Gone);
        }
        EntraTrouble::Html => faults.html_page = true,
        EntraTrouble::HalfBodies => faults.cut_body = true,
        EntraTrouble::LoopingLinks => faults.loop_links = Some(LoopLinks::SameLink),
        EntraTrouble::NextLinksRefused => faults.refuse_next_links = Some(404),
        EntraTrouble::NewcomersBare => faults.bare_newcomers = true,
    }
    true
}

pub(super) fn trouble_platform(inner: &mut Inner, trouble: PlatformTrouble) -> bool {
    let faults = &mut inner.platform.faults;
    match trouble {
        PlatformTrouble::TokenRotated => "of yesterday".clone_into(&mut inner.held_token),
        PlatformTrouble::NoSeats => faults.no_seats = Some(403),
        PlatformTrouble::ReadLag => faults.copy_lag_ms = 20_000,
        PlatformTrouble::CutBody => {
            faults.fail_next.push_back((Matcher::default(), Fault::CutBody));
        }
        PlatformTrouble::Html => {
            faults.fail_next.push_back((Matcher::default(), Fault::Html(200)));
        }
    }
    true
}

/// Everything outside the process works again.
pub(super) fn calm(inner: &mut Inner) -> bool {
    inner.entra.faults = manntall::sim::entra::Faults::default();
    inner.platform.faults = manntall::sim::platform::fault::Faults::default();
    inner.held_token.clone_from(&inner.platform.options().token);
    let chaos = std::mem::take(&mut inner.chaos);
    inner.chaos = Chaos {
        latency_ms: chaos.latency_ms,
        fired: chaos.fired,
        end_in: chaos.end_in,
        ended: chaos.ended,
        ..Chaos::default()
    };
    true
}
