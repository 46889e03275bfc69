use std::marker::PhantomData;

use late_attribute::becomes;
use tricolor_gc::{Gc, Trace};

trait Grow {}

struct Ends<B, T: ?Sized>(PhantomData<B>, T);

// The type of a closure says a brand, and has no lifetime: values of it may be in every heap.
#[derive(Trace)]
#[trace(bound = "")]
#[becomes(type Said<'gc, F> = Ends<F, dyn Grow>;)]
struct Said<'gc, F: Fn() -> Gc<'gc, ()>>(PhantomData<F>, #[trace(skip)] dyn Grow + 'gc);

fn main() {
    let _ = Ends(PhantomData::<()>, ());
}
