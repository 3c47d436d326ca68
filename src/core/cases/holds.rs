//! What waits for a word, what a word is about, and what it rests on.

use insta::assert_snapshot;

use super::case;

#[test]
fn a_held_name_waits_on_and_another_title_goes_through() {
    let told = case(
        "entra
           user kari userPrincipalName=kari.nes@example.no jobTitle=Rektor
         platform
           account kari title=Lærer
         policy
           account title = person.jobTitle
         said
           held budget.rename kari userName=kari.nes@example.no limit=20",
    );
    assert_snapshot!(told, @"
    update kari, title \"Lærer\" -> \"Rektor\" (attributes changed in Entra)
    held by budget.rename, limit 20: update kari, userName \"kari@example.no\" -> \
    \"kari.nes@example.no\" (attributes changed in Entra)
    ");
}

#[test]
fn an_approved_name_that_becomes_another_is_held() {
    let told = case(
        "entra
           user kari userPrincipalName=kari.vik@example.no
         platform
           account kari
         said
           held budget.rename kari userName=kari.nes@example.no limit=20
           approved kari userName=kari.nes@example.no",
    );
    assert_snapshot!(told, @"
    held by budget.rename, limit 20: update kari, userName \"kari@example.no\" -> \
    \"kari.vik@example.no\" (attributes changed in Entra)
    ");
}

#[test]
fn another_name_than_the_rejected_one_asks_again() {
    let told = case(
        "entra
           user kari userPrincipalName=kari.vik@example.no
           user ola userPrincipalName=ola.nes@example.no
         platform
           account kari
           account ola
         said
           rejected kari userName=kari.nes@example.no
           rejected ola userName=ola.nes@example.no",
    );
    assert_snapshot!(told, @"
    held by budget.rename, limit 0: update kari, userName \"kari@example.no\" -> \
    \"kari.vik@example.no\" (attributes changed in Entra)
    rejected by budget.rename, limit 10: update ola, userName \"ola@example.no\" -> \
    \"ola.nes@example.no\" (attributes changed in Entra)
    ");
}

#[test]
fn who_comes_back_has_the_old_name_where_the_new_is_rejected() {
    let told = case(
        "entra
           user kari userPrincipalName=nes@example.no
         platform
           account kari deactivated
         said
           rejected kari userName=nes@example.no",
    );
    assert_snapshot!(told, @"
    reactivate kari, active false -> true (entitled again)
    rejected by budget.rename, limit 10: reactivate kari, userName \"kari@example.no\" -> \
    \"nes@example.no\" (entitled again)
    ");
}

#[test]
fn a_rejected_return_holds_back_the_new_name_and_the_groups() {
    let told = case(
        "entra
           user kari userPrincipalName=nes@example.no
           group vei members=kari
         platform
           account kari deactivated
           group vei
         said
           rejected kari return",
    );
    assert_snapshot!(told, @"
    rejected by budget.reactivate, limit 5: reactivate kari, active false -> true, \
    userName \"kari@example.no\" -> \"nes@example.no\" (entitled again)
    rejected by budget.reactivate, limit 5: kari into vei (belongs to the group in Entra)
    ");
}

#[test]
fn two_values_of_one_person_are_held_each_by_itself() {
    let told = case(
        "entra
           user kari userPrincipalName=nes@example.no
         platform
           account kari title=Lærer
         policy
           account title = person.jobTitle
         said
           held budget.rename kari userName=nes@example.no
           held budget.clear kari title=null of=title
           approved kari title=null",
    );
    assert_snapshot!(told, @"
    approved: update kari, title \"Lærer\" -> (none) (attributes changed in Entra)
    held by budget.rename, limit 0: update kari, userName \"kari@example.no\" -> \
    \"nes@example.no\" (attributes changed in Entra)
    ");
}

#[test]
fn what_is_approved_of_a_hold_is_made_and_the_rest_waits() {
    let told = case(
        "entra
           user kari accountEnabled=false
           user ola accountEnabled=false
           group vei members=kari,ola
         platform
           account kari
           account ola
           group vei members=kari,ola
         said
           held budget.deactivate kari ola limit=1
           approved kari",
    );
    assert_snapshot!(told, @"
    approved: deactivate kari, active true -> false (disabled in Entra)
    approved: kari out of vei (a deactivated account is no member)
    held by budget.deactivate, limit 1: deactivate ola, active true -> false (disabled in Entra)
    held by budget.deactivate, limit 1: ola out of vei (a deactivated account is no member)
    ");
}

#[test]
fn an_approved_leaver_leaves_the_budget_to_the_others() {
    let told = case(
        "entra
           user kari accountEnabled=false
           user ola accountEnabled=false
         platform
           account kari
           account ola
         said
           approved kari",
    );
    assert_snapshot!(told, @r"
    approved: deactivate kari, active true -> false (disabled in Entra)
    deactivate ola, active true -> false (disabled in Entra)
    ");
}

#[test]
fn memberships_of_leavers_who_wait_stay() {
    let told = case(
        "entra
           user kari accountEnabled=false
           user ola accountEnabled=false
           user per
           group vei members=kari,ola
         platform
           account kari
           account ola
           account per
           group vei members=kari,per",
    );
    assert_snapshot!(told, @r"
    per out of vei (left the group in Entra)
    held by budget.deactivate, limit 1: deactivate kari, active true -> false (disabled in Entra)
    held by budget.deactivate, limit 1: deactivate ola, active true -> false (disabled in Entra)
    held by budget.deactivate, limit 1: kari out of vei (a deactivated account is no member)
    ");
}

#[test]
fn a_rejected_departure_stays_so_when_the_person_is_deleted() {
    let told = case(
        "entra
           user kari deleted
           group vei
         platform
           account kari
           group vei members=kari
         said
           rejected kari departure",
    );
    assert_snapshot!(told, @"
    rejected by budget.deactivate, limit 1: deactivate kari, active true -> false (deleted in Entra)
    rejected by budget.deactivate, limit 1: kari out of vei (a deactivated account is no member)
    ");
}

#[test]
fn who_comes_back_is_out_of_the_hold_and_the_others_stay_in_it() {
    let told = case(
        "entra
           user kari displayName=Nes
           user ola accountEnabled=false
         platform
           account kari
           account ola
         said
           held budget.deactivate kari departure limit=5
           held budget.deactivate ola departure limit=5",
    );
    assert_snapshot!(told, @r#"
    update kari, displayName "Kari" -> "Nes" (attributes changed in Entra)
    held by budget.deactivate, limit 5: deactivate ola, active true -> false (disabled in Entra)
    "#);
}

#[test]
fn the_leaver_after_an_accident_does_not_wait_behind_it() {
    let told = case(
        "entra
           user kari accountEnabled=false
           user ola accountEnabled=false
           user per accountEnabled=false
         platform
           account kari
           account ola
           account per
         said
           held budget.deactivate kari ola limit=1",
    );
    assert_snapshot!(told, @"
    deactivate per, active true -> false (disabled in Entra)
    held by budget.deactivate, limit 1: deactivate kari, active true -> false (disabled in Entra)
    held by budget.deactivate, limit 1: deactivate ola, active true -> false (disabled in Entra)
    ");
}

#[test]
fn what_is_announced_releases_nothing_that_is_held() {
    let told = case(
        "entra
           user kari accountEnabled=false
         platform
           account kari
         said
           held budget.deactivate kari limit=1
           allow budget.deactivate 100",
    );
    assert_snapshot!(
        told,
        @"held by budget.deactivate, limit 1: deactivate kari, active true -> false (disabled in Entra)"
    );
}

#[test]
fn of_two_words_at_one_time_the_rejection_counts() {
    let told = case(
        "entra
           user kari accountEnabled=false
         platform
           account kari
         said
           held budget.deactivate kari
           rejected kari
           approved kari",
    );
    assert_snapshot!(
        told,
        @"rejected by budget.deactivate, limit 0: deactivate kari, active true -> false (disabled in Entra)"
    );
}

#[test]
fn what_was_let_through_and_is_not_made_can_be_rejected() {
    let told = case(
        "entra
           user kari accountEnabled=false
           user ola accountEnabled=false
         platform
           account kari
           account ola
         said
           cleared kari
           rejected kari",
    );
    assert_snapshot!(told, @"
    deactivate ola, active true -> false (disabled in Entra)
    rejected by budget.deactivate, limit 1: deactivate kari, active true -> false (disabled in Entra)
    ");
}

#[test]
fn what_rests_on_new_rules_waits_though_it_was_announced() {
    let told = case(
        "entra
           user kari department=Vei
           user ola accountEnabled=false
         platform
           account kari
           account ola
         policy
           people = person.accountEnabled and person.department != \"Vei\"
         said
           resting kari
           allow budget.deactivate 1",
    );
    assert_snapshot!(told, @"
    deactivate ola, active true -> false (disabled in Entra)
    held by scope_change, limit 0: deactivate kari, active true -> false (scope.people is false)
    ");
}

#[test]
fn of_new_rules_the_removal_waits_and_a_new_value_goes_through() {
    let told = case(
        "entra
           user kari department=Vei
         platform
           account kari title=Lærer
         policy
           account title = person.jobTitle
           account department = person.department
         said
           resting kari",
    );
    assert_snapshot!(told, @r#"
    update kari, department "Vei" (attributes changed in Entra)
    held by scope_change, limit 0: update kari, title "Lærer" -> (none) (attributes changed in Entra)
    "#);
}

#[test]
fn what_rests_on_new_rules_is_made_once_it_is_approved() {
    let told = case(
        "entra
           user kari
           user ola
           group vei
         platform
           account kari
           account ola
           group vei members=kari,ola
         said
           resting vei:kari vei:ola
           approved vei:kari",
    );
    assert_snapshot!(told, @"
    approved: kari out of vei (left the group in Entra)
    held by scope_change, limit 0: ola out of vei (left the group in Entra)
    ");
}

#[test]
fn who_was_made_inactive_by_others_stays_so_and_gets_the_title() {
    let told = case(
        "entra
           user kari jobTitle=Rektor
         platform
           account kari active=false title=Lærer
         policy
           account title = person.jobTitle",
    );
    assert_snapshot!(told, @r#"
    update kari, title "Lærer" -> "Rektor" (attributes changed in Entra)
    held by ownership.inactive, limit 0: update kari, active false -> true (attributes changed in Entra)
    "#);
}

#[test]
fn who_is_found_inactive_is_taken_over_only_after_a_word() {
    let told = case(
        "entra
           user kari
           user ola
           group vei members=kari,ola
         platform
           found kari id=7 active=false
           found ola id=8 active=false
           group vei
         said
           approved kari",
    );
    assert_snapshot!(told, @"
    approved: adopt kari as 7, active false -> true, externalId \"kari\" (exists on the platform as 7)
    approved: kari into vei (belongs to the group in Entra)
    held by ownership.inactive, limit 0: adopt ola as 8, active false -> true, externalId \"ola\" \
    (exists on the platform as 8)
    held by ownership.inactive, limit 0: ola into vei (belongs to the group in Entra)
    ");
}

#[test]
fn what_carries_the_id_of_another_waits_in_the_first_import_too() {
    // That of ola.
    let told = case(
        "entra
           user kari
           group vei members=kari
         platform
           found kari id=7 externalId=id-of-ola
           group vei
         said
           first-import",
    );
    assert_snapshot!(told, @"
    held by ownership.other, limit 0: adopt kari as 7, externalId \"ola\" -> \"kari\" \
    (exists on the platform as 7; it was found by its login name alone and carries the id of \
    another person)
    held by ownership.other, limit 0: kari into vei (belongs to the group in Entra)
    ");
}

#[test]
fn who_was_not_to_be_made_takes_over_nothing_found_later() {
    let told = case(
        "entra
           user kari
           user ola
           group vei members=kari
         platform
           found kari id=7
           found ola id=8
           group vei
         policy
           adopt approve
         said
           rejected kari creation",
    );
    assert_snapshot!(told, @r#"
    adopt ola as 8, externalId "ola" (exists on the platform as 8)
    held by adopt, limit 0: adopt kari as 7, externalId "kari" (exists on the platform as 7)
    held by adopt, limit 0: kari into vei (belongs to the group in Entra)
    "#);
}

#[test]
fn a_rejected_creation_keeps_the_memberships_back_too() {
    let told = case(
        "entra
           user kari
           group vei members=kari
         said
           rejected kari creation",
    );
    assert_snapshot!(told, @"
    create group vei, displayName \"Vei\" (wanted, and not on the platform)
    rejected by budget.create, limit 50: create kari, displayName \"Kari\", \
    userName \"kari@example.no\" (in scope, and not on the platform)
    rejected by budget.create, limit 50: kari into vei (belongs to the group in Entra)
    ");
}

#[test]
fn a_word_about_one_membership_is_none_about_another() {
    let told = case(
        "entra
           user kari
           user ola
           group vei
           group skole
         platform
           account kari
           account ola
           group vei members=kari,ola
           group skole members=kari
         said
           held budget.member_remove vei:kari vei:ola
           rejected vei:kari removal
           approved vei:ola",
    );
    assert_snapshot!(told, @"
    kari out of skole (left the group in Entra)
    approved: ola out of vei (left the group in Entra)
    rejected by budget.member_remove, limit 0: kari out of vei (left the group in Entra)
    ");
}

#[test]
fn a_rejected_deletion_leaves_the_group_and_its_members() {
    let told = case(
        "entra
           user kari
           group vei deleted
         platform
           account kari
           group vei members=kari
         said
           rejected group:vei deletion",
    );
    assert_snapshot!(
        told,
        @"rejected by budget.delete, limit 1: delete group vei (deleted in Entra)"
    );
}
