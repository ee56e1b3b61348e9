//! Broadcasts: drafts, estimates, confirmation, the steps that users take, and results. `broadcast-worker`
//! sends the texts. See [`shared_app::broadcast`].
//!
//! Members of a team see its broadcasts. A member of the inbox creates one; those who may broadcast confirm,
//! pause, resume and cancel it. Creating is idempotent by `Idempotency-Key`, confirming by the ID of the
//! estimate, and the other steps by the status.

mod confirm;
mod define;
mod results;

use axum::{
    Router,
    extract::{FromRef, FromRequestParts, State},
    http::StatusCode,
    response::NoContent,
};
use futures_util::future::try_join_all;
use lambda_http::http::request::Parts;
use shared_app::broadcast::BroadcastWorkflow;
use shared_aws::{
    broadcast::{BroadcastReplies, BroadcastWrite, Broadcasts, Counts, Recipients, reference},
    clients::{Aws, BroadcastQueue, Secrets, SigningSecret},
    contact::Contacts,
    inbox::Inboxes,
    segment::Segments,
    table::{Table, UsedKeys, Versioned},
    team::{AuditEvent, Members, UserInTeam},
    template::Templates,
};
use shared_domain::{
    broadcast::{Broadcast, BroadcastStatus, BroadcastStep, SegmentPrice, StepNotAllowed},
    ids::{self, BroadcastId, Id, OrganizationId},
    keys::{InboxKey, TeamKey},
    time::Timestamp,
    user::UserRef,
};
use shared_http::{
    access::named_inbox,
    caller::{Claims, UserCaller},
    cursor::Cursors,
    idempotency::Attempt,
    json::{Json, KeyedJson},
    page::PageRequest,
    problem::Problem,
    request::{Entropy, KnownParameters, Now, PathId},
    serve,
    wire::{
        Page,
        broadcast::{BroadcastChange, BroadcastView, NewBroadcast},
        problem::BroadcastNotAllowed,
    },
};
use shared_lambda::config::Environment;

/// The maximum number of characters in the text of a broadcast, before its merge fields are filled in.
#[derive(Debug, Clone, Copy)]
pub struct TextLimit(pub usize);

/// The function's clients and settings.
#[derive(Debug, Clone, FromRef)]
pub struct App {
    claims: Claims,
    cursors: Cursors,
    limit: TextLimit,
    members: Members,
    inboxes: Inboxes,
    contacts: Contacts,
    segments: Segments,
    templates: Templates,
    broadcasts: Broadcasts,
    recipients: Recipients,
    replies: BroadcastReplies,
    workflow: BroadcastWorkflow,
    queue: BroadcastQueue,
    keys: UsedKeys,
}

impl App {
    /// Reads the settings and creates the clients. Errors with every invalid setting.
    pub fn from_environment() -> Result<Self, lambda_http::Error> {
        let mut env = Environment::default();
        let (name, signing) = (env.required("TABLE_NAME"), env.required("SIGNING_SECRET"));
        let (queue, limit) = (env.required("BROADCAST_QUEUE_URL"), env.number("BROADCAST_LIMIT", 1));
        let price = env.optional("SEGMENT_PRICE").map(|text| SegmentPrice::parse(&text).ok_or(text));
        let claims = Claims::from_environment(&mut env);
        env.finish()?;
        let price = price.transpose().map_err(|text| {
            format!("SEGMENT_PRICE must be an amount and a currency, such as 0.0083 USD, not {text}")
        })?;
        let aws = Aws::from_environment()?;
        let cursors = Cursors::new(SigningSecret::named(&Secrets::of(&aws), signing));
        let queue = BroadcastQueue::new(&aws, queue);
        Ok(Self::new(&Table::of(&aws, name), queue, claims, cursors, TextLimit(limit), price))
    }

    /// Uses this table and queue. `price` is what a segment costs, if it is known.
    pub fn new(
        table: &Table,
        queue: BroadcastQueue,
        claims: Claims,
        cursors: Cursors,
        limit: TextLimit,
        price: Option<SegmentPrice>,
    ) -> Self {
        Self {
            claims,
            cursors,
            limit,
            members: Members::new(table.clone()),
            inboxes: Inboxes::new(table.clone()),
            contacts: Contacts::new(table.clone()),
            segments: Segments::new(table.clone()),
            templates: Templates::new(table.clone()),
            broadcasts: Broadcasts::new(table.clone()),
            recipients: Recipients::new(table.clone()),
            replies: BroadcastReplies::new(table.clone()),
            workflow: BroadcastWorkflow::new(table, price),
            queue,
            keys: UsedKeys::new(table.clone()),
        }
    }

    /// Returns the broadcast as members of its team see it: 8 read units once it was prepared.
    async fn view(&self, broadcast: &Broadcast) -> Result<BroadcastView, Problem> {
        let counts = match broadcast.preparation {
            0 => Counts::default(),
            _ => self.recipients.counts(&broadcast.organization, &reference(broadcast)).await?,
        };
        Ok(BroadcastView::of(broadcast, &counts))
    }
}

shared_http::routes! {
    App:
    list, create, read, update, remove,
    confirm::estimate, confirm::confirm,
    confirm::pause, confirm::resume, confirm::cancel,
    results::recipients, results::correct,
}

/// The function's router.
pub fn router(app: App) -> Router {
    serve::router(routes(), app)
}

/// List broadcasts
///
/// Those of the caller's teams, newest first.
#[utoipa::path(get, path = "/v1/broadcasts", tag = "broadcasts", operation_id = "listBroadcasts",
    params(("limit" = Option<u16>, Query, description = "1 to 100, default 25"),
        ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Page<BroadcastView>)))]
async fn list(
    State(app): State<App>,
    caller: UserCaller,
    page: PageRequest,
) -> Result<Json<Page<BroadcastView>>, Problem> {
    let page = page.of(&caller.principal(), "broadcasts").await?;
    let UserCaller { organization, user } = &caller;
    let profile = app.members.profile(organization, user).await?;
    let teams = profile.map(|profile| profile.teams).unwrap_or_default();
    // IDs begin with the time, so those of all teams can be merged.
    let of_teams = teams.iter().map(|role| {
        let team = TeamKey { organization, team: &role.team };
        app.broadcasts.older_than(team, page.after(), page.limit + 1)
    });
    let mut found: Vec<Broadcast> = try_join_all(of_teams).await?.into_iter().flatten().collect();
    found.sort_by(|one, other| other.id.cmp(&one.id));
    let is_last = found.len() <= usize::from(page.limit);
    found.truncate(usize::from(page.limit));
    let views = try_join_all(found.iter().map(|broadcast| app.view(broadcast))).await?;
    let end = found.last().filter(|_| !is_last).map(|last| last.id.as_str());
    Ok(Json(page.response(views, end)))
}

/// Create a broadcast
///
/// A draft, for members of the inbox that it is sent from. Nothing is sent before it is confirmed.
#[utoipa::path(post, path = "/v1/broadcasts", tag = "broadcasts", operation_id = "createBroadcast",
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = NewBroadcast,
    responses((status = 201, body = BroadcastView)),
    extensions(("x-errors" = json!(["not_found", "invalid_fields", "unknown_template"]))))]
async fn create(
    State(app): State<App>,
    caller: UserCaller,
    Now(now): Now,
    Entropy(entropy): Entropy,
    KeyedJson { body, key }: KeyedJson<NewBroadcast>,
) -> Result<(StatusCode, Json<BroadcastView>), Problem> {
    let UserCaller { organization, user } = &caller;
    let attempt = Attempt { organization, principal: caller.principal(), route: "broadcasts".into(), key };
    if let Some(id) = attempt.recalled(&app.keys, now).await? {
        return created_before(&app, organization, &id).await;
    }
    let inbox = named_inbox(&app.inboxes, organization, &body.from).await?;
    let key = InboxKey { organization, inbox: &inbox };
    let member = app.members.membership(key, user).await?.ok_or_else(Problem::not_found)?;
    let id = Id::new(now, entropy);
    let broadcast = define::draft(&app, organization, &member, body, id, now).await?;
    let event = audit(&member.user, "broadcast.create", &broadcast, now, entropy);
    match app.broadcasts.create(&broadcast, &event, attempt.idempotency()).await? {
        BroadcastWrite::Done => {
            let view = BroadcastView::of(&broadcast, &Counts::default());
            Ok((StatusCode::CREATED, Json(view)))
        }
        BroadcastWrite::Changed => Err(changed()),
        BroadcastWrite::KeyTaken => {
            let id = attempt.recalled(&app.keys, now).await?.ok_or_else(changed)?;
            created_before(&app, organization, &id).await
        }
    }
}

async fn created_before(
    app: &App,
    organization: &OrganizationId,
    id: &str,
) -> Result<(StatusCode, Json<BroadcastView>), Problem> {
    let id = BroadcastId::parse(id).map_err(|_| Problem::not_found())?;
    let found = app.broadcasts.find(organization, &id).await?.ok_or_else(Problem::not_found)?;
    Ok((StatusCode::CREATED, Json(app.view(&found.value).await?)))
}

/// Read a broadcast
///
/// For the team's members.
#[utoipa::path(get, path = "/v1/broadcasts/{broadcastId}", tag = "broadcasts", operation_id = "getBroadcast",
    params(("broadcastId" = String, Path)),
    responses((status = 200, body = BroadcastView)))]
async fn read(
    State(app): State<App>,
    BroadcastInPath { broadcast, .. }: BroadcastInPath,
) -> Result<Json<BroadcastView>, Problem> {
    Ok(Json(app.view(&broadcast.value).await?))
}

/// The broadcast in the path, and the caller as a member of its team: 4 read units. `404` for everyone else.
pub(crate) struct BroadcastInPath {
    pub(crate) principal: String,
    pub(crate) caller: UserInTeam,
    pub(crate) broadcast: Versioned<Broadcast>,
}

impl FromRequestParts<App> for BroadcastInPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let caller = UserCaller::from_request_parts(parts, app).await?;
        let PathId(id) = PathId::<ids::kind::Broadcast>::from_request_parts(parts, app).await?;
        let found = app.broadcasts.find(&caller.organization, &id).await?;
        let broadcast = found.ok_or_else(Problem::not_found)?;
        let found = app.members.user_in_team(broadcast.value.team_key(), &caller.user).await?;
        let found = found.filter(|found| found.user.owner || found.role.is_some());
        let principal = caller.principal();
        Ok(Self { principal, caller: found.ok_or_else(Problem::not_found)?, broadcast })
    }
}

/// As [`BroadcastInPath`], for members of the inbox that it is sent from: half a read unit more. `403` for
/// other members of the team.
pub(crate) struct SenderAccess {
    pub(crate) found: BroadcastInPath,
    /// The caller.
    pub(crate) by: UserRef,
}

impl FromRequestParts<App> for SenderAccess {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let found = BroadcastInPath::from_request_parts(parts, app).await?;
        let (inbox, user) = (found.broadcast.value.inbox_key(), &found.caller.user.id);
        let member = app.members.membership(inbox, user).await?;
        let detail = "Only members of the inbox that the broadcast is sent from can do this.";
        let by = member
            .map(|member| member.user)
            .ok_or_else(|| Problem::forbidden("inbox_membership_required", detail))?;
        Ok(Self { found, by })
    }
}

/// Edit a broadcast
///
/// For members of the inbox, while it is a draft, and for those of them who may broadcast, while it is
/// scheduled. It is a draft afterwards, and needs another estimate and confirmation. Absent fields keep their
/// values.
#[utoipa::path(patch, path = "/v1/broadcasts/{broadcastId}",
    tag = "broadcasts", operation_id = "updateBroadcast",
    params(("broadcastId" = String, Path)),
    request_body = BroadcastChange,
    responses((status = 200, body = BroadcastView)),
    extensions(("x-errors" = json!(["inbox_membership_required", "broadcast_permission_required",
        "broadcast_status", "invalid_fields", "unknown_template"]))))]
async fn update(
    State(app): State<App>,
    SenderAccess { found, by }: SenderAccess,
    Now(now): Now,
    Entropy(entropy): Entropy,
    Json(change): Json<BroadcastChange>,
) -> Result<Json<BroadcastView>, Problem> {
    may_change(&found)?;
    let before = found.broadcast;
    let status = before.value.status.after(BroadcastStep::Edit).map_err(not_allowed)?;
    let after = define::changed_by(&app, &before.value, change, now).await?;
    let after = Broadcast { status, estimate: None, confirmed_by: None, ..after };
    let event = audit(&by, "broadcast.update", &after, now, entropy);
    match app.broadcasts.write(&before, &after, None, Some(&event)).await? {
        BroadcastWrite::Done => Ok(Json(BroadcastView::of(&after, &Counts::default()))),
        BroadcastWrite::Changed | BroadcastWrite::KeyTaken => Err(changed()),
    }
}

/// Remove a broadcast
///
/// For members of the inbox, while it is a draft, and for those of them who may broadcast, while it is
/// scheduled.
#[utoipa::path(delete, path = "/v1/broadcasts/{broadcastId}",
    tag = "broadcasts", operation_id = "deleteBroadcast",
    params(("broadcastId" = String, Path)),
    responses((status = 204)),
    extensions(("x-errors" = json!(["inbox_membership_required", "broadcast_permission_required",
        "broadcast_status"]))))]
async fn remove(
    State(app): State<App>,
    SenderAccess { found, by }: SenderAccess,
    Now(now): Now,
    Entropy(entropy): Entropy,
    _: KnownParameters,
) -> Result<NoContent, Problem> {
    may_change(&found)?;
    let before = &found.broadcast;
    match before.value.status {
        BroadcastStatus::Draft | BroadcastStatus::Scheduled => {}
        status => return Err(not_allowed(StepNotAllowed(status))),
    }
    let event = audit(&by, "broadcast.remove", &before.value, now, entropy);
    if app.broadcasts.remove(before, &event).await? { Ok(NoContent) } else { Err(changed()) }
}

/// A change ends what was confirmed.
fn may_change(found: &BroadcastInPath) -> Result<(), Problem> {
    match found.broadcast.value.status {
        BroadcastStatus::Scheduled => confirm::may_broadcast(found),
        _ => Ok(()),
    }
}

fn audit<'a>(
    by: &'a UserRef,
    action: &'static str,
    broadcast: &'a Broadcast,
    at: Timestamp,
    entropy: u64,
) -> AuditEvent<'a> {
    AuditEvent { actor: &by.id, action, target: broadcast.id.as_str(), at, entropy }
}

pub(crate) fn not_allowed(StepNotAllowed(status): StepNotAllowed) -> Problem {
    let broadcast_status = status.as_str();
    let detail = format!("This is not possible while the broadcast is {broadcast_status}.");
    Problem::new(409, "broadcast_status", detail).with_data(BroadcastNotAllowed { broadcast_status })
}

pub(crate) fn changed() -> Problem {
    Problem::changed("The broadcast was changed by another request at the same time. Try again.")
}
