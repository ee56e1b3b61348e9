//! The recipients of a broadcast, what happened to each, and their answers.

use axum::{extract::State, response::Response};
use shared_aws::{broadcast::reference, table};
use shared_domain::{broadcast::RecipientState, field::FieldError, phone::PhoneNumber, question::Answer};
use shared_http::{
    json::Json,
    list_format::ListFormat,
    page::PageRequest,
    problem::Problem,
    request::Query,
    wire::{
        Page,
        broadcast::{AnswerCorrection, BroadcastRecipientView},
    },
};

use crate::{App, BroadcastInPath, SenderAccess, changed};

/// List the recipients of a broadcast
///
/// For the team's members. In no particular order. `Accept: text/csv` returns CSV; the header
/// `x-next-cursor` is then the cursor of the next page. Empty before the broadcast starts.
#[utoipa::path(get, path = "/v1/broadcasts/{broadcastId}/recipients",
    tag = "broadcasts", operation_id = "listRecipients",
    params(("broadcastId" = String, Path),
        ("state" = inline(Option<shared_http::wire::values::RecipientState>), Query, description = "Only recipients in this state"),
        ("limit" = Option<u16>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, content((Page<BroadcastRecipientView> = "application/json"), (String = "text/csv")),
        headers(("x-next-cursor" = String, description = "With `text/csv`: the cursor of the next page. Absent on the last page")))),
    extensions(("x-errors" = json!(["invalid_fields"]))))]
pub(crate) async fn recipients(
    State(app): State<App>,
    found: BroadcastInPath,
    query: Query,
    format: ListFormat,
    page: PageRequest,
) -> Result<Response, Problem> {
    let broadcast = &found.broadcast.value;
    let state = query.get("state").map(|name| {
        let expected = RecipientState::ALL.map(RecipientState::as_str).join(", ");
        RecipientState::parse(name).ok_or_else(|| FieldError::new("?state", format!("one of {expected}")))
    });
    let state = state.transpose()?;
    let list = format!("recipients {} {}", broadcast.id, query.get("state").unwrap_or_default());
    let page = format.page(page).of(&found.principal, list).await?;
    let (organization, of) = (&broadcast.organization, reference(broadcast));
    let found = if app.recipients.has_any(broadcast).await? {
        app.recipients.page(organization, &of, state, page.limit, page.after()).await?
    } else {
        table::Page { items: Vec::new(), next: None }
    };
    let page = page.response(found.items.iter().map(BroadcastRecipientView::of), found.next.as_deref());
    let columns = ["phoneNumber", "contactId", "state", "reason", "messageId", "repliedAt", "answer"];
    Ok(format.response(&page, columns, |recipient| {
        let BroadcastRecipientView {
            phone_number,
            contact_id,
            state,
            reason,
            message_id,
            replied_at,
            answer,
        } = recipient;
        let cells = [contact_id, reason, message_id, replied_at, answer];
        let [contact, reason, message, replied_at, answer] =
            cells.map(|cell| cell.as_deref().unwrap_or_default());
        [phone_number, contact, state, reason, message, replied_at, answer]
    }))
}

/// Correct an answer
///
/// For members of the inbox. Sorts the reply of a recipient into another answer of the question. No follow-up
/// is sent. Idempotent.
#[utoipa::path(post, path = "/v1/broadcasts/{broadcastId}/answers",
    tag = "broadcasts", operation_id = "correctAnswer",
    params(("broadcastId" = String, Path)),
    request_body = AnswerCorrection,
    responses((status = 200, body = BroadcastRecipientView)),
    extensions(("x-errors" = json!(["inbox_membership_required", "invalid_fields"]))))]
pub(crate) async fn correct(
    State(app): State<App>,
    SenderAccess { found, .. }: SenderAccess,
    Json(body): Json<AnswerCorrection>,
) -> Result<Json<BroadcastRecipientView>, Problem> {
    let broadcast = &found.broadcast.value;
    let question = broadcast.question();
    let answer = Answer::parse(&body.answer);
    let answer = answer.filter(|answer| question.is_some_and(|question| question.has(*answer)));
    let answer =
        answer.ok_or_else(|| Problem::from(FieldError::new("/answer", "an answer of the question")))?;
    let expected = "the number of a recipient who replied";
    let no_reply = || Problem::from(FieldError::new("/phoneNumber", expected));
    let number = PhoneNumber::parse(&body.phone_number).map_err(|_| no_reply())?;
    let (organization, of) = (&broadcast.organization, reference(broadcast));
    let recipient = app.recipients.get(organization, &of, &number).await?.ok_or_else(no_reply)?;
    recipient.replied_at.ok_or_else(no_reply)?;
    let before = recipient.answer();
    if before != Some(answer) && !app.replies.correct(organization, &of, &number, before, answer).await? {
        return Err(changed());
    }
    let answer = Some(answer.name().into_owned());
    Ok(Json(BroadcastRecipientView { answer, ..BroadcastRecipientView::of(&recipient) }))
}
