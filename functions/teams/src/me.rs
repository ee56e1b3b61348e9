//! `GET /v1/me`: all that a front end needs for navigation and Compose, and nothing more.

use lambda_http::Request;
use shared_aws::{conversation::Counter, team::UserProfile};
use shared_domain::{
    ids::{InboxId, OrganizationId, TeamId},
    inbox::{Inbox, Stage},
    registration::RegistrationStatus,
    team::Team,
    time::Timestamp,
};
use shared_http::{
    caller,
    problem::Problem,
    reply::{self, Outcome},
    wire::{
        me::{Me, MeAccount, MeTeam, MeUser},
        problem::ProblemView,
    },
};

use crate::App;

/// The signed-in user
///
/// Teams with the user's role, and the accounts to show: inboxes the user is a member of whose team is registered, and
/// the personal inbox.
///
/// One query for the user and one request for inboxes and teams, however many there are; a second query when one of the
/// counters is due to be counted anew.
#[utoipa::path(get, path = "/v1/me", tag = "users",
    responses((status = 200, body = Me), (status = 403, body = ProblemView)))]
pub(crate) async fn me(app: &App, now: Timestamp, request: &Request) -> Outcome {
    let caller = caller::user(request, &app.claims)?;
    let home = app.members.home(&caller.organization, &caller.user).await?;
    let home = home.ok_or_else(|| Problem::forbidden("user_required", "This user is not known here."))?;
    let (inboxes, teams) =
        app.inboxes.with_teams(&caller.organization, &inboxes(&home), &teams(&home)).await?;
    let mut shown: Vec<_> = inboxes.into_iter().filter(|(inbox, _)| is_shown(inbox, &teams)).collect();
    shown.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
    let recounted = recount_one(app, &caller.organization, &shown, now).await?;
    let accounts = shown.into_iter().map(|(inbox, counter)| {
        let anew = recounted.as_ref().filter(|(id, _)| *id == inbox.id).map(|(_, unread)| *unread);
        account(inbox, anew.unwrap_or_else(|| counter.unread()))
    });
    reply::json(200, &Me { accounts: accounts.collect(), ..without_accounts(home, &teams) })
}

fn inboxes(home: &UserProfile) -> Vec<InboxId> {
    home.inboxes.iter().map(|of_user| of_user.inbox.clone()).collect()
}

/// Teams of the user's roles and inboxes.
fn teams(home: &UserProfile) -> Vec<TeamId> {
    let of_roles = home.teams.iter().map(|role| &role.team);
    let mut teams: Vec<_> =
        of_roles.chain(home.inboxes.iter().map(|of_user| &of_user.team)).cloned().collect();
    teams.sort();
    teams.dedup();
    teams
}

fn is_shown(inbox: &Inbox, teams: &[Team]) -> bool {
    let team = teams.iter().find(|team| team.id == inbox.team);
    let registration = team.map_or(RegistrationStatus::NotStarted, |team| team.registration);
    inbox.stage == Stage::Active && inbox.is_visible(registration)
}

/// At most one a request, so that what a request costs does not grow with the accounts.
async fn recount_one(
    app: &App,
    organization: &OrganizationId,
    shown: &[(Inbox, Counter)],
    now: Timestamp,
) -> Result<Option<(InboxId, u64)>, Problem> {
    let Some((inbox, counter)) = shown.iter().find(|(_, counter)| counter.wants_recount(now)) else {
        return Ok(None);
    };
    let unread = app.unread.recount(organization, &inbox.id, *counter, now).await?;
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

fn without_accounts(home: UserProfile, teams: &[Team]) -> Me {
    let user = home.user;
    let named = home.teams.iter().filter_map(|role| {
        let team = teams.iter().find(|team| team.id == role.team)?;
        Some(MeTeam { team_id: team.id.to_string(), name: team.name.clone(), role: role.role.as_str() })
    });
    Me {
        teams: named.collect(),
        user: MeUser { user_id: user.id.to_string(), name: user.name, email: user.email, owner: user.owner },
        accounts: Vec::new(),
    }
}
