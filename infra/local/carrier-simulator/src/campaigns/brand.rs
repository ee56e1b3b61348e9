//! A brand. It is approved as soon as it is registered.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::date::iso8601;
use crate::failure::Failure;
use crate::form::Fields;
use crate::sid;
use crate::site::Site;

pub(crate) struct Brand {
    pub(crate) sid: String,
    customer_profile: String,
    a2p_profile: String,
    kind: String,
    mock: bool,
    skips_vetting: bool,
    created: Timestamp,
}

impl Brand {
    /// Creates a brand from a form.
    pub(crate) fn new(fields: &Fields, now: Timestamp) -> Result<Self, Failure> {
        Ok(Self {
            sid: sid::new("BN"),
            customer_profile: bundle(fields, "CustomerProfileBundleSid")?,
            a2p_profile: bundle(fields, "A2PProfileBundleSid")?,
            kind: fields.get("BrandType").unwrap_or("STANDARD").to_owned(),
            mock: fields.flag("Mock")?.unwrap_or(false),
            skips_vetting: fields.flag("SkipAutomaticSecVet")?.unwrap_or(false),
            created: now,
        })
    }

    /// The resource of the API.
    pub(crate) fn resource(&self, account: &str, site: &Site) -> Value {
        let url = site.url(&format!("/v1/a2p/BrandRegistrations/{}", self.sid));
        json!({
            "sid": self.sid,
            "account_sid": account,
            "customer_profile_bundle_sid": self.customer_profile,
            "a2p_profile_bundle_sid": self.a2p_profile,
            "brand_type": self.kind,
            "status": "APPROVED",
            "identity_status": "VERIFIED",
            "tcr_id": "BFOOBAR",
            "brand_score": null,
            "brand_feedback": null,
            "errors": [],
            "failure_reason": null,
            "government_entity": false,
            "russell_3000": false,
            "tax_exempt_status": null,
            "mock": self.mock,
            "skip_automatic_sec_vet": self.skips_vetting,
            "date_created": iso8601(self.created),
            "date_updated": iso8601(self.created),
            "links": {
                "brand_registration_otps": format!("{url}/SmsOtp"),
                "brand_vettings": format!("{url}/Vettings"),
            },
            "url": url,
        })
    }
}

fn bundle(fields: &Fields, name: &str) -> Result<String, Failure> {
    let given = fields.required(name)?;
    if sid::is_valid(given, &["BU"]) {
        Ok(given.to_owned())
    } else {
        Err(Failure::parameter(format!("{name} must be BU and 32 hexadecimal digits")))
    }
}
