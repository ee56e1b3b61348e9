//! A sink: where events are posted to. Only webhooks, and active at once.

use jiff::Timestamp;
use serde_json::{Value, json};
use url::Url;

use crate::date::iso8601;
use crate::failure::Failure;
use crate::form::Fields;
use crate::messages::send_request::is_web_address;
use crate::sid;
use crate::site::Site;

/// A webhook that takes events.
pub(crate) struct Sink {
    pub(crate) sid: String,
    pub(crate) destination: Destination,
    /// All events of one cause go in one post, else each in its own.
    pub(crate) in_batches: bool,
    description: String,
    /// As it was given.
    configuration: Value,
    created: Timestamp,
    updated: Timestamp,
}

impl Sink {
    /// A sink as a form asks for it. `SinkConfiguration` is JSON, `{"destination", "method", "batch_events"}`; the
    /// method is `POST`, batches are the default.
    pub(crate) fn new(fields: &Fields, now: Timestamp) -> Result<Self, Failure> {
        if fields.required("SinkType")? != "webhook" {
            return Err(Failure::parameter("SinkType is not webhook, the only one here".to_owned()));
        }
        let wrong = |what: &str| Failure::parameter(format!("SinkConfiguration {what}"));
        let configuration: Value =
            serde_json::from_str(fields.required("SinkConfiguration")?).map_err(|_| wrong("is not JSON"))?;
        let destination = configuration["destination"].as_str().and_then(Destination::parse);
        let destination = destination.ok_or_else(|| wrong("has no destination that is a URL"))?;
        if !matches!(configuration["method"].as_str(), None | Some("POST" | "post")) {
            return Err(wrong("has another method than POST"));
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

    /// Sets the description, all that may change.
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

/// A URL that may hold user info, which is sent as Basic auth and is no part of what is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Destination {
    /// With user info, without a fragment.
    pub(crate) url: String,
    /// Without user info, as it is signed.
    pub(crate) address: String,
}

impl Destination {
    fn parse(url: &str) -> Option<Self> {
        let url = url.split('#').next().filter(|url| is_web_address(url))?;
        let (scheme, rest) = url.split_once("://")?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let host = rest[..end].rfind('@').map_or(0, |at| at + 1);
        let address = format!("{scheme}://{}", &rest[host..]);
        Url::parse(&address).ok()?;
        Some(Self { url: url.to_owned(), address })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_info_is_no_part_of_the_address_that_is_signed() {
        let cases = [
            ("http://user:p%40ss@127.0.0.1:9/events?a=1@2", "http://127.0.0.1:9/events?a=1@2"),
            ("https://hooks.test/a@b#rc=3", "https://hooks.test/a@b"),
            ("https://u@hooks.test", "https://hooks.test"),
        ];
        for (url, address) in cases {
            assert_eq!(Destination::parse(url).unwrap().address, address);
        }
        assert_eq!(Destination::parse("mailto:a@b"), None);
        assert_eq!(Destination::parse("http://"), None);
    }
}
