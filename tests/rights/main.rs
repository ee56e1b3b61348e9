//! The template grants the rights that the functions use and no others. While the journeys run, the local
//! cloud records each right that a role uses in `rights.jsonl`. `make journeys` runs this comparison
//! afterwards.

#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use std::{collections::BTreeSet, env, fs};

use serde_json::Value as Json;
use serde_norway::Value;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Function, action and resource. Functions and resources have their logical IDs.
type Right = (String, String, String);

/// Rights that no journey uses, with the reason. Handler tests cover each.
const NOT_USED_BY_JOURNEYS: [(&str, &str, &str, &str); 32] = [
    (
        "EmailNotifyFunction",
        "dynamodb:DeleteItem",
        "Table",
        "releases the claim of an e-mail that was not sent",
    ),
    ("InboundSweepFunction", "dynamodb:DeleteItem", "Table", "removes numbers that were released"),
    ("InboundSweepFunction", "dynamodb:ConditionCheckItem", "Table", "changes opt-outs"),
    ("InboxReconcileFunction", "dynamodb:Query", "Table", "runs every five minutes"),
    ("InboxReconcileFunction", "dynamodb:GetItem", "Table", "the same"),
    (
        "InboxReconcileFunction",
        "dynamodb:UpdateItem",
        "Table",
        "removes an undone number from the set of numbers",
    ),
    ("InboxReconcileFunction", "dynamodb:DeleteItem", "Table", "the same"),
    ("InboxReconcileFunction", "secretsmanager:GetSecretValue", "CarrierSecretName", "the same"),
    (
        "ContactImportFunction",
        "s3:ListBucket",
        "Files",
        "makes S3 answer 404 for a missing file; the emulator does not require it",
    ),
    (
        "MessagesFunction",
        "s3:ListBucket",
        "Files",
        "makes S3 answer 404 for a missing upload; the emulator does not require it",
    ),
    (
        "MessagesFunction",
        "dynamodb:Query",
        "Table",
        "updates the copy of a contact that changed while its conversation began",
    ),
    (
        "OutboundSendFunction",
        "sqs:ChangeMessageVisibility",
        "BroadcastSendQueue",
        "hides a text of a broadcast whose turn is later; the broadcasts of the journeys have few texts",
    ),
    (
        "MediaCopyFunction",
        "s3:ListBucketVersions",
        "Files",
        "erases the file of a contact who was erased during its copy; no journey does that",
    ),
    ("MediaCopyFunction", "s3:DeleteObjectVersion", "Files/media/*", "the same"),
    ("SendReconcileFunction", "sqs:SendMessage", "SendQueue", "queues what the stream lost"),
    ("SendReconcileFunction", "sqs:SendMessage", "BroadcastSendQueue", "the same"),
    ("SendReconcileFunction", "sqs:SendMessage", "MailQueue", "the same"),
    ("SendReconcileFunction", "sqs:SendMessage", "MediaQueue", "the same"),
    ("SendReconcileFunction", "sqs:SendMessage", "ImportQueue", "queues an import that no worker continues"),
    ("SendReconcileFunction", "dynamodb:DeleteItem", "Table", "the same"),
    (
        "SendReconcileFunction",
        "sqs:SendMessage",
        "BroadcastQueue",
        "queues a broadcast that no worker continues",
    ),
    ("SendReconcileFunction", "dynamodb:UpdateItem", "Table", "stores the outcome that the carrier reports"),
    ("SendReconcileFunction", "dynamodb:PutItem", "Table", "stores an opt-out that the carrier reports"),
    ("SendReconcileFunction", "dynamodb:BatchGetItem", "Table", "the same"),
    ("SendReconcileFunction", "dynamodb:ConditionCheckItem", "Table", "the same"),
    ("RegistrationPollFunction", "dynamodb:Query", "Table", "a poll may find nothing that is due"),
    ("RegistrationPollFunction", "dynamodb:UpdateItem", "Table", "the same"),
    ("RegistrationPollFunction", "sqs:SendMessage", "RegistrationQueue", "the same"),
    (
        "WebhookSweepFunction",
        "dynamodb:GetItem",
        "Table",
        "reads an endpoint with deliveries that wait for hours",
    ),
    ("WebhookSweepFunction", "dynamodb:UpdateItem", "Table", "the same"),
    ("WebhookSweepFunction", "dynamodb:PutItem", "Table", "ends deliveries of a disabled endpoint"),
    ("WebhookSweepFunction", "sqs:SendMessage", "WebhookQueue", "queues deliveries that waited for hours"),
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

/// `Table.Arn` → `Table`, `${Table.Arn}/index/x` → `Table/index/x`,
/// `arn:…:${CarrierSecretName}-??????` → `CarrierSecretName`.
fn resource_name(resource: &str) -> String {
    if resource.starts_with("arn:") {
        return resource.rsplit("${").next().unwrap().split('}').next().unwrap().to_owned();
    }
    let rest = resource.trim_start_matches("${");
    let (name, rest) = rest.split_once('.').unwrap_or((rest, ""));
    format!("{name}{}", rest.split_once('}').map_or("", |(_, path)| path))
}

/// Rights that Lambda uses to write logs and to read events. The local cloud does not record them, and
/// `tests/template/roles.rs` compares them with the events of the functions.
const USED_BY_LAMBDA: [&str; 9] = [
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "dynamodb:DescribeStream",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
    "dynamodb:ListStreams",
];

fn granted() -> BTreeSet<Right> {
    let template = test_kit::template::read();
    let mut granted = BTreeSet::new();
    for (name, role) in template["Resources"].as_mapping().unwrap() {
        if role["Type"] != "AWS::IAM::Role" {
            continue;
        }
        let function = name.as_str().unwrap().strip_suffix("Role").unwrap();
        let policies = role["Properties"]["Policies"].as_sequence().unwrap();
        for policy in policies {
            for statement in policy["PolicyDocument"]["Statement"].as_sequence().unwrap() {
                for action in texts(&statement["Action"]) {
                    let mail = action.starts_with("ses:").then(|| vec!["mail".to_owned()]);
                    let pool = action.starts_with("cognito-idp:").then(|| vec!["UserPool".to_owned()]);
                    let resources =
                        || texts(&statement["Resource"]).iter().map(|text| resource_name(text)).collect();
                    for resource in mail.or(pool).unwrap_or_else(resources) {
                        if !USED_BY_LAMBDA.contains(&action.as_str()) && resource != "RelayFailures" {
                            granted.insert((function.to_owned(), action.clone(), resource));
                        }
                    }
                }
            }
        }
    }
    granted
}

/// The logical ID in a physical name and the rest of the name:
/// `shared-inbox-<logical ID>-<13 hexadecimal digits>…`.
fn logical_id(physical_name: &str) -> Option<(&str, &str)> {
    let start = physical_name.find("shared-inbox-")? + "shared-inbox-".len();
    let rest = &physical_name[start..];
    let (name, rest) = rest.split_once('-')?;
    Some((name, &rest[rest.find(|letter: char| !letter.is_ascii_hexdigit()).unwrap_or(rest.len())..]))
}

fn right(line: &str) -> Option<Right> {
    let used: Json = serde_json::from_str(line).unwrap();
    let [role, action, resource] = ["role", "action", "resource"].map(|name| used[name].as_str().unwrap());
    let function = logical_id(role.rsplit('/').next()?)?.0.strip_suffix("Role")?;
    let resource = if action.starts_with("ses:") {
        "mail".to_owned()
    } else if action.starts_with("cognito-idp:") {
        "UserPool".to_owned()
    } else if action.starts_with("execute-api:") {
        "RealtimeApi".to_owned()
    } else if let Some(object) = resource.strip_prefix("arn:aws:s3:::") {
        let folder = object.split('/').nth(1).map(|folder| format!("/{folder}/*"));
        format!("Files{}", folder.unwrap_or_default())
    } else if resource.contains(":secret:shared-inbox/carrier") {
        "CarrierSecretName".to_owned()
    } else {
        let (name, rest) = logical_id(resource)?;
        format!("{name}{}", if rest.starts_with("/index/") { rest } else { "" })
    };
    Some((function.to_owned(), action.to_owned(), resource))
}

fn used() -> BTreeSet<Right> {
    let state = env::var("STATE_DIR").unwrap_or_else(|_| ".local/test".into());
    let file = format!("{state}/rights.jsonl");
    let lines = fs::read_to_string(format!("{ROOT}/{file}"))
        .unwrap_or_else(|error| panic!("{file}: {error}; `make journeys` writes it"));
    lines.lines().filter_map(right).collect()
}

#[test]
fn functions_use_all_granted_rights_and_no_others() {
    let (granted, used) = (granted(), used());
    assert!(granted.len() > 60 && used.len() > 60, "{} granted, {} used", granted.len(), used.len());
    let exceptions = NOT_USED_BY_JOURNEYS
        .map(|(function, action, resource, _)| (function.to_owned(), action.to_owned(), resource.to_owned()));
    let unused: Vec<_> = granted.difference(&used).filter(|right| !exceptions.contains(right)).collect();
    assert_eq!(unused, Vec::<&Right>::new(), "granted, but used by no journey");
    let used_by_function =
        |(_, action, _): &&Right| !USED_BY_LAMBDA.contains(&action.replace("Batch", "").as_str());
    let denied: Vec<_> = used.difference(&granted).filter(used_by_function).collect();
    assert_eq!(denied, Vec::<&Right>::new(), "used, but not granted by the template");
    let obsolete: Vec<_> = exceptions.iter().filter(|right| !granted.contains(right)).collect();
    assert_eq!(obsolete, Vec::<&Right>::new(), "listed here, but no longer granted");
}
