//! The facts about one person, for people.

use std::fmt::Write;

use super::facts::{Facts, GroupFacts, HistoryLine, Kind};
use super::values::{AttributeFacts, PropertyFacts};
use crate::cli::view::plan_text;
use crate::cli::view::text::{BOLD, DIM, harmless, own, styled, time_of};

/// Older entries than these are left to `--json`.
const HISTORY_SHOWN: usize = 30;

pub(super) fn render(facts: &Facts) -> String {
    let Facts {
        person,
        name,
        in_entra,
        standing,
        why,
        because,
        account,
        attributes,
        groups,
        pending,
        stuck,
        next,
        history,
    } = facts;
    let mut text = String::new();
    let heading = format!("{} ({})", harmless(name), harmless(person));
    let _ = writeln!(text, "{}", styled(BOLD, &heading));
    let _ = writeln!(text, "  in Entra      {in_entra}");
    let _ = writeln!(text, "  in scope      {standing}: {}", own(why));
    for property in because {
        let _ = writeln!(text, "                  {}", self::property(property));
    }
    let since = account.since.as_deref();
    let since = since.map(|at| format!(" since {}", time_of(at))).unwrap_or_default();
    let id = account.id.as_deref().map(|id| format!(", id {}", harmless(id))).unwrap_or_default();
    let origin = account.origin.map(|origin| format!(", {origin}")).unwrap_or_default();
    let _ = writeln!(text, "  account       {}{since}{origin}{id}", account.state);
    section(&mut text, "Attributes", attributes, attribute);
    section(&mut text, "Groups", groups, group);
    section(&mut text, "To be done", pending, |text, line| {
        plan_text::change(text, line, true);
    });
    section(&mut text, "Stuck", stuck, |text, why| {
        let _ = writeln!(text, "  {}", own(why));
    });
    section(&mut text, "Next", next, |text, step| {
        let _ = writeln!(text, "  {}", own(step));
    });
    let older = history.len().saturating_sub(HISTORY_SHOWN);
    section(&mut text, "History", history.get(older..).unwrap_or_default(), line);
    if older > 0 {
        let _ =
            writeln!(text, "  {}", styled(DIM, &format!("… and {older} older; --json shows all")));
    }
    text
}

fn section<T>(text: &mut String, title: &str, items: &[T], show: impl Fn(&mut String, &T)) {
    if items.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{}", styled(BOLD, title));
    for item in items {
        show(text, item);
    }
}

fn attribute(text: &mut String, facts: &AttributeFacts) {
    let AttributeFacts {
        path,
        expression,
        written,
        from,
        value,
        trouble,
        sent,
        sent_at,
        answered,
        is_sent,
    } = facts;
    let path = harmless(path);
    let _ = match (value, trouble) {
        (Some(value), _) => write!(text, "  {path}: {}", plan_text::value(value)),
        (None, Some(trouble)) => write!(text, "  {path}: stays as it is, as {}", harmless(trouble)),
        (None, None) => write!(text, "  {path}: not managed now"),
    };
    if let Some(expression) = expression {
        let written = written.as_deref().map(|place| format!(" ({})", harmless(place)));
        let mapped = format!("= {}{}", harmless(expression), written.unwrap_or_default());
        let _ = write!(text, " {}", styled(DIM, &mapped));
    }
    text.push('\n');
    // What is carried over as it is, and what the trouble names, need not be said twice.
    for one in from.iter().filter(|one| trouble.is_none() && !one.is_carried_over) {
        let _ = writeln!(text, "        from {}", property(one));
    }
    match (value, sent, sent_at) {
        (Some(_), Some(_), Some(at)) if *is_sent => {
            let _ = writeln!(text, "        {}", styled(DIM, &format!("sent {}", time_of(at))));
        }
        (Some(_), Some(_), None) if *is_sent => {}
        (_, Some(sent), at) => {
            let at = at.as_deref().map(|at| format!(" {}", time_of(at))).unwrap_or_default();
            let _ = writeln!(text, "        last sent{at}: {}", plan_text::value(sent));
        }
        (_, None, _) => {}
    }
    if let Some(answered) = answered {
        let _ = writeln!(text, "        the platform shows {} instead", plan_text::value(answered));
    }
}

/// A property of a source user, and whose.
fn property(facts: &PropertyFacts) -> String {
    let PropertyFacts { user, property, value, .. } = facts;
    let (user, property) = (harmless(user), harmless(property));
    let value = value.as_ref().map_or_else(|| "not told by Entra".to_owned(), plan_text::value);
    format!("{property} of {user}: {value}")
}

fn group(text: &mut String, facts: &GroupFacts) {
    let GroupFacts { key, name, belongs, confirmed, why } = facts;
    let state = match (belongs, confirmed) {
        (true, true) => "is a member",
        (true, false) => "to become a member",
        (false, _) => "to be taken out",
    };
    let key = styled(DIM, &format!("({})", harmless(key)));
    let _ = writeln!(text, "  {} {key}: {state}; {}", harmless(name), harmless(why));
}

fn line(text: &mut String, entry: &HistoryLine) {
    let HistoryLine { at, kind, action, group, paths, reason, approved_by, refused, by } = entry;
    let _ = write!(text, "  {}  {action}", time_of(at));
    if let Some(group) = group {
        let _ = write!(text, " {}", harmless(group));
    }
    // A decision is not always explained by whoever makes it, and what it says is a sentence.
    let _ = match (kind, reason.as_str()) {
        (Kind::Decision, "") => Ok(()),
        (Kind::Decision, detail) => write!(text, ": {}", own(detail)),
        (Kind::Write, reason) => write!(text, " because {}", own(reason)),
    };
    if let Some(by) = by {
        let _ = write!(text, ", by {}", harmless(by));
    }
    if let Some(by) = approved_by {
        let _ = write!(text, ", approved by {}", harmless(by));
    }
    if let Some(refused) = refused {
        let _ = write!(text, ", refused: {}", own(refused));
    }
    text.push('\n');
    if !paths.is_empty() {
        let paths: Vec<String> = paths.iter().map(|path| harmless(path)).collect();
        let _ = writeln!(text, "        {}", styled(DIM, &paths.join(", ")));
    }
}
