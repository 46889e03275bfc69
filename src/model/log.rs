//! What happened in an execution, in order, for the report of a violation.

use core::fmt;

use loom::thread::ThreadId;

/// One thing that happened.
pub(super) enum Event {
    Made(String),
    Freed(String),
    Read(&'static str),
    Loaded(String),
    /// A store to a slot: what it replaced and by what, and what was shaded, if a barrier was on.
    Stored {
        old: Option<String>,
        new: Option<String>,
        shaded: Option<(bool, bool)>,
    },
    Reached(String),
    Phase(&'static str),
    Adopted {
        by: ThreadId,
        state: &'static str,
    },
    Violation(String),
}

/// See the module header.
#[derive(Default)]
pub(super) struct Log {
    threads: Vec<(ThreadId, String)>,
    events: Vec<(usize, Event)>,
    /// The last state of each mutator: a flush repeats it.
    states: Vec<(ThreadId, &'static str)>,
    /// What comes after a violation says nothing.
    closed: bool,
}

impl Log {
    /// The current thread has done this.
    pub(super) fn add(&mut self, event: Event) {
        if self.closed || self.is_repeated(&event) {
            return;
        }
        self.closed = matches!(event, Event::Violation(_));
        let current = loom::thread::current();
        let index = self.number(current.id(), current.name());
        self.events.push((index, event));
    }

    fn is_repeated(&mut self, event: &Event) -> bool {
        let Event::Adopted { by, state } = *event else {
            return false;
        };
        if let Some((_, last)) = self.states.iter_mut().find(|(known, _)| *known == by) {
            return core::mem::replace(last, state) == state;
        }
        self.states.push((by, state));
        false
    }

    fn number(&mut self, id: ThreadId, name: Option<&str>) -> usize {
        if let Some(index) = self.threads.iter().position(|(known, _)| *known == id) {
            return index;
        }
        let number = self.threads.len();
        let name = name.map_or_else(|| format!("{id:?}"), str::to_owned);
        self.threads.push((id, name));
        number
    }

    fn name(&self, id: ThreadId) -> &str {
        let known = self.threads.iter().find(|(known, _)| *known == id);
        known.map_or("a thread not yet seen", |(_, name)| name)
    }
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (thread, event) in &self.events {
            write!(f, "    {:<12} ", self.threads[*thread].1)?;
            match event {
                Event::Made(object) => writeln!(f, "makes {object}")?,
                Event::Freed(object) => writeln!(f, "frees {object}")?,
                Event::Loaded(object) => writeln!(f, "loads {object}")?,
                Event::Read(name) => writeln!(f, "reads `{name}`")?,
                Event::Stored { old, new, shaded } => {
                    let name = |object: &Option<String>| object.clone().unwrap_or("null".into());
                    let what = match shaded {
                        None => "the barrier is off",
                        Some((false, false)) => "shades nothing",
                        Some((true, false)) => "shades the old",
                        Some((false, true)) => "shades the new",
                        Some((true, true)) => "shades both",
                    };
                    match old {
                        None if shaded.is_none() => writeln!(f, "stores {}; {what}", name(new))?,
                        _ => writeln!(f, "stores {} over {}; {what}", name(new), name(old))?,
                    }
                }
                Event::Reached(object) => writeln!(f, "marks {object}")?,
                Event::Phase(phase) => writeln!(f, "drives the cycle: {phase}")?,
                Event::Adopted { by, state } => {
                    writeln!(f, "mutator of {} is now: {state}", self.name(*by))?;
                }
                Event::Violation(text) => writeln!(f, "HERE: {text}")?,
            }
        }
        Ok(())
    }
}
