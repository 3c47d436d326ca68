//! Links: where a round stands, packed into an opaque token.
//!
//! A token is the state itself under a seal, so that nothing has to be remembered between requests and a
//! link of any age can be answered. A token that was not made by this tenant does not open.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::reply::Refusal;
use super::{Entra, ExpireLinks};
use crate::sim::world::{MemberRef, ObjectId, World};

/// The two collections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Kind {
    Users,
    Groups,
}

impl Kind {
    pub(super) fn plural(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Groups => "groups",
        }
    }

    pub(super) fn singular(self) -> &'static str {
        match self {
            Self::Users => "user",
            Self::Groups => "group",
        }
    }

    /// The relationship that delta follows for this kind.
    pub(super) fn relation(self) -> &'static str {
        match self {
            Self::Users => "manager",
            Self::Groups => "members",
        }
    }

    /// Any one of these permissions is enough to read this kind.
    pub(super) fn roles(self) -> &'static [&'static str] {
        match self {
            Self::Users => &["User.Read.All", "User.ReadWrite.All", "Directory.Read.All"],
            Self::Groups => &["GroupMember.Read.All", "Group.Read.All", "Directory.Read.All"],
        }
    }

    /// What comes where nothing is selected; groups then come with their members.
    pub(super) fn default_select(self) -> &'static [&'static str] {
        match self {
            Self::Users => &[
                "businessPhones",
                "displayName",
                "givenName",
                "id",
                "jobTitle",
                "mail",
                "mobilePhone",
                "officeLocation",
                "preferredLanguage",
                "surname",
                "userPrincipalName",
            ],
            Self::Groups => &[
                "createdDateTime",
                "description",
                "displayName",
                "groupTypes",
                "id",
                "mail",
                "mailEnabled",
                "mailNickname",
                "membershipRule",
                "membershipRuleProcessingState",
                "onPremisesSyncEnabled",
                "proxyAddresses",
                "securityEnabled",
                "visibility",
                "members",
            ],
        }
    }
}

/// What a link is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Purpose {
    /// The next page of a delta round.
    Page,
    /// The next delta round.
    Round,
    /// The next page of a plain list.
    List,
}

/// Where a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Cursor {
    /// At the beginning.
    Start,
    /// After this object.
    After(ObjectId),
    /// In the middle of this object, after this member.
    Within(ObjectId, MemberRef),
}

/// Everything a token carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Link {
    pub(super) purpose: Purpose,
    pub(super) kind: Kind,
    pub(super) select: Vec<String>,
    pub(super) filter: Vec<ObjectId>,
    /// The change after which the round begins; none for a complete read.
    pub(super) from: Option<u64>,
    /// The change with which the round ends.
    pub(super) upto: u64,
    pub(super) cursor: Cursor,
    /// Empty pages in a row so far.
    pub(super) empty_pages: u8,
    /// Objects per page of a plain list.
    pub(super) page_size: usize,
    pub(super) issued_s: u64,
    pub(super) epoch: u32,
    pub(super) serial: u64,
}

impl Link {
    /// The beginning of a round over `kind`.
    pub(super) fn start(kind: Kind, select: Vec<String>, filter: Vec<ObjectId>) -> Self {
        Self {
            purpose: Purpose::Page,
            kind,
            select,
            filter,
            from: None,
            upto: 0,
            cursor: Cursor::Start,
            empty_pages: 0,
            page_size: 0,
            issued_s: 0,
            epoch: 0,
            serial: 0,
        }
    }
}

impl Entra {
    /// The absolute address that leads to `link`.
    pub(super) fn address(&mut self, world: &World, mut link: Link, now_unix_s: u64) -> String {
        self.serial += 1;
        link.serial = self.serial;
        link.issued_s = now_unix_s;
        link.epoch = self.epoch;
        self.address_as_is(world, &link)
    }

    /// The same for a link that is not to differ from the one that led here.
    pub(super) fn address_as_is(&self, world: &World, link: &Link) -> String {
        let (function, option) = match link.purpose {
            Purpose::Page => ("/delta", "$skiptoken"),
            Purpose::Round => ("/delta", "$deltatoken"),
            Purpose::List => ("", "$skiptoken"),
        };
        let body = postcard::to_stdvec(link).unwrap_or_default();
        let token = BASE64.encode([self.seal(world, &body).as_slice(), &body].concat());
        format!("{}/v1.0/{}{function}?{option}={token}", self.options.graph_url, link.kind.plural())
    }

    /// Opens a token that should be for this `kind` and `purpose`.
    pub(super) fn open(
        &self,
        world: &World,
        token: &str,
        (kind, purpose): (Kind, Purpose),
        now_unix_s: u64,
    ) -> Result<Link, Refusal> {
        let refuse = || match purpose {
            Purpose::Round => Refusal::sync_state_not_found(),
            Purpose::Page | Purpose::List => Refusal::badly_formed_page_token(),
        };
        let bytes = BASE64.decode(token).map_err(|_| refuse())?;
        let (seal, body) = bytes.split_at_checked(SEAL_LENGTH).ok_or_else(refuse)?;
        if seal != self.seal(world, body) {
            return Err(refuse());
        }
        let link: Link = postcard::from_bytes(body).map_err(|_| refuse())?;
        if (link.kind, link.purpose) != (kind, purpose) {
            return Err(refuse());
        }
        if link.epoch < self.epoch {
            let start =
                format!("{}/v1.0/{}/delta?$deltatoken=", self.options.graph_url, kind.plural());
            return Err(match self.expired {
                ExpireLinks::Gone => Refusal::gone(start),
                ExpireLinks::NotFound => Refusal::sync_state_not_found(),
            });
        }
        if now_unix_s.saturating_sub(link.issued_s) > self.options.link_life_s {
            return Err(Refusal::sync_state_not_found());
        }
        Ok(link)
    }

    /// A checksum that only this tenant can make.
    pub(super) fn seal(&self, world: &World, body: &[u8]) -> Vec<u8> {
        let mut hasher = Sha256::new();
        hasher.update(self.options.seed.to_be_bytes());
        hasher.update(world.tenant_id.to_string());
        hasher.update(body);
        hasher.finalize().iter().take(SEAL_LENGTH).copied().collect()
    }
}

const SEAL_LENGTH: usize = 12;
