//! The prices in `infra/prices.yaml`.

use serde::Deserialize;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/prices.yaml");

/// The prices of a region.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Prices {
    pub region: String,
    /// The date of the prices.
    pub checked: String,
    pub sources: String,
    /// In dollars for a million.
    pub per_million: PerMillion,
    /// In dollars.
    pub lambda_gigabyte_second: f64,
    /// In dollars.
    pub log_gigabyte: f64,
    /// In dollars for a month.
    pub table_gigabyte: f64,
    /// In dollars for each per month, used or not.
    pub per_month: PerMonth,
    /// Assumptions that cannot be counted.
    pub assumptions: Assumptions,
}

/// In dollars for a million.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PerMillion {
    pub write_units: f64,
    pub read_units: f64,
    pub gateway_requests: f64,
    pub invocations: f64,
    pub queue_requests: f64,
    pub fifo_queue_requests: f64,
    pub topic_requests: f64,
    pub topic_deliveries: f64,
    pub frames: f64,
    pub connection_minutes: f64,
    pub key_requests: f64,
}

/// In dollars for each per month, used or not.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PerMonth {
    pub secret: f64,
    pub alarm: f64,
    /// In a month with values in every hour.
    pub metric: f64,
    pub user: f64,
}

/// Assumptions that cannot be counted.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Assumptions {
    pub dynamodb_millis: u32,
    pub queue_millis: u32,
    pub carrier_millis: u32,
    pub own_millis: u32,
    pub frame_millis: u32,
    pub frames_at_once: f64,
    pub access_log_bytes: f64,
    pub agents: u32,
    pub connections_per_inbox: u32,
    pub working_minutes: f64,
    pub stored_kilobytes_per_message: f64,
    pub memory_megabytes: u32,
    pub texts_per_relay: f64,
    pub pollers_per_queue: f64,
    pub polls_per_minute: f64,
    pub minutes_per_month: f64,
    pub data_key_minutes: f64,
}

impl Prices {
    /// Reads the prices.
    pub fn read() -> Self {
        let text = std::fs::read_to_string(FILE).expect("infra/prices.yaml exists");
        serde_norway::from_str(&text).expect("infra/prices.yaml has every price and nothing else")
    }
}
