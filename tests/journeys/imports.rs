//! Imports of contacts: the effect of rows and columns, refused rows and files, and large files.

use std::time::Duration;

use product_tests::{ApiResponse, Client, Phone, Stack, TestTeam, WAIT_TIMEOUT, client, eventually};
use reqwest::Method;
use serde_json::{Value, json};

/// A slice that fails once is tried again after two minutes, and a busy machine does little in a slice.
const IMPORT_TIMEOUT: Duration = Duration::from_mins(8);
const HEADER: &str = "ContactId,FirstName,LastName,MobileNumber,OptedOut,StaffId,Home Room\r\n";

fn imports(team: &TestTeam) -> String {
    format!("{}/contact-imports", team.path())
}

/// Posts a CSV file as the request body.
async fn post_csv(client: &Client, path: &str, file: impl Into<Vec<u8>>) -> ApiResponse {
    let request = client.request(Method::POST, path).header("content-type", "text/csv").body(file.into());
    client::read(format!("POST {path}"), request).await
}

/// Waits until an import has completed or failed, and returns its report.
async fn wait_for_import(team: &TestTeam, accepted: &Value) -> Value {
    let path = format!("{}/{}", imports(team), accepted["importId"].as_str().expect("an id"));
    eventually("the import ends", IMPORT_TIMEOUT, async || {
        let report = team.admin.get(&path).await.expect(200);
        (report["status"] == "completed" || report["status"] == "failed").then_some(report)
    })
    .await
}

/// Imports a file and returns the report.
async fn import(team: &TestTeam, query: &str, file: impl Into<Vec<u8>>) -> Value {
    let accepted = post_csv(&team.admin, &format!("{}{query}", imports(team)), file).await.expect(202);
    wait_for_import(team, &accepted).await
}

fn counts(report: &Value) -> [u64; 5] {
    ["rows", "created", "updated", "unchanged", "refused"].map(|name| report[name].as_u64().expect("a count"))
}

async fn find_contact(team: &TestTeam, external_id: &str) -> Value {
    let page = team.admin.get(&format!("{}/contacts?q={external_id}", team.path())).await.expect(200);
    page["items"][0].clone()
}

/// ◆ Product 8: `StaffId` sets the assigned user, which lists of conversations show and filter by (◆ product
/// 4). A blank cell clears it. A missing column does not, unless `clearMissingAssignments` is set.
#[tokio::test]
async fn staff_id_sets_the_assigned_user_of_contact_and_conversation() {
    let stack = Stack::open();
    let (carrier, team) = (stack.carrier(), TestTeam::create(&stack, "Import", "amelia").await);
    let inbox = team.create_inbox("Import").await;
    team.register(&carrier).await;
    let (known, later) = (Phone::new(), Phone::new());
    carrier.send_inbound(&known, &inbox.number, "Hello, who is this?").await;
    let rows = |staff: &str| {
        let (one, two) = (known.national(), later.national());
        format!(
            "StudentId,FirstName,LastName,MobileNumber,StaffId\nS-1,Ada,King,{one},{staff}\nS-2,Bo,Lee,{two},{staff}\n"
        )
    };
    assert_eq!(counts(&import(&team, "", rows("ben")).await), [2, 2, 0, 0, 0]);
    assert_eq!(find_contact(&team, "S-1").await["assignedUserId"], "ben");
    carrier.send_inbound(&later, &inbox.number, "Hello as well").await;
    let shown = async || {
        let mut shown = Vec::new();
        for phone in [&known, &later] {
            let conversation = stack.find_conversation(&team.admin, &inbox.id, "inbox", phone).await;
            let listed = conversation.find_as(&team.admin, "inbox").await.expect("it is listed");
            assert_eq!(listed["assignedUser"], conversation.get_as(&team.admin).await["assignedUser"]);
            assert_eq!(listed["contact"]["provisional"], false, "{listed}");
            shown.push(listed["assignedUser"].clone());
        }
        shown
    };
    let of_ben = async || {
        let list = format!("/v1/inboxes/{}/conversations?assignedTo=ben", inbox.id);
        team.admin.get(&list).await.expect(200)["items"].as_array().expect("items").len()
    };
    let ben = json!({ "userId": "ben", "name": stack.user("ben").name });
    assert_eq!((shown().await, of_ben().await), (vec![ben.clone(), ben.clone()], 2));
    assert_eq!(counts(&import(&team, "", rows("ben")).await), [2, 0, 0, 2, 0]);
    let short = format!("ContactId,FirstName,LastName,MobileNumber\nS-1,Ada,King,{}\n", known.number());
    assert_eq!(counts(&import(&team, "", short.clone()).await), [1, 0, 0, 1, 0]);
    assert_eq!(shown().await, [ben.clone(), ben.clone()]);
    let cleared = import(&team, "?clearMissingAssignments=true", short).await;
    assert_eq!(counts(&cleared), [1, 0, 1, 0, 0]);
    assert_eq!(shown().await, [Value::Null, ben]);
    assert_eq!(counts(&import(&team, "", rows("")).await), [2, 0, 1, 1, 0]);
    assert_eq!((shown().await, of_ben().await), (vec![Value::Null, Value::Null], 0));
    let unknown = import(&team, "", rows("nobody")).await;
    assert_eq!(counts(&unknown), [2, 0, 0, 2, 0]);
    let reason = "no user with this id: the assigned user was not changed";
    assert_eq!(
        unknown["errors"][0],
        json!({ "row": 2, "field": "StaffId", "reason": reason, "imported": true })
    );
}

/// ◆ Product 8: a spreadsheet export with columns in any order and custom fields. Refused rows do not stop
/// the others.
#[tokio::test]
async fn a_spreadsheet_export_is_imported_and_bad_rows_are_reported() {
    let stack = Stack::open();
    let team = TestTeam::create(&stack, "Spreadsheet", "amelia").await;
    let (one, two, three) = (Phone::new(), Phone::new(), Phone::new());
    let file = format!(
        "\u{feff}Home Room,Mobile Number,last_name,FIRSTNAME,Contact ID\r\n\"4b, west\",{},\"O\"\"Hara\",Zoë,S-1\r\n\
         ,nope,Bad,Row,S-2\r\n\r\n,{},Too,Few\r\n\"two\r\nlines\",{},Good,Row,S-5\r\n,{},No,Id,\r\n",
        one.national(),
        two.number(),
        two.number(),
        three.number(),
    );
    let report = import(&team, "", file).await;
    assert_eq!(report["status"], "completed");
    assert_eq!(counts(&report), [5, 2, 0, 0, 3]);
    assert_eq!((&report["dryRun"], &report["totalRows"]), (&json!(false), &json!(5)));
    let rows_and_fields: Vec<_> = report["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (error["row"].as_u64().unwrap(), error["field"].as_str().unwrap()))
        .collect();
    assert_eq!(rows_and_fields, [(3, "Mobile Number"), (5, "Contact ID"), (7, "Contact ID")]);
    let missing = "expected an id of 1 to 64 characters without control characters";
    assert_eq!(report["errors"][1]["reason"], missing, "a missing cell is blank");
    let zoe = find_contact(&team, "S-1").await;
    assert_eq!((&zoe["firstName"], &zoe["lastName"]), (&json!("Zoë"), &json!("O\"Hara")));
    assert_eq!(
        (&zoe["mobileNumber"], &zoe["custom"]),
        (&json!(one.number()), &json!({ "Home Room": "4b, west" }))
    );
    assert_eq!(find_contact(&team, "S-5").await["custom"]["Home Room"], "two lines");
    let listed = team.admin.get(&imports(&team)).await.expect(200);
    assert_eq!(listed["items"][0]["importId"], report["importId"]);
}

/// Product 8: a dry run reports what would change and writes nothing. A key creates one import.
#[tokio::test]
async fn a_dry_run_changes_nothing_and_a_key_creates_one_import() {
    let stack = Stack::open();
    let team = TestTeam::create(&stack, "Dry run", "amelia").await;
    let phone = Phone::new();
    let file = format!("{HEADER}S-1,Ada,King,{},yes,,\r\nS-2,,,bad,,,\r\n", phone.national());
    let dry = import(&team, "?dryRun=true", file.clone()).await;
    assert_eq!((counts(&dry), &dry["dryRun"]), ([2, 1, 0, 0, 1], &json!(true)));
    assert_eq!(find_contact(&team, "S-1").await, Value::Null);
    let path = imports(&team);
    let once = async |file: &str| {
        let request =
            team.admin.request(Method::POST, &path).header("content-type", "text/csv; charset=utf-8");
        client::read("POST".into(), request.header("idempotency-key", "once").body(file.to_owned())).await
    };
    let first = once(&file).await.expect(202);
    assert_eq!(once(&file).await.expect(202)["importId"], first["importId"]);
    once(&format!("{file}S-3,,,bad,,,\r\n")).await.problem(422, "idempotency_key_reused");
    assert_eq!(counts(&wait_for_import(&team, &first).await), [2, 1, 0, 0, 1]);
    assert_eq!(once(&file).await.expect(202)["status"], "completed");
    team.admin.post(&format!("{path}?dryRun=perhaps"), json!({})).await.problem(400, "malformed");
}

/// Product 7, 8 and 10: `OptedOut` records an opt-out with the source `import`. Sends are refused, and no
/// e-mail is sent.
#[tokio::test]
async fn an_imported_opt_out_is_in_the_ledger_and_sends_no_notification() {
    let stack = Stack::open();
    let (carrier, team) = (stack.carrier(), TestTeam::create(&stack, "Opt-out by file", "amelia").await);
    let inbox = team.create_inbox("Opt-out by file").await;
    team.register(&carrier).await;
    let address = format!("import-{}@brightside.example", team.id);
    let all = json!({ "enabled": true, "recipients": [address] });
    let off = json!({ "enabled": false, "recipients": [] });
    let settings = json!({ "optOutChanged": all, "unknownContact": off, "contactAdded": all });
    team.admin.put(&format!("{}/notification-settings", team.path()), settings).await.expect(200);
    let phone = Phone::new();
    carrier.send_inbound(&phone, &inbox.number, "Hello").await;
    let file = |out: &str| format!("{HEADER}S-1,Ada,King,{},{out},,\r\n", phone.national());
    assert_eq!(counts(&import(&team, "", file("Yes")).await), [1, 1, 0, 0, 0]);
    let contact = find_contact(&team, "S-1").await;
    assert_eq!(contact["optedOut"], true);
    let conversation = stack.find_conversation(&team.admin, &inbox.id, "inbox", &phone).await;
    assert_eq!(conversation.get_as(&team.admin).await["contact"]["optedOut"], true);
    let compose =
        json!({ "from": { "inboxId": inbox.id }, "to": { "contactId": contact["contactId"] }, "text": "Hi" });
    team.admin.post("/v1/messages", compose.clone()).await.problem(409, "opted_out");
    assert_eq!(counts(&import(&team, "", file("")).await), [1, 0, 0, 1, 0], "a blank cell changes nothing");
    assert_eq!(counts(&import(&team, "", file("0")).await), [1, 0, 1, 0, 0]);
    team.admin.send("/v1/messages", compose).await.expect(202);
    let ledger = format!("{}/contacts/{}/opt-outs", team.path(), contact["contactId"].as_str().unwrap());
    let ledger = team.admin.get(&ledger).await.expect(200);
    let lines: Vec<_> = ledger["items"].as_array().unwrap().iter().collect();
    assert_eq!(lines.len(), 2);
    for (line, status) in lines.iter().zip(["opted_in", "opted_out"]) {
        assert_eq!(
            (&line["status"], &line["source"], &line["userId"]),
            (&json!(status), &json!("import"), &json!("amelia"))
        );
    }
    // The only e-mail is about the contact that a user entered, not about the import.
    let other = json!({ "firstName": "By", "lastName": "Hand", "mobileNumber": Phone::new().number() });
    team.admin.post(&format!("{}/contacts", team.path()), other).await.expect(201);
    eventually("an e-mail", WAIT_TIMEOUT, async || {
        let emails = stack.emails_to(&address).await;
        (!emails.is_empty()).then_some(emails.len())
    })
    .await;
    assert_eq!(stack.emails_to(&address).await.len(), 1);
}

/// Product 8: a file that is not a contact list is refused at once. The error says what is expected.
#[tokio::test]
async fn a_file_that_is_not_a_contact_list_is_refused_at_once() {
    let stack = Stack::open();
    let team = TestTeam::create(&stack, "Refused", "amelia").await;
    team.add_member("ben").await;
    let path = imports(&team);
    let amelia = &team.admin;
    let header = post_csv(amelia, &path, "Name,Phone\nAda,1\n").await.problem(422, "bad_header");
    let detail = header["detail"].as_str().unwrap();
    assert!(detail.contains("expected the columns ContactId") && detail.contains("missing"), "{detail}");
    post_csv(amelia, &path, "").await.problem(422, "bad_header");
    post_csv(amelia, &path, "PK\u{3}\u{4} a spreadsheet").await.problem(422, "not_importable");
    post_csv(amelia, &path, format!("{HEADER}\0")).await.problem(422, "not_importable");
    let large = format!("{HEADER}{}", "x".repeat(4_000_001));
    post_csv(amelia, &path, large).await.problem(413, "too_large");
    let with = async |name: &'static str, value: &'static str| {
        let request = amelia.request(Method::POST, &path).header("content-type", "text/csv");
        let request = request.header(name, value).body(HEADER);
        client::read("POST".into(), request).await
    };
    with("content-encoding", "gzip").await.problem(415, "unsupported_encoding");
    let other = amelia.request(Method::POST, &path).header("content-type", "application/zip").body("x");
    let problem = client::read("POST".into(), other).await.problem(415, "unsupported_media_type");
    assert!(problem["detail"].as_str().unwrap().contains("text/csv"));
    post_csv(&stack.user("ben"), &path, HEADER).await.problem(403, "admin_required");
    for outsider in ["dev", "zoe"] {
        post_csv(&stack.user(outsider), &path, HEADER).await.problem(404, "not_found");
        stack.user(outsider).get(&path).await.problem(404, "not_found");
    }
    let report = post_csv(&stack.user("olivia"), &path, HEADER).await.expect(202);
    let one = format!("{path}/{}", report["importId"].as_str().unwrap());
    stack.user("ben").get(&one).await.problem(403, "admin_required");
    stack.user("dev").get(&one).await.problem(404, "not_found");
    amelia.get(&format!("{path}/imp_0000000000000000")).await.problem(404, "not_found");
    assert_eq!(counts(&wait_for_import(&team, &report).await), [0; 5]);
}

/// Product 8: a file in Windows-1252, which spreadsheets often write, in the request body.
#[tokio::test]
async fn a_windows_1252_file_keeps_its_letters() {
    let stack = Stack::open();
    let team = TestTeam::create(&stack, "Western", "amelia").await;
    let mut file = HEADER.as_bytes().to_vec();
    file.extend(b"S-1,Zo\xeb,\x80uro,(907) 335-0002,,,\r\n");
    let request = team.admin.request(Method::POST, &imports(&team));
    let request = request.header("content-type", "application/octet-stream").body(file);
    let accepted = client::read("POST".into(), request).await.expect(202);
    assert_eq!(counts(&wait_for_import(&team, &accepted).await), [1, 1, 0, 0, 0]);
    let zoe = find_contact(&team, "S-1").await;
    assert_eq!((&zoe["firstName"], &zoe["lastName"]), (&json!("Zoë"), &json!("€uro")));
}

/// Creates an import without a file and uploads the file to the presigned URL.
async fn upload_and_start(team: &TestTeam, import_request: Value, file: Vec<u8>) -> Value {
    let accepted = team.admin.post(&imports(team), import_request).await.expect(202);
    assert_eq!(accepted["status"], "queued");
    let upload = &accepted["upload"];
    assert!(
        upload["expiresAt"]
            .as_str()
            .is_some_and(|at| at > accepted["createdAt"].as_str().expect("an upload"))
    );
    let mut request = team.admin.request_to(
        upload["method"].as_str().expect("an upload").parse().expect("an upload"),
        upload["url"].as_str().expect("an upload"),
    );
    for (name, value) in upload["headers"].as_object().expect("an upload") {
        request = request.header(name, value.as_str().expect("an upload"));
    }
    let stored = client::read("PUT".into(), request.body(file)).await;
    assert_eq!(stored.status, 200, "{stored}");
    accepted
}

/// ◆ Product 8: a file that is too large for a request is uploaded and processed in the background. The
/// progress is visible.
#[tokio::test]
async fn a_large_file_is_uploaded_and_read_in_the_background() {
    let stack = Stack::open();
    let team = TestTeam::create(&stack, "Upload", "amelia").await;
    let rows = 3_000_u64; // several slices; `make simulations` and `make bench` import more
    let mut file = HEADER.as_bytes().to_vec();
    for row in 0..rows {
        let line = format!(
            "S-{row},F{row},L{row},(907) 334-{:04},,{},\r\n",
            row % 10_000,
            ["ben", ""][(row % 2) as usize]
        );
        file.extend(line.as_bytes());
    }
    file.extend(b"S-X,Zo\xeb,\x80uro,(907) 335-0001,,,\r\nS-Y,,,shut,,,\r\n"); // Windows-1252
    let accepted = upload_and_start(&team, json!({}), file).await;
    let path = format!("{}/{}", imports(&team), accepted["importId"].as_str().unwrap());
    let mut seen = Vec::new();
    let report = eventually("the import ends", IMPORT_TIMEOUT, async || {
        let report = team.admin.get(&path).await.expect(200);
        let rows = report["rows"].as_u64().unwrap();
        if seen.last() != Some(&rows) {
            seen.push(rows);
        }
        (report["status"] == "completed").then_some(report)
    })
    .await;
    assert_eq!(counts(&report), [rows + 2, rows + 1, 0, 0, 1]);
    assert_eq!(report["errors"][0]["row"], rows + 3);
    assert!(seen.len() > 2 && seen.is_sorted(), "progress is visible: {seen:?}");
    let zoe = find_contact(&team, "S-X").await;
    assert_eq!((&zoe["firstName"], &zoe["lastName"]), (&json!("Zoë"), &json!("€uro")));
    assert_eq!(find_contact(&team, "S-1234").await["assignedUserId"], "ben");
}

/// Product 8: an uploaded file that is not a contact list fails with the reason.
#[tokio::test]
async fn an_upload_that_cannot_be_read_fails_with_its_reason() {
    let stack = Stack::open();
    let team = TestTeam::create(&stack, "Bad upload", "amelia").await;
    let accepted = upload_and_start(&team, json!({}), b"Name;Phone\nAda;1\n".to_vec()).await;
    let failed = wait_for_import(&team, &accepted).await;
    assert_eq!((&failed["status"], &failed["errors"][0]["row"]), (&json!("failed"), &json!(1)));
    assert!(failed["errors"][0]["reason"].as_str().unwrap().contains("semicolons"), "{failed}");
    let accepted =
        upload_and_start(&team, json!({ "clearMissingAssignments": true }), b"\xff\xfeC\0o\0".to_vec()).await;
    let failed = wait_for_import(&team, &accepted).await;
    assert!(failed["reason"].as_str().unwrap().contains("UTF-16"), "{failed}");
    let mut many = HEADER.as_bytes().to_vec();
    many.extend("1,,,9073350001,,,\n".repeat(100_001).as_bytes());
    let accepted = upload_and_start(&team, json!({}), many).await;
    let failed = wait_for_import(&team, &accepted).await;
    assert!(failed["reason"].as_str().unwrap().contains("100000 rows"), "{failed}");
    assert_eq!(counts(&failed), [0; 5]);
}
