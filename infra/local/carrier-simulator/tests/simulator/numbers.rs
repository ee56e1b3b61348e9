//! Searching, buying and releasing numbers.

use serde_json::Value;

use crate::registration::sid;
use crate::schema::{Api, assert_answer, assert_available_number};
use crate::support::{ACCOUNT, TestSimulator, form_fixture, json_fixture};

const LIST: &str = "/2010-04-01/Accounts/{AccountSid}/IncomingPhoneNumbers.json";
const ONE: &str = "/2010-04-01/Accounts/{AccountSid}/IncomingPhoneNumbers/{Sid}.json";

async fn found(simulator: &TestSimulator, query: &str) -> Vec<String> {
    let (status, answer) = simulator.get(&search(query)).await;
    assert_eq!(status, 200, "{answer}");
    let numbers = answer["available_phone_numbers"].as_array().unwrap();
    numbers.iter().map(|number| number["phone_number"].as_str().unwrap().to_owned()).collect()
}

fn search(query: &str) -> String {
    TestSimulator::account(&format!("AvailablePhoneNumbers/US/Local.json?{query}"))
}

async fn owned(simulator: &TestSimulator, query: &str) -> Vec<Value> {
    let (status, list) = simulator.get(&format!("{}?{query}", TestSimulator::numbers())).await;
    assert_eq!(status, 200, "{list}");
    assert_answer(Api::Account, &format!("GET {LIST}"), 200, &list);
    list["incoming_phone_numbers"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_search_has_the_recorded_shape() {
    let simulator = TestSimulator::start().await;
    let (_, answer) = simulator.get(&search("AreaCode=202&SmsEnabled=true")).await;
    let recorded = json_fixture("numbers_search_response.json");
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&answer), names(&recorded));
    assert_eq!(answer["uri"], search("AreaCode=202&SmsEnabled=true"));
    let mut number = answer["available_phone_numbers"][0].clone();
    assert_available_number(&number);
    assert_eq!(number["phone_number"], "+12025552000");
    assert_eq!(number["friendly_name"], "(202) 555-2000");
    for name in ["phone_number", "friendly_name"] {
        number[name] = recorded["available_phone_numbers"][0][name].clone();
    }
    assert_eq!(number, recorded["available_phone_numbers"][0]);
    let (_, elsewhere) = simulator.get(&search("AreaCode=415")).await;
    assert_available_number(&elsewhere["available_phone_numbers"][0]);
    assert_eq!(
        simulator.get(&search("AreaCode=999")).await.1["available_phone_numbers"],
        Value::Array(vec![])
    );
}

#[tokio::test]
async fn a_search_filters_by_area_code_and_pattern_and_respects_the_page_size() {
    let simulator = TestSimulator::start().await;
    assert_eq!(found(&simulator, "AreaCode=202").await.len(), 30);
    assert_eq!(found(&simulator, "AreaCode=202&PageSize=2").await, ["+12025552000", "+12025552001"]);
    assert_eq!(found(&simulator, "Contains=%2B1415777&PageSize=1").await, ["+14157772000"]);
    assert_eq!(found(&simulator, "Contains=202777****&PageSize=1").await, ["+12027772000"]);
    assert_eq!(found(&simulator, "AreaCode=202&PageSize=5000").await.len(), 1000);
    for query in ["AreaCode=999", "AreaCode=102", "AreaCode=x", "AreaCode=202&Contains=%2B1415"] {
        assert!(found(&simulator, query).await.is_empty(), "{query}");
    }
    assert_eq!(simulator.get(&search("Contains=2")).await.0, 400);
    assert_eq!(simulator.get(&search("PageSize=many")).await.0, 400);
    let canada = TestSimulator::account("AvailablePhoneNumbers/CA/Local.json?AreaCode=416");
    assert_eq!(simulator.get(&canada).await.1["available_phone_numbers"][0]["iso_country"], "CA");
    assert_eq!(simulator.get(&TestSimulator::account("AvailablePhoneNumbers/FR/Local.json")).await.0, 404);
}

#[tokio::test]
async fn a_purchase_has_the_recorded_properties() {
    let simulator = TestSimulator::start().await;
    let recorded = json_fixture("number_purchase_response_201.json");
    let form = form_fixture("number_purchase_request.form");
    let form: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let number = simulator.create(&TestSimulator::numbers(), &form).await;
    assert_answer(Api::Account, &format!("POST {LIST}"), 201, &number);
    for (name, value) in recorded.as_object().unwrap() {
        match name.as_str() {
            "sid" | "date_created" | "date_updated" => assert!(number[name].is_string(), "{name}"),
            _ => assert_eq!(&number[name], value, "{name}"),
        }
    }
    let (status, fetched) = simulator.get(number["uri"].as_str().unwrap()).await;
    assert_eq!((status, &fetched), (200, &number));
    assert_answer(Api::Account, &format!("GET {ONE}"), 200, &fetched);
}

#[tokio::test]
async fn a_number_is_owned_once_until_it_is_released() {
    let simulator = TestSimulator::start().await;
    let number = simulator.buy("+12025552000").await;
    assert_eq!(found(&simulator, "AreaCode=202&PageSize=1").await, ["+12025552001"]);
    let (status, failure) =
        simulator.post_to(&TestSimulator::numbers(), &[("PhoneNumber", "+12025552000")]).await;
    assert_eq!((status, failure), (400, json_fixture("number_purchase_error_400_21422.json")));
    assert_eq!(simulator.delete(&TestSimulator::number(&number)).await, (204, Value::Null));
    assert_eq!(simulator.delete(&TestSimulator::number(&number)).await, (404, 20404.into()));
    assert_eq!(simulator.get(&TestSimulator::number(&number)).await.0, 404);
    assert_eq!(found(&simulator, "AreaCode=202&PageSize=1").await, ["+12025552000"]);
    assert_ne!(simulator.buy("+12025552000").await, number);
}

#[tokio::test]
async fn some_numbers_cannot_be_bought() {
    let simulator = TestSimulator::start().await;
    let (status, gone) =
        simulator.post_to(&TestSimulator::numbers(), &[("PhoneNumber", "+12025550000")]).await;
    assert_eq!((status, gone), (400, json_fixture("number_purchase_error_400_21422.json")));
    for wrong in ["", "2025552000", "+442025552000", "+1202555200", "+11025552000"] {
        let (status, failure) = simulator.post_to(&TestSimulator::numbers(), &[("PhoneNumber", wrong)]).await;
        assert_eq!((status, &failure["code"]), (400, &21421.into()), "{wrong}");
    }
    let long = "n".repeat(65);
    for wrong in [("FriendlyName", long.as_str()), ("SmsUrl", "mailto:a"), ("VoiceMethod", "PUT")] {
        let fields = [("PhoneNumber", "+12025552000"), wrong];
        assert_eq!(simulator.post_to(&TestSimulator::numbers(), &fields).await.0, 400, "{wrong:?}");
    }
    assert!(owned(&simulator, "").await.is_empty());
}

#[tokio::test]
async fn a_number_outside_the_search_can_be_bought_and_found_by_number_and_name() {
    let simulator = TestSimulator::start().await;
    let desk = [("PhoneNumber", "+14155550100"), ("FriendlyName", "Desk")];
    let desk = sid(&simulator.create(&TestSimulator::numbers(), &desk).await);
    simulator.buy("+14155550101").await;
    let all = owned(&simulator, "").await;
    assert_eq!(
        all.iter().map(|number| &number["phone_number"]).collect::<Vec<_>>(),
        ["+14155550101", "+14155550100"]
    );
    for query in ["PhoneNumber=%2B14155550100", "FriendlyName=Desk"] {
        let found = owned(&simulator, query).await;
        assert_eq!(found.iter().map(sid).collect::<Vec<_>>(), [desk.as_str()], "{query}");
    }
    assert!(owned(&simulator, "FriendlyName=Des").await.is_empty());

    let (_, first) = simulator.get(&format!("{}?PageSize=1", TestSimulator::numbers())).await;
    let (_, second) = simulator.get(first["next_page_uri"].as_str().unwrap()).await;
    assert_answer(Api::Account, &format!("GET {LIST}"), 200, &second);
    assert_eq!((sid(&second["incoming_phone_numbers"][0]), &second["next_page_uri"]), (desk, &Value::Null));
    assert_eq!((&second["start"], &second["page"]), (&1.into(), &1.into()));
}

#[tokio::test]
async fn an_update_sets_given_fields_and_clears_empty_ones() {
    let simulator = TestSimulator::start().await;
    let fields =
        [("PhoneNumber", "+12025552000"), ("SmsUrl", "https://hooks.test/sms"), ("FriendlyName", "Desk")];
    let number = sid(&simulator.create(&TestSimulator::numbers(), &fields).await);
    let change = [("SmsUrl", ""), ("VoiceUrl", "https://hooks.test/voice"), ("VoiceMethod", "GET")];
    let (status, updated) = simulator.post_to(&TestSimulator::number(&number), &change).await;
    assert_eq!(status, 200);
    assert_answer(Api::Account, &format!("POST {ONE}"), 200, &updated);
    assert_eq!((&updated["sms_url"], &updated["friendly_name"]), (&Value::Null, &"Desk".into()));
    assert_eq!(
        (&updated["voice_url"], &updated["voice_method"]),
        (&"https://hooks.test/voice".into(), &"GET".into())
    );
    assert_eq!(simulator.post_to(&TestSimulator::number(&number), &[("SmsMethod", "PUT")]).await.0, 400);
    assert_eq!(simulator.post_to(&TestSimulator::number("PN1"), &[]).await.0, 404);
}

#[tokio::test]
async fn numbers_of_another_account_are_not_found() {
    let simulator = TestSimulator::start().await;
    let number = simulator.buy("+12025552000").await;
    let other = |path: &str| path.replace(ACCOUNT, "ACbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb");
    for path in [search("AreaCode=202"), TestSimulator::numbers(), TestSimulator::number(&number)] {
        assert_eq!(simulator.get(&other(&path)).await.0, 404, "{path}");
    }
    assert_eq!(
        simulator.post_to(&other(&TestSimulator::numbers()), &[("PhoneNumber", "+12025552001")]).await.0,
        404
    );
    assert_eq!(simulator.post_to(&other(&TestSimulator::number(&number)), &[]).await.0, 404);
    assert_eq!(simulator.delete(&other(&TestSimulator::number(&number))).await.0, 404);
}
