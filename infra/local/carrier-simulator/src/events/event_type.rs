//! The event types of A2P compliance that a subscription may name, all below `com.twilio.messaging.compliance.`.
//!
//! Source: twilio.com/docs/events/event-types/a2p, which keeps suspensions apart and names only what is made of them
//! (`suspended-campaign-delete-submitted`); `campaign-suspended` is ours. Most of these never come from here.

/// What stands before every type.
const PREFIX: &str = "com.twilio.messaging.compliance.";

/// Versions that a schema of these types may have.
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

/// The whole name of a type.
pub(crate) fn full_name(name: &str) -> String {
    format!("{PREFIX}{name}")
}

/// Whether a subscription may name this type in this version; Twilio refuses others.
pub(crate) fn is_known(full_name: &str, version: u64) -> bool {
    (1..=NEWEST_VERSION).contains(&version)
        && full_name.strip_prefix(PREFIX).is_some_and(|name| TYPES.contains(&name))
}
