//! Messaging Services: the pool of numbers of a campaign.
//!
//! A service is found by its name after a lost response, so each name is used only once.
//!
//! Source: <https://www.twilio.com/docs/messaging/api/service-resource>.

use reqwest::Method;
use serde::Deserialize;

use super::call::{self, CallError};
use super::client::Client;
use super::sid::{is_number_sid, is_service_sid};

const PAGE_SIZE: &str = "1000";
const MAX_PAGES: usize = 20;

/// The error code of a number that is already in the service.
const ALREADY_IN_SERVICE: u32 = 21710;

/// Numbers keep their own webhooks, and texts are sent as they are.
const SETTINGS: [(&str, &str); 2] = [("UseInboundWebhookOnNumber", "true"), ("SmartEncoding", "false")];

/// A Messaging Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessagingService {
    /// `MG…`.
    pub sid: String,
    /// The name, or empty.
    pub friendly_name: String,
}

impl Client {
    /// Creates a service whose numbers keep their own webhooks, and which sends texts as they are: with smart
    /// encoding, Twilio would replace characters, and a lost answer could not be matched by its text.
    pub async fn create_service(&self, friendly_name: &str) -> Result<MessagingService, CallError> {
        let [inbound, encoding] = SETTINGS;
        let fields = [("FriendlyName", friendly_name), inbound, encoding];
        let request = self.request(Method::POST, &self.messaging_url("Services")).form(&fields);
        call::read::<ServiceWire>(request).await?.into_service().ok_or(CallError::Unknown)
    }

    /// Returns whether a service has the settings of [`Client::create_service`]. `None` if it does not exist.
    pub async fn has_service_settings(&self, sid: &str) -> Result<Option<bool>, CallError> {
        let sid = call::in_path(sid, is_service_sid)?;
        let request = self.request(Method::GET, &self.messaging_url(&format!("Services/{sid}")));
        match call::read::<SettingsWire>(request).await {
            Ok(found) => Ok(Some(found.use_inbound_webhook_on_number && !found.smart_encoding)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Gives a service the settings of [`Client::create_service`].
    pub async fn set_service_settings(&self, sid: &str) -> Result<(), CallError> {
        let sid = call::in_path(sid, is_service_sid)?;
        let request = self.request(Method::POST, &self.messaging_url(&format!("Services/{sid}")));
        call::execute(request.form(&SETTINGS)).await
    }

    /// Returns whether a number is in a service.
    pub async fn has_number(&self, service_sid: &str, number_sid: &str) -> Result<bool, CallError> {
        let number = call::in_path(number_sid, is_number_sid)?;
        let url = self.service_url(service_sid, &format!("PhoneNumbers/{number}"))?;
        match call::execute(self.request(Method::GET, &url)).await {
            Ok(()) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Finds the first service with exactly this name. `None` if no page has one. Errors with `Unknown` if
    /// the list has too many pages.
    pub async fn find_service(&self, friendly_name: &str) -> Result<Option<MessagingService>, CallError> {
        let first = self.messaging_url("Services");
        let mut request = self.request(Method::GET, &first).query(&[("PageSize", PAGE_SIZE)]);
        for _ in 0..MAX_PAGES {
            let page: PageWire = call::read(request).await?;
            let mut services = page.services.into_iter();
            if let Some(wire) = services.find(|wire| wire.friendly_name.as_deref() == Some(friendly_name)) {
                return wire.into_service().map(Some).ok_or(CallError::Unknown);
            }
            let Some(next) = page.meta.and_then(|meta| meta.next_page_url) else { return Ok(None) };
            let url = self.messaging_page_url(&next).ok_or(CallError::Unknown)?;
            request = self.request(Method::GET, &url);
        }
        Err(CallError::Unknown)
    }

    /// Adds a number to a service. Succeeds if the number is already in the service (21710, or 409 without a
    /// code). A number in another service is refused (21712).
    pub async fn add_number(&self, service_sid: &str, number_sid: &str) -> Result<(), CallError> {
        let number = call::in_path(number_sid, is_number_sid)?;
        let request = self.request(Method::POST, &self.service_url(service_sid, "PhoneNumbers")?);
        match call::execute(request.form(&[("PhoneNumberSid", number)])).await {
            Err(
                CallError::Refused { code: Some(ALREADY_IN_SERVICE), .. }
                | CallError::Refused { code: None, http_status: 409, .. },
            ) => Ok(()),
            ended => ended,
        }
    }

    /// Removes a number from a service. The account keeps the number. Succeeds if the number is not in the
    /// service.
    pub async fn remove_number(&self, service_sid: &str, number_sid: &str) -> Result<(), CallError> {
        let number = call::in_path(number_sid, is_number_sid)?;
        let url = self.service_url(service_sid, &format!("PhoneNumbers/{number}"))?;
        call::delete(self.request(Method::DELETE, &url)).await
    }

    /// The URL of a resource of a service.
    pub(crate) fn service_url(&self, service_sid: &str, resource: &str) -> Result<String, CallError> {
        let service = call::in_path(service_sid, is_service_sid)?;
        Ok(self.messaging_url(&format!("Services/{service}/{resource}")))
    }
}

#[derive(Deserialize)]
struct SettingsWire {
    use_inbound_webhook_on_number: bool,
    smart_encoding: bool,
}

#[derive(Deserialize)]
struct PageWire {
    services: Vec<ServiceWire>,
    meta: Option<MetaWire>,
}

#[derive(Deserialize)]
struct MetaWire {
    next_page_url: Option<String>,
}

#[derive(Deserialize)]
struct ServiceWire {
    sid: String,
    friendly_name: Option<String>,
}

impl ServiceWire {
    fn into_service(self) -> Option<MessagingService> {
        let Self { sid, friendly_name } = self;
        is_service_sid(&sid)
            .then(|| MessagingService { sid, friendly_name: friendly_name.unwrap_or_default() })
    }
}
