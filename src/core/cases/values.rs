//! Values of accounts: what is set, cleared, left, and set again.

use insta::assert_snapshot;

use super::case;

#[test]
fn none_in_entra_clears_a_value_and_silence_leaves_it() {
    let told = case(
        "entra
           user kari jobTitle=?
           user ola jobTitle=null
         platform
           account kari title=Lærer
           account ola title=Rektor
         policy
           account title = person.jobTitle",
    );
    assert_snapshot!(told, @r#"update ola, title "Rektor" -> (none) (attributes changed in Entra)"#);
}

#[test]
fn empty_text_and_none_are_no_difference() {
    let told = case(
        r#"entra
           user kari jobTitle=""
           user ola jobTitle=null
         platform
           account kari title=null
           account ola title=""
         policy
           account title = person.jobTitle"#,
    );
    assert_snapshot!(told, @"nothing");
}

#[test]
fn a_value_that_the_ledger_does_not_know_is_sent() {
    let told = case(
        "entra
           user kari
         platform
           account kari displayName=?",
    );
    assert_snapshot!(told, @r#"update kari, displayName "Kari" (attributes changed in Entra)"#);
}

#[test]
fn other_letters_change_no_login_name_and_no_address() {
    let told = case(
        "entra
           user kari userPrincipalName=KARI@Example.no mail=Kari.N@example.no displayName=KARI
         platform
           account kari mail=kari.n@example.no
         policy
           account mail = person.mail",
    );
    assert_snapshot!(told, @r#"update kari, displayName "Kari" -> "KARI" (attributes changed in Entra)"#);
}

#[test]
fn the_login_name_stays_where_entra_has_none_any_more() {
    let told = case(
        r#"entra
           user kari userPrincipalName="" jobTitle=Rektor
         platform
           account kari doubted:userName=kari.n@example.no title=Lærer
         policy
           account title = person.jobTitle"#,
    );
    assert_snapshot!(told, @r#"update kari, title "Lærer" -> "Rektor" (attributes changed in Entra)"#);
}

#[test]
fn a_login_name_that_cannot_be_said_makes_no_account() {
    let told = case(
        "entra
           user kari mail=null
           user ola mail=Ola@example.no
         policy
           account userName = person.mail | lower",
    );
    assert_snapshot!(told, @r#"
    create ola, displayName "Ola", userName "ola@example.no" (in scope, and not on the platform)
    waits kari: userName cannot be said for now, and no account can be made without it
    "#);
}

#[test]
fn an_expression_that_fails_leaves_the_value() {
    let told = case(
        "entra
           user kari jobTitle=null
           user ola jobTitle=rektor
         platform
           account kari title=LÆRER
           account ola title=LÆRER
         policy
           account title = person.jobTitle | upper",
    );
    assert_snapshot!(told, @r#"update ola, title "LÆRER" -> "REKTOR" (attributes changed in Entra)"#);
}

#[test]
fn a_default_is_for_what_is_absent_and_not_for_what_is_unknown() {
    let told = case(
        r#"entra
           user kari jobTitle=?
           user ola jobTitle=null
         platform
           account kari title=Lærer
           account ola title=Lærer
         policy
           account title = person.jobTitle | default("Ansatt")"#,
    );
    assert_snapshot!(told, @r#"update ola, title "Lærer" -> "Ansatt" (attributes changed in Entra)"#);
}

#[test]
fn what_an_expression_does_not_come_to_may_be_unknown() {
    let told = case(
        r#"entra
           user kari jobTitle=? department=Vei
           user ola jobTitle=? department=Skole
         platform
           account kari title=Lærer
           account ola title=Lærer
         policy
           account title = person.jobTitle if person.department == "Skole" else "Ansatt""#,
    );
    assert_snapshot!(told, @r#"update kari, title "Lærer" -> "Ansatt" (attributes changed in Entra)"#);
}

#[test]
fn a_part_is_absent_where_the_rest_is_told_and_else_unknown() {
    let told = case(
        r#"entra
           user kari employeeOrgData={"costCenter":"7"}
           user ola employeeOrgData=Nord
         platform
           account kari title=Nord
           account ola title=Nord
         policy
           account title = person.employeeOrgData.division"#,
    );
    assert_snapshot!(told, @r#"update kari, title "Nord" -> (none) (attributes changed in Entra)"#);
}

#[test]
fn who_leaves_is_deactivated_and_loses_no_value() {
    let told = case(
        "entra
           user kari accountEnabled=false jobTitle=null displayName=Slettet
         platform
           account kari title=Lærer
         policy
           account title = person.jobTitle",
    );
    assert_snapshot!(told, @"deactivate kari, active true -> false (disabled in Entra)");
}

#[test]
fn who_comes_back_keeps_what_is_unknown_and_gets_what_changed() {
    let told = case(
        "entra
           user kari jobTitle=? mail=kari@example.no
           group vei members=kari
         platform
           account kari deactivated title=Lærer mail=kari@b.no
           group vei
         policy
           account title = person.jobTitle
           account mail = person.mail",
    );
    assert_snapshot!(told, @r#"
    reactivate kari, active false -> true, mail "kari@b.no" -> "kari@example.no" (entitled again)
    kari into vei (belongs to the group in Entra)
    "#);
}

#[test]
fn drift_is_undone_but_where_entra_has_not_told_the_value() {
    let told = case(
        "entra
           user kari jobTitle=?
           user ola jobTitle=Lærer
           user per jobTitle=Lærer
         platform
           account kari title=Sjef drift:title=Sjef
           account ola title=Sjef drift:title=Sjef
           account per title=Sjef
         policy
           account title = person.jobTitle",
    );
    assert_snapshot!(told, @r#"
    update ola, title "Sjef" -> "Lærer" (drift: changed on the platform by somebody else)
    update per, title "Sjef" -> "Lærer" (attributes changed in Entra)
    "#);
}

#[test]
fn a_login_name_changed_there_is_set_again_within_the_budget() {
    let told = case(
        "entra
           user kari jobTitle=Lærer
         platform
           account kari userName=k@b.no title=Sjef drift:userName=k@b.no drift:title=Sjef
         policy
           account title = person.jobTitle
           budget rename 0",
    );
    assert_snapshot!(told, @r#"
    update kari, title "Sjef" -> "Lærer" (drift: changed on the platform by somebody else)
    held by budget.rename, limit 0: update kari, userName "k@b.no" -> "kari@example.no" (drift: changed on the platform by somebody else)
    "#);
}

#[test]
fn a_rewritten_value_is_left_until_entra_has_another() {
    let told = case(
        "entra
           user kari jobTitle=Lærer
           user ola jobTitle=Rektor
         platform
           account kari title=Lærer answered:title=Ansatt
           account ola title=Lærer answered:title=Ansatt
         policy
           account title = person.jobTitle",
    );
    assert_snapshot!(told, @r#"update ola, title "Lærer" -> "Rektor" (attributes changed in Entra)"#);
}

#[test]
fn the_list_never_counts_for_the_name_that_the_platform_made() {
    let told = case(
        "entra
           user kari accountEnabled=false
         platform
           account kari answered:userName=Drift@platform.no
         policy
           never drift@platform.no",
    );
    assert_snapshot!(told, @"untouched kari: on the list never of the platform; it is never touched");
}

#[test]
fn a_value_in_doubt_is_sent_again_whatever_it_was_before() {
    let told = case(
        "entra
           user kari jobTitle=Lærer
           user ola jobTitle=null
           user per jobTitle=?
         platform
           account kari doubted:title=Lærer
           account ola doubted:title=null
           account per doubted:title=Lærer
         policy
           account title = person.jobTitle",
    );
    assert_snapshot!(told, @r#"
    update kari, title "Lærer" -> "Lærer" (attributes changed in Entra)
    update ola, title (none) (attributes changed in Entra)
    "#);
}

#[test]
fn what_is_adopted_keeps_the_unknown_and_loses_what_is_none() {
    let told = case(
        "entra
           user kari jobTitle=? mail=null
         platform
           found kari id=12 title=Sjef mail=k@b.no
         policy
           account title = person.jobTitle
           account mail = person.mail",
    );
    assert_snapshot!(told, @r#"adopt kari as 12, mail "k@b.no" -> (none), externalId "kari" (exists on the platform as 12)"#);
}

#[test]
fn who_is_adopted_without_a_word_on_active_is_not_activated() {
    let told = case(
        "entra
           user kari jobTitle=Lærer
         platform
           account kari adopted active=? title=Sjef
         policy
           account title = person.jobTitle",
    );
    assert_snapshot!(told, @r#"update kari, title "Sjef" -> "Lærer" (attributes changed in Entra)"#);
}

#[test]
fn who_leaves_stays_the_manager_of_others() {
    let told = case(
        "entra
           user per accountEnabled=false
           user kari manager=per
           user ola manager=per
         platform
           account per
           account kari manager=per
           account ola
         policy
           account manager = person.manager",
    );
    assert_snapshot!(told, @r#"
    update ola, manager account of per (attributes changed in Entra)
    deactivate per, active true -> false (disabled in Entra)
    "#);
}

#[test]
fn a_manager_who_left_without_an_account_is_none() {
    let told = case(
        "entra
           user per deleted
           user kari manager=per
         platform
           account kari manager=ola
         policy
           account manager = person.manager",
    );
    assert_snapshot!(told, @r#"update kari, manager "ola" -> (none) (attributes changed in Entra)"#);
}

#[test]
fn a_manager_who_gets_no_account_for_now_takes_nobodys_place() {
    let told = case(
        "entra
           user per userPrincipalName=null
           user kari manager=per
           user ola manager=kari
         platform
           account kari manager=siri
           account ola manager=siri
         policy
           account manager = person.manager",
    );
    assert_snapshot!(told, @r#"
    update ola, manager "siri" -> account of kari (attributes changed in Entra)
    no login per: no login name: Entra has no value for it; the account is made once it has one
    "#);
}

#[test]
fn a_manager_who_is_not_found_once_is_still_the_manager() {
    let told = case(
        "entra
           user per
           user kari manager=per
           user ola manager=per
         platform
           account per absent
           account kari manager=per
           account ola manager=kari
         policy
           account manager = person.manager",
    );
    assert_snapshot!(told, @r#"update ola, manager "kari" -> account of per (attributes changed in Entra)"#);
}

#[test]
fn of_a_circle_of_managers_one_is_referred_to_later() {
    let told = case(
        "entra
           user kari manager=ola
           user ola manager=kari
         platform
           found ola id=12
         policy
           account manager = person.manager",
    );
    assert_snapshot!(told, @r#"
    create kari, displayName "Kari", userName "kari@example.no" (in scope, and not on the platform)
    adopt ola as 12, externalId "ola", manager account of kari (exists on the platform as 12)
    later: update kari, manager account of ola (refers to an account that is made after this one)
    "#);
}

#[test]
fn a_circle_of_managers_is_none_where_one_is_on_the_way() {
    let told = case(
        "entra
           user kari manager=ola
           user ola manager=per
           user per manager=kari
         platform
           found kari id=12
           found ola id=13
           account per pending
         policy
           account manager = person.manager",
    );
    assert_snapshot!(told, @r#"
    adopt kari as 12, externalId "kari", manager account of ola (exists on the platform as 12)
    adopt ola as 13, externalId "ola", manager account of per (exists on the platform as 13)
    waits per: a create is being looked up
    "#);
}

#[test]
fn who_is_their_own_manager_is_so_later() {
    let told = case(
        "entra
           user kari manager=kari
         policy
           account manager = person.manager",
    );
    assert_snapshot!(told, @r#"
    create kari, displayName "Kari", userName "kari@example.no" (in scope, and not on the platform)
    later: update kari, manager account of kari (refers to an account that is made after this one)
    "#);
}

#[test]
fn a_cleared_manager_waits_and_the_title_does_not() {
    let told = case(
        "entra
           user kari manager=null jobTitle=Rektor
         platform
           account kari manager=per title=Lærer
         policy
           account manager = person.manager
           account title = person.jobTitle
           budget clear 0",
    );
    assert_snapshot!(told, @r#"
    update kari, title "Lærer" -> "Rektor" (attributes changed in Entra)
    held by budget.clear, limit 0: update kari, manager "per" -> (none) (attributes changed in Entra)
    "#);
}
