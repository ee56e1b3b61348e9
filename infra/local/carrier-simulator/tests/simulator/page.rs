//! The page for a person.

use crate::stage::{PHONE, PRODUCT, Stage, client};

async fn page(stage: &Stage) -> String {
    let response = client().get(&stage.base).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    assert!(response.headers()["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
    response.text().await.unwrap()
}

#[tokio::test]
async fn the_phone_shows_texts_in_both_directions_without_credentials() {
    let stage = Stage::open().await;
    assert!(page(&stage).await.contains("No text yet."));
    stage
        .control("inbound-message", &[("To", PRODUCT), ("From", PHONE), ("Body", "Is the slot free?")])
        .await;
    stage.send_text("It is.").await;
    let page = page(&stage).await;
    let (question, answer) = (page.find("Is the slot free?").unwrap(), page.find("It is.").unwrap());
    assert!(question < answer);
    assert_eq!(page.matches("<section>").count(), 1);
    assert!(page.contains(PHONE) && page.contains(PRODUCT) && page.contains("http-equiv=\"refresh\""));
}

#[tokio::test]
async fn a_text_cannot_be_a_part_of_the_page() {
    let stage = Stage::open().await;
    let text = "<script>alert('1')</script> & \"more\"";
    let (from, media) = ("<b>", "https://media.example.com/\"><img>");
    stage
        .control("inbound-message", &[("To", PRODUCT), ("From", from), ("Body", text), ("MediaUrl", media)])
        .await;
    let page = page(&stage).await;
    assert!(page.contains("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; &quot;more&quot;"));
    assert!(!page.contains("<script>") && !page.contains("<b>") && !page.contains("<img>"));
}
