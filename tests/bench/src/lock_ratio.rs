//! The acquire handler against the same two calls through the bare SDK, call by call in turn (ABBA), five rounds.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use conversation_lock::App;
use shared_aws::clock;
use shared_domain::lock::LockPolicy;
use shared_http::caller::Claims;
use test_kit::engine::TABLE;

use crate::{Figure, scene::Scene};

const ROUNDS: usize = 5;
const PAIRS: usize = 400;

pub(crate) async fn measure(scene: &Scene) -> Figure {
    let app = App::new(scene.engine.table(), Claims::standard(), LockPolicy::default());
    let client = Client::from_conf(scene.engine.aws.dynamodb_config().build());
    let mut ratios = Vec::new();
    let mut medians = (Duration::ZERO, Duration::ZERO);
    for round in 0..=ROUNDS {
        let (mut handler, mut bare) = (Vec::new(), Vec::new());
        for pair in 0..PAIRS {
            if pair % 2 == 0 {
                handler.push(through_the_handler(&app, scene).await);
                bare.push(through_the_sdk(&client, scene).await);
            } else {
                bare.push(through_the_sdk(&client, scene).await);
                handler.push(through_the_handler(&app, scene).await);
            }
        }
        medians = (median(&mut handler), median(&mut bare));
        if round > 0 {
            ratios.push(medians.0.as_secs_f64() / medians.1.as_secs_f64()); // the first round warms up
        }
    }
    ratios.sort_by(f64::total_cmp);
    let ratio = ratios[ROUNDS / 2];
    let value = format!(
        "{ratio:.2} (rounds {:.2}–{:.2}; last medians {:.0} µs and {:.0} µs)",
        ratios[0],
        ratios[ROUNDS - 1],
        medians.0.as_secs_f64() * 1e6,
        medians.1.as_secs_f64() * 1e6,
    );
    Figure::new(
        "lock acquire, handler ÷ bare access read and `UpdateItem`, p50",
        value,
        "≤ 1.25",
        ratio <= 1.25,
    )
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

async fn through_the_handler(app: &App, scene: &Scene) -> Duration {
    let request = scene.acquire().request();
    let begun = Instant::now();
    let answer = conversation_lock::handle(app, clock::now(), request).await;
    let took = begun.elapsed();
    assert_eq!(answer.status(), 200);
    took
}

/// The same read and the same write, expression by expression.
async fn through_the_sdk(client: &Client, scene: &Scene) -> Duration {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let number = |number: i64| AttributeValue::N(number.to_string());
    let begun = Instant::now();
    let partition = format!("{}#{}", scene.organisation, scene.inbox);
    let member = client
        .get_item()
        .table_name(TABLE)
        .key("pk", text(&partition))
        .key("sk", text(&format!("MEMBER#{}", scene.user)))
        .consistent_read(false)
        .send()
        .await;
    let now = clock::now().millis();
    let holder =
        HashMap::from([("id".into(), text(scene.user.as_str())), ("name".into(), text("Ada Oyelaran"))]);
    let updated = client
        .update_item()
        .table_name(TABLE)
        .key("pk", text(&partition))
        .key("sk", text(scene.conversation.as_str()))
        .update_expression(
            "SET lockHolder = :holder, lockExpiresAt = :expires, lockIdleAt = :idle, \
             fence = if_not_exists(fence, :zero) + :one, #read = :read REMOVE unreadIn",
        )
        .condition_expression(
            "attribute_exists(pk) AND (attribute_not_exists(lockHolder) OR lockHolder.id = :me \
             OR lockExpiresAt < :skewed OR lockIdleAt < :skewed)",
        )
        .expression_attribute_names("#read", "read")
        .expression_attribute_values(":read", AttributeValue::Bool(true))
        .expression_attribute_values(":me", text(scene.user.as_str()))
        .expression_attribute_values(":holder", AttributeValue::M(holder))
        .expression_attribute_values(":expires", number(now + 60_000))
        .expression_attribute_values(":idle", number(now + 240_000))
        .expression_attribute_values(":skewed", number(now - 500))
        .expression_attribute_values(":zero", number(0))
        .expression_attribute_values(":one", number(1))
        .return_values(ReturnValue::AllOld)
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .send()
        .await;
    let took = begun.elapsed();
    assert!(member.unwrap().item.is_some() && updated.unwrap().attributes.is_some());
    took
}
