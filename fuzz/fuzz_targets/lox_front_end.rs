//! The front end of `examples/lox` on any bytes: it compiles them or says why not, and what it compiles is well formed.

#![no_main]
#![allow(dead_code, unused_imports)]

/// The files of the example. The machine's are here because the compiler's name each other as siblings.
#[path = "../../examples/lox"]
mod lox {
    pub(crate) mod chunk;
    pub(crate) mod compiler;
    pub(crate) mod scanner;
}

use libfuzzer_sys::fuzz_target;
use lox::chunk::{GlobalNames, Instr, MAX_SLOTS, Prototype};
use lox::compiler::compile;
use lox::scanner::{Scanner, TokenKind};

/// Scans to the end: tokens lie in the source, in order.
fn scan(source: &str) {
    let mut scanner = Scanner::new(source);
    let mut at = 0;
    loop {
        let token = scanner.next_token();
        if token.kind == TokenKind::Eof {
            return;
        }
        if token.kind != TokenKind::Error {
            let start = token.text.as_ptr().addr() - source.as_ptr().addr();
            assert!(start >= at && !token.text.is_empty(), "tokens go forward");
            at = start + token.text.len();
            assert!(at <= source.len());
        }
    }
}

/// What the machine relies on.
fn check(function: &Prototype, globals: &GlobalNames) {
    assert!(usize::from(function.slots) <= MAX_SLOTS);
    assert_eq!(function.code.len(), function.lines.len());
    assert!(
        matches!(function.code.last(), Some(Instr::Return { .. })),
        "it returns"
    );
    for (at, instr) in function.code.iter().enumerate() {
        let mut copy = *instr;
        if let Some(&mut slot) = copy.result() {
            assert!(
                slot < function.slots,
                "{instr:?} of {} slots",
                function.slots
            );
        }
        match *instr {
            Instr::Const { index, .. } => assert!(usize::from(index) < function.constants.len()),
            Instr::GetGlobal { global, .. }
            | Instr::SetGlobal { global, .. }
            | Instr::DefineGlobal { global, .. } => assert!((global as usize) < globals.len()),
            Instr::GetUpvalue { index, .. } | Instr::SetUpvalue { index, .. } => {
                assert!(usize::from(index) < function.captures.len());
            }
            Instr::GetProperty { site, .. }
            | Instr::SetProperty { site, .. }
            | Instr::GetSuper { site, .. }
            | Instr::Invoke { site, .. }
            | Instr::SuperInvoke { site, .. } => assert!(usize::from(site) < function.sites.len()),
            Instr::Closure {
                function: index, ..
            } => {
                assert!(usize::from(index) < function.functions.len());
            }
            Instr::Loop { back, .. } => assert!(usize::from(back) <= at + 1, "before the start"),
            Instr::Jump { to }
            | Instr::JumpIfFalse { to, .. }
            | Instr::JumpIfTrue { to, .. }
            | Instr::JumpEqual { to, .. }
            | Instr::JumpNotEqual { to, .. }
            | Instr::JumpLess { to, .. }
            | Instr::JumpNotLess { to, .. }
            | Instr::JumpLessImm { to, .. }
            | Instr::JumpNotLessImm { to, .. }
            | Instr::JumpGreaterImm { to, .. }
            | Instr::JumpNotGreaterImm { to, .. } => {
                assert!(
                    at + 1 + usize::from(to) < function.code.len(),
                    "past the end"
                );
            }
            _ => {}
        }
    }
    for inner in &function.functions {
        check(inner, globals);
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(source) = std::str::from_utf8(bytes) else {
        return;
    };
    scan(source);
    let mut globals = GlobalNames::default();
    match compile(source, &mut globals) {
        Ok(script) => check(&script, &globals),
        Err(messages) => assert!(!messages.is_empty()),
    }
});
