//! When certificates end. Reads no more of them than that: the field `validity` (RFC 5280 §4.1), whose
//! place is fixed.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::core::model::Timestamp;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0]`, around the version.
const VERSION: u8 = 0xa0;

/// When each of the certificates in a PEM text ends, in their order.
pub fn ends(pem: &[u8]) -> Result<Vec<Timestamp>, &'static str> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates = certificates.map_err(|_| "it is damaged")?;
    if certificates.is_empty() {
        return Err("it holds no certificate in PEM");
    }
    let ends: Option<Vec<_>> = certificates.iter().map(|der| not_after(der)).collect();
    ends.ok_or("it holds a damaged certificate")
}

/// `notAfter` of one certificate.
fn not_after(der: &[u8]) -> Option<Timestamp> {
    let (certificate, _) = take(der, SEQUENCE)?;
    let (mut fields, _) = take(certificate, SEQUENCE)?;
    if let Some((_, rest)) = take(fields, VERSION) {
        fields = rest;
    }
    for tag in [INTEGER, SEQUENCE, SEQUENCE] {
        (_, fields) = take(fields, tag)?;
    }
    let (validity, _) = take(fields, SEQUENCE)?;
    let (_, rest) = time(validity)?;
    time(rest).map(|(at, _)| at)
}

/// The content of the next element, if it has this tag, and what follows it.
fn take(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |sum, byte| sum * 256 + usize::from(*byte)), rest)
        }
        _ => return None,
    };
    (found == tag).then(|| rest.split_at_checked(length)).flatten()
}

/// A time in one of its two forms, both in UTC and to the second (RFC 5280 §4.1.2.5).
fn time(der: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (text, rest, century) = match (take(der, UTC_TIME), take(der, GENERALIZED_TIME)) {
        (Some((text, rest)), _) => {
            let late = text.first().is_some_and(|digit| *digit >= b'5');
            (text, rest, if late { "19" } else { "20" })
        }
        (None, Some((text, rest))) => (text, rest, ""),
        (None, None) => return None,
    };
    let text = format!("{century}{}", std::str::from_utf8(text).ok()?);
    let parsed = jiff::civil::DateTime::strptime("%Y%m%d%H%M%SZ", &text).ok()?;
    let at = parsed.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    Some((Timestamp(at.as_millisecond()), rest))
}

#[cfg(test)]
mod tests;
