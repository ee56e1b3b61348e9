//! A subscription: the event types that a sink receives.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::date::iso8601;
use crate::events::event_type;
use crate::failure::Failure;
use crate::form::Fields;
use crate::sid;
use crate::site::Site;

pub(crate) struct Subscription {
    pub(crate) sid: String,
    pub(crate) sink_sid: String,
    types: Vec<String>,
    description: String,
    created: Timestamp,
}

/// A value of `Types`: an object or an array of objects.
#[derive(Deserialize)]
#[serde(untagged)]
enum Given {
    One(TypeVersion),
    Many(Vec<TypeVersion>),
}

/// `{"type", "schema_version"}`. The version is optional.
#[derive(Deserialize)]
struct TypeVersion {
    #[serde(rename = "type")]
    name: String,
    #[serde(default = "first_version")]
    schema_version: u64,
}

impl Subscription {
    /// Creates a subscription from a form. The caller checks that the sink exists.
    pub(crate) fn new(fields: &Fields, now: Timestamp) -> Result<Self, Failure> {
        Ok(Self {
            sid: sid::new("DF"),
            sink_sid: fields.required("SinkSid")?.to_owned(),
            types: types(fields)?,
            description: fields.required("Description")?.to_owned(),
            created: now,
        })
    }

    /// Whether the subscription has an event type.
    pub(crate) fn includes(&self, kind: &str) -> bool {
        self.types.iter().any(|named| named == kind)
    }

    /// The resource of the API. At Twilio, the types are in a resource of their own, which the simulator does
    /// not have.
    pub(crate) fn resource(&self, account: &str, site: &Site) -> Value {
        let url = site.url(&format!("/v1/Subscriptions/{}", self.sid));
        json!({
            "sid": self.sid,
            "account_sid": account,
            "sink_sid": self.sink_sid,
            "description": self.description,
            "date_created": iso8601(self.created),
            "date_updated": iso8601(self.created),
            "links": { "subscribed_events": format!("{url}/SubscribedEvents") },
            "url": url,
        })
    }
}

fn types(fields: &Fields) -> Result<Vec<String>, Failure> {
    fields.required("Types")?;
    let mut types = Vec::new();
    for text in fields.all("Types") {
        let given = serde_json::from_str(text);
        match given
            .map_err(|_| Failure::parameter("Types must be JSON with type and schema_version".to_owned()))?
        {
            Given::One(one) => types.push(one),
            Given::Many(many) => types.extend(many),
        }
    }
    match types.iter().find(|given| !event_type::is_known(&given.name, given.schema_version)) {
        Some(_) => Err(Failure::parameter("Types has an unknown type or version".to_owned())),
        None => Ok(types.into_iter().map(|given| given.name).collect()),
    }
}

fn first_version() -> u64 {
    1
}
