//! The file that the configuration lies in: who may change it, and how large it may be.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{Config, secrets};
use crate::core::expression::Expression;
use crate::core::model::SourceName;
use crate::core::rules::Rules;

/// Far more than any configuration has.
const FILE_MAX: u64 = 1024 * 1024;

/// The rules are kept beside the state as one record, which must stay below what a record may hold.
const RULES_MAX: usize = 64 * 1024;

/// Reads the file. It decides where secrets are sent, so nobody but us and root may change it.
pub(super) fn read(path: &Path) -> Result<String, String> {
    let place = std::fs::canonicalize(path).map_err(|error| unreadable(&error))?;
    let facts = std::fs::metadata(&place).map_err(|error| unreadable(&error))?;
    let mode = facts.permissions().mode() & 0o7777;
    let shown = place.display();
    if facts.is_file() && mode & 0o022 != 0 {
        return Err(format!(
            "others can change the configuration (mode {mode:04o}), and with it where secrets are sent; run: \
             chmod go-w {shown}"
        ));
    }
    if let Some(why) = secrets::strange(path, &place, &facts).filter(|_| facts.is_file()) {
        return Err(format!("the configuration is not safe: {why}"));
    }
    let file = std::fs::File::open(&place).map_err(|error| unreadable(&error))?;
    let mut text = String::new();
    let read = file.take(FILE_MAX + 1).read_to_string(&mut text);
    if text.len() as u64 > FILE_MAX {
        let most = FILE_MAX / 1024;
        return Err(format!(
            "the configuration is longer than {most} KiB; is this the right file?"
        ));
    }
    read.map_err(|error| unreadable(&error))?;
    Ok(text)
}

fn unreadable(error: &std::io::Error) -> String {
    let next = match error.kind() {
        ErrorKind::NotFound => {
            "; `manntall init` (as root) writes one, and --config names another file"
        }
        ErrorKind::PermissionDenied => {
            "; run the command as the user of the service (sudo -u manntall manntall …), to whom the file and \
             its folder must be open, or join the group manntall, whose members may ask the running service"
        }
        _ => "",
    };
    format!("the configuration cannot be read: {error}{next}")
}

/// The text of a file as far as a configuration may be long.
pub(super) fn read_start(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(FILE_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// Why the rules are more than can be kept, if they are.
pub(super) fn is_too_large(config: &Config) -> Option<String> {
    let size = rules_size(config);
    let (shown, most) = (size.div_ceil(1024), RULES_MAX / 1024);
    (size > RULES_MAX)
        .then(|| format!("the rules together have {shown} KiB, and {most} KiB are the most"))
}

/// How large the rules are as they are kept.
fn rules_size(config: &Config) -> usize {
    let keep: BTreeMap<SourceName, Expression> =
        config.sources.iter().map(|(&name, source)| (name, source.keep.clone())).collect();
    let sizes = config.policies().map(|policy| {
        let record = postcard::to_stdvec(&Rules::of(&keep, policy));
        record.map_or(usize::MAX, |record| record.len())
    });
    sizes.max().unwrap_or_default()
}
