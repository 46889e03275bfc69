//! Witnesses: they tell loom of data that loom does not see.
//!
//! loom finds data races, but of its own cells only. What a protocol hands from one thread to another (a mutator's state, a
//! span, memory that is about to be freed) is plain data here, so a protocol that hands over too early, or without
//! the ordering, would go unnoticed. A witness stands for such data: whoever uses the data says so to the witness, which
//! under loom is a cell of loom's. Otherwise it is nothing: a type without a size, and calls without code.

/// What the code below tells of is its to use: it may change. Says where a span, or another thing with an address, is used by
/// its owner.
#[inline(always)]
pub(crate) fn owned(address: usize) {
    imp::owned(address);
}

/// See the module header.
#[derive(Default)]
pub(crate) struct Witness(imp::Watched);

impl Witness {
    /// The data is used by the only one who may use it now.
    #[inline(always)]
    pub(crate) fn write(&self) {
        self.0.write();
    }

    /// The data is read.
    #[inline(always)]
    pub(crate) fn read(&self) {
        self.0.read();
    }
}

#[cfg(all(test, tricolor_loom))]
pub(crate) use imp::{prepare, take_violation, violation};

#[cfg(not(all(test, tricolor_loom)))]
mod imp {
    #[derive(Default)]
    pub(super) struct Watched;

    impl Watched {
        #[inline(always)]
        pub(super) fn write(&self) {}

        #[inline(always)]
        pub(super) fn read(&self) {}
    }

    #[inline(always)]
    pub(super) fn owned(_: usize) {}
}

#[cfg(all(test, tricolor_loom))]
mod imp {
    use std::cell::RefCell;
    use std::collections::HashMap;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::rc::Rc;

    // Coroutines of one thread of the machine run a model, so a thread-local is the model's.
    std::thread_local! {
        static VIOLATION: RefCell<Option<String>> = const { RefCell::new(None) };
        static OWNED: RefCell<HashMap<usize, Rc<Watched>>> = RefCell::default();
    }

    /// An execution begins.
    pub(crate) fn prepare() {
        VIOLATION.set(None);
        OWNED.take();
    }

    /// Notes that something is wrong. The execution goes on: a panic in the middle of it would unwind through code that
    /// switches coroutines.
    pub(crate) fn violation(what: String) {
        VIOLATION.with_borrow_mut(|v| {
            v.get_or_insert(what);
        });
    }

    /// What was wrong first in this execution.
    pub(crate) fn take_violation() -> Option<String> {
        VIOLATION.take()
    }

    #[derive(Default)]
    pub(super) struct Watched(loom::cell::UnsafeCell<()>);

    // SAFETY: one thread of the machine runs a model.
    unsafe impl Sync for Watched {}

    impl Watched {
        pub(super) fn write(&self) {
            catch_race(|| self.0.with_mut(|_| ()));
        }

        pub(super) fn read(&self) {
            catch_race(|| self.0.with(|_| ()));
        }
    }

    pub(super) fn owned(address: usize) {
        let watched = OWNED.with_borrow_mut(|owned| owned.entry(address).or_default().clone());
        watched.write();
    }

    fn catch_race(access: impl FnOnce()) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(access)) {
            let text = panic.downcast_ref::<String>();
            let text = text.map_or("a race", |text| text.lines().next().unwrap_or("a race"));
            violation(text.to_owned());
        }
    }
}
