//! A queue of constant length: each operation appends a node and drops the oldest.

use tricolor_gc::{Gc, GcSlot, Heap, Mutation, Root, Rootable, Trace};

#[derive(Trace)]
struct Node<'gc> {
    value: u64,
    next: GcSlot<Option<Gc<'gc, Node<'gc>>>>,
}

#[derive(Trace)]
struct Queue<'gc> {
    oldest: GcSlot<Gc<'gc, Node<'gc>>>,
    newest: GcSlot<Gc<'gc, Node<'gc>>>,
}

fn node<'gc>(mc: &Mutation<'gc>, value: u64) -> Gc<'gc, Node<'gc>> {
    Gc::new(
        mc,
        Node {
            value,
            next: GcSlot::new(None),
        },
    )
}

pub fn churn(heap: &Heap, live: u64, operations: u64) -> u64 {
    let mut mutator = heap.attach();
    let queue: Root<Rootable![Queue<'_>]> = mutator.enter(|mc| {
        let first = node(mc, 0);
        let queue = Queue {
            oldest: GcSlot::new(first),
            newest: GcSlot::new(first),
        };
        Root::new(mc, Gc::new(mc, queue))
    });
    let (mut value, mut sum) = (1, 0u64);
    while value < live + operations {
        mutator.enter(|mc| {
            let queue = queue.get(mc);
            let (mut oldest, mut newest) = (queue.oldest.get(), queue.newest.get());
            while value < live + operations && !mc.should_yield() {
                let last = node(mc, value);
                newest.next.set(mc, Some(last));
                newest = last;
                if value >= live {
                    sum += oldest.value;
                    oldest = oldest.next.get().expect("the queue is not empty");
                }
                value += 1;
            }
            queue.oldest.set(mc, oldest);
            queue.newest.set(mc, newest);
        });
    }
    sum
}
