//! Who manages endpoints.

use axum::extract::FromRequestParts;
use lambda_http::http::request::Parts;
use shared_aws::team::UserProfile;
use shared_domain::{
    ids,
    webhook::endpoint::{EndpointScope, WebhookEndpoint},
};
use shared_http::{caller::UserCaller, problem::Problem, request::PathId};

use crate::App;

/// The caller as the owner or as an admin of a team. `403` for everyone else.
pub(crate) struct Manager {
    pub(crate) caller: UserCaller,
    pub(crate) profile: UserProfile,
    /// The scope of endpoints that the caller creates.
    pub(crate) scope: EndpointScope,
}

impl Manager {
    pub(crate) fn manages(&self, endpoint: &WebhookEndpoint) -> bool {
        endpoint.scope.is_managed_by(self.profile.user.owner, &self.profile.teams)
    }
}

impl FromRequestParts<App> for Manager {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let caller = UserCaller::from_request_parts(parts, app).await?;
        let profile = app.members.profile(&caller.organization, &caller.user).await?;
        let profile = profile.ok_or_else(Problem::admin_required)?;
        let scope = EndpointScope::of_creator(profile.user.owner, &profile.teams);
        Ok(Self { caller, scope: scope.ok_or_else(Problem::admin_required)?, profile })
    }
}

/// The endpoint in the path, for a caller who manages it. `404` for everyone else.
pub(crate) struct ManagedEndpoint {
    pub(crate) caller: UserCaller,
    pub(crate) profile: UserProfile,
    pub(crate) endpoint: WebhookEndpoint,
}

impl FromRequestParts<App> for ManagedEndpoint {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let caller = UserCaller::from_request_parts(parts, app).await?;
        let PathId(id) = PathId::<ids::kind::WebhookEndpoint>::from_request_parts(parts, app).await?;
        let profile = app.members.profile(&caller.organization, &caller.user).await?;
        let profile = profile.ok_or_else(Problem::not_found)?;
        let endpoint = app.endpoints.get(&caller.organization, &id).await?;
        let managed = endpoint
            .filter(|endpoint| endpoint.scope.is_managed_by(profile.user.owner, &profile.teams))
            .ok_or_else(Problem::not_found)?;
        Ok(Self { caller, profile, endpoint: managed })
    }
}
