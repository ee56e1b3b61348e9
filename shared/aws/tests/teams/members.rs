//! Members of teams: names are copied to every membership, and a removal deletes all memberships in the team.

use shared_aws::{
    table::StoreError,
    team::{TeamMembers, UserProfile},
};
use shared_domain::{
    ids::{InboxId, TeamId},
    keys::{InboxKey, TeamKey},
    membership::{Membership, Role, TeamMember, TeamRole},
    registration::RegistrationStatus,
    team::Team,
    user::{User, UserRef},
};

use super::another_team;
use crate::support::{
    TestStores, ada, at_second, audit_event, ben, cleo, membership, other_inbox, team_with_registration, user,
};

/// Returns stores with an approved team.
pub(super) async fn stores() -> TestStores {
    let stores = TestStores::start().await;
    stores
        .teams
        .put(stores.organization(), &team_with_registration(RegistrationStatus::Approved))
        .await
        .unwrap();
    stores
}

pub(super) async fn profile(stores: &TestStores, user_ref: &UserRef) -> Option<UserProfile> {
    stores.members.profile(stores.organization(), &user_ref.id).await.unwrap()
}

/// Puts a member, from a profile that was read before.
async fn put_member_from(
    stores: &TestStores,
    store: &TeamMembers,
    team: &TeamId,
    user: &User,
    role: Role,
    profile: Option<&UserProfile>,
) -> Result<bool, StoreError> {
    let cleo = cleo();
    let audit_event = audit_event(&cleo, "member.put", user.id.as_str(), at_second(20));
    let role = TeamRole { team: team.clone(), role, can_broadcast: false };
    let team = TeamKey { organization: stores.organization(), team };
    store.put(team, user, &role, profile, &audit_event).await
}

/// Puts a member, from the current profile.
pub(super) async fn put_member(stores: &TestStores, team: &TeamId, user: &User, role: Role) -> bool {
    let profile = stores.members.profile(stores.organization(), &user.id).await.unwrap();
    put_member_from(stores, &stores.team_members, team, user, role, profile.as_ref()).await.unwrap()
}

pub(super) async fn remove(stores: &TestStores, profile: &UserProfile) -> Vec<InboxId> {
    remove_by(stores, &stores.team_members, profile).await.unwrap()
}

async fn remove_by(
    stores: &TestStores,
    store: &TeamMembers,
    profile: &UserProfile,
) -> Result<Vec<InboxId>, StoreError> {
    let cleo = cleo();
    let audit_event = audit_event(&cleo, "member.remove", profile.user.id.as_str(), at_second(30));
    store.remove(stores.inbox.team_key(), profile, &audit_event).await
}

pub(super) async fn membership_of(
    stores: &TestStores,
    inbox: &InboxId,
    user_ref: &UserRef,
) -> Option<Membership> {
    stores
        .members
        .membership(InboxKey { organization: stores.organization(), inbox }, &user_ref.id)
        .await
        .unwrap()
}

/// Makes a user a member of the team and of `count` of its inboxes.
async fn add_to_inboxes(stores: &TestStores, user_ref: &UserRef, count: usize) -> Vec<InboxId> {
    assert!(put_member(stores, &stores.inbox.team, &user(user_ref), Role::Member).await);
    let mut inboxes = Vec::new();
    for index in 0..count {
        let inbox = other_inbox(index);
        stores.members.put(stores.organization(), &membership(&inbox, user_ref)).await.unwrap();
        inboxes.push(inbox.id);
    }
    inboxes
}

/// Makes a user a member of another team and of an inbox there.
async fn add_to_other_team(stores: &TestStores, user_ref: &UserRef) -> (Team, Membership) {
    let other = another_team(7);
    stores.teams.put(stores.organization(), &other).await.unwrap();
    assert!(put_member(stores, &other.id, &user(user_ref), Role::Admin).await);
    let elsewhere = Membership { team: other.id.clone(), ..membership(&other_inbox(777), user_ref) };
    stores.members.put(stores.organization(), &elsewhere).await.unwrap();
    (other, elsewhere)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_member_is_found_by_team_and_by_user_with_their_role() {
    let stores = stores().await;
    let (organization, team) = (stores.organization(), &stores.inbox.team);
    let caller =
        async || stores.members.user_in_team(TeamKey { organization, team }, &ada().id).await.unwrap();
    assert_eq!(caller().await, None);
    assert!(put_member(&stores, team, &user(&ada()), Role::Admin).await);
    assert!(put_member(&stores, team, &user(&ben()), Role::Member).await);
    let member = |user_ref: UserRef, role| TeamMember {
        email: user(&user_ref).email,
        user: user_ref,
        role,
        can_broadcast: false,
    };
    let (first, second) = (member(ada(), Role::Admin), member(ben(), Role::Member));
    assert_eq!(
        stores.team_members.list(TeamKey { organization, team }).await.unwrap(),
        [first.clone(), second]
    );
    assert_eq!(
        stores.team_members.admins(TeamKey { organization, team }).await.unwrap(),
        std::slice::from_ref(&first)
    );
    assert_eq!(
        stores.team_members.get(TeamKey { organization, team }, &ada().id).await.unwrap(),
        Some(first)
    );
    assert_eq!(stores.team_members.get(TeamKey { organization, team }, &cleo().id).await.unwrap(), None);
    let role = TeamRole { team: team.clone(), role: Role::Admin, can_broadcast: false };
    let expected = UserProfile { user: user(&ada()), teams: vec![role], inboxes: Vec::new() };
    assert_eq!(profile(&stores, &ada()).await, Some(expected));
    let caller = caller().await.unwrap();
    assert_eq!((caller.role, caller.person(), caller.manages()), (Some(Role::Admin), ada(), true));
    assert_eq!(caller.team, team_with_registration(RegistrationStatus::Approved));
    let elsewhere = stores
        .members
        .user_in_team(TeamKey { organization, team: &another_team(1).id }, &ada().id)
        .await
        .unwrap();
    assert_eq!(elsewhere, None, "the team does not exist");
    stores.teams.put(organization, &another_team(1)).await.unwrap();
    let elsewhere = stores
        .members
        .user_in_team(TeamKey { organization, team: &another_team(1).id }, &ada().id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((elsewhere.role, elsewhere.manages()), (None, false));
    assert_eq!(stores.audit_entries().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_change_changes_nothing_else_and_never_grants_ownership() {
    let stores = stores().await;
    let (organization, team) = (stores.organization(), &stores.inbox.team);
    let owner = User { owner: true, ..user(&ada()) };
    stores.members.put_user(organization, &owner).await.unwrap();
    assert!(put_member(&stores, team, &user(&ada()), Role::Admin).await);
    assert!(put_member(&stores, team, &user(&ada()), Role::Member).await);
    let profile = profile(&stores, &ada()).await.unwrap();
    assert_eq!((profile.user.owner, profile.role(team)), (true, Some(Role::Member)));
    assert!(put_member(&stores, team, &user(&ben()), Role::Member).await);
    assert!(put_member(&stores, team, &User { owner: true, ..user(&ben()) }, Role::Admin).await);
    let ben = stores.members.user(organization, &ben().id).await.unwrap();
    assert_eq!(ben, Some(user(&crate::support::ben())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_change_from_a_stale_profile_is_refused() {
    let stores = stores().await;
    let (organization, team) = (stores.organization(), &stores.inbox.team);
    let other_organization = profile(&stores, &ada()).await;
    assert!(put_member(&stores, team, &user(&ada()), Role::Member).await);
    let member = profile(&stores, &ada()).await;
    assert!(put_member(&stores, team, &user(&ada()), Role::Admin).await);
    let admin = profile(&stores, &ada()).await.unwrap();
    let before = stores.all_items().await;
    let stale = async |profile: Option<&UserProfile>| {
        let (store, ada) = (&stores.team_members, user(&ada()));
        put_member_from(&stores, store, team, &ada, Role::Member, profile).await.unwrap()
    };
    assert!(!stale(other_organization.as_ref()).await);
    assert!(!stale(member.as_ref()).await, "the profile was read before the user became an admin");
    assert_eq!(stores.all_items().await, before);
    remove(&stores, &admin).await;
    assert!(!stale(Some(&admin)).await);
    assert_eq!(stores.members.role(TeamKey { organization, team }, &ada().id).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_name_and_address_reach_every_team_and_inbox() {
    let stores = stores().await;
    let organization = stores.organization();
    let inboxes = add_to_inboxes(&stores, &ada(), 3).await;
    let (other, elsewhere) = add_to_other_team(&stores, &ada()).await;
    let renamed =
        User { name: "Ada Oyelaran-Kim".into(), email: "ada.kim@college.example".into(), ..user(&ada()) };
    assert!(put_member(&stores, &stores.inbox.team, &renamed, Role::Member).await);
    assert_eq!(stores.members.user(organization, &ada().id).await.unwrap(), Some(renamed.clone()));
    for (team, role) in [(&stores.inbox.team, Role::Member), (&other.id, Role::Admin)] {
        let shown =
            stores.team_members.get(TeamKey { organization, team }, &ada().id).await.unwrap().unwrap();
        assert_eq!((&shown.user.name, &shown.email, shown.role), (&renamed.name, &renamed.email, role));
    }
    for inbox in inboxes.iter().chain([&elsewhere.inbox]) {
        assert_eq!(membership_of(&stores, inbox, &ada()).await.unwrap().user.name, renamed.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_team_gets_no_members() {
    let stores = TestStores::start().await;
    assert!(!put_member(&stores, &stores.inbox.team, &user(&ada()), Role::Admin).await);
    assert!(stores.items().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rename_is_refused_if_a_membership_was_removed_since_the_read() {
    let stores = stores().await;
    let organization = stores.organization();
    let inboxes = add_to_inboxes(&stores, &ada(), 2).await;
    let (other, _) = add_to_other_team(&stores, &ada()).await;
    let stale = profile(&stores, &ada()).await;
    let renamed = User { name: "Ada Kim".into(), ..user(&ada()) };
    let cleo = cleo();
    let audit_event = audit_event(&cleo, "inbox.dismiss", "x", at_second(21));
    stores
        .members
        .remove(
            TeamKey { organization, team: &stores.inbox.team },
            InboxKey { organization, inbox: &inboxes[0] },
            &ada().id,
            &audit_event,
        )
        .await
        .unwrap();
    let refused = async |stale: Option<&UserProfile>| {
        let before = stores.all_items().await;
        let team = &stores.inbox.team;
        let done = put_member_from(&stores, &stores.team_members, team, &renamed, Role::Member, stale)
            .await
            .unwrap();
        assert_eq!(stores.all_items().await, before);
        !done
    };
    assert!(refused(stale.as_ref()).await, "an inbox membership was removed");
    let stale = profile(&stores, &ada()).await;
    let of_other = stale.clone().unwrap();
    stores
        .team_members
        .remove(TeamKey { organization, team: &other.id }, &of_other, &audit_event)
        .await
        .unwrap();
    assert!(refused(stale.as_ref()).await, "a team membership was removed");
    assert!(
        put_member(&stores, &stores.inbox.team, &renamed, Role::Member).await,
        "it succeeds with a fresh profile"
    );
    assert_eq!(
        membership_of(&stores, &inboxes[0], &ada()).await,
        None,
        "the removed membership is not restored"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rename_that_exceeds_one_transaction_reaches_every_copy() {
    let stores = stores().await;
    let inboxes = add_to_inboxes(&stores, &ada(), 130).await;
    let renamed = User { name: "Ada Kim".into(), ..user(&ada()) };
    assert!(put_member(&stores, &stores.inbox.team, &renamed, Role::Member).await);
    for inbox in &inboxes {
        assert_eq!(membership_of(&stores, inbox, &ada()).await.unwrap().user.name, "Ada Kim");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_rename_is_completed_by_a_retry() {
    let stores = stores().await;
    let inboxes = add_to_inboxes(&stores, &ada(), 130).await;
    let renamed = User { name: "Ada Kim".into(), ..user(&ada()) };
    let before = profile(&stores, &ada()).await;
    let crashing = TeamMembers::new(stores.crashing_table(1));
    let team = &stores.inbox.team;
    put_member_from(&stores, &crashing, team, &renamed, Role::Member, before.as_ref()).await.unwrap_err();
    assert_eq!(profile(&stores, &ada()).await, before, "the user item is written last");
    assert!(put_member(&stores, team, &renamed, Role::Member).await);
    for inbox in &inboxes {
        assert_eq!(membership_of(&stores, inbox, &ada()).await.unwrap().user.name, "Ada Kim");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn removing_a_member_removes_ninety_inboxes_and_keeps_other_teams() {
    let stores = stores().await;
    let organization = stores.organization();
    let mut inboxes = add_to_inboxes(&stores, &ada(), 90).await;
    let (other, elsewhere) = add_to_other_team(&stores, &ada()).await;
    add_to_inboxes(&stores, &ben(), 2).await;
    let mut left = remove(&stores, &profile(&stores, &ada()).await.unwrap()).await;
    left.sort();
    inboxes.sort();
    assert_eq!(left, inboxes);
    for inbox in &inboxes {
        assert_eq!(membership_of(&stores, inbox, &ada()).await, None);
    }
    assert!(membership_of(&stores, &inboxes[0], &ben()).await.is_some());
    let profile = profile(&stores, &ada()).await.unwrap();
    let teams: Vec<_> = profile.teams.iter().map(|role| &role.team).collect();
    let inboxes: Vec<_> = profile.inboxes.iter().map(|of_user| &of_user.inbox).collect();
    assert_eq!((teams, inboxes), (vec![&other.id], vec![&elsewhere.inbox]));
    assert_eq!(membership_of(&stores, &elsewhere.inbox, &ada()).await, Some(elsewhere));
    let team = &stores.inbox.team;
    assert_eq!(stores.team_members.get(TeamKey { organization, team }, &ada().id).await.unwrap(), None);
    assert_eq!(stores.members.role(TeamKey { organization, team }, &ada().id).await.unwrap(), None);
    assert_eq!(stores.audit_entries().await[0].action, "member.remove");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_interrupted_at_any_request_is_completed_by_a_retry() {
    for requests in 0..5 {
        let stores = stores().await;
        let inboxes = add_to_inboxes(&stores, &ada(), 90).await;
        let before = profile(&stores, &ada()).await.unwrap();
        let crashing = TeamMembers::new(stores.crashing_table(requests));
        let broken = remove_by(&stores, &crashing, &before).await;
        assert!(broken.is_err(), "after {requests} requests");
        let left = profile(&stores, &ada()).await.unwrap();
        let still_there = 90_usize.saturating_sub(40 * requests);
        assert_eq!(left.inboxes.len(), still_there, "after {requests} requests");
        assert_eq!(left.teams.len(), usize::from(requests < 4), "the team membership is deleted last");
        assert_eq!(remove(&stores, &left).await.len(), still_there);
        let after = profile(&stores, &ada()).await.unwrap();
        assert_eq!((after.teams, after.inboxes), (Vec::new(), Vec::new()));
        for inbox in &inboxes {
            assert_eq!(membership_of(&stores, inbox, &ada()).await, None);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn removing_a_member_twice_is_removing_once() {
    let stores = stores().await;
    add_to_inboxes(&stores, &ada(), 2).await;
    let before = profile(&stores, &ada()).await.unwrap();
    assert_eq!(remove(&stores, &before).await.len(), 2);
    let items = stores.items().await.len();
    assert_eq!(remove(&stores, &profile(&stores, &ada()).await.unwrap()).await, []);
    assert_eq!(stores.items().await.len(), items + 1, "only an audit entry was added");
}
