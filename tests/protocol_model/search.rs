//! Breadth-first search over the states of a model: what it finds first is a shortest counterexample.

use std::hash::{BuildHasherDefault, Hasher};

use indexmap::IndexMap;

use crate::spans::Span;
use crate::state::{Barrier, Config, FRESH, Root, State, bit};
use crate::{collector, mutator};

/// A state that can follow, and how: who (mutator, collector or a thread without a mutator), what, and its operands.
pub(crate) type Next = (State, usize, &'static str, u8, u8);

/// What can be wrong with a state. (Not a string: there are millions of states.)
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Wrong {
    NotMarked,
    Freed,
    PointedAt,
    Garbage,
    NotMade,
    WrittenAndRead,
    Upgraded,
    TwoObjects,
}

impl Wrong {
    fn text(self) -> &'static str {
        match self {
            Wrong::NotMarked => "marking is over and a reachable object is not marked",
            Wrong::Freed => "a reachable object is freed",
            Wrong::PointedAt => "an object is freed and one that points at it is not",
            Wrong::Garbage => "what was garbage before the cycle is still there after it",
            Wrong::NotMade => "a slot without an object is scanned",
            Wrong::WrittenAndRead => "a mutator writes a cell that a marker reads",
            Wrong::Upgraded => "a weak reference gives a freed object",
            Wrong::TwoObjects => "an object is made in a slot that has one",
        }
    }
}

/// What a search found.
pub(crate) struct Found {
    pub(crate) states: usize,
    /// The steps to a state with something wrong, and what.
    pub(crate) wrong: Option<(Vec<String>, Wrong)>,
    /// The whole space has been seen.
    pub(crate) complete: bool,
}

/// A multiplicative hash of eight bytes at a time: the states are many and small, and nobody chooses them to collide.
#[derive(Default)]
struct Fast {
    hash: u64,
    /// The bytes since the last multiplication.
    word: u64,
    bytes: u32,
}

impl Fast {
    fn mix(hash: u64, word: u64) -> u64 {
        let product = u128::from(hash ^ word) * 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
        (product >> 64) as u64 ^ product as u64
    }
}

impl Hasher for Fast {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u8(byte);
        }
    }

    #[inline]
    fn write_u8(&mut self, byte: u8) {
        self.word = self.word << 8 | u64::from(byte);
        self.bytes += 1;
        if self.bytes == 8 {
            *self = Fast {
                hash: Fast::mix(self.hash, self.word),
                ..Fast::default()
            };
        }
    }

    // Discriminants: there are few.
    #[inline]
    fn write_isize(&mut self, number: isize) {
        self.write_u8(number as u8);
    }

    fn finish(&self) -> u64 {
        Fast::mix(self.hash, self.word)
    }
}

/// Every way in which objects 1 to 3 and the root may point at the start.
fn starts(config: &Config) -> Vec<State> {
    let mut states = Vec::new();
    let shapes = match (config.one_start, config.drops) {
        (true, false) => 1..2,
        (true, true) => 4..5,
        (false, _) => 0..8,
    };
    let shapes = if config.fresh <= 3 { 0..1 } else { shapes };
    for shape in shapes {
        let target = |n: u8| if shape >> n & 1 == 1 { 3 } else { 0 };
        let mut s = State {
            live: bit(config.fresh) - 1,
            ..State::default()
        };
        s.field[..2].copy_from_slice(&[target(0), target(1)]);
        if target(2) != 0 {
            (s.root, s.root_object) = (Root::Held, 3);
        }
        debug_assert_eq!(s.field(FRESH), 0);
        s.span = config.spans.then(|| Span::at_start(s.live));
        s.heard = config.late.then_some(s.field);
        for i in 0..2 {
            let m = &mut s.m[i];
            (m.enters, m.stores, m.allocs) = (config.enters[i], config.stores[i], config.allocs[i]);
            m.attached = !(config.mates && i == 1);
            m.builds = config.builds[i];
            (m.upgrades, m.leaks, m.acked) = (config.upgrades[i], config.leaks[i], true);
        }
        states.push(s);
    }
    states
}

fn successors(config: &Config, s: &State, next: &mut Vec<Next>) {
    next.clear();
    mutator::steps(config, s, 0, next);
    mutator::steps(config, s, 1, next);
    collector::steps(config, s, next);
}

/// The states that have been seen, in this order, each with the number of the one that it follows.
type Seen = IndexMap<State, u32, BuildHasherDefault<Fast>>;

/// Explores at most `limit` states.
pub(crate) fn explore(config: &Config, limit: usize) -> Found {
    let mut seen = Seen::default();
    seen.extend(starts(config).into_iter().map(|start| (start, u32::MAX)));
    let mut next = Vec::new();
    let mut at = 0;
    while let Some((&state, _)) = seen.get_index(at) {
        if state.wrong.is_some() || seen.len() > limit {
            return Found {
                states: seen.len(),
                wrong: state.wrong.map(|wrong| (trace(config, &seen, at), wrong)),
                complete: false,
            };
        }
        successors(config, &state, &mut next);
        for &(follower, ..) in &next {
            seen.entry(follower).or_insert(at as u32);
        }
        at += 1;
    }
    Found {
        states: seen.len(),
        wrong: None,
        complete: true,
    }
}

/// The steps that lead to a state.
fn trace(config: &Config, seen: &Seen, mut at: usize) -> Vec<String> {
    let mut steps = Vec::new();
    let mut next = Vec::new();
    while seen[at] != u32::MAX {
        let to = seen.get_index(at).expect("it was seen").0;
        at = seen[at] as usize;
        let from = seen.get_index(at).expect("it was seen").0;
        successors(config, from, &mut next);
        let step = next
            .iter()
            .find(|n| n.0 == *to)
            .expect("the state was reached this way");
        steps.push(text(step));
    }
    let s = seen.get_index(at).expect("a search has a start").0;
    steps.push(format!(
        "objects 1 and 2 point at {} and {}, the root at {}",
        s.field(1),
        s.field(2),
        s.root_object
    ));
    steps.reverse();
    steps
}

/// A step in words.
fn text(&(ref to, who, what, a, b): &Next) -> String {
    let mode = if who < 2 {
        format!(" [{:?}]", to.m[who].command.mode)
    } else {
        String::new()
    };
    let operands = match (a, b) {
        (0, 0) => String::new(),
        (a, 0) => format!(" {a}"),
        (a, b) => format!(" {a}, {b}"),
    };
    let who = ["M1", "M2", "collector", "a thread"][who];
    format!("{who}{mode} {what}{operands}")
}

/// Prints what was found and how.
pub(crate) fn report(name: &str, config: &Config, found: &Found) {
    let twin = config
        .twin
        .map_or("as shipped".to_owned(), |twin| format!("{twin:?}"));
    let kind = match (config.cells, config.slots_in_cells) {
        (false, _) => "slots",
        (true, false) => "cells",
        (true, true) => "slots in cells",
    };
    let end = match (&found.wrong, found.complete) {
        (Some((steps, wrong)), _) => {
            format!("{}, after {} steps", wrong.text(), steps.len() - 1)
        }
        (None, true) => "nothing wrong in all states".to_owned(),
        (None, false) => "nothing wrong so far".to_owned(),
    };
    let mut text = format!(
        "MODEL {name} | {} {kind} | {twin} | {} states | {end}",
        barrier(config),
        found.states
    );
    for step in found.wrong.iter().flat_map(|(steps, _)| steps) {
        text += "\n    ";
        text += step;
    }
    // At once: other tests print meanwhile.
    println!("{text}");
}

fn barrier(config: &Config) -> &'static str {
    match config.barrier {
        Barrier::Insertion => "insertion",
        Barrier::Deletion => "deletion",
        Barrier::Hybrid => "hybrid",
    }
}
