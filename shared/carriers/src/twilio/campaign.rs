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
    /// AT&T's limit, in segments per second and at least 1. `None` if Twilio does not say it, as before the
    /// approval.
    pub segments_per_second: Option<u32>,
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
    rate_limits: Option<Value>,
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
            segments_per_second: self.rate_limits.as_ref().and_then(segments_per_second),
            updated_at: self.date_updated.and_then(|date| date.parse().ok()),
        })
    }
}

/// Twilio documents the limits by an example only: `{"att": {"mps": 600, "msg_class": "A"}, "tmobile": {…}}`.
fn segments_per_second(limits: &Value) -> Option<u32> {
    let mps = &limits["att"]["mps"];
    let rate = mps.as_f64().or_else(|| mps.as_str()?.parse().ok()).filter(|rate| *rate > 0.0)?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in the range of the type")]
    let whole = rate.clamp(1.0, f64::from(u32::MAX)) as u32;
    Some(whole)
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_rate_is_read_from_the_limits_of_att() {
        for (limits, expected) in [
            (
                json!({ "att": { "mps": 600, "msg_class": "A" }, "tmobile": { "brand_tier": "TOP" } }),
                Some(600),
            ),
            (json!({ "att": { "mps": 1.25 } }), Some(1)),
            (json!({ "att": { "mps": 0.25 } }), Some(1)),
            (json!({ "att": { "mps": "4" } }), Some(4)),
            (json!({ "att": { "mps": 1e300 } }), Some(u32::MAX)),
            (json!({ "att": { "mps": 0 } }), None),
            (json!({ "att": { "mps": -3 } }), None),
            (json!({ "att": { "mps": "fast" } }), None),
            (json!({ "tmobile": { "brand_tier": "LOW" } }), None),
            (json!([]), None),
        ] {
            assert_eq!(segments_per_second(&limits), expected, "{limits}");
        }
    }
}
