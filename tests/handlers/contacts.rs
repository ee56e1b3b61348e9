//! `contacts`: removals that are interrupted.

use contacts::App;
use serde_json::Value;
use shared_aws::table::Table;
use shared_domain::{contact::Contact, ids::ContactId, membership::Role, user::User};
use shared_http::{caller::Claims, cursor::Cursors, serve::answer};
use test_kit::{
    TestApp,
    gateway::{Event, status_and_json},
};

use crate::inbound_sms::keywords::{at, inbound, receive};

async fn remove(table: Table, contact: &ContactId) -> (u16, Value) {
    let app = App::new(&table, Claims::standard(), Cursors::fixed("secret"));
    let parameters = [("teamId", "team_1"), ("contactId", contact.as_str())];
    let event =
        Event::new("DELETE /v1/teams/{teamId}/contacts/{contactId}", &parameters).user("org_1", "ada");
    status_and_json(&answer(&contacts::router(app), at(20), 7, event.request()).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_a_removal_of_a_contact_crashes_a_repetition_completes_it() {
    for requests in 0..40 {
        let test = TestApp::start().await;
        let pat = Contact {
            id: ContactId::parse("con_pat").unwrap(),
            first_name: Some("Pat".into()),
            provisional: false,
            ..Contact::provisional(&test.team.id, &test.contact)
        };
        test.add_contact(&pat).await;
        let user = User {
            id: test.user.id.clone(),
            name: "Ada".into(),
            email: "ada@clinic.example".into(),
            owner: false,
        };
        test.add_user(test.organization(), &user, &[("team_1", Role::Member)]).await;
        receive(&test, at(10), inbound(1, "Hello")).await;
        assert_eq!(test.conversation().await.unwrap().contact.id, pat.id);
        let (first, _) = remove(test.engine.crashing_table(requests), &pat.id).await;
        let (second, _) = remove(test.table(), &pat.id).await;
        let shown = test.conversation().await.unwrap().contact;
        assert!(shown.provisional && shown.id != pat.id, "{requests}: {first}, then {second}");
        assert_eq!(remove(test.table(), &pat.id).await.0, 404, "{requests}");
        if first == 204 {
            assert_eq!(second, 404, "{requests}");
            assert!(requests > 6, "{requests}");
            return;
        }
        assert!(first >= 500 && [204, 404].contains(&second), "{requests}: {first}, then {second}");
    }
    panic!("the host always crashed");
}
