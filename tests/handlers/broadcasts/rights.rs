//! Who may edit, confirm and stop a broadcast, and in whose name it is sent.

use std::time::Duration;

use serde_json::json;
use shared_aws::team::{AuditEvent, Members, TeamMembers};
use shared_domain::{
    ids::UserId,
    membership::{Role, TeamRole},
};
use shared_lambda::clock::now;
use test_kit::build;

use super::{Broadcasting, CHANGE, CONFIRM, ESTIMATE, PAUSE, REMOVE};

#[tokio::test(flavor = "multi_thread")]
async fn only_members_with_the_right_confirm_and_only_members_of_the_inbox_edit() {
    let it = Broadcasting::start().await;
    let id = it.draft(&["+12025550143"], "Closed today.").await;
    let rename = || Some(json!({ "name": "Ice day" }));
    let (status, problem) = it.of("cyn", CHANGE, &id, rename()).await;
    assert_eq!((status, &problem["code"]), (403, &json!("inbox_membership_required")));
    assert_eq!(it.of("zoe", CHANGE, &id, rename()).await.0, 404, "a user of nobody's team");
    assert_eq!(it.of("bob", CHANGE, &id, rename()).await.1["name"], "Ice day");

    let (_, estimate) = it.of("bob", ESTIMATE, &id, None).await;
    let permission = estimate["checks"].as_array().unwrap().iter().find(|c| c["code"] == "permission");
    assert_eq!(permission.unwrap()["level"], "stop");
    let confirm = || Some(json!({ "estimateId": estimate["estimateId"] }));
    let (status, problem) = it.of("bob", CONFIRM, &id, confirm()).await;
    assert_eq!((status, &problem["code"]), (403, &json!("broadcast_permission_required")));
    let role = TeamRole { team: it.test.team.id.clone(), role: Role::Member, can_broadcast: true };
    let members = TeamMembers::new(it.test.table());
    members.put_role(it.test.organization(), &build::user("bob"), &role).await.unwrap();
    let (status, confirmed) = it.of("bob", CONFIRM, &id, confirm()).await;
    assert_eq!((status, &confirmed["confirmedBy"]["userId"]), (202, &json!("bob")));
    assert_eq!(it.of("bob", CONFIRM, &id, confirm()).await.0, 202, "a repeated confirmation");
    assert_eq!(it.of("bob", CHANGE, &id, rename()).await.1["code"], "broadcast_status");
    assert_eq!(it.of("cyn", PAUSE, &id, None).await.0, 403);
}

/// The checklist says what the confirmation will answer.
#[tokio::test(flavor = "multi_thread")]
async fn an_admin_who_is_no_member_of_the_inbox_has_a_stop_in_the_checklist() {
    let it = Broadcasting::start().await;
    let id = it.draft(&["+12025550143"], "Closed today.").await;
    it.test.add_user(it.test.organization(), &build::user("cyn"), &[("team_1", Role::Admin)]).await;
    for (user, level, answer) in [("cyn", "stop", 403), ("ada", "ok", 202)] {
        let (_, estimate) = it.of(user, ESTIMATE, &id, None).await;
        let permission = estimate["checks"].as_array().unwrap().iter().find(|c| c["code"] == "permission");
        assert_eq!(permission.unwrap()["level"], level, "{user}");
        let confirm = json!({ "estimateId": estimate["estimateId"] });
        assert_eq!(it.of(user, CONFIRM, &id, Some(confirm)).await.0, answer, "{user}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_broadcast_whose_sender_may_no_longer_send_it_is_not_sent() {
    for left_the_inbox in [false, true] {
        let it = Broadcasting::start().await;
        let id = it.draft(&["+12025550143"], "Closed today.").await;
        let at = now() + Duration::from_secs(60);
        it.of("ada", CHANGE, &id, Some(json!({ "scheduledAt": at.to_string() }))).await;
        it.confirm(&id).await;
        if left_the_inbox {
            let (actor, target) = (&UserId::parse("bob").unwrap(), "ada");
            let event = AuditEvent { actor, action: "inbox.member.remove", target, at: now(), entropy: 1 };
            let (ada, inbox) = (UserId::parse("ada").unwrap(), &it.test.inbox);
            Members::new(it.test.table()).remove(inbox.team_key(), inbox.key(), &ada, &event).await.unwrap();
        } else {
            it.test.add_user(it.test.organization(), &build::user("ada"), &[("team_1", Role::Member)]).await;
        }
        it.work(at).await;
        let failed = it.read(&id).await;
        assert_eq!(failed["status"], "failed", "{failed}");
        assert!(failed["reason"].as_str().unwrap().contains("may no longer send"), "{failed}");
    }
}

/// Any member of the inbox may edit a draft.
#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_broadcast_is_changed_and_removed_by_those_who_may_broadcast() {
    let it = Broadcasting::start().await;
    let id = it.draft(&["+12025550143"], "Closed today.").await;
    assert_eq!(it.of("bob", CHANGE, &id, Some(json!({ "name": "Snow" }))).await.0, 200, "a draft");
    let at = now() + Duration::from_hours(1);
    it.of("ada", CHANGE, &id, Some(json!({ "scheduledAt": at.to_string() }))).await;
    it.confirm(&id).await;
    for (route, body) in [(CHANGE, Some(json!({ "name": "Ice" }))), (REMOVE, None)] {
        let (status, refused) = it.of("bob", route, &id, body).await;
        assert_eq!((status, &refused["code"]), (403, &json!("broadcast_permission_required")), "{route}");
    }
    assert_eq!(it.of("ada", REMOVE, &id, None).await.0, 204);
}
