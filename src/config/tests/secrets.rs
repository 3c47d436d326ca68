//! Secret files.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::super::{SecretError, secret};

fn file(content: &[u8], mode: u32) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("platform.token");
    std::fs::write(&path, content).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    (folder, path)
}

#[test]
fn a_secret_loses_one_line_end_and_nothing_else() {
    for (content, expected) in
        [("hush", "hush"), ("hush\n", "hush"), ("hush\r\n", "hush"), (" a\nb \n\n", " a\nb \n")]
    {
        let (_folder, path) = file(content.as_bytes(), 0o600);
        assert_eq!(secret(&path).unwrap().expose_secret(), expected);
    }
    let (_folder, path) = file(b"hush", 0o400);
    assert!(secret(&path).is_ok());
}

#[test]
fn a_file_that_others_can_read_is_refused_with_the_command_that_helps() {
    for mode in [0o640, 0o604, 0o660, 0o610, 0o644, 0o777] {
        let (_folder, path) = file(b"hush\n", mode);
        let error = secret(&path).unwrap_err();
        assert!(matches!(error, SecretError::Exposed { .. }));
        let message = error.to_string();
        assert!(message.contains(&format!("mode {mode:04o}")), "{message}");
        assert!(message.contains(&format!("chmod 600 {}", path.display())), "{message}");
        assert!(!message.contains("hush"), "{message}");
    }
}

#[test]
fn empty_missing_and_unfit_files_are_refused_each_for_its_reason() {
    let (folder, path) = file(b" \n", 0o600);
    assert!(matches!(secret(&path), Err(SecretError::Empty(_))));
    let (_other, path) = file(b"\xff\xfe", 0o600);
    assert!(matches!(secret(&path), Err(SecretError::Unfit { .. })));
    let (_other, path) = file(&vec![b'a'; 65 * 1024], 0o600);
    assert!(matches!(secret(&path), Err(SecretError::Unfit { .. })));
    assert!(matches!(secret(folder.path()), Err(SecretError::Unfit { .. })));
    let missing = folder.path().join("none");
    let error = secret(&missing).unwrap_err();
    assert!(matches!(error, SecretError::Missing(_)));
    assert!(error.to_string().contains(&missing.display().to_string()));
}

#[test]
fn what_may_be_the_secret_itself_is_never_quoted() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("manntall.toml");
    for (written, hidden) in [
        ("Kv8Q~aB3xY7zLm2", "Kv8Q"),
        ("hunter2", "hunter2"),
        ("ab/cd+ef==", "cd+ef"),
        ("https://hooks.example.no/services/T0/B1/geheim", "geheim"),
        ("/no/such/folder/geheim", "geheim"),
    ] {
        let reading =
            crate::config::reading::Reading { file: &config, text: "", errors: Vec::new() };
        let path = reading.secret_file(written);
        let error = secret(&path).unwrap_err();
        assert!(!error.to_string().contains(hidden), "{error}");
        assert!(error.to_string().contains("names no file"), "{error}");
    }
    let missing = folder.path().join("asker.secret");
    let shown = secret(&missing).unwrap_err().to_string();
    assert!(shown.contains("asker.secret; write the secret into it and run: chmod 600"), "{shown}");
    std::fs::write(folder.path().join("open"), "x").unwrap();
    std::fs::set_permissions(folder.path().join("open"), std::fs::Permissions::from_mode(0o644))
        .unwrap();
    let reading = crate::config::reading::Reading { file: &config, text: "", errors: Vec::new() };
    let shown = secret(&reading.secret_file("open")).unwrap_err().to_string();
    assert!(shown.contains("/open can be read by others") && !shown.contains("/./"), "{shown}");
}

#[test]
fn a_file_that_somebody_else_owns_or_can_replace_is_refused_with_what_helps() {
    let mode = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "geheim").unwrap();
    mode(&file, 0o600);
    assert!(secret(&file).is_ok());
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    assert!(secret(&link).is_ok(), "as container platforms mount secrets");
    for open in [0o777, 0o775, 0o757] {
        mode(folder.path(), open);
        let error = secret(&file).unwrap_err().to_string();
        assert!(error.contains("run: chmod go-w"), "{error}");
        assert!(!error.contains("geheim"), "{error}");
        assert!(secret(&link).is_err());
    }
    mode(folder.path(), 0o1777);
    assert!(secret(&file).is_ok(), "nobody replaces what is another's there");
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&file, Some(54_321), None).unwrap();
        let error = secret(&file).unwrap_err().to_string();
        assert!(error.contains("it belongs to user 54321") && error.contains("sudo -u"), "{error}");
        std::os::unix::fs::chown(&file, Some(0), None).unwrap();
        std::os::unix::fs::lchown(&link, Some(54_321), None).unwrap();
        let error = secret(&link).unwrap_err().to_string();
        assert!(error.contains("a link of user 54321"), "{error}");
        std::os::unix::fs::chown(folder.path(), Some(54_321), None).unwrap();
        assert!(secret(&file).unwrap_err().to_string().contains("belongs to user 54321"));
    }
    // A path that only begins like that of a credential is none.
    let around = std::path::Path::new("/run/credentials/../..")
        .join(folder.path().strip_prefix("/").unwrap());
    mode(&file, 0o640);
    assert!(secret(&around.join("token")).is_err());
}

#[test]
fn a_configuration_that_others_can_change_or_that_is_too_large_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("manntall.toml");
    let load =
        || crate::config::load(&file, &std::collections::BTreeMap::new()).unwrap_err().to_string();
    std::fs::write(&file, "[service]\n").unwrap();
    for open in [0o666, 0o620, 0o602] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(open)).unwrap();
        let error = load();
        assert!(
            error.contains("others can change the configuration") && error.contains("chmod go-w"),
            "{error}"
        );
    }
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(!load().contains("others can change"));
    std::fs::write(&file, "#".repeat(10 * 1024 * 1024)).unwrap();
    assert!(load().contains("longer than 1024 KiB"), "{}", load());
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&file, Some(54_321), None).unwrap();
        assert!(load().contains("belongs to user 54321"), "{}", load());
    }
}

#[test]
fn lines_that_may_hold_a_secret_are_not_quoted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("manntall.toml");
    for line in [
        "apikey = \"geheim\"",
        "headers = [\"X-Api: geheim\"]",
        "url = \"https://platform.example.no/scim?token=geheim\"",
        "ping_start_url = \"ftp://ping.example.no/geheim\"",
        "colour = \"Kv8Q3aB9geheimxY7z\"",
        "bearer = \"geheim\"",
    ] {
        for section in ["targets.platform", "notices", "sources.asker"] {
            std::fs::write(&file, format!("[{section}]\n{line}\n")).unwrap();
            let errors =
                crate::config::load(&file, &std::collections::BTreeMap::new()).unwrap_err();
            assert!(!errors.to_string().contains("geheim"), "{line}: {errors}");
        }
    }
}
