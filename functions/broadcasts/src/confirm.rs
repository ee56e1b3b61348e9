//! The estimate, the confirmation, and the steps after it.

use std::time::Duration;

use axum::{
    extract::{FromRequestParts, State},
    http::StatusCode,
};
use lambda_http::http::request::Parts;
use shared_app::broadcast::{AudienceError, Confirmation, StepOutcome};
use shared_aws::{clients::BroadcastJob, table::Versioned};
use shared_domain::{
    broadcast::{Broadcast, BroadcastStep},
    time::Timestamp,
};
use shared_http::{
    json::Json,
    problem::Problem,
    request::{Entropy, KnownParameters, Now},
    wire::{
        broadcast::{BroadcastView, Confirm, EstimateView},
        problem::EstimateStop,
    },
};

use crate::{App, BroadcastInPath, SenderAccess, changed, not_allowed};

/// Estimate a broadcast
///
/// For the team's members. Evaluates the audience now and counts recipients, segments and characters. To
/// confirm the broadcast, send the ID of its last estimate. At most 150,000 contacts are evaluated, and
/// 50,000 of static segments.
#[utoipa::path(post, path = "/v1/broadcasts/{broadcastId}/estimate",
    tag = "broadcasts", operation_id = "estimateBroadcast",
    params(("broadcastId" = String, Path)),
    responses((status = 200, body = EstimateView)),
    extensions(("x-errors" = json!(["broadcast_status", "segment_removed", "audience_too_large"]))))]
pub(crate) async fn estimate(
    State(app): State<App>,
    found: BroadcastInPath,
    Now(now): Now,
    Entropy(entropy): Entropy,
    _: KnownParameters,
) -> Result<Json<EstimateView>, Problem> {
    let before = &found.broadcast;
    before.value.status.after(BroadcastStep::Edit).map_err(not_allowed)?;
    if app.workflow.is_too_large(&before.value).await? {
        return Err(too_large());
    }
    // As for the confirmation: an admin of the team needs the membership as well.
    let member = app.members.membership(before.value.inbox_key(), &found.caller.user.id).await?;
    let may_broadcast = found.caller.may_broadcast() && member.is_some();
    let estimated = app.workflow.estimate(&before.value, may_broadcast, now, entropy).await;
    let estimate = estimated.map_err(|error| not_evaluated(error, &before.value))?;
    if app.workflow.store_estimate(before, &estimate).await? {
        Ok(Json(EstimateView::of(&estimate)))
    } else {
        Err(changed())
    }
}

fn too_large() -> Problem {
    let detail = "The audience is too large to be evaluated in a request, which reads at most 150,000 contacts, \
                  and 50,000 of static segments. A segment with a filter reads all contacts of the team. Use \
                  static segments, in several broadcasts.";
    Problem::unprocessable("audience_too_large", "/audience", detail)
}

fn not_evaluated(error: AudienceError, broadcast: &Broadcast) -> Problem {
    match error {
        AudienceError::Store(error) => error.into(),
        AudienceError::SegmentRemoved(id) => {
            let place = broadcast.audience.segments.iter().position(|segment| *segment == id);
            let pointer = format!("/audience/segmentIds/{}", place.unwrap_or_default());
            let detail = "A segment of the audience was removed. Edit the broadcast.";
            Problem::unprocessable("segment_removed", &pointer, detail)
        }
    }
}

/// Confirm a broadcast
///
/// For members of the inbox who may broadcast. It starts at once, or at its time. The audience is evaluated
/// again: if it changed by more than 5 percent since the estimate, make another estimate. Idempotent.
#[utoipa::path(post, path = "/v1/broadcasts/{broadcastId}/confirm",
    tag = "broadcasts", operation_id = "confirmBroadcast",
    params(("broadcastId" = String, Path)),
    request_body = Confirm,
    responses((status = 202, body = BroadcastView)),
    extensions(("x-errors" = json!(["inbox_membership_required", "broadcast_permission_required",
        "broadcast_status", "estimate_stale", "estimate_stop", "segment_removed", "audience_too_large"]))))]
pub(crate) async fn confirm(
    State(app): State<App>,
    ConfirmAccess(SenderAccess { found, by }): ConfirmAccess,
    Now(now): Now,
    Entropy(entropy): Entropy,
    Json(body): Json<Confirm>,
) -> Result<(StatusCode, Json<BroadcastView>), Problem> {
    let before = &found.broadcast;
    let confirmed = app.workflow.confirm(before, &body.estimate_id, &by, now, entropy).await;
    match confirmed.map_err(|error| not_evaluated(error, &before.value))? {
        Confirmation::Confirmed(broadcast) => {
            proceed(&app, &broadcast).await;
            Ok((StatusCode::ACCEPTED, Json(app.view(&broadcast).await?)))
        }
        Confirmation::Stale => Err(Problem::new(
            409,
            "estimate_stale",
            "The audience changed since the estimate, or there is a later estimate. Make another one.",
        )),
        Confirmation::Stop(estimate) => {
            let detail = "The checklist has a stop. See `checks`.";
            let EstimateView { checks, .. } = EstimateView::of(&estimate);
            Err(Problem::new(409, "estimate_stop", detail).with_data(EstimateStop { checks }))
        }
        Confirmation::TooLarge => Err(too_large()),
        Confirmation::NotAllowed(refused) => Err(not_allowed(refused)),
        Confirmation::Changed => Err(changed()),
    }
}

/// As [`SenderAccess`], for those who may broadcast. `403` for others.
pub(crate) struct ConfirmAccess(SenderAccess);

impl FromRequestParts<App> for ConfirmAccess {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let access = SenderAccess::from_request_parts(parts, app).await?;
        may_broadcast(&access.found)?;
        Ok(Self(access))
    }
}

/// Pause a broadcast
///
/// For members of the team who may broadcast. Texts that are released already go out: those of the next 15
/// seconds at most. Idempotent.
#[utoipa::path(post, path = "/v1/broadcasts/{broadcastId}/pause",
    tag = "broadcasts", operation_id = "pauseBroadcast",
    params(("broadcastId" = String, Path)),
    responses((status = 200, body = BroadcastView)),
    extensions(("x-errors" = json!(["broadcast_permission_required", "broadcast_status"]))))]
pub(crate) async fn pause(
    State(app): State<App>,
    found: BroadcastInPath,
    Now(now): Now,
    Entropy(entropy): Entropy,
    _: KnownParameters,
) -> Result<Json<BroadcastView>, Problem> {
    take_step(&app, found, BroadcastStep::Pause, now, entropy).await
}

/// Resume a broadcast
///
/// For members of the team who may broadcast. Idempotent.
#[utoipa::path(post, path = "/v1/broadcasts/{broadcastId}/resume",
    tag = "broadcasts", operation_id = "resumeBroadcast",
    params(("broadcastId" = String, Path)),
    responses((status = 200, body = BroadcastView)),
    extensions(("x-errors" = json!(["broadcast_permission_required", "broadcast_status"]))))]
pub(crate) async fn resume(
    State(app): State<App>,
    found: BroadcastInPath,
    Now(now): Now,
    Entropy(entropy): Entropy,
    _: KnownParameters,
) -> Result<Json<BroadcastView>, Problem> {
    take_step(&app, found, BroadcastStep::Resume, now, entropy).await
}

/// Cancel a broadcast
///
/// For members of the team who may broadcast. Recipients who still wait get no text. Idempotent.
#[utoipa::path(post, path = "/v1/broadcasts/{broadcastId}/cancel",
    tag = "broadcasts", operation_id = "cancelBroadcast",
    params(("broadcastId" = String, Path)),
    responses((status = 200, body = BroadcastView)),
    extensions(("x-errors" = json!(["broadcast_permission_required", "broadcast_status"]))))]
pub(crate) async fn cancel(
    State(app): State<App>,
    found: BroadcastInPath,
    Now(now): Now,
    Entropy(entropy): Entropy,
    _: KnownParameters,
) -> Result<Json<BroadcastView>, Problem> {
    take_step(&app, found, BroadcastStep::Cancel, now, entropy).await
}

async fn take_step(
    app: &App,
    found: BroadcastInPath,
    step: BroadcastStep,
    now: Timestamp,
    entropy: u64,
) -> Result<Json<BroadcastView>, Problem> {
    may_broadcast(&found)?;
    let by = found.caller.user.id.clone();
    let before: Versioned<Broadcast> = found.broadcast;
    match app.workflow.take_step(before, step, &by, now, entropy).await? {
        StepOutcome::Done(broadcast) => {
            if step != BroadcastStep::Pause {
                proceed(app, &broadcast).await;
            }
            Ok(Json(app.view(&broadcast).await?))
        }
        StepOutcome::NotAllowed(refused) => Err(not_allowed(refused)),
        StepOutcome::Changed => Err(changed()),
    }
}

pub(crate) fn may_broadcast(found: &BroadcastInPath) -> Result<(), Problem> {
    if found.caller.may_broadcast() {
        Ok(())
    } else {
        let detail = "Only admins of the team, and members with the right to broadcast, can do this.";
        Err(Problem::forbidden("broadcast_permission_required", detail))
    }
}

/// Lets the worker go on. If the queue does not take the message, the sweep finds the broadcast.
async fn proceed(app: &App, broadcast: &Broadcast) {
    let job = BroadcastJob {
        organization: broadcast.organization.clone(),
        team: broadcast.team.clone(),
        broadcast: broadcast.id.clone(),
        continues: false,
    };
    for queued in app.queue.enqueue(&[job], Duration::ZERO).await {
        if let Err(error) = queued {
            tracing::warn!(event = "broadcast_not_queued", broadcast = %broadcast.id, %error, "broadcast not queued");
        }
    }
}
