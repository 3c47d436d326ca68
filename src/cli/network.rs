//! From `[network]` to what the transport takes, and what there is to say about both. Reads the files
//! that the table names.

use std::path::Path;

use secrecy::ExposeSecret;

use super::wire::token_source;
use super::{Exit, Failure};
use crate::config::{self, Config, Network};
use crate::core::model::Timestamp;
use crate::transport::certificate;
use crate::transport::http::HttpOptions;
use crate::transport::proxy::Proxy;

/// How the transport is to be made.
pub(super) fn options(network: &Network) -> Result<HttpOptions, Failure> {
    let extra_ca_pem = trusted(network)?;
    let proxy = match &network.proxy {
        None => None,
        Some(config::Proxy { url, credentials, variable: _ }) => {
            let credentials = credentials.as_deref().map(token_source).transpose()?;
            Some(Proxy::new(url.clone(), &network.no_proxy, credentials))
        }
    };
    Ok(HttpOptions { extra_ca_pem, proxy, ..HttpOptions::default() })
}

/// The authorities to trust beside those of the system, in PEM.
pub(super) fn trusted(network: &Network) -> Result<Option<Vec<u8>>, Failure> {
    let read = network.ca_file.as_deref().map(authorities).transpose();
    Ok(read.map_err(|fault| Failure::new(Exit::Config, fault))?.map(|(pem, _)| pem))
}

/// What is wrong with the files of the table, beside what is checked of every secret.
pub(super) fn faults(config: &Config) -> Vec<String> {
    let Network { proxy, ca_file, no_proxy: _ } = &config.network;
    let mut faults = Vec::new();
    faults.extend(ca_file.as_deref().and_then(|file| authorities(file).err()));
    let credentials = proxy.as_ref().and_then(|proxy| proxy.credentials.as_deref());
    let told = credentials.and_then(|file| Some((file, config::secret(file).ok()?)));
    if let Some((file, secret)) = told {
        let text = secret.expose_secret();
        if text.starts_with(':') || !text.contains(':') || text.contains(char::is_control) {
            faults.push(format!(
                "network.proxy_credentials_file: the file {} does not hold NAME:PASSWORD on one line",
                file.display()
            ));
        }
    }
    faults
}

/// The certificates in the file, and when each of them ends.
pub(super) fn authorities(file: &Path) -> Result<(Vec<u8>, Vec<Timestamp>), String> {
    const REMEDY: &str =
        "write the certificate of the authority into it, in PEM, or leave the key out";
    let shown = file.display();
    let pem = std::fs::read(file).map_err(|error| {
        format!("network.ca_file: the file {shown} cannot be read: {error}; {REMEDY}")
    })?;
    match certificate::ends(&pem) {
        Ok(ends) => Ok((pem, ends)),
        Err(fault) => {
            Err(format!("network.ca_file: the file {shown} cannot be used: {fault}; {REMEDY}"))
        }
    }
}

/// The proxy in words; none where everything is reached directly.
pub(super) fn proxy_in_words(network: &Network) -> Option<String> {
    let config::Proxy { url, variable, credentials } = network.proxy.as_ref()?;
    let mut words = url.as_str().trim_end_matches('/').to_owned();
    if let Some(variable) = variable {
        words = format!("{words}, by {variable}");
    }
    if let Some(file) = credentials {
        words = format!("{words}, with the credentials in {}", file.display());
    }
    if network.no_proxy.is_empty() {
        return Some(words);
    }
    Some(format!("{words}; directly: {}", network.no_proxy.join(", ")))
}
