//! The event types of A2P compliance that a subscription may name, all after
//! `com.twilio.messaging.compliance.`.
//!
//! Source: twilio.com/docs/events/event-types/a2p, which documents suspensions only by their follow-up
//! (`suspended-campaign-delete-submitted`); `campaign-suspended` is a guess. The simulator sends only some of
//! these types.

/// The prefix of all types.
const PREFIX: &str = "com.twilio.messaging.compliance.";

/// The newest schema version of these types.
const NEWEST_VERSION: u64 = 3;

const TYPES: [&str; 18] = [
    "brand-registration.brand-registered",
    "brand-registration.brand-failure",
    "brand-registration.brand-verified",
    "brand-registration.brand-unverified",
    "brand-registration.brand-vetted-verified",
    "brand-registration.brand-secondary-vetting-failure",
    "campaign-registration.campaign-submitted",
    "campaign-registration.campaign-approved",
    "campaign-registration.campaign-failure",
    "campaign-registration.campaign-deleted",
    "campaign-registration.campaign-suspended",
    "campaign-registration.suspended-campaign-delete-submitted",
    "number-registration.pending",
    "number-registration.successful",
    "number-registration.failed",
    "number-deregistration.pending",
    "number-deregistration.successful",
    "number-deregistration.failed",
];

/// The full name of a type.
pub(crate) fn full_name(name: &str) -> String {
    format!("{PREFIX}{name}")
}

/// Whether a subscription can have this type and version.
pub(crate) fn is_known(full_name: &str, version: u64) -> bool {
    (1..=NEWEST_VERSION).contains(&version)
        && full_name.strip_prefix(PREFIX).is_some_and(|name| TYPES.contains(&name))
}
