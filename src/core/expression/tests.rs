//! What expressions come to, what they refuse, and what is unknown.
#![expect(clippy::unwrap_used, reason = "tests fail loudly")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::schema::{self, Kind};
use super::{Evaluated, Expression, Input, Subject};
use crate::core::model::{Datum, Properties};

mod laws;

fn properties(pairs: &[(&str, Datum)]) -> Arc<Properties> {
    Arc::new(pairs.iter().map(|(name, datum)| ((*name).to_owned(), datum.clone())).collect())
}

fn text(text: &str) -> Datum {
    Datum::from(text)
}

fn list(items: &[&str]) -> Datum {
    Datum::List(items.iter().map(|item| Datum::from(*item)).collect())
}

/// Kari, as a delta page would tell of her; `mobilePhone` and everything not listed is unknown.
fn kari() -> Arc<Properties> {
    properties(&[
        ("accountEnabled", Datum::Bool(true)),
        ("businessPhones", list(&["+47 22 00 00 01", "+47 22 00 00 02"])),
        ("department", text("Oppvekst ")),
        ("displayName", text("Kari Nordmann")),
        ("employeeOrgData", Datum::Map(BTreeMap::from([("division".to_owned(), text("Nord"))]))),
        ("givenName", text("Kari")),
        ("jobTitle", Datum::Null),
        ("mail", text("kari@asker.example.no")),
        ("onPremisesExtensionAttributes", Datum::Null),
        ("otherMails", list(&[])),
        ("proxyAddresses", Datum::Null),
        ("surname", text("Nordmann")),
        ("userType", text("Member")),
    ])
}

fn of_kari(expression: &str) -> Evaluated {
    let expression = Expression::parse(expression, Subject::Person).unwrap();
    expression.evaluate(Input::Properties(&kari()))
}

#[track_caller]
fn known(expression: &str, expected: impl Into<Datum>) {
    assert_eq!(of_kari(expression), Evaluated::Known(expected.into()), "{expression}");
}

#[track_caller]
fn failed(expression: &str, part: &str) {
    match of_kari(expression) {
        Evaluated::Failed(message) => assert!(message.contains(part), "{expression}: {message}"),
        other => assert_eq!(other, Evaluated::Failed(part.to_owned()), "{expression}"),
    }
}

#[track_caller]
fn unknown(expression: &str, name: &str) {
    let names = BTreeSet::from([name.to_owned()]);
    assert_eq!(of_kari(expression), Evaluated::Unknown(names), "{expression}");
}

/// Checks that the expression is refused, where, and which name is proposed.
#[track_caller]
fn refused(subject: Subject, expression: &str, at: &str, message: &str, suggestion: Option<&str>) {
    let error = Expression::parse(expression, subject).unwrap_err();
    assert!(error.message.contains(message), "{expression}: {}", error.message);
    assert_eq!(expression.get(error.at.clone()).unwrap(), at, "{expression}: {}", error.message);
    assert_eq!(error.suggestion.as_deref(), suggestion, "{expression}");
}

#[test]
fn the_expressions_of_the_documentation_work() {
    known("person.accountEnabled and person.userType != \"Guest\"", true);
    known("person.givenName ~ ' ' ~ person.surname", "Kari Nordmann");
    known("person.businessPhones | first", "+47 22 00 00 01");
    known("person.employeeOrgData.division", "Nord");
    known("person['mail'] | lower | replace('@asker.', '@')", "kari@example.no");
    known("(person.mail | split('@'))[0]", "kari");
    known("person.department | trim | upper", "OPPVEKST");
    known("{'Nord': 'N', 'Sør': 'S'}[person.employeeOrgData.division]", "N");
    known("person.displayName[:4]", "Kari");
    known("person.surname in ['Nordmann', 'Hansen']", true);
    known("person.businessPhones | join(', ')", "+47 22 00 00 01, +47 22 00 00 02");
    known("person.businessPhones | length", Datum::Int(2));
    known("'A' if person.givenName is startingwith 'K' else 'B'", "A");
    known("1 < (person.givenName | length) < 5", true);
    known("'nord' in (person.surname | lower) and person.mail is containing('@')", true);
}

#[test]
fn groups_and_keys_have_their_own_names() {
    let group = properties(&[("displayName", text("PLT Skole"))]);
    let filter = "group.displayName is startingwith(\"PLT \")";
    let filter = Expression::parse(filter, Subject::Group).unwrap();
    assert_eq!(filter.evaluate(Input::Properties(&group)), Evaluated::Known(Datum::Bool(true)));
    let name = "group.displayName | replace(\"PLT \", \"\")";
    let name = Expression::parse(name, Subject::Group).unwrap();
    assert_eq!(name.evaluate(Input::Properties(&group)), Evaluated::Known(text("Skole")));
    let name = Expression::parse("\"Seksjon \" ~ key", Subject::Key).unwrap();
    assert_eq!(name.evaluate(Input::Key("Nord")), Evaluated::Known(text("Seksjon Nord")));
    assert!(matches!(name.evaluate(Input::Properties(&group)), Evaluated::Failed(_)));
}

#[test]
fn reading_something_unknown_gives_no_result_however_it_is_dressed() {
    for expression in [
        "person.mobilePhone",
        "person.mobilePhone | default('none')",
        "person.mobilePhone | default('', true)",
        "person.mobilePhone == none",
        "person.mobilePhone is none",
        "not person.mobilePhone",
        "'x' if person.mobilePhone else 'y'",
        "[person.mobilePhone] | length",
        "person.mobilePhone in ['a']",
        "{'a': person.mobilePhone}['b']",
        "person.mail or 'x' if person.mobilePhone != 'a' else 'x'",
        "person.mail ~ person.mobilePhone ~ person.jobTitle",
    ] {
        unknown(expression, "mobilePhone");
    }
}

#[test]
fn what_is_not_read_does_not_matter() {
    known("person.accountEnabled or person.mobilePhone == 'x'", true);
    known("person.mail if person.accountEnabled else person.mobilePhone", "kari@asker.example.no");
}

#[test]
fn parts_of_a_known_complex_value_are_absent_when_missing() {
    known("person.employeeOrgData.costCenter", Datum::Null);
    known("person.onPremisesExtensionAttributes.extensionAttribute7", Datum::Null);
    let expression = "person.employeeOrgData.division | default('?')";
    let expression = Expression::parse(expression, Subject::Person).unwrap();
    let nobody = properties(&[]);
    let names = BTreeSet::from(["employeeOrgData".to_owned()]);
    assert_eq!(expression.evaluate(Input::Properties(&nobody)), Evaluated::Unknown(names.clone()));
    let odd = properties(&[("employeeOrgData", text("not what Graph documents"))]);
    assert_eq!(expression.evaluate(Input::Properties(&odd)), Evaluated::Unknown(names));
}

#[test]
fn account_enabled_null_is_unknown() {
    let person = properties(&[("accountEnabled", Datum::Null)]);
    let expression = Expression::parse("person.accountEnabled", Subject::Person).unwrap();
    let names = BTreeSet::from(["accountEnabled".to_owned()]);
    assert_eq!(expression.evaluate(Input::Properties(&person)), Evaluated::Unknown(names));
}

#[test]
fn an_absent_value_never_becomes_a_word() {
    failed("person.givenName ~ person.jobTitle", "person.jobTitle is absent (null) in a text join");
    failed("'a' + person.jobTitle", "person.jobTitle is absent (null) in a text join");
    failed("person.jobTitle | upper", "person.jobTitle is absent (null)");
    failed("[person.mail, person.jobTitle] | join(' ')", "absent (null) in a text join");
    failed("person.mail | replace('kari', person.jobTitle)", "person.jobTitle is absent");
    failed("person.jobTitle | string", "absent (null)");
    failed("person.jobTitle[:2]", "person.jobTitle is absent");
    failed("person.jobTitle < 'a'", "person.jobTitle is absent");
    failed("(person.otherMails | first) ~ 'x'", "the value is absent (null) in a text join");
    known("person.jobTitle", Datum::Null);
    known("person.otherMails | first", Datum::Null);
    known("person.proxyAddresses | last", Datum::Null);
    known("person.otherMails[3]", Datum::Null);
    known("person.mail if not person.accountEnabled", Datum::Null);
    known("person.givenName ~ (person.jobTitle | default(''))", "Kari");
    known("person.jobTitle | default(person.givenName)", "Kari");
    known("'' | default('x')", "");
    known("'' | default('x', true)", "x");
    known("person.jobTitle == none", true);
    known("person.jobTitle is none", true);
    known("person.jobTitle is startingwith('no')", false);
    known("'on' in person.jobTitle", false);
    known("person.jobTitle in 'none'", false);
    known("'smtp' in person.proxyAddresses", false);
}

#[test]
fn wrong_names_are_refused_with_their_place_and_the_nearest_right_one() {
    let person = Subject::Person;
    let none = "is no property";
    refused(person, "person.departmnt", "departmnt", none, Some("department"));
    refused(person, "person.Mail ~ 'x'", "Mail", none, Some("mail"));
    refused(person, "person['mial']", "'mial'", none, Some("mail"));
    refused(person, "true or person.surnam", "surnam", none, Some("surname"));
    refused(person, "person.telephoneNumber", "telephoneNumber", none, Some("businessPhones"));
    refused(person, "person.skills", "skills", none, None);
    refused(person, "person.extension_abc_x", "extension_abc_x", none, None);
    refused(
        person,
        "'æøå' ~ person.employeeOrgData.divison",
        "divison",
        "is no part of `person.employeeOrgData`",
        Some("division"),
    );
    refused(person, "persn.mail", "persn", "is not known here", Some("person"));
    refused(person, "user.mail", "user", "is not known here", None);
    refused(person, "person", "person", "a property is missing", None);
    refused(person, "[person] | length", "person", "a property is missing", None);
    refused(Subject::Group, "group.accountEnabled", "accountEnabled", none, None);
    refused(Subject::Key, "person.mail", "person", "there is only `key`", None);
    refused(person, "person.mail | lowr", "lowr", "there is no filter", Some("lower"));
    refused(person, "person.mail|map('x')", "map", "there is no filter", None);
    refused(
        person,
        "person.mail is startswith('a')",
        "startswith",
        "there is no test",
        Some("startingwith"),
    );
    refused(person, "person.mail is defined", "defined", "there is no test", None);
}

#[test]
fn what_can_only_be_a_mistake_is_refused() {
    let person = Subject::Person;
    let none = None;
    refused(
        person,
        "person.accountEnabled == 'true'",
        "'true'",
        "is true or false and is never equal to text",
        none,
    );
    refused(person, "'a' ~ person.businessPhones", "businessPhones", "is a list", none);
    refused(person, "'a' ~ none", "none", "is none", none);
    refused(person, "person.businessPhones | lower", "lower", "works on text", none);
    refused(person, "person.mail | first", "first", "works on a list", none);
    refused(person, "person.mail | replace('a')", "replace", "takes 2 in parentheses", none);
    refused(person, "person.mail | default(value='x')", "default", "have no names", none);
    refused(person, "person.mail.lower()", "lower", "there are no methods", none);
    refused(person, "range(5)", "range(5)", "there are no functions", none);
    refused(person, "person.mail.host", "host", "has no parts", none);
    refused(person, "person.mail * 3", "person.mail * 3", "only + and -", none);
    refused(person, "", "", "is empty", none);
    refused(person, "person.mail ~", "~", "unexpected end of input", none);
    refused(person, "person.mail == 'a' 'b' c", "c", "unexpected input", none);
}

#[test]
fn nesting_and_length_are_bounded() {
    let joined = vec!["person.mail"; 280].join(" ~ ");
    assert!(matches!(of_kari(&joined), Evaluated::Known(_)));
    let nested = format!("{}1{}", "(".repeat(400), ")".repeat(400));
    assert!(Expression::parse(&nested, Subject::Person).is_err());
    for (start, repeated) in
        [("1", " + 1"), ("person", ".mail"), ("1", "|int"), ("", "not "), ("", "-")]
    {
        assert!(
            Expression::parse(&(start.to_owned() + &repeated.repeat(900)), Subject::Person)
                .is_err()
        );
    }
    let endless = "'a' ~ ".repeat(2000) + "'a'";
    let error = Expression::parse(&endless, Subject::Person).unwrap_err();
    assert!(error.message.contains("at most 4000 bytes"), "{error}");
}

#[test]
fn reads_are_the_top_level_names_also_where_evaluation_would_not_go() {
    let expression = "true or person.employeeOrgData.division == person['mail']";
    let expression = Expression::parse(expression, Subject::Person).unwrap();
    let reads: Vec<&str> = expression.reads().iter().map(String::as_str).collect();
    assert_eq!(reads, ["employeeOrgData", "mail"]);
    assert_eq!(expression.text(), "true or person.employeeOrgData.division == person['mail']");
}

#[test]
fn directory_extensions_are_allowed() {
    let name = "extension_0123456789abcdef0123456789abcdef_shoeSize";
    let person = properties(&[(name, Datum::Int(43))]);
    let expression = Expression::parse(&format!("person.{name}"), Subject::Person).unwrap();
    assert_eq!(expression.evaluate(Input::Properties(&person)), Evaluated::Known(Datum::Int(43)));
}

#[test]
fn a_filter_can_be_told_from_a_name_before_evaluation() {
    let parse = |text| Expression::parse(text, Subject::Person).unwrap();
    assert!(parse("person.accountEnabled and person.userType != 'Guest'").may_be_bool());
    assert!(parse("person.accountEnabled").may_be_bool());
    assert!(!parse("person.mail").may_be_bool());
    assert!(parse("person.mail if person.accountEnabled").may_be_text());
    assert!(!parse("person.accountEnabled").may_be_text());
    assert!(!parse("none").may_be_bool());
}

#[test]
fn expressions_can_be_shared_between_threads() {
    fn shared<T: Clone + Send + Sync>() {}
    shared::<Expression>();
}

/// The table against the metadata that Microsoft publishes.
#[test]
fn the_schema_holds_only_real_names_of_the_right_type() {
    let metadata: serde_json::Value = serde_json::from_str(include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/graph/v1.0-directory-properties.json"
    )))
    .unwrap();
    for (subject, entity) in [(Subject::Person, "user"), (Subject::Group, "group")] {
        let table = schema::table(subject);
        assert!(table.is_sorted_by_key(|(name, _)| *name), "{entity}");
        for (name, kind) in table.iter().filter(|(name, _)| *name != "manager") {
            let edm = metadata["entityTypes"][entity]["properties"][name]["type"]
                .as_str()
                .unwrap_or_else(|| unreachable!("{entity} has no property {name}"));
            let expected = match kind {
                Kind::Text => vec!["Edm.String", "Edm.DateTimeOffset"],
                Kind::Bool => vec!["Edm.Boolean"],
                Kind::List => vec!["Collection(Edm.String)"],
                Kind::Complex(parts) => {
                    let known = &metadata["complexTypes"][edm.rsplit('.').next().unwrap()];
                    assert_eq!(parts.len(), known.as_object().unwrap().len(), "{name}");
                    assert!(parts.iter().all(|part| known[part] == "Edm.String"), "{name}");
                    continue;
                }
                other => vec![other.noun()],
            };
            assert!(expected.contains(&edm), "{entity}.{name} is {edm}");
        }
    }
}

#[test]
fn a_filter_that_can_select_nobody_is_known_before_anybody_is_looked_at() {
    let may = |text: &str, subject| Expression::parse(text, subject).unwrap().may_select();
    for text in [
        "false",
        "person.userType == \"guest\"",
        "person.accountEnabled and not person.accountEnabled",
        "person.accountEnabled and person.userType == \"Employee\"",
        "person.userType == \"guest\" and person.department == \"IKT\"",
    ] {
        assert!(!may(text, Subject::Person), "{text}");
    }
    for text in [
        "true",
        "person.accountEnabled",
        "not person.accountEnabled",
        "person.userType == \"Guest\"",
        "person.userType == none",
        "person.department == \"no such\"",
        "person.accountEnabled and person.department == \"IKT\"",
    ] {
        assert!(may(text, Subject::Person), "{text}");
    }
    assert!(!may("group.securityEnabled and false", Subject::Group));
    assert!(may("group.securityEnabled", Subject::Group));
}

#[test]
fn a_property_alone_is_what_the_evaluator_makes_of_it() {
    let nothing = Arc::new(Properties::new());
    for name in ["mail", "jobTitle", "accountEnabled", "businessPhones", "employeeOrgData.division"]
    {
        // The choice leaves the value as it is, and is none of the looked-up ones.
        let alone = Expression::parse(&format!("person.{name}"), Subject::Person).unwrap();
        let chosen = format!("person.{name} if true else none");
        let chosen = Expression::parse(&chosen, Subject::Person).unwrap();
        for person in [&kari(), &nothing] {
            let input = Input::Properties(person);
            assert_eq!(alone.evaluate(input), chosen.evaluate(input), "{name}");
        }
    }
}

#[test]
fn no_expression_takes_more_memory_than_a_value_may_have() {
    let long = "x".repeat(400);
    for expression in [
        format!(r#"person.displayName | replace("", "{long}") | replace("", "{long}")"#),
        format!(r#"person.displayName | split("") | join("{long}") | split("") | join("{long}")"#),
        format!(r#"person.displayName | replace("", "{long}") | replace("x", "yyyyyyyyyy")"#),
    ] {
        failed(&expression, "longer than 8 KiB");
    }
    known(r#"person.displayName | replace("Kari", "Ola") | length > 3"#, true);
}
