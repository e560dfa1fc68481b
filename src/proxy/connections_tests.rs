//! Tests of places and who has to give theirs up.

use super::*;
use crate::model::{ManualClock, Timestamp};

struct House {
    all: Arc<Connections>,
    clock: Arc<ManualClock>,
}

fn house(total: usize, trusted: &str) -> House {
    let limits = Limits { connections: total, ..crate::proxy::settings::sample_limits() };
    let clock = Arc::new(ManualClock::at(Timestamp::from_secs(1_795_000_000)));
    let trusted = trusted.parse().into_iter().collect();
    let around: (Arc<dyn Clock>, _) = (clock.clone(), Arc::new(Metrics::new()));
    House { all: Arc::new(Connections::new(&limits, usize::MAX, trusted, around)), clock }
}

impl House {
    /// Somebody who waits from now on.
    fn waiting(&self, ip: &str) -> Place {
        self.clock.advance(Duration::from_millis(100));
        let place = self.all.admit(ClientIp::new(ip.parse().unwrap())).expect("a place");
        place.seat.rest();
        place
    }

    fn open(&self) -> usize {
        self.all.open.load(Ordering::Relaxed)
    }
}

fn is_shown_out(place: &Place) -> bool {
    place.seat.since.load(Ordering::Relaxed) == SHOWN_OUT
}

#[test]
fn who_waits_for_longest_makes_room() {
    let house = house(3, "10.0.0.0/8");
    let places: Vec<Place> = (1..=3).map(|n| house.waiting(&format!("192.0.2.{n}"))).collect();
    // The first asks for something and then waits again: now it waits for the shortest time.
    assert!(places[0].seat.take_up());
    house.clock.advance(Duration::from_millis(1));
    places[0].seat.rest();
    let fourth = house.waiting("192.0.2.4");
    assert_eq!(places.iter().map(is_shown_out).collect::<Vec<_>>(), [false, true, false]);
    assert!(!places[1].seat.take_up(), "too late to ask");
    let _fifth = house.waiting("192.0.2.5");
    assert_eq!(places.iter().map(is_shown_out).collect::<Vec<_>>(), [false, false, true]);
    assert!(!is_shown_out(&fourth));
    drop(places);
    assert_eq!(house.open(), 2);
}

#[test]
fn nobody_is_cut_for_a_newcomer() {
    let house = house(2, "10.0.0.0/8");
    let busy: Vec<Place> = (1..=2).map(|n| house.waiting(&format!("192.0.2.{n}"))).collect();
    assert!(busy.iter().all(|place| place.seat.take_up()));
    let refused = house.all.admit(ClientIp::new("192.0.2.3".parse().unwrap()));
    assert_eq!(refused.err(), Some(Full::House));
    assert_eq!(house.open(), 2, "who was refused is not counted");
    // Somebody is done, and a moment later that is seen.
    busy[0].seat.rest();
    house.clock.advance(FRUITLESS);
    let _third = house.waiting("192.0.2.3");
    assert!(is_shown_out(&busy[0]) && !is_shown_out(&busy[1]));
}

#[test]
fn connections_of_trusted_proxies_go_last() {
    let house = house(2, "10.0.0.0/8");
    let (proxy, person) = (house.waiting("10.0.0.1"), house.waiting("192.0.2.1"));
    let _next = house.waiting("192.0.2.2");
    assert!(is_shown_out(&person) && !is_shown_out(&proxy));
}

/// Also where they were looked up along with those who came before.
#[test]
fn connections_of_trusted_proxies_stay_while_strangers_come() {
    let house = house(3, "10.0.0.0/8");
    let proxies = [house.waiting("10.0.0.1"), house.waiting("10.0.0.2")];
    let mut last = house.waiting("192.0.2.1");
    for n in 2..9 {
        let next = house.waiting(&format!("192.0.2.{n}"));
        assert!(is_shown_out(&last), "{n}");
        last = next;
    }
    assert!(!proxies.iter().any(is_shown_out));
}

#[test]
fn a_crowd_is_shown_out_in_its_order() {
    let house = house(300, "10.0.0.0/8");
    let first: Vec<Place> =
        (0..300).map(|n| house.waiting(&format!("192.0.{}.{}", n / 100, n % 100))).collect();
    for n in 0..200 {
        let newcomer = house.waiting(&format!("198.51.100.{n}"));
        assert_eq!(first.iter().filter(|p| is_shown_out(p)).count(), n + 1);
        assert!(first[..=n].iter().all(is_shown_out), "{n}");
        // It is busy for ever, and in nobody's way.
        assert!(newcomer.seat.take_up());
        std::mem::forget(newcomer);
    }
}

#[tokio::test]
async fn whoever_waits_hears_that_it_has_to_leave() {
    let house = house(1, "10.0.0.0/8");
    let place = house.waiting("192.0.2.1");
    assert_eq!(place.seat.wait_for(std::future::ready(7)).await, Some(7), "asked in time");
    let seat = place.seat.clone();
    let waits = tokio::spawn(async move { seat.wait_for(std::future::pending::<()>()).await });
    while place.seat.since.load(Ordering::Relaxed) == BUSY {
        tokio::task::yield_now().await;
    }
    let _next = house.waiting("192.0.2.2");
    assert_eq!(waits.await.unwrap(), None);
}
