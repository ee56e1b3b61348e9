//! Notifications of messages from unknown numbers.

use product_tests::{Phone, Stack, TestTeam};
use serde_json::{Value, json};

fn setting(enabled: bool, recipients: &[&str]) -> Value {
    json!({ "enabled": enabled, "recipients": recipients })
}

/// Product 10: a message from an unknown contact notifies the team's addresses once, if the team has enabled
/// that.
#[tokio::test]
async fn a_message_from_an_unknown_number_notifies_each_address_once() {
    let stack = Stack::open();
    let (carrier, team) = (stack.carrier(), TestTeam::create(&stack, "Curious", "amelia").await);
    let (one, two) = (team.create_inbox("First line").await, team.create_inbox("Second line").await);
    let settings = format!("{}/notification-settings", team.path());
    let address = |name: &str| format!("{name}-{}@brightside.example", team.id);
    let (desk, boss) = (address("desk"), address("boss"));
    let save_setting = async |unknown: Value| {
        let none = setting(false, &[]);
        let wanted = json!({ "optOutChanged": none, "unknownContact": unknown, "contactAdded": none });
        team.admin.put(&settings, wanted).await.expect(200);
    };
    let (unlisted, known, unknown) = (Phone::new(), Phone::new(), Phone::new());
    save_setting(setting(false, &[&desk])).await;
    carrier.send_inbound(&unlisted, &one.number, "Nobody is notified of this").await;
    save_setting(setting(true, &[&desk, &boss])).await;
    let listed = json!({ "firstName": "Ola", "mobileNumber": known.number() });
    team.admin.post(&format!("{}/contacts", team.path()), listed).await.expect(201);
    carrier.send_inbound(&known, &one.number, "You know me").await;
    carrier.send_inbound(&unlisted, &two.number, "And me by now").await;

    let first = carrier.send_inbound(&unknown, &one.number, "Is this the office?").await;
    carrier.send_inbound(&unknown, &one.number, "Hello?").await;
    carrier.send_inbound(&unknown, &two.number, "Or this?").await;
    let (from, to) = (("From", unknown.number()), ("To", one.number.as_str()));
    let again = [from, to, ("Body", "Is this the office?"), ("MessageSid", first.as_str())];
    assert_eq!(carrier.send_inbound_with(&again).await.webhook_status, Some(200));
    for address in [&desk, &boss] {
        let emails = stack.wait_for_emails(address, unknown.number()).await;
        assert!(emails[0].subject.starts_with("Message from an unknown number: Curious"), "{emails:?}");
        assert!(emails[0].text.contains(&one.number) && emails[0].html.contains(&one.number));
        assert!(!emails[0].text.contains("First line"), "only members of the inbox see its name");
        assert!(!emails[0].text.contains("Is this the office?"), "the e-mail does not contain the text");
    }
    // Once the e-mail of this last message has arrived, all earlier ones have too.
    let last = Phone::new();
    carrier.send_inbound(&last, &one.number, "Last").await;
    stack.wait_for_emails(&boss, last.number()).await;
    for address in [&desk, &boss] {
        stack.wait_for_emails(address, last.number()).await;
        let emails = stack.emails_to(address).await;
        let about = |phone: &Phone| emails.iter().filter(|email| email.text.contains(phone.number())).count();
        assert_eq!(
            [about(&unknown), about(&last), about(&known), about(&unlisted)],
            [1, 1, 0, 0],
            "{address}"
        );
    }
}
