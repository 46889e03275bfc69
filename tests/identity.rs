//! Which pointers point at the same object: addresses decide, and every object has its own.

mod common;

use std::collections::HashSet;
use std::marker::PhantomData;

use common::{Drops, heaps, panic_message};
use tricolor_gc::{ByIdentity, Gc, GcWeak, Mutation, Root, Rootable, Trace, gc_unsize};

trait Named {
    fn name(&self) -> String;
}

trait Pet: Named {
    fn legs(&self) -> u32;
}

#[derive(Trace)]
struct Dog(String);

/// Not a byte.
#[derive(Trace)]
struct Fish;

impl Named for Dog {
    fn name(&self) -> String {
        self.0.clone()
    }
}

impl Named for Fish {
    fn name(&self) -> String {
        String::from("fish")
    }
}

impl Pet for Dog {
    fn legs(&self) -> u32 {
        4
    }
}

impl Pet for Fish {
    fn legs(&self) -> u32 {
        0
    }
}

/// A coercion of its own for each `N`, which may bring a vtable of its own.
#[inline(never)]
fn named<'gc, const N: usize, T: Named + 'static>(object: Gc<'gc, T>) -> Gc<'gc, dyn Named> {
    gc_unsize!(object => dyn Named)
}

/// All ways to a `dyn Named`, one of them by way of `dyn Pet`, whose vtable holds another for `Named`.
fn all_named<'gc, T: Pet + 'static>(object: Gc<'gc, T>) -> [Gc<'gc, dyn Named>; 4] {
    let pet: Gc<'_, dyn Pet> = gc_unsize!(object => dyn Pet);
    [
        gc_unsize!(object => dyn Named),
        named::<1, T>(object),
        named::<2, T>(object),
        gc_unsize!(pet => dyn Named),
    ]
}

fn same<T: ?Sized>(all: &[Gc<'_, T>]) -> bool {
    all.iter().all(|&a| all.iter().all(|&b| Gc::ptr_eq(a, b)))
}

/// No two are the same object; by `ptr_eq` and by what `ByIdentity` hashes.
fn all_different<T: ?Sized>(all: &[Gc<'_, T>]) -> bool {
    let set: HashSet<_> = all.iter().map(|&gc| ByIdentity(gc)).collect();
    let pairs = all.iter().enumerate();
    set.len() == all.len()
        && pairs
            .flat_map(|(i, &a)| all[..i].iter().map(move |&b| (a, b)))
            .all(|(a, b)| !Gc::ptr_eq(a, b))
}

#[test]
fn trait_objects_are_the_same_by_their_address_not_by_their_vtable() {
    for heap in heaps() {
        heap.attach().enter(|mc| {
            let (dog, twin) = (Dog(String::from("Rex")), Dog(String::from("Rex")));
            let (dog, twin) = (Gc::new(mc, dog), Gc::new(mc, twin));
            let (fish, other) = (Gc::new(mc, Fish), Gc::new(mc, Fish));
            assert!(same(&all_named(dog)) && same(&all_named(fish)));
            // The same vtable, and the same contents, make no same object.
            assert!(all_different(&[dog, twin].map(named::<1, Dog>)));
            assert!(all_different(&[fish, other].map(named::<1, Fish>)));
            let all: Vec<_> = [all_named(dog), all_named(twin)].concat();
            let set: HashSet<_> = all.into_iter().map(ByIdentity).collect();
            assert_eq!(set.len(), 2);
            let pets = [gc_unsize!(dog => dyn Pet), gc_unsize!(fish => dyn Pet)];
            assert!(all_different(&pets));
            let said = pets.map(|pet| (pet.name(), pet.legs()));
            assert_eq!(said, [(String::from("Rex"), 4), (String::from("fish"), 0)]);
        });
    }
}

/// What the macro calls can be called without it, and without `unsafe`.
#[test]
fn a_coercion_to_another_object_is_refused() {
    for heap in heaps() {
        heap.attach().enter(|mc| {
            let (dog, fish) = (Dog(String::from("Rex")), Fish);
            let (dog, fish) = (Gc::new(mc, dog), Gc::new(mc, fish));
            let text = panic_message(|| {
                let mut other = None;
                Gc::__unsize::<dyn Named>(fish, |whole| *other.insert(whole));
                Gc::__unsize::<dyn Named>(dog, |_| other.expect("the fish"));
            });
            assert_eq!(text, "a coercion keeps the address");
        });
    }
}

#[test]
fn weak_pointers_and_roots_of_trait_objects_go_by_the_address_too() {
    type DynRoot = Root<Rootable![dyn Named + 'static]>;
    for heap in heaps() {
        let mut mutator = heap.attach();
        let (one, two, other): (DynRoot, DynRoot, DynRoot) = mutator.enter(|mc| {
            let (fish, other) = (Gc::new(mc, Fish), Gc::new(mc, Fish));
            let [a, .., b] = all_named(fish);
            let (weak_a, weak_b) = (Gc::downgrade(a, mc), Gc::downgrade(b, mc));
            assert!(GcWeak::ptr_eq(weak_a, weak_b));
            let (up_a, up_b) = (weak_a.upgrade(mc).unwrap(), weak_b.upgrade(mc).unwrap());
            assert!(same(&[a, b, up_a, up_b]));
            let other = named::<1, Fish>(other);
            assert!(!GcWeak::ptr_eq(weak_a, Gc::downgrade(other, mc)));
            (Root::new(mc, a), Root::new(mc, b), Root::new(mc, other))
        });
        mutator.collect();
        assert!(Root::ptr_eq(&one, &two) && Root::ptr_eq(&one, &one.clone()));
        assert!(!Root::ptr_eq(&one, &other));
        mutator.enter(|mc| {
            assert!(same(&[one.get(mc), two.get(mc)]));
            assert!(all_different(&[one.get(mc), other.get(mc)]));
        });
    }
}

#[test]
fn slices_are_the_same_by_their_address_not_by_their_length() {
    for heap in heaps() {
        heap.attach().enter(|mc| {
            let array = Gc::new(mc, [1_u8, 2, 3]);
            let copy = Gc::copy_from_slice(mc, &*array);
            let slice: Gc<'_, [u8]> = gc_unsize!(array => [u8]);
            assert!(same(&[slice, gc_unsize!(array => [u8])]));
            assert_eq!(slice, copy);
            assert!(all_different(&[slice, copy]));
        });
    }
}

/// A trait of everything.
trait Any {}

impl<T: ?Sized> Any for T {}

fn any<'gc, T: 'static>(object: Gc<'gc, T>) -> Gc<'gc, dyn Any> {
    gc_unsize!(object => dyn Any)
}

#[repr(align(64))]
#[derive(Trace)]
struct Line;

/// Objects without a byte, of every kind, and the smallest that have one.
fn empty_objects<'gc>(mc: &Mutation<'gc>, drops: &Drops) -> Vec<Gc<'gc, dyn Any>> {
    vec![
        any(Gc::new(mc, ())),
        any(Gc::new(mc, ())),
        any(Gc::new(mc, Fish)),
        any(Gc::new(mc, PhantomData::<String>)),
        any(Gc::new(mc, [0_u64; 0])),
        any(Gc::new(mc, Line)),
        any(Gc::new(mc, Line)),
        any(Gc::new(
            mc,
            std::array::from_fn::<_, 0, _>(|_| drops.token()),
        )),
        any(Gc::new(mc, 1_u8)),
        any(Gc::new(mc, 2_u8)),
    ]
}

#[test]
fn objects_without_a_byte_have_an_address_of_their_own_as_long_as_they_live() {
    for heap in heaps() {
        let mut mutator = heap.attach();
        let drops = Drops::new();
        let roots: Vec<Root<Rootable![dyn Any + 'static]>> = mutator.enter(|mc| {
            let all: Vec<_> = (0..20).flat_map(|_| empty_objects(mc, &drops)).collect();
            assert!(all_different(&all));
            all.into_iter().map(|gc| Root::new(mc, gc)).collect()
        });
        for _ in 0..2 {
            mutator.collect();
            mutator.enter(|mc| {
                // The new ones lie where dead ones lay, never where living ones lie.
                let mut all: Vec<_> = (0..20).flat_map(|_| empty_objects(mc, &drops)).collect();
                all.extend(roots.iter().map(|root| root.get(mc)));
                assert!(all_different(&all));
            });
        }
    }
}

/// Aligned to more than a slot of plain data is.
#[derive(Clone, Copy, Trace)]
#[repr(align(64))]
struct Wide(u8);

#[test]
fn empty_slices_and_strings_have_an_address_of_their_own() {
    for heap in heaps() {
        heap.attach().enter(|mc| {
            let texts: Vec<_> = (0..50).map(|_| Gc::new_str(mc, "")).collect();
            assert!(all_different(&texts));
            let none: Vec<_> = (0..50)
                .map(|_| Gc::copy_from_slice(mc, &[0_u64; 0]))
                .collect();
            assert!(all_different(&none));
            let units: Vec<_> = (0..50)
                .map(|len| Gc::slice_from_fn(mc, len, |_| ()))
                .collect();
            assert!(all_different(&units));
            let wide: Vec<_> = (0..50)
                .map(|_| Gc::copy_from_slice(mc, &[Wide(0); 0]))
                .collect();
            assert!(all_different(&wide));
            assert!(
                wide.iter()
                    .all(|&none| Gc::as_ptr(none).cast::<Wide>().is_aligned())
            );
        });
    }
}
