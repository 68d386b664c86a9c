//! The filters in use: a tree by levels, each filter with its channel and the number of its subscriptions.
//!
//! A filter leaves with its last subscription and gives its channel back, so neither this tree nor the router grows with
//! the filters that ever were.

use std::collections::HashMap;

/// The number of a channel; the router knows it as `t/<number>`.
pub(super) type Channel = u32;

/// Filters deeper than this are refused, which bounds the recursion below.
pub(super) const MAX_LEVELS: usize = 128;

/// All filters in use.
#[derive(Debug, Default)]
pub(super) struct Filters {
    root: Node,
    free: Vec<Channel>,
    next: Channel,
    live: usize,
}

#[derive(Debug, Default)]
struct Node {
    below: HashMap<Box<str>, Node>,
    filter: Option<InUse>,
}

#[derive(Debug)]
struct InUse {
    channel: Channel,
    subscriptions: usize,
}

impl Filters {
    /// Filters in use.
    pub(super) fn len(&self) -> usize {
        self.live
    }

    /// Counts one more subscription to the filter; `None` when it would be one filter more than `max`.
    pub(super) fn enter(&mut self, filter: &str, max: usize) -> Option<Channel> {
        if let Some(known) = self.root.find(filter) {
            known.subscriptions += 1;
            return Some(known.channel);
        }
        if self.live >= max {
            return None;
        }
        let channel = self.free.pop().unwrap_or_else(|| {
            self.next += 1;
            self.next
        });
        let mut node = &mut self.root;
        for level in filter.split('/') {
            node = node.below.entry(level.into()).or_default();
        }
        node.filter = Some(InUse { channel, subscriptions: 1 });
        self.live += 1;
        Some(channel)
    }

    /// Counts one subscription less.
    pub(super) fn leave(&mut self, filter: &str) {
        let Some(known) = self.root.find(filter) else { return };
        known.subscriptions -= 1;
        if known.subscriptions == 0 {
            self.free.push(known.channel);
            self.live -= 1;
            self.root.remove(filter.split('/'));
        }
    }

    /// The channels of all filters that match the topic.
    pub(super) fn matching(&self, topic: &str) -> Vec<Channel> {
        let mut found = Vec::new();
        // A wildcard in the first level does not reach topics that begin with `$`.
        let wild = !topic.starts_with('$');
        self.root.collect(topic.split('/'), wild, &mut found);
        found
    }
}

impl Node {
    fn find(&mut self, filter: &str) -> Option<&mut InUse> {
        let mut node = self;
        for level in filter.split('/') {
            node = node.below.get_mut(level)?;
        }
        node.filter.as_mut()
    }

    /// Forgets the filter, and every node that is there for nothing else.
    fn remove(&mut self, mut levels: std::str::Split<'_, char>) {
        let Some(level) = levels.next() else {
            self.filter = None;
            return;
        };
        if let Some(node) = self.below.get_mut(level) {
            node.remove(levels);
            if node.below.is_empty() && node.filter.is_none() {
                self.below.remove(level);
            }
        }
    }

    fn collect(&self, mut levels: std::str::Split<'_, char>, wild: bool, found: &mut Vec<Channel>) {
        let add = |node: Option<&Node>, found: &mut Vec<Channel>| {
            found.extend(node.and_then(|node| node.filter.as_ref()).map(|filter| filter.channel));
        };
        // `a/#` also matches `a`.
        if wild {
            add(self.below.get("#"), found);
        }
        let Some(level) = levels.next() else {
            add(Some(self), found);
            return;
        };
        if let Some(node) = self.below.get(level) {
            node.collect(levels.clone(), true, found);
        }
        if wild && let Some(node) = self.below.get("+") {
            node.collect(levels, true, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::front::codec::text;

    #[test]
    fn a_channel_lives_as_long_as_its_last_subscription() {
        let mut filters = Filters::default();
        let first = filters.enter("a/+", 2);
        assert_eq!(filters.enter("a/+", 2), first);
        let second = filters.enter("a/#", 2);
        assert!(second.is_some() && second != first);
        assert_eq!(filters.enter("b", 2), None, "two filters are the limit");
        filters.leave("a/+");
        assert_eq!(filters.matching("a/b").len(), 2);
        filters.leave("a/+");
        assert_eq!(filters.matching("a/b"), second.into_iter().collect::<Vec<_>>());
        assert_eq!(filters.enter("b", 2), first, "a free channel is used again");
        filters.leave("b");
        filters.leave("a/#");
        filters.leave("never/there");
        assert_eq!(filters.len(), 0);
        assert!(filters.root.below.is_empty(), "nothing is left behind");
    }

    fn level() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec!["a", "b", "", "é", "$x"])
    }

    fn filter() -> impl Strategy<Value = String> {
        let level = prop_oneof![3 => level(), 1 => Just("+")];
        (prop::collection::vec(level, 1..4), any::<bool>()).prop_map(|(levels, hash)| {
            let mut filter = levels.join("/");
            if hash {
                filter.push_str("/#");
            }
            filter
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_tree_finds_what_comparing_one_by_one_finds(
            all in prop::collection::vec(prop_oneof![filter(), Just("#".to_owned())], 0..12),
            gone in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
            topic in prop::collection::vec(level(), 1..4).prop_map(|levels| levels.join("/")),
        ) {
            let mut filters = Filters::default();
            let mut live: Vec<(String, Channel)> = all
                .into_iter()
                .filter(|filter| text::topic_filter(filter).is_ok())
                .map(|filter| { let channel = filters.enter(&filter, 100).expect("room"); (filter, channel) })
                .collect();
            for at in gone {
                if !live.is_empty() {
                    let (filter, _) = live.swap_remove(at.index(live.len()));
                    filters.leave(&filter);
                }
            }
            let mut expected: Vec<Channel> =
                live.iter().filter(|(filter, _)| text::matches(filter, &topic)).map(|(_, channel)| *channel).collect();
            expected.sort_unstable();
            expected.dedup();
            let mut found = filters.matching(&topic);
            found.sort_unstable();
            prop_assert_eq!(found, expected);
        }
    }
}
