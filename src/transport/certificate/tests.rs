//! Certificates as rcgen makes them, and texts that are none.
#![expect(clippy::unwrap_used, reason = "tests fail loudly")]

use super::ends;

#[test]
fn the_end_of_a_certificate_is_read_in_both_forms_of_time() {
    for (year, expected) in [(2031, "2031-05-06T00:00:00Z"), (2060, "2060-05-06T00:00:00Z")] {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters =
            rcgen::CertificateParams::new(vec!["a.example.no".to_owned()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(year, 5, 6);
        let pem = parameters.self_signed(&key).unwrap().pem();
        assert_eq!(ends(pem.as_bytes()).unwrap()[0].to_string(), expected);
    }
    for wrong in ["", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----"] {
        assert!(ends(wrong.as_bytes()).is_err());
    }
}
