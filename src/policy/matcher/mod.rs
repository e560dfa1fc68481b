//! The index over patterns: a trie with a hash map for the literals of each node, so that the cost
//! of a look-up depends on the path, not on the number of patterns.

mod host;

pub(super) use host::{ByHost, bare_lower, host_name};

use ahash::AHashMap;

use super::pattern::Segment;

/// An index from pattern to `T`.
#[derive(Clone, Debug)]
pub(super) struct Trie<T> {
    nodes: Vec<Node<T>>,
}

#[derive(Clone, Debug)]
struct Node<T> {
    literals: AHashMap<Box<[u8]>, usize>,
    capture: Option<usize>,
    one: Option<usize>,
    /// The payload of the pattern that ends here.
    here: Option<T>,
    /// The payload of the pattern that goes on with `**`.
    below: Option<T>,
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self { literals: AHashMap::new(), capture: None, one: None, here: None, below: None }
    }
}

impl<T> Default for Trie<T> {
    fn default() -> Self {
        Self { nodes: vec![Node::default()] }
    }
}

impl<T> Trie<T> {
    /// The place of a pattern's payload; patterns that differ in names of captures only share it.
    pub(super) fn slot(&mut self, segments: &[Segment]) -> &mut Option<T> {
        let mut at = 0;
        for segment in segments {
            let fresh = self.nodes.len();
            let node = &mut self.nodes[at];
            let next = match segment {
                Segment::Literal(text) => *node.literals.entry(text.as_bytes().into()).or_insert(fresh),
                Segment::Capture(_) => *node.capture.get_or_insert(fresh),
                Segment::One => *node.one.get_or_insert(fresh),
                Segment::Rest => return &mut self.nodes[at].below,
            };
            if next == fresh {
                self.nodes.push(Node::default());
            }
            at = next;
        }
        &mut self.nodes[at].here
    }

    /// Offers the payloads of all patterns that match `path` to `accept`, the most specific first,
    /// until it takes one.
    pub(super) fn find<'t, R>(
        &'t self,
        path: &[u8],
        mut accept: impl FnMut(&'t T) -> Option<R>,
    ) -> Option<R> {
        let rest = path.strip_prefix(b"/").unwrap_or(path);
        self.walk(0, rest, &mut accept)
    }

    /// The depth of the recursion is bounded by the longest pattern, not by the path.
    fn walk<'t, R>(
        &'t self,
        at: usize,
        rest: &[u8],
        accept: &mut impl FnMut(&'t T) -> Option<R>,
    ) -> Option<R> {
        let node = &self.nodes[at];
        if rest.is_empty() {
            return node
                .here
                .as_ref()
                .and_then(&mut *accept)
                .or_else(|| node.below.as_ref().and_then(accept));
        }
        if node.literals.is_empty() && node.capture.is_none() && node.one.is_none() {
            return node.below.as_ref().and_then(accept);
        }
        let end = rest.iter().position(|b| *b == b'/').unwrap_or(rest.len());
        let tail = rest.get(end + 1..).unwrap_or_default();
        for next in [node.literals.get(&rest[..end]).copied(), node.capture, node.one].into_iter().flatten() {
            let taken = self.walk(next, tail, accept);
            if taken.is_some() {
                return taken;
            }
        }
        node.below.as_ref().and_then(accept)
    }
}
