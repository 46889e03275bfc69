//! Open-addressing hash tables that grow from small to large, several times over.

use tricolor_gc::{Gc, GcSlot, Heap, Mutation, Root, Rootable, Trace};

#[derive(Trace)]
struct Entry {
    key: u64,
    value: u64,
}

type Slots<'gc> = [GcSlot<Option<Gc<'gc, Entry>>>];

fn new_slots<'gc>(mc: &Mutation<'gc>, len: usize) -> Gc<'gc, Slots<'gc>> {
    Gc::slice_from_fn(mc, len, |_| GcSlot::new(None))
}

fn hash(key: u64) -> usize {
    (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20) as usize
}

/// The slot of a key: its own, or the free one where it goes.
fn find<'a, 'gc>(slots: &'a Slots<'gc>, key: u64) -> &'a GcSlot<Option<Gc<'gc, Entry>>> {
    let mask = slots.len() - 1;
    let mut index = hash(key) & mask;
    while let Some(entry) = slots[index].get() {
        if entry.key == key {
            break;
        }
        index = (index + 1) & mask;
    }
    &slots[index]
}

fn grow<'gc>(mc: &Mutation<'gc>, old: &Slots<'gc>) -> Gc<'gc, Slots<'gc>> {
    let slots = new_slots(mc, old.len() * 2);
    for entry in old.iter().filter_map(GcSlot::get) {
        find(&slots, entry.key).set(mc, Some(entry));
    }
    slots
}

fn table(heap: &Heap, entries: u64) -> u64 {
    let mut mutator = heap.attach();
    let mut root: Root<Rootable!['gc => Slots<'gc>]> =
        mutator.enter(|mc| Root::new(mc, new_slots(mc, 16)));
    let mut key = 0;
    while key < entries {
        root = mutator.enter(|mc| {
            let mut slots = root.get(mc);
            while key < entries && !mc.should_yield() {
                if (key as usize + 1) * 4 > slots.len() * 3 {
                    slots = grow(mc, &slots);
                }
                find(&slots, key).set(
                    mc,
                    Some(Gc::new(
                        mc,
                        Entry {
                            key,
                            value: key * 3,
                        },
                    )),
                );
                key += 1;
            }
            Root::new(mc, slots)
        });
    }
    mutator.enter(|mc| {
        let slots = root.get(mc);
        (0..entries)
            .map(|key| find(&slots, key).get().map_or(0, |entry| entry.value))
            .sum()
    })
}

pub fn growing(heap: &Heap, entries: u64, rounds: u64) -> u64 {
    (0..rounds).map(|_| table(heap, entries)).sum()
}
