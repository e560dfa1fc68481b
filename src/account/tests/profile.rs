//! The own account: looking at it, the name, the export.

use super::hands::*;
use super::*;

#[tokio::test]
async fn a_profile_says_who_one_is_and_a_name_can_be_changed() {
    let house = House::new();
    let typed = Register { role: Some("organizer".into()), ..form(MINE, GOOD) };
    house.accounts.register(typed, &origin()).await.unwrap();
    house.verify(&house.activations().await[0]).await.unwrap();
    let me = me(&house, &house.login(MINE, GOOD).await.unwrap());
    let profile = house.accounts.profile(&me).await.unwrap();
    assert_eq!((profile.user.email.as_str(), profile.user.name.as_str()), (MINE, "Ada Lovelace"));
    assert_eq!(profile.requested_role.as_deref(), Some("organizer"));
    assert!(profile.email_verified && !profile.email_otp && !profile.totp);
    assert_eq!((profile.created_at, profile.password_changed_at), (house.clock.now(), house.clock.now()));

    let renamed = house.accounts.rename(&me, " Ada King ", &origin()).await.unwrap();
    assert_eq!(renamed.user.name, "Ada King");
    assert_eq!(house.login(MINE, GOOD).await.unwrap().user.name, "Ada King");
    assert_eq!(house.audited("profile.changed").await, 1);
    house.accounts.rename(&me, "Ada King", &origin()).await.unwrap();
    assert_eq!(house.audited("profile.changed").await, 1, "nothing has changed");
}

#[tokio::test]
async fn r_11_a_name_that_would_rearrange_a_text_is_refused() {
    let house = House::new();
    house.member(MINE).await;
    let me = me(&house, &house.login(MINE, GOOD).await.unwrap());
    for (name, code) in [
        ("", "required"),
        ("Eve\u{202e}", "invalid_character"),
        ("a\r\nBcc: x", "invalid_character"),
        (&"x".repeat(100 * 1024), "too_long"),
    ] {
        let result = house.accounts.rename(&me, name, &origin()).await.map(drop);
        assert_eq!(broken(result), [format!("name:{code}")]);
    }
    house.accounts.rename(&me, "<img src=x onerror=alert(1)>", &origin()).await.unwrap();
    house.ask_reset().await;
    let html = "SELECT count(*) FROM outbox WHERE kind = 'reset' AND body_html LIKE '%<img%'";
    assert_eq!(house.count(html).await, 0, "escaped in mails");
}

#[tokio::test]
async fn t_17_an_export_has_everything_and_nothing_that_lets_anybody_in() {
    let house = House::new();
    house.member("other@example.org").await;
    house.member(MINE).await;
    let foreign = house.login_from("other@example.org", GOOD, &from("198.51.100.99")).await.unwrap();
    let signed_in = house.login(MINE, GOOD).await.unwrap();
    assert_eq!(word(&house.login_from(MINE, "Wrong-Word-1", &from("198.51.100.1")).await), "wrong");
    let sql =
        "INSERT INTO devices (device_id, account_id, trusted_until, ip, user_agent, created_at, last_seen_at)
               SELECT 'device-id', id, 0, '203.0.113.7', 'Browser/1', 1, 2 FROM accounts WHERE email = $1
               RETURNING device_id";
    house.store.write(sql, vec![MINE.into()]).await.unwrap();
    let sql = "INSERT INTO recovery_codes (id, account_id, code_mac, created_at)
               SELECT 'r1', id, $2, 1 FROM accounts WHERE email = $1 RETURNING id";
    house.store.write(sql, vec![MINE.into(), [0u8; 32].into()]).await.unwrap();
    house.ask_reset().await;
    let me = me(&house, &signed_in);
    let export = house.accounts.export(&me).await.unwrap();
    assert_eq!(export.profile.user.email, MINE);
    assert_eq!((export.sessions.len(), export.devices.len(), export.recovery_codes), (1, 2, 1));
    let outcomes: Vec<_> = export.attempts.iter().map(|a| (a.outcome.as_str(), a.ip.as_str())).collect();
    assert!(outcomes.contains(&("success", "203.0.113.7")), "{outcomes:?}");
    assert!(outcomes.contains(&("failure", "198.51.100.1")), "{outcomes:?}");
    let deeds: Vec<_> = export.audit.iter().map(|d| (d.by, d.action.as_str())).collect();
    assert!(deeds.contains(&("operator", "account.created")), "{deeds:?}");
    assert!(deeds.contains(&("somebody", "password.reset_asked")), "{deeds:?}");

    let shown = format!("{export:?}");
    assert!(!shown.contains("198.51.100.99") && !shown.contains(&foreign.user.id.to_string()), "{shown}");
    let secrets =
        "SELECT a.password_hash, s.id, d.device_id FROM accounts a JOIN sessions s ON s.account_id = a.id
                   JOIN devices d ON d.account_id = a.id WHERE a.email = $1";
    for row in house.store.read(secrets, vec![MINE.into()]).await.unwrap() {
        for column in 0..3 {
            assert!(!shown.contains(row.text(column).unwrap()), "column {column}: {shown}");
        }
    }
    for secret in [signed_in.access.expose(), signed_in.refresh.expose(), GOOD] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
