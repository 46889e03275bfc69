//! Runs a program on a heap and on the reference side by side.

use std::collections::HashSet;
use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::common::message_of;
use super::fuse::IN_TRACE;
use super::node::{Buoy, BuoyRoot, Node, NodeRoot, Parts, Plain, Pointer};
use super::op::{Op, VARIABLES};
use tricolor_gc::{Gc, GcRefCell, GcSlot, Heap, Mutation, Mutator, Root};

struct Machine {
    heap: Heap,
    mutator: Mutator,
    other: Option<Mutator>,
    variables: [Option<NodeRoot>; VARIABLES],
    parts: Parts,
    /// Fuses of `trace` lit and not heard of: so many may have panicked.
    lit: usize,
    /// Garbage made on the way.
    garbage: usize,
    plain: Vec<Plain>,
    plain_variables: [Option<usize>; VARIABLES],
    /// Objects that a full cycle has found dead: no weak pointer may find them.
    dead: HashSet<usize>,
    /// Roots of buoys, with their indices.
    buoys: Vec<(BuoyRoot, usize)>,
    /// Of each buoy, the one behind it.
    plain_buoys: Vec<Option<usize>>,
}

/// Runs a program to its end, and compares after each `every` operations: all of the heap, which takes the locks of its cells, so not
/// always after each. Panics where the heap is not as the reference says.
pub(super) fn run(heap: Heap, ops: &[Op], every: usize) {
    let mut machine = Machine::new(heap);
    for (number, op) in ops.iter().enumerate() {
        machine.apply(op);
        if number.is_multiple_of(every) {
            machine.compare();
        }
    }
    machine.collect();
    let (made, drops) = (machine.made(), machine.parts.drops.clone());
    drop(machine);
    assert_eq!(drops.count(), made, "the heap drops everything once");
}

impl Machine {
    fn new(heap: Heap) -> Self {
        Machine {
            mutator: heap.attach(),
            heap,
            other: None,
            variables: Default::default(),
            parts: Parts::new(),
            lit: 0,
            garbage: 0,
            plain: Vec::new(),
            plain_variables: [None; VARIABLES],
            dead: HashSet::new(),
            buoys: Vec::new(),
            plain_buoys: Vec::new(),
        }
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
            Op::Allocate { to, garbage } => self.allocate(to, garbage),
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
            Op::Move {
                from,
                to,
                place,
                garbage,
            } => self.shift(from, to, place, garbage),
            Op::Load { to, from, place } => self.load(to, from, place),
            Op::Replace { to, from, place } => self.replace(to, from, place),
            Op::Clone { to, from } => {
                self.assign(to, self.variables[from].clone(), self.plain_variables[from]);
            }
            Op::Drop { variable } => self.assign(variable, None, None),
            Op::Buoy { behind } => self.buoy(behind),
            Op::DropElsewhere { buoy } => self.drop_elsewhere(buoy),
            Op::Push { from, to } => self.push(from, to, 0, false),
            Op::Hold { from, to, garbage } => self.push(from, to, garbage, false),
            Op::Leak { from, to } => self.push(from, to, 0, true),
            Op::Clear { from } => self.clear(from),
            Op::Nest { from, to, at } => self.nest(from, to, at),
            Op::Array { from, len } => self.array(from, len),
            Op::Store { from, to, at } => self.store(from, to, at),
            Op::Weaken { from, to } => self.weaken(from, to),
            Op::Upgrade { to, from } => self.upgrade(to, from),
            Op::Panic { from, place } => self.panic(from, place),
            Op::Guest { from, place } => self.guest(from, place),
            Op::Switch => self.switch(),
            Op::Detach => self.other = None,
            Op::Collect => self.collect(),
            Op::Step { budget } => drop(self.mutator.step(budget)),
            Op::Light { destructor } => self.light(destructor),
        }
    }

    fn allocate(&mut self, to: usize, garbage: usize) {
        let (stamp, parts) = (self.plain.len(), &self.parts);
        self.plain.push(Plain::default());
        self.garbage += garbage;
        let root = self.mutator.enter(|mc| {
            Node::garbage(mc, garbage, parts);
            Root::new(mc, Node::new(mc, stamp, parts))
        });
        self.assign(to, Some(root), Some(stamp));
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

    fn shift(&mut self, from: usize, to: usize, place: usize, garbage: usize) {
        let parts = self.parts.clone();
        let moved = self.with(from, to, |mc, a, b| {
            let object = a.replace(mc, place, None);
            Node::garbage(mc, garbage, &parts);
            b.set(mc, place, object);
        });
        if let Some(((), a, b)) = moved {
            self.garbage += garbage;
            self.plain[b].places[place] = self.plain[a].places[place].take();
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

    fn replace(&mut self, to: usize, from: usize, place: usize) {
        let replaced: Option<(Option<NodeRoot>, _, _)> = self.with(from, to, |mc, a, b| {
            let old = a.replace(mc, place, Some(b));
            old.map(|object| Root::new(mc, object))
        });
        if let Some((root, a, b)) = replaced {
            let old = self.plain[a].places[place].replace(b);
            self.assign(to, root, old);
        }
    }

    fn buoy(&mut self, behind: usize) {
        let behind = (!self.buoys.is_empty()).then(|| &self.buoys[behind % self.buoys.len()]);
        let (stamp, drops) = (self.plain_buoys.len(), &self.parts.drops);
        let root = self.mutator.enter(|mc| {
            let buoy = Buoy {
                stamp,
                behind: behind.map(|(root, _)| root.get(mc)),
                token: drops.token(),
            };
            Root::new(mc, Gc::new(mc, buoy))
        });
        self.plain_buoys.push(behind.map(|(_, index)| *index));
        self.buoys.push((root, stamp));
    }

    fn drop_elsewhere(&mut self, buoy: usize) {
        if self.buoys.is_empty() {
            return;
        }
        let (root, index) = self.buoys.swap_remove(buoy % self.buoys.len());
        let (heap, plain) = (&self.heap, &self.plain_buoys);
        std::thread::scope(|scope| {
            let other = scope.spawn(move || {
                let other = root.clone();
                drop(root);
                heap.attach().enter(|mc| {
                    let (mut found, mut expected) = (Some(other.get(mc)), Some(index));
                    while let Some(buoy) = found {
                        assert_eq!(Some(buoy.stamp), expected, "a buoy is another");
                        let _ = &buoy.token;
                        (found, expected) = (buoy.behind, plain[buoy.stamp]);
                    }
                    assert_eq!(expected, None, "a buoy is missing");
                });
            });
            // ThreadSanitizer sees a join, and not the end of a scope, which is in compiled std.
            if let Err(panic) = other.join() {
                resume_unwind(panic);
            }
        });
    }

    fn push(&mut self, from: usize, to: usize, garbage: usize, leak: bool) {
        let parts = self.parts.clone();
        let pushed = self.with(from, to, |mc, a, b| {
            let list = &Gc::as_ref(a).list;
            let Some(mut guard) = list.try_borrow_mut(mc) else {
                return false;
            };
            Node::garbage(mc, garbage, &parts);
            guard.push(b);
            if leak {
                forget(guard);
            }
            true
        });
        if let Some((pushed, a, b)) = pushed {
            assert_eq!(pushed, !self.plain[a].leaked);
            if pushed {
                self.garbage += garbage;
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

    fn nest(&mut self, from: usize, to: usize, at: usize) {
        let nested = self.with(from, to, |mc, a, b| {
            let mut lists = a.nested.lock(mc);
            match lists.get(at) {
                Some(list) => list.borrow_mut(mc).push(b),
                None => lists.push(GcRefCell::new(vec![b])),
            }
        });
        if let Some(((), a, b)) = nested {
            let lists = &mut self.plain[a].nested;
            match lists.get_mut(at) {
                Some(list) => list.push(b),
                None => lists.push(vec![b]),
            }
        }
    }

    fn array(&mut self, from: usize, len: usize) {
        let made = self.with(from, from, |mc, a, _| {
            let array = Gc::slice_from_fn(mc, len, |_| GcSlot::new(None));
            a.array.set(mc, Some(array));
        });
        if let Some(((), a, _)) = made {
            self.plain[a].array = Some(vec![None; len]);
        }
    }

    fn store(&mut self, from: usize, to: usize, at: usize) {
        let stored = self.with(from, to, |mc, a, b| {
            let array = a.array.get().filter(|array| !array.is_empty())?;
            let at = at % array.len();
            array[at].set(mc, Some(b));
            Some(at)
        });
        if let Some((Some(at), a, b)) = stored {
            let array = self.plain[a].array.as_mut();
            array.expect("the reference has an array too")[at] = Some(b);
        }
    }

    fn weaken(&mut self, from: usize, to: usize) {
        let weaken = self.with(from, to, |mc, a, b| {
            a.weak.set(mc, Some(Gc::downgrade(b, mc)));
        });
        if let Some(((), a, b)) = weaken {
            self.plain[a].weak = Some(b);
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
        let call = AssertUnwindSafe(|| {
            self.with(from, from, |mc, a, _| {
                a.set(mc, place, Some(a));
                let _guard = a.list.try_borrow_mut(mc);
                // Without the hook's message: there are many.
                let panic = || resume_unwind(Box::new("out of enter"));
                // Half of them in the middle of a slice that is being made.
                Gc::slice_from_fn(mc, 2 * (place % 2), |index| match index {
                    0 => GcSlot::new(Some(a)),
                    _ => panic(),
                });
                panic();
            })
        });
        if let Err(panic) = catch_unwind(call) {
            assert_eq!(message_of(&*panic), "out of enter");
            let a = self.plain_variables[from].expect("it panicked with an object");
            self.plain[a].places[place] = Some(a);
        }
    }

    fn guest(&mut self, from: usize, place: usize) {
        let (Some(root), Some(index)) = (&self.variables[from], self.plain_variables[from]) else {
            return;
        };
        self.heap.attach().enter(|mc| {
            let object = root.get(mc);
            assert_eq!(object.stamp, index);
            object.set(mc, place, Some(object));
        });
        self.plain[index].places[place] = Some(index);
    }

    fn switch(&mut self) {
        let other = self.other.take().unwrap_or_else(|| self.heap.attach());
        self.other = Some(std::mem::replace(&mut self.mutator, other));
    }

    /// Everything that the reference's variables reach.
    fn live(&self) -> HashSet<usize> {
        let mut live = HashSet::new();
        let mut next: Vec<usize> = self.plain_variables.iter().flatten().copied().collect();
        while let Some(index) = next.pop() {
            if live.insert(index) {
                next.extend(self.plain[index].targets());
            }
        }
        live
    }

    fn live_buoys(&self) -> usize {
        let mut live = HashSet::new();
        for &(_, index) in &self.buoys {
            let mut next = Some(index);
            while let Some(index) = next.filter(|&index| live.insert(index)) {
                next = self.plain_buoys[index];
            }
        }
        live.len()
    }

    /// Objects that count their drop.
    fn made(&self) -> usize {
        self.plain.len() + self.garbage + self.plain_buoys.len()
    }

    fn light(&mut self, destructor: bool) {
        self.parts.fuses.light(destructor);
        self.lit += usize::from(!destructor);
    }

    /// A full cycle: everything dead has been dropped, everything alive is as the reference says. A `trace` that has panicked, in this
    /// cycle or one before it, is heard of first, and nothing is lost.
    fn collect(&mut self) {
        while let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.mutator.collect())) {
            assert_eq!(message_of(&*panic), IN_TRACE);
            assert!(self.lit > 0, "nobody has lit a fuse");
            self.lit -= 1;
            self.compare();
        }
        let live = self.live();
        let (made, left) = (self.made(), live.len() + self.live_buoys());
        assert_eq!(self.parts.drops.count(), made - left, "of {made} objects");
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
            let roots = variables.iter().flatten();
            let mut next: Vec<Pointer<'_>> = roots.map(|root| root.get(mc)).collect();
            while let Some(object) = next.pop() {
                if seen.insert(object.stamp) {
                    object.compare(mc, &plain[object.stamp], &mut next);
                }
            }
        });
    }
}
