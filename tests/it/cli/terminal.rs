//! What a person at a terminal meets: `init` asks, and signs fit the locale.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

use super::service::wait_until;
use super::site::Site;

/// A command at a terminal.
struct Session {
    child: Child,
    keyboard: File,
    screen: Arc<Mutex<String>>,
    reader: JoinHandle<()>,
}

impl Session {
    fn start(site: &Site, arguments: &[&str]) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap();
        // Nobody's controlling terminal, whoever runs the tests.
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let theirs = File::from(rustix::fs::open(name.as_c_str(), flags, Mode::empty()).unwrap());
        let mut command = site.command(arguments);
        command.stdin(theirs.try_clone().unwrap()).stderr(theirs).stdout(Stdio::null());
        let child = command.spawn().unwrap();
        let keyboard = File::from(ours);
        let mut shown = keyboard.try_clone().unwrap();
        let screen = Arc::new(Mutex::new(String::new()));
        let text = Arc::clone(&screen);
        // It ends when the command has closed its end.
        let reader = std::thread::spawn(move || {
            let mut some = [0; 1024];
            while let Ok(length @ 1..) = shown.read(&mut some) {
                text.lock().unwrap().push_str(&String::from_utf8_lossy(&some[..length]));
            }
        });
        Self { child, keyboard, screen, reader }
    }

    fn screen(&self) -> String {
        self.screen.lock().unwrap().clone()
    }

    /// Waits for a question, and answers it.
    fn answer(&mut self, question: &str, answer: &str) {
        wait_until(question, || {
            let screen = self.screen();
            screen
                .lines()
                .last()
                .is_some_and(|line| line.contains(question) && line.ends_with(": "))
        });
        writeln!(self.keyboard, "{answer}").unwrap();
        // The next question may be the same one again.
        wait_until("it is taken", || {
            let screen = self.screen();
            !screen
                .lines()
                .last()
                .is_some_and(|line| line.contains(question) && line.ends_with(": "))
                || screen.matches(question).count() > 1
        });
    }

    fn end(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        self.reader.join().unwrap();
        let screen = self.screen.lock().unwrap().clone();
        (code, screen)
    }
}

#[test]
fn init_asks_at_a_terminal_shows_no_secret_and_checks_what_it_wrote() {
    let site = Site::new();
    std::fs::remove_file(site.config()).unwrap();
    let state = site.state();
    let mut session = Session::start(&site, &["init", "--state-dir", state.to_str().unwrap()]);
    session.answer("Your name for the tenant", "");
    session.answer("Tenant id", site.said("tenant_id"));
    session.answer("Application (client) id", site.said("client_id"));
    session.answer("Client secret", site.said("client_secret"));
    session.answer("Base of the platform's SCIM API", site.said("scim_url"));
    session.answer("Bearer token", site.said("scim_token"));
    let (code, screen) = session.end();
    assert_eq!(code, Some(0), "{screen}");
    for secret in ["client_secret", "scim_token"] {
        assert!(!screen.contains(site.said(secret)), "{secret} is on the screen");
    }
    assert!(
        screen.contains("Your name for the tenant (letters, digits, - and _; it stays) [entra]")
    );
    for words in ["Written: ", "manntall check --online", "manntall plan"] {
        assert!(screen.contains(words), "{words}: {screen}");
    }
    let written = std::fs::read_to_string(site.config()).unwrap();
    assert!(written.contains("[sources.entra]"), "the default was taken: {written}");
    assert!(written.contains(site.said("tenant_id")) && written.contains(site.said("scim_url")));
    assert!(!written.contains(site.said("scim_token")));
    assert!(written.lines().filter(|line| line.starts_with('#')).count() > 10, "{written}");
    for (name, secret) in [("entra.secret", "client_secret"), ("platform.token", "scim_token")] {
        let file = site.path("secrets").join(name);
        assert_eq!(std::fs::read_to_string(&file).unwrap().trim(), site.said(secret));
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    // What exists is not replaced, and nobody types in vain.
    let (code, screen) = Session::start(&site, &["init"]).end();
    assert_eq!(code, Some(1), "{screen}");
    assert!(screen.contains("--force") && !screen.contains("Tenant id"), "{screen}");
    assert_eq!(std::fs::read_to_string(site.config()).unwrap(), written);
}

#[test]
fn init_asks_again_for_what_does_not_fit_and_writes_nothing_when_left() {
    let site = Site::new();
    std::fs::remove_file(site.config()).unwrap();
    // Ctrl-C in the middle of a secret: the terminal shows again what is typed.
    let mut session = Session::start(&site, &["init"]);
    session.answer("Your name for the tenant", "asker");
    session.answer("Tenant id", site.said("tenant_id"));
    session.answer("Application (client) id", site.said("client_id"));
    wait_until("the secret is asked for", || session.screen().contains("Client secret"));
    session.keyboard.write_all(b"half of it\x03").unwrap();
    let terminal = session.keyboard.try_clone().unwrap();
    let (code, screen) = session.end();
    assert_eq!(code, Some(130), "{screen}");
    assert!(!screen.contains("half of it"), "{screen}");
    assert!(tcgetattr(&terminal).unwrap().local_modes.contains(LocalModes::ECHO));

    let mut session = Session::start(&site, &["init"]);
    session.answer("Your name for the tenant", "Åsker");
    wait_until("it is said what fits", || session.screen().contains("letters without accents"));
    session.answer("Your name for the tenant", "asker");
    session.answer("Tenant id", "asker.onmicrosoft.com");
    wait_until("it is said what fits", || session.screen().contains("that is no GUID"));
    // The end of the answers, as Ctrl-D at a terminal.
    session.keyboard.write_all(&[4]).unwrap();
    let (code, screen) = session.end();
    assert_eq!(code, Some(130), "{screen}");
    assert!(screen.contains("nothing was written"), "{screen}");
    assert!(!site.config().exists() && !site.path("secrets").exists());
}

#[test]
fn signs_are_ascii_where_the_locale_has_nothing_else() {
    let site = Site::new();
    site.run(&["sync"]).expect(0);
    let (id, _) = site.employees().swap_remove(20);
    site.happen(&serde_json::json!({
        "event": "set_property", "user": id, "name": "jobTitle", "value": "Rektør → leder"
    }));
    site.disable(10);
    let shown = |locale: &str| {
        let mut command = site.command(&["plan", "--reveal", "--color", "never"]);
        let output = command.env("LC_ALL", locale).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let (unicode, plain) = (shown("nb_NO.UTF-8"), shown("C"));
    assert!(unicode.contains(" → "), "{unicode}");
    assert!(plain.contains(" -> "), "{plain}");
    let signs = |text: &str| text.contains(['→', '…', '−', '–', '•', '✓', '✗', '›', '·', '≤']);
    assert!(signs(&unicode) && !signs(&plain), "{plain}");
    let mut command = site.command(&["plan", "--json", "--reveal"]);
    let output = command.env("LC_ALL", "C").output().unwrap();
    let json = String::from_utf8(output.stdout).unwrap();
    assert!(json.contains("Rektør \\u2192 leder"), "to a program it is the same text: {json}");
    // Letters stay as they are.
    assert!(unicode.contains("Rektør") && plain.contains("Rektør"), "{plain}");
}
