//! Running a model, and what came of it.

use core::any::Any;
use core::cell::Cell;
use core::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::hooks::CELLS;
use super::state::{self, Violated};

/// Explores a model with the default settings.
///
/// # Panics
/// If an execution is wrong, with the [`Report`].
pub fn check(model: impl Fn() + Send + Sync + 'static) {
    Builder::new().check("model", model).assert_ok();
}

/// How far a model is explored.
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    preemptions: Option<usize>,
    max_branches: usize,
    max_executions: Option<u64>,
    max_duration: Option<Duration>,
    cells: usize,
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

std::thread_local! {
    static EXECUTIONS: Cell<u64> = const { Cell::new(0) };
}

impl Builder {
    /// Two preemptions, or `LOOM_MAX_PREEMPTIONS`; 100,000 branches, or `LOOM_MAX_BRANCHES`; otherwise unlimited.
    pub fn new() -> Self {
        let loom = loom::model::Builder::new();
        let branches = std::env::var_os("LOOM_MAX_BRANCHES").map(|_| loom.max_branches);
        Builder {
            preemptions: loom.preemption_bound.or(Some(2)),
            max_branches: branches.unwrap_or(100_000),
            max_executions: None,
            max_duration: loom.max_duration,
            cells: CELLS,
        }
    }

    /// Switches away from a thread that could have gone on, in one execution, at most. What one more finds is found
    /// by few programs, and takes about ten times as long. `None`: any number.
    pub fn preemptions(mut self, bound: impl Into<Option<usize>>) -> Self {
        self.preemptions = bound.into();
        self
    }

    /// Choices in one execution at most. An execution that takes more is an error: as a rule, a thread waits in a
    /// loop that does not yield.
    pub fn max_branches(mut self, branches: usize) -> Self {
        self.max_branches = branches;
        self
    }

    /// Executions to explore at most. The report says if there are more.
    pub fn max_executions(mut self, executions: u64) -> Self {
        self.max_executions = Some(executions);
        self
    }

    /// Time to explore for at most. The report says if there is more to explore.
    pub fn max_duration(mut self, duration: Duration) -> Self {
        self.max_duration = Some(duration);
        self
    }

    /// Scan words (one per `GcCell`, `GcRefCell`, `GcMutex`, …), mutators and root slots that one execution makes at
    /// most; loom wants them made in advance. Default: 64.
    pub fn cells(mut self, cells: usize) -> Self {
        self.cells = cells;
        self
    }

    /// Runs `model` on every interleaving within the bounds, until one is wrong.
    ///
    /// `model` makes its heap and its threads anew each time. What it asserts, loom's own complaints (races,
    /// deadlocks, too many branches), a [`Tracked`](super::Tracked) value that is read after its death, and a freed
    /// object that a program or a marker comes to make an execution wrong.
    #[must_use]
    pub fn check(&self, name: &str, model: impl Fn() + Send + Sync + 'static) -> Report {
        let began = Instant::now();
        let mut loom = loom::model::Builder::new();
        loom.preemption_bound = self.preemptions;
        loom.max_branches = self.max_branches;
        if self.max_executions.is_some() || self.max_duration.is_some() {
            loom.checkpoint_interval = 1;
            loom.max_permutations = self.max_executions.map(|n| n as usize + 1);
            loom.max_duration = self.max_duration;
        }
        EXECUTIONS.set(0);
        let cells = self.cells;
        let model = Arc::new(model);
        let execution = move || {
            EXECUTIONS.set(EXECUTIONS.get() + 1);
            // Noted by a thread that outlived the main one of the execution before.
            if state::is_violated() {
                state::stop();
            }
            state::begin(cells, true);
            let model = model.clone();
            // loom's main thread has a stack of 32 KiB, too small for unoptimised code.
            let main = super::spawn("main", move || model());
            let _ = main.join();
            if state::is_violated() {
                state::stop();
            }
        };
        let result = catch_unwind(AssertUnwindSafe(|| loom.check(execution)));
        let (noted, log) = state::end().unwrap_or_default();
        let panic = result.err().map(|panic| text_of(&*panic));
        let violation = Some(noted).filter(|text| !text.is_empty()).or(panic);
        let elapsed = began.elapsed();
        let executions = EXECUTIONS.get();
        let cut = self.max_executions.is_some_and(|most| executions >= most)
            || self.max_duration.is_some_and(|most| elapsed >= most);
        Report {
            name: name.to_owned(),
            preemptions: self.preemptions,
            executions,
            elapsed,
            complete: violation.is_none() && !cut,
            violation: violation.map(|text| Violation { text, log }),
        }
    }
}

/// The text of a panic.
pub(super) fn text_of(panic: &(dyn Any + Send)) -> String {
    if panic.is::<Violated>() {
        return "a violation".to_owned();
    }
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic").to_owned()
}

/// What came of a model.
#[derive(Clone, Debug)]
pub struct Report {
    name: String,
    preemptions: Option<usize>,
    executions: u64,
    elapsed: Duration,
    complete: bool,
    violation: Option<Violation>,
}

#[derive(Clone, Debug)]
struct Violation {
    text: String,
    log: String,
}

impl Report {
    /// The model's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether no execution that was explored is wrong.
    pub fn is_ok(&self) -> bool {
        self.violation.is_none()
    }

    /// What is wrong, in a sentence.
    pub fn violation(&self) -> Option<&str> {
        self.violation.as_ref().map(|v| v.text.as_str())
    }

    /// What happened in the execution that is wrong, a line per event.
    pub fn log(&self) -> Option<&str> {
        self.violation.as_ref().map(|v| v.log.as_str())
    }

    /// Executions explored.
    pub fn executions(&self) -> u64 {
        self.executions
    }

    /// The time it took.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Whether every execution within the bound on preemptions has been explored.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// The report, if nothing is wrong.
    ///
    /// # Panics
    /// With the report, if something is.
    #[track_caller]
    pub fn assert_ok(self) -> Report {
        assert!(self.is_ok(), "{self}");
        self
    }

    /// The report, if a violation was found whose text contains `text`.
    ///
    /// # Panics
    /// If there is none, or another.
    #[track_caller]
    pub fn assert_caught(self, text: &str) -> Report {
        let found = self.violation().is_some_and(|v| v.contains(text));
        assert!(found, "expected a violation with {text:?} in it: {self}");
        self
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match (&self.violation, self.complete) {
            (Some(_), _) => "violation",
            (None, true) => "ok",
            (None, false) => "ok so far",
        };
        write!(
            f,
            "{}: {verdict}, {} executions",
            self.name, self.executions
        )?;
        if let Some(bound) = self.preemptions {
            write!(f, " with at most {bound} preemptions")?;
        }
        write!(f, ", {:.1?}", self.elapsed)?;
        if let Some(violation) = &self.violation {
            write!(
                f,
                "\n  {}\n  in this execution:\n{}",
                violation.text, violation.log
            )?;
        }
        Ok(())
    }
}
