//! The role of each function: named actions on named resources, and nothing of AWS's managed policies.
//! `expanded.py` checks the roles of the expanded template.

use std::collections::BTreeSet;

use serde_norway::Value;

use crate::{functions, resources, template, texts, variables::read_by_functions};

/// What Lambda does with a function's role.
const WRITE_LOG: [&str; 2] = ["logs:CreateLogStream", "logs:PutLogEvents"];
const READ_QUEUE: [&str; 3] = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"];
const READ_STREAM: [&str; 4] =
    ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"];

/// An action and a resource.
type Right = (String, String);

fn statements(function: &Value) -> Vec<Value> {
    let role = texts(&function["Role"]).concat();
    let role = &resources("AWS::IAM::Role")[role.strip_suffix(".Arn").expect("a function names its role")];
    let policies = role["Policies"].as_sequence().unwrap().iter();
    policies.flat_map(|policy| policy["PolicyDocument"]["Statement"].as_sequence().unwrap().clone()).collect()
}

pub(crate) fn rights(function: &Value) -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    for statement in statements(function) {
        for action in texts(&statement["Action"]) {
            rights.extend(texts(&statement["Resource"]).into_iter().map(|one| (action.clone(), one)));
        }
    }
    rights
}

/// The rights that Lambda needs to write a function's log and to read its events.
fn rights_of_lambda(function: &Value) -> BTreeSet<Right> {
    let all = |actions: &[&str], resource: &str| {
        actions.iter().map(|&action| (action.to_owned(), resource.to_owned())).collect::<Vec<_>>()
    };
    let mut rights = BTreeSet::from_iter(all(&WRITE_LOG, "FunctionLog.Arn"));
    for event in function["Events"].as_mapping().into_iter().flat_map(|events| events.values()) {
        let properties = &event["Properties"];
        if event["Type"] == "SQS" {
            rights.extend(all(&READ_QUEUE, &texts(&properties["Queue"]).concat()));
        } else if event["Type"] == "DynamoDB" {
            rights.extend(all(&READ_STREAM, &texts(&properties["Stream"]).concat()));
            for failures in texts(&properties["DestinationConfig"]["OnFailure"]["Destination"]) {
                rights.extend(all(&["sqs:SendMessage"], &failures));
            }
        }
    }
    rights
}

#[test]
fn rights_are_named_actions_on_named_resources() {
    for (package, function) in functions() {
        for statement in statements(&function) {
            for text in texts(&statement["Action"]).iter().chain(&texts(&statement["Resource"])) {
                // Rights to files cover a folder, because the names of files are not known in advance.
                let folders =
                    ["uploads", "media", "imports"].map(|folder| format!("${{Files.Arn}}/{folder}/*"));
                let folder = folders.contains(text);
                // Connections have the names that the gateway gives them.
                let connection = text.ends_with("${RealtimeApi}/live/POST/@connections/*")
                    || text.ends_with("${RealtimeApi}/live/DELETE/@connections/*");
                assert!(folder || connection || !text.contains('*'), "{package}: {text}");
            }
            assert!(!texts(&statement["Resource"]).is_empty(), "{package}: a statement without resources");
        }
    }
}

/// SAM attaches managed policies with rights to all log groups, queues and streams to the roles that it
/// creates.
#[test]
fn every_function_has_a_role_of_its_own_without_managed_policies() {
    for (name, function) in resources("AWS::Serverless::Function") {
        assert_eq!(texts(&function["Role"]), [format!("{name}Role.Arn")]);
        assert!(function["Policies"].is_null(), "{name}: SAM ignores Policies if there is a Role");
    }
    for (name, role) in resources("AWS::IAM::Role") {
        assert!(role["ManagedPolicyArns"].is_null(), "{name}");
    }
}

#[test]
fn functions_may_send_traces_only_if_they_are_traced() {
    let template = template();
    assert_eq!(template["Parameters"]["Tracing"]["Default"], "PassThrough");
    assert_eq!(texts(&template["Globals"]["Function"]["Tracing"]), ["Tracing"]);
    assert_eq!(template["Resources"]["TracingRights"]["Condition"], "IsTraced");
    let policy = &resources("AWS::IAM::ManagedPolicy")["TracingRights"];
    let roles: BTreeSet<_> = texts(&policy["Roles"]).into_iter().collect();
    let functions = resources("AWS::Serverless::Function");
    assert_eq!(roles, functions.keys().map(|name| format!("{name}Role")).collect());
    let statements = policy["PolicyDocument"]["Statement"].as_sequence().unwrap();
    let actions: Vec<_> = statements.iter().flat_map(|statement| texts(&statement["Action"])).collect();
    assert_eq!(actions, ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]);
}

#[test]
fn lambda_writes_the_log_of_a_function_and_reads_its_events_and_no_others() {
    for (package, function) in functions() {
        let (granted, needed) = (rights(&function), rights_of_lambda(&function));
        let missing: Vec<_> = needed.difference(&granted).collect();
        assert!(missing.is_empty(), "{package}: {missing:?}");
        let reads = |(action, _): &&Right| {
            WRITE_LOG.iter().chain(&READ_QUEUE).chain(&READ_STREAM).any(|one| one == action)
        };
        let extra: Vec<_> = granted.difference(&needed).filter(reads).collect();
        assert!(extra.is_empty(), "{package}: {extra:?}");
    }
}

#[tokio::test]
async fn a_function_has_rights_to_a_service_only_with_a_variable_for_it() {
    let read_by_functions = read_by_functions().await;
    for (package, function) in functions() {
        let rights: Vec<_> = rights(&function).difference(&rights_of_lambda(&function)).cloned().collect();
        let reads = &read_by_functions[package.as_str()];
        let may_use = |service: &str| rights.iter().any(|(action, _)| action.starts_with(service));
        assert_eq!(may_use("dynamodb:"), reads.contains("TABLE_NAME"), "{package}");
        assert_eq!(may_use("sqs:"), reads.iter().any(|name| name.ends_with("_QUEUE_URL")), "{package}");
        assert_eq!(may_use("s3:"), reads.contains("FILES_BUCKET"), "{package}");
        assert_eq!(may_use("ses:"), reads.contains("MAIL_FROM"), "{package}");
        assert_eq!(may_use("cognito-idp:"), reads.contains("USER_POOL_ID"), "{package}");
        for (variable, secret) in
            [("CARRIER_SECRET", "CarrierSecretName"), ("SIGNING_SECRET", "SigningSecret")]
        {
            let may_read = rights.iter().any(|(action, resource)| {
                action == "secretsmanager:GetSecretValue" && resource.contains(secret)
            });
            assert_eq!(may_read, reads.contains(variable), "{package} and {secret}");
        }
    }
}
