//! `GET /v1/me`: what a front end needs for navigation and for composing messages.

use axum::extract::State;
use shared_aws::{conversation::Counter, team::UserProfile};
use shared_domain::{
    ids::{InboxId, OrganizationId, TeamId},
    inbox::Inbox,
    keys::InboxKey,
    registration::RegistrationStatus,
    team::Team,
    time::Timestamp,
};
use shared_http::{
    json::Json,
    problem::Problem,
    request::Now,
    wire::me::{Me, MeAccount, MeTeam, MeUser},
};

use crate::{App, KnownUser};

/// The signed-in user
///
/// The user's teams with their role in each, and the inboxes to show: shared inboxes that the user is a
/// member of and whose team is registered, and the personal inbox.
// One query for the user, one request for all inboxes and teams, and at most one query to recount an unread
// counter.
#[utoipa::path(get, path = "/v1/me", tag = "users", operation_id = "getMe",
    responses((status = 200, body = Me)))]
pub(crate) async fn me(
    State(app): State<App>,
    KnownUser { caller, profile }: KnownUser,
    Now(now): Now,
) -> Result<Json<Me>, Problem> {
    let (inboxes, teams) =
        app.inboxes.with_teams(&caller.organization, &inboxes(&profile), &teams(&profile)).await?;
    let mut shown: Vec<_> = inboxes.into_iter().filter(|(inbox, _)| is_shown(inbox, &teams)).collect();
    shown.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
    let recounted = recount_one(&app, &caller.organization, &shown, now).await?;
    let accounts = shown.into_iter().map(|(inbox, counter)| {
        let recount = recounted.as_ref().filter(|(id, _)| *id == inbox.id).map(|(_, unread)| *unread);
        account(inbox, recount.unwrap_or_else(|| counter.unread()))
    });
    Ok(Json(Me { accounts: accounts.collect(), ..without_accounts(profile, &teams) }))
}

fn inboxes(profile: &UserProfile) -> Vec<InboxId> {
    profile.inboxes.iter().map(|of_user| of_user.inbox.clone()).collect()
}

/// The teams of the user's roles and inboxes.
fn teams(profile: &UserProfile) -> Vec<TeamId> {
    let of_roles = profile.teams.iter().map(|role| &role.team);
    let mut teams: Vec<_> =
        of_roles.chain(profile.inboxes.iter().map(|of_user| &of_user.team)).cloned().collect();
    teams.sort();
    teams.dedup();
    teams
}

fn is_shown(inbox: &Inbox, teams: &[Team]) -> bool {
    let team = teams.iter().find(|team| team.id == inbox.team);
    let registration = team.map_or(RegistrationStatus::NotStarted, |team| team.registration);
    inbox.may_send(registration)
}

/// Recounts one unread counter at most, so that the cost of a request does not grow with the number of
/// inboxes.
async fn recount_one(
    app: &App,
    organization: &OrganizationId,
    shown: &[(Inbox, Counter)],
    now: Timestamp,
) -> Result<Option<(InboxId, u64)>, Problem> {
    let Some((inbox, counter)) = shown.iter().find(|(_, counter)| counter.needs_recount(now)) else {
        return Ok(None);
    };
    let unread = app.unread.recount(InboxKey { organization, inbox: &inbox.id }, *counter, now).await?;
    Ok(Some((inbox.id.clone(), unread)))
}

fn account(inbox: Inbox, unread_count: u64) -> MeAccount {
    MeAccount {
        inbox_id: inbox.id.to_string(),
        kind: inbox.kind.as_str(),
        name: inbox.name,
        color: inbox.color,
        phone_number: inbox.number.as_str().to_owned(),
        api_code: inbox.api_code,
        team_id: inbox.team.to_string(),
        unread_count,
    }
}

fn without_accounts(profile: UserProfile, teams: &[Team]) -> Me {
    let user = profile.user;
    let named = profile.teams.iter().filter_map(|role| {
        let team = teams.iter().find(|team| team.id == role.team)?;
        Some(MeTeam { team_id: team.id.to_string(), name: team.name.clone(), role: role.role.as_str() })
    });
    Me {
        teams: named.collect(),
        user: MeUser { user_id: user.id.to_string(), name: user.name, email: user.email, owner: user.owner },
        accounts: Vec::new(),
    }
}
