//! Faults of the next requests, set by a control route.
//!
//! | kind | request | response |
//! |---|---|---|
//! | `refuse`, `refuse:<code>` | refused | Twilio's error with that code, or with the default code of the target |
//! | `rate-limit` | refused | 429, code 20429 |
//! | `error-before` | lost | 500 |
//! | `error-after` | takes effect | 500 |
//! | `timeout-after` | takes effect | delayed by 30 seconds |
//! | `silent` | takes effect; messages only | 201, no status callbacks, final status `sent` |
//!
//! | `On` | requests | default code of `refuse` |
//! |---|---|---|
//! | `messages` (default) | sending | 21211 |
//! | `numbers` | everything below `AvailablePhoneNumbers` and `IncomingPhoneNumbers` | 21422 |
//! | `purchases` | `POST …/IncomingPhoneNumbers.json`; takes precedence over `numbers` | 21422 |
//! | `services` | everything below `/v1/Services`, including numbers and campaigns | 20001 |
//!
//! A new fault replaces the previous fault of its target. `none` ends the fault of its target, or all faults
//! without `On`.

use std::collections::BTreeMap;

use axum::http::Method;

use crate::failure::Failure;

/// The requests that a fault affects.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    #[default]
    Messages,
    /// Search, purchase, listing, change and release of numbers.
    Numbers,
    Purchases,
    /// Messaging services with their numbers and campaigns.
    Services,
}

impl Target {
    /// Parses the field `On`.
    pub(crate) fn parse(name: &str) -> Result<Self, Failure> {
        match name {
            "messages" => Ok(Self::Messages),
            "numbers" => Ok(Self::Numbers),
            "purchases" => Ok(Self::Purchases),
            "services" => Ok(Self::Services),
            _ => Err(Failure::parameter("On must be messages, numbers, purchases or services".to_owned())),
        }
    }

    /// The targets of a request, the most specific first. The route that sends messages handles its own
    /// faults.
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

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Refused with a code.
    Refuse(u32),
    /// Takes effect, but the response is 500.
    ErrorAfter,
    /// Takes effect, but the response is late.
    TimeoutAfter,
    /// Takes effect without status callbacks.
    Silent,
}

impl Fault {
    /// Parses the field `Kind`. `None` is the kind `none`.
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
            (_, None) => return Err(Failure::parameter("Kind must be a fault; see /help".to_owned())),
        }))
    }

    /// The error of a refused request.
    pub(crate) fn refusal(self) -> Option<Failure> {
        match self {
            Self::Refuse(code) => Some(Failure::of(code)),
            Self::ErrorAfter | Self::TimeoutAfter | Self::Silent => None,
        }
    }
}

/// The active faults, each with the number of requests that it still affects.
#[derive(Debug, Default)]
pub(crate) struct Faults(BTreeMap<Target, (Fault, u32)>);

impl Faults {
    /// Replaces the fault of a target.
    pub(crate) fn set(&mut self, target: Target, fault: Option<Fault>, count: u32) {
        match fault.filter(|_| count > 0) {
            Some(fault) => self.0.insert(target, (fault, count)),
            None => self.0.remove(&target),
        };
    }

    /// Returns the fault of this request, and counts it.
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
    fn a_fault_affects_the_next_requests_of_its_target() {
        let mut faults = Faults::default();
        faults.set(Target::Messages, Some(Fault::Silent), 2);
        assert_eq!(faults.take(Target::Numbers), None);
        let mut next = || faults.take(Target::Messages);
        assert_eq!([next(), next(), next()], [Some(Fault::Silent), Some(Fault::Silent), None]);
    }

    #[test]
    fn none_ends_a_fault_and_an_unknown_kind_is_refused() {
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
    fn the_fault_of_purchases_takes_precedence_over_that_of_numbers() {
        let path = "/2010-04-01/Accounts/AC1/IncomingPhoneNumbers.json";
        let mut faults = Faults::default();
        faults.set(Target::Numbers, Some(Fault::ErrorAfter), 2);
        faults.set(Target::Purchases, Some(Fault::TimeoutAfter), 1);
        assert_eq!(faults.take_first(Target::of(&Method::GET, path)), Some(Fault::ErrorAfter));
        assert_eq!(faults.take_first(Target::of(&Method::POST, path)), Some(Fault::TimeoutAfter));
        assert_eq!(faults.take_first(Target::of(&Method::POST, path)), Some(Fault::ErrorAfter));
    }

    #[test]
    fn paths_of_brands_and_messages_have_no_target() {
        for path in
            ["/v1/a2p/BrandRegistrations", "/v1/ServicesElse", "/2010-04-01/Accounts/AC1/Messages.json"]
        {
            assert!(Target::of(&Method::POST, path).is_empty(), "{path}");
        }
        assert_eq!(Target::of(&Method::GET, "/v1/Services/MG1/Compliance/Usa2p"), [Target::Services]);
    }
}
