//! Destructors: each runs once, on a thread where it may, contained when it panics, and cannot harm its heap.

mod common;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

use common::{BARRIERS, Drops, Token, TokenRoot, heap, heaps, message_of, wait_until};
use tricolor_gc::{Gc, GcCell, GcRefCell, Heap, Mutator, Root, Rootable, Trace};

/// Notes the thread that drops it. May be dropped anywhere.
#[derive(Trace)]
#[trace(skip)]
struct Anywhere(Arc<Mutex<Vec<ThreadId>>>);

impl Drop for Anywhere {
    fn drop(&mut self) {
        self.0.lock().unwrap().push(thread::current().id());
    }
}

/// The same, with something that must stay on its thread.
#[derive(Trace)]
#[trace(skip)]
struct AtHome {
    seen: Arc<Mutex<Vec<ThreadId>>>,
    count: Rc<Cell<usize>>,
}

impl Drop for AtHome {
    fn drop(&mut self) {
        self.count.set(self.count.get() + 1);
        self.seen.lock().unwrap().push(thread::current().id());
    }
}

/// Calls a function when it is dropped.
#[derive(Trace)]
#[trace(skip)]
struct OnDrop(Option<Box<dyn FnOnce() + Send>>);

impl OnDrop {
    fn new(f: impl FnOnce() + Send + 'static) -> Self {
        OnDrop(Some(Box::new(f)))
    }
}

impl Drop for OnDrop {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            f();
        }
    }
}

#[test]
fn every_dead_object_is_dropped_once_and_no_other() {
    for heap in heaps() {
        let mut mutator = heap.attach();
        let drops = Drops::new();
        let mut kept: Vec<TokenRoot> = Vec::new();
        for round in 1..=20 {
            mutator.enter(|mc| {
                for index in 0..500 {
                    let object = Gc::new(mc, drops.token());
                    if index % 5 == 0 {
                        kept.push(Root::new(mc, object));
                    }
                }
            });
            mutator.collect();
            assert_eq!(drops.count(), round * 400);
        }
        drop(kept);
        mutator.collect();
        assert_eq!(drops.count(), 20 * 500);
        drop((mutator, heap));
        assert_eq!(drops.count(), 20 * 500);
    }
}

#[test]
fn fields_of_objects_with_pointers_are_dropped() {
    #[derive(Trace)]
    struct Node<'gc> {
        token: Token,
        boxed: Box<Token>,
        list: Vec<Token>,
        me: GcCell<Option<Gc<'gc, Node<'gc>>>>,
        cell: GcRefCell<Option<Token>>,
    }
    for heap in heaps() {
        let mut mutator = heap.attach();
        let drops = Drops::new();
        mutator.enter(|mc| {
            let node = Node {
                token: drops.token(),
                boxed: Box::new(drops.token()),
                list: vec![drops.token(), drops.token()],
                me: GcCell::new(None),
                cell: GcRefCell::new(Some(drops.token())),
            };
            let node = Gc::new(mc, node);
            node.me.set(mc, Some(node));
            assert_eq!((node.list.len(), drops.count()), (2, 0));
            let _ = (&node.token, &node.boxed);
            node.cell.replace(mc, Some(drops.token()));
            assert_eq!(drops.count(), 1, "a replaced value is dropped at once");
        });
        mutator.collect();
        assert_eq!(drops.count(), 6);
    }
}

#[test]
fn slices_are_dropped_element_by_element() {
    for heap in heaps() {
        let mut mutator = heap.attach();
        let drops = Drops::new();
        mutator.enter(|mc| {
            for len in [0, 1, 7, 5000] {
                Gc::slice_from_fn(mc, len, |_| drops.token());
            }
        });
        mutator.collect();
        assert_eq!(drops.count(), 5008);
    }
}

#[test]
fn leaves_that_may_not_be_sent_are_dropped_at_home() {
    for heap in heaps() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let count = Rc::new(Cell::new(0));
        let mut mutator = heap.attach();
        mutator.enter(|mc| {
            for _ in 0..100 {
                Gc::new(
                    mc,
                    AtHome {
                        seen: seen.clone(),
                        count: count.clone(),
                    },
                );
            }
            Gc::slice_from_fn(mc, 10, |_| AtHome {
                seen: seen.clone(),
                count: count.clone(),
            });
        });
        // Another thread runs the cycle; with markers, background threads sweep.
        thread::scope(|scope| {
            scope.spawn(|| heap.collect());
        });
        mutator.enter(|_| {});
        assert_eq!(count.get(), 110, "{}", heap.barrier());
        let here = thread::current().id();
        assert!(seen.lock().unwrap().iter().all(|&thread| thread == here));
        // Each slot is free again, once.
        let freed = mutator.collect();
        assert_eq!((freed.objects_freed, freed.objects_live), (0, 0), "{freed}");
        assert_eq!(Rc::strong_count(&count), 1);
        assert_eq!(heap.stats().drops_leaked, 0);
    }
}

#[test]
fn collect_runs_the_destructors_of_its_own_thread() {
    for heap in heaps() {
        let mut mutator = heap.attach();
        let shared = Rc::new(());
        mutator.enter(|mc| {
            for _ in 0..10 {
                Gc::new(mc, shared.clone());
            }
        });
        mutator.collect();
        assert_eq!(Rc::strong_count(&shared), 1, "{}", heap.barrier());
    }
}

#[test]
fn leaves_that_may_be_sent_are_dropped_without_their_thread() {
    for heap in heaps() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        thread::scope(|scope| {
            scope.spawn(|| {
                heap.attach().enter(|mc| {
                    for _ in 0..100 {
                        Gc::new(mc, Anywhere(seen.clone()));
                    }
                });
            });
        });
        heap.collect();
        assert_eq!(seen.lock().unwrap().len(), 100);
    }
}

#[test]
fn leaves_of_a_thread_that_has_ended_are_leaked_and_counted() {
    for heap in heaps() {
        let dropped = Arc::new(Mutex::new(Vec::new()));
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                heap.attach().enter(|mc| {
                    for _ in 0..10 {
                        let count = Rc::new(Cell::new(0));
                        let seen = dropped.clone();
                        Gc::new(mc, AtHome { seen, count });
                    }
                });
            });
            // The scope's end does not wait for thread-local destructors, by which the end of a thread is known.
            thread.join().unwrap();
        });
        let mut mutator = heap.attach();
        for _ in 0..3 {
            mutator.collect();
        }
        assert!(
            dropped.lock().unwrap().is_empty(),
            "never on another thread"
        );
        assert_eq!(heap.stats().drops_leaked, 10, "{}", heap.barrier());
    }
}

#[test]
fn a_panicking_destructor_is_contained_and_counted() {
    for heap in heaps() {
        let mut mutator = heap.attach();
        let drops = Drops::new();
        mutator.enter(|mc| {
            for index in 0..100 {
                Gc::new(mc, drops.token());
                if index % 10 == 0 {
                    // The payload is nobody's to drop: its destructor panics, too.
                    let payload = OnDrop::new(|| panic!("a payload's panic"));
                    Gc::new(mc, OnDrop::new(|| std::panic::panic_any(payload)));
                }
            }
        });
        let cycle = mutator.collect();
        assert!(!cycle.abandoned);
        assert_eq!(cycle.objects_freed, 110, "{cycle}");
        assert_eq!((drops.count(), heap.stats().drops_panicked), (100, 10));
        mutator.enter(|mc| {
            Gc::new(mc, drops.token());
        });
        mutator.collect();
        assert_eq!((drops.count(), heap.stats().drops_panicked), (101, 10));
    }
}

#[test]
fn a_destructor_may_drop_roots_and_use_another_heap() {
    for heap in heaps() {
        let other = Heap::new();
        let drops = Drops::new();
        let mut mutator = heap.attach();
        let root: TokenRoot = mutator.enter(|mc| Root::new(mc, Gc::new(mc, drops.token())));
        let sum = Arc::new(AtomicUsize::new(0));
        mutator.enter(|mc| {
            let (other, sum) = (other.clone(), sum.clone());
            Gc::new(
                mc,
                OnDrop::new(move || {
                    drop(root);
                    let number = other.attach().enter(|mc| *Gc::new(mc, 42));
                    other.collect();
                    sum.fetch_add(number, Ordering::SeqCst);
                }),
            );
        });
        mutator.collect();
        assert_eq!(sum.load(Ordering::SeqCst), 42, "{}", heap.barrier());
        mutator.collect();
        assert_eq!(drops.count(), 1);
        assert_eq!(heap.stats().drops_panicked, 0);
    }
}

#[test]
fn a_destructor_that_comes_back_to_its_own_heap_panics_with_the_reason() {
    type Call = fn(&Heap);
    let calls: [(&str, Call); 3] = [
        (
            "Heap::attach called from the destructor or the trace of an object of the same heap",
            |heap| {
                drop(heap.attach());
            },
        ),
        (
            "Heap::collect called from the destructor or the trace of an object of the same heap",
            |heap| {
                heap.collect();
            },
        ),
        (
            "enter called from the destructor or the trace of an object of the same heap",
            |_| {
                KEPT.with(|kept| kept.borrow_mut().as_mut().unwrap().enter(|_| {}));
            },
        ),
    ];
    for barrier in BARRIERS {
        for (expected, call) in calls {
            // Without marker threads, so that the destructor runs here.
            let heap = heap(barrier, 0);
            KEPT.with(|kept| *kept.borrow_mut() = Some(heap.attach()));
            let text = Arc::new(Mutex::new(String::new()));
            heap.attach().enter(|mc| {
                let (heap, text) = (heap.clone(), text.clone());
                Gc::new(
                    mc,
                    OnDrop::new(move || {
                        let call = std::panic::AssertUnwindSafe(|| call(&heap));
                        let panic = std::panic::catch_unwind(call).unwrap_err();
                        *text.lock().unwrap() = message_of(&*panic);
                    }),
                );
            });
            heap.collect();
            let text = text.lock().unwrap();
            assert!(text.starts_with(expected), "{barrier}: {text:?}");
            KEPT.with(|kept| drop(kept.borrow_mut().take()));
        }
    }
}

thread_local! {
    static KEPT: RefCell<Option<Mutator>> = const { RefCell::new(None) };
}

#[test]
fn the_end_of_a_heap_drops_everything_in_it() {
    for heap in heaps() {
        let drops = Drops::new();
        let shared = Rc::new(());
        let mut mutator = heap.attach();
        let root: TokenRoot = mutator.enter(|mc| {
            for _ in 0..100 {
                Gc::new(mc, drops.token());
                Gc::new(mc, shared.clone());
            }
            Gc::slice_from_fn(mc, 10_000, |_| drops.token());
            Root::new(mc, Gc::new(mc, drops.token()))
        });
        drop(mutator);
        assert_eq!(drops.count(), 0);
        drop(heap);
        assert_eq!(drops.count(), 10_101);
        assert_eq!(Rc::strong_count(&shared), 1, "made here, dropped here");
        drop(root);
    }
}

#[test]
fn a_destructor_may_hold_the_last_handle_of_another_heap() {
    for barrier in BARRIERS {
        let drops = Drops::new();
        let inner = heap(barrier, 1);
        inner.attach().enter(|mc| {
            Gc::new(mc, drops.token());
        });
        let outer = heap(barrier, 1);
        outer.attach().enter(|mc| {
            Gc::new(mc, OnDrop::new(move || drop(inner)));
        });
        outer.collect();
        wait_until("the inner heap is gone", || drops.count() == 1);
    }
}

#[test]
fn a_heap_may_own_its_last_handle() {
    for barrier in BARRIERS {
        for markers in [0, 1] {
            let drops = Drops::new();
            let heap = heap(barrier, markers);
            let mut mutator = heap.attach();
            let _root: Root<Rootable![Token]> = mutator.enter(|mc| {
                let handle = heap.clone();
                Gc::new(mc, OnDrop::new(move || drop(handle)));
                Root::new(mc, Gc::new(mc, drops.token()))
            });
            // The dead object's destructor drops the last handle, on whatever thread sweeps.
            drop(heap);
            let asked = std::panic::AssertUnwindSafe(|| mutator.enter(|mc| mc.account(1 << 40)));
            std::panic::catch_unwind(asked).unwrap();
            drop(mutator);
            if markers > 0 {
                wait_until("the heap is gone", || drops.count() == 1);
            }
        }
    }
}

#[test]
fn destructors_of_values_in_a_failed_store_run_once() {
    let heap = Heap::new();
    let mut mutator = heap.attach();
    let drops = Drops::new();
    mutator.enter(|mc| {
        let cell = Gc::new(mc, tricolor_gc::GcOnceCell::new());
        assert!(cell.set(mc, drops.token()).is_ok());
        drop(cell.set(mc, drops.token()).unwrap_err());
        assert_eq!(drops.count(), 1);
    });
    mutator.collect();
    assert_eq!(drops.count(), 2);
}

/// Makes or collects objects of one thread while its thread-local variables are destroyed.
struct AtExit {
    heap: Heap,
    /// Of each object: the thread that made it, and the one that dropped it.
    seen: Arc<Mutex<Vec<(ThreadId, ThreadId)>>>,
    makes: bool,
}

/// Notes the thread that made it, and the one that drops it.
#[derive(Trace)]
#[trace(skip)]
struct Made {
    by: ThreadId,
    seen: Arc<Mutex<Vec<(ThreadId, ThreadId)>>>,
    _not_send: Rc<()>,
}

impl Drop for Made {
    fn drop(&mut self) {
        let pair = (self.by, thread::current().id());
        self.seen.lock().unwrap().push(pair);
    }
}

impl Drop for AtExit {
    fn drop(&mut self) {
        let mut mutator = self.heap.attach();
        if self.makes {
            mutator.enter(|mc| {
                for _ in 0..100 {
                    let made = Made {
                        by: thread::current().id(),
                        seen: self.seen.clone(),
                        _not_send: Rc::new(()),
                    };
                    Gc::new(mc, made);
                }
            });
        } else {
            mutator.collect();
            mutator.enter(|_| {});
        }
    }
}

thread_local! {
    static AT_EXIT: RefCell<Option<AtExit>> = const { RefCell::new(None) };
}

/// They have no mailbox any more, and must not be taken for one and the same thread.
#[test]
fn threads_that_attach_while_they_end_are_different_threads() {
    for heap in heaps() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        for (makes, attach_first) in [(true, false), (false, false), (true, true), (false, true)] {
            let (heap, seen) = (heap.clone(), seen.clone());
            let at_exit = AtExit { heap, seen, makes };
            // Whatever the order of destruction is, one of the two has the heap's own variables destroyed first.
            let end = move || {
                let heap = at_exit.heap.clone();
                let attach = || {
                    heap.attach();
                };
                if attach_first {
                    attach();
                }
                AT_EXIT.with(|kept| *kept.borrow_mut() = Some(at_exit));
                attach();
            };
            thread::spawn(end).join().unwrap();
        }
        heap.collect();
        drop(heap);
        let seen = seen.lock().unwrap();
        assert!(seen.iter().all(|(made, dropped)| made == dropped));
    }
}
