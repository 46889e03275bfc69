//! The ways to hide an object from a marker, as programs over a barrier of the user's choice.
//!
//! Two objects, `a` and `b`, are rooted; `a` points to `hidden`; `garbage` is reachable from nowhere. The main thread
//! runs one cycle while one or two mutators do what the scenario says. In the end all that can be reached is alive,
//! and `garbage` is gone.

use core::fmt;

use super::barrier::{WriteBarrier, heap_with};
use super::check::{Builder, Report};
use super::collector::{cycle, linger, mutator};
use super::tracked::{Tracked, Witness};
use crate::cell::slot::GcSlot;
use crate::collector::Heap;
use crate::gc::Gc;
use crate::mutator::{Mutation, Mutator};
use crate::root::Root;
use crate::sync::thread;
use crate::trace::{Trace, Tracer};

/// A way to hide an object from a marker.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Scenario {
    /// The pointer is copied into an object that may be black, then deleted where it was.
    HideByDelete,
    /// The pointer is loaded to the stack, then deleted where it was: only the stack has it.
    HideOnStack,
    /// As `HideByDelete`, into an object made meanwhile.
    HideInNewObject,
    /// One mutator, which may not be armed yet, deletes the pointer; another, which may be, has it on its stack, and
    /// stores it.
    HideByStraggler,
    /// Two mutators write one slot: what the first stores is overwritten by the second, and the first has it on its
    /// stack.
    HideByRace,
}

impl Scenario {
    /// All of them.
    pub const ALL: [Scenario; 5] = [
        Scenario::HideByDelete,
        Scenario::HideOnStack,
        Scenario::HideInNewObject,
        Scenario::HideByStraggler,
        Scenario::HideByRace,
    ];

    /// The bound that [`check`](Self::check) goes by: two, or one where there are two mutators, which is minutes
    /// cheaper and finds all wrong barriers that are known.
    pub fn preemptions(self) -> usize {
        match self {
            Scenario::HideByDelete | Scenario::HideOnStack | Scenario::HideInNewObject => 2,
            Scenario::HideByStraggler | Scenario::HideByRace => 1,
        }
    }

    /// Runs it over a barrier.
    #[must_use]
    pub fn check(self, barrier: &impl WriteBarrier) -> Report {
        self.check_with(&Builder::new().preemptions(self.preemptions()), barrier)
    }

    /// Runs it over a barrier, within other bounds.
    #[must_use]
    pub fn check_with(self, bounds: &Builder, barrier: &impl WriteBarrier) -> Report {
        let barrier = barrier.clone();
        bounds.check(&self.to_string(), move || {
            let setting = Setting::new(heap_with(&barrier));
            match self {
                Scenario::HideByStraggler => setting.straggler(),
                Scenario::HideByRace => setting.race(),
                _ => setting.hide(self),
            }
        })
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Scenario::HideByDelete => "hide by delete",
            Scenario::HideOnStack => "hide on a stack",
            Scenario::HideInNewObject => "hide in a new object",
            Scenario::HideByStraggler => "hide by a straggler",
            Scenario::HideByRace => "hide by a race",
        })
    }
}

/// [`Scenario::HideByDelete`] over a barrier.
#[must_use]
pub fn hide_by_delete(barrier: &impl WriteBarrier) -> Report {
    Scenario::HideByDelete.check(barrier)
}

/// [`Scenario::HideOnStack`] over a barrier.
#[must_use]
pub fn hide_on_stack(barrier: &impl WriteBarrier) -> Report {
    Scenario::HideOnStack.check(barrier)
}

/// [`Scenario::HideInNewObject`] over a barrier.
#[must_use]
pub fn hide_in_new_object(barrier: &impl WriteBarrier) -> Report {
    Scenario::HideInNewObject.check(barrier)
}

/// [`Scenario::HideByStraggler`] over a barrier.
#[must_use]
pub fn hide_by_straggler(barrier: &impl WriteBarrier) -> Report {
    Scenario::HideByStraggler.check(barrier)
}

/// [`Scenario::HideByRace`] over a barrier.
#[must_use]
pub fn hide_by_race(barrier: &impl WriteBarrier) -> Report {
    Scenario::HideByRace.check(barrier)
}

/// An object with one slot.
struct Node<'gc> {
    tracked: Tracked,
    next: GcSlot<Link<'gc>>,
}

type Link<'gc> = Option<Gc<'gc, Node<'gc>>>;
type NodeRoot = Root<crate::Rootable![Node<'_>]>;

// SAFETY: T1, T2: traces the slot, which holds the only pointer. T3, T4, T6: has no `Drop`, and the tracked value, which holds no `Gc`, may be
// dropped anywhere. T5: one brand. T8, T9: claims neither.
unsafe impl<'gc> Trace<'gc> for Node<'gc> {
    const DROP_IS_SEND: bool = true;

    fn trace(&self, tracer: &mut Tracer<'gc>) {
        self.next.trace(tracer);
    }
}

fn node<'gc>(mc: &Mutation<'gc>, name: &'static str, next: Link<'gc>) -> Gc<'gc, Node<'gc>> {
    Gc::new(
        mc,
        Node {
            tracked: Tracked::new(name),
            next: GcSlot::new(next),
        },
    )
}

/// The heap and what is in it when a scenario begins.
struct Setting {
    heap: Heap,
    main: Mutator,
    a: NodeRoot,
    b: NodeRoot,
    garbage: Witness,
}

impl Setting {
    fn new(heap: Heap) -> Self {
        let mut main = heap.attach();
        let (a, b, garbage) = main.enter(|mc| {
            let hidden = node(mc, "hidden", None);
            let garbage = node(mc, "garbage", None).tracked.witness();
            let a = node(mc, "a", Some(hidden));
            // In this order, so that markers come to `b` first.
            let b = Root::new(mc, node(mc, "b", None));
            (Root::new(mc, a), b, garbage)
        });
        Setting {
            heap,
            main,
            a,
            b,
            garbage,
        }
    }

    fn hide(self, how: Scenario) {
        let (a, b) = (self.a.clone(), self.b.clone());
        let hides = mutator("mutator", &self.heap, move |m| {
            m.enter(|mc| {
                let (a, b) = (a.get(mc), b.get(mc));
                let Some(hidden) = a.next.get() else { return };
                match how {
                    Scenario::HideByDelete => b.next.set(mc, Some(hidden)),
                    Scenario::HideInNewObject => {
                        let new = node(mc, "new", Some(hidden));
                        b.next.set(mc, Some(new));
                    }
                    _ => {}
                }
                a.next.set(mc, None);
                linger(mc);
                hidden.tracked.read();
            });
        });
        self.finish([hides]);
    }

    fn straggler(self) {
        let (a, a2, b) = (self.a.clone(), self.a.clone(), self.b.clone());
        let deletes = mutator("straggler", &self.heap, move |m| {
            m.enter(|mc| {
                thread::yield_now();
                a.get(mc).next.set(mc, None);
            });
        });
        let keeps = mutator("keeper", &self.heap, move |m| {
            m.enter(|mc| {
                let Some(hidden) = a2.get(mc).next.get() else {
                    return;
                };
                linger(mc);
                hidden.tracked.read();
                b.get(mc).next.set(mc, Some(hidden));
            });
        });
        self.finish([deletes, keeps]);
    }

    fn race(self) {
        let (a, a2) = (self.a.clone(), self.a.clone());
        let first = mutator("first", &self.heap, move |m| {
            m.enter(|mc| {
                thread::yield_now();
                let new = node(mc, "new", None);
                a.get(mc).next.set(mc, Some(new));
            });
            thread::yield_now();
            m.enter(|mc| {
                let Some(taken) = a.get(mc).next.get() else {
                    return;
                };
                linger(mc);
                taken.tracked.read();
            });
        });
        let second = mutator("second", &self.heap, move |m| {
            m.enter(|mc| a2.get(mc).next.set(mc, None));
        });
        self.finish([first, second]);
    }

    /// Runs the cycle, waits for the mutators, and looks at what there is.
    fn finish<const N: usize>(mut self, mutators: [loom::thread::JoinHandle<()>; N]) {
        cycle(&self.heap);
        for thread in mutators {
            let _ = thread.join();
        }
        self.garbage.assert_freed();
        self.main.enter(|mc| {
            for root in [&self.a, &self.b] {
                let mut next = Some(root.get(mc));
                while let Some(node) = next {
                    node.tracked.read();
                    next = node.next.get();
                }
            }
        });
    }
}
