//! From an acceptance to an answer; a repeated request to the answer of the first.

use shared_aws::messaging::Accepted;
use shared_domain::{ids::MessageId, message::Message, time::Timestamp};
use shared_http::{
    idempotency::Attempt,
    problem::Problem,
    reply::{self, Outcome},
    wire::message::MessageView,
};

use crate::App;

/// The answer that an earlier request with this key got.
pub(crate) async fn repeated(
    app: &App,
    now: Timestamp,
    attempt: &Attempt<'_>,
) -> Result<Option<Outcome>, Problem> {
    let Some(made) = attempt.recalled(&app.keys, now).await? else { return Ok(None) };
    let Ok(id) = MessageId::parse(&made) else { return Ok(None) };
    let message = app.messages.get(attempt.organization, &id).await?;
    Ok(message.map(|message| accepted(app, now, attempt, &message)))
}

/// The answer to an acceptance; `refused` says why a guard did not hold.
pub(crate) async fn answer(
    app: &App,
    now: Timestamp,
    attempt: &Attempt<'_>,
    message: &Message,
    outcome: Accepted,
    refused: impl FnOnce(Option<Box<shared_domain::conversation::Conversation>>) -> Option<Problem>,
) -> Outcome {
    match outcome {
        Accepted::Stored => {
            tracing::info!(message_id = %message.id, segments = message.segments(), "accepted");
            accepted(app, now, attempt, message)
        }
        Accepted::Refused(conversation) => Err(refused(conversation).unwrap_or_else(changed)),
        Accepted::KeyTaken => repeated(app, now, attempt).await?.unwrap_or_else(|| Err(changed())),
    }
}

fn accepted(app: &App, now: Timestamp, attempt: &Attempt<'_>, message: &Message) -> Outcome {
    reply::json(202, &MessageView::as_accepted(message, &app.links(attempt.organization, now)))
}

/// What stood against the text is gone by the time we look: the caller may ask again.
fn changed() -> Problem {
    Problem::changed("The conversation changed at this instant; nothing was sent, try again.")
}
