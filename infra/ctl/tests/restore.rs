//! The restore of a backup, against a table and a bucket in this process. `make restore-test` restores one
//! into a running stack.

#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use std::{path::PathBuf, time::Duration};

use inboxctl::{
    Error, Operator,
    organization::{self, NewOrganization},
    restore::{self, BackupFile, RestoreCommand},
};
use serde_json::{Value, json};
use shared_aws::{
    clients::{Aws, Stack},
    inbox::Inboxes,
    messaging::{Inbound, InboundText, Receipt, stored_at},
    restore::Restores,
    sending::SendingPauses,
    team::Teams,
};
use shared_domain::{
    ids::MediaId,
    media::{Media, MediaState},
    time::Timestamp,
};
use test_kit::{build, engine::Engine, s3::FakeS3};

fn now() -> Timestamp {
    Timestamp::parse("2026-11-28T09:00:00Z").unwrap()
}

fn operator(engine: &Engine) -> Operator {
    Operator::new(engine.table(), None, now(), 1)
}

async fn run(engine: &Engine, command: RestoreCommand) -> Result<Value, Error> {
    let (aws, stack) = (Aws::loopback("http://127.0.0.1:9"), Stack::new("test", [].into(), [].into()));
    restore::run(&aws, &stack, &operator(engine), &command, now, |_| {}).await
}

fn export(backup: &Backup) -> RestoreCommand {
    RestoreCommand::Export { backup: backup.0.clone(), table: None }
}

fn conflict(result: Result<Value, Error>) -> String {
    match result {
        Err(Error::Conflict(detail)) => detail,
        other => panic!("expected a conflict, not {other:?}"),
    }
}

/// Creates an organization with an inbox that received one message.
async fn start() -> Engine {
    let engine = Engine::start().await;
    let new = NewOrganization {
        name: "Clinic".into(),
        owner_name: "Olivia Owens".into(),
        owner_email: "olivia@clinic.example".into(),
        owner_id: None,
        id: Some(build::inbox().organization.to_string()),
        no_invitation: true,
    };
    organization::create(&operator(&engine), &new).await.unwrap();
    Teams::new(engine.table()).put(&build::inbox().organization, &build::team()).await.unwrap();
    Inboxes::new(engine.table()).put(&build::inbox()).await.unwrap();
    receive(&engine, "SM1").await;
    engine
}

async fn receive(engine: &Engine, carrier_id: &str) {
    let text = build::inbound_text(&build::number("+12025550143"), carrier_id, "Hello");
    let (receipt, _) = Inbound::new(engine.table()).receive(&build::inbox(), &text, now()).await.unwrap();
    assert!(matches!(receipt, Receipt::Stored(_)));
}

/// Receives a message with a file, and stores the file. Returns its key.
async fn receive_file(engine: &Engine, s3: &FakeS3, carrier_id: &str) -> String {
    let media = Media {
        id: MediaId::of_inbound(carrier_id, 0),
        copy: None,
        content_type: Some("image/png".into()),
        state: MediaState::Stored { size: 4 },
    };
    let key = stored_at(build::inbox().key(), &media);
    s3.put(&key, "image/png", b"PNG.");
    let text = build::inbound_text(&build::number("+12025550143"), carrier_id, "Look");
    let text = InboundText { media: vec![media], ..text };
    Inbound::new(engine.table()).receive(&build::inbox(), &text, now()).await.unwrap();
    key
}

/// A file that is removed when it is dropped.
struct Backup(BackupFile);

impl Backup {
    fn new(name: &str) -> Self {
        let file = std::env::temp_dir().join(format!("inboxctl-{}-{name}", std::process::id()));
        Self(BackupFile { file })
    }

    fn path(&self) -> &PathBuf {
        &self.0.file
    }
}

impl Drop for Backup {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.path());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_has_what_the_backup_has_and_sending_is_paused() {
    let (engine, backup) = (start().await, Backup::new("whole"));
    let before = engine.items().await;
    let exported = run(&engine, export(&backup)).await.unwrap();
    assert_eq!(exported["items"], before.len());
    receive(&engine, "SM2").await;
    run(&engine, RestoreCommand::Begin).await.unwrap();
    let imported = run(&engine, RestoreCommand::Import(backup.0.clone())).await.unwrap();
    assert_eq!((&imported["dropped"], &imported["removed"]), (&json!(0), &json!(2)), "{imported}");

    let mut after = engine.items().await;
    after.retain(|key, _| !key.starts_with("RESTORE") && !key.starts_with("SENDING"));
    let added: Vec<_> = after.keys().filter(|key| !before.contains_key(*key)).collect();
    assert!(added.iter().all(|key| key.ends_with("EVENTS")), "numbers of events: {added:?}");
    for (key, item) in &before {
        // The tokens of its lock go on after those before.
        assert!(after[key] == *item || key.contains("cnv_"), "{key}: {item}");
    }
    let state = SendingPauses::new(engine.table()).get(&build::inbox().organization).await.unwrap();
    assert!(state.pause.is_some());
    let again = run(&engine, RestoreCommand::Import(backup.0.clone())).await.unwrap();
    assert_eq!((&again["written"], &again["removed"]), (&imported["written"], &json!(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_imported_before_a_restore_has_begun_and_after_it_has_ended() {
    let (engine, backup) = (start().await, Backup::new("order"));
    run(&engine, export(&backup)).await.unwrap();
    let import = async || conflict(run(&engine, RestoreCommand::Import(backup.0.clone())).await);
    assert!(import().await.contains("restore begin"));
    let began = run(&engine, RestoreCommand::Begin).await.unwrap();
    assert_eq!(began["paused"], 1);
    run(&engine, RestoreCommand::Import(backup.0.clone())).await.unwrap();
    let end = async || run(&engine, RestoreCommand::End).await;
    assert!(conflict(end().await).contains("restore reconcile"));
    Restores::new(engine.table()).set_unreconciled(false).await.unwrap();
    end().await.unwrap();
    assert!(import().await.contains("restore begin"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_backup_changes_nothing() {
    let (engine, backup) = (start().await, Backup::new("broken"));
    run(&engine, RestoreCommand::Begin).await.unwrap();
    let before = engine.items().await;
    std::fs::write(backup.path(), "").unwrap();
    assert!(conflict(run(&engine, RestoreCommand::Import(backup.0.clone())).await).contains("no backup"));
    std::fs::write(backup.path(), "{\"Item\":{\"pk\":{\"S\":\"ORGANIZATIONS\"}}}\n").unwrap();
    assert!(run(&engine, RestoreCommand::Import(backup.0.clone())).await.is_err());
    assert_eq!(engine.items().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_backups_in_one_file_change_nothing_that_is_stored() {
    let (engine, backup) = (start().await, Backup::new("twice"));
    run(&engine, export(&backup)).await.unwrap();
    let once = std::fs::read_to_string(backup.path()).unwrap();
    std::fs::write(backup.path(), once.repeat(2)).unwrap();
    run(&engine, RestoreCommand::Begin).await.unwrap();
    let before = engine.items().await;
    assert!(run(&engine, RestoreCommand::Import(backup.0.clone())).await.is_err());
    let mut after = engine.items().await;
    let changed: Vec<_> =
        before.iter().filter(|(key, item)| after.remove(*key).as_ref() != Some(item)).collect();
    assert!(
        changed.iter().all(|(key, _)| key.starts_with("RESTORE") || key.starts_with("SENDING")),
        "{changed:?}"
    );
}

/// The token of a lock after a second restore of the same backup is greater than one after the first.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_restore_goes_on_after_the_first() {
    let (engine, backup) = (start().await, Backup::new("again"));
    run(&engine, export(&backup)).await.unwrap();
    let mut fences = Vec::new();
    for _ in 0..2 {
        run(&engine, RestoreCommand::Begin).await.unwrap();
        run(&engine, RestoreCommand::Import(backup.0.clone())).await.unwrap();
        Restores::new(engine.table()).set_unreconciled(false).await.unwrap();
        run(&engine, RestoreCommand::End).await.unwrap();
        let items = engine.items().await;
        let conversation = items.values().find(|item| item.contains("fence")).unwrap();
        fences.push(conversation.clone());
    }
    assert!(fences[0].contains("1000000000") && fences[1].contains("2000000000"), "{fences:?}");
}

/// What a message names is back if it was deleted since the backup.
#[tokio::test(flavor = "multi_thread")]
async fn files_that_were_deleted_since_the_backup_are_back_if_a_message_names_them() {
    let (engine, s3) = (start().await, FakeS3::start().await);
    let (before, since) = (now() - Duration::from_secs(1), "2026-11-28T09:00:00Z");
    let (lost, gone) = (receive_file(&engine, &s3, "SM2").await, receive_file(&engine, &s3, "SM3").await);
    let (kept, unnamed) = (receive_file(&engine, &s3, "SM4").await, "media/org_1/inb_1/med_other");
    s3.put(unnamed, "image/png", b"PNG.");
    for (key, at) in [(lost.as_str(), now()), (gone.as_str(), before), (unnamed, now())] {
        s3.delete_at(key, at);
    }
    let outputs = [("FilesBucket".to_owned(), "files".to_owned())];
    let (aws, stack) = (s3.aws(), Stack::new("test", outputs.into(), [].into()));
    let files = async |since: &str| {
        let command = RestoreCommand::Files { since: since.into() };
        restore::run(&aws, &stack, &operator(&engine), &command, now, |_| {}).await
    };
    assert!(conflict(files(since).await).contains("restore begin"));
    run(&engine, RestoreCommand::Begin).await.unwrap();
    assert!(matches!(files("yesterday").await, Err(Error::Invalid { argument: "since", .. })));
    assert_eq!(files(since).await.unwrap(), json!({ "restored": 1, "unnamed": 1 }));
    let mut expected = [lost, kept];
    expected.sort();
    assert_eq!(s3.objects().into_keys().collect::<Vec<_>>(), expected);
    assert_eq!(files(since).await.unwrap(), json!({ "restored": 0, "unnamed": 1 }), "repeated");
}
