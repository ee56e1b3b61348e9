use shared_carriers::twilio::{CarrierState, error_code};
use shared_domain::{
    message::{DeliveryState, Report},
    time::Timestamp,
};

/// Returns the delivery state that a carrier's state means. Its early states all prove the same: the carrier
/// accepted the message.
pub fn delivery_state(state: CarrierState) -> DeliveryState {
    match state {
        CarrierState::Queued | CarrierState::Sending | CarrierState::Sent => DeliveryState::Sent,
        CarrierState::Delivered => DeliveryState::Delivered,
        CarrierState::Undelivered => DeliveryState::Undelivered,
        CarrierState::Failed => DeliveryState::Failed,
    }
}

/// Returns a report with the carrier's error code, if any, and a sentence that explains it.
pub fn delivery_report(code: Option<u32>, at: Timestamp) -> Report {
    Report {
        at,
        code: code.map(|code| code.to_string()),
        detail: code.map(|code| error_code::sentence(code).into_owned()),
    }
}
