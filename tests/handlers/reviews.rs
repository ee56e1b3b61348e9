//! `inbound-sms` and `contacts` together: texts that may be wishes for no more texts, put up and judged.

use contacts::App;
use serde_json::{Value, json};
use shared_aws::{
    notification::Notices,
    opt_out::OptOuts,
    team::{AuditEvent, Teams},
};
use shared_domain::{
    inbox::InboxKind,
    notice::{MailingPreference, NotificationSettings},
    opt_out::{LedgerEntry, OptOutSource, OptOutSubject},
    user::User,
};
use shared_http::{caller::Claims, cursor::Cursors};
use test_kit::{crash::crashing_table, gateway::Event};

use crate::{
    keywords::{
        Said, another_inbox, app as inbound, at, deliver, dying, hear, is_out, ledger, said, shown_out,
    },
    stage::{Stage, json as body_of},
};

const WISH: &str = "Please stop texting me!";
const LIST: &str = "GET /v1/inboxes/{inboxId}/opt-out-reviews";
const JUDGE: &str = "PUT /v1/inboxes/{inboxId}/opt-out-reviews/{reviewId}";

fn app(stage: &Stage) -> App {
    App::new(&stage.table(), Claims::standard(), Cursors::new("secret"))
}

async fn ask(app: &App, seconds: u64, event: &Event) -> (u16, Value) {
    let answer = contacts::handle(app, at(seconds), 7, event.request()).await;
    let mut body = body_of(&answer);
    body.as_object_mut().map(|body| body.remove("requestId"));
    (answer.status().as_u16(), body)
}

fn list(who: &str) -> Event {
    Event::new(LIST, &[("inboxId", "inb_1")]).user("org_1", who)
}

fn judged(who: &str, review: &str, decision: &str) -> Event {
    let parameters = [("inboxId", "inb_1"), ("reviewId", review)];
    Event::new(JUDGE, &parameters).user("org_1", who).json(&json!({ "decision": decision }))
}

async fn waiting(stage: &Stage) -> Vec<Value> {
    let (status, page) = ask(&app(stage), 900, &list("ada")).await;
    assert_eq!(status, 200, "{page}");
    page["items"].as_array().unwrap().clone()
}

/// The wish came in; gives its review's id.
async fn open_review(stage: &Stage) -> String {
    hear(stage, at(10), said(1, WISH)).await;
    waiting(stage).await[0]["reviewId"].as_str().unwrap().to_owned()
}

/// The team's office wants every change of an opt-out by e-mail.
async fn curious(stage: &Stage) {
    let opt_out_changed = MailingPreference { enabled: true, recipients: vec!["desk@clinic.example".into()] };
    let settings = NotificationSettings { opt_out_changed, ..NotificationSettings::default() };
    let deed = AuditEvent {
        actor: &stage.user.id,
        action: "notifications.edit",
        target: "team_1",
        at: at(0),
        entropy: 7,
    };
    let team = &stage.account.team.id;
    Teams::new(stage.table())
        .choose_notifications(stage.organization(), team, &settings, &deed)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_in_other_words_waits_for_a_person_and_nothing_is_done() {
    let stage = Stage::set().await;
    hear(&stage, at(10), said(1, WISH)).await;
    hear(&stage, at(20), said(2, "I'll stop by tomorrow")).await;
    hear(&stage, at(30), said(3, "Remove me from your list")).await;
    let [newer, older] = &waiting(&stage).await[..] else { panic!("not two") };
    assert_eq!((&newer["text"], &older["text"]), (&json!("Remove me from your list"), &json!(WISH)));
    assert_eq!(older["at"], at(10).to_string());
    assert_eq!(older["contact"]["phoneNumber"], stage.contact.as_str());
    assert_eq!((&older["contact"]["provisional"], &older["decided"]), (&json!(true), &Value::Null));
    assert_eq!(older["conversationId"], stage.conversation_id().as_str());
    let texts = stage.history().await;
    assert_eq!(older["messageId"], texts[2].id.as_str());
    assert!(!is_out(&stage).await);
    assert_eq!(ledger(&stage).await, []);
}

/// The acting words need no review, whoever knew them: we, or the carrier.
#[tokio::test(flavor = "multi_thread")]
async fn what_acted_by_itself_is_not_put_up() {
    let stage = Stage::set().await;
    hear(&stage, at(10), said(1, "STOP")).await;
    hear(&stage, at(20), Said { more: &[("OptOutType", "STOP")], ..said(2, "unsubscribe me now") }).await;
    assert_eq!(waiting(&stage).await, [Value::Null; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_dies_anywhere_leaves_one_review_once_the_carrier_repeats() {
    for requests in 0.. {
        let stage = Stage::set().await;
        let died = deliver(&dying(&stage, requests), at(10), said(1, WISH)).await;
        for second in 11..13 {
            hear(&stage, at(second), said(1, WISH)).await;
        }
        assert_eq!(waiting(&stage).await.len(), 1, "{requests}");
        if died == 200 {
            assert!(requests > 8, "{requests}");
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_that_is_honored_opts_out_by_that_user_and_waits_no_longer() {
    let stage = Stage::set().await;
    curious(&stage).await;
    let review = open_review(&stage).await;
    let (status, answer) = ask(&app(&stage), 20, &judged("ada", &review, "opted_out")).await;
    assert_eq!(status, 200, "{answer}");
    let decided = json!({ "decision": "opted_out", "by": { "userId": "ada", "name": "Ada" }, "at": at(20).to_string() });
    assert_eq!((&answer["decided"], &answer["contact"]["optedOut"]), (&decided, &json!(true)));
    assert!(is_out(&stage).await && shown_out(&stage, &stage.account.inbox).await);
    let [LedgerEntry { source, message, user, opted_out, .. }] = &ledger(&stage).await[..] else {
        panic!("not one line")
    };
    assert_eq!((*source, *opted_out), (OptOutSource::User, true));
    assert_eq!(
        (message.as_ref().unwrap().as_str(), user.as_ref()),
        (answer["messageId"].as_str().unwrap(), Some(&stage.user.id))
    );
    assert_eq!(waiting(&stage).await, [Value::Null; 0]);
    let notices = Notices::new(stage.table()).overdue(at(9_000)).await.unwrap();
    assert_eq!(notices.len(), 1);

    let again = ask(&app(&stage), 30, &judged("ada", &review, "opted_out")).await;
    assert_eq!(again, (200, answer), "who decided first, and when");
    let (status, refused) = ask(&app(&stage), 40, &judged("ada", &review, "dismissed")).await;
    assert_eq!((status, &refused["code"]), (409, &json!("already_decided")));
    assert_eq!(refused["decided"], decided);
    hear(&stage, at(50), said(1, WISH)).await;
    assert_eq!(waiting(&stage).await, [Value::Null; 0], "the same text, once more");
    assert_eq!(ledger(&stage).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_dismissed_changes_nothing_else() {
    let stage = Stage::set().await;
    let review = open_review(&stage).await;
    let (status, answer) = ask(&app(&stage), 20, &judged("ada", &review, "dismissed")).await;
    assert_eq!((status, &answer["decided"]["decision"]), (200, &json!("dismissed")));
    assert!(!is_out(&stage).await);
    assert_eq!(ledger(&stage).await, []);
    assert_eq!(ask(&app(&stage), 30, &judged("ada", &review, "dismissed")).await, (200, answer));
    let (status, refused) = ask(&app(&stage), 40, &judged("ada", &review, "opted_out")).await;
    assert_eq!((status, &refused["decided"]["decision"]), (409, &json!("dismissed")));
    assert!(!is_out(&stage).await);
    hear(&stage, at(50), said(1, WISH)).await;
    assert_eq!(waiting(&stage).await, [Value::Null; 0]);
}

/// Deciding is one transaction: whoever dies has decided all of it or nothing, and asking again does the rest.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_dies_while_it_decides_has_honored_what_it_decided() {
    for requests in 0..30 {
        let stage = Stage::set().await;
        let review = open_review(&stage).await;
        let mortal = App::new(
            &crashing_table(&stage.engine.aws, requests),
            Claims::standard(),
            Cursors::new("secret"),
        );
        let (died, _) = ask(&mortal, 20, &judged("ada", &review, "opted_out")).await;
        assert_eq!(waiting(&stage).await.is_empty(), is_out(&stage).await, "{requests}");
        let (status, answer) = ask(&app(&stage), 30, &judged("ada", &review, "opted_out")).await;
        assert_eq!((status, &answer["contact"]["optedOut"]), (200, &json!(true)), "{requests}");
        assert!(is_out(&stage).await && shown_out(&stage, &stage.account.inbox).await, "{requests}");
        assert_eq!(ledger(&stage).await.len(), 1, "{requests}");
        if died == 200 {
            assert!(requests > 4, "{requests}");
            return;
        }
        assert!(died >= 500, "{died}");
    }
    panic!("it never lived");
}

/// Somebody else has opted the contact out before: the wish is honored already, and is no more news.
#[tokio::test(flavor = "multi_thread")]
async fn a_wish_of_somebody_who_is_out_already_ends_without_a_line() {
    let stage = Stage::set().await;
    hear(&stage, at(5), said(8, "Remove me from your list")).await;
    let review = open_review(&stage).await;
    let other = waiting(&stage).await[1]["reviewId"].as_str().unwrap().to_owned();
    assert_eq!(ask(&app(&stage), 20, &judged("ada", &review, "opted_out")).await.0, 200);
    assert_eq!(ask(&app(&stage), 30, &judged("ada", &other, "opted_out")).await.0, 200);
    assert_eq!(waiting(&stage).await, [Value::Null; 0]);
    assert_eq!(ledger(&stage).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_to_a_personal_inbox_is_judged_by_its_user_and_blocks_the_team() {
    let stage = Stage::set().await;
    let personal = another_inbox(&stage, InboxKind::Personal).await;
    let member = shared_domain::membership::Membership {
        inbox: personal.id.clone(),
        kind: personal.kind,
        team: personal.team.clone(),
        user: stage.user.clone(),
    };
    shared_aws::team::Members::new(stage.table()).add(stage.organization(), &member).await.unwrap();
    hear(&stage, at(10), Said { to: "+12025550200", ..said(1, WISH) }).await;
    assert_eq!(waiting(&stage).await, [Value::Null; 0], "not that of the shared inbox");
    let parameters = [("inboxId", "inb_2")];
    let (_, page) = ask(&app(&stage), 20, &Event::new(LIST, &parameters).user("org_1", "ada")).await;
    let review = page["items"][0]["reviewId"].as_str().unwrap();
    let parameters = [("inboxId", "inb_2"), ("reviewId", review)];
    let wish = Event::new(JUDGE, &parameters).user("org_1", "ada").json(&json!({ "decision": "opted_out" }));
    assert_eq!(ask(&app(&stage), 30, &wish).await.0, 200);
    let team = OptOutSubject::of_team(stage.organization(), &personal.team, &stage.contact);
    assert!(OptOuts::new(stage.table()).get(&team).await.unwrap().state.is_out());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_a_member_sees_or_judges_and_what_makes_no_sense_is_refused() {
    let stage = Stage::set().await;
    let review = open_review(&stage).await;
    let owner = User {
        id: shared_domain::ids::UserId::parse("olga").unwrap(),
        name: "Olga".into(),
        email: "olga@clinic.example".into(),
        owner: true,
    };
    let members = shared_aws::team::Members::new(stage.table());
    members.put_user(stage.organization(), &owner).await.unwrap();
    for stranger in ["ben", "olga"] {
        assert_eq!(ask(&app(&stage), 20, &list(stranger)).await.0, 404, "{stranger}");
        let wish = judged(stranger, &review, "opted_out");
        assert_eq!(ask(&app(&stage), 20, &wish).await.0, 404, "{stranger}");
    }
    let machine = Event::new(LIST, &[("inboxId", "inb_1")])
        .claims(json!({ "sub": "m", "client_id": "m", "token_use": "access", "scope": "x" }));
    assert_eq!(ask(&app(&stage), 20, &machine).await.0, 403);
    for nothing in ["rev_1", "msg_1", &review.replace("rev_0", "rev_1")] {
        assert_eq!(ask(&app(&stage), 20, &judged("ada", nothing, "dismissed")).await.0, 404, "{nothing}");
    }
    assert_eq!(ask(&app(&stage), 20, &judged("ada", &review, "perhaps")).await.0, 400);
    assert_eq!(ask(&app(&stage), 20, &list("ada").query("cursor=abc")).await.0, 400);
    assert_eq!(waiting(&stage).await.len(), 1);
    assert!(!is_out(&stage).await);
}

/// Also while many hosts bring the same text and somebody decides meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_text_that_comes_again_while_it_is_judged_is_not_revived() {
    let stage = Stage::set().await;
    let review = open_review(&stage).await;
    let mut deliveries = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let app = inbound(&stage);
        deliveries.spawn(async move { deliver(&app, at(20), said(1, WISH)).await });
    }
    let judge = app(&stage);
    let mut status = 0;
    for _ in 0..5 {
        status = ask(&judge, 20, &judged("ada", &review, "dismissed")).await.0;
        if status == 200 {
            break;
        }
    }
    assert_eq!(status, 200);
    assert!(deliveries.join_all().await.iter().all(|status| [200, 503].contains(status)));
    hear(&stage, at(30), said(1, WISH)).await;
    assert_eq!(waiting(&stage).await, [Value::Null; 0]);
}
