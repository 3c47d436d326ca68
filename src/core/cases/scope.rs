//! Who is in scope by the groups of `scope.groups`.

use insta::assert_snapshot;

use super::case;

#[test]
fn who_is_in_one_of_two_scope_groups_through_others_is_in() {
    let told = case(
        "entra
          user kari
          group vei
          group helse groups=skole
          group skole members=kari
        policy
          people-of vei helse
          directory some where false name group.displayName",
    );
    assert_snapshot!(
        told,
        @r#"create kari, displayName "Kari", userName "kari@example.no" (in scope, and not on the platform)"#
    );
}

#[test]
fn who_leaves_the_last_scope_group_leaves_all_groups() {
    let told = case(
        r#"entra
          user kari
          group vei
          group helse members=kari
        platform
          account kari
          group helse members=kari
        policy
          people-of vei
          directory some where group.displayName == "Helse" name group.displayName"#,
    );
    assert_snapshot!(told, @r"
    deactivate kari, active true -> false (not a member of any group of scope.groups)
    kari out of helse (a deactivated account is no member)
    ");
}

#[test]
fn who_moves_from_one_scope_group_to_another_keeps_the_account() {
    let told = case(
        "entra
          user kari
          group vei partial left=kari
          group helse members=kari
        platform
          account kari
          group vei members=kari
          group helse
        policy
          people-of vei helse",
    );
    assert_snapshot!(told, @r"
    kari into helse (belongs to the group in Entra)
    kari out of vei (left the group in Entra)
    ");
}

#[test]
fn by_a_partial_scope_group_only_who_was_told_to_leave_is_out() {
    let told = case(
        "entra
          user kari
          user ola
          group vei partial left=kari
        platform
          account kari
          account ola
        policy
          people-of vei
          directory some where false name group.displayName",
    );
    assert_snapshot!(told, @r"
    deactivate kari, active true -> false (not a member of any group of scope.groups)
    waits ola: not all members of the groups of scope.groups are known
    ");
}

#[test]
fn who_left_one_scope_group_may_be_in_another_that_is_partial() {
    let told = case(
        "entra
          user kari
          group vei
          group helse groups=skole
          group skole partial
        platform
          account kari
        policy
          people-of vei helse
          directory some where false name group.displayName",
    );
    assert_snapshot!(told, @"waits kari: not all members of the groups of scope.groups are known");
}

#[test]
fn a_scope_group_nobody_told_of_keeps_all_but_who_is_disabled() {
    let told = case(
        "entra
          user kari
          user ola
          user per accountEnabled=false
          group vei members=ola
        platform
          account kari
          account ola
          account per
        policy
          people-of vei park
          directory some where false name group.displayName",
    );
    assert_snapshot!(told, @r"
    deactivate per, active true -> false (disabled in Entra)
    waits kari: not all members of the groups of scope.groups are known
    ");
}

#[test]
fn a_scope_group_of_one_tenant_holds_nobody_of_another() {
    let told = case(
        "entra
          user kari
          user per in=baerum
          group vei members=kari,per
        platform
          account kari
          account per
        policy
          people-of vei
          directory some where false name group.displayName",
    );
    assert_snapshot!(
        told,
        @"deactivate per, active true -> false (not a member of any group of scope.groups)"
    );
}

#[test]
fn a_scope_group_that_is_unread_may_be_of_any_tenant() {
    let told = case(
        "entra
          unread groups
          user kari
          user per in=baerum
        platform
          account kari
          account per
        policy
          people-of vei",
    );
    assert_snapshot!(told, @r"
    waits kari: the first complete read has not ended
    waits per: not all members of the groups of scope.groups are known
    ");
}

#[test]
fn an_emptied_scope_group_keeps_all_but_who_is_disabled() {
    let told = case(
        "entra
          user kari
          user ola accountEnabled=false
          user per
          group vei emptied
          group helse members=per
        platform
          account kari
          account ola
          account per
        policy
          people-of vei helse
          directory some where false name group.displayName",
    );
    assert_snapshot!(told, @r"
    deactivate ola, active true -> false (disabled in Entra)
    waits kari: not all members of the groups of scope.groups are known
    ");
}

#[test]
fn whoever_scope_people_shuts_out_is_out_of_a_scope_group_too() {
    let told = case(
        r#"entra
          user kari department=Vei
          user ola department=Skole
          user per department=?
          group vei members=kari,ola,per
        platform
          account kari
          account ola
          account per
        policy
          people = person.department == "Skole"
          people-of vei
          directory some where false name group.displayName"#,
    );
    assert_snapshot!(told, @r"
    deactivate kari, active true -> false (scope.people is false)
    waits per: scope.people reads department, which Entra has not told
    ");
}

#[test]
fn an_order_by_hand_is_done_though_scope_groups_are_unread() {
    let told = case(
        "entra
          unread groups
          user kari
          user ola
        platform
          account kari by-hand
          account ola
        policy
          people-of vei",
    );
    assert_snapshot!(told, @r"
    deactivate kari, active true -> false (deactivated by hand by berit: permisjon)
    waits ola: the first complete read has not ended
    ");
}

#[test]
fn a_deleted_scope_group_holds_nobody_any_more() {
    let told = case(
        "entra
          user kari
          group vei deleted members=kari
        platform
          account kari
        policy
          people-of vei",
    );
    assert_snapshot!(
        told,
        @"deactivate kari, active true -> false (not a member of any group of scope.groups)"
    );
}

#[test]
fn a_scope_group_that_is_missing_once_puts_nobody_out() {
    let told = case(
        "entra
          user kari
          user ola
          group vei missing partial members=kari
        platform
          account kari
          account ola
        policy
          people-of vei",
    );
    assert_snapshot!(told, @r"
    waits ola: not all members of the groups of scope.groups are known
    waits group vei: missing from one complete read; a second one decides
    ");
}

#[test]
fn a_scope_group_that_no_rule_can_judge_still_holds_its_people() {
    let told = case(
        "entra
          user kari
          group vei securityEnabled=? members=kari
        policy
          people-of vei
          directory secure where group.securityEnabled name group.displayName",
    );
    assert_snapshot!(told, @r#"
    create kari, displayName "Kari", userName "kari@example.no" (in scope, and not on the platform)
    waits group vei: where of rule secure reads securityEnabled, which Entra has not told
    "#);
}

#[test]
fn of_whoever_is_out_of_scope_no_account_is_taken_over() {
    // Only of who certainly left is one that carries the person's id.
    let told = case(
        "entra
          user kari
          group vei
        platform
          found kari id=12
        policy
          people-of vei
          directory some where false name group.displayName",
    );
    assert_snapshot!(told, @"nothing");
}

#[test]
fn scope_groups_that_hold_each_other_hold_nobody_else() {
    let told = case(
        "entra
          user kari
          group vei groups=helse
          group helse groups=vei
        platform
          account kari
        policy
          people-of vei helse
          directory some where false name group.displayName",
    );
    assert_snapshot!(
        told,
        @"deactivate kari, active true -> false (not a member of any group of scope.groups)"
    );
}

#[test]
fn whoever_one_list_of_a_scope_group_lacks_is_still_in() {
    let told = case(
        "entra
          user kari
          group vei leaving=kari
        platform
          account kari
        policy
          people-of vei
          directory some where false name group.displayName",
    );
    assert_snapshot!(told, @"nothing");
}
