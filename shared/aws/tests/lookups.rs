//! Lookups of inboxes, teams, members, users, and contacts by each of their keys.

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

use crate::support::{TestStores, ada, at_second, ben, contact, number};

fn other_organization() -> OrganizationId {
    OrganizationId::new(at_second(0), 99)
}

fn team(stores: &TestStores) -> Team {
    Team {
        id: stores.inbox.team.clone(),
        name: "Admissions".into(),
        registration: RegistrationStatus::Approved,
        messaging_service: Some("MG0123456789abcdef0123456789abcdef".into()),
        segments_per_second: Some(40),
        hold: false,
        retention: None,
    }
}

fn membership(stores: &TestStores) -> Membership {
    Membership {
        inbox: stores.inbox.id.clone(),
        kind: InboxKind::Shared,
        team: stores.inbox.team.clone(),
        user: ada(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_is_found_by_its_number_and_within_its_organization_by_id_and_code() {
    let stores = TestStores::start().await;
    stores.inboxes.put(&stores.inbox).await.unwrap();
    let found = Some(stores.inbox.clone());
    assert_eq!(stores.inboxes.by_number(&stores.inbox.number).await.unwrap(), found);
    assert_eq!(stores.inboxes.get(stores.inbox.key()).await.unwrap(), found);
    assert_eq!(stores.inboxes.by_api_code(stores.organization(), "ADMISSIONS").await.unwrap(), found);
    assert_eq!(stores.inboxes.by_number(&number(1)).await.unwrap(), None);
    assert_eq!(
        stores
            .inboxes
            .get(InboxKey { organization: &other_organization(), inbox: &stores.inbox.id })
            .await
            .unwrap(),
        None
    );
    assert_eq!(stores.inboxes.by_api_code(&other_organization(), "ADMISSIONS").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sending_inbox_is_an_inbox_with_its_team() {
    let stores = TestStores::start().await;
    let other = Inbox {
        id: InboxId::new(at_second(0), 45),
        kind: InboxKind::Personal,
        api_code: "ADA".into(),
        number: number(45),
        ..stores.inbox.clone()
    };
    stores.inboxes.put(&stores.inbox).await.unwrap();
    stores.inboxes.put(&other).await.unwrap();
    let account = stores.inboxes.get_with_team(stores.inbox.key()).await.unwrap();
    assert_eq!(account, None, "the team does not exist");
    stores.teams.put(stores.organization(), &team(&stores)).await.unwrap();
    let account = stores.inboxes.get_with_team(stores.inbox.key()).await.unwrap().unwrap();
    assert_eq!((account.inbox, account.team), (stores.inbox.clone(), team(&stores)));
    let wanted = [stores.inbox.id.clone(), other.id.clone(), InboxId::new(at_second(0), 46)];
    let team_ids = [stores.inbox.team.clone()];
    let (counted, teams) =
        stores.inboxes.with_teams(stores.organization(), &wanted, &team_ids).await.unwrap();
    let mut inboxes: Vec<_> = counted.into_iter().map(|(inbox, _)| inbox).collect();
    inboxes.sort_by(|one, other| one.id.cmp(&other.id));
    assert_eq!((inboxes, teams), (vec![stores.inbox.clone(), other], vec![team(&stores)]));
    let nothing = stores.inboxes.with_teams(stores.organization(), &[], &[]).await.unwrap();
    assert_eq!(nothing, (Vec::new(), Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_membership_opens_one_inbox_to_one_user_of_one_organization() {
    let stores = TestStores::start().await;
    stores.members.put(stores.organization(), &membership(&stores)).await.unwrap();
    let check = async |organization: OrganizationId, inbox: InboxId, user: UserRef| {
        stores
            .members
            .membership(InboxKey { organization: &organization, inbox: &inbox }, &user.id)
            .await
            .unwrap()
    };
    let (organization, inbox) = (stores.organization().clone(), stores.inbox.id.clone());
    assert_eq!(check(organization.clone(), inbox.clone(), ada()).await, Some(membership(&stores)));
    assert_eq!(check(organization.clone(), inbox.clone(), ben()).await, None);
    assert_eq!(check(organization, InboxId::new(at_second(0), 46), ada()).await, None);
    assert_eq!(check(other_organization(), inbox, ada()).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_contains_roles_and_inboxes() {
    let stores = TestStores::start().await;
    let user =
        User { id: ada().id, name: ada().name, email: "ada.oyelaran@college.example".into(), owner: true };
    let role = TeamRole { team: stores.inbox.team.clone(), role: Role::Admin, can_broadcast: false };
    stores.members.put(stores.organization(), &membership(&stores)).await.unwrap();
    stores.team_members.put_role(stores.organization(), &user, &role).await.unwrap();
    assert_eq!(
        stores.members.profile(stores.organization(), &user.id).await.unwrap(),
        None,
        "a role does not create a user"
    );
    stores.members.put_user(stores.organization(), &user).await.unwrap();
    let home = stores.members.profile(stores.organization(), &user.id).await.unwrap().unwrap();
    assert_eq!((home.user, home.teams), (user.clone(), vec![role.clone()]));
    let inbox = UserInbox { inbox: stores.inbox.id.clone(), team: stores.inbox.team.clone() };
    assert_eq!(home.inboxes, [inbox]);
    assert_eq!(stores.members.user(stores.organization(), &user.id).await.unwrap(), Some(user.clone()));
    assert_eq!(
        stores
            .members
            .role(TeamKey { organization: stores.organization(), team: &role.team }, &user.id)
            .await
            .unwrap(),
        Some(role)
    );
    assert_eq!(stores.members.profile(&other_organization(), &user.id).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_client_belongs_to_one_organization() {
    let stores = TestStores::start().await;
    stores.members.put_machine("5h1c0u4l6nb2pq8v", stores.organization()).await.unwrap();
    assert_eq!(
        stores.members.machine("5h1c0u4l6nb2pq8v").await.unwrap().as_ref(),
        Some(stores.organization())
    );
    assert_eq!(stores.members.machine("unheard").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_is_found_by_id_and_number_in_its_team_alone() {
    let stores = TestStores::start().await;
    let known = contact(143);
    stores.contacts.put(stores.inbox.team_key(), &known).await.unwrap();
    let get = async |team: &TeamId| {
        stores.contacts.get(TeamKey { organization: stores.organization(), team }, &known.id).await.unwrap()
    };
    let by_number = async |team: &TeamId| {
        stores
            .contacts
            .by_number(TeamKey { organization: stores.organization(), team }, &known.number)
            .await
            .unwrap()
    };
    assert_eq!(
        (get(&stores.inbox.team).await, by_number(&stores.inbox.team).await),
        (Some(known.clone()), Some(known.clone()))
    );
    let other_team = TeamId::new(at_second(0), 34);
    assert_eq!((get(&other_team).await, by_number(&other_team).await), (None, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_added_after_texting_in_is_found_by_number() {
    let stores = TestStores::start().await;
    let find = async || {
        let team = &stores.inbox.team;
        stores
            .contacts
            .by_number_or_provisional(TeamKey { organization: stores.organization(), team }, &number(143))
            .await
            .unwrap()
            .contact
    };
    let provisional = Contact::provisional(&stores.inbox.team, &number(143));
    assert_eq!(find().await, provisional);
    assert_eq!(find().await, provisional);
    stores.contacts.put(stores.inbox.team_key(), &contact(143)).await.unwrap();
    assert_eq!(find().await, contact(143));
}
