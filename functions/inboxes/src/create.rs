//! Creating an inbox: reserve, buy, complete.
//!
//! The number is bought under our inbox id, so that a purchase whose answer was lost, or whose process died, is found
//! again and adopted: nothing is bought twice. What surely was not bought leaves nothing behind. What is left half made
//! when the carrier goes away is completed by a retry with the same `Idempotency-Key`, or undone by `inbox-reconcile`.

use lambda_http::Request;
use shared_aws::{
    inbox::{Account, Bought, Completed, Reserved},
    team::AuditEvent,
};
use shared_carriers::twilio::{CallError, Purchase, PurchaseError};
use shared_domain::{
    ids::{Id, InboxId},
    inbox::{Inbox, InboxKind, Stage},
    registration::{RegistrationStatus, StepSource, TimelineStep},
    team::Team,
    time::Timestamp,
};
use shared_http::{
    access::{self, TeamAccess},
    idempotency::{self, Attempt},
    input,
    problem::Problem,
    reply::{self, Outcome},
    wire::{
        inbox::{CreatedInbox, InboxView, NewInbox, RegistrationSummary},
        problem::ProblemView,
    },
};

use crate::{
    App, api_code_taken, changed,
    draft::{self, Draft, free_api_code},
    numbers::{self, carrier_problem},
};

/// Create a shared inbox
///
/// By those who manage the team. The number is bought now; the creator becomes a member. A team's first shared inbox
/// begins its registration: `notice` says that messages cannot be sent until it is complete. With `dryRun=true` every
/// field is checked, nothing is made, and the answer is `200`.
#[utoipa::path(post, path = "/v1/teams/{teamId}/inboxes", tag = "inboxes",
    params(("teamId" = String, Path), ("dryRun" = Option<bool>, Query), ("Idempotency-Key" = Option<String>, Header)),
    request_body = NewInbox,
    responses((status = 201, body = CreatedInbox), (status = 200, description = "A dry run", body = CreatedInbox),
        (status = 400, body = ProblemView), (status = 403, body = ProblemView), (status = 404, body = ProblemView),
        (status = 409, description = "`api_code_taken`; `number_unavailable` with `suggestions`; `registration_incomplete` with members", body = ProblemView),
        (status = 422, body = ProblemView),
        (status = 503, description = "The carrier does not answer; the same key finishes what was begun", body = ProblemView)))]
pub(crate) async fn create(app: &App, now: Timestamp, entropy: u64, request: &Request) -> Outcome {
    let access = access::team(request, &app.claims, &app.members).await?.manager()?;
    let wanted: NewInbox = input::body(request)?;
    let dry_run = input::query(request, "dryRun") == Some("true");
    let attempt = Attempt {
        organization: &access.organization,
        principal: access.principal.clone(),
        route: format!("inboxes {}", access.team()),
        key: idempotency::key(request)?,
    };
    let begun = if dry_run { None } else { attempt.recalled(&app.keys, now).await? };
    if let Some(Account { inbox, team }) = begun_before(app, &access, begun.as_deref()).await? {
        if inbox.stage != Stage::Creating {
            if let (Stage::Active, Some(sid)) = (inbox.stage, &inbox.number_sid)
                && let Err(problem) = join_late(app, &access, sid, None).await
            {
                tracing::error!(inbox = %inbox.id, cause = problem.cause, "its number may be in no service");
            }
            return created(app, 201, &inbox, &team, true, false).await;
        }
        let draft = draft::check_begun(app, &access, wanted).await?;
        return finish(app, &access, &inbox, &draft, Begun::Before, now, entropy).await;
    }
    let draft = draft::check(app, &access, wanted).await?;
    if dry_run {
        return dry(app, &access, draft, now, entropy).await;
    }
    let Some(inbox) = reserve(app, &access, &draft, &attempt, now, entropy).await? else {
        return Err(changed()); // the same key at the same instant: the other request makes it
    };
    finish(app, &access, &inbox, &draft, Begun::Now, now, entropy).await
}

/// Whether this request has reserved the inbox itself, or finds what an earlier one left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begun {
    Now,
    Before,
}

async fn begun_before(
    app: &App,
    access: &TeamAccess,
    made: Option<&str>,
) -> Result<Option<Account>, Problem> {
    let Some(id) = made.and_then(|made| InboxId::parse(made).ok()) else { return Ok(None) };
    Ok(app.inboxes.account(&access.organization, &id).await?)
}

async fn dry(app: &App, access: &TeamAccess, draft: Draft, now: Timestamp, entropy: u64) -> Outcome {
    let code = match &draft.api_code {
        Some(code) if app.inboxes.has_api_code(&access.organization, code).await? => {
            return Err(api_code_taken());
        }
        Some(code) => code.clone(),
        None => free_api_code(app, &access.organization, &draft.name, entropy).await?,
    };
    if app.inboxes.is_ours(&draft.number).await? {
        return Err(numbers::unavailable(app, &draft.number).await);
    }
    let team = &access.standing.team;
    let opens = team.registration == RegistrationStatus::NotStarted;
    created(app, 200, &inbox(access, &draft, code, now, entropy), team, false, opens).await
}

/// An inbox in stage `creating` that nobody else can make any more. A code that was made of the name and is taken at this
/// instant is made anew.
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
        match app.new_inboxes.reserve(&inbox, attempt.idempotency(), now).await? {
            Reserved::Done => return Ok(Some(inbox)),
            Reserved::KeyTaken => return Ok(None),
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
        kind: InboxKind::Shared,
        name: draft.name.clone(),
        color: draft.color.clone(),
        api_code,
        number: draft.number.clone(),
        number_sid: None,
        voice_forwarding: draft.voice_forwarding.clone(),
        creator: Some(access.standing.user.id.clone()),
        stage: Stage::Creating,
    }
}

/// From a reservation to an inbox in use, however much of it was done before.
async fn finish(
    app: &App,
    access: &TeamAccess,
    inbox: &Inbox,
    draft: &Draft,
    begun: Begun,
    now: Timestamp,
    entropy: u64,
) -> Outcome {
    let sid = buy(app, inbox, begun).await?;
    let service = access.standing.team.messaging_service.as_deref();
    if let Some(service) = service {
        app.carrier.add_number(service, &sid).await.map_err(|error| carrier_problem(&error))?;
    }
    let answer = complete(app, access, inbox, &sid, draft, now, entropy).await?;
    join_late(app, access, &sid, service).await?;
    Ok(answer)
}

/// A submission that made the team's messaging service meanwhile has put the numbers of the inboxes in use into it: this
/// one either was in use by then, or finds the service now. A retry with the same key tries once more.
async fn join_late(app: &App, access: &TeamAccess, sid: &str, joined: Option<&str>) -> Result<(), Problem> {
    let registration = app.registrations.get(&access.organization, access.team()).await?;
    match registration.messaging_service {
        Some(service) if joined != Some(service.as_str()) => {
            let added = app.carrier.add_number(&service, sid).await;
            added.map_err(|error| carrier_problem(&error))
        }
        _ => Ok(()),
    }
}

/// The carrier's name of the number, bought now or before.
async fn buy(app: &App, inbox: &Inbox, begun: Begun) -> Result<String, Problem> {
    // An earlier request may have bought it although we do not.
    let not_by_us = if begun == Begun::Before { Bought::Perhaps } else { Bought::SurelyNot };
    if begun == Begun::Before
        && let Some(sid) = bought_before(app, inbox).await.map_err(|error| carrier_problem(&error))?
    {
        return Ok(sid);
    }
    let purchase = Purchase {
        phone_number: inbox.number.as_str().to_owned(),
        friendly_name: inbox.id.to_string(),
        sms_url: format!("{}/webhooks/twilio/messages", app.webhooks),
        voice_url: format!("{}/webhooks/twilio/voice", app.webhooks),
    };
    match app.carrier.buy_number(&purchase).await {
        Ok(number) => Ok(number.sid),
        // Gone to somebody else, unless it went to ourselves: another request with the same key, or a lost answer.
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
                app.new_inboxes.undo(inbox, Bought::Perhaps).await?;
                Err(carrier_problem(&CallError::Unknown))
            }
            // Neither is known: the reservation stays for a retry with the key, or for the sweep.
            Err(_) => Err(carrier_problem(&CallError::Unknown)),
        },
        Err(PurchaseError::Call(error)) => {
            app.new_inboxes.undo(inbox, not_by_us).await?;
            Err(refused(&error))
        }
    }
}

/// The carrier would not sell: told with its words where they are about the request, since an admin can act on them.
fn refused(error: &CallError) -> Problem {
    match error {
        CallError::Refused { message, http_status: 400, .. } => {
            Problem::unprocessable("number_refused", "/phoneNumber", message)
        }
        _ => carrier_problem(error),
    }
}

/// What the account owns under this inbox's id.
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
) -> Outcome {
    let creator = access.standing.person();
    let first = draft::memberships(inbox, creator.clone(), &draft.members);
    let deed = AuditEvent {
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
        detail: Some("Begun with the team's first shared inbox.".into()),
        by: Some(creator.id.clone()),
    };
    let mut team = access.standing.team.clone();
    for _ in 0..2 {
        let opens = team.registration == RegistrationStatus::NotStarted;
        let opening = opens.then_some(&opening);
        match app.new_inboxes.complete(inbox, sid, &first, opening, &deed).await? {
            Completed::Done => {
                tracing::info!(inbox = %inbox.id, opens, "inbox created");
                return created(app, 201, inbox, &team, true, opens).await;
            }
            Completed::RegistrationBegun => {
                let now_there = app.teams.get(&access.organization, access.team()).await?;
                team = now_there.ok_or_else(Problem::not_found)?;
            }
            Completed::NotReserved => return settled_otherwise(app, access, inbox, sid).await,
        }
    }
    Err(changed())
}

/// Another request completed the reservation, or the sweep undid it: then the number goes back.
async fn settled_otherwise(app: &App, access: &TeamAccess, inbox: &Inbox, sid: &str) -> Outcome {
    let there = app.inboxes.account(&access.organization, &inbox.id).await?;
    if let Some(account) = there {
        return created(app, 201, &account.inbox, &account.team, true, false).await;
    }
    app.carrier.release_number(sid).await.map_err(|error| carrier_problem(&error))?;
    Err(changed())
}

async fn created(app: &App, status: u16, inbox: &Inbox, team: &Team, member: bool, opens: bool) -> Outcome {
    let mut team = team.clone();
    if opens {
        team.registration = RegistrationStatus::Pending;
    }
    let details = app.registrations.get(&inbox.organization, &team.id).await?;
    let registration = RegistrationSummary::of(&team, details.is_submitted());
    let notice = registration.notice;
    let mut inbox = InboxView::of(inbox, true);
    inbox.member = member;
    reply::json(status, &CreatedInbox { inbox, registration, notice })
}
