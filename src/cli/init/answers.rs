//! What `init` has to know: from flags, then from `--answers`, then asked for on a terminal, then by
//! default. Whatever is still open is named all at once.

use std::io::Read;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use super::InitArgs;
use super::terminal::Terminal;
use crate::cli::{Exit, Failure};
use crate::core::model::ObjectId;
use crate::transport::is_protected;

/// Longer than any file of answers.
const ANSWERS_MAX: u64 = 64 * 1024;

/// Everything that the configuration is written from.
pub(super) struct Answers {
    pub(super) source: String,
    pub(super) tenant_id: String,
    pub(super) client_id: String,
    pub(super) credential: Credential,
    /// `cloud`, or `graph_url` and `login_url`.
    pub(super) addresses: Vec<(&'static str, String)>,
    pub(super) target: String,
    pub(super) url: String,
    pub(super) token_file: PathBuf,
    pub(super) token: Option<SecretString>,
    pub(super) state_dir: PathBuf,
    pub(super) time_zone: String,
}

/// How the application proves itself.
pub(super) enum Credential {
    /// In this file, which is still to be written when the secret is here.
    Secret { file: PathBuf, secret: Option<SecretString> },
    /// In these files.
    Certificate { certificate: PathBuf, key: PathBuf },
}

impl Answers {
    /// The secret files that are to be written.
    pub(super) fn secrets(&self) -> Vec<(&Path, &SecretString)> {
        let of_source = match &self.credential {
            Credential::Secret { file, secret: Some(secret) } => Some((file.as_path(), secret)),
            Credential::Secret { .. } | Credential::Certificate { .. } => None,
        };
        let of_target = self.token.as_ref().map(|token| (self.token_file.as_path(), token));
        of_source.into_iter().chain(of_target).collect()
    }
}

/// The file of `--answers`. Names are those of the configuration, and those that `simulate` uses.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    source: Option<String>,
    tenant_id: Option<String>,
    client_id: Option<String>,
    client_secret: Option<SecretString>,
    cloud: Option<String>,
    graph_url: Option<String>,
    login_url: Option<String>,
    target: Option<String>,
    #[serde(alias = "url")]
    scim_url: Option<String>,
    #[serde(alias = "token")]
    scim_token: Option<SecretString>,
    state_dir: Option<PathBuf>,
    time_zone: Option<String>,
}

/// Asks where there is somebody to ask, and notes what stays open.
struct Inquiry<'a> {
    terminal: Option<&'a Terminal>,
    open: Vec<&'static str>,
}

impl Inquiry<'_> {
    fn text(
        &mut self,
        given: Option<String>,
        flag: &'static str,
        question: &str,
        default: Option<&str>,
        check: impl Fn(&str) -> Option<&'static str>,
    ) -> Result<String, Failure> {
        if let Some(given) = given {
            return fitting(given, flag, check);
        }
        match (self.terminal, default) {
            (Some(terminal), _) => terminal.ask(question, default, check),
            (None, Some(default)) => Ok(default.to_owned()),
            (None, None) => {
                self.open.push(flag);
                Ok(String::new())
            }
        }
    }

    /// A secret that is to be written to `file`; `None` when the file holds it already.
    fn secret(
        &mut self,
        given: Option<SecretString>,
        file: &Path,
        flag: &'static str,
        question: &str,
    ) -> Result<Option<SecretString>, Failure> {
        match (given, self.terminal) {
            (Some(given), _) => Ok(Some(given)),
            (None, _) if file.exists() => Ok(None),
            (None, Some(terminal)) => terminal.ask_secret(question).map(Some),
            (None, None) => {
                self.open.push(flag);
                Ok(None)
            }
        }
    }
}

/// Gathers all answers, for a configuration at `config`.
pub(super) fn gather(
    args: &InitArgs,
    terminal: Option<&Terminal>,
    config: &Path,
) -> Result<Answers, Failure> {
    let given = args.answers.as_deref().map(read).transpose()?.unwrap_or_default();
    let mut inquiry = Inquiry { terminal, open: Vec::new() };
    let folder = std::path::absolute(config)
        .ok()
        .and_then(|file| file.parent().map(Path::to_owned))
        .unwrap_or_default()
        .join("secrets");
    let source = inquiry.text(
        args.source.clone().or(given.source),
        "--source",
        "Your name for the tenant (letters, digits, - and _; it stays)",
        Some("entra"),
        name,
    )?;
    let tenant_id = inquiry.text(
        args.tenant_id.clone().or(given.tenant_id),
        "--tenant-id",
        "Tenant id (Entra admin center, Overview)",
        None,
        guid,
    )?;
    let client_id = inquiry.text(
        args.client_id.clone().or(given.client_id),
        "--client-id",
        "Application (client) id of the app registration",
        None,
        guid,
    )?;
    let credential = credential(&mut inquiry, args, given.client_secret, &folder, &source)?;
    let target = args.target.clone().or(given.target).unwrap_or_else(|| "platform".to_owned());
    let target = fitting(target, "--target", name)?;
    let url = inquiry.text(
        args.url.clone().or(given.scim_url),
        "--url",
        "Base of the platform's SCIM API",
        None,
        address,
    )?;
    let token_file = args.token_file.as_deref().map(absolute);
    let token_file = token_file.unwrap_or_else(|| folder.join(format!("{target}.token")));
    let question = "Bearer token of the platform (not shown)";
    let token = inquiry.secret(given.scim_token, &token_file, "--token-file", question)?;
    if !inquiry.open.is_empty() {
        return Err(still_open(&inquiry.open));
    }
    let addresses = match (args.cloud.clone().or(given.cloud), given.graph_url, given.login_url) {
        (None, Some(graph), Some(login)) => vec![("graph_url", graph), ("login_url", login)],
        (cloud, ..) => vec![("cloud", cloud.unwrap_or_else(|| "global".to_owned()))],
    };
    let state_dir = args.state_dir.clone().or(given.state_dir);
    Ok(Answers {
        source,
        tenant_id,
        client_id,
        credential,
        addresses,
        target,
        url,
        token_file,
        token,
        state_dir: absolute(&state_dir.unwrap_or_else(|| "/var/lib/manntall".into())),
        time_zone: args.time_zone.clone().or(given.time_zone).unwrap_or_else(machine_zone),
    })
}

fn credential(
    inquiry: &mut Inquiry<'_>,
    args: &InitArgs,
    given: Option<SecretString>,
    folder: &Path,
    source: &str,
) -> Result<Credential, Failure> {
    if let (Some(certificate), Some(key)) = (&args.certificate_file, &args.private_key_file) {
        return Ok(Credential::Certificate {
            certificate: absolute(certificate),
            key: absolute(key),
        });
    }
    let file = args.client_secret_file.as_deref().map(absolute);
    let file = file.unwrap_or_else(|| folder.join(format!("{source}.secret")));
    let question = "Client secret (its value, not its id; not shown)";
    let secret = inquiry.secret(given, &file, "--client-secret-file", question)?;
    Ok(Credential::Secret { file, secret })
}

/// The answer that was given, if it fits.
fn fitting(
    given: String,
    flag: &str,
    check: impl Fn(&str) -> Option<&'static str>,
) -> Result<String, Failure> {
    match check(&given) {
        None => Ok(given),
        Some(wrong) => {
            let message = format!("{flag} {given:?}: {wrong}. Nothing was written");
            Err(Failure::new(Exit::Usage, message))
        }
    }
}

fn still_open(open: &[&str]) -> Failure {
    let message = format!(
        "nobody can be asked here, and these are missing: {}. Nothing was written; give them as flags \
         (secrets in files), or all together with --answers FILE",
        open.join(", ")
    );
    Failure::new(Exit::Usage, message)
}

fn read(file: &Path) -> Result<Given, Failure> {
    let failed = |what: String| {
        Failure::new(Exit::Usage, format!("the answers in {}: {what}", file.display()))
    };
    let mut text = String::new();
    let result = if file.as_os_str() == "-" {
        std::io::stdin().take(ANSWERS_MAX).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(ANSWERS_MAX).read_to_string(&mut text))
    };
    result.map_err(|error| failed(error.to_string()))?;
    // The position only: what could not be read may be a secret.
    serde_json::from_str(&text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        failed(format!("not the JSON object that is expected, at line {line}, column {column}"))
    })
}

fn absolute(file: &Path) -> PathBuf {
    std::path::absolute(file).unwrap_or_else(|_| file.to_owned())
}

/// The zone that /etc/localtime points to.
fn machine_zone() -> String {
    let link = std::fs::read_link("/etc/localtime").unwrap_or_default();
    let name = link.to_str().and_then(|link| link.split_once("zoneinfo/")).map(|(_, name)| name);
    name.filter(|name| jiff::tz::db().get(name).is_ok()).unwrap_or("UTC").to_owned()
}

fn name(text: &str) -> Option<&'static str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_name = !text.is_empty() && text.bytes().all(fits);
    (!is_name).then_some("letters without accents, digits, - and _ only")
}

fn guid(text: &str) -> Option<&'static str> {
    ObjectId::parse(text)
        .is_none()
        .then_some("that is no GUID, as 01234567-89ab-cdef-0123-456789abcdef")
}

fn address(text: &str) -> Option<&'static str> {
    let is_safe = Url::parse(text).is_ok_and(|url| is_protected(&url));
    (!is_safe).then_some("that is no https address, as https://platform.example.no/scim/v2")
}
