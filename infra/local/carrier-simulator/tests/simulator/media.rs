//! Attachments of inbound messages.

use crate::support::{ACCOUNT, PHONE, PRODUCT, TOKEN, TestSimulator, client};

async fn addresses(simulator: &TestSimulator, words: &[&str]) -> Vec<String> {
    let mut fields = vec![("To", PRODUCT), ("From", PHONE)];
    fields.extend(words.iter().map(|word| ("Media", *word)));
    let (status, _) = simulator.control("inbound-message", &fields).await;
    assert_eq!(status, 200);
    let webhook = simulator.product.received().pop().unwrap();
    assert_eq!(webhook.field("NumMedia"), words.len().to_string());
    (0..words.len()).map(|place| webhook.field(&format!("MediaUrl{place}")).to_owned()).collect()
}

async fn get(url: &str, login: Option<(&str, &str)>) -> reqwest::Response {
    let request = client().get(url);
    let request = match login {
        Some((user, password)) => request.basic_auth(user, Some(password)),
        None => request,
    };
    request.send().await.unwrap()
}

#[tokio::test]
async fn a_file_requires_credentials_and_redirects_to_a_host_that_refuses_them() {
    let simulator = TestSimulator::with_number().await;
    let login = Some((ACCOUNT, TOKEN));
    let url = &addresses(&simulator, &["picture"]).await[0];
    assert_eq!(get(url, None).await.status(), 401);
    let redirect = get(url, login).await;
    assert_eq!(redirect.status(), 307);
    let location = redirect.headers()["location"].to_str().unwrap().to_owned();
    assert!(location.starts_with("http://localhost:"), "{location}");
    assert_eq!(get(&location, login).await.status(), 400);
    let file = get(&location, None).await;
    assert_eq!(
        (file.status().as_u16(), file.headers()["content-type"].to_str().unwrap()),
        (200, "image/png")
    );
    assert!(file.bytes().await.unwrap().starts_with(b"\x89PNG"));
}

#[tokio::test]
async fn harmful_files_are_served_on_demand() {
    let simulator = TestSimulator::with_number().await;
    let login = Some((ACCOUNT, TOKEN));
    let urls = addresses(&simulator, &["page", "large", "elsewhere", "gone", "card"]).await;
    let mut locations = Vec::new();
    for url in &urls {
        let answer = get(url, login).await;
        let location = answer.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
        locations.push((answer.status().as_u16(), location.unwrap_or_default()));
    }
    assert!(get(&locations[0].1, None).await.text().await.unwrap().contains("<script>"));
    let large = get(&locations[1].1, None).await;
    assert_eq!(large.content_length(), None, "it does not say how long it is");
    assert_eq!(large.bytes().await.unwrap().len(), 17 << 20);
    assert!(locations[2].1.starts_with("http://169.254.169.254/"));
    assert_eq!(locations[3].0, 404);
    assert!(get(&locations[4].1, None).await.text().await.unwrap().starts_with("BEGIN:VCARD"));
    let (status, _) =
        simulator.control("inbound-message", &[("To", PRODUCT), ("From", PHONE), ("Media", "virus")]).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn the_media_urls_of_an_outbound_message_are_returned() {
    let simulator = TestSimulator::with_number().await;
    let urls = ["https://pictures.example/1.png", "https://pictures.example/2.png"];
    let fields = [("To", PHONE), ("From", PRODUCT), ("MediaUrl", urls[0]), ("MediaUrl", urls[1])];
    let (status, sent) = simulator.send(&fields).await;
    assert_eq!(status, 201);
    let sid = sent["sid"].as_str().unwrap();
    let (_, answer) = simulator.control("message-media", &[("MessageSid", sid)]).await;
    assert_eq!(answer["mediaUrls"], serde_json::json!(urls));
    assert_eq!(simulator.control("message-media", &[("MessageSid", "SM1")]).await.0, 404);
}
