//! What an operator does first: writes a configuration, installs pages and completions.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;

use super::site::Site;

fn hello(site: &Site) -> String {
    let names = [
        "tenant_id",
        "client_id",
        "client_secret",
        "graph_url",
        "login_url",
        "scim_url",
        "scim_token",
    ];
    let pairs = names.map(|name| (name.to_owned(), site.said(name).into()));
    serde_json::Value::Object(pairs.into_iter().collect()).to_string()
}

#[test]
fn init_writes_a_configuration_that_works_and_secrets_for_their_owner() {
    let site = Site::new();
    let answers = site.path("answers.json");
    std::fs::write(&answers, hello(&site)).unwrap();
    std::fs::remove_file(site.config()).unwrap();
    let state = site.state();
    let arguments = [
        "init",
        "--answers",
        answers.to_str().unwrap(),
        "--source",
        "asker",
        "--state-dir",
        state.to_str().unwrap(),
        "--time-zone",
        "Europe/Oslo",
    ];
    let ended = site.run(&arguments).expect(0);
    assert!(ended.talk.contains("manntall plan --config"), "says what is next: {}", ended.talk);
    for secret in ["client_secret", "scim_token"] {
        assert!(!ended.talk.contains(site.said(secret)) && !ended.data.contains(site.said(secret)));
    }
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&site.path("secrets")), 0o700);
    assert_eq!(mode(&site.path("secrets/asker.secret")), 0o600);
    assert_eq!(mode(&site.path("secrets/platform.token")), 0o600);
    let written = std::fs::read_to_string(site.config()).unwrap();
    assert!(!written.contains(site.said("scim_token")), "no secret in the configuration");
    assert!(written.lines().filter(|line| line.starts_with('#')).count() > 10, "{written}");
    let plan = site.run(&["plan", "--json"]).expect(0).json();
    assert!(plan["targets"]["platform"]["summary"]["create"].as_u64().unwrap() > 40);

    // Nothing is replaced unasked.
    let again = site.run(&arguments).expect(1);
    assert!(again.talk.contains("--force"), "{}", again.talk);
    assert_eq!(std::fs::read_to_string(site.config()).unwrap(), written);
    std::fs::remove_file(site.config()).unwrap();
    site.run(&arguments).expect(1);
    assert!(!site.config().exists(), "the secrets are still there, so nothing was written");
    let forced: Vec<&str> = arguments.iter().copied().chain(["--force"]).collect();
    site.run(&forced).expect(0);
}

#[test]
fn root_writes_secrets_for_the_owner_of_the_folder_that_the_state_will_be_in() {
    if !rustix::process::geteuid().is_root() {
        println!("not tried: only root gives files to somebody else");
        return;
    }
    let site = Site::new();
    let answers = site.path("answers.json");
    std::fs::write(&answers, hello(&site)).unwrap();
    std::fs::remove_file(site.config()).unwrap();
    let folder = site.path("of-the-service");
    std::fs::create_dir(&folder).unwrap();
    chown(&folder, Some(65_534), Some(65_534)).unwrap();
    let (answers, state) = (answers.to_str().unwrap(), folder.join("asker"));
    let state = state.to_str().unwrap();
    let flags = ["--answers", answers, "--source", "asker", "--state-dir", state];
    let ended = site.run(&[&["init"], flags.as_slice()].concat()).expect(0);
    assert!(ended.talk.contains("sudo -u "), "{}", ended.talk);
    for path in ["secrets", "secrets/asker.secret", "secrets/platform.token"] {
        assert_eq!(std::fs::metadata(site.path(path)).unwrap().uid(), 65_534, "{path}");
    }
}

#[test]
fn init_without_a_terminal_names_everything_that_is_missing_and_writes_nothing() {
    let site = Site::new();
    std::fs::remove_file(site.config()).unwrap();
    let ended = site.run(&["init"]).expect(64);
    for flag in ["--tenant-id", "--client-id", "--client-secret-file", "--url", "--token-file"] {
        assert!(ended.talk.contains(flag), "{flag}: {}", ended.talk);
    }
    assert!(!site.config().exists() && !site.path("secrets").exists());
}

#[test]
fn init_refuses_answers_that_make_no_configuration_before_anything_is_written() {
    let site = Site::new();
    std::fs::remove_file(site.config()).unwrap();
    let answers = site.path("answers.json");
    let answer = |name: &str, value: &str| {
        let mut all: serde_json::Value = serde_json::from_str(&hello(&site)).unwrap();
        all[name] = value.into();
        std::fs::write(&answers, all.to_string()).unwrap();
        site.run(&["init", "--answers", answers.to_str().unwrap()])
    };
    for (name, value, code, said) in [
        ("source", "asker kommune", 64, "--source"),
        ("target", "the platform", 64, "--target"),
        ("tenant_id", "asker", 64, "--tenant-id"),
        ("scim_url", "http://platform.example.no/scim/v2", 64, "--url"),
        ("graph_url", "http://graph.example.no", 78, "graph_url"),
        ("time_zone", "Europe/Askim", 78, "time_zone"),
    ] {
        let ended = answer(name, value).expect(code);
        assert!(ended.talk.contains(said), "{name}: {}", ended.talk);
        assert!(ended.talk.to_lowercase().contains("nothing was"), "{name}: {}", ended.talk);
        assert!(!site.config().exists() && !site.path("secrets").exists(), "{name}");
    }
    answer("source", "asker").expect(0);
}

#[test]
fn init_takes_files_that_exist_and_check_says_what_is_wrong_with_them() {
    let site = Site::new();
    std::fs::remove_file(site.config()).unwrap();
    let (secret, token) = (site.path("asker.secret"), site.path("platform.token"));
    let arguments = [
        "init",
        "--source",
        "asker",
        "--tenant-id",
        site.said("tenant_id"),
        "--client-id",
        site.said("client_id"),
        "--client-secret-file",
        secret.to_str().unwrap(),
        "--url",
        site.said("scim_url"),
        "--token-file",
        token.to_str().unwrap(),
        "--force",
    ];
    site.run(&arguments).expect(0);
    assert!(std::fs::read_to_string(site.config()).unwrap().contains("cloud = \"global\""));
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o640)).unwrap();
    let ended = site.run(&arguments).expect(78);
    assert!(ended.talk.contains("chmod 600"), "{}", ended.talk);
}

#[test]
fn what_is_shipped_beside_the_program_is_fresh() {
    let site = Site::new();
    let made = site.path("made");
    site.run(&["generate", made.to_str().unwrap()]).expect(0);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut stale = Vec::new();
    for (name, kept) in [
        ("reference/configuration.md", "docs/reference/configuration.md"),
        ("reference/commands.md", "docs/reference/commands.md"),
        ("reference/exit-codes.md", "docs/reference/exit-codes.md"),
        ("manntall.schema.json", "deploy/manntall.schema.json"),
    ] {
        let fresh = std::fs::read_to_string(made.join(name)).unwrap();
        if std::fs::read_to_string(root.join(kept)).ok() != Some(fresh) {
            stale.push(kept);
        }
    }
    assert!(
        stale.is_empty(),
        "stale: {stale:?}; run deploy/generate.sh and commit what it changes"
    );
    for name in ["completions/manntall", "completions/_manntall", "completions/manntall.fish"] {
        let script = std::fs::read_to_string(made.join(name)).unwrap();
        assert!(script.contains("detailed-exitcode"), "{name}");
        assert!(!script.contains("secret="), "{name}");
    }
    for page in ["manntall.1", "manntall-plan.1", "manntall-config-schema.1"] {
        let page = std::fs::read_to_string(made.join("man").join(page)).unwrap();
        assert!(page.contains(".TH manntall"), "{page}");
    }
}

#[test]
fn pages_completions_and_schema_need_no_configuration() {
    let site = Site::new();
    std::fs::remove_file(site.config()).unwrap();
    for shell in ["bash", "zsh", "fish"] {
        assert!(site.run(&["completions", shell]).expect(0).data.contains("manntall"));
    }
    assert!(site.run(&["man", "plan"]).expect(0).data.contains("detailed"));
    site.run(&["man", "frobnicate"]).expect(64);
    assert_eq!(site.run(&["config", "schema"]).expect(0).json()["type"], "object");
    assert!(site.run(&["config", "keys"]).expect(0).data.contains("poll_interval"));
}
