//! A2P 10DLC campaigns: what a Messaging Service sends and to whom, as the carriers in the US review it.
//!
//! A service has one campaign, so a campaign whose creation was not answered is found again by its service.
//!
//! Every request names version 1.2 of the API: without it Twilio ignores the addresses of the privacy policy and of the
//! terms, and the campaign is rejected for want of them.
//!
//! Source: <https://www.twilio.com/docs/messaging/api/usapptoperson-resource>.

use std::fmt;

use reqwest::{Method, RequestBuilder};
use serde::Deserialize;

use super::call::{self, CallError};
use super::campaign::{Campaign, CampaignWire};
use super::client::Client;
use super::sid::is_campaign_sid;

const API_VERSION: (&str, &str) = ("X-Twilio-Api-Version", "v1.2");

/// What is submitted for review. Twilio's limits are in characters.
#[derive(Clone, PartialEq, Eq)]
pub struct CampaignDetails {
    /// `BN…`: who stands for it.
    pub brand_sid: String,
    /// Twilio's word for the use, such as `LOW_VOLUME` or `CUSTOMER_CARE`.
    pub use_case: String,
    /// What is sent, 40 to 4096.
    pub description: String,
    /// How people agree to it, 40 to 2048.
    pub message_flow: String,
    /// Two to five texts, 20 to 1024 each.
    pub message_samples: Vec<String>,
    /// Whether texts may hold links.
    pub has_embedded_links: bool,
    /// Whether texts may hold phone numbers.
    pub has_embedded_phone: bool,
    /// The address of the privacy policy.
    pub privacy_policy_url: Option<String>,
    /// The address of the terms and conditions.
    pub terms_url: Option<String>,
}

impl Client {
    /// Submits a service's campaign, once.
    pub async fn create_campaign(
        &self,
        service_sid: &str,
        details: &CampaignDetails,
    ) -> Result<Campaign, CallError> {
        let request = self.campaigns(Method::POST, service_sid, None)?;
        read_campaign(request.form(&details.new_fields())).await
    }

    /// Submits a failed campaign again with other details. Brand and use case stay as they are.
    pub async fn update_campaign(
        &self,
        service_sid: &str,
        sid: &str,
        details: &CampaignDetails,
    ) -> Result<Campaign, CallError> {
        let request = self.campaigns(Method::POST, service_sid, Some(sid))?;
        read_campaign(request.form(&details.changed_fields())).await
    }

    /// One campaign.
    pub async fn fetch_campaign(&self, service_sid: &str, sid: &str) -> Result<Campaign, CallError> {
        read_campaign(self.campaigns(Method::GET, service_sid, Some(sid))?).await
    }

    /// The campaign of a service; none when it has none.
    pub async fn find_campaign(&self, service_sid: &str) -> Result<Option<Campaign>, CallError> {
        let page: PageWire = call::read(self.campaigns(Method::GET, service_sid, None)?).await?;
        let Some(wire) = page.compliance.into_iter().next() else { return Ok(None) };
        wire.into_campaign().map(Some).ok_or(CallError::Unknown)
    }

    /// Takes a campaign out of the registry. One that is not there is out of it.
    pub async fn delete_campaign(&self, service_sid: &str, sid: &str) -> Result<(), CallError> {
        call::gone(self.campaigns(Method::DELETE, service_sid, Some(sid))?).await
    }

    fn campaigns(
        &self,
        method: Method,
        service_sid: &str,
        sid: Option<&str>,
    ) -> Result<RequestBuilder, CallError> {
        let resource = match sid {
            Some(sid) => format!("Compliance/Usa2p/{}", call::in_path(sid, is_campaign_sid)?),
            None => "Compliance/Usa2p".to_owned(),
        };
        let url = self.service_url(service_sid, &resource)?;
        Ok(self.request(method, &url).header(API_VERSION.0, API_VERSION.1))
    }
}

async fn read_campaign(request: RequestBuilder) -> Result<Campaign, CallError> {
    call::read::<CampaignWire>(request).await?.into_campaign().ok_or(CallError::Unknown)
}

impl CampaignDetails {
    fn new_fields(&self) -> Vec<(&'static str, &str)> {
        let mut fields = vec![("BrandRegistrationSid", self.brand_sid.as_str())];
        fields.push(("UsAppToPersonUsecase", &self.use_case));
        fields.extend(self.common_fields());
        fields
    }

    /// The last two may be left out at first and not here; a team inbox is neither of them.
    fn changed_fields(&self) -> Vec<(&'static str, &str)> {
        let mut fields = self.common_fields();
        fields.extend([("AgeGated", "false"), ("DirectLending", "false")]);
        fields
    }

    fn common_fields(&self) -> Vec<(&'static str, &str)> {
        let mut fields =
            vec![("Description", self.description.as_str()), ("MessageFlow", &self.message_flow)];
        fields.extend(self.message_samples.iter().map(|sample| ("MessageSamples", sample.as_str())));
        fields.push(("HasEmbeddedLinks", word(self.has_embedded_links)));
        fields.push(("HasEmbeddedPhone", word(self.has_embedded_phone)));
        fields.extend(self.privacy_policy_url.iter().map(|url| ("PrivacyPolicyUrl", url.as_str())));
        fields.extend(self.terms_url.iter().map(|url| ("TermsAndConditionsUrl", url.as_str())));
        fields
    }
}

fn word(yes: bool) -> &'static str {
    if yes { "true" } else { "false" }
}

#[derive(Deserialize)]
struct PageWire {
    compliance: Vec<CampaignWire>,
}

impl fmt::Debug for CampaignDetails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CampaignDetails")
            .field("brand_sid", &self.brand_sid)
            .field("use_case", &self.use_case)
            .field("message_samples", &self.message_samples.len())
            .finish_non_exhaustive()
    }
}
