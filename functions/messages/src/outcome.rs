//! The response to an accepted message, and to a request that repeats an earlier one.

use axum::http::StatusCode;
use shared_aws::{
    messaging::{Acceptance, Accepted},
    table::StoreError,
};
use shared_domain::{
    conversation::Conversation, ids::MessageId, keys::InboxKey, message::Message, time::Timestamp,
};
use shared_http::{idempotency::Attempt, json::Json, problem::Problem, wire::message::MessageView};

use crate::{App, content::discard};

/// An accepted message: `202`.
pub(crate) type Outcome = Result<(StatusCode, Json<MessageView>), Problem>;

/// The response of an earlier request with the same key.
pub(crate) async fn repeated(
    app: &App,
    now: Timestamp,
    attempt: &Attempt<'_>,
) -> Result<Option<Outcome>, Problem> {
    let Some(id) = attempt.recalled(&app.keys, now).await? else { return Ok(None) };
    let Ok(id) = MessageId::parse(&id) else { return Ok(None) };
    let message = app.messages.get(attempt.organization, &id).await?;
    Ok(message.map(|message| Ok(accepted(app, now, attempt, &message))))
}

/// Accepts a message. Discards its copies if it is certainly not accepted; after a time-out it may be.
pub(crate) async fn accept(
    app: &App,
    now: Timestamp,
    acceptance: Acceptance<'_>,
) -> Result<Accepted, StoreError> {
    let Acceptance { organization, message, .. } = acceptance;
    let accepted = app.sends.accept(acceptance).await;
    let is_refused = match &accepted {
        Ok(Accepted::Stored) | Err(StoreError::Unavailable(_)) => false,
        Ok(_) | Err(StoreError::Refused(_) | StoreError::Corrupt(_)) => true,
    };
    if is_refused {
        discard(app, now, InboxKey { organization, inbox: &message.inbox }, &message.media).await;
    }
    accepted
}

/// Logs how long the contact waited for a message that was accepted. `conversation` is as it was read before.
/// Logs nothing if the contact did not wait, or if the message is of a machine.
pub(crate) fn log_answer(conversation: &Conversation, message: &Message) {
    if let Some(waited) = conversation.waited(message.created_at).filter(|_| message.is_answer()) {
        let (inbox, seconds) = (&message.inbox, waited.as_secs());
        tracing::info!(event = "conversation_answered", %inbox, seconds, "conversation answered");
    }
}

/// The response to the attempt to accept a message. `refusal` gives the reason if a guard of the transaction
/// did not hold.
pub(crate) async fn answer(
    app: &App,
    now: Timestamp,
    attempt: &Attempt<'_>,
    message: &Message,
    outcome: Accepted,
    refusal: impl FnOnce(Option<Box<Conversation>>) -> Option<Problem>,
) -> Outcome {
    match outcome {
        Accepted::Stored => {
            tracing::info!(event = "message_accepted", message_id = %message.id, segments = message.segments(), "message accepted");
            Ok(accepted(app, now, attempt, message))
        }
        Accepted::Refused(conversation) => Err(refusal(conversation).unwrap_or_else(changed)),
        Accepted::AlreadyRetried => Err(changed()), // only of retries, which do not come here
        Accepted::KeyTaken => repeated(app, now, attempt).await?.unwrap_or_else(|| Err(changed())),
    }
}

fn accepted(
    app: &App,
    now: Timestamp,
    attempt: &Attempt<'_>,
    message: &Message,
) -> (StatusCode, Json<MessageView>) {
    let view = MessageView::as_accepted(message, &app.links(attempt.organization, now));
    (StatusCode::ACCEPTED, Json(view))
}

/// A guard did not hold, but the reason was gone when the conversation was read again.
fn changed() -> Problem {
    Problem::changed(
        "The conversation was changed by another request at the same time. Nothing was sent. Try again.",
    )
}
