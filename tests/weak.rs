//! Weak pointers: they find what lives, never what is dead, never what took its place.

mod common;

use std::{
    thread,
    time::{Duration, Instant},
};

use common::{
    CONCURRENT, Drops, PATIENCE, Random, Token, begin_cycle, finish_cycle, heaps, long_list,
    quiet_heap, tail_of,
};
use tricolor_gc::{
    Barrier, Gc, GcCell, GcRefCell, GcSlot, GcWeak, Root, Rootable, StressConfig, Trace,
};

type WeakRoot<T> = Root<Rootable!['gc => GcWeak<'gc, T>]>;
type WeakToken = WeakRoot<Token>;

#[test]
fn upgrades_while_the_object_lives_and_never_after() {
    for heap in heaps() {
        let mut mutator = heap.attach();
        let drops = Drops::new();
        let (strong, weak): (Root<Rootable![Token]>, WeakToken) = mutator.enter(|mc| {
            let object = Gc::new(mc, drops.token());
            let weak = Gc::downgrade(object, mc);
            assert!(Gc::ptr_eq(weak.upgrade(mc).unwrap(), object));
            (Root::new(mc, object), Root::new(mc, Gc::new(mc, weak)))
        });
        for _ in 0..3 {
            mutator.collect();
            mutator.enter(|mc| {
                let object = weak.get(mc).upgrade(mc).unwrap();
                assert!(Gc::ptr_eq(object, strong.get(mc)));
            });
        }
        drop(strong);
        let cycle = mutator.collect();
        assert_eq!((drops.count(), cycle.weak_cleared), (1, 1), "{cycle}");
        mutator.enter(|mc| assert!(weak.get(mc).upgrade(mc).is_none()));
        assert_eq!(mutator.collect().weak_cleared, 0);
        mutator.enter(|mc| assert!(weak.get(mc).upgrade(mc).is_none()));
    }
}

#[test]
fn does_not_keep_cycles_of_garbage_alive() {
    #[derive(Trace)]
    struct Node<'gc> {
        strong: GcCell<Option<Gc<'gc, Node<'gc>>>>,
        weak: GcCell<Option<GcWeak<'gc, Node<'gc>>>>,
        _token: Token,
    }
    for heap in heaps() {
        let mut mutator = heap.attach();
        let drops = Drops::new();
        mutator.enter(|mc| {
            let node = || {
                let (strong, weak) = (GcCell::new(None), GcCell::new(None));
                Gc::new(
                    mc,
                    Node {
                        strong,
                        weak,
                        _token: drops.token(),
                    },
                )
            };
            let (a, b) = (node(), node());
            a.strong.set(mc, Some(b));
            b.strong.set(mc, Some(a));
            a.weak.set(mc, Some(Gc::downgrade(b, mc)));
            b.weak.set(mc, Some(Gc::downgrade(b, mc)));
        });
        mutator.collect();
        assert_eq!(drops.count(), 2);
    }
}

#[test]
fn a_new_object_in_the_old_ones_place_is_not_found() {
    for heap in heaps() {
        let mut mutator = heap.attach();
        let drops = Drops::new();
        for _ in 0..20 {
            let weak: Vec<WeakToken> = mutator.enter(|mc| {
                (0..100)
                    .map(|_| {
                        let object = Gc::new(mc, drops.token());
                        Root::new(mc, Gc::new(mc, Gc::downgrade(object, mc)))
                    })
                    .collect()
            });
            mutator.collect();
            // The same size and type: some lie where the dead ones lay.
            mutator.enter(|mc| {
                let new: Vec<_> = (0..200).map(|_| Gc::new(mc, drops.token())).collect();
                for root in &weak {
                    let weak = root.get(mc);
                    assert!(weak.upgrade(mc).is_none());
                }
                assert_eq!(new.len(), 200);
            });
        }
    }
}

#[test]
fn copies_compare_by_their_target() {
    let heap = quiet_heap(Barrier::Hybrid);
    let mut mutator = heap.attach();
    mutator.enter(|mc| {
        let (a, b) = (
            Gc::new(mc, String::from("a")),
            Gc::new(mc, String::from("b")),
        );
        let (one, two) = (Gc::downgrade(a, mc), Gc::downgrade(a, mc));
        let copy = one;
        assert!(GcWeak::ptr_eq(one, copy) && GcWeak::ptr_eq(one, two));
        assert!(!GcWeak::ptr_eq(one, Gc::downgrade(b, mc)));
    });
}

/// A table of weak pointers must not take an object for one that was in its place.
#[test]
fn a_weak_pointer_to_a_dead_object_is_the_same_as_none_to_its_successor() {
    for heap in heaps() {
        let mut mutator = heap.attach();
        let old: Root<Rootable![GcWeak<'_, [u64; 32]>]> = mutator.enter(|mc| {
            let object = Gc::new(mc, [0_u64; 32]);
            Root::new(mc, Gc::new(mc, Gc::downgrade(object, mc)))
        });
        mutator.collect();
        mutator.enter(|mc| {
            let old = *old.get(mc);
            assert!(old.is_dead(mc) && GcWeak::ptr_eq(old, old));
            let news = (0..1000).map(|_| Gc::downgrade(Gc::new(mc, [0_u64; 32]), mc));
            let same = news.filter(|&new| GcWeak::ptr_eq(old, new)).count();
            assert_eq!(same, 0, "{}", heap.barrier());
        });
    }
}

/// The target is reachable weakly only, and unmarked, when it is upgraded in the middle of the marking.
#[test]
fn an_upgrade_while_marking_keeps_the_object_for_the_cycle() {
    type Kept = Rootable![common::Link<'_, GcSlot<Option<Gc<'_, Token>>>>];
    for barrier in CONCURRENT {
        for store in [false, true] {
            let heap = quiet_heap(barrier);
            let mut mutator = heap.attach();
            let drops = Drops::new();
            let list: Root<Kept> =
                mutator.enter(|mc| Root::new(mc, long_list(mc, GcSlot::new(None))));
            let weak = std::cell::RefCell::new(None::<WeakToken>);
            let mut strong = Some(mutator.enter(|mc| {
                let object = Gc::new(mc, drops.token());
                *weak.borrow_mut() = Some(Root::new(mc, Gc::new(mc, Gc::downgrade(object, mc))));
                let root: Root<Rootable![Token]> = Root::new(mc, object);
                root
            }));
            mutator.collect();
            drop(strong.take());
            begin_cycle_without_a_full_one(&mut mutator);
            let weak = weak.into_inner().unwrap();
            let found = mutator.enter(|mc| {
                let found = weak.get(mc).upgrade(mc);
                if let (Some(object), true) = (found, store) {
                    tail_of(list.get(mc)).set(mc, Some(object));
                }
                found.is_some()
            });
            assert!(found, "{barrier}: nobody has declared it dead yet");
            finish_cycle(&mut mutator);
            assert_eq!(drops.count(), 0, "{barrier}");
            mutator.enter(|mc| assert!(weak.get(mc).upgrade(mc).is_some()));
            mutator.collect();
            assert_eq!(drops.count(), usize::from(!store), "{barrier}");
            mutator.enter(|mc| assert_eq!(weak.get(mc).upgrade(mc).is_some(), store));
        }
    }
}

/// As `begin_cycle`, for a test whose garbage must not be collected before. The last cycle has just ended.
fn begin_cycle_without_a_full_one(mutator: &mut tricolor_gc::Mutator) {
    mutator.enter(|mc| {
        mc.account(1 << 40);
        mc.account(-(1 << 40));
    });
    assert_eq!(mutator.step(1), tricolor_gc::StepStatus::InProgress);
}

#[test]
fn is_dead_says_what_an_upgrade_would() {
    for heap in heaps() {
        let mut mutator = heap.attach();
        let drops = Drops::new();
        let (strong, weak): (Root<Rootable![Token]>, WeakToken) = mutator.enter(|mc| {
            let object = Gc::new(mc, drops.token());
            let weak = Gc::downgrade(object, mc);
            assert!(!weak.is_dead(mc));
            Gc::new_cyclic(mc, |me: GcWeak<'_, u64>| {
                assert!(me.is_dead(mc), "it is not made yet");
                7
            });
            (Root::new(mc, object), Root::new(mc, Gc::new(mc, weak)))
        });
        for _ in 0..3 {
            mutator.collect();
            mutator.enter(|mc| assert!(!weak.get(mc).is_dead(mc)));
        }
        drop(strong);
        mutator.collect();
        for _ in 0..3 {
            mutator.enter(|mc| {
                assert!(weak.get(mc).is_dead(mc) && weak.get(mc).upgrade(mc).is_none());
            });
            mutator.collect();
        }
    }
}

/// It shares its slot, and the next one may be another object's.
#[test]
fn a_tiny_object_that_could_know_itself_weakly_leaves_its_neighbours_alone() {
    for heap in heaps() {
        heap.attach().enter(|mc| {
            for round in 0..100 {
                let (before, beside) = (Gc::new(mc, round), Gc::new(mc, [7u64; 2]));
                let object = Gc::new_cyclic(mc, |_| 2u32);
                assert_eq!((*before, *object, *beside), (round, 2, [7; 2]));
            }
        });
    }
}

/// The question is no upgrade: what is asked for in the middle of the marking dies all the same.
#[test]
fn is_dead_brings_nothing_back() {
    type Kept = Rootable![common::Link<'_, u8>];
    for barrier in CONCURRENT {
        let heap = quiet_heap(barrier);
        let mut mutator = heap.attach();
        let drops = Drops::new();
        let (mut strong, weak) = mutator.enter(|mc| {
            let objects = [drops.token(), drops.token()].map(|token| Gc::new(mc, token));
            let weak = objects.map(|object| Gc::new(mc, Gc::downgrade(object, mc)));
            let strong = objects.map(|object| Root::<Rootable![Token]>::new(mc, object));
            (Vec::from(strong), weak.map(|weak| WeakToken::new(mc, weak)))
        });
        let list: Root<Kept> = mutator.enter(|mc| Root::new(mc, long_list(mc, 0)));
        mutator.collect();
        strong.truncate(1);
        begin_cycle_without_a_full_one(&mut mutator);
        mutator.enter(|mc| {
            assert_eq!(tail_of(list.get(mc)), &0);
            for weak in &weak {
                assert!(!weak.get(mc).is_dead(mc), "{barrier}: not found dead yet");
            }
        });
        let cycle = finish_cycle(&mut mutator);
        assert_eq!((drops.count(), cycle.weak_cleared), (1, 1), "{barrier}");
        mutator.enter(|mc| {
            let dead = weak.each_ref().map(|weak| weak.get(mc).is_dead(mc));
            assert_eq!(dead, [false, true], "{barrier}");
        });
    }
}

/// Marking may be over while a mutator is still inside with its barrier on. The naps let a cycle
/// come to its end between the mutator's two visits, however the machine's cores are shared out.
#[test]
fn is_dead_and_upgrade_agree_while_a_cycle_ends() {
    for barrier in CONCURRENT {
        for seed in 0..3 {
            let heap = tricolor_gc::Heap::builder()
                .barrier(barrier)
                .marker_threads(1)
                .stress(StressConfig::new(seed))
                .build()
                .unwrap();
            let mut mutator = heap.attach();
            let mut dead = 0;
            let mut turns = 0;
            let started = Instant::now();
            while turns < 100 || dead == 0 {
                turns += 1;
                assert!(started.elapsed() < PATIENCE, "{barrier}: nothing dies");
                let weak: Vec<WeakRoot<String>> = mutator.enter(|mc| {
                    let new = || Gc::downgrade(Gc::new(mc, String::from("short-lived")), mc);
                    (0..20).map(|_| Root::new(mc, Gc::new(mc, new()))).collect()
                });
                if turns % 4 == 0 {
                    thread::sleep(Duration::from_micros(turns % 1000));
                }
                mutator.enter(|mc| {
                    for weak in &weak {
                        let weak = weak.get(mc);
                        let was_dead = weak.is_dead(mc);
                        let found = weak.upgrade(mc);
                        assert!(
                            !(was_dead && found.is_some()),
                            "{barrier}: back from the dead"
                        );
                        assert!(
                            found.is_none() || !weak.is_dead(mc),
                            "{barrier}: it is held"
                        );
                        dead += usize::from(was_dead);
                        Gc::new(mc, [0_u8; 100]);
                    }
                });
            }
        }
    }
}

#[test]
fn weak_pointers_made_while_marking() {
    type Kept = Rootable![common::Link<'_, GcRefCell<Vec<GcWeak<'_, Token>>>>];
    for barrier in CONCURRENT {
        let heap = quiet_heap(barrier);
        let mut mutator = heap.attach();
        let drops = Drops::new();
        let list: Root<Kept> =
            mutator.enter(|mc| Root::new(mc, long_list(mc, GcRefCell::new(Vec::new()))));
        begin_cycle(&mut mutator);
        let strong: Root<Rootable![Token]> = mutator.enter(|mc| {
            let weak = tail_of(list.get(mc));
            let kept = Gc::new(mc, drops.token());
            weak.borrow_mut(mc).push(Gc::downgrade(kept, mc));
            weak.borrow_mut(mc)
                .push(Gc::downgrade(Gc::new(mc, drops.token()), mc));
            Root::new(mc, kept)
        });
        finish_cycle(&mut mutator);
        mutator.collect();
        assert_eq!(drops.count(), 1, "{barrier}");
        mutator.enter(|mc| {
            let weak = tail_of(list.get(mc)).borrow();
            assert!(Gc::ptr_eq(weak[0].upgrade(mc).unwrap(), strong.get(mc)));
            assert!(weak[1].upgrade(mc).is_none());
        });
    }
}

#[derive(Trace)]
struct Selfish<'gc> {
    me: GcWeak<'gc, Selfish<'gc>>,
    friend: Option<Gc<'gc, Token>>,
    _token: Token,
}

#[test]
fn an_object_that_knows_itself_weakly() {
    for heap in heaps() {
        let mut mutator = heap.attach();
        let drops = Drops::new();
        let root: Root<Rootable![Selfish<'_>]> = mutator.enter(|mc| {
            let object = Gc::new_cyclic(mc, |me| {
                assert!(me.upgrade(mc).is_none(), "it is not made yet");
                let friend = Some(Gc::new(mc, drops.token()));
                Selfish {
                    me,
                    friend,
                    _token: drops.token(),
                }
            });
            Root::new(mc, object)
        });
        mutator.collect();
        mutator.enter(|mc| {
            let object = root.get(mc);
            assert!(Gc::ptr_eq(object.me.upgrade(mc).unwrap(), object));
            assert!(object.friend.is_some());
        });
        assert_eq!(drops.count(), 0);
        drop(root);
        mutator.collect();
        assert_eq!(drops.count(), 2);
    }
}

#[test]
fn weak_pointers_to_unsized_and_tiny_objects() {
    for heap in heaps() {
        let mut mutator = heap.attach();
        type Both =
            Rootable!['gc => (GcWeak<'gc, str>, GcWeak<'gc, [Gc<'gc, u8>]>, GcWeak<'gc, u8>)];
        let root: Root<Both> = mutator.enter(|mc| {
            let text = Gc::new_str(mc, "gone in a moment");
            let list = Gc::slice_from_fn(mc, 3, |_| Gc::new(mc, 7));
            let weak = (
                Gc::downgrade(text, mc),
                Gc::downgrade(list, mc),
                Gc::downgrade(Gc::new(mc, 9), mc),
            );
            assert_eq!(&*weak.0.upgrade(mc).unwrap(), "gone in a moment");
            assert_eq!(weak.1.upgrade(mc).unwrap().len(), 3);
            assert_eq!(*weak.2.upgrade(mc).unwrap(), 9);
            Root::new(mc, Gc::new(mc, weak))
        });
        // A second cycle: an object that shared a block with a living one may float for one.
        mutator.collect();
        mutator.collect();
        mutator.enter(|mc| {
            let (text, list, tiny) = *root.get(mc);
            assert!(text.upgrade(mc).is_none() && list.upgrade(mc).is_none());
            assert!(tiny.upgrade(mc).is_none());
        });
    }
}

/// A weak cache, as for interned strings: what it finds is whole, what it does not find is dead.
#[test]
fn a_cache_of_weak_pointers_under_stress() {
    #[derive(Trace)]
    struct Cache<'gc> {
        entries: GcRefCell<Vec<Option<GcWeak<'gc, (usize, String)>>>>,
        strong: GcRefCell<Vec<Gc<'gc, (usize, String)>>>,
    }
    const KEYS: usize = 50;
    for barrier in common::BARRIERS {
        for markers in [0, 1, 2] {
            let heap = tricolor_gc::Heap::builder()
                .barrier(barrier)
                .marker_threads(markers)
                .stress(StressConfig::new(7))
                .build()
                .unwrap();
            let mut mutator = heap.attach();
            let mut random = Random::new(markers as u64);
            let root: Root<Rootable![Cache<'_>]> = mutator.enter(|mc| {
                let entries = GcRefCell::new(vec![None; KEYS]);
                let strong = GcRefCell::new(Vec::new());
                Root::new(mc, Gc::new(mc, Cache { entries, strong }))
            });
            let (mut hits, mut misses) = (0, 0);
            let mut turns = 0;
            let started = Instant::now();
            while turns < 200 || misses <= KEYS {
                turns += 1;
                assert!(started.elapsed() < PATIENCE, "{barrier}: nothing dies");
                if turns % 64 == 0 {
                    thread::sleep(Duration::from_micros(100));
                }
                mutator.enter(|mc| {
                    let cache = root.get(mc);
                    for _ in 0..5 {
                        // Something for the collector to do.
                        Gc::new(mc, vec![0_u8; 4]);
                        let key = random.below(KEYS);
                        let known = cache.entries.borrow()[key];
                        let found = known.and_then(|weak| weak.upgrade(mc));
                        hits += usize::from(found.is_some());
                        misses += usize::from(found.is_none());
                        let entry = found.unwrap_or_else(|| {
                            let entry = Gc::new(mc, (key, key.to_string()));
                            cache.entries.borrow_mut(mc)[key] = Some(Gc::downgrade(entry, mc));
                            entry
                        });
                        assert_eq!(*entry, (key, key.to_string()));
                        let mut strong = cache.strong.borrow_mut(mc);
                        strong.push(entry);
                        if strong.len() > 10 {
                            strong.remove(0);
                        }
                    }
                });
            }
            assert!(
                hits > 0 && misses > KEYS,
                "{barrier}: {hits} hits, {misses} misses"
            );
        }
    }
}

#[test]
fn a_weak_pointer_is_cleared_though_its_mutator_has_gone() {
    for heap in heaps() {
        let drops = Drops::new();
        let weak: WeakToken = heap.attach().enter(|mc| {
            let object = Gc::new(mc, drops.token());
            Root::new(mc, Gc::new(mc, Gc::downgrade(object, mc)))
        });
        let cycle = heap.collect();
        assert_eq!((drops.count(), cycle.weak_cleared), (1, 1), "{cycle}");
        let mut mutator = heap.attach();
        mutator.enter(|mc| assert!(weak.get(mc).upgrade(mc).is_none()));
    }
}
