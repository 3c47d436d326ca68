//! How much may be made unasked: what each budget lets through, and what waits above it.

use insta::assert_snapshot;

use super::case;

/// A line for each of these people.
fn each(line: &str, people: &str) -> String {
    people.split(' ').map(|name| line.replace('*', name)).collect::<Vec<_>>().join("\n")
}

#[test]
fn three_of_ten_wait() {
    let told = case(
        "entra
           user kari accountEnabled=false
           user ola deleted
           user per accountEnabled=false
         platform
           account kari
           account ola
           account per
         said
           population 10",
    );
    assert_snapshot!(told, @r"
    held by budget.deactivate, limit 2: deactivate kari, active true -> false (disabled in Entra)
    held by budget.deactivate, limit 2: deactivate ola, active true -> false (deleted in Entra)
    held by budget.deactivate, limit 2: deactivate per, active true -> false (disabled in Entra)
    ");
}

#[test]
fn two_per_cent_leave_at_once_and_twice_that_in_a_day() {
    let told = case(
        "entra
           user kari accountEnabled=false
           user ola accountEnabled=false
         platform
           account kari
           account ola
         said
           population 1000
           spent budget.deactivate 39",
    );
    assert_snapshot!(told, @r"
    held by budget.deactivate, limit 1: deactivate kari, active true -> false (disabled in Entra)
    held by budget.deactivate, limit 1: deactivate ola, active true -> false (disabled in Entra)
    ");
}

#[test]
fn what_waits_its_turn_uses_up_the_day() {
    let told = case(
        "entra
           user kari accountEnabled=false
           user ola accountEnabled=false
         platform
           account kari
           account ola
         said
           population 10
           spent budget.deactivate 3
           cleared kari",
    );
    assert_snapshot!(told, @r"
    deactivate kari, active true -> false (disabled in Entra)
    held by budget.deactivate, limit 0: deactivate ola, active true -> false (disabled in Entra)
    ");
}

#[test]
fn who_was_deactivated_today_is_so_again_on_a_day_used_up() {
    let told = case(
        "entra
           user kari accountEnabled=false
           user ola accountEnabled=false
         platform
           account kari
           account ola
         said
           population 10
           spent budget.deactivate 4
           departed kari",
    );
    assert_snapshot!(told, @r"
    deactivate kari, active true -> false (disabled in Entra)
    held by budget.deactivate, limit 0: deactivate ola, active true -> false (disabled in Entra)
    ");
}

#[test]
fn what_is_announced_comes_on_top_of_the_budget() {
    let told = case(
        "entra
           user kari accountEnabled=false
           user ola accountEnabled=false
         platform
           account kari
           account ola
         said
           allow budget.deactivate 1",
    );
    assert_snapshot!(told, @r"
    deactivate kari, active true -> false (disabled in Entra)
    deactivate ola, active true -> false (disabled in Entra)
    ");
}

#[test]
fn what_is_announced_is_used_up_before_the_budget() {
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
           allow budget.deactivate 1
           cleared kari",
    );
    assert_snapshot!(told, @r"
    deactivate kari, active true -> false (disabled in Entra)
    held by budget.deactivate, limit 1: deactivate ola, active true -> false (disabled in Entra)
    held by budget.deactivate, limit 1: deactivate per, active true -> false (disabled in Entra)
    ");
}

#[test]
fn an_accident_of_one_tenant_holds_up_no_leaver_of_another() {
    let told = case(
        "entra
           user kari accountEnabled=false
           user ola accountEnabled=false
           user per in=baerum accountEnabled=false
         platform
           account kari
           account ola
           account per",
    );
    assert_snapshot!(told, @r"
    deactivate per, active true -> false (disabled in Entra)
    held by budget.deactivate, limit 1: deactivate kari, active true -> false (disabled in Entra)
    held by budget.deactivate, limit 1: deactivate ola, active true -> false (disabled in Entra)
    ");
}

#[test]
fn a_leaver_whose_account_is_only_found_counts_as_deactivated() {
    let told = case(
        "entra
           user kari accountEnabled=false
           user ola accountEnabled=false
         platform
           found kari id=7 externalId=id-of-kari
           account ola",
    );
    assert_snapshot!(told, @"
    held by budget.deactivate, limit 1: adopt kari as 7, active true -> false \
    (exists on the platform as 7; disabled in Entra)
    held by budget.deactivate, limit 1: deactivate ola, active true -> false (disabled in Entra)
    ");
}

#[test]
fn memberships_of_a_leaver_go_along_and_are_not_counted() {
    let told = case(
        "entra
           user kari accountEnabled=false
           user ola
           group vei members=kari
           group skole members=kari
         platform
           account kari
           account ola
           group vei members=kari,ola
           group skole members=kari",
    );
    assert_snapshot!(told, @r"
    deactivate kari, active true -> false (disabled in Entra)
    kari out of skole (a deactivated account is no member)
    kari out of vei (a deactivated account is no member)
    ola out of vei (left the group in Entra)
    ");
}

#[test]
fn of_forty_nine_memberships_one_in_five_may_end() {
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
           population 49
           spent budget.member_remove 17",
    );
    assert_snapshot!(told, @r"
    held by budget.member_remove, limit 1: kari out of vei (left the group in Entra)
    held by budget.member_remove, limit 1: ola out of vei (left the group in Entra)
    ");
}

#[test]
fn a_membership_counts_for_the_tenant_of_the_person() {
    let told = case(
        "entra
           user kari
           user per in=baerum
         platform
           account kari
           account per
           group sections/Skole members=kari,per displayName=Skole
         policy
           each sections of person.department name key
           budget member_remove 1",
    );
    assert_snapshot!(told, @r"
    kari out of sections/Skole (left the group in Entra)
    per out of sections/Skole (left the group in Entra)
    ");
}

#[test]
fn six_of_a_group_of_ten_wait() {
    let (users, accounts) = (each("user *", "a b c d e f"), each("account *", "a b c d e f"));
    let told = case(&format!(
        "entra
           {users}
           group vei members=g,h,i,j
         platform
           {accounts}
           group vei members=a,b,c,d,e,f,g,h,i,j
         said
           population 1000"
    ));
    assert_snapshot!(told, @r"
    held by budget.group_shrink, limit 5: a out of vei (left the group in Entra)
    held by budget.group_shrink, limit 5: b out of vei (left the group in Entra)
    held by budget.group_shrink, limit 5: c out of vei (left the group in Entra)
    held by budget.group_shrink, limit 5: d out of vei (left the group in Entra)
    held by budget.group_shrink, limit 5: e out of vei (left the group in Entra)
    held by budget.group_shrink, limit 5: f out of vei (left the group in Entra)
    ");
}

#[test]
fn a_group_of_nine_may_shrink_as_it_likes() {
    let told = case(
        "entra
           user kari
           user ola
           group vei members=a,b,c,d,e,f,g
         platform
           account kari
           account ola
           group vei members=a,b,c,d,e,f,g,kari,ola
         policy
           budget group_shrink 1
         said
           population 1000",
    );
    assert_snapshot!(told, @r"
    kari out of vei (left the group in Entra)
    ola out of vei (left the group in Entra)
    ");
}

#[test]
fn a_small_group_that_is_shown_empty_keeps_whoever_has_not_left() {
    let told = case(
        "entra
           user kari
           user ola accountEnabled=false
           group vei emptied
         platform
           account kari
           account ola
           group vei members=kari,ola",
    );
    assert_snapshot!(told, @"
    deactivate ola, active true -> false (disabled in Entra)
    ola out of vei (a deactivated account is no member)
    held by budget.group_shrink, limit 0: kari out of vei \
    (Entra shows no member of the group, or of one within it, any more, and has not said that anybody left)
    ");
}

#[test]
fn of_two_groups_of_ours_both_are_not_deleted_at_once() {
    let told = case(
        "entra
           group vei deleted
           group skole purged
         platform
           group vei
           group skole",
    );
    assert_snapshot!(told, @r"
    held by budget.delete, limit 1: delete group skole (deleted in Entra for good)
    held by budget.delete, limit 1: delete group vei (deleted in Entra)
    ");
}

#[test]
fn two_per_cent_get_another_login_name_at_once() {
    let told = case(
        "entra
           user kari userPrincipalName=kari.nes@example.no
           user ola userPrincipalName=ola.nes@example.no
         platform
           account kari
           account ola
         said
           population 1000
           spent budget.rename 39",
    );
    assert_snapshot!(told, @"
    held by budget.rename, limit 1: update kari, userName \"kari@example.no\" -> \
    \"kari.nes@example.no\" (attributes changed in Entra)
    held by budget.rename, limit 1: update ola, userName \"ola@example.no\" -> \
    \"ola.nes@example.no\" (attributes changed in Entra)
    ");
}

#[test]
fn login_name_and_address_of_one_person_are_one_rename() {
    let told = case(
        "entra
           user kari userPrincipalName=nes@example.no mail=nes@example.no
           user ola mail=ola@example.no
         platform
           account kari mail=kari@example.no
           account ola
         policy
           account mail = person.mail
           budget rename 1",
    );
    assert_snapshot!(told, @"
    update kari, mail \"kari@example.no\" -> \"nes@example.no\", \
    userName \"kari@example.no\" -> \"nes@example.no\" (attributes changed in Entra)
    update ola, mail \"ola@example.no\" (attributes changed in Entra)
    ");
}

#[test]
fn five_per_cent_of_the_holders_lose_a_value_at_once() {
    let told = case(
        "entra
           user kari
           user ola department=Vei
         platform
           account kari title=Rektor
           account ola title=Rektor
         policy
           account title = person.jobTitle
           account department = person.department
         said
           population 1000
           spent budget.clear 99 of=title",
    );
    assert_snapshot!(told, @r#"
    update ola, department "Vei" (attributes changed in Entra)
    held by budget.clear, limit 1: update kari, title "Rektor" -> (none) (attributes changed in Entra)
    held by budget.clear, limit 1: update ola, title "Rektor" -> (none) (attributes changed in Entra)
    "#);
}

#[test]
fn each_attribute_is_cleared_within_a_budget_of_its_own() {
    let told = case(
        "entra
           user kari
           user ola
         platform
           account kari title=Rektor
           account ola department=Vei
         policy
           account title = person.jobTitle
           account department = person.department
           budget clear 1",
    );
    assert_snapshot!(told, @r#"
    update kari, title "Rektor" -> (none) (attributes changed in Entra)
    update ola, department "Vei" -> (none) (attributes changed in Entra)
    "#);
}

#[test]
fn ten_per_cent_come_at_once_and_whoever_was_lost_counts() {
    let told = case(
        "entra
           user kari
           user ola
           group vei members=kari
         platform
           account ola lost
           group vei
         said
           population 1000
           spent budget.create 199",
    );
    assert_snapshot!(told, @"
    held by budget.create, limit 1: create kari, displayName \"Kari\", \
    userName \"kari@example.no\" (in scope, and not on the platform)
    held by budget.create, limit 1: create ola, displayName \"Ola\", \
    userName \"ola@example.no\" (in scope; the account was deleted on the platform, and is made again)
    held by budget.create, limit 1: kari into vei (belongs to the group in Entra)
    ");
}

#[test]
fn the_first_import_lifts_the_budget_of_creates_alone() {
    let told = case(
        "entra
           user kari
           user ola
           user per
         platform
           account per deactivated
         policy
           budget create 1
           budget reactivate 0
         said
           first-import",
    );
    assert_snapshot!(told, @r#"
    create kari, displayName "Kari", userName "kari@example.no" (in scope, and not on the platform)
    create ola, displayName "Ola", userName "ola@example.no" (in scope, and not on the platform)
    held by budget.reactivate, limit 0: reactivate per, active false -> true (entitled again)
    "#);
}

#[test]
fn a_small_unit_takes_five_back() {
    let told = case(
        "entra
           user kari
           user ola
         platform
           account kari deactivated
           account ola deactivated
         said
           population 10
           spent budget.reactivate 9",
    );
    assert_snapshot!(told, @r"
    held by budget.reactivate, limit 1: reactivate kari, active false -> true (entitled again)
    held by budget.reactivate, limit 1: reactivate ola, active false -> true (entitled again)
    ");
}

#[test]
fn eleven_adoptions_at_once_wait() {
    let users = each("user *", "a b c d e f g h i j k");
    let found = each("found *", "a b c d e f g h i j k");
    let told = case(&format!(
        "entra
           {users}
         platform
           {found}
         policy
           adopt approve"
    ));
    let first = told.lines().next().unwrap_or_default();
    assert_eq!(told.matches("held by adopt, limit 10").count(), 11);
    assert_snapshot!(
        first,
        @r#"held by adopt, limit 10: adopt a as found-a, externalId "a" (exists on the platform as found-a)"#
    );
}

#[test]
fn accounts_and_groups_are_adopted_within_one_budget_of_a_day() {
    let told = case(
        "entra
           user kari
           group vei members=kari
         platform
           found kari id=7
           found group vei id=8
         policy
           adopt approve
         said
           spent adopt 19",
    );
    assert_snapshot!(told, @r#"
    held by adopt, limit 1: adopt kari as 7, externalId "kari" (exists on the platform as 7)
    held by adopt, limit 1: adopt group vei as 8, externalId "vei" (exists on the platform as 8)
    held by adopt, limit 1: kari into vei (belongs to the group in Entra)
    "#);
}
