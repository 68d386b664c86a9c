//! The dates of a device's certificates, and what there is to warn of.

use std::time::Duration;

use firsthop_protocol::Timestamp;
use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{ASN1Time, FromDer, X509Certificate};

use crate::clock::{self, DAY};

/// From when until when a chain counts: from the latest beginning to the earliest end of its certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// From when.
    pub not_before: Timestamp,
    /// Until when.
    pub not_after: Timestamp,
}

impl Validity {
    /// Of a chain, where every certificate of it can be read.
    pub(crate) fn of(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let dates: Vec<_> = chain.iter().map(|certificate| dates(certificate)).collect::<Option<_>>()?;
        Some(Self {
            not_before: dates.iter().map(|dates| dates.not_before).max()?,
            not_after: dates.iter().map(|dates| dates.not_after).min()?,
        })
    }

    /// What an operator should know about the dates, where there is anything: they are over, or will be within `warn_before`, or have
    /// not begun.
    pub fn warning(&self, now: Timestamp, warn_before: Duration) -> Option<String> {
        let Self { not_before, not_after } = self;
        if now < *not_before {
            let whose = match clock::is_wrong(now) {
                true => "; this clock is wrong: set the time, as NTP does by itself once it has the network",
                false => "",
            };
            return Some(format!(
                "the certificate is not valid before {not_before}, and this machine's clock says {now}{whose}"
            ));
        }
        if now > *not_after {
            let ago = days(now.since(*not_after));
            return Some(format!(
                "the certificate expired at {not_after}, {ago} ago; it is refused until it is renewed"
            ));
        }
        let left = not_after.since(now);
        (left <= warn_before).then(|| format!("the certificate expires at {not_after}, in {}; renew it", days(left)))
    }
}

fn dates(certificate: &CertificateDer<'_>) -> Option<Validity> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    // Nothing of ours was issued before 1970; such a date begins with it.
    let at = |time: ASN1Time| Timestamp::from_secs(u64::try_from(time.timestamp()).unwrap_or_default());
    let dates = certificate.validity();
    Some(Validity { not_before: at(dates.not_before), not_after: at(dates.not_after) })
}

fn days(time: Duration) -> String {
    match time.as_secs() / DAY {
        0 => "less than a day".into(),
        1 => "1 day".into(),
        days => format!("{days} days"),
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    /// In the summer of 2027.
    const BEGINNING: Timestamp = Timestamp::from_secs(1_814_400_000);
    const END: Timestamp = BEGINNING.plus(Duration::from_secs(365 * DAY));
    const MONTH: Duration = Duration::from_secs(30 * DAY);
    const VALIDITY: Validity = Validity { not_before: BEGINNING, not_after: END };

    fn warning_before_the_end(left: u64) -> Option<String> {
        VALIDITY.warning(Timestamp::from_secs(END.secs() - left), MONTH)
    }

    #[test]
    fn nothing_is_said_while_the_end_is_far() {
        assert_eq!(VALIDITY.warning(BEGINNING, MONTH), None);
        assert_eq!(warning_before_the_end(30 * DAY + 1), None);
    }

    #[test]
    fn the_days_that_are_left_are_counted() {
        for (left, words) in
            [(30 * DAY, "in 30 days"), (2 * DAY - 1, "in 1 day;"), (DAY - 1, "in less than a day"), (0, "in less")]
        {
            let text = warning_before_the_end(left).unwrap();
            assert!(text.starts_with(&format!("the certificate expires at {END}, ")), "{text}");
            assert!(text.contains(words), "{text}");
        }
    }

    #[test]
    fn the_end_is_told_with_its_age() {
        let text = VALIDITY.warning(END.plus(Duration::from_secs(3 * DAY)), MONTH).unwrap();
        assert!(text.contains("expired at") && text.contains("3 days ago"), "{text}");
    }

    #[test]
    fn a_clock_before_the_beginning_is_called_wrong_where_it_must_be() {
        let text = VALIDITY.warning(Timestamp::from_secs(12), MONTH).unwrap();
        assert!(text.contains("this clock is wrong"), "{text}");
        let text = VALIDITY.warning(Timestamp::from_secs(BEGINNING.secs() - 60), MONTH).unwrap();
        assert!(text.starts_with(&format!("the certificate is not valid before {BEGINNING}")), "{text}");
        assert!(!text.contains("wrong"), "{text}");
    }

    #[test]
    fn a_chain_ends_with_the_first_of_its_certificates_and_begins_with_the_last() {
        let key = KeyPair::generate().unwrap();
        let issued = |from, until| {
            let mut params = CertificateParams::default();
            (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(until, 1, 1));
            CertificateDer::from(params.self_signed(&key).unwrap())
        };
        let validity = Validity::of(&[issued(2027, 2040), issued(1960, 2030)]).unwrap();
        assert_eq!(validity.not_before.to_string(), "2027-01-01T00:00:00.0000000Z");
        assert_eq!(validity.not_after.to_string(), "2030-01-01T00:00:00.0000000Z");
        assert_eq!(Validity::of(&[]), None);
        assert_eq!(Validity::of(&[issued(2027, 2040), CertificateDer::from(vec![1, 2, 3])]), None);
    }
}
