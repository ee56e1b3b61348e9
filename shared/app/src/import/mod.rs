//! Importing a file of contacts, a slice of bounded time at once.
//!
//! A slice loads the whole file, which has at most 40 MiB. The first slice checks it before anything is
//! written. Then rows are read in chunks, each in the steps *read, look up, plan, begin, write, finish*;
//! [`shared_domain::import`] says why the counts stay exact. The next chunk is read and looked up while a
//! chunk is written.
//!
//! Idempotent by the condition of each chunk's beginning, which only one worker meets, and by the ids of new
//! contacts, which are made of import and row. A slice that runs twice, or beside another worker, changes
//! nothing.

mod check;
mod chunk;
mod plan;
mod repeats;
mod rows;
mod sweep;
mod write;

use std::{collections::HashMap, future::Future, time::Duration};

use shared_aws::{
    clients::{Bucket, BucketError},
    contact::{Contacts, Lookup},
    import::{ImportTurn, Imports, object_key},
    table::{StoreError, Table},
    team::{Members, TeamMembers},
};
use shared_domain::{
    ids::{ImportId, OrganizationId, TeamId, UserId},
    import::{Import, Row, RowError, Staff},
    keys::TeamKey,
    time::Timestamp,
    user::UserRef,
};

pub use check::{MAX_FILE_BYTES, MAX_ROWS, NotImportable, check_file, check_size};
pub use sweep::{ImportSweep, SweptImports, UPLOAD_DEADLINE, UPLOAD_URL_TTL};

use crate::opt_out::OptOutWorkflow;
use chunk::{Chunk, ChunkReader, NumberedRow};
use plan::{ChunkPlan, Touched};

/// How many users are remembered between chunks.
const MAX_CACHED_STAFF: usize = 10_000;
/// The part of a file that is read in one request.
const PART_BYTES: u64 = 8 * 1024 * 1024;

/// The limits of a slice.
#[derive(Debug, Clone, Copy)]
pub struct SliceLimits {
    /// No chunk is begun after this time.
    pub time: Duration,
    /// How many rows a chunk has.
    pub chunk_rows: usize,
    /// When the turn of a worker that died ends: after the function's timeout.
    pub turn: Duration,
    /// The write units that an import uses in a second. The team's partition has 1,000, of which its
    /// messages and opt-outs need the others.
    pub units_per_second: u32,
}

impl Default for SliceLimits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(45),
            chunk_rows: 250,
            turn: Duration::from_secs(150),
            units_per_second: 300,
        }
    }
}

/// A file that was loaded.
#[derive(Debug, Clone)]
pub struct ContactFile {
    /// Identifies the content in the bucket.
    pub etag: String,
    pub content: Vec<u8>,
}

/// What happens to an import after a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum SliceOutcome {
    /// It is complete, or another worker continues it.
    Over,
    /// It continues at once.
    Continue,
    /// It continues after a pause.
    ContinueLater,
}

/// Why a slice did nothing. It is tried again.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Bucket(#[from] BucketError),
    #[error("another worker continued the import")]
    Overtaken,
}

/// Why a slice stops.
#[derive(Debug)]
pub enum Stop {
    Retry(ImportError),
    Reject(NotImportable),
}

impl<E: Into<ImportError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Retry(error.into())
    }
}

impl From<NotImportable> for Stop {
    fn from(error: NotImportable) -> Self {
        Self::Reject(error)
    }
}

/// Loads the file of an import. An import that has begun goes on only with the same content.
pub async fn load(bucket: &Bucket, import: Import, now: Timestamp) -> Result<ContactFile, Stop> {
    let key = object_key(&import);
    let (etag, size) = match &import.file {
        Some(file) => (file.etag.clone(), file.size),
        None => {
            let Some(head) = bucket.head(&key, now).await? else {
                if import.at + UPLOAD_DEADLINE <= now {
                    return Err(NotImportable::new("no file was uploaded").into());
                }
                return Err(BucketError::Absent.into());
            };
            (head.etag, head.size)
        }
    };
    check_size(size)?;
    let mut content = Vec::new();
    for from in (0..size).step_by(usize::try_from(PART_BYTES).unwrap_or(usize::MAX)) {
        let length = usize::try_from(PART_BYTES.min(size - from)).unwrap_or(usize::MAX);
        match bucket.read(&key, &etag, from, length, now).await {
            Ok(part) => content.extend(part),
            Err(BucketError::Absent) if import.file.is_some() => {
                let reason = "the file was replaced or removed while it was read";
                return Err(NotImportable::new(reason).into());
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(ContactFile { etag, content })
}

/// The workflow of imports.
#[derive(Debug, Clone)]
pub struct ImportWorkflow {
    imports: Imports,
    contacts: Contacts,
    members: Members,
    team_members: TeamMembers,
    opt_outs: OptOutWorkflow,
    limits: SliceLimits,
}

/// A chunk with its existing contacts.
struct Prepared {
    chunk: Chunk,
    known: Lookup,
}

type KnownStaff = HashMap<UserId, UserRef>;

impl ImportWorkflow {
    pub fn new(table: &Table, limits: SliceLimits) -> Self {
        let table = table.paced(limits.units_per_second);
        Self {
            imports: Imports::new(table.clone()),
            contacts: Contacts::new(table.clone()),
            members: Members::new(table.clone()),
            team_members: TeamMembers::new(table.clone()),
            opt_outs: OptOutWorkflow::new(table),
            limits,
        }
    }

    /// Returns an import that is not complete.
    pub async fn open_import(
        &self,
        organization: &OrganizationId,
        team: &TeamId,
        import: &ImportId,
    ) -> Result<Option<Import>, StoreError> {
        let import = self.imports.get(TeamKey { organization, team }, import).await?;
        Ok(import.filter(|import| !import.status.is_over()))
    }

    /// Works on an import until it is complete or the time is up. `file` is awaited when the worker has the
    /// team's turn.
    pub async fn run_slice(
        &self,
        mut import: Import,
        file: impl Future<Output = Result<ContactFile, Stop>>,
        clock: impl Fn() -> Timestamp,
        worker: u64,
    ) -> Result<SliceOutcome, ImportError> {
        let started = clock();
        self.imports.postpone_check(import.team_key(), &import.id, started + sweep::CHECK_INTERVAL).await?;
        match self.imports.take_turn(&import, worker, started, started + self.limits.turn).await? {
            ImportTurn::Mine => {}
            ImportTurn::SameImport => return Ok(SliceOutcome::Over),
            ImportTurn::AnotherImport => return Ok(SliceOutcome::ContinueLater),
        }
        let done_before = import.done;
        let until = started + self.limits.time;
        let result = match self.run_chunks(&mut import, file, &clock, until).await {
            Ok(outcome) => Ok(outcome),
            Err(Stop::Retry(error)) => Err(error),
            Err(Stop::Reject(reason)) => self.reject(&mut import, reason, clock()).await,
        };
        // Before the import is queued again: a worker that finds the turn taken by the same import does
        // nothing.
        self.imports.end_turn(&import, worker).await?;
        match result {
            // The worker that continued the import has a queue message of its own.
            Err(ImportError::Overtaken) => Ok(SliceOutcome::Over),
            Err(ImportError::Store(_) | ImportError::Bucket(_)) if import.done != done_before => {
                Ok(SliceOutcome::ContinueLater)
            }
            result => result,
        }
    }

    async fn run_chunks(
        &self,
        import: &mut Import,
        file: impl Future<Output = Result<ContactFile, Stop>>,
        clock: &impl Fn() -> Timestamp,
        until: Timestamp,
    ) -> Result<SliceOutcome, Stop> {
        let ContactFile { etag, content } = file.await?;
        if import.file.is_none() {
            import.start(check_file(&etag, &content)?);
            self.advance(import, &[]).await?;
        }
        let mut reader = self.reader(import, &content)?;
        let mut staff = KnownStaff::new();
        let chunk = reader.next_chunk(import.pending.as_ref().map(|chunk| chunk.end))?;
        let (mut prepared, met) = self.prepare(import, chunk, &staff).await?;
        staff.extend(met);
        loop {
            let is_repeated = import.pending.is_some();
            let Prepared { chunk, known } = prepared;
            let plan = plan::plan_chunk(import, chunk.rows, &known, &staff, is_repeated);
            if !is_repeated {
                let errors = import.begin_chunk(chunk.end, plan.report.clone(), plan.released.clone());
                self.advance(import, &errors).await?;
            }
            let touched = if import.dry_run { Touched::default() } else { plan.touched() };
            let next = if chunk.is_last { None } else { Some(reader.next_chunk(None)?) };
            let next = {
                let import = &*import;
                let write = self.write_unless_dry_run(import, plan, &known, &staff, clock());
                let prepare = async {
                    match next {
                        Some(next) => self.prepare(import, next, &staff).await.map(Some),
                        None => Ok(None),
                    }
                };
                tokio::try_join!(write, prepare)?.1
            };
            import.finish_chunk();
            let Some((mut next, met)) = next else { return Ok(self.complete(import, clock()).await?) };
            if clock() >= until {
                self.advance(import, &[]).await?;
                return Ok(SliceOutcome::Continue);
            }
            // The next chunk was looked up while this one was written. A chunk that was begun before may have
            // written more than its plan says now.
            if !import.dry_run && (is_repeated || touched.any_of(&next.chunk.rows)) {
                next.known = self.look_up(import, &next.chunk.rows).await?;
            }
            if staff.len() > MAX_CACHED_STAFF {
                staff.clear();
                staff.extend(self.load_staff(import, &next.chunk.rows, &staff).await?);
            }
            staff.extend(met);
            prepared = next;
        }
    }

    fn reader<'a>(&self, import: &mut Import, content: &'a [u8]) -> Result<ChunkReader<'a>, Stop> {
        let Some(file) = &import.file else { return Err(ImportError::Overtaken.into()) };
        let clear = import.clear_missing_assignments;
        let reader = ChunkReader::after(import.done, file, content, self.limits.chunk_rows, clear)?;
        import.done = reader.position(); // after the header, if nothing was done
        Ok(reader)
    }

    async fn prepare(
        &self,
        import: &Import,
        chunk: Chunk,
        staff: &KnownStaff,
    ) -> Result<(Prepared, KnownStaff), ImportError> {
        let met = self.load_staff(import, &chunk.rows, staff).await?;
        let known = self.look_up(import, &chunk.rows).await?;
        Ok((Prepared { chunk, known }, met))
    }

    async fn write_unless_dry_run(
        &self,
        import: &Import,
        plan: ChunkPlan,
        known: &Lookup,
        staff: &KnownStaff,
        now: Timestamp,
    ) -> Result<(), ImportError> {
        if import.dry_run { Ok(()) } else { self.write(import, plan, known, staff, now).await }
    }

    /// Loads the users that these rows assign contacts to, unless they are cached. An id in another case is
    /// that of a member of the team.
    async fn load_staff(
        &self,
        import: &Import,
        rows: &[NumberedRow],
        known: &KnownStaff,
    ) -> Result<KnownStaff, StoreError> {
        let mut unknown: Vec<UserId> = Vec::new();
        for NumberedRow { row, .. } in rows {
            if let Ok(Row { staff: Staff::Is(user), .. }) = row
                && !known.contains_key(user)
                && !unknown.contains(user)
            {
                unknown.push(user.clone());
            }
        }
        let users = self.members.users(&import.organization, &unknown).await?;
        let mut found: KnownStaff = users
            .into_iter()
            .map(|user| (user.id.clone(), UserRef { id: user.id, name: user.name }))
            .collect();
        unknown.retain(|user| !found.contains_key(user));
        if !unknown.is_empty() {
            let members = self.team_members.list(import.team_key()).await?;
            let folded = |user: &UserId| user.as_str().to_lowercase();
            let members: HashMap<String, UserRef> =
                members.into_iter().map(|member| (folded(&member.user.id), member.user)).collect();
            found.extend(
                unknown.into_iter().filter_map(|id| Some((id.clone(), members.get(&folded(&id))?.clone()))),
            );
        }
        Ok(found)
    }

    async fn complete(&self, import: &mut Import, now: Timestamp) -> Result<SliceOutcome, ImportError> {
        import.complete(now);
        self.advance(import, &[]).await?;
        tracing::info!(
            event = "import_completed", team = %import.team, import = %import.id, rows = import.counts.rows,
            refused = import.counts.refused, dry_run = import.dry_run, "import completed"
        );
        Ok(SliceOutcome::Over)
    }

    async fn reject(
        &self,
        import: &mut Import,
        error: NotImportable,
        now: Timestamp,
    ) -> Result<SliceOutcome, ImportError> {
        tracing::info!(event = "import_rejected", team = %import.team, import = %import.id, "file cannot be imported");
        let errors = if error.in_header {
            vec![import.fail_at_header(error.reason, now)]
        } else {
            import.fail(error.reason, now);
            Vec::new()
        };
        self.advance(import, &errors).await?;
        Ok(SliceOutcome::Over)
    }

    /// Fails an import whose worker stopped repeatedly. Does not read the file, because reading may be the
    /// cause.
    pub async fn give_up(&self, import: &mut Import, now: Timestamp) -> Result<(), ImportError> {
        let row = import.done.row;
        let reason = format!(
            "processing failed repeatedly after row {row}. The rows before that are imported. Import the file again to add the rest"
        );
        import.fail(reason, now);
        self.advance(import, &[]).await?;
        tracing::error!(event = "import_given_up", team = %import.team, import = %import.id, row, "import given up");
        Ok(())
    }

    async fn advance(&self, import: &mut Import, errors: &[RowError]) -> Result<(), ImportError> {
        if self.imports.advance(import, errors).await? { Ok(()) } else { Err(ImportError::Overtaken) }
    }
}
