//! What was told and what was not: who waits, and who is out all the same.

use insta::assert_snapshot;

use super::case;

#[test]
fn who_is_missing_from_one_read_keeps_account_values_and_groups() {
    let told = case(
        "entra
           user kari missing jobTitle=Rektor
           user ola
           group vei members=ola
         platform
           account kari title=Lærer
           account ola
           group vei members=kari,ola
         policy
           account title = person.jobTitle",
    );
    assert_snapshot!(told, @"waits kari: missing from one complete read; a second one decides");
}

#[test]
fn a_single_read_alone_proves_nobody_gone() {
    let told = case(
        "entra
           user kari not-found
           user ola gone
         platform
           account kari
           account ola",
    );
    assert_snapshot!(told, @r"
    deactivate ola, active true -> false (missing from two complete reads)
    waits kari: missing from one complete read; a second one decides
    ");
}

#[test]
fn who_is_missing_takes_nothing_over() {
    let told = case(
        "entra
           user kari missing
         platform
           found kari id=12",
    );
    assert_snapshot!(told, @"waits kari: missing from one complete read; a second one decides");
}

#[test]
fn who_is_named_after_a_tombstone_gets_nothing_back() {
    let told = case(
        "entra
           user kari deleted partial
           group vei members=kari
         platform
           account kari deactivated
           group vei",
    );
    assert_snapshot!(told, @"waits kari: deleted in Entra, and named again since; a single read decides");
}

#[test]
fn who_is_purged_leaves_the_groups_also_where_they_are_listed() {
    let told = case(
        "entra
           user kari purged
           group vei members=kari
         platform
           account kari
           group vei members=kari",
    );
    assert_snapshot!(told, @r"
    deactivate kari, active true -> false (deleted in Entra for good)
    kari out of vei (a deactivated account is no member)
    ");
}

#[test]
fn who_is_known_in_part_gets_no_account_and_loses_no_group() {
    let told = case(
        "entra
           user kari partial
           user ola partial
           group vei members=kari
         platform
           account ola
           group vei members=ola",
    );
    assert_snapshot!(told, @r"
    waits kari: not all is known of this person; waits to be read whole from Entra
    waits ola: not all is known of this person; waits to be read whole from Entra
    ");
}

#[test]
fn who_is_known_in_part_and_disabled_is_out() {
    let told = case(
        r#"entra
           user kari partial unkept accountEnabled=false
         platform
           account kari
         policy
           keep = user.userType == "Member""#,
    );
    assert_snapshot!(told, @"deactivate kari, active true -> false (disabled in Entra)");
}

#[test]
fn who_may_be_disabled_or_not_stays_as_they_are() {
    let told = case(
        "entra
           user kari accountEnabled=?
           user ola accountEnabled=null
           user per accountEnabled=null
         platform
           account kari
           account ola deactivated",
    );
    assert_snapshot!(told, @r"
    waits kari: scope.people reads accountEnabled, which Entra has not told
    waits ola: scope.people reads accountEnabled, which Entra has not told
    waits per: scope.people reads accountEnabled, which Entra has not told
    ");
}

#[test]
fn a_scope_that_reads_what_is_unknown_puts_nobody_out() {
    let told = case(
        r#"entra
           user kari department=?
           user ola department=? accountEnabled=false
         platform
           account kari
           account ola
         policy
           people = person.accountEnabled and person.department != "Skole""#,
    );
    assert_snapshot!(told, @r"
    deactivate ola, active true -> false (disabled in Entra)
    waits kari: scope.people reads department, which Entra has not told
    ");
}

#[test]
fn a_scope_that_fails_for_somebody_puts_them_not_out() {
    let told = case(
        "entra
           user kari employeeId=A7
           user ola employeeId=7
         platform
           account kari
           account ola
         policy
           people = person.employeeId | int > 7",
    );
    assert_snapshot!(told, @r"
    deactivate ola, active true -> false (scope.people is false)
    waits kari: scope.people failed: invalid float literal
    ");
}

#[test]
fn who_was_kept_stays_so_while_keep_cannot_say() {
    let told = case(
        r#"entra
           user kari displayName=Karin
           user ola unkept displayName=Olav
         platform
           account kari
           account ola
         policy
           keep = user.userType == "Member""#,
    );
    assert_snapshot!(told, @r#"
    update kari, displayName "Kari" -> "Karin" (attributes changed in Entra)
    waits ola: keep reads userType, which Entra has not told
    "#);
}

#[test]
fn while_groups_are_unread_leavers_go_and_memberships_stay() {
    let told = case(
        "entra
           user kari accountEnabled=false
           user ola
           user per
           group vei members=per
           unread groups
         platform
           account kari
           account ola
           account per
           group vei members=kari,ola",
    );
    assert_snapshot!(told, @"deactivate kari, active true -> false (disabled in Entra)");
}

#[test]
fn while_people_are_unread_groups_are_renamed_and_nobody_moves() {
    let told = case(
        "entra
           user kari
           user ola
           group vei displayName=Veg members=ola
           unread users
         platform
           account kari
           account ola
           group vei members=kari",
    );
    assert_snapshot!(told, @r#"
    update group vei, displayName "Vei" -> "Veg" (renamed in Entra, or its name rule changed)
    waits kari: the first complete read has not ended
    waits ola: the first complete read has not ended
    "#);
}

#[test]
fn an_order_by_hand_waits_for_no_read() {
    let told = case(
        "entra
           user kari missing
           user ola
           unread users
         platform
           account kari by-hand
           account ola",
    );
    assert_snapshot!(told, @r"
    deactivate kari, active true -> false (deactivated by hand by berit: permisjon)
    waits ola: the first complete read has not ended
    ");
}

#[test]
fn of_whom_no_tenant_tells_nothing_is_done() {
    let told = case(
        "entra
           user ola
           group vei members=ola
         platform
           account kari
           account ola
           group vei members=kari,ola",
    );
    assert_snapshot!(told, @"nothing");
}

#[test]
fn a_leaver_in_a_missing_group_is_out_and_stays_listed() {
    let told = case(
        "entra
           user kari accountEnabled=false
           group vei missing members=kari
         platform
           account kari
           group vei members=kari",
    );
    assert_snapshot!(told, @r"
    deactivate kari, active true -> false (disabled in Entra)
    waits group vei: missing from one complete read; a second one decides
    ");
}
