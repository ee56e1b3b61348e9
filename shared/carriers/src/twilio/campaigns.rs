//! A2P 10DLC campaigns. A campaign describes what a Messaging Service sends and to whom, and US carriers
//! review it.
//!
//! A service has one campaign, so if the response to a creation is lost, the campaign can be found by its
//! service.
//!
//! Every request asks for version 1.2 of the API. Without it, Twilio ignores the URLs of the privacy policy
//! and of the terms, and the campaign is rejected because they are missing.
//!
//! Source: <https://www.twilio.com/docs/messaging/api/usapptoperson-resource>.

use std::fmt;

use reqwest::Method;
use serde::Deserialize;

use super::call::{self, CallError};
use super::campaign::{Campaign, CampaignWire};
use super::client::{ApiRequest, Client};
use super::sid::is_campaign_sid;

const API_VERSION: (&str, &str) = ("X-Twilio-Api-Version", "v1.2");

/// The details that are submitted for review. Limits are in characters.
#[derive(Clone, PartialEq, Eq)]
pub struct CampaignDetails {
    /// `BN…`, the company that is responsible.
    pub brand_sid: String,
    /// Twilio's use case, such as `LOW_VOLUME` or `CUSTOMER_CARE`.
    pub use_case: String,
    /// What is sent. 40 to 4096 characters.
    pub description: String,
    /// How people opt in. 40 to 2048 characters.
    pub message_flow: String,
    /// Two to five examples of 20 to 1024 characters.
    pub message_samples: Vec<String>,
    /// Whether messages can contain links.
    pub has_embedded_links: bool,
    /// Whether messages can contain phone numbers.
    pub has_embedded_phone: bool,
    /// URL of the privacy policy.
    pub privacy_policy_url: Option<String>,
    /// URL of the terms and conditions.
    pub terms_url: Option<String>,
}

impl Client {
    /// Submits a service's campaign. Does not retry.
    pub async fn create_campaign(
        &self,
        service_sid: &str,
        details: &CampaignDetails,
    ) -> Result<Campaign, CallError> {
        let request = self.campaigns(Method::POST, service_sid, None)?;
        read_campaign(request.form(&details.new_fields())).await
    }

    /// Corrects and resubmits a failed campaign. Its brand and use case do not change.
    pub async fn update_campaign(
        &self,
        service_sid: &str,
        sid: &str,
        details: &CampaignDetails,
    ) -> Result<Campaign, CallError> {
        let request = self.campaigns(Method::POST, service_sid, Some(sid))?;
        read_campaign(request.form(&details.changed_fields())).await
    }

    /// Fetches a campaign.
    pub async fn fetch_campaign(&self, service_sid: &str, sid: &str) -> Result<Campaign, CallError> {
        read_campaign(self.campaigns(Method::GET, service_sid, Some(sid))?).await
    }

    /// Finds the campaign of a service. `None` if it has none.
    pub async fn find_campaign(&self, service_sid: &str) -> Result<Option<Campaign>, CallError> {
        let page: PageWire = call::read(self.campaigns(Method::GET, service_sid, None)?).await?;
        let Some(wire) = page.compliance.into_iter().next() else { return Ok(None) };
        wire.into_campaign().map(Some).ok_or(CallError::Unknown)
    }

    /// Deletes a campaign. Succeeds if it does not exist.
    pub async fn delete_campaign(&self, service_sid: &str, sid: &str) -> Result<(), CallError> {
        call::delete(self.campaigns(Method::DELETE, service_sid, Some(sid))?).await
    }

    fn campaigns(
        &self,
        method: Method,
        service_sid: &str,
        sid: Option<&str>,
    ) -> Result<ApiRequest, CallError> {
        let resource = match sid {
            Some(sid) => format!("Compliance/Usa2p/{}", call::in_path(sid, is_campaign_sid)?),
            None => "Compliance/Usa2p".to_owned(),
        };
        let url = self.service_url(service_sid, &resource)?;
        Ok(self.request(method, &url).header(API_VERSION.0, API_VERSION.1))
    }
}

async fn read_campaign(request: ApiRequest) -> Result<Campaign, CallError> {
    call::read::<CampaignWire>(request).await?.into_campaign().ok_or(CallError::Unknown)
}

impl CampaignDetails {
    fn new_fields(&self) -> Vec<(&'static str, &str)> {
        let mut fields = vec![("BrandRegistrationSid", self.brand_sid.as_str())];
        fields.push(("UsAppToPersonUsecase", &self.use_case));
        fields.extend(self.common_fields());
        fields
    }

    /// Unlike a new campaign, an update requires the last two fields. Neither applies to a shared inbox.
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
