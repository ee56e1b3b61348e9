//! Segments of a team: groups of contacts for broadcasts, read and written by its members.
//!
//! Creating is idempotent by `Idempotency-Key`; editing sets the fields of the request; putting contacts in
//! and taking them out can be repeated.

mod members;

use std::collections::BTreeSet;

use axum::{
    Router,
    extract::{FromRef, FromRequestParts, State},
    http::StatusCode,
    response::NoContent,
};
use lambda_http::http::request::Parts;
use shared_app::audience::{AudienceWorkflow, Preview};
use shared_aws::{
    broadcast::Broadcasts,
    clients::{Aws, Secrets, SigningSecret},
    contact::Contacts,
    segment::{SegmentWrite, Segments},
    table::{Table, UsedKeys, Versioned},
    team::Members,
};
use shared_domain::{
    audience::{AudienceSegment, Filter, SegmentKind},
    field::{FieldError, FieldErrors},
    ids::{self, Id, SegmentId},
    time::Timestamp,
};
use shared_http::{
    access::TeamAccess,
    caller::Claims,
    cursor::Cursors,
    etag::IfMatch,
    idempotency::Attempt,
    json::{Json, KeyedJson},
    page::PageRequest,
    problem::Problem,
    request::{Entropy, KnownParameters, Now, PathId},
    serve,
    wire::{
        Page,
        contact::ContactView,
        segment::{
            ExcludedView, FilterToPreview, KindOfSegment, NewSegment, PreviewView, SegmentChange, SegmentView,
        },
    },
};
use shared_lambda::config::Environment;

/// The function's clients and settings.
#[derive(Debug, Clone, FromRef)]
pub struct App {
    claims: Claims,
    cursors: Cursors,
    members: Members,
    segments: Segments,
    contacts: Contacts,
    broadcasts: Broadcasts,
    audience: AudienceWorkflow,
    keys: UsedKeys,
}

impl App {
    /// Reads the settings and creates the clients. Errors with every invalid setting.
    pub fn from_environment() -> Result<Self, lambda_http::Error> {
        let mut env = Environment::default();
        let (name, signing) = (env.required("TABLE_NAME"), env.required("SIGNING_SECRET"));
        let claims = Claims::from_environment(&mut env);
        env.finish()?;
        let aws = Aws::from_environment()?;
        let cursors = Cursors::new(SigningSecret::named(&Secrets::of(&aws), signing));
        Ok(Self::new(&Table::of(&aws, name), claims, cursors))
    }

    /// Uses this table.
    pub fn new(table: &Table, claims: Claims, cursors: Cursors) -> Self {
        Self {
            claims,
            cursors,
            members: Members::new(table.clone()),
            segments: Segments::new(table.clone()),
            contacts: Contacts::new(table.clone()),
            broadcasts: Broadcasts::new(table.clone()),
            audience: AudienceWorkflow::new(table),
            keys: UsedKeys::new(table.clone()),
        }
    }
}

shared_http::routes! {
    App:
    list, create,
    preview,
    read, update, remove,
    members::add, members::take_out,
}

/// The function's router.
pub fn router(app: App) -> Router {
    serve::router(routes(), app)
}

/// List segments
///
/// For the team's members, oldest first.
#[utoipa::path(get, path = "/v1/teams/{teamId}/segments", tag = "segments", operation_id = "listSegments",
    params(("teamId" = String, Path), ("limit" = Option<u16>, Query, description = "1 to 100, default 25"),
        ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Page<SegmentView>)))]
async fn list(
    State(app): State<App>,
    access: TeamAccess,
    page: PageRequest,
) -> Result<Json<Page<SegmentView>>, Problem> {
    let page = page.of(&access.principal, format!("segments {}", access.team())).await?;
    let found = app.segments.page(access.team_key(), page.limit, page.after()).await?;
    let items = found.items.iter().map(|segment| SegmentView::of(&segment.value));
    Ok(Json(page.response(items, found.next.as_deref())))
}

/// Create a segment
///
/// For the team's members. A static segment has the contacts that users put in. A segment with a filter has
/// the contacts that match it whenever it is used.
#[utoipa::path(post, path = "/v1/teams/{teamId}/segments", tag = "segments", operation_id = "createSegment",
    params(("teamId" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = NewSegment,
    responses((status = 201, body = SegmentView)),
    extensions(("x-errors" = json!(["invalid_fields"]))))]
async fn create(
    State(app): State<App>,
    access: TeamAccess,
    Now(now): Now,
    Entropy(entropy): Entropy,
    KeyedJson { body, key }: KeyedJson<NewSegment>,
) -> Result<(StatusCode, Json<SegmentView>), Problem> {
    let attempt = Attempt {
        organization: &access.organization,
        principal: access.principal.clone(),
        route: format!("segments {}", access.team()),
        key,
    };
    if let Some(id) = attempt.recalled(&app.keys, now).await? {
        return created_before(&app, &access, &id).await;
    }
    let mut segment = parse(Id::new(now, entropy), &body, now)?;
    (segment.count, segment.complete) = count(&app, &access, &segment.kind, now).await?;
    let key = attempt.idempotency().map(|key| (key, now));
    match app.segments.write(access.team_key(), None, &segment, key).await? {
        SegmentWrite::Done => Ok((StatusCode::CREATED, Json(SegmentView::of(&segment)))),
        SegmentWrite::Changed => Err(changed()),
        SegmentWrite::KeyTaken => {
            let id = attempt.recalled(&app.keys, now).await?.ok_or_else(changed)?;
            created_before(&app, &access, &id).await
        }
    }
}

fn parse(id: SegmentId, body: &NewSegment, now: Timestamp) -> Result<AudienceSegment, Problem> {
    let mut errors = FieldErrors::default();
    let name = errors.check(AudienceSegment::parse_name(&body.name));
    let kind = match (body.kind, &body.filter) {
        (KindOfSegment::Static, None) => Some(SegmentKind::Static),
        (KindOfSegment::Filter, Some(filter)) => match Filter::parse("/filter", filter) {
            Ok(filter) => Some(SegmentKind::Filter(filter)),
            Err(all) => {
                for FieldError { pointer, expected } in all {
                    errors.add(pointer, expected);
                }
                None
            }
        },
        (KindOfSegment::Filter, None) => return Err(Problem::bad_field("/filter", "a filter")),
        (KindOfSegment::Static, Some(_)) => {
            errors.add("/filter", "no filter, because the segment is static");
            None
        }
    };
    let parts = name.zip(kind);
    let (name, kind) = errors.finish_with(parts)?;
    Ok(AudienceSegment { id, name, kind, count: 0, complete: true, counted_at: now })
}

/// Counts the contacts of a new or changed segment. `false` if it may have more.
async fn count(
    app: &App,
    access: &TeamAccess,
    kind: &SegmentKind,
    now: Timestamp,
) -> Result<(u64, bool), Problem> {
    match kind {
        SegmentKind::Static => Ok((0, true)),
        SegmentKind::Filter(filter) => {
            let Preview { count, complete, .. } = evaluated(app, access, filter, now).await?;
            Ok((count, complete))
        }
    }
}

/// Evaluates a filter that a user wrote. Errors if it asks for a broadcast that the team does not have: a
/// condition that is negated would match everybody. 1 read unit for each broadcast.
async fn evaluated(
    app: &App,
    access: &TeamAccess,
    filter: &Filter,
    now: Timestamp,
) -> Result<Preview, Problem> {
    let (mut unknown, mut errors) = (BTreeSet::new(), FieldErrors::default());
    for id in filter.broadcasts() {
        if app.broadcasts.get(access.team_key(), id).await?.is_none() {
            unknown.insert(id);
        }
    }
    for (pointer, id) in filter.broadcasts_at("/filter") {
        if unknown.contains(id) {
            errors.add(pointer, "a broadcast of the team");
        }
    }
    errors.finish()?;
    Ok(app.audience.preview(access.team_key(), filter, now).await?)
}

async fn created_before(
    app: &App,
    access: &TeamAccess,
    id: &str,
) -> Result<(StatusCode, Json<SegmentView>), Problem> {
    let id = SegmentId::parse(id).map_err(|_| Problem::not_found())?;
    let segment = find(app, access, &id).await?;
    Ok((StatusCode::CREATED, Json(SegmentView::of(&segment.value))))
}

/// Preview a filter
///
/// For the team's members. Counts the contacts that match now, without storing anything.
#[utoipa::path(post, path = "/v1/teams/{teamId}/segments/preview",
    tag = "segments", operation_id = "previewSegment",
    params(("teamId" = String, Path)),
    request_body = FilterToPreview,
    responses((status = 200, body = PreviewView)),
    extensions(("x-errors" = json!(["invalid_fields"]))))]
async fn preview(
    State(app): State<App>,
    access: TeamAccess,
    Now(now): Now,
    Json(body): Json<FilterToPreview>,
) -> Result<Json<PreviewView>, Problem> {
    let filter = Filter::parse("/filter", &body.filter)?;
    let preview = evaluated(&app, &access, &filter, now).await?;
    let excluded = preview.excluded.iter();
    Ok(Json(PreviewView {
        count: preview.count,
        sample: preview.sample.iter().map(ContactView::of).collect(),
        excluded: excluded
            .map(|(reason, count)| ExcludedView { reason: reason.as_str(), count: *count })
            .collect(),
        complete: preview.complete,
    }))
}

/// Read a segment
///
/// For the team's members.
#[utoipa::path(get, path = "/v1/teams/{teamId}/segments/{segmentId}",
    tag = "segments", operation_id = "getSegment",
    params(("teamId" = String, Path), ("segmentId" = String, Path)),
    responses((status = 200, body = SegmentView)))]
async fn read(SegmentInPath { segment, .. }: SegmentInPath) -> Json<SegmentView> {
    Json(SegmentView::of(&segment.value))
}

/// The segment in the path, for a caller with access to its team. `404` if the team has no such segment.
pub(crate) struct SegmentInPath {
    pub(crate) access: TeamAccess,
    pub(crate) segment: Versioned<AudienceSegment>,
}

impl FromRequestParts<App> for SegmentInPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let access = TeamAccess::from_request_parts(parts, app).await?;
        let PathId(id) = PathId::<ids::kind::Segment>::from_request_parts(parts, app).await?;
        let segment = find(app, &access, &id).await?;
        Ok(Self { access, segment })
    }
}

async fn find(app: &App, access: &TeamAccess, id: &SegmentId) -> Result<Versioned<AudienceSegment>, Problem> {
    app.segments.get(access.team_key(), id).await?.ok_or_else(Problem::not_found)
}

/// Edit a segment
///
/// For the team's members. Absent fields keep their values. The kind cannot change. With `If-Match`, the
/// change is refused with `412` if the segment is not the one that you read.
#[utoipa::path(patch, path = "/v1/teams/{teamId}/segments/{segmentId}",
    tag = "segments", operation_id = "updateSegment",
    params(("teamId" = String, Path), ("segmentId" = String, Path),
        ("If-Match" = Option<String>, Header, description = "`ETag` of `getSegment`")),
    request_body = SegmentChange,
    responses((status = 200, body = SegmentView)),
    extensions(("x-errors" = json!(["invalid_fields"]))))]
async fn update(
    State(app): State<App>,
    SegmentInPath { access, segment: mut before }: SegmentInPath,
    Now(now): Now,
    if_match: IfMatch,
    Json(change): Json<SegmentChange>,
) -> Result<Json<SegmentView>, Problem> {
    for _ in 0..3 {
        if_match.check(&SegmentView::of(&before.value))?;
        let mut after = changed_by(&before.value, &change)?;
        if change.filter.is_some() {
            (after.count, after.complete) = count(&app, &access, &after.kind, now).await?;
            after.counted_at = now;
        }
        match app.segments.write(access.team_key(), Some(&before), &after, None).await? {
            SegmentWrite::Done => return Ok(Json(SegmentView::of(&after))),
            SegmentWrite::Changed | SegmentWrite::KeyTaken => {}
        }
        before = find(&app, &access, &after.id).await?;
    }
    Err(changed())
}

fn changed_by(before: &AudienceSegment, change: &SegmentChange) -> Result<AudienceSegment, Problem> {
    let mut after = before.clone();
    if let Some(name) = &change.name {
        after.name = AudienceSegment::parse_name(name)?;
    }
    if let Some(filter) = &change.filter {
        if after.kind == SegmentKind::Static {
            return Err(FieldError::new("/filter", "no filter, because the segment is static").into());
        }
        after.kind = SegmentKind::Filter(Filter::parse("/filter", filter)?);
    }
    Ok(after)
}

/// Remove a segment
///
/// For the team's members. Its contacts stay. A broadcast that has started keeps its recipients. If the
/// removal of a large segment fails in between, nobody finds the segment any more, and a repeated request
/// completes it.
#[utoipa::path(delete, path = "/v1/teams/{teamId}/segments/{segmentId}",
    tag = "segments", operation_id = "deleteSegment",
    params(("teamId" = String, Path), ("segmentId" = String, Path)),
    responses((status = 204)))]
async fn remove(
    State(app): State<App>,
    access: TeamAccess,
    PathId(id): PathId<ids::kind::Segment>,
    _: KnownParameters,
) -> Result<NoContent, Problem> {
    let existed = app.segments.remove(access.team_key(), &id).await?;
    if existed { Ok(NoContent) } else { Err(Problem::not_found()) }
}

fn changed() -> Problem {
    Problem::changed("The segment was changed by another request at the same time. Try again.")
}
