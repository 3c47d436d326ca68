//! Two tenants on one platform.

use insta::assert_snapshot;

use super::case;

#[test]
fn who_moves_to_another_tenant_is_somebody_else_there() {
    let told = case(
        "entra
           user kari deleted
           user karin in=baerum userPrincipalName=kari@example.no
         platform
           account kari",
    );
    assert_snapshot!(told, @r#"
    deactivate kari, active true -> false (deleted in Entra)
    create karin, displayName "Karin", userName "kari@example.no" (in scope, and not on the platform)
    "#);
}

#[test]
fn a_namesake_of_another_tenant_loses_nothing() {
    let told = case(
        "entra
           user kari accountEnabled=false
           user karin in=baerum userPrincipalName=kari@example.no
           group vei members=kari
           group skole in=baerum members=karin
         platform
           account kari
           account karin userName=kari@example.no
           group vei members=kari
           group skole members=karin",
    );
    assert_snapshot!(told, @r"
    deactivate kari, active true -> false (disabled in Entra)
    kari out of vei (a deactivated account is no member)
    ");
}

#[test]
fn a_group_knows_the_people_of_its_own_tenant_only() {
    let told = case(
        "entra
           user kari
           user per in=baerum
           group vei members=kari,per
         platform
           account kari
           account per
           group vei",
    );
    assert_snapshot!(told, @"kari into vei (belongs to the group in Entra)");
}

#[test]
fn who_is_of_another_tenant_is_taken_out_of_a_group() {
    let told = case(
        "entra
           user kari
           user per in=baerum
           group vei members=kari
         platform
           account kari
           account per
           group vei adopted members=kari,per",
    );
    assert_snapshot!(told, @"per out of vei (left the group in Entra)");
}

#[test]
fn nobody_is_out_of_a_group_that_holds_one_of_another_tenant() {
    let told = case(
        "entra
           user kari
           user per in=baerum
           group vei groups=skole
           group skole in=baerum members=per
         platform
           account kari
           account per
           group vei members=kari
           group skole members=per",
    );
    assert_snapshot!(told, @"nothing");
}

#[test]
fn while_one_tenant_is_unread_its_people_wait_and_the_others_go() {
    let told = case(
        "entra
           user kari accountEnabled=false
           user per in=baerum accountEnabled=false
           unread users in=baerum
         platform
           account kari
           account per",
    );
    assert_snapshot!(told, @r"
    deactivate kari, active true -> false (disabled in Entra)
    waits per: the first complete read has not ended
    ");
}

#[test]
fn of_a_group_by_rule_the_people_of_an_unread_tenant_stay() {
    let told = case(
        "entra
           user kari department=Vei
           user per in=baerum department=Vei
           unread users in=baerum
         platform
           account kari
           account per
           group sections/Skole displayName=Skole members=kari,per
           group sections/Vei displayName=Vei
         policy
           each sections of person.department name key",
    );
    assert_snapshot!(told, @r"
    kari out of sections/Skole (left the group in Entra)
    kari into sections/Vei (belongs to the group in Entra)
    waits per: the first complete read has not ended
    ");
}

#[test]
fn a_group_by_rule_is_one_for_all_tenants() {
    let told = case(
        "entra
           user kari department=Vei
           user per in=baerum department=Vei
         platform
           account kari
           account per
           group sections/Vei displayName=Vei members=kari
         policy
           each sections of person.department name key",
    );
    assert_snapshot!(told, @"per into sections/Vei (belongs to the group in Entra)");
}

#[test]
fn what_one_tenant_does_not_keep_another_may() {
    let told = case(
        r#"entra
           user kari unkept userType=Guest
           user per in=baerum userType=Guest
         platform
           account kari
           account per
         policy
           keep = user.userType == "Member""#,
    );
    assert_snapshot!(told, @"deactivate kari, active true -> false (keep is false)");
}

#[test]
fn a_manager_of_another_tenant_is_nobody_known() {
    let told = case(
        "entra
           user per in=baerum
           user siri in=baerum manager=per
           user kari manager=per
         platform
           account per
           account siri manager=berit
           account kari manager=berit
         policy
           account manager = person.manager",
    );
    assert_snapshot!(told, @r#"update siri, manager "berit" -> account of per (attributes changed in Entra)"#);
}

#[test]
fn who_is_of_another_tenant_than_the_groups_of_the_scope_is_out() {
    let told = case(
        "entra
           user kari
           user per in=baerum
           group vei members=kari
         platform
           account kari
           account per
           group vei members=kari
         policy
           people-of vei",
    );
    assert_snapshot!(told, @"deactivate per, active true -> false (not a member of any group of scope.groups)");
}

#[test]
fn a_scope_group_of_an_unread_tenant_puts_nobody_out() {
    let told = case(
        "entra
           user kari
           user ola
           user per in=baerum
           group vei members=kari
           unread groups in=baerum
         platform
           account kari
           account ola
           account per
           group vei members=kari
         policy
           people-of vei skole",
    );
    assert_snapshot!(told, @r"
    waits ola: not all members of the groups of scope.groups are known
    waits per: the first complete read has not ended
    ");
}

#[test]
fn a_crowd_that_leaves_one_tenant_holds_up_no_leaver_of_another() {
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
fn a_group_deleted_in_one_tenant_leaves_its_namesake() {
    let told = case(
        "entra
           user kari
           user per in=baerum
           group vei deleted displayName=Drift members=kari
           group skole in=baerum displayName=Drift members=per
         platform
           account kari
           account per
           group vei displayName=Drift members=kari
           group skole displayName=Drift members=per",
    );
    assert_snapshot!(told, @"delete group vei (deleted in Entra)");
}
