//! Twilio's names for the events of a registration, and what they say happened.
//!
//! Source: <https://www.twilio.com/docs/events/event-types-overview>, the part on A2P.

const PREFIX: &str = "com.twilio.messaging.compliance.";

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// A campaign is with the reviewers.
    CampaignSubmitted,
    /// A campaign may send, once its numbers are registered.
    CampaignApproved,
    /// A campaign could not be submitted, or was rejected.
    CampaignFailure,
    /// A campaign is suspended: every name that has to do with campaigns and holds `suspend`.
    CampaignSuspended,
    /// A campaign is out of the registry.
    CampaignDeleted,
    /// A number's registration has begun.
    NumberPending,
    /// A number may send.
    NumberSuccessful,
    /// A number's registration failed.
    NumberFailed,
    /// A number may not send any more: its deregistration has begun, is done, or failed, all of which leave it mute.
    NumberDeregistered,
    /// Something happened to a brand.
    Brand(BrandEvent),
    /// A name that is new to us. To be accepted and ignored.
    Other,
}

/// What happened to a brand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrandEvent {
    /// In the registry.
    Registered,
    /// Not in the registry.
    Failure,
    /// Its identity is confirmed.
    Verified,
    /// In the registry, but its identity is not confirmed.
    Unverified,
    /// Vetted.
    VettedVerified,
    /// Not vetted.
    SecondaryVettingFailure,
    /// A word that is new to us.
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
    fn every_documented_name_says_what_happened() {
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
    fn other_names_are_other() {
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
