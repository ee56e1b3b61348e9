//! The prices, as `infra/prices.yaml` has them.

use serde::Deserialize;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/prices.yaml");

/// The file.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Prices {
    /// Where.
    pub region: String,
    /// When they were looked up.
    pub checked: String,
    /// On which pages.
    pub sources: String,
    /// Dollars for a million.
    pub per_million: PerMillion,
    /// Dollars.
    pub lambda_gigabyte_second: f64,
    /// Dollars for each, whether used or not.
    pub per_month: PerMonth,
    /// What no count gives.
    pub assumptions: Assumptions,
}

/// Dollars for a million.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "the file says it")]
pub struct PerMillion {
    pub write_units: f64,
    pub read_units: f64,
    pub gateway_requests: f64,
    pub invocations: f64,
    pub queue_requests: f64,
    pub fifo_queue_requests: f64,
}

/// Dollars for each, whether used or not.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "the file says it")]
pub struct PerMonth {
    pub secret: f64,
    pub alarm: f64,
}

/// What no count gives.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "the file says it")]
pub struct Assumptions {
    pub dynamodb_millis: u32,
    pub queue_millis: u32,
    pub carrier_millis: u32,
    pub own_millis: u32,
    pub memory_megabytes: u32,
    pub texts_per_relay: f64,
    pub pollers_per_queue: f64,
    pub polls_per_minute: f64,
    pub minutes_per_month: f64,
}

impl Prices {
    /// Reads them.
    pub fn read() -> Self {
        let text = std::fs::read_to_string(FILE).expect("infra/prices.yaml stands beside the template");
        serde_norway::from_str(&text).expect("infra/prices.yaml has every price and nothing else")
    }
}
