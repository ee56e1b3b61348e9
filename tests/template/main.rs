//! The template against the code: variables, rights, queues, alarms.

#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

mod alarms;
mod cloud_front;
mod dashboard;
mod docs;
mod roles;
mod upgrade;
mod variables;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use serde_norway::Value;
use test_kit::template::read as template;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn resources(kind: &str) -> BTreeMap<String, Value> {
    let template = template();
    let all = template["Resources"].as_mapping().unwrap();
    let wanted = all.iter().filter(|(_, resource)| resource["Type"] == kind);
    wanted
        .map(|(name, resource)| (name.as_str().unwrap().to_owned(), resource["Properties"].clone()))
        .collect()
}

/// Functions by package.
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

#[test]
fn every_package_is_a_function_of_the_template() {
    assert_eq!(functions().into_keys().collect::<BTreeSet<_>>(), packages());
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
fn every_queue_has_an_alarm_and_a_dead_letter_queue_unless_it_is_one() {
    let queues = resources("AWS::SQS::Queue");
    let watched: Vec<_> =
        resources("AWS::CloudWatch::Alarm").values().flat_map(|alarm| texts(&alarm["Dimensions"])).collect();
    for (name, queue) in &queues {
        assert!(
            watched.contains(name) || watched.contains(&format!("{name}.QueueName")),
            "{name} has no alarm"
        );
        let keeps_failures = name.contains("DeadLetters") || name.contains("Failures");
        assert!(keeps_failures || !queue["RedrivePolicy"].is_null(), "{name} has no dead-letter queue");
    }
}

#[test]
fn every_function_writes_json_to_a_log_group_with_a_retention() {
    let template = template();
    let logging = &template["Globals"]["Function"]["LoggingConfig"];
    assert_eq!(logging["LogFormat"], "JSON");
    let groups = resources("AWS::Logs::LogGroup");
    assert!(groups.contains_key(&texts(&logging["LogGroup"]).concat()));
    assert!(groups.values().all(|group| !group["RetentionInDays"].is_null()));
    assert!(functions().values().all(|function| function["LoggingConfig"].is_null()));
}

#[test]
fn media_copy_knows_its_last_attempt_and_finishes_it_before_the_next_one() {
    let worker = &functions()["media-copy"];
    let queue = &resources("AWS::SQS::Queue")["MediaQueue"];
    let attempts = worker["Environment"]["Variables"]["MAX_RECEIVES"].as_str().unwrap().to_owned();
    assert_eq!(attempts, queue["RedrivePolicy"]["maxReceiveCount"].as_u64().unwrap().to_string());
    let shortest = template()["Parameters"]["MediaRetrySeconds"]["MinValue"].as_u64().unwrap();
    assert!(shortest >= worker["Timeout"].as_u64().unwrap());
}

#[test]
fn the_send_queues_keep_messages_for_longer_than_a_sending_pause() {
    let (worker, queues) = (&functions()["outbound-send"], resources("AWS::SQS::Queue"));
    for queue in ["SendQueue", "BroadcastSendQueue"].map(|name| &queues[name]) {
        assert_eq!(queue["RedrivePolicy"]["maxReceiveCount"], 1000, "the limit of SQS");
        let days = queue["MessageRetentionPeriod"].as_u64().unwrap() / 86_400;
        assert_eq!(days, 14, "the limit of SQS");
    }
    let shortest = template()["Parameters"]["SendRetrySeconds"]["MinValue"].as_u64().unwrap();
    assert!(shortest >= worker["Timeout"].as_u64().unwrap(), "an attempt ends before the next one");
}

/// With one limit for both queues, texts of broadcasts that wait for their turns could keep all workers busy.
#[test]
fn texts_of_broadcasts_have_a_queue_and_workers_of_their_own() {
    let (worker, queues) = (&functions()["outbound-send"], resources("AWS::SQS::Queue"));
    let events: Vec<_> =
        worker["Events"].as_mapping().unwrap().values().map(|event| &event["Properties"]).collect();
    let polled: Vec<_> = events.iter().map(|event| texts(&event["Queue"]).concat()).collect();
    assert_eq!(polled, ["SendQueue.Arn", "BroadcastSendQueue.Arn"]);
    for event in events {
        assert_eq!(
            (&event["ScalingConfig"]["MaximumConcurrency"], &event["BatchSize"]),
            (&20.into(), &1.into())
        );
    }
    assert!(worker["ReservedConcurrentExecutions"].is_null(), "a limit of the function would be shared");
    assert_eq!(queues["SendQueue"], queues["BroadcastSendQueue"]);
}

#[test]
fn contact_import_knows_its_last_attempt_and_a_slice_fits_twice_into_its_timeout() {
    let worker = &functions()["contact-import"];
    let queue = &resources("AWS::SQS::Queue")["ImportQueue"];
    let attempts = worker["Environment"]["Variables"]["MAX_RECEIVES"].as_str().unwrap().to_owned();
    assert_eq!(attempts, queue["RedrivePolicy"]["maxReceiveCount"].as_u64().unwrap().to_string());
    let timeout = worker["Timeout"].as_u64().unwrap();
    let template = template();
    assert!(template["Parameters"]["ImportRetrySeconds"]["MinValue"].as_u64().unwrap() >= timeout);
    assert!(template["Parameters"]["ImportSliceSeconds"]["MaxValue"].as_u64().unwrap() * 2 <= timeout);
}

/// A number, or the default of the parameter that it refers to.
fn number(value: &Value) -> u64 {
    let Value::Tagged(parameter) = value else { return value.as_u64().unwrap() };
    template()["Parameters"][parameter.value.as_str().unwrap()]["Default"].as_u64().unwrap()
}

/// Anyone can call these routes as often as they want.
#[test]
fn every_open_route_has_its_own_throttling_and_webhooks_have_the_most_room() {
    let api = &resources("AWS::Serverless::HttpApi")["HttpApi"];
    let settings = api["RouteSettings"].as_mapping().unwrap();
    let mut open = BTreeSet::new();
    for function in functions().values() {
        for event in function["Events"].as_mapping().into_iter().flat_map(|events| events.values()) {
            let properties = &event["Properties"];
            if properties["Auth"]["Authorizer"] == "NONE" {
                let [method, path] = ["Method", "Path"].map(|name| properties[name].as_str().unwrap());
                open.insert(format!("{method} {path}"));
            }
        }
    }
    assert_eq!(settings.keys().map(|key| key.as_str().unwrap().to_owned()).collect::<BTreeSet<_>>(), open);
    let rate = |limits: &Value| number(&limits["ThrottlingRateLimit"]);
    let burst = |limits: &Value| number(&limits["ThrottlingBurstLimit"]);
    let default = rate(&api["DefaultRouteSettings"]);
    assert_eq!(burst(&api["DefaultRouteSettings"]), 2 * default);
    for (route, limits) in settings {
        let (route, rate, burst) = (route.as_str().unwrap(), rate(limits), burst(limits));
        let is_webhook = route.contains("/webhooks/");
        assert!(if is_webhook { rate > default } else { rate < default }, "{route}: {rate}");
        assert_eq!(burst, 2 * rate, "{route}");
    }
}

#[test]
fn queue_and_stream_events_use_partial_batch_responses() {
    for (package, function) in functions() {
        let Some(events) = function["Events"].as_mapping() else { continue };
        for event in events.values().filter(|event| event["Type"] == "SQS" || event["Type"] == "DynamoDB") {
            let reports = texts(&event["Properties"]["FunctionResponseTypes"]);
            assert_eq!(reports, ["ReportBatchItemFailures"], "{package}");
        }
    }
}

/// Defaults would let users sign in through every client and write their own organization.
#[test]
fn every_client_of_the_user_pool_names_its_flows_and_users_cannot_write_their_identity() {
    let clients = resources("AWS::Cognito::UserPoolClient");
    assert!(!clients.is_empty());
    for (name, client) in clients {
        for list in ["ExplicitAuthFlows", "ReadAttributes", "WriteAttributes"] {
            assert!(!texts(&client[list]).is_empty(), "{name} has no {list}");
        }
        let written = texts(&client["WriteAttributes"]);
        assert!(written.iter().all(|attribute| !attribute.starts_with("custom:")), "{name}: {written:?}");
        let is_machine = texts(&client["AllowedOAuthFlows"]).contains(&"client_credentials".to_owned());
        let flows = texts(&client["ExplicitAuthFlows"]);
        assert!(!is_machine || flows == ["ALLOW_REFRESH_TOKEN_AUTH"], "{name}: {flows:?}");
    }
}

#[test]
fn the_web_client_accepts_the_code_flow_if_front_ends_have_addresses_to_return_to() {
    let client = &resources("AWS::Cognito::UserPoolClient")["WebClient"];
    assert_eq!(client["GenerateSecret"], false, "a public client has to use PKCE");
    assert_eq!(texts(&client["AllowedOAuthFlows"]), ["HasWebCallbackUrls", "code", "AWS::NoValue"]);
    for urls in ["CallbackURLs", "LogoutURLs"] {
        assert_eq!(texts(&client[urls]), ["HasWebCallbackUrls", ",", "WebCallbackUrls", "AWS::NoValue"]);
    }
    let config = &functions()["openapi"]["Environment"]["Variables"];
    let authorize = texts(&config["AUTHORIZE_URL"]);
    let page = "https://${UserPoolDomain}.auth.${AWS::Region}.amazoncognito.com/oauth2/authorize";
    assert_eq!(authorize, ["CreateUserPool", "HasWebCallbackUrls", page, "", "JwtAuthorizeUrl"]);
    assert_eq!(texts(&config["TOKEN_URL"]).last().unwrap(), "JwtTokenUrl");
}

/// A sign-up would be a user without an organization, and a user of the pool all the same.
#[test]
fn the_authorizer_accepts_the_clients_of_the_template_and_the_listed_machine_clients() {
    let authorizer = &resources("AWS::Serverless::HttpApi")["HttpApi"]["Auth"]["Authorizers"]["Jwt"];
    let audience = texts(&authorizer["JwtConfiguration"]["audience"]);
    assert!(
        audience.contains(&"${WebClient},${MachineClient},${MachineClientIds}".to_owned()),
        "{audience:?}"
    );
    let pair = ["WebClient", "MachineClient"].map(str::to_owned);
    assert!(
        audience.windows(2).any(|two| two == pair),
        "an empty setting adds no empty audience: {audience:?}"
    );
}

#[test]
fn only_operators_create_users_of_the_pool() {
    let pool = &resources("AWS::Cognito::UserPool")["UserPool"];
    assert_eq!(pool["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"], true);
}

#[test]
fn the_table_is_backed_up_and_expires_items() {
    let table = &resources("AWS::DynamoDB::Table")["Table"];
    assert_eq!(table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"], true);
    assert_eq!(table["DeletionProtectionEnabled"], true);
    assert_eq!(resources("AWS::Cognito::UserPool")["UserPool"]["DeletionProtection"], "ACTIVE");
    assert_eq!(table["TimeToLiveSpecification"]["AttributeName"], "ttl");
    assert_eq!(table["StreamSpecification"]["StreamViewType"], "NEW_AND_OLD_IMAGES");
}

#[test]
fn the_bucket_is_private_encrypted_and_expires_files() {
    let files = &resources("AWS::S3::Bucket")["Files"];
    let public = files["PublicAccessBlockConfiguration"].as_mapping().unwrap();
    assert!(public.len() == 4 && public.values().all(|blocked| *blocked == true), "{public:?}");
    let encryption = texts(&files["BucketEncryption"]["ServerSideEncryptionConfiguration"]);
    assert_eq!(encryption, ["HasKmsKey", "aws:kms", "KmsKeyArn", "AES256", "HasKmsKey", "AWS::NoValue"]);
    assert_eq!(files["VersioningConfiguration"]["Status"], "Enabled");
    let rules = files["LifecycleConfiguration"]["Rules"].as_sequence().unwrap();
    let versions = rules.iter().find(|rule| rule["Id"] == "versions").unwrap();
    assert_eq!(versions["NoncurrentVersionExpiration"]["NoncurrentDays"], 35, "as the table's backups");
    let expires = |prefix: &str| {
        let rule = rules.iter().find(|rule| rule["Prefix"] == prefix).unwrap();
        rule["ExpirationInDays"].as_u64()
    };
    assert_eq!((expires("uploads/"), expires("media/")), (Some(7), None));
    assert_eq!(expires(shared_aws::import::OBJECTS), Some(7));
    let notified = texts(&files["NotificationConfiguration"]);
    assert!(notified.contains(&shared_aws::import::OBJECTS.to_owned()), "{notified:?}");
    let policy = texts(&resources("AWS::S3::BucketPolicy")["FilesPolicy"]["PolicyDocument"]).join(" ");
    assert!(policy.contains("Deny") && policy.contains("s3:*"), "{policy}");
}

/// A reservation takes executions from the rest of the account, and Lambda would stop a function with 0 of
/// them.
#[test]
fn only_the_webhook_of_messages_can_have_executions_of_its_own_and_has_none_by_default() {
    let template = template();
    let parameter = &template["Parameters"]["WebhookConcurrency"];
    assert_eq!((&parameter["Default"], &parameter["MinValue"]), (&0.into(), &0.into()));
    let inner = |value: &Value, tag: &str| match value {
        Value::Tagged(tagged) if tagged.tag == tag => tagged.value.clone(),
        other => panic!("{tag}: {other:?}"),
    };
    let is_zero = inner(&inner(&template["Conditions"]["HasWebhookConcurrency"], "Not")[0], "Equals");
    assert_eq!((inner(&is_zero[0], "Ref"), &is_zero[1]), ("WebhookConcurrency".into(), &0.into()));
    for (package, function) in functions() {
        let reserved = texts(&function["ReservedConcurrentExecutions"]);
        let expected: &[&str] = match package.as_str() {
            "inbound-sms" => &["HasWebhookConcurrency", "WebhookConcurrency", "AWS::NoValue"],
            _ => &[],
        };
        assert_eq!(reserved, expected, "{package}");
    }
}

/// With a customer key, everything that stores data has it. Without one, AWS's own keys encrypt all but logs,
/// which `CloudWatch` encrypts anyway. DynamoDB always encrypts: `SSEEnabled` without a key would choose a
/// key whose calls cost.
#[test]
fn everything_that_stores_data_takes_a_customer_key_and_is_encrypted_without_one() {
    assert_eq!(template()["Parameters"]["KmsKeyArn"]["Default"], "");
    let has_key = |value: &Value| texts(value).starts_with(&["HasKmsKey".into(), "KmsKeyArn".into()]);
    for (kind, setting) in [
        ("AWS::SQS::Queue", "KmsMasterKeyId"),
        ("AWS::SNS::Topic", "KmsMasterKeyId"),
        ("AWS::Logs::LogGroup", "KmsKeyId"),
        ("AWS::SecretsManager::Secret", "KmsKeyId"),
    ] {
        let stores = resources(kind);
        assert!(!stores.is_empty(), "{kind}");
        for (name, store) in stores {
            assert!(has_key(&store[setting]), "{name}: {:?}", store[setting]);
        }
    }
    for (name, queue) in resources("AWS::SQS::Queue") {
        let Value::Tagged(own) = &queue["SqsManagedSseEnabled"] else { panic!("{name}") };
        assert_eq!(own.value[2], true, "{name} is encrypted without a customer key");
    }
    let table = &resources("AWS::DynamoDB::Table")["Table"]["SSESpecification"];
    assert!(has_key(&table["KMSMasterKeyId"]), "{table:?}");
    assert_eq!(texts(&table["SSEType"]), ["HasKmsKey", "KMS", "AWS::NoValue"]);
    let Value::Tagged(enabled) = &table["SSEEnabled"] else { panic!("{table:?}") };
    assert_eq!(enabled.value, Value::Sequence(vec!["HasKmsKey".into(), true.into(), false.into()]));
}

#[test]
fn the_relay_receives_only_outbox_items() {
    let relay = &functions()["outbox-relay"];
    let pattern = texts(&relay["Events"]["Outbox"]["Properties"]["FilterCriteria"]).concat();
    assert!(pattern.contains(r#""eventName":["INSERT"]"#), "{pattern}");
    assert!(
        pattern.contains(&format!(r#""prefix":"{}""#, shared_aws::table::keys::OUTBOX_PREFIX)),
        "{pattern}"
    );
}

/// DynamoDB throttles a shard with more than two readers.
#[test]
fn two_functions_read_the_stream() {
    let functions = functions();
    let reads = |function: &Value| {
        let events = function["Events"].as_mapping().cloned().unwrap_or_default();
        events.values().any(|event| event["Type"] == "DynamoDB")
    };
    let readers: Vec<_> =
        functions.iter().filter(|(_, function)| reads(function)).map(|(name, _)| name).collect();
    assert_eq!(readers, ["event-writer", "outbox-relay"]);
}

/// An event that caused an event would cause events without end.
#[test]
fn the_event_writer_receives_what_users_see_and_no_events() {
    let writer = &functions()["event-writer"];
    let pattern = texts(&writer["Events"]["Changes"]["Properties"]["FilterCriteria"]).concat();
    for sort_key in [
        r#""INBOX""#,
        r#""AWAY""#,
        r#""REGISTRATION""#,
        &prefix("cnv_"),
        &prefix("msg_"),
        &prefix("OUT#"),
        &prefix(shared_aws::table::keys::INBOX_MEMBERS),
        &prefix(shared_aws::table::keys::TEAM_MEMBERS),
        &prefix(shared_aws::table::keys::CONTACTS),
        &prefix(shared_aws::table::keys::IMPORTS),
        &prefix(shared_aws::table::keys::BROADCASTS),
    ] {
        assert!(pattern.contains(sort_key), "{sort_key}");
    }
    assert!(!pattern.contains("\"EV"), "{pattern}");
}

fn prefix(text: &str) -> String {
    format!(r#"{{"prefix":"{text}"}}"#)
}

/// Lambda stops a function whose queue messages come from itself after about 16 turns.
#[test]
fn a_function_that_continues_itself_through_its_queue_is_allowed_to() {
    let mut continuing = BTreeSet::new();
    for (package, function) in functions() {
        let events = function["Events"].as_mapping().cloned().unwrap_or_default();
        let mut triggers = events.values().flat_map(|event| texts(&event["Properties"]["Queue"]));
        let rights = roles::rights(&function);
        let continues = triggers.any(|queue| rights.contains(&("sqs:SendMessage".to_owned(), queue)));
        assert_eq!(function["RecursiveLoop"] == "Allow", continues, "{package}");
        continuing.extend(continues.then_some(package));
    }
    let expected = ["broadcast-worker", "contact-import", "realtime", "webhook-deliver"];
    assert_eq!(continuing, BTreeSet::from(expected.map(str::to_owned)));
}

/// Without the right to list a bucket, S3 answers 403 and not 404 for a file that does not exist.
#[test]
fn a_function_that_reads_uploads_learns_that_a_file_does_not_exist() {
    let functions = functions();
    for package in ["contact-import", "messages"] {
        let list = ("s3:ListBucket".to_owned(), "Files.Arn".to_owned());
        assert!(roles::rights(&functions[package]).contains(&list), "{package}");
    }
}

/// Browsers of another origin read only these headers.
#[test]
fn browsers_may_read_every_header_that_the_api_describes() {
    let template = template();
    let Value::Tagged(cors) = &template["Resources"]["HttpApi"]["Properties"]["CorsConfiguration"] else {
        panic!("a condition")
    };
    let exposed: BTreeSet<String> = texts(&cors.value[1]["ExposeHeaders"]).into_iter().collect();
    let document: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(format!("{ROOT}/functions/openapi/openapi.json")).unwrap())
            .unwrap();
    let paths = document["paths"].as_object().unwrap().values();
    let operations = paths.flat_map(|path| path.as_object().unwrap().values());
    let responses = operations.filter_map(|operation| operation["responses"].as_object());
    let headers =
        responses.flat_map(|responses| responses.values()).filter_map(|one| one["headers"].as_object());
    let described: BTreeSet<String> =
        headers.flat_map(|headers| headers.keys()).map(|name| name.to_ascii_lowercase()).collect();
    assert!(described.contains("x-next-cursor"), "{described:?}");
    let missing: Vec<_> = described.difference(&exposed).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
