//! Restoring the table and the files of a stack, without sending anything again. The page
//! `docs/operations/restore.md` has the order of the commands.

use std::{
    fs::File,
    io::{BufRead, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::{Value, json};
use shared_app::{
    restore::{BroughtUp, RestoreError, RestoreWorkflow, Violations},
    restored_files::{FileProgress, RestoredFilesError, RestoredFilesWorkflow},
};
use shared_aws::{
    clients::{Aws, Bucket, Stack},
    restore::{RestoreWindow, Restores, TableCopy},
    sending::SendingPauses,
    table::Table,
};
use shared_domain::{
    ids::OrganizationId, opt_out::KeywordReplies, sending_pause::SendingPause, time::Timestamp, user::UserRef,
};

use crate::{Error, Operator, number::Carrier};

/// A backup of the table.
#[derive(Debug, Clone, Args)]
pub struct BackupFile {
    /// Lines of JSON, as `restore export` and an export of DynamoDB to S3 write them
    pub file: PathBuf,
}

/// What to do.
#[derive(Debug, Clone, Subcommand)]
pub enum RestoreCommand {
    /// Writes all items of the table to a file
    Export {
        #[command(flatten)]
        backup: BackupFile,
        /// Another table than that of the stack, such as one that AWS restored
        #[arg(long)]
        table: Option<String>,
    },
    /// Begins a restore: pauses sending, and says that changes are no events
    Begin,
    /// Replaces all items of the table with those of a backup
    Import(BackupFile),
    /// Brings back the files of messages that were deleted since the backup
    Files {
        /// Time of the backup, such as 2026-11-29T10:00:00Z
        #[arg(long, value_name = "TIME")]
        since: String,
    },
    /// Asks the carrier what was sent and received since the backup
    Reconcile {
        /// How long after the begin a message that the carrier does not have is taken as not sent
        #[arg(long, default_value_t = 300)]
        grace_seconds: u64,
    },
    /// Checks the rules that must hold before the functions run again
    Verify,
    /// Ends the restore: changes are events again. Sending stays paused
    End,
}

/// What a reconciliation did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReconciledView {
    pub received: usize,
    pub sent: usize,
    pub queued: usize,
    pub failed: usize,
    pub canceled_broadcasts: Vec<String>,
    /// Scheduled broadcasts that have to be confirmed again.
    pub unscheduled_broadcasts: Vec<String>,
}

impl From<BroughtUp> for ReconciledView {
    fn from(done: BroughtUp) -> Self {
        let BroughtUp { received, sent, queued, failed, canceled, unscheduled } = done;
        let canceled_broadcasts = canceled.iter().map(ToString::to_string).collect();
        let unscheduled_broadcasts = unscheduled.iter().map(ToString::to_string).collect();
        Self { received, sent, queued, failed, canceled_broadcasts, unscheduled_broadcasts }
    }
}

/// Runs a command. `report` gets messages about its progress.
pub async fn run(
    aws: &Aws,
    stack: &Stack,
    operator: &Operator,
    command: &RestoreCommand,
    clock: fn() -> Timestamp,
    report: impl Fn(String),
) -> Result<Value, Error> {
    let workflow = async || {
        let carrier = Carrier::of_stack(aws, stack).await?;
        let replies = stack.parameter("KeywordReplies").and_then(KeywordReplies::parse);
        let replies = replies.unwrap_or(KeywordReplies::Carrier);
        Ok::<_, Error>(RestoreWorkflow::new(&operator.table, carrier.client, carrier.webhooks, replies))
    };
    Ok(match command {
        RestoreCommand::Export { backup, table } => {
            let other = table.as_ref().map(|name| Table::of(aws, name));
            let table = other.unwrap_or_else(|| operator.table.clone());
            json!({ "items": export(table, &backup.file).await? })
        }
        RestoreCommand::Begin => begin(operator).await?,
        RestoreCommand::Import(backup) => import(operator, &backup.file, report).await?,
        RestoreCommand::Files { since } => {
            let bucket = Bucket::new(aws, stack.output("FilesBucket")?);
            Box::pin(files(operator, bucket, since, clock, report)).await?
        }
        RestoreCommand::Reconcile { grace_seconds } => {
            let window = open_window(operator).await?;
            let ready = window.since + Duration::from_secs(*grace_seconds);
            let rest = clock().duration_until(ready);
            if !rest.is_zero() {
                report(format!(
                    "Waiting {} seconds for texts on their way to the carrier.",
                    rest.as_secs() + 1
                ));
                tokio::time::sleep(rest).await;
            }
            let workflow = Box::pin(workflow()).await?;
            let done = Box::pin(workflow.run(clock, operator.entropy, &operator.actor)).await;
            json!(ReconciledView::from(done.map_err(of_restore)?))
        }
        RestoreCommand::Verify => {
            open_window(operator).await?;
            let workflow = Box::pin(workflow()).await?;
            document(&Box::pin(workflow.verify(clock())).await?)
        }
        RestoreCommand::End => {
            let restores = Restores::new(operator.table.clone());
            if restores.last().await?.is_some_and(|window| window.is_unreconciled) {
                let detail = "The carrier was not asked after the import. Run `inboxctl restore reconcile`.";
                return Err(Error::Conflict(detail.into()));
            }
            let ended = restores.end(clock()).await?;
            json!({ "since": ended.map(|ended| ended.since.to_string()) })
        }
    })
}

/// Writes a backup, which the owner of the file alone can read.
async fn export(table: Table, path: &Path) -> Result<u64, Error> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = BufWriter::new(options.open(path).map_err(of_file(path))?);
    let write = |line: &str| writeln!(file, "{line}").map_err(of_file(path));
    let items = TableCopy::new(table).export(write).await?;
    file.flush().map_err(of_file(path))?;
    Ok(items)
}

async fn begin(operator: &Operator) -> Result<Value, Error> {
    let window = Restores::new(operator.table.clone()).begin(operator.now).await?;
    let organizations = operator.organizations.list().await?.into_iter();
    let organizations: Vec<_> = organizations.map(|organization| organization.id).collect();
    pause(operator, &organizations).await?;
    Ok(json!({ "since": window.since.to_string(), "paused": organizations.len() }))
}

async fn pause(operator: &Operator, organizations: &[OrganizationId]) -> Result<(), Error> {
    let pauses = SendingPauses::new(operator.table.clone());
    for organization in organizations {
        let by = UserRef { id: operator.actor.clone(), name: "Operator".into() };
        pauses.pause(organization, &SendingPause::manual(by, operator.now)).await?;
    }
    Ok(())
}

async fn import(operator: &Operator, path: &Path, report: impl Fn(String)) -> Result<Value, Error> {
    let window = open_window(operator).await?;
    let lines = || {
        let file = BufReader::new(File::open(path).map_err(of_file(path))?);
        Ok(file.lines().map(|line| line.map_err(of_file(path))))
    };
    let organizations = TableCopy::organizations(lines()?)?;
    if organizations.is_empty() {
        return Err(Error::Conflict(format!("{} has no organization: it is no backup.", path.display())));
    }
    // Before the items, so that there is no moment at which a restored message could be sent.
    pause(operator, &organizations).await?;
    let progress = |items| report(format!("{items} items written."));
    Restores::new(operator.table.clone()).set_unreconciled(true).await?;
    let items = TableCopy::new(operator.table.clone());
    let copied = items.import(lines, window.generation, operator.now, progress).await?;
    let (written, dropped, removed) = (copied.written, copied.dropped, copied.removed);
    let paused = organizations.len();
    Ok(json!({ "written": written, "dropped": dropped, "removed": removed, "paused": paused }))
}

async fn files(
    operator: &Operator,
    bucket: Bucket,
    since: &str,
    clock: fn() -> Timestamp,
    report: impl Fn(String),
) -> Result<Value, Error> {
    let invalid =
        || Error::Invalid { argument: "since", expected: "a time such as 2026-11-29T10:00:00Z".into() };
    let since = Timestamp::parse(since).ok_or_else(invalid)?;
    open_window(operator).await?;
    let progress = |progress| match progress {
        FileProgress::Read(versions) => report(format!("{versions} versions of files read.")),
        FileProgress::Restored(files) => report(format!("{files} files restored.")),
    };
    let done = RestoredFilesWorkflow::new(&operator.table, bucket).run(since, clock, progress).await;
    let done = done.map_err(|error| match error {
        RestoredFilesError::Store(error) => Error::from(error),
        RestoredFilesError::Bucket(error) => Error::Bucket(error),
    })?;
    Ok(json!({ "restored": done.restored, "unnamed": done.unnamed }))
}

/// Returns the window of the restore that goes on.
async fn open_window(operator: &Operator) -> Result<RestoreWindow, Error> {
    let last = Restores::new(operator.table.clone()).last().await?;
    last.filter(RestoreWindow::is_open).ok_or_else(|| {
        Error::Conflict("No restore goes on. Stop the functions, and run `inboxctl restore begin`.".into())
    })
}

fn document(violations: &Violations) -> Value {
    let finding = |(code, items): (&&str, &usize)| {
        let detail = format!("{items} {}", describe(code));
        json!({ "code": code, "level": level(code), "detail": detail })
    };
    let findings: Vec<_> = violations.iter().map(finding).collect();
    let ok = violations.keys().all(|code| level(code) == "warn");
    json!({ "ok": ok, "findings": findings })
}

/// The text of the last message stays on its conversation for longer than the message itself.
fn level(code: &str) -> &'static str {
    if code == "last_message_missing" { "warn" } else { "error" }
}

fn describe(code: &str) -> &'static str {
    match code {
        "carrier_not_asked" => "import was not reconciled completely. Run `inboxctl restore reconcile`.",
        "not_reconciled" => "messages have no outcome. Run `inboxctl restore reconcile` again.",
        "lock_token" => {
            "conversations could give out a lock token a second time. Run `inboxctl restore reconcile` again."
        }
        "event" => "events are from before the restore. Run `inboxctl restore import` again.",
        "queued_without_outbox" => {
            "queued messages would never be sent. Run `inboxctl restore reconcile` again."
        }
        "outbox_without_message" => {
            "entries of the outbox have no queued message. Run `inboxctl restore import` and `reconcile` again."
        }
        "message_without_conversation" => "messages have no conversation. The backup is not complete.",
        "last_message_missing" => "conversations show a last message that is not stored.",
        "broadcast_not_canceled" => {
            "broadcasts may send texts again. Run `inboxctl restore reconcile` again."
        }
        _ => "organizations are not paused. Run `inboxctl sending pause`.",
    }
}

fn of_restore(error: RestoreError) -> Error {
    match error {
        RestoreError::Store(error) => error.into(),
        error => Error::Conflict(format!("Not everything was reconciled: {error}. Run the command again.")),
    }
}

fn of_file(path: &Path) -> impl Fn(std::io::Error) -> Error {
    let path = path.display().to_string();
    move |error| Error::Conflict(format!("{path} cannot be used: {error}."))
}
