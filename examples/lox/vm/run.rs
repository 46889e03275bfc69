//! The loop.
//!
//! Each line of it is an instruction's fast case. What a line cannot do it leaves to `slow`, which starts the
//! instruction over.

use super::super::chunk::Instr;
use super::super::value::Value;
use super::registers::{Flow, Registers};
use super::{Exit, Machine};

impl<'s, 'gc> Machine<'s, 'gc> {
    /// Runs until the slice ends: the registers then, and why.
    pub(super) fn run(&mut self, mut r: Registers<'s, 'gc>) -> (Registers<'s, 'gc>, Exit) {
        use Instr::*;
        let (mc, globals) = (self.mc, self.globals);
        loop {
            let instr = r.fetch();
            let flow = match instr {
                Move { dst, src } => r.set(dst, r.get(src)),
                Const { dst, index } => r.set(dst, r.constant(index)),
                Nil { dst } => r.set(dst, Value::Nil),
                True { dst } => r.set(dst, Value::True),
                False { dst } => r.set(dst, Value::False),
                Equal { dst, a, b } => r.set(dst, Value::bool(r.get(a).equals(r.get(b)))),
                NotEqual { dst, a, b } => r.set(dst, Value::bool(!r.get(a).equals(r.get(b)))),
                Not { dst, src } => r.set(dst, Value::bool(r.get(src).is_false())),
                Negate { dst, src } => r.arithmetic_imm(dst, src, -1, |a, _| -a),
                GetGlobal { dst, global } => r.get_global(globals, dst, global),
                SetGlobal { src, global } => r.set_global(globals, src, global),
                GetUpvalue { dst, index } => r.get_upvalue(dst, index),
                SetUpvalue { src, index } => r.set_upvalue(src, index, mc),
                GetProperty { dst, object, site } => r.get_property(dst, object, site),
                SetProperty { object, src, site } => r.set_property(object, src, site, mc),
                Add { dst, a, b } => r.arithmetic(dst, a, b, |a, b| a + b),
                Subtract { dst, a, b } => r.arithmetic(dst, a, b, |a, b| a - b),
                Multiply { dst, a, b } => r.arithmetic(dst, a, b, |a, b| a * b),
                Divide { dst, a, b } => r.arithmetic(dst, a, b, |a, b| a / b),
                AddImm { dst, a, imm } => r.arithmetic_imm(dst, a, imm, |a, b| a + b),
                SubtractImm { dst, a, imm } => r.arithmetic_imm(dst, a, imm, |a, b| a - b),
                Less { dst, a, b } => r.less(dst, a, b, true),
                NotLess { dst, a, b } => r.less(dst, a, b, false),
                LessImm { dst, a, imm } => r.compare_imm(dst, a, imm, f64::lt, true),
                NotLessImm { dst, a, imm } => r.compare_imm(dst, a, imm, f64::lt, false),
                GreaterImm { dst, a, imm } => r.compare_imm(dst, a, imm, f64::gt, true),
                NotGreaterImm { dst, a, imm } => r.compare_imm(dst, a, imm, f64::gt, false),
                Jump { to } => r.jump_if(true, to),
                Loop { back, live } => r.jump_back(back, live, mc),
                JumpIfFalse { src, to } => r.jump_if(r.get(src).is_false(), to),
                JumpIfTrue { src, to } => r.jump_if(!r.get(src).is_false(), to),
                JumpEqual { a, b, to } => r.jump_if(r.get(a).equals(r.get(b)), to),
                JumpNotEqual { a, b, to } => r.jump_if(!r.get(a).equals(r.get(b)), to),
                JumpLess { a, b, to } => r.jump_less(a, b, true, to),
                JumpNotLess { a, b, to } => r.jump_less(a, b, false, to),
                JumpLessImm { a, imm, to } => r.jump_compare(a, imm, to, f64::lt, true),
                JumpNotLessImm { a, imm, to } => r.jump_compare(a, imm, to, f64::lt, false),
                JumpGreaterImm { a, imm, to } => r.jump_compare(a, imm, to, f64::gt, true),
                JumpNotGreaterImm { a, imm, to } => r.jump_compare(a, imm, to, f64::gt, false),
                Call { callee, argc } => r.call_value(callee, argc, mc, &self.collected),
                Invoke { callee, argc, site } => r.invoke(callee, argc, site, mc),
                SuperInvoke { callee, argc, site } => r.super_invoke(callee, argc, site, mc),
                Return { src } => r.return_value(src, self.open_end),
                _ => Flow::Slow,
            };
            match flow {
                Flow::Next => {}
                Flow::Pause => return (r, Exit::Pause),
                Flow::Slow => match self.slow(r, instr) {
                    Ok(next) if next.live > 0 => return (next, Exit::Pause),
                    Ok(next) => r = next,
                    Err(exit) => return self.leave(r, exit),
                },
            }
        }
    }
}
