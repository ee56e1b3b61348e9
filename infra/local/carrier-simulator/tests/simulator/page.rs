//! The phone page and the help page.

use reqwest::Response;

use crate::support::{PHONE, PRODUCT, TestSimulator, client, read};

async fn get(simulator: &TestSimulator, path: &str) -> Response {
    client().get(format!("{}{path}", simulator.base)).send().await.unwrap()
}

async fn page(simulator: &TestSimulator, path: &str) -> String {
    let response = get(simulator, path).await;
    assert_eq!(response.status(), 200);
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("default-src 'none'") && !policy.contains("script-src"), "{policy}");
    let page = response.text().await.unwrap();
    assert!(!page.contains("<script"), "{page}");
    page
}

async fn conversations(simulator: &TestSimulator) -> String {
    page(simulator, "/conversations").await
}

/// Submits the form as a browser does.
async fn submit(simulator: &TestSimulator, origin: &str, fields: &[(&str, &str)]) -> Response {
    let request = client().post(format!("{}/", simulator.base)).header("origin", origin).form(fields);
    request.send().await.unwrap()
}

#[tokio::test]
async fn the_conversations_show_messages_in_both_directions_without_credentials() {
    let simulator = TestSimulator::with_number().await;
    assert!(conversations(&simulator).await.contains("No messages yet."));
    simulator
        .control("inbound-message", &[("To", PRODUCT), ("From", PHONE), ("Body", "Is the slot free?")])
        .await;
    simulator.send_text("It is.").await;
    let page = conversations(&simulator).await;
    let (question, answer) = (page.find("Is the slot free?").unwrap(), page.find("It is.").unwrap());
    assert!(question < answer);
    assert_eq!(page.matches("<section>").count(), 1);
    assert!(page.contains(PHONE) && page.contains(PRODUCT) && page.contains("http-equiv=\"refresh\""));
}

#[tokio::test]
async fn a_text_cannot_be_a_part_of_the_page() {
    let simulator = TestSimulator::with_number().await;
    let text = "<script>alert('1')</script> & \"more\"";
    let (from, media) = ("<b>", "https://media.example.com/\"><img>");
    simulator
        .control("inbound-message", &[("To", PRODUCT), ("From", from), ("Body", text), ("MediaUrl", media)])
        .await;
    simulator.control("name", &[("PhoneNumber", from), ("Name", "<i>")]).await;
    let page = conversations(&simulator).await;
    assert!(page.contains("&#60;script&#62;alert(&#39;1&#39;)&#60;/script&#62; &#38; &#34;more&#34;"));
    assert!(!page.contains("<b>") && !page.contains("<i>") && !page.contains("<img>"));
}

#[tokio::test]
async fn a_link_of_an_attachment_cannot_run_a_script() {
    let simulator = TestSimulator::with_number().await;
    let fields = [("To", PRODUCT), ("From", PHONE), ("MediaUrl", "javascript:alert(1)")];
    simulator.control("inbound-message", &fields).await;
    assert!(!conversations(&simulator).await.contains("href=\"javascript:"));
}

#[tokio::test]
async fn the_page_with_the_form_does_not_reload_and_frames_the_conversations() {
    let simulator = TestSimulator::with_number().await;
    let page = page(&simulator, "/").await;
    assert!(!page.contains("http-equiv"), "typed text would be lost");
    assert!(page.contains("<iframe src=\"/conversations\"") && page.contains("<form method=\"post\""));
    assert!(page.contains("href=\"/help\""));
    assert!(get(&simulator, "/phones.css").await.text().await.unwrap().contains("prefers-color-scheme"));
}

#[tokio::test]
async fn the_form_sends_a_message_to_the_product_and_returns_to_that_phone() {
    let simulator = TestSimulator::with_number().await;
    let fields = [("From", PHONE), ("To", PRODUCT), ("Body", "Hello & good morning"), ("Media", "picture")];
    let answer = submit(&simulator, &simulator.base, &fields).await;
    assert_eq!(answer.status(), 303);
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    assert_eq!(location, "/?phone=%2B12025550143&inbox=%2B12025550100&webhook=200");
    let received = simulator.product.await_requests(1).await;
    assert_eq!((received[0].field("From"), received[0].field("To")), (PHONE, PRODUCT));
    assert_eq!(received[0].field("Body"), "Hello & good morning");
    assert!(received[0].field("MediaUrl0").starts_with(&simulator.base));
    let page = page(&simulator, &location).await;
    assert!(page.contains("The product received it.") && page.contains("href=\"/\">All phones"));
    assert!(page.contains("src=\"/conversations?phone=%2B12025550143\""));
    assert!(page.contains(&format!("value=\"{PHONE}\"")));
}

#[tokio::test]
async fn the_page_says_that_the_product_did_not_accept_a_message() {
    let simulator = TestSimulator::with_number().await;
    simulator.product.answer_next_with(&[403]);
    let fields = [("From", PHONE), ("To", PRODUCT), ("Body", "Hello")];
    let answer = submit(&simulator, &simulator.base, &fields).await;
    let page = page(&simulator, answer.headers()["location"].to_str().unwrap()).await;
    assert!(page.contains("its webhook answered with status 403"), "{page}");
}

#[tokio::test]
async fn a_form_with_a_mistake_sends_nothing_and_keeps_what_was_typed() {
    let simulator = TestSimulator::with_number().await;
    for fields in [
        [("From", "555-0143"), ("To", PRODUCT), ("Body", "Hello")],
        [("From", PHONE), ("To", ""), ("Body", "Hello")],
        [("From", PHONE), ("To", PRODUCT), ("Body", "")],
    ] {
        let answer = submit(&simulator, &simulator.base, &fields).await;
        assert_eq!(answer.status(), 400);
        let page = answer.text().await.unwrap();
        let text = fields[2].1;
        assert!(page.contains("Enter ") && page.contains(&format!("{text}</textarea>")), "{page}");
    }
    assert!(conversations(&simulator).await.contains("No messages yet."));
}

#[tokio::test]
async fn a_form_of_another_site_sends_nothing() {
    let simulator = TestSimulator::with_number().await;
    let fields = [("From", PHONE), ("To", PRODUCT), ("Body", "Hello")];
    for origin in ["https://evil.example", "null", "http://127.0.0.1:1"] {
        assert_eq!(submit(&simulator, origin, &fields).await.status(), 403, "{origin}");
    }
    assert!(conversations(&simulator).await.contains("No messages yet."));
}

#[tokio::test]
async fn numbers_are_shown_with_the_names_they_were_given() {
    let simulator = TestSimulator::with_number().await;
    simulator.control("name", &[("PhoneNumber", PHONE), ("Name", "Jonas Bianchi")]).await;
    let inbox = [("PhoneNumber", PRODUCT), ("Name", "Front desk"), ("Inbox", "true")];
    let (status, named) = simulator.control("name", &inbox).await;
    assert_eq!((status, &named["inbox"]), (200, &true.into()));
    let form = page(&simulator, "/").await;
    assert!(form.contains(&format!("<option value=\"{PHONE}\">Jonas Bianchi</option>")), "{form}");
    assert!(form.contains(&format!("<option value=\"{PRODUCT}\" selected>Front desk, {PRODUCT}</option>")));
    simulator.send_text("Hello").await;
    let page = conversations(&simulator).await;
    assert!(page.contains("Jonas Bianchi") && page.contains("Front desk"));
    let named = read(client().post(format!("{}/_twilio/simulate/name", simulator.base))).await.unwrap();
    assert_eq!(named.0, 401, "the control route needs the account");
}

#[tokio::test]
async fn the_newest_conversation_comes_first_and_one_phone_can_be_seen_alone() {
    let simulator = TestSimulator::with_number().await;
    for (from, text) in [(PHONE, "first"), ("+12025550144", "second"), (PHONE, "third")] {
        let fields = [("To", PRODUCT), ("From", from), ("Body", text)];
        simulator.control("inbound-message", &fields).await;
    }
    let all = conversations(&simulator).await;
    let at = |text| all.find(text).unwrap();
    assert!(at("first") < at("third") && at("third") < at("second"));
    let one = page(&simulator, "/conversations?phone=%2B12025550143").await;
    assert!(one.contains("first") && one.contains("third") && !one.contains("second"));
}

#[tokio::test]
async fn a_long_conversation_shows_its_newest_messages_and_its_history_on_request() {
    let simulator = TestSimulator::with_number().await;
    for number in 0..9 {
        let text = format!("number {number}");
        simulator.control("inbound-message", &[("To", PRODUCT), ("From", PHONE), ("Body", &text)]).await;
    }
    let newest = conversations(&simulator).await;
    assert!(!newest.contains("number 2") && newest.contains("number 3"));
    let history = "/conversations?phone=%2B12025550143&history=true";
    assert!(newest.contains("Show 3 older messages"), "{newest}");
    assert!(newest.replace("&#38;", "&").contains(history), "{newest}");
    let all = page(&simulator, history).await;
    assert!(all.contains("number 0") && !all.contains("older messages"));
    assert!(!all.contains("http-equiv"), "a reload would lose the reader's place");
}

#[tokio::test]
async fn pictures_of_the_carrier_and_of_the_product_are_shown_and_others_are_links() {
    let simulator = TestSimulator::with_number().await;
    let (ours, other) = (format!("{}/media/1?sig=a", simulator.product.base), "https://media.example.com/1");
    let fields = [("To", PRODUCT), ("From", PHONE), ("Media", "picture"), ("Media", "card")];
    simulator.control("inbound-message", &fields).await;
    let fields = [("To", PHONE), ("From", PRODUCT), ("MediaUrl", ours.as_str()), ("MediaUrl", other)];
    simulator.send(&fields).await;
    let response = get(&simulator, "/conversations").await;
    let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains(&format!("img-src 'self' {};", simulator.product.base)), "{policy}");
    let page = response.text().await.unwrap();
    assert_eq!(page.matches("<img ").count(), 2, "{page}");
    assert!(page.contains(&format!("<img src=\"{ours}\"")) && page.contains(&format!("href=\"{other}\"")));
    let shown = page.split("<img src=\"").nth(1).unwrap().split('"').next().unwrap();
    let picture = get(&simulator, shown).await;
    assert_eq!(
        (picture.status().as_u16(), &picture.headers()["content-type"]),
        (200, &"image/png".parse().unwrap())
    );
}

#[tokio::test]
async fn the_help_page_lists_every_control_route_attachment_and_fault() {
    let simulator = TestSimulator::with_number().await;
    let page = page(&simulator, "/help").await;
    for name in [
        "inbound-message",
        "inbound-call",
        "message-status",
        "message-media",
        "campaign-status",
        "redeliver-event",
        "fault",
        "name",
        "picture",
        "card",
        "page",
        "large",
        "elsewhere",
        "gone",
        "refuse",
        "rate-limit",
        "error-before",
        "error-after",
        "down-after",
        "timeout-after",
        "silent",
        "undelivered:&lt;code&gt;",
        "none",
        "messages",
        "numbers",
        "purchases",
        "services",
    ] {
        assert!(page.contains(&format!("<code>{name}</code>")), "{name}");
    }
}
