//! Sending the failed messages of an inbox again.

use axum::{extract::State, http::StatusCode};
use shared_app::retry::FailedIn;
use shared_domain::{
    inbox::TeamInbox,
    sending::{self, SendingInbox},
    time::Timestamp,
};
use shared_http::{
    access::{InboxAccess, InboxAdmin},
    caller::UserCaller,
    idempotency::Attempt,
    json::{Json, KeyedJson},
    problem::Problem,
    refusal,
    request::Now,
    wire::message::{RetriedMessages, RetryMessages},
};

use crate::App;

/// Maximum number of error codes.
const MAX_CODES: usize = 50;

/// Send failed messages again
///
/// For admins of the inbox's team and the organization's owner. Sends every message that failed in a period
/// again, as a new message with the same text and media (`retryOf`). Each failed message is sent again once
/// (`retriedBy`), so a repeated request queues nothing twice. A request handles at most 100 failed messages;
/// repeat it with `next` as `since` until `next` is `null`. New messages stay queued while sending is paused,
/// and leave at the rate of the inbox.
#[utoipa::path(post, path = "/v1/inboxes/{inboxId}/messages/retry", tag = "messages", operation_id = "retryMessages",
    params(("inboxId" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = RetryMessages,
    responses((status = 202, body = RetriedMessages)),
    extensions(("x-errors" = json!(["admin_required", "inbox_retired", "registration_incomplete"]))))]
pub(crate) async fn retry(
    State(app): State<App>,
    InboxAdmin(InboxAccess { inbox, caller, .. }): InboxAdmin,
    Now(now): Now,
    KeyedJson { body, key }: KeyedJson<RetryMessages>,
) -> Result<(StatusCode, Json<RetriedMessages>), Problem> {
    let RetryMessages { codes, since, until } = body;
    let which = FailedIn {
        codes: valid_codes(codes.as_deref())?,
        since: instant("/since", &since)?,
        until: until.as_deref().map_or(Ok(now), |until| instant("/until", until))?,
    };
    let admin = UserCaller { organization: inbox.organization.clone(), user: caller.user.id };
    let attempt = Attempt {
        organization: &admin.organization,
        principal: admin.principal(),
        route: format!("retry {}", inbox.id),
        key,
    };
    if let Some(result) = attempt.recalled(&app.keys, now).await?
        && let Ok(result) = serde_json::from_str(&result)
    {
        return Ok((StatusCode::ACCEPTED, Json(result)));
    }
    let from = TeamInbox { inbox, team: caller.team };
    let sending = SendingInbox { inbox: &from.inbox, registration: from.team.registration };
    if let Some(reason) = sending::reasons_against_inbox(sending).first() {
        return Err(refusal::refused(reason));
    }
    let retried = app.retries.retry(&from, &admin.user, which, now).await?;
    let result = RetriedMessages {
        queued: retried.queued,
        skipped: retried.skipped,
        next: retried.next.map(|next| next.to_string()),
    };
    if let Some(key) = attempt.idempotency() {
        let result = serde_json::to_string(&result).map_err(Problem::internal)?;
        app.keys.remember(&admin.organization, key, &result, now).await?;
    }
    Ok((StatusCode::ACCEPTED, Json(result)))
}

fn valid_codes(codes: Option<&[String]>) -> Result<Option<&[String]>, Problem> {
    match codes {
        Some(codes) if codes.is_empty() || codes.len() > MAX_CODES => {
            Err(Problem::bad_field("/codes", "1 to 50 error codes"))
        }
        codes => Ok(codes),
    }
}

fn instant(pointer: &str, text: &str) -> Result<Timestamp, Problem> {
    Timestamp::parse(text)
        .ok_or_else(|| Problem::bad_field(pointer, "a timestamp, such as 2026-11-22T10:00:00Z"))
}
