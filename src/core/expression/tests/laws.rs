//! What must hold for every expression and every person.

use std::sync::Arc;

use proptest::prelude::*;

use crate::core::expression::{Evaluated, Expression, Input, Subject};
use crate::core::model::{Datum, Properties};

/// Text without the letters of "none", so that the word can only come from an absent value.
const LETTERS: &str = "[abcxyzABCXYZ @.]{0,6}";
const TEXTS: &[&str] = &["mail", "surname", "jobTitle", "city"];

fn atom() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(TEXTS).prop_map(|name| format!("person.{name}")),
        1 => Just("person.businessPhones[0]".to_owned()),
        1 => Just("(person.businessPhones | last)".to_owned()),
        1 => Just("person.employeeOrgData.division".to_owned()),
        2 => LETTERS.prop_map(|text| format!("'{text}'")),
    ]
}

/// Expressions that yield text, through every way in which text is made or chosen.
fn texts() -> impl Strategy<Value = String> {
    atom().prop_recursive(4, 24, 3, |inner| {
        let two = (inner.clone(), inner.clone());
        let three = (inner.clone(), inner.clone(), inner.clone());
        prop_oneof![
            two.clone().prop_map(|(a, b)| format!("({a} ~ {b})")),
            two.clone().prop_map(|(a, b)| format!("({a} + '' + {b})")),
            two.clone().prop_map(|(a, b)| format!("({a} | default({b}))")),
            two.clone().prop_map(|(a, b)| format!("({a} | default({b}, true))")),
            two.clone().prop_map(|(a, b)| format!("({a} or {b})")),
            two.clone().prop_map(|(a, b)| format!("([{a}, {b}] | join('-'))")),
            two.clone().prop_map(|(a, b)| format!("{{{a}: {b}, 'x': 'y'}}['x']")),
            two.prop_map(|(a, b)| format!("([{a}, {b}] | sort | first)")),
            three.clone().prop_map(|(a, b, c)| format!("({a} if {b} == {c} else {b})")),
            three.clone().prop_map(|(a, b, c)| format!("({a} if {b} in {c} else {c})")),
            three.clone().prop_map(|(a, b, c)| format!("({a} if {b} is containing({c}))")),
            three.prop_map(|(a, b, c)| format!("({a} | replace({b}, {c}))")),
            inner.clone().prop_map(|a| format!("({a} | upper)")),
            inner.clone().prop_map(|a| format!("({a} | trim | title)")),
            inner.clone().prop_map(|a| format!("(({a} | string)[1:])")),
            inner.prop_map(|a| format!("({a} | split('@') | last)")),
        ]
    })
}

fn value(name: &'static str) -> impl Strategy<Value = Datum> {
    let text = LETTERS.prop_map(Datum::from).boxed();
    let known = match name {
        "businessPhones" => prop::collection::vec(text, 0..3).prop_map(Datum::List).boxed(),
        "employeeOrgData" => text
            .prop_map(|text| Datum::Map([("division".to_owned(), text)].into_iter().collect()))
            .boxed(),
        _ => text,
    };
    prop_oneof![3 => known, 1 => Just(Datum::Null)]
}

const NAMES: &[&str] =
    &["mail", "surname", "jobTitle", "city", "businessPhones", "employeeOrgData"];

/// Values for all names.
fn everything() -> impl Strategy<Value = Properties> {
    NAMES
        .iter()
        .map(|name| value(name).prop_map(|datum| ((*name).to_owned(), datum)))
        .collect::<Vec<_>>()
        .prop_map(|pairs| pairs.into_iter().collect())
}

fn evaluate(expression: &Expression, properties: Properties) -> Evaluated {
    expression.evaluate(Input::Properties(&Arc::new(properties)))
}

fn mentions_none(datum: &Datum) -> bool {
    match datum {
        Datum::Text(text) => {
            text.chars().any(|letter| matches!(letter.to_ascii_lowercase(), 'n' | 'o' | 'e'))
        }
        Datum::List(items) => items.iter().any(mentions_none),
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_known_result_does_not_depend_on_what_is_unknown(
        source in texts(),
        whole in everything(),
        other in everything(),
        hidden in prop::collection::vec(prop::sample::select(NAMES), 0..5),
    ) {
        let expression = Expression::parse(&source, Subject::Person).unwrap();
        let mut seen = whole.clone();
        let mut substituted = whole;
        for name in hidden {
            seen.remove(name);
            if let Some(datum) = other.get(name) {
                substituted.insert(name.into(), datum.clone());
            }
        }
        match evaluate(&expression, seen.clone()) {
            Evaluated::Known(datum) => {
                prop_assert_eq!(evaluate(&expression, substituted), Evaluated::Known(datum));
            }
            Evaluated::Unknown(names) => {
                prop_assert!(!names.is_empty());
                for name in names {
                    prop_assert!(!seen.contains_key(name.as_str()) && expression.reads().contains(&name));
                }
            }
            Evaluated::Failed(_) => {
                let again = evaluate(&expression, substituted);
                prop_assert!(matches!(again, Evaluated::Failed(_)), "{:?}", again);
            }
        }
    }

    #[test]
    fn an_absent_value_is_never_spelt_out(source in texts(), whole in everything()) {
        let expression = Expression::parse(&source, Subject::Person).unwrap();
        if let Evaluated::Known(datum) = evaluate(&expression, whole) {
            prop_assert!(!mentions_none(&datum), "{source} gave {datum}");
        }
    }

    #[test]
    fn only_properties_that_are_announced_are_read(source in texts(), whole in everything()) {
        let expression = Expression::parse(&source, Subject::Person).unwrap();
        let mut announced = whole.clone();
        announced.retain(|name, _| expression.reads().contains(name.as_str()));
        prop_assert_eq!(evaluate(&expression, announced), evaluate(&expression, whole));
    }

    #[test]
    fn nothing_that_is_typed_makes_the_parser_fall_over(source in ".{0,60}") {
        if let Err(error) = Expression::parse(&source, Subject::Person) {
            prop_assert!(source.get(error.at).is_some());
        }
    }
}
