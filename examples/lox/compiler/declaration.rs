//! Declarations: variables, functions, classes.

use super::super::chunk::{Instr, Prototype};
use super::super::scanner::TokenKind;
use super::scope::{Function, FunctionKind};
use super::{Class, Compiler};

impl<'s> Compiler<'s, '_> {
    pub(super) fn variable_declaration(&mut self) {
        self.advance();
        let global = self.parse_variable("Expect variable name.");
        if self.matches(TokenKind::Equal) {
            self.expression();
        } else {
            self.emit_push(1, |dst| Instr::Nil { dst });
        }
        self.consume(
            TokenKind::Semicolon,
            "Expect ';' after variable declaration.",
        );
        self.define_variable(global);
    }

    pub(super) fn function_declaration(&mut self) {
        self.advance();
        let global = self.parse_variable("Expect function name.");
        self.mark_initialized();
        self.function_body(FunctionKind::Function);
        self.define_variable(global);
    }

    /// Reads a name and declares it; the index is a global's.
    fn parse_variable(&mut self, message: &str) -> u32 {
        self.consume(TokenKind::Identifier, message);
        self.declare_variable();
        if self.function().scope_depth > 0 {
            0
        } else {
            self.global(self.previous.text)
        }
    }

    /// Lets the value on top be the declared variable's.
    fn define_variable(&mut self, global: u32) {
        if self.function().scope_depth > 0 {
            self.mark_initialized();
        } else {
            self.emit_define_global(global);
        }
    }

    /// Compiles parameters and body of the function that the previous token names, and the closure of it.
    fn function_body(&mut self, kind: FunctionKind) {
        let name = self.previous.text;
        self.functions.push(Function::new(kind, Some(name)));
        self.begin_scope();
        self.consume(TokenKind::LeftParen, "Expect '(' after function name.");
        if !self.check(TokenKind::RightParen) {
            self.parameters();
        }
        self.consume(TokenKind::RightParen, "Expect ')' after parameters.");
        self.consume(TokenKind::LeftBrace, "Expect '{' before function body.");
        self.block();
        let prototype = self.end_function();
        self.emit_closure(prototype);
    }

    fn parameters(&mut self) {
        loop {
            self.grow();
            let arity = &mut self.function().prototype.arity;
            *arity = arity.saturating_add(1);
            if *arity > 255 {
                self.error_at_current("Can't have more than 255 parameters.");
            }
            self.parse_variable("Expect parameter name.");
            self.mark_initialized();
            if !self.matches(TokenKind::Comma) {
                return;
            }
        }
    }

    /// Ends the innermost function. The script's entry stays, so that there always is one.
    pub(super) fn end_function(&mut self) -> Prototype {
        self.emit_implicit_return();
        if self.functions.len() == 1 {
            return std::mem::take(&mut self.function().prototype);
        }
        self.functions.pop().expect("more than one").prototype
    }

    pub(super) fn class_declaration(&mut self) {
        self.advance();
        self.consume(TokenKind::Identifier, "Expect class name.");
        let name = self.previous.text;
        let constant = self.make_text(name);
        self.declare_variable();
        self.emit_push(2, |dst| Instr::Class {
            dst,
            name: constant,
        });
        let global = if self.function().scope_depth > 0 {
            0
        } else {
            self.globals.index(name)
        };
        self.define_variable(global);

        self.classes.push(Class {
            has_superclass: false,
        });
        let inherits = self.matches(TokenKind::Less);
        if inherits {
            self.superclass(name);
        }
        self.variable(name, false);
        self.consume(TokenKind::LeftBrace, "Expect '{' before class body.");
        while !self.check(TokenKind::RightBrace) && !self.check(TokenKind::Eof) {
            self.method();
        }
        self.consume(TokenKind::RightBrace, "Expect '}' after class body.");
        self.emit_pop();
        if inherits {
            self.end_scope();
        }
        self.classes.pop();
    }

    /// Compiles the superclass, in a scope of its own with the variable `super`, and the inheritance of its methods.
    fn superclass(&mut self, class: &'s str) {
        self.consume(TokenKind::Identifier, "Expect superclass name.");
        self.variable(self.previous.text, false);
        if self.previous.text == class {
            self.error("A class can't inherit from itself.");
        }
        self.begin_scope();
        self.add_local("super");
        self.mark_initialized();
        self.variable(class, false);
        self.emit_inherit();
        if let Some(class) = self.classes.last_mut() {
            class.has_superclass = true;
        }
    }

    fn method(&mut self) {
        self.consume(TokenKind::Identifier, "Expect method name.");
        let name = self.previous.text;
        let constant = self.make_text(name);
        let kind = if name == "init" {
            FunctionKind::Initializer
        } else {
            FunctionKind::Method
        };
        self.function_body(kind);
        self.emit_method(constant);
    }
}
