//! Destructors that take long.

use std::time::{Duration, Instant};

use tricolor_gc::{Gc, Heap, Trace};

/// Takes five microseconds, some hundred times as long as its allocation.
#[derive(Trace)]
#[trace(skip)]
struct Long(#[expect(dead_code)] [u64; 3]);

impl Drop for Long {
    fn drop(&mut self) {
        let began = Instant::now();
        while began.elapsed() < Duration::from_micros(5) {}
    }
}

/// A mutator is not kept long at once by what it has to drop, and yet drops as fast as it allocates: the heap would grow to all that is allocated.
#[test]
fn destructors_that_take_long_are_not_outrun() {
    let heap = Heap::builder().marker_threads(1).min_heap(256 << 10);
    let (heap, mut most) = (heap.build().unwrap(), 0);
    let mut mutator = heap.attach();
    for _ in 0..200 {
        mutator.enter(|mc| {
            for number in 0..1000 {
                Gc::new(mc, Long([number; 3]));
            }
        });
        most = most.max(heap.stats().bytes_in_use);
    }
    let all = heap.stats().bytes_allocated;
    assert!(all > 6_000_000, "{all}");
    assert!(most < 2 << 20, "{most}");
}
