//! Where the system gives no threads, heaps that are to have marker threads are collected by their mutators.

mod common;

use std::process::Command;
use std::thread;

use common::BARRIERS;
use tricolor_gc::{Gc, Heap};

const CHILD: &str = "TRICOLOR_TEST_WITHOUT_THREADS";

#[test]
fn a_heap_without_the_threads_it_is_to_have_does_not_run_away() {
    if std::env::var_os(CHILD).is_none() {
        // Again, with stacks that no memory holds: no thread can be started.
        let this = std::env::current_exe().unwrap();
        let status = Command::new(this)
            .args(["--test-threads=1", "--nocapture"])
            .env(CHILD, "")
            .env("RUST_MIN_STACK", (1_u64 << 46).to_string())
            .status();
        assert!(status.unwrap().success());
        return;
    }
    assert!(thread::Builder::new().spawn(|| ()).is_err());
    for barrier in BARRIERS {
        for portion in [10, 1000] {
            let heap = Heap::builder().barrier(barrier).marker_threads(2);
            let heap = heap.min_heap(1 << 16).build().unwrap();
            let mut mutator = heap.attach();
            for _ in 0..1_000_000 / portion {
                mutator.enter(|mc| {
                    for _ in 0..portion {
                        std::hint::black_box(Gc::new(mc, [0_u64; 4]));
                    }
                });
            }
            let stats = heap.stats();
            assert!(stats.cycles > 5, "{barrier}: {stats:?}");
            assert!(stats.bytes_in_use < 4 << 20, "{barrier}: {stats:?}");
            assert_eq!(mutator.collect().objects_live, 0);
        }
    }
}
