//! Pausing and resuming all sending of the organization.

use axum::{extract::State, http::StatusCode};
use shared_domain::{sending_pause::SendingPause, user::UserRef};
use shared_http::{
    json::Json,
    problem::Problem,
    request::{KnownParameters, Now},
    wire::organization::SendingPauseView,
};

use crate::{App, KnownUser, owner::Owner};

/// Read the sending pause
///
/// For all users of the organization.
#[utoipa::path(get, path = "/v1/organization/sending-pause",
    tag = "organization", operation_id = "getSendingPause",
    responses((status = 200, body = SendingPauseView)))]
pub(crate) async fn read(
    State(app): State<App>,
    KnownUser { caller, .. }: KnownUser,
) -> Result<Json<SendingPauseView>, Problem> {
    let state = app.pauses.get(&caller.organization).await?;
    Ok(Json(SendingPauseView::of(state.pause.as_ref())))
}

/// Pause sending
///
/// For the organization's owner. Messages are still accepted and received. They stay `queued` until sending
/// is resumed. Replaces a pause that the carrier caused, so that it no longer ends by itself.
#[utoipa::path(put, path = "/v1/organization/sending-pause",
    tag = "organization", operation_id = "pauseSending",
    responses((status = 200, body = SendingPauseView)),
    extensions(("x-errors" = json!(["owner_required"]))))]
pub(crate) async fn pause(
    State(app): State<App>,
    Owner { caller, user }: Owner,
    Now(now): Now,
    _: KnownParameters,
) -> Result<Json<SendingPauseView>, Problem> {
    let by = UserRef { id: user.id, name: user.name };
    let pause = app.pauses.pause(&caller.organization, &SendingPause::manual(by, now)).await?;
    tracing::info!(event = "sending_paused_by_owner", organization = %caller.organization, "sending paused by the owner");
    Ok(Json(SendingPauseView::of(Some(&pause))))
}

/// Resume sending
///
/// For the organization's owner. Ends any pause. Waiting messages are sent within ten minutes, those of a
/// short pause at once. If the carrier still refuses them, sending pauses again.
#[utoipa::path(delete, path = "/v1/organization/sending-pause",
    tag = "organization", operation_id = "resumeSending",
    responses((status = 204)),
    extensions(("x-errors" = json!(["owner_required"]))))]
pub(crate) async fn resume(
    State(app): State<App>,
    Owner { caller, .. }: Owner,
    Now(now): Now,
    _: KnownParameters,
) -> Result<StatusCode, Problem> {
    if let Some(pause) = app.pauses.resume(&caller.organization, now).await? {
        let cause = pause.cause.as_str();
        tracing::info!(event = "sending_resumed", organization = %caller.organization, cause, "sending resumed");
    }
    Ok(StatusCode::NO_CONTENT)
}
