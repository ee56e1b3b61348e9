//! What the template grants is what the functions use: no more, no less. The local cloud writes down each right that a
//! role makes use of while the journeys run (`rights.jsonl` beside its `stack.json`); `make journeys` compares.

#![allow(clippy::unwrap_used, reason = "all of it is a test, its steps as well")]

use std::{collections::BTreeSet, env, fs};

use serde_json::Value as Json;
use serde_norway::Value;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Function, action, resource; functions and resources by their names in the template.
type Right = (String, String, String);

/// Rights that no journey needs, and what does. Handler tests show the need of each.
const BEYOND_JOURNEYS: [(&str, &str, &str, &str); 14] = [
    (
        "EmailNotifyFunction",
        "dynamodb:DeleteItem",
        "Table",
        "gives a claim back when an e-mail was surely not sent",
    ),
    ("InboxReconcileFunction", "dynamodb:Query", "Table", "runs every five minutes"),
    ("InboxReconcileFunction", "dynamodb:GetItem", "Table", "the same"),
    ("InboxReconcileFunction", "dynamodb:DeleteItem", "Table", "the same"),
    ("InboxReconcileFunction", "secretsmanager:GetSecretValue", "CarrierSecretName", "the same"),
    (
        "MessagesFunction",
        "s3:ListBucket",
        "Files",
        "turns a missing upload's 403 into 404; the emulator asks for no right",
    ),
    ("SendReconcileFunction", "sqs:SendMessage", "SendQueue", "queues what the stream lost"),
    ("SendReconcileFunction", "sqs:SendMessage", "MailQueue", "the same"),
    ("SendReconcileFunction", "sqs:SendMessage", "MediaQueue", "the same"),
    ("SendReconcileFunction", "dynamodb:DeleteItem", "Table", "the same"),
    ("SendReconcileFunction", "dynamodb:UpdateItem", "Table", "settles what the carrier was asked for"),
    ("RegistrationPollFunction", "dynamodb:Query", "Table", "a journey's poll may find nothing to ask"),
    ("RegistrationPollFunction", "dynamodb:UpdateItem", "Table", "the same"),
    ("RegistrationPollFunction", "sqs:SendMessage", "RegistrationQueue", "the same"),
];

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Sequence(items) => items.iter().flat_map(texts).collect(),
        Value::Mapping(entries) => entries.values().flat_map(texts).collect(),
        Value::Tagged(tagged) => texts(&tagged.value),
        _ => Vec::new(),
    }
}

/// `Table.Arn` → `Table`, `${Table.Arn}/index/x` → `Table/index/x`, `arn:…:${CarrierSecretName}-??????` → `CarrierSecretName`.
fn named(resource: &str) -> String {
    if resource.starts_with("arn:") {
        return resource.rsplit("${").next().unwrap().split('}').next().unwrap().to_owned();
    }
    let rest = resource.trim_start_matches("${");
    let (name, rest) = rest.split_once('.').unwrap_or((rest, ""));
    format!("{name}{}", rest.split_once('}').map_or("", |(_, path)| path))
}

fn granted() -> BTreeSet<Right> {
    let template: Value =
        serde_norway::from_str(&fs::read_to_string(format!("{ROOT}/template.yaml")).unwrap()).unwrap();
    let mut granted = BTreeSet::new();
    for (name, resource) in template["Resources"].as_mapping().unwrap() {
        if resource["Type"] != "AWS::Serverless::Function" {
            continue;
        }
        for policy in resource["Properties"]["Policies"].as_sequence().into_iter().flatten() {
            for statement in policy["Statement"].as_sequence().unwrap() {
                for action in texts(&statement["Action"]) {
                    let mail = action.starts_with("ses:").then(|| vec!["mail".to_owned()]);
                    let resources = || texts(&statement["Resource"]).iter().map(|text| named(text)).collect();
                    for resource in mail.unwrap_or_else(resources) {
                        granted.insert((name.as_str().unwrap().to_owned(), action.clone(), resource));
                    }
                }
            }
        }
    }
    granted
}

/// The name in the template of a resource whose name the stack made of it: `shared-inbox-<name>-<13 hexadecimal digits>…`.
fn logical(made: &str) -> Option<(&str, &str)> {
    let rest = &made[made.find("shared-inbox-")? + "shared-inbox-".len()..];
    let (name, rest) = rest.split_once('-')?;
    Some((name, &rest[rest.find(|letter: char| !letter.is_ascii_hexdigit()).unwrap_or(rest.len())..]))
}

fn right(line: &str) -> Option<Right> {
    let used: Json = serde_json::from_str(line).unwrap();
    let [role, action, resource] = ["role", "action", "resource"].map(|name| used[name].as_str().unwrap());
    let function = logical(role.rsplit('/').next()?)?.0.strip_suffix("Role")?;
    let resource = if action.starts_with("ses:") {
        "mail".to_owned()
    } else if let Some(object) = resource.strip_prefix("arn:aws:s3:::") {
        let folder = object.split('/').nth(1).map(|folder| format!("/{folder}/*"));
        format!("Files{}", folder.unwrap_or_default())
    } else if resource.contains(":secret:shared-inbox/carrier") {
        "CarrierSecretName".to_owned()
    } else {
        let (name, rest) = logical(resource)?;
        format!("{name}{}", if rest.starts_with("/index/") { rest } else { "" })
    };
    let action = action.replace("SendMessageBatch", "SendMessage"); // one right covers both
    Some((function.to_owned(), action, resource))
}

fn used() -> BTreeSet<Right> {
    let state = env::var("STATE_DIR").unwrap_or_else(|_| ".local/test".into());
    let file = format!("{state}/rights.jsonl");
    let lines = fs::read_to_string(format!("{ROOT}/{file}"))
        .unwrap_or_else(|error| panic!("{file}: {error}; `make journeys` writes it"));
    lines.lines().filter_map(right).collect()
}

#[test]
fn functions_use_what_they_are_granted_and_nothing_else() {
    let (granted, used) = (granted(), used());
    assert!(granted.len() > 60 && used.len() > 60, "{} granted, {} used", granted.len(), used.len());
    let beyond = BEYOND_JOURNEYS
        .map(|(function, action, resource, _)| (function.to_owned(), action.to_owned(), resource.to_owned()));
    let idle: Vec<_> = granted.difference(&used).filter(|right| !beyond.contains(right)).collect();
    assert_eq!(idle, Vec::<&Right>::new(), "granted, and used by no journey");
    let denied: Vec<_> = used.difference(&granted).collect();
    assert_eq!(denied, Vec::<&Right>::new(), "used, and not granted by the template");
    let gone: Vec<_> = beyond.iter().filter(|right| !granted.contains(right)).collect();
    assert_eq!(gone, Vec::<&Right>::new(), "listed here, and not granted any more");
}
