//! Expressions: the precedence table and what each operator compiles to.

use super::super::chunk::{Constant, Instr};
use super::super::scanner::TokenKind;
use super::Compiler;
use super::scope::Variable;

/// Binding strength of an infix operator, the weakest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Precedence {
    None,
    Assignment,
    Or,
    And,
    Equality,
    Comparison,
    Term,
    Factor,
    Unary,
    Call,
    Primary,
}

/// How tightly `kind` binds what stands on its left.
fn precedence(kind: TokenKind) -> Precedence {
    use TokenKind::*;
    match kind {
        Or => Precedence::Or,
        And => Precedence::And,
        BangEqual | EqualEqual => Precedence::Equality,
        Greater | GreaterEqual | Less | LessEqual => Precedence::Comparison,
        Minus | Plus => Precedence::Term,
        Slash | Star => Precedence::Factor,
        LeftParen | Dot => Precedence::Call,
        _ => Precedence::None,
    }
}

/// The precedence of the right operand of a left-associative operator.
fn tighter(kind: TokenKind) -> Precedence {
    match precedence(kind) {
        Precedence::Equality => Precedence::Comparison,
        Precedence::Comparison => Precedence::Term,
        Precedence::Term => Precedence::Factor,
        Precedence::Factor => Precedence::Unary,
        _ => Precedence::Primary,
    }
}

impl Compiler<'_, '_> {
    pub(super) fn expression(&mut self) {
        self.parse(Precedence::Assignment);
    }

    /// Compiles an expression whose operators bind at least as tightly as `least`.
    fn parse(&mut self, least: Precedence) {
        self.nested(|this| {
            this.advance();
            let can_assign = least <= Precedence::Assignment;
            if !this.prefix(can_assign) {
                this.error("Expect expression.");
                return;
            }
            while least <= precedence(this.current.kind) {
                this.advance();
                this.infix(can_assign);
            }
            if can_assign && this.matches(TokenKind::Equal) {
                this.error("Invalid assignment target.");
            }
        });
    }

    /// Compiles what starts with the previous token, or says that no expression starts so.
    fn prefix(&mut self, can_assign: bool) -> bool {
        match self.previous.kind {
            TokenKind::LeftParen => {
                self.expression();
                self.consume(TokenKind::RightParen, "Expect ')' after expression.");
            }
            TokenKind::Minus | TokenKind::Bang => self.unary(),
            TokenKind::Identifier => self.variable(self.previous.text, can_assign),
            TokenKind::String => {
                let text = self.previous.text;
                self.emit_constant(Constant::Text(text[1..text.len() - 1].into()));
            }
            TokenKind::Number => {
                let number = self.previous.text.parse().unwrap_or(f64::NAN);
                self.emit_constant(Constant::Number(number));
            }
            TokenKind::Nil => self.emit_push(1, |dst| Instr::Nil { dst }),
            TokenKind::True => self.emit_push(1, |dst| Instr::True { dst }),
            TokenKind::False => self.emit_push(1, |dst| Instr::False { dst }),
            TokenKind::Super => self.super_(),
            TokenKind::This if self.classes.is_empty() => {
                self.error("Can't use 'this' outside of a class.");
            }
            TokenKind::This => self.variable("this", false),
            _ => return false,
        }
        true
    }

    fn infix(&mut self, can_assign: bool) {
        match self.previous.kind {
            TokenKind::LeftParen => {
                let argc = self.arguments();
                self.emit_call(argc);
            }
            TokenKind::Dot => self.dot(can_assign),
            TokenKind::And => {
                let end = self.emit_jump_keeping(false);
                self.parse(Precedence::And);
                self.patch(end);
            }
            TokenKind::Or => {
                let end = self.emit_jump_keeping(true);
                self.parse(Precedence::Or);
                self.patch(end);
            }
            operator => {
                self.parse(tighter(operator));
                self.emit_binary(operator);
            }
        }
    }

    fn unary(&mut self) {
        let operator = self.previous.kind;
        self.parse(Precedence::Unary);
        match operator {
            TokenKind::Bang => self.emit_unary(|dst, src| Instr::Not { dst, src }),
            _ => self.emit_unary(|dst, src| Instr::Negate { dst, src }),
        }
    }

    /// A variable's value, or an assignment to it.
    pub(super) fn variable(&mut self, name: &str, can_assign: bool) {
        let variable = self.resolve(name);
        let assigns = can_assign && self.matches(TokenKind::Equal);
        if assigns {
            self.expression();
        }
        match (variable, assigns) {
            (Variable::Local(src), false) => self.emit_push(2, |dst| Instr::Move { dst, src }),
            (Variable::Local(dst), true) => self.emit_store(|src| Instr::Move { dst, src }),
            (Variable::Upvalue(index), false) => {
                let index = index.into();
                self.emit_push(2, |dst| Instr::GetUpvalue { dst, index });
            }
            (Variable::Upvalue(index), true) => {
                let index = index.into();
                self.emit_store(|src| Instr::SetUpvalue { src, index });
            }
            (Variable::Global(global), false) => {
                self.emit_push(2, |dst| Instr::GetGlobal { dst, global });
            }
            (Variable::Global(global), true) => {
                self.emit_store(|src| Instr::SetGlobal { src, global });
            }
        }
    }

    fn dot(&mut self, can_assign: bool) {
        self.consume(TokenKind::Identifier, "Expect property name after '.'.");
        let site = self.make_site(self.previous.text);
        if can_assign && self.matches(TokenKind::Equal) {
            let object = self.take_this();
            self.expression();
            self.emit_set_property(object, site);
        } else if self.matches(TokenKind::LeftParen) {
            let argc = self.arguments();
            self.emit_invoke(argc, site);
        } else {
            self.emit_unary(|dst, object| Instr::GetProperty { dst, object, site });
            self.function().size += 1;
        }
    }

    fn super_(&mut self) {
        match self.classes.last() {
            None => self.error("Can't use 'super' outside of a class."),
            Some(class) if !class.has_superclass => {
                self.error("Can't use 'super' in a class with no superclass.");
            }
            Some(_) => {}
        }
        self.consume(TokenKind::Dot, "Expect '.' after 'super'.");
        self.consume(TokenKind::Identifier, "Expect superclass method name.");
        let site = self.make_site(self.previous.text);
        self.variable("this", false);
        if self.matches(TokenKind::LeftParen) {
            let argc = self.arguments();
            self.variable("super", false);
            self.emit_super_invoke(argc, site);
        } else {
            self.variable("super", false);
            self.emit_get_super(site);
        }
    }

    /// Compiles the arguments of a call; the opening parenthesis is behind.
    fn arguments(&mut self) -> u8 {
        let mut argc = 0u8;
        if !self.check(TokenKind::RightParen) {
            loop {
                self.expression();
                if argc == 255 {
                    self.error("Can't have more than 255 arguments.");
                }
                argc = argc.wrapping_add(1);
                if !self.matches(TokenKind::Comma) {
                    break;
                }
            }
        }
        self.consume(TokenKind::RightParen, "Expect ')' after arguments.");
        argc
    }
}
