//! A campaign at Twilio, and the status of its review.
//!
//! Source: <https://www.twilio.com/docs/messaging/api/usapptoperson-resource>.

use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::prose;
use super::sid::is_campaign_sid;

/// A campaign at Twilio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Campaign {
    /// `QE…`. Events use another sid (`CM…`).
    pub sid: String,
    /// The status of the review.
    pub status: CampaignStatus,
    /// The id in the campaign registry, once it has one.
    pub campaign_id: Option<String>,
    /// The findings of the last or an earlier review.
    pub errors: Vec<CampaignError>,
    /// The time of the last change.
    pub updated_at: Option<Timestamp>,
}

/// The status of a campaign's review.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CampaignStatus {
    /// Submitted.
    Pending,
    /// Under review.
    InProgress,
    /// Approved. Its numbers can send once they are registered.
    Verified,
    /// Rejected. It can be corrected and submitted again.
    Failed,
    /// Can no longer send.
    Suspended,
    /// An unknown status, or none.
    Other,
}

/// A finding of a review.
#[derive(Clone, PartialEq, Eq)]
pub struct CampaignError {
    /// Twilio's code. 0 if there is none.
    pub code: u32,
    /// What is wrong, in English, for admins. Phone numbers are removed.
    pub description: String,
    /// The affected fields, such as `MESSAGE_FLOW`.
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

/// A campaign in a response. Everything except the sid can be missing or null.
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

/// Twilio does not document the shape of an error, so every property is optional.
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
