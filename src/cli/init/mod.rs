//! `init`: writes a first configuration with its secret files, then checks it. On a terminal it asks for
//! what the flags leave open; elsewhere it never asks, and names the flags that are missing.
//!
//! Secrets never stand on the command line: they are typed without echo, come with `--answers`, or are
//! in files already. What exists is not replaced without `--force`.

mod answers;
mod files;
mod terminal;

use std::path::{Path, PathBuf};

use super::{Context, Exit, Failure, check, console};
use crate::store;
use answers::{Answers, Credential};
use terminal::Terminal;

/// Arguments of `init`.
#[derive(Debug, clap::Args)]
pub(super) struct InitArgs {
    /// Take answers from this JSON file, or from stdin with "-"; the first line of `manntall simulate` is
    /// one. Flags win over it
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    /// Your name for the tenant; a part of everybody's identity, so choose it once
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// GUID of the tenant
    #[arg(long, value_name = "GUID")]
    tenant_id: Option<String>,
    /// GUID of the application registered in it
    #[arg(long, value_name = "GUID")]
    client_id: Option<String>,
    /// File with the client secret [default: secrets/SOURCE.secret beside the configuration]
    #[arg(long, value_name = "FILE")]
    client_secret_file: Option<PathBuf>,
    /// File with a certificate instead of a client secret
    #[arg(
        long,
        value_name = "FILE",
        requires = "private_key_file",
        conflicts_with = "client_secret_file"
    )]
    certificate_file: Option<PathBuf>,
    /// File with the private key of the certificate
    #[arg(long, value_name = "FILE", requires = "certificate_file")]
    private_key_file: Option<PathBuf>,
    /// Cloud of the tenant: global, us-gov, us-dod or china
    #[arg(long, value_name = "CLOUD")]
    cloud: Option<String>,
    /// Your name for the platform [default: platform]
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    /// Base of the platform's SCIM API
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// File with the platform's bearer token [default: secrets/TARGET.token beside the configuration]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Folder of the store [default: /var/lib/manntall]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// IANA name of the zone for times that people read [default: this machine's]
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// Replace what exists
    #[arg(long)]
    force: bool,
}

pub(super) fn run(context: &Context, args: &InitArgs) -> Result<Exit, Failure> {
    // Said before anything is asked: nobody types in vain.
    refuse_existing(&context.config, args.force)?;
    let answers = answers::gather(args, Terminal::of_process().as_ref(), &context.config)?;
    let secrets: Vec<_> = answers.secrets();
    for (file, _) in &secrets {
        refuse_existing(file, args.force)?;
    }
    let text = text(&answers);
    // Whatever else is wrong with an answer is said before a file is there that is in the way of the next try.
    crate::config::parse(text.clone(), &context.config, &context.environment).map_err(
        |errors| {
            let errors = errors.coloured();
            Failure::new(
                Exit::Config,
                format!("{errors}\nThis is what would have been written; nothing was."),
            )
        },
    )?;
    let owner = files::owner_for(&answers.state_dir);
    for (file, secret) in &secrets {
        files::write_secret(file, secret, owner)?;
        console::talk(&format!("Written: {} (for its owner only)", file.display()));
    }
    files::write_plain(&context.config, &text)?;
    console::talk(&format!("Written: {}", context.config.display()));
    let is_others = owner.is_some_and(|(user, _)| user != rustix::process::geteuid().as_raw());
    let secrets = if is_others { check::Secrets::JustWritten } else { check::Secrets::OfOurs };
    let exit = check::offline(context, secrets)?;
    let given = context.config.as_os_str() != crate::config::DEFAULT_PATH;
    let flag =
        if given { format!(" --config {}", context.config.display()) } else { String::new() };
    // The state is its owner's alone, root's neither.
    let sudo = owner.filter(|(user, _)| *user != 0);
    let sudo =
        sudo.map_or(String::new(), |(user, _)| format!("sudo -u {} ", store::user_name(user)));
    console::talk(&format!(
        "Next:\n  {sudo}manntall check --online{flag}\n  {sudo}manntall plan{flag}"
    ));
    Ok(exit)
}

fn refuse_existing(file: &Path, force: bool) -> Result<(), Failure> {
    if force || !file.exists() {
        return Ok(());
    }
    let file = file.display();
    let message = format!("{file} exists already; nothing was written. Use --force to replace it");
    Err(Failure::new(Exit::Failed, message))
}

/// The configuration, with the reason of each line beside it.
fn text(answers: &Answers) -> String {
    let Answers { source, tenant_id, client_id, credential, addresses, target, url, .. } = answers;
    let quoted = |text: &str| toml::Value::from(text).to_string();
    let path = |file: &Path| quoted(&file.display().to_string());
    let credential = match credential {
        Credential::Secret { file, .. } => format!("client_secret_file = {}", path(file)),
        Credential::Certificate { certificate, key } => {
            format!("certificate_file = {}\nprivate_key_file = {}", path(certificate), path(key))
        }
    };
    let addresses: Vec<String> =
        addresses.iter().map(|(key, value)| format!("{key} = {}", quoted(value))).collect();
    include_str!("template.toml")
        .replace("@STATE_DIR@", &path(&answers.state_dir))
        .replace("@TIME_ZONE@", &quoted(&answers.time_zone))
        .replace("@SOURCE@", source)
        .replace("@TENANT_ID@", &quoted(tenant_id))
        .replace("@CLIENT_ID@", &quoted(client_id))
        .replace("@CREDENTIAL@", &credential)
        .replace("@ADDRESSES@", &addresses.join("\n"))
        .replace("@TARGET@", target)
        .replace("@URL@", &quoted(url))
        .replace("@TOKEN_FILE@", &path(&answers.token_file))
}
