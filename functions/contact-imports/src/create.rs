//! Creating an import, from a file in the request or from one that will be uploaded.

use axum::{
    body::{Bytes, to_bytes},
    extract::{FromRequest, Request, State},
    http::{HeaderMap, StatusCode},
};
use shared_app::import::{self, UPLOAD_DEADLINE, UPLOAD_URL_TTL};
use shared_aws::{import::object_key, team::AuditEvent};
use shared_domain::{
    ids::{Id, ImportId},
    import::{Encoding, Import, ImportOptions, ImportStatus, without_bom},
    time::Timestamp,
};
use shared_http::{
    access::{TeamAccess, TeamAdmin},
    idempotency::{self, Attempt, IdempotencyKey},
    input,
    json::Json,
    problem::Problem,
    request::{Entropy, Now, Query},
    wire::contact_import::{FileUpload, ImportUpload, ImportView, UploadHeaders},
};

use crate::{App, report};

/// The largest file in a request. A request of Lambda has at most 6 MB, in which API Gateway encodes a binary
/// body as base64, a third longer.
const MAX_FILE_BYTES: usize = 4_000_000;
/// The content type of stored files.
const CSV: &str = "text/csv";
/// Other types that browsers give a CSV file, after the program that opens it.
const OTHER_CSV_TYPES: [&str; 3] =
    ["application/csv", "application/octet-stream", "application/vnd.ms-excel"];

/// Import contacts
///
/// For team admins and the organization's owner. Returns the import; read its report by its ID.
///
/// With `text/csv`, the body is the file: up to 4 MB in UTF-8. Send a file in Windows-1252 as
/// `application/octet-stream`, because API Gateway replaces invalid UTF-8 in text; `charset=windows-1252` or
/// `charset=iso-8859-1` of the content type says that it is not UTF-8. With `application/json`,
/// the response has a presigned URL for up to 40 MB and 100,000 rows, in UTF-8 or Windows-1252; uploading the
/// file starts the import.
///
/// The columns `ContactId` or `StudentId`, `FirstName`, `LastName` and `MobileNumber` are required, in any
/// order, separated by commas, semicolons or tabs. `OptedOut`, `StaffId` and `Tags` are optional; all other
/// columns become custom fields. `Tags` has tags to add, separated by commas or semicolons. Rows are matched
/// to contacts by contact ID. Contacts that are not in the file do not change. Invalid rows are refused and
/// reported, and the other rows are imported. If a contact ID occurs twice, the first row creates the contact
/// and the second one updates it. A number that has sent messages before keeps its history, opt-out and
/// block. Two contacts can have the same number; its conversations show the contact that was written last.
///
/// `dryRun=true` reports the same counts and changes no contacts. It compares each row with the current
/// contacts, so a contact ID that occurs twice, far apart in the file, is counted as created twice.
#[utoipa::path(post, path = "/v1/teams/{teamId}/contact-imports",
    tag = "contacts", operation_id = "createContactImport",
    params(("teamId" = String, Path), ("dryRun" = Option<bool>, Query, description = "Reports what the import would do and changes nothing"),
        ("clearMissingAssignments" = Option<bool>, Query, description = "With `text/csv`: a file without the column `StaffId` clears the assignments of its contacts"),
        ("Idempotency-Key" = Option<String>, Header)),
    request_body(content((String = "text/csv"), (Vec<u8> = "application/octet-stream"), (ImportUpload = "application/json"))),
    responses((status = 202, body = ImportView)),
    extensions(("x-errors" = json!(["admin_required", "unsupported_encoding", "unsupported_media_type",
        "bad_header", "not_importable"]))))]
pub(crate) async fn create(
    State(app): State<App>,
    TeamAdmin(access): TeamAdmin,
    Now(now): Now,
    Entropy(entropy): Entropy,
    query: Query,
    ImportRequest { source, key }: ImportRequest,
) -> Result<(StatusCode, Json<ImportView>), Problem> {
    let app = &app;
    let (dry_run, clear) = (flag(&query, "dryRun")?, flag(&query, "clearMissingAssignments")?);
    let clear_missing_assignments = match &source {
        Source::File(file) => {
            validate_file(file)?;
            clear
        }
        Source::Upload(upload) => clear || upload.clear_missing_assignments,
    };
    let options = ImportOptions { dry_run, clear_missing_assignments };
    let attempt = Attempt {
        organization: &access.organization,
        principal: access.principal.clone(),
        route: format!("contact-imports {} {dry_run} {clear_missing_assignments}", access.team()),
        key,
    };
    let import = match attempt.recalled(&app.keys, now).await? {
        Some(id) => created_before(app, &access, &id).await?,
        None => store(app, &access, &attempt, options, now, entropy).await?,
    };
    Ok((StatusCode::ACCEPTED, Json(accept_source(app, &import, &source, now).await?)))
}

async fn store(
    app: &App,
    access: &TeamAccess,
    attempt: &Attempt<'_>,
    options: ImportOptions,
    now: Timestamp,
    entropy: u64,
) -> Result<Import, Problem> {
    let by = access.caller.user.id.clone();
    let import = Import::queued(Id::new(now, entropy), access.team_key(), by.clone(), options, now);
    let event =
        AuditEvent { actor: &by, action: "contacts.import", target: import.id.as_str(), at: now, entropy };
    if app.imports.create(&import, now + UPLOAD_DEADLINE, &event, attempt.idempotency()).await? {
        return Ok(import);
    }
    let id = attempt.recalled(&app.keys, now).await?.ok_or_else(|| {
        Problem::changed("Another request with this Idempotency-Key is in progress. Try again.")
    })?;
    created_before(app, access, &id).await
}

async fn created_before(app: &App, access: &TeamAccess, id: &str) -> Result<Import, Problem> {
    let id = ImportId::parse(id).map_err(|_| Problem::not_found())?;
    let import = app.imports.get(access.team_key(), &id).await?;
    import.ok_or_else(Problem::not_found)
}

/// Stores the file, or returns the URL to upload it to, until the import has started to read it.
async fn accept_source(
    app: &App,
    import: &Import,
    source: &Source,
    now: Timestamp,
) -> Result<ImportView, Problem> {
    let mut view = report::view(app, import).await?;
    if import.status != ImportStatus::Queued {
        return Ok(view);
    }
    match source {
        Source::File(file) => app.bucket.put(&object_key(import), CSV, file.to_vec(), now).await?,
        Source::Upload(_) => {
            let url = app.bucket.presigned_put(&object_key(import), CSV, None, UPLOAD_URL_TTL, now)?;
            view.upload = Some(FileUpload {
                url,
                method: "PUT",
                headers: UploadHeaders { content_type: CSV },
                expires_at: (now + UPLOAD_URL_TTL).to_string(),
            });
        }
    }
    Ok(view)
}

/// Where the rows come from.
enum Source {
    File(Bytes),
    Upload(ImportUpload),
}

/// The body of the request, by its content type.
pub(crate) struct ImportRequest {
    source: Source,
    key: Option<IdempotencyKey>,
}

impl FromRequest<App> for ImportRequest {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &App) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let is_file = is_file(&parts.headers)?;
        let bytes = to_bytes(body, MAX_FILE_BYTES).await.map_err(|_| file_too_large())?;
        let key = idempotency::key(&parts.headers, &bytes);
        let source = if !is_file {
            Source::Upload(input::parse(&bytes)?)
        } else if is_declared_western(&parts.headers) {
            Source::File(western_as_utf8(bytes))
        } else {
            Source::File(bytes)
        };
        Ok(Self { source, key: key? })
    }
}

/// Whether the body is the file itself, by its content type. Compressed bodies are refused, so that no body
/// can grow when it is read.
fn is_file(headers: &HeaderMap) -> Result<bool, Problem> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if header("content-encoding").is_some_and(|coding| !coding.eq_ignore_ascii_case("identity")) {
        return Err(Problem::new(415, "unsupported_encoding", "Send the file without a Content-Encoding."));
    }
    let content_type = header("content-type").unwrap_or_default().split(';').next().unwrap_or_default();
    let content_type = content_type.trim().to_ascii_lowercase();
    if content_type == CSV || OTHER_CSV_TYPES.contains(&content_type.as_str()) {
        Ok(true)
    } else if content_type == "application/json" {
        Ok(false)
    } else {
        Err(Problem::new(
            415,
            "unsupported_media_type",
            "Send the file as text/csv, or application/json to get an upload URL.",
        ))
    }
}

/// Whether the content type declares a Western European charset. Other charsets are detected in the file.
fn is_declared_western(headers: &HeaderMap) -> bool {
    let content_type = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let charset = |parameter: &str| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches('"').to_ascii_lowercase();
        name.trim().eq_ignore_ascii_case("charset").then_some(value)
    };
    let charset = content_type.split(';').skip(1).find_map(charset);
    matches!(charset.as_deref(), Some("windows-1252" | "cp1252" | "iso-8859-1" | "latin1"))
}

/// Decodes a file that is declared as Windows-1252, or as ISO 8859-1, which browsers read the same. A byte
/// order mark counts more than the declaration, and a file that is not text is left to its check. So is one
/// in which a gateway has replaced letters that are not UTF-8.
fn western_as_utf8(file: Bytes) -> Bytes {
    let is_marked = without_bom(&file).len() < file.len();
    let is_replaced = str::from_utf8(&file).is_ok_and(|text| text.contains('\u{fffd}'));
    if is_marked || is_replaced || Encoding::of(&file).is_err() {
        return file;
    }
    Bytes::from(Encoding::Windows1252.decode(&file).into_owned())
}

fn file_too_large() -> Problem {
    let detail = "The file is larger than 4 MB. Send application/json to get an upload URL.";
    Problem::new(413, "too_large", detail)
}

/// The first checks of the worker, so that a file that cannot be read is refused at once.
fn validate_file(file: &[u8]) -> Result<(), Problem> {
    import::check_file("", file).map(drop).map_err(|error| {
        if error.in_header {
            Problem::new(422, "bad_header", error.reason)
        } else {
            Problem::new(422, "not_importable", error.reason)
        }
    })
}

fn flag(query: &Query, name: &str) -> Result<bool, Problem> {
    match query.get(name) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(Problem::bad_field(&format!("?{name}"), "true or false")),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderValue, header::CONTENT_TYPE};

    use super::*;

    #[test]
    fn a_declared_charset_decides_how_a_file_is_decoded() {
        let read = |content_type: &'static str, file: &[u8]| {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
            let file = Bytes::copy_from_slice(file);
            if is_declared_western(&headers) { western_as_utf8(file) } else { file }
        };
        // In UTF-8, these two bytes are é.
        for charset in ["windows-1252", "Windows-1252", "iso-8859-1", "\"ISO-8859-1\"", "latin1"] {
            let content_type = format!("text/csv; header=present; charset={charset}").leak();
            assert_eq!(read(content_type, b"\xc3\xa9"), "Ã©".as_bytes(), "{charset}");
            assert_eq!(read(content_type, b"Zo\xeb\x80"), "Zoë€".as_bytes(), "{charset}");
            let marked = "\u{feff}é".as_bytes();
            assert_eq!(read(content_type, marked), marked, "{charset}");
            assert_eq!(read(content_type, b"\xff\xfea\0"), &b"\xff\xfea\0"[..], "{charset}");
            let replaced = "Zo\u{fffd}".as_bytes();
            assert_eq!(read(content_type, replaced), replaced, "{charset}");
        }
        for content_type in ["text/csv", "text/csv; charset=utf-8", "text/csv; charset=shift_jis"] {
            assert_eq!(read(content_type, "é".as_bytes()), "é".as_bytes(), "{content_type}");
        }
    }

    /// The limit of a synchronous invocation, and room for the headers and the rest of the event.
    const MAX_INVOCATION_BYTES: usize = 6 * 1024 * 1024 - 64 * 1024;

    #[test]
    fn the_largest_file_fits_into_an_invocation_as_base64() {
        assert!(MAX_FILE_BYTES.div_ceil(3) * 4 <= MAX_INVOCATION_BYTES);
    }
}
