//! Revocation: what it ends, what it leaves alone, when it forgets.

use super::*;

fn ms(ms: i64) -> Timestamp {
    Timestamp::from_millis(NOW_S * 1000 + ms)
}

#[test]
fn a_session_ends_for_good_and_alone() {
    let (r, g) = (Revocations::new(), grant());
    let other = SessionId::from_bytes([3; 16]);
    assert!(!r.is_revoked(g.session, g.account, NOW));
    r.revoke_session(g.session, ms(605_000));
    assert!(r.is_revoked(g.session, g.account, NOW));
    assert!(r.is_revoked(g.session, g.account, ms(599_000)), "whenever issued");
    assert!(!r.is_revoked(other, g.account, NOW));
    r.revoke_session(g.session, ms(10));
    assert_eq!((r.purge(ms(604_999)), r.len()), (0, 1), "a repetition shortens nothing");
    assert_eq!((r.purge(ms(605_000)), r.len()), (1, 0));
    assert!(!r.is_revoked(g.session, g.account, NOW));
}

#[test]
fn an_account_ends_up_to_a_millisecond() {
    let (r, g) = (Revocations::new(), grant());
    r.revoke_account_before(g.account, ms(500), ms(605_500));
    for (issued, dead) in
        [(-1000, true), (0, true), (499, true), (500, true), (501, false), (999, false), (1000, false)]
    {
        assert_eq!(r.is_revoked(g.session, g.account, ms(issued)), dead, "{issued}");
    }
    assert!(!r.is_revoked(g.session, AccountId::from_bytes([9; 16]), ms(0)));
    r.revoke_account_before(g.account, ms(100), ms(605_100));
    assert!(r.is_revoked(g.session, g.account, ms(500)), "an older entry takes nothing back");
    assert_eq!(r.purge(ms(605_499)), 0);
    assert_eq!(r.purge(ms(605_500)), 1);
    assert!(r.is_empty());
}

#[test]
fn signing_in_again_within_the_same_second_or_millisecond_works() {
    let r = Arc::new(Revocations::new());
    let (mint, g) = (mint().heeding(Arc::clone(&r)), grant());
    let issue = |at| verifier().access(&mint.access(&g, at).0, at).unwrap();
    let dead = |c: &Claims| r.is_revoked(c.sid, c.sub, c.issued_at());
    let old = issue(ms(200));
    for at in [ms(500), ms(999), ms(3_999)] {
        r.revoke_account_before(g.account, at, ms(700_000));
        assert!(dead(&old));
        let new = issue(at);
        assert!(!dead(&new), "issued in the very millisecond of the revocation");
        // A node whose clock is behind: the token begins after the revocation and is good at once.
        let behind = issue(ms(-1_000).max(Timestamp::from_millis(at.millis() - 4_000)));
        assert!(!dead(&behind));
        r.revoke_account_before(g.account, new.issued_at(), ms(700_000));
        assert!(dead(&new) && dead(&behind), "and ends with the next one");
    }
}

#[test]
fn the_time_in_the_id_is_the_time_in_iat() {
    assert_eq!(check_payload(payload().to_string()), Ok(()));
    for jti in [
        token_id(ms(1_000), &[7; 10]).to_string(),
        token_id(ms(-1), &[7; 10]).to_string(),
        SessionId::random(&SystemEntropy).to_string(),
        token_id(ms(0), &[7; 10]).to_string().replacen("-7", "-4", 1),
    ] {
        assert_eq!(check_payload(with("jti", json!(jti))), Err(Rejection::Claims), "{jti}");
    }
    assert_eq!(check_payload(with("jti", json!(token_id(ms(999), &[7; 10]).to_string()))), Ok(()));
}

#[test]
fn readers_and_writers_do_not_wait_for_each_other() {
    let (r, g) = (Revocations::new(), grant());
    r.revoke_session(g.session, ms(1));
    std::thread::scope(|s| {
        for n in 0..4u8 {
            let (r, g) = (&r, &g);
            s.spawn(move || {
                for i in 0..500u16 {
                    let mut id = [n; 16];
                    id[..2].copy_from_slice(&i.to_be_bytes());
                    r.revoke_session(SessionId::from_bytes(id), ms(i64::from(i)));
                    assert!(r.is_revoked(g.session, g.account, NOW));
                }
            });
        }
    });
    assert_eq!(r.len(), 2001);
    assert_eq!(r.purge(ms(500)), 2001);
}

/// What a witness has heard, and a way to ask.
#[derive(Clone, Default)]
struct Ears(Arc<std::sync::Mutex<Vec<(Ended, Heard)>>>);

impl Witness for Ears {
    fn ended(&self, what: Ended, heard: Heard) {
        self.0.lock().unwrap().push((what, heard));
    }
}

#[test]
fn witnesses_hear_of_what_is_new_or_decided_here() {
    let (r, g, ears) = (Revocations::new(), grant(), Ears::default());
    r.tell(vec![Box::new(ears.clone())]);
    let session = Ended::Session { session: g.session, until: ms(600_000) };
    let account = |at| Ended::Account { account: g.account, through: ms(at), until: ms(at + 600_000) };
    assert!(r.learn(session));
    assert!(!r.learn(session));
    r.revoke_session(g.session, ms(700_000));
    r.revoke_account_before(g.account, ms(10), ms(600_010));
    assert!(!r.learn(account(5)));
    assert!(r.learn(account(20)));
    let heard = ears.0.lock().unwrap().clone();
    assert_eq!(
        heard,
        [
            (session, Heard::Elsewhere),
            // Decided here as well: its row may have been read before the decider got as far as saying so.
            (Ended::Session { session: g.session, until: ms(700_000) }, Heard::Here),
            (account(10), Heard::Here),
            (account(20), Heard::Elsewhere),
        ]
    );
}

#[test]
fn what_is_not_vouched_for_any_more_is_not_known() {
    let r = Revocations::new();
    assert!(r.are_known(ms(0)) && r.are_known(ms(i64::from(i32::MAX))), "alone with its store: always");
    r.known_until(ms(5_000));
    assert!(r.are_known(ms(5_000)));
    assert!(!r.are_known(ms(5_001)), "nobody had to say so");
    r.known_until(ms(6_000));
    assert!(r.are_known(ms(5_001)));
    r.known_until(ms(0));
    assert!(!r.are_known(ms(5_001)), "it can be taken back");
}
