//! From the rules' refusals to problems: the one table of which reason has which status and data.

use serde_json::{Value, json};
use shared_aws::conversation::HeldLock;
use shared_domain::{
    lock::{Denied, LockViolation, LossReason, LostLock},
    sending::SendRefusal,
    time::Timestamp,
    user::UserRef,
};

use crate::problem::Problem;

fn holder(person: &UserRef) -> Value {
    json!({ "id": person.id.as_str(), "name": person.name })
}

/// A colleague is responding: `423`.
pub fn locked(denied: &Denied) -> Problem {
    Problem::new(423, "locked", format!("{} is responding.", denied.holder.name))
        .with("holder", holder(&denied.holder))
        .with("expiresAt", denied.expires_at.to_string())
}

/// The caller holds as many locks as one may hold: `429`, worth another try when the first of them may have ended.
pub fn too_many_locks(held: &[HeldLock], most: usize, now: Timestamp) -> Problem {
    let first_end = held.iter().map(|lock| lock.lease.ends_at()).min().unwrap_or(now);
    let wait = first_end.millis().saturating_sub(now.millis()).unsigned_abs().div_ceil(1000).max(1);
    let shown = held.iter().map(|lock| {
        json!({ "inboxId": lock.inbox.as_str(), "conversationId": lock.conversation.as_str(),
            "expiresAt": lock.lease.ends_at().to_string() })
    });
    let detail = format!("You are responding in {most} conversations already; leave one of them first.");
    let problem =
        Problem { retry_after: u32::try_from(wait).ok(), ..Problem::new(429, "too_many_locks", detail) };
    problem.with("limit", most).with("held", shown.collect::<Value>())
}

/// The token that was shown is not the current one: `412`.
pub fn lock_lost(lost: &LostLock) -> Problem {
    let (detail, by) = match &lost.loss {
        LossReason::Expired => ("The lock ran out without a renewal.", None),
        LossReason::Idle => ("The lock was released because nobody was active.", None),
        LossReason::Superseded => {
            ("You have opened this conversation again since; that lock counts now.", None)
        }
        LossReason::Released => ("The lock was released.", None),
        LossReason::Broken(by) => ("An admin took the lock away.", Some(by)),
        LossReason::Taken => ("A colleague took over after the lock had ended.", None),
    };
    let mut problem = Problem::new(412, "lock_lost", detail).with("reason", lost.loss.code());
    if let Some(by) = by {
        problem = problem.with("brokenBy", holder(by));
    }
    match &lost.now_held_by {
        Some(now) => {
            problem.with("holder", holder(&now.holder)).with("expiresAt", now.expires_at.to_string())
        }
        None => problem.with("holder", Value::Null),
    }
}

fn unlocked(unlocked: &LockViolation) -> Problem {
    match unlocked {
        LockViolation::TokenRequired => {
            Problem::new(412, "lock_required", "Open the conversation (acquire its lock) before you reply.")
        }
        LockViolation::HeldByOther(denied) => locked(denied),
        LockViolation::LockLost(lost) => lock_lost(lost),
    }
}

/// Why a text is not sent.
pub fn refused(reason: &SendRefusal) -> Problem {
    match reason {
        SendRefusal::InboxRetired => {
            Problem::new(409, "inbox_retired", "This inbox is retired and sends nothing.")
        }
        SendRefusal::RegistrationIncomplete(status) => Problem::new(
            409,
            "registration_incomplete",
            "The team's A2P 10DLC registration is not complete; nothing can be sent until it is.",
        )
        .with("registration", serde_json::to_value(status).unwrap_or(Value::Null)),
        SendRefusal::Lock(lock) => unlocked(lock),
        SendRefusal::Unseen(message) => Problem::new(
            409,
            "unseen_message",
            "A newer text came in that you have not seen; read it, or send with acceptUnseen.",
        )
        .with("unseenMessageId", message.as_str()),
        SendRefusal::Blocked => Problem::new(409, "blocked", "This number is blocked by your team."),
        SendRefusal::OptedOut => {
            Problem::new(409, "opted_out", "This contact has opted out of texts from your team.")
        }
        SendRefusal::Empty => Problem::unprocessable("text_empty", "/text", "A text needs words or media."),
        SendRefusal::TooLong { characters, limit, segments } => Problem::unprocessable(
            "text_too_long",
            "/text",
            &format!(
                "The text has {characters} characters ({segments} segments); at most {limit} are allowed."
            ),
        )
        .with("characters", *characters)
        .with("limit", *limit)
        .with("segments", *segments),
    }
}
