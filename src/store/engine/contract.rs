//! What every engine must do; one body of tests for all of them.

use std::sync::Arc;

use super::{Engine, Statement};
use crate::store::{Row, StoreError, Value, params};

/// Runs everything on an engine whose database has no table `contract`.
pub(super) async fn run(engine: Arc<dyn Engine>) {
    let e = engine.as_ref();
    let table = "CREATE TABLE contract (id BIGINT PRIMARY KEY, t TEXT, n BIGINT, b BOOLEAN, x BYTEA)";
    e.transaction(vec![push(table, vec![])]).await.unwrap();
    values_come_back_as_they_went(e).await;
    parameters_are_bound_by_number(e).await;
    wrong_parameters_and_statements_are_refused(e).await;
    a_must_that_misses_rolls_back(e).await;
    an_error_rolls_back(e).await;
    queries_cannot_write(e).await;
    one_winner_of_64(&engine).await;
    readers_see_whole_transactions(&engine).await;
}

fn push(sql: &'static str, params: Vec<Value>) -> Statement {
    Statement { sql, params, must_hit: false }
}

fn must(sql: &'static str, params: Vec<Value>) -> Statement {
    Statement { sql, params, must_hit: true }
}

const COUNT: &str = "SELECT count(*) FROM contract WHERE id = $1";
const INSERT: &str = "INSERT INTO contract (id, n) VALUES ($1, $2)";

async fn count(e: &dyn Engine, id: i64) -> u64 {
    e.read(COUNT, params![id]).await.unwrap()[0].count(0).unwrap()
}

async fn values_come_back_as_they_went(e: &dyn Engine) {
    let cases = [
        (params!["Zoë 李 👩\u{200d}💻 'x' $1", i64::MAX, true, [0u8, 255, 0x80]], true),
        (params!["", i64::MIN, false, Vec::<u8>::new()], false),
    ];
    for (id, (values, truth)) in (1i64..).zip(cases) {
        let mut all = params![id];
        all.extend(values.clone());
        let sql = "INSERT INTO contract (id, t, n, b, x) VALUES ($1, $2, $3, $4, $5) RETURNING t, n, b, x";
        let answer = e.transaction(vec![push(sql, all)]).await.unwrap().unwrap();
        let read = e.read("SELECT t, n, b, x FROM contract WHERE id = $1", params![id]).await.unwrap();
        assert_eq!(answer[0], read);
        let row = &read[0];
        assert_eq!(row.value(0).unwrap(), &values[0]);
        assert_eq!(row.value(1).unwrap(), &values[1]);
        assert_eq!(row.bool(2).unwrap(), truth);
        assert_eq!(row.value(3).unwrap(), &values[3]);
        assert!(row.text(1).is_err() && row.int(0).is_err() && row.blob(4).is_err());
    }
    let none = || Value::Null;
    let sql = "INSERT INTO contract (id, t, n, b, x) VALUES (3, $1, $2, $3, $4) RETURNING t, n, b, x";
    let rows = e.transaction(vec![push(sql, vec![none(), none(), none(), none()])]).await.unwrap().unwrap();
    for column in 0..4 {
        assert!(rows[0][0].is_null(column).unwrap(), "column {column}");
    }
    assert_eq!(rows[0][0].opt(1, Row::int).unwrap(), None);
}

async fn parameters_are_bound_by_number(e: &dyn Engine) {
    let sql = "INSERT INTO contract (t, n, id) VALUES ($2, $1, $3) RETURNING t, n";
    let rows = e.transaction(vec![push(sql, params![7i64, "seven", 10i64])]).await.unwrap().unwrap();
    assert_eq!((rows[0][0].text(0), rows[0][0].int(1)), (Ok("seven"), Ok(7)));
    let twice = "SELECT t FROM contract WHERE n = $2 AND n = $2 AND id = $1";
    assert_eq!(e.read(twice, params![10i64, 7i64]).await.unwrap().len(), 1);
}

async fn wrong_parameters_and_statements_are_refused(e: &dyn Engine) {
    for (sql, params) in [(COUNT, params![]), (COUNT, params![1i64, 2i64]), ("SELEC 1", params![])] {
        assert!(matches!(e.read(sql, params).await, Err(StoreError::Statement(_))), "{sql}");
    }
}

async fn a_must_that_misses_rolls_back(e: &dyn Engine) {
    let misses = [
        "UPDATE contract SET n = 0 WHERE id = $1",
        "UPDATE contract SET n = 0 WHERE id = $1 RETURNING id",
        "DELETE FROM contract WHERE id = $1",
        "SELECT id FROM contract WHERE id = $1",
    ];
    for miss in misses {
        let tx = vec![
            push(INSERT, params![20i64, 1i64]),
            must(miss, params![999i64]),
            push(INSERT, params![21i64, 1i64]),
        ];
        assert_eq!(e.transaction(tx).await.unwrap(), None, "{miss}");
        assert_eq!((count(e, 20).await, count(e, 21).await), (0, 0), "{miss}");
        let tx = vec![
            push(INSERT, params![20i64, 1i64]),
            must(miss, params![20i64]),
            push("DELETE FROM contract WHERE id = $1", params![20i64]),
        ];
        assert_eq!(e.transaction(tx).await.unwrap().map(|answers| answers.len()), Some(3), "{miss}");
    }
    let conflict = "INSERT INTO contract (id, n) VALUES ($1, 1) ON CONFLICT DO NOTHING";
    assert_eq!(e.transaction(vec![must(conflict, params![1i64])]).await.unwrap(), None);
}

async fn an_error_rolls_back(e: &dyn Engine) {
    let tx = vec![push(INSERT, params![30i64, 1i64]), push(INSERT, params![1i64, 1i64])];
    assert!(matches!(e.transaction(tx).await, Err(StoreError::Constraint(_))));
    assert_eq!(count(e, 30).await, 0);
}

async fn queries_cannot_write(e: &dyn Engine) {
    assert!(e.read(INSERT, params![40i64, 1i64]).await.is_err());
    assert_eq!(count(e, 40).await, 0);
}

async fn one_winner_of_64(engine: &Arc<dyn Engine>) {
    engine.transaction(vec![push(INSERT, params![50i64, 0i64])]).await.unwrap();
    let swap = "UPDATE contract SET n = $2 WHERE id = 50 AND n = $1 RETURNING n";
    let tasks: Vec<_> = (1i64..=64)
        .map(|mine| {
            let engine = Arc::clone(engine);
            tokio::spawn(
                async move { engine.transaction(vec![must(swap, params![0i64, mine])]).await.unwrap() },
            )
        })
        .collect();
    let mut winners = 0;
    for task in tasks {
        winners += u32::from(task.await.unwrap().is_some());
    }
    assert_eq!(winners, 1);
}

/// A pair of rows changes in one transaction: no reader may ever see one of them alone.
async fn readers_see_whole_transactions(engine: &Arc<dyn Engine>) {
    engine
        .transaction(vec![push(INSERT, params![60i64, 0i64]), push(INSERT, params![61i64, 0i64])])
        .await
        .unwrap();
    let writer = {
        let engine = Arc::clone(engine);
        tokio::spawn(async move {
            for n in 1i64..=200 {
                let tx =
                    [60i64, 61].map(|id| must("UPDATE contract SET n = $2 WHERE id = $1", params![id, n]));
                engine.transaction(tx.into()).await.unwrap().unwrap();
            }
        })
    };
    let mut reads = 0;
    while !writer.is_finished() || reads == 0 {
        let row =
            &engine.read("SELECT min(n), max(n) FROM contract WHERE id IN (60, 61)", vec![]).await.unwrap()
                [0];
        assert_eq!(row.int(0), row.int(1));
        reads += 1;
    }
    writer.await.unwrap();
    let row = &engine.read("SELECT min(n) FROM contract WHERE id IN (60, 61)", vec![]).await.unwrap()[0];
    assert_eq!(row.int(0), Ok(200), "a reader sees what was committed before it asked");
}
