//! A US A2P campaign. Its review ends only by the control route `campaign-status`.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::attribute::{self, Attributes};
use crate::campaigns::request::{self, ATTRIBUTES};
use crate::date::iso8601;
use crate::failure::Failure;
use crate::form::Fields;
use crate::sid;
use crate::site::Site;

/// The statuses of a campaign. Twilio does not document `SUSPENDED`, but carriers do suspend campaigns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    InProgress,
    Verified,
    Failed,
    Suspended,
}

impl Status {
    const ALL: [Self; 4] = [Self::InProgress, Self::Verified, Self::Failed, Self::Suspended];

    /// Parses the name in the API.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }

    /// The name in the API.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "IN_PROGRESS",
            Self::Verified => "VERIFIED",
            Self::Failed => "FAILED",
            Self::Suspended => "SUSPENDED",
        }
    }

    /// Whether the registry has ever approved the campaign.
    fn is_registered(self) -> bool {
        matches!(self, Self::Verified | Self::Suspended)
    }
}

/// The campaign of a messaging service.
pub(crate) struct Campaign {
    pub(crate) sid: String,
    /// The sid in events, which differs from the sid in the API.
    pub(crate) event_sid: String,
    /// The id in the registry.
    pub(crate) registry_id: String,
    pub(crate) brand_sid: String,
    pub(crate) usecase: String,
    pub(crate) status: Status,
    /// Why the review failed.
    pub(crate) error_code: Option<u32>,
    /// What the carriers allow all of its numbers together.
    pub(crate) segments_per_second: u32,
    pub(crate) created: Timestamp,
    /// In whole seconds, as Twilio returns it.
    pub(crate) updated: Timestamp,
    attributes: Attributes,
}

impl Campaign {
    /// Creates a campaign from a form. It is under review. `segments_per_second` is what it will be allowed.
    pub(crate) fn submit(fields: &Fields, segments_per_second: u32, now: Timestamp) -> Result<Self, Failure> {
        request::check_new(fields)?;
        let mut attributes = attribute::initial(&ATTRIBUTES);
        attribute::set(&ATTRIBUTES, fields, &mut attributes)?;
        let now = whole_seconds(now);
        Ok(Self {
            sid: sid::new("QE"),
            event_sid: sid::new("CM"),
            registry_id: format!("C{}", sid::random_hex()[..6].to_ascii_uppercase()),
            brand_sid: fields.required("BrandRegistrationSid")?.to_owned(),
            usecase: fields.required("UsAppToPersonUsecase")?.to_owned(),
            status: Status::InProgress,
            error_code: None,
            segments_per_second,
            created: now,
            updated: now,
            attributes,
        })
    }

    /// Corrects a failed campaign and puts it under review again. The brand and the use case do not change.
    pub(crate) fn resubmit(&mut self, fields: &Fields, now: Timestamp) -> Result<(), Failure> {
        match self.status {
            Status::Failed => {}
            Status::Suspended => return Err(Failure::of(21729)),
            Status::InProgress | Status::Verified => {
                return Err(Failure::parameter("Only a FAILED campaign can be updated".to_owned()));
            }
        }
        request::check_update(fields)?;
        attribute::set(&ATTRIBUTES, fields, &mut self.attributes)?;
        self.set_status(Status::InProgress, None, now);
        Ok(())
    }

    /// Sets the status. Any change is allowed.
    pub(crate) fn set_status(&mut self, status: Status, error_code: Option<u32>, now: Timestamp) {
        (self.status, self.error_code) = (status, error_code);
        self.updated = whole_seconds(now).max(self.updated);
    }

    /// The resource of the API.
    pub(crate) fn resource(&self, service: &str, account: &str, site: &Site, shape: Shape) -> Value {
        let registered = self.status.is_registered();
        let rest = json!({
            "sid": self.sid,
            "account_sid": account,
            "brand_registration_sid": self.brand_sid,
            "messaging_service_sid": service,
            "us_app_to_person_usecase": self.usecase,
            "campaign_status": self.status.as_str(),
            "campaign_id": registered.then_some(&self.registry_id),
            "is_externally_registered": false,
            "rate_limits": registered.then(|| json!({
                "att": { "mps": self.segments_per_second, "msg_class": "T" },
                "tmobile": { "brand_tier": "LOW" },
            })),
            "date_created": iso8601(self.created),
            "date_updated": iso8601(self.updated),
            "mock": false,
            "errors": self.error_code.map(error).into_iter().collect::<Vec<_>>(),
            "url": site.url(&format!("/v1/Services/{service}/Compliance/Usa2p/{}", self.sid)),
        });
        shape.apply(attribute::resource(&self.attributes, rest))
    }
}

/// The version of the resource, from the header `X-Twilio-Api-Version`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Without the header.
    First,
    /// `v1.2`, with the two policy URLs.
    WithPolicies,
}

impl Shape {
    fn apply(self, mut resource: Value) -> Value {
        if self == Self::First
            && let Some(resource) = resource.as_object_mut()
        {
            resource.remove("privacy_policy_url");
            resource.remove("terms_and_conditions_url");
        }
        resource
    }
}

/// An element of `errors`. Only the two codes of recorded responses have their own description and field.
fn error(code: u32) -> Value {
    let (description, field) = match code {
        30886 => ("The campaign description does not fit the use case.", Some("USE_CASE_DESCRIPTION")),
        30897 => (
            "The campaign submission has been reviewed and it was rejected due to Disallowed Content.",
            Some("MESSAGE_FLOW"),
        ),
        _ => ("The campaign submission has been reviewed and it was rejected.", None),
    };
    json!({
        "error_code": code,
        "description": description,
        "url": format!("https://www.twilio.com/docs/api/errors/{code}"),
        "fields": field.into_iter().collect::<Vec<_>>(),
    })
}

fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn the_time_of_a_change_is_in_whole_seconds_and_never_in_the_future() {
        let now: Timestamp = "2026-11-22T10:00:00.500Z".parse().unwrap();
        let mut campaign = request::tests::campaign(now);
        assert_eq!(iso8601(campaign.updated), "2026-11-22T10:00:00Z");
        campaign.set_status(Status::Failed, Some(30886), now);
        campaign.set_status(Status::InProgress, None, now);
        assert_eq!(campaign.updated.to_string(), "2026-11-22T10:00:00Z");
        campaign.set_status(Status::Verified, None, now + SignedDuration::from_mins(1));
        assert_eq!(campaign.updated.to_string(), "2026-11-22T10:01:00Z");
    }
}
