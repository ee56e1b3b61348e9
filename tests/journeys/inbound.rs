//! Inbound messages: each is stored once, and only webhooks of the carrier are accepted.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use product_tests::{ApiResponse, Carrier, Phone, Stack};
use serde_json::{Value, json};

const MESSAGES: &str = "/webhooks/twilio/messages";

/// The webhook form of an inbound message.
struct Form(Vec<(&'static str, String)>);

impl Form {
    fn new(carrier: &Carrier, from: &Phone, to: &str, sid: &str) -> Self {
        let fields =
            [("MessageSid", sid), ("AccountSid", carrier.account()), ("From", from.number()), ("To", to)];
        let mut form = Self(fields.map(|(name, value)| (name, value.to_owned())).into());
        form.0.push(("Body", "Hello".into()));
        form
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.0.retain(|(field, _)| *field != name);
        self.0.push((name, value.to_owned()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.0.retain(|(field, _)| *field != name);
        self
    }

    fn fields(&self) -> Vec<(&str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }

    async fn post(&self, carrier: &Carrier) -> ApiResponse {
        carrier.webhook(MESSAGES, &self.fields()).await
    }
}

/// Returns a SID that is unique because the number of the phone is.
fn sid(phone: &Phone) -> String {
    let digits = phone.number().trim_start_matches('+');
    format!("SM{digits:0>16}{digits:0>16}")
}

fn expect_acknowledgment(response: &ApiResponse) {
    response.expect(200);
    assert_eq!(response.header("content-type"), "text/xml");
    assert!(response.body.contains("<Response"), "{response}");
}

#[tokio::test]
async fn a_message_that_the_carrier_delivers_five_times_is_stored_once() {
    let stack = Stack::open();
    let (carrier, ben) = (stack.carrier(), stack.user("ben"));
    let conversation = stack.new_conversation("Before").await;
    let sid = sid(&conversation.phone);
    let form = Form::new(&carrier, &conversation.phone, &stack.front_desk_inbox().phone_number, &sid);
    for _ in 0..5 {
        expect_acknowledgment(&form.post(&carrier).await);
    }
    assert_eq!(conversation.texts(&ben).await, ["Before", "Hello"]);

    // A redelivery after the reply does not return the conversation to the Inbox.
    ben.lock_and_reply(&conversation, "Hi").await.expect(202);
    expect_acknowledgment(&form.post(&carrier).await);
    let seen = conversation.get_as(&ben).await;
    assert_eq!((&seen["folder"], &seen["lastMessage"]["text"]), (&json!("archived"), &json!("Hi")), "{seen}");
}

#[tokio::test]
async fn a_message_that_the_carrier_delivers_five_times_at_once_is_stored_once() {
    let stack = Stack::open();
    let (carrier, erin, inbox) = (stack.carrier(), stack.user("erin"), stack.inbox("ERIN"));
    let phone = Phone::new();
    let form = Form::new(&carrier, &phone, &inbox.phone_number, &sid(&phone));
    for response in join_all((0..5).map(|_| form.post(&carrier))).await {
        expect_acknowledgment(&response);
    }
    let conversation = stack.find_conversation(&erin, &inbox.inbox_id, "inbox", &phone).await;
    assert_eq!(conversation.texts(&erin).await, ["Hello"]);
}

#[tokio::test]
async fn concurrent_messages_from_one_number_join_one_conversation() {
    let stack = Stack::open();
    let (carrier, ben, front_desk) = (stack.carrier(), stack.user("ben"), stack.front_desk_inbox());
    let phone = Phone::new();
    let words = ["One", "Two", "Three", "Four"];
    join_all(words.map(|text| carrier.send_inbound(&phone, &front_desk.phone_number, text))).await;
    let conversation = stack.find_conversation(&ben, &front_desk.inbox_id, "inbox", &phone).await;
    let texts: BTreeSet<_> = conversation.texts(&ben).await.into_iter().collect();
    assert_eq!(texts, words.map(str::to_owned).into(), "all messages are stored");
    let other = |found: &Value| {
        found["contact"]["phoneNumber"] == phone.number() && found["conversationId"] != *conversation.id
    };
    assert!(product_tests::conversation::find(&ben, &front_desk.inbox_id, "inbox", other).await.is_none());
    let last = conversation.history(&ben).await.pop().expect("a text");
    assert_eq!(
        conversation.get_as(&ben).await["lastMessage"]["messageId"],
        last["messageId"],
        "the list shows the newest message"
    );
}

#[tokio::test]
async fn an_unknown_number_becomes_a_provisional_contact_and_a_known_one_keeps_its_name() {
    let stack = Stack::open();
    let ben = stack.user("ben");
    let conversation = stack.new_conversation("Who am I?").await;
    let contact = conversation.get_as(&ben).await["contact"].clone();
    assert_eq!((&contact["provisional"], &contact["firstName"]), (&json!(true), &Value::Null), "{contact}");
    assert_eq!(
        (&contact["phoneNumber"], &contact["optedOut"]),
        (&json!(conversation.phone.number()), &json!(false))
    );
    stack.conversation_from(&conversation.phone, "Still me").await;
    assert_eq!(conversation.get_as(&ben).await["contact"]["contactId"], contact["contactId"]);

    let known = stack.conversation_from(&Phone::of("+12025550150"), "It is me").await;
    let seen = known.get_as(&ben).await;
    assert_eq!(
        (&seen["contact"]["externalId"], &seen["contact"]["provisional"]),
        (&json!("C-1041"), &json!(false))
    );
    assert!(seen["contact"]["firstName"].is_string() && seen["contact"]["lastName"].is_string(), "{seen}");
    let listed = known.find_as(&ben, "inbox").await.expect("in the Inbox");
    assert_eq!(listed["assignedUser"], seen["assignedUser"], "the user that the import assigned");
    assert!(seen["assignedUser"]["name"].is_string(), "{seen}");
}

#[tokio::test]
async fn media_and_every_character_of_a_text_are_stored() {
    let stack = Stack::open();
    let (carrier, ben, front_desk) = (stack.carrier(), stack.user("ben"), stack.front_desk_inbox());
    let conversation = stack
        .new_conversation("  blanks, \u{1f469}\u{200d}\u{1f680}, \"quotes\" & <tags>\n+1 = 100 % \\ é  ")
        .await;
    let photo = ("MediaUrl0", "https://media.example/photo.png?size=1&v=2");
    let video = ("MediaUrl1", "https://media.example/film.mp4");
    let fields = [("From", conversation.phone.number()), ("To", &front_desk.phone_number), photo, video];
    assert_eq!(carrier.send_inbound_with(&fields).await.webhook_status, Some(200));
    let history = conversation.history(&ben).await;
    assert_eq!(
        history[0]["text"],
        "  blanks, \u{1f469}\u{200d}\u{1f680}, \"quotes\" & <tags>\n+1 = 100 % \\ é  "
    );
    assert_eq!((&history[0]["state"], &history[0]["media"]), (&json!("received"), &json!([])));
    assert_eq!(history[1]["text"], "");
    let kinds: Vec<_> = (0..2).map(|place| &history[1]["media"][place]["contentType"]).collect();
    assert_eq!(kinds, ["image/png", "video/mp4"], "in the carrier's order");
    assert!(!history[1].to_string().contains("media.example"), "the history contains no URL of the carrier");
}

#[tokio::test]
async fn nothing_is_stored_without_the_carriers_signature() {
    let stack = Stack::open();
    let (carrier, ben) = (stack.carrier(), stack.user("ben"));
    let conversation = stack.new_conversation("Genuine").await;
    let to = stack.front_desk_inbox().phone_number.as_str();
    let form = Form::new(&carrier, &conversation.phone, to, &sid(&conversation.phone)).with("Body", "Forged");
    let genuine = carrier.signature(MESSAGES, &form.fields());
    let of_another_body = carrier.signature(MESSAGES, &form.fields()[1..]);
    let of_another_path = carrier.signature("/webhooks/twilio/status", &form.fields());
    let of_another_token =
        shared_carriers::twilio::signature::sign(MESSAGES, &form.fields(), "not the token");
    for signature in [
        None,
        Some(""),
        Some("garbage"),
        Some(&of_another_body),
        Some(&of_another_path),
        Some(&of_another_token),
    ] {
        let signature: Option<&str> = signature.map(|text: &str| text);
        carrier.forged_webhook(MESSAGES, &form.fields(), signature).await.problem(403, "signature");
    }
    let altered =
        Form::new(&carrier, &conversation.phone, to, &sid(&conversation.phone)).with("Body", "Altered");
    carrier.forged_webhook(MESSAGES, &altered.fields(), Some(&genuine)).await.problem(403, "signature");
    let of_another_account = form.with("AccountSid", "AC00000000000000000000000000000000");
    of_another_account.post(&carrier).await.problem(403, "signature");
    assert_eq!(conversation.texts(&ben).await, ["Genuine"]);
}

#[tokio::test]
async fn a_signed_form_without_a_field_is_refused_and_one_with_extra_fields_is_accepted() {
    let stack = Stack::open();
    let (carrier, ben, front_desk) = (stack.carrier(), stack.user("ben"), stack.front_desk_inbox());
    let conversation = stack.new_conversation("Before").await;
    let form =
        || Form::new(&carrier, &conversation.phone, &front_desk.phone_number, &sid(&conversation.phone));
    for broken in [
        form().without("MessageSid"),
        form().with("MessageSid", "not a sid"),
        form().without("From"),
        form().with("From", "#"), // a name would be a sender
        form().without("To"),
        form().without("AccountSid"),
    ] {
        broken.post(&carrier).await.problem(400, "malformed");
    }
    carrier.webhook(MESSAGES, &[]).await.problem(400, "malformed");
    assert_eq!(conversation.texts(&ben).await, ["Before"]);

    let more = form().with("Body", "With more").with("BrandNewField", "yes").with("NumMedia", "many");
    expect_acknowledgment(&more.post(&carrier).await);
    assert_eq!(conversation.texts(&ben).await, ["Before", "With more"]);
}

#[tokio::test]
async fn a_message_to_an_unknown_inbox_number_is_refused() {
    let stack = Stack::open();
    let (carrier, phone) = (stack.carrier(), Phone::new());
    let form = Form::new(&carrier, &phone, Phone::new().number(), &sid(&phone));
    form.post(&carrier).await.problem(404, "unknown_number");
}

/// ◆ product 4: one conversation per inbox and number.
#[tokio::test]
async fn one_phone_has_a_conversation_in_each_inbox() {
    let stack = Stack::open();
    let (carrier, erin, inbox) = (stack.carrier(), stack.user("erin"), stack.inbox("ERIN"));
    let shared = stack.new_conversation("To the desk").await;
    carrier.send_inbound(&shared.phone, &inbox.phone_number, "To Erin").await;
    let own = stack.find_conversation(&erin, &inbox.inbox_id, "inbox", &shared.phone).await;
    assert_ne!(own.id, shared.id);
    assert_eq!(own.texts(&erin).await, ["To Erin"]);
    assert_eq!(shared.texts(&erin).await, ["To the desk"]);
}
