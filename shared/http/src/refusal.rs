//! The status, code and fields of each refusal of the rules.

use shared_aws::conversation::HeldLock;
use shared_domain::{
    lock::{Denied, LockViolation, LossReason, LostLock},
    sending::SendRefusal,
    time::Timestamp,
};

use crate::{
    problem::Problem,
    wire::{
        lock::Holder,
        problem::{LockLost, Locked, OwnLock, RegistrationIncomplete, TextTooLong, TooManyLocks},
    },
};

/// Another user holds the lock: `423`.
pub fn locked(denied: &Denied) -> Problem {
    Problem::new(423, "locked", format!("{} is responding.", denied.holder.name))
        .with_data(Locked { holder: Holder::of(&denied.holder), expires_at: denied.expires_at.to_string() })
}

/// The caller holds the maximum number of locks: `429`. `Retry-After` is the time until the first of them
/// expires.
pub fn too_many_locks(held: &[HeldLock], most: usize, now: Timestamp) -> Problem {
    let first_end = held.iter().map(|lock| lock.lease.ends_at()).min().unwrap_or(now);
    let wait = first_end.millis().saturating_sub(now.millis()).unsigned_abs().div_ceil(1000).max(1);
    let held = held.iter().map(OwnLock::of);
    let detail =
        format!("You are already responding in {most} conversations. Release one of the locks first.");
    let problem =
        Problem { retry_after: u32::try_from(wait).ok(), ..Problem::new(429, "too_many_locks", detail) };
    problem.with_data(TooManyLocks { limit: most, held: held.collect() })
}

/// The fencing token is not the current one: `412`.
pub fn lock_lost(lost: &LostLock) -> Problem {
    let (detail, by) = match &lost.loss {
        LossReason::Expired => ("Your lock expired because it was not renewed. Acquire it again.", None),
        LossReason::Idle => ("Your lock was released because you were inactive. Acquire it again.", None),
        LossReason::Superseded => {
            ("You acquired this lock again, so this token is no longer valid. Use the new token.", None)
        }
        LossReason::Released => ("You released this lock. Acquire it again.", None),
        LossReason::Broken(by) => ("An admin broke your lock.", Some(by)),
        LossReason::Taken => ("Your lock ended, and another user has acquired it.", None),
    };
    let held = lost.now_held_by.as_ref();
    Problem::new(412, "lock_lost", detail).with_data(LockLost {
        reason: lost.loss.code(),
        broken_by: by.map(Holder::of),
        holder: held.map(|held| Holder::of(&held.holder)),
        expires_at: held.map(|held| held.expires_at.to_string()),
    })
}

fn unlocked(unlocked: &LockViolation) -> Problem {
    match unlocked {
        LockViolation::TokenRequired => {
            Problem::new(412, "lock_required", "Acquire the lock on the conversation before you reply.")
        }
        LockViolation::HeldByOther(denied) => locked(denied),
        LockViolation::LockLost(lost) => lock_lost(lost),
    }
}

/// A message cannot be sent.
pub fn refused(reason: &SendRefusal) -> Problem {
    match reason {
        SendRefusal::InboxRetired => {
            Problem::new(409, "inbox_retired", "This inbox is retired and cannot send messages.")
        }
        SendRefusal::RegistrationIncomplete(status) => Problem::new(
            409,
            "registration_incomplete",
            "The team cannot send messages until its A2P 10DLC registration is complete.",
        )
        .with_data(RegistrationIncomplete { registration: Some(status.as_str()) }),
        SendRefusal::Lock(lock) => unlocked(lock),
        SendRefusal::Unseen(message) => Problem::new(
            409,
            "unseen_message",
            "You have not seen the newest message. Read it and try again, or send with acceptUnseen.",
        )
        .with("unseenMessageId", message.as_str()),
        SendRefusal::CannotReceive => Problem::new(
            409,
            "cannot_receive",
            "This sender cannot receive messages. Only phone numbers can.",
        ),
        SendRefusal::OwnNumber => {
            Problem::new(409, "own_number", "This is the number of the inbox. Send to another number.")
        }
        SendRefusal::Blocked => Problem::new(409, "blocked", "Your team has blocked this number."),
        SendRefusal::OptedOut => {
            Problem::new(409, "opted_out", "This contact has opted out of messages from your team.")
        }
        SendRefusal::Empty => {
            Problem::unprocessable("text_empty", "/text", "A message needs a text or media.")
        }
        SendRefusal::ControlCharacter => Problem::unprocessable(
            "text_invalid",
            "/text",
            "The text has a control character. Remove it and try again.",
        ),
        SendRefusal::TooLong { characters, limit, segments } => Problem::unprocessable(
            "text_too_long",
            "/text",
            &format!(
                "The text has {characters} characters ({segments} segments); at most {limit} are allowed."
            ),
        )
        .with_data(TextTooLong { characters: *characters, limit: *limit, segments: *segments }),
    }
}
