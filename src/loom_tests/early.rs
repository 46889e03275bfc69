//! Hybrid: what a Black mutator has allocated before T2, and a Grey one that stores into it what nothing in the heap leads to any more.

use super::harness::{
    Bound, Caught, Model, are_caught, drive, finish, heap, hold, model, must_be_freed, mutator,
    polls,
};
use super::objects::{Node, Weak};
use crate::cycle::command::Mode;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::thread;
use crate::sync::twin::Twin;
use crate::{Barrier, Gc, Heap, Mutation, Mutator, Root, Rootable};
use std::sync::Arc;

const BOUND: Bound = Bound { preemptions: 1 };

type NodeRoot = Root<Rootable![Node<'_>]>;
type WeakRoot = Root<Rootable![Weak<'_>]>;

/// How the Grey mutator comes by the new object, and what becomes of that.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum By {
    /// It is in a slot, and stays there.
    Slot,
    /// The Grey mutator takes it out; the Black one has it on its stack.
    Taken,
    /// Nothing but a weak pointer leads to it, and that stack.
    Weak,
    /// As the first, but the Grey mutator has shaded much: the cycle arms again. The new object is taken out, unseen, but for a weak pointer.
    Again,
}

/// What the threads share.
struct Scene {
    flags: [AtomicBool; 3],
    /// Object 0, in which 5 comes to be, and 1, in which 3 is at first.
    shared: NodeRoot,
    node: NodeRoot,
    /// Of 5.
    weak: loom::sync::Mutex<Option<WeakRoot>>,
}

const INSIDE: usize = 0;
const GREY: usize = 1;
const MADE: usize = 2;

impl Scene {
    fn new(main: &mut Mutator) -> Self {
        let [shared, node] = main.enter(|mc| {
            let moved = Gc::new(mc, Node::new(3, None));
            Gc::new(mc, Node::new(4, None));
            let nodes = [Node::new(0, None), Node::new(1, Some(moved))];
            nodes.map(|node| Root::new(mc, Gc::new(mc, node)))
        });
        Scene {
            flags: [(); 3].map(|()| AtomicBool::new(false)),
            shared,
            node,
            weak: loom::sync::Mutex::new(None),
        }
    }

    fn raise(&self, flag: usize) {
        self.flags[flag].store(true, Ordering::Release);
    }

    fn wait(&self, flag: usize) {
        while !self.flags[flag].load(Ordering::Acquire) {
            thread::yield_now();
        }
    }

    /// The Black mutator: takes object 3 out of 1 before it has its barrier, and makes 5.
    fn black(&self, m: &mut Mutator, by: By) {
        m.enter(|mc| {
            self.raise(INSIDE);
            self.wait(GREY);
            self.node.get(mc).next.set(mc, None);
        });
        m.enter(|mc| {
            assert_eq!(mc.state().mode.get(), Mode::Black);
            let new = Gc::new(mc, Node::new(5, None));
            if by != By::Weak {
                self.shared.get(mc).next.set(mc, Some(new));
            }
            if matches!(by, By::Weak | By::Again) {
                let weak = Gc::new(mc, Weak::new(6, Gc::downgrade(new, mc)));
                *self.weak.lock().unwrap() = Some(Root::new(mc, weak));
            }
            self.raise(MADE);
            if by == By::Again {
                return;
            }
            for _ in 0..12 {
                thread::yield_now();
                polls(mc);
            }
            new.stamp.lives();
            new.next.get().inspect(|moved| moved.stamp.lives());
        });
    }

    /// The Grey one has object 3 on its stack, and puts it into 5.
    fn grey(&self, mc: &Mutation<'_>, by: By) {
        let moved = self.node.get(mc).next.get();
        self.raise(GREY);
        self.wait(MADE);
        assert_eq!(mc.state().mode.get(), Mode::Grey);
        let shared = self.shared.get(mc);
        let new = match by {
            By::Weak => {
                let weak = self.weak.lock().unwrap();
                weak.as_ref().unwrap().get(mc).target.upgrade(mc)
            }
            _ => shared.next.get(),
        };
        loom::explore();
        if by == By::Again {
            mc.state().core().window.arm_again();
        }
        new.expect("it lives").next.set(mc, moved);
        if matches!(by, By::Taken | By::Again) {
            shared.next.set(mc, None);
        }
    }
}

fn ask_first(heap: &Heap) {
    let _ = heap.core().request_new_cycle();
    drive(heap, |core| core.command().mode == Mode::Grey);
}

fn store_into_early(by: By) {
    let heap = heap(Barrier::Hybrid);
    let mut main = heap.attach();
    let scene = Arc::new(Scene::new(&mut main));
    let other = scene.clone();
    let black = mutator(&heap, move |m| other.black(m, by));
    scene.wait(INSIDE);
    ask_first(&heap);
    main.enter(|mc| scene.grey(mc, by));
    finish(&heap);
    black.join().unwrap();
    must_be_freed(4);
    main.enter(|mc| {
        let weak = scene.weak.lock().unwrap();
        let upgraded = weak.as_ref().and_then(|w| w.get(mc).target.upgrade(mc));
        let in_slot = scene.shared.get(mc).next.get();
        for new in [upgraded, in_slot].into_iter().flatten() {
            new.stamp.lives();
            new.next.get().inspect(|moved| moved.stamp.lives());
        }
    });
}

pub(super) fn models() -> Vec<Model> {
    [By::Slot, By::Taken, By::Weak, By::Again]
        .map(|by| {
            let name = format!("early, {by:?}").to_lowercase();
            model(name, BOUND, move || store_into_early(by))
        })
        .into()
}

pub(super) const TWINS: &[Caught] = &[
    ("early, slot", Twin::EarlyIsBlack),
    ("early, taken", Twin::EarlyFound),
    ("early, weak", Twin::EarlyFound),
    ("early, again", Twin::EarlyKept),
    ("early, again", Twin::LeakIgnored),
];

#[test]
fn what_is_stored_into_an_early_object_lives() {
    hold(models());
}

#[test]
fn twins() {
    are_caught(&models(), TWINS);
}
