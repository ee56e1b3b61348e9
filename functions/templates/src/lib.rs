//! Templates of a team: read and rendered by its members, written by its admins.
//!
//! Creating is idempotent by `Idempotency-Key`; editing sets the fields of the request.

use axum::{
    Router,
    extract::{FromRef, FromRequestParts, State},
    http::StatusCode,
    response::NoContent,
};
use lambda_http::http::request::Parts;
use shared_aws::{
    clients::{Aws, Secrets, SigningSecret},
    contact::Contacts,
    table::{Table, UsedKeys, Versioned},
    team::Members,
    template::{TemplateWrite, Templates},
};
use shared_domain::{
    field::FieldError,
    ids::{self, ContactId, Id, TemplateId},
    keys::TeamKey,
    segment::Segments,
    template::{MergeValues, Template, TemplateText},
};
use shared_http::{
    access::{TeamAccess, TeamAdmin},
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
        template::{NewTemplate, Render, Rendered, TemplateChange, TemplateView},
    },
};
use shared_lambda::config::Environment;

/// The function's clients and settings.
#[derive(Debug, Clone, FromRef)]
pub struct App {
    claims: Claims,
    cursors: Cursors,
    members: Members,
    templates: Templates,
    contacts: Contacts,
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
            templates: Templates::new(table.clone()),
            contacts: Contacts::new(table.clone()),
            keys: UsedKeys::new(table.clone()),
        }
    }
}

shared_http::routes! {
    App:
    list, create,
    read, update, remove,
    render,
}

/// The function's router.
pub fn router(app: App) -> Router {
    serve::router(routes(), app)
}

/// List templates
///
/// For the team's members, oldest first.
#[utoipa::path(get, path = "/v1/teams/{teamId}/templates", tag = "templates", operation_id = "listTemplates",
    params(("teamId" = String, Path), ("limit" = Option<u16>, Query, description = "1 to 100, default 25"),
        ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Page<TemplateView>)))]
async fn list(
    State(app): State<App>,
    access: TeamAccess,
    page: PageRequest,
) -> Result<Json<Page<TemplateView>>, Problem> {
    let page = page.of(&access.principal, format!("templates {}", access.team())).await?;
    let found = app.templates.page(access.team_key(), page.limit, page.after()).await?;
    let items = found.items.iter().map(|entry| TemplateView::of(&entry.value));
    Ok(Json(page.response(items, found.next.as_deref())))
}

/// Create a template
///
/// For team admins and the organization's owner.
#[utoipa::path(post, path = "/v1/teams/{teamId}/templates",
    tag = "templates", operation_id = "createTemplate",
    params(("teamId" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = NewTemplate,
    responses((status = 201, body = TemplateView)),
    extensions(("x-errors" = json!(["admin_required", "template_name_taken", "invalid_fields"]))))]
async fn create(
    State(app): State<App>,
    TeamAdmin(access): TeamAdmin,
    Now(now): Now,
    Entropy(entropy): Entropy,
    KeyedJson { body, key }: KeyedJson<NewTemplate>,
) -> Result<(StatusCode, Json<TemplateView>), Problem> {
    let attempt = Attempt {
        organization: &access.organization,
        principal: access.principal.clone(),
        route: format!("templates {}", access.team()),
        key,
    };
    if let Some(id) = attempt.recalled(&app.keys, now).await? {
        return created_before(&app, &access, &id).await;
    }
    let response = parse(Id::new(now, entropy), &body.name, &body.text)?;
    let key = attempt.idempotency().map(|key| (key, now));
    match app.templates.write(access.team_key(), None, &response, key).await? {
        TemplateWrite::Done => Ok((StatusCode::CREATED, Json(TemplateView::of(&response)))),
        TemplateWrite::NameTaken => Err(name_taken()),
        TemplateWrite::Changed => Err(changed()),
        TemplateWrite::KeyTaken => {
            let id = attempt.recalled(&app.keys, now).await?.ok_or_else(changed)?;
            created_before(&app, &access, &id).await
        }
    }
}

async fn created_before(
    app: &App,
    access: &TeamAccess,
    id: &str,
) -> Result<(StatusCode, Json<TemplateView>), Problem> {
    let id = TemplateId::parse(id).map_err(|_| Problem::not_found())?;
    let entry = app.templates.get(access.team_key(), &id).await?;
    let entry = entry.ok_or_else(Problem::not_found)?;
    Ok((StatusCode::CREATED, Json(TemplateView::of(&entry.value))))
}

/// Read a template
///
/// For the team's members.
#[utoipa::path(get, path = "/v1/teams/{teamId}/templates/{templateId}",
    tag = "templates", operation_id = "getTemplate",
    params(("teamId" = String, Path), ("templateId" = String, Path)),
    responses((status = 200, body = TemplateView)))]
async fn read(TemplateInPath(entry): TemplateInPath) -> Json<TemplateView> {
    Json(TemplateView::of(&entry.value))
}

/// The template in the path, for a caller with access to its team. `404` if the team has no such template.
struct TemplateInPath(Versioned<Template>);

impl FromRequestParts<App> for TemplateInPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let access = TeamAccess::from_request_parts(parts, app).await?;
        let PathId(template) = PathId::<ids::kind::Template>::from_request_parts(parts, app).await?;
        find(app, &access, &template).await.map(Self)
    }
}

async fn find(app: &App, access: &TeamAccess, template: &TemplateId) -> Result<Versioned<Template>, Problem> {
    let entry = app.templates.get(access.team_key(), template).await?;
    entry.ok_or_else(Problem::not_found)
}

/// Edit a template
///
/// For team admins and the organization's owner. Absent fields keep their values. With `If-Match`, the change
/// is refused with `412` if the template is not the one that you read.
#[utoipa::path(patch, path = "/v1/teams/{teamId}/templates/{templateId}",
    tag = "templates", operation_id = "updateTemplate",
    params(("teamId" = String, Path), ("templateId" = String, Path),
        ("If-Match" = Option<String>, Header, description = "`ETag` of `getTemplate`")),
    request_body = TemplateChange,
    responses((status = 200, body = TemplateView)),
    extensions(("x-errors" = json!(["admin_required", "template_name_taken", "invalid_fields"]))))]
async fn update(
    State(app): State<App>,
    TeamAdmin(access): TeamAdmin,
    TemplateInPath(mut before): TemplateInPath,
    if_match: IfMatch,
    Json(change): Json<TemplateChange>,
) -> Result<Json<TemplateView>, Problem> {
    let (organization, team) = (&access.organization, access.team());
    for _ in 0..3 {
        if_match.check(&TemplateView::of(&before.value))?;
        let old = &before.value;
        let (name, text) =
            (change.name.as_ref().unwrap_or(&old.name), change.text.as_ref().unwrap_or(&old.text));
        let response = parse(old.id.clone(), name, text)?;
        match app.templates.write(TeamKey { organization, team }, Some(&before), &response, None).await? {
            TemplateWrite::Done => return Ok(Json(TemplateView::of(&response))),
            TemplateWrite::NameTaken => return Err(name_taken()),
            TemplateWrite::Changed | TemplateWrite::KeyTaken => {}
        }
        before = find(&app, &access, &response.id).await?;
    }
    Err(changed())
}

/// Remove a template
///
/// For team admins and the organization's owner. Messages that were sent with it do not change.
#[utoipa::path(delete, path = "/v1/teams/{teamId}/templates/{templateId}",
    tag = "templates", operation_id = "deleteTemplate",
    params(("teamId" = String, Path), ("templateId" = String, Path)),
    responses((status = 204)),
    extensions(("x-errors" = json!(["admin_required"]))))]
async fn remove(
    State(app): State<App>,
    TeamAdmin(access): TeamAdmin,
    TemplateInPath(mut entry): TemplateInPath,
    _: KnownParameters,
) -> Result<NoContent, Problem> {
    for _ in 0..3 {
        if app.templates.remove(access.team_key(), &entry).await? {
            return Ok(NoContent);
        }
        entry = find(&app, &access, &entry.value.id).await?;
    }
    Err(changed())
}

/// Render a template
///
/// Returns the text that a reply or a composed message with this template would have, for a contact of the
/// team and with you as the sender.
#[utoipa::path(post, path = "/v1/teams/{teamId}/templates/{templateId}/render",
    tag = "templates", operation_id = "renderTemplate",
    params(("teamId" = String, Path), ("templateId" = String, Path)),
    request_body = Render,
    responses((status = 200, body = Rendered)),
    extensions(("x-errors" = json!(["invalid_fields"]))))]
async fn render(
    State(app): State<App>,
    access: TeamAccess,
    TemplateInPath(entry): TemplateInPath,
    Json(body): Json<Render>,
) -> Result<Json<Rendered>, Problem> {
    let contact = ContactId::parse(&body.contact_id).map_err(|_| Problem::not_found())?;
    let contact = app.contacts.get_entry(access.team_key(), &contact).await?;
    let contact = contact.ok_or_else(Problem::not_found)?;
    let template = TemplateText::parse(&entry.value.text).map_err(|faults| invalid("/text", &faults))?;
    let sender = access.caller.person();
    let values = MergeValues::of(&contact.contact, &contact.custom, Some(&sender));
    Ok(Json(match template.render(&values) {
        Ok(text) => {
            Rendered { segments: Some(Segments::of(&text).count), text: Some(text), missing: Vec::new() }
        }
        Err(missing) => Rendered {
            text: None,
            segments: None,
            missing: missing.iter().map(ToString::to_string).collect(),
        },
    }))
}

fn parse(id: TemplateId, name: &str, text: &str) -> Result<Template, Problem> {
    Ok(Template::parse(id, name, text)?)
}

fn invalid(pointer: &str, errors: &[impl ToString]) -> Problem {
    errors.iter().map(|error| FieldError::new(pointer, error.to_string())).collect::<Vec<_>>().into()
}

fn name_taken() -> Problem {
    Problem::new(409, "template_name_taken", "Another template of the team already has this name.")
        .with_error("/name", "already in use")
}

fn changed() -> Problem {
    Problem::changed("The template was changed by another request at the same time. Try again.")
}
