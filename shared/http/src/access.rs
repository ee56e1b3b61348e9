//! Access to inboxes and teams, as extractors. Members of an inbox read and answer its conversations; the
//! admins of its team and the organization's owner change its settings. To everyone else it does not exist.

use axum::extract::{FromRef, FromRequestParts};
use lambda_http::http::request::Parts;
use shared_aws::{
    conversation::Conversations,
    inbox::Inboxes,
    team::{Members, UserInTeam},
};
use shared_domain::{
    conversation::Conversation,
    ids::{self, ConversationId, InboxId, OrganizationId, TeamId},
    inbox::{Inbox, InboxKind, Stage},
    keys::{ConversationKey, InboxKey, TeamKey},
    membership::Membership,
};

use crate::{
    caller::{Claims, UserCaller},
    problem::Problem,
    request::PathId,
    wire::message::SenderInbox,
};

/// The caller as a member of the inbox in the path: half a read unit. `404` for everyone else.
#[derive(Debug, Clone)]
pub struct InboxMember {
    pub organization: OrganizationId,
    /// Identifies the caller in cursors and idempotency keys.
    pub principal: String,
    pub membership: Membership,
}

impl InboxMember {
    /// A conversation of the inbox.
    pub fn conversation_key<'a>(&'a self, conversation: &'a ConversationId) -> ConversationKey<'a> {
        ConversationKey { organization: &self.organization, inbox: &self.membership.inbox, conversation }
    }
}

impl<S> FromRequestParts<S> for InboxMember
where
    S: Send + Sync,
    Claims: FromRef<S>,
    Members: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller = UserCaller::from_request_parts(parts, state).await?;
        let PathId(inbox) = PathId::<ids::kind::Inbox>::from_request_parts(parts, state).await?;
        let members = Members::from_ref(state);
        let membership = members
            .membership(InboxKey { organization: &caller.organization, inbox: &inbox }, &caller.user)
            .await?;
        let membership = membership.ok_or_else(Problem::not_found)?;
        Ok(Self { principal: caller.principal(), organization: caller.organization, membership })
    }
}

/// The conversation in the path, for a member of its inbox: one read unit more. `404` for everyone else, and
/// for a conversation that does not exist.
#[derive(Debug, Clone)]
pub struct ConversationAccess {
    pub member: InboxMember,
    pub conversation: Conversation,
}

impl<S> FromRequestParts<S> for ConversationAccess
where
    S: Send + Sync,
    Claims: FromRef<S>,
    Members: FromRef<S>,
    Conversations: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let member = InboxMember::from_request_parts(parts, state).await?;
        let PathId(id) = PathId::<ids::kind::Conversation>::from_request_parts(parts, state).await?;
        let found = Conversations::from_ref(state).get(member.conversation_key(&id)).await?;
        Ok(Self { conversation: found.ok_or_else(Problem::not_found)?, member })
    }
}

/// The caller in the team in the path, as one of its members or as the organization's owner: 1.5 read units
/// in one request, however many extractors need it. `404` for everyone else.
#[derive(Debug, Clone)]
pub struct TeamAccess {
    pub organization: OrganizationId,
    /// Identifies the caller in cursors and idempotency keys.
    pub principal: String,
    pub caller: UserInTeam,
}

impl TeamAccess {
    /// The id of the team.
    pub fn team(&self) -> &TeamId {
        &self.caller.team.id
    }

    /// The key of the team.
    pub fn team_key(&self) -> TeamKey<'_> {
        TeamKey { organization: &self.organization, team: self.team() }
    }
}

impl<S> FromRequestParts<S> for TeamAccess
where
    S: Send + Sync,
    Claims: FromRef<S>,
    Members: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        if let Some(read_before) = parts.extensions.get::<Self>() {
            return Ok(read_before.clone());
        }
        let caller = UserCaller::from_request_parts(parts, state).await?;
        let PathId(team) = PathId::<ids::kind::Team>::from_request_parts(parts, state).await?;
        let members = Members::from_ref(state);
        let found = members
            .user_in_team(TeamKey { organization: &caller.organization, team: &team }, &caller.user)
            .await?;
        let found = found.filter(|found| found.user.owner || found.role.is_some());
        let found = found.ok_or_else(Problem::not_found)?;
        let access = Self { principal: caller.principal(), organization: caller.organization, caller: found };
        parts.extensions.insert(access.clone());
        Ok(access)
    }
}

/// As [`TeamAccess`], for the team's admins and the organization's owner. `403` for other members of the
/// team.
#[derive(Debug, Clone)]
pub struct TeamAdmin(pub TeamAccess);

impl<S> FromRequestParts<S> for TeamAdmin
where
    S: Send + Sync,
    Claims: FromRef<S>,
    Members: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let access = TeamAccess::from_request_parts(parts, state).await?;
        require_admin(&access.caller)?;
        Ok(Self(access))
    }
}

/// The caller at the inbox in the path, as one of its members, an admin of its team, or the organization's
/// owner. `404` for everyone else, and for an inbox that is still being created.
#[derive(Debug, Clone)]
pub struct InboxAccess {
    /// Identifies the caller in cursors and idempotency keys.
    pub principal: String,
    pub inbox: Inbox,
    /// Whether the caller is a member of the inbox.
    pub member: bool,
    pub caller: UserInTeam,
}

impl<S> FromRequestParts<S> for InboxAccess
where
    S: Send + Sync,
    Claims: FromRef<S>,
    Members: FromRef<S>,
    Inboxes: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller = UserCaller::from_request_parts(parts, state).await?;
        let principal = caller.principal();
        let UserCaller { organization, user } = caller;
        let PathId(id) = PathId::<ids::kind::Inbox>::from_request_parts(parts, state).await?;
        let (members, inboxes) = (Members::from_ref(state), Inboxes::from_ref(state));
        let inbox = inboxes.get(InboxKey { organization: &organization, inbox: &id }).await?;
        let inbox = inbox.filter(|inbox| inbox.stage != Stage::Creating).ok_or_else(Problem::not_found)?;
        let caller =
            members.user_in_team(TeamKey { organization: &organization, team: &inbox.team }, &user).await?;
        let caller = caller.ok_or_else(Problem::not_found)?;
        let member =
            members.membership(InboxKey { organization: &organization, inbox: &id }, &user).await?.is_some();
        if member || caller.manages() {
            Ok(Self { principal, inbox, member, caller })
        } else {
            Err(Problem::not_found())
        }
    }
}

/// As [`InboxAccess`], for the admins of the inbox's team and the organization's owner. `403` for other
/// members of the inbox.
#[derive(Debug, Clone)]
pub struct InboxAdmin(pub InboxAccess);

impl<S> FromRequestParts<S> for InboxAdmin
where
    S: Send + Sync,
    Claims: FromRef<S>,
    Members: FromRef<S>,
    Inboxes: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let access = InboxAccess::from_request_parts(parts, state).await?;
        require_admin(&access.caller)?;
        Ok(Self(access))
    }
}

/// As [`InboxAccess`], for those who decide what an inbox sends by itself: the admins of its team, the
/// organization's owner, and the user of a personal inbox. `403` for other members of the inbox.
#[derive(Debug, Clone)]
pub struct InboxEditor(pub InboxAccess);

impl<S> FromRequestParts<S> for InboxEditor
where
    S: Send + Sync,
    Claims: FromRef<S>,
    Members: FromRef<S>,
    Inboxes: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let access = InboxAccess::from_request_parts(parts, state).await?;
        if !(access.member && access.inbox.kind == InboxKind::Personal) {
            require_admin(&access.caller)?;
        }
        Ok(Self(access))
    }
}

/// The id of the inbox that a request names as the sender, by its id or its API code. `404` for a code that
/// no inbox has.
pub async fn named_inbox(
    inboxes: &Inboxes,
    organization: &OrganizationId,
    from: &SenderInbox,
) -> Result<InboxId, Problem> {
    match (&from.inbox_id, &from.api_code) {
        (Some(inbox), None) => InboxId::parse(inbox).map_err(|_| Problem::not_found()),
        (None, Some(code)) if code.is_empty() || code.len() > 64 || code.contains('#') => {
            Err(Problem::not_found())
        }
        (None, Some(code)) => {
            let inbox = inboxes.by_api_code(organization, code).await?;
            Ok(inbox.ok_or_else(Problem::not_found)?.id)
        }
        _ => Err(Problem::bad_field("/from", "either inboxId or apiCode")),
    }
}

/// Errors with `403` unless the user is an admin of the team or the organization's owner.
pub fn require_admin(caller: &UserInTeam) -> Result<(), Problem> {
    if caller.manages() { Ok(()) } else { Err(Problem::admin_required()) }
}

#[cfg(test)]
mod tests {
    use shared_domain::{membership::Role, team::Team, user::User};
    use test_kit::{TestApp, build, gateway::Event};

    use super::*;
    use crate::serve::tests::extract;

    /// The state of a handler. `olga` owns the organization, `ada` is an admin of `team_1`, `bob` and `cyn`
    /// are members of it, and `dan` is an admin of `team_2`. `bob` is a member of the active inbox `inb_1`
    /// of `team_1`. `inb_2` is being created.
    #[derive(Clone, FromRef)]
    struct TestState {
        claims: Claims,
        members: Members,
        inboxes: Inboxes,
    }

    impl TestState {
        async fn new() -> Self {
            let app = TestApp::empty().await;
            let organization = app.organization();
            app.add_team(organization, &app.team).await;
            app.add_team(organization, &Team { id: build::team_id("team_2"), ..build::team() }).await;
            app.add_user(organization, &User { owner: true, ..build::user("olga") }, &[]).await;
            for (user, team, role) in [
                ("ada", "team_1", Role::Admin),
                ("bob", "team_1", Role::Member),
                ("cyn", "team_1", Role::Member),
                ("dan", "team_2", Role::Admin),
            ] {
                app.add_user(organization, &build::user(user), &[(team, role)]).await;
            }
            let creating = Inbox {
                id: build::inbox_id("inb_2"),
                api_code: "SECOND".into(),
                number: build::number("+12025550102"),
                stage: Stage::Creating,
                segments_per_second: None,
                ..build::inbox()
            };
            app.add_inbox(&app.inbox).await;
            app.add_inbox(&creating).await;
            app.add_member(&app.inbox, &build::user_ref("bob", "BOB")).await;
            let table = app.table();
            let (members, inboxes) = (Members::new(table.clone()), Inboxes::new(table));
            Self { claims: Claims::standard(), members, inboxes }
        }

        async fn extract<T: FromRequestParts<Self, Rejection = Problem> + Send + 'static>(
            &self,
            user: &str,
            route: &'static str,
            parameters: &[(&str, &str)],
        ) -> Result<T, Problem> {
            extract(self, &Event::new(route, parameters).user("org_1", user)).await
        }

        async fn member(&self, user: &str, inbox: &str) -> Result<InboxMember, Problem> {
            self.extract(user, "GET /v1/inboxes/{inboxId}", &[("inboxId", inbox)]).await
        }

        async fn team(&self, user: &str, id: &str) -> Result<TeamAccess, Problem> {
            self.extract(user, "GET /v1/teams/{teamId}", &[("teamId", id)]).await
        }

        async fn team_admin(&self, user: &str, id: &str) -> Result<TeamAdmin, Problem> {
            self.extract(user, "GET /v1/teams/{teamId}", &[("teamId", id)]).await
        }

        async fn inbox(&self, user: &str, id: &str) -> Result<InboxAccess, Problem> {
            self.extract(user, "GET /v1/inboxes/{inboxId}", &[("inboxId", id)]).await
        }

        async fn inbox_admin(&self, user: &str, id: &str) -> Result<InboxAdmin, Problem> {
            self.extract(user, "GET /v1/inboxes/{inboxId}", &[("inboxId", id)]).await
        }
    }

    fn refusal<T: std::fmt::Debug>(answer: Result<T, Problem>) -> (u16, &'static str) {
        let problem = answer.unwrap_err();
        (problem.status, problem.code)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn only_members_read_an_inbox() {
        let state = TestState::new().await;
        let bob = state.member("bob", "inb_1").await.unwrap();
        assert_eq!((bob.organization.as_str(), bob.principal.as_str()), ("org_1", "user org_1 bob"));
        assert_eq!(bob.membership.user.name, "BOB");
        for user in ["cyn", "ada", "olga", "dan", "eve"] {
            assert_eq!(refusal(state.member(user, "inb_1").await), (404, "not_found"), "{user}");
        }
        assert_eq!(refusal(state.member("bob", "inb_2").await), (404, "not_found"));
        assert_eq!(refusal(state.member("bob", "no-id").await), (404, "not_found"));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_member_reaches_conversations_of_the_inbox_in_the_path() {
        let state = TestState::new().await;
        let bob = state.member("bob", "inb_1").await.unwrap();
        let conversation = async |id: &str| {
            let route = "GET /v1/inboxes/{inboxId}/conversations/{conversationId}";
            let parameters = [("inboxId", "inb_1"), ("conversationId", id)];
            state.extract::<PathId<ids::kind::Conversation>>("bob", route, &parameters).await
        };
        let PathId(id) = conversation("cnv_1").await.unwrap();
        let key = bob.conversation_key(&id);
        let names = (key.organization.as_str(), key.inbox.as_str(), key.conversation.as_str());
        assert_eq!(names, ("org_1", "inb_1", "cnv_1"));
        assert_eq!(refusal(conversation("msg_1").await), (404, "not_found"));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_team_exists_for_its_members_and_the_owner() {
        let state = TestState::new().await;
        for user in ["bob", "ada", "olga"] {
            let access = state.team(user, "team_1").await.unwrap();
            assert_eq!((access.team().as_str(), access.organization.as_str()), ("team_1", "org_1"));
            assert_eq!(access.principal, format!("user org_1 {user}"));
        }
        for (user, team) in [("dan", "team_1"), ("bob", "team_2"), ("eve", "team_1"), ("olga", "team_3")] {
            assert_eq!(refusal(state.team(user, team).await), (404, "not_found"), "{user} {team}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn only_an_admin_of_the_team_or_the_owner_manages_it() {
        let state = TestState::new().await;
        for user in ["ada", "olga"] {
            assert_eq!(state.team_admin(user, "team_1").await.unwrap().0.team().as_str(), "team_1");
        }
        assert_eq!(refusal(state.team_admin("bob", "team_1").await), (403, "admin_required"));
        assert_eq!(
            refusal(state.team_admin("dan", "team_1").await),
            (404, "not_found"),
            "404 comes before 403"
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_inbox_exists_for_its_members_and_the_admins_of_its_team() {
        let state = TestState::new().await;
        for (user, member) in [("bob", true), ("ada", false), ("olga", false)] {
            let access = state.inbox(user, "inb_1").await.unwrap();
            assert_eq!((access.inbox.id.as_str(), access.member), ("inb_1", member), "{user}");
            let admin = state.inbox_admin(user, "inb_1").await;
            if member {
                assert_eq!(refusal(admin), (403, "admin_required"), "{user}");
            } else {
                assert_eq!(admin.unwrap().0.inbox.id.as_str(), "inb_1", "{user}");
            }
        }
        for user in ["cyn", "dan", "eve"] {
            assert_eq!(refusal(state.inbox(user, "inb_1").await), (404, "not_found"), "{user}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_inbox_that_is_being_created_does_not_exist() {
        let state = TestState::new().await;
        for user in ["ada", "olga"] {
            assert_eq!(refusal(state.inbox(user, "inb_2").await), (404, "not_found"), "{user}");
            assert_eq!(refusal(state.inbox(user, "inb_3").await), (404, "not_found"), "{user}");
        }
    }
}
