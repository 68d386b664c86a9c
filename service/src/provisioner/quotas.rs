//! Quotas of the service and of each enrollment (rule D1): registrations and look-ups apart.

use std::collections::HashMap;
use std::time::Duration;

use firsthop_config::Rate as RateText;
use firsthop_protocol::ErrorCode;
use firsthop_protocol::body::EnrollmentName;
use serde::Deserialize;

use crate::domain::book::Book;
use crate::domain::enrollment::QuotaRates;
use crate::domain::quota::{Quota, Rate, whole_seconds};
use crate::domain::refusal::Refusal;

/// Quotas of the whole service.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Registrations, for example `"1000/min"`. Without it there is no limit.
    #[serde(with = "firsthop_config::rate")]
    pub registrations: Option<RateText>,
    /// Look-ups, for example `"500/s"`. Without it there is no limit.
    #[serde(with = "firsthop_config::rate")]
    pub lookups: Option<RateText>,
}

impl Config {
    pub fn rates(&self) -> QuotaRates {
        let rate = |text: &RateText| Rate { count: text.count, per: text.per };
        QuotaRates { registrations: self.registrations.as_ref().map(rate), lookups: self.lookups.as_ref().map(rate) }
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Registration,
    Lookup,
}

#[derive(Debug, Default)]
pub(super) struct Quotas {
    registrations: Option<Quota>,
    lookups: Option<Quota>,
}

impl Quotas {
    pub fn new(rates: QuotaRates) -> Self {
        Self { registrations: rates.registrations.map(Quota::new), lookups: rates.lookups.map(Quota::new) }
    }

    fn of(&self, kind: Kind) -> Option<&Quota> {
        match kind {
            Kind::Registration => self.registrations.as_ref(),
            Kind::Lookup => self.lookups.as_ref(),
        }
    }
}

/// Quotas of the entries that have any.
#[derive(Debug, Default)]
pub(super) struct PerEnrollment(HashMap<EnrollmentName, Quotas>);

impl PerEnrollment {
    pub fn of(book: &Book) -> Self {
        let limited = book.iter().filter(|entry| entry.quotas != QuotaRates::default());
        Self(limited.map(|entry| (entry.name.clone(), Quotas::new(entry.quotas))).collect())
    }

    /// Spends one of the entry's and one of the service's, or neither.
    pub fn spend(
        &self,
        service: &Quotas,
        enrollment: &EnrollmentName,
        kind: Kind,
        now: Duration,
    ) -> Result<(), Refusal> {
        let entry = if self.0.is_empty() { None } else { self.0.get(enrollment).and_then(|quotas| quotas.of(kind)) };
        if let Some(quota) = entry {
            quota.admit(now).map_err(|wait| throttled(wait, kind, &enrollment.to_string()).by(enrollment))?;
        }
        if let Some(quota) = service.of(kind)
            && let Err(wait) = quota.admit(now)
        {
            if let Some(quota) = entry {
                quota.give_back();
            }
            return Err(throttled(wait, kind, "the service").by(enrollment));
        }
        Ok(())
    }
}

fn throttled(wait: Duration, kind: Kind, whose: &str) -> Refusal {
    let (seconds, what) = (
        whole_seconds(wait),
        match kind {
            Kind::Registration => "registrations",
            Kind::Lookup => "look-ups",
        },
    );
    Refusal::new(ErrorCode::Throttled, format!("too many {what}; ask again in {seconds} s"))
        .detail(format!("quota of {what} of {whose} (rule D1)"))
        .retry_after(seconds)
}
