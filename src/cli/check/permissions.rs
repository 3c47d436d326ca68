//! What the application needs in Entra, what it was granted, and the words for the administrator who
//! grants it (Graph, "Microsoft Graph permissions reference").

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::config::Source;

/// Something that the application must be able to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Need {
    /// The permission with the least rights.
    pub(super) least: &'static str,
    /// Others that are enough as well.
    pub(super) also: &'static [&'static str],
    /// What it is for.
    pub(super) purpose: &'static str,
    /// What happens without it.
    pub(super) without: &'static str,
}

/// What Manntall needs. `User.ReadBasic.All` is not among those that are enough: with it most properties,
/// `accountEnabled` first, come back as null instead of an error.
pub(super) const NEEDS: [Need; 2] = [
    Need {
        least: "User.Read.All",
        also: &["User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"],
        purpose: "read people, their managers and whether they may sign in",
        without: "people cannot be read, or come with empty properties and no error",
    },
    Need {
        least: "GroupMember.Read.All",
        also: &[
            "GroupMember.ReadWrite.All",
            "Group.Read.All",
            "Group.ReadWrite.All",
            "Directory.Read.All",
            "Directory.ReadWrite.All",
        ],
        purpose: "read groups and who belongs to them",
        without: "groups cannot be read",
    },
];

/// What is granted beside the point, and why it should go.
const WIDER: [(&str, &str); 3] = [
    (
        "Group.Read.All",
        "it also opens the mail and files of groups; GroupMember.Read.All is enough",
    ),
    (
        "Directory.Read.All",
        "it opens the whole directory; User.Read.All and GroupMember.Read.All are enough",
    ),
    ("Application.Read.All", "Manntall reads no applications"),
];

impl Need {
    fn is_met(&self, granted: &BTreeSet<String>) -> bool {
        granted.contains(self.least) || self.also.iter().any(|role| granted.contains(*role))
    }
}

/// What is missing.
pub(super) fn missing(granted: &BTreeSet<String>) -> Vec<Need> {
    NEEDS.into_iter().filter(|need| !need.is_met(granted)).collect()
}

/// What is granted and not needed, each with the reason to take it away.
pub(super) fn excess(granted: &BTreeSet<String>) -> Vec<(String, String)> {
    let writes =
        granted.iter().filter(|role| role.contains("ReadWrite") || role.contains(".Write"));
    let writes = writes.map(|role| (role.clone(), "Manntall never writes to Entra".to_owned()));
    let wider = WIDER.iter().filter(|(role, _)| granted.contains(*role));
    let wider = wider.map(|(role, why)| ((*role).to_owned(), (*why).to_owned()));
    writes.chain(wider).collect()
}

/// Where an administrator consents.
fn consent_url(source: &Source) -> String {
    let mut url = source.login_url.clone();
    url.set_path(&format!("{}/adminconsent", source.tenant_id));
    url.query_pairs_mut().clear().append_pair("client_id", &source.client_id);
    url.to_string()
}

/// What an administrator of Entra is to be told about a refusal at sign-in, if that can be said ("Microsoft
/// Entra authentication and authorization error codes"). A permission is asked for only where one is missing.
pub(super) fn letter_about(source: &Source, code: &str) -> Option<String> {
    let (wrong, please) = match code {
        "AADSTS65001" | "AADSTS90094" => return Some(letter(source, &NEEDS, &[])),
        "AADSTS700016" => (
            "is not known in the tenant, or has no consent there yet",
            "Please compare both ids with App registrations > Overview (Application (client) ID and Directory \
             (tenant) ID), and tell me the right ones. If the application is registered in another tenant, it \
             needs admin consent in this one first",
        ),
        "AADSTS7000215" => (
            "does not accept the client secret that we have",
            "Please make a new one under Certificates & secrets, and give me its Value (not its Secret ID) by a \
             safe way, with the date on which it ends",
        ),
        "AADSTS7000222" => (
            "has a client secret that has ended",
            "Please make a new one under Certificates & secrets, and give me its Value by a safe way, with the \
             date on which it ends",
        ),
        "AADSTS90002" => (
            "cannot be asked for, because there is no such tenant in this cloud",
            "Please tell me the Directory (tenant) ID under App registrations > Overview, and whether the tenant \
             is in the global cloud or in a national one",
        ),
        "AADSTS7000112" => (
            "is disabled in the tenant",
            "Please set Enterprise applications > Properties > Enabled for users to sign-in? to Yes",
        ),
        "AADSTS700027" | "AADSTS700030" | "AADSTS50012" => (
            "does not know the certificate that we sign with",
            "Please upload the certificate that I send along under Certificates & secrets > Certificates. It is \
             no secret; the private key stays here",
        ),
        "AADSTS53003" | "AADSTS530032" => (
            "is kept out by a Conditional Access policy for workload identities",
            "Please allow the address of our server there, or leave this service principal out of the policy",
        ),
        _ => return None,
    };
    let mut text = format!(
        "Hello,\n\n\
         the application that reads our directory for the collaboration platform {wrong} ({code}).\n\n\
         \x20 Tenant:       {}\n\
         \x20 Application:  {}\n\n\
         {please}.",
        source.tenant_id, source.client_id
    );
    if code == "AADSTS700016" {
        let _ = write!(text, " Consent is given here:\n\n  {}", consent_url(source));
    }
    text.push('\n');
    Some(text)
}

/// A text for the administrator, to be sent as it stands.
pub(super) fn letter(source: &Source, wanted: &[Need], excess: &[(String, String)]) -> String {
    let mut text = format!(
        "Hello,\n\n\
         the application that reads our directory for the collaboration platform lacks a permission.\n\n\
         \x20 Tenant:       {}\n\
         \x20 Application:  {}\n\n\
         Please add these under App registrations > API permissions > Microsoft Graph > Application \
         permissions:\n\n",
        source.tenant_id, source.client_id
    );
    for need in wanted {
        let _ = writeln!(text, "  {:<22} to {}", need.least, need.purpose);
    }
    let _ = write!(
        text,
        "\nThen grant admin consent, there or here:\n\n  {}\n\n\
         It reads only; it never writes to Entra.",
        consent_url(source)
    );
    if !excess.is_empty() {
        let names: Vec<&str> = excess.iter().map(|(role, _)| role.as_str()).collect();
        let _ = write!(text, " These are not needed and may be removed: {}.", names.join(", "));
    }
    text.push('\n');
    text
}
