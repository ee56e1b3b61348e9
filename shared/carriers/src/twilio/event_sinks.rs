//! Event Streams: the sink that registration events are posted to, and its subscription.
//!
//! Source: <https://www.twilio.com/docs/events/event-streams/sink-resource> and
//! <https://www.twilio.com/docs/events/event-streams/subscription>.

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::call::{self, CallError};
use super::client::Client;

/// Path of the webhook for registration events, as the template routes it.
pub const REGISTRATIONS_PATH: &str = "/webhooks/twilio/registrations";

const CAMPAIGN_TYPES: &str = "com.twilio.messaging.compliance.campaign-registration.campaign-";
const NUMBER_TYPES: &str = "com.twilio.messaging.compliance.number-registration.";
const CAMPAIGN_EVENTS: [&str; 4] = ["submitted", "approved", "failure", "suspended"];
const NUMBER_EVENTS: [&str; 3] = ["pending", "successful", "failed"];

/// The name of the sink and the subscription at Twilio.
const DESCRIPTION: &str = "shared-inbox";

/// Returns the address of the sink. Twilio sends its user information as Basic authentication.
pub fn sink_destination(webhooks: &str, user: &str, password: &str) -> String {
    let (scheme, rest) = webhooks.split_once("://").unwrap_or(("https", webhooks));
    format!("{scheme}://{user}:{password}@{rest}{REGISTRATIONS_PATH}")
}

impl Client {
    /// Whether the account has an active sink with this destination and a subscription to it.
    pub async fn has_event_sink(&self, destination: &str) -> Result<bool, CallError> {
        let request = self.request(Method::GET, &self.events_url("Sinks")).query(&[("PageSize", "100")]);
        let sinks: SinksWire = call::read(request).await?;
        for sink in sinks.sinks.iter().filter(|sink| sink.sink_configuration.destination == destination) {
            let query = [("SinkSid", sink.sid.as_str()), ("PageSize", "1")];
            let request = self.request(Method::GET, &self.events_url("Subscriptions")).query(&query);
            let found: SubscriptionsWire = call::read(request).await?;
            if sink.status == "active" && !found.subscriptions.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Creates a sink with this destination and subscribes it to all registration events.
    pub async fn create_event_sink(&self, destination: &str) -> Result<(), CallError> {
        let configuration =
            json!({ "destination": destination, "method": "POST", "batch_events": true }).to_string();
        let fields = [
            ("Description", DESCRIPTION),
            ("SinkType", "webhook"),
            ("SinkConfiguration", configuration.as_str()),
        ];
        let request = self.request(Method::POST, &self.events_url("Sinks")).form(&fields);
        let sink: SinkSid = call::read(request).await?;
        let campaigns = CAMPAIGN_EVENTS.iter().map(|event| format!("{CAMPAIGN_TYPES}{event}"));
        let numbers = NUMBER_EVENTS.iter().map(|event| format!("{NUMBER_TYPES}{event}"));
        let types =
            campaigns.chain(numbers).map(|name| json!({ "type": name, "schema_version": 1 }).to_string());
        let mut fields = vec![("Description", DESCRIPTION.to_owned()), ("SinkSid", sink.sid)];
        fields.extend(types.map(|event| ("Types", event)));
        call::execute(self.request(Method::POST, &self.events_url("Subscriptions")).form(&fields)).await
    }
}

#[derive(Deserialize)]
struct SinkSid {
    sid: String,
}

#[derive(Deserialize)]
struct SinksWire {
    sinks: Vec<SinkWire>,
}

#[derive(Deserialize)]
struct SinkWire {
    sid: String,
    status: String,
    sink_configuration: ConfigurationWire,
}

#[derive(Deserialize)]
struct ConfigurationWire {
    #[serde(default)]
    destination: String,
}

#[derive(Deserialize)]
struct SubscriptionsWire {
    subscriptions: Vec<serde_json::Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_destination_has_the_login_before_the_host() {
        assert_eq!(
            sink_destination("https://sms.example.org", "user", "secret"),
            "https://user:secret@sms.example.org/webhooks/twilio/registrations"
        );
    }
}
