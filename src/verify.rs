//! The verifier (`feature = "verify"`): a second opinion on every cycle.
//!
//! When marking is over and before anything is freed, all mutators are held once more and everything reachable from
//! the roots, and from the targets of weak references that are left, is visited again by a plain depth-first search that shares no code
//! with the markers beyond `Trace` itself and needs no claims, since nobody runs. An object that it reaches and that is not marked would have been freed: the
//! process ends with the object's type. Likewise if an old object into which no minor cycle would look,
//! or a root of which none would hear, leads to a young one.
//!
//! With the feature on, freed slots are also filled with a pattern and looked at before they are used again.

use std::collections::HashSet;

use crate::cycle::command::CYCLES;
use crate::cycle::core::Core;
use crate::heap::span::{Epoch, info_at, mark_of, scan_info};
use crate::heap::type_info::{Cells, TypeInfo};
use crate::mark::tracer::{Meet, Tracer};
use crate::panic::contain;
use crate::report;
use crate::sync::atomic::Ordering;
use crate::user_code::UserCodeScope;

impl Core {
    /// See the module header. All mutators are held.
    pub(crate) fn verify(&self) {
        if !cfg!(feature = "verify") || self.abandon.load(Ordering::Relaxed) {
            return;
        }
        let _scope = UserCodeScope::new(self.id);
        let found = self.found_in_cycle();
        let mut tracer = Tracer::new();
        tracer.meet = Meet::Look;
        let settled = self.look_at_roots(&mut tracer.edges);
        // What a weak pointer gives must be whole, too, and all that it leads to.
        self.weak.each_target(|target| tracer.edges.push(target));
        // SAFETY: a root, or an object that lives, leads to what is looked at here, so it lives (I2): it has its slot (I1), in a mapped
        // chunk (I12). Even if this cycle has lost it, for nothing has been freed yet (I6).
        // Relaxed: who has marked has retired since, by the worklist's lock.
        let mark_at = |object| unsafe { mark_of(object) }.load(Ordering::Relaxed);
        // SAFETY: it asks of `object` what `mark_of` does, just above: a slot (I1, I2, I6) in a mapped chunk (I12).
        let type_of = |object| unsafe { info_at(object) };
        self.verify_old_boxes(&|object| (mark_at(object), type_of(object)));
        let mut seen = HashSet::new();
        while let Some(object) = tracer.edges.pop() {
            if !seen.insert(object) {
                continue;
            }
            let (mark, info) = (mark_at(object), type_of(object));
            if !found.has(mark) {
                self.report_lost(mark, info, "lost a reachable object");
            }
            if mark != found.epoch && settled.contains(&object) {
                self.report_lost(mark, info, "left young, under a root that is not new, one");
            }
            // SAFETY: it asks of `object` what `mark_of` does in `mark_at`: a slot (I1, I2, I6) in a mapped chunk (I12).
            let (_, slot_size) = unsafe { scan_info(object) };
            let Some(trace) = info.trace else { continue };
            let before = tracer.edges.len();
            let pointer = core::ptr::with_exposed_provenance(object);
            // SAFETY: the object has its slot, see above, so it is initialised (I13); function and size are those of its span (I12). Nobody
            // writes: all mutators are held, and no marker is at work (I3).
            let traced = contain(|| unsafe {
                trace(pointer, slot_size, &mut tracer);
            });
            if let Err(panic) = traced {
                // Not dropped here: all mutators are held.
                self.status.lock().other_panics.push(panic);
                report::line(format_args!(
                    "tricolor-gc verifier: a `trace` panicked, this cycle is not verified"
                ));
                return;
            }
            // I11: no minor cycle will look into this one.
            let is_young = |object: &&usize| mark_at(**object) != found.epoch;
            let next = (self.number() + 1) % CYCLES;
            let passed_over = if self.goes_by_cards(info.cells) {
                !self.cards.is_written(object, object + slot_size, next)
            } else {
                info.cells == Cells::None
            };
            if passed_over
                && mark == found.epoch
                && let Some(&young) = tracer.edges[before..].iter().find(is_young)
            {
                let what = "left young, in an old object that has not changed, one";
                self.report_lost(mark_at(young), type_of(young), what);
            }
        }
    }

    /// Puts all roots' objects into `edges`. Those of which minor cycles do not hear.
    fn look_at_roots(&self, edges: &mut Vec<usize>) -> HashSet<usize> {
        let mut settled = HashSet::new();
        self.roots.look(|object, new| {
            edges.push(object);
            if !new {
                settled.insert(object);
            }
        });
        settled
    }

    /// No minor cycle will look at these. `look` gives an object's mark and type.
    fn verify_old_boxes<'a>(&self, look: &dyn Fn(usize) -> (Epoch, &'a TypeInfo)) {
        let epoch = self.found_in_cycle().epoch;
        self.weak.each_old(|weak, target| {
            for (mark, info) in [look(weak), look(target)] {
                if mark != epoch {
                    let what = "passes over a weak box that is not old, or whose target is not, of which one is";
                    self.report_lost(mark, info, what);
                }
            }
        });
    }

    /// Ends the process, for an object of this mark and type that can be reached.
    fn report_lost(&self, mark: Epoch, info: &TypeInfo, what: &str) -> ! {
        report::line(format_args!(
            "tricolor-gc verifier: cycle with epoch {} {what} of type {} (mark {mark}) under {}",
            self.found_in_cycle().epoch,
            (info.name)(),
            self.config.barrier,
        ));
        std::process::abort();
    }
}
