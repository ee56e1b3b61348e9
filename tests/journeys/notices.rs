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
    carrier.text_in(&unheard, &one.number, "Nobody is told of me").await;
    wants(mailing(true, &[&desk, &boss])).await;
    let listed = json!({ "firstName": "Ola", "mobileNumber": known.number() });
    team.admin.post(&format!("{}/contacts", team.path()), listed).await.expect(201);
    carrier.text_in(&known, &one.number, "You know me").await;
    carrier.text_in(&unheard, &two.number, "And me by now").await;

    let first = carrier.text_in(&unknown, &one.number, "Is this the office?").await;
    carrier.text_in(&unknown, &one.number, "Hello?").await;
    carrier.text_in(&unknown, &two.number, "Or this?").await;
    let (from, to) = (("From", unknown.number()), ("To", one.number.as_str()));
    let again = [from, to, ("Body", "Is this the office?"), ("MessageSid", first.as_str())];
    assert_eq!(carrier.text_in_with(&again).await.webhook_status, Some(200));
    for address in [&desk, &boss] {
        let mails = stack.mails_about(address, unknown.number()).await;
        assert!(mails[0].subject.starts_with("Message from an unknown number: Curious"), "{mails:?}");
        assert!(mails[0].text.contains("First line") && mails[0].html.contains("First line"));
        assert!(!mails[0].text.contains("Is this the office?"), "what was said stays in the inbox");
    }
    // A last one, so that whatever was on its way before has come.
    let last = Phone::new();
    carrier.text_in(&last, &one.number, "Last").await;
    stack.mails_about(&boss, last.number()).await;
    for address in [&desk, &boss] {
        stack.mails_about(address, last.number()).await;
        let mails = stack.mails_to(address).await;
        let about = |phone: &Phone| mails.iter().filter(|mail| mail.text.contains(phone.number())).count();
        assert_eq!(
            [about(&unknown), about(&last), about(&known), about(&unheard)],
            [1, 1, 0, 0],
            "{address}"
        );
    }
}
