//! The machine: runs closures, in slices.
//!
//! Between two slices everything the machine knows is in the heap, in [`Vm`], where the collector sees it. A slice takes
//! the state under one guard, runs on plain memory (see `registers`), and gives it back: when a cycle waits for this
//! thread, which `run` asks at every call and every jump back, and when the stack must grow or the heap is full.
//!
//! `run` has the instructions that are over in a few machine instructions, and `slow` all of them, with the errors.

mod calls;
mod properties;
mod registers;
mod run;
mod slow;

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::sync::OnceLock;
use std::time::Instant;

use tricolor_gc::{AllocError, Gc, GcRefCell, Mutation, Trace};

use self::registers::Registers;
use super::chunk::{Constant, GlobalNames, MAX_SLOTS, Prototype};
use super::object::{Closure, Function, LoxString, Native, Site, Upvalue};
use super::strings::Strings;
use super::value::Value;

/// How many calls may be running at once, the script included.
const MAX_FRAMES: usize = 64;

/// What the machine keeps in the heap.
#[derive(Trace)]
pub(crate) struct Vm<'gc> {
    state: GcRefCell<State<'gc>>,
    strings: GcRefCell<Strings<'gc>>,
    init: Gc<'gc, LoxString<'gc>>,
    no_upvalues: Gc<'gc, [Gc<'gc, Upvalue<'gc>>]>,
    next_class: Cell<u64>,
    /// Where a concatenation is put together before it is looked up.
    buffer: RefCell<String>,
}

/// What a program changes as it runs.
#[derive(Trace)]
struct State<'gc> {
    /// While no slice runs: only the slots in use.
    stack: Vec<Value<'gc>>,
    /// While no slice runs: only the calls that are running, the innermost last.
    frames: Vec<Frame<'gc>>,
    globals: Vec<Value<'gc>>,
    /// Captured variables that are still on the stack, the topmost last.
    open: Vec<Gc<'gc, Upvalue<'gc>>>,
}

/// A running call.
#[derive(Clone, Copy, Trace)]
struct Frame<'gc> {
    closure: Gc<'gc, Closure<'gc>>,
    /// The next instruction.
    ip: u32,
    /// The first of its stack slots.
    base: u32,
}

/// How a slice ended.
pub(crate) enum Outcome {
    /// To be continued.
    Paused,
    /// To be continued after a collection: the heap is full.
    Full,
    Done,
    /// The message and the stack trace.
    Failed(String),
}

/// Why the machine leaves its loop.
enum Exit {
    Pause,
    Full,
    /// The stack is too small for the call that is next.
    Grow,
    Done,
    Failed(String),
}

/// The part of a slice that rarely changes.
struct Machine<'s, 'gc> {
    mc: &'s Mutation<'gc>,
    vm: &'s Vm<'gc>,
    globals: &'s [Cell<Value<'gc>>],
    names: &'s GlobalNames,
    open: &'s mut Vec<Gc<'gc, Upvalue<'gc>>>,
    /// One more than the stack slot of the topmost captured variable, 0 if there is none.
    open_end: usize,
    /// The heap has just been collected, and nothing was allocated since.
    collected: Cell<bool>,
    out: &'s mut dyn Write,
}

impl<'gc> Vm<'gc> {
    /// A machine with the native functions defined.
    pub(crate) fn new(mc: &Mutation<'gc>, names: &mut GlobalNames) -> Self {
        let mut strings = Strings::new();
        let init = strings.intern(mc, "init").expect("an empty heap has room");
        let clock = Value::Native(Gc::new(mc, Native { function: clock }));
        let mut globals = vec![Value::Undefined; names.index("clock") as usize];
        globals.push(clock);
        let state = State {
            stack: Vec::new(),
            frames: Vec::new(),
            globals,
            open: Vec::new(),
        };
        Vm {
            state: GcRefCell::new(state),
            strings: GcRefCell::new(strings),
            init,
            no_upvalues: Gc::slice_from_fn(mc, 0, |_| unreachable!("it is empty")),
            next_class: Cell::new(1),
            buffer: RefCell::default(),
        }
    }

    /// Makes `script` what the next slice runs.
    pub(crate) fn load(&self, mc: &Mutation<'gc>, script: &Prototype, names: &GlobalNames) {
        let function = self.function(mc, script);
        let closure = Gc::new(
            mc,
            Closure {
                function,
                first: None,
                others: self.no_upvalues,
            },
        );
        let mut state = self.state.borrow_mut(mc);
        state.globals.resize(names.len(), Value::Undefined);
        state.stack.clear();
        state.stack.push(Value::Closure(closure));
        state.frames.clear();
        state.frames.push(Frame {
            closure,
            ip: 0,
            base: 0,
        });
        state.open.clear();
    }

    fn function(&self, mc: &Mutation<'gc>, from: &Prototype) -> Gc<'gc, Function<'gc>> {
        // A program that does not fit into the heap has not begun, so there is nothing to report it to.
        let intern = |text: &str| {
            self.intern(mc, text)
                .unwrap_or_else(|error| panic!("{error}"))
        };
        let constant = |constant: &Constant| match constant {
            Constant::Number(number) => Value::number(*number),
            Constant::Text(text) => Value::String(intern(text)),
        };
        let function = Function {
            name: from.name.as_deref().map(intern),
            arity: from.arity,
            slots: from.slots,
            code: from.code.as_slice().into(),
            lines: from.lines.as_slice().into(),
            constants: from.constants.iter().map(constant).collect(),
            functions: from
                .functions
                .iter()
                .map(|inner| self.function(mc, inner))
                .collect(),
            sites: from
                .sites
                .iter()
                .map(|name| Site::new(intern(name)))
                .collect(),
            captures: from.captures.as_slice().into(),
        };
        Gc::new(mc, function)
    }

    fn intern(
        &self,
        mc: &Mutation<'gc>,
        text: &str,
    ) -> Result<Gc<'gc, LoxString<'gc>>, AllocError> {
        self.strings.borrow_mut(mc).intern(mc, text)
    }

    /// Runs until the program ends or must pause. `collected`: a collection came right before.
    pub(crate) fn run(
        &self,
        mc: &Mutation<'gc>,
        names: &GlobalNames,
        collected: bool,
        out: &mut dyn Write,
    ) -> Outcome {
        let mut state = self.state.borrow_mut(mc);
        let State {
            stack,
            frames,
            globals,
            open,
        } = &mut *state;
        loop {
            let Some(&frame) = frames.last() else {
                return Outcome::Done;
            };
            let depth = frames.len() - 1;
            stack.resize(frame.base as usize + 4 * MAX_SLOTS, Value::Nil);
            frames.resize(MAX_FRAMES, frame);
            let registers = Registers::new(stack, frames, depth, frame);
            let mut machine = Machine {
                mc,
                vm: self,
                globals: Cell::from_mut(globals.as_mut_slice()).as_slice_of_cells(),
                names,
                open_end: open.last().map_or(0, |upvalue| upvalue.slot.get() + 1),
                open,
                collected: Cell::new(collected),
                out,
            };
            let (end, exit) = machine.run(registers);
            let (frame, depth, live) = (end.frame(), end.depth, end.base + end.live);
            frames[depth] = frame;
            frames.truncate(depth + 1);
            stack.truncate(live);
            match exit {
                Exit::Grow => {}
                Exit::Pause => return Outcome::Paused,
                Exit::Full => return Outcome::Full,
                Exit::Done | Exit::Failed(_) => {
                    stack.clear();
                    frames.clear();
                    open.clear();
                    return if let Exit::Failed(m) = exit {
                        Outcome::Failed(m)
                    } else {
                        Outcome::Done
                    };
                }
            }
        }
    }
}

/// Seconds since the first call.
fn clock() -> f64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_secs_f64()
}
