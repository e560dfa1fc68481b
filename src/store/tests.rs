//! Aggregates whose users are elsewhere: signing keys, revocations, the audit trail, the outbox.

use std::net::Ipv4Addr;

use super::*;
use crate::model::{AccountId, ClientIp, Email, Entropy, RequestId, SessionId, SystemEntropy, Timestamp};

fn store() -> Store {
    Store::scratch()
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn key(kid: &str, ms: i64) -> SigningKeyRow {
    SigningKeyRow {
        kid: kid.into(),
        algorithm: "ES256".into(),
        sealed_private: vec![1, 2, 3],
        created_at: at(ms),
        retired_at: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nodes_that_start_at_once_get_one_first_key() {
    let store = store();
    let nodes: Vec<_> = (0..16)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { store.add_signing_key(&key(&format!("k{n}"), n), None).await.unwrap() })
        })
        .collect();
    let mut added = 0;
    for node in nodes {
        added += u32::from(node.await.unwrap());
    }
    assert_eq!((added, store.signing_keys().await.unwrap().len()), (1, 1));
}

#[tokio::test]
async fn keys_rotate_once_and_leave() {
    let store = store();
    assert!(store.add_signing_key(&key("a", 1), None).await.unwrap());
    assert!(store.add_signing_key(&key("b", 10), Some("a")).await.unwrap());
    assert!(!store.add_signing_key(&key("c", 11), Some("a")).await.unwrap(), "a has its successor");
    let keys = store.signing_keys().await.unwrap();
    let shown: Vec<_> = keys.iter().map(|k| (k.kid.as_str(), k.retired_at)).collect();
    assert_eq!(shown, [("a", Some(at(10))), ("b", None)]);
    assert_eq!(keys[1].sealed_private, [1, 2, 3]);
    assert!(store.add_signing_key(&key("c", 20), Some("b")).await.unwrap());
    assert!(!store.add_signing_key(&key("d", 30), Some("b")).await.unwrap());
    assert_eq!(store.purge_signing_keys(at(20)).await.unwrap(), 1);
    assert_eq!(store.signing_keys().await.unwrap().len(), 2);
}

#[tokio::test]
async fn revocations_grow_and_expire() {
    let store = store();
    let entropy: &dyn Entropy = &SystemEntropy;
    let (session, account) = (SessionId::random(entropy), AccountId::random(entropy));
    for (before, until) in [(5, 100), (9, 50), (7, 70)] {
        let mut tx = Tx::new();
        tx.revoke(Revocation::Account { account, before: at(before), until: at(until) });
        tx.revoke(Revocation::Session { session, until: at(60) });
        store.commit(tx).await.unwrap().unwrap();
    }
    let mut live = store.live_revocations(at(59)).await.unwrap();
    live.sort_by_key(|r| matches!(r, Revocation::Session { .. }));
    let account_row = Revocation::Account { account, before: at(9), until: at(100) };
    assert_eq!(live, [account_row, Revocation::Session { session, until: at(60) }]);
    assert_eq!(store.live_revocations(at(60)).await.unwrap(), [account_row]);
    assert_eq!(store.purge_revocations(at(60), 10).await.unwrap(), 1);
    assert_eq!(store.purge_revocations(at(100), 10).await.unwrap(), 1);
}

#[tokio::test]
async fn the_audit_trail_goes_with_the_change() {
    let store = store();
    let entropy: &dyn Entropy = &SystemEntropy;
    let request = RequestId::random(entropy);
    let entry = AuditEntry {
        at: at(5),
        actor: SYSTEM_ACTOR.into(),
        action: "account.locked",
        target: "somebody".into(),
        ip: Some(ClientIp::new(Ipv4Addr::LOCALHOST.into())),
        request_id: Some(request),
        detail: "",
    };
    let mut undone = Tx::new();
    undone.audit(&entry, entropy);
    undone.must("DELETE FROM audit WHERE id = $1", params!["nothing"]);
    assert!(store.commit(undone).await.unwrap().is_none());
    let mut tx = Tx::new();
    tx.audit(&entry, entropy);
    store.commit(tx).await.unwrap().unwrap();
    let rows = store.read("SELECT action, ip, request_id FROM audit", vec![]).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].text(0), Ok("account.locked"));
    assert_eq!((rows[0].text(1), rows[0].parse(2)), (Ok("127.0.0.1"), Ok(request)));
    assert_eq!(store.purge_audit(at(5), 10).await.unwrap(), 0);
    assert_eq!(store.purge_audit(at(6), 10).await.unwrap(), 1);
}

fn mail(id: &str, ms: i64) -> NewMail {
    NewMail {
        id: id.into(),
        recipient: Email::parse("ada@example.org").unwrap(),
        kind: "welcome",
        subject: "s".into(),
        text: "secret".into(),
        html: "<p>secret".into(),
        created_at: at(ms),
        expires_at: None,
    }
}

async fn post(store: &Store, mail: NewMail) {
    let mut tx = Tx::new();
    tx.insert_mail(mail);
    store.commit(tx).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_lease_is_exclusive_until_it_ends() {
    let store = store();
    post(&store, mail("b", 20)).await;
    post(&store, mail("a", 10)).await;
    assert!(store.lease_mail(at(9), at(69)).await.unwrap().is_none(), "not due");
    let first = store.lease_mail(at(30), at(90)).await.unwrap().unwrap();
    assert_eq!((first.id.as_str(), first.tries, first.text.as_str()), ("a", 1, "secret"));
    assert_eq!(store.lease_mail(at(30), at(90)).await.unwrap().unwrap().id, "b");
    assert!(store.lease_mail(at(89), at(149)).await.unwrap().is_none());
    assert_eq!(store.next_mail_due().await.unwrap(), Some(at(90)));
    let again = store.lease_mail(at(90), at(150)).await.unwrap().unwrap();
    assert_eq!((again.id.as_str(), again.tries), ("a", 2));
    // The one who had the first lease is too late to say anything about it.
    store.mark_mail_failed("a", 1, "late", None).await.unwrap();
    assert_eq!(store.mail_queue().await.unwrap(), (2, Some(at(10))));
}

#[tokio::test]
async fn sent_mails_keep_no_secrets_and_are_purged() {
    let store = store();
    post(&store, mail("a", 10)).await;
    post(&store, mail("b", 10)).await;
    store.mark_mail_sent("a", at(15)).await.unwrap();
    let rows = store.read("SELECT body_text, body_html FROM outbox WHERE id = 'a'", vec![]).await.unwrap();
    assert_eq!((rows[0].text(0), rows[0].text(1)), (Ok(""), Ok("")));
    assert_eq!(store.lease_mail(at(99), at(100)).await.unwrap().unwrap().id, "b");
    assert_eq!(store.purge_mails(at(50), 10).await.unwrap(), 1, "b still waits");
}

/// Whether a mail is tried again.
async fn retried(store: &Store, id: &str, now: Timestamp) -> bool {
    let mut tx = Tx::new();
    tx.retry_mail(id, now);
    store.commit(tx).await.unwrap().is_some()
}

/// How many mails still have what was written in them.
async fn bodies(store: &Store) -> u64 {
    let rows = store.read("SELECT count(*) FROM outbox WHERE body_text || body_html <> ''", vec![]).await;
    rows.unwrap()[0].count(0).unwrap()
}

#[tokio::test]
async fn mails_that_were_given_up_can_be_sent_again_until_they_are_wiped() {
    let store = store();
    for (id, expires_at) in [("keeps", None), ("expires", Some(at(100)))] {
        post(&store, NewMail { expires_at, ..mail(id, 10) }).await;
        let leased = store.lease_mail(at(20), at(80)).await.unwrap().unwrap();
        assert_eq!((leased.id.as_str(), leased.expires_at), (id, expires_at));
        assert!(!retried(&store, id, at(20)).await, "it still waits");
        store.mark_mail_failed(id, 1, "550", None).await.unwrap();
    }
    assert_eq!(bodies(&store).await, 2);
    assert!(store.lease_mail(at(99), at(199)).await.unwrap().is_none());
    assert!(!retried(&store, "nothing", at(30)).await);
    assert!(retried(&store, "expires", at(99)).await);
    let again = store.lease_mail(at(99), at(199)).await.unwrap().unwrap();
    assert_eq!((again.id.as_str(), again.tries, again.text.as_str()), ("expires", 1, "secret"));
    store.mark_mail_failed("expires", 1, "550", None).await.unwrap();
    assert!(!retried(&store, "expires", at(100)).await, "its code is dead");

    assert_eq!(store.wipe_mails(at(99), at(10), 10).await.unwrap(), 0);
    assert_eq!(store.wipe_mails(at(100), at(10), 10).await.unwrap(), 1);
    assert_eq!(store.wipe_mails(at(100), at(11), 10).await.unwrap(), 1, "a week is enough");
    assert_eq!(bodies(&store).await, 0);
    assert!(!retried(&store, "keeps", at(100)).await, "nothing is left to send");
}

#[tokio::test]
async fn an_expired_mail_is_given_up_without_its_bodies() {
    let store = store();
    post(&store, NewMail { expires_at: Some(at(15)), ..mail("a", 10) }).await;
    store.mark_mail_expired("a").await.unwrap();
    assert_eq!(bodies(&store).await, 0);
    assert!(store.lease_mail(at(99), at(199)).await.unwrap().is_none());
    assert!(!retried(&store, "a", at(12)).await);
}

#[tokio::test]
async fn a_commit_with_mail_wakes_the_worker() {
    let store = store();
    let woken = store.mail_waits().notified();
    tokio::pin!(woken);
    assert!(!woken.as_mut().enable());
    let mut undone = Tx::new();
    undone.insert_mail(mail("a", 1));
    undone.must("DELETE FROM outbox WHERE id = $1", params!["nothing"]);
    store.commit(undone).await.unwrap();
    assert!(!woken.as_mut().enable(), "nothing was committed");
    post(&store, mail("a", 1)).await;
    assert!(woken.as_mut().enable());
}
