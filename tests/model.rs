//! Random programs against a plain reference heap: what the reference reaches is there, with its contents; what it does
//! not reach is dropped, once, by a full cycle.

mod common;
#[path = "model/op.rs"]
mod op;

use std::collections::HashSet;
use std::mem::forget;

use common::{Drops, Token, message_of};
use op::{Op, PLACES, VARIABLES, op};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tricolor_gc::{
    Barrier, Gc, GcCell, GcMutex, GcRefCell, GcRwLock, GcSlot, GcWeak, Heap, Mutation, Mutator,
    Root, Rootable, StressConfig, Trace,
};

/// An object of the heap: one place of each kind. The guest mutator uses the shared ones.
#[derive(Trace)]
struct Node<'gc> {
    stamp: usize,
    slot: GcSlot<Option<Pointer<'gc>>>,
    cell: GcCell<Option<Pointer<'gc>>>,
    mutex: GcMutex<Option<Pointer<'gc>>>,
    rw_lock: GcRwLock<Option<Pointer<'gc>>>,
    list: GcRefCell<Vec<Pointer<'gc>>>,
    weak: GcCell<Option<GcWeak<'gc, Node<'gc>>>>,
    token: Token,
}

type Pointer<'gc> = Gc<'gc, Node<'gc>>;
type NodeRoot = Root<Rootable![Node<'_>]>;

impl<'gc> Node<'gc> {
    fn get(&self, mc: &Mutation<'gc>, place: usize) -> Option<Pointer<'gc>> {
        match place {
            0 => self.slot.get(),
            1 => self.cell.get(),
            2 => *self.mutex.lock(mc),
            _ => *self.rw_lock.read(),
        }
    }

    fn set(&self, mc: &Mutation<'gc>, place: usize, to: Option<Pointer<'gc>>) {
        match place {
            0 => self.slot.set(mc, to),
            1 => self.cell.set(mc, to),
            2 => *self.mutex.lock(mc) = to,
            _ => *self.rw_lock.write(mc) = to,
        }
    }
}

/// The reference: indices instead of pointers, nothing is ever freed.
#[derive(Clone, Debug, Default)]
struct Plain {
    places: [Option<usize>; PLACES],
    list: Vec<usize>,
    weak: Option<usize>,
    /// A guard of its list has been leaked.
    leaked: bool,
}

struct Machine {
    heap: Heap,
    mutator: Mutator,
    variables: [Option<NodeRoot>; VARIABLES],
    drops: Drops,
    /// Garbage made on the way.
    garbage: usize,
    plain: Vec<Plain>,
    plain_variables: [Option<usize>; VARIABLES],
    /// Objects that a full cycle has found dead: no weak pointer may find them.
    dead: HashSet<usize>,
}

impl Machine {
    fn new(heap: Heap) -> Self {
        Machine {
            mutator: heap.attach(),
            heap,
            variables: Default::default(),
            drops: Drops::new(),
            garbage: 0,
            plain: Vec::new(),
            plain_variables: [None; VARIABLES],
            dead: HashSet::new(),
        }
    }

    fn new_node(&mut self, garbage: usize) -> NodeRoot {
        let (stamp, drops) = (self.plain.len(), &self.drops);
        self.plain.push(Plain::default());
        self.garbage += garbage;
        self.mutator.enter(|mc| {
            let new = |stamp| {
                Gc::new(
                    mc,
                    Node {
                        stamp,
                        slot: GcSlot::new(None),
                        cell: GcCell::new(None),
                        mutex: GcMutex::new(None),
                        rw_lock: GcRwLock::new(None),
                        list: GcRefCell::new(Vec::new()),
                        weak: GcCell::new(None),
                        token: drops.token(),
                    },
                )
            };
            for _ in 0..garbage {
                new(usize::MAX);
            }
            Root::new(mc, new(stamp))
        })
    }

    /// Runs `f` with the objects of two variables, if both hold one, and their indices.
    fn with<R>(
        &mut self,
        a: usize,
        b: usize,
        f: impl for<'gc> FnOnce(&'gc Mutation<'gc>, Pointer<'gc>, Pointer<'gc>) -> R,
    ) -> Option<(R, usize, usize)> {
        let (ra, rb) = (self.variables[a].as_ref()?, self.variables[b].as_ref()?);
        let (ia, ib) = (self.plain_variables[a]?, self.plain_variables[b]?);
        let result = self.mutator.enter(|mc| {
            let (a, b) = (ra.get(mc), rb.get(mc));
            assert_eq!((a.stamp, b.stamp), (ia, ib), "a root has another object");
            f(mc, a, b)
        });
        Some((result, ia, ib))
    }

    fn assign(&mut self, to: usize, root: Option<NodeRoot>, index: Option<usize>) {
        assert_eq!(
            root.is_some(),
            index.is_some(),
            "the reference knows better"
        );
        self.variables[to] = root;
        self.plain_variables[to] = index;
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Allocate { to, garbage } => {
                let root = self.new_node(garbage);
                self.assign(to, Some(root), Some(self.plain.len() - 1));
            }
            Op::Link { from, place, to } => {
                if let Some(((), a, b)) = self.with(from, to, |mc, a, b| a.set(mc, place, Some(b)))
                {
                    self.plain[a].places[place] = Some(b);
                }
            }
            Op::Unlink { from, place } => {
                if let Some(((), a, _)) = self.with(from, from, |mc, a, _| a.set(mc, place, None)) {
                    self.plain[a].places[place] = None;
                }
            }
            Op::Swap { a, b, place } => self.swap(a, b, place),
            Op::Load { to, from, place } => self.load(to, from, place),
            Op::Clone { to, from } => {
                self.assign(to, self.variables[from].clone(), self.plain_variables[from]);
            }
            Op::Drop { variable } => self.assign(variable, None, None),
            Op::Push { from, to } => self.push(from, to, false),
            Op::Leak { from, to } => self.push(from, to, true),
            Op::Clear { from } => self.clear(from),
            Op::Weaken { from, to } => {
                let weaken = self.with(from, to, |mc, a, b| {
                    a.weak.set(mc, Some(Gc::downgrade(b, mc)));
                });
                if let Some(((), a, b)) = weaken {
                    self.plain[a].weak = Some(b);
                }
            }
            Op::Upgrade { to, from } => self.upgrade(to, from),
            Op::Panic { from, place } => self.panic(from, place),
            Op::Guest { from, place } => self.guest(from, place),
            Op::Collect => self.collect(),
            Op::Step { budget } => drop(self.mutator.step(budget)),
        }
    }

    fn swap(&mut self, a: usize, b: usize, place: usize) {
        let swapped = self.with(a, b, |mc, a, b| {
            let (old, new) = (a.get(mc, place), b.get(mc, place));
            a.set(mc, place, new);
            b.set(mc, place, old);
        });
        if let Some(((), a, b)) = swapped {
            let (old, new) = (self.plain[a].places[place], self.plain[b].places[place]);
            self.plain[a].places[place] = new;
            self.plain[b].places[place] = old;
        }
    }

    fn load(&mut self, to: usize, from: usize, place: usize) {
        let loaded: Option<(Option<NodeRoot>, _, _)> = self.with(from, from, |mc, a, _| {
            a.get(mc, place).map(|object| Root::new(mc, object))
        });
        if let Some((root, a, _)) = loaded {
            self.assign(to, root, self.plain[a].places[place]);
        }
    }

    fn push(&mut self, from: usize, to: usize, leak: bool) {
        let pushed = self.with(from, to, |mc, a, b| {
            let list = &Gc::as_ref(a).list;
            let Some(mut guard) = list.try_borrow_mut(mc) else {
                return false;
            };
            guard.push(b);
            if leak {
                forget(guard);
            }
            true
        });
        if let Some((pushed, a, b)) = pushed {
            assert_eq!(pushed, !self.plain[a].leaked);
            if pushed {
                self.plain[a].list.push(b);
                self.plain[a].leaked = leak;
            }
        }
    }

    fn clear(&mut self, from: usize) {
        let cleared = self.with(from, from, |mc, a, _| {
            a.list
                .try_borrow_mut(mc)
                .map(|mut list| list.clear())
                .is_some()
        });
        if let Some((true, a, _)) = cleared {
            self.plain[a].list.clear();
        }
    }

    fn upgrade(&mut self, to: usize, from: usize) {
        let upgraded = self.with(from, from, |mc, a, _| {
            let object = a.weak.get().and_then(|weak| weak.upgrade(mc));
            let root: Option<NodeRoot> = object.map(|object| Root::new(mc, object));
            (root, object.map(|object| object.stamp))
        });
        let Some(((root, found), a, _)) = upgraded else {
            return;
        };
        let target = self.plain[a].weak;
        let live = self.live();
        match found {
            // What is unreachable may be found until a cycle has seen that it is.
            Some(stamp) => {
                assert_eq!(Some(stamp), target, "a weak pointer found another object");
                assert!(
                    !self.dead.contains(&stamp),
                    "a weak pointer found a dead object"
                );
            }
            None => assert!(
                target.is_none_or(|target| !live.contains(&target)),
                "lost a target"
            ),
        }
        self.assign(to, root, found);
    }

    fn panic(&mut self, from: usize, place: usize) {
        let call = std::panic::AssertUnwindSafe(|| {
            self.with(from, from, |mc, a, _| {
                a.set(mc, place, Some(a));
                let _guard = a.list.try_borrow_mut(mc);
                // Without the hook's message: there are many.
                std::panic::resume_unwind(Box::new("out of enter"));
            })
        });
        if let Err(panic) = std::panic::catch_unwind(call) {
            assert_eq!(message_of(&*panic), "out of enter");
            let a = self.plain_variables[from].unwrap();
            self.plain[a].places[place] = Some(a);
        }
    }

    fn guest(&mut self, from: usize, place: usize) {
        let Some(root) = &self.variables[from] else {
            return;
        };
        let index = self.plain_variables[from].unwrap();
        self.heap.attach().enter(|mc| {
            let object = root.get(mc);
            assert_eq!(object.stamp, index);
            object.set(mc, place, Some(object));
        });
        self.plain[index].places[place] = Some(index);
    }

    /// Everything that the reference's variables reach.
    fn live(&self) -> HashSet<usize> {
        let mut live = HashSet::new();
        let mut next: Vec<usize> = self.plain_variables.iter().flatten().copied().collect();
        while let Some(index) = next.pop() {
            if live.insert(index) {
                let object = &self.plain[index];
                next.extend(object.places.iter().flatten());
                next.extend(&object.list);
            }
        }
        live
    }

    /// A full cycle: everything dead has been dropped, everything alive is as the reference says.
    fn collect(&mut self) {
        self.mutator.collect();
        let live = self.live();
        let made = self.plain.len() + self.garbage;
        assert_eq!(self.drops.count(), made - live.len(), "of {made} objects");
        self.dead = (0..self.plain.len())
            .filter(|index| !live.contains(index))
            .collect();
        self.compare();
    }

    /// Walks the heap and the reference side by side.
    fn compare(&mut self) {
        let (variables, plain) = (&self.variables, &self.plain);
        self.mutator.enter(|mc| {
            let mut seen = HashSet::new();
            let mut next: Vec<Pointer<'_>> = variables
                .iter()
                .flatten()
                .map(|root| root.get(mc))
                .collect();
            while let Some(object) = next.pop() {
                let expected = &plain[object.stamp];
                let _ = &object.token;
                if !seen.insert(object.stamp) {
                    continue;
                }
                for place in 0..PLACES {
                    let found = object.get(mc, place);
                    assert_eq!(found.map(|o| o.stamp), expected.places[place]);
                    next.extend(found);
                }
                match object.list.try_borrow() {
                    Some(list) => {
                        let stamps: Vec<usize> = list.iter().map(|o| o.stamp).collect();
                        assert_eq!(stamps, expected.list);
                        next.extend(list.iter());
                    }
                    None => assert!(expected.leaked, "nobody has leaked this guard"),
                }
            }
        });
    }
}

fn run(heap: Heap, ops: &[Op]) {
    let mut machine = Machine::new(heap);
    for op in ops {
        machine.apply(op);
    }
    machine.collect();
    let (made, drops) = (machine.plain.len() + machine.garbage, machine.drops.clone());
    drop(machine);
    assert_eq!(drops.count(), made, "the heap drops everything once");
}

/// Cases of each barrier; `TRICOLOR_MODEL_CASES` asks for more. A failing case is shrunk and printed.
fn check(barrier: Barrier, markers: usize, stress: bool) {
    let cases = std::env::var("TRICOLOR_MODEL_CASES")
        .ok()
        .and_then(|n| n.parse().ok());
    let config = Config {
        cases: cases.unwrap_or(40),
        failure_persistence: None,
        ..Config::default()
    };
    let programs = (prop::collection::vec(op(), 1..250), any::<u64>());
    let result = TestRunner::new(config).run(&programs, |(ops, seed)| {
        let mut heap = Heap::builder()
            .barrier(barrier)
            .marker_threads(markers)
            .min_heap(16 << 10);
        if stress {
            heap = heap.stress(StressConfig::new(seed).cycle_every(40));
        }
        run(heap.build().unwrap(), &ops);
        Ok::<(), TestCaseError>(())
    });
    if let Err(failure) = result {
        panic!("{barrier}, {markers} markers, stress {stress}: {failure}");
    }
}

fn check_all(barrier: Barrier) {
    for stress in [false, true] {
        for markers in 0..3 {
            check(barrier, markers, stress);
        }
    }
}

#[test]
fn random_programs_under_insertion() {
    check_all(Barrier::Insertion);
}

#[test]
fn random_programs_under_deletion() {
    check_all(Barrier::Deletion);
}

#[test]
fn random_programs_under_hybrid() {
    check_all(Barrier::Hybrid);
}

#[test]
fn random_programs_with_stops() {
    check_all(Barrier::StopTheWorld);
}
