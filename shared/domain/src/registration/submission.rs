use serde::{Deserialize, Serialize};

use crate::field::{FieldError, FieldErrors};

/// The details of a campaign, as an admin submits them. The limits are Twilio's:
/// <https://www.twilio.com/docs/messaging/api/usapptoperson-resource>.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CampaignSubmission {
    /// The carrier's name for the kind of traffic (`LOW_VOLUME`, `CUSTOMER_CARE`, …).
    pub use_case: String,
    /// What the campaign is for. 40 to 4096 characters.
    pub description: String,
    /// How people agree to receive messages. 40 to 2048 characters.
    pub message_flow: String,
    /// Two to five example messages of 20 to 1024 characters each.
    pub message_samples: Vec<String>,
    /// Whether messages contain links.
    pub has_embedded_links: bool,
    /// Whether messages contain phone numbers.
    pub has_embedded_phone: bool,
    /// The URL of the privacy policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub privacy_policy_url: Option<String>,
    /// The URL of the terms of service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terms_url: Option<String>,
}

impl CampaignSubmission {
    /// Checks all fields against the carrier's limits.
    ///
    /// # Errors
    /// A [`FieldError`] for each field that the carrier would reject.
    pub fn check(&self) -> Result<(), Vec<FieldError>> {
        let mut errors = FieldErrors::default();
        let mut check = |pointer: &str, holds: bool, expected: &'static str| {
            if !holds {
                errors.add(pointer, expected);
            }
        };
        let length = |text: &str, from: usize, to: usize| (from..=to).contains(&text.trim().chars().count());
        let is_use_case =
            |text: &str| text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        check(
            "/useCase",
            length(&self.use_case, 1, 64) && is_use_case(&self.use_case),
            "a use case that the carrier knows, such as LOW_VOLUME",
        );
        check("/description", length(&self.description, 40, 4096), "40 to 4096 characters");
        check("/messageFlow", length(&self.message_flow, 40, 2048), "40 to 2048 characters");
        check("/messageSamples", (2..=5).contains(&self.message_samples.len()), "two to five samples");
        for (index, sample) in self.message_samples.iter().enumerate().take(5) {
            check(&format!("/messageSamples/{index}"), length(sample, 20, 1024), "20 to 1024 characters");
        }
        for (pointer, url) in
            [("/privacyPolicyUrl", &self.privacy_policy_url), ("/termsUrl", &self.terms_url)]
        {
            check(pointer, url.as_deref().is_none_or(is_web_url), "an https:// or http:// URL");
        }
        errors.finish()
    }
}

/// Any scheme other than HTTP could run code in the browser of a user who opens the link.
fn is_web_url(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    host.is_some_and(|host| {
        host.len() <= 512
            && host.contains('.')
            && !host.contains(|c: char| c.is_whitespace() || c.is_control())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn submission() -> CampaignSubmission {
        CampaignSubmission {
            use_case: "LOW_VOLUME".into(),
            description: "Replies of our front desk to people who asked for an appointment.".into(),
            message_flow: "People give their mobile number on the paper form and tick the box.".into(),
            message_samples: vec![
                "Your visit is on Friday at 3pm.".into(),
                "We got your question today.".into(),
            ],
            has_embedded_links: false,
            has_embedded_phone: false,
            privacy_policy_url: Some("https://clinic.example/privacy".into()),
            terms_url: None,
        }
    }

    #[test]
    fn all_fields_that_the_carrier_would_reject_are_reported_at_once() {
        assert_eq!(submission().check(), Ok(()));
        let bad = CampaignSubmission {
            use_case: "low volume".into(),
            description: "short".into(),
            message_flow: "x".repeat(2049),
            message_samples: vec!["too short".into()],
            privacy_policy_url: Some("clinic".into()),
            terms_url: Some("javascript:alert(1)".into()),
            ..submission()
        };
        let pointers: Vec<_> = bad.check().unwrap_err().into_iter().map(|error| error.pointer).collect();
        let all = [
            "/useCase",
            "/description",
            "/messageFlow",
            "/messageSamples",
            "/messageSamples/0",
            "/privacyPolicyUrl",
            "/termsUrl",
        ];
        assert_eq!(pointers, all);
    }

    #[test]
    fn a_web_url_has_a_scheme_and_a_host_and_no_unprintable_characters() {
        for good in [
            "https://clinic.example",
            "http://clinic.example/a?b",
            &format!("https://{}.example", "a".repeat(504)),
        ] {
            assert!(is_web_url(good), "{good}");
        }
        for bad in [
            "clinic.example",
            "ftp://clinic.example",
            "https://clinic",
            "https://clinic .example",
            "https://clinic.example/\u{7}",
            &format!("https://{}.example", "a".repeat(505)),
        ] {
            assert!(!is_web_url(bad), "{bad}");
        }
    }
}
