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
    ids::{self, ConversationId, OrganizationId, TeamId},
    inbox::{Inbox, Stage},
    keys::{ConversationKey, InboxKey, TeamKey},
    membership::Membership,
};

use crate::{
    caller::{Claims, UserCaller},
    problem::Problem,
    request::PathId,
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
        let UserCaller { organization, user } = UserCaller::from_request_parts(parts, state).await?;
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
            Ok(Self { inbox, member, caller })
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

/// Errors with `403` unless the user is an admin of the team or the organization's owner.
pub fn require_admin(caller: &UserInTeam) -> Result<(), Problem> {
    if caller.manages() { Ok(()) } else { Err(Problem::admin_required()) }
}

#[cfg(test)]
mod tests {
    use shared_aws::team::{TeamMembers, Teams};
    use shared_domain::{
        ids::{InboxId, UserId},
        inbox::InboxKind,
        membership::{Role, TeamRole},
        phone::PhoneNumber,
        registration::RegistrationStatus,
        team::Team,
        user::{User, UserRef},
    };
    use test_kit::{engine::Engine, gateway::Event};

    use super::*;
    use crate::serve::tests::extract;

    /// `olga` owns the organization, `ada` is admin of `team_1`, `bob` and `cyn` work there, `dan` is admin
    /// of `team_2`. `inb_1` of `team_1` is in use with `bob` in it, `inb_2` is being made.
    #[derive(Clone, FromRef)]
    struct TestApp {
        claims: Claims,
        members: Members,
        team_members: TeamMembers,
        inboxes: Inboxes,
    }

    fn org() -> OrganizationId {
        OrganizationId::parse("org_1").unwrap()
    }

    fn team_id(id: &str) -> TeamId {
        TeamId::parse(id).unwrap()
    }

    fn inbox_of_team_1(id: &str, stage: Stage) -> Inbox {
        Inbox {
            organization: org(),
            id: InboxId::parse(id).unwrap(),
            team: team_id("team_1"),
            kind: InboxKind::Shared,
            name: "Front desk".into(),
            color: "#336699".into(),
            api_code: id.into(),
            number: PhoneNumber::from_carrier(&format!("+1202555010{}", &id[4..])).unwrap(),
            number_sid: None,
            voice_forwarding: None,
            creator: None,
            stage,
        }
    }

    impl TestApp {
        async fn new() -> Self {
            let engine = Engine::start().await;
            let app = Self {
                claims: Claims::standard(),
                members: Members::new(engine.table()),
                team_members: TeamMembers::new(engine.table()),
                inboxes: Inboxes::new(engine.table()),
            };
            for id in ["team_1", "team_2"] {
                let registration = RegistrationStatus::Approved;
                let team = Team { id: team_id(id), name: id.into(), registration, messaging_service: None };
                Teams::new(engine.table()).put(&org(), &team).await.unwrap();
            }
            app.person("olga", true, None).await;
            app.person("ada", false, Some(("team_1", Role::Admin))).await;
            app.person("bob", false, Some(("team_1", Role::Member))).await;
            app.person("cyn", false, Some(("team_1", Role::Member))).await;
            app.person("dan", false, Some(("team_2", Role::Admin))).await;
            for (id, stage) in [("inb_1", Stage::Active), ("inb_2", Stage::Creating)] {
                app.inboxes.put(&inbox_of_team_1(id, stage)).await.unwrap();
            }
            let inbox = InboxId::parse("inb_1").unwrap();
            let user = UserRef { id: UserId::parse("bob").unwrap(), name: "BOB".into() };
            let bob = Membership { inbox, kind: InboxKind::Shared, team: team_id("team_1"), user };
            app.members.put(&org(), &bob).await.unwrap();
            app
        }

        async fn person(&self, id: &str, owner: bool, role: Option<(&str, Role)>) {
            let email = format!("{id}@clinic.example");
            let user = User { id: UserId::parse(id).unwrap(), name: id.to_uppercase(), email, owner };
            self.members.put_user(&org(), &user).await.unwrap();
            if let Some((of, role)) = role {
                let role = TeamRole { team: team_id(of), role };
                self.team_members.put_role(&org(), &user, &role).await.unwrap();
            }
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
        let app = TestApp::new().await;
        let bob = app.member("bob", "inb_1").await.unwrap();
        assert_eq!((bob.organization.as_str(), bob.principal.as_str()), ("org_1", "user org_1 bob"));
        assert_eq!(bob.membership.user.name, "BOB");
        for who in ["cyn", "ada", "olga", "dan", "nobody"] {
            assert_eq!(refusal(app.member(who, "inb_1").await), (404, "not_found"), "{who}");
        }
        assert_eq!(refusal(app.member("bob", "inb_2").await), (404, "not_found"));
        assert_eq!(refusal(app.member("bob", "no-id").await), (404, "not_found"));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_member_reaches_conversations_of_the_inbox_in_the_path() {
        let app = TestApp::new().await;
        let bob = app.member("bob", "inb_1").await.unwrap();
        let conversation = async |id: &str| {
            let route = "GET /v1/inboxes/{inboxId}/conversations/{conversationId}";
            let parameters = [("inboxId", "inb_1"), ("conversationId", id)];
            app.extract::<PathId<ids::kind::Conversation>>("bob", route, &parameters).await
        };
        let PathId(id) = conversation("cnv_1").await.unwrap();
        let key = bob.conversation_key(&id);
        let names = (key.organization.as_str(), key.inbox.as_str(), key.conversation.as_str());
        assert_eq!(names, ("org_1", "inb_1", "cnv_1"));
        assert_eq!(refusal(conversation("msg_1").await), (404, "not_found"));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_team_exists_for_its_members_and_the_owner() {
        let app = TestApp::new().await;
        for who in ["bob", "ada", "olga"] {
            let access = app.team(who, "team_1").await.unwrap();
            assert_eq!((access.team().as_str(), access.organization.as_str()), ("team_1", "org_1"));
            assert_eq!(access.principal, format!("user org_1 {who}"));
        }
        for (who, team) in [("dan", "team_1"), ("bob", "team_2"), ("nobody", "team_1"), ("olga", "team_3")] {
            assert_eq!(refusal(app.team(who, team).await), (404, "not_found"), "{who} {team}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn only_an_admin_of_the_team_or_the_owner_manages_it() {
        let app = TestApp::new().await;
        for who in ["ada", "olga"] {
            assert_eq!(app.team_admin(who, "team_1").await.unwrap().0.team().as_str(), "team_1");
        }
        assert_eq!(refusal(app.team_admin("bob", "team_1").await), (403, "admin_required"));
        assert_eq!(
            refusal(app.team_admin("dan", "team_1").await),
            (404, "not_found"),
            "404 comes before 403"
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_inbox_exists_for_its_members_and_the_admins_of_its_team() {
        let app = TestApp::new().await;
        for (who, member) in [("bob", true), ("ada", false), ("olga", false)] {
            let access = app.inbox(who, "inb_1").await.unwrap();
            assert_eq!((access.inbox.id.as_str(), access.member), ("inb_1", member), "{who}");
            let admin = app.inbox_admin(who, "inb_1").await;
            if member {
                assert_eq!(refusal(admin), (403, "admin_required"), "{who}");
            } else {
                assert_eq!(admin.unwrap().0.inbox.id.as_str(), "inb_1", "{who}");
            }
        }
        for who in ["cyn", "dan", "nobody"] {
            assert_eq!(refusal(app.inbox(who, "inb_1").await), (404, "not_found"), "{who}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_inbox_that_is_being_created_does_not_exist() {
        let app = TestApp::new().await;
        for who in ["ada", "olga"] {
            assert_eq!(refusal(app.inbox(who, "inb_2").await), (404, "not_found"), "{who}");
            assert_eq!(refusal(app.inbox(who, "inb_3").await), (404, "not_found"), "{who}");
        }
    }
}
