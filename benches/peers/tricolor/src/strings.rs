//! Strings that grow by appending a number and start anew when they are long. They are bytes, as those of the other systems' programs:
//! nobody checks that they are UTF-8 (which took a third of the time).

use peers_common::{Random, mix, put_decimal};
use tricolor_gc::{Gc, GcCell, Heap, Root, Rootable};

const LONGEST: usize = 96;

type Strings = Rootable!['gc => [GcCell<Gc<'gc, [u8]>>]];

pub fn strings(heap: &Heap, live: u64, operations: u64) -> u64 {
    let mut mutator = heap.attach();
    let strings: Root<Strings> = mutator.enter(|mc| {
        Root::new(
            mc,
            Gc::slice_from_fn(mc, live as usize, |_| {
                GcCell::new(Gc::copy_from_slice(mc, &[]))
            }),
        )
    });
    let mut random = Random::new();
    let mut done = 0;
    while done < operations {
        mutator.enter(|mc| {
            let strings = strings.get(mc);
            while done < operations && !mc.should_yield() {
                let cell = &strings[random.below(live) as usize];
                let old = cell.get();
                let mut buffer = [0; LONGEST];
                let kept = if old.len() > LONGEST - 20 {
                    0
                } else {
                    old.len()
                };
                buffer[..kept].copy_from_slice(&old[..kept]);
                let end = put_decimal(&mut buffer, kept, done);
                cell.set(mc, Gc::copy_from_slice(mc, &buffer[..end]));
                done += 1;
            }
        });
    }
    mutator.enter(|mc| {
        strings.get(mc).iter().fold(0, |sum, cell| {
            let text = cell.get();
            let bytes = text
                .iter()
                .fold(0, |sum, &byte| sum * 31 + u64::from(byte) % 31);
            mix(sum, bytes)
        })
    })
}
