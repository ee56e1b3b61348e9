//! Events of A2P compliance as in Event Streams: `CloudEvents` with lowercase keys in `data`.
//!
//! | type, after `com.twilio.messaging.compliance.` | cause |
//! |---|---|
//! | `campaign-registration.campaign-submitted` | a campaign is created, updated, or set to `IN_PROGRESS` |
//! | `campaign-registration.campaign-approved` | the campaign is set to `VERIFIED` |
//! | `campaign-registration.campaign-failure` | the campaign is set to `FAILED`; with `errorcode` if there is one |
//! | `campaign-registration.campaign-suspended` | the campaign is set to `SUSPENDED` |
//! | `number-registration.successful` | a number is added to a service with a verified campaign, or the campaign of its service becomes verified |

use std::collections::VecDeque;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::campaigns::campaign::{Campaign, Status};
use crate::date::iso8601_millis;
use crate::events::event_type::full_name;
use crate::sid;

/// Maximum number of events.
const CAPACITY: usize = 1000;

/// An event. A redelivery has the same content.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) body: Value,
}

impl Event {
    /// The event for the current status of a campaign.
    pub(crate) fn campaign(campaign: &Campaign, service: &str, account: &str, now: Timestamp) -> Self {
        let (step, schema, status) = match campaign.status {
            Status::InProgress => ("submitted", "CampaignRegistrationSubmitted/2", "in_progress"),
            Status::Verified => ("approved", "CampaignRegistrationApproved/2", "approved"),
            Status::Failed => ("failure", "CampaignRegistrationFailure/2", "failed"),
            Status::Suspended => ("suspended", "CampaignRegistrationSuspended/1", "suspended"),
        };
        let mut data = json!({
            "accountsid": account,
            "brandsid": campaign.brand_sid,
            "campaignsid": campaign.event_sid,
            "messagingservicesid": service,
            "externalcampaignid": campaign.registry_id,
            "a2pusecase": campaign.usecase,
            "createddate": campaign.created.as_millisecond(),
            "updateddate": campaign.updated.as_millisecond(),
            "campaignregistrationstatus": status,
            "timestamp": now.as_millisecond(),
        });
        if let Some(code) = campaign.error_code {
            data["errorcode"] = code.into();
        }
        Self::new(&format!("campaign-registration.campaign-{step}"), schema, service, data, now)
    }

    /// The event for a number that is registered.
    pub(crate) fn number_registered(
        number: &str,
        service: &str,
        campaign: &Campaign,
        account: &str,
        now: Timestamp,
    ) -> Self {
        let data = json!({
            "accountsid": account,
            "phonenumbersid": number,
            "messagingservicesid": service,
            "campaignsid": campaign.event_sid,
            "externalstatus": "registered",
            "timestamp": now.as_millisecond(),
        });
        Self::new("number-registration.successful", "NumberRegistrationSuccessful/1", service, data, now)
    }

    fn new(name: &str, schema: &str, service: &str, data: Value, now: Timestamp) -> Self {
        let (id, kind) = (sid::new("EZ"), full_name(name));
        let body = json!({
            "specversion": "1.0",
            "type": kind,
            "source": format!("/v1/Services/{service}/Compliance"),
            "id": id,
            "dataschema": format!("https://events-schemas.twilio.com/A2P.{schema}"),
            "datacontenttype": "application/json",
            "time": iso8601_millis(now),
            "data": data,
        });
        Self { id, kind, body }
    }
}

/// The latest events, for redeliveries.
#[derive(Default)]
pub(crate) struct EventLog(VecDeque<Event>);

impl EventLog {
    /// Adds an event. Beyond the limit, the oldest is removed.
    pub(crate) fn add(&mut self, event: Event) {
        self.0.push_back(event);
        if self.0.len() > CAPACITY {
            self.0.pop_front();
        }
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Event> {
        self.0.iter().find(|event| event.id == id)
    }
}
