//! A hold keeps everything of a team.

use std::{
    collections::BTreeSet,
    sync::{Arc, OnceLock},
};

use retention_sweep::handle;
use shared_app::retention::Expired;
use shared_domain::team::TeamEdit;
use test_kit::crash;

use super::{DAY, WORDS, app, edit, edit_at, now, receive, start, sweep, words};

fn hold(hold: bool) -> TeamEdit {
    TeamEdit { hold: Some(hold), ..TeamEdit::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_team_under_a_hold_is_erased() {
    let test = start().await;
    edit(&test, hold(true)).await;
    let before = (words(&test).await, test.s3.objects());
    for days in 0..3 {
        assert_eq!(sweep(&test, now() + DAY * days).await, Expired::default());
    }
    assert_eq!((words(&test).await, test.s3.objects()), before);
    edit(&test, hold(false)).await;
    let expected = Expired { teams: 1, messages: 3, files: 4, ..Expired::default() };
    assert_eq!(sweep(&test, now()).await, expected, "the end of the hold makes the team due");
}

/// The hold is set before any request of a run. After that, nothing goes: no message, no event, no text in a
/// list, and no file. The hold is looked for before each file.
#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_begins_during_a_run_stops_it_at_once() {
    let (mut stopped, mut left) = (0, BTreeSet::new());
    for overtaken_at in crash::points() {
        let test = start().await;
        for (days, file) in [40, 39, 38, 37].into_iter().zip(["a", "b", "c", "d"]) {
            receive(&test, &test.contact, file, &[file], now() - DAY * days).await;
        }
        let (table, s3, then) = (test.table(), test.s3.clone(), Arc::new(OnceLock::new()));
        let begin_hold = {
            let (then, engine) = (then.clone(), test.engine.clone());
            async move {
                edit_at(table.clone(), hold(true), now()).await;
                then.set((engine.items().await, s3.objects().len())).unwrap();
            }
        };
        let overtaken = test_kit::contention::overtaken_table(&test.engine.aws, overtaken_at, begin_hold);
        handle(&app(&overtaken, test.s3.bucket()), now).await.unwrap();
        let Some((mut items, files)) = then.get().cloned() else {
            assert_eq!(words(&test).await, [WORDS[2]]);
            break;
        };
        let mut after = test.engine.items().await;
        for items in [&mut items, &mut after] {
            items.retain(|key, _| !key.starts_with("RETENTION"));
        }
        assert_eq!(after, items, "{overtaken_at}");
        assert_eq!(files, test.s3.objects().len(), "{overtaken_at}");
        left.insert(files);
        stopped += usize::from(words(&test).await.len() > 1);
        assert_eq!(sweep(&test, now() + DAY).await, Expired::default());
        edit(&test, hold(false)).await;
        sweep(&test, now()).await;
        assert_eq!((words(&test).await, test.s3.objects().len()), (vec![WORDS[2]], 1), "{overtaken_at}");
    }
    assert!(stopped > 5, "{stopped}");
    assert_eq!(left, (1..=9).collect(), "a hold can begin between any two files");
}
