//! loom's atomics, of which one call site's ordering can be weakened without touching the code: `ci/loom.sh orderings`.
//!
//! A *site* is `FILE:LINE:PART`, where the part is the half that is lost: `acquire`, `release`, or `failure` (the ordering of a
//! compare-exchange that fails). The environment variable `TRICOLOR_RELAX` names one; every operation that is called
//! there then runs without that half. With `TRICOLOR_SITES` set, the sites that are reached are collected instead. Some
//! [twins](super::twin) are made here, too: those that weaken all operations of a file.

use core::panic::Location;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::OnceLock;

use loom::sync::atomic::Ordering;

use super::twin::{self, Twin};

std::thread_local! {
    static SITES: RefCell<BTreeSet<(String, u32, &'static str)>> = const { RefCell::new(BTreeSet::new()) };
}

/// Twins of orderings: the file, and what its operations lose.
const FILES: [(Twin, &str, &[&str]); 8] = [
    (Twin::SlotNotReleased, "src/cell/slot.rs", &["release"]),
    (
        Twin::SlotNotAcquired,
        "src/cell/slot.rs",
        &["acquire", "failure"],
    ),
    (Twin::RootSlotNotReleased, "src/root/table.rs", &["release"]),
    (Twin::WeakNotReleased, "src/weak.rs", &["release"]),
    (
        Twin::AnswerNotReleased,
        "src/cycle/mutator.rs",
        &["release"],
    ),
    (Twin::GateNotReleased, "src/cycle/gate.rs", &["release"]),
    (Twin::GateNotAcquired, "src/cycle/gate.rs", &["acquire"]),
    (
        Twin::CommandNotReleased,
        "src/cycle/registry.rs",
        &["release"],
    ),
];

/// The sites reached since the last call.
#[cfg(test)]
pub(crate) fn take_sites() -> impl Iterator<Item = String> {
    SITES
        .take()
        .into_iter()
        .map(|(file, line, part)| format!("{file}:{line}:{part}"))
}

struct Settings {
    /// File, line, part.
    relaxed: Option<(String, u32, String)>,
    collects: bool,
}

/// Whether a site is weakened.
#[cfg(test)]
pub(crate) fn is_relaxing() -> bool {
    settings().relaxed.is_some()
}

fn settings() -> &'static Settings {
    static SETTINGS: OnceLock<Settings> = OnceLock::new();
    SETTINGS.get_or_init(|| {
        let relaxed = std::env::var("TRICOLOR_RELAX").ok().map(|site| {
            let mut parts = site.split(':');
            let mut part = || parts.next().expect("FILE:LINE:PART").to_owned();
            (part(), part().parse().expect("a line"), part())
        });
        let collects = std::env::var_os("TRICOLOR_SITES").is_some();
        Settings { relaxed, collects }
    })
}

fn loses(at: &Location<'_>, part: &'static str) -> bool {
    let settings = settings();
    if settings.collects {
        let site = (at.file().to_owned(), at.line(), part);
        SITES.with_borrow_mut(|sites| sites.insert(site));
    }
    let of_twin = |&(twin, file, parts): &(Twin, &str, &[&str])| {
        twin::is(twin) && file == at.file() && parts.contains(&part)
    };
    let of_site = |(file, line, name): &(String, u32, String)| {
        *line == at.line() && name == part && file == at.file()
    };
    FILES.iter().any(of_twin) || settings.relaxed.as_ref().is_some_and(of_site)
}

/// The ordering with which an operation of the caller's caller runs.
#[track_caller]
pub(super) fn order(order: Ordering) -> Ordering {
    let at = Location::caller();
    match order {
        Ordering::Acquire if loses(at, "acquire") => Ordering::Relaxed,
        Ordering::Release if loses(at, "release") => Ordering::Relaxed,
        Ordering::AcqRel if loses(at, "acquire") => Ordering::Release,
        Ordering::AcqRel if loses(at, "release") => Ordering::Acquire,
        other => other,
    }
}

/// The ordering with which a compare-exchange of the caller's caller fails.
#[track_caller]
pub(super) fn failure(order: Ordering) -> Ordering {
    if order != Ordering::Relaxed && loses(Location::caller(), "failure") {
        Ordering::Relaxed
    } else {
        order
    }
}

macro_rules! atomics {
    ($($name:ident $(<$param:ident>)? : $value:ty;)*) => {$(
        /// loom's, see the module header.
        #[derive(Debug)]
        pub(crate) struct $name $(<$param>)? (loom::sync::atomic::$name $(<$param>)?);

        #[allow(dead_code, reason = "not all are used of every type")]
        impl $(<$param>)? $name $(<$param>)? {
            #[track_caller]
            pub(crate) fn new(value: $value) -> Self {
                Self(loom::sync::atomic::$name::new(value))
            }

            #[track_caller]
            pub(crate) fn load(&self, order: Ordering) -> $value {
                self.0.load(self::order(order))
            }

            #[track_caller]
            pub(crate) fn store(&self, value: $value, order: Ordering) {
                self.0.store(value, self::order(order));
            }

            #[track_caller]
            pub(crate) fn swap(&self, value: $value, order: Ordering) -> $value {
                self.0.swap(value, self::order(order))
            }

            #[track_caller]
            pub(crate) fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.0
                    .compare_exchange(current, new, self::order(success), self::failure(failure))
            }

            #[track_caller]
            pub(crate) fn compare_exchange_weak(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.compare_exchange(current, new, success, failure)
            }
        }
    )*};
}

macro_rules! arithmetic {
    ($($name:ident: $value:ty, $($method:ident)*;)*) => {$(
        #[allow(dead_code, reason = "not all are used of every type")]
        impl $name {
            $(
                #[track_caller]
                pub(crate) fn $method(&self, value: $value, order: Ordering) -> $value {
                    self.0.$method(value, self::order(order))
                }
            )*
        }
    )*};
}

atomics! {
    AtomicBool: bool;
    AtomicU8: u8;
    AtomicU64: u64;
    AtomicUsize: usize;
    AtomicPtr<T>: *mut T;
}

arithmetic! {
    AtomicBool: bool, fetch_and fetch_or;
    AtomicU8: u8, fetch_and fetch_or;
    AtomicU64: u64, fetch_add fetch_sub fetch_and fetch_or fetch_max;
    AtomicUsize: usize, fetch_add fetch_sub fetch_or fetch_max;
}

impl Default for AtomicUsize {
    fn default() -> Self {
        Self::new(0)
    }
}
