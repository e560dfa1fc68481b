//! Looking after other people's accounts: who may do what to whom, and what it leaves behind.

use super::super::admin::{Invite, Paging};
use super::*;

const EVE: &str = "eve@example.org";

/// The roles of the tests besides the usual ones: an auditor and a help desk.
pub(super) fn staffed() -> House {
    House::with(|s| {
        let role = |name: &str, permissions: &[&str]| RoleRegistration {
            name: RoleName::parse(name).unwrap(),
            permissions: permissions.iter().map(ToString::to_string).collect(),
            registration: Registration::Closed,
            default: false,
        };
        s.roles.push(role("auditor", &["users.view", "audit.view", "mail.view", "rules.view"]));
        s.roles.push(role("helper", &["users.*", "sessions.revoke", "events.view"]));
    })
}

impl House {
    /// An account with one role, and its owner, who has just signed in.
    pub(super) async fn staff(&self, email: &str, role: &str) -> Me {
        let wanted = CreateUser {
            email: email.into(),
            name: "Grace".into(),
            roles: vec![role.into()],
            password: Secret::new(GOOD),
        };
        self.accounts.create_user(wanted).await.unwrap();
        self.me(email).await
    }

    pub(super) async fn me(&self, email: &str) -> Me {
        let signed_in = self.login(email, GOOD).await.unwrap();
        let auth_time = self.clock.now();
        Me { account: signed_in.user.id, session: signed_in.session, auth_time, amr: vec!["pwd".into()] }
    }

    /// The audit lines so far: actor, action, target, detail; those of sign-ups left out.
    pub(super) async fn trail(&self) -> Vec<(String, String, String, String)> {
        // Lines of one moment in the order in which they were written; each engine has its own word for that.
        let sql = if crate::store::engine::scratch_is_postgres() {
            "SELECT actor, action, target, detail FROM audit WHERE actor <> 'operator' ORDER BY at, ctid"
        } else {
            "SELECT actor, action, target, detail FROM audit WHERE actor <> 'operator' ORDER BY at, rowid"
        };
        let rows = self.store.read(sql, Vec::new()).await.unwrap();
        let text = |row: &crate::store::Row, n| row.string(n).unwrap();
        rows.iter().map(|r| (text(r, 0), text(r, 1), text(r, 2), text(r, 3))).collect()
    }

    pub(super) async fn roles_of(&self, id: AccountId) -> Vec<String> {
        let account = self.store.account_by_id(id).await.unwrap().unwrap();
        account.roles.iter().map(ToString::to_string).collect()
    }
}

fn names(roles: &[&str]) -> Vec<String> {
    roles.iter().map(ToString::to_string).collect()
}

fn page() -> Paging {
    Paging { cursor: None, limit: 20 }
}

#[tokio::test]
async fn r_09_an_admin_who_activates_makes_nobodys_password_good() {
    let house = staffed();
    let admin = house.staff("admin@example.org", "admin").await;
    house.register(EVE, "Squatters-1").await.unwrap();
    let email = crate::model::Email::parse(EVE).unwrap();
    let id = house.store.account_by_email(&email).await.unwrap().unwrap().id;
    house.accounts.activate_account(&admin, id, &origin()).await.unwrap();
    assert_eq!(word(&house.login(EVE, "Squatters-1").await), "reset required");
    // Who had proved the address before has the password still.
    let member = house.member("member@example.org").await;
    house.accounts.deactivate_account(&admin, member, &origin()).await.unwrap();
    house.accounts.activate_account(&admin, member, &origin()).await.unwrap();
    house.login("member@example.org", GOOD).await.unwrap();
}

#[tokio::test]
async fn roles_that_rules_ask_for_by_name_are_dealt_by_those_who_may_do_everything() {
    let house = House::with(|s| {
        let role = |name: &str, permissions: &[&str]| RoleRegistration {
            name: RoleName::parse(name).unwrap(),
            permissions: permissions.iter().map(ToString::to_string).collect(),
            registration: Registration::Closed,
            default: false,
        };
        s.roles.push(role("staff", &[]));
        s.roles.push(role("careful", &["events.view"]));
        s.roles.push(role("helper", &["users.*", "events.view"]));
        s.second_factor.required_roles = vec![RoleName::parse("careful").unwrap()];
    });
    let helper = house.staff("help@example.org", "helper").await;
    let admin = house.staff("admin@example.org", "admin").await;
    let id = house.member(EVE).await;
    let a = &house.accounts;
    for wanted in [["participant", "staff"], ["participant", "careful"]] {
        assert_eq!(word(&a.set_roles(&helper, id, &names(&wanted), &origin()).await), "beyond", "{wanted:?}");
        let invite = Invite { email: "n@example.org".into(), name: "N".into(), roles: names(&wanted) };
        assert_eq!(word(&a.invite(&helper, invite, &origin()).await), "beyond");
        a.set_roles(&admin, id, &names(&wanted), &origin()).await.unwrap();
        let back = a.set_roles(&helper, id, &names(&["participant"]), &origin()).await;
        assert_eq!(word(&back), "beyond", "nor taken away");
        a.set_roles(&admin, id, &names(&["participant"]), &origin()).await.unwrap();
    }
}

#[tokio::test]
async fn an_auditor_sees_everything_and_changes_nothing() {
    let house = staffed();
    let auditor = house.staff("audit@example.org", "auditor").await;
    let id = house.member(EVE).await;
    let (a, o) = (&house.accounts, origin());
    a.people(&auditor, &PeopleQuery::default(), page()).await.unwrap();
    a.person(&auditor, id).await.unwrap();
    a.sessions_of(&auditor, id).await.unwrap();
    a.attempts(&auditor, &AttemptQuery::default(), page()).await.unwrap();
    a.audit_trail(&auditor, &AuditQuery::default(), page()).await.unwrap();
    a.mails(&auditor, None, page()).await.unwrap();
    a.approvals(&auditor, page()).await.unwrap();
    let before = house.trail().await;
    let invite = Invite { email: "new@example.org".into(), name: "N".into(), roles: vec![] };
    let refused = [
        word(&a.deactivate_account(&auditor, id, &o).await),
        word(&a.activate_account(&auditor, id, &o).await),
        word(&a.unlock_account(&auditor, id, &o).await),
        word(&a.delete_account(&auditor, id, &o).await),
        word(&a.send_reset(&auditor, id, &o).await),
        word(&a.set_roles(&auditor, id, &names(&[]), &o).await),
        word(&a.end_sessions_of(&auditor, id, &o).await),
        word(&a.decide(&auditor, id, true, &o).await),
        word(&a.retry_mail(&auditor, "x", &o).await),
        word(&a.invite(&auditor, invite, &o).await),
    ];
    assert_eq!(refused, ["forbidden"; 10]);
    assert_eq!(house.trail().await, before);
    let nobody = house.me(EVE).await;
    assert_eq!(word(&a.people(&nobody, &PeopleQuery::default(), page()).await), "forbidden");
    assert_eq!(word(&a.audit_trail(&nobody, &AuditQuery::default(), page()).await), "forbidden");
}

#[tokio::test]
async fn changes_ask_for_a_recent_proof_and_leave_one_line_each() {
    let house = staffed();
    let admin = house.staff("root@example.org", "admin").await;
    let id = house.member(EVE).await;
    let (a, o) = (&house.accounts, origin());
    let old = Me { auth_time: house.clock.now().before(secs(600)), ..admin.clone() };
    assert_eq!(word(&a.deactivate_account(&old, id, &o).await), "elevate");
    a.deactivate_account(&admin, id, &o).await.unwrap();
    a.deactivate_account(&admin, id, &o).await.unwrap();
    a.activate_account(&admin, id, &o).await.unwrap();
    a.activate_account(&admin, id, &o).await.unwrap();
    a.unlock_account(&admin, id, &o).await.unwrap();
    a.set_roles(&admin, id, &names(&["organizer", "participant"]), &o).await.unwrap();
    a.set_roles(&admin, id, &names(&["participant", "organizer"]), &o).await.unwrap();
    a.end_sessions_of(&admin, id, &o).await.unwrap();
    a.delete_account(&admin, id, &o).await.unwrap();
    assert_eq!(word(&a.delete_account(&admin, id, &o).await), "not found");
    let trail = house.trail().await;
    let actions: Vec<_> = trail.iter().map(|line| line.1.as_str()).collect();
    assert_eq!(
        actions,
        [
            "account.deactivated",
            "account.activated",
            "account.roles",
            "account.sessions_ended",
            "account.deleted"
        ]
    );
    assert!(trail.iter().all(|line| line.0 == admin.account.to_string() && line.2 == id.to_string()));
    assert_eq!(trail[2].3, "old: participant; new: organizer, participant");
    let sql = "SELECT count(*) FROM audit WHERE actor <> 'operator' AND request_id = '' OR ip = ''";
    assert_eq!(house.count(sql).await, 2, "only the two lines of the operator came by no request");
}

#[tokio::test]
async fn nobody_gives_or_touches_more_than_they_have() {
    let house = staffed();
    house.staff("root@example.org", "admin").await;
    let helper = house.staff("help@example.org", "helper").await;
    let (a, o) = (&house.accounts, origin());
    let eve = house.member(EVE).await;
    for role in ["admin", "organizer", "auditor"] {
        assert_eq!(word(&a.set_roles(&helper, eve, &names(&[role]), &o).await), "beyond", "{role}");
        assert_eq!(
            word(&a.set_roles(&helper, helper.account, &names(&["helper", role]), &o).await),
            "beyond"
        );
        let invite = Invite { email: "new@example.org".into(), name: "New".into(), roles: names(&[role]) };
        assert_eq!(word(&a.invite(&helper, invite, &o).await), "beyond");
    }
    assert_eq!(broken(a.set_roles(&helper, eve, &names(&["no-such"]), &o).await), ["roles:unknown"]);
    let root = house.me("root@example.org").await.account;
    assert_eq!(word(&a.deactivate_account(&helper, root, &o).await), "beyond");
    assert_eq!(word(&a.delete_account(&helper, root, &o).await), "beyond");
    assert_eq!(word(&a.send_reset(&helper, root, &o).await), "beyond");
    assert_eq!(word(&a.set_roles(&helper, root, &names(&[]), &o).await), "beyond");
    assert_eq!(word(&a.end_sessions_of(&helper, root, &o).await), "beyond");
    a.set_roles(&helper, eve, &names(&["helper", "participant"]), &o).await.unwrap();
    assert_eq!(house.roles_of(eve).await, ["helper", "participant"]);
}

#[tokio::test]
async fn permissions_are_those_held_now() {
    let house = staffed();
    let admin = house.staff("root@example.org", "admin").await;
    let helper = house.staff("help@example.org", "helper").await;
    let (a, o) = (&house.accounts, origin());
    a.set_roles(&admin, helper.account, &names(&["participant"]), &o).await.unwrap();
    assert_eq!(word(&a.people(&helper, &PeopleQuery::default(), page()).await), "forbidden");
    a.deactivate_account(&admin, helper.account, &o).await.unwrap();
    assert_eq!(word(&a.people(&helper, &PeopleQuery::default(), page()).await), "sign in first");
}

#[tokio::test]
async fn j_17_new_roles_count_at_once_and_sessions_live_on() {
    let house = staffed();
    let admin = house.staff("root@example.org", "admin").await;
    let id = house.member(EVE).await;
    let signed_in = house.login(EVE, GOOD).await.unwrap();
    house.clock.advance(secs(5));
    house.accounts.set_roles(&admin, id, &names(&["speaker"]), &origin()).await.unwrap();
    let made = house.clock.now().before(secs(5));
    assert!(house.revocations.is_revoked(signed_in.session, id, made), "the token with the old roles ends");
    let renewed = house.refresh(&signed_in.refresh).await.unwrap();
    assert_eq!(renewed.user.roles, [RoleName::parse("speaker").unwrap()]);
}

#[tokio::test]
async fn j_18_a_disabled_or_deleted_account_gets_nothing_more() {
    for delete in [false, true] {
        let house = staffed();
        let admin = house.staff("root@example.org", "admin").await;
        let id = house.member(EVE).await;
        let signed_in = house.login(EVE, GOOD).await.unwrap();
        house.accounts.send_reset(&admin, id, &origin()).await.unwrap();
        if delete {
            house.accounts.delete_account(&admin, id, &origin()).await.unwrap();
        } else {
            house.accounts.deactivate_account(&admin, id, &origin()).await.unwrap();
        }
        assert!(house.revocations.is_revoked(signed_in.session, id, house.clock.now()));
        assert_eq!(
            house.store.live_revocations(house.clock.now()).await.unwrap().len(),
            2,
            "also after a restart"
        );
        assert_eq!(word(&house.refresh(&signed_in.refresh).await), "token");
        let login = house.login(EVE, GOOD).await;
        assert_eq!(word(&login), if delete { "wrong" } else { "deactivated" });
        assert_eq!(house.count("SELECT count(*) FROM codes").await, 0, "the link that was mailed is dead");
        assert!(house.store.open_sessions(id, house.clock.now()).await.unwrap().is_empty());
        let me = Me { account: id, session: signed_in.session, auth_time: house.clock.now(), amr: vec![] };
        assert_eq!(word(&house.accounts.people(&me, &PeopleQuery::default(), page()).await), "sign in first");
    }
}

#[tokio::test]
async fn r_15_an_admin_never_sees_a_secret() {
    let house = staffed();
    let admin = house.staff("root@example.org", "admin").await;
    let invite =
        Invite { email: "New@Example.org".into(), name: "Newman".into(), roles: names(&["organizer"]) };
    let person = house.accounts.invite(&admin, invite.clone(), &origin()).await.unwrap();
    assert_eq!(
        broken(
            house
                .accounts
                .invite(&admin, Invite { email: "root@example.org".into(), ..invite }, &origin())
                .await
        ),
        ["email:taken"]
    );
    let mails = house.mails("invited").await;
    assert_eq!((mails.len(), mails[0].0.as_str()), (1, "new@example.org"));
    let token = mails[0].1.split('/').find(|part| part.len() == 43).expect("a link").to_owned();
    assert!(!format!("{person:?}").contains(&token));
    let trail = house.trail().await;
    assert!(!format!("{trail:?}").contains(&token));
    assert_eq!(
        house.count("SELECT count(*) FROM codes WHERE purpose = 'invite' AND tries_left = 0").await,
        1
    );
    assert!(person.row.verified_at.is_none(), "the link proves the address");
    house.accounts.send_reset(&admin, person.row.id, &origin()).await.unwrap();
    assert_eq!(house.mails("invited").await.len(), 2, "the invitation again");
    let id = house.member(EVE).await;
    house.accounts.send_reset(&admin, id, &origin()).await.unwrap();
    assert_eq!(house.mails("reset").await[0].0, EVE);
}

#[tokio::test]
async fn approvals_grant_what_was_asked_for_once() {
    let house = staffed();
    let admin = house.staff("root@example.org", "admin").await;
    let helper = house.staff("help@example.org", "helper").await;
    for (email, approve) in [("one@example.org", true), ("two@example.org", false)] {
        let asking = Register { role: Some("organizer".into()), ..form(email, GOOD) };
        house.accounts.register(asking, &origin()).await.unwrap();
        let mail = house.activations().await.pop().unwrap();
        house.verify(&mail).await.unwrap();
        let waiting = house.accounts.approvals(&admin, page()).await.unwrap().items;
        assert_eq!((waiting.len(), waiting[0].role.as_str()), (1, "organizer"));
        let id = waiting[0].person.id;
        assert_eq!(word(&house.accounts.decide(&helper, id, true, &origin()).await), "beyond");
        house.accounts.decide(&admin, id, approve, &origin()).await.unwrap();
        assert_eq!(word(&house.accounts.decide(&admin, id, true, &origin()).await), "conflict");
        assert_eq!(house.roles_of(id).await.contains(&"organizer".to_owned()), approve);
    }
    assert_eq!(house.mails("approved").await.len(), 1);
    assert_eq!(house.mails("rejected").await.len(), 1);
}
