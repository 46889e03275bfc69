//! Roots: made, cloned and dropped on any thread, in any phase, before and after the end of their heap.

mod common;

use std::cell::RefCell;
use std::sync::mpsc;
use std::thread;

use common::{
    BARRIERS, CONCURRENT, Drops, Token, TokenRoot, begin_cycle, finish_cycle, heap, heaps,
    long_list, panic_message, quiet_heap, tail_of,
};
use tricolor_gc::{Arena, Gc, GcCell, GcRefCell, GcSlot, Heap, Mutator, Root, Rootable, Trace};

fn token_root(mutator: &mut Mutator, drops: &Drops) -> TokenRoot {
    mutator.enter(|mc| Root::new(mc, Gc::new(mc, drops.token())))
}

#[test]
fn an_object_lives_as_long_as_the_last_handle() {
    for heap in heaps() {
        let mut mutator = heap.attach();
        let drops = Drops::new();
        let first = token_root(&mut mutator, &drops);
        let clones = vec![first.clone(); 10];
        drop(first);
        mutator.collect();
        assert_eq!(drops.count(), 0);
        assert!(clones.iter().all(|root| Root::ptr_eq(root, &clones[0])));
        drop(clones);
        mutator.collect();
        assert_eq!(drops.count(), 1);
    }
}

#[test]
fn two_roots_of_one_object_are_independent() {
    let heap = heap(tricolor_gc::Barrier::Hybrid, 0);
    let mut mutator = heap.attach();
    let drops = Drops::new();
    let first = token_root(&mut mutator, &drops);
    let second: TokenRoot = mutator.enter(|mc| Root::new(mc, first.get(mc)));
    assert!(Root::ptr_eq(&first, &second));
    drop(first);
    mutator.collect();
    assert_eq!(drops.count(), 0);
    mutator.enter(|mc| assert!(Gc::ptr_eq(second.get(mc), second.try_get(mc).unwrap())));
    drop(second);
    mutator.collect();
    assert_eq!(drops.count(), 1);
}

#[test]
fn many_roots_come_and_go() {
    for heap in heaps() {
        let mut mutator = heap.attach();
        let drops = Drops::new();
        let mut roots: Vec<TokenRoot> = Vec::new();
        for round in 0..5 {
            roots.extend((0..1000).map(|_| token_root(&mut mutator, &drops)));
            // Every other handle goes, so that free slots lie between taken ones.
            let mut index = 0;
            roots.retain(|_| {
                index += 1;
                index % 2 == 0
            });
            mutator.collect();
            assert_eq!(drops.count() + roots.len(), (round + 1) * 1000);
        }
        drop(roots);
        mutator.collect();
        assert_eq!(drops.count(), 5000);
    }
}

#[test]
fn handles_are_cloned_and_dropped_on_threads_without_a_mutator() {
    for heap in heaps() {
        let mut mutator = heap.attach();
        let drops = Drops::new();
        let roots: Vec<TokenRoot> = (0..100).map(|_| token_root(&mut mutator, &drops)).collect();
        thread::scope(|scope| {
            for part in 0..4 {
                let roots = &roots;
                scope.spawn(move || {
                    for _ in 0..50 {
                        let mine: Vec<TokenRoot> = roots.iter().skip(part).cloned().collect();
                        drop(mine);
                    }
                });
            }
            for _ in 0..5 {
                mutator.collect();
            }
        });
        assert_eq!(drops.count(), 0);
        thread::spawn(move || drop(roots)).join().unwrap();
        mutator.collect();
        assert_eq!(drops.count(), 100);
    }
}

#[test]
fn a_handle_gives_its_object_to_another_mutator() {
    type Shared = Rootable![GcSlot<Option<Gc<'_, u64>>>];
    for heap in heaps() {
        let mut mutator = heap.attach();
        let root: Root<Shared> =
            mutator.enter(|mc| Root::new(mc, Gc::new(mc, GcSlot::new(Some(Gc::new(mc, 1_u64))))));
        let (send, receive) = mpsc::channel::<Root<Shared>>();
        thread::scope(|scope| {
            let heap = &heap;
            scope.spawn(move || {
                let mut mutator = heap.attach();
                let root = receive.recv().unwrap();
                mutator.collect();
                mutator.enter(|mc| {
                    let slot = root.get(mc);
                    let number = *slot.get().unwrap();
                    slot.set(mc, Some(Gc::new(mc, number + 1)));
                });
            });
            send.send(root.clone()).unwrap();
        });
        mutator.collect();
        mutator.enter(|mc| assert_eq!(*root.get(mc).get().unwrap(), 2));
    }
}

#[test]
fn a_root_dropped_while_marking_is_released_with_the_cycle() {
    for barrier in CONCURRENT {
        let heap = quiet_heap(barrier);
        let mut mutator = heap.attach();
        let drops = Drops::new();
        let list: Root<Rootable![common::Link<'_, u8>]> =
            mutator.enter(|mc| Root::new(mc, long_list(mc, 0)));
        let root = token_root(&mut mutator, &drops);
        begin_cycle(&mut mutator);
        thread::spawn(move || drop(root)).join().unwrap();
        finish_cycle(&mut mutator);
        mutator.collect();
        assert_eq!(drops.count(), 1, "{barrier}");
        drop(list);
    }
}

#[test]
fn a_root_cloned_and_read_while_marking_keeps_its_object() {
    for barrier in CONCURRENT {
        let heap = quiet_heap(barrier);
        let mut mutator = heap.attach();
        let drops = Drops::new();
        let list: Root<Rootable![common::Link<'_, GcSlot<Option<Gc<'_, Token>>>>]> =
            mutator.enter(|mc| Root::new(mc, long_list(mc, GcSlot::new(None))));
        begin_cycle(&mut mutator);
        let root = token_root(&mut mutator, &drops);
        let clone = root.clone();
        drop(root);
        mutator.enter(|mc| tail_of(list.get(mc)).set(mc, Some(clone.get(mc))));
        drop(clone);
        finish_cycle(&mut mutator);
        mutator.collect();
        assert_eq!(drops.count(), 0, "{barrier}");
    }
}

#[test]
fn a_handle_that_outlives_its_heap_is_inert() {
    for barrier in BARRIERS {
        let drops = Drops::new();
        let heap = heap(barrier, 1);
        let mut mutator = heap.attach();
        let root = token_root(&mut mutator, &drops);
        let elsewhere = root.clone();
        let id = root.heap_id();
        assert_eq!(id, heap.id());
        drop(mutator);
        assert_eq!(drops.count(), 0);
        drop(heap);
        assert_eq!(
            drops.count(),
            1,
            "the heap drops its objects, rooted or not"
        );
        // A heap at the same address, perhaps: still another heap.
        let other = Heap::new();
        let mut mutator = other.attach();
        let again = root.clone();
        assert!(Root::ptr_eq(&root, &again));
        let new = token_root(&mut mutator, &drops);
        assert!(!Root::ptr_eq(&root, &new), "{barrier}");
        mutator.enter(|mc| {
            assert!(root.try_get(mc).is_none());
            assert!(again.try_get(mc).is_none());
        });
        let text = panic_message(|| {
            mutator.enter(|mc| {
                root.get(mc);
            });
        });
        assert_eq!(
            text,
            format!("a Root of heap {id} was used with heap {}", other.id())
        );
        thread::spawn(move || drop(elsewhere)).join().unwrap();
        drop((root, again));
        assert_eq!(drops.count(), 1);
    }
}

#[test]
fn the_wrong_heap_is_refused_by_name() {
    let (first, second) = (Heap::new(), Heap::new());
    assert_ne!(first.id(), second.id());
    let (mut one, mut two) = (first.attach(), second.attach());
    let root: Root<Rootable![u32]> = one.enter(|mc| Root::new(mc, Gc::new(mc, 5)));
    two.enter(|mc| assert!(root.try_get(mc).is_none()));
    let text = panic_message(|| two.enter(|mc| *root.get(mc)));
    assert_eq!(
        text,
        format!(
            "a Root of heap {} was used with heap {}",
            first.id(),
            second.id()
        )
    );
    // Nothing is broken by the refusal.
    two.collect();
    one.enter(|mc| assert_eq!(*root.get(mc), 5));
    // Inside both heaps at once.
    one.enter(|mc1| {
        two.enter(|mc2| {
            assert_eq!(root.try_get(mc1).map(|n| *n), Some(5));
            assert!(root.try_get(mc2).is_none());
        });
    });
}

#[test]
fn dropping_the_heap_while_another_thread_drops_handles() {
    for barrier in BARRIERS {
        for _ in 0..20 {
            let drops = Drops::new();
            let heap = heap(barrier, 1);
            let mut mutator = heap.attach();
            let roots: Vec<TokenRoot> =
                (0..300).map(|_| token_root(&mut mutator, &drops)).collect();
            let start = std::sync::Barrier::new(2);
            thread::scope(|scope| {
                scope.spawn(|| {
                    start.wait();
                    drop(roots);
                });
                start.wait();
                drop(mutator);
                drop(heap);
            });
            assert_eq!(drops.count(), 300, "{barrier}");
        }
    }
}

thread_local! {
    static KEPT: RefCell<Vec<TokenRoot>> = const { RefCell::new(Vec::new()) };
    static MUTATOR: RefCell<Option<Mutator>> = const { RefCell::new(None) };
}

#[test]
fn handles_in_thread_locals_are_dropped_at_the_end_of_the_thread() {
    for barrier in BARRIERS {
        for mutator_first in [false, true] {
            let heap = heap(barrier, 1);
            let drops = Drops::new();
            thread::scope(|scope| {
                let thread = scope.spawn(|| {
                    let mut mutator = heap.attach();
                    if mutator_first {
                        MUTATOR.with(|slot| drop(slot.borrow_mut().take()));
                    }
                    let root = token_root(&mut mutator, &drops);
                    KEPT.with(|kept| kept.borrow_mut().push(root));
                    MUTATOR.with(|slot| *slot.borrow_mut() = Some(mutator));
                });
                // The end of the scope alone does not wait for thread-local destructors.
                thread.join().unwrap();
            });
            heap.collect();
            assert_eq!(drops.count(), 1, "{barrier}");
            assert_eq!(heap.stats().mutators, 0, "{barrier}");
        }
    }
}

#[test]
fn roots_of_unsized_objects() {
    let heap = heap(tricolor_gc::Barrier::Hybrid, 0);
    let mut mutator = heap.attach();
    let text: Root<Rootable![str]> =
        mutator.enter(|mc| Root::new(mc, Gc::new_str(mc, "a string in the heap")));
    let list: Root<Rootable!['gc => [Gc<'gc, u32>]]> =
        mutator.enter(|mc| Root::new(mc, Gc::slice_from_fn(mc, 5, |i| Gc::new(mc, i as u32))));
    mutator.collect();
    mutator.enter(|mc| {
        assert_eq!(&*text.get(mc), "a string in the heap");
        assert_eq!(
            list.get(mc).iter().map(|n| **n).collect::<Vec<_>>(),
            [0, 1, 2, 3, 4]
        );
    });
}

#[derive(Trace)]
struct Node<'gc> {
    next: GcCell<Option<Gc<'gc, Node<'gc>>>>,
    token: Token,
}

#[test]
fn an_arena_keeps_its_root_object() {
    let drops = Drops::new();
    let mut arena = Arena::<Rootable![GcRefCell<Vec<Gc<'_, Node<'_>>>>]>::with_heap(
        heap(tricolor_gc::Barrier::Insertion, 1),
        |_| GcRefCell::new(Vec::new()),
    );
    arena.enter(|mc, nodes| {
        for _ in 0..10 {
            let node = Gc::new(
                mc,
                Node {
                    next: GcCell::new(None),
                    token: drops.token(),
                },
            );
            node.next.set(mc, Some(node));
            nodes.borrow_mut(mc).push(node);
        }
    });
    arena.collect();
    assert_eq!(drops.count(), 0);
    arena.enter(|mc, nodes| nodes.borrow_mut(mc).truncate(3));
    assert_eq!(arena.collect().objects_freed, 7);
    assert_eq!(drops.count(), 7);
    let handle = arena.root().clone();
    assert_eq!(handle.heap_id(), arena.heap().id());
    drop(arena);
    assert_eq!(drops.count(), 10);
    drop(handle);
}
