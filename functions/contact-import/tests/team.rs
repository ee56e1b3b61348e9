//! A team with an inbox and two users, into which files are imported.

use std::{
    collections::BTreeMap,
    future::ready,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use aws_sdk_dynamodb::types::AttributeValue;
use shared_app::import::{
    ContactFile, ImportError, ImportWorkflow, SliceLimits, SliceOutcome, UPLOAD_DEADLINE,
};
use shared_aws::{
    contact::{ContactEntry, Contacts},
    conversation::Conversations,
    import::Imports,
    inbox::Inboxes,
    messaging::Inbound,
    opt_out::OptOuts,
    table::Table,
    team::{AuditEvent, Members},
};
use shared_domain::{
    conversation::Conversation,
    ids::{ConversationId, ImportId, OrganizationId, TeamId, UserId},
    import::{Import, ImportOptions, ImportStatus, RowError},
    inbox::Inbox,
    opt_out::OptOutSubject,
    time::Timestamp,
};
use test_kit::{
    build,
    clock::TestClock,
    engine::{Engine, canonical},
};

pub(crate) const START: Timestamp = Timestamp::from_millis(1_790_000_000_000);
pub(crate) const HEADER: &str = "ContactId,FirstName,LastName,MobileNumber,OptedOut,StaffId,Bus\n";
/// Limits with which a few rows make several chunks.
pub(crate) const SMALL: SliceLimits = SliceLimits {
    time: Duration::from_secs(45),
    chunk_rows: 3,
    turn: Duration::from_secs(150),
    units_per_second: 100_000,
};

/// Returns a clock that shows this time after [`START`].
pub(crate) fn clock_at(seconds: u64) -> TestClock {
    TestClock::at(START + Duration::from_secs(seconds))
}

pub(crate) struct TestTeam {
    pub(crate) engine: Engine,
    pub(crate) organization: OrganizationId,
    pub(crate) inbox: Inbox,
    imports: AtomicU64,
}

impl TestTeam {
    pub(crate) async fn start() -> Self {
        let (engine, inbox) = (Engine::start().await, build::inbox());
        Inboxes::new(engine.table()).put(&inbox).await.unwrap();
        for user in ["ada", "ben"].map(build::user) {
            Members::new(engine.table()).put_user(&inbox.organization, &user).await.unwrap();
        }
        let organization = inbox.organization.clone();
        Self { engine, organization, inbox, imports: AtomicU64::new(1) }
    }

    pub(crate) fn table(&self) -> Table {
        self.engine.table()
    }

    /// Returns the table of a host that crashes after `requests` requests.
    pub(crate) fn crashing_table(&self, requests: usize) -> Table {
        self.engine.crashing_table(requests)
    }

    pub(crate) fn team_id(&self) -> &TeamId {
        &self.inbox.team
    }

    pub(crate) fn contacts(&self) -> Contacts {
        Contacts::new(self.table())
    }

    /// Creates an import that waits for its file.
    pub(crate) async fn create_import(&self, id: &str) -> Import {
        self.create_import_with(id, |_| {}).await
    }

    pub(crate) async fn create_import_with(&self, id: &str, choose: impl FnOnce(&mut Import)) -> Import {
        let by = UserId::parse("ada").unwrap();
        let mut import = Import::queued(
            ImportId::parse(id).unwrap(),
            self.inbox.team_key(),
            by.clone(),
            ImportOptions::default(),
            START,
        );
        choose(&mut import);
        let audit_event =
            AuditEvent { actor: &by, action: "contacts.import", target: id, at: START, entropy: 1 };
        assert!(
            Imports::new(self.table())
                .create(&import, START + UPLOAD_DEADLINE, &audit_event, None)
                .await
                .unwrap()
        );
        import
    }

    pub(crate) async fn stored(&self, import: &Import) -> Import {
        let imports = Imports::new(self.table());
        imports.get(self.inbox.team_key(), &import.id).await.unwrap().unwrap()
    }

    pub(crate) async fn errors(&self, import: &Import) -> Vec<RowError> {
        Imports::new(self.table()).errors(&self.stored(import).await).await.unwrap()
    }

    /// Runs one slice over this table.
    pub(crate) async fn run_slice(
        &self,
        table: &Table,
        import: &Import,
        file: &[u8],
        clock: &(impl Fn() -> Timestamp + Sync),
    ) -> Result<SliceOutcome, ImportError> {
        let import = self.stored(import).await;
        let file = ContactFile { etag: "\"1\"".to_owned(), content: file.to_vec() };
        let worker = shared_lambda::clock::entropy();
        ImportWorkflow::new(table, SMALL).run_slice(import, ready(Ok(file)), clock, worker).await
    }

    /// Runs an import to its end and returns it.
    pub(crate) async fn run(&self, import: &Import, file: &[u8]) -> Import {
        let clock = clock_at(self.imports.fetch_add(1, Ordering::Relaxed));
        assert_eq!(
            self.run_slice(&self.table(), import, file, &|| clock.now()).await.unwrap(),
            SliceOutcome::Over
        );
        self.stored(import).await
    }

    /// Creates an import of these rows and runs it to its end.
    pub(crate) async fn import(&self, id: &str, rows: &str) -> Import {
        let import = self.create_import(id).await;
        let done = self.run(&import, format!("{HEADER}{rows}").as_bytes()).await;
        assert_eq!(done.status, ImportStatus::Completed);
        done
    }

    pub(crate) async fn contact(&self, external_id: &str) -> Option<ContactEntry> {
        self.contacts().by_external_id(self.inbox.team_key(), external_id).await.unwrap()
    }

    pub(crate) async fn receive(&self, from: &str, text: &str, seconds: u64) {
        let text = build::inbound_text(&build::number(from), &format!("SM{seconds}{from}"), text);
        let at = START + Duration::from_secs(seconds);
        Inbound::new(self.table()).receive(&self.inbox, &text, at).await.unwrap();
    }

    pub(crate) async fn conversation(&self, with: &str) -> Option<Conversation> {
        let id = ConversationId::of(&self.inbox.id, &build::number(with));
        Conversations::new(self.table()).get(self.inbox.key().conversation(&id)).await.unwrap()
    }

    pub(crate) async fn is_opted_out(&self, of: &str) -> bool {
        let subject = OptOutSubject::of_team(&self.organization, self.team_id(), &build::number(of));
        OptOuts::new(self.table()).any_out(&[subject]).await.unwrap()
    }

    /// Returns all items except those of imports, without times and versions.
    pub(crate) async fn items(&self) -> BTreeMap<(String, String), String> {
        let mut items = BTreeMap::new();
        for mut item in self.engine.scan().await {
            let part = |name: &str| item[name].as_s().unwrap().clone();
            let (pk, mut sk) = (part("pk"), part("sk"));
            if sk.starts_with("imp_") || pk.contains("#AUDIT") {
                continue;
            }
            if let Some(ledger) = sk.strip_prefix("OUT#") {
                sk = format!("OUT#{}", ledger.split('#').nth(1).unwrap_or_default());
            }
            for varying in ["at", "version", "until", "ttl", "sk"] {
                item.remove(varying);
            }
            if let Some(AttributeValue::M(copy)) = item.get_mut("contact") {
                copy.retain(|name, _| !["v", "nv"].contains(&name.as_str()));
            }
            while items.contains_key(&(pk.clone(), sk.clone())) {
                sk.push('+'); // a later entry of the ledger
            }
            items.insert((pk, sk), canonical(&AttributeValue::M(item)));
        }
        items
    }
}

/// Returns the counts of rows: all, created, updated, unchanged, refused.
pub(crate) fn sums(import: &Import) -> [u64; 5] {
    let counts = import.counts;
    [counts.rows, counts.created, counts.updated, counts.unchanged, counts.refused]
}
