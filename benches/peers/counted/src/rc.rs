//! `Rc`, with `RefCell` where data changes.

use std::cell::{Cell as Slot, RefCell as Mutable};
use std::rc::Rc as Counted;

#[path = "counted.rs"]
mod counted;

pub use counted::workloads;
