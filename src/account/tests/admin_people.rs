//! Lists for those who look after accounts, and the admin who must stay.

use super::super::admin::Paging;
use super::*;

async fn emails(house: &House, me: &Me, query: &PeopleQuery) -> Vec<String> {
    let (mut found, mut paging) = (Vec::new(), Paging { cursor: None, limit: 2 });
    loop {
        let page = house.accounts.people(me, query, paging.clone()).await.unwrap();
        assert!(page.items.len() <= 2);
        found.extend(page.items.iter().map(|p| p.email.to_string()));
        match page.next {
            Some(next) => paging.cursor = Some(next),
            None => return found,
        }
    }
}

#[tokio::test]
async fn people_are_found_sorted_and_paged_in_every_way() {
    let house = admin::staffed();
    let me = house.staff("root@example.org", "admin").await;
    for (n, email) in ["b@example.org", "a@example.org", "c@example.org", "b2@example.org"].iter().enumerate()
    {
        house.clock.advance(secs(1));
        let wanted = CreateUser {
            email: (*email).into(),
            name: format!("Person {}", 9 - n),
            roles: vec![],
            password: Secret::new(GOOD),
        };
        house.accounts.create_user(wanted).await.unwrap();
    }
    let all = |sort, descending| PeopleQuery { sort, descending, ..PeopleQuery::default() };
    let by_email = ["a@example.org", "b2@example.org", "b@example.org", "c@example.org", "root@example.org"];
    assert_eq!(emails(&house, &me, &all(PeopleSort::Email, false)).await, by_email);
    let mut back = emails(&house, &me, &all(PeopleSort::Email, true)).await;
    back.reverse();
    assert_eq!(back, by_email);
    let made = ["root@example.org", "b@example.org", "a@example.org", "c@example.org", "b2@example.org"];
    assert_eq!(emails(&house, &me, &all(PeopleSort::Created, false)).await, made);
    let named = ["root@example.org", "b2@example.org", "c@example.org", "a@example.org", "b@example.org"];
    assert_eq!(emails(&house, &me, &all(PeopleSort::Name, false)).await, named);
    let search =
        |q: &str| PeopleQuery { search: q.into(), sort: PeopleSort::Email, ..PeopleQuery::default() };
    assert_eq!(emails(&house, &me, &search("B")).await, ["b2@example.org", "b@example.org"]);
    assert_eq!(emails(&house, &me, &search("person 9")).await, ["b@example.org"]);
    assert!(emails(&house, &me, &search("' OR 1=1 --")).await.is_empty());
    assert!(emails(&house, &me, &search("%")).await.is_empty());
    let of_role = |role: &str| PeopleQuery { role: RoleName::parse(role).ok(), ..search("") };
    assert_eq!(emails(&house, &me, &of_role("admin")).await, ["root@example.org"]);
    assert_eq!(emails(&house, &me, &of_role("participant")).await.len(), 4);
}

#[tokio::test]
async fn people_are_found_by_what_keeps_them_out() {
    let house = admin::staffed();
    let me = house.staff("root@example.org", "admin").await;
    let off = house.member("off@example.org").await;
    house.accounts.deactivate_account(&me, off, &origin()).await.unwrap();
    house.member("locked@example.org").await;
    for _ in 0..5 {
        let _ = house.login("locked@example.org", "Wrong-Horse-7").await;
    }
    let asking = Register { role: Some("organizer".into()), ..form("new@example.org", GOOD) };
    house.accounts.register(asking, &origin()).await.unwrap();
    let closed = house.member("closed@example.org").await;
    let sql = "UPDATE accounts SET delete_at = 1 WHERE id = $1";
    house.store.write(sql, vec![closed.into()]).await.unwrap();
    let expected = [
        (PersonState::Active, vec!["locked@example.org", "root@example.org"]),
        (PersonState::Unverified, vec!["new@example.org"]),
        (PersonState::Disabled, vec!["off@example.org"]),
        (PersonState::Closed, vec!["closed@example.org"]),
        (PersonState::Locked, vec!["locked@example.org"]),
        (PersonState::Waiting, vec!["new@example.org"]),
    ];
    for (state, who) in expected {
        let query = PeopleQuery { state: Some(state), sort: PeopleSort::Email, ..PeopleQuery::default() };
        assert_eq!(emails(&house, &me, &query).await, who, "{state:?}");
        let found = PeopleQuery { search: who[0].into(), ..query };
        assert_eq!(emails(&house, &me, &found).await, who[..1], "{state:?}");
    }
    let locked =
        house.store.account_by_email(&crate::model::Email::parse("locked@example.org").unwrap()).await;
    let id = locked.unwrap().unwrap().id;
    assert!(house.accounts.person(&me, id).await.unwrap().row.locked_until.is_some());
    house.accounts.unlock_account(&me, id, &origin()).await.unwrap();
    house.login("locked@example.org", GOOD).await.unwrap();
}

#[tokio::test]
async fn tries_audit_lines_and_mails_are_paged_and_filtered() {
    let house = admin::staffed();
    let me = house.staff("root@example.org", "admin").await;
    house.member(MINE).await;
    for n in 0..5 {
        house.clock.advance(secs(1));
        let password = if n == 2 { GOOD } else { "Wrong-Horse-7" };
        let _ = house.login_from(MINE, password, &from("198.51.100.9")).await;
    }
    let a = &house.accounts;
    let paging = Paging { cursor: None, limit: 3 };
    let query = AttemptQuery { ip: Some(from("198.51.100.9").ip), ..AttemptQuery::default() };
    let first = a.attempts(&me, &query, paging.clone()).await.unwrap();
    let rest = a.attempts(&me, &query, Paging { cursor: first.next.clone(), limit: 3 }).await.unwrap();
    assert_eq!((first.items.len(), rest.items.len(), rest.next.is_none()), (3, 2, true));
    assert!(first.items[0].at > rest.items[1].at, "the newest first");
    let failures = AttemptQuery { outcome: Some("failure"), ..query.clone() };
    assert_eq!(a.all_attempts(&me, &failures).await.unwrap().len(), 4);
    let span = Span { from: Some(house.clock.now()), to: None };
    assert_eq!(a.all_attempts(&me, &AttemptQuery { span, ..query }).await.unwrap().len(), 1);
    let created = AuditQuery { action: Some("account.created".into()), ..AuditQuery::default() };
    assert_eq!(a.whole_audit_trail(&me, &created).await.unwrap().len(), 2);
    let by_me = AuditQuery { actor: Some(me.account.to_string()), ..AuditQuery::default() };
    assert!(a.whole_audit_trail(&me, &by_me).await.unwrap().is_empty());

    house.register("new@example.org", GOOD).await.unwrap();
    let mails = a.mails(&me, Some(MailState::Waiting), paging.clone()).await.unwrap().items;
    assert_eq!((mails.len(), mails[0].kind.as_str()), (1, "activation"));
    house.store.write("UPDATE outbox SET state = 'dead', tries = 9", Vec::new()).await.unwrap();
    a.retry_mail(&me, &mails[0].id, &origin()).await.unwrap();
    assert!(
        house.store.lease_mail(house.clock.now(), house.clock.now().after(secs(60))).await.unwrap().is_some()
    );
    assert_eq!(word(&a.retry_mail(&me, &mails[0].id, &origin()).await), "conflict", "it is being sent");
    assert_eq!(word(&a.retry_mail(&me, "nothing", &origin()).await), "not found");
}

#[tokio::test]
async fn the_last_admin_stays() {
    let house = admin::staffed();
    let me = house.staff("root@example.org", "admin").await;
    let (a, o, id) = (&house.accounts, origin(), me.account);
    let kept = [
        a.deactivate_account(&me, id, &o).await,
        a.delete_account(&me, id, &o).await,
        a.set_roles(&me, id, &["participant".into()], &o).await,
    ];
    for result in kept {
        assert!(matches!(result, Err(Error::Conflict("last-admin", _))), "{result:?}");
    }
    let other = house.staff("two@example.org", "admin").await;
    a.deactivate_account(&me, other.account, &o).await.unwrap();
    assert!(
        matches!(a.delete_account(&me, id, &o).await, Err(Error::Conflict("last-admin", _))),
        "the other is off"
    );
    a.activate_account(&me, other.account, &o).await.unwrap();
    a.set_roles(&me, id, &["participant".into()], &o).await.unwrap();
    assert_eq!(house.roles_of(id).await, ["participant"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_admins_who_remove_each_other_one_stays() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..12 {
        let house =
            House::at(folder.path().join(format!("{round}.db")), Timestamp::from_secs(1_800_000_000), |_| ());
        let pair =
            [house.staff("one@example.org", "admin").await, house.staff("two@example.org", "admin").await];
        let results = parallel(2, |n| {
            let (accounts, me, other) = (Arc::clone(&house.accounts), pair[n].clone(), pair[1 - n].account);
            async move {
                match round % 3 {
                    0 => accounts.set_roles(&me, other, &["participant".into()], &origin()).await,
                    1 => accounts.deactivate_account(&me, other, &origin()).await,
                    _ => accounts.delete_account(&me, other, &origin()).await,
                }
            }
        })
        .await;
        let left = house.store.has_admin(&house.accounts.settings.admin_roles(), None).await.unwrap();
        assert!(left, "{results:?}");
        assert!(results.iter().filter(|r| r.is_ok()).count() <= 1, "{results:?}");
    }
}
