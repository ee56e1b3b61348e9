//! A messaging service with its numbers and its campaign.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::attribute::{self, Attribute, Attributes, Kind};
use crate::campaigns::campaign::{Campaign, Status};
use crate::date::iso8601;
use crate::failure::Failure;
use crate::form::Fields;
use crate::numbers::number::Number;
use crate::sid;
use crate::site::Site;
use crate::webhook::Endpoint;

/// The attributes that a form can set.
const ATTRIBUTES: [Attribute; 15] = [
    Attribute("FriendlyName", "friendly_name", Kind::Text),
    Attribute("InboundRequestUrl", "inbound_request_url", Kind::Url),
    Attribute("InboundMethod", "inbound_method", Kind::Method),
    Attribute("FallbackUrl", "fallback_url", Kind::Url),
    Attribute("FallbackMethod", "fallback_method", Kind::Method),
    Attribute("StatusCallback", "status_callback", Kind::Url),
    Attribute("StickySender", "sticky_sender", Kind::Flag(true)),
    Attribute("MmsConverter", "mms_converter", Kind::Flag(true)),
    Attribute("SmartEncoding", "smart_encoding", Kind::Flag(true)),
    Attribute("FallbackToLongCode", "fallback_to_long_code", Kind::Flag(true)),
    Attribute("AreaCodeGeomatch", "area_code_geomatch", Kind::Flag(true)),
    Attribute("SynchronousValidation", "synchronous_validation", Kind::Flag(false)),
    Attribute("UseInboundWebhookOnNumber", "use_inbound_webhook_on_number", Kind::Flag(false)),
    Attribute("ValidityPeriod", "validity_period", Kind::Whole(36_000)),
    Attribute("Usecase", "usecase", Kind::Text),
];

/// A number in a service.
pub(crate) struct Member {
    pub(crate) number_sid: String,
    added: Timestamp,
}

pub(crate) struct Service {
    pub(crate) sid: String,
    pub(crate) members: Vec<Member>,
    pub(crate) campaign: Option<Campaign>,
    attributes: Attributes,
    created: Timestamp,
    updated: Timestamp,
}

impl Service {
    /// Creates a service from a form.
    pub(crate) fn new(fields: &Fields, now: Timestamp) -> Result<Self, Failure> {
        fields.required("FriendlyName")?;
        let mut service = Self {
            sid: sid::new("MG"),
            members: Vec::new(),
            campaign: None,
            attributes: attribute::initial(&ATTRIBUTES),
            created: now,
            updated: now,
        };
        service.update(fields, now)?;
        Ok(service)
    }

    /// Sets the attributes that the form has.
    pub(crate) fn update(&mut self, fields: &Fields, now: Timestamp) -> Result<(), Failure> {
        attribute::set(&ATTRIBUTES, fields, &mut self.attributes)?;
        self.updated = now;
        Ok(())
    }

    /// Adds a number.
    pub(crate) fn add(&mut self, number_sid: &str, now: Timestamp) -> &Member {
        self.members.push(Member { number_sid: number_sid.to_owned(), added: now });
        &self.members[self.members.len() - 1]
    }

    /// Removes a number. `None` if it is not in the service.
    pub(crate) fn remove(&mut self, number_sid: &str) -> Option<Member> {
        let at = self.members.iter().position(|member| member.number_sid == number_sid)?;
        Some(self.members.remove(at))
    }

    pub(crate) fn member(&self, number_sid: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.number_sid == number_sid)
    }

    /// Whether a flag is set, such as `smart_encoding`.
    pub(crate) fn is_set(&self, flag: &str) -> bool {
        self.attributes.get(flag).and_then(Value::as_bool).unwrap_or(false)
    }

    /// Where messages to the service's numbers go, unless `use_inbound_webhook_on_number` is set.
    pub(crate) fn message_endpoint(&self) -> Option<Endpoint> {
        Endpoint::of(&self.attributes, "inbound_request_url", "fallback_url")
    }

    /// The campaign, if it is verified.
    pub(crate) fn verified(&self) -> Option<&Campaign> {
        self.campaign.as_ref().filter(|campaign| campaign.status == Status::Verified)
    }

    /// The resource of the API.
    pub(crate) fn resource(&self, account: &str, site: &Site) -> Value {
        let url = site.url(&format!("/v1/Services/{}", self.sid));
        let rest = json!({
            "sid": self.sid,
            "account_sid": account,
            "date_created": iso8601(self.created),
            "date_updated": iso8601(self.updated),
            "scan_message_content": "inherit",
            "us_app_to_person_registered": self.verified().is_some(),
            "links": {
                "phone_numbers": format!("{url}/PhoneNumbers"),
                "us_app_to_person": format!("{url}/Compliance/Usa2p"),
            },
            "url": url,
        });
        attribute::resource(&self.attributes, rest)
    }
}

impl Member {
    /// The resource of the API.
    pub(crate) fn resource(&self, number: &Number, service: &str, account: &str, site: &Site) -> Value {
        json!({
            "sid": number.sid,
            "account_sid": account,
            "service_sid": service,
            "phone_number": number.e164,
            "country_code": "US",
            "capabilities": ["MMS", "SMS", "Voice"],
            "date_created": iso8601(self.added),
            "date_updated": iso8601(self.added),
            "url": site.url(&format!("/v1/Services/{service}/PhoneNumbers/{}", number.sid)),
        })
    }
}
