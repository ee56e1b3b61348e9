//! An example for each JSON body, made from the schemas and the values below.

use serde_json::{Map, Value, json};

use crate::problems::Code;

/// Adds an example to each JSON body of a request or a successful response.
pub(crate) fn add(document: &mut Value) {
    let schemas = document["components"]["schemas"].clone();
    for item in document["paths"].as_object_mut().unwrap().values_mut() {
        for operation in item.as_object_mut().unwrap().values_mut() {
            let mut contents = Vec::new();
            let mut parts = Vec::new();
            for (name, part) in operation.as_object_mut().unwrap() {
                match name.as_str() {
                    "requestBody" => parts.push(part),
                    "responses" => parts.extend(
                        part.as_object_mut()
                            .unwrap()
                            .iter_mut()
                            .filter(|(status, _)| status.starts_with('2'))
                            .map(|(_, part)| part),
                    ),
                    _ => {}
                }
            }
            contents.extend(
                parts.into_iter().filter_map(|part| part.get_mut("content")?.get_mut("application/json")),
            );
            for content in contents {
                if content["schema"].get("$ref").is_some() {
                    content["example"] = example("", &content["schema"], &schemas);
                }
            }
        }
    }
}

/// Adds an example to the schema of each error.
pub(crate) fn add_to_errors(document: &mut Value, codes: &[Code]) {
    let schemas = document["components"]["schemas"].clone();
    for code in codes {
        let Some(schema) = document["components"]["schemas"].get_mut(code.schema()) else { continue };
        let mut example = example("", schema, &schemas);
        example["type"] = format!("https://api.example.com/docs/errors#{}", code.name).into();
        example["title"] = code.title.clone().into();
        example["detail"] = code.details.first().cloned().unwrap_or_default().into();
        schema["examples"] = json!([example]);
    }
}

/// Returns an example of a schema. `name` is the field that has it.
fn example(name: &str, schema: &Value, schemas: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        return example(name, &schemas[reference.rsplit('/').next().unwrap()], schemas);
    }
    if let Some(value) = schema.get("const").or_else(|| schema["enum"].get(0)) {
        return chosen(name, schema).unwrap_or_else(|| value.clone());
    }
    // Their fields depend on each other.
    match name {
        "question" => return json!({ "kind": "yes_no", "followUps": { "yes": "See you then!" } }),
        "recurrence" => return json!({ "frequency": "weekly", "days": ["mon"], "count": 10 }),
        "filter" => return json!({ "field": "tag", "op": "eq", "value": "parent" }),
        _ => {}
    }
    for choice in ["oneOf", "anyOf"] {
        if let Some(first) = schema[choice].as_array() {
            let first = first.iter().find(|one| one["type"] != "null").unwrap();
            return example(name, first, schemas);
        }
    }
    if let Some(all) = schema["allOf"].as_array() {
        let mut merged = Map::new();
        for part in all {
            merged.extend(example(name, part, schemas).as_object().unwrap().clone());
        }
        return merged.into();
    }
    match kind(schema) {
        "object" => {
            // The examples are about shared inboxes, which have no owner. The other choice of an "either, or"
            // is left out.
            let fields = schema["properties"].as_object().into_iter().flatten();
            let fields = fields.filter(|(name, field)| *name != "ownerId" && field["type"] != "null");
            let mut object: Map<String, Value> =
                fields.map(|(name, field)| (name.clone(), example(name, field, schemas))).collect();
            if schema["additionalProperties"].is_object() {
                object = additional(name);
            }
            object.into()
        }
        "array" if schema["minItems"] == schema["maxItems"] && schema["minItems"].is_u64() => {
            json!(["09:00", "17:00"])
        }
        "array" => json!([example(name, &schema["items"], schemas)]),
        "boolean" => json!(
            [
                "accepted",
                "allowed",
                "active",
                "enabled",
                "mms",
                "voice",
                "member",
                "membersOffered",
                "submitted"
            ]
            .contains(&name)
        ),
        "integer" | "number" => number(name).into(),
        _ => text(name, schema).into(),
    }
}

fn kind(schema: &Value) -> &str {
    let kinds = &schema["type"];
    kinds
        .as_str()
        .or_else(|| kinds.as_array()?.iter().filter_map(Value::as_str).find(|kind| *kind != "null"))
        .unwrap_or("string")
}

/// Values of enumerations that fit the other fields better than the first one.
fn chosen(name: &str, schema: &Value) -> Option<Value> {
    let value = match name {
        "direction" => "outbound",
        "kind" => "filter",
        "type" => "membership.changed",
        "state" => "delivered",
        "registrationStatus" | "status" => "approved",
        _ => return None,
    };
    schema["enum"].as_array()?.contains(&value.into()).then(|| value.into())
}

fn additional(name: &str) -> Map<String, Value> {
    let value = match name {
        "custom" => json!({ "Grade": "7" }),
        "data" => json!({ "userId": "amelia", "name": "Amelia Hart", "removed": false }),
        "hours" => json!({ "mon": [["09:00", "12:00"], ["13:00", "17:00"]], "tue": [["09:00", "17:00"]] }),
        "headers" => json!({ "content-type": "image/png" }),
        "histogram" => json!({ "1": 240, "2": 10 }),
        other => panic!("an example for the map {other}"),
    };
    value.as_object().unwrap().clone()
}

fn number(name: &str) -> u64 {
    match name {
        "token" | "lockToken" => 7,
        "sequence" => 42,
        "added" | "count" | "replied" | "row" | "assignedToMe" => 3,
        "rows" | "totalRows" | "total" => 250,
        "created" => 200,
        "updated" => 40,
        "unchanged" => 9,
        "refused" | "segments" | "failed" | "undelivered" => 1,
        "segmentsPerSecond" => 4,
        "retentionDays" => 365,
        "errorsBeyond" | "held" => 0,
        "size" => 48_213,
        "ms" => 120,
        "status" => 204,
        "inbox" | "queued" | "sent" => 12,
        "pending" => 80,
        "delivered" => 154,
        "replyWindowHours" => 72,
        "unread" | "unreadCount" | "media" | "skipped" => 2,
        "renewAfterSeconds" => 20,
        "idlePromptAfterSeconds" => 180,
        "codes" => 30_882,
        "characters" => 1_620,
        "limit" | "reply" => 1_500,
        "compose" | "broadcast" => 306,
        "recipients" => 100_000,
        "leaseSeconds" | "idleReleaseAfterSeconds" => 60,
        "perUser" => 5,
        other => panic!("an example for the number {other}"),
    }
}

fn text(name: &str, schema: &Value) -> &'static str {
    if schema["format"] == "date-time" {
        return match name {
            "expiresAt" | "idleReleaseAt" => "2026-11-30T15:21:30.000Z",
            _ => "2026-11-30T15:20:30.000Z",
        };
    }
    match name {
        "action" => "inbox.create",
        "apiCode" => "front-desk",
        "assignedUserId" | "userId" | "id" | "memberIds" => "amelia",
        "amount" => "2.16",
        "currency" => "USD",
        "broadcastId" => "bct_01KB5Q8Z7M4T9XRA",
        "estimateId" => "est_019ad8c1f2304d5e6f70",
        "character" => "’",
        "brandSid" => "BN0123456789abcdef0123456789abcdef",
        "campaignSid" => "QE0123456789abcdef0123456789abcdef",
        "code" | "codes" => "30003",
        "secret" => "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=",
        "endpointId" => "wep_01KB5Q8Z7M4T9XRA",
        "deliveryId" => "del_01KB5Q8Z7M4T9XRA",
        "types" => "message.*",
        "clientSecret" => "1b9k4c7e2m5q8s0u3w6y1a4d7g0j3n6p9r2t5v8x",
        "clientId" => "4t0c6g3u1hkq5v8n2m7r9e0a1b",
        "color" => "#2f6fed",
        "commit" => "7f4c1f0d8a5e2b9c3d6f7a8b9c0d1e2f3a4b5c6d",
        "content-type" => "text/csv",
        "contactId" | "contactIds" => "con_01KB5Q8Z7M4T9XRA",
        "contentType" => "image/png",
        "conversationId" | "conversationIds" => "cnv_01KB5Q8Z7M4T9XRA",
        "description" => "Appointment reminders and answers to questions of our patients.",
        "detail" => "The phone is switched off or not reachable.",
        "eventId" | "webhookId" => "evt_01KB5Q8Z7M4T9XRA",
        "email" | "recipients" => "amelia@example.com",
        "externalId" | "externalIds" => "S-1042",
        "features" => "templates",
        "field" => "MobileNumber",
        "firstName" => "Jonas",
        "friendlyName" => "(202) 555-0143",
        "holidays" => "2026-12-25",
        "importId" => "imp_01KB5Q8Z7M4T9XRA",
        "inboxId" | "inboxIds" | "joined" | "left" | "resync" | "target" => "inb_01KB5Q8Z7M4T9XRA",
        "issuer" => "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Ab12Cd34E",
        "authorizeUrl" => "https://shared-inbox.auth.us-east-1.amazoncognito.com/oauth2/authorize",
        "tokenUrl" => "https://shared-inbox.auth.us-east-1.amazoncognito.com/oauth2/token",
        "lastName" => "Bianchi",
        "locality" => "Washington",
        "mediaId" | "media" => "med_01KB5Q8Z7M4T9XRA",
        "message" => "We are closed now and will answer tomorrow.",
        "messageFlow" => "Patients agree to text messages on the registration form at the front desk.",
        "messageId" | "lastSeenMessageId" | "unseenMessageId" | "retryOf" | "retriedBy" => {
            "msg_01KB5Q8Z7M4T9XRA"
        }
        "messageSamples" => "Your appointment is tomorrow at 9:30. Reply STOP to opt out.",
        "messagingServiceSid" => "MG0123456789abcdef0123456789abcdef",
        "missing" => "firstName",
        "mobileNumber" | "phoneNumber" | "phoneNumbers" => "+12025550143",
        "name" => "Front desk",
        "nextCursor" => "q5Zt0bX2m8VwR1nC4kHs9A",
        "notice" => "The registration is under review. Messages cannot be sent until it is approved.",
        "privacyPolicyUrl" => "https://example.com/privacy",
        "reason" => "not a phone number",
        "region" => "DC",
        "segmentId" | "segmentIds" => "seg_01KB5Q8Z7M4T9XRA",
        "tag" | "tags" => "parent",
        "reviewId" => "rev_01KB5Q8Z7M4T9XRA",
        "status" => "ok",
        "teamId" | "teamIds" => "team_01KB5Q8Z7M4T9XRA",
        "answer" => "yes",
        "keywordReplyId" => "kwr_01KB5Q8Z7M4T9XRA",
        "keywords" => "hours",
        "templateId" => "tpl_01KB5Q8Z7M4T9XRA",
        "termsUrl" => "https://example.com/terms",
        "text" => "Your appointment is on Monday at 9:30.",
        "timeZone" => "America/New_York",
        "url" => "https://files.example.com/med_01KB5Q8Z7M4T9XRA",
        "organizationId" => "org_01KB5Q8Z7M4T9XRA",
        "pointer" => "/name",
        "requestId" => "a50a1a99-568e-4de4-953b-39195985570e",
        "ticket" => "9f86d081884c7d65",
        "title" | "type" => "",
        "useCase" => "CUSTOMER_CARE",
        "version" => "0.1.0",
        "voiceForwardingNumber" => "+12025550188",
        other => panic!("an example for the field {other:?}: {schema}"),
    }
}
