//! Faults of the next requests, set by a control route. They last for a number of requests or for a time.
//! Control routes have no faults.
//!
//! | kind | request | response |
//! |---|---|---|
//! | `refuse`, `refuse:<code>` | refused | Twilio's error with that code, or with the default code of the target |
//! | `rate-limit` | refused | 429, code 20429 |
//! | `error-before` | lost | 500 |
//! | `error-after` | takes effect | 500 |
//! | `timeout-after` | takes effect | delayed by 30 seconds |
//! | `undelivered:<code>` | takes effect; messages only | 201, and the final status `undelivered` with that code |
//! | `silent` | takes effect; messages only | 201, no status callbacks, final status `sent` |
//! | `unauthorized` | refused | 401, code 20003 |
//! | `suspended` | refused; for a time, inbound messages and calls too | 403, code 20005 |
//! | `down` | refused | 503 without a body of Twilio |
//! | `down-after` | takes effect | 503 without a body of Twilio |
//! | `lost-callback` | a status callback is not sent | |
//! | `lost-webhook` | the webhook of an inbound message is not sent | |
//!
//! | `On` | requests | default code of `refuse` |
//! |---|---|---|
//! | `messages` (default) | sending | 21211 |
//! | `numbers` | everything below `AvailablePhoneNumbers` and `IncomingPhoneNumbers` | 21422 |
//! | `purchases` | `POST …/IncomingPhoneNumbers.json`; takes precedence over `numbers` | 21422 |
//! | `services` | everything below `/v1/Services`, including numbers and campaigns | 20001 |
//! | `account` | all of the API; the default of `unauthorized`, `suspended` and `down` | 20001 |
//!
//! With `Phone`, a fault of messages, callbacks or inbound webhooks affects only those of this phone, and one
//! of numbers or purchases only requests that name this number as their `PhoneNumber`. It takes precedence
//! over one with the same `On` for all. A new fault replaces the previous fault with the same `On` and
//! `Phone`. `none` ends the faults with this `On` and this `Phone`; without one of them, those of all.

use std::collections::BTreeMap;
use std::time::Instant;

use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::failure::Failure;
use crate::routes::CONTROL_PREFIX;

/// The code of a suspended account.
const SUSPENDED: u32 = 20005;

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
    /// All of the API.
    Account,
    /// Status callbacks to the product.
    StatusCallbacks,
    /// Webhooks of inbound messages to the product.
    InboundWebhooks,
}

impl Target {
    /// Parses the field `On`.
    pub(crate) fn parse(name: &str) -> Result<Self, Failure> {
        match name {
            "messages" => Ok(Self::Messages),
            "numbers" => Ok(Self::Numbers),
            "purchases" => Ok(Self::Purchases),
            "services" => Ok(Self::Services),
            "account" => Ok(Self::Account),
            _ => Err(Failure::parameter(
                "On must be messages, numbers, purchases, services or account".to_owned(),
            )),
        }
    }

    /// The targets of a request, the most specific first. The route that sends messages handles its own
    /// faults.
    pub(crate) fn of(method: &Method, path: &str) -> &'static [Self] {
        if path.starts_with(CONTROL_PREFIX) {
            &[]
        } else if path == "/v1/Services" || path.starts_with("/v1/Services/") {
            &[Self::Services, Self::Account]
        } else if method == Method::POST && path.ends_with("/IncomingPhoneNumbers.json") {
            &[Self::Purchases, Self::Numbers, Self::Account]
        } else if path.contains("/IncomingPhoneNumbers") || path.contains("/AvailablePhoneNumbers/") {
            &[Self::Numbers, Self::Account]
        } else {
            &[Self::Account]
        }
    }

    /// Whether requests belong to a phone or name a number.
    fn has_phone(self) -> bool {
        !matches!(self, Self::Services | Self::Account)
    }

    fn refusal(self) -> u32 {
        match self {
            Self::Messages => 21211,
            Self::Numbers | Self::Purchases => 21422,
            Self::Services | Self::Account | Self::StatusCallbacks | Self::InboundWebhooks => 20001,
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
    /// Takes effect, but the carriers' networks reject the message with a code.
    Undelivered(u32),
    /// Refused with 503.
    Down,
    /// Takes effect, but the response is 503.
    DownAfter,
    /// A webhook is not sent.
    Lost,
}

impl Fault {
    /// Parses the field `Kind`, and `On` if it was given. `None` is the kind `none`.
    pub(crate) fn parse(kind: &str, on: Option<Target>) -> Result<Option<(Target, Self)>, Failure> {
        let target = on.unwrap_or_default();
        let of_account = |fault| (on.unwrap_or(Target::Account), fault);
        let code = kind.strip_prefix("refuse:").and_then(|code| code.parse().ok());
        let rejected = kind.strip_prefix("undelivered:").and_then(|code| code.parse().ok());
        if let (Some(code), Target::Messages) = (rejected, target) {
            return Ok(Some((target, Self::Undelivered(code))));
        }
        Ok(Some(match (kind, code) {
            ("none", _) => return Ok(None),
            ("refuse", _) => (target, Self::Refuse(target.refusal())),
            ("rate-limit", _) => (target, Self::Refuse(20429)),
            ("error-before", _) => (target, Self::Refuse(20500)),
            ("error-after", _) => (target, Self::ErrorAfter),
            ("timeout-after", _) => (target, Self::TimeoutAfter),
            ("silent", _) if target == Target::Messages => (target, Self::Silent),
            ("unauthorized", _) => of_account(Self::Refuse(20003)),
            ("suspended", _) => of_account(Self::Refuse(SUSPENDED)),
            ("down", _) => of_account(Self::Down),
            ("down-after", _) => (target, Self::DownAfter),
            ("lost-callback", _) => (Target::StatusCallbacks, Self::Lost),
            ("lost-webhook", _) => (Target::InboundWebhooks, Self::Lost),
            (_, Some(code)) => (target, Self::Refuse(code)),
            (_, None) => return Err(Failure::parameter("Kind must be a fault; see /help".to_owned())),
        }))
    }

    /// The response of a refused request.
    pub(crate) fn refusal(self) -> Option<Response> {
        match self {
            Self::Refuse(code) => Some(Failure::of(code).into_response()),
            Self::Down => Some(out_of_service()),
            Self::ErrorAfter
            | Self::DownAfter
            | Self::TimeoutAfter
            | Self::Silent
            | Self::Undelivered(_)
            | Self::Lost => None,
        }
    }

    /// The response of a request that took effect, in place of its own.
    pub(crate) fn lost_answer(self) -> Option<Response> {
        match self {
            Self::ErrorAfter => Some(Failure::of(20500).into_response()),
            Self::DownAfter => Some(out_of_service()),
            Self::Refuse(_)
            | Self::Down
            | Self::TimeoutAfter
            | Self::Silent
            | Self::Undelivered(_)
            | Self::Lost => None,
        }
    }
}

fn out_of_service() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, "upstream connect error").into_response()
}

/// How long a fault lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lasts {
    /// For this number of requests.
    Requests(u32),
    Until(Instant),
}

/// The active faults, by their target and their phone, if they have one.
#[derive(Debug, Default)]
pub(crate) struct Faults(BTreeMap<(Target, Option<String>), (Fault, Lasts)>);

impl Faults {
    /// Replaces the fault of a target.
    pub(crate) fn set(&mut self, target: Target, fault: Fault, lasts: Lasts) {
        self.0.insert((target, None), (fault, lasts));
    }

    /// Replaces the fault of a target and a phone. Errors if requests of the target belong to no phone.
    pub(crate) fn set_for(
        &mut self,
        phone: &str,
        target: Target,
        fault: Fault,
        lasts: Lasts,
    ) -> Result<(), Failure> {
        if !target.has_phone() {
            return Err(Failure::parameter(
                "Phone is not for faults of services or of the account; set On".to_owned(),
            ));
        }
        self.0.insert((target, Some(phone.to_owned())), (fault, lasts));
        Ok(())
    }

    /// Ends the faults of a target and a phone. `None` means every target, or every phone.
    pub(crate) fn end(&mut self, target: Option<Target>, phone: Option<&str>) {
        self.0.retain(|(of, whose), _| {
            target.is_some_and(|target| target != *of)
                || phone.is_some_and(|phone| whose.as_deref() != Some(phone))
        });
    }

    /// Returns the fault of this request, and counts it.
    pub(crate) fn take(&mut self, target: Target) -> Option<Fault> {
        self.take_of((target, None))
    }

    /// Returns the fault of this request of a phone, and counts it.
    pub(crate) fn take_for(&mut self, phone: &str, target: Target) -> Option<Fault> {
        self.take_of((target, Some(phone.to_owned()))).or_else(|| self.take(target))
    }

    fn take_of(&mut self, key: (Target, Option<String>)) -> Option<Fault> {
        let (fault, lasts) = self.0.get_mut(&key)?;
        let fault = *fault;
        let is_active = match lasts {
            Lasts::Requests(0) => false,
            Lasts::Requests(left) => {
                *left -= 1;
                true
            }
            Lasts::Until(end) => Instant::now() < *end,
        };
        if !is_active {
            self.0.remove(&key);
        }
        is_active.then_some(fault)
    }

    /// Whether the account is suspended for a time. A suspended account neither sends nor receives.
    pub(crate) fn is_account_suspended(&self) -> bool {
        let of_account = self.0.get(&(Target::Account, None));
        matches!(of_account, Some((Fault::Refuse(SUSPENDED), Lasts::Until(end))) if Instant::now() < *end)
    }

    /// The fault of the first of these targets that has one, for this phone or for all.
    pub(crate) fn take_first(&mut self, phone: &str, targets: &[Target]) -> Option<Fault> {
        targets.iter().find_map(|target| self.take_for(phone, *target))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_affects_the_next_requests_of_its_target() {
        let mut faults = Faults::default();
        faults.set(Target::Messages, Fault::Silent, Lasts::Requests(2));
        assert_eq!(faults.take(Target::Numbers), None);
        let mut next = || faults.take(Target::Messages);
        assert_eq!([next(), next(), next()], [Some(Fault::Silent), Some(Fault::Silent), None]);
    }

    #[test]
    fn a_fault_of_a_phone_affects_no_other_phone_and_takes_precedence() {
        let (ann, ben, once) = ("+12025550101", "+12025550102", Lasts::Requests(1));
        let mut faults = Faults::default();
        faults.set_for(ann, Target::Messages, Fault::Silent, once).unwrap();
        assert_eq!(faults.take_for(ben, Target::Messages), None);
        assert_eq!(faults.take_for(ann, Target::StatusCallbacks), None);
        faults.set(Target::Messages, Fault::ErrorAfter, once);
        let mut next = |phone| faults.take_for(phone, Target::Messages);
        assert_eq!([next(ann), next(ann), next(ann)], [Some(Fault::Silent), Some(Fault::ErrorAfter), None]);
        assert!(faults.set_for(ann, Target::Account, Fault::Down, once).is_err());
        for (target, phone, left) in [
            (None, Some(ben), [true, false, true]),
            (Some(Target::Messages), None, [false, false, true]),
            (Some(Target::Messages), Some(ann), [false, true, true]),
            (None, None, [false; 3]),
        ] {
            faults.set_for(ann, Target::Messages, Fault::Silent, once).unwrap();
            faults.set_for(ben, Target::Messages, Fault::Silent, once).unwrap();
            faults.set(Target::Purchases, Fault::ErrorAfter, once);
            faults.end(target, phone);
            let mut is_left = |phone| faults.take_for(phone, Target::Messages).is_some();
            let of_phones = [is_left(ann), is_left(ben)];
            assert_eq!([of_phones[0], of_phones[1], faults.take(Target::Purchases).is_some()], left);
        }
    }

    #[test]
    fn none_ends_a_fault_and_an_unknown_kind_is_refused() {
        let parse = |kind| Fault::parse(kind, None);
        let mut faults = Faults::default();
        faults.set(Target::Messages, Fault::Silent, Lasts::Requests(2));
        assert_eq!(parse("none").unwrap(), None);
        faults.end(Some(Target::Messages), None);
        assert_eq!(faults.take(Target::Messages), None);
        assert!(parse("refuse:").is_err());
        assert!(parse("explode").is_err());
        assert_eq!(parse("refuse:21610").unwrap(), Some((Target::Messages, Fault::Refuse(21610))));
        assert_eq!(parse("down").unwrap(), Some((Target::Account, Fault::Down)));
        let refused_purchase = Some((Target::Purchases, Fault::Refuse(21422)));
        assert_eq!(Fault::parse("refuse", Some(Target::Purchases)).unwrap(), refused_purchase);
        assert!(Fault::parse("silent", Some(Target::Services)).is_err());
        assert_eq!(parse("undelivered:30022").unwrap(), Some((Target::Messages, Fault::Undelivered(30022))));
        assert!(parse("undelivered:").is_err());
        assert!(Fault::parse("undelivered:30022", Some(Target::Numbers)).is_err());
    }

    #[test]
    fn the_fault_of_purchases_takes_precedence_over_that_of_numbers() {
        let path = "/2010-04-01/Accounts/AC1/IncomingPhoneNumbers.json";
        let mut faults = Faults::default();
        faults.set(Target::Numbers, Fault::ErrorAfter, Lasts::Requests(2));
        faults.set(Target::Purchases, Fault::TimeoutAfter, Lasts::Requests(1));
        let mut next = |method| faults.take_first("", Target::of(&method, path));
        assert_eq!(next(Method::GET), Some(Fault::ErrorAfter));
        assert_eq!(next(Method::POST), Some(Fault::TimeoutAfter));
        assert_eq!(next(Method::POST), Some(Fault::ErrorAfter));
    }

    #[test]
    fn the_whole_api_belongs_to_the_account_and_control_routes_have_no_faults() {
        for path in
            ["/v1/a2p/BrandRegistrations", "/v1/ServicesElse", "/2010-04-01/Accounts/AC1/Messages.json"]
        {
            assert_eq!(Target::of(&Method::POST, path), [Target::Account], "{path}");
        }
        let campaigns = "/v1/Services/MG1/Compliance/Usa2p";
        assert_eq!(Target::of(&Method::GET, campaigns), [Target::Services, Target::Account]);
        assert!(Target::of(&Method::POST, "/_twilio/simulate/fault").is_empty());
    }

    #[test]
    fn a_fault_with_a_time_ends_by_itself() {
        let mut faults = Faults::default();
        let now = Instant::now();
        faults.set(Target::Account, Fault::Down, Lasts::Until(now + std::time::Duration::from_hours(1)));
        assert_eq!([faults.take(Target::Account), faults.take(Target::Account)], [Some(Fault::Down); 2]);
        assert!(!faults.is_account_suspended());
        faults.set(Target::Account, Fault::Down, Lasts::Until(now));
        assert_eq!(faults.take(Target::Account), None);
        let suspended = Fault::Refuse(SUSPENDED);
        for (lasts, expected) in [
            (Lasts::Until(now + std::time::Duration::from_hours(1)), true),
            (Lasts::Until(now), false),
            (Lasts::Requests(1), false),
        ] {
            faults.set(Target::Account, suspended, lasts);
            assert_eq!(faults.is_account_suspended(), expected, "{lasts:?}");
        }
    }
}
