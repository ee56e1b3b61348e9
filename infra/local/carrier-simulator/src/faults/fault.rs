//! Faults on demand: what happens to the next sends, or to the next requests about numbers or services.
//!
//! | kind | the request is | the answer is |
//! |---|---|---|
//! | `refuse`, `refuse:<code>` | refused | Twilio's failure of that code; if none is named, of the target's own |
//! | `rate-limit` | refused | 429, code 20429 |
//! | `error-before` | lost | 500 |
//! | `error-after` | carried out | 500 |
//! | `timeout-after` | carried out | held back for 30 seconds |
//! | `silent` | accepted, ends as `sent`; of messages alone | 201, but no status callback ever comes |
//!
//! | `On` | strikes | code of `refuse` |
//! |---|---|---|
//! | `messages`, and without `On` | sends | 21211 |
//! | `numbers` | all below `AvailablePhoneNumbers` and `IncomingPhoneNumbers` | 21422 |
//! | `purchases` | `POST …/IncomingPhoneNumbers.json` alone, and before `numbers` does | 21422 |
//! | `services` | all below `/v1/Services`, campaigns and their numbers too | 20001 |
//!
//! A new fault replaces the old one of its target. `none` with `On` ends that target's, without `On` it ends all.

use std::collections::BTreeMap;

use axum::http::Method;

use crate::failure::Failure;

/// What a fault strikes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    /// Sends.
    #[default]
    Messages,
    /// Search, purchase, listing, change and release of numbers.
    Numbers,
    /// Purchases alone.
    Purchases,
    /// Messaging services with their numbers and campaigns.
    Services,
}

impl Target {
    /// The target as the control route names it.
    pub(crate) fn parse(name: &str) -> Result<Self, Failure> {
        match name {
            "messages" => Ok(Self::Messages),
            "numbers" => Ok(Self::Numbers),
            "purchases" => Ok(Self::Purchases),
            "services" => Ok(Self::Services),
            _ => Err(Failure::parameter("On is nothing that a fault strikes".to_owned())),
        }
    }

    /// The targets that a request belongs to, narrowest first. Sends take their fault themselves.
    pub(crate) fn of(method: &Method, path: &str) -> &'static [Self] {
        if path == "/v1/Services" || path.starts_with("/v1/Services/") {
            &[Self::Services]
        } else if method == Method::POST && path.ends_with("/IncomingPhoneNumbers.json") {
            &[Self::Purchases, Self::Numbers]
        } else if path.contains("/IncomingPhoneNumbers") || path.contains("/AvailablePhoneNumbers/") {
            &[Self::Numbers]
        } else {
            &[]
        }
    }

    fn refusal(self) -> u32 {
        match self {
            Self::Messages => 21211,
            Self::Numbers | Self::Purchases => 21422,
            Self::Services => 20001,
        }
    }
}

/// One way to go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Not accepted, with the code that says why.
    Refuse(u32),
    /// Accepted, yet answered with 500.
    ErrorAfter,
    /// Accepted, yet not answered in time.
    TimeoutAfter,
    /// Accepted and never heard of again.
    Silent,
}

impl Fault {
    /// The kind as the control route names it; `none` is no fault.
    pub(crate) fn parse(kind: &str, target: Target) -> Result<Option<Self>, Failure> {
        let code = kind.strip_prefix("refuse:").and_then(|code| code.parse().ok());
        Ok(Some(match (kind, code) {
            ("none", _) => return Ok(None),
            ("refuse", _) => Self::Refuse(target.refusal()),
            ("rate-limit", _) => Self::Refuse(20429),
            ("error-before", _) => Self::Refuse(20500),
            ("error-after", _) => Self::ErrorAfter,
            ("timeout-after", _) => Self::TimeoutAfter,
            ("silent", _) if target == Target::Messages => Self::Silent,
            (_, Some(code)) => Self::Refuse(code),
            (_, None) => return Err(Failure::parameter("Kind is not a fault".to_owned())),
        }))
    }

    /// The failure of a request that is not accepted.
    pub(crate) fn refusal(self) -> Option<Failure> {
        match self {
            Self::Refuse(code) => Some(Failure::of(code)),
            Self::ErrorAfter | Self::TimeoutAfter | Self::Silent => None,
        }
    }
}

/// The faults in force, each with the number of requests it still applies to.
#[derive(Debug, Default)]
pub(crate) struct Faults(BTreeMap<Target, (Fault, u32)>);

impl Faults {
    /// Replaces what was in force on a target.
    pub(crate) fn set(&mut self, target: Target, fault: Option<Fault>, count: u32) {
        match fault.filter(|_| count > 0) {
            Some(fault) => self.0.insert(target, (fault, count)),
            None => self.0.remove(&target),
        };
    }

    /// The fault of this request.
    pub(crate) fn take(&mut self, target: Target) -> Option<Fault> {
        let (fault, count) = self.0.remove(&target)?;
        self.set(target, Some(fault), count - 1);
        Some(fault)
    }

    /// The fault of the first of these targets that has one.
    pub(crate) fn take_first(&mut self, targets: &[Target]) -> Option<Fault> {
        targets.iter().find_map(|target| self.take(*target))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_applies_to_the_next_count_requests_of_its_target() {
        let mut faults = Faults::default();
        faults.set(Target::Messages, Some(Fault::Silent), 2);
        assert_eq!(faults.take(Target::Numbers), None);
        let mut next = || faults.take(Target::Messages);
        assert_eq!([next(), next(), next()], [Some(Fault::Silent), Some(Fault::Silent), None]);
    }

    #[test]
    fn none_clears_and_an_unknown_kind_is_refused() {
        let parse = |kind| Fault::parse(kind, Target::Messages);
        let mut faults = Faults::default();
        faults.set(Target::Messages, Some(Fault::Silent), 2);
        faults.set(Target::Messages, parse("none").unwrap(), 1);
        assert_eq!(faults.take(Target::Messages), None);
        assert!(parse("refuse:").is_err());
        assert!(parse("explode").is_err());
        assert_eq!(parse("refuse:21610").unwrap(), Some(Fault::Refuse(21610)));
        assert_eq!(Fault::parse("refuse", Target::Purchases).unwrap(), Some(Fault::Refuse(21422)));
        assert!(Fault::parse("silent", Target::Services).is_err());
    }

    #[test]
    fn a_purchase_is_struck_by_its_own_fault_before_that_of_numbers() {
        let path = "/2010-04-01/Accounts/AC1/IncomingPhoneNumbers.json";
        let mut faults = Faults::default();
        faults.set(Target::Numbers, Some(Fault::ErrorAfter), 2);
        faults.set(Target::Purchases, Some(Fault::TimeoutAfter), 1);
        assert_eq!(faults.take_first(Target::of(&Method::GET, path)), Some(Fault::ErrorAfter));
        assert_eq!(faults.take_first(Target::of(&Method::POST, path)), Some(Fault::TimeoutAfter));
        assert_eq!(faults.take_first(Target::of(&Method::POST, path)), Some(Fault::ErrorAfter));
    }

    #[test]
    fn brands_and_sends_are_no_target_of_the_paths() {
        for path in
            ["/v1/a2p/BrandRegistrations", "/v1/ServicesElse", "/2010-04-01/Accounts/AC1/Messages.json"]
        {
            assert!(Target::of(&Method::POST, path).is_empty(), "{path}");
        }
        assert_eq!(Target::of(&Method::GET, "/v1/Services/MG1/Compliance/Usa2p"), [Target::Services]);
    }
}
