//! Endpoints: created, changed and removed by those who manage them.

use std::{collections::BTreeSet, time::Duration};

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
};
use shared_aws::{
    team::{AuditEvent, UserProfile},
    webhook::{CreateEndpointOutcome, EndpointChange},
};
use shared_domain::{
    field::{FieldError, FieldErrors},
    ids::{InboxId, OrganizationId, TeamId, WebhookEndpointId},
    webhook::{
        endpoint::{self, EndpointScope, MAX_ENDPOINTS, MAX_INBOXES, WebhookEndpoint},
        health::Health,
        signature::{EndpointSecrets, Secret},
        url::{UrlError, WebhookUrl},
    },
};
use shared_http::{
    idempotency::{self, Attempt},
    json::{Json, KeyedJson},
    page::PageRequest,
    problem::Problem,
    request::{Entropy, KnownParameters, Now},
    wire::{
        Page,
        webhook::{
            NewWebhookEndpoint, WebhookEndpointChanges, WebhookEndpointView, WebhookEndpointWithSecret,
        },
    },
};
use shared_lambda::clock;

use crate::{
    App,
    access::{ManagedEndpoint, Manager},
};

/// A name that takes longer to resolve is judged before each request only.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(2);

/// List webhook endpoints
///
/// The organization's owner sees all endpoints, and an admin of a team those of the own teams. An
/// organization has at most 50.
#[utoipa::path(get, path = "/v1/webhook-endpoints", tag = "webhooks", operation_id = "listWebhookEndpoints",
    params(("limit" = Option<u16>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Page<WebhookEndpointView>)),
    extensions(("x-errors" = json!(["admin_required"]))))]
pub(crate) async fn list(
    State(app): State<App>,
    manager: Manager,
    page: PageRequest,
) -> Result<Json<Page<WebhookEndpointView>>, Problem> {
    let page = page.of(&manager.caller.principal(), "webhook-endpoints").await?;
    let mut endpoints = app.endpoints.list(&manager.caller.organization).await?;
    endpoints.retain(|endpoint| {
        manager.manages(endpoint) && page.after().is_none_or(|after| endpoint.id.as_str() > after)
    });
    let more = endpoints.len() > usize::from(page.limit);
    endpoints.truncate(usize::from(page.limit));
    let end = endpoints.last().filter(|_| more).map(|endpoint| endpoint.id.as_str());
    Ok(Json(page.response(endpoints.iter().map(WebhookEndpointView::of), end)))
}

/// Create a webhook endpoint
///
/// Sends events to a URL. An endpoint of the organization's owner gets the events of all inboxes and teams,
/// and one of an admin those of the own teams. Requests are signed as Standard Webhooks describes, with the
/// secret in this response. Store it: it is not shown again.
#[utoipa::path(post, path = "/v1/webhook-endpoints", tag = "webhooks",
    operation_id = "createWebhookEndpoint",
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = NewWebhookEndpoint,
    responses((status = 201, body = WebhookEndpointWithSecret)),
    extensions(("x-errors" = json!(["admin_required", "invalid_fields", "url_not_allowed", "too_many_endpoints"]))))]
pub(crate) async fn create(
    State(app): State<App>,
    Manager { caller, profile, scope }: Manager,
    Now(now): Now,
    Entropy(entropy): Entropy,
    KeyedJson { body, key }: KeyedJson<NewWebhookEndpoint>,
) -> Result<(StatusCode, Json<WebhookEndpointWithSecret>), Problem> {
    let (organization, principal) = (&caller.organization, caller.principal());
    let attempt = Attempt { organization, principal, route: "webhook-endpoints".into(), key };
    if let Some(id) = attempt.recalled(&app.keys, now).await? {
        return created_before(&app, organization, &id).await;
    }
    let mut errors = FieldErrors::default();
    let types = check_all(&mut errors, endpoint::patterns("/types", &body.types));
    let description = body.description.as_deref().unwrap_or_default();
    let description = errors.check(endpoint::description("/description", description)).flatten();
    let inbox_ids = body.inbox_ids.unwrap_or_default();
    let scope = named_inboxes(&app, &profile, organization, scope, &inbox_ids, &mut errors).await?;
    let (types, (scope, inboxes)) = errors.finish_with(types.zip(scope))?;
    let url = allowed_url(&app, &body.url).await?;
    if app.endpoints.list(organization).await?.len() >= MAX_ENDPOINTS {
        let detail = "The organization has the maximum number of webhook endpoints, 50. Remove one first.";
        return Err(Problem::new(409, "too_many_endpoints", detail));
    }
    let secret = Secret::new(clock::secret_bytes());
    let endpoint = WebhookEndpoint {
        id: WebhookEndpointId::new(now, entropy),
        url: url.as_str().to_owned(),
        types,
        scope,
        inboxes,
        description,
        disabled: None,
        secrets: EndpointSecrets::single(secret.clone()),
        health: Health::default(),
        created_by: caller.user.clone(),
        created_at: now,
    };
    let (actor, target) = (&caller.user, endpoint.id.as_str());
    let event = AuditEvent { actor, action: "webhook.create", target, at: now, entropy };
    match app.endpoints.create(organization, &endpoint, &event, attempt.idempotency()).await? {
        CreateEndpointOutcome::Done => {
            let endpoint = WebhookEndpointView::of(&endpoint);
            let secret = Some(secret.to_text());
            Ok((StatusCode::CREATED, Json(WebhookEndpointWithSecret { endpoint, secret })))
        }
        CreateEndpointOutcome::KeyTaken => match attempt.recalled(&app.keys, now).await? {
            Some(id) => created_before(&app, organization, &id).await,
            None => Err(changed()),
        },
        CreateEndpointOutcome::Changed => Err(changed()),
    }
}

/// Returns the endpoint that an earlier request created, without its secret.
async fn created_before(
    app: &App,
    organization: &OrganizationId,
    id: &str,
) -> Result<(StatusCode, Json<WebhookEndpointWithSecret>), Problem> {
    let endpoint = without_secret(app, organization, id).await?;
    Ok((StatusCode::CREATED, Json(endpoint)))
}

async fn without_secret(
    app: &App,
    organization: &OrganizationId,
    id: &str,
) -> Result<WebhookEndpointWithSecret, Problem> {
    let id = WebhookEndpointId::parse(id).map_err(Problem::internal)?;
    let endpoint = app.endpoints.get(organization, &id).await?.ok_or_else(Problem::not_found)?;
    Ok(WebhookEndpointWithSecret { endpoint: WebhookEndpointView::of(&endpoint), secret: None })
}

/// Read a webhook endpoint
///
/// For those who manage it. Without its secret.
#[utoipa::path(get, path = "/v1/webhook-endpoints/{endpointId}", tag = "webhooks",
    operation_id = "getWebhookEndpoint",
    params(("endpointId" = String, Path)),
    responses((status = 200, body = WebhookEndpointView)))]
pub(crate) async fn read(
    ManagedEndpoint { endpoint, .. }: ManagedEndpoint,
    _: KnownParameters,
) -> Result<Json<WebhookEndpointView>, Problem> {
    Ok(Json(WebhookEndpointView::of(&endpoint)))
}

/// Change a webhook endpoint
///
/// For those who manage it. Fields that are absent keep their values. An enabled endpoint gets the events
/// from then on; send those that failed before with `recoverWebhookDeliveries`.
#[utoipa::path(patch, path = "/v1/webhook-endpoints/{endpointId}", tag = "webhooks",
    operation_id = "updateWebhookEndpoint",
    params(("endpointId" = String, Path)),
    request_body = WebhookEndpointChanges,
    responses((status = 200, body = WebhookEndpointView)),
    extensions(("x-errors" = json!(["invalid_fields", "url_not_allowed"]))))]
pub(crate) async fn update(
    State(app): State<App>,
    ManagedEndpoint { caller, profile, endpoint }: ManagedEndpoint,
    Now(now): Now,
    Entropy(entropy): Entropy,
    Json(body): Json<WebhookEndpointChanges>,
) -> Result<Json<WebhookEndpointView>, Problem> {
    let organization = &caller.organization;
    let mut errors = FieldErrors::default();
    let types = body.types.map(|texts| check_all(&mut errors, endpoint::patterns("/types", &texts)));
    let description =
        body.description.map(|text| errors.check(endpoint::description("/description", &text)).flatten());
    let enabled = body.status.map(|status| errors.check(is_enabled("/status", &status)));
    let inboxes = match body.inbox_ids {
        Some(ids) => {
            let scope = endpoint.scope.clone();
            let named = named_inboxes(&app, &profile, organization, scope, &ids, &mut errors).await?;
            named.map(|(_, inboxes)| inboxes)
        }
        None => None,
    };
    errors.finish()?;
    let url = match body.url {
        Some(url) => Some(allowed_url(&app, &url).await?.as_str().to_owned()),
        None => None,
    };
    let change =
        EndpointChange { url, types: types.flatten(), inboxes, description, enabled: enabled.flatten() };
    let (actor, target) = (&caller.user, endpoint.id.as_str());
    let event = AuditEvent { actor, action: "webhook.update", target, at: now, entropy };
    if !app.endpoints.update(organization, &endpoint, &change, &event).await? {
        return Err(Problem::not_found());
    }
    let endpoint = app.endpoints.get(organization, &endpoint.id).await?.ok_or_else(Problem::not_found)?;
    Ok(Json(WebhookEndpointView::of(&endpoint)))
}

/// Remove a webhook endpoint
///
/// For those who manage it. It gets no more events, also none that are being retried.
#[utoipa::path(delete, path = "/v1/webhook-endpoints/{endpointId}", tag = "webhooks",
    operation_id = "deleteWebhookEndpoint",
    params(("endpointId" = String, Path)),
    responses((status = 204)))]
pub(crate) async fn remove(
    State(app): State<App>,
    ManagedEndpoint { caller, endpoint, .. }: ManagedEndpoint,
    Now(now): Now,
    Entropy(entropy): Entropy,
    _: KnownParameters,
) -> Result<StatusCode, Problem> {
    let (actor, target) = (&caller.user, endpoint.id.as_str());
    let event = AuditEvent { actor, action: "webhook.remove", target, at: now, entropy };
    if app.endpoints.remove(&caller.organization, &endpoint, &event).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found())
    }
}

/// Rotate the secret of a webhook endpoint
///
/// For those who manage it. Requests have a signature of the new secret and, for 24 hours, one of the
/// replaced secret. Store the new secret: it is not shown again.
#[utoipa::path(post, path = "/v1/webhook-endpoints/{endpointId}/rotate-secret", tag = "webhooks",
    operation_id = "rotateWebhookSecret",
    params(("endpointId" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = WebhookEndpointWithSecret)))]
pub(crate) async fn rotate_secret(
    State(app): State<App>,
    ManagedEndpoint { caller, endpoint, .. }: ManagedEndpoint,
    Now(now): Now,
    Entropy(entropy): Entropy,
    headers: HeaderMap,
    _: KnownParameters,
) -> Result<Json<WebhookEndpointWithSecret>, Problem> {
    let (organization, principal) = (&caller.organization, caller.principal());
    let (route, key) = (format!("{} rotate-secret", endpoint.id), idempotency::key(&headers, b"")?);
    let attempt = Attempt { organization, principal, route, key };
    if let Some(id) = attempt.recalled(&app.keys, now).await? {
        return Ok(Json(without_secret(&app, organization, &id).await?));
    }
    let secret = Secret::new(clock::secret_bytes());
    let secrets = endpoint.secrets.rotated(secret.clone(), now);
    let (actor, target) = (&caller.user, endpoint.id.as_str());
    let event = AuditEvent { actor, action: "webhook.rotate_secret", target, at: now, entropy };
    let rotated =
        app.endpoints.rotate(organization, &endpoint, &secrets, &event, attempt.idempotency()).await?;
    match rotated {
        CreateEndpointOutcome::Done => {
            let endpoint = WebhookEndpointView::of(&endpoint);
            Ok(Json(WebhookEndpointWithSecret { endpoint, secret: Some(secret.to_text()) }))
        }
        CreateEndpointOutcome::KeyTaken => {
            Ok(Json(without_secret(&app, organization, endpoint.id.as_str()).await?))
        }
        CreateEndpointOutcome::Changed => Err(changed()),
    }
}

/// Returns the URL, if webhooks may be sent to it and to all addresses of its host.
async fn allowed_url(app: &App, text: &str) -> Result<WebhookUrl, Problem> {
    let url = WebhookUrl::parse(text).map_err(url_not_allowed)?;
    let lookup = tokio::time::timeout(LOOKUP_TIMEOUT, app.resolver.addresses(&url)).await;
    let addresses = lookup.ok().and_then(Result::ok).unwrap_or_default();
    url.check(&addresses, &app.allowed).map_err(url_not_allowed)?;
    Ok(url)
}

fn url_not_allowed(error: UrlError) -> Problem {
    let detail = format!("Webhooks cannot be sent to this URL. Enter {error}.");
    Problem::unprocessable("url_not_allowed", "/url", &detail)
}

/// Returns the inboxes that an endpoint names, and its scope: the teams of these inboxes, if the caller is an
/// admin. Adds an error for each inbox that is not in the scope.
async fn named_inboxes(
    app: &App,
    profile: &UserProfile,
    organization: &OrganizationId,
    scope: EndpointScope,
    texts: &[String],
    errors: &mut FieldErrors,
) -> Result<Option<(EndpointScope, Vec<InboxId>)>, Problem> {
    if texts.len() > MAX_INBOXES {
        errors.add("/inboxIds", "at most 100 inboxes");
        return Ok(None);
    }
    let ids: Vec<Option<InboxId>> = texts.iter().map(|text| InboxId::parse(text).ok()).collect();
    let known: BTreeSet<InboxId> = ids.iter().flatten().cloned().collect();
    let known: Vec<InboxId> = known.into_iter().collect();
    if texts.is_empty() {
        return Ok(Some((scope, Vec::new())));
    }
    let (found, _) = app.inboxes.with_teams(organization, &known, &[]).await?;
    let (mut inboxes, mut teams) = (Vec::new(), BTreeSet::<TeamId>::new());
    for (index, id) in ids.into_iter().enumerate() {
        let inbox = found.iter().map(|(inbox, _)| inbox).find(|inbox| Some(&inbox.id) == id.as_ref());
        let in_scope = |team: &TeamId| match &scope {
            EndpointScope::Organization => profile.user.owner,
            EndpointScope::Teams(teams) => teams.contains(team),
        };
        match inbox.filter(|inbox| in_scope(&inbox.team)) {
            Some(inbox) if inboxes.contains(&inbox.id) => {}
            Some(inbox) => {
                inboxes.push(inbox.id.clone());
                teams.insert(inbox.team.clone());
            }
            None => errors.add(format!("/inboxIds/{index}"), "the ID of an inbox that you manage"),
        }
    }
    let scope = match scope {
        EndpointScope::Organization => EndpointScope::Organization,
        EndpointScope::Teams(_) => EndpointScope::Teams(teams.into_iter().collect()),
    };
    Ok(Some((scope, inboxes)))
}

fn is_enabled(pointer: &str, status: &str) -> Result<bool, FieldError> {
    match status {
        "enabled" => Ok(true),
        "disabled" => Ok(false),
        _ => Err(FieldError::new(pointer, "enabled or disabled")),
    }
}

fn check_all<T>(errors: &mut FieldErrors, value: Result<T, Vec<FieldError>>) -> Option<T> {
    match value {
        Ok(value) => Some(value),
        Err(found) => {
            for FieldError { pointer, expected } in found {
                errors.add(pointer, expected);
            }
            None
        }
    }
}

pub(crate) fn changed() -> Problem {
    Problem::changed("The endpoint was changed by another request at the same time. Try again.")
}
