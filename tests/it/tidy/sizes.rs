//! How large a type may be: whoever opens one should be able to hold it in mind.

use std::collections::BTreeMap;

use super::{is_unit_test, module_of, read, rust_files};

const FIELDS_MAX: usize = 15;
const METHODS_MAX: usize = 25;

/// The types that are larger for now, with what they have. The numbers fall, but for `TargetLoop`, which takes over
/// methods of `Engine` until it is taken apart as well. What a page, a view or a report shows is one field each.
const LARGE: &[(&str, usize, usize)] = &[
    ("cli::StatusView", 23, 0),
    ("cli::TargetView", 26, 0),
    ("core::Planner", 0, 48),
    ("core::TargetStand", 33, 0),
    ("cycle::Engine", 0, 513),
    ("cycle::Guards", 19, 0),
    ("cycle::LaneRun", 18, 0),
    ("cycle::Live", 19, 0),
    ("cycle::Queue", 0, 46),
    ("cycle::State", 30, 116),
    ("cycle::SurveyRun", 18, 0),
    ("cycle::TargetLoop", 0, 64),
    ("cycle::TargetReport", 21, 0),
    ("status::Page", 18, 0),
    ("status::TargetView", 23, 0),
];

#[test]
fn types_are_small_or_listed_with_their_size() {
    let mut sizes: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for file in rust_files("src").into_iter().filter(|file| !is_unit_test(file)) {
        let module = module_of(&file);
        if module[0] == "sim" {
            continue;
        }
        let name = |ident: &syn::Ident| format!("{}::{ident}", module[0]);
        for item in syn::parse_file(&read(&file)).unwrap().items {
            match item {
                syn::Item::Struct(one) => {
                    let size = sizes.entry(name(&one.ident)).or_default();
                    size.0 = size.0.max(one.fields.len());
                }
                syn::Item::Impl(one) if one.trait_.is_none() => {
                    let syn::Type::Path(of) = &*one.self_ty else { continue };
                    let methods = one.items.iter();
                    let methods = methods.filter(|item| matches!(item, syn::ImplItem::Fn(_)));
                    let of = &of.path.segments.last().unwrap().ident;
                    sizes.entry(name(of)).or_default().1 += methods.count();
                }
                _ => {}
            }
        }
    }
    assert!(sizes.len() > 300, "the source is read wrongly: {} types", sizes.len());
    let over = |size: usize, most: usize| if size > most { size } else { 0 };
    let large: Vec<(&str, usize, usize)> = sizes
        .iter()
        .map(|(name, (fields, methods))| {
            (name.as_str(), over(*fields, FIELDS_MAX), over(*methods, METHODS_MAX))
        })
        .filter(|(_, fields, methods)| fields + methods > 0)
        .collect();
    assert_eq!(large, LARGE, "fields over {FIELDS_MAX} and methods over {METHODS_MAX} of a type");
}
