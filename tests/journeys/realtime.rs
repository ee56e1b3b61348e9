//! The WebSocket: events within a moment, tickets, removed members, and frames that are not part of the
//! protocol.

use product_tests::{Phone, SharedInbox, Socket, Stack, TestTeam, socket::ticket};
use serde_json::json;

async fn team_with_inbox(stack: &Stack, name: &str) -> (TestTeam, SharedInbox) {
    let team = TestTeam::create(stack, name, "amelia").await;
    team.add_member("ben").await;
    let inbox = team.create_inbox(name).await;
    team.register(&stack.carrier()).await;
    team.admin.put(&inbox.member("ben"), json!({})).await.expect(200);
    (team, inbox)
}

#[tokio::test]
async fn a_second_member_sees_a_message_a_lock_and_a_viewer_within_a_moment() {
    let stack = Stack::open();
    let (team, inbox) = team_with_inbox(&stack, "Live").await;
    let (mut of_ben, mut of_admin) = (Socket::of(&stack.user("ben")).await, Socket::of(&team.admin).await);
    let phone = Phone::new();
    stack.carrier().send_inbound(&phone, &inbox.number, "Is the office open?").await;
    let created = of_ben.event(&inbox.id, "message.created").await;
    assert_eq!(created["data"]["text"], "Is the office open?");
    assert_eq!(of_admin.event(&inbox.id, "message.created").await, created);

    let conversation = stack.find_conversation(&team.admin, &inbox.id, "inbox", &phone).await;
    conversation.acquire_lock(&team.admin).await;
    let acquired = of_ben.event(&inbox.id, "lock.acquired").await;
    assert_eq!(acquired["data"]["holder"]["id"], "amelia");

    of_admin.send(&json!({ "type": "view", "conversationId": conversation.id }).to_string()).await;
    let viewers = of_ben.event(&inbox.id, "viewer.changed").await;
    assert_eq!(viewers["data"]["viewers"][0]["userId"], "amelia");
    of_ben.send(r#"{"type":"ping"}"#).await;
    while of_ben.next().await.expect("a pong")["type"] != "pong" {}
}

#[tokio::test]
async fn a_removed_member_gets_nothing_after_the_response_to_the_removal() {
    let stack = Stack::open();
    let (team, inbox) = team_with_inbox(&stack, "Live until the removal").await;
    let (mut of_ben, mut of_admin) = (Socket::of(&stack.user("ben")).await, Socket::of(&team.admin).await);
    team.admin.patch(&inbox.path(), json!({ "name": "Before" })).await.expect(200);
    // An earlier change of the inbox may come first.
    while of_ben.event(&inbox.id, "inbox.changed").await["data"]["name"] != "Before" {}
    team.admin.delete(&inbox.member("ben")).await.expect(204);
    team.admin.patch(&inbox.path(), json!({ "name": "After" })).await.expect(200);
    while of_admin.event(&inbox.id, "inbox.changed").await["data"]["name"] != "After" {}

    for _ in 0..20 {
        of_ben.send("hello").await;
    }
    let (events, code) = of_ben.rest(&inbox.id).await;
    assert_eq!((events, code), (0, Some(json!(4003))), "twenty frames that are not part of the protocol");
}

#[tokio::test]
async fn a_ticket_opens_one_connection_and_a_user_has_ten() {
    let stack = Stack::open();
    let user = stack.user("carla");
    let used = ticket(&user).await;
    let mut sockets = vec![Socket::open(&used).await.expect("the first use")];
    assert!(Socket::open(&used).await.is_none(), "the second use");
    let mut unknown = used.clone();
    unknown["ticket"] = "0123456789abcdef".into();
    assert!(Socket::open(&unknown).await.is_none());

    while sockets.len() < 10 {
        sockets.push(Socket::of(&user).await);
    }
    assert!(Socket::open(&ticket(&user).await).await.is_none(), "the eleventh");
    let mut of_another_user = Socket::of(&stack.user("dev")).await;
    let of_carla = ticket(&user).await;
    let refresh = json!({ "type": "refresh", "ticket": of_carla["ticket"] });
    of_another_user.send(&refresh.to_string()).await;
    assert_eq!(of_another_user.rest("").await.1, Some(json!(4001)), "a ticket of another user");
}

/// Product 10: the sockets of a user who signs out are closed.
#[tokio::test]
async fn the_sockets_of_a_user_who_signs_out_are_closed() {
    let stack = Stack::open();
    let olivia = stack.user("olivia"); // no other journey has her sockets
    let session = stack.sign_in("olivia").await;
    let mut socket = Socket::of(&olivia).await;
    session.sign_out().await;
    assert_eq!(socket.rest("").await.1, Some(json!(4001)));
}
