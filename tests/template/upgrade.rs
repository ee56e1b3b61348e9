//! What an update of a deployed stack must not do, compared with the template of the last release.
//!
//! `CloudFormation` refuses some of it in the middle of an update, and some of it loses data.

use std::{collections::BTreeMap, path::Path, process::Command};

use serde_norway::{Mapping, Value};
use test_kit::template::{parse, read as template};

use crate::ROOT;

/// Resources with data, an address or subscribers that an update must not replace, and the properties whose
/// change replaces them: `createOnlyProperties` of their schemas, and what DynamoDB and Cognito cannot
/// change. SAM chooses the protocol of its APIs.
const STATEFUL: [(&str, &[&str]); 11] = [
    ("AWS::DynamoDB::Table", &["TableName", "KeySchema"]),
    ("AWS::S3::Bucket", &["BucketName"]),
    ("AWS::Cognito::UserPool", &["UsernameAttributes", "AliasAttributes", "UsernameConfiguration"]),
    ("AWS::SecretsManager::Secret", &["Name"]),
    ("AWS::SQS::Queue", &["QueueName", "FifoQueue"]),
    ("AWS::SNS::Topic", &["TopicName", "FifoTopic"]),
    ("AWS::Serverless::HttpApi", &[]),
    ("AWS::Serverless::WebSocketApi", &[]),
    ("AWS::ApiGatewayV2::Api", &["ProtocolType"]),
    ("AWS::Cognito::UserPoolClient", &["UserPoolId", "GenerateSecret"]),
    ("AWS::Cognito::UserPoolDomain", &["UserPoolId", "Domain"]),
];

/// Returns why a stack with the template `before` cannot be updated to `after`.
fn refusals(before: &Value, after: &Value) -> Vec<String> {
    let mut refusals = Vec::new();
    for section in ["Parameters", "Outputs"] {
        let gone = names(&before[section]).into_iter().filter(|name| after[section][name].is_null());
        refusals.extend(gone.map(|name| format!("{section}: {name} was removed, and deployments use it")));
    }
    let new = names(&after["Parameters"]).into_iter().filter(|name| before["Parameters"][name].is_null());
    let without_default = new.filter(|name| after["Parameters"][name]["Default"].is_null());
    refusals.extend(without_default.map(|name| format!("{name}: deployments have no value for it")));
    let (known, now) = (stateful(before), stateful(after));
    for (name, (kind, properties)) in &known {
        let Some((_, changed)) = now.get(name).filter(|(now, _)| now == kind) else {
            refusals.push(format!("{name}: its data, address or subscribers would be left behind"));
            continue;
        };
        let replacing = STATEFUL.iter().find(|(one, _)| one == kind).map_or(&[][..], |(_, names)| names);
        for property in replacing.iter().filter(|property| properties[**property] != changed[**property]) {
            refusals.push(format!("{name}: another {property} replaces it"));
        }
        if kind == "AWS::DynamoDB::Table" {
            refusals.extend(index_refusals(name, properties, changed));
        }
    }
    refusals
}

/// DynamoDB adds or removes one index in an update, and changes none.
fn index_refusals(table: &str, before: &Value, after: &Value) -> Vec<String> {
    let attributes = |table: &Value| table["AttributeDefinitions"].as_sequence().cloned().unwrap_or_default();
    let (types, now) = (attributes(before), attributes(after));
    let retyped = types
        .iter()
        .filter(|one| now.iter().any(|now| now["AttributeName"] == one["AttributeName"] && now != *one));
    let retyped = retyped.map(|one| format!("{table}: another type of {:?}", one["AttributeName"].as_str()));
    let (before, after) = (indexes(before), indexes(after));
    let changed = before.iter().filter(|(name, index)| after.get(*name).is_some_and(|now| now != *index));
    let mut refusals: Vec<String> = changed
        .map(|(name, _)| format!("{table}: the index {name} changed; add another one, switch, and remove it"))
        .chain(retyped)
        .collect();
    let added = after.keys().filter(|name| !before.contains_key(*name)).count();
    let removed = before.keys().filter(|name| !after.contains_key(*name)).count();
    if added + removed > 1 {
        refusals.push(format!("{table}: {} indexes are added or removed, one is possible", added + removed));
    }
    refusals
}

fn names(section: &Value) -> Vec<String> {
    let entries = section.as_mapping().into_iter().flatten();
    entries.filter_map(|(name, _)| name.as_str().map(ToOwned::to_owned)).collect()
}

fn stateful(template: &Value) -> BTreeMap<String, (String, Value)> {
    let all = template["Resources"].as_mapping().into_iter().flatten();
    let kind = |resource: &Value| resource["Type"].as_str().unwrap_or_default().to_owned();
    all.map(|(name, resource)| {
        (name.as_str().unwrap_or_default().to_owned(), (kind(resource), resource["Properties"].clone()))
    })
    .filter(|(_, (kind, _))| STATEFUL.iter().any(|(stateful, _)| stateful == kind))
    .collect()
}

fn indexes(table: &Value) -> BTreeMap<String, Value> {
    let indexes = table["GlobalSecondaryIndexes"].as_sequence().into_iter().flatten();
    indexes.map(|index| (index["IndexName"].as_str().unwrap_or_default().to_owned(), index.clone())).collect()
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).current_dir(ROOT).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn indexes_of(template: &mut Value) -> &mut Vec<Value> {
    let table = &mut template["Resources"]["Table"]["Properties"];
    table["GlobalSecondaryIndexes"].as_sequence_mut().unwrap()
}

/// A program that finds the repository of its folder, also if a hook of git runs the tests.
fn program(name: &str, folder: &str) -> Command {
    let mut command = Command::new(name);
    command.current_dir(folder);
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        command.env_remove(variable);
    }
    command
}

/// The version that `tests/upgrade/earlier.py` names for the commit of a folder.
fn earlier_version(folder: &str) -> String {
    let script = std::fs::canonicalize(format!("{ROOT}/tests/upgrade/earlier.py")).unwrap();
    let output = program("python3", folder).arg(script).output().expect("Python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A clone without history, and a folder without git, have nothing to compare with.
#[test]
fn a_stack_of_the_last_release_can_be_updated() {
    let is_clone = Path::new(ROOT).join(".git").exists();
    if !is_clone || git(&["rev-parse", "--is-shallow-repository"]).as_deref() == Some("true") {
        return;
    }
    let earlier = earlier_version(ROOT);
    let template_then = git(&["show", &format!("{earlier}:template.yaml")]);
    let template_then = template_then.unwrap_or_else(|| panic!("the clone has no version {earlier}"));
    assert_eq!(refusals(&parse(&template_then), &template()), [""; 0], "compared with {earlier}");
}

#[test]
fn a_version_is_compared_with_the_last_tag_before_it() {
    let folder = std::env::temp_dir().join(format!("last-tag-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let folder = folder.to_str().unwrap();
    let git = |arguments: &[&str]| {
        let settings =
            ["user.name=Ada", "user.email=ada@example.org", "commit.gpgsign=false", "tag.gpgsign=false"];
        let settings = settings.iter().flat_map(|setting| ["-c", *setting]);
        let status = program("git", folder).args(settings).args(arguments).status().unwrap();
        assert!(status.success(), "{arguments:?}");
    };
    let commit = || git(&["commit", "--quiet", "--allow-empty", "--message", "a change"]);
    let baseline = std::fs::read_to_string(format!("{ROOT}/tests/upgrade/baseline")).unwrap();
    git(&["init", "--quiet"]);
    commit();
    git(&["tag", "v1"]);
    assert_eq!(earlier_version(folder), baseline.trim(), "the first tag has none before it");
    commit();
    git(&["tag", "other"]);
    assert_eq!(earlier_version(folder), "v1");
    commit();
    git(&["tag", "v2"]);
    assert_eq!(earlier_version(folder), "v1", "a tagged commit is not compared with itself");
    commit();
    assert_eq!(earlier_version(folder), "v2");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn an_update_that_cloud_formation_refuses_or_that_loses_data_is_refused() {
    let current = template();
    assert_eq!(refusals(&current, &current), [""; 0]);
    let refused = |change: &dyn Fn(&mut Value), expected: &str| {
        let mut changed = template();
        change(&mut changed);
        let refusals = refusals(&current, &changed);
        assert!(refusals.len() == 1 && refusals[0].contains(expected), "{expected}: {refusals:?}");
    };
    let remove = |section: &'static str, name: &'static str| {
        move |template: &mut Value| {
            template[section].as_mapping_mut().unwrap().remove(name).unwrap();
        }
    };
    refused(&remove("Parameters", "MailFrom"), "MailFrom was removed");
    refused(&remove("Outputs", "ApiUrl"), "ApiUrl was removed");
    let demand = |template: &mut Value| template["Parameters"]["New"] = Value::Mapping(Mapping::new());
    refused(&demand, "no value for it");
    let retype = |template: &mut Value| {
        template["Resources"]["Table"]["Properties"]["AttributeDefinitions"][0]["AttributeType"] = "N".into();
    };
    refused(&retype, "another type of");
    refused(&remove("Resources", "Table"), "left behind");
    let rename =
        |template: &mut Value| template["Resources"]["Table"]["Properties"]["TableName"] = "t".into();
    refused(&rename, "TableName replaces it");
    for name in [
        "EventsTopic",
        "AlarmTopic",
        "HttpApi",
        "RealtimeApi",
        "WebClient",
        "MachineClient",
        "UserPoolDomain",
    ] {
        refused(&remove("Resources", name), &format!("{name}: its data, address or subscribers"));
    }
    let set = |resource: &'static str, property: &'static str, value: Value| {
        move |template: &mut Value| template["Resources"][resource]["Properties"][property] = value.clone()
    };
    refused(&set("EventsTopic", "FifoTopic", false.into()), "EventsTopic: another FifoTopic replaces it");
    refused(&set("AlarmTopic", "TopicName", "alarms".into()), "AlarmTopic: another TopicName replaces it");
    refused(
        &set("WebClient", "GenerateSecret", true.into()),
        "WebClient: another GenerateSecret replaces it",
    );
    refused(&set("UserPoolDomain", "Domain", "inbox".into()), "UserPoolDomain: another Domain replaces it");
    let project =
        |template: &mut Value| indexes_of(template)[0]["Projection"]["ProjectionType"] = "ALL".into();
    refused(&project, "changed");
    let remove_two = |template: &mut Value| drop(indexes_of(template).drain(..2));
    refused(&remove_two, "2 indexes");
    let mut one_less = template();
    indexes_of(&mut one_less).pop();
    assert_eq!(refusals(&current, &one_less), [""; 0], "one index at a time is possible");
}
