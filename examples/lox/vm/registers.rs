//! What a running slice keeps in the processor's registers.
//!
//! [`Registers`] is passed and returned by value, never by reference to a function that is not inlined: so it need not
//! lie in memory. Stack and frames are slices of plain `Cell`s, which may overlap: the frame's window is a part of the
//! stack. The window has a fixed length and slot numbers are cut to it, so that no access needs a check.

use std::cell::Cell;

use tricolor_gc::{Gc, Mutation};

use super::super::chunk::{Instr, MAX_SLOTS, Slot};
use super::super::object::{Closure, Function};
use super::super::value::Value;
use super::{Frame, MAX_FRAMES};

/// What the loop does after an instruction.
pub(super) enum Flow {
    /// Goes on.
    Next,
    /// Runs the instruction again, the slow way; it has changed nothing yet.
    Slow,
    /// Leaves the slice. The instruction is over.
    Pause,
}

type Window<'s, 'gc> = &'s [Cell<Value<'gc>>; MAX_SLOTS];

#[derive(Clone, Copy)]
pub(super) struct Registers<'s, 'gc> {
    pub(super) stack: &'s [Cell<Value<'gc>>],
    window: Window<'s, 'gc>,
    pub(super) base: usize,
    frames: &'s [Cell<Frame<'gc>>; MAX_FRAMES],
    /// How many calls wait for the running one.
    pub(super) depth: usize,
    pub(super) closure: Gc<'gc, Closure<'gc>>,
    pub(super) function: &'gc Function<'gc>,
    code: &'gc [Instr],
    pub(super) ip: usize,
    /// Slots of the frame in use, set when the slice is left.
    pub(super) live: usize,
}

impl<'s, 'gc> Registers<'s, 'gc> {
    /// The frame is the one at `depth`; the stack must have a whole window from its base on.
    pub(super) fn new(
        stack: &'s mut [Value<'gc>],
        frames: &'s mut [Frame<'gc>],
        depth: usize,
        frame: Frame<'gc>,
    ) -> Self {
        let stack = Cell::from_mut(stack).as_slice_of_cells();
        let frames = Cell::from_mut(frames).as_slice_of_cells();
        let base = frame.base as usize;
        let function = Gc::as_ref(frame.closure.function);
        Registers {
            stack,
            window: window(stack, base).expect("the stack was made to fit"),
            base,
            frames: frames.first_chunk().expect("all frames are there"),
            depth,
            closure: frame.closure,
            function,
            code: &function.code,
            ip: frame.ip as usize,
            live: 0,
        }
    }

    #[inline(always)]
    pub(super) fn fetch(&mut self) -> Instr {
        let instr = self.code[self.ip];
        self.ip += 1;
        instr
    }

    #[inline(always)]
    pub(super) fn get(&self, slot: Slot) -> Value<'gc> {
        self.window[usize::from(slot) % MAX_SLOTS].get()
    }

    #[inline(always)]
    pub(super) fn set(&self, slot: Slot, value: Value<'gc>) -> Flow {
        self.window[usize::from(slot) % MAX_SLOTS].set(value);
        Flow::Next
    }

    #[inline(always)]
    pub(super) fn constant(&self, index: u16) -> Value<'gc> {
        self.function.constants[usize::from(index)]
    }

    /// The running call as it is kept in memory.
    #[inline(always)]
    pub(super) fn frame(&self) -> Frame<'gc> {
        Frame {
            closure: self.closure,
            ip: self.ip as u32,
            base: self.base as u32,
        }
    }

    /// The call that waits at `depth`.
    pub(super) fn frame_at(&self, depth: usize) -> Frame<'gc> {
        self.frames[depth].get()
    }

    // Arithmetic

    #[inline(always)]
    pub(super) fn arithmetic(&self, dst: Slot, a: Slot, b: Slot, f: fn(f64, f64) -> f64) -> Flow {
        match (self.get(a), self.get(b)) {
            (Value::Number(a), Value::Number(b)) => {
                self.set(dst, Value::number(f(a.get(), b.get())))
            }
            _ => Flow::Slow,
        }
    }

    #[inline(always)]
    pub(super) fn arithmetic_imm(
        &self,
        dst: Slot,
        a: Slot,
        imm: i16,
        f: fn(f64, f64) -> f64,
    ) -> Flow {
        match self.get(a) {
            Value::Number(a) => self.set(dst, Value::number(f(a.get(), imm.into()))),
            _ => Flow::Slow,
        }
    }

    #[inline(always)]
    pub(super) fn less(&self, dst: Slot, a: Slot, b: Slot, wanted: bool) -> Flow {
        match (self.get(a), self.get(b)) {
            (Value::Number(a), Value::Number(b)) => {
                self.set(dst, Value::bool((a.get() < b.get()) == wanted))
            }
            _ => Flow::Slow,
        }
    }

    #[inline(always)]
    pub(super) fn compare_imm(
        &self,
        dst: Slot,
        a: Slot,
        imm: i16,
        f: fn(&f64, &f64) -> bool,
        wanted: bool,
    ) -> Flow {
        match self.get(a) {
            Value::Number(a) => self.set(dst, Value::bool(f(&a.get(), &imm.into()) == wanted)),
            _ => Flow::Slow,
        }
    }

    // Jumps

    #[inline(always)]
    pub(super) fn jump_if(&mut self, condition: bool, to: u16) -> Flow {
        if condition {
            self.ip += usize::from(to);
        }
        Flow::Next
    }

    #[inline(always)]
    pub(super) fn jump_less(&mut self, a: Slot, b: Slot, wanted: bool, to: u16) -> Flow {
        match (self.get(a), self.get(b)) {
            (Value::Number(a), Value::Number(b)) => self.jump_if((a.get() < b.get()) == wanted, to),
            _ => Flow::Slow,
        }
    }

    #[inline(always)]
    pub(super) fn jump_compare(
        &mut self,
        a: Slot,
        imm: i16,
        to: u16,
        f: fn(&f64, &f64) -> bool,
        wanted: bool,
    ) -> Flow {
        match self.get(a) {
            Value::Number(a) => self.jump_if(f(&a.get(), &imm.into()) == wanted, to),
            _ => Flow::Slow,
        }
    }

    #[inline(always)]
    pub(super) fn jump_back(&mut self, back: u16, live: Slot, mc: &Mutation<'gc>) -> Flow {
        self.ip -= usize::from(back);
        if mc.should_yield() {
            self.live = live.into();
            return Flow::Pause;
        }
        Flow::Next
    }

    // Variables

    #[inline(always)]
    pub(super) fn get_upvalue(&self, dst: Slot, index: u16) -> Flow {
        let Some(upvalue) = self.closure.upvalue(index) else {
            return Flow::Slow;
        };
        match self.stack.get(upvalue.slot.get()) {
            Some(slot) => self.set(dst, slot.get()),
            None => self.set(dst, upvalue.value.get()),
        }
    }

    #[inline(always)]
    pub(super) fn set_upvalue(&self, src: Slot, index: u16, mc: &Mutation<'gc>) -> Flow {
        let Some(upvalue) = self.closure.upvalue(index) else {
            return Flow::Slow;
        };
        match self.stack.get(upvalue.slot.get()) {
            Some(slot) => slot.set(self.get(src)),
            None => upvalue.value.set(mc, self.get(src)),
        }
        Flow::Next
    }

    // Calls

    /// Starts a call of `closure`, if the arguments, the frames and the stack allow it.
    #[inline(always)]
    pub(super) fn call(
        &mut self,
        closure: Gc<'gc, Closure<'gc>>,
        callee: Slot,
        argc: u8,
        mc: &Mutation<'gc>,
    ) -> Flow {
        let fits = closure.function.arity == u16::from(argc) && self.depth + 1 < MAX_FRAMES;
        if !fits || !self.start_call(closure, callee) {
            return Flow::Slow;
        }
        if mc.should_yield() {
            self.live = usize::from(argc) + 1;
            return Flow::Pause;
        }
        Flow::Next
    }

    /// Makes a new frame the running one. `false` if the stack is too small: then nothing has changed.
    #[inline(always)]
    pub(super) fn start_call(&mut self, closure: Gc<'gc, Closure<'gc>>, callee: Slot) -> bool {
        let base = self.base + usize::from(callee);
        let Some(window) = window(self.stack, base) else {
            return false;
        };
        self.frames[self.depth % MAX_FRAMES].set(self.frame());
        self.depth += 1;
        (self.window, self.base, self.ip) = (window, base, 0);
        self.closure = closure;
        self.function = Gc::as_ref(closure.function);
        self.code = &self.function.code;
        true
    }

    /// Goes back to the caller. `open_end` must not be above the base: no variable of the call is captured any more.
    #[inline(always)]
    pub(super) fn return_value(&mut self, src: Slot, open_end: usize) -> Flow {
        if open_end > self.base || self.depth == 0 {
            return Flow::Slow;
        }
        self.window[0].set(self.get(src));
        self.depth -= 1;
        let frame = self.frames[self.depth % MAX_FRAMES].get();
        self.base = frame.base as usize;
        self.window = window(self.stack, self.base).expect("it was there before the call");
        self.closure = frame.closure;
        self.function = Gc::as_ref(frame.closure.function);
        self.code = &self.function.code;
        self.ip = frame.ip as usize;
        Flow::Next
    }
}

#[inline(always)]
fn window<'s, 'gc>(stack: &'s [Cell<Value<'gc>>], base: usize) -> Option<Window<'s, 'gc>> {
    stack.get(base..)?.first_chunk()
}
