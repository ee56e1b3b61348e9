//! Steps of a registration that several tests need: a number, a service, a campaign, and a sink.

use serde_json::{Value, json};

use crate::support::TestSimulator;

pub(crate) const BRAND: &str = "BNaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// The event types that the sinks of the tests receive.
pub(crate) const TOLD: [&str; 5] = [
    "campaign-registration.campaign-submitted",
    "campaign-registration.campaign-approved",
    "campaign-registration.campaign-failure",
    "campaign-registration.campaign-suspended",
    "number-registration.successful",
];

/// A campaign form with the values of the recorded campaign.
pub(crate) const CAMPAIGN: [(&str, &str); 12] = [
    ("BrandRegistrationSid", BRAND),
    ("Description", "Replies of our front desk to people who wrote to us or asked for an appointment."),
    (
        "MessageFlow",
        "People give their mobile number on the paper form at the desk and tick the box for text messages.",
    ),
    ("MessageSamples", "Example Clinic: your visit is on Friday at 3pm. Reply STOP to opt out."),
    ("MessageSamples", "Example Clinic: we got your question and will answer today."),
    ("UsAppToPersonUsecase", "LOW_VOLUME"),
    ("HasEmbeddedLinks", "false"),
    ("HasEmbeddedPhone", "false"),
    ("SubscriberOptIn", "true"),
    ("AgeGated", "false"),
    ("DirectLending", "false"),
    ("OptInKeywords", "START"),
];

/// The campaign form with another value of one field. An empty value removes the field.
pub(crate) fn campaign_with<'a>(name: &'a str, text: &'a str) -> Vec<(&'a str, &'a str)> {
    CAMPAIGN.into_iter().filter(|(given, _)| *given != name).chain([(name, text)]).collect()
}

pub(crate) fn sid(resource: &Value) -> String {
    resource["sid"].as_str().expect("a resource with a sid").to_owned()
}

impl TestSimulator {
    pub(crate) fn numbers() -> String {
        Self::account("IncomingPhoneNumbers.json")
    }

    pub(crate) fn number(sid: &str) -> String {
        Self::account(&format!("IncomingPhoneNumbers/{sid}.json"))
    }

    pub(crate) async fn buy(&self, number: &str) -> String {
        sid(&self.create(&Self::numbers(), &[("PhoneNumber", number)]).await)
    }

    pub(crate) async fn new_service(&self) -> String {
        sid(&self.create("/v1/Services", &[("FriendlyName", "Front desk")]).await)
    }

    pub(crate) async fn add_number(&self, service: &str, number: &str) -> Value {
        self.create(&format!("/v1/Services/{service}/PhoneNumbers"), &[("PhoneNumberSid", number)]).await
    }

    pub(crate) async fn new_campaign(&self, service: &str) -> String {
        sid(&self.create(&format!("/v1/Services/{service}/Compliance/Usa2p"), &CAMPAIGN).await)
    }

    pub(crate) async fn decide(&self, service: &str, status: &str, more: &[(&str, &str)]) -> Value {
        let fields = [&[("MessagingServiceSid", service), ("Status", status)], more].concat();
        let (code, decided) = self.control("campaign-status", &fields).await;
        assert_eq!(code, 200, "{decided}");
        decided
    }

    /// Creates a sink of the product at `/events` with all event types of the tests.
    pub(crate) async fn new_sink(&self, in_batches: bool) -> String {
        let destination = self.product.base.replace("http://", "http://carrier:p%40ss@") + "/events?of=a2p";
        let configuration =
            json!({ "destination": destination, "method": "POST", "batch_events": in_batches }).to_string();
        let fields =
            [("Description", "A2P"), ("SinkType", "webhook"), ("SinkConfiguration", configuration.as_str())];
        let sink = sid(&self.create("/v1/Sinks", &fields).await);
        self.subscribe(&sink, &TOLD).await;
        sink
    }

    pub(crate) async fn subscribe(&self, sink: &str, types: &[&str]) -> Value {
        let types: Vec<_> = types.iter().map(|name| type_version(name, 1)).collect();
        let mut fields = vec![("Description", "A2P"), ("SinkSid", sink)];
        fields.extend(types.iter().map(|text| ("Types", text.as_str())));
        self.create("/v1/Subscriptions", &fields).await
    }
}

/// A value of `Types`.
pub(crate) fn type_version(name: &str, version: u64) -> String {
    json!({ "type": format!("com.twilio.messaging.compliance.{name}"), "schema_version": version })
        .to_string()
}
