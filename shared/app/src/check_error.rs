//! Why a message was not checked at the carrier.

use shared_aws::table::StoreError;
use shared_carriers::twilio::LookupError;

/// Why a message was not checked. The next run tries again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Carrier(#[from] LookupError),
    #[error("the opt-out changed in every attempt")]
    Contended,
}
