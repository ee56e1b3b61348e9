//! Notifications about messages.

use product_tests::{Phone, Stack, TestTeam};
use serde_json::{Value, json};

fn mailing(enabled: bool, recipients: &[&str]) -> Value {
    json!({ "enabled": enabled, "recipients": recipients })
}

/// Product 10: an unknown contact texted in; per team, with its own switch and addresses, and sent once.
#[tokio::test]
async fn a_message_from_an_unknown_number_notifies_each_address_once() {
    let stack = Stack::open();
    let (carrier, team) = (stack.carrier(), TestTeam::create(&stack, "Curious", "amelia").await);
    let (one, two) = (team.create_inbox("First line").await, team.create_inbox("Second line").await);
    let settings = format!("{}/notification-settings", team.path());
    let address = |name: &str| format!("{name}-{}@brightside.example", team.id);
    let (desk, boss) = (address("desk"), address("boss"));
    let wants = async |unknown: Value| {
        let none = mailing(false, &[]);
        let wanted = json!({ "optOutChanged": none, "unknownContact": unknown, "contactAdded": none });
        team.admin.put(&settings, wanted).await.expect(200);
    };
    let (unheard, known, unknown) = (Phone::new(), Phone::new(), Phone::new());
    wants(mailing(false, &[&desk])).await;
    carrier.send_inbound(&unheard, &one.number, "Nobody is told of me").await;
    wants(mailing(true, &[&desk, &boss])).await;
    let listed = json!({ "firstName": "Ola", "mobileNumber": known.number() });
    team.admin.post(&format!("{}/contacts", team.path()), listed).await.expect(201);
    carrier.send_inbound(&known, &one.number, "You know me").await;
    carrier.send_inbound(&unheard, &two.number, "And me by now").await;

    let first = carrier.send_inbound(&unknown, &one.number, "Is this the office?").await;
    carrier.send_inbound(&unknown, &one.number, "Hello?").await;
    carrier.send_inbound(&unknown, &two.number, "Or this?").await;
    let (from, to) = (("From", unknown.number()), ("To", one.number.as_str()));
    let again = [from, to, ("Body", "Is this the office?"), ("MessageSid", first.as_str())];
    assert_eq!(carrier.send_inbound_with(&again).await.webhook_status, Some(200));
    for address in [&desk, &boss] {
        let emails = stack.wait_for_emails(address, unknown.number()).await;
        assert!(emails[0].subject.starts_with("Message from an unknown number: Curious"), "{emails:?}");
        assert!(emails[0].text.contains("First line") && emails[0].html.contains("First line"));
        assert!(!emails[0].text.contains("Is this the office?"), "what was said stays in the inbox");
    }
    // A last one, so that whatever was on its way before has come.
    let last = Phone::new();
    carrier.send_inbound(&last, &one.number, "Last").await;
    stack.wait_for_emails(&boss, last.number()).await;
    for address in [&desk, &boss] {
        stack.wait_for_emails(address, last.number()).await;
        let emails = stack.emails_to(address).await;
        let about = |phone: &Phone| emails.iter().filter(|email| email.text.contains(phone.number())).count();
        assert_eq!(
            [about(&unknown), about(&last), about(&known), about(&unheard)],
            [1, 1, 0, 0],
            "{address}"
        );
    }
}
