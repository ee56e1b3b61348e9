//! Machine clients that the owner adds and removes.

use product_tests::Stack;
use reqwest::Method;
use serde_json::json;

const CLIENTS: &str = "/v1/machine-clients";

/// Product 12: the owner makes machine clients. Their secret is shown once.
#[tokio::test]
async fn the_owner_adds_a_machine_client_whose_secret_is_shown_once_and_removes_it() {
    let stack = Stack::open();
    let (olivia, adam) = (stack.user("olivia"), stack.user("adam"));
    let new = json!({ "name": "Booking system" });
    adam.post(CLIENTS, new.clone()).await.problem(403, "owner_required");
    let key = format!("booking-{}", std::process::id());
    let created = olivia.post_once(CLIENTS, &key, &new).await.expect(201).clone();
    let id = created["clientId"].as_str().expect("an ID").to_owned();
    assert!(created["clientSecret"].as_str().is_some_and(|secret| secret.len() > 20), "a secret");
    assert_eq!(created["accepted"], false, "the operator deploys its ID first");
    let again = olivia.post_once(CLIENTS, &key, &new).await.expect(201).clone();
    assert_eq!((&again["clientId"], again.get("clientSecret")), (&created["clientId"], None));

    let listed = async || {
        let page = olivia.get(&format!("{CLIENTS}?limit=100")).await.expect(200).clone();
        page["items"].as_array().expect("items").iter().any(|client| client["clientId"] == *id)
    };
    assert!(listed().await);
    let rotate = format!("{CLIENTS}/{id}/rotate-secret");
    adam.post(&rotate, json!({})).await.problem(403, "owner_required");
    let rotated = olivia.post(&rotate, json!({})).await.expect(200).clone();
    assert!(rotated["clientSecret"].as_str().is_some_and(|secret| created["clientSecret"] != secret));
    let one_secret = stack.token_of_machine(&id, created["clientSecret"].as_str().expect("a secret")).await;
    let other_secret = stack.token_of_machine(&id, rotated["clientSecret"].as_str().expect("a secret")).await;
    assert!(one_secret.is_some() && other_secret.is_some(), "both secrets are valid");
    olivia.post(&rotate, json!({})).await.problem(409, "two_secrets");
    olivia.post(&format!("{rotate}?replace=older"), json!({})).await.expect(200);
    assert!(stack.token_of_machine(&id, created["clientSecret"].as_str().expect("a secret")).await.is_none());
    stack.user("farid").delete(&format!("{CLIENTS}/{id}")).await.problem(403, "owner_required");
    for _ in 0..2 {
        olivia.call(Method::DELETE, &format!("{CLIENTS}/{id}"), None).await.expect(204);
        assert!(!listed().await);
    }
    olivia.call(Method::DELETE, &format!("{CLIENTS}/unknown"), None).await.problem(404, "not_found");
}
