//! Events of A2P compliance as Event Streams tells them: `CloudEvents` with keys of lower case in `data`.
//!
//! | type, below `com.twilio.messaging.compliance.` | made when |
//! |---|---|
//! | `campaign-registration.campaign-submitted` | a campaign is made or updated, or told to be `IN_PROGRESS` |
//! | `campaign-registration.campaign-approved` | it is told to be `VERIFIED` |
//! | `campaign-registration.campaign-failure` | it is told to be `FAILED`; with `errorcode` where one was told |
//! | `campaign-registration.campaign-suspended` | it is told to be `SUSPENDED` |
//! | `number-registration.successful` | a number joins a service with a verified campaign; for all of a service when its campaign becomes so |

use std::collections::VecDeque;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::campaigns::campaign::{Campaign, Status};
use crate::date::iso8601_millis;
use crate::events::event_type::full_name;
use crate::sid;

/// How many events are remembered.
const CAPACITY: usize = 1000;

/// One event. Told again it is the same to the letter.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) body: Value,
}

impl Event {
    /// What has become of a campaign.
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

    /// A number of a verified campaign may send.
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

/// The events of late, for a redelivery.
#[derive(Default)]
pub(crate) struct EventLog(VecDeque<Event>);

impl EventLog {
    /// Adds the newest event; the oldest is forgotten beyond a bound.
    pub(crate) fn add(&mut self, event: Event) {
        self.0.push_back(event);
        if self.0.len() > CAPACITY {
            self.0.pop_front();
        }
    }

    /// The event of an id.
    pub(crate) fn get(&self, id: &str) -> Option<&Event> {
        self.0.iter().find(|event| event.id == id)
    }
}
