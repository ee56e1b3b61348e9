//! Locks on conversations.

use serde::{Deserialize, Serialize};
use shared_domain::{
    lock::{Lease, LockPolicy},
    time::Timestamp,
    user::UserRef,
};
use utoipa::ToSchema;

/// The user who is responding.
#[derive(Debug, Serialize, ToSchema)]
pub struct Holder {
    /// ID of the user.
    pub id: String,
    /// Display name.
    pub name: String,
}

impl Holder {
    pub fn of(person: &UserRef) -> Self {
        Self { id: person.id.to_string(), name: person.name.clone() }
    }
}

/// The lock of a conversation, for all members of the inbox.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LockView {
    /// The user who is responding.
    pub holder: Holder,
    /// Time when the lock expires unless it is renewed.
    #[schema(format = DateTime)]
    pub expires_at: String,
}

impl LockView {
    pub fn of(lease: &Lease) -> Self {
        Self { holder: Holder::of(&lease.holder), expires_at: lease.ends_at().to_string() }
    }
}

/// A lock that you hold.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeldLock {
    /// Fencing token. Send it when you renew or release the lock and when you reply. It grows with each
    /// acquisition.
    pub token: u64,
    /// You.
    pub holder: Holder,
    /// Time when the lock expires unless you renew it.
    #[schema(format = DateTime)]
    pub expires_at: String,
    /// Seconds between renewals.
    pub renew_after_seconds: u64,
    /// Seconds without activity after which `idlePrompt` is true.
    pub idle_prompt_after_seconds: u64,
    /// Whether to ask the user if they are still working.
    pub idle_prompt: bool,
    /// Time when the lock is released unless a renewal reports activity.
    #[schema(format = DateTime)]
    pub idle_release_at: String,
}

impl HeldLock {
    /// Returns a lease that was acquired or renewed at `now`.
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
    /// Fencing token of the lock.
    pub token: u64,
    /// Whether the user was active since the last renewal.
    pub active: bool,
}
