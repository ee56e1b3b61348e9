//! What the wizard offers: API codes, teams and available numbers.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use test_kit::{
    TestApp,
    gateway::{Event, pointers},
};

use crate::inbox_creation::{app, call, create, details};

fn get(route: &'static str, user: &str) -> Event {
    Event::new(route, &[]).user("org_1", user)
}

#[tokio::test(flavor = "multi_thread")]
async fn inboxes_with_the_same_name_get_different_api_codes_even_concurrently() {
    let test = TestApp::with_two_teams().await;
    let (one, other) = (app(&test), app(&test));
    let nameless = |line: u16| {
        let mut body = details("", line);
        body.as_object_mut().unwrap().remove("apiCode");
        create("dan", "team_2", &body)
    };
    let mut codes = BTreeSet::new();
    let (_, first) = call(&one, &nameless(2001)).await;
    assert_eq!(first["apiCode"], "front-desk");
    codes.insert(first["apiCode"].clone().to_string());
    for round in 0..4_u16 {
        let events = [nameless(2010 + 2 * round), nameless(2011 + 2 * round)];
        let (a, b) = tokio::join!(call(&one, &events[0]), call(&other, &events[1]));
        assert_eq!((a.0, b.0), (201, 201), "{} {}", a.1, b.1);
        codes.extend([a.1["apiCode"].to_string(), b.1["apiCode"].to_string()]);
    }
    assert_eq!(codes.len(), 9, "{codes:?}");
    let (_, wizard) = call(&one, &get("GET /v1/inbox-wizard", "dan").query("name=Front%20desk")).await;
    assert!(!codes.contains(&wizard["apiCode"].to_string()), "{wizard}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wizard_preselects_the_only_team_and_offers_members_once_it_is_registered() {
    let test = TestApp::with_two_teams().await;
    let app = app(&test);
    let begin = async |who: &str| call(&app, &get("GET /v1/inbox-wizard", who)).await;
    let (status, ada) = begin("ada").await;
    assert_eq!((status, &ada["teamId"], &ada["apiCode"]), (200, &json!("team_1"), &Value::Null));
    assert_eq!(ada["teams"][0]["membersOffered"], false);
    assert!(ada["teams"][0]["notice"].is_string());
    let (_, dan) = begin("dan").await;
    assert_eq!((&dan["teamId"], &dan["teams"][0]["membersOffered"]), (&json!("team_2"), &json!(true)));
    let (_, olga) = begin("olga").await;
    assert_eq!((&olga["teamId"], olga["teams"].as_array().unwrap().len()), (&Value::Null, 2));
    for who in ["bob", "nobody"] {
        assert_eq!(begin(who).await.0, 403, "{who}");
    }
    let (status, problem) = call(&app, &get("GET /v1/inbox-wizard", "ada").query("name=%20")).await;
    assert_eq!((status, pointers(&problem)), (422, vec!["?name"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn admins_search_numbers_by_area_code_and_exchange() {
    let test = TestApp::with_two_teams().await;
    let app = app(&test);
    let search =
        async |who: &str, query: &str| call(&app, &get("GET /v1/numbers/available", who).query(query)).await;
    for (query, begin) in [
        ("areaCode=415&limit=3", "+1415"),
        ("areaCode=415&prefix=777&limit=3", "+1415777"),
        ("prefix=415-777&limit=3", "+1415777"),
        ("areaCode=416&country=CA&limit=3", "+1416"),
    ] {
        let (status, found) = search("ada", query).await;
        let found = found["items"].as_array().unwrap();
        assert_eq!((status, found.len()), (200, 3), "{query}");
        assert!(found.iter().all(|one| one["phoneNumber"].as_str().unwrap().starts_with(begin)), "{query}");
    }
    assert_eq!(search("ada", "areaCode=999").await.1["items"], json!([]));
    for (query, status, pointer) in [
        ("", 400, "?areaCode"),
        ("areaCode=41", 422, "?areaCode"),
        ("areaCode=115", 422, "?areaCode"),
        ("areaCode=415&prefix=1", 422, "?prefix"),
        ("areaCode=202&prefix=415777", 422, "?prefix"),
        ("areaCode=415&country=DE", 422, "?country"),
        ("areaCode=415&limit=101", 400, "?limit"),
    ] {
        let (actual, problem) = search("ada", query).await;
        assert_eq!((actual, pointers(&problem)), (status, vec![pointer]), "{query}");
    }
    assert_eq!(search("bob", "areaCode=415").await.0, 403);
    test.carrier.fault_on("numbers", "error-before").await;
    assert_eq!(search("ada", "areaCode=415").await.0, 503);
}
