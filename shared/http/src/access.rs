//! Access to a team, to the settings of an inbox, and to what was written there. Members of an inbox read and answer;
//! those who manage its team change its settings; to everybody else it does not exist.

use lambda_http::Request;
use shared_aws::{
    inbox::Inboxes,
    team::{Members, UserInTeam},
};
use shared_domain::{
    ids::{ConversationId, InboxId, OrganizationId, TeamId},
    inbox::{Inbox, Stage},
    keys::ConversationKey,
    membership::Membership,
};

use crate::{
    caller::{self, Claims},
    input::path_id,
    problem::Problem,
};

/// A member who asks for something in an inbox.
#[derive(Debug, Clone)]
pub struct MemberAccess {
    /// The tenant.
    pub organization: OrganizationId,
    /// A name for cursors and keys.
    pub principal: String,
    /// The membership, with the user's name.
    pub membership: Membership,
}

impl MemberAccess {
    /// A conversation of the inbox.
    pub fn thread<'a>(&'a self, conversation: &'a ConversationId) -> ConversationKey<'a> {
        ConversationKey { organization: &self.organization, inbox: &self.membership.inbox, conversation }
    }
}

/// The caller as a member of the inbox in the path: half a read unit.
///
/// # Errors
/// `403` for a token without a user, `404` for anything the caller may not see.
pub async fn member(request: &Request, claims: &Claims, members: &Members) -> Result<MemberAccess, Problem> {
    let caller = caller::user(request, claims)?;
    let inbox: InboxId = path_id(request, "inboxId")?;
    let membership = members.membership(&caller.organization, &inbox, &caller.user).await?;
    let membership = membership.ok_or_else(Problem::not_found)?;
    Ok(MemberAccess { principal: caller.principal(), organization: caller.organization, membership })
}

/// The conversation in the path; a text that is no id names nothing.
///
/// # Errors
/// `404`.
pub fn conversation(request: &Request) -> Result<ConversationId, Problem> {
    path_id(request, "conversationId")
}

/// Somebody who asks for something in a team they belong to, or whose organization they own.
#[derive(Debug, Clone)]
pub struct TeamAccess {
    /// The tenant.
    pub organization: OrganizationId,
    /// A name for cursors and keys.
    pub principal: String,
    /// Who, with which rights, in which team.
    pub standing: UserInTeam,
}

impl TeamAccess {
    /// The team.
    pub fn team(&self) -> &TeamId {
        &self.standing.team.id
    }

    /// Only for those who manage the team.
    ///
    /// # Errors
    /// `403`.
    pub fn manager(self) -> Result<Self, Problem> {
        if self.standing.manages() { Ok(self) } else { Err(admin_required()) }
    }
}

fn admin_required() -> Problem {
    Problem::forbidden("admin_required", "Only an admin of the team may do that.")
}

/// The caller in the team in the path: 1.5 read units in one request.
///
/// # Errors
/// `403` for a token without a user, `404` for anything the caller may not see.
pub async fn team(request: &Request, claims: &Claims, members: &Members) -> Result<TeamAccess, Problem> {
    let caller = caller::user(request, claims)?;
    let team: TeamId = path_id(request, "teamId")?;
    let standing = members.user_in_team(&caller.organization, &team, &caller.user).await?;
    let standing = standing.filter(|standing| standing.user.owner || standing.role.is_some());
    let standing = standing.ok_or_else(Problem::not_found)?;
    Ok(TeamAccess { principal: caller.principal(), organization: caller.organization, standing })
}

/// Somebody who asks about an inbox itself, not about what was written there.
#[derive(Debug, Clone)]
pub struct InboxAccess {
    /// The inbox.
    pub inbox: Inbox,
    /// Whether the caller is a member.
    pub member: bool,
    /// Who, with which rights, in the inbox's team.
    pub standing: UserInTeam,
}

impl InboxAccess {
    /// Only for those who manage the inbox's team.
    ///
    /// # Errors
    /// `403`.
    pub fn manager(self) -> Result<Self, Problem> {
        if self.standing.manages() { Ok(self) } else { Err(admin_required()) }
    }
}

/// The caller at the inbox in the path: a member, or somebody who manages its team.
///
/// # Errors
/// `403` for a token without a user, `404` for anything the caller may not see, an inbox that is being made included.
pub async fn inbox(
    request: &Request,
    claims: &Claims,
    members: &Members,
    inboxes: &Inboxes,
) -> Result<InboxAccess, Problem> {
    let caller = caller::user(request, claims)?;
    let id: InboxId = path_id(request, "inboxId")?;
    let found = inboxes.get(&caller.organization, &id).await?;
    let inbox = found.filter(|inbox| inbox.stage != Stage::Creating).ok_or_else(Problem::not_found)?;
    let standing = members.user_in_team(&caller.organization, &inbox.team, &caller.user).await?;
    let standing = standing.ok_or_else(Problem::not_found)?;
    let member = members.membership(&caller.organization, &id, &caller.user).await?.is_some();
    if member || standing.manages() {
        Ok(InboxAccess { inbox, member, standing })
    } else {
        Err(Problem::not_found())
    }
}

#[cfg(test)]
mod tests {
    use shared_aws::team::Teams;
    use shared_domain::{
        ids::UserId,
        inbox::InboxKind,
        membership::{Role, TeamRole},
        phone::PhoneNumber,
        registration::RegistrationStatus,
        team::Team,
        user::{User, UserRef},
    };
    use test_kit::{engine::Engine, gateway::Event};

    use super::*;

    /// `olga` owns the organization, `ada` is admin of `team_1`, `bob` and `cyn` work there, `dan` is admin of `team_2`.
    /// `inb_1` of `team_1` is in use with `bob` in it, `inb_2` is being made.
    struct Office {
        members: Members,
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

    impl Office {
        async fn open() -> Self {
            let engine = Engine::start().await;
            let office =
                Self { members: Members::new(engine.table()), inboxes: Inboxes::new(engine.table()) };
            for id in ["team_1", "team_2"] {
                let registration = RegistrationStatus::Approved;
                let team = Team { id: team_id(id), name: id.into(), registration, messaging_service: None };
                Teams::new(engine.table()).put(&org(), &team).await.unwrap();
            }
            office.person("olga", true, None).await;
            office.person("ada", false, Some(("team_1", Role::Admin))).await;
            office.person("bob", false, Some(("team_1", Role::Member))).await;
            office.person("cyn", false, Some(("team_1", Role::Member))).await;
            office.person("dan", false, Some(("team_2", Role::Admin))).await;
            for (id, stage) in [("inb_1", Stage::Active), ("inb_2", Stage::Creating)] {
                office.inboxes.put(&inbox_of_team_1(id, stage)).await.unwrap();
            }
            let inbox = InboxId::parse("inb_1").unwrap();
            let user = UserRef { id: UserId::parse("bob").unwrap(), name: "BOB".into() };
            let bob = Membership { inbox, kind: InboxKind::Shared, team: team_id("team_1"), user };
            office.members.add(&org(), &bob).await.unwrap();
            office
        }

        async fn person(&self, id: &str, owner: bool, role: Option<(&str, Role)>) {
            let email = format!("{id}@clinic.example");
            let user = User { id: UserId::parse(id).unwrap(), name: id.to_uppercase(), email, owner };
            self.members.put_user(&org(), &user).await.unwrap();
            if let Some((of, role)) = role {
                let role = TeamRole { team: team_id(of), role };
                self.members.put_role(&org(), &user, &role).await.unwrap();
            }
        }

        async fn member(&self, who: &str, inbox: &str) -> Result<MemberAccess, Problem> {
            let event = Event::new("GET /v1/inboxes/{inboxId}", &[("inboxId", inbox)]).user("org_1", who);
            member(&event.request(), &Claims::standard(), &self.members).await
        }

        async fn team(&self, who: &str, id: &str) -> Result<TeamAccess, Problem> {
            let event = Event::new("GET /v1/teams/{teamId}", &[("teamId", id)]).user("org_1", who);
            team(&event.request(), &Claims::standard(), &self.members).await
        }

        async fn inbox(&self, who: &str, id: &str) -> Result<InboxAccess, Problem> {
            let event = Event::new("GET /v1/inboxes/{inboxId}", &[("inboxId", id)]).user("org_1", who);
            inbox(&event.request(), &Claims::standard(), &self.members, &self.inboxes).await
        }
    }

    fn said<T: std::fmt::Debug>(answer: Result<T, Problem>) -> (u16, &'static str) {
        let problem = answer.unwrap_err();
        (problem.status, problem.code)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_was_written_in_an_inbox_is_for_its_members_alone() {
        let office = Office::open().await;
        let bob = office.member("bob", "inb_1").await.unwrap();
        assert_eq!((bob.organization.as_str(), bob.principal.as_str()), ("org_1", "user org_1 bob"));
        assert_eq!(bob.membership.user.name, "BOB");
        for who in ["cyn", "ada", "olga", "dan", "nobody"] {
            assert_eq!(said(office.member(who, "inb_1").await), (404, "not_found"), "{who}");
        }
        assert_eq!(said(office.member("bob", "inb_2").await), (404, "not_found"));
        assert_eq!(said(office.member("bob", "no-id").await), (404, "not_found"));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_member_reaches_the_conversation_in_the_path_within_the_inbox_alone() {
        let bob = Office::open().await.member("bob", "inb_1").await.unwrap();
        let asked = |id: &str| {
            let route = "GET /v1/inboxes/{inboxId}/conversations/{conversationId}";
            conversation(&Event::new(route, &[("inboxId", "inb_1"), ("conversationId", id)]).request())
        };
        let id = asked("cnv_1").unwrap();
        let thread = bob.thread(&id);
        let names = (thread.organization.as_str(), thread.inbox.as_str(), thread.conversation.as_str());
        assert_eq!(names, ("org_1", "inb_1", "cnv_1"));
        assert_eq!(said(asked("msg_1")), (404, "not_found"));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_team_is_there_for_who_belongs_to_it_and_for_the_owner() {
        let office = Office::open().await;
        for who in ["bob", "ada", "olga"] {
            let access = office.team(who, "team_1").await.unwrap();
            assert_eq!((access.team().as_str(), access.organization.as_str()), ("team_1", "org_1"));
            assert_eq!(access.principal, format!("user org_1 {who}"));
        }
        for (who, team) in [("dan", "team_1"), ("bob", "team_2"), ("nobody", "team_1"), ("olga", "team_3")] {
            assert_eq!(said(office.team(who, team).await), (404, "not_found"), "{who} {team}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn only_an_admin_of_the_team_or_the_owner_manages_it() {
        let office = Office::open().await;
        for who in ["ada", "olga"] {
            assert_eq!(
                office.team(who, "team_1").await.unwrap().manager().unwrap().team().as_str(),
                "team_1"
            );
        }
        let bob = office.team("bob", "team_1").await.unwrap().manager();
        assert_eq!(said(bob), (403, "admin_required"));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_inbox_is_there_for_its_members_and_for_who_manages_its_team() {
        let office = Office::open().await;
        for (who, member) in [("bob", true), ("ada", false), ("olga", false)] {
            let access = office.inbox(who, "inb_1").await.unwrap();
            assert_eq!((access.inbox.id.as_str(), access.member), ("inb_1", member), "{who}");
            let manages = if who == "bob" { Err((403, "admin_required")) } else { Ok("inb_1".to_owned()) };
            let managed = access.manager().map(|access| access.inbox.id.to_string());
            assert_eq!(managed.map_err(|problem| (problem.status, problem.code)), manages, "{who}");
        }
        for who in ["cyn", "dan", "nobody"] {
            assert_eq!(said(office.inbox(who, "inb_1").await), (404, "not_found"), "{who}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_inbox_that_is_being_made_is_there_for_nobody() {
        let office = Office::open().await;
        for who in ["ada", "olga"] {
            assert_eq!(said(office.inbox(who, "inb_2").await), (404, "not_found"), "{who}");
            assert_eq!(said(office.inbox(who, "inb_3").await), (404, "not_found"), "{who}");
        }
    }
}
