//! Who is in which group, and who is taken out.

use insta::assert_snapshot;

use super::case;

#[test]
fn who_left_a_group_stays_in_it_through_one_within() {
    let told = case(
        "entra
          user kari
          group skole partial left=kari groups=vei
          group vei members=kari
        platform
          account kari
          group skole members=kari
          group vei members=kari",
    );
    assert_snapshot!(told, @"nothing");
}

#[test]
fn a_circle_of_groups_keeps_nobody_who_is_in_none_of_them() {
    let told = case(
        "entra
          user kari
          user ola
          group vei groups=helse members=ola
          group helse groups=vei
        platform
          account kari
          account ola
          group vei members=ola
          group helse members=kari,ola",
    );
    assert_snapshot!(told, @"kari out of helse (left the group in Entra)");
}

#[test]
fn a_group_that_is_gone_takes_its_people_out_of_those_above() {
    let told = case(
        "entra
          user kari
          group skole groups=vei
          group vei gone partial members=kari
        platform
          account kari
          group skole members=kari
          group vei members=kari",
    );
    assert_snapshot!(told, @r"
    delete group vei (missing from two complete reads)
    kari out of skole (left the group in Entra)
    ");
}

#[test]
fn a_group_within_that_is_missing_keeps_its_people_above() {
    let told = case(
        "entra
          user kari
          group skole groups=vei
          group vei not-found members=kari
        platform
          account kari
          group skole members=kari",
    );
    assert_snapshot!(told, @"nothing");
}

#[test]
fn who_was_told_to_leave_a_partial_group_stays_above_it() {
    let told = case(
        "entra
          user kari
          user ola
          group skole groups=vei
          group vei partial left=kari
        platform
          account kari
          account ola
          group skole members=kari,ola
          group vei members=kari,ola",
    );
    assert_snapshot!(told, @"kari out of vei (left the group in Entra)");
}

#[test]
fn who_left_a_group_may_be_in_one_within_nobody_told_of() {
    let told = case(
        "entra
          user kari
          group vei partial left=kari groups=park
        platform
          account kari
          group vei members=kari",
    );
    assert_snapshot!(told, @"nothing");
}

#[test]
fn whoever_one_list_lacks_stays_also_above() {
    let told = case(
        "entra
          user kari
          group skole groups=vei
          group vei leaving=kari
        platform
          account kari
          group skole members=kari
          group vei members=kari",
    );
    assert_snapshot!(told, @"nothing");
}

#[test]
fn by_an_order_by_hand_a_partial_group_loses_the_person_too() {
    let told = case(
        "entra
          user kari
          user ola
          group vei partial
        platform
          account kari by-hand
          account ola
          group vei members=kari,ola",
    );
    assert_snapshot!(told, @r"
    deactivate kari, active true -> false (deactivated by hand by berit: permisjon)
    kari out of vei (a deactivated account is no member)
    ");
}

#[test]
fn out_of_a_group_that_shows_nobody_goes_the_leaver_alone() {
    let told = case(
        "entra
          user kari
          user ola accountEnabled=false
          group vei emptied devices=pc
        platform
          account kari
          account ola
          group vei members=kari,ola",
    );
    assert_snapshot!(told, @r"
    deactivate ola, active true -> false (disabled in Entra)
    ola out of vei (a deactivated account is no member)
    held by budget.group_shrink, limit 0: kari out of vei (Entra shows no member of the group, or of one within it, any more, and has not said that anybody left)
    ");
}

#[test]
fn an_unseen_member_of_a_partial_group_is_left_as_is() {
    let told = case(
        "entra
          user kari
          group vei partial
        platform
          account kari
          group vei unseen=kari",
    );
    assert_snapshot!(told, @"nothing");
}

#[test]
fn an_unseen_member_who_belongs_is_sent_again() {
    let told = case(
        "entra
          user kari
          group vei members=kari
        platform
          account kari
          group vei unseen=kari",
    );
    assert_snapshot!(told, @"kari into vei (belongs to the group in Entra)");
}

#[test]
fn whose_account_is_being_looked_up_waits_for_the_groups() {
    let told = case(
        "entra
          user kari
          group vei members=kari
        platform
          account kari pending
          group vei",
    );
    assert_snapshot!(told, @"waits kari: a create is being looked up");
}

#[test]
fn whose_account_was_lost_is_put_into_the_groups_again() {
    let told = case(
        "entra
          user kari
          group vei members=kari
        platform
          account kari lost
          group vei",
    );
    assert_snapshot!(told, @r#"
    create kari, displayName "Kari", userName "kari@example.no" (in scope; the account was deleted on the platform, and is made again)
    kari into vei (belongs to the group in Entra)
    "#);
}

#[test]
fn whose_account_may_not_be_made_yet_waits_for_the_groups() {
    let told = case(
        "entra
          user kari
          user ola
          group vei members=kari,ola
        platform
          account ola
          group vei
        policy
          budget create 0",
    );
    assert_snapshot!(told, @r#"
    ola into vei (belongs to the group in Entra)
    held by budget.create, limit 0: create kari, displayName "Kari", userName "kari@example.no" (in scope, and not on the platform)
    held by budget.create, limit 0: kari into vei (belongs to the group in Entra)
    "#);
}

#[test]
fn whoever_has_no_login_name_is_put_into_no_group() {
    let told = case(
        "entra
          user kari userPrincipalName=null
          group vei members=kari
        platform
          group vei",
    );
    assert_snapshot!(
        told,
        @"no login kari: no login name: Entra has no value for it; the account is made once it has one"
    );
}

#[test]
fn who_comes_back_is_put_into_the_groups_of_today() {
    let told = case(
        "entra
          user kari
          group vei
          group helse members=kari
        platform
          account kari deactivated
          group vei
          group helse",
    );
    assert_snapshot!(told, @r"
    reactivate kari, active false -> true (entitled again)
    kari into helse (belongs to the group in Entra)
    ");
}

#[test]
fn who_is_never_touched_neither_joins_nor_leaves_a_group() {
    let told = case(
        "entra
          user kari accountEnabled=false
          user ola
          group vei members=ola
        platform
          account kari
          account ola
          group vei members=kari
        policy
          never kari@example.no
          never ola@example.no",
    );
    assert_snapshot!(told, @r"
    untouched kari: on the list never of the platform; it is never touched
    untouched ola: on the list never of the platform; it is never touched
    ");
}

#[test]
fn who_is_missing_once_neither_joins_nor_leaves_a_group() {
    let told = case(
        "entra
          user kari missing
          group vei members=kari
          group helse
        platform
          account kari
          group vei
          group helse members=kari",
    );
    assert_snapshot!(told, @"waits kari: missing from one complete read; a second one decides");
}

#[test]
fn a_group_taken_over_loses_who_is_ours_and_does_not_belong() {
    // Whom Manntall does not know is not in the list, and stays.
    let told = case(
        "entra
          user kari
          user ola
          group vei members=kari
        platform
          account kari
          account ola
          group vei adopted members=kari,ola",
    );
    assert_snapshot!(told, @"ola out of vei (left the group in Entra)");
}

#[test]
fn a_rejected_removal_is_made_once_the_person_has_left() {
    let told = case(
        "entra
          user kari accountEnabled=false
          group vei
        platform
          account kari
          group vei members=kari
        said
          rejected vei:kari removal",
    );
    assert_snapshot!(told, @r"
    deactivate kari, active true -> false (disabled in Entra)
    kari out of vei (a deactivated account is no member)
    ");
}
