//! What one thread does: walks, stores, roots, other mutators inside its own, other threads inside those, panics.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

use tricolor_gc::{Heap, Mutation, Mutator, Root};

use crate::common::{Random, message_of};
use crate::nest::{Own, OwnRoot};
use crate::node::{Hand, Ledger, NodeRoot, To};
use crate::{EXPECTED, FULL, Kind};

/// Turns of a thread.
const TURNS: usize = 300;

/// One thread of a program.
pub(crate) struct Thread<'a> {
    heap: &'a Heap,
    kind: &'a Kind,
    ledger: &'a Ledger,
    random: Random,
    roots: Vec<NodeRoot>,
    own: OwnRoot,
    /// The mutator that works inside the turns of another.
    inner: Option<Mutator>,
}

/// Runs what may panic as programs of this kind do; any other panic goes on.
pub(crate) fn survive<R>(f: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(result) => Some(result),
        Err(panic) => {
            let message = message_of(&*panic);
            if !message.contains(EXPECTED) && !message.contains(FULL) {
                resume_unwind(panic);
            }
            None
        }
    }
}

impl<'a> Thread<'a> {
    pub(crate) fn new(
        heap: &'a Heap,
        kind: &'a Kind,
        ledger: &'a Ledger,
        seed: u64,
        roots: Vec<NodeRoot>,
    ) -> Self {
        let mut inner = heap.attach();
        let own = loop {
            // Others may have filled the heap.
            if let Some(own) = survive(|| inner.enter(|mc| Own::root(mc))) {
                break own;
            }
        };
        Thread {
            heap,
            kind,
            ledger,
            random: Random::new(seed),
            roots,
            own,
            inner: Some(inner),
        }
    }

    /// The whole program of the thread.
    pub(crate) fn run(mut self) {
        let mut mutator = self.heap.attach();
        for _ in 0..TURNS {
            let new = survive(|| mutator.enter(|mc| self.turn(mc)));
            if let Some(Some(root)) = new {
                let at = self.random.below(self.roots.len());
                self.roots[at] = root;
            }
            self.between(&mut mutator);
        }
    }

    /// One `enter`: some stores, each of what a walk has come to; perhaps a new root.
    fn turn(&mut self, mc: &Mutation<'_>) -> Option<NodeRoot> {
        let mut root = None;
        for _ in 0..self.random.below(6) {
            let (from, into) = (self.pick(mc), self.pick(mc));
            let mut found = self.walk(mc, from);
            self.hand(mc).garbage();
            if self.random.below(3) == 0 {
                found = Some(self.hand(mc).node(found));
            }
            if let Some(other) = self.distract(mc, from) {
                found = Some(other);
            }
            if let Some(found) = found {
                found.canary.check();
            }
            self.hand(mc).store(into, found);
            if let Some(found) = found {
                found.canary.check();
                if self.random.below(4) == 0 {
                    root = Some(Root::new(mc, found));
                }
            }
            if self.random.below(200) == 0 {
                let _guard = into.inners.try_lock(mc);
                panic!("{EXPECTED}, beside a guard");
            }
        }
        root
    }

    /// Something else in the middle of a turn; perhaps a pointer that it brings.
    fn distract<'gc>(&mut self, mc: &Mutation<'gc>, from: To<'gc>) -> Option<To<'gc>> {
        match self.random.below(40) {
            0..4 => {
                let guard = from.inners.try_lock(mc);
                let root = self.inside();
                drop(guard);
                root.map(|root| root.get(mc))
            }
            4 => {
                let found = thread::scope(|scope| {
                    let reader = scope.spawn(|| {
                        let to = from.slots[0].get()?;
                        to.canary.check();
                        to.slots[0].get().or(Some(to))
                    });
                    reader.join().unwrap()
                });
                from.slots[0].set(mc, None);
                found
            }
            5..8 => {
                self.inner = None;
                self.inside();
                None
            }
            _ => None,
        }
    }

    /// A turn of the inner mutator, of a new one if it has none; a root of what it has come to.
    fn inside(&mut self) -> Option<NodeRoot> {
        let mut inner = self.inner.take().unwrap_or_else(|| self.heap.attach());
        let root = survive(|| {
            inner.enter(|mc| {
                let from = self.pick(mc);
                let found = self.walk(mc, from);
                self.hand(mc).garbage();
                self.hand(mc).store(from, found);
                found.map(|found| Root::new(mc, found))
            })
        });
        self.inner = Some(inner);
        root.flatten()
    }

    /// What happens outside of `enter`.
    fn between(&mut self, mutator: &mut Mutator) {
        match self.random.below(60) {
            0 => drop(survive(|| mutator.collect())),
            1 => drop(survive(|| mutator.step(2000))),
            2 => drop(self.inside()),
            3 => {
                let root = self.roots[0].clone();
                thread::spawn(move || drop(root));
            }
            4 => {
                let new = survive(|| mutator.enter(|mc| Root::new(mc, self.hand(mc).node(None))));
                if let (Some(root), Some(last)) = (new, self.roots.last_mut()) {
                    *last = root;
                }
            }
            5 => self.inner = None,
            // A guard of the old one may have been leaked.
            6..9 => {
                if let Some(own) = survive(|| mutator.enter(|mc| Own::root(mc))) {
                    self.own = own;
                }
            }
            _ => {}
        }
    }

    fn hand<'h, 'gc>(&'h mut self, mc: &'h Mutation<'gc>) -> Hand<'h, 'gc> {
        Hand {
            mc,
            random: &mut self.random,
            kind: self.kind,
            ledger: self.ledger,
            own: self.own.get(mc),
        }
    }

    /// What a random root refers to.
    fn pick<'gc>(&mut self, mc: &Mutation<'gc>) -> To<'gc> {
        let at = self.random.below(self.roots.len());
        self.roots[at].get(mc)
    }

    /// Some steps from a node.
    fn walk<'gc>(&mut self, mc: &Mutation<'gc>, from: To<'gc>) -> Option<To<'gc>> {
        let mut at = self.hand(mc).load(from);
        for _ in 0..self.random.below(4) {
            if let Some(node) = at {
                at = self.hand(mc).load(node);
            }
        }
        at
    }
}
