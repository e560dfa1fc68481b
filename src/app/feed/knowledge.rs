//! When a node may say that it knows of every end there is. Pure: times go in, a moment comes out.
//!
//! Two witnesses, and one is enough. The *store*: whatever had been written when a look into it began is known once its
//! answer has been taken over. The *channel*: every node numbers what it decides, sends it in that order, and says once a
//! second how far it has come; so while all of them are heard and no number is missing, nothing is. That holds only for a
//! subscription that a look into the store has followed, since nobody repeats what was sent before; and one silent node
//! is enough to disbelieve the channel, for it may still write to the store.
//!
//! The last moment at which everything was known is kept by both clocks: the monotonic one stands still while a machine
//! sleeps.

use std::collections::HashMap;
use std::time::Duration;

use super::message::NodeId;
use crate::model::Timestamp;

/// How long what was known may be relied on.
pub(super) const TRUST: Duration = Duration::from_secs(5);
/// A node that has been silent for so long and did not say good-bye is taken for gone.
const GONE: Duration = Duration::from_secs(3600);
/// More nodes than this are not kept apart; the channel then vouches for nothing.
const MAX_NODES: usize = 256;

/// What vouches for the revocations in memory. All times are those of [`crate::model::Clock::monotonic`].
#[derive(Default)]
pub(super) struct Knowledge {
    /// When the last good look into the store began.
    looked: Option<Duration>,
    /// Since when the channel has brought everything.
    whole: Option<Duration>,
    /// Whether a look into the store has begun since then.
    covered: bool,
    nodes: HashMap<NodeId, Node>,
    /// The last moment at which everything was known.
    knew: Option<(Duration, Timestamp)>,
}

/// What is known of another node, or of this one as the channel tells it.
struct Node {
    /// How many ends it had decided when it was last heard; `None`: what it sent since the subscription is not known yet.
    count: Option<u64>,
    heard: Duration,
    /// When all that it had decided had been sent.
    beat: Option<Duration>,
}

impl Knowledge {
    /// A look into the store that began at `at` has been taken over.
    pub(super) fn looked(&mut self, at: Duration) {
        self.looked = self.looked.max(Some(at));
        self.covered |= self.whole.is_some_and(|since| since <= at);
        self.nodes.retain(|_, node| node.heard + GONE > at);
    }

    /// From `at` on the channel brings what is sent.
    pub(super) fn subscribed(&mut self, at: Duration) {
        self.hole(at);
        self.nodes.values_mut().for_each(|node| node.count = None);
    }

    /// The channel is gone.
    pub(super) fn cut_off(&mut self) {
        (self.whole, self.covered) = (None, false);
    }

    /// Something was sent that did not come: only the store has it.
    fn hole(&mut self, at: Duration) {
        (self.whole, self.covered) = (Some(at), false);
    }

    /// A node has sent its `number`th end.
    pub(super) fn end(&mut self, node: NodeId, number: u64, at: Duration) {
        let before = number.saturating_sub(1);
        self.heard(node, before..=number, at);
    }

    /// A node had sent all of the `count` ends that it had decided at `at`.
    pub(super) fn beat(&mut self, node: NodeId, count: u64, at: Duration) {
        if self.heard(node, count..=count, at)
            && let Some(node) = self.nodes.get_mut(&node)
        {
            node.beat = node.beat.max(Some(at));
        }
    }

    /// Takes down a count; false if it is older than what is known. One from which the last does not follow is a hole.
    fn heard(&mut self, node: NodeId, from: std::ops::RangeInclusive<u64>, at: Duration) -> bool {
        let count = *from.end();
        if !self.nodes.contains_key(&node) && self.nodes.len() >= MAX_NODES {
            self.hole(at);
            return false;
        }
        let node = self.nodes.entry(node).or_insert(Node { count: None, heard: at, beat: None });
        node.heard = at.max(node.heard);
        let last = node.count.unwrap_or(count);
        if count < last {
            return false;
        }
        node.count = Some(count);
        if last < *from.start() {
            self.hole(at);
        }
        true
    }

    /// A node stops and decides nothing more.
    pub(super) fn left(&mut self, node: NodeId) {
        self.nodes.remove(&node);
    }

    /// Until when everything is known; `None`: it never was.
    pub(super) fn until(&self) -> Option<Duration> {
        let quietest = self.nodes.values().map(|node| node.beat).min().flatten();
        self.looked.max(quietest.filter(|_| self.covered)).map(|at| at + TRUST)
    }

    /// Takes down the last moment at which everything was known; the clocks show `mono` and `wall`.
    pub(super) fn note(&mut self, mono: Duration, wall: Timestamp) {
        let Some(at) = self.until().map(|until| until.saturating_sub(TRUST)) else { return };
        if self.knew.is_none_or(|(before, _)| before < at) {
            self.knew = Some((at, wall.before(mono.saturating_sub(at))));
        }
    }

    /// How much time has passed since that moment, by the clock that shows more.
    pub(super) fn unknown_for(&self, mono: Duration, wall: Timestamp) -> Duration {
        self.knew.map_or(Duration::ZERO, |(at, shown)| mono.saturating_sub(at).max(wall.since(shown)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId::from_bits(1);
    const B: NodeId = NodeId::from_bits(2);

    fn s(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    /// Subscribed and covered at one second.
    fn listening() -> Knowledge {
        let mut k = Knowledge::default();
        k.subscribed(s(0));
        k.looked(s(1));
        k
    }

    #[test]
    fn the_store_alone_vouches_for_five_seconds() {
        let mut k = Knowledge::default();
        assert_eq!(k.until(), None);
        k.looked(s(10));
        assert_eq!(k.until(), Some(s(15)));
        k.looked(s(9));
        assert_eq!(k.until(), Some(s(15)), "an answer that was overtaken takes nothing back");
    }

    #[test]
    fn the_channel_counts_from_a_look_that_began_after_it() {
        let mut k = Knowledge::default();
        k.looked(s(10));
        k.subscribed(s(11));
        k.beat(A, 0, s(20));
        assert_eq!(k.until(), Some(s(15)), "what was sent between is missing");
        k.looked(s(10));
        assert_eq!(k.until(), Some(s(15)), "that look began before");
        k.looked(s(12));
        assert_eq!(k.until(), Some(s(25)));
        k.beat(A, 0, s(30));
        assert_eq!(k.until(), Some(s(35)), "the store may stay away");
        k.cut_off();
        assert_eq!(k.until(), Some(s(17)));
        k.subscribed(s(40));
        k.beat(A, 7, s(41));
        assert_eq!(k.until(), Some(s(17)), "a new subscription has a hole before it");
        k.looked(s(42));
        k.beat(A, 7, s(43));
        assert_eq!(k.until(), Some(s(48)));
    }

    #[test]
    fn one_silent_node_is_enough_and_one_that_said_good_bye_is_not() {
        let mut k = listening();
        k.beat(A, 0, s(1));
        k.beat(B, 0, s(1));
        k.beat(A, 0, s(60));
        assert_eq!(k.until(), Some(s(6)), "B may have ended something");
        k.left(B);
        assert_eq!(k.until(), Some(s(65)));
        k.end(B, 1, s(66));
        k.beat(A, 0, s(67));
        assert_eq!(k.until(), Some(s(6)), "B has not said that this was all");
        k.beat(A, 0, s(5000));
        k.looked(s(4000));
        assert_eq!(k.until(), Some(s(5005)), "B has been gone for an hour");
    }

    #[test]
    fn a_number_that_is_missing_leaves_it_to_the_store() {
        let mut k = listening();
        k.beat(A, 3, s(50));
        k.end(A, 4, s(51));
        k.end(A, 4, s(51));
        k.beat(A, 4, s(52));
        assert_eq!(k.until(), Some(s(57)));
        k.beat(A, 2, s(58));
        assert_eq!(k.until(), Some(s(57)), "somebody repeats what was said before");
        k.end(A, 6, s(60));
        k.beat(A, 6, s(61));
        assert_eq!(k.until(), Some(s(6)), "the fifth is missing");
        k.looked(s(62));
        assert_eq!(k.until(), Some(s(67)));
        k.beat(A, 7, s(70));
        assert_eq!(k.until(), Some(s(67)), "the seventh is missing");
    }

    #[test]
    fn the_last_moment_of_knowing_outlives_a_hole_and_a_sleep() {
        let wall = |secs| Timestamp::from_secs(1_795_000_000).after(s(secs));
        let mut k = listening();
        k.note(s(1), wall(1));
        k.beat(A, 0, s(50));
        k.note(s(52), wall(52));
        assert_eq!(k.unknown_for(s(60), wall(60)), s(10));
        k.cut_off();
        k.note(s(61), wall(61));
        assert_eq!(k.until(), Some(s(6)));
        assert_eq!(k.unknown_for(s(65), wall(65)), s(15), "it had been told everything until then");
        assert_eq!(k.unknown_for(s(65), wall(3665)), s(3615), "the machine slept");
        assert_eq!(k.unknown_for(s(65), wall(0)), s(15), "a clock was set back");
    }

    #[test]
    fn too_many_nodes_leave_it_to_the_store() {
        let mut k = listening();
        for n in 0..300 {
            k.beat(NodeId::from_bits(n), 0, s(60));
        }
        assert_eq!(k.until(), Some(s(6)));
        assert!(k.nodes.len() <= MAX_NODES);
    }
}
