//! Tokens to prototypes in one pass: a Pratt parser that emits code as it reads.
//!
//! Statements and errors are here; `expression` has the precedence table, `declaration` functions and classes, `scope` the
//! variables and `emit` the instructions. Nothing here knows of the heap.

mod declaration;
mod emit;
mod expression;
mod scope;

use self::scope::{Function, FunctionKind};
use super::chunk::{GlobalNames, Prototype};
use super::scanner::{Scanner, Token, TokenKind};

/// How deeply expressions, statements and functions may nest in one another: bounds the compiler's own recursion.
const MAX_NESTING: u32 = 500;

/// Compiles `source` as a script. The error is the text of all messages, a line each.
pub(crate) fn compile(source: &str, globals: &mut GlobalNames) -> Result<Prototype, String> {
    let mut compiler = Compiler::new(source, globals);
    compiler.advance();
    while !compiler.matches(TokenKind::Eof) {
        compiler.declaration();
    }
    let script = compiler.end_function();
    if compiler.messages.is_empty() {
        Ok(script)
    } else {
        Err(compiler.messages)
    }
}

/// What is known of the class whose body is being compiled.
struct Class {
    has_superclass: bool,
}

struct Compiler<'s, 'g> {
    scanner: Scanner<'s>,
    current: Token<'s>,
    previous: Token<'s>,
    messages: String,
    /// Errors are swallowed until the next statement.
    panicking: bool,
    /// The rest of the source is not read: it nests too deeply.
    abandoned: bool,
    nesting: u32,
    globals: &'g mut GlobalNames,
    /// The functions being compiled, the innermost last.
    functions: Vec<Function<'s>>,
    classes: Vec<Class>,
}

impl<'s, 'g> Compiler<'s, 'g> {
    fn new(source: &'s str, globals: &'g mut GlobalNames) -> Self {
        let start = Token {
            kind: TokenKind::Eof,
            text: "",
            line: 1,
        };
        Compiler {
            scanner: Scanner::new(source),
            current: start,
            previous: start,
            messages: String::new(),
            panicking: false,
            abandoned: false,
            nesting: 0,
            globals,
            functions: vec![Function::new(FunctionKind::Script, None)],
            classes: Vec::new(),
        }
    }

    // Tokens

    fn advance(&mut self) {
        self.previous = self.current;
        loop {
            self.current = self.scanner.next_token();
            if self.current.kind != TokenKind::Error {
                return;
            }
            self.error_at_current(self.current.text);
        }
    }

    fn check(&self, kind: TokenKind) -> bool {
        self.current.kind == kind
    }

    fn matches(&mut self, kind: TokenKind) -> bool {
        let found = self.check(kind);
        if found {
            self.advance();
        }
        found
    }

    fn consume(&mut self, kind: TokenKind, message: &str) {
        if !self.matches(kind) {
            self.error_at_current(message);
        }
    }

    // Errors

    fn error(&mut self, message: &str) {
        self.error_at(self.previous, message);
    }

    fn error_at_current(&mut self, message: &str) {
        self.error_at(self.current, message);
    }

    fn error_at(&mut self, token: Token<'s>, message: &str) {
        if self.panicking || self.abandoned {
            return;
        }
        self.panicking = true;
        let place = match token.kind {
            TokenKind::Eof => " at end".to_string(),
            TokenKind::Error => String::new(),
            _ => format!(" at '{}'", token.text),
        };
        self.messages
            .push_str(&format!("[line {}] Error{place}: {message}\n", token.line));
    }

    /// Skips to what looks like the start of a statement.
    fn synchronize(&mut self) {
        use TokenKind::*;
        self.panicking = false;
        while self.current.kind != Eof && self.previous.kind != Semicolon {
            if matches!(
                self.current.kind,
                Class | Fun | Var | For | If | While | Print | Return
            ) {
                return;
            }
            self.advance();
        }
    }

    /// Runs `part` one level deeper, or gives the source up where that would be too deep.
    fn nested(&mut self, part: impl FnOnce(&mut Self)) {
        if self.nesting == MAX_NESTING {
            self.error_at_current("Code nests too deeply.");
            self.abandoned = true;
            self.scanner = Scanner::new("");
            self.advance();
            return;
        }
        self.nesting += 1;
        part(self);
        self.nesting -= 1;
    }

    // Statements

    fn declaration(&mut self) {
        self.nested(|this| match this.current.kind {
            TokenKind::Class => this.class_declaration(),
            TokenKind::Fun => this.function_declaration(),
            TokenKind::Var => this.variable_declaration(),
            _ => this.statement(),
        });
        if self.panicking {
            self.synchronize();
        }
    }

    fn statement(&mut self) {
        self.nested(|this| match this.current.kind {
            TokenKind::Print => this.print_statement(),
            TokenKind::For => this.for_statement(),
            TokenKind::If => this.if_statement(),
            TokenKind::Return => this.return_statement(),
            TokenKind::While => this.while_statement(),
            TokenKind::LeftBrace => {
                this.advance();
                this.begin_scope();
                this.block();
                this.end_scope();
            }
            _ => this.expression_statement(),
        });
    }

    fn block(&mut self) {
        while !self.check(TokenKind::RightBrace) && !self.check(TokenKind::Eof) {
            self.declaration();
        }
        self.consume(TokenKind::RightBrace, "Expect '}' after block.");
    }

    fn expression_statement(&mut self) {
        self.expression();
        self.consume(TokenKind::Semicolon, "Expect ';' after expression.");
        self.emit_pop();
    }

    fn print_statement(&mut self) {
        self.advance();
        self.expression();
        self.consume(TokenKind::Semicolon, "Expect ';' after value.");
        self.emit_print();
    }

    fn return_statement(&mut self) {
        self.advance();
        let kind = self.function().kind;
        if kind == FunctionKind::Script {
            self.error("Can't return from top-level code.");
        }
        if self.matches(TokenKind::Semicolon) {
            self.emit_implicit_return();
            return;
        }
        if kind == FunctionKind::Initializer {
            self.error("Can't return a value from an initializer.");
        }
        self.expression();
        self.consume(TokenKind::Semicolon, "Expect ';' after return value.");
        self.emit_return();
    }

    fn if_statement(&mut self) {
        self.advance();
        self.consume(TokenKind::LeftParen, "Expect '(' after 'if'.");
        self.expression();
        self.consume(TokenKind::RightParen, "Expect ')' after condition.");
        let otherwise = self.emit_branch();
        self.statement();
        let has_else = self.check(TokenKind::Else);
        let end = self.emit_jump_over_else(has_else);
        self.patch(otherwise);
        self.count_pop();
        if self.matches(TokenKind::Else) {
            self.statement();
        }
        self.patch(end);
    }

    fn while_statement(&mut self) {
        self.advance();
        let start = self.loop_start();
        self.consume(TokenKind::LeftParen, "Expect '(' after 'while'.");
        self.expression();
        self.consume(TokenKind::RightParen, "Expect ')' after condition.");
        let exit = self.emit_branch();
        self.statement();
        self.emit_loop(start);
        self.patch(exit);
        self.count_pop();
    }

    fn for_statement(&mut self) {
        self.advance();
        self.begin_scope();
        self.consume(TokenKind::LeftParen, "Expect '(' after 'for'.");
        match self.current.kind {
            TokenKind::Semicolon => self.advance(),
            TokenKind::Var => self.variable_declaration(),
            _ => self.expression_statement(),
        }
        let mut start = self.loop_start();
        let mut exit = None;
        if !self.matches(TokenKind::Semicolon) {
            self.expression();
            self.consume(TokenKind::Semicolon, "Expect ';' after loop condition.");
            exit = Some(self.emit_branch());
        }
        if !self.matches(TokenKind::RightParen) {
            let body = self.emit_jump();
            let increment = self.loop_start();
            self.expression();
            self.emit_pop();
            self.consume(TokenKind::RightParen, "Expect ')' after for clauses.");
            self.emit_loop(start);
            start = increment;
            self.patch(body);
        }
        self.statement();
        self.emit_loop(start);
        if let Some(exit) = exit {
            self.patch(exit);
            self.count_pop();
        }
        self.end_scope();
    }
}
