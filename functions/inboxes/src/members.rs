//! Members of a shared inbox: added by those who manage its team once the team may send, and removed at any time.

use lambda_http::Request;
use shared_aws::team::{AddMemberOutcome, AuditEvent};
use shared_domain::{ids::UserId, inbox::InboxKind, membership::Membership, time::Timestamp};
use shared_http::{
    access::{self, InboxAccess},
    input,
    problem::Problem,
    reply::{self, Outcome},
    wire::{Page, inbox::InboxMemberView, problem::ProblemView},
};

use crate::{App, draft::members_wait};

/// List an inbox's members
///
/// For its members and for those who manage its team.
#[utoipa::path(get, path = "/v1/inboxes/{inboxId}/members", tag = "inboxes", params(("inboxId" = String, Path)),
    responses((status = 200, body = Page<InboxMemberView>), (status = 404, body = ProblemView)))]
pub(crate) async fn list(app: &App, request: &Request) -> Outcome {
    let access = access::inbox(request, &app.claims, &app.members, &app.inboxes).await?;
    let members = app.members.list(&access.inbox.organization, &access.inbox.id).await?;
    let items = members.iter().map(|member| InboxMemberView::of(&member.user)).collect();
    reply::json(200, &Page::<InboxMemberView> { items, next_cursor: None })
}

/// Add a member
///
/// Somebody of the inbox's team, by those who manage it; only once the team's registration is complete. Idempotent by the
/// user.
#[utoipa::path(put, path = "/v1/inboxes/{inboxId}/members/{userId}", tag = "inboxes",
    params(("inboxId" = String, Path), ("userId" = String, Path)),
    responses((status = 200, body = InboxMemberView), (status = 403, body = ProblemView),
        (status = 404, description = "No such inbox for you, or nobody of its team", body = ProblemView),
        (status = 409, description = "`registration_incomplete`, `inbox_retired`, `personal_inbox`", body = ProblemView)))]
pub(crate) async fn put(app: &App, now: Timestamp, entropy: u64, request: &Request) -> Outcome {
    let access = shared(app, request).await?;
    let user: UserId = input::path_id(request, "userId")?;
    let registration = access.standing.team.registration;
    if !registration.is_complete() {
        return Err(members_wait().with("registration", registration.as_str()));
    }
    let inbox = &access.inbox;
    let colleague = app.team_members.get(&inbox.organization, &inbox.team, &user).await?;
    let colleague = colleague.ok_or_else(Problem::not_found)?;
    let member = Membership {
        inbox: inbox.id.clone(),
        kind: inbox.kind,
        team: inbox.team.clone(),
        user: colleague.user,
    };
    let deed = deed(&access, "inbox_member.add", &user, now, entropy);
    match app.members.admit(&inbox.organization, &member, &deed).await? {
        AddMemberOutcome::Done => reply::json(200, &InboxMemberView::of(&member.user)),
        AddMemberOutcome::NotInTeam => Err(Problem::not_found()),
        AddMemberOutcome::RegistrationIncomplete => Err(members_wait()),
        AddMemberOutcome::InboxNotActive => {
            Err(Problem::new(409, "inbox_retired", "This inbox is retired and takes no members."))
        }
    }
}

/// Remove a member
///
/// Ends access and every lock held there, at once; also when it is ended already.
#[utoipa::path(delete, path = "/v1/inboxes/{inboxId}/members/{userId}", tag = "inboxes",
    params(("inboxId" = String, Path), ("userId" = String, Path)),
    responses((status = 204), (status = 403, body = ProblemView), (status = 404, body = ProblemView),
        (status = 409, description = "`personal_inbox`", body = ProblemView)))]
pub(crate) async fn remove(app: &App, now: Timestamp, entropy: u64, request: &Request) -> Outcome {
    let access = shared(app, request).await?;
    let user: UserId = input::path_id(request, "userId")?;
    let inbox = &access.inbox;
    if app.members.membership(&inbox.organization, &inbox.id, &user).await?.is_some() {
        let deed = deed(&access, "inbox_member.remove", &user, now, entropy);
        app.members.dismiss(&inbox.organization, &inbox.team, &inbox.id, &user, &deed).await?;
    }
    // Also when the membership is ended already: that removal may have broken off before the locks.
    let by = access.standing.person();
    app.locks.break_all_of(&inbox.organization, &user, std::slice::from_ref(&inbox.id), &by).await?;
    reply::no_content()
}

async fn shared(app: &App, request: &Request) -> Result<InboxAccess, Problem> {
    let access = access::inbox(request, &app.claims, &app.members, &app.inboxes).await?.manager()?;
    match access.inbox.kind {
        InboxKind::Shared => Ok(access),
        InboxKind::Personal => {
            Err(Problem::new(409, "personal_inbox", "A personal inbox has one user and no members."))
        }
    }
}

fn deed<'a>(
    access: &'a InboxAccess,
    action: &'static str,
    user: &'a UserId,
    at: Timestamp,
    entropy: u64,
) -> AuditEvent<'a> {
    AuditEvent { actor: &access.standing.user.id, action, target: user.as_str(), at, entropy }
}
