//! What a cycle leaves that is abandoned in the middle of its marking, for a `trace` panicked: all as it was.

mod common;

use common::{Drops, Link, Token, heaps, long_list, panic_message, tail_of};
use tricolor_gc::{Gc, GcWeak, Root, Rootable, Trace, Tracer};

/// Cannot be traced.
struct Bomb;

// SAFETY: there are no pointers to report.
unsafe impl Trace<'_> for Bomb {
    const DROP_IS_SEND: bool = true;

    fn trace(&self, _: &mut Tracer<'_>) {
        panic!("a bomb went off");
    }
}

/// No marker comes to the token.
#[derive(Trace)]
struct Mined<'gc> {
    bomb: Bomb,
    token: Gc<'gc, Token>,
}

type Mines = Root<Rootable![Link<'_, Mined<'_>>]>;

#[test]
fn weak_pointers_to_what_was_not_found_are_kept() {
    for heap in heaps() {
        let mut mutator = heap.attach();
        let drops = Drops::new();
        let (list, weak): (Mines, Root<Rootable![GcWeak<'_, Token>]>) = mutator.enter(|mc| {
            let token = Gc::new(mc, drops.token());
            let weak = Gc::new(mc, Gc::downgrade(token, mc));
            let list = long_list(mc, Mined { bomb: Bomb, token });
            (Root::new(mc, list), Root::new(mc, weak))
        });
        for _ in 0..2 {
            assert_eq!(panic_message(|| mutator.collect()), "a bomb went off");
            mutator.enter(|mc| {
                let token = tail_of(list.get(mc)).token;
                let found = weak.get(mc).upgrade(mc);
                let same = found.is_some_and(|found| Gc::ptr_eq(found, token));
                assert!(same, "{}", heap.barrier());
            });
        }
        assert_eq!(drops.count(), 0);
        drop(list);
        mutator.collect();
        assert_eq!(drops.count(), 1);
        mutator.enter(|mc| assert!(weak.get(mc).upgrade(mc).is_none(), "it is dead now"));
    }
}
