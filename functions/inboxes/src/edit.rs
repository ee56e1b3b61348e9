//! Reading, editing and retiring inboxes.

use lambda_http::Request;
use shared_aws::{inbox::Edited, team::AuditEvent};
use shared_domain::{
    field::{FieldError, FieldErrors},
    ids::InboxId,
    inbox::{Inbox, InboxKind, Stage},
    settings,
    time::Timestamp,
};
use shared_http::{
    access::{self, InboxAccess},
    input,
    problem::Problem,
    reply::{self, Outcome},
    wire::{
        Page,
        inbox::{InboxChange, InboxView},
        problem::ProblemView,
    },
};

use crate::{App, api_code_taken, changed, draft::forwarding, numbers::carrier_problem};

/// List a team's shared inboxes
///
/// Those who manage the team see all of them, also before the registration is complete; its members those they are in.
#[utoipa::path(get, path = "/v1/teams/{teamId}/inboxes", tag = "inboxes", params(("teamId" = String, Path)),
    responses((status = 200, body = Page<InboxView>), (status = 404, body = ProblemView)))]
pub(crate) async fn list(app: &App, request: &Request) -> Outcome {
    let access = access::team(request, &app.claims, &app.members).await?;
    let inboxes = app.inboxes.of_team(&access.organization, access.team()).await?;
    let home = app.members.home(&access.organization, &access.standing.user.id).await?;
    let own: Vec<InboxId> =
        home.map(|home| home.inboxes.into_iter().map(|of_user| of_user.inbox).collect()).unwrap_or_default();
    let registration = access.standing.team.registration;
    let items = inboxes
        .iter()
        .filter(|inbox| inbox.kind == InboxKind::Shared && inbox.stage != Stage::Creating)
        .map(|inbox| (inbox, own.contains(&inbox.id)))
        .filter(|(inbox, member)| access.standing.manages() || (*member && inbox.is_visible(registration)))
        .map(|(inbox, member)| InboxView::of(inbox, member));
    reply::json(200, &Page { items: items.collect(), next_cursor: None })
}

/// Read an inbox
///
/// Its settings, for its members and for those who manage its team. Name and color are shown to members alone.
#[utoipa::path(get, path = "/v1/inboxes/{inboxId}", tag = "inboxes", params(("inboxId" = String, Path)),
    responses((status = 200, body = InboxView), (status = 404, body = ProblemView)))]
pub(crate) async fn read(app: &App, request: &Request) -> Outcome {
    let access = access::inbox(request, &app.claims, &app.members, &app.inboxes).await?;
    reply::json(200, &InboxView::of(&access.inbox, access.member))
}

/// Edit an inbox
///
/// By those who manage its team.
#[utoipa::path(patch, path = "/v1/inboxes/{inboxId}", tag = "inboxes", params(("inboxId" = String, Path)),
    request_body = InboxChange,
    responses((status = 200, body = InboxView), (status = 400, body = ProblemView), (status = 403, body = ProblemView),
        (status = 404, body = ProblemView), (status = 409, description = "`api_code_taken`, `inbox_retired`", body = ProblemView),
        (status = 422, body = ProblemView)))]
pub(crate) async fn change(app: &App, now: Timestamp, entropy: u64, request: &Request) -> Outcome {
    let InboxAccess { inbox, member, standing } =
        access::inbox(request, &app.claims, &app.members, &app.inboxes).await?.manager()?;
    let wanted: InboxChange = input::body(request)?;
    if inbox.stage == Stage::Retired {
        return Err(Problem::new(409, "inbox_retired", "This inbox is retired and stays as it is."));
    }
    let after = changed_by(app, &inbox, &wanted).await?;
    let deed = AuditEvent {
        actor: &standing.user.id,
        action: "inbox.edit",
        target: inbox.id.as_str(),
        at: now,
        entropy,
    };
    match app.inboxes.edit(&inbox, &after, &deed).await? {
        Edited::Done => reply::json(200, &InboxView::of(&after, member)),
        Edited::ApiCodeTaken => Err(api_code_taken()),
        Edited::Changed => Err(changed()),
    }
}

async fn changed_by(app: &App, inbox: &Inbox, wanted: &InboxChange) -> Result<Inbox, Problem> {
    let mut after = inbox.clone();
    let mut errors = FieldErrors::default();
    let mut set = |field: &mut String, value: Option<Result<String, FieldError>>| {
        if let Some(value) = value.and_then(|value| errors.check(value)) {
            *field = value;
        }
    };
    set(&mut after.name, wanted.name.as_deref().map(|text| settings::name("/name", text)));
    set(&mut after.color, wanted.color.as_deref().map(|text| settings::color("/color", text)));
    set(&mut after.api_code, wanted.api_code.as_deref().map(|text| settings::api_code("/apiCode", text)));
    match &wanted.voice_forwarding_number {
        Some(Some(text)) => {
            let number = errors.check(forwarding(app, text, Some(&inbox.number)).await?);
            after.voice_forwarding = number.or(after.voice_forwarding);
        }
        Some(None) => after.voice_forwarding = None,
        None => {}
    }
    errors.finish()?;
    Ok(after)
}

/// Retire an inbox
///
/// By those who manage its team: nothing is sent from it any more, its history stays readable. The number is kept, and
/// texts to it are still stored, unless `releaseNumber=true` gives it back to the carrier. Idempotent: asking again, also
/// for the number alone, does what is left to do.
#[utoipa::path(delete, path = "/v1/inboxes/{inboxId}", tag = "inboxes",
    params(("inboxId" = String, Path), ("releaseNumber" = Option<bool>, Query)),
    responses((status = 204), (status = 403, body = ProblemView), (status = 404, body = ProblemView),
        (status = 409, description = "A personal inbox", body = ProblemView),
        (status = 503, description = "Retired, and the carrier does not answer about the number: ask again", body = ProblemView)))]
pub(crate) async fn retire(app: &App, now: Timestamp, entropy: u64, request: &Request) -> Outcome {
    let access = access::inbox(request, &app.claims, &app.members, &app.inboxes).await?.manager()?;
    let (inbox, actor) = (&access.inbox, &access.standing.user.id);
    if inbox.kind == InboxKind::Personal {
        return Err(Problem::new(409, "personal_inbox", "A personal inbox stays with its user."));
    }
    let target = inbox.id.as_str();
    app.inboxes
        .retire(inbox, &AuditEvent { actor, action: "inbox.retire", target, at: now, entropy })
        .await?;
    if input::query(request, "releaseNumber") == Some("true")
        && let Some(sid) = &inbox.number_sid
    {
        app.carrier.release_number(sid).await.map_err(|error| carrier_problem(&error))?;
        let entropy = entropy.rotate_left(16);
        let deed = AuditEvent { actor, action: "number.release", target, at: now, entropy };
        app.inboxes.number_released(inbox, &deed).await?;
    }
    reply::no_content()
}
