//! Creating an inbox in three steps: reserve it, buy its number, complete it. A number that the account owns
//! already is adopted in place of the purchase; its webhooks are set once the inbox is complete, so that an
//! abandoned creation leaves the number as it was.
//!
//! The number is bought under the inbox's ID. If the answer of the purchase is lost, or the function dies,
//! the purchase is found and adopted: a number is never bought twice. A reservation whose number was
//! certainly not bought is undone. One that is left half done because the carrier is down is completed by a
//! retry with the same `Idempotency-Key`, or undone by `inbox-reconcile`.

use axum::{extract::State, http::StatusCode};
use shared_aws::{
    inbox::{Bought, Completed, Reserved},
    team::AuditEvent,
};
use shared_carriers::twilio::{CallError, NumberWebhooks, Purchase, PurchaseError};
use shared_domain::{
    ids::{Id, InboxId},
    inbox::{Inbox, InboxKind, Stage, TeamInbox},
    keys::{InboxKey, TeamKey},
    registration::{RegistrationStatus, StepSource, TimelineStep},
    team::Team,
    time::Timestamp,
};
use shared_http::{
    access::{TeamAccess, TeamAdmin},
    idempotency::Attempt,
    json::{Json, KeyedJson},
    problem::Problem,
    request::{Entropy, Now, Query},
    wire::inbox::{CreatedInbox, InboxView, NewInbox, RegistrationSummary},
};

use crate::{
    App, api_code_taken, changed,
    draft::{self, Draft, free_api_code},
    numbers::{self, carrier_problem},
};

/// The inbox with its status: `201`, or `200` for a dry run.
type Created = Result<(StatusCode, Json<CreatedInbox>), Problem>;

/// Create an inbox
///
/// For team admins and the organization's owner. Buys the number, or takes over a number that your carrier
/// account owns (`adopt`). The creator becomes a member of a shared inbox. A team's first shared inbox starts
/// its registration: `notice` then says that messages cannot be sent until it is complete. A personal inbox
/// belongs to one user, who can have one in each team, and needs no registration. `dryRun=true` validates all
/// fields, creates nothing and returns `200`.
#[utoipa::path(post, path = "/v1/teams/{teamId}/inboxes", tag = "inboxes", operation_id = "createInbox",
    params(("teamId" = String, Path), ("dryRun" = Option<bool>, Query, description = "Validates the request and creates nothing"),
        ("Idempotency-Key" = Option<String>, Header)),
    request_body = NewInbox,
    responses((status = 201, body = CreatedInbox),
        (status = 200, description = "A dry run", body = CreatedInbox)),
    extensions(("x-errors" = json!(["admin_required", "api_code_taken", "number_limit_reached", "number_unavailable",
        "personal_inbox_exists",
        "registration_incomplete", "invalid_fields", "number_refused", "carrier_refused",
        "carrier_unavailable"]))))]
pub(crate) async fn create(
    State(app): State<App>,
    TeamAdmin(access): TeamAdmin,
    Now(now): Now,
    Entropy(entropy): Entropy,
    query: Query,
    KeyedJson { body, key }: KeyedJson<NewInbox>,
) -> Created {
    let app = &app;
    if query.is_true("dryRun") {
        let draft = draft::validate(app, &access, body).await?;
        return dry_run(app, &access, draft, now, entropy).await;
    }
    let attempt = Attempt {
        organization: &access.organization,
        principal: access.principal.clone(),
        route: format!("inboxes {}", access.team()),
        key,
    };
    let member = body.owner_id.as_deref().is_none_or(|owner| owner == access.caller.user.id.as_str());
    let begun = attempt.recalled(&app.keys, now).await?;
    if let Some(TeamInbox { inbox, team }) = reserved_before(app, &access, begun.as_deref()).await? {
        if inbox.stage != Stage::Creating {
            if let (InboxKind::Shared, Stage::Active, Some(sid)) =
                (inbox.kind, inbox.stage, &inbox.number_sid)
                && let Err(problem) = join_new_service(app, &access, sid, None).await
            {
                let cause = problem.cause;
                tracing::error!(event = "number_not_in_service", inbox = %inbox.id, cause, "number may be missing in the messaging service");
            }
            return created(app, StatusCode::CREATED, &inbox, &team, member, false).await;
        }
        let draft = draft::validate_reserved(app, &access, body).await?;
        return finish(app, &access, &inbox, &draft, ReservedBy::EarlierRequest, now, entropy).await;
    }
    let draft = draft::validate(app, &access, body).await?;
    let Some(inbox) = reserve(app, &access, &draft, &attempt, now, entropy).await? else {
        return Err(changed()); // another request with the same key is creating it
    };
    finish(app, &access, &inbox, &draft, ReservedBy::ThisRequest, now, entropy).await
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReservedBy {
    ThisRequest,
    EarlierRequest,
}

async fn reserved_before(
    app: &App,
    access: &TeamAccess,
    id: Option<&str>,
) -> Result<Option<TeamInbox>, Problem> {
    let Some(id) = id.and_then(|id| InboxId::parse(id).ok()) else { return Ok(None) };
    Ok(app.inboxes.get_with_team(InboxKey { organization: &access.organization, inbox: &id }).await?)
}

async fn dry_run(app: &App, access: &TeamAccess, draft: Draft, now: Timestamp, entropy: u64) -> Created {
    let code = match &draft.api_code {
        Some(code) if app.inboxes.has_api_code(&access.organization, code).await? => {
            return Err(api_code_taken());
        }
        Some(code) => code.clone(),
        None => free_api_code(app, &access.organization, &draft.name, entropy).await?,
    };
    if app.new_inboxes.has_reached_limit(&access.organization, app.max_numbers).await? {
        return Err(number_limit_reached(app.max_numbers));
    }
    if app.inboxes.is_ours(&draft.number).await? {
        return Err(numbers::unavailable(app, &draft.number).await);
    }
    let team = &access.caller.team;
    let opens = draft.owner.is_none() && team.registration == RegistrationStatus::NotStarted;
    created(app, StatusCode::OK, &inbox(access, &draft, code, now, entropy), team, false, opens).await
}

/// Reserves the number and the API code with an inbox in stage `creating`. Tries another code if the derived
/// one was taken at the same time. `None` if another request with the same key was first.
async fn reserve(
    app: &App,
    access: &TeamAccess,
    draft: &Draft,
    attempt: &Attempt<'_>,
    now: Timestamp,
    entropy: u64,
) -> Result<Option<Inbox>, Problem> {
    for round in 0..3 {
        let code = match &draft.api_code {
            Some(code) => code.clone(),
            None => {
                free_api_code(app, &access.organization, &draft.name, entropy.rotate_left(round * 16)).await?
            }
        };
        let inbox = inbox(access, draft, code, now, entropy);
        let owner = draft.owner.as_ref().map(|owner| &owner.id);
        match app.new_inboxes.reserve(&inbox, owner, app.max_numbers, attempt.idempotency(), now).await? {
            Reserved::Done => return Ok(Some(inbox)),
            Reserved::KeyTaken => return Ok(None),
            Reserved::NumberLimitReached => return Err(number_limit_reached(app.max_numbers)),
            Reserved::PersonalInboxExists => return Err(personal_inbox_exists()),
            Reserved::NumberTaken => return Err(numbers::unavailable(app, &inbox.number).await),
            Reserved::ApiCodeTaken if draft.api_code.is_some() => return Err(api_code_taken()),
            Reserved::ApiCodeTaken => {}
        }
    }
    Err(changed())
}

fn inbox(access: &TeamAccess, draft: &Draft, api_code: String, now: Timestamp, entropy: u64) -> Inbox {
    Inbox {
        organization: access.organization.clone(),
        id: Id::new(now, entropy),
        team: access.team().clone(),
        kind: if draft.owner.is_some() { InboxKind::Personal } else { InboxKind::Shared },
        name: draft.name.clone(),
        color: draft.color.clone(),
        api_code,
        number: draft.number.clone(),
        number_sid: None,
        voice_forwarding: draft.voice_forwarding.clone(),
        creator: Some(access.caller.user.id.clone()),
        stage: Stage::Creating,
        segments_per_second: None,
    }
}

/// Completes a reservation, whichever steps an earlier request has already done.
async fn finish(
    app: &App,
    access: &TeamAccess,
    inbox: &Inbox,
    draft: &Draft,
    reserved: ReservedBy,
    now: Timestamp,
    entropy: u64,
) -> Created {
    let sid = match &draft.adopted {
        Some(sid) => sid.clone(),
        None => buy(app, inbox, reserved).await?,
    };
    let is_shared = inbox.kind == InboxKind::Shared;
    let service = access.caller.team.messaging_service.as_deref().filter(|_| is_shared);
    if let Some(service) = service
        && let Err(error) = app.carrier.add_number(service, &sid).await
    {
        return Err(not_added(app, inbox, draft, &error).await?);
    }
    let answer = complete(app, access, inbox, &sid, draft, now, entropy).await?;
    if draft.adopted.is_some() {
        set_webhooks(app, inbox, &sid).await;
    }
    if is_shared {
        join_new_service(app, access, &sid, service).await?;
    }
    Ok(answer)
}

/// The number was not added to the team's messaging service. An adopted number can be in another service of
/// the account. Its reservation is then undone, because only a change at the carrier helps.
async fn not_added(app: &App, inbox: &Inbox, draft: &Draft, error: &CallError) -> Result<Problem, Problem> {
    match error {
        CallError::Refused { message, .. } if draft.adopted.is_some() => {
            app.new_inboxes.undo(inbox, Bought::No).await?;
            Ok(Problem::unprocessable("number_refused", "/phoneNumber", message))
        }
        _ => Ok(carrier_problem(error)),
    }
}

/// Makes the carrier send the messages and calls of an adopted number to this stack. If that fails,
/// `inbound-sweep` does it within minutes.
async fn set_webhooks(app: &App, inbox: &Inbox, sid: &str) {
    if let Err(error) = app.carrier.set_webhooks(sid, &NumberWebhooks::of_product(&app.webhooks)).await {
        tracing::warn!(event = "webhooks_not_set", inbox = %inbox.id, %error, "webhooks of an adopted number not set");
    }
}

fn number_limit_reached(limit: u32) -> Problem {
    let detail = format!(
        "Your organization has reached its limit of {limit} numbers. Release a number, or ask your operator to raise the limit."
    );
    Problem::new(409, "number_limit_reached", detail)
}

fn personal_inbox_exists() -> Problem {
    Problem::new(409, "personal_inbox_exists", "This user already has a personal inbox in this team.")
}

/// Adds the number to a messaging service that was created since this request read the team. The submission
/// that created it adds the numbers of active inboxes, so either it or this check adds this number. A retry
/// with the same key tries again.
async fn join_new_service(
    app: &App,
    access: &TeamAccess,
    sid: &str,
    joined: Option<&str>,
) -> Result<(), Problem> {
    let registration = app.registrations.get(access.team_key()).await?;
    match registration.messaging_service {
        Some(service) if joined != Some(service.as_str()) => {
            let added = app.carrier.add_number(&service, sid).await;
            added.map_err(|error| carrier_problem(&error))
        }
        _ => Ok(()),
    }
}

/// Buys the number, unless an earlier request has bought it. Returns the carrier's ID of the number.
async fn buy(app: &App, inbox: &Inbox, reserved: ReservedBy) -> Result<String, Problem> {
    // An earlier request may have bought the number.
    let not_by_us = if reserved == ReservedBy::EarlierRequest { Bought::Unknown } else { Bought::No };
    if reserved == ReservedBy::EarlierRequest
        && let Some(sid) = bought_before(app, inbox).await.map_err(|error| carrier_problem(&error))?
    {
        return Ok(sid);
    }
    let purchase = Purchase::new(inbox.number.as_str(), inbox.id.as_str(), &app.webhooks);
    match app.carrier.buy_number(&purchase).await {
        Ok(number) => Ok(number.sid),
        // Sold to someone else, or to us: to another request with the same key, or with a response that was
        // lost.
        Err(PurchaseError::Gone) => match bought_before(app, inbox).await {
            Ok(Some(sid)) => Ok(sid),
            Ok(None) => {
                app.new_inboxes.undo(inbox, not_by_us).await?;
                Err(numbers::unavailable(app, &inbox.number).await)
            }
            Err(error) => Err(carrier_problem(&error)),
        },
        Err(PurchaseError::Call(CallError::Unknown)) => match bought_before(app, inbox).await {
            Ok(Some(sid)) => Ok(sid),
            Ok(None) => {
                app.new_inboxes.undo(inbox, Bought::Unknown).await?;
                Err(carrier_problem(&CallError::Unknown))
            }
            // Unknown: the reservation is kept for a retry with the key, or for `inbox-reconcile`.
            Err(_) => Err(carrier_problem(&CallError::Unknown)),
        },
        Err(PurchaseError::Call(error)) => {
            app.new_inboxes.undo(inbox, not_by_us).await?;
            Err(refused(&error))
        }
    }
}

/// The carrier refused to sell the number. Its message is shown if it is about the request, because an admin
/// can act on it.
fn refused(error: &CallError) -> Problem {
    match error {
        CallError::Refused { message, http_status: 400, .. } => {
            Problem::unprocessable("number_refused", "/phoneNumber", message)
        }
        _ => carrier_problem(error),
    }
}

/// The carrier's ID of a number that was bought under this inbox's ID.
async fn bought_before(app: &App, inbox: &Inbox) -> Result<Option<String>, CallError> {
    let owned = app.carrier.owned_number(inbox.number.as_str()).await?;
    Ok(owned.filter(|owned| owned.friendly_name == inbox.id.as_str()).map(|owned| owned.sid))
}

async fn complete(
    app: &App,
    access: &TeamAccess,
    inbox: &Inbox,
    sid: &str,
    draft: &Draft,
    now: Timestamp,
    entropy: u64,
) -> Created {
    let creator = access.caller.person();
    let first = draft::memberships(inbox, creator.clone(), draft);
    let member = first.iter().any(|membership| membership.user.id == creator.id);
    let event = AuditEvent {
        actor: &creator.id,
        action: "inbox.create",
        target: inbox.id.as_str(),
        at: now,
        entropy,
    };
    let opening = TimelineStep {
        id: inbox.id.to_string(),
        status: RegistrationStatus::Pending,
        at: now,
        source: StepSource::User,
        codes: Vec::new(),
        detail: Some("Started with the team's first shared inbox.".into()),
        by: Some(creator.id.clone()),
    };
    // Messages from before an adoption are not taken in.
    let swept_since = draft.adopted.is_some().then_some(now);
    let mut team = access.caller.team.clone();
    for _ in 0..2 {
        let opens = draft.owner.is_none() && team.registration == RegistrationStatus::NotStarted;
        let opening = opens.then_some(&opening);
        match app.new_inboxes.complete(inbox, sid, &first, opening, swept_since, &event).await? {
            Completed::Done => {
                tracing::info!(event = "inbox_created", inbox = %inbox.id, opens, "inbox created");
                return created(app, StatusCode::CREATED, inbox, &team, member, opens).await;
            }
            Completed::RegistrationBegun => {
                let current = app.teams.get(access.team_key()).await?;
                team = current.ok_or_else(Problem::not_found)?;
            }
            Completed::NotReserved => {
                return completed_elsewhere(app, access, inbox, sid, draft, member).await;
            }
        }
    }
    Err(changed())
}

/// The reservation is gone: another request completed it, or `inbox-reconcile` undid it. In the second case
/// a number that was bought is released.
async fn completed_elsewhere(
    app: &App,
    access: &TeamAccess,
    inbox: &Inbox,
    sid: &str,
    draft: &Draft,
    member: bool,
) -> Created {
    let account =
        app.inboxes.get_with_team(InboxKey { organization: &access.organization, inbox: &inbox.id }).await?;
    if let Some(account) = account {
        return created(app, StatusCode::CREATED, &account.inbox, &account.team, member, false).await;
    }
    if draft.adopted.is_none() {
        app.carrier.release_number(sid).await.map_err(|error| carrier_problem(&error))?;
    }
    Err(changed())
}

async fn created(
    app: &App,
    status: StatusCode,
    inbox: &Inbox,
    team: &Team,
    member: bool,
    opens: bool,
) -> Created {
    let mut team = team.clone();
    if opens {
        team.registration = RegistrationStatus::Pending;
    }
    let details =
        app.registrations.get(TeamKey { organization: &inbox.organization, team: &team.id }).await?;
    let registration = RegistrationSummary::of(&team, details.is_submitted());
    let notice = registration.notice.filter(|_| inbox.kind == InboxKind::Shared);
    let mut inbox = InboxView::of(inbox, &team, true);
    inbox.member = member;
    Ok((status, Json(CreatedInbox { inbox, registration, notice })))
}
