//! Tickets of sockets.

use std::time::Duration;

use axum::{extract::State, http::StatusCode};
use shared_aws::realtime::Ticket;
use shared_http::{
    caller::{TokenExpiry, UserCaller},
    json::Json,
    problem::Problem,
    request::{Entropy, KnownParameters, Now},
    wire::realtime::RealtimeTicket,
};

use crate::{App, feed};

/// How long a ticket is valid. The gateway accepts 500 connections a second, so 64 random bits cannot be
/// guessed in this time.
const TICKET_TTL: Duration = Duration::from_secs(30);
/// How long a connection lasts if the token does not say when it expires.
const DEFAULT_TOKEN_TTL: Duration = Duration::from_hours(1);

/// Get a ticket for the socket
///
/// The ticket opens one connection within 30 seconds: connect to `url?ticket=…`. The connection sends the
/// events of your inboxes and teams, and ends with your token unless you send a new ticket. The guide for
/// front ends describes its frames.
#[utoipa::path(post, path = "/v1/realtime-tickets", tag = "events", operation_id = "createRealtimeTicket",
    responses((status = 201, body = RealtimeTicket)))]
pub(crate) async fn issue(
    State(app): State<App>,
    caller: UserCaller,
    TokenExpiry(expiry): TokenExpiry,
    Now(now): Now,
    Entropy(entropy): Entropy,
    _: KnownParameters,
) -> Result<(StatusCode, Json<RealtimeTicket>), Problem> {
    let profile = app.members.profile(&caller.organization, &caller.user).await?;
    let profile = profile.ok_or_else(|| {
        Problem::forbidden("user_required", "The token does not identify a user of an organization.")
    })?;
    let position = feed::present(&app, &caller, &profile).await?;
    let (cursors, _) = app.cursors.of_list(now, &caller.principal(), "events", None).await?;
    let ticket = Ticket {
        organization: caller.organization,
        user: caller.user,
        name: profile.user.name,
        owner: profile.user.owner,
        token_expires_at: expiry.unwrap_or(now + DEFAULT_TOKEN_TTL),
        cursor: cursors.seal(&position.place()),
    };
    let (secret, expires_at) = (format!("{entropy:016x}"), now + TICKET_TTL);
    app.tickets.issue(&secret, &ticket, expires_at).await?;
    let url = app.realtime.0;
    Ok((
        StatusCode::CREATED,
        Json(RealtimeTicket { url, ticket: secret, expires_at: expires_at.to_string() }),
    ))
}
