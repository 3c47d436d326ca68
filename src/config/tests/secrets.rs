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
