//! A heap that goes leaves nothing behind: whatever it took from the program's allocator it has given back.
#![cfg(target_os = "linux")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicIsize, Ordering};
use std::thread;

use common::{Drops, Token, heaps, long_list, wait_until};
use tricolor_gc::{Gc, GcMutex, GcRefCell, GcSlot, GcWeak, Heap, Mutator, Root, Rootable, Trace};

/// The system's allocator; counts the blocks in use.
struct Counting;

static BLOCKS: AtomicIsize = AtomicIsize::new(0);

// SAFETY: the system's allocator does it all.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BLOCKS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        BLOCKS.fetch_sub(1, Ordering::Relaxed);
        // SAFETY: the caller's contract.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Something of each kind that the collector keeps books on.
#[derive(Trace)]
struct Everything<'gc> {
    names: GcRefCell<HashMap<String, Gc<'gc, String>>>,
    slot: GcSlot<Option<Gc<'gc, Everything<'gc>>>>,
    shared: GcMutex<Vec<Gc<'gc, [Option<Gc<'gc, str>>]>>>,
    itself: GcRefCell<Option<GcWeak<'gc, Everything<'gc>>>>,
    token: Token,
}

#[derive(Trace)]
struct AtHome(#[trace(skip)] Rc<u8>);

type Held = Root<Rootable![Everything<'_>]>;

fn make(mutator: &mut Mutator, drops: &Drops) -> Held {
    mutator.enter(|mc| {
        let text = Gc::new_str(mc, "a text");
        let everything = Gc::new(
            mc,
            Everything {
                names: GcRefCell::new(HashMap::new()),
                slot: GcSlot::new(None),
                shared: GcMutex::new(vec![Gc::slice_from_fn(mc, 5000, |_| Some(text))]),
                itself: GcRefCell::new(None),
                token: drops.token(),
            },
        );
        let mut names = everything.names.borrow_mut(mc);
        for index in 0..100 {
            let name = format!("{index}");
            names.insert(name.clone(), Gc::new(mc, name));
        }
        *everything.itself.borrow_mut(mc) = Some(Gc::downgrade(everything, mc));
        everything.slot.set(mc, Some(everything));
        Root::new(mc, everything)
    })
}

/// The life of a heap; returns a root that outlives it.
fn life(heap: Heap) -> Held {
    let drops = Drops::new();
    let mut mutator = heap.attach();
    mutator.enter(|mc| long_list(mc, ()).tail.is_some());
    // Not on a thread that ends before: what it was to drop is forgotten then.
    mutator.enter(|mc| Gc::new(mc, AtHome(Rc::new(0))).0.checked_add(1));
    let roots: Vec<Held> = (0..40).map(|_| make(&mut mutator, &drops)).collect();
    let kept = roots[7].clone();
    let elsewhere = thread::spawn({
        let (heap, drops) = (heap.clone(), drops.clone());
        move || {
            let mut mutator = heap.attach();
            let root = make(&mut mutator, &drops);
            mutator.enter(|mc| assert!(root.get(mc).slot.get().is_some()));
        }
    });
    drop(roots);
    for _ in 0..100 {
        mutator.enter(|mc| mc.account(1 << 20));
        mutator.step(1 << 12);
    }
    elsewhere.join().unwrap();
    mutator.collect();
    mutator.enter(|mc| assert_eq!(kept.get(mc).names.borrow().len(), 100));
    drop((mutator, heap));
    assert_eq!(drops.count(), 41);
    kept
}

/// All that is in use once no thread of the collector runs any more, and what waits for readers has been freed.
fn blocks_in_use() -> isize {
    wait_until("the collector's threads have ended", || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let mut names =
            tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
        names.all(|name| !name.starts_with("tricolor-gc"))
    });
    let mut least = isize::MAX;
    for _ in 0..200 {
        // Each list of mutators that is replaced lets the library's epochs go on.
        drop(Heap::builder().marker_threads(0).build().unwrap().attach());
        least = least.min(BLOCKS.load(Ordering::Relaxed));
    }
    least
}

/// One test, since it counts all of the process.
#[test]
fn a_heap_gives_back_what_it_took() {
    let lives = |rounds| (0..rounds).for_each(|_| heaps().for_each(|heap| drop(life(heap))));
    // What is made once, for the process or its thread.
    lives(2);
    let before = blocks_in_use();
    lives(4);
    let left = blocks_in_use() - before;
    // A few may wait for readers still.
    let least = 4 * heaps().count() as isize;
    assert!(left < least / 2, "{left} blocks are left, of {least} heaps");
}
