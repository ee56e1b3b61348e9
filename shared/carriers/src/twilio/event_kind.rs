//! The event types of registrations.
//!
//! Source: <https://www.twilio.com/docs/events/event-types-overview>, the part on A2P.

const PREFIX: &str = "com.twilio.messaging.compliance.";

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// A campaign is under review.
    CampaignSubmitted,
    /// A campaign is approved. Its numbers can send once they are registered.
    CampaignApproved,
    /// A campaign could not be submitted, or was rejected.
    CampaignFailure,
    /// A campaign is suspended: any type that contains `campaign` and `suspend`.
    CampaignSuspended,
    /// A campaign is deleted from the registry.
    CampaignDeleted,
    /// The registration of a number has started.
    NumberPending,
    /// A number can send.
    NumberSuccessful,
    /// The registration of a number failed.
    NumberFailed,
    /// A number can no longer send: its deregistration has started, finished, or failed.
    NumberDeregistered,
    /// Something happened to a brand.
    Brand(BrandEvent),
    /// An unknown type. Accept and ignore it.
    Other,
}

/// What happened to a brand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrandEvent {
    /// The brand is in the registry.
    Registered,
    /// The registration failed.
    Failure,
    /// The identity is verified.
    Verified,
    /// The identity is not verified.
    Unverified,
    /// The vetting succeeded.
    VettedVerified,
    /// The vetting failed.
    SecondaryVettingFailure,
    /// An unknown event.
    Other,
}

impl From<&str> for EventKind {
    fn from(name: &str) -> Self {
        let Some(name) = name.strip_prefix(PREFIX) else { return Self::Other };
        if name.contains("campaign") && name.contains("suspend") {
            return Self::CampaignSuspended;
        }
        match name.split_once('.').unwrap_or((name, "")) {
            ("campaign-registration", "campaign-submitted") => Self::CampaignSubmitted,
            ("campaign-registration", "campaign-approved") => Self::CampaignApproved,
            ("campaign-registration", "campaign-failure") => Self::CampaignFailure,
            ("campaign-registration", "campaign-deleted") => Self::CampaignDeleted,
            ("number-registration", "pending") => Self::NumberPending,
            ("number-registration", "successful") => Self::NumberSuccessful,
            ("number-registration", "failed") => Self::NumberFailed,
            ("number-deregistration", _) => Self::NumberDeregistered,
            ("brand-registration", word) => Self::Brand(BrandEvent::from(word)),
            _ => Self::Other,
        }
    }
}

impl From<&str> for BrandEvent {
    fn from(word: &str) -> Self {
        match word {
            "brand-registered" => Self::Registered,
            "brand-failure" => Self::Failure,
            "brand-verified" => Self::Verified,
            "brand-unverified" => Self::Unverified,
            "brand-vetted-verified" => Self::VettedVerified,
            "brand-secondary-vetting-failure" => Self::SecondaryVettingFailure,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_type_is_read() {
        use EventKind::{
            Brand, CampaignApproved, CampaignDeleted, CampaignFailure, CampaignSubmitted, CampaignSuspended,
            NumberDeregistered, NumberFailed, NumberPending, NumberSuccessful,
        };
        for (name, kind) in [
            ("brand-registration.brand-registered", Brand(BrandEvent::Registered)),
            ("brand-registration.brand-failure", Brand(BrandEvent::Failure)),
            ("brand-registration.brand-verified", Brand(BrandEvent::Verified)),
            ("brand-registration.brand-unverified", Brand(BrandEvent::Unverified)),
            ("brand-registration.brand-vetted-verified", Brand(BrandEvent::VettedVerified)),
            (
                "brand-registration.brand-secondary-vetting-failure",
                Brand(BrandEvent::SecondaryVettingFailure),
            ),
            ("brand-registration.brand-renamed", Brand(BrandEvent::Other)),
            ("campaign-registration.campaign-submitted", CampaignSubmitted),
            ("campaign-registration.campaign-approved", CampaignApproved),
            ("campaign-registration.campaign-failure", CampaignFailure),
            ("campaign-registration.campaign-deleted", CampaignDeleted),
            ("campaign-registration.campaign-suspended", CampaignSuspended),
            ("campaign-registration.suspended-campaign-delete-submitted", CampaignSuspended),
            ("suspended-campaign-registration.submitted", CampaignSuspended),
            ("number-registration.pending", NumberPending),
            ("number-registration.successful", NumberSuccessful),
            ("number-registration.failed", NumberFailed),
            ("number-deregistration.pending", NumberDeregistered),
            ("number-deregistration.successful", NumberDeregistered),
            ("number-deregistration.failed", NumberDeregistered),
        ] {
            assert_eq!(EventKind::from(format!("{PREFIX}{name}").as_str()), kind, "{name}");
        }
    }

    #[test]
    fn other_types_are_other() {
        for name in [
            "",
            PREFIX,
            "com.twilio.messaging.message.delivered",
            "campaign-registration.campaign-approved",
            "com.twilio.messaging.compliance.campaign-registration",
            "com.twilio.messaging.compliance.campaign-registration.campaign-renewed",
            "com.twilio.messaging.compliance.number-registration.suspended",
            "com.twilio.messaging.compliance.brand-registration-sharing.shared",
        ] {
            assert_eq!(EventKind::from(name), EventKind::Other, "{name}");
        }
    }
}
