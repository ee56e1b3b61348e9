//! Segments of contacts, and tags.

use product_tests::{Phone, Stack};
use serde_json::json;

/// ◆ product 8a: a segment with a filter has the contacts that match it, and a static one those that users
/// put in.
#[tokio::test]
async fn contacts_are_grouped_by_tags_and_by_hand() {
    let stack = Stack::open();
    let (amelia, front_desk) = (stack.user("amelia"), stack.front_desk_inbox());
    let team = format!("/v1/teams/{}", front_desk.team_id);
    let segments = format!("{team}/segments");
    let (one, two) = (Phone::new(), Phone::new());
    let tag = format!("Club {}", one.number());
    let contact = json!({ "firstName": "Noor", "mobileNumber": one.number(), "tags": [tag, "New"] });
    let noor = amelia.post(&format!("{team}/contacts"), contact).await.expect(201);
    assert_eq!(noor["tags"], json!([tag, "New"]));
    let omar = json!({ "firstName": "Omar", "mobileNumber": two.number() });
    let omar = amelia.post(&format!("{team}/contacts"), omar).await.expect(201);
    let path = format!("{team}/contacts/{}", omar["contactId"].as_str().expect("an id"));
    let tagged = amelia.patch(&path, json!({ "tags": [tag.to_uppercase()] })).await.expect(200);
    assert_eq!(tagged["tags"], json!([tag.to_uppercase()]));

    let filter = json!({ "field": "tag", "op": "eq", "value": tag });
    let preview = amelia.post(&format!("{segments}/preview"), json!({ "filter": filter })).await.expect(200);
    assert_eq!((&preview["count"], &preview["excluded"]), (&json!(2), &json!([])));
    let body = json!({ "name": tag, "kind": "filter", "filter": filter });
    let created = amelia.post(&segments, body).await.expect(201);
    assert_eq!((&created["count"], &created["filter"]), (&json!(2), &filter));
    let path = format!("{segments}/{}", created["segmentId"].as_str().expect("an id"));
    amelia.patch(&path, json!({ "name": "Club" })).await.expect(200);
    let odd = json!({ "filter": { "field": "age", "op": "eq", "value": "7" } });
    let problem = amelia.patch(&path, odd).await.problem(422, "invalid_fields");
    assert_eq!(problem["errors"][0]["pointer"], "/filter/field");
    let contacts = json!({ "contactIds": [noor["contactId"]] });
    amelia.post(&format!("{path}/contacts"), contacts.clone()).await.problem(409, "segment_not_static");
    amelia.delete(&path).await.expect(204);

    let by_hand = amelia.post(&segments, json!({ "name": "By hand", "kind": "static" })).await.expect(201);
    let path = format!("{segments}/{}", by_hand["segmentId"].as_str().expect("an id"));
    let both =
        json!({ "contactIds": [noor["contactId"]], "phoneNumbers": [two.number(), Phone::new().number()] });
    let added = amelia.post(&format!("{path}/contacts"), both).await.expect(200);
    assert_eq!((&added["added"], added["missing"].as_array().map(Vec::len)), (&json!(2), Some(1)));
    assert_eq!(amelia.get(&path).await.expect(200)["count"], 2);
    let method = reqwest::Method::DELETE;
    amelia.call(method, &format!("{path}/contacts"), Some(contacts)).await.expect(200);
    assert_eq!(amelia.get(&path).await.expect(200)["count"], 1);
    amelia.delete(&path).await.expect(204);
}
