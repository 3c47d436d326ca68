//! When credentials end, as far as that is known, and what is said about it beforehand.

use std::fmt;
use std::time::Duration;

use crate::core::model::Timestamp;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// It is told when so many days are left, or fewer.
pub const WARN_DAYS: [u64; 4] = [30, 14, 7, 1];

/// What ends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Credential {
    /// The client secret of this tenant's application, as the operator noted.
    ClientSecret(String),
    /// The certificate of this tenant's application.
    Certificate(String),
    /// The token of this platform, as the operator noted.
    Token(String),
    /// A certificate of an authority that we were told to trust.
    Authority,
}

impl fmt::Display for Credential {
    /// As the configuration names it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClientSecret(source) => write!(f, "sources.{source}.client_secret"),
            Self::Certificate(source) => write!(f, "sources.{source}.certificate"),
            Self::Token(target) => write!(f, "targets.{target}.token"),
            Self::Authority => f.write_str("network.ca_file"),
        }
    }
}

/// When something ends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expiry {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: Credential,
}

/// How near an end is; nearer is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Nearness {
    /// More than 30 days away.
    Far,
    /// As many of [`WARN_DAYS`] have been passed.
    Near(usize),
    /// It has come.
    Over,
}

impl Expiry {
    /// How near it is.
    pub fn nearness(&self, now: Timestamp) -> Nearness {
        if self.at <= now {
            return Nearness::Over;
        }
        let left = self.at.since(now);
        match WARN_DAYS
            .iter()
            .filter(|days| left <= DAY * u32::try_from(**days).unwrap_or(0))
            .count()
        {
            0 => Nearness::Far,
            passed => Nearness::Near(passed),
        }
    }

    /// Its day, in UTC.
    pub fn day(&self) -> String {
        self.at.to_string().chars().take_while(|letter| *letter != 'T').collect()
    }

    /// What ends and when, in a few words.
    pub fn brief(&self, now: Timestamp) -> String {
        let verb = if self.nearness(now) == Nearness::Over { "has ended" } else { "ends" };
        format!("{} {verb} {}", self.what, self.day())
    }

    /// What happens, what that means, and what to do; none while it is far away.
    pub fn words(&self, now: Timestamp) -> Option<String> {
        Some(format!("{}. {}", self.consequences(now)?, self.remedy()))
    }

    /// What happens and what that means; none while it is far away.
    pub fn consequences(&self, now: Timestamp) -> Option<String> {
        let (what, day) = (&self.what, self.day());
        let days = self.at.since(now).as_secs() / DAY.as_secs();
        match self.nearness(now) {
            Nearness::Far => None,
            Nearness::Near(_) => {
                let left = match days {
                    0 => "in less than a day".to_owned(),
                    1 => "in 1 day".to_owned(),
                    days => format!("in {days} days"),
                };
                let consequence = self.consequence();
                Some(format!("{what} ends {day}, {left}; from then on {consequence}"))
            }
            Nearness::Over => {
                let consequence = self.consequence();
                let noted = match what {
                    Credential::ClientSecret(_) | Credential::Token(_) => " as noted",
                    Credential::Certificate(_) | Credential::Authority => "",
                };
                Some(format!("{what} has ended {day}{noted}, so {consequence}"))
            }
        }
    }

    fn consequence(&self) -> &'static str {
        match self.what {
            Credential::ClientSecret(_) | Credential::Certificate(_) => {
                "Entra refuses Manntall: nothing new is learned from the tenant, and its leavers stay active"
            }
            Credential::Token(_) => {
                "the platform refuses Manntall: nothing is changed there, and leavers stay active"
            }
            Credential::Authority => "peers whose certificates rest on it are not trusted",
        }
    }

    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self.what {
            Credential::ClientSecret(_) => {
                "Make a new client secret in Entra, write its value into the file and its end into \
                 client_secret_expires, reload the service, then: manntall check --online"
            }
            Credential::Certificate(_) => {
                "Make a new certificate, upload it to the application beside the old one, replace the two \
                 files, then: manntall check --online"
            }
            Credential::Token(_) => {
                "Have the platform make a new token, write it into the file and its end into token_expires, \
                 reload the service, then: manntall check --online"
            }
            Credential::Authority => {
                "Replace the certificate in the file, reload the service, then: manntall check --online"
            }
        }
    }
}
