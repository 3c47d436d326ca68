//! Reads `[targets.NAME.budget]`: `"2%"`, which keeps floor and cap, or
//! `{ percent = 2, min = 5, max = 250 }`.

use super::outline::Shape;
use super::reading::{Entry, Reading, Table, Wrong};
use super::tree::{Content, Place};
use crate::core::policy::{Budget, Budgets};

/// More than any platform has people.
const COUNT_MAX: u32 = 10_000_000;

pub(super) fn read(mut table: Table, reading: &mut Reading<'_>) -> Budgets {
    let mut budgets = Budgets::default();
    {
        let Budgets {
            deactivate,
            delete,
            member_remove,
            group_shrink,
            rename,
            clear,
            create,
            reactivate,
        } = &mut budgets;
        let named = [
            ("deactivate", deactivate),
            ("delete", delete),
            ("member_remove", member_remove),
            ("group_shrink", group_shrink),
            ("rename", rename),
            ("clear", clear),
            ("create", create),
            ("reactivate", reactivate),
        ];
        for (name, budget) in named {
            if let Some(entry) = table.take(name) {
                *budget = one(entry, *budget, reading);
            }
        }
    }
    table.finish(reading);
    budgets
}

fn one(entry: Entry, default: Budget, reading: &mut Reading<'_>) -> Budget {
    entry.note(Shape::Share);
    if !matches!(entry.node.content, Content::Table(_) | Content::Asked(_)) {
        let percent = share_with_sign(&entry);
        return match percent {
            Ok(basis_points) => Budget { basis_points, ..default },
            Err(wrong) => {
                reading.refuse(&entry.node.place, &entry.key, wrong);
                default
            }
        };
    }
    let (place, key) = (entry.node.place.clone(), entry.key.clone());
    let Some(mut table) = Table::open(entry.node, entry.key, reading) else { return default };
    let basis_points = table.optional("percent", reading, percent).unwrap_or(default.basis_points);
    let min = table.optional("min", reading, |entry| entry.whole(&(0..=COUNT_MAX)));
    let max = table.optional("max", reading, |entry| entry.whole(&(1..=COUNT_MAX)));
    table.finish(reading);
    let min = min.unwrap_or(default.min);
    let max = max.or(default.max);
    if max.is_some_and(|max| max < min) {
        let most = max.unwrap_or_default();
        let message = format!("can never be kept: at least {min}, but at most {most}");
        reading.refuse(&place, &key, message);
    }
    Budget { basis_points, min, max }
}

const EXPECTED: &str = "expected a share of the population with its sign, as \"2%\" or \"0.5%\", or \
                        { percent = 2, min = 5, max = 250 }";

fn share_with_sign(entry: &Entry) -> Result<u32, Wrong> {
    let Content::Text(text) = &entry.node.content else { return Err(EXPECTED.into()) };
    share(text.trim().strip_suffix('%').ok_or(EXPECTED)?.trim_end(), EXPECTED)
}

fn percent(entry: &Entry) -> Result<u32, Wrong> {
    const EXPECTED: &str = "expected a number of per cent, as 2 or 0.5";
    entry.note(Shape::Number(100.0));
    match &entry.node.content {
        Content::Whole(number) => share(&number.to_string(), EXPECTED),
        Content::Fraction(number) => share(&number.to_string(), EXPECTED),
        Content::Text(text) if matches!(entry.node.place, Place::Variable(_)) => {
            share(text, EXPECTED)
        }
        _ => Err(EXPECTED.into()),
    }
}

/// Per cent as hundredths of a per cent. 0 would hold every change for ever, more than 100 would hold
/// none; neither is a budget.
fn share(text: &str, expected: &str) -> Result<u32, Wrong> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || text.ends_with('.') {
        return Err(expected.into());
    }
    if fraction.len() > 2 {
        return Err("is finer than a hundredth of a per cent".into());
    }
    let points = format!("{whole}{fraction:0<2}").parse::<u32>().unwrap_or(u32::MAX);
    match points {
        0 => Err("is 0, so that every change would wait for approval; the least is 0.01%".into()),
        1..=10_000 => Ok(points),
        _ => Err("is more than 100%, so that nothing would ever be held".into()),
    }
}
