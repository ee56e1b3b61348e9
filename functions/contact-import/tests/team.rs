//! A team with an inbox and two users, into which files are imported.

use std::{
    collections::BTreeMap,
    future::ready,
    sync::atomic::{AtomicI64, Ordering},
};

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use shared_app::import::{ContactFile, ImportError, ImportWorkflow, SliceLimits, SliceOutcome};
use shared_aws::{
    contact::{ContactEntry, Contacts},
    conversation::Conversations,
    import::Imports,
    inbox::Inboxes,
    messaging::{Inbound, InboundText},
    opt_out::OptOuts,
    table::Table,
    team::{AuditEvent, Members},
};
use shared_domain::{
    conversation::Conversation,
    ids::{ConversationId, ImportId, InboxId, OrganizationId, TeamId, UserId},
    import::{Import, ImportOptions, ImportStatus, RowError},
    inbox::{Inbox, InboxKind, Stage},
    keys::{ConversationKey, TeamKey},
    opt_out::OptOutSubject,
    phone::PhoneNumber,
    time::Timestamp,
    user::User,
};
use test_kit::{
    crash::crashing_table,
    engine::{Engine, TABLE},
};

pub(crate) const START: Timestamp = Timestamp::from_millis(1_790_000_000_000);
pub(crate) const HEADER: &str = "ContactId,FirstName,LastName,MobileNumber,OptedOut,StaffId,Bus\n";
/// A few rows are several chunks.
pub(crate) const SMALL: SliceLimits = SliceLimits {
    time: std::time::Duration::from_secs(45),
    chunk_rows: 3,
    turn: std::time::Duration::from_secs(150),
};

/// A clock that does not move.
pub(crate) struct Clock(AtomicI64);

impl Clock {
    pub(crate) fn at(seconds: i64) -> Self {
        Self(AtomicI64::new(START.millis() + seconds * 1000))
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }

    /// Returns the time and advances the clock by a minute.
    pub(crate) fn advance(&self) -> Timestamp {
        Timestamp::from_millis(self.0.fetch_add(60_000, Ordering::Relaxed))
    }
}

pub(crate) struct TestTeam {
    pub(crate) engine: Engine,
    pub(crate) organization: OrganizationId,
    pub(crate) inbox: Inbox,
    client: Client,
    imports: AtomicI64,
}

impl TestTeam {
    pub(crate) async fn start() -> Self {
        let engine = Engine::start().await;
        let organization = OrganizationId::parse("org_1").unwrap();
        let inbox = Inbox {
            organization: organization.clone(),
            id: InboxId::parse("inb_1").unwrap(),
            team: TeamId::parse("team_1").unwrap(),
            kind: InboxKind::Shared,
            name: "Front team".into(),
            color: "#336699".into(),
            api_code: "FRONT".into(),
            number: PhoneNumber::from_carrier("+12025550100").unwrap(),
            number_sid: None,
            voice_forwarding: None,
            creator: None,
            stage: Stage::Active,
        };
        Inboxes::new(engine.table()).put(&inbox).await.unwrap();
        let client = Client::from_conf(engine.aws.dynamodb_config().build());
        let team = Self { engine, organization, inbox, client, imports: AtomicI64::new(1) };
        for name in ["ada", "ben"] {
            let id = UserId::parse(name).unwrap();
            let user = User { id, name: name.to_uppercase(), email: String::new(), owner: false };
            Members::new(team.table()).put_user(&team.organization, &user).await.unwrap();
        }
        team
    }

    pub(crate) fn table(&self) -> Table {
        self.engine.table()
    }

    /// The table as seen by a host that dies after this number of requests.
    pub(crate) fn crashing_table(&self, requests: usize) -> Table {
        crashing_table(&self.engine.aws, requests)
    }

    pub(crate) fn team_id(&self) -> &TeamId {
        &self.inbox.team
    }

    pub(crate) fn book(&self) -> Contacts {
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
            TeamKey { organization: &self.organization, team: self.team_id() },
            by.clone(),
            ImportOptions::default(),
            START,
        );
        choose(&mut import);
        let audit_event =
            AuditEvent { actor: &by, action: "contacts.import", target: id, at: START, entropy: 1 };
        assert!(Imports::new(self.table()).create(&import, &audit_event, None).await.unwrap());
        import
    }

    pub(crate) async fn stored(&self, import: &Import) -> Import {
        let imports = Imports::new(self.table());
        imports
            .get(TeamKey { organization: &self.organization, team: self.team_id() }, &import.id)
            .await
            .unwrap()
            .unwrap()
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
        let clock = Clock::at(self.imports.fetch_add(1, Ordering::Relaxed));
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
        self.book()
            .by_external_id(TeamKey { organization: &self.organization, team: self.team_id() }, external_id)
            .await
            .unwrap()
    }

    pub(crate) async fn receive(&self, from: &str, words: &str, seconds: i64) {
        let text = InboundText {
            carrier: "twilio",
            carrier_id: format!("SM{seconds}{from}"),
            from: number(from),
            text: words.to_owned(),
            media: Vec::new(),
        };
        let at = Timestamp::from_millis(START.millis() + seconds * 1000);
        Inbound::new(self.table()).receive(&self.inbox, &text, at).await.unwrap();
    }

    pub(crate) async fn conversation(&self, with: &str) -> Option<Conversation> {
        let conversation = ConversationId::of(&self.inbox.id, &number(with));
        let thread = ConversationKey {
            organization: &self.organization,
            inbox: &self.inbox.id,
            conversation: &conversation,
        };
        Conversations::new(self.table()).get(thread).await.unwrap()
    }

    pub(crate) async fn is_opted_out(&self, of: &str) -> bool {
        let subject = OptOutSubject::of_team(&self.organization, self.team_id(), &number(of));
        OptOuts::new(self.table()).any_out(&[subject]).await.unwrap()
    }

    /// Returns all items except those of imports, without the attributes that depend on the time.
    pub(crate) async fn rows(&self) -> BTreeMap<(String, String), String> {
        let scanned = self.client.scan().table_name(TABLE).into_paginator().items().send();
        let items = scanned.collect::<Result<Vec<_>, _>>().await.unwrap();
        let mut rows = BTreeMap::new();
        for mut item in items {
            let part = |name: &str| item[name].as_s().unwrap().clone();
            let (pk, mut sk) = (part("pk"), part("sk"));
            if sk.starts_with("imp_") || pk.contains("#AUDIT") {
                continue;
            }
            if let Some(ledger) = sk.strip_prefix("OUT#") {
                sk = format!("OUT#{}", ledger.split('#').nth(1).unwrap_or_default());
            }
            for passing in ["at", "version", "until", "ttl"] {
                item.remove(passing);
            }
            item.remove("sk");
            let content = canonical(&AttributeValue::M(item));
            while rows.contains_key(&(pk.clone(), sk.clone())) {
                sk.push('+'); // ledger entries are in their order
            }
            rows.insert((pk, sk), content);
        }
        rows
    }
}

/// Formats a value with its maps sorted, so that equal values have equal text.
fn canonical(value: &AttributeValue) -> String {
    match value {
        AttributeValue::M(map) => {
            let sorted: BTreeMap<_, _> = map.iter().map(|(name, value)| (name, canonical(value))).collect();
            format!("{sorted:?}")
        }
        AttributeValue::L(list) => format!("{:?}", list.iter().map(canonical).collect::<Vec<_>>()),
        other => format!("{other:?}"),
    }
}

pub(crate) fn number(text: &str) -> PhoneNumber {
    PhoneNumber::parse(text).unwrap()
}

/// The counts of rows: all, created, updated, unchanged, refused.
pub(crate) fn sums(import: &Import) -> [u64; 5] {
    let counts = import.counts;
    [counts.rows, counts.created, counts.updated, counts.unchanged, counts.refused]
}
