//! Digests that leave the process. A digest of a phone number or of a department without a key is found
//! out by trying all of them; with a random key of the installation it says only whether two are equal.

use std::fmt;

use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// The key of an installation, of the block length of SHA-256. It is made with the store, lies in it, and
/// comes back with a backup: whoever has it has what it hides anyway.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DigestKey([[u8; 32]; 2]);

impl fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestKey(…)")
    }
}

impl DigestKey {
    /// The key of these random bytes.
    pub fn new(bytes: [[u8; 32]; 2]) -> Self {
        Self(bytes)
    }

    /// HMAC-SHA-256 of a record. Equal records for different purposes have different digests.
    pub fn digest<T: Serialize + ?Sized>(&self, purpose: &str, record: &T) -> [u8; 32] {
        let mut block = [0; 64];
        block.iter_mut().zip(self.0.as_flattened()).for_each(|(to, from)| *to = *from);
        let mut mac = <Hmac<Sha256> as hmac::digest::KeyInit>::new(&block.into());
        mac.update(purpose.as_bytes());
        mac.update(&[0]);
        mac.update(&postcard::to_stdvec(record).unwrap_or_default());
        mac.finalize().into_bytes().into()
    }

    /// A short name for a text that is not shown, as 12 hexadecimal digits.
    pub(super) fn pseudonym(&self, purpose: &str, text: &str) -> String {
        self.digest(purpose, text)
            .iter()
            .take(6)
            .fold(String::new(), |name, byte| name + &format!("{byte:02x}"))
    }
}
