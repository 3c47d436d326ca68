//! Groups: wanted, named, made, taken over, released, deleted.

use insta::assert_snapshot;

use super::case;

#[test]
fn of_two_rules_that_match_the_first_names_the_group() {
    let told = case(
        r#"entra
          group vei
          group skole
        policy
          directory roads where group.displayName == "Vei" name "Veg og park"
          directory rest where true name group.displayName"#,
    );
    assert_snapshot!(told, @r#"
    create group skole, displayName "Skole" (wanted, and not on the platform)
    create group vei, displayName "Veg og park" (wanted, and not on the platform)
    "#);
}

#[test]
fn a_filter_that_is_unknown_leaves_the_group_to_no_later_rule() {
    let told = case(
        r#"entra
          user kari
          group vei securityEnabled=?
        platform
          account kari
          group vei members=kari
        policy
          directory secure where group.securityEnabled name group.displayName
          directory rest where true name "Resten""#,
    );
    assert_snapshot!(
        told,
        @"waits group vei: where of rule secure reads securityEnabled, which Entra has not told"
    );
}

#[test]
fn a_new_group_with_an_empty_name_is_not_made_nor_filled() {
    let told = case(
        r#"entra
          user kari
          group vei displayName="" members=kari
        platform
          account kari"#,
    );
    assert_snapshot!(told, @"waits group vei: name gave no text");
}

#[test]
fn a_group_of_unknown_name_keeps_it_while_members_come_and_go() {
    let told = case(
        "entra
          user kari
          user ola
          group vei displayName=? members=kari
        platform
          account kari
          account ola
          group vei members=ola",
    );
    assert_snapshot!(told, @r"
    kari into vei (belongs to the group in Entra)
    ola out of vei (left the group in Entra)
    waits group vei: name reads displayName, which Entra has not told
    ");
}

#[test]
fn a_partial_group_that_was_adopted_is_renamed_and_loses_nobody() {
    let told = case(
        "entra
          user kari
          group vei partial
        platform
          account kari
          group vei adopted displayName=Veg members=kari",
    );
    assert_snapshot!(
        told,
        @r#"update group vei, displayName "Veg" -> "Vei" (renamed in Entra, or its name rule changed)"#
    );
}

#[test]
fn of_deleted_groups_ours_are_deleted_and_adopted_ones_let_go() {
    let told = case(
        "entra
          group vei deleted
          group helse purged
        platform
          group vei
          group helse adopted",
    );
    assert_snapshot!(told, @r"
    delete group vei (deleted in Entra)
    releases helse
    ");
}

#[test]
fn a_group_missing_once_stays_with_whoever_left() {
    let told = case(
        "entra
          user kari accountEnabled=false
          user ola
          group vei missing displayName=Veg
        platform
          account kari
          account ola
          group vei members=kari,ola",
    );
    assert_snapshot!(told, @r"
    deactivate kari, active true -> false (disabled in Entra)
    waits group vei: missing from one complete read; a second one decides
    ");
}

#[test]
fn a_group_that_no_rule_wants_is_let_go_with_its_members() {
    let told = case(
        "entra
          user kari accountEnabled=false
          user ola
          group vei members=kari
        platform
          account kari
          account ola
          group vei members=kari,ola
        policy
          directory some where false name group.displayName",
    );
    assert_snapshot!(told, @r"
    deactivate kari, active true -> false (disabled in Entra)
    releases vei
    ");
}

#[test]
fn two_groups_of_one_name_are_made_as_two() {
    let told = case(
        "entra
          group vei
          group helse displayName=Vei",
    );
    assert_snapshot!(told, @r#"
    create group helse, displayName "Vei" (wanted, and not on the platform)
    create group vei, displayName "Vei" (wanted, and not on the platform)
    "#);
}

#[test]
fn a_lost_group_is_made_again_and_filled_again() {
    let told = case(
        "entra
          user kari
          group vei members=kari
        platform
          account kari
          group vei lost",
    );
    assert_snapshot!(told, @r#"
    create group vei, displayName "Vei" (wanted, and not on the platform)
    kari into vei (belongs to the group in Entra)
    "#);
}

#[test]
fn a_group_that_was_not_found_once_is_not_made_again() {
    let told = case(
        "entra
          user kari
          group vei members=kari
        platform
          account kari
          group vei absent members=kari",
    );
    assert_snapshot!(told, @"nothing");
}

#[test]
fn a_pending_group_is_made_by_nobody_again_while_members_change() {
    let told = case(
        "entra
          user kari
          user ola
          group vei members=kari
        platform
          account kari
          account ola
          group vei pending members=ola",
    );
    assert_snapshot!(told, @r"
    kari into vei (belongs to the group in Entra)
    ola out of vei (left the group in Entra)
    waits group vei: a create is being looked up
    ");
}

#[test]
fn a_twin_of_a_group_holds_up_no_new_name() {
    let told = case(
        "entra
          group vei
        platform
          group vei displayName=Veg twin=8",
    );
    assert_snapshot!(
        told,
        @r#"update group vei, displayName "Veg" -> "Vei" (renamed in Entra, or its name rule changed)"#
    );
}

#[test]
fn unread_groups_are_neither_renamed_nor_let_go_nor_emptied() {
    let told = case(
        "entra
          unread groups
          user kari
          group vei displayName=Veg
          group helse deleted
        platform
          account kari
          group vei members=kari
          group helse members=kari",
    );
    assert_snapshot!(told, @"nothing");
}

#[test]
fn the_last_member_leaves_a_group_of_a_rule_and_it_stays() {
    let told = case(
        "entra
          user kari department=Vei
        platform
          account kari
          group sections/Skole displayName=Skole members=kari
          group sections/Vei displayName=Vei
        policy
          each sections of person.department name key",
    );
    assert_snapshot!(told, @r"
    kari out of sections/Skole (left the group in Entra)
    kari into sections/Vei (belongs to the group in Entra)
    ");
}

#[test]
fn an_unknown_key_of_one_rule_holds_up_no_other_rule() {
    let told = case(
        "entra
          user kari department=Vei city=?
        platform
          account kari
          group sections/Skole displayName=Skole members=kari
          group towns/Asker displayName=Asker members=kari
        policy
          each sections of person.department name key
          each towns of person.city name key",
    );
    assert_snapshot!(told, @r"
    kari out of sections/Skole (left the group in Entra)
    asks for group sections/Vei
    ");
}

#[test]
fn whoever_leaves_with_an_unknown_key_leaves_the_rules_group() {
    let told = case(
        "entra
          user kari department=? accountEnabled=false
          user ola department=?
        platform
          account kari
          account ola
          group sections/Skole displayName=Skole members=kari,ola
        policy
          each sections of person.department name key",
    );
    assert_snapshot!(told, @r"
    deactivate kari, active true -> false (disabled in Entra)
    kari out of sections/Skole (a deactivated account is no member)
    ");
}

#[test]
fn a_rule_that_is_gone_lets_go_of_groups_and_moves_nobody() {
    let told = case(
        "entra
          user kari department=Vei
        platform
          account kari
          group sections/Skole members=kari",
    );
    assert_snapshot!(told, @"releases sections/Skole");
}

#[test]
fn a_rule_of_a_new_name_takes_groups_of_the_old_by_a_word() {
    let told = case(
        "entra
          user kari department=Skole
        platform
          account kari
          group old/Skole released id=7
          found group new/Skole id=7 displayName=Skole externalId=rule:old/Skole
        policy
          each new of person.department name key",
    );
    assert_snapshot!(told, @r#"
    held by ownership.other, limit 0: adopt group new/Skole as 7, externalId "rule:old/Skole" -> "rule:new/Skole" (exists on the platform as 7; it was found by its name alone and carries the id of another group)
    held by ownership.other, limit 0: kari into new/Skole (belongs to the group in Entra)
    "#);
}

#[test]
fn of_a_rules_group_the_people_of_an_unread_tenant_stay() {
    let told = case(
        "entra
          user per in=baerum department=Vei
          user kari department=Vei
          unread users in=baerum
        platform
          account kari
          account per
          group sections/Skole displayName=Skole members=kari,per
        policy
          each sections of person.department name key",
    );
    assert_snapshot!(told, @r"
    kari out of sections/Skole (left the group in Entra)
    waits per: the first complete read has not ended
    asks for group sections/Vei
    ");
}
