//! Who is who: inboxes and their teams, members and users, contacts, each found in the ways that requests name them.

use shared_aws::team::UserInbox;
use shared_domain::{
    contact::Contact,
    ids::{InboxId, OrganizationId, TeamId},
    inbox::{Inbox, InboxKind},
    keys::{InboxKey, TeamKey},
    membership::{Membership, Role, TeamRole},
    registration::RegistrationStatus,
    team::Team,
    user::{User, UserRef},
};

use crate::support::{Desk, ada, ben, contact, number, seconds};

fn stranger() -> OrganizationId {
    OrganizationId::new(seconds(0), 99)
}

fn team(desk: &Desk) -> Team {
    Team {
        id: desk.inbox.team.clone(),
        name: "Admissions".into(),
        registration: RegistrationStatus::Approved,
        messaging_service: Some("MG0123456789abcdef0123456789abcdef".into()),
    }
}

fn membership(desk: &Desk) -> Membership {
    Membership {
        inbox: desk.inbox.id.clone(),
        kind: InboxKind::Shared,
        team: desk.inbox.team.clone(),
        user: ada(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_is_found_by_its_number_and_within_its_organization_by_id_and_code() {
    let desk = Desk::open().await;
    desk.inboxes.put(&desk.inbox).await.unwrap();
    let found = Some(desk.inbox.clone());
    assert_eq!(desk.inboxes.by_number(&desk.inbox.number).await.unwrap(), found);
    assert_eq!(
        desk.inboxes
            .get(InboxKey { organization: desk.organization(), inbox: &desk.inbox.id })
            .await
            .unwrap(),
        found
    );
    assert_eq!(desk.inboxes.by_api_code(desk.organization(), "ADMISSIONS").await.unwrap(), found);
    assert_eq!(desk.inboxes.by_number(&number(1)).await.unwrap(), None);
    assert_eq!(
        desk.inboxes.get(InboxKey { organization: &stranger(), inbox: &desk.inbox.id }).await.unwrap(),
        None
    );
    assert_eq!(desk.inboxes.by_api_code(&stranger(), "ADMISSIONS").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_an_inbox_with_its_team() {
    let desk = Desk::open().await;
    let other = Inbox {
        id: InboxId::new(seconds(0), 45),
        kind: InboxKind::Personal,
        api_code: "ADA".into(),
        number: number(45),
        ..desk.inbox.clone()
    };
    desk.inboxes.put(&desk.inbox).await.unwrap();
    desk.inboxes.put(&other).await.unwrap();
    let account = desk
        .inboxes
        .account(InboxKey { organization: desk.organization(), inbox: &desk.inbox.id })
        .await
        .unwrap();
    assert_eq!(account, None, "a team nobody wrote has no account");
    desk.teams.put(desk.organization(), &team(&desk)).await.unwrap();
    let account = desk
        .inboxes
        .account(InboxKey { organization: desk.organization(), inbox: &desk.inbox.id })
        .await
        .unwrap()
        .unwrap();
    assert_eq!((account.inbox, account.team), (desk.inbox.clone(), team(&desk)));
    let wanted = [desk.inbox.id.clone(), other.id.clone(), InboxId::new(seconds(0), 46)];
    let team_ids = [desk.inbox.team.clone()];
    let (counted, teams) = desk.inboxes.with_teams(desk.organization(), &wanted, &team_ids).await.unwrap();
    let mut inboxes: Vec<_> = counted.into_iter().map(|(inbox, _)| inbox).collect();
    inboxes.sort_by(|one, other| one.id.cmp(&other.id));
    assert_eq!((inboxes, teams), (vec![desk.inbox.clone(), other], vec![team(&desk)]));
    let nothing = desk.inboxes.with_teams(desk.organization(), &[], &[]).await.unwrap();
    assert_eq!(nothing, (Vec::new(), Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_membership_opens_one_inbox_to_one_user_of_one_organization() {
    let desk = Desk::open().await;
    desk.members.put(desk.organization(), &membership(&desk)).await.unwrap();
    let check = async |organization: OrganizationId, inbox: InboxId, user: UserRef| {
        desk.members
            .membership(InboxKey { organization: &organization, inbox: &inbox }, &user.id)
            .await
            .unwrap()
    };
    let (organization, inbox) = (desk.organization().clone(), desk.inbox.id.clone());
    assert_eq!(check(organization.clone(), inbox.clone(), ada()).await, Some(membership(&desk)));
    assert_eq!(check(organization.clone(), inbox.clone(), ben()).await, None);
    assert_eq!(check(organization, InboxId::new(seconds(0), 46), ada()).await, None);
    assert_eq!(check(stranger(), inbox, ada()).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_s_home_has_roles_and_inboxes() {
    let desk = Desk::open().await;
    let user =
        User { id: ada().id, name: ada().name, email: "ada.oyelaran@college.example".into(), owner: true };
    let role = TeamRole { team: desk.inbox.team.clone(), role: Role::Admin };
    desk.members.put(desk.organization(), &membership(&desk)).await.unwrap();
    desk.team_members.put_role(desk.organization(), &user, &role).await.unwrap();
    assert_eq!(
        desk.members.profile(desk.organization(), &user.id).await.unwrap(),
        None,
        "roles alone are no user"
    );
    desk.members.put_user(desk.organization(), &user).await.unwrap();
    let home = desk.members.profile(desk.organization(), &user.id).await.unwrap().unwrap();
    assert_eq!((home.user, home.teams), (user.clone(), vec![role.clone()]));
    let inbox = UserInbox { inbox: desk.inbox.id.clone(), team: desk.inbox.team.clone() };
    assert_eq!(home.inboxes, [inbox]);
    assert_eq!(desk.members.user(desk.organization(), &user.id).await.unwrap(), Some(user.clone()));
    assert_eq!(
        desk.members
            .role(TeamKey { organization: desk.organization(), team: &role.team }, &user.id)
            .await
            .unwrap(),
        Some(role)
    );
    assert_eq!(desk.members.profile(&stranger(), &user.id).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_client_belongs_to_one_organization() {
    let desk = Desk::open().await;
    desk.members.put_machine("5h1c0u4l6nb2pq8v", desk.organization()).await.unwrap();
    assert_eq!(desk.members.machine("5h1c0u4l6nb2pq8v").await.unwrap().as_ref(), Some(desk.organization()));
    assert_eq!(desk.members.machine("unheard").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_is_found_by_id_and_number_in_its_team_alone() {
    let desk = Desk::open().await;
    let known = contact(143);
    desk.contacts
        .put(TeamKey { organization: desk.organization(), team: &desk.inbox.team }, &known)
        .await
        .unwrap();
    let get = async |team: &TeamId| {
        desk.contacts.get(TeamKey { organization: desk.organization(), team }, &known.id).await.unwrap()
    };
    let by_number = async |team: &TeamId| {
        desk.contacts
            .by_number(TeamKey { organization: desk.organization(), team }, &known.number)
            .await
            .unwrap()
    };
    assert_eq!(
        (get(&desk.inbox.team).await, by_number(&desk.inbox.team).await),
        (Some(known.clone()), Some(known.clone()))
    );
    let other_team = TeamId::new(seconds(0), 34);
    assert_eq!((get(&other_team).await, by_number(&other_team).await), (None, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_entered_after_texting_in_is_found_by_number_from_then_on() {
    let desk = Desk::open().await;
    let find = async || {
        let team = &desk.inbox.team;
        desk.contacts
            .by_number_or_provisional(TeamKey { organization: desk.organization(), team }, &number(143))
            .await
            .unwrap()
    };
    let provisional = Contact::provisional(&desk.inbox.team, &number(143));
    assert_eq!(find().await, provisional);
    assert_eq!(find().await, provisional);
    desk.contacts
        .put(TeamKey { organization: desk.organization(), team: &desk.inbox.team }, &contact(143))
        .await
        .unwrap();
    assert_eq!(find().await, contact(143));
}
