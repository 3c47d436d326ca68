//! People who come, and people who come back.

use insta::assert_snapshot;

use super::case;

#[test]
fn who_has_no_login_name_waits_apart_from_whose_is_not_told() {
    let told = case(
        "entra
           user kari userPrincipalName=\"\"
           user ola userPrincipalName=?
           group vei members=kari,ola
         platform
           group vei",
    );
    assert_snapshot!(told, @r"
    no login kari: no login name: Entra has no value for it; the account is made once it has one
    waits ola: userName cannot be said for now, and no account can be made without it
    ");
}

#[test]
fn nobody_is_made_of_whom_several_accounts_are_found() {
    let told = case(
        "entra
           user kari
           group vei members=kari
         platform
           found kari several
           group vei",
    );
    assert_snapshot!(told, @"stuck kari: several accounts on the platform match: 12, 13; keep one, \
    then retry");
}

#[test]
fn nobody_is_made_before_the_platform_has_answered() {
    let told = case(
        "entra
           user kari
           user ola
           group vei members=kari,ola
         platform
           found kari unasked
           found ola unknown
           group vei",
    );
    assert_snapshot!(told, @"
    stuck ola: whether the platform has it already is not known: its listing is not whole, and it \
    answers no look-up by filter; nothing is made. Ask the vendor about filters; Manntall asks again \
    with each comparison and when told to: manntall retry
    asks for kari
    ");
}

#[test]
fn who_is_made_again_is_the_manager_once_more() {
    let told = case(
        "entra
           user kari
           user ola manager=kari
         platform
           account kari lost
           account ola manager=alt
         policy
           account manager = person.manager",
    );
    assert_snapshot!(told, @"
    create kari, displayName \"Kari\", userName \"kari@example.no\" (in scope; the account was deleted \
    on the platform, and is made again)
    update ola, manager \"alt\" -> account of kari (attributes changed in Entra)
    ");
}

#[test]
fn a_create_on_its_way_is_not_repeated_and_may_be_referred_to() {
    let told = case(
        "entra
           user kari
           user ola manager=kari
         platform
           account kari pending
         policy
           account manager = person.manager",
    );
    assert_snapshot!(told, @"
    create ola, displayName \"Ola\", manager account of kari, userName \"ola@example.no\" (in scope, \
    and not on the platform)
    waits kari: a create is being looked up
    ");
}

#[test]
fn a_create_of_which_nothing_tells_is_referred_to_by_nobody() {
    let told = case(
        "entra
           user kari
           user ola manager=kari
         platform
           account kari pending
           found kari unknown
         policy
           account manager = person.manager",
    );
    assert_snapshot!(told, @"
    create ola, displayName \"Ola\", userName \"ola@example.no\" (in scope, and not on the platform)
    stuck kari: a create was sent and got no good answer, and whether it was made is not known: the \
    platform's listing is not whole, and it answers no look-up by filter. It is not sent again before \
    that is known. Ask the vendor about filters; Manntall looks again by itself, ever more seldom, and \
    when told to: manntall retry
    ");
}

#[test]
fn a_circle_that_hangs_on_a_stuck_account_needs_no_later_update() {
    let told = case(
        "entra
           user kari manager=ola
           user ola manager=per
           user per manager=kari
         platform
           found per several
         policy
           account manager = person.manager",
    );
    assert_snapshot!(told, @"
    create kari, displayName \"Kari\", manager account of ola, userName \"kari@example.no\" (in scope, \
    and not on the platform)
    create ola, displayName \"Ola\", userName \"ola@example.no\" (in scope, and not on the platform)
    stuck per: several accounts on the platform match: 12, 13; keep one, then retry
    ");
}

#[test]
fn whose_login_name_is_never_touched_is_not_made() {
    let told = case(
        "entra
           user kari userPrincipalName=KARI@Example.no
           user ola manager=kari
           group vei members=kari
         platform
           group vei
         policy
           account manager = person.manager
           never kari@example.no",
    );
    assert_snapshot!(told, @r#"
    create ola, displayName "Ola", userName "ola@example.no" (in scope, and not on the platform)
    untouched kari: on the list never of the platform; it is never touched
    "#);
}

#[test]
fn a_rejected_departure_holds_up_nothing_of_who_is_back() {
    let told = case(
        "entra
           user kari displayName=\"Kari Ås\"
           group vei members=kari
         platform
           account kari
           group vei members=kari
         said
           rejected kari departure",
    );
    assert_snapshot!(told, @r#"update kari, displayName "Kari" -> "Kari Ås" (attributes changed in Entra)"#);
}

#[test]
fn who_comes_back_is_active_again_whatever_became_of_leaving() {
    let told = case(
        "entra
           user kari
         platform
           account kari deactivated active=null",
    );
    assert_snapshot!(told, @"reactivate kari, active true (entitled again)");
}

#[test]
fn who_comes_back_has_one_account_though_two_carry_the_id() {
    let told = case(
        "entra
           user kari
         platform
           account kari deactivated twin=12
           found kari id=12 externalId=id-of-kari",
    );
    assert_snapshot!(told, @"reactivate kari, active false -> true (entitled again)");
}

#[test]
fn who_comes_back_refers_at_once_to_who_is_made() {
    let told = case(
        "entra
           user kari manager=ola
           user ola manager=kari
         platform
           account kari deactivated manager=per
         policy
           account manager = person.manager",
    );
    assert_snapshot!(told, @"
    reactivate kari, active false -> true, manager \"per\" -> account of ola (entitled again)
    create ola, displayName \"Ola\", manager account of kari, userName \"ola@example.no\" (in scope, \
    and not on the platform)
    ");
}

#[test]
fn who_is_ordered_out_is_not_made_anew() {
    let told = case(
        "entra
           user kari
           group vei members=kari
         platform
           account kari lost by-hand
           group vei",
    );
    assert_snapshot!(told, @"nothing");
}

#[test]
fn who_comes_back_is_left_inactive_where_never_touched() {
    let told = case(
        "entra
           user kari
           group vei members=kari
         platform
           account kari deactivated id=12
           group vei
         policy
           never 12",
    );
    assert_snapshot!(told, @"untouched kari: on the list never of the platform; it is never touched");
}

#[test]
fn a_rejected_return_stays_so_while_the_account_is_absent() {
    let told = case(
        "entra
           user kari
         platform
           account kari deactivated absent
         said
           rejected kari return",
    );
    assert_snapshot!(told, @"rejected by budget.reactivate, limit 5: reactivate kari, active false -> \
    true (entitled again)");
}
