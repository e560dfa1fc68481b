//! Group I, second half: odd values, broken credentials, parallel people, and what of ours stays with us.

use crate::support::{Browser, PASSWORD, Person, TestApp, Upstream, get, until};

/// What no form lets in can still be in a store: the token is made by the gateway's own key.
#[test]
fn i_08_values_cannot_break_out_of_their_field() {
    let app = TestApp::start();
    let user = app.person("user");
    for name in [
        "a\r\nX-Auth-Roles: admin",
        "a\nX-Auth-Roles: admin",
        "a\rb",
        "a\0b",
        "\u{7f}",
        "é",
        "名前",
        "100%",
        "%0d%0aX-Auth-Roles: admin",
        "a, b; c=\"d\"",
        "a\u{85}b\u{2028}c",
        "\t",
        "🎭",
    ] {
        let odd = app.minted(&user, |grant| grant.name = name.into());
        let seen = app.case(Some(&odd), get("/api/x", &odd.bearer())).allowed();
        assert_eq!(seen.at_upstream().all("x-auth-roles"), ["user"], "{name:?}");
    }
    // Far too long for any head: refused in some way, or passed on whole; never cut, never two headers.
    let long = app.minted(&user, |grant| grant.name = "é".repeat(35 * 1024));
    let seen = app.case(Some(&long), get("/api/x", &long.bearer()));
    assert!(seen.forwarded.is_empty(), "a token of {} bytes", long.access.len());
    assert!(matches!(seen.answer().status, 401 | 431 | 500), "{}", seen.answer().status);
}

#[test]
fn i_08_names_from_a_real_registration() {
    let app = TestApp::start();
    for (at, name) in
        ["Zoë Ångström", "山田 太郎", "O'Brien, \"Pat\" 100%", "Ада Лавлейс; admin", "🎭 Thespis"]
            .into_iter()
            .enumerate()
    {
        let email = format!("real-{at}@example.org");
        let body = serde_json::json!({ "name": name, "email": email, "password": PASSWORD, "password_confirm": PASSWORD });
        let answer = app.post_json("/register/", "", &body);
        assert_eq!(answer.status, 202, "{}", answer.text());
        let mail = app.mail_to(&email, 0);
        let link = mail.text.split_whitespace().find(|w| w.contains("/verify-email/")).expect("a link");
        let path = link.strip_prefix(&format!("{}/auth", app.public_url())).expect("of ours");
        assert_eq!(app.post_json(path, "", &serde_json::json!({})).status, 200);
        let person = app.sign_in(&email);
        assert_eq!(person.name, name);
        app.case(Some(&person), get("/api/x", &person.bearer())).allowed();
    }
    let split = serde_json::json!({
        "name": "a\r\nX-Auth-Roles: admin", "email": "split@example.org", "password": PASSWORD, "password_confirm": PASSWORD,
    });
    assert_eq!(app.post_json("/register/", "", &split).status, 422);
}

#[test]
fn i_09_broken_credentials_are_never_half_an_identity() {
    let app = TestApp::start();
    let user = app.person("user");
    let token = &user.access;
    let expired = app.expired(&user);
    let cut = &token[..token.len() - 4];
    for credentials in [
        "Cookie: stagedoor_access=%%%\r\n".to_owned(),
        "Cookie: stagedoor_access=\r\n".to_owned(),
        "Cookie: session=%%%\r\n".to_owned(),
        "Cookie: \u{fffd}\r\n".to_owned(),
        "Authorization: Bearer\r\n".to_owned(),
        "Authorization: Bearer \r\n".to_owned(),
        "Authorization: Bearer a.b\r\n".to_owned(),
        "Authorization: Bearer a.b.c\r\n".to_owned(),
        "Authorization: Bearer ..\r\n".to_owned(),
        format!("Authorization: Bearer {cut}\r\n"),
        format!("Authorization: Bearer {token} {token}\r\n"),
        format!("Authorization: Bearer {token},{token}\r\n"),
        format!("Authorization: Bearer \"{token}\"\r\n"),
        format!("Authorization: {token}\r\n"),
        format!("Authorization: Basic {token}\r\n"),
        format!("Authorization: Bearer\t{token}\r\n"),
        format!("Authorization: Bearer {token}\r\nAuthorization: Bearer {token}\r\n"),
        format!("Authorization: Bearer {token}\r\nAuthorization: Basic dTpw\r\n"),
        format!("Authorization: Bearer {token}\r\nCookie: stagedoor_access=x.y.z\r\n"),
        format!("Authorization_: Bearer {token}\r\n"),
        expired.bearer(),
        format!("Cookie: stagedoor_access={token}; stagedoor_access=x\r\n"),
    ] {
        app.case(None, get("/api/x", &credentials)).denied();
        app.case(None, get("/admin/x", &credentials)).denied();
        let before = app.upstream().count();
        // Anonymous, or refused as a broken token; the identity is asserted here, the leak of the rest of the field
        // (which is the client's own) is not.
        let answer = app.ask(get("/public/x", &credentials));
        assert!(matches!(answer.status, 200 | 400 | 401), "{credentials:?}: {}", answer.status);
        for seen in app.upstream().since(before) {
            assert!(
                seen.fields.iter().all(|(n, _)| !n.starts_with("x-auth-")),
                "half an identity after {credentials:?}"
            );
        }
    }
    app.case(Some(&user), get("/api/x", &format!("Authorization: bearer {token}\r\n"))).allowed();
    app.case(Some(&user), get("/api/x", &format!("authorization: BEARER   {token}\r\n"))).allowed();
}

#[test]
fn i_11_parallel_people_are_never_mixed_up() {
    let app = TestApp::start();
    let people: Vec<Person> = (0..20)
        .map(|n| app.named_person(if n % 4 == 0 { "admin" } else { "user" }, &format!("Person {n:02}x")))
        .collect();
    std::thread::scope(|scope| {
        for (lane, _) in people.iter().enumerate() {
            let (app, people) = (&app, &people);
            scope.spawn(move || {
                let mut client = app.connect();
                for turn in 0..20 {
                    let who = (lane * 7 + turn) % people.len();
                    client.send(get(&format!("/api/{who}/{lane}/{turn}"), &people[who].bearer()));
                    let answer = client.answer().expect("an answer");
                    assert_eq!(answer.status, 200, "{}", answer.text());
                }
            });
        }
    });
    let all = app.upstream().since(0);
    assert_eq!(all.len(), 400);
    for seen in all {
        let who: usize = seen.target.split('/').nth(2).unwrap().parse().unwrap();
        assert_eq!(seen.field("x-auth-user-id"), Some(people[who].id.to_string()), "{}", seen.target);
        assert_eq!(seen.field("x-auth-session"), Some(people[who].session.to_string()), "{}", seen.target);
        assert_eq!(seen.field("x-auth-roles"), Some(people[who].roles.join(",")), "{}", seen.target);
    }
}

#[test]
fn i_14_our_credentials_never_reach_the_upstream() {
    let app = TestApp::with(|setup| {
        setup.route("{ path: /api/forward/**, upstream: app, forward_token: true }");
    });
    let user = app.person("user");
    let Person { access, refresh, .. } = &user;
    // That no token is in what the upstream got is asserted by `case` (they are canaries).
    app.case(Some(&user), get("/api/x", &user.bearer())).allowed();
    app.case(Some(&user), get("/public/x", &user.bearer())).allowed();
    let cookies = format!(
        "Cookie: a=1; stagedoor_access={access}; b=2; stagedoor_refresh={refresh}\r\nCookie: __Host-stagedoor_refresh={refresh}; c=3\r\n"
    );
    let seen = app.case(Some(&user), get("/api/x", &cookies)).allowed();
    assert_eq!(
        seen.at_upstream().all("cookie").join("; "),
        "a=1; b=2; c=3",
        "the application's own cookies stay"
    );
    let seen = app.case(Some(&user), get("/api/x", &user.cookies())).allowed();
    assert_eq!(seen.at_upstream().all("cookie"), Vec::<String>::new());
    app.case(
        None,
        get("/public/x", &format!("Cookie: STAGEDOOR_ACCESS={access}; __host-stagedoor_access={access}\r\n")),
    )
    .allowed();
    // The upstream's own way of signing in is none of our business.
    let seen = app.case(None, get("/public/x", "Authorization: Basic dTpw\r\n")).allowed();
    assert_eq!(seen.at_upstream().field("authorization").as_deref(), Some("Basic dTpw"));
    // Where the route says so, and only the access token.
    let answer = app.ask(get("/api/forward/x", &user.bearer()));
    assert_eq!(answer.status, 200);
    assert_eq!(app.upstream().last().field("authorization"), Some(format!("Bearer {access}")));
}

/// A bearer token that is not ours is taken for a bad one of ours. An application that checks its own needs a public
/// path and `forward_token`.
#[test]
fn i_14_somebody_elses_bearer_token_goes_on_where_the_path_is_public_and_the_route_says_so() {
    let app = TestApp::with(|setup| {
        for path in ["/api/forward/**", "/public/forward/**"] {
            setup.route(&format!("{{ path: {path}, upstream: app, forward_token: true }}"));
        }
    });
    let user = app.person("user");
    let theirs = "Authorization: Bearer gh-0123.abc\r\n";
    let seen = app.case(None, get("/public/x", theirs)).allowed();
    assert_eq!(seen.at_upstream().field("authorization"), None);
    let seen = app.case(None, get("/public/forward/x", theirs)).allowed();
    assert_eq!(seen.at_upstream().field("authorization").as_deref(), Some("Bearer gh-0123.abc"));
    app.case(None, get("/api/forward/x", theirs)).denied();
    // Beside our cookie it is a second credential.
    app.case(None, get("/api/forward/x", &format!("{theirs}{}", user.cookies()))).denied();
}

/// `forward_token` is about the access token; the refresh token makes new ones, and is for nobody but us.
#[test]
fn i_14_a_refresh_token_is_never_forwarded() {
    let app = TestApp::with(|setup| {
        setup.route("{ path: /api/forward/**, upstream: app, forward_token: true }");
    });
    let user = app.person("user");
    let cookies =
        format!("Cookie: a=1; stagedoor_access={}; stagedoor_refresh={}\r\n", user.access, user.refresh);
    assert_eq!(app.ask(get("/api/forward/x", &cookies)).status, 200);
    let head = String::from_utf8_lossy(&app.upstream().last().head).into_owned();
    assert!(!head.contains(user.refresh.as_str()), "the upstream got the refresh token: {head}");
    assert!(head.contains(user.access.as_str()), "the route asks for the access token: {head}");
}

#[test]
fn i_14_a_token_in_the_query_is_no_credential() {
    let app = TestApp::start();
    let user = app.person("user");
    app.case(None, get(&format!("/api/x?access_token={}", user.access), "")).denied();
    app.case(None, get(&format!("/admin/x?token={}", user.access), "")).denied();
}

/// Nothing of ours goes on to the upstream, not even where a client put it into the query.
#[test]
fn i_14_a_token_in_the_query_does_not_reach_the_upstream() {
    let app = TestApp::start();
    let user = app.person("user");
    app.case(None, get(&format!("/public/x?a=1&access_token={}&b=2", user.access), "")).same();
}

/// What is remembered of a token is that it is genuine, never what it was good for: each rule asks anew (I-12).
#[test]
fn i_12_a_token_that_is_remembered_opens_no_other_door() {
    let upstream = Upstream::start();
    let server = upstream.address();
    let app = TestApp::in_front_of(upstream, |setup| {
        setup.upstream("other", &format!("{{ servers: ['http://{server}'] }}"));
        setup.route("{ host: other.test, path: /**, upstream: other }");
        setup.rule("{ path: /api/**, host: staff.test, allow: { role: admin } }");
    });
    let (user, admin) = (app.person("user"), app.person("admin"));
    let to = |host: &str, path: &str, person: &Person| {
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{}\r\n", person.bearer())
    };
    let audience = |head: &str| {
        let answer = app.ask(head);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let assertion = app.upstream().last().field("x-auth-assertion").expect("an assertion");
        crate::jwt_forge::payload_of(&assertion)["aud"].as_str().unwrap_or_default().to_owned()
    };
    for _ in 0..3 {
        app.case(Some(&user), to("localhost", "/api/x", &user)).allowed();
        app.case(Some(&user), to("localhost", "/admin/x", &user)).denied();
        app.case(Some(&user), to("staff.test", "/api/x", &user)).denied();
        app.case(Some(&user), to("localhost", "/mfa/x", &user)).denied();
        app.case(Some(&admin), to("localhost", "/admin/x", &admin)).allowed();
        app.case(Some(&admin), to("staff.test", "/api/x", &admin)).allowed();
        app.case(Some(&admin), to("localhost", "/mfa/x", &admin)).denied();
        // An assertion that is remembered is one for this upstream.
        assert_eq!(audience(&to("localhost", "/api/x", &user)), "app");
        assert_eq!(audience(&to("other.test", "/api/x", &user)), "other");
    }
    // A token of which one byte differs is another one.
    let mut other = user.clone();
    let last = if other.access.ends_with('A') { 'B' } else { 'A' };
    other.access.pop();
    other.access.push(last);
    assert_eq!(app.case(None, to("localhost", "/api/x", &other)).denied().answer().status, 401);
    // What was remembered does not outlive the session, nor the key.
    let answer =
        Browser::of(&app, &user).fetch("POST", "/auth/logout/", "Content-Type: application/json\r\n", b"{}");
    assert_eq!(answer.status, 204, "{}", answer.text());
    assert_eq!(app.case(None, to("localhost", "/api/x", &user)).denied().answer().status, 401);
    app.case(Some(&admin), to("localhost", "/api/x", &admin)).allowed();
    let keys = app.ask(get("/auth/.well-known/jwks.json", "")).json();
    let successor = app.revoke_key(keys["keys"][0]["kid"].as_str().expect("a name"));
    until("the other key", || {
        let keys = app.ask(get("/auth/.well-known/jwks.json", "")).json();
        (keys["keys"][0]["kid"] == successor.as_str()).then_some(())
    });
    assert_eq!(app.case(None, to("localhost", "/api/x", &admin)).denied().answer().status, 401);
}
