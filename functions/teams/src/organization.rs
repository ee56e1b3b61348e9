//! The organization and its settings.

use axum::extract::State;
use shared_aws::team::{AuditEvent, ChangeOrganizationOutcome, Organization};
use shared_domain::{opt_out::SharedOptOutScope, settings};
use shared_http::{
    json::Json,
    problem::Problem,
    request::{Entropy, Now},
    wire::organization::{OrganizationChange, OrganizationView},
};

use crate::{App, owner::Owner};

/// Read the organization
///
/// For the organization's owner.
#[utoipa::path(get, path = "/v1/organization", tag = "organization", operation_id = "getOrganization",
    responses((status = 200, body = OrganizationView)),
    extensions(("x-errors" = json!(["owner_required", "not_found"]))))]
pub(crate) async fn read(
    State(app): State<App>,
    Owner { caller, .. }: Owner,
) -> Result<Json<OrganizationView>, Problem> {
    let organization = app.organizations.get(&caller.organization).await?;
    Ok(Json(OrganizationView::of(&organization.ok_or_else(Problem::not_found)?)))
}

/// Edit the organization
///
/// For the organization's owner. A new `optOutScope` applies to keywords that are received from then on.
/// Opt-outs that were recorded before stay in force.
#[utoipa::path(patch, path = "/v1/organization", tag = "organization", operation_id = "updateOrganization",
    request_body = OrganizationChange,
    responses((status = 200, body = OrganizationView)),
    extensions(("x-errors" = json!(["owner_required", "not_found", "name_taken", "invalid_fields"]))))]
pub(crate) async fn update(
    State(app): State<App>,
    Owner { caller, user }: Owner,
    Now(now): Now,
    Entropy(entropy): Entropy,
    Json(change): Json<OrganizationChange>,
) -> Result<Json<OrganizationView>, Problem> {
    let name = change.name.as_deref().map(|name| settings::name("/name", name)).transpose()?;
    for _ in 0..3 {
        let before = app.organizations.get(&caller.organization).await?.ok_or_else(Problem::not_found)?;
        let after = Organization {
            name: name.clone().unwrap_or_else(|| before.name.clone()),
            opt_out_scope: change.opt_out_scope.map_or(before.opt_out_scope, SharedOptOutScope::from),
            ..before.clone()
        };
        if after == before {
            return Ok(Json(OrganizationView::of(&after)));
        }
        let (actor, target) = (&user.id, after.id.as_str());
        let event = AuditEvent { actor, action: "organization.edit", target, at: now, entropy };
        match app.organizations.change(&before, &after, &event).await? {
            ChangeOrganizationOutcome::Changed => return Ok(Json(OrganizationView::of(&after))),
            ChangeOrganizationOutcome::NameTaken => {
                return Err(Problem::new(
                    409,
                    "name_taken",
                    "Another organization has this name. Choose another name.",
                ));
            }
            ChangeOrganizationOutcome::Conflict => {}
        }
    }
    Err(Problem::changed("The organization was changed by another request at the same time. Try again."))
}
