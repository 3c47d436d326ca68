//! Misspelt keys: every one is refused where it stands, and the right one is suggested.

use std::collections::BTreeSet;

use super::super::outline::{Shape, keys};
use super::{load_text, minimal};

/// How people misspell a name: a letter lost, doubled, swapped or wrong, a hyphen, no separator at all,
/// capitals, a plural too much or too few.
fn misspellings(name: &str) -> BTreeSet<String> {
    let letters: Vec<char> = name.chars().collect();
    let spell = |letters: Vec<char>| letters.into_iter().collect::<String>();
    let mut wrong = BTreeSet::new();
    for at in 0..letters.len() {
        let mut lost = letters.clone();
        lost.remove(at);
        let mut doubled = letters.clone();
        doubled.insert(at, letters[at]);
        let mut other = letters.clone();
        other[at] = if letters[at] == 'e' { 'a' } else { 'e' };
        wrong.extend([lost, doubled, other].map(spell));
        if at > 0 {
            let mut swapped = letters.clone();
            swapped.swap(at - 1, at);
            wrong.insert(spell(swapped));
        }
    }
    wrong.extend([name.replace('_', "-"), name.replace('_', ""), name.to_uppercase()]);
    wrong.insert(name.strip_suffix('s').map_or_else(|| format!("{name}s"), str::to_owned));
    wrong.retain(|wrong| wrong != name && !wrong.is_empty());
    wrong
}

#[test]
fn of_ten_misspelt_keys_the_right_one_is_suggested_for_nine() {
    let keys = keys();
    let right: BTreeSet<&str> = keys.iter().map(|(path, _)| path.as_str()).collect();
    let (mut tried, mut suggested, mut missed) = (0, 0, Vec::new());
    for (path, key) in &keys {
        let parent = path.rsplit_once('.').map(|(parent, _)| parent);
        // Whole sections: a header of a wrong name cannot be told from a key, and is tried below.
        let Some(parent) = parent else { continue };
        // The tables of budgets are written inline.
        if path.matches('.').count() > 3 && parent.contains(".budget.") {
            continue;
        }
        let is_table = key
            .outline
            .shapes
            .iter()
            .all(|shape| matches!(shape, Shape::Table(_) | Shape::Named(_)));
        for wrong in misspellings(&key.name) {
            if right.contains(format!("{parent}.{wrong}").as_str()) {
                continue;
            }
            let table = parent.replace("sources.NAME", "sources.asker");
            let table = table.replace("targets.NAME", "targets.platform");
            let minimal = minimal();
            let text = match table.strip_suffix("[]") {
                Some(list) => format!("{minimal}\n[[{list}]]\n{wrong:?} = 1\n"),
                None if is_table => format!("{minimal}\n[{table}.{wrong:?}]\n"),
                None => match minimal.split_once(&format!("[{table}]\n")) {
                    Some((before, after)) => {
                        format!("{before}[{table}]\n{wrong:?} = 1\n{after}")
                    }
                    None => format!("{minimal}\n[{table}]\n{wrong:?} = 1\n"),
                },
            };
            let errors = load_text(&text, &[]).unwrap_err();
            let found = errors.errors().iter().find(|error| {
                error.key.ends_with(&wrong) || error.key.ends_with(&format!("{wrong:?}"))
            });
            let found = found.unwrap_or_else(|| panic!("{parent}.{wrong} was accepted"));
            assert!(found.line > 0, "{parent}.{wrong}");
            tried += 1;
            if found.suggestion.as_deref() == Some(key.name.as_str()) {
                suggested += 1;
            } else {
                missed.push(format!("{parent}.{wrong}: {:?}", found.suggestion));
            }
        }
    }
    let share = f64::from(suggested) * 100.0 / f64::from(tried);
    println!("{suggested} of {tried} misspelt keys got the right suggestion ({share:.1} %)");
    for one in missed.iter().take(20) {
        println!("  not: {one}");
    }
    assert!(tried > 1000 && share >= 90.0, "{share:.1} % of {tried}");
}
