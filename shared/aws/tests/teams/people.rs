//! Members of teams: their names go wherever they are shown, and who leaves takes nothing along.

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
    Desk, ada, another_inbox, audit_event, ben, cleo, membership, seconds, team_that_is, user,
};

/// A desk whose team may send.
pub(super) async fn desk() -> Desk {
    let desk = Desk::open().await;
    desk.teams.put(desk.organization(), &team_that_is(RegistrationStatus::Approved)).await.unwrap();
    desk
}

pub(super) async fn home(desk: &Desk, person: &UserRef) -> Option<UserProfile> {
    desk.members.profile(desk.organization(), &person.id).await.unwrap()
}

/// Becomes a member of the team as a user who was read before.
async fn put_from(
    desk: &Desk,
    store: &TeamMembers,
    team: &TeamId,
    user: &User,
    role: Role,
    home: Option<&UserProfile>,
) -> Result<bool, StoreError> {
    let cleo = cleo();
    let audit_event = audit_event(&cleo, "member.put", user.id.as_str(), seconds(20));
    store.put(TeamKey { organization: desk.organization(), team }, user, role, home, &audit_event).await
}

/// Becomes a member as things stand now.
pub(super) async fn put(desk: &Desk, team: &TeamId, user: &User, role: Role) -> bool {
    let home = desk.members.profile(desk.organization(), &user.id).await.unwrap();
    put_from(desk, &desk.team_members, team, user, role, home.as_ref()).await.unwrap()
}

pub(super) async fn remove(desk: &Desk, home: &UserProfile) -> Vec<InboxId> {
    remove_by(desk, &desk.team_members, home).await.unwrap()
}

async fn remove_by(desk: &Desk, store: &TeamMembers, home: &UserProfile) -> Result<Vec<InboxId>, StoreError> {
    let cleo = cleo();
    let audit_event = audit_event(&cleo, "member.remove", home.user.id.as_str(), seconds(30));
    store
        .remove(TeamKey { organization: desk.organization(), team: &desk.inbox.team }, home, &audit_event)
        .await
}

pub(super) async fn is_in(desk: &Desk, inbox: &InboxId, person: &UserRef) -> Option<Membership> {
    desk.members.membership(InboxKey { organization: desk.organization(), inbox }, &person.id).await.unwrap()
}

/// A member of the desk's team and of so many of its inboxes.
async fn member_of_inboxes(desk: &Desk, person: &UserRef, how_many: usize) -> Vec<InboxId> {
    assert!(put(desk, &desk.inbox.team, &user(person), Role::Member).await);
    let mut inboxes = Vec::new();
    for place in 0..how_many {
        let inbox = another_inbox(place);
        desk.members.put(desk.organization(), &membership(&inbox, person)).await.unwrap();
        inboxes.push(inbox.id);
    }
    inboxes
}

/// A member of another team too, with an inbox there.
async fn member_elsewhere(desk: &Desk, person: &UserRef) -> (Team, Membership) {
    let other = another_team(7);
    desk.teams.put(desk.organization(), &other).await.unwrap();
    assert!(put(desk, &other.id, &user(person), Role::Admin).await);
    let elsewhere = Membership { team: other.id.clone(), ..membership(&another_inbox(777), person) };
    desk.members.put(desk.organization(), &elsewhere).await.unwrap();
    (other, elsewhere)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_becomes_a_member_is_found_from_team_and_user_and_has_a_standing() {
    let desk = desk().await;
    let (organization, team) = (desk.organization(), &desk.inbox.team);
    let standing =
        async || desk.members.user_in_team(TeamKey { organization, team }, &ada().id).await.unwrap();
    assert_eq!(standing().await, None);
    assert!(put(&desk, team, &user(&ada()), Role::Admin).await);
    assert!(put(&desk, team, &user(&ben()), Role::Member).await);
    let member = |person: UserRef, role| TeamMember { email: user(&person).email, user: person, role };
    let (first, second) = (member(ada(), Role::Admin), member(ben(), Role::Member));
    assert_eq!(
        desk.team_members.list(TeamKey { organization, team }).await.unwrap(),
        [first.clone(), second]
    );
    assert_eq!(
        desk.team_members.admins(TeamKey { organization, team }).await.unwrap(),
        std::slice::from_ref(&first)
    );
    assert_eq!(desk.team_members.get(TeamKey { organization, team }, &ada().id).await.unwrap(), Some(first));
    assert_eq!(desk.team_members.get(TeamKey { organization, team }, &cleo().id).await.unwrap(), None);
    let role = TeamRole { team: team.clone(), role: Role::Admin };
    let expected = UserProfile { user: user(&ada()), teams: vec![role], inboxes: Vec::new() };
    assert_eq!(home(&desk, &ada()).await, Some(expected));
    let standing = standing().await.unwrap();
    assert_eq!((standing.role, standing.person(), standing.manages()), (Some(Role::Admin), ada(), true));
    assert_eq!(standing.team, team_that_is(RegistrationStatus::Approved));
    let elsewhere = desk
        .members
        .user_in_team(TeamKey { organization, team: &another_team(1).id }, &ada().id)
        .await
        .unwrap();
    assert_eq!(elsewhere, None, "there is no such team");
    desk.teams.put(organization, &another_team(1)).await.unwrap();
    let elsewhere = desk
        .members
        .user_in_team(TeamKey { organization, team: &another_team(1).id }, &ada().id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((elsewhere.role, elsewhere.manages()), (None, false));
    assert_eq!(desk.trail().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_role_changes_nothing_else_and_nobody_becomes_the_owner_by_being_a_member() {
    let desk = desk().await;
    let (organization, team) = (desk.organization(), &desk.inbox.team);
    let owner = User { owner: true, ..user(&ada()) };
    desk.members.put_user(organization, &owner).await.unwrap();
    assert!(put(&desk, team, &user(&ada()), Role::Admin).await);
    assert!(put(&desk, team, &user(&ada()), Role::Member).await);
    let home = home(&desk, &ada()).await.unwrap();
    assert_eq!((home.user.owner, home.role(team)), (true, Some(Role::Member)));
    assert!(put(&desk, team, &user(&ben()), Role::Member).await);
    assert!(put(&desk, team, &User { owner: true, ..user(&ben()) }, Role::Admin).await);
    let ben = desk.members.user(organization, &ben().id).await.unwrap();
    assert_eq!(ben, Some(user(&crate::support::ben())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_refused_when_it_was_given_by_what_the_user_was_before() {
    let desk = desk().await;
    let (organization, team) = (desk.organization(), &desk.inbox.team);
    let stranger = home(&desk, &ada()).await;
    assert!(put(&desk, team, &user(&ada()), Role::Member).await);
    let member = home(&desk, &ada()).await;
    assert!(put(&desk, team, &user(&ada()), Role::Admin).await);
    let admin = home(&desk, &ada()).await.unwrap();
    let before = desk.all_rows().await;
    let stale = async |home: Option<&UserProfile>| {
        let (store, ada) = (&desk.team_members, user(&ada()));
        put_from(&desk, store, team, &ada, Role::Member, home).await.unwrap()
    };
    assert!(!stale(stranger.as_ref()).await);
    assert!(!stale(member.as_ref()).await, "who may change a member may not change an admin");
    assert_eq!(desk.all_rows().await, before);
    remove(&desk, &admin).await;
    assert!(!stale(Some(&admin)).await);
    assert_eq!(desk.members.role(TeamKey { organization, team }, &ada().id).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_name_and_address_go_to_every_team_and_inbox() {
    let desk = desk().await;
    let organization = desk.organization();
    let inboxes = member_of_inboxes(&desk, &ada(), 3).await;
    let (other, elsewhere) = member_elsewhere(&desk, &ada()).await;
    let married =
        User { name: "Ada Oyelaran-Kim".into(), email: "ada.kim@college.example".into(), ..user(&ada()) };
    assert!(put(&desk, &desk.inbox.team, &married, Role::Member).await);
    assert_eq!(desk.members.user(organization, &ada().id).await.unwrap(), Some(married.clone()));
    for (team, role) in [(&desk.inbox.team, Role::Member), (&other.id, Role::Admin)] {
        let shown = desk.team_members.get(TeamKey { organization, team }, &ada().id).await.unwrap().unwrap();
        assert_eq!((&shown.user.name, &shown.email, shown.role), (&married.name, &married.email, role));
    }
    for inbox in inboxes.iter().chain([&elsewhere.inbox]) {
        assert_eq!(is_in(&desk, inbox, &ada()).await.unwrap().user.name, married.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_becomes_a_member_of_a_team_that_is_not_there() {
    let desk = Desk::open().await;
    assert!(!put(&desk, &desk.inbox.team, &user(&ada()), Role::Admin).await);
    assert!(desk.rows().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_name_is_refused_when_a_place_that_showed_the_old_one_went_meanwhile() {
    let desk = desk().await;
    let organization = desk.organization();
    let inboxes = member_of_inboxes(&desk, &ada(), 2).await;
    let (other, _) = member_elsewhere(&desk, &ada()).await;
    let stale = home(&desk, &ada()).await;
    let renamed = User { name: "Ada Kim".into(), ..user(&ada()) };
    let cleo = cleo();
    let audit_event = audit_event(&cleo, "inbox.dismiss", "x", seconds(21));
    desk.members
        .remove(
            TeamKey { organization, team: &desk.inbox.team },
            InboxKey { organization, inbox: &inboxes[0] },
            &ada().id,
            &audit_event,
        )
        .await
        .unwrap();
    let refused = async |stale: Option<&UserProfile>| {
        let before = desk.all_rows().await;
        let team = &desk.inbox.team;
        let done = put_from(&desk, &desk.team_members, team, &renamed, Role::Member, stale).await.unwrap();
        assert_eq!(desk.all_rows().await, before);
        !done
    };
    assert!(refused(stale.as_ref()).await, "an inbox went");
    let stale = home(&desk, &ada()).await;
    let of_other = stale.clone().unwrap();
    desk.team_members
        .remove(TeamKey { organization, team: &other.id }, &of_other, &audit_event)
        .await
        .unwrap();
    assert!(refused(stale.as_ref()).await, "a team went");
    assert!(put(&desk, &desk.inbox.team, &renamed, Role::Member).await, "read again, it is done");
    assert_eq!(is_in(&desk, &inboxes[0], &ada()).await, None, "and nothing came back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_shown_in_more_places_than_one_transaction_takes_changes_in_all_of_them() {
    let desk = desk().await;
    let inboxes = member_of_inboxes(&desk, &ada(), 130).await;
    let renamed = User { name: "Ada Kim".into(), ..user(&ada()) };
    assert!(put(&desk, &desk.inbox.team, &renamed, Role::Member).await);
    for inbox in &inboxes {
        assert_eq!(is_in(&desk, inbox, &ada()).await.unwrap().user.name, "Ada Kim");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renaming_that_broke_off_is_done_to_its_end_when_it_is_asked_for_again() {
    let desk = desk().await;
    let inboxes = member_of_inboxes(&desk, &ada(), 130).await;
    let renamed = User { name: "Ada Kim".into(), ..user(&ada()) };
    let before = home(&desk, &ada()).await;
    let dying = TeamMembers::new(desk.mortal_host(1));
    let team = &desk.inbox.team;
    put_from(&desk, &dying, team, &renamed, Role::Member, before.as_ref()).await.unwrap_err();
    assert_eq!(home(&desk, &ada()).await, before, "the user's own row goes last");
    assert!(put(&desk, team, &renamed, Role::Member).await);
    for inbox in &inboxes {
        assert_eq!(is_in(&desk, inbox, &ada()).await.unwrap().user.name, "Ada Kim");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_a_team_leaves_its_ninety_inboxes_and_stays_in_other_teams() {
    let desk = desk().await;
    let organization = desk.organization();
    let mut inboxes = member_of_inboxes(&desk, &ada(), 90).await;
    let (other, elsewhere) = member_elsewhere(&desk, &ada()).await;
    member_of_inboxes(&desk, &ben(), 2).await;
    let mut left = remove(&desk, &home(&desk, &ada()).await.unwrap()).await;
    left.sort();
    inboxes.sort();
    assert_eq!(left, inboxes);
    for inbox in &inboxes {
        assert_eq!(is_in(&desk, inbox, &ada()).await, None);
    }
    assert!(is_in(&desk, &inboxes[0], &ben()).await.is_some());
    let home = home(&desk, &ada()).await.unwrap();
    let teams: Vec<_> = home.teams.iter().map(|role| &role.team).collect();
    let inboxes: Vec<_> = home.inboxes.iter().map(|of_user| &of_user.inbox).collect();
    assert_eq!((teams, inboxes), (vec![&other.id], vec![&elsewhere.inbox]));
    assert_eq!(is_in(&desk, &elsewhere.inbox, &ada()).await, Some(elsewhere));
    let team = &desk.inbox.team;
    assert_eq!(desk.team_members.get(TeamKey { organization, team }, &ada().id).await.unwrap(), None);
    assert_eq!(desk.members.role(TeamKey { organization, team }, &ada().id).await.unwrap(), None);
    assert_eq!(desk.trail().await[0].action, "member.remove");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_broke_off_anywhere_is_done_to_its_end_when_it_is_asked_for_again() {
    for requests in 0..5 {
        let desk = desk().await;
        let inboxes = member_of_inboxes(&desk, &ada(), 90).await;
        let before = home(&desk, &ada()).await.unwrap();
        let dying = TeamMembers::new(desk.mortal_host(requests));
        let broken = remove_by(&desk, &dying, &before).await;
        assert!(broken.is_err(), "after {requests} requests");
        let left = home(&desk, &ada()).await.unwrap();
        let still_there = 90_usize.saturating_sub(40 * requests);
        assert_eq!(left.inboxes.len(), still_there, "after {requests} requests");
        assert_eq!(left.teams.len(), usize::from(requests < 4), "the team goes last");
        assert_eq!(remove(&desk, &left).await.len(), still_there);
        let after = home(&desk, &ada()).await.unwrap();
        assert_eq!((after.teams, after.inboxes), (Vec::new(), Vec::new()));
        for inbox in &inboxes {
            assert_eq!(is_in(&desk, inbox, &ada()).await, None);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_twice_is_leaving_once() {
    let desk = desk().await;
    member_of_inboxes(&desk, &ada(), 2).await;
    let before = home(&desk, &ada()).await.unwrap();
    assert_eq!(remove(&desk, &before).await.len(), 2);
    let rows = desk.rows().await.len();
    assert_eq!(remove(&desk, &home(&desk, &ada()).await.unwrap()).await, []);
    assert_eq!(desk.rows().await.len(), rows + 1, "but for a line in the trail");
}
