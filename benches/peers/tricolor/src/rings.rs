//! Rings of doubly linked nodes, each walked once and dropped.

use tricolor_gc::{Gc, GcSlot, Heap, Mutation, Trace};

type Link<'gc> = GcSlot<Option<Gc<'gc, Node<'gc>>>>;

#[derive(Trace)]
struct Node<'gc> {
    value: u64,
    next: Link<'gc>,
    previous: Link<'gc>,
}

fn node<'gc>(
    mc: &Mutation<'gc>,
    value: u64,
    previous: Option<Gc<'gc, Node<'gc>>>,
) -> Gc<'gc, Node<'gc>> {
    Gc::new(
        mc,
        Node {
            value,
            next: GcSlot::new(None),
            previous: GcSlot::new(previous),
        },
    )
}

fn ring<'gc>(mc: &Mutation<'gc>, length: u64, value: u64) -> Gc<'gc, Node<'gc>> {
    let first = node(mc, value, None);
    let mut last = first;
    for i in 1..length {
        let next = node(mc, value + i, Some(last));
        last.next.set(mc, Some(next));
        last = next;
    }
    last.next.set(mc, Some(first));
    first.previous.set(mc, Some(last));
    first
}

fn walk<'gc>(first: Gc<'gc, Node<'gc>>) -> u64 {
    let (mut sum, mut node) = (0, first);
    loop {
        sum += node.value;
        node = node.next.get().expect("a ring has no end");
        if Gc::ptr_eq(node, first) {
            return sum;
        }
    }
}

pub fn rings(heap: &Heap, rings: u64, length: u64) -> u64 {
    let mut mutator = heap.attach();
    let (mut done, mut sum) = (0, 0u64);
    while done < rings {
        mutator.enter(|mc| {
            while done < rings && !mc.should_yield() {
                sum += walk(ring(mc, length, done));
                done += 1;
            }
        });
    }
    sum
}
