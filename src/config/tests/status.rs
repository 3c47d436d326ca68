//! `[status]`.

use std::path::Path;

use super::{fixtures, load_text, minimal, valid};

#[test]
fn the_socket_lies_where_systemd_made_a_folder_else_with_the_state() {
    let plain = valid("minimal.toml").status;
    assert_eq!(plain.listen.to_string(), "127.0.0.1:9470");
    assert_eq!(plain.control_socket, Path::new("/var/lib/manntall/control.sock"));
    let usual = ["/var/lib/manntall/control.sock", "/run/manntall/control.sock"];
    assert_eq!(plain.control_sockets, usual.map(Path::new));
    assert_eq!(
        (plain.readers.as_str(), plain.approvers.as_str()),
        ("manntall", "manntall-approve")
    );
    assert_eq!(plain.token_file, None);

    let environment = [("RUNTIME_DIRECTORY", "/run/other:/run/second")];
    let unit = load_text(&minimal(), &environment).unwrap().status;
    assert_eq!(unit.control_socket, Path::new("/run/other/control.sock"));
}

#[test]
fn every_key_of_the_status_table_is_taken_over() {
    let config = valid("full.toml");
    let status = &config.status;
    assert_eq!(status.listen.to_string(), "0.0.0.0:9471");
    assert_eq!(status.control_socket, fixtures().join("manntall.sock"));
    assert_eq!(status.control_sockets.len(), 3);
    let hosts: Vec<&str> = status.hosts.iter().map(String::as_str).collect();
    assert_eq!(hosts, ["10.0.0.7", "manntall.asker.example.no"]);
    assert_eq!((status.readers.as_str(), status.approvers.as_str()), ("drift", "hr-ansvarlige"));
    let secrets = config.secret_files();
    let token = secrets.iter().find(|(key, _)| key == "status.token_file").unwrap();
    assert_eq!(token.1, fixtures().join("status.token"));
}

#[test]
fn a_running_service_is_found_although_the_rest_of_its_file_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("manntall.toml");
    let whereabouts = |text: &str| {
        std::fs::write(&file, text).unwrap();
        super::super::whereabouts(&file, &std::collections::BTreeMap::new())
    };
    let text = "[service]\nstate_dir = \"here\"\n[sources.a]\nnonsense = 1\n[targets.b]\nx = \n";
    let (service, status) = whereabouts(text).unwrap();
    assert_eq!(service.state_dir, folder.path().join("here"));
    assert_eq!(status.control_socket, folder.path().join("here/control.sock"));
    std::fs::remove_file(&file).unwrap();
    assert_eq!(super::super::whereabouts(&file, &std::collections::BTreeMap::new()), None);
}
