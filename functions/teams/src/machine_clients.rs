//! Machine clients of the organization: integrations that send messages by API code.

use axum::{
    extract::{FromRequestParts, RawPathParams, State},
    http::{HeaderMap, StatusCode},
};
use lambda_http::http::request::Parts;
use shared_app::machine_secret::{Replaced, Rotated, RotationError, SecretRotation};
use shared_aws::team::{AddMachineOutcome, AuditEvent, Machine};
use shared_domain::{field::FieldError, settings};
use shared_http::{
    caller::is_client_id,
    idempotency::{self, Attempt},
    json::{Json, KeyedJson},
    page::PageRequest,
    problem::Problem,
    request::{Entropy, KnownParameters, Now, Query},
    wire::{
        Page,
        machine_client::{CreatedMachineClient, MachineClientView, NewMachineClient, ReplacedSecret},
    },
};

use crate::{App, changed, owner::Owner};

/// List machine clients
///
/// For the organization's owner.
#[utoipa::path(get, path = "/v1/machine-clients", tag = "organization", operation_id = "listMachineClients",
    params(("limit" = Option<u16>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Page<MachineClientView>)),
    extensions(("x-errors" = json!(["owner_required"]))))]
pub(crate) async fn list(
    State(app): State<App>,
    Owner { caller, .. }: Owner,
    page: PageRequest,
) -> Result<Json<Page<MachineClientView>>, Problem> {
    let page = page.of(&caller.principal(), "machine-clients").await?;
    let found = app.members.machines(&caller.organization, page.limit, page.after()).await?;
    let items = found.items.iter().map(|machine| app.view(machine));
    Ok(Json(page.response(items, found.next.as_deref())))
}

/// Add a machine client
///
/// For the organization's owner. Creates a client in the user pool of the stack and returns its secret once.
/// With your own issuer of tokens, `clientId` names a client that exists there. The client sends messages by
/// API code with tokens that have the scope `shared-inbox/send`.
#[utoipa::path(post, path = "/v1/machine-clients", tag = "organization",
    operation_id = "createMachineClient",
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = NewMachineClient,
    responses((status = 201, body = CreatedMachineClient)),
    extensions(("x-errors" = json!(["owner_required", "invalid_fields", "client_taken"]))))]
pub(crate) async fn create(
    State(app): State<App>,
    Owner { caller, .. }: Owner,
    Now(now): Now,
    Entropy(entropy): Entropy,
    KeyedJson { body, key }: KeyedJson<NewMachineClient>,
) -> Result<(StatusCode, Json<CreatedMachineClient>), Problem> {
    let name = settings::name("/name", &body.name)?;
    let (organization, principal) = (&caller.organization, caller.principal());
    let attempt = Attempt { organization, principal, route: "machine-clients".into(), key };
    if let Some(client) = attempt.recalled(&app.keys, now).await? {
        return created_before(&app, &attempt, &client).await;
    }
    let (client, secret) = match (&app.directory, body.client_id) {
        (Some(directory), None) => {
            let created = directory.create_machine(&name, now).await?;
            (created.client_id, Some(created.client_secret))
        }
        (None, Some(client)) if is_client_id(&client) => (client, None),
        (Some(_), Some(_)) => {
            return Err(FieldError::new("/clientId", "no value: the user pool chooses the ID").into());
        }
        (None, _) => {
            return Err(FieldError::new("/clientId", "the ID of a client at your issuer of tokens").into());
        }
    };
    let machine = Machine { client, name, created_at: now };
    let (actor, target) = (&caller.user, machine.client.as_str());
    let event = AuditEvent { actor, action: "machine.create", target, at: now, entropy };
    let added = app.members.add_machine(&machine, organization, &event, attempt.idempotency()).await?;
    match added {
        AddMachineOutcome::Added => {
            let client = app.view(&machine);
            Ok((StatusCode::CREATED, Json(CreatedMachineClient { client, secret })))
        }
        AddMachineOutcome::Refused => {
            Err(Problem::new(409, "client_taken", "This client belongs to another organization."))
        }
        AddMachineOutcome::KeyTaken => {
            if let Some(directory) = &app.directory {
                directory.remove_machine(&machine.client, now).await?;
            }
            match attempt.recalled(&app.keys, now).await? {
                Some(client) => created_before(&app, &attempt, &client).await,
                None => Err(changed()),
            }
        }
    }
}

/// Returns the client that an earlier request created, without its secret.
async fn created_before(
    app: &App,
    attempt: &Attempt<'_>,
    client: &str,
) -> Result<(StatusCode, Json<CreatedMachineClient>), Problem> {
    let machine = app.members.machine_of(attempt.organization, client).await?;
    let client = app.view(&machine.ok_or_else(Problem::not_found)?);
    Ok((StatusCode::CREATED, Json(CreatedMachineClient { client, secret: None })))
}

/// Rotate the secret of a machine client
///
/// For the organization's owner. Returns a new secret once. The secret before stays valid, so that the client
/// can be changed without an interruption. A client has two secrets at most: with two, `replace` says which
/// of them ends, the `older` or the `newer`. Replace the newer one if you lost it, and the older one once
/// nothing uses it. The secret of a client of your own issuer is rotated there.
#[utoipa::path(post, path = "/v1/machine-clients/{clientId}/rotate-secret", tag = "organization",
    operation_id = "rotateMachineSecret",
    params(("clientId" = String, Path),
        ("replace" = inline(Option<ReplacedSecret>), Query, description = "Which secret ends, if there are two"),
        ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = CreatedMachineClient)),
    extensions(("x-errors" = json!(["owner_required", "invalid_fields", "two_secrets", "issuer_keeps_secret"]))))]
pub(crate) async fn rotate_secret(
    State(app): State<App>,
    Owner { caller, .. }: Owner,
    ClientId(client): ClientId,
    Now(now): Now,
    Entropy(entropy): Entropy,
    headers: HeaderMap,
    query: Query,
) -> Result<Json<CreatedMachineClient>, Problem> {
    let (organization, principal) = (&caller.organization, caller.principal());
    let machine = app.members.machine_of(organization, &client).await?.ok_or_else(Problem::not_found)?;
    let Some(directory) = &app.directory else {
        let detail = "Your issuer of tokens has the secret of this client. Rotate it there.";
        return Err(Problem::new(409, "issuer_keeps_secret", detail));
    };
    let replaced = query.get("replace").map(replaced_secret).transpose()?;
    let (route, key) = (format!("{client} rotate-secret"), idempotency::key(&headers, b"")?);
    let attempt = Attempt { organization, principal, route, key };
    let view = app.view(&machine);
    if attempt.recalled(&app.keys, now).await?.is_some() {
        return Ok(Json(CreatedMachineClient { client: view, secret: None }));
    }
    let (actor, target) = (&caller.user, client.as_str());
    let event = AuditEvent { actor, action: "machine.rotate_secret", target, at: now, entropy };
    let rotation = SecretRotation { organization, client: &client, replaced, key: attempt.idempotency() };
    match app.rotations.rotate(directory, &rotation, &event, now).await.map_err(not_rotated)? {
        Rotated::Added(secret) => Ok(Json(CreatedMachineClient { client: view, secret: Some(secret) })),
        Rotated::TwoSecrets => Err(two_secrets()),
        Rotated::AddedBefore => Err(added_before()),
    }
}

fn two_secrets() -> Problem {
    let detail = "This client has two secrets. Say with ?replace=older or ?replace=newer which one ends.";
    Problem::new(409, "two_secrets", detail)
}

fn added_before() -> Problem {
    let detail = "This request or another one has already added a secret. If you do not have it, replace it with \
                  ?replace=newer.";
    Problem::new(409, "two_secrets", detail)
}

fn not_rotated(error: RotationError) -> Problem {
    match error {
        RotationError::Store(error) => error.into(),
        RotationError::Directory(error) => error.into(),
    }
}

fn replaced_secret(text: &str) -> Result<Replaced, Problem> {
    match text {
        "older" => Ok(Replaced::Older),
        "newer" => Ok(Replaced::Newer),
        _ => Err(FieldError::new("?replace", "older or newer").into()),
    }
}

/// Remove a machine client
///
/// For the organization's owner. Refuses the tokens of the client from then on. Idempotent.
#[utoipa::path(delete, path = "/v1/machine-clients/{clientId}", tag = "organization",
    operation_id = "deleteMachineClient",
    params(("clientId" = String, Path)),
    responses((status = 204)),
    extensions(("x-errors" = json!(["owner_required"]))))]
pub(crate) async fn remove(
    State(app): State<App>,
    Owner { caller, .. }: Owner,
    ClientId(client): ClientId,
    Now(now): Now,
    Entropy(entropy): Entropy,
    _: KnownParameters,
) -> Result<StatusCode, Problem> {
    let organization = &caller.organization;
    let (actor, target) = (&caller.user, client.as_str());
    let event = AuditEvent { actor, action: "machine.remove", target, at: now, entropy };
    if !app.members.remove_machine(&client, organization, &event).await? {
        return Err(Problem::not_found());
    }
    // The template owns its client: without it, the next deployment would fail.
    if let Some(directory) = app.directory.as_ref().filter(|_| app.machine_clients.first() != Some(&client)) {
        directory.remove_machine(&client, now).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// The ID of a client in the path. `404` for a text that no client has as its ID.
pub(crate) struct ClientId(String);

impl FromRequestParts<App> for ClientId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let parameters = RawPathParams::from_request_parts(parts, app).await;
        let parameters = parameters.map_err(|_| Problem::not_found())?;
        let id = parameters.iter().find(|(name, id)| *name == "clientId" && is_client_id(id));
        id.map(|(_, id)| Self(id.to_owned())).ok_or_else(Problem::not_found)
    }
}

impl App {
    fn view(&self, machine: &Machine) -> MachineClientView {
        let accepted = self.directory.is_none() || self.machine_clients.contains(&machine.client);
        MachineClientView::of(machine, accepted)
    }
}
