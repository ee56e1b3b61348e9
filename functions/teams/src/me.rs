//! `GET /v1/me`: what a front end needs for navigation and for composing messages.

use std::collections::HashMap;

use axum::extract::State;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use shared_aws::{
    conversation::{Counter, HeldLock, Listing},
    team::UserProfile,
};
use shared_domain::{
    conversation::{Assignment, Filter, Folder},
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
    wire::{
        me::{AccountCounts, Me, MeAccount, MeTeam, MeUser},
        problem::OwnLock,
    },
};

use crate::{App, KnownUser};

/// Number of inboxes whose conversations are counted at the same time.
const CONCURRENT_COUNTS: usize = 8;

/// The signed-in user
///
/// The user's teams with their role in each, and the inboxes to show: shared inboxes that the user is a
/// member of and whose team is registered, and the personal inbox. Each inbox has the numbers of its
/// conversations. Also returns the locks that the user holds.
// One query for the user. Then, at the same time, one request for all inboxes and teams, one or two for the
// locks, and two queries to count the conversations of each inbox. At most one query recounts an unread
// counter.
#[utoipa::path(get, path = "/v1/me", tag = "users", operation_id = "getMe",
    responses((status = 200, body = Me)))]
pub(crate) async fn me(
    State(app): State<App>,
    KnownUser { caller, profile }: KnownUser,
    Now(now): Now,
) -> Result<Json<Me>, Problem> {
    let (organization, ids) = (&caller.organization, inboxes(&profile));
    let locks = async { Ok(app.locks.of_user(organization, &profile.user.id, &ids, now).await?) };
    let inboxes = async { Ok(app.inboxes.with_teams(organization, &ids, &teams(&profile)).await?) };
    let ((inboxes, teams), locks, counted) =
        tokio::try_join!(inboxes, locks, count(&app, organization, &profile, &ids))?;
    let mut shown: Vec<_> = inboxes.into_iter().filter(|(inbox, _)| is_shown(inbox, &teams)).collect();
    shown.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
    let recounted = recount_one(&app, organization, &shown, now).await?;
    let accounts = shown.into_iter().map(|(inbox, counter)| {
        let recount = recounted.as_ref().filter(|(id, _)| *id == inbox.id).map(|(_, unread)| *unread);
        let counted = counted.get(&inbox.id).copied().unwrap_or_default();
        account(inbox, recount.unwrap_or_else(|| counter.unread()), counted)
    });
    Ok(Json(Me { accounts: accounts.collect(), ..without_accounts(profile, &teams, &locks) }))
}

/// Numbers of conversations in the Inbox folder.
#[derive(Debug, Clone, Copy, Default)]
struct Counted {
    all: u64,
    assigned_to_user: u64,
}

async fn count(
    app: &App,
    organization: &OrganizationId,
    profile: &UserProfile,
    inboxes: &[InboxId],
) -> Result<HashMap<InboxId, Counted>, Problem> {
    let all = &Filter::default();
    let assigned = &Filter { assigned: Some(Assignment::User(profile.user.id.clone())), read: None };
    let counted = stream::iter(inboxes.to_vec()).map(async |inbox: InboxId| {
        let list = |filter| Listing {
            inbox: InboxKey { organization, inbox: &inbox },
            folder: Folder::Inbox,
            filter,
        };
        let (all, assigned_to_user) =
            tokio::try_join!(app.conversations.count(list(all)), app.conversations.count(list(assigned)))?;
        Ok((inbox, Counted { all, assigned_to_user }))
    });
    counted.buffer_unordered(CONCURRENT_COUNTS).try_collect().await
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

/// Recounts one unread counter at most: a recount reads all unread conversations of its inbox.
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

fn account(inbox: Inbox, unread_count: u64, counted: Counted) -> MeAccount {
    MeAccount {
        inbox_id: inbox.id.to_string(),
        kind: inbox.kind.as_str(),
        name: inbox.name,
        color: inbox.color,
        phone_number: inbox.number.as_str().to_owned(),
        api_code: inbox.api_code,
        team_id: inbox.team.to_string(),
        unread_count,
        counts: AccountCounts {
            inbox: counted.all,
            unread: unread_count,
            assigned_to_me: counted.assigned_to_user,
        },
    }
}

fn without_accounts(profile: UserProfile, teams: &[Team], locks: &[HeldLock]) -> Me {
    let user = profile.user;
    let named = profile.teams.iter().filter_map(|role| {
        let team = teams.iter().find(|team| team.id == role.team)?;
        Some(MeTeam { team_id: team.id.to_string(), name: team.name.clone(), role: role.role.as_str() })
    });
    Me {
        teams: named.collect(),
        user: MeUser { user_id: user.id.to_string(), name: user.name, email: user.email, owner: user.owner },
        accounts: Vec::new(),
        locks: locks.iter().map(OwnLock::of).collect(),
    }
}
