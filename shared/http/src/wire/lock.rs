//! The lock.

use serde::{Deserialize, Serialize};
use shared_domain::{
    lock::{Lease, LockPolicy},
    time::Timestamp,
    user::UserRef,
};
use utoipa::ToSchema;

/// Who is responding.
#[derive(Debug, Serialize, ToSchema)]
pub struct Holder {
    /// The User ID.
    pub id: String,
    /// The name to show.
    pub name: String,
}

impl Holder {
    /// Of a person.
    pub fn of(person: &UserRef) -> Self {
        Self { id: person.id.to_string(), name: person.name.clone() }
    }
}

/// A lock as everybody who may read the conversation sees it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LockView {
    /// Who is responding.
    pub holder: Holder,
    /// When that ends unless renewed.
    #[schema(format = DateTime)]
    pub expires_at: String,
}

impl LockView {
    /// Of a live lease.
    pub fn of(lease: &Lease) -> Self {
        Self { holder: Holder::of(&lease.holder), expires_at: lease.ends_at().to_string() }
    }
}

/// A lock as its holder sees it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeldLock {
    /// The fencing token: show it in renewals, replies and the release. Grows with every acquisition.
    pub token: u64,
    /// You.
    pub holder: Holder,
    /// When it ends unless renewed.
    #[schema(format = DateTime)]
    pub expires_at: String,
    /// Renew this often.
    pub renew_after_seconds: u64,
    /// Without activity for this long the server asks.
    pub idle_prompt_after_seconds: u64,
    /// Ask the user *are you still working?*
    pub idle_prompt: bool,
    /// When the lock is released if nobody is active until then.
    #[schema(format = DateTime)]
    pub idle_release_at: String,
}

impl HeldLock {
    /// Of a lease that was just given or renewed.
    pub fn of(lease: &Lease, now: Timestamp, policy: &LockPolicy) -> Self {
        Self {
            token: lease.token.get(),
            holder: Holder::of(&lease.holder),
            expires_at: lease.ends_at().to_string(),
            renew_after_seconds: policy.renew_after.as_secs(),
            idle_prompt_after_seconds: policy.idle_prompt.as_secs(),
            idle_prompt: lease.idle_prompt(now, policy),
            idle_release_at: lease.idle_release_at.to_string(),
        }
    }
}

/// A renewal.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
pub struct Renewal {
    /// The token of the lock.
    pub token: u64,
    /// Whether the user did anything since the last renewal.
    pub active: bool,
}
