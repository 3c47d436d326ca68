//! Asking a person at a terminal. Questions go to stderr, so that stdout stays data.

use std::io::{BufRead, IsTerminal, Write};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, tcgetattr, tcsetattr};
use secrecy::SecretString;

use crate::cli::{Exit, Failure};

/// What Ctrl-C types.
const CTRL_C: u8 = 3;

/// A terminal with somebody at it.
pub(super) struct Terminal(());

impl Terminal {
    /// The terminal of this process, if both ends are one.
    pub(super) fn of_process() -> Option<Self> {
        let both = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        both.then_some(Self(()))
    }

    /// Asks until the answer fits. An empty answer takes the default.
    #[expect(clippy::unused_self, reason = "only who has a terminal may ask")]
    pub(super) fn ask(
        &self,
        question: &str,
        default: Option<&str>,
        check: impl Fn(&str) -> Option<&'static str>,
    ) -> Result<String, Failure> {
        loop {
            let hint = default.map(|default| format!(" [{default}]")).unwrap_or_default();
            prompt(&format!("{question}{hint}: "));
            let line = line()?;
            let answer = match (line.trim(), default) {
                ("", Some(default)) => default,
                ("", None) => continue,
                (answer, _) => answer,
            };
            match check(answer) {
                None => return Ok(answer.to_owned()),
                Some(wrong) => prompt(&format!("  {wrong}\n")),
            }
        }
    }

    /// Asks without showing what is typed. The terminal is as it was afterwards.
    #[expect(clippy::unused_self, reason = "only who has a terminal may ask")]
    pub(super) fn ask_secret(&self, question: &str) -> Result<SecretString, Failure> {
        let stdin = std::io::stdin();
        let failed = |error: rustix::io::Errno| {
            let message =
                format!("the terminal cannot be silenced, so no secret is asked for: {error}");
            Failure::new(Exit::Failed, message)
        };
        let before = tcgetattr(&stdin).map_err(failed)?;
        let mut silent = before.clone();
        // Ctrl-C would end the process with a terminal that shows nothing any more, so here it ends the line.
        silent.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
        silent.special_codes[SpecialCodeIndex::VEOL] = CTRL_C;
        loop {
            // Before the question: whoever answers at once is not shown either.
            tcsetattr(&stdin, OptionalActions::Flush, &silent).map_err(failed)?;
            prompt(&format!("{question}: "));
            let typed = typed();
            tcsetattr(&stdin, OptionalActions::Now, &before).map_err(failed)?;
            prompt("\n");
            let typed = typed?;
            if !typed.trim().is_empty() {
                return Ok(SecretString::from(typed.trim().to_owned()));
            }
        }
    }
}

fn prompt(text: &str) {
    let mut out = anstream::stderr().lock();
    let _ = write!(out, "{text}").and_then(|()| out.flush());
}

/// A line as the terminal hands it over, all at once.
fn typed() -> Result<String, Failure> {
    let mut stdin = std::io::stdin().lock();
    let bytes = stdin.fill_buf().unwrap_or_default().to_vec();
    stdin.consume(bytes.len());
    // Ended by Ctrl-C or Ctrl-D, perhaps in the middle.
    if !bytes.ends_with(b"\n") {
        return Err(left());
    }
    String::from_utf8(bytes)
        .map_err(|_| Failure::new(Exit::Usage, "that is no text; nothing was written"))
}

fn left() -> Failure {
    Failure::new(Exit::Interrupted, "the answers ended; nothing was written")
}

fn line() -> Result<String, Failure> {
    let mut text = String::new();
    let read = std::io::stdin().lock().read_line(&mut text);
    match read {
        Ok(1..) => Ok(text),
        Ok(0) | Err(_) => Err(left()),
    }
}
