//! Environment variables: the template sets those that the functions read. With an empty environment each
//! function refuses to start, and its error has the names of all variables that it reads.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fs,
};

use serde_norway::Value;
use shared_lambda::config::ConfigError;

use crate::{ROOT, functions, packages, template, texts};

type Names = BTreeSet<String>;

fn names<App>(started: Result<App, impl Into<Box<dyn Error + Send + Sync>>>) -> Names {
    let Err(error) = started else { panic!("started with an empty environment") };
    let error = error.into();
    error
        .downcast_ref::<ConfigError>()
        .expect("the environment is checked first")
        .names()
        .iter()
        .cloned()
        .collect()
}

/// The variables that each function reads, by package. Only the functions for webhooks are asynchronous here:
/// each webhook needs a secret, so they read it when they start, and all others when they need it.
pub(crate) async fn read_by_functions() -> BTreeMap<&'static str, Names> {
    BTreeMap::from([
        ("broadcasts", names(broadcasts::App::from_environment())),
        ("broadcast-worker", names(broadcast_worker::App::from_environment())),
        ("console", names(console::App::from_environment())),
        ("contact-import", names(contact_import::App::from_environment())),
        ("contact-imports", names(contact_imports::App::from_environment())),
        ("contacts", names(contacts::App::from_environment())),
        ("conversation-lock", names(conversation_lock::App::from_environment())),
        ("conversations", names(conversations::App::from_environment())),
        ("delivery-status", names(delivery_status::App::from_environment().await)),
        ("email-notify", names(email_notify::App::from_environment())),
        ("events", names(events::App::from_environment())),
        ("event-writer", names(event_writer::App::from_environment())),
        ("inbound-sms", names(inbound_sms::App::from_environment().await)),
        ("inbound-sweep", names(inbound_sweep::App::from_environment())),
        ("inbound-voice", names(inbound_voice::App::from_environment().await)),
        ("inbox-reconcile", names(inbox_reconcile::App::from_environment())),
        ("inboxes", names(inboxes::App::from_environment())),
        ("media-copy", names(media_copy::App::from_environment())),
        ("messages", names(messages::App::from_environment())),
        ("openapi", names(openapi::App::from_environment())),
        ("keyword-replies", names(keyword_replies::App::from_environment())),
        ("out-of-office", names(out_of_office::App::from_environment())),
        ("outbound-send", names(outbound_send::App::from_environment())),
        ("outbox-relay", names(outbox_relay::App::from_environment())),
        ("realtime", names(realtime::App::from_environment())),
        ("registration-check", names(registration_check::App::from_environment())),
        ("registration-poll", names(registration_poll::App::from_environment())),
        ("registration-status", names(registration_status::App::from_environment().await)),
        ("registrations", names(registrations::App::from_environment())),
        ("retention-sweep", names(retention_sweep::App::from_environment())),
        ("segments", names(segments::App::from_environment())),
        ("send-reconcile", names(send_reconcile::App::from_environment())),
        ("teams", names(teams::App::from_environment())),
        ("templates", names(templates::App::from_environment())),
        ("webhook-deliver", names(webhook_deliver::App::from_environment())),
        ("webhook-endpoints", names(webhook_endpoints::App::from_environment())),
        ("webhook-fanout", names(webhook_fanout::App::from_environment())),
        ("webhook-sweep", names(webhook_sweep::App::from_environment())),
    ])
}

fn names_in(function: &Value) -> Names {
    let variables = function["Environment"]["Variables"].as_mapping().cloned().unwrap_or_default();
    variables.keys().map(|name| name.as_str().unwrap().to_owned()).collect()
}

/// Variables that the template sets for all functions, except those that the logger of shared-lambda reads.
fn common() -> Names {
    let mut names = names_in(&template()["Globals"]["Function"]);
    assert!(names.remove("RUST_LOG") && names.remove("STACK_NAME"));
    names
}

#[tokio::test]
async fn the_variables_of_every_package_are_known() {
    assert_eq!(
        read_by_functions().await.keys().map(|&package| package.to_owned()).collect::<Names>(),
        packages()
    );
}

#[tokio::test]
async fn a_function_sets_the_variables_that_it_reads_and_no_other() {
    let (common, read) = (common(), read_by_functions().await);
    for (package, function) in functions() {
        let expected: Names = read[package.as_str()].difference(&common).cloned().collect();
        assert_eq!(names_in(&function), expected, "{package}");
    }
}

#[tokio::test]
async fn a_variable_for_all_functions_is_read_by_many() {
    let read = read_by_functions().await;
    let mut common = common();
    assert!(common.remove("PUBLIC_BASE_URL")); // shared-http reads it for the addresses of problems
    for name in common {
        let readers = read.values().filter(|names| names.contains(&name)).count();
        assert!(readers >= 10, "{name} is read by {readers} functions");
    }
}

#[test]
fn no_variable_holds_a_secret() {
    for (package, function) in functions() {
        for value in texts(&function["Environment"]["Variables"]) {
            assert!(
                !value.contains("{{resolve:"),
                "{package}: everyone who can view the function can read a resolved secret"
            );
        }
    }
}

/// A function whose setup is not asynchronous fetches nothing before its first request. Each webhook needs a
/// secret, so the functions for webhooks read it when they start.
#[test]
fn only_functions_for_webhooks_may_read_a_secret_when_they_start() {
    let source =
        |package: &str| fs::read_to_string(format!("{ROOT}/functions/{package}/src/lib.rs")).unwrap();
    let packages = packages().into_iter();
    let may_wait: Names =
        packages.filter(|package| source(package).contains("async fn from_environment")).collect();
    let is_webhook = |event: &Value| {
        event["Properties"]["Path"].as_str().is_some_and(|path| path.starts_with("/webhooks/"))
    };
    let has_webhook = |function: &Value| {
        function["Events"].as_mapping().is_some_and(|events| events.values().any(is_webhook))
    };
    let webhooks: Names = functions()
        .into_iter()
        .filter(|(_, function)| has_webhook(function))
        .map(|(package, _)| package)
        .collect();
    assert_eq!(may_wait, webhooks);
}
