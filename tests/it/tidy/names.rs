//! One word for each thing: the glossary names types that exist, and no name is given to a second type
//! without being counted.

use std::collections::{BTreeMap, BTreeSet};

use super::{is_unit_test, read, rust_files};

/// So many names belong to more than one type outside the simulator. The number may only fall.
const SHARED: usize = 84;

#[test]
fn the_glossary_names_types_that_exist() {
    let page = read("docs/glossary.md");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert!(rows.len() >= 40, "the page is read wrongly: {} rows", rows.len());
    let types = types();
    let mut words = BTreeSet::new();
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [word, meaning, of, _] = cells[..] else { panic!("not four cells: {row}") };
        assert!(words.insert(word), "{word} is listed twice");
        assert!(meaning.ends_with(['.', '…']), "no sentence: {meaning}");
        assert!(types.contains_key(of.trim_matches('`')), "{word}: there is no type {of}");
    }
}

#[test]
fn few_names_belong_to_more_than_one_type() {
    let shared: Vec<(String, Vec<String>)> =
        types().into_iter().filter(|(_, files)| files.len() > 1).collect();
    assert_eq!(shared.len(), SHARED, "names with more than one type: {shared:#?}");
}

/// The files in which each type is defined.
fn types() -> BTreeMap<String, Vec<String>> {
    let mut types: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let files = rust_files("src").into_iter();
    for file in files.filter(|file| !is_unit_test(file) && !file.starts_with("src/sim/")) {
        for item in syn::parse_file(&read(&file)).unwrap().items {
            let name = match item {
                syn::Item::Struct(one) => one.ident,
                syn::Item::Enum(one) => one.ident,
                syn::Item::Trait(one) => one.ident,
                syn::Item::Type(one) => one.ident,
                syn::Item::Macro(one) => match defined(&one.mac.tokens.to_string()) {
                    Some(name) => {
                        types.entry(name).or_default().push(file.clone());
                        continue;
                    }
                    None => continue,
                },
                _ => continue,
            };
            types.entry(name.to_string()).or_default().push(file.clone());
        }
    }
    types
}

/// The enum that a macro is called to define.
fn defined(tokens: &str) -> Option<String> {
    let (_, rest) = tokens.split_once("pub enum ")?;
    let name = rest.split(|one: char| !one.is_alphanumeric()).next()?;
    (!name.is_empty()).then(|| name.to_owned())
}
