//! Accounts and groups that are there already, and are taken over.

use insta::assert_snapshot;

use super::case;

#[test]
fn who_is_found_is_taken_over_and_brought_in_line() {
    let told = case(
        "entra
           user kari jobTitle=Rektor department=null userPrincipalName=Kari@Example.no
           group vei members=kari
         platform
           found kari id=12 displayName=\"Kari N\" title=Vikar department=Vei
           group vei
         policy
           account title = person.jobTitle
           account department = person.department",
    );
    assert_snapshot!(told, @"
    adopt kari as 12, displayName \"Kari N\" -> \"Kari\", externalId \"kari\", title \"Vikar\" -> \
    \"Rektor\", department \"Vei\" -> (none) (exists on the platform as 12)
    kari into vei (belongs to the group in Entra)
    ");
}

#[test]
fn one_word_takes_over_and_activates_what_has_anothers_id() {
    // The ids are those of siri and per.
    let told = case(
        "entra
           user kari
           user ola
         platform
           found kari id=12 active=false externalId=id-of-siri
           found ola id=13 active=false externalId=id-of-per
         said
           approved kari",
    );
    assert_snapshot!(told, @"
    approved: adopt kari as 12, active false -> true, externalId \"siri\" -> \"kari\" (exists on the \
    platform as 12; it was found by its login name alone and carries the id of another person, and it \
    is inactive)
    held by ownership.other, limit 0: adopt ola as 13, active false -> true, externalId \"per\" -> \
    \"ola\" (exists on the platform as 13; it was found by its login name alone and carries the id of \
    another person, and it is inactive)
    ");
}

#[test]
fn a_rejected_adoption_makes_no_account_and_no_membership() {
    let told = case(
        "entra
           user kari
           group vei members=kari
         platform
           found kari id=12 externalId=id-of-siri
           group vei
         said
           rejected kari",
    );
    assert_snapshot!(told, @"
    rejected by ownership.other, limit 0: adopt kari as 12, externalId \"siri\" -> \"kari\" (exists on \
    the platform as 12; it was found by its login name alone and carries the id of another person)
    rejected by ownership.other, limit 0: kari into vei (belongs to the group in Entra)
    ");
}

#[test]
fn the_nickname_of_another_tool_is_the_id_of_nobody() {
    let told = case(
        "entra
           user kari
         platform
           found kari id=12 externalId=k.nordmann",
    );
    assert_snapshot!(told, @"adopt kari as 12, externalId \"k.nordmann\" -> \"kari\" (exists on the \
    platform as 12)");
}

#[test]
fn where_adopt_is_never_newcomers_are_stuck_and_leavers_left_be() {
    // The ids are those of kari and ola.
    let told = case(
        "entra
           user kari
           user ola accountEnabled=false
         platform
           found kari id=12 externalId=id-of-kari
           found ola id=13 externalId=id-of-ola
         policy
           adopt never",
    );
    assert_snapshot!(told, @"stuck kari: an account exists already as 12, and adopt is \"never\"; take \
    it away there, or allow it");
}

#[test]
fn administrators_and_unreadable_roles_are_not_taken_over() {
    let told = case(
        "entra
           user kari
           user ola accountEnabled=false
         platform
           found kari id=12 roles=[\"Kommune-Admin\"]
           found ola id=13 roles=? externalId=id-of-ola",
    );
    assert_snapshot!(told, @r"
    untouched kari: an administrator of the platform; it is not taken over and never touched
    untouched ola: its roles on the platform cannot be read; it is not taken over and never touched
    ");
}

#[test]
fn the_account_whose_token_is_used_is_taken_over_by_nobody() {
    let told = case(
        "entra
           user kari
           user ola manager=kari
         platform
           found kari id=12
         policy
           account manager = person.manager
           own-account 12",
    );
    assert_snapshot!(told, @r#"
    create ola, displayName "Ola", userName "ola@example.no" (in scope, and not on the platform)
    untouched kari: this is the account whose token Manntall uses; it is never touched
    "#);
}

#[test]
fn a_leaver_is_taken_over_by_the_own_id_and_on_evidence_alone() {
    // The ids are those of kari and ola.
    let told = case(
        "entra
           user kari deleted
           user ola gone
           user per accountEnabled=false
         platform
           found kari id=12 externalId=id-of-kari
           found ola id=13 externalId=id-of-ola
           found per id=14 externalId=k.nordmann",
    );
    assert_snapshot!(told, @"adopt kari as 12, active true -> false (exists on the platform as 12; \
    deleted in Entra)");
}

#[test]
fn who_is_ordered_out_is_taken_over_though_enabled_in_entra() {
    let told = case(
        "entra
           user kari
         platform
           account kari lost by-hand
           found kari id=12 externalId=id-of-kari active=?",
    );
    assert_snapshot!(told, @"adopt kari as 12, active false (exists on the platform as 12; deactivated \
    by hand by berit: permisjon)");
}

#[test]
fn whoever_is_taken_over_refers_later_to_who_is_made() {
    let told = case(
        "entra
           user kari manager=ola
           user ola manager=kari
         platform
           found kari id=12 manager=gammel
         policy
           account manager = person.manager",
    );
    assert_snapshot!(told, @"
    adopt kari as 12, externalId \"kari\" (exists on the platform as 12)
    create ola, displayName \"Ola\", manager account of kari, userName \"ola@example.no\" (in scope, \
    and not on the platform)
    later: update kari, manager \"gammel\" -> account of ola (refers to an account that is made after \
    this one)
    ");
}

#[test]
fn a_group_with_anothers_id_waits_with_its_members() {
    let told = case(
        "entra
           user kari
           user ola
           group vei members=kari
           group helse members=ola
         platform
           account kari
           account ola
           found group vei id=7 externalId=rule:sections/Vei
           found group helse id=8 displayName=HELSE",
    );
    assert_snapshot!(told, @"
    adopt group helse as 8, displayName \"HELSE\" -> \"Helse\", externalId \"helse\" (exists on the \
    platform as 8)
    ola into helse (belongs to the group in Entra)
    held by ownership.other, limit 0: adopt group vei as 7, externalId \"rule:sections/Vei\" -> \
    \"vei\" (exists on the platform as 7; it was found by its name alone and carries the id of another \
    group)
    held by ownership.other, limit 0: kari into vei (belongs to the group in Entra)
    ");
}

#[test]
fn a_lost_account_under_another_id_is_not_made_a_second_time() {
    let told = case(
        "entra
           user kari
           user ola
         platform
           account kari lost
           account ola lost
           found kari id=12 externalId=id-of-kari
           found ola several
         policy
           adopt approve",
    );
    assert_snapshot!(told, @r"
    adopt kari as 12 (exists on the platform as 12)
    stuck ola: several accounts on the platform match: 12, 13; keep one, then retry
    ");
}

#[test]
fn an_account_that_does_not_say_it_is_active_stays_as_it_is() {
    let told = case(
        "entra
           user kari
           group vei members=kari
         platform
           found kari id=12 active=?
           group vei",
    );
    assert_snapshot!(told, @"
    adopt kari as 12, externalId \"kari\" (exists on the platform as 12; the platform does not say \
    readably whether it is active, and it stays as it is)
    kari into vei (belongs to the group in Entra)
    ");
}

#[test]
fn a_leaver_found_inactive_uses_up_no_departure() {
    let told = case(
        "entra
           user kari deleted
           user ola accountEnabled=false
         platform
           account kari
           found ola id=13 externalId=id-of-ola active=false
         policy
           budget deactivate 1",
    );
    assert_snapshot!(told, @r"
    deactivate kari, active true -> false (deleted in Entra)
    adopt ola as 13 (exists on the platform as 13; disabled in Entra)
    ");
}

#[test]
fn a_leaver_of_rejected_adoption_stays_active() {
    let told = case(
        "entra
           user kari deleted
           user ola deleted
         platform
           found kari id=12 externalId=id-of-kari
           account ola
         said
           rejected kari",
    );
    assert_snapshot!(told, @"
    deactivate ola, active true -> false (deleted in Entra)
    rejected by budget.deactivate, limit 1: adopt kari as 12, active true -> false (exists on the \
    platform as 12; deleted in Entra)
    ");
}

#[test]
fn a_group_of_a_rule_is_known_by_its_id_in_other_letters() {
    let told = case(
        "entra
           user kari department=Skole
         platform
           account kari
           found group sections/Skole id=7 displayName=Skole externalId=rule:SECTIONS/skole
         policy
           each sections of person.department name key",
    );
    assert_snapshot!(told, @"
    adopt group sections/Skole as 7, externalId \"rule:SECTIONS/skole\" -> \"rule:sections/Skole\" \
    (exists on the platform as 7)
    kari into sections/Skole (belongs to the group in Entra)
    ");
}
