//! People who leave.

use insta::assert_snapshot;

use super::case;

#[test]
fn who_is_disabled_is_deactivated_and_leaves_the_groups() {
    let told = case(
        "entra
           user kari accountEnabled=false
           user ola
           group vei members=kari,ola
         platform
           account kari
           account ola
           group vei members=kari,ola",
    );
    assert_snapshot!(told, @r"
    deactivate kari, active true -> false (disabled in Entra)
    kari out of vei (a deactivated account is no member)
    ");
}

#[test]
fn who_is_gone_from_two_reads_needs_no_other_word() {
    let told = case(
        "entra
           user kari gone accountEnabled=? userPrincipalName=?
           group vei members=kari
         platform
           account kari
           group vei members=kari",
    );
    assert_snapshot!(told, @r"
    deactivate kari, active true -> false (missing from two complete reads)
    kari out of vei (a deactivated account is no member)
    ");
}

#[test]
fn who_left_is_changed_no_more_and_only_taken_out_of_groups() {
    let told = case(
        "entra
           user kari accountEnabled=false displayName=\"Kari Ås\" userPrincipalName=ny@example.no
           group vei members=kari
           group skole members=kari
         platform
           account kari deactivated
           group vei members=kari
           group skole",
    );
    assert_snapshot!(told, @"kari out of vei (a deactivated account is no member)");
}

#[test]
fn a_deactivation_of_unknown_outcome_is_made_again() {
    let told = case(
        "entra
           user kari purged
         platform
           account kari deactivated active=null",
    );
    assert_snapshot!(told, @"deactivate kari, active true -> false (deleted in Entra for good)");
}

#[test]
fn who_is_never_touched_stays_in_the_groups_when_ordered_out() {
    let told = case(
        "entra
           user kari deleted
           group vei
         platform
           account kari by-hand
           group vei members=kari
         policy
           never kari@example.no",
    );
    assert_snapshot!(told, @"untouched kari: on the list never of the platform; it is never touched");
}

#[test]
fn whoever_keep_begins_to_keep_is_not_taken_for_out_of_it() {
    let told = case(
        "entra
           user kari unkept userType=Guest
           user ola unkept userType=Member
           user per unkept userType=?
         platform
           account kari
           account ola
           account per
         policy
           keep = user.userType == \"Member\"",
    );
    assert_snapshot!(told, @r"
    deactivate kari, active true -> false (keep is false)
    waits ola: keep changed; details not read yet
    waits per: keep reads userType, which Entra has not told
    ");
}

#[test]
fn a_rejected_departure_keeps_the_groups_though_one_was_left() {
    let told = case(
        "entra
           user kari accountEnabled=false displayName=\"Kari Ås\"
           group vei members=kari
           group skole
         platform
           account kari
           group vei members=kari
           group skole members=kari
         said
           rejected kari departure",
    );
    assert_snapshot!(told, @r"
    rejected by budget.deactivate, limit 1: deactivate kari, active true -> false (disabled in Entra)
    rejected by budget.deactivate, limit 1: kari out of skole (a deactivated account is no member)
    rejected by budget.deactivate, limit 1: kari out of vei (a deactivated account is no member)
    ");
}

#[test]
fn a_second_account_of_a_leaver_waits_until_the_first_is_out() {
    let told = case(
        "entra
           user kari deleted
         platform
           account kari twin=12
           found kari id=12 externalId=id-of-kari",
    );
    assert_snapshot!(told, @"deactivate kari, active true -> false (deleted in Entra)");
}

#[test]
fn a_second_account_of_a_leaver_is_taken_over_as_inactive() {
    let told = case(
        "entra
           user kari jobTitle=Vikar
         platform
           account kari deactivated twin=12
           found kari id=12 externalId=id-of-kari
         policy
           adopt approve
           people = person.jobTitle != \"Vikar\"",
    );
    assert_snapshot!(told, @"adopt kari as 12, active true -> false (exists on the platform as 12; \
    scope.people is false)");
}

#[test]
fn a_second_account_that_is_never_touched_is_told() {
    let told = case(
        "entra
           user kari deleted
         platform
           account kari deactivated twin=12
           found kari id=12 externalId=id-of-kari
         policy
           never 12",
    );
    assert_snapshot!(told, @"twins kari: somebody who is out has another active account there, by the \
    externalId: 12. on the list never of the platform; it is never touched; deactivate it on the \
    platform by hand, then: manntall retry");
}

#[test]
fn a_leaver_with_an_open_create_is_told_where_nothing_answers() {
    let told = case(
        "entra
           user kari accountEnabled=false
           user ola accountEnabled=false
         platform
           account kari pending
           account ola pending
           found ola unknown",
    );
    assert_snapshot!(told, @"stuck ola: left, and may have an active account: a create was sent and \
    got no good answer, and the platform answers no look-up by filter, nor is its listing whole. Look \
    for the account there and deactivate it; Manntall looks again by itself, ever more seldom, and \
    deactivates what it finds");
}

#[test]
fn a_deactivated_account_that_is_gone_makes_way_for_the_new_one() {
    // The ids are those of kari and ola.
    let told = case(
        "entra
           user kari deleted
           user ola deleted
         platform
           account kari deactivated absent
           account ola deactivated
           found kari id=12 externalId=id-of-kari
           found ola id=13 externalId=id-of-ola",
    );
    assert_snapshot!(told, @"adopt kari as 12, active true -> false (exists on the platform as 12; \
    deleted in Entra)");
}

#[test]
fn who_was_made_active_again_elsewhere_is_deactivated_as_drift() {
    let told = case(
        "entra
           user kari jobTitle=Vikar
         platform
           account kari drift:active=true
         policy
           people = person.jobTitle != \"Vikar\"",
    );
    assert_snapshot!(told, @"deactivate kari, active true -> false (drift: made active again on the \
    platform; scope.people is false)");
}

#[test]
fn a_second_account_of_who_stays_is_told_and_left() {
    let told = case(
        "entra
           user kari
         platform
           account kari twin=12
           found kari id=12 externalId=id-of-kari",
    );
    assert_snapshot!(told, @"twins kari: another account on the platform carries the same externalId: \
    12. Manntall keeps kari true and leaves the other as it is; when the person leaves, all of them \
    are deactivated. Delete there the one that nobody uses, or take its externalId away; then: \
    manntall retry");
}
