//! Objects of every size, alignment and shape: where they lie, that they do not overlap, that they stay as they are.

mod common;

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::{Debug, Display};

use common::{Drops, Token, heap, heaps};
use tricolor_gc::{
    Barrier, ByIdentity, Gc, GcCell, GcMutex, GcOnceCell, GcRefCell, GcRwLock, GcSlot, GcWeak,
    Heap, Root, Rootable, StressConfig, Trace, gc_unsize,
};

#[test]
fn pointers_and_slots_are_one_word() {
    const WORD: usize = size_of::<usize>();
    assert_eq!(size_of::<Gc<'_, u8>>(), WORD);
    assert_eq!(size_of::<Option<Gc<'_, u8>>>(), WORD);
    assert_eq!(size_of::<Option<Gc<'_, [u8; 100]>>>(), WORD);
    assert_eq!(size_of::<Option<Gc<'_, str>>>(), 2 * WORD);
    assert_eq!(size_of::<Option<Gc<'_, dyn Debug>>>(), 2 * WORD);
    assert_eq!(size_of::<GcSlot<Option<Gc<'_, u8>>>>(), WORD);
    assert!(size_of::<GcWeak<'_, u8>>() <= 2 * WORD);
    assert!(size_of::<GcCell<u32>>() <= size_of::<u32>() + 4);
}

/// `N` bytes that say which object they are.
#[derive(Trace)]
struct Bytes<const N: usize>([u8; N]);

impl<const N: usize> Bytes<N> {
    fn of(seed: usize) -> Self {
        Bytes(std::array::from_fn(|index| (seed * 31 + index) as u8))
    }

    fn check(&self, seed: usize) {
        let good = self
            .0
            .iter()
            .enumerate()
            .all(|(i, &b)| b == (seed * 31 + i) as u8);
        assert!(good, "object {seed} of {N} bytes has changed");
    }
}

/// Many objects of one size, some of which die; the others keep their contents.
fn sized<const N: usize>(heap: &Heap, count: usize) {
    let mut mutator = heap.attach();
    type Kept<const N: usize> = Rootable!['gc => GcRefCell<Vec<(usize, Gc<'gc, Bytes<N>>)>>];
    let root: Root<Kept<N>> =
        mutator.enter(|mc| Root::new(mc, Gc::new(mc, GcRefCell::new(Vec::new()))));
    for round in 0..3 {
        mutator.enter(|mc| {
            let list = root.get(mc);
            for index in 0..count {
                let seed = round * count + index;
                list.borrow_mut(mc)
                    .push((seed, Gc::new(mc, Bytes::<N>::of(seed))));
            }
            list.borrow_mut(mc).retain(|&(seed, _)| seed % 3 != round);
            // No two overlap.
            let list = list.borrow();
            let starts: BTreeMap<usize, usize> = list
                .iter()
                .map(|&(seed, gc)| (Gc::as_ptr(gc).addr(), seed))
                .collect();
            assert_eq!(starts.len(), list.len());
            let gaps = starts.keys().zip(starts.keys().skip(1)).map(|(a, b)| b - a);
            assert!(gaps.min().is_none_or(|gap| gap >= N));
        });
        mutator.collect();
        mutator.enter(|mc| {
            for (seed, object) in root.get(mc).borrow().iter() {
                object.check(*seed);
            }
        });
    }
}

#[test]
fn objects_from_one_byte_to_three_mebibytes_keep_their_contents() {
    macro_rules! sizes {
        ($heap:expr; $($size:literal * $count:literal),*) => {
            $(sized::<$size>($heap, $count);)*
        };
    }
    for barrier in [Barrier::Hybrid, Barrier::Insertion] {
        let heap = heap(barrier, 1);
        sizes!(&heap; 1 * 300, 2 * 300, 3 * 300, 7 * 300, 8 * 300, 15 * 300, 16 * 300, 17 * 300,
            24 * 300, 31 * 300, 32 * 300, 33 * 300, 48 * 300, 100 * 200, 129 * 200, 500 * 100, 1025 * 50);
        sizes!(&heap; 4096 * 30, 10_000 * 10, 16_385 * 10, 32_768 * 8, 32_769 * 8, 65_537 * 4);
    }
}

/// In the stress mode no allocation takes the fast path: small values go to the slow one in registers.
#[test]
fn objects_whose_allocation_is_slow_keep_their_contents() {
    let stress = StressConfig::new(3);
    let heap = Heap::builder().stress(stress).build().unwrap();
    macro_rules! sizes {
        ($($size:literal),*) => { $(sized::<$size>(&heap, 40);)* };
    }
    sizes!(0, 1, 3, 7, 8, 9, 15, 16, 17, 23, 24, 25, 31, 32, 33, 40);
    let mut mutator = heap.attach();
    mutator.enter(|mc| {
        for number in 0..100 {
            assert_eq!(*Gc::new(mc, u128::MAX - number), u128::MAX - number);
            let (byte, long) = *Gc::new(mc, (number as u8, [number; 1]));
            assert_eq!((byte, long), (number as u8, [number]));
            let word: &'static str = ["a", "bc"][number as usize % 2];
            assert_eq!(*Gc::new(mc, Some(word)), Some(word));
        }
    });
}

/// A slice of any length, with pointers and destructors or without.
#[test]
fn large_slices_keep_their_contents() {
    for heap in heaps() {
        let mut mutator = heap.attach();
        let drops = Drops::new();
        type Kept = Rootable!['gc => GcRefCell<Vec<Gc<'gc, [u32]>>>];
        type Traced = Rootable!['gc => GcRefCell<Vec<Gc<'gc, [(usize, Gc<'gc, Token>)]>>>];
        let lens = [0, 1, 3, 4, 1000, 8192, 8193, 100_000, 600_000];
        let (plain, traced): (Root<Kept>, Root<Traced>) = mutator.enter(|mc| {
            let plain = Gc::new(mc, GcRefCell::new(Vec::new()));
            let traced = Gc::new(mc, GcRefCell::new(Vec::new()));
            for len in lens {
                let slice = Gc::slice_from_fn(mc, len, |index| index as u32);
                plain.borrow_mut(mc).push(slice);
            }
            for len in &lens[..6] {
                let slice =
                    Gc::slice_from_fn(mc, *len, |index| (index, Gc::new(mc, drops.token())));
                traced.borrow_mut(mc).push(slice);
            }
            (Root::new(mc, plain), Root::new(mc, traced))
        });
        for _ in 0..2 {
            mutator.collect();
            mutator.enter(|mc| {
                for (slice, len) in plain.get(mc).borrow().iter().zip(lens) {
                    assert_eq!(slice.len(), len);
                    assert!(
                        slice
                            .iter()
                            .enumerate()
                            .all(|(index, &n)| n == index as u32)
                    );
                }
                for (slice, len) in traced.get(mc).borrow().iter().zip(lens) {
                    assert_eq!(slice.len(), len);
                    assert!(
                        slice
                            .iter()
                            .enumerate()
                            .all(|(index, pair)| pair.0 == index)
                    );
                }
            });
            assert_eq!(drops.count(), 0);
        }
        drop((plain, traced));
        assert_eq!(mutator.collect().objects_live, 0);
        assert_eq!(drops.count(), lens[..6].iter().sum());
    }
}

/// Slots of 2048 and 4096 bytes, for one type, in the holes that others left: a cache that looks runs up by type and size meets both
/// in one place.
#[test]
fn slices_of_one_type_do_not_overlap() {
    type Slice = Root<Rootable!['gc => [(usize, Option<Gc<'gc, u8>>)]]>;
    for heap in heaps() {
        let mut mutator = heap.attach();
        let mut slices: Vec<(usize, Slice)> = Vec::new();
        for round in 0..3 {
            for number in (0..200).map(|index| round * 1000 + index) {
                let len = if number / 2 % 2 == 0 { 127 } else { 255 };
                let slice = mutator
                    .enter(|mc| Root::new(mc, Gc::slice_from_fn(mc, len, |_| (number, None))));
                slices.push((number, slice));
            }
            mutator.enter(|mc| {
                for (number, slice) in &slices {
                    assert!(slice.get(mc).iter().all(|pair| pair.0 == *number));
                }
            });
            slices.retain(|(number, _)| number % 2 == 0);
            mutator.collect();
        }
    }
}

/// Pointers, values with a destructor and plain bytes, all in slots of one size: who scans and drops them goes by their type.
#[test]
fn slices_of_different_types_do_not_share_spans() {
    type Pointers = Rootable!['gc => [Option<Gc<'gc, String>>]];
    type Bytes = Rootable![[u8]];
    type Tokens = Rootable![[Token]];
    const SLOT: usize = 64;
    let word = size_of::<usize>();
    for heap in heaps() {
        let mut mutator = heap.attach();
        let drops = Drops::new();
        let mut kept: Vec<(Root<Pointers>, Root<Bytes>, Root<Tokens>)> = Vec::new();
        for round in 0..3 {
            for _ in 0..100 {
                kept.push(mutator.enter(|mc| {
                    let name = |index: usize| Some(Gc::new(mc, format!("name {index}")));
                    let pointers = Gc::slice_from_fn(mc, SLOT / word - 1, name);
                    let bytes = Gc::slice_from_fn(mc, SLOT, |_| 0xA5);
                    let tokens = Gc::slice_from_fn(mc, SLOT / word - 1, |_| drops.token());
                    (
                        Root::new(mc, pointers),
                        Root::new(mc, bytes),
                        Root::new(mc, tokens),
                    )
                }));
            }
            kept.rotate_left(33);
            kept.truncate(50 * (round + 1));
            mutator.collect();
            mutator.enter(|mc| {
                for (pointers, bytes, _) in &kept {
                    let pointers = pointers.get(mc);
                    let names = pointers
                        .iter()
                        .map(|name| name.expect("a name").to_string());
                    assert!(names.eq((0..pointers.len()).map(|index| format!("name {index}"))));
                    assert!(bytes.get(mc).iter().all(|&byte| byte == 0xA5));
                }
            });
        }
        let alive = kept.len() * (SLOT / word - 1);
        assert_eq!(drops.count(), 300 * (SLOT / word - 1) - alive);
    }
}

#[derive(Trace, Clone, Copy)]
#[repr(align(64))]
struct Line(u8);

#[derive(Trace)]
#[repr(align(4096))]
struct Page<'gc>(u8, Option<Gc<'gc, Line>>);

#[derive(Trace, Clone, Copy)]
#[repr(align(128))]
struct Empty;

/// Slots of no size class are multiples of its alignment for all lengths of a slice.
#[derive(Trace, Clone, Copy)]
#[repr(align(1024))]
struct Block(u8);

#[test]
fn alignments_are_kept() {
    for heap in heaps() {
        let mut mutator = heap.attach();
        let roots: Vec<(Root<Rootable![Page<'_>]>, Root<Rootable![[Line]]>)> = (0..20)
            .map(|index| {
                mutator.enter(|mc| {
                    let line = Gc::new(mc, Line(index));
                    let page = Gc::new(mc, Page(index, Some(line)));
                    // Several of a size: the first slot of a span is aligned whatever the size is.
                    let lines = [(); 3].map(|()| {
                        let lines = Gc::slice_from_fn(mc, 1 + index as usize, |_| Line(index));
                        assert_eq!(Gc::as_ptr(lines).addr() % 64, 0);
                        let blocks = Gc::slice_from_fn(mc, 1 + index as usize, |_| Block(index));
                        assert_eq!(Gc::as_ptr(blocks).addr() % 1024, 0);
                        lines
                    });
                    let empty = Gc::new(mc, Empty);
                    assert_eq!(Gc::as_ptr(line).addr() % 64, 0);
                    assert_eq!(Gc::as_ptr(page).addr() % 4096, 0);
                    assert_eq!(Gc::as_ptr(empty).addr() % 128, 0);
                    (Root::new(mc, page), Root::new(mc, lines[2]))
                })
            })
            .collect();
        mutator.collect();
        mutator.enter(|mc| {
            for (index, (page, lines)) in roots.iter().enumerate() {
                let page = page.get(mc);
                assert_eq!((page.0, page.1.unwrap().0), (index as u8, index as u8));
                assert!(lines.get(mc).iter().all(|line| line.0 == index as u8));
            }
        });
        drop(roots);
        assert_eq!(mutator.collect().objects_live, 0);
    }
}

#[test]
fn zero_sized_objects_have_an_identity() {
    for heap in heaps() {
        let mut mutator = heap.attach();
        let drops = Drops::new();
        mutator.enter(|mc| {
            let (a, b) = (Gc::new(mc, ()), Gc::new(mc, ()));
            assert!(Gc::ptr_eq(a, a) && !Gc::ptr_eq(a, b));
            assert_eq!(a, b);
            assert_ne!(ByIdentity(a), ByIdentity(b));
            let arrays = Gc::slice_from_fn(mc, 0, |_| drops.token());
            let none = Gc::slice_from_fn(mc, 100, |_| [0_u64; 0]);
            assert_eq!((arrays.len(), none.len()), (0, 100));
            assert_eq!(&*Gc::new_str(mc, ""), "");
            assert_eq!(Gc::as_ptr(Gc::new(mc, [0_u64; 0])).addr() % 8, 0);
        });
        mutator.collect();
        assert_eq!(drops.count(), 0);
    }
}

#[test]
fn zero_sized_values_with_a_destructor_are_dropped() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    #[derive(Trace)]
    #[trace(skip)]
    struct Nothing;
    impl Drop for Nothing {
        fn drop(&mut self) {
            DROPPED.fetch_add(1, Ordering::SeqCst);
        }
    }
    assert_eq!(size_of::<Nothing>(), 0);
    let heap = heap(Barrier::Hybrid, 0);
    let mut mutator = heap.attach();
    mutator.enter(|mc| {
        for _ in 0..10 {
            Gc::new(mc, Nothing);
        }
        Gc::slice_from_fn(mc, 10, |_| Nothing);
    });
    mutator.collect();
    assert_eq!(DROPPED.load(Ordering::SeqCst), 20);
}

#[test]
fn strings_of_all_lengths() {
    for heap in heaps() {
        let mut mutator = heap.attach();
        let texts: Vec<String> = [0, 1, 15, 16, 17, 1000, 40_000]
            .map(|len| "äöü".repeat(len))
            .into();
        let roots: Vec<Root<Rootable![str]>> = texts
            .iter()
            .map(|text| mutator.enter(|mc| Root::new(mc, Gc::new_str(mc, text))))
            .collect();
        mutator.collect();
        mutator.enter(|mc| {
            for (root, text) in roots.iter().zip(&texts) {
                assert_eq!(&*root.get(mc), text);
            }
        });
    }
}

trait Shape {
    fn area(&self) -> u32;
}

#[derive(Trace)]
struct Square<'gc> {
    side: Gc<'gc, u32>,
    token: Token,
}

#[derive(Trace)]
#[repr(align(64))]
struct Circle {
    radius: u32,
    token: Token,
}

impl Shape for Square<'_> {
    fn area(&self) -> u32 {
        *self.side * *self.side
    }
}

impl Shape for Circle {
    fn area(&self) -> u32 {
        3 * self.radius * self.radius
    }
}

#[test]
fn trait_objects_are_traced_and_dropped_as_what_they_are() {
    type Kept = Rootable!['gc => GcRefCell<Vec<Gc<'gc, dyn Shape + 'gc>>>];
    for heap in heaps() {
        let mut mutator = heap.attach();
        let drops = Drops::new();
        let root: Root<Kept> = mutator.enter(|mc| {
            let shapes = Gc::new(mc, GcRefCell::new(Vec::new()));
            for index in 1..=50 {
                let square = Square {
                    side: Gc::new(mc, index),
                    token: drops.token(),
                };
                let circle = Circle {
                    radius: index,
                    token: drops.token(),
                };
                let (square, circle) = (Gc::new(mc, square), Gc::new(mc, circle));
                let as_shape = gc_unsize!(square => dyn Shape);
                assert!(Gc::ptr_eq(as_shape, gc_unsize!(square => dyn Shape)));
                assert_eq!(
                    Gc::as_ptr(as_shape).cast::<()>(),
                    Gc::as_ptr(square).cast::<()>()
                );
                let _ = (&square.token, &circle.token);
                shapes.borrow_mut(mc).push(as_shape);
                shapes.borrow_mut(mc).push(gc_unsize!(circle => dyn Shape));
            }
            Root::new(mc, shapes)
        });
        mutator.collect();
        mutator.enter(|mc| {
            let areas: u32 = root.get(mc).borrow().iter().map(|shape| shape.area()).sum();
            assert_eq!(areas, (1..=50).map(|n| 4 * n * n).sum());
            root.get(mc).borrow_mut(mc).truncate(50);
        });
        mutator.collect();
        assert_eq!(drops.count(), 50);
        drop(root);
        mutator.collect();
        assert_eq!(drops.count(), 100);
    }
}

#[test]
fn unsizing_of_static_types_and_arrays() {
    heap(Barrier::Hybrid, 0).attach().enter(|mc| {
        let any: Gc<'_, dyn Any> = gc_unsize!(Gc::new(mc, String::from("text")) => dyn Any);
        assert_eq!(any.downcast_ref::<String>().unwrap(), "text");
        let text: Gc<'_, dyn Display> = gc_unsize!(Gc::new(mc, 7) => dyn Display);
        assert_eq!(format!("{text}"), "7");
        let slice: Gc<'_, [u8]> = gc_unsize!(Gc::new(mc, [1, 2, 3]) => [u8]);
        assert_eq!(*slice, [1, 2, 3]);
    });
}

#[test]
fn a_type_with_an_enum_for_its_pointers() {
    #[derive(Trace, Clone, Copy)]
    enum Value<'gc> {
        Nil,
        Number(f64),
        Text(Gc<'gc, str>),
        Pair(Gc<'gc, (GcCell<Value<'gc>>, GcCell<Value<'gc>>)>),
    }
    fn sum(value: Value<'_>) -> f64 {
        match value {
            Value::Nil => 0.0,
            Value::Number(n) => n,
            Value::Text(text) => text.len() as f64,
            Value::Pair(pair) => sum(pair.0.get()) + sum(pair.1.get()),
        }
    }
    for heap in heaps() {
        let mut mutator = heap.attach();
        let root: Root<Rootable![GcCell<Value<'_>>]> =
            mutator.enter(|mc| Root::new(mc, Gc::new(mc, GcCell::new(Value::Nil))));
        for turn in 0..200 {
            mutator.enter(|mc| {
                let top = root.get(mc);
                let left = match turn % 3 {
                    0 => Value::Number(1.0),
                    1 => Value::Text(Gc::new_str(mc, "xx")),
                    _ => Value::Nil,
                };
                let pair = Gc::new(mc, (GcCell::new(left), GcCell::new(top.get())));
                top.set(mc, Value::Pair(pair));
            });
            if turn % 50 == 0 {
                mutator.collect();
            }
        }
        mutator.enter(|mc| assert_eq!(sum(root.get(mc).get()), 67.0 + 2.0 * 67.0));
    }
}

/// As the table in the crate's documentation says.
#[test]
fn cells_of_a_pointer_have_the_documented_sizes() {
    type Pointer = Gc<'static, u64>;
    let sizes = [
        size_of::<GcSlot<Pointer>>(),
        size_of::<GcCell<Pointer>>(),
        size_of::<GcOnceCell<Pointer>>(),
        size_of::<GcRefCell<Pointer>>(),
        size_of::<GcMutex<Pointer>>(),
        size_of::<GcRwLock<Pointer>>(),
    ];
    assert_eq!(sizes, [8, 16, 24, 24, 24, 24]);
}
