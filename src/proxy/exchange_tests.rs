//! Slots, and how an exchange in one is cut.

use super::*;
use crate::model::SystemEntropy;

fn exchanges() -> Arc<Exchanges> {
    Arc::new(Exchanges::new(Arc::new(Metrics::new())))
}

fn answer() -> Answer {
    Answer {
        id: RequestId::random(&SystemEntropy),
        caller: None,
        client_ip: ClientIp::UNKNOWN,
        asked: Timestamp::from_secs(0),
        news: SoFar::default(),
        method: Method::GET,
        uri: Uri::from_static("/events?x=1"),
        host: Some(HeaderValue::from_static("localhost")),
        websocket: false,
    }
}

/// An exchange whose answer has begun and never ends.
async fn endless(exchanges: &Exchanges) {
    exchanges.begun(Answer { news: exchanges.news.so_far(), ..answer() });
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn an_answer_under_way_can_be_cut() {
    let all = exchanges();
    let place = all.enter();
    let cutting = async {
        let doomed = loop {
            if let Some(found) = all.doom(|_| true).pop() {
                break found;
            }
            tokio::task::yield_now().await;
        };
        assert!(all.doom(|_| true).is_empty(), "each is found once");
        doomed.cut(|answer| assert_eq!(answer.path(), "/events"));
    };
    let (ended, ()) = tokio::join!(place.run(endless(&all)), cutting);
    assert!(ended.is_none());
    assert!(!place.has_begun(), "the place is free for the next exchange");
}

#[tokio::test]
async fn what_has_no_answer_yet_is_not_cut() {
    let all = exchanges();
    let place = all.enter();
    let (ended, found) =
        tokio::join!(place.run(async { tokio::task::yield_now().await }), async { all.doom(|_| true).len() });
    assert_eq!((ended, found), (Some(()), 0));
}

#[tokio::test]
async fn a_cut_that_comes_too_late_hurts_nobody() {
    let all = exchanges();
    let place = all.enter();
    let doomed = place
        .run(async {
            all.begun(Answer { news: all.news.so_far(), ..answer() });
            all.doom(|_| true).pop()
        })
        .await
        .flatten()
        .expect("found while it ran");
    // The next exchange on the same connection.
    let next = place.run(async {
        all.begun(Answer { news: all.news.so_far(), ..answer() });
        doomed.cut(|_| panic!("another exchange"));
        tokio::task::yield_now().await;
        "whole"
    });
    assert_eq!(next.await, Some("whole"));
}

#[tokio::test]
async fn what_happened_between_question_and_answer_is_looked_at() {
    let all = exchanges();
    let place = all.enter();
    let before = all.news.so_far();
    all.tokens_ended();
    // The look that was taken then is over.
    all.news.waited().await;
    place.run(async { all.begun(Answer { news: before, ..answer() }) }).await;
    all.news.waited().await;
}

#[tokio::test]
async fn ten_thousand_places_leave_nothing_behind() {
    let all = exchanges();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..10_000 {
        let all = all.clone();
        tasks.spawn(async move {
            let place = all.enter();
            place.run(endless(&all)).await
        });
    }
    let mut cut = 0;
    while cut < 10_000 {
        for doomed in all.doom(|_| true) {
            doomed.cut(|_| {});
            cut += 1;
        }
        tokio::task::yield_now().await;
    }
    while let Some(ended) = tasks.join_next().await {
        assert!(ended.expect("no panic").is_none());
    }
    assert_eq!(all.len(), 0);
}
