//! Reading only what changed: entity tags, and the messages after one that the client has.

use product_tests::{ApiResponse, Client, Phone, Stack, client};
use reqwest::Method;
use serde_json::Value;

/// Reads a path with the tag of an earlier response. Returns the response.
async fn get_if_changed(user: &Client, path: &str, tag: &str) -> ApiResponse {
    let request = user.request(Method::GET, path).header("if-none-match", tag);
    client::read(format!("GET {path} if changed"), request).await
}

#[tokio::test]
async fn a_list_that_has_not_changed_is_answered_with_304_until_it_changes() {
    let stack = Stack::open();
    let ben = stack.user("ben");
    let conversation = stack.conversation_from(&Phone::new(), "Is the office open?").await;
    let path = conversation.messages();
    let first = ben.get(&path).await;
    first.expect(200);
    let tag = first.header("etag");
    assert!(!tag.is_empty());
    let unchanged = get_if_changed(&ben, &path, tag).await;
    assert_eq!((unchanged.status, unchanged.header("etag")), (304, tag), "{unchanged}");
    assert_eq!(unchanged.body, "", "without a body");
    let several = format!("\"other\", W/{tag}");
    assert_eq!(get_if_changed(&ben, &path, &several).await.status, 304);

    stack.conversation_from(&conversation.phone, "And tomorrow?").await;
    let changed = get_if_changed(&ben, &path, tag).await;
    assert_eq!(changed.expect(200)["items"].as_array().expect("items").len(), 2);
    assert_ne!(changed.header("etag"), tag);
    assert_eq!(get_if_changed(&ben, &path, changed.header("etag")).await.status, 304);
    let created = get_if_changed(&stack.bearer(None), &path, tag).await;
    assert_eq!(created.status, 401, "a tag gives no access");
}

#[tokio::test]
async fn the_messages_after_a_known_one_are_read_oldest_first_and_page_by_page() {
    let stack = Stack::open();
    let (ben, phone) = (stack.user("ben"), Phone::new());
    let conversation = stack.conversation_from(&phone, "One").await;
    for text in ["Two", "Three", "Four"] {
        stack.conversation_from(&phone, text).await;
    }
    let history = conversation.history(&ben).await; // oldest first
    let id = |place: usize| history[place]["messageId"].as_str().expect("an id");
    let read = async |after: &str, more: &str| {
        ben.get(&format!("{}?after={after}{more}", conversation.messages())).await
    };
    let texts = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().expect("items").iter();
        items.map(|message| message["text"].as_str().expect("a text").to_owned()).collect()
    };
    assert_eq!(texts(&read(id(0), "").await.expect(200)), ["Two", "Three", "Four"]);
    assert_eq!(texts(&read(id(2), "").await.expect(200)), ["Four"]);
    assert_eq!(texts(&read(id(3), "").await.expect(200)), [""; 0]);
    let page = read(id(0), "&limit=2").await.expect(200);
    assert_eq!(texts(&page), ["Two", "Three"]);
    let cursor = page["nextCursor"].as_str().expect("another page");
    let last = read(id(0), &format!("&limit=2&cursor={cursor}")).await.expect(200);
    assert_eq!(texts(&last), ["Four"]);
    read(id(1), &format!("&cursor={cursor}")).await.problem(400, "bad_cursor");
    read("msg_unknown", "").await.expect_field_error("?after");
    let elsewhere = stack.conversation_from(&Phone::new(), "Another conversation").await;
    let foreign = elsewhere.history(&ben).await[0]["messageId"].as_str().expect("an id").to_owned();
    read(&foreign, "").await.expect_field_error("?after");
}
