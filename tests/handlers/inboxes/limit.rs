//! The limit of numbers of an organization.

use serde_json::json;
use test_kit::{TestApp, gateway::Event};

use crate::inbox_creation::{app, call, create, create_elsewhere, details};

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_at_its_limit_buys_no_number_until_one_is_released() {
    let test = TestApp::with_two_teams().await;
    let app = app(&test).with_max_numbers(2);
    let (_, first) = call(&app, &create("dan", "team_2", &details("one", 2001))).await;
    let (status, _) = call(&app, &create("ada", "team_1", &details("two", 2002))).await;
    assert_eq!(status, 201);
    let third = create("dan", "team_2", &details("three", 2003));
    for event in [third.clone(), third.clone().query("dryRun=true"), third.clone()] {
        let (status, problem) = call(&app, &event).await;
        assert_eq!((status, &problem["code"]), (409, &json!("number_limit_reached")), "{problem}");
    }
    assert_eq!(test.carrier.owned_numbers().await.len(), 2, "nothing was bought");
    assert_eq!(call(&app, &create_elsewhere("team_9", &details("three", 2004))).await.0, 201);

    let id = first["inboxId"].as_str().unwrap();
    let retire = Event::new("DELETE /v1/inboxes/{inboxId}", &[("inboxId", id)]).user("org_1", "dan");
    assert_eq!(call(&app, &retire).await.0, 204);
    assert_eq!(call(&app, &third).await.0, 409, "the number is kept");
    assert_eq!(call(&app, &retire.query("releaseNumber=true")).await.0, 204);
    assert_eq!(call(&app, &third).await.0, 201);
}
