//! The alert rules, as far as a drill needs them. Whether an expression fires is promtool's to say
//! (`deploy/alerts_test.yml`); a drill sees to the value that it is about.

use std::path::Path;

/// A rule: its expression, and what it says.
pub(super) struct Rule {
    pub(super) expression: String,
    summary: String,
    description: String,
}

/// The rule of this name.
pub(super) fn rule(name: &str) -> Rule {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/alerts.yml");
    let text = std::fs::read_to_string(file).unwrap();
    let rules = text.split("- alert: ");
    let mut found = rules.filter(|rule| rule.lines().next() == Some(name));
    let rule = found.next().unwrap_or_else(|| panic!("there is no rule {name}"));
    let field = |key: &str| {
        let (_, after) =
            rule.split_once(&format!("{key}:")).unwrap_or_else(|| panic!("{name} {key}"));
        after.lines().next().unwrap().trim().trim_matches('"').to_owned()
    };
    let (_, expression) = rule.split_once("expr:").unwrap();
    let (expression, _) = expression.split_once("labels:").unwrap();
    Rule {
        expression: expression.to_owned(),
        summary: field("summary"),
        description: field("description"),
    }
}

impl Rule {
    /// What arrives at the operator, with the labels of the drill filled in.
    pub(super) fn says(&self, name: &str) -> String {
        let text = format!("`{name}`: {}. {}.", self.summary, self.description);
        [
            ("{{ $labels.tenant }}", "asker"),
            ("{{ $labels.target }}", "platform"),
            ("{{ $labels.instance }}", "manntall.example.no:9470"),
            ("{{ $labels.peer }}", "graph.example.no"),
            ("{{ $labels.guard }}", "budget.deactivate"),
        ]
        .into_iter()
        .fold(text, |text, (label, value)| text.replace(label, value))
    }
}
