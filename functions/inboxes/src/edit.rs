//! Reading, editing and retiring inboxes.

use axum::{extract::State, response::NoContent};
use shared_aws::{inbox::Edited, team::AuditEvent};
use shared_domain::{
    field::{FieldError, FieldErrors},
    ids::InboxId,
    inbox::{Inbox, InboxKind, Stage, max_segments_per_second},
    settings,
    team::Team,
};
use shared_http::{
    access::{InboxAccess, InboxAdmin, TeamAccess},
    etag::{IfMatch, edit_conflict},
    json::Json,
    problem::Problem,
    request::{Entropy, Now, Query},
    wire::{
        Page,
        inbox::{InboxChange, InboxView},
    },
};

use crate::{App, api_code_taken, changed, draft::forwarding, numbers::carrier_problem};

/// Attempts to apply a change while others edit the same inbox.
const EDIT_ATTEMPTS: usize = 5;

/// List a team's shared inboxes
///
/// Team admins and the organization's owner see all of them, even before the registration is complete. Other
/// members of the team see the inboxes they are members of.
#[utoipa::path(get, path = "/v1/teams/{teamId}/inboxes", tag = "inboxes", operation_id = "listInboxes",
    params(("teamId" = String, Path)),
    responses((status = 200, body = Page<InboxView>)))]
pub(crate) async fn list(
    State(app): State<App>,
    access: TeamAccess,
) -> Result<Json<Page<InboxView>>, Problem> {
    let inboxes = app.inboxes.of_team(access.team_key()).await?;
    let profile = app.members.profile(&access.organization, &access.caller.user.id).await?;
    let own: Vec<InboxId> = profile
        .map(|profile| profile.inboxes.into_iter().map(|of_user| of_user.inbox).collect())
        .unwrap_or_default();
    let team = &access.caller.team;
    let items = inboxes
        .iter()
        .filter(|inbox| inbox.kind == InboxKind::Shared && inbox.stage != Stage::Creating)
        .map(|inbox| (inbox, own.contains(&inbox.id)))
        .filter(|(inbox, member)| access.caller.manages() || (*member && inbox.may_send(team.registration)))
        .map(|(inbox, member)| InboxView::of(inbox, team, member));
    Ok(Json(Page::complete(items)))
}

/// Read an inbox
///
/// The settings of an inbox, for its members, the admins of its team and the organization's owner. Only
/// members see its name and color.
#[utoipa::path(get, path = "/v1/inboxes/{inboxId}", tag = "inboxes", operation_id = "getInbox",
    params(("inboxId" = String, Path)),
    responses((status = 200, body = InboxView)))]
pub(crate) async fn read(access: InboxAccess) -> Json<InboxView> {
    Json(InboxView::of(&access.inbox, &access.caller.team, access.member))
}

/// Edit an inbox
///
/// For admins of its team and the organization's owner. Absent fields keep their values. With `If-Match`, the
/// change is refused with `412` if the inbox is not the one that you read.
#[utoipa::path(patch, path = "/v1/inboxes/{inboxId}", tag = "inboxes", operation_id = "updateInbox",
    params(("inboxId" = String, Path), ("If-Match" = Option<String>, Header, description = "`ETag` of `getInbox`")),
    request_body = InboxChange,
    responses((status = 200, body = InboxView)),
    extensions(("x-errors" = json!(["admin_required", "api_code_taken", "inbox_retired", "invalid_fields"]))))]
pub(crate) async fn update(
    State(app): State<App>,
    InboxAdmin(InboxAccess { mut inbox, member, caller, .. }): InboxAdmin,
    Now(now): Now,
    Entropy(entropy): Entropy,
    if_match: IfMatch,
    Json(change): Json<InboxChange>,
) -> Result<Json<InboxView>, Problem> {
    if_match.check(&InboxView::of(&inbox, &caller.team, member))?;
    for _ in 0..EDIT_ATTEMPTS {
        if inbox.stage == Stage::Retired {
            return Err(Problem::new(409, "inbox_retired", "This inbox is retired and cannot be changed."));
        }
        let after = changed_by(&app, &inbox, &caller.team, &change).await?;
        let (actor, target) = (&caller.user.id, inbox.id.as_str());
        let event = AuditEvent { actor, action: "inbox.edit", target, at: now, entropy };
        match app.inboxes.edit(&inbox, &after, &event).await? {
            Edited::Done => return Ok(Json(InboxView::of(&after, &caller.team, member))),
            Edited::ApiCodeTaken => return Err(api_code_taken()),
            Edited::Changed if if_match.is_set() => return Err(edit_conflict()),
            // Somebody else was faster. The change is of single fields, so it applies to what the inbox is
            // now.
            Edited::Changed => {
                inbox = app.inboxes.get_current(inbox.key()).await?.ok_or_else(Problem::not_found)?;
            }
        }
    }
    Err(changed())
}

async fn changed_by(app: &App, inbox: &Inbox, team: &Team, change: &InboxChange) -> Result<Inbox, Problem> {
    let mut after = inbox.clone();
    let mut errors = FieldErrors::default();
    let mut set = |field: &mut String, value: Option<Result<String, FieldError>>| {
        if let Some(value) = value.and_then(|value| errors.check(value)) {
            *field = value;
        }
    };
    set(&mut after.name, change.name.as_deref().map(|text| settings::name("/name", text)));
    set(&mut after.color, change.color.as_deref().map(|text| settings::color("/color", text)));
    set(&mut after.api_code, change.api_code.as_deref().map(|text| settings::api_code("/apiCode", text)));
    match &change.voice_forwarding_number {
        Some(Some(text)) => {
            let number = errors.check(forwarding(app, text, Some(&inbox.number)).await?);
            after.voice_forwarding = number.or(after.voice_forwarding);
        }
        Some(None) => after.voice_forwarding = None,
        None => {}
    }
    match change.segments_per_second {
        Some(Some(rate)) => {
            let rate = errors.check(segments_per_second(inbox.kind, team, rate));
            after.segments_per_second = rate.or(after.segments_per_second);
        }
        Some(None) => after.segments_per_second = None,
        None => {}
    }
    errors.finish()?;
    Ok(after)
}

fn segments_per_second(kind: InboxKind, team: &Team, rate: i64) -> Result<u32, FieldError> {
    let max = max_segments_per_second(kind, team);
    let allowed = u32::try_from(rate).ok().filter(|rate| (1..=max).contains(rate));
    allowed.ok_or_else(|| {
        FieldError::new(
            "/segmentsPerSecond",
            format!("a whole number from 1 to {max}, which the carrier allows"),
        )
    })
}

/// Retire an inbox
///
/// For admins of its team and the organization's owner. A retired inbox sends no more messages; its history
/// stays readable. The number is kept, and messages to it are still stored, unless `releaseNumber=true`
/// returns it to the carrier. Idempotent: repeating the request completes what is left to do, including the
/// release of the number.
#[utoipa::path(delete, path = "/v1/inboxes/{inboxId}", tag = "inboxes", operation_id = "retireInbox",
    params(("inboxId" = String, Path), ("releaseNumber" = Option<bool>, Query, description = "Returns the number to the carrier")),
    responses((status = 204)),
    extensions(("x-errors" = json!(["admin_required", "personal_inbox", "carrier_unavailable",
        "carrier_refused"]))))]
pub(crate) async fn retire(
    State(app): State<App>,
    InboxAdmin(InboxAccess { inbox, caller, .. }): InboxAdmin,
    Now(now): Now,
    Entropy(entropy): Entropy,
    query: Query,
) -> Result<NoContent, Problem> {
    if inbox.kind == InboxKind::Personal {
        return Err(Problem::new(409, "personal_inbox", "A personal inbox cannot be retired."));
    }
    let (actor, target) = (&caller.user.id, inbox.id.as_str());
    let event = AuditEvent { actor, action: "inbox.retire", target, at: now, entropy };
    app.inboxes.retire(&inbox, &event).await?;
    if query.is_true("releaseNumber")
        && let Some(sid) = &inbox.number_sid
    {
        app.carrier.release_number(sid).await.map_err(|error| carrier_problem(&error))?;
        let entropy = entropy.rotate_left(16);
        let event = AuditEvent { actor, action: "number.release", target, at: now, entropy };
        app.inboxes.number_released(&inbox, &event).await?;
    }
    Ok(NoContent)
}
