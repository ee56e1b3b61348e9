//! One slice: as many chunks as its time allows.

use std::{collections::HashMap, time::Duration};

use shared_aws::{clients::BucketError, import::ImportTurn};
use shared_domain::{
    ids::UserId,
    import::{CellError, Columns, Encoding, FilePosition, Import, Row, RowError, Staff},
    time::Timestamp,
    user::UserRef,
};

use crate::{
    Again, Stores,
    drafts::{self, Drafts, Numbered, Touched},
    rows::{MAX_ROW_BYTES, Next as Read, Rows},
    survey::{NotImported, Survey, columns, too_long},
    write,
};

/// Users that are remembered between chunks.
const MAX_CACHED_STAFF: usize = 10_000;

/// How much at once.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// A slice begins no chunk after so long.
    pub time: Duration,
    /// Rows of a chunk.
    pub chunk: usize,
    /// Bytes that are read at once.
    pub piece: usize,
    /// A turn ends after so long, should its worker die: longer than a function lives.
    pub turn: Duration,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(45),
            chunk: 1_000,
            piece: 1024 * 1024,
            turn: Duration::from_secs(150),
        }
    }
}

/// Where the bytes of a file come from: its etag and size, and a part of it as long as it has that etag.
#[derive(Debug)]
pub struct Bytes<H, R> {
    /// Etag and size.
    pub head: H,
    /// At most so many bytes of the content with this etag, from this place on; none behind its end.
    pub read: R,
}

/// What becomes of the import after a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It is over, or another worker is at it.
    Over,
    /// It goes on at once.
    GoOn,
    /// It goes on after a pause.
    Later,
}

/// Works on an import until it is over or the time is up.
///
/// # Errors
/// [`Again`] when nothing came of it.
pub async fn slice<H, R>(
    stores: &Stores,
    mut import: Import,
    bytes: &Bytes<H, R>,
    clock: &(impl Fn() -> Timestamp + Sync),
    worker: u64,
    sizes: Sizes,
) -> Result<Next, Again>
where
    H: AsyncFn() -> Result<(String, u64), BucketError>,
    R: AsyncFn(&str, u64, usize) -> Result<Vec<u8>, BucketError>,
{
    let begun = clock();
    match stores.imports.take_turn(&import, worker, begun, begun + sizes.turn).await? {
        ImportTurn::Mine => {}
        ImportTurn::SameImport => return Ok(Next::Over),
        ImportTurn::AnotherImport => return Ok(Next::Later),
    }
    let before = import.done;
    let until = begun + sizes.time;
    let worked = Box::pin(work(stores, &mut import, bytes, clock, until, sizes)).await;
    // Before the import is queued again: a worker that finds the turn taken by the same import goes away.
    stores.imports.end_turn(&import, worker).await?;
    match worked {
        Err(Again::Overtaken) => Ok(Next::Over), // whoever overtook has a message of their own
        Err(Again::Store(_) | Again::Bucket(_)) if import.done != before => Ok(Next::Later),
        worked => worked,
    }
}

async fn work<H, R>(
    stores: &Stores,
    import: &mut Import,
    bytes: &Bytes<H, R>,
    clock: &(impl Fn() -> Timestamp + Sync),
    until: Timestamp,
    sizes: Sizes,
) -> Result<Next, Again>
where
    H: AsyncFn() -> Result<(String, u64), BucketError>,
    R: AsyncFn(&str, u64, usize) -> Result<Vec<u8>, BucketError>,
{
    match read(stores, import, bytes, clock, until, sizes).await {
        Ok(next) => Ok(next),
        Err(Stop::Again(again)) => Err(again),
        Err(Stop::Not(not)) => {
            tracing::info!(team = %import.team, import = %import.id, "not imported");
            let errors = if not.header {
                vec![import.fail_at_header(not.reason, clock())]
            } else {
                import.fail(not.reason, clock());
                Vec::new()
            };
            advance(stores, import, &errors).await?;
            Ok(Next::Over)
        }
    }
}

/// Why reading stops.
enum Stop {
    /// To be tried again.
    Again(Again),
    /// For good.
    Not(NotImported),
}

impl<E: Into<Again>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Again(error.into())
    }
}

impl From<NotImported> for Stop {
    fn from(not: NotImported) -> Self {
        Self::Not(not)
    }
}

async fn read<H, R>(
    stores: &Stores,
    import: &mut Import,
    bytes: &Bytes<H, R>,
    clock: &(impl Fn() -> Timestamp + Sync),
    until: Timestamp,
    sizes: Sizes,
) -> Result<Next, Stop>
where
    H: AsyncFn() -> Result<(String, u64), BucketError>,
    R: AsyncFn(&str, u64, usize) -> Result<Vec<u8>, BucketError>,
{
    if import.file.is_none() {
        look_through(stores, import, bytes, sizes).await?;
    }
    let Some(file) = import.file.clone() else { return Ok(Next::Over) };
    let content = async |from, length| match (bytes.read)(&file.etag, from, length).await {
        Err(BucketError::Absent) => Err(Stop::Not(NotImported {
            reason: "the file was replaced or removed while it was read".into(),
            header: false,
        })),
        answer => answer.map_err(Stop::from),
    };
    let encoding = file.encoding();
    let mut rows = Rows::after(FilePosition::default());
    step(&mut rows, &content, MAX_ROW_BYTES).await?;
    let columns = columns(encoding, rows.fields())?;
    if import.done.offset == 0 {
        import.done = rows.place();
    }
    let mut rows = Rows::after(import.done);
    let mut staff = HashMap::new();
    let reading = Reading { content: &content, columns: &columns, encoding, sizes };
    let repeated = import.pending.as_ref().map(|chunk| chunk.end);
    let clears = import.clear_missing_assignments;
    let mut chunk = reading.chunk(&mut rows, repeated, clears).await?;
    staff.extend(meet(stores, import, &staff, &chunk.rows).await?);
    let mut known = write::look_up(stores, import, &chunk.rows).await?;
    loop {
        let Chunk { rows: numbered, end, last } = chunk;
        let repeated = import.pending.is_some();
        let drafts = drafts::draft(import, numbered, &known, &staff, repeated);
        if !repeated {
            begin(stores, import, &drafts, end).await?;
        }
        // What comes next is read and looked up while this is written, and looked up once more where both speak of the
        // same. What was begun before may have written more than it would now.
        let touched = if import.dry_run { Touched::default() } else { drafts.touched() };
        let written = async {
            let import = &*import;
            if import.dry_run {
                return Ok(());
            }
            write::all(stores, import, drafts, &known, &staff, clock()).await.map_err(Stop::from)
        };
        let looked = async {
            if last {
                return Ok(None);
            }
            let next = reading.chunk(&mut rows, None, clears).await?;
            let people = meet(stores, import, &staff, &next.rows).await?;
            let found = write::look_up(stores, import, &next.rows).await?;
            Ok(Some((next, people, found)))
        };
        let ((), next) = tokio::try_join!(written, looked)?;
        import.finish_chunk();
        let Some((next, people, mut found)) = next else {
            import.complete(clock());
            advance(stores, import, &[]).await?;
            tracing::info!(
                event = "import_completed", team = %import.team, import = %import.id, rows = import.counts.rows,
                refused = import.counts.refused, dry_run = import.dry_run, "completed"
            );
            return Ok(Next::Over);
        };
        if clock() >= until {
            advance(stores, import, &[]).await?;
            return Ok(Next::GoOn);
        }
        if !import.dry_run && (repeated || touched.any_of(&next.rows)) {
            found = write::look_up(stores, import, &next.rows).await?;
        }
        if staff.len() > MAX_CACHED_STAFF {
            staff.clear(); // memory stays flat
            staff.extend(meet(stores, import, &staff, &next.rows).await?);
        }
        staff.extend(people);
        (chunk, known) = (next, found);
    }
}

/// Rows that are written together.
struct Chunk {
    rows: Vec<Numbered>,
    /// Where it ends.
    end: FilePosition,
    /// Whether the file ends there, too.
    last: bool,
}

/// How the rows of a file are read.
struct Reading<'a, C> {
    content: &'a C,
    columns: &'a Columns,
    encoding: Encoding,
    sizes: Sizes,
}

impl<C: AsyncFn(u64, usize) -> Result<Vec<u8>, Stop>> Reading<'_, C> {
    /// The next rows: to where they were begun before, or as many as a chunk has.
    async fn chunk(
        &self,
        rows: &mut Rows,
        repeated: Option<FilePosition>,
        clears: bool,
    ) -> Result<Chunk, Stop> {
        let mut chunk = Vec::with_capacity(self.sizes.chunk);
        let mut last = false;
        while !last && wanted(&chunk, rows.place(), repeated, self.sizes) {
            last = !step(rows, self.content, self.sizes.piece).await?;
            if !last && let Some(row) = parsed(rows, self.columns, self.encoding, clears) {
                chunk.push((rows.place().row, row));
            }
        }
        Ok(Chunk { rows: chunk, end: rows.place(), last })
    }
}

/// Whether the chunk goes on: to where it was begun before, or until it is full.
fn wanted(chunk: &[Numbered], place: FilePosition, repeated: Option<FilePosition>, sizes: Sizes) -> bool {
    match repeated {
        Some(end) => place.offset < end.offset,
        None => chunk.len() < sizes.chunk,
    }
}

/// Goes to the next row; `false` at the end of the file.
async fn step(
    rows: &mut Rows,
    content: &impl AsyncFn(u64, usize) -> Result<Vec<u8>, Stop>,
    piece: usize,
) -> Result<bool, Stop> {
    loop {
        match rows.next() {
            Read::Row => return Ok(true),
            Read::End => return Ok(false),
            Read::TooLong => return Err(too_long(rows.place().row + 1).into()),
            Read::Piece => rows.feed(content(rows.wants(), piece).await?),
        }
    }
}

/// The row, unless nothing stands in it.
fn parsed(
    rows: &Rows,
    columns: &Columns,
    encoding: Encoding,
    clears: bool,
) -> Option<Result<Row, Vec<CellError>>> {
    let texts = rows.texts(encoding);
    let fields: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
    if Columns::is_blank(fields.iter().copied()) {
        return None;
    }
    let row = columns.row(&fields).map(|row| match row.staff {
        Staff::Absent if clears => Row { staff: Staff::Blank, ..row },
        _ => row,
    });
    Some(row)
}

async fn look_through<H, R>(
    stores: &Stores,
    import: &mut Import,
    bytes: &Bytes<H, R>,
    sizes: Sizes,
) -> Result<(), Stop>
where
    H: AsyncFn() -> Result<(String, u64), BucketError>,
    R: AsyncFn(&str, u64, usize) -> Result<Vec<u8>, BucketError>,
{
    let (etag, size) = (bytes.head)().await?;
    let mut survey = Survey::of(size)?;
    loop {
        let piece = (bytes.read)(&etag, survey.wants(), sizes.piece).await?;
        if survey.feed(piece)? {
            break;
        }
    }
    import.start(survey.finish(etag, size)?);
    Ok(advance(stores, import, &[]).await?)
}

/// Users that these rows assign and nobody has met yet.
async fn meet(
    stores: &Stores,
    import: &Import,
    staff: &HashMap<UserId, UserRef>,
    chunk: &[Numbered],
) -> Result<Vec<(UserId, UserRef)>, Again> {
    let mut unknown: Vec<UserId> = Vec::new();
    for (_, row) in chunk {
        if let Ok(Row { staff: Staff::Is(user), .. }) = row
            && !staff.contains_key(user)
            && !unknown.contains(user)
        {
            unknown.push(user.clone());
        }
    }
    let users = stores.members.users(&import.organization, &unknown).await?;
    Ok(users.into_iter().map(|user| (user.id.clone(), UserRef { id: user.id, name: user.name })).collect())
}

/// Notes what is about to be written, and what it counts.
async fn begin(
    stores: &Stores,
    import: &mut Import,
    drafts: &Drafts,
    end: FilePosition,
) -> Result<(), Again> {
    let errors = import.begin_chunk(end, drafts.report.clone(), drafts.left.clone());
    advance(stores, import, &errors).await
}

async fn advance(stores: &Stores, import: &mut Import, faults: &[RowError]) -> Result<(), Again> {
    if stores.imports.advance(import, faults).await? { Ok(()) } else { Err(Again::Overtaken) }
}
