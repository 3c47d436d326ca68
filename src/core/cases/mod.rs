//! Cases of the core, as text: what Entra told, what the platform confirmed and what is wanted go in, and what would be
//! done comes out with its reasons. A case goes through derive, plan and judge like a turn does, without engine, store
//! or runtime.
//!
//! A line is about one thing, and stands in a section. What is not said is as in an ordinary town: everybody has an
//! address and is enabled, nobody is found on the platform, every read has ended.
//!
//! ```text
//! entra                                what was told
//!   user kari title="Lærer"            more or other properties; `name=null` is absent, `name=?` is not known
//!   user ola missing                   also: not-found, deleted, purged, gone, partial, unkept
//!   user per in=baerum                 a user of another tenant than `asker`
//!   group vei members=kari,ola         also: groups=, devices=, leaving= (missing from one read), left=, partial,
//!                                      emptied, and as a user: missing, not-found, deleted, purged, gone
//!   unread groups                      no complete read of these has ended; with in=
//! platform                             what was confirmed there, and what was found
//!   account kari title="Lærer"         also: deactivated, pending, released, lost, adopted, absent, by-hand
//!                                      drift:title=…, answered:title=…, doubted:title=…, twin=id
//!   group vei members=kari             also: pending, released, lost, adopted, absent, unseen=kari, twin=id
//!   group sections/Skole members=ola   a group made by rule
//!   found ola id=12 title="Lærer"      what is found for somebody without an account: also several, unknown, unasked,
//!                                      absent; `externalId=id-of-kari` is the id of kari, `roles=?` cannot be read
//!   found group vei id=7               the same of a group, with members=; a group made by rule is unasked
//! policy                               what is wanted
//!   account title = person.jobTitle    beside userName and displayName
//!   people = person.accountEnabled     scope.people
//!   people-of vei                      scope.groups
//!   keep = true                        with in=
//!   directory all where true name group.displayName      a rule; the first rule replaces this one
//!   each sections of person.department name key          a rule
//!   adopt automatic                    or approve, never
//!   never ola@example.no               an account that is never touched
//!   own-account 12                     the account whose token is used
//!   budget deactivate 1                so many, whatever the population
//! said                                 what was decided before
//!   held budget.deactivate kari ola    what an earlier judgement held, with limit=
//!   cleared kari                       what an earlier judgement let through, and is not made yet
//!   approved kari  /  rejected kari    a word about the change as it is planned now
//!   rejected kari departure            or about an aspect: departure, return, creation, deletion, removal,
//!                                      title=…, adoption (as something else)
//!   spent budget.deactivate 3          what the day has counted; with of=
//!   departed kari                      who was deactivated in that day
//!   allow budget.deactivate 10         an announcement
//!   resting kari                       what rests on a change of the rules
//!   population 1000                    as many accounts and memberships, in place of what the platform holds
//!   first-import
//! ```

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail loudly")]

mod adoptions;
mod budgets;
mod claims;
mod evidence;
mod groups;
mod holds;
mod joiners;
mod leavers;
mod memberships;
mod read;
mod said;
mod scope;
mod show;
mod tenants;
mod values;
mod ways;
mod words;

/// What would be done, a line each, in the order of the plan; after that what waits, and why.
fn case(text: &str) -> String {
    let town = read::town(text);
    show::outcome(&town)
}
