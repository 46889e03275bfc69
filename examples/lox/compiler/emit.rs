//! Instructions: emits them, keeps the count of used slots, and folds an instruction into the next where it can.
//!
//! Folding only ever looks at the last instructions, and never across a label: an operand that is a copy of a local
//! variable is read where the variable lies, a result that is only copied to a variable goes there at once, and a
//! comparison that only decides a jump becomes part of the jump.
//!
//! Each function says how many bytes its instruction has in the reference implementation, whose limits on jumps are ours.

use super::super::chunk::{Constant, Instr, MAX_SLOTS, Prototype, Slot};
use super::super::scanner::TokenKind;
use super::Compiler;
use super::scope::FunctionKind;

/// The reference implementation's limits on constants of a function and on the reach of a jump in bytes.
const MAX_CONSTANTS: usize = 256;
const MAX_JUMP: usize = u16::MAX as usize;

/// A forward jump that waits for its target; `None` where it was left out.
#[must_use]
pub(super) struct Jump {
    at: Option<usize>,
    size: usize,
}

/// The start of a loop.
#[derive(Clone, Copy)]
pub(super) struct Start {
    at: usize,
    size: usize,
}

impl Compiler<'_, '_> {
    fn emit(&mut self, instr: Instr, size: usize) {
        let line = self.previous.line;
        self.emit_at(instr, size, line);
    }

    fn emit_at(&mut self, instr: Instr, size: usize, line: u32) {
        let function = self.function();
        function.prototype.code.push(instr);
        function.prototype.lines.push(line);
        function.size += size;
    }

    /// The topmost slot in use.
    fn top(&mut self) -> Slot {
        self.slot_below(1)
    }

    fn slot_below(&mut self, distance: usize) -> Slot {
        self.function().height.saturating_sub(distance) as Slot
    }

    fn set_height(&mut self, height: Slot) {
        self.function().height = height.into();
    }

    /// The last instruction, unless something may jump behind it.
    fn last(&mut self) -> Option<Instr> {
        let function = self.function();
        function
            .prototype
            .code
            .get(function.label..)?
            .last()
            .copied()
    }

    /// Takes the last instruction back; its line.
    fn take_last(&mut self) -> u32 {
        let prototype = &mut self.function().prototype;
        prototype.code.pop();
        prototype.lines.pop().unwrap_or(0)
    }

    /// Where the value in `slot` is to be read: in a variable, if the last instruction only copied it from there.
    fn take_operand(&mut self, slot: Slot) -> Slot {
        match self.last() {
            Some(Instr::Move { dst, src }) if dst == slot => {
                self.take_last();
                src
            }
            _ => slot,
        }
    }

    /// The value in `slot`, if the last instruction loaded it and it is a small whole number.
    fn take_small_number(&mut self, slot: Slot) -> Option<i16> {
        let Some(Instr::Const { dst, index }) = self.last() else {
            return None;
        };
        let constant = self
            .function()
            .prototype
            .constants
            .get(usize::from(index))?;
        let Constant::Number(number) = *constant else {
            return None;
        };
        let small = number as i16;
        if dst != slot || f64::from(small).to_bits() != number.to_bits() {
            return None;
        }
        self.take_last();
        Some(small)
    }

    // Values

    pub(super) fn emit_push(&mut self, size: usize, make: impl FnOnce(Slot) -> Instr) {
        if self.function().height >= MAX_SLOTS - 1 {
            self.error("Expression needs too many values at once.");
            return;
        }
        self.grow();
        let dst = self.top();
        self.emit(make(dst), size);
    }

    /// One more slot is in use.
    pub(super) fn grow(&mut self) {
        let function = self.function();
        function.height += 1;
        function.prototype.slots = function.prototype.slots.max(function.height as Slot);
    }

    /// Ends an expression whose value nobody wants.
    pub(super) fn emit_pop(&mut self) {
        let top = self.top();
        self.set_height(top);
        self.function().size += 1;
        match self.last() {
            Some(Instr::Move { dst, src }) if src == top && dst != top => {
                self.store_directly(dst, src)
            }
            Some(Instr::Move { dst, .. } | Instr::Const { dst, .. }) if dst == top => {
                self.take_last();
            }
            _ => {}
        }
    }

    /// The last instruction copies `from` to the variable `to`: lets the one before write there itself, where it can.
    fn store_directly(&mut self, to: Slot, from: Slot) {
        let line = self.take_last();
        let function = self.function();
        let code = &mut function.prototype.code;
        let before = code.get_mut(function.label..).and_then(<[Instr]>::last_mut);
        match before.and_then(Instr::result) {
            Some(result) if *result == from => *result = to,
            _ => self.emit_at(Instr::Move { dst: to, src: from }, 0, line),
        }
    }

    pub(super) fn emit_store(&mut self, make: impl FnOnce(Slot) -> Instr) {
        let src = self.top();
        self.emit(make(src), 2);
    }

    pub(super) fn emit_unary(&mut self, make: impl FnOnce(Slot, Slot) -> Instr) {
        let dst = self.top();
        let src = self.take_operand(dst);
        self.emit(make(dst, src), 1);
    }

    pub(super) fn emit_binary(&mut self, operator: TokenKind) {
        use TokenKind::*;
        let (dst, right) = (self.slot_below(2), self.top());
        self.set_height(right);
        if matches!(
            operator,
            Less | LessEqual | Greater | GreaterEqual | Plus | Minus
        ) && let Some(imm) = self.take_small_number(right)
        {
            let a = self.take_operand(dst);
            let (instr, size) = match operator {
                Less => (Instr::LessImm { dst, a, imm }, 1),
                LessEqual => (Instr::NotGreaterImm { dst, a, imm }, 2),
                Greater => (Instr::GreaterImm { dst, a, imm }, 1),
                GreaterEqual => (Instr::NotLessImm { dst, a, imm }, 2),
                Plus => (Instr::AddImm { dst, a, imm }, 1),
                _ => (Instr::SubtractImm { dst, a, imm }, 1),
            };
            self.emit(instr, size);
            return;
        }
        let b = self.take_operand(right);
        let a = self.take_operand(dst);
        let (instr, size) = match operator {
            EqualEqual => (Instr::Equal { dst, a, b }, 1),
            BangEqual => (Instr::NotEqual { dst, a, b }, 2),
            Less => (Instr::Less { dst, a, b }, 1),
            LessEqual => (Instr::NotLess { dst, a: b, b: a }, 2),
            Greater => (Instr::Less { dst, a: b, b: a }, 1),
            GreaterEqual => (Instr::NotLess { dst, a, b }, 2),
            Plus => (Instr::Add { dst, a, b }, 1),
            Minus => (Instr::Subtract { dst, a, b }, 1),
            Star => (Instr::Multiply { dst, a, b }, 1),
            _ => (Instr::Divide { dst, a, b }, 1),
        };
        self.emit(instr, size);
    }

    pub(super) fn emit_print(&mut self) {
        let top = self.top();
        let src = self.take_operand(top);
        self.emit(Instr::Print { src }, 1);
        self.set_height(top);
    }

    pub(super) fn emit_define_global(&mut self, global: u32) {
        let top = self.top();
        let src = self.take_operand(top);
        self.emit(Instr::DefineGlobal { src, global }, 2);
        self.set_height(top);
    }

    // Constants

    pub(super) fn count_constant(&mut self) {
        self.function().constants += 1;
        if self.function().constants > MAX_CONSTANTS {
            self.error("Too many constants in one chunk.");
        }
    }

    fn make_constant(&mut self, constant: Constant) -> u16 {
        self.count_constant();
        let constants = &mut self.function().prototype.constants;
        constants.push(constant);
        (constants.len() - 1) as u16
    }

    pub(super) fn make_text(&mut self, text: &str) -> u16 {
        self.make_constant(Constant::Text(text.into()))
    }

    pub(super) fn emit_constant(&mut self, constant: Constant) {
        let index = self.make_constant(constant);
        self.emit_push(2, |dst| Instr::Const { dst, index });
    }

    /// A place in the code that looks `name` up in an object.
    pub(super) fn make_site(&mut self, name: &str) -> u16 {
        self.count_constant();
        let sites = &mut self.function().prototype.sites;
        sites.push(name.into());
        (sites.len() - 1) as u16
    }

    // Properties and classes

    /// The object on top needs no copy if it is `this`, which nothing can assign to.
    pub(super) fn take_this(&mut self) -> Option<Slot> {
        let top = self.top();
        let kind = self.function().kind;
        let in_method = matches!(kind, FunctionKind::Method | FunctionKind::Initializer);
        if !in_method || self.last() != Some(Instr::Move { dst: top, src: 0 }) {
            return None;
        }
        self.take_last();
        Some(0)
    }

    pub(super) fn emit_set_property(&mut self, object: Option<Slot>, site: u16) {
        let (below, top) = (self.slot_below(2), self.top());
        let value = self.take_operand(top);
        let object = object.unwrap_or(below);
        self.emit(
            Instr::SetProperty {
                object,
                src: value,
                site,
            },
            2,
        );
        self.set_height(top);
        self.emit(
            Instr::Move {
                dst: below,
                src: value,
            },
            0,
        );
    }

    pub(super) fn emit_get_super(&mut self, site: u16) {
        let (dst, top) = (self.slot_below(2), self.top());
        self.emit(Instr::GetSuper { dst, site }, 2);
        self.set_height(top);
    }

    pub(super) fn emit_inherit(&mut self) {
        let (superclass, top) = (self.slot_below(2), self.top());
        self.emit(
            Instr::Inherit {
                superclass,
                subclass: top,
            },
            1,
        );
        self.set_height(top);
    }

    pub(super) fn emit_method(&mut self, name: u16) {
        let (class, top) = (self.slot_below(2), self.top());
        self.emit(
            Instr::Method {
                class,
                closure: top,
                name,
            },
            2,
        );
        self.set_height(top);
    }

    // Functions

    pub(super) fn emit_closure(&mut self, prototype: Prototype) {
        self.count_constant();
        let size = 2 + 2 * prototype.captures.len();
        let functions = &mut self.function().prototype.functions;
        functions.push(prototype);
        let function = (functions.len() - 1) as u16;
        self.emit_push(size, |dst| Instr::Closure { dst, function });
    }

    /// The bytes of it are those of the variables that go out of scope.
    pub(super) fn emit_close_upvalues(&mut self, from: Slot) {
        self.emit(Instr::CloseUpvalues { from }, 0);
    }

    pub(super) fn emit_call(&mut self, argc: u8) {
        let callee = self.slot_below(1 + usize::from(argc));
        self.emit(Instr::Call { callee, argc }, 2);
        self.set_height(callee + 1);
    }

    pub(super) fn emit_invoke(&mut self, argc: u8, site: u16) {
        let receiver = self.slot_below(1 + usize::from(argc));
        self.emit(
            Instr::Invoke {
                callee: receiver,
                argc,
                site,
            },
            3,
        );
        self.set_height(receiver + 1);
    }

    pub(super) fn emit_super_invoke(&mut self, argc: u8, site: u16) {
        let receiver = self.slot_below(2 + usize::from(argc));
        self.emit(
            Instr::SuperInvoke {
                callee: receiver,
                argc,
                site,
            },
            3,
        );
        self.set_height(receiver + 1);
    }

    pub(super) fn emit_return(&mut self) {
        let top = self.top();
        let src = self.take_operand(top);
        self.emit(Instr::Return { src }, 1);
        self.set_height(top);
    }

    pub(super) fn emit_implicit_return(&mut self) {
        if self.function().kind == FunctionKind::Initializer {
            self.emit(Instr::Return { src: 0 }, 3);
        } else {
            self.emit_push(1, |dst| Instr::Nil { dst });
            self.emit_return();
        }
    }

    // Jumps

    fn jump(&mut self, instr: Instr, size: usize, line: u32) -> Jump {
        self.emit_at(instr, size, line);
        let function = self.function();
        Jump {
            at: Some(function.prototype.code.len() - 1),
            size: function.size,
        }
    }

    pub(super) fn emit_jump(&mut self) -> Jump {
        let line = self.previous.line;
        self.jump(Instr::Jump { to: 0 }, 3, line)
    }

    /// A jump over the other branch, which the reference implementation has even where there is none.
    pub(super) fn emit_jump_over_else(&mut self, has_else: bool) -> Jump {
        if has_else {
            return self.emit_jump();
        }
        let function = self.function();
        function.size += 3;
        Jump {
            at: None,
            size: function.size,
        }
    }

    /// Jumps if the condition on top does not hold, and takes it off the stack either way.
    pub(super) fn emit_branch(&mut self) -> Jump {
        let top = self.top();
        self.set_height(top);
        let mut line = self.previous.line;
        let mut branch = Instr::JumpIfFalse { src: top, to: 0 };
        if let Some(folded) = self.last().and_then(|last| fold_condition(last, top)) {
            branch = folded;
            line = self.take_last();
        }
        let jump = self.jump(branch, 3, line);
        self.count_pop();
        jump
    }

    /// Jumps if the value on top is true (or is false) and keeps it; otherwise it is replaced by what follows.
    pub(super) fn emit_jump_keeping(&mut self, on_true: bool) -> Jump {
        let src = self.top();
        let line = self.previous.line;
        let jump = if on_true {
            self.jump(Instr::JumpIfTrue { src, to: 0 }, 6, line)
        } else {
            self.jump(Instr::JumpIfFalse { src, to: 0 }, 3, line)
        };
        self.set_height(src);
        self.count_pop();
        jump
    }

    /// Counts a pop that the reference implementation needs and we do not.
    pub(super) fn count_pop(&mut self) {
        self.function().size += 1;
    }

    /// Lets `jump` go to the next instruction.
    pub(super) fn patch(&mut self, jump: Jump) {
        let function = self.function();
        let here = function.prototype.code.len();
        let too_far = function.size - jump.size > MAX_JUMP;
        if let Some(at) = jump.at {
            function.label = here;
            function.prototype.code[at].set_target((here - at - 1) as u16);
        }
        if too_far {
            self.error("Too much code to jump over.");
        }
    }

    pub(super) fn loop_start(&mut self) -> Start {
        let function = self.function();
        function.label = function.prototype.code.len();
        Start {
            at: function.label,
            size: function.size,
        }
    }

    pub(super) fn emit_loop(&mut self, start: Start) {
        let function = self.function();
        let back = (function.prototype.code.len() + 1 - start.at) as u16;
        let live = function.height as Slot;
        if function.size + 3 - start.size > MAX_JUMP {
            self.error("Loop body too large.");
        }
        self.emit(Instr::Loop { back, live }, 3);
    }
}

/// The jump that `last` and a jump on its result, which is in `condition`, come to.
fn fold_condition(last: Instr, condition: Slot) -> Option<Instr> {
    use Instr::*;
    let to = 0;
    Some(match last {
        Less { dst, a, b } if dst == condition => JumpNotLess { a, b, to },
        NotLess { dst, a, b } if dst == condition => JumpLess { a, b, to },
        LessImm { dst, a, imm } if dst == condition => JumpNotLessImm { a, imm, to },
        NotLessImm { dst, a, imm } if dst == condition => JumpLessImm { a, imm, to },
        GreaterImm { dst, a, imm } if dst == condition => JumpNotGreaterImm { a, imm, to },
        NotGreaterImm { dst, a, imm } if dst == condition => JumpGreaterImm { a, imm, to },
        Equal { dst, a, b } if dst == condition => JumpNotEqual { a, b, to },
        NotEqual { dst, a, b } if dst == condition => JumpEqual { a, b, to },
        Not { dst, src } if dst == condition => JumpIfTrue { src, to },
        Move { dst, src } if dst == condition => JumpIfFalse { src, to },
        _ => return None,
    })
}
