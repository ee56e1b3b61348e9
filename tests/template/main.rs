//! The template says what the code needs, and nothing more: variables, rights, queues, alarms.

#![allow(clippy::unwrap_used, reason = "all of it is a test, its steps as well")]

mod docs;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde_norway::Value;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn template() -> Value {
    serde_norway::from_str(&fs::read_to_string(format!("{ROOT}/template.yaml")).unwrap()).unwrap()
}

fn resources(kind: &str) -> BTreeMap<String, Value> {
    let template = template();
    let all = template["Resources"].as_mapping().unwrap();
    let wanted = all.iter().filter(|(_, resource)| resource["Type"] == kind);
    wanted
        .map(|(name, resource)| (name.as_str().unwrap().to_owned(), resource["Properties"].clone()))
        .collect()
}

/// Functions by the name of their package.
fn functions() -> BTreeMap<String, Value> {
    let template = template();
    let all = template["Resources"].as_mapping().unwrap();
    let functions = all.values().filter(|resource| resource["Type"] == "AWS::Serverless::Function");
    functions
        .map(|function| {
            let package = function["Metadata"]["BuildProperties"]["Binary"].as_str().unwrap();
            (package.to_owned(), function["Properties"].clone())
        })
        .collect()
}

fn packages() -> BTreeSet<String> {
    let folders = fs::read_dir(format!("{ROOT}/functions")).unwrap();
    folders.map(|folder| folder.unwrap().file_name().into_string().unwrap()).collect()
}

fn sources(package: &str) -> String {
    fn collect(folder: &Path, text: &mut String) {
        for entry in fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, text);
            } else {
                text.push_str(&fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut text = String::new();
    collect(Path::new(&format!("{ROOT}/functions/{package}/src")), &mut text);
    text
}

/// Names in quotes after any of these calls.
fn named(source: &str, calls: &[&str]) -> BTreeSet<String> {
    let after = |call: &&str| source.split(*call).skip(1).collect::<Vec<_>>();
    calls.iter().flat_map(after).filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
}

const LOCK: [&str; 6] = [
    "LOCK_LEASE_SECONDS",
    "LOCK_RENEW_SECONDS",
    "LOCK_IDLE_PROMPT_SECONDS",
    "LOCK_IDLE_RELEASE_SECONDS",
    "LOCK_SKEW_MILLIS",
    "LOCKS_PER_USER",
];
const CLAIMS: [&str; 3] = ["ORGANIZATION_CLAIM", "USER_CLAIM", "DEFAULT_ORGANIZATION"];

fn read_by(package: &str) -> BTreeSet<String> {
    let source = sources(package);
    let calls = ["env.required(\"", "env.optional(\"", "env.seconds(\"", "env.number(\""];
    let mut names = named(&source, &calls);
    if source.contains("env.lock_policy()") {
        names.extend(LOCK.map(str::to_owned));
    }
    if source.contains("Claims::from_environment") {
        names.extend(CLAIMS.map(str::to_owned));
    }
    names
}

#[test]
fn every_package_is_a_function_of_the_template() {
    assert_eq!(functions().into_keys().collect::<BTreeSet<_>>(), packages());
}

#[test]
fn a_function_is_given_the_variables_that_it_reads_and_no_other() {
    for (package, function) in functions() {
        let given = function["Environment"]["Variables"].as_mapping().cloned().unwrap_or_default();
        let given: BTreeSet<_> = given.keys().map(|name| name.as_str().unwrap().to_owned()).collect();
        assert_eq!(given, read_by(&package), "{package}");
    }
}

fn statements(function: &Value) -> Vec<Value> {
    let policies = function["Policies"].as_sequence().cloned().unwrap_or_default();
    policies.iter().flat_map(|policy| policy["Statement"].as_sequence().unwrap().clone()).collect()
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Sequence(items) => items.iter().flat_map(texts).collect(),
        Value::Mapping(entries) => entries.values().flat_map(texts).collect(),
        Value::Tagged(tagged) => texts(&tagged.value),
        _ => Vec::new(),
    }
}

#[test]
fn rights_are_named_actions_on_named_resources() {
    for (package, function) in functions() {
        for statement in statements(&function) {
            for text in texts(&statement["Action"]).iter().chain(&texts(&statement["Resource"])) {
                // Files have no names that a template could tell: they are named by the folder that they are in.
                let folders =
                    ["uploads", "media", "imports"].map(|folder| format!("${{Files.Arn}}/{folder}/*"));
                let folder = folders.contains(text);
                assert!(folder || !text.contains('*'), "{package}: {text}");
            }
            assert!(!texts(&statement["Resource"]).is_empty(), "{package}: a statement names its resources");
        }
    }
}

#[test]
fn a_function_without_a_variable_for_it_has_no_right_to_it() {
    for (package, function) in functions() {
        let actions: Vec<_> = statements(&function).iter().flat_map(|one| texts(&one["Action"])).collect();
        let reads = read_by(&package);
        let may = |service: &str| actions.iter().any(|action| action.starts_with(service));
        assert_eq!(may("dynamodb:"), reads.contains("TABLE_NAME"), "{package}");
        assert_eq!(may("sqs:"), reads.iter().any(|name| name.ends_with("_QUEUE_URL")), "{package}");
        assert_eq!(may("s3:"), reads.contains("FILES_BUCKET"), "{package}");
        assert_eq!(may("ses:"), reads.contains("MAIL_FROM"), "{package}");
        let secrets = reads.contains("CARRIER_SECRET") || reads.contains("SIGNING_SECRET");
        assert_eq!(may("secretsmanager:"), secrets, "{package}");
    }
}

#[test]
fn every_queue_has_dead_letters_or_is_a_place_for_them() {
    let queues = resources("AWS::SQS::Queue");
    let watched: Vec<_> =
        resources("AWS::CloudWatch::Alarm").values().flat_map(|alarm| texts(&alarm["Dimensions"])).collect();
    for (name, queue) in &queues {
        let ends_here = queue["RedrivePolicy"].is_null();
        let watched = watched.iter().any(|text| *text == format!("{name}.QueueName"));
        assert!(watched, "{name} has an alarm");
        assert!(
            !ends_here || name.contains("DeadLetters") || name.contains("Failures"),
            "{name} has dead letters"
        );
    }
}

#[test]
fn every_function_keeps_a_log_and_has_an_alarm() {
    let alarms = resources("AWS::CloudWatch::Alarm");
    let template = template();
    for (name, resource) in template["Resources"].as_mapping().unwrap() {
        if resource["Type"] != "AWS::Serverless::Function" {
            continue;
        }
        let name = name.as_str().unwrap();
        let watches = |alarm: &Value| texts(&alarm["Dimensions"]).contains(&name.to_owned());
        assert!(alarms.values().any(watches), "{name} has an alarm");
        assert!(!texts(&resource["Properties"]["LoggingConfig"]["LogGroup"]).is_empty(), "{name} has a log");
    }
    assert!(resources("AWS::Logs::LogGroup").values().all(|log| !log["RetentionInDays"].is_null()));
}

#[test]
fn workers_know_their_last_try_and_their_waits_fit_into_the_queues() {
    for (worker, queue, pause) in [
        ("outbound-send", "SendQueue", "SendRetrySeconds"),
        ("media-copy", "MediaQueue", "MediaRetrySeconds"),
    ] {
        let worker = &functions()[worker];
        let queue = &resources("AWS::SQS::Queue")[queue];
        let tries = worker["Environment"]["Variables"]["MAX_RECEIVES"].as_str().unwrap().to_owned();
        assert_eq!(tries, queue["RedrivePolicy"]["maxReceiveCount"].as_u64().unwrap().to_string());
        let shortest = template()["Parameters"][pause]["MinValue"].as_u64().unwrap();
        assert!(shortest >= worker["Timeout"].as_u64().unwrap(), "an attempt ends before the next begins");
    }
}

#[test]
fn the_reader_of_imports_knows_its_last_try_and_its_slices_end_before_it_does() {
    let reader = &functions()["contact-import"];
    let queue = &resources("AWS::SQS::Queue")["ImportQueue"];
    let tries = reader["Environment"]["Variables"]["MAX_RECEIVES"].as_str().unwrap().to_owned();
    assert_eq!(tries, queue["RedrivePolicy"]["maxReceiveCount"].as_u64().unwrap().to_string());
    let timeout = reader["Timeout"].as_u64().unwrap();
    let template = template();
    assert!(template["Parameters"]["ImportRetrySeconds"]["MinValue"].as_u64().unwrap() >= timeout);
    assert!(template["Parameters"]["ImportSliceSeconds"]["MaxValue"].as_u64().unwrap() * 2 <= timeout);
}

#[test]
fn queue_and_stream_events_report_failures_one_by_one() {
    for (package, function) in functions() {
        let Some(events) = function["Events"].as_mapping() else { continue };
        for event in events.values().filter(|event| event["Type"] == "SQS" || event["Type"] == "DynamoDB") {
            let reports = texts(&event["Properties"]["FunctionResponseTypes"]);
            assert_eq!(reports, ["ReportBatchItemFailures"], "{package}");
        }
    }
}

#[test]
fn the_table_is_kept_safe_and_tidy() {
    let table = &resources("AWS::DynamoDB::Table")["Table"];
    assert_eq!(table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"], true);
    assert_eq!(table["SSESpecification"]["SSEEnabled"], true);
    assert_eq!(table["TimeToLiveSpecification"]["AttributeName"], "ttl");
    assert_eq!(table["StreamSpecification"]["StreamViewType"], "NEW_IMAGE");
}

#[test]
fn files_are_private_encrypted_and_tidied_up() {
    let files = &resources("AWS::S3::Bucket")["Files"];
    let public = files["PublicAccessBlockConfiguration"].as_mapping().unwrap();
    assert!(public.len() == 4 && public.values().all(|blocked| *blocked == true), "{public:?}");
    let encryption = texts(&files["BucketEncryption"]["ServerSideEncryptionConfiguration"]);
    assert_eq!(encryption, ["AES256"]);
    let rules = files["LifecycleConfiguration"]["Rules"].as_sequence().unwrap();
    let expires = |prefix: &str| {
        let rule = rules.iter().find(|rule| rule["Prefix"] == prefix).unwrap();
        rule["ExpirationInDays"].as_u64()
    };
    assert_eq!((expires("uploads/"), expires("media/")), (Some(7), None));
    assert_eq!(expires(shared_aws::import::OBJECTS), Some(7));
    let told = texts(&files["NotificationConfiguration"]);
    assert!(told.contains(&shared_aws::import::OBJECTS.to_owned()), "{told:?}");
    let policy = texts(&resources("AWS::S3::BucketPolicy")["FilesPolicy"]["PolicyDocument"]).join(" ");
    assert!(policy.contains("Deny") && policy.contains("s3:*"), "{policy}");
}

#[test]
fn the_relay_sees_outbox_rows_alone() {
    let relay = &functions()["outbox-relay"];
    let pattern = texts(&relay["Events"]["Outbox"]["Properties"]["FilterCriteria"]).concat();
    assert!(pattern.contains(r#""eventName":["INSERT"]"#), "{pattern}");
    assert!(
        pattern.contains(&format!(r#""prefix":"{}""#, shared_aws::table::keys::OUTBOX_PREFIX)),
        "{pattern}"
    );
}

#[test]
fn no_secret_stands_in_a_variable() {
    for (package, function) in functions() {
        for value in texts(&function["Environment"]["Variables"]) {
            assert!(
                !value.contains("{{resolve:"),
                "{package}: a resolved secret can be read by whoever sees the function"
            );
        }
    }
}
