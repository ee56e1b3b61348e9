//! A sink, to which events are posted. Only webhooks are supported. A sink is active at once.

use jiff::Timestamp;
use serde_json::{Value, json};
use url::Url;

use crate::date::iso8601;
use crate::failure::Failure;
use crate::form::Fields;
use crate::messages::send_request::is_web_address;
use crate::sid;
use crate::site::Site;

/// A webhook that receives events.
pub(crate) struct Sink {
    pub(crate) sid: String,
    pub(crate) destination: Destination,
    /// Whether events with the same cause are posted together.
    pub(crate) in_batches: bool,
    description: String,
    configuration: Value,
    created: Timestamp,
    updated: Timestamp,
}

impl Sink {
    /// Creates a sink from a form. `SinkConfiguration` is JSON: `{"destination", "method", "batch_events"}`.
    /// The method must be `POST`, and batches are the default.
    pub(crate) fn new(fields: &Fields, now: Timestamp) -> Result<Self, Failure> {
        if fields.required("SinkType")? != "webhook" {
            return Err(Failure::parameter("SinkType must be webhook".to_owned()));
        }
        let wrong = |what: &str| Failure::parameter(format!("SinkConfiguration {what}"));
        let configuration: Value =
            serde_json::from_str(fields.required("SinkConfiguration")?).map_err(|_| wrong("must be JSON"))?;
        let destination = configuration["destination"].as_str().and_then(Destination::parse);
        let destination = destination.ok_or_else(|| wrong("must have a URL as destination"))?;
        if !matches!(configuration["method"].as_str(), None | Some("POST" | "post")) {
            return Err(wrong("must have the method POST"));
        }
        Ok(Self {
            sid: sid::new("DG"),
            destination,
            in_batches: configuration["batch_events"].as_bool().unwrap_or(true),
            description: fields.required("Description")?.to_owned(),
            configuration,
            created: now,
            updated: now,
        })
    }

    /// Sets the description. Nothing else can change.
    pub(crate) fn update(&mut self, fields: &Fields, now: Timestamp) -> Result<(), Failure> {
        fields.required("Description")?.clone_into(&mut self.description);
        self.updated = now;
        Ok(())
    }

    /// The resource of the API.
    pub(crate) fn resource(&self, site: &Site) -> Value {
        let url = site.url(&format!("/v1/Sinks/{}", self.sid));
        json!({
            "sid": self.sid,
            "description": self.description,
            "sink_configuration": self.configuration,
            "sink_type": "webhook",
            "status": "active",
            "date_created": iso8601(self.created),
            "date_updated": iso8601(self.updated),
            "links": { "sink_test": format!("{url}/Test"), "sink_validate": format!("{url}/Validate") },
            "url": url,
        })
    }
}

/// A URL with optional user information, which is sent as Basic authentication and is not signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Destination {
    /// With user information, without a fragment.
    pub(crate) url: String,
    /// Without user information, as signed.
    pub(crate) signed_url: String,
}

impl Destination {
    fn parse(url: &str) -> Option<Self> {
        let url = url.split('#').next().filter(|url| is_web_address(url))?;
        let (scheme, rest) = url.split_once("://")?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let host = rest[..end].rfind('@').map_or(0, |at| at + 1);
        let signed_url = format!("{scheme}://{}", &rest[host..]);
        Url::parse(&signed_url).ok()?;
        Some(Self { url: url.to_owned(), signed_url })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_information_is_not_part_of_the_signed_url() {
        let cases = [
            ("http://user:p%40ss@127.0.0.1:9/events?a=1@2", "http://127.0.0.1:9/events?a=1@2"),
            ("https://hooks.test/a@b#rc=3", "https://hooks.test/a@b"),
            ("https://u@hooks.test", "https://hooks.test"),
        ];
        for (url, signed_url) in cases {
            assert_eq!(Destination::parse(url).unwrap().signed_url, signed_url);
        }
        assert_eq!(Destination::parse("mailto:a@b"), None);
        assert_eq!(Destination::parse("http://"), None);
    }
}
