//! A large array of pointers, stored to at random.

use peers_common::{Random, mix};
use tricolor_gc::{Gc, GcSlot, Heap, Root, Rootable};

type Numbers = Rootable!['gc => [GcSlot<Option<Gc<'gc, [u64; 2]>>>]];

pub fn random_stores(heap: &Heap, length: u64, stores: u64) -> u64 {
    let mut mutator = heap.attach();
    let array: Root<Numbers> = mutator.enter(|mc| {
        Root::new(
            mc,
            Gc::slice_from_fn(mc, length as usize, |_| GcSlot::new(None)),
        )
    });
    let mut random = Random::new();
    let mut done = 0;
    while done < stores {
        mutator.enter(|mc| {
            let array = array.get(mc);
            while done < stores && !mc.should_yield() {
                let slot = &array[random.below(length) as usize];
                slot.set(mc, Some(Gc::new(mc, [done, 1])));
                done += 1;
            }
        });
    }
    mutator.enter(|mc| {
        let slots = array.get(mc);
        slots.iter().fold(0, |sum, slot| {
            mix(sum, slot.get().map_or(0, |pair| pair[0] + pair[1]))
        })
    })
}
