//! Notices by mail, over SMTP with TLS, or without to a relay on this machine.

use std::time::Duration;

use lettre::message::{Mailbox, header::ContentType};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::transport::is_local;

/// A server that does not answer holds nothing up for longer.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Where mail goes, and from whom.
#[derive(Clone)]
pub struct Mail {
    server: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
}

/// A mail could not be written or sent.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// No address, or none that can be.
    #[error("{0} is no mail address")]
    Address(String),
    /// Not an address of a server.
    #[error("the mail server must be smtps://HOST, or smtp://HOST for a relay on this machine")]
    Server,
    /// The server cannot be spoken to.
    #[error("the mail server cannot be used")]
    Smtp(#[from] lettre::transport::smtp::Error),
    /// The mail cannot be written.
    #[error("the mail cannot be written")]
    Message(#[from] lettre::error::Error),
}

impl Mail {
    /// Mail through `server` (`smtps://`, or `smtp://` on loopback), as `user` where one is given. The
    /// authorities in `extra_ca_pem` are trusted beside those of the system.
    pub fn new(
        server: &Url,
        from: &str,
        to: &[String],
        user: Option<(String, SecretString)>,
        extra_ca_pem: Option<&[u8]>,
    ) -> Result<Self, MailError> {
        let host = server.host_str().ok_or(MailError::Server)?;
        let builder = match server.scheme() {
            "smtps" => {
                let mut tls = TlsParameters::builder(host.to_owned());
                if let Some(pem) = extra_ca_pem {
                    tls = tls.add_root_certificate(Certificate::from_pem(pem)?);
                }
                AsyncSmtpTransport::<Tokio1Executor>::relay(host)?.tls(Tls::Wrapper(tls.build()?))
            }
            "smtp" if is_local(server) => {
                AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host).port(25)
            }
            _ => return Err(MailError::Server),
        };
        let builder = match server.port() {
            Some(port) => builder.port(port),
            None => builder,
        };
        let builder = match user {
            Some((user, password)) => {
                builder.credentials(Credentials::new(user, password.expose_secret().to_owned()))
            }
            None => builder,
        };
        let mailbox = |text: &String| text.parse().map_err(|_| MailError::Address(text.clone()));
        Ok(Self {
            server: builder.timeout(Some(TIMEOUT)).build(),
            from: mailbox(&from.to_owned())?,
            to: to.iter().map(mailbox).collect::<Result<_, _>>()?,
        })
    }

    /// Sends one mail to everybody.
    pub(super) async fn send(&self, subject: &str, text: &str) -> Result<(), MailError> {
        let message = Message::builder().from(self.from.clone()).subject(subject);
        let message = self.to.iter().fold(message, |message, to| message.to(to.clone()));
        let message = message.header(ContentType::TEXT_PLAIN).body(format!("{text}\n"))?;
        self.server.send(message).await?;
        Ok(())
    }
}
