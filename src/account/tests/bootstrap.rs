//! The first admin.

use super::*;

fn first(token: &str, email: &str) -> Bootstrap {
    Bootstrap {
        token: Secret::new(token),
        name: "Ada Admin".into(),
        email: email.into(),
        password: Secret::new(GOOD),
        password_confirm: Secret::new(GOOD),
    }
}

async fn token(house: &House) -> String {
    let link = house.accounts.bootstrap_link().await.unwrap().expect("no admin yet");
    let (page, token) = link.expose().split_once('#').unwrap();
    assert_eq!(page, "https://gate.example/auth/bootstrap/");
    token.to_owned()
}

#[tokio::test]
async fn l_20_the_link_makes_one_admin_and_no_second() {
    let house = House::new();
    house.member(MINE).await;
    let token = token(&house).await;
    assert_eq!(token.len(), 43);
    for wrong in ["", "x", &token[1..], &"A".repeat(43)] {
        assert_eq!(
            word(&house.accounts.bootstrap(first(wrong, "root@example.org"), &origin()).await),
            "token"
        );
    }
    let weak = Bootstrap { password: Secret::new("short"), ..first(&token, "root@example.org") };
    let problems = broken(house.accounts.bootstrap(weak, &origin()).await);
    assert!(problems.contains(&"password:too_short".to_owned()), "{problems:?}");
    assert_eq!(broken(house.accounts.bootstrap(first(&token, MINE), &origin()).await), ["email:taken"]);
    house.accounts.bootstrap(first(&token, "root@example.org"), &origin()).await.unwrap();
    let signed_in = house.login("root@example.org", GOOD).await.unwrap();
    assert_eq!(signed_in.user.permissions, ["*"]);
    assert_eq!(word(&house.accounts.bootstrap(first(&token, "two@example.org"), &origin()).await), "token");
    assert!(house.accounts.bootstrap_link().await.unwrap().is_none());
    assert_eq!(house.count("SELECT count(*) FROM audit WHERE action = 'account.bootstrapped'").await, 1);
}

#[tokio::test]
async fn l_20_an_admin_made_otherwise_ends_it() {
    let house = House::new();
    let token = token(&house).await;
    assert_eq!(
        house.accounts.bootstrap_link().await.unwrap().unwrap().expose().split_once('#').unwrap().1,
        token
    );
    house.staff("root@example.org", "admin").await;
    assert_eq!(word(&house.accounts.bootstrap(first(&token, "two@example.org"), &origin()).await), "token");
    assert!(house.accounts.bootstrap_link().await.unwrap().is_none());
}

#[tokio::test]
async fn l_20_no_role_with_every_permission_no_link() {
    let house = House::with(|s| s.roles.retain(|r| r.name.as_str() != "admin"));
    assert!(house.accounts.bootstrap_link().await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn l_20_two_nodes_print_one_link_and_of_many_at_once_one_wins() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shared.db");
    let now = Timestamp::from_secs(1_800_000_000);
    let nodes = [House::at(path.clone(), now, |_| ()), House::at(path, now, |_| ())];
    let token = token(&nodes[0]).await;
    assert_eq!(self::token(&nodes[1]).await, token);
    let results = parallel(8, |n| {
        let (accounts, wanted) =
            (Arc::clone(&nodes[n % 2].accounts), first(&token, &format!("root{n}@example.org")));
        async move { accounts.bootstrap(wanted, &origin()).await }
    })
    .await;
    assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 1, "{results:?}");
    let admins = "SELECT count(*) FROM account_roles WHERE role = 'admin'";
    assert_eq!(nodes[0].count(admins).await, 1);
}
