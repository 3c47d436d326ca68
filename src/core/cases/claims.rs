//! One resource of the platform, and several of ours that it may be.

use insta::assert_snapshot;

use super::case;

#[test]
fn an_account_that_goes_by_the_name_of_two_is_taken_by_neither() {
    let told = case(
        "entra
           user kari mail=post@example.no
           user ola mail=post@example.no
         platform
           found kari id=12 userName=post@example.no
           found ola id=12 userName=post@example.no
         policy
           account userName = person.mail",
    );
    assert_snapshot!(told, @r"
    stuck kari: the account 12 goes by the name of another person of ours, too: none takes it over. Give each a name of its own
    stuck ola: the account 12 goes by the name of another person of ours, too: none takes it over. Give each a name of its own
    ");
}

#[test]
fn an_account_with_the_id_of_one_of_two_is_taken_by_that_one() {
    let told = case(
        "entra
           user kari mail=post@example.no
           user ola mail=post@example.no
         platform
           found kari id=12 userName=post@example.no externalId=id-of-kari
           found ola id=12 userName=post@example.no externalId=id-of-kari
         policy
           account userName = person.mail",
    );
    assert_snapshot!(told, @r"
    adopt kari as 12 (exists on the platform as 12)
    stuck ola: the account 12 goes by the name of another person of ours, too: none takes it over. Give each a name of its own
    ");
}

#[test]
fn a_name_that_was_that_of_a_leaver_is_free_for_the_newcomer() {
    let told = case(
        "entra
           user kari mail=post@example.no accountEnabled=false
           user ola mail=post@example.no
         platform
           found kari id=12 userName=post@example.no
           found ola id=12 userName=post@example.no
         policy
           account userName = person.mail",
    );
    assert_snapshot!(told, @"adopt ola as 12, externalId \"ola\" (exists on the platform as 12)");
}

#[test]
fn a_group_that_two_of_one_name_would_take_is_taken_by_neither() {
    let told = case(
        "entra
           user kari
           group vei members=kari
           group skole displayName=Vei
         platform
           account kari
           found group vei id=7
           found group skole id=7 displayName=Vei",
    );
    assert_snapshot!(told, @r"
    stuck group skole: the group 7 goes by the name of another group of ours, too: none takes it over. Give each a name of its own
    stuck group vei: the group 7 goes by the name of another group of ours, too: none takes it over. Give each a name of its own
    ");
}

#[test]
fn an_account_and_a_group_of_one_id_are_two_things() {
    let told = case(
        "entra
           user kari
           group vei
         platform
           found kari id=7
           found group vei id=7",
    );
    assert_snapshot!(told, @r#"
    adopt kari as 7, externalId "kari" (exists on the platform as 7)
    adopt group vei as 7, externalId "vei" (exists on the platform as 7)
    "#);
}

#[test]
fn an_account_that_may_be_somebody_elses_is_not_taken_over() {
    let told = case(
        "entra
           user kari mail=post@example.no
           user ola mail=post@example.no missing
         platform
           found kari id=12 userName=post@example.no
           found ola id=12 userName=post@example.no
         policy
           account userName = person.mail",
    );
    assert_snapshot!(told, @r"
    stuck kari: the account 12 goes by the name of another person of ours, too: none takes it over. Give each a name of its own
    waits ola: missing from one complete read; a second one decides
    ");
}

#[test]
fn one_of_several_that_somebody_goes_by_is_not_taken_over() {
    let told = case(
        "entra
           user kari
           user ola
         platform
           found kari id=12
           found ola several",
    );
    assert_snapshot!(told, @r"
    stuck kari: the account 12 goes by the name of another person of ours, too: none takes it over. Give each a name of its own
    stuck ola: several accounts on the platform match: 12, 13; keep one, then retry
    ");
}
