//! Walks: a listing from its first page to its last, and what it has told by then.
//!
//! A listing proves presence. It proves absence only if it told everything: every row once, none that
//! cannot be read, and as many as it announced on every page. Targets announce what they like, ignore
//! where they are asked to begin, and end in the middle; rows move while they are walked.

use std::collections::BTreeSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::{GroupResource, UserResource};
use crate::core::model::ScimId;

/// A walk ends after so many resources for each that is known, and [`SPARE`] more: a target that makes up
/// new ones without end cannot keep us for ever.
const TIMES_KNOWN: usize = 10;
/// Other people's accounts on the target.
const SPARE: usize = 100_000;
/// Pages may be small, but not for ever.
const ROWS_PER_PAGE_MIN: usize = 10;

/// Where a listing goes on: `startIndex`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(usize);

impl Cursor {
    /// The first page (RFC 7644 §3.4.2.4 counts from 1).
    pub fn first() -> Self {
        Self(1)
    }

    pub(super) fn start(self) -> usize {
        self.0
    }
}

/// One page of a listing.
#[derive(Debug, Clone, PartialEq)]
pub struct ListPage<T> {
    /// The resources that had an id. A resource may occur on more than one page.
    pub items: Vec<T>,
    /// How many elements had none, or were no resources.
    pub unreadable: usize,
    /// `totalResults` as the target said it.
    pub total: Option<usize>,
}

impl<T> ListPage<T> {
    /// The same page with something else made of each resource.
    pub fn map<U>(self, make: impl FnMut(T) -> U) -> ListPage<U> {
        let Self { items, unreadable, total } = self;
        ListPage { items: items.into_iter().map(make).collect(), unreadable, total }
    }
}

/// What is listed: it has an id, and says readably whose it is, or not.
pub trait Listed {
    /// The target's id.
    fn id(&self) -> &ScimId;
    /// Whether nobody knows whose it is.
    fn is_garbled(&self) -> bool;
}

impl Listed for UserResource {
    fn id(&self) -> &ScimId {
        &self.id
    }

    fn is_garbled(&self) -> bool {
        self.is_garbled
    }
}

impl Listed for GroupResource {
    fn id(&self) -> &ScimId {
        &self.id
    }

    fn is_garbled(&self) -> bool {
        self.is_garbled
    }
}

/// A walk that goes on.
#[derive(Debug, Clone)]
pub struct Walk {
    /// Digests of the ids so far: the ids themselves are kept by whoever needs them.
    seen: BTreeSet<u64>,
    known: usize,
    next: Cursor,
    told: Told,
}

/// Whether a walk goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// With this page.
    On(Cursor),
    /// No.
    Ended,
}

/// What a walk has told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Told {
    /// Different resources.
    pub resources: usize,
    /// Elements that were no resources or had no id, and resources that do not say readably whose they are.
    pub unreadable: usize,
    /// Rows that had been told before.
    pub repeated: usize,
    /// The first of them that do not say whose they are.
    pub garbled: Vec<ScimId>,
    /// The totals that were announced, smallest and largest.
    announced: Option<(usize, usize)>,
    pages: usize,
    without_total: bool,
    /// Whether it ended at a page without any row. `false` also while it goes on.
    at_empty_page: bool,
}

/// So many resources are named in the log.
const NAMED_MAX: usize = 5;

impl Walk {
    /// A walk over a listing in which `known` resources are expected.
    pub fn new(known: usize) -> Self {
        Self { seen: BTreeSet::new(), known, next: Cursor::first(), told: Told::default() }
    }

    /// The page to ask for.
    pub fn cursor(&self) -> Cursor {
        self.next
    }

    /// What was told so far.
    pub fn told(&self) -> &Told {
        &self.told
    }

    /// What was told, once the walk has ended.
    pub fn into_told(self) -> Told {
        self.told
    }

    /// Takes in a page. The walk ends at an empty one, and at one without anything new; a total alone
    /// ends nothing.
    pub fn take<T: Listed>(&mut self, page: &ListPage<T>) -> Turn {
        let told = &mut self.told;
        let received = page.items.len() + page.unreadable;
        told.pages += 1;
        match page.total {
            None => told.without_total = true,
            Some(total) => {
                let (least, most) = told.announced.unwrap_or((total, total));
                told.announced = Some((least.min(total), most.max(total)));
            }
        }
        told.unreadable += page.unreadable;
        let mut is_new = false;
        for one in &page.items {
            if !self.seen.insert(digest(one.id())) {
                told.repeated += 1;
                continue;
            }
            is_new = true;
            told.resources += 1;
            if one.is_garbled() {
                told.unreadable += 1;
                if told.garbled.len() < NAMED_MAX {
                    told.garbled.push(one.id().clone());
                }
            }
        }
        told.at_empty_page = received == 0;
        // By as many as were received, since `count` and `itemsPerPage` are not kept by all.
        self.next = Cursor(self.next.0 + received);
        let most = self.known.saturating_mul(TIMES_KNOWN).saturating_add(SPARE);
        if is_new && told.resources <= most && told.pages <= most / ROWS_PER_PAGE_MIN {
            Turn::On(self.next)
        } else {
            Turn::Ended
        }
    }
}

impl Told {
    /// Whether what was not told is not there.
    pub fn is_whole(&self) -> bool {
        let announced = self.announced.filter(|_| !self.without_total);
        self.at_empty_page
            && self.unreadable == 0
            && self.repeated == 0
            && announced == Some((self.resources, self.resources))
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} told", self.resources)?;
        match self.announced {
            _ if self.without_total => f.write_str(", no total announced")?,
            Some((least, most)) if least == most => write!(f, " of {most} announced")?,
            Some((least, most)) => write!(f, " of {least} to {most} announced")?,
            None => {}
        }
        if self.repeated > 0 {
            write!(f, ", {} told again", self.repeated)?;
        }
        if self.unreadable > 0 {
            write!(f, ", {} that cannot be read", self.unreadable)?;
        }
        for (at, id) in self.garbled.iter().enumerate() {
            write!(f, "{}{:?}", if at == 0 { ", among them " } else { ", " }, id.as_str())?;
        }
        if !self.at_empty_page {
            f.write_str(", and no empty page at the end")?;
        }
        Ok(())
    }
}

fn digest(id: &ScimId) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}
