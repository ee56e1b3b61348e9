//! Canned responses of a team: read and filled in by its members, written by those who manage it.
//!
//! Creating is idempotent by `Idempotency-Key`; changing sets what it names.

use lambda_http::{Body, Request, Response};
use shared_aws::{
    clients::{Aws, Secrets},
    contact::ContactBook,
    table::{Table, UsedKeys},
    team::Members,
    template::{TemplateEntry, TemplateWrite, Templates},
};
use shared_domain::{
    field::FieldError,
    ids::{ContactId, Id, TemplateId},
    segment::Segments,
    template::{CannedResponse, Template, Values},
    time::Timestamp,
};
use shared_http::{
    access::{self, TeamAccess},
    caller::Claims,
    cursor::Cursors,
    idempotency::{self, Attempt},
    input,
    problem::Problem,
    reply::{self, Outcome},
    wire::{
        Page,
        problem::ProblemView,
        template::{NewTemplate, Render, Rendered, TemplateChange, TemplateView},
    },
};
use shared_lambda::config::Environment;
use utoipa::OpenApi;

/// What the function uses.
#[derive(Debug)]
pub struct App {
    claims: Claims,
    cursors: Cursors,
    members: Members,
    templates: Templates,
    contacts: ContactBook,
    keys: UsedKeys,
}

impl App {
    /// Reads settings and the signing secret, and makes clients.
    ///
    /// # Errors
    /// Every setting that is wrong, or the secret that could not be read.
    pub async fn from_environment() -> Result<Self, lambda_http::Error> {
        let mut env = Environment::default();
        let (name, signing) = (env.required("TABLE_NAME"), env.required("SIGNING_SECRET"));
        let claims = Claims::from_environment(&mut env);
        env.finish()?;
        let aws = Aws::from_environment()?;
        let signing = Secrets::of(&aws).text(&signing).await?;
        Ok(Self::new(&Table::of(&aws, name), claims, Cursors::new(&signing)))
    }

    /// Over this table.
    pub fn new(table: &Table, claims: Claims, cursors: Cursors) -> Self {
        Self {
            claims,
            cursors,
            members: Members::new(table.clone()),
            templates: Templates::new(table.clone()),
            contacts: ContactBook::new(table.clone()),
            keys: UsedKeys::new(table.clone()),
        }
    }
}

/// Answers one request. `entropy` is random and tells templates of one instant apart.
pub async fn handle(app: &App, now: Timestamp, entropy: u64, request: Request) -> Response<Body> {
    let outcome = match input::route(&request) {
        "GET /v1/teams/{teamId}/templates" => list(app, &request).await,
        "POST /v1/teams/{teamId}/templates" => create(app, now, entropy, &request).await,
        "GET /v1/teams/{teamId}/templates/{templateId}" => read(app, &request).await,
        "PATCH /v1/teams/{teamId}/templates/{templateId}" => change(app, &request).await,
        "DELETE /v1/teams/{teamId}/templates/{templateId}" => remove(app, &request).await,
        "POST /v1/teams/{teamId}/templates/{templateId}/render" => render(app, &request).await,
        _ => Err(Problem::not_found()),
    };
    reply::finish(&reply::request_id(&request), outcome)
}

/// List canned responses
///
/// For the team's members, those made first first.
#[utoipa::path(get, path = "/v1/teams/{teamId}/templates", tag = "templates",
    params(("teamId" = String, Path), ("limit" = Option<u16>, Query, description = "1 to 100, default 25"),
        ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Page<TemplateView>), (status = 400, body = ProblemView), (status = 404, body = ProblemView)))]
async fn list(app: &App, request: &Request) -> Outcome {
    let access = access::team(request, &app.claims, &app.members).await?;
    let limit = input::limit(request)?;
    let scope = format!("templates {}", access.team());
    let cursor = input::query(request, "cursor");
    let after = cursor.map(|cursor| app.cursors.open(&access.principal, &scope, cursor)).transpose()?;
    let found = app.templates.page(&access.organization, access.team(), limit, after.as_deref()).await?;
    let items = found.entries.iter().map(|entry| TemplateView::of(&entry.response)).collect();
    let next_cursor = found.next.map(|place| app.cursors.seal(&access.principal, &scope, &place));
    reply::json(200, &Page { items, next_cursor })
}

/// Make a canned response
///
/// By those who manage the team.
#[utoipa::path(post, path = "/v1/teams/{teamId}/templates", tag = "templates",
    params(("teamId" = String, Path), ("Idempotency-Key" = Option<String>, Header)), request_body = NewTemplate,
    responses((status = 201, body = TemplateView), (status = 400, body = ProblemView), (status = 403, body = ProblemView),
        (status = 404, body = ProblemView), (status = 409, description = "`template_name_taken`", body = ProblemView),
        (status = 422, description = "An unknown merge field, or too long", body = ProblemView)))]
async fn create(app: &App, now: Timestamp, entropy: u64, request: &Request) -> Outcome {
    let access = access::team(request, &app.claims, &app.members).await?.manager()?;
    let wanted: NewTemplate = input::body(request)?;
    let attempt = Attempt {
        organization: &access.organization,
        principal: access.principal.clone(),
        route: format!("templates {}", access.team()),
        key: idempotency::key(request)?,
    };
    if let Some(made) = attempt.recalled(&app.keys, now).await? {
        return made_before(app, &access, &made).await;
    }
    let response = parse(Id::new(now, entropy), &wanted.name, &wanted.text)?;
    let key = attempt.idempotency().map(|key| (key, now));
    match app.templates.write(&access.organization, access.team(), None, &response, key).await? {
        TemplateWrite::Done => reply::json(201, &TemplateView::of(&response)),
        TemplateWrite::NameTaken => Err(name_taken()),
        TemplateWrite::Changed => Err(changed()),
        TemplateWrite::KeyTaken => {
            let made = attempt.recalled(&app.keys, now).await?.ok_or_else(changed)?;
            made_before(app, &access, &made).await
        }
    }
}

async fn made_before(app: &App, access: &TeamAccess, made: &str) -> Outcome {
    let id = TemplateId::parse(made).map_err(|_| Problem::not_found())?;
    let entry = app.templates.get(&access.organization, access.team(), &id).await?;
    reply::json(201, &TemplateView::of(&entry.ok_or_else(Problem::not_found)?.response))
}

/// Read a canned response
///
/// For the team's members.
#[utoipa::path(get, path = "/v1/teams/{teamId}/templates/{templateId}", tag = "templates",
    params(("teamId" = String, Path), ("templateId" = String, Path)),
    responses((status = 200, body = TemplateView), (status = 404, body = ProblemView)))]
async fn read(app: &App, request: &Request) -> Outcome {
    let access = access::team(request, &app.claims, &app.members).await?;
    reply::json(200, &TemplateView::of(&in_path(app, &access, request).await?.response))
}

/// Change a canned response
///
/// By those who manage the team. What is absent stays.
#[utoipa::path(patch, path = "/v1/teams/{teamId}/templates/{templateId}", tag = "templates",
    params(("teamId" = String, Path), ("templateId" = String, Path)), request_body = TemplateChange,
    responses((status = 200, body = TemplateView), (status = 400, body = ProblemView), (status = 403, body = ProblemView),
        (status = 404, body = ProblemView), (status = 409, description = "`template_name_taken`", body = ProblemView),
        (status = 422, description = "An unknown merge field, or too long", body = ProblemView)))]
async fn change(app: &App, request: &Request) -> Outcome {
    let access = access::team(request, &app.claims, &app.members).await?.manager()?;
    in_path(app, &access, request).await?; // decided before the shape of the body
    let wanted: TemplateChange = input::body(request)?;
    for _ in 0..3 {
        let before = in_path(app, &access, request).await?;
        let old = &before.response;
        let name = wanted.name.as_deref().unwrap_or(&old.name);
        let response = parse(old.id.clone(), name, wanted.text.as_deref().unwrap_or(&old.text))?;
        let written =
            app.templates.write(&access.organization, access.team(), Some(&before), &response, None).await?;
        match written {
            TemplateWrite::Done => return reply::json(200, &TemplateView::of(&response)),
            TemplateWrite::NameTaken => return Err(name_taken()),
            TemplateWrite::Changed | TemplateWrite::KeyTaken => {}
        }
    }
    Err(changed())
}

/// Remove a canned response
///
/// By those who manage the team. Texts that were sent with it stay as they are.
#[utoipa::path(delete, path = "/v1/teams/{teamId}/templates/{templateId}", tag = "templates",
    params(("teamId" = String, Path), ("templateId" = String, Path)),
    responses((status = 204), (status = 403, body = ProblemView), (status = 404, body = ProblemView)))]
async fn remove(app: &App, request: &Request) -> Outcome {
    let access = access::team(request, &app.claims, &app.members).await?.manager()?;
    for _ in 0..3 {
        let entry = in_path(app, &access, request).await?;
        if app.templates.remove(&access.organization, access.team(), &entry).await? {
            return reply::no_content();
        }
    }
    Err(changed())
}

/// Fill in a canned response
///
/// For a contact of the team, with the caller as the sender: what reply and compose would send.
#[utoipa::path(post, path = "/v1/teams/{teamId}/templates/{templateId}/render", tag = "templates",
    params(("teamId" = String, Path), ("templateId" = String, Path)), request_body = Render,
    responses((status = 200, body = Rendered), (status = 400, body = ProblemView), (status = 404, body = ProblemView)))]
async fn render(app: &App, request: &Request) -> Outcome {
    let access = access::team(request, &app.claims, &app.members).await?;
    let entry = in_path(app, &access, request).await?;
    let wanted: Render = input::body(request)?;
    let contact = ContactId::parse(&wanted.contact_id).map_err(|_| Problem::not_found())?;
    let contact = app.contacts.get(&access.organization, access.team(), &contact).await?;
    let contact = contact.ok_or_else(Problem::not_found)?;
    let template = Template::parse(&entry.response.text).map_err(|faults| invalid("/text", &faults))?;
    let sender = access.standing.person();
    let values = Values::of(&contact.contact, &contact.custom, Some(&sender));
    reply::json(
        200,
        &match template.render(&values) {
            Ok(text) => {
                Rendered { segments: Some(Segments::of(&text).count), text: Some(text), missing: Vec::new() }
            }
            Err(missing) => Rendered {
                text: None,
                segments: None,
                missing: missing.iter().map(ToString::to_string).collect(),
            },
        },
    )
}

/// The canned response in the path.
async fn in_path(app: &App, access: &TeamAccess, request: &Request) -> Result<TemplateEntry, Problem> {
    let template: TemplateId = input::path_id(request, "templateId")?;
    let entry = app.templates.get(&access.organization, access.team(), &template).await?;
    entry.ok_or_else(Problem::not_found)
}

fn parse(id: TemplateId, name: &str, text: &str) -> Result<CannedResponse, Problem> {
    Ok(CannedResponse::parse(id, name, text)?)
}

fn invalid(pointer: &str, faults: &[impl ToString]) -> Problem {
    faults.iter().map(|fault| FieldError::new(pointer, fault.to_string())).collect::<Vec<_>>().into()
}

fn name_taken() -> Problem {
    Problem::new(409, "template_name_taken", "Another canned response of the team has this name.")
        .with_error("/name", "taken")
}

/// Somebody else changed the same at this instant: the caller may ask again.
fn changed() -> Problem {
    Problem::changed("The canned response was changed at this instant by somebody else; try again.")
}

/// This function's part of the OpenAPI document.
#[derive(Debug, OpenApi)]
#[openapi(paths(list, create, read, change, remove, render))]
pub struct Api;
