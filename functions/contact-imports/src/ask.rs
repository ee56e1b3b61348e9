//! Asking for an import.

use std::time::Duration;

use lambda_http::Request;
use shared_aws::{import::object_key, team::AuditEvent};
use shared_domain::{
    ids::{Id, ImportId},
    import::{Import, ImportOptions, ImportStatus},
    keys::TeamKey,
    time::Timestamp,
};
use shared_http::{
    access::{self, TeamAccess},
    idempotency::{self, Attempt},
    input,
    problem::Problem,
    reply::{self, Outcome},
    wire::{
        contact_import::{ImportView, ImportWish, UploadHeaders, UploadView},
        problem::ProblemView,
    },
};

use crate::{App, bucket_failed, report};

/// The largest file that comes with the request; the platform carries hardly more.
const MAX_BODY_BYTES: usize = 5 * 1024 * 1024;
/// How long an address for an upload lives. One that was begun in time may go on.
const UPLOAD_URL_TTL: Duration = Duration::from_hours(1);
/// What files are stored as.
const CSV: &str = "text/csv";
/// What browsers call a CSV file, beside its proper name: that of the program that opens it.
const ALSO_CSV: [&str; 3] = ["application/csv", "application/octet-stream", "application/vnd.ms-excel"];

/// What a request brings.
enum Brought<'a> {
    /// The file.
    File(&'a [u8]),
    /// A wish for an address to put it to.
    Wish,
}

/// Import contacts
///
/// For admins of the team and the owner. With `text/csv` the body is the file, up to 5 MB, in UTF-8; a file in Windows-1252
/// is sent as `application/octet-stream`, since the gateway repairs text that is no UTF-8, and those rows would be refused.
/// With `application/json` the answer brings an address for up to 40 MB and 100,000 rows, in UTF-8 or Windows-1252; putting the file there begins
/// the import. The report is then asked for by its id.
///
/// Columns, in any order: `ContactId` or `StudentId`, `FirstName`, `LastName`, `MobileNumber`; perhaps `OptedOut` and
/// `StaffId`; all others are custom fields. Rows are matched to contacts by contact id, nothing is deleted, and bad rows
/// never stop good ones. A contact id that comes twice is created by its first row and updated by the later one.
/// A number that texted in before keeps its history, opt-out and block; a number that another contact has is no fault, and
/// its conversations show whichever was written last.
///
/// `dryRun=true` counts the same and changes no contact; it takes each row by what is in the list now, so of a contact id
/// that comes twice far apart in the file it counts the second as if there were no first.
#[utoipa::path(post, path = "/v1/teams/{teamId}/contact-imports", tag = "contacts",
    params(("teamId" = String, Path), ("dryRun" = Option<bool>, Query),
        ("clearMissingAssignments" = Option<bool>, Query, description = "with `text/csv`: a file without the column `StaffId` clears assignments"),
        ("Idempotency-Key" = Option<String>, Header)),
    request_body(content((String = "text/csv"), (Vec<u8> = "application/octet-stream"), (ImportWish = "application/json"))),
    responses((status = 202, body = ImportView), (status = 400, body = ProblemView), (status = 403, body = ProblemView),
        (status = 404, body = ProblemView), (status = 413, body = ProblemView), (status = 415, body = ProblemView),
        (status = 422, description = "`bad_header`, `not_importable`", body = ProblemView)))]
pub(crate) async fn ask(app: &App, now: Timestamp, entropy: u64, request: &Request) -> Outcome {
    let access = access::team(request, &app.claims, &app.members).await?.manager()?;
    let (dry_run, clears) = (flag(request, "dryRun")?, flag(request, "clearMissingAssignments")?);
    let (brought, clears) = match brought(request)? {
        Brought::File(file) => {
            look(file)?;
            (Brought::File(file), clears)
        }
        Brought::Wish => {
            let wish: ImportWish = input::body(request)?;
            (Brought::Wish, clears || wish.clear_missing_assignments)
        }
    };
    let options = ImportOptions { dry_run, clear_missing_assignments: clears };
    let attempt = Attempt {
        organization: &access.organization,
        principal: access.principal.clone(),
        route: format!("contact-imports {} {dry_run} {clears}", access.team()),
        key: idempotency::key(request)?,
    };
    let import = match attempt.recalled(&app.keys, now).await? {
        Some(made) => made_before(app, &access, &made).await?,
        None => create(app, &access, &attempt, options, now, entropy).await?,
    };
    answer(app, &import, &brought, now).await
}

async fn create(
    app: &App,
    access: &TeamAccess,
    attempt: &Attempt<'_>,
    options: ImportOptions,
    now: Timestamp,
    entropy: u64,
) -> Result<Import, Problem> {
    let by = access.standing.user.id.clone();
    let import = Import::queued(
        Id::new(now, entropy),
        TeamKey { organization: &access.organization, team: access.team() },
        by.clone(),
        options,
        now,
    );
    let deed =
        AuditEvent { actor: &by, action: "contacts.import", target: import.id.as_str(), at: now, entropy };
    if app.imports.create(&import, &deed, attempt.idempotency()).await? {
        return Ok(import);
    }
    let meanwhile = attempt.recalled(&app.keys, now).await?;
    let made =
        meanwhile.ok_or_else(|| Problem::changed("The same was asked for at this instant; try again."))?;
    made_before(app, access, &made).await
}

async fn made_before(app: &App, access: &TeamAccess, made: &str) -> Result<Import, Problem> {
    let id = ImportId::parse(made).map_err(|_| Problem::not_found())?;
    let import = app.imports.get(&access.organization, access.team(), &id).await?;
    import.ok_or_else(Problem::not_found)
}

/// The file goes to the bucket, or its owner gets the address. Once it is read neither is needed any more.
async fn answer(app: &App, import: &Import, brought: &Brought<'_>, now: Timestamp) -> Outcome {
    let mut view = report::view(app, import).await?;
    let waits = import.status == ImportStatus::Queued;
    match brought {
        Brought::File(file) if waits => {
            let stored = app.bucket.put(&object_key(import), CSV, file.to_vec(), now).await;
            stored.map_err(|error| bucket_failed(&error))?;
        }
        Brought::Wish if waits => {
            let url = app.bucket.presigned_put_of_any_size(&object_key(import), CSV, UPLOAD_URL_TTL, now);
            view.upload = Some(UploadView {
                url: url.map_err(|error| bucket_failed(&error))?,
                method: "PUT",
                headers: UploadHeaders { content_type: CSV },
                expires_at: (now + UPLOAD_URL_TTL).to_string(),
            });
        }
        Brought::File(_) | Brought::Wish => {}
    }
    reply::json(202, &view)
}

/// Nothing that would have to be unpacked is taken, so nothing can grow.
fn brought(request: &Request) -> Result<Brought<'_>, Problem> {
    let header =
        |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if header("content-encoding").is_some_and(|coding| !coding.eq_ignore_ascii_case("identity")) {
        let detail = "The file is expected as it is, without a Content-Encoding.";
        return Err(Problem::new(415, "unsupported_encoding", detail));
    }
    let content_type = header("content-type").unwrap_or_default().split(';').next().unwrap_or_default();
    let content_type = content_type.trim().to_ascii_lowercase();
    let bytes: &[u8] = request.body();
    if content_type == CSV || ALSO_CSV.contains(&content_type.as_str()) {
        if bytes.len() > MAX_BODY_BYTES {
            let detail = "The file is larger than 5 MB: ask for an upload, with an application/json body.";
            return Err(Problem::new(413, "too_large", detail));
        }
        Ok(Brought::File(bytes))
    } else if content_type == "application/json" {
        Ok(Brought::Wish)
    } else {
        let detail = "Expected is text/csv with the file as the body, or application/json for an upload.";
        Err(Problem::new(415, "unsupported_media_type", detail))
    }
}

/// The look that the worker takes first, so that nothing is queued that cannot be read.
fn look(file: &[u8]) -> Result<(), Problem> {
    contact_import::look(file).map_err(|not| {
        let code = if not.header { "bad_header" } else { "not_importable" };
        Problem::new(422, code, not.reason)
    })
}

fn flag(request: &Request, name: &str) -> Result<bool, Problem> {
    match input::query(request, name) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(Problem::bad_field(&format!("?{name}"), "true or false")),
    }
}
