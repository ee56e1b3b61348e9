//! `contacts`: numbers that several contacts share, and removals that are interrupted.

use std::sync::Arc;

use contacts::App;
use serde_json::{Value, json};
use shared_aws::{
    contact::{ContactEntry, ContactWrite, Contacts},
    keyword_reply::{KeywordAnswer, KeywordAnswers, KeywordOutcome},
    table::Table,
};
use shared_domain::{
    contact::Contact,
    ids::ContactId,
    keys::TeamKey,
    membership::Role,
    tag::Tags,
    user::{User, UserRef},
};
use shared_http::{caller::Claims, cursor::Cursors, serve::answer};
use test_kit::{
    TestApp, build,
    contention::overtaken_table,
    gateway::{Event, status_and_json},
};

use crate::inbound_sms::{
    keyword_replies::add_reply,
    keywords::{at, inbound, receive},
};

async fn call(table: Table, event: Event) -> (u16, Value) {
    let app = App::new(&table, Claims::standard(), Cursors::fixed("secret"));
    let event = event.user("org_1", "ada");
    status_and_json(&answer(&contacts::router(app), at(20), 7, event.request()).await)
}

fn event(method: &str, contact: &ContactId) -> Event {
    let parameters = [("teamId", "team_1"), ("contactId", contact.as_str())];
    Event::new(&format!("{method} /v1/teams/{{teamId}}/contacts/{{contactId}}"), &parameters)
}

async fn remove(table: Table, contact: &ContactId) -> (u16, Value) {
    call(table, event("DELETE", contact)).await
}

async fn add_member(test: &TestApp) {
    let (name, email) = ("Ada".into(), "ada@clinic.example".into());
    let user = User { id: test.user.id.clone(), name, email, owner: false };
    test.add_user(test.organization(), &user, &[("team_1", Role::Member)]).await;
}

/// The parent whom the conversation shows gets a phone of their own, or is removed.
#[tokio::test(flavor = "multi_thread")]
async fn the_other_contact_of_a_number_takes_the_place_of_one_that_leaves_it() {
    for leaves in [Some(json!({ "mobileNumber": "+12025550149" })), None] {
        let test = TestApp::start().await;
        add_member(&test).await;
        let named = |id: &str, name: &str, assigned: &str| Contact {
            id: ContactId::parse(id).unwrap(),
            first_name: Some(name.into()),
            assigned: Some(UserRef { id: build::user_id(assigned), name: assigned.to_uppercase() }),
            provisional: false,
            ..Contact::provisional(&test.team.id, &test.contact)
        };
        let (pat, kim) = (named("con_pat", "Pat", "ben"), named("con_kim", "Kim", "cy"));
        test.add_contact(&pat).await;
        test.add_contact(&kim).await;
        receive(&test, at(10), inbound(1, "Hello")).await;
        assert_eq!(test.conversation().await.unwrap().contact.id, kim.id);
        let (status, answer) = match &leaves {
            Some(change) => call(test.table(), event("PATCH", &kim.id).json(change)).await,
            None => remove(test.table(), &kim.id).await,
        };
        assert!([200, 204].contains(&status), "{answer}");
        let shown = test.conversation().await.unwrap().contact;
        assert_eq!((shown.id, shown.assigned), (pat.id, pat.assigned), "{leaves:?}");
        let search = Event::new("GET /v1/teams/{teamId}/contacts", &[("teamId", "team_1")]);
        let (_, found) = call(test.table(), search.query("q=2025550143")).await;
        let names: Vec<_> = found["items"].as_array().unwrap().iter().map(|one| &one["firstName"]).collect();
        assert_eq!(names, ["Pat"], "{leaves:?}");
    }
}

/// An ID of one contact can be the beginning of another's name, or its number.
#[tokio::test(flavor = "multi_thread")]
async fn a_search_for_an_external_id_also_finds_the_contacts_of_that_name_or_number() {
    let test = TestApp::start().await;
    add_member(&test).await;
    let contact = |id: &str, name: &str, external_id: Option<&str>, number: &str| Contact {
        id: ContactId::parse(id).unwrap(),
        first_name: Some(name.into()),
        external_id: external_id.map(str::to_owned),
        provisional: false,
        ..Contact::provisional(&test.team.id, &build::number(number))
    };
    for added in [
        contact("con_1", "Pat", Some("max"), "+12025550141"),
        contact("con_2", "Max", None, "+12025550142"),
        contact("con_3", "Maxine", None, "+12025550143"),
        contact("con_4", "Kim", Some("2025550142"), "+12025550144"),
    ] {
        let team = TeamKey { organization: test.organization(), team: &test.team.id };
        let entry = ContactEntry::new(added);
        let written = Contacts::new(test.table()).write(team, None, &entry, None).await.unwrap();
        assert_eq!(written, ContactWrite::Done);
    }
    let names = async |query: &str| {
        let search = Event::new("GET /v1/teams/{teamId}/contacts", &[("teamId", "team_1")]);
        let (_, found) = call(test.table(), search.query(query)).await;
        let items = found["items"].as_array().unwrap().iter();
        items.map(|one| one["firstName"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("q=max").await, ["Pat", "Max", "Maxine"]);
    assert_eq!(names("q=max&limit=2").await, ["Pat", "Max"]);
    assert_eq!(names("q=2025550142").await, ["Kim", "Max"]);
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
        add_member(&test).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_is_added_by_hand_keeps_the_tags_that_it_has() {
    let test = TestApp::start().await;
    add_member(&test).await;
    receive(&test, at(10), inbound(1, "Hello?")).await;
    let (contacts, team) = (Contacts::new(test.table()), test.inbox.team_key());
    let before = contacts.shown_entry(team, &test.contact).await.unwrap().unwrap();
    let tags = Tags::parse("", &["Curious", "VIP"]).unwrap();
    let (reply, claimed) = (KeywordAnswers::new(test.table()), test.history().await.remove(0).id);
    let answer = KeywordAnswer {
        inbox: &test.inbox,
        from: &test.contact,
        message: &claimed,
        at: at(10),
        reply: None,
        tags: Some((&before, &tags)),
    };
    assert_eq!(reply.write(&answer).await.unwrap(), KeywordOutcome::Done);
    let body = json!({ "firstName": "Noor", "mobileNumber": test.contact.as_str(), "tags": ["vip", "New"] });
    let create = Event::new("POST /v1/teams/{teamId}/contacts", &[("teamId", "team_1")]).json(&body);
    let (status, created) = call(test.table(), create).await;
    assert_eq!((status, &created["tags"]), (201, &json!(["Curious", "New", "vip"])), "{created}");
    let list = Event::new("GET /v1/teams/{teamId}/contacts", &[("teamId", "team_1")]);
    let (_, page) = call(test.table(), list).await;
    assert_eq!(page["items"].as_array().unwrap().len(), 1, "{page}");
}

/// The person sends a keyword between any two requests of the user who adds the number.
#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_is_tagged_while_it_is_added_is_one_contact_with_the_tag() {
    for requests in 0..40 {
        let test = Arc::new(TestApp::start().await);
        add_member(&test).await;
        add_reply(&test, "kwr_1", &["hours"], Some("Curious"), at(0)).await;
        receive(&test, at(10), inbound(1, "Hello?")).await;
        let person = test.clone();
        let keyword = async move { receive(&person, at(15), inbound(2, "hours")).await };
        let body = json!({ "firstName": "Noor", "mobileNumber": test.contact.as_str(), "tags": ["New"] });
        let create = Event::new("POST /v1/teams/{teamId}/contacts", &[("teamId", "team_1")]).json(&body);
        let table = overtaken_table(&test.engine.aws, requests, keyword);
        let (status, created) = call(table, create).await;
        assert_eq!(status, 201, "{requests}: {created}");
        if test.history().await.len() == 1 {
            assert!(requests > 8, "{requests}");
            return;
        }
        let list = Event::new("GET /v1/teams/{teamId}/contacts", &[("teamId", "team_1")]);
        let (_, page) = call(test.table(), list).await;
        let tags: Vec<_> = page["items"].as_array().unwrap().iter().map(|contact| &contact["tags"]).collect();
        assert_eq!(tags, [&json!(["Curious", "New"])], "{requests}: {page}");
    }
    panic!("the person always came in between");
}
