//! Settings out of range, heaps that are full, requests that nobody can meet, and memory held outside.

mod common;

use common::{
    BARRIERS, Drops, begin_cycle, finish_cycle, full_heap, heap, panic_message, quiet_heap,
};
use tricolor_gc::{
    AllocError, Barrier, ConfigError, Gc, GcRefCell, Heap, HeapBuilder, Root, Rootable,
    StressConfig, Trace,
};

const MIB: usize = 1 << 20;

#[test]
fn every_setting_out_of_range_is_named() {
    let error = |builder: HeapBuilder| -> ConfigError { builder.build().unwrap_err() };
    let cases = [
        (
            error(Heap::builder().growth_percent(0)),
            "growth_percent",
            "0",
        ),
        (
            error(Heap::builder().growth_percent(100_001)),
            "growth_percent",
            "100001",
        ),
        (
            error(Heap::builder().marker_threads(65)),
            "marker_threads",
            "65",
        ),
        (error(Heap::builder().max_heap(65_535)), "max_heap", "65535"),
        (error(Heap::builder().memory_limit(0)), "memory_limit", "0"),
        (
            error(Heap::builder().stress(StressConfig::new(1).cycle_every(0))),
            "stress.cycle_every",
            "0",
        ),
    ];
    for (error, field, value) in cases {
        assert_eq!((error.field, error.value.as_str()), (field, value));
        let text = error.to_string();
        assert_eq!(
            text,
            format!("{field} is {value}, expected {}", error.range)
        );
        assert!(
            error.range.chars().any(|c| c.is_ascii_digit()),
            "the range has limits: {text}"
        );
    }
    let error = "dijkstra".parse::<Barrier>().unwrap_err();
    assert_eq!(
        (error.field, error.value.as_str()),
        ("barrier", "\"dijkstra\"")
    );
}

#[test]
fn settings_at_the_ends_of_their_ranges_build() {
    let ends = Heap::builder()
        .growth_percent(1)
        .max_heap(65_536)
        .memory_limit(65_536)
        .min_heap(0)
        .marker_threads(64);
    let mut mutator = ends.build().unwrap().attach();
    mutator.enter(|mc| assert_eq!(*Gc::new(mc, 1), 1));
    mutator.collect();
    let ends = Heap::builder()
        .growth_percent(100_000)
        .max_heap(usize::MAX)
        .min_heap(usize::MAX);
    ends.build().unwrap().attach().collect();
}

#[derive(Trace)]
struct Node<'gc> {
    next: Option<Gc<'gc, Node<'gc>>>,
    data: [u64; 6],
}

#[test]
fn a_full_heap_refuses_and_recovers() {
    for barrier in BARRIERS {
        for markers in [0, 1] {
            let heap = full_heap(barrier, markers, 4 * MIB);
            let mut mutator = heap.attach();
            let mut roots: Vec<Root<Rootable![Node<'_>]>> = Vec::new();
            // Live data only: it must fail in the end, and not before most of the limit is used.
            let error: AllocError = loop {
                let made = mutator.enter(|mc| {
                    let next = roots.last().map(|root| root.get(mc));
                    let node = Gc::try_new(mc, Node { next, data: [7; 6] })?;
                    Ok::<_, AllocError>(Root::new(mc, node))
                });
                match made {
                    Ok(root) => roots.push(root),
                    Err(error) => break error,
                }
            };
            assert_eq!(error.limit, Some(4 * MIB), "{error}");
            assert!(
                error.used <= 4 * MIB && error.used + error.requested > 3 * MIB,
                "{error:?}"
            );
            let text = error.to_string();
            assert!(text.starts_with("out of heap: ") && text.contains("max_heap is 4194304"));
            assert!(roots.len() * 64 > 2 * MIB, "{} objects only", roots.len());
            // What is there is whole.
            mutator.enter(|mc| {
                let mut node = Some(roots.last().unwrap().get(mc));
                let mut count = 0;
                while let Some(n) = node {
                    assert_eq!(n.data, [7; 6]);
                    (node, count) = (n.next, count + 1);
                }
                assert_eq!(count, roots.len());
            });
            // And when it has died there is room again.
            drop(roots);
            mutator.collect();
            mutator.collect();
            mutator.enter(|mc| {
                for _ in 0..20_000 {
                    Gc::try_new(
                        mc,
                        Node {
                            next: None,
                            data: [1; 6],
                        },
                    )
                    .unwrap();
                }
            });
        }
    }
}

#[test]
fn new_in_a_full_heap_panics_with_the_figures() {
    let heap = full_heap(Barrier::Hybrid, 0, MIB);
    let mut mutator = heap.attach();
    let text = panic_message(|| {
        mutator.enter(|mc| {
            let mut last = None;
            loop {
                last = Some(Gc::new(
                    mc,
                    Node {
                        next: last,
                        data: [0; 6],
                    },
                ));
            }
        });
    });
    assert!(
        text.starts_with("out of heap: ") && text.contains("max_heap is 1048576"),
        "{text}"
    );
    // All of it is garbage now.
    mutator.collect();
    mutator.enter(|mc| {
        Gc::new(
            mc,
            Node {
                next: None,
                data: [0; 6],
            },
        );
    });
}

#[test]
fn large_objects_are_refused_by_the_limit() {
    let heap = full_heap(Barrier::Hybrid, 1, 4 * MIB);
    let mut mutator = heap.attach();
    mutator.enter(|mc| {
        let error = Gc::<[u8]>::try_slice_from_fn(mc, 5 * MIB, |_| 0).unwrap_err();
        assert_eq!(error.limit, Some(4 * MIB));
        assert!(error.requested >= 5 * MIB);
        assert_eq!(
            Gc::<[u8]>::try_slice_from_fn(mc, MIB, |_| 3).unwrap().len(),
            MIB
        );
    });
}

#[test]
fn a_memory_limit_makes_cycles_come_more_often() {
    fn cycles(limit: usize) -> u64 {
        let heap = Heap::builder()
            .marker_threads(0)
            .minor_cycles(false)
            .memory_limit(limit)
            .build()
            .unwrap();
        let mut mutator = heap.attach();
        // 8 MiB that live, and 64 MiB of garbage.
        let _live: Root<Rootable![[u64]]> =
            mutator.enter(|mc| Root::new(mc, Gc::slice_from_fn(mc, MIB, |index| index as u64)));
        for _ in 0..1024 {
            mutator.enter(|mc| {
                for _ in 0..1024 {
                    Gc::new(
                        mc,
                        Node {
                            next: None,
                            data: [0; 6],
                        },
                    );
                }
            });
        }
        heap.stats().cycles
    }
    let (without, with) = (cycles(usize::MAX), cycles(10 * MIB));
    assert!(
        with >= 2 * without && without > 1,
        "{without} cycles without, {with} with a limit"
    );
}

#[test]
fn growth_percent_sets_how_often_cycles_come() {
    fn cycles(percent: u32) -> u64 {
        let heap = Heap::builder()
            .marker_threads(0)
            .growth_percent(percent)
            .build()
            .unwrap();
        let mut mutator = heap.attach();
        for _ in 0..512 {
            mutator.enter(|mc| {
                for _ in 0..1024 {
                    Gc::new(
                        mc,
                        Node {
                            next: None,
                            data: [0; 6],
                        },
                    );
                }
            });
        }
        heap.stats().cycles
    }
    let (often, normal, rarely) = (cycles(25), cycles(100), cycles(400));
    assert!(
        often > normal && normal > rarely,
        "{often}, {normal}, {rarely} cycles"
    );
}

#[test]
fn sizes_that_overflow_are_an_error_not_a_small_object() {
    let heap = quiet_heap(Barrier::Hybrid);
    let mut mutator = heap.attach();
    mutator.enter(|mc| {
        let lengths = [
            usize::MAX,
            usize::MAX / 8,
            usize::MAX / 8 + 1,
            usize::MAX / 16 + 1,
            isize::MAX as usize / 8,
            isize::MAX as usize / 8 + 1,
        ];
        for len in lengths {
            let error = Gc::<[u64]>::try_slice_from_fn(mc, len, |_| unreachable!()).unwrap_err();
            assert!(error.to_string().starts_with("out of memory: "), "{error}");
            let error = Gc::<[String]>::try_slice_from_fn(mc, len, |_| unreachable!());
            assert!(error.is_err());
        }
        // Nothing that the system has, and less than any address.
        let huge = Gc::<[u8]>::try_slice_from_fn(mc, 1 << 55, |_| unreachable!());
        assert_eq!(huge.unwrap_err().limit, None);
        // Zero-sized elements take no room, however many.
        assert_eq!(Gc::slice_from_fn(mc, 1_000_000, |_| ()).len(), 1_000_000);
    });
    mutator.collect();
}

#[test]
fn external_memory_counts_for_pacing_and_for_the_limit() {
    let heap = heap(Barrier::Hybrid, 0);
    let mut mutator = heap.attach();
    let before = heap.stats().cycles;
    for _ in 0..100 {
        // A small object that owns a large buffer.
        mutator.enter(|mc| {
            Gc::new(mc, 1_u64);
            mc.account(MIB as isize);
        });
        mutator.enter(|_| {});
    }
    assert!(
        heap.stats().cycles > before,
        "external memory alone starts cycles"
    );
    assert_eq!(heap.stats().bytes_external, 100 * MIB);
    assert!(heap.last_cycle().unwrap().heap_live >= MIB);
    heap.account(-(100 * MIB as isize));
    assert_eq!(heap.stats().bytes_external, 0);
    // It never goes below zero.
    heap.account(-1);
    assert_eq!(heap.stats().bytes_external, 0);

    let heap = full_heap(Barrier::Hybrid, 0, 4 * MIB);
    let mut mutator = heap.attach();
    mutator.enter(|mc| {
        mc.account(5 * MIB as isize);
        let error = Gc::try_new(
            mc,
            Node {
                next: None,
                data: [0; 6],
            },
        )
        .err();
        assert!(error.is_some_and(|error| error.used >= 5 * MIB && error.limit.is_some()));
        mc.account(-(5 * MIB as isize));
        assert!(
            Gc::try_new(
                mc,
                Node {
                    next: None,
                    data: [0; 6]
                }
            )
            .is_ok()
        );
    });
}

#[test]
fn slices_and_strings_that_do_not_fit_are_refused_whole() {
    for barrier in BARRIERS {
        let heap = full_heap(barrier, 0, MIB);
        let mut mutator = heap.attach();
        let drops = Drops::new();
        mutator.enter(|mc| {
            let long = vec![b'x'; 2 * MIB];
            let error = Gc::try_copy_from_slice(mc, &long).unwrap_err();
            assert_eq!(error.limit, Some(MIB), "{error}");
            assert!(Gc::try_new_str(mc, str::from_utf8(&long).unwrap()).is_err());
            let list: Vec<_> = (0..2 * MIB / 8).map(|_| drops.token()).collect();
            let mut list = list.into_iter();
            assert!(Gc::try_slice_from_iter(mc, &mut list).is_err());
            assert_eq!((list.len(), drops.count()), (2 * MIB / 8, 0));
            drop(list);
            // What fits is a copy.
            let text = Gc::try_new_str(mc, "äöü").unwrap();
            let bytes = Gc::try_copy_from_slice(mc, text.as_bytes()).unwrap();
            assert_eq!((&*text, &*bytes), ("äöü", "äöü".as_bytes()));
            let some = Gc::try_slice_from_iter(mc, [drops.token(), drops.token()]).unwrap();
            assert_eq!((some.len(), drops.count()), (2, 2 * MIB / 8));
        });
        mutator.collect();
        assert_eq!(drops.count(), 2 * MIB / 8 + 2, "{barrier}");
        mutator.enter(|mc| {
            let text = "panics";
            assert!(!panic_message(|| Gc::new_str(mc, &text.repeat(MIB))).is_empty());
            assert_eq!(&*Gc::new_str(mc, text), text);
        });
    }
}

#[test]
fn a_refused_value_is_dropped_once() {
    let heap = full_heap(Barrier::Hybrid, 0, 65_536);
    let mut mutator = heap.attach();
    let drops = Drops::new();
    let made = mutator.enter(|mc| {
        let list = Gc::new(mc, GcRefCell::new(Vec::new()));
        let mut refused = 0;
        for _ in 0..20_000 {
            match Gc::try_new(mc, drops.token()) {
                Ok(token) => list.borrow_mut(mc).push(token),
                Err(_) => refused += 1,
            }
        }
        assert!(refused > 0);
        assert_eq!(drops.count(), refused);
        list.borrow().len()
    });
    assert!(made > 0);
    mutator.collect();
    assert_eq!(drops.count(), 20_000);
}

#[test]
fn any_headroom_builds_and_collects() {
    for min_heap in 0..=130 {
        for markers in [0, 1] {
            let heap = Heap::builder()
                .min_heap(min_heap)
                .marker_threads(markers)
                .build()
                .unwrap();
            let mut mutator = heap.attach();
            let root: Root<Rootable![u64]> =
                mutator.enter(|mc| Root::new(mc, Gc::new(mc, min_heap as u64)));
            assert_eq!(mutator.collect().objects_live, 1);
            mutator.enter(|mc| assert_eq!(*root.get(mc), min_heap as u64));
        }
    }
}

#[test]
fn external_memory_reported_in_a_cycle_is_none_that_it_allocated() {
    let heap = quiet_heap(Barrier::Hybrid);
    let mut mutator = heap.attach();
    let _list: Root<Rootable![common::Link<'_, u8>]> =
        mutator.enter(|mc| Root::new(mc, common::long_list(mc, 0)));
    begin_cycle(&mut mutator);
    heap.account(1 << 40);
    let cycle = finish_cycle(&mut mutator);
    assert_eq!(cycle.bytes_allocated, 0, "{cycle}");
    assert_eq!(cycle.heap_end - cycle.heap_start, 1 << 40, "{cycle}");
}

#[test]
fn external_memory_beyond_all_numbers_is_the_largest_number() {
    for barrier in BARRIERS {
        for markers in [0, 1] {
            let heap = heap(barrier, markers);
            let mut mutator = heap.attach();
            for _ in 0..3 {
                heap.account(isize::MAX);
                mutator.enter(|mc| mc.account(isize::MAX));
            }
            assert_eq!(heap.stats().bytes_external, usize::MAX);
            let root: Root<Rootable![String]> =
                mutator.enter(|mc| Root::new(mc, Gc::new(mc, String::from("kept"))));
            let cycle = mutator.collect();
            assert_eq!((cycle.abandoned, cycle.objects_live), (false, 1), "{cycle}");
            mutator.enter(|mc| assert_eq!(*root.get(mc), "kept"));
            for _ in 0..3 {
                heap.account(-isize::MAX);
            }
            assert_eq!(heap.stats().bytes_external, 0);
        }
    }
    // The same at a limit: refused, not overflowed.
    let heap = full_heap(Barrier::Hybrid, 0, MIB);
    let mut mutator = heap.attach();
    for _ in 0..3 {
        heap.account(isize::MAX);
    }
    let refused = mutator.enter(|mc| Gc::try_new(mc, 1_u64).err());
    assert!(refused.is_some_and(|error| error.used == usize::MAX));
}

/// A destructor, or a thread without a mutator, may be who knows of the memory.
#[test]
fn external_memory_that_a_heap_is_told_of_calls_for_a_cycle() {
    let heap = Heap::builder().marker_threads(1).build().unwrap();
    let began = std::time::Instant::now();
    heap.account(1 << 30);
    while heap.stats().cycles == 0 {
        assert!(began.elapsed() < common::PATIENCE);
        std::thread::yield_now();
    }
    heap.account(-(1 << 30));
}

/// Whatever the heap would like to grow to: what is allocated while a cycle runs must fit below the limit as well.
#[test]
fn cycles_begin_well_before_the_limit_of_the_heap() {
    for barrier in BARRIERS {
        let heap = Heap::builder()
            .barrier(barrier)
            .minor_cycles(false)
            .marker_threads(0)
            .min_heap(64 * MIB)
            .max_heap(16 * MIB)
            .build()
            .unwrap();
        let mut mutator = heap.attach();
        for _ in 0..3 {
            let trigger = heap.stats().trigger;
            assert!(trigger <= 8 * MIB, "{barrier}: {trigger}");
            mutator.collect();
        }
    }
}
