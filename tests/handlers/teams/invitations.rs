//! Invitations to the stack's own user pool.

use serde_json::{Value, json};
use test_kit::user_directory::FakeUserDirectory;

use super::*;

const OWNER: &str = "olga";
const TEAM: &str = "team_1";
const OTHER_TEAM: &str = "team_2";
const EMAIL: &str = "yael@clinic.example";

struct Stack {
    test: TestApp,
    directory: FakeUserDirectory,
    app: App,
}

impl Stack {
    /// A team whose owner and admin can sign in.
    async fn start() -> Self {
        let test = TestApp::with_two_teams().await;
        let directory = FakeUserDirectory::start().await;
        let app = app_over(&test.table()).with_directory(directory.client());
        Self { test, directory, app }
    }

    async fn put(&self, user: &str, body: &Value) -> (u16, Value) {
        call(&self.app, &put(OWNER, TEAM, user, body)).await
    }
}

fn yael() -> Value {
    json!({ "role": "member", "name": "Yael Young", "email": EMAIL })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_member_gets_one_invitation_and_the_claims_of_the_user() {
    let stack = Stack::start().await;
    let (status, member) = stack.put("yael", &yael()).await;
    assert_eq!((status, &member["invited"]), (200, &json!(true)), "{member}");
    let attribute = |name| stack.directory.attribute(EMAIL, name);
    assert_eq!(attribute("custom:organization_id").as_deref(), Some("org_1"));
    assert_eq!(attribute("custom:user_id").as_deref(), Some("yael"));
    let (status, member) = stack.put("yael", &yael()).await;
    assert_eq!((status, &member["invited"]), (200, &json!(false)), "{member}");
    assert_eq!(stack.directory.invitations(), [EMAIL]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_of_another_user_is_refused_and_nothing_is_written() {
    let stack = Stack::start().await;
    stack.put("yael", &yael()).await;
    let items = stack.test.engine.items().await;
    let (status, problem) = stack.put("yuri", &yael()).await;
    assert_eq!((status, &problem["code"]), (409, &json!("email_taken")));
    assert_eq!(stack.test.engine.items().await, items);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_address_is_the_one_to_sign_in_with() {
    let stack = Stack::start().await;
    stack.put("yael", &yael()).await;
    let (status, member) = stack.put("yael", &json!({ "role": "member", "email": "y@clinic.example" })).await;
    assert_eq!((status, &member["invited"]), (200, &json!(false)), "{member}");
    assert_eq!(stack.directory.attribute("y@clinic.example", "custom:user_id").as_deref(), Some("yael"));
    assert_eq!(stack.directory.attribute(EMAIL, "custom:user_id"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_failed_at_the_user_pool_can_be_repeated() {
    let stack = Stack::start().await;
    stack.directory.fail(Some("InternalErrorException"));
    assert_eq!(stack.put("yael", &yael()).await.0, 500);
    stack.directory.fail(None);
    let (status, member) = stack.put("yael", &yael()).await;
    assert_eq!((status, &member["invited"]), (200, &json!(true)), "{member}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_leaves_the_last_team_can_no_longer_sign_in() {
    let stack = Stack::start().await;
    for team in [TEAM, OTHER_TEAM] {
        let (status, member) = call(&stack.app, &put(OWNER, team, "yael", &yael())).await;
        assert_eq!(status, 200, "{member}");
    }
    for (team, can_sign_in) in [(TEAM, true), (OTHER_TEAM, false)] {
        assert_eq!(call(&stack.app, &remove(OWNER, team, "yael")).await.0, 204);
        assert_eq!(stack.directory.attribute(EMAIL, "email").is_some(), can_sign_in, "{team}");
    }
    assert_eq!(call(&stack.app, &remove(OWNER, OTHER_TEAM, "yael")).await.0, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_foreign_issuer_no_one_is_invited() {
    let stack = Stack::start().await;
    let app = app_over(&stack.test.table());
    let (status, member) = call(&app, &put(OWNER, TEAM, "yael", &yael())).await;
    assert_eq!((status, &member["invited"]), (200, &Value::Null), "{member}");
    assert!(stack.directory.invitations().is_empty());
}
