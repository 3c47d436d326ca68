//! The environment over the file.

use super::{load_text, minimal, only_target, places};

#[test]
fn a_variable_wins_over_the_file_and_fills_what_the_file_leaves_out() {
    let environment = [
        ("MANNTALL__SERVICE__POLL_INTERVAL", "15s"),
        ("MANNTALL__TARGETS__PLATFORM__URL", "http://127.0.0.1:9/scim"),
        ("MANNTALL__TARGETS__PLATFORM__CONCURRENCY", "3"),
        ("MANNTALL__TARGETS__PLATFORM__REQUESTS_PER_SECOND", "0.5"),
        ("MANNTALL__TARGETS__PLATFORM__DIALECT__MATCH_EXTERNAL_ID", "false"),
        ("MANNTALL__TARGETS__PLATFORM__BUDGET__DELETE", "1%"),
        ("MANNTALL__TARGETS__PLATFORM__BUDGET__CREATE__MIN", "7"),
        ("MANNTALLOS__SERVICE__POLL_INTERVAL", "1s"),
        ("MANNTALL_SERVICE_PORT", "tcp://10.0.0.1:80"),
        ("HOME", "/"),
    ];
    let config = load_text(&minimal(), &environment).unwrap();
    assert_eq!(config.service.poll_interval.as_secs(), 15);
    let target = only_target(&config);
    assert_eq!(target.url.as_str(), "http://127.0.0.1:9/scim");
    assert_eq!(target.concurrency, 3);
    assert!((target.requests_per_second - 0.5).abs() < f64::EPSILON);
    assert!(!target.dialect.match_external_id);
    assert_eq!(target.policy.budgets.delete.basis_points, 100);
    assert_eq!(target.policy.budgets.create.min, 7);
    assert_eq!(target.token_file.to_str(), Some("/etc/manntall/platform.token"));
}

#[test]
fn a_whole_configuration_can_come_from_the_environment() {
    let environment = [
        ("MANNTALL__SOURCES__ASKER__TENANT_ID", "11111111-2222-3333-4444-555555555555"),
        ("MANNTALL__SOURCES__ASKER__CLIENT_ID", "66666666-7777-8888-9999-aaaaaaaaaaaa"),
        ("MANNTALL__SOURCES__ASKER__CLIENT_SECRET_FILE", "/run/credentials/manntall/secret"),
        ("MANNTALL__TARGETS__PLATFORM__URL", "https://platform.example.no"),
        ("MANNTALL__TARGETS__PLATFORM__TOKEN_FILE", "/run/credentials/manntall/token"),
    ];
    let config = load_text("", &environment).unwrap();
    let files = config.secret_files();
    assert_eq!(files.len(), 2);
    assert_eq!(files[0].0, "sources.asker.client_secret_file");
    assert_eq!(files[1].1.to_str(), Some("/run/credentials/manntall/token"));
}

#[test]
fn errors_in_variables_name_the_variable() {
    let environment = [
        ("MANNTALL__SERVICE__POLL_INTERVALL", "1m"),
        ("MANNTALL__SERVICE__FULL_COMPARE", "300"),
        ("MANNTALL__TARGETS__PLATFORM__CONCURRENCY", "many"),
        ("MANNTALL__SOURCES__ASKER__KEEP", "user.usrType"),
        ("MANNTALL__TARGETS__PLATFORM__DIALECT__MATCH_EXTERNAL_ID", "yes"),
    ];
    let errors = load_text(&minimal(), &environment).unwrap_err();
    let found = places(&errors);
    assert_eq!(errors.errors().len(), environment.len(), "{found}");
    for (name, _) in environment {
        let key = name.trim_start_matches("MANNTALL__").replace("__", ".").to_lowercase();
        let error = errors.errors().iter().find(|error| error.key == key).unwrap();
        assert_eq!((error.file.as_str(), error.line), ("environment", 0));
    }
    let shown = errors.to_string();
    for (name, _) in environment {
        assert!(shown.contains(&format!("(set by {name})")), "{shown}");
    }
    assert!(shown.contains("did you mean `poll_interval`?"), "{shown}");
    assert!(shown.contains("did you mean `userType`?"), "{shown}");
}

#[test]
fn lists_and_rules_do_not_come_from_the_environment() {
    let environment = [("MANNTALL__TARGETS__PLATFORM__SCOPE__GROUPS", "a,b")];
    let errors = load_text(&minimal(), &environment).unwrap_err();
    assert_eq!(places(&errors), "0:0 targets.platform.scope.groups");
}
