//! What was held or rejected in one way, and would come about in another.

use insta::assert_snapshot;

use super::case;

#[test]
fn a_rejected_return_is_not_made_as_a_new_account() {
    let told = case(
        "entra
           user kari
         platform
           account kari lost
         said
           rejected kari return",
    );
    assert_snapshot!(told, @"held by adopt, limit 0: create kari, displayName \"Kari\", userName \"kari@example.no\" (in scope; the account was deleted on the platform, and is made again)");
}

#[test]
fn a_held_return_is_not_made_by_taking_over_what_is_found() {
    let told = case(
        "entra
           user kari
         platform
           account kari lost
           found kari id=12 externalId=id-of-kari
         said
           held budget.reactivate kari return",
    );
    assert_snapshot!(told, @"held by budget.reactivate, limit 0: adopt kari as 12 (exists on the platform as 12)");
}

#[test]
fn an_adoption_held_for_another_reason_waits_also_when_automatic() {
    let told = case(
        "entra
           user kari
         platform
           found kari id=12 externalId=id-of-kari
         policy
           adopt automatic
         said
           held budget.reactivate kari",
    );
    assert_snapshot!(told, @"held by budget.reactivate, limit 0: adopt kari as 12 (exists on the platform as 12)");
}

#[test]
fn an_account_not_to_be_activated_is_not_made_anew() {
    let told = case(
        "entra
           user kari
         platform
           account kari lost
         said
           rejected kari active=true",
    );
    assert_snapshot!(told, @"held by adopt, limit 0: create kari, displayName \"Kari\", userName \"kari@example.no\" (in scope; the account was deleted on the platform, and is made again)");
}

#[test]
fn a_rejected_departure_is_not_made_by_an_adoption() {
    let told = case(
        "entra
           user kari deleted
         platform
           account kari lost
           found kari id=7 externalId=id-of-kari
         said
           population 1000
           rejected kari departure",
    );
    assert_snapshot!(told, @"held by budget.deactivate, limit 0: adopt kari as 7, active true -> false (exists on the platform as 7; deleted in Entra)");
}

#[test]
fn a_rejected_creation_holds_up_no_departure() {
    let told = case(
        "entra
           user kari deleted
         platform
           found kari id=12 externalId=id-of-kari
         said
           population 1000
           rejected kari creation",
    );
    assert_snapshot!(told, @"adopt kari as 12, active true -> false (exists on the platform as 12; deleted in Entra)");
}

#[test]
fn a_rejected_adoption_is_not_made_because_it_is_automatic_now() {
    let told = case(
        "entra
           user kari
         platform
           found kari id=12
         policy
           adopt automatic
         said
           rejected kari",
    );
    assert_snapshot!(told, @"rejected by adopt, limit 0: adopt kari as 12, externalId \"kari\" (exists on the platform as 12)");
}

#[test]
fn a_group_not_to_be_made_is_not_made_though_nothing_limits_that() {
    let told = case(
        "entra
           group vei
         said
           held adopt group:vei creation",
    );
    assert_snapshot!(told, @"held by adopt, limit 0: create group vei, displayName \"Vei\" (wanted, and not on the platform)");
}

#[test]
fn a_rejected_creation_is_not_made_by_a_first_import() {
    let told = case(
        "entra
           user kari
         said
           first-import
           rejected kari creation",
    );
    assert_snapshot!(told, @"rejected by adopt, limit 0: create kari, displayName \"Kari\", userName \"kari@example.no\" (in scope, and not on the platform)");
}

#[test]
fn names_of_those_whose_return_waits_use_up_no_renames() {
    let told = case(
        "entra
           user kari userPrincipalName=k@example.no
           user per userPrincipalName=p@example.no
         platform
           account kari deactivated
           account per
         policy
           budget rename 1
         said
           held budget.reactivate kari return
           cleared kari",
    );
    assert_snapshot!(told, @r#"
    update per, userName "per@example.no" -> "p@example.no" (attributes changed in Entra)
    held by budget.reactivate, limit 0: reactivate kari, active false -> true, userName "kari@example.no" -> "k@example.no" (entitled again)
    "#);
}

#[test]
fn a_member_waits_for_account_and_group_alike() {
    let told = case(
        "entra
           user kari
           user ola
           group vei members=kari,ola
         platform
           account ola
           found group vei id=7 externalId=id-of-skole",
    );
    assert_snapshot!(told, @r#"
    create kari, displayName "Kari", userName "kari@example.no" (in scope, and not on the platform)
    held by ownership.other, limit 0: adopt group vei as 7, externalId "skole" -> "vei" (exists on the platform as 7; it was found by its name alone and carries the id of another group)
    held by ownership.other, limit 0: kari into vei (belongs to the group in Entra)
    held by ownership.other, limit 0: ola into vei (belongs to the group in Entra)
    "#);
}

#[test]
fn no_member_is_put_into_a_group_that_is_stuck() {
    let told = case(
        "entra
           user kari
           group vei members=kari
         platform
           found group vei several",
    );
    assert_snapshot!(told, @r#"
    create kari, displayName "Kari", userName "kari@example.no" (in scope, and not on the platform)
    stuck group vei: several groups on the platform match: 12, 13; keep one, then retry
    "#);
}

#[test]
fn a_leaver_out_of_scope_whose_account_was_lost_and_is_found_is_out() {
    let told = case(
        "entra
           user kari jobTitle=Vikar
         platform
           account kari lost
           found kari id=12 externalId=id-of-kari
         policy
           people = person.jobTitle != \"Vikar\"
         said
           population 1000",
    );
    assert_snapshot!(told, @"adopt kari as 12, active true -> false (exists on the platform as 12; scope.people is false)");
}

#[test]
fn who_is_disabled_is_out_though_keep_and_scope_groups_are_unknown() {
    let told = case(
        "entra
           unread groups
           user kari unkept accountEnabled=false userType=?
           user ola deleted
         platform
           account kari
           account ola
         policy
           keep = user.userType == \"Member\"
           people-of vei
         said
           population 1000",
    );
    assert_snapshot!(told, @r"
    deactivate kari, active true -> false (disabled in Entra)
    deactivate ola, active true -> false (deleted in Entra)
    ");
}

#[test]
fn an_announcement_does_not_empty_a_group_that_is_shown_empty() {
    let told = case(
        "entra
           user a
           user b
           group vei emptied
         platform
           account a
           account b
           group vei members=a,b
         said
           population 1000
           allow budget.group_shrink 10",
    );
    assert_snapshot!(told, @r"
    held by budget.group_shrink, limit 1: a out of vei (Entra shows no member of the group, or of one within it, any more, and has not said that anybody left)
    held by budget.group_shrink, limit 1: b out of vei (Entra shows no member of the group, or of one within it, any more, and has not said that anybody left)
    ");
}

#[test]
fn a_deleted_group_is_not_shown_empty() {
    let told = case(
        "entra
           user kari
           group vei emptied deleted
         platform
           account kari
         policy
           people-of vei
         said
           population 1000",
    );
    assert_snapshot!(told, @"deactivate kari, active true -> false (not a member of any group of scope.groups)");
}

/// A line for each name.
fn each(names: &str, line: &str) -> String {
    names.chars().map(|name| line.replace('*', &name.to_string()) + "\n").collect()
}

/// Ten members of whom none is left in Entra, and what more is said; how many of them wait.
fn waiting(told: &str, said: &str) -> usize {
    let all = "abcdefghij";
    let outcome = case(&format!(
        "entra\n{told}group vei\nplatform\n{}group vei members=a,b,c,d,e,f,g,h,i,j\nsaid\npopulation 1000\n{said}",
        each(all, "account *"),
    ));
    outcome.lines().filter(|line| line.starts_with("held by budget.group_shrink")).count()
}

#[test]
fn the_last_of_a_group_waits_though_the_others_go_by_new_rules() {
    let said = "resting vei:a vei:b vei:c vei:d vei:e\napproved vei:a vei:b vei:c vei:d vei:e";
    assert_eq!(waiting(&each("abcdefghij", "user *"), said), 5);
}

#[test]
fn the_last_of_a_group_waits_though_the_others_leave_with_their_accounts() {
    let told = each("abcde", "user * accountEnabled=false") + &each("fghij", "user *");
    assert_eq!(waiting(&told, ""), 5);
}

#[test]
fn a_group_that_was_released_waits_for_a_word_under_never() {
    let told = case(
        "entra
           group vei
         platform
           group vei released id=7
           found group vei id=7 externalId=id-of-vei
         policy
           adopt never",
    );
    assert_snapshot!(told, @"held by adopt, limit 0: adopt group vei as 7 (exists on the platform as 7)");
}

#[test]
fn a_group_whose_creation_waits_is_made_once_approved() {
    let told = case(
        "entra
           group vei
         said
           held adopt group:vei
           approved group:vei",
    );
    assert_snapshot!(told, @"approved: create group vei, displayName \"Vei\" (wanted, and not on the platform)");
}

#[test]
fn names_of_those_whose_return_waits_are_not_counted_anew() {
    let told = case(
        "entra
           user kari userPrincipalName=k@example.no
           user per userPrincipalName=p@example.no
         platform
           account kari deactivated
           account per
         policy
           budget rename 1
         said
           held budget.reactivate kari return",
    );
    assert_snapshot!(told, @r#"
    update per, userName "per@example.no" -> "p@example.no" (attributes changed in Entra)
    held by budget.reactivate, limit 0: reactivate kari, active false -> true, userName "kari@example.no" -> "k@example.no" (entitled again)
    "#);
}

#[test]
fn a_leaver_is_not_held_up_by_an_adoption_that_waits() {
    let told = case(
        "entra
           user kari accountEnabled=false
         platform
           found kari id=12 externalId=id-of-kari
         said
           population 1000
           held adopt kari adoption",
    );
    assert_snapshot!(told, @"adopt kari as 12, active true -> false (exists on the platform as 12; disabled in Entra)");
}

#[test]
fn what_is_made_instead_of_an_adoption_is_not_taken_over_unasked() {
    let told = case(
        "entra
           user kari
         platform
           found kari id=12
         said
           held adopt kari creation",
    );
    assert_snapshot!(told, @"held by adopt, limit 0: adopt kari as 12, externalId \"kari\" (exists on the platform as 12)");
}

#[test]
fn departures_that_wait_leave_the_group_as_large_as_it_is() {
    let told = each("abcde", "user * accountEnabled=false") + &each("fghij", "user *");
    assert_eq!(waiting(&told, "held budget.deactivate a b c d e"), 0);
}
