//! A campaign as Twilio keeps it, and how far its review is.
//!
//! Source: <https://www.twilio.com/docs/messaging/api/usapptoperson-resource>.

use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::prose;
use super::sid::is_campaign_sid;

/// A campaign as Twilio keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Campaign {
    /// `QE…`; events name campaigns by another sid (`CM…`).
    pub sid: String,
    /// How far the review is.
    pub status: CampaignStatus,
    /// Its name in the registry of campaigns, once it has one.
    pub campaign_id: Option<String>,
    /// Why it failed, or what an earlier review found.
    pub errors: Vec<CampaignError>,
    /// When it last changed.
    pub updated_at: Option<Timestamp>,
}

/// How far a campaign's review is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CampaignStatus {
    /// Submitted.
    Pending,
    /// Under review.
    InProgress,
    /// May send, once its numbers are registered.
    Verified,
    /// Rejected; may be corrected and submitted again.
    Failed,
    /// May not send any more.
    Suspended,
    /// A word that is new to us, or none.
    Other,
}

/// What a review found.
#[derive(Clone, PartialEq, Eq)]
pub struct CampaignError {
    /// Twilio's code; 0 when it gave none.
    pub code: u32,
    /// What is wrong, in English, for the admins; without anything that looks like a phone number.
    pub description: String,
    /// The fields it is about, such as `MESSAGE_FLOW`.
    pub fields: Vec<String>,
}

impl From<&str> for CampaignStatus {
    fn from(word: &str) -> Self {
        match word.to_ascii_uppercase().as_str() {
            "PENDING" => Self::Pending,
            "IN_PROGRESS" => Self::InProgress,
            "VERIFIED" => Self::Verified,
            "FAILED" => Self::Failed,
            "SUSPENDED" => Self::Suspended,
            _ => Self::Other,
        }
    }
}

/// A campaign, as every call answers it. All but the sid may be missing or null.
#[derive(Deserialize)]
pub(crate) struct CampaignWire {
    sid: String,
    campaign_status: Option<String>,
    campaign_id: Option<String>,
    errors: Option<Value>,
    date_updated: Option<String>,
}

impl CampaignWire {
    pub(crate) fn into_campaign(self) -> Option<Campaign> {
        is_campaign_sid(&self.sid).then(|| Campaign {
            sid: self.sid,
            status: CampaignStatus::from(self.campaign_status.as_deref().unwrap_or_default()),
            campaign_id: self.campaign_id.filter(|id| !id.is_empty()),
            errors: self
                .errors
                .iter()
                .filter_map(Value::as_array)
                .flatten()
                .map(CampaignError::from)
                .collect(),
            updated_at: self.date_updated.and_then(|date| date.parse().ok()),
        })
    }
}

/// The description of the API says nothing about an error's shape, so whatever there is of it is taken.
impl From<&Value> for CampaignError {
    fn from(error: &Value) -> Self {
        let fields = error["fields"].as_array().map(Vec::as_slice).unwrap_or_default();
        Self {
            code: error["error_code"].as_u64().and_then(|code| code.try_into().ok()).unwrap_or(0),
            description: prose::cleaned(error["description"].as_str().unwrap_or_default()),
            fields: fields.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        }
    }
}

impl fmt::Debug for CampaignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CampaignError")
            .field("code", &self.code)
            .field("fields", &self.fields)
            .finish_non_exhaustive()
    }
}
