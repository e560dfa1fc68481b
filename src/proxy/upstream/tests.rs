//! Which server is chosen, and which addresses a name may have.

use std::collections::HashMap;

use super::*;
use crate::model::{AccountId, SystemEntropy};
use crate::proxy::settings::{Balance, Protocol, Server as Written, UpstreamTls};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

fn upstream(servers: &[(&str, u16)], balance: Balance) -> Upstream {
    let server = |(host, weight): &(&str, u16)| Written {
        host: (*host).to_owned(),
        port: 3000,
        tls: false,
        weight: *weight,
    };
    Upstream {
        name: "app".into(),
        servers: servers.iter().map(server).collect(),
        balance,
        protocol: Protocol::Http1,
        tls: UpstreamTls::default(),
        max_in_flight: 2,
        resolve_every: Duration::from_secs(30),
        connect_timeout: Duration::from_secs(1),
        read_timeout: Duration::from_secs(1),
        write_timeout: Duration::from_secs(1),
        idle_timeout: Duration::from_secs(1),
        identity: crate::gate::IdentityNames::default(),
        assertion: crate::gate::AssertionMode::Off,
        health: None,
    }
}

fn pool(servers: &[(&str, u16)], balance: Balance) -> Pool {
    Pool::new(&upstream(servers, balance), 0, &Metrics::new()).unwrap()
}

fn choose(pool: &Pool, caller: Option<AccountId>, not: Option<&Arc<Server>>) -> Arc<Server> {
    pool.choose(&Wish { caller, client: ClientIp::UNKNOWN, not, now: NOW }).expect("a server")
}

/// How often each address was chosen in `n` turns.
fn shares(pool: &Pool, n: usize) -> HashMap<String, usize> {
    let mut shares = HashMap::new();
    for _ in 0..n {
        *shares.entry(choose(pool, None, None).address.ip().to_string()).or_default() += 1;
    }
    shares
}

const THREE: [(&str, u16); 3] = [("10.0.0.1", 1), ("10.0.0.2", 1), ("10.0.0.3", 2)];

#[test]
fn one_after_the_other_by_weight() {
    let seen = shares(&pool(&THREE, Balance::RoundRobin), 400);
    assert_eq!((seen["10.0.0.1"], seen["10.0.0.2"], seen["10.0.0.3"]), (100, 100, 200));
}

#[test]
fn who_has_the_least_to_do() {
    let pool = pool(&THREE, Balance::LeastRequests);
    let mut held = Vec::new();
    for _ in 0..8 {
        let server = choose(&pool, None, None);
        server.begin();
        held.push(server);
    }
    let of = |ip: &str| held.iter().filter(|s| s.address.ip().to_string() == ip).count();
    assert_eq!((of("10.0.0.1"), of("10.0.0.2"), of("10.0.0.3")), (2, 2, 4), "in relation to their weights");
    held[0].end();
    assert!(Arc::ptr_eq(&choose(&pool, None, None), &held[0]), "the one that has just become free");
}

#[test]
fn idle_servers_take_turns() {
    let seen = shares(&pool(&THREE[..2], Balance::LeastRequests), 10);
    assert_eq!((seen["10.0.0.1"], seen["10.0.0.2"]), (5, 5));
}

#[test]
fn a_person_stays_with_a_server() {
    let pool = pool(&THREE, Balance::UserHash);
    let people: Vec<AccountId> = (0..200).map(|_| AccountId::random(&SystemEntropy)).collect();
    let home: Vec<_> = people.iter().map(|p| choose(&pool, Some(*p), None)).collect();
    for (person, home) in people.iter().zip(&home) {
        assert!((0..5).all(|_| Arc::ptr_eq(&choose(&pool, Some(*person), None), home)));
    }
    let lost = home[0].clone();
    assert!(home.iter().any(|h| !Arc::ptr_eq(h, &lost)), "people are spread");
    // Only the people of a server that is left out go elsewhere, and they come back.
    lost.leave_out(NOW);
    for (person, home) in people.iter().zip(&home) {
        let now = choose(&pool, Some(*person), None);
        assert_eq!(Arc::ptr_eq(&now, home), !Arc::ptr_eq(home, &lost));
    }
    let later = NOW.after(Duration::from_secs(5));
    let wish = Wish { caller: Some(people[0]), client: ClientIp::UNKNOWN, not: None, now: later };
    assert!(Arc::ptr_eq(&pool.choose(&wish).unwrap(), &lost));
}

#[test]
fn who_was_missed_rests_unless_nobody_else_is_there() {
    for balance in [Balance::RoundRobin, Balance::LeastRequests, Balance::UserHash] {
        let pool = pool(&THREE[..2], balance);
        let first = choose(&pool, None, None);
        assert!(
            !Arc::ptr_eq(&choose(&pool, None, Some(&first)), &first),
            "{balance:?}: not the one that failed"
        );
        first.leave_out(NOW);
        for _ in 0..20 {
            assert!(!Arc::ptr_eq(&choose(&pool, None, None), &first), "{balance:?}");
        }
        pool.all().iter().for_each(|s| s.leave_out(NOW));
        choose(&pool, None, None);
        // What a health check says counts more.
        pool.all().iter().for_each(|s| assert!(s.found(false)));
        let wish = Wish { caller: None, client: ClientIp::UNKNOWN, not: None, now: NOW };
        assert!(pool.choose(&wish).is_none(), "{balance:?}");
        assert_eq!(pool.well(), 0);
    }
}

#[test]
fn one_server_is_not_chosen() {
    let one = pool(&THREE[..1], Balance::UserHash);
    assert_eq!(one.only().map(|p| p._address.to_string()).as_deref(), Some("10.0.0.1:3000"));
    assert!(!one.is_watched());
    assert!(pool(&THREE, Balance::UserHash).only().is_none());
}

#[test]
fn a_place_is_free_again_when_its_request_has_ended() {
    let pool = Arc::new(pool(&THREE, Balance::RoundRobin));
    let held = [Seat::take(&pool), Seat::take(&pool)];
    assert!(held.iter().all(Option::is_some) && Seat::take(&pool).is_none());
    drop(held);
    assert!(Seat::take(&pool).is_some());
}

fn at(addresses: &[&str]) -> Vec<std::net::SocketAddr> {
    addresses.iter().map(|ip| std::net::SocketAddr::new(ip.parse().unwrap(), 3000)).collect()
}

fn known(pool: &Pool) -> Vec<String> {
    pool.renew();
    pool.all().iter().map(|s| s.address.ip().to_string()).collect()
}

/// `.invalid` has no addresses (RFC 6761); what a name server says is put in by hand.
#[test]
fn case_5_30_names_keep_their_last_good_addresses() {
    let pool = pool(&[("app.invalid", 1)], Balance::RoundRobin);
    assert!(pool.all().is_empty() && pool.only().is_none() && pool.is_watched());
    let wish = Wish { caller: None, client: ClientIp::UNKNOWN, not: None, now: NOW };
    assert!(pool.choose(&wish).is_none());
    let name = &pool.origins()[0];
    name.told(Ok(at(&["10.0.0.2", "10.0.0.1"])));
    assert_eq!(known(&pool), ["10.0.0.1", "10.0.0.2"]);
    let before = pool.all();
    // Broken, slow, empty, or leading where no application is: nothing changes.
    for said in
        [Err("SERVFAIL".to_owned()), Ok(at(&[])), Ok(at(&["127.0.0.1"])), Ok(at(&["169.254.169.254"]))]
    {
        name.told(said);
        assert_eq!(known(&pool), ["10.0.0.1", "10.0.0.2"]);
    }
    // Another address beside a good one: the good one counts, and a server that stays is the same one.
    name.told(Ok(at(&["::1", "10.0.0.2", "fe80::1", "10.0.0.3", "0.0.0.0", "::ffff:169.254.169.254"])));
    assert_eq!(known(&pool), ["10.0.0.2", "10.0.0.3"]);
    assert!(Arc::ptr_eq(&pool.all()[0], &before[1]));
    name.told(Ok(at(&["10.0.0.9"])));
    assert_eq!(known(&pool), ["10.0.0.9"]);
    assert_eq!(pool.only().map(|p| p._address.to_string()).as_deref(), Some("10.0.0.9:3000"));
}

#[test]
fn a_name_of_this_machine_may_stay_one() {
    let pool = pool(&[("app.invalid", 1)], Balance::RoundRobin);
    let name = &pool.origins()[0];
    name.told(Ok(at(&["127.0.0.1"])));
    name.told(Ok(at(&["127.0.0.2"])));
    assert_eq!(known(&pool), ["127.0.0.2"]);
}

/// N-13: a peer with TLS always has a name to check, and upstreams never share connections.
#[test]
fn n_13_peers_with_tls_have_a_name() {
    let mut settings = upstream(&[("app.example", 1), ("10.0.0.1", 1)], Balance::RoundRobin);
    settings.servers.iter_mut().for_each(|s| s.tls = true);
    for (server, name) in settings.servers.iter().zip(["app.example", "10.0.0.1"]) {
        let peer = peer::template(&settings, server, (7, None));
        assert_eq!((peer.sni.as_str(), peer.group_key), (name, 7));
        assert!(peer.options.verify_cert && peer.options.verify_hostname);
    }
    settings.tls.server_name = Some("other.example".into());
    assert_eq!(peer::template(&settings, &settings.servers[0], (0, None)).sni, "other.example");
}

#[test]
fn authorities_that_cannot_be_read_stop_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let mut settings = upstream(&THREE[..1], Balance::RoundRobin);
    settings.tls.ca = Some(path.clone());
    let refused = || Upstreams::new(&[settings.clone()], &Metrics::new()).err().unwrap().to_string();
    assert!(refused().contains("upstream 'app'"), "{}", refused());
    std::fs::write(&path, "nothing of the kind").unwrap();
    assert!(refused().contains("no certificate"), "{}", refused());
    std::fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    assert!(refused().contains("ca.pem"), "{}", refused());
}
