//! A lock-free stack (Treiber 1986) on `GcSlot`, checked against the running marker.
//!
//! With a collector the stack needs no tags and no hazard pointers: a node that a thread looks at is not freed, so
//! its address is no other node's (no ABA). The broken variants recycle nodes by hand, forget the compare, and hide
//! the pointer from the barrier.

use std::ptr::NonNull;

use tricolor_gc::model::{self, Builder, Report, Tracked, Witness};
use tricolor_gc::{Barrier, Gc, GcSlot, Mutation, Mutator, Root, Rootable, SlotValue, Trace};

use crate::show;

const BARRIERS: [Barrier; 3] = [Barrier::Insertion, Barrier::Deletion, Barrier::Hybrid];

#[derive(Trace)]
struct Node<'gc> {
    value: usize,
    tracked: Tracked,
    next: GcSlot<Option<Gc<'gc, Node<'gc>>>>,
}

#[derive(Trace)]
struct Stack<'gc> {
    head: GcSlot<Option<Gc<'gc, Node<'gc>>>>,
}

type StackRoot = Root<Rootable![Stack<'_>]>;

const NAMES: [&str; 4] = ["zero", "one", "two", "three"];

fn node<'gc>(mc: &Mutation<'gc>, value: usize) -> Gc<'gc, Node<'gc>> {
    let (tracked, next) = (Tracked::new(NAMES[value]), GcSlot::new(None));
    Gc::new(
        mc,
        Node {
            value,
            tracked,
            next,
        },
    )
}

impl<'gc> Stack<'gc> {
    fn push(&self, mc: &Mutation<'gc>, node: Gc<'gc, Node<'gc>>) {
        let mut head = self.head.get();
        loop {
            node.next.set(mc, head);
            match self.head.compare_exchange(mc, head, Some(node)) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    fn pop(&self, mc: &Mutation<'gc>) -> Option<Gc<'gc, Node<'gc>>> {
        let mut head = self.head.get();
        loop {
            let top = head?;
            match self.head.compare_exchange(mc, head, top.next.get()) {
                Ok(_) => return Some(top),
                Err(now) => head = now,
            }
        }
    }

    /// Wrong: stores what it loaded long ago, without a compare.
    fn pop_without_compare(&self, mc: &Mutation<'gc>) -> Option<Gc<'gc, Node<'gc>>> {
        let top = self.head.get()?;
        self.head.set(mc, top.next.get());
        Some(top)
    }
}

/// A stack with `values` on it, the last on top, and who tells whether they live.
fn filled(main: &mut Mutator, values: &[usize]) -> (StackRoot, Vec<Witness>) {
    main.enter(|mc| {
        let stack = Gc::new(
            mc,
            Stack {
                head: GcSlot::new(None),
            },
        );
        let push = |&value: &usize| {
            let node = node(mc, value);
            stack.push(mc, node);
            node.tracked.witness()
        };
        let witnesses = values.iter().map(push).collect();
        (Root::new(mc, stack), witnesses)
    })
}

/// Everything that is popped, and what is left, is what was pushed, once.
fn assert_nothing_lost(mut popped: Vec<usize>, main: &mut Mutator, stack: &StackRoot, n: usize) {
    main.enter(|mc| {
        while let Some(top) = stack.get(mc).pop(mc) {
            top.tracked.read();
            popped.push(top.value);
        }
    });
    popped.sort_unstable();
    assert_eq!(popped, (0..n).collect::<Vec<_>>(), "of the values pushed");
}

type Pop = for<'a, 'gc> fn(&'a Stack<'gc>, &'a Mutation<'gc>) -> Option<Gc<'gc, Node<'gc>>>;

/// 0 is on the stack. One mutator pushes 1 and pops, the other pops; a cycle runs.
fn push_and_pop(bounds: &Builder, name: &str, barrier: Barrier, pop: Pop) -> Report {
    let name = format!("{name}, {barrier}");
    bounds.check(&name, move || {
        let heap = model::heap(barrier);
        let mut main = heap.attach();
        let (stack, _) = filled(&mut main, &[0]);
        let (pusher, popper) = (stack.clone(), stack.clone());
        let pusher = model::mutator("pusher", &heap, move |m| {
            m.enter(|mc| {
                let stack = pusher.get(mc);
                stack.push(mc, node(mc, 1));
                let top = pop(Gc::as_ref(stack), mc);
                top.map(|top| {
                    top.tracked.read();
                    top.value
                })
            })
        });
        let popper = model::mutator("popper", &heap, move |m| {
            m.enter(|mc| {
                let top = pop(Gc::as_ref(popper.get(mc)), mc)?;
                model::linger(mc);
                top.tracked.read();
                Some(top.value)
            })
        });
        model::cycle(&heap);
        let popped = [pusher.join().unwrap(), popper.join().unwrap()];
        assert_nothing_lost(popped.into_iter().flatten().collect(), &mut main, &stack, 2);
    })
}

#[test]
fn the_stack_loses_nothing_while_a_cycle_runs() {
    let bounds = Builder::new().preemptions(1);
    for barrier in BARRIERS {
        show(push_and_pop(
            &bounds,
            "push and pop",
            barrier,
            |stack, mc| stack.pop(mc),
        ))
        .assert_ok();
    }
}

#[test]
fn a_pop_without_compare_is_caught() {
    let bounds = Builder::new().preemptions(1);
    let report = push_and_pop(&bounds, "no compare", Barrier::Hybrid, |stack, mc| {
        stack.pop_without_compare(mc)
    });
    show(report).assert_caught("of the values pushed");
}

/// 0, 1 and 2 are on the stack, 2 on top. One mutator pops, the other pops twice and pushes: the node that it popped
/// first, or a new one with its value.
fn aba(recycles: bool) -> Report {
    let name = if recycles {
        "recycled node"
    } else {
        "new node"
    };
    let bounds = Builder::new().preemptions(1);
    bounds.check(name, move || {
        let heap = model::heap(Barrier::Hybrid);
        let mut main = heap.attach();
        let (stack, _) = filled(&mut main, &[0, 1, 2]);
        let (one, two) = (stack.clone(), stack.clone());
        let one = model::mutator("one pop", &heap, move |m| {
            m.enter(|mc| Some(one.get(mc).pop(mc)?.value))
        });
        let two = model::mutator("two pops", &heap, move |m| {
            m.enter(|mc| {
                let stack = two.get(mc);
                let (first, second) = (stack.pop(mc), stack.pop(mc));
                if let Some(first) = first {
                    let again = if recycles {
                        first
                    } else {
                        node(mc, first.value)
                    };
                    stack.push(mc, again);
                }
                second.map(|node| node.value)
            })
        });
        model::cycle(&heap);
        let popped = [one.join().unwrap(), two.join().unwrap()];
        assert_nothing_lost(popped.into_iter().flatten().collect(), &mut main, &stack, 3);
    })
}

#[test]
fn a_new_node_is_no_old_one() {
    show(aba(false)).assert_ok();
}

#[test]
fn recycling_by_hand_brings_aba_back() {
    show(aba(true)).assert_caught("of the values pushed");
}

/// A link as a tagged word would be, wrong: it says that it points to nothing, so it is neither traced nor shaded.
#[derive(Clone, Copy)]
struct Hidden<'gc>(Gc<'gc, Node<'gc>>);

// SAFETY: none: `object` breaks the contract, on purpose.
unsafe impl<'gc> SlotValue<'gc> for Hidden<'gc> {
    fn into_word(self) -> *mut () {
        self.0.into_word()
    }

    unsafe fn from_word(word: *mut ()) -> Self {
        // SAFETY: the caller's contract.
        Hidden(unsafe { Gc::from_word(word) })
    }

    fn object(_: *mut ()) -> Option<NonNull<()>> {
        None
    }
}

#[test]
fn a_link_without_a_barrier_is_caught() {
    for barrier in BARRIERS {
        let name = format!("no barrier, {barrier}");
        let report = Builder::new().check(&name, move || {
            let heap = model::heap(barrier);
            let mut main = heap.attach();
            let root: Root<Rootable![GcSlot<Hidden<'_>>]> =
                main.enter(|mc| Root::new(mc, Gc::new(mc, GcSlot::new(Hidden(node(mc, 0))))));
            model::cycle(&heap);
            main.enter(|mc| root.get(mc).get().0.tracked.read());
        });
        show(report).assert_caught("`zero` was freed");
    }
}

/// What is popped and forgotten is garbage: it goes with the cycle that runs, or with the next.
#[test]
fn popped_nodes_are_freed() {
    let report = Builder::new().check("popped nodes", || {
        let heap = model::heap(Barrier::Hybrid);
        let mut main = heap.attach();
        let (stack, nodes) = filled(&mut main, &[0, 1]);
        let popper = stack.clone();
        let popper = model::mutator("popper", &heap, move |m| {
            m.enter(|mc| {
                popper.get(mc).pop(mc);
            });
        });
        model::cycle(&heap);
        popper.join().unwrap();
        model::cycle(&heap);
        nodes[1].assert_freed();
        nodes[0].assert_alive();
    });
    show(report).assert_ok();
}
