//! Text to tokens, on demand.
//!
//! Works on bytes: every token but a string or an error is ASCII, and a string starts and ends at a quote, so the slices
//! it hands out always fall on character boundaries.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    LeftParen,
    RightParen,
    LeftBrace,
    RightBrace,
    Comma,
    Dot,
    Minus,
    Plus,
    Semicolon,
    Slash,
    Star,
    Bang,
    BangEqual,
    Equal,
    EqualEqual,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    Identifier,
    String,
    Number,
    And,
    Class,
    Else,
    False,
    For,
    Fun,
    If,
    Nil,
    Or,
    Print,
    Return,
    Super,
    This,
    True,
    Var,
    While,
    /// `text` is the message, not a part of the source.
    Error,
    Eof,
}

/// A token: its kind, its text in the source and the line it ends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token<'s> {
    pub(crate) kind: TokenKind,
    pub(crate) text: &'s str,
    pub(crate) line: u32,
}

/// The scanner's position in a source text.
pub(crate) struct Scanner<'s> {
    source: &'s str,
    start: usize,
    current: usize,
    line: u32,
}

impl<'s> Scanner<'s> {
    pub(crate) fn new(source: &'s str) -> Self {
        Scanner {
            source,
            start: 0,
            current: 0,
            line: 1,
        }
    }

    /// The next token; `Eof` for ever once the text has ended.
    pub(crate) fn next_token(&mut self) -> Token<'s> {
        self.skip_blanks();
        self.start = self.current;
        let Some(byte) = self.peek() else {
            return self.token(TokenKind::Eof);
        };
        self.current += 1;
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => self.identifier(),
            b'0'..=b'9' => self.number(),
            b'"' => self.string(),
            _ => self.punctuation(byte),
        }
    }

    fn punctuation(&mut self, byte: u8) -> Token<'s> {
        use TokenKind::*;
        let kind = match byte {
            b'(' => LeftParen,
            b')' => RightParen,
            b'{' => LeftBrace,
            b'}' => RightBrace,
            b';' => Semicolon,
            b',' => Comma,
            b'.' => Dot,
            b'-' => Minus,
            b'+' => Plus,
            b'/' => Slash,
            b'*' => Star,
            b'!' => self.with_equal(BangEqual, Bang),
            b'=' => self.with_equal(EqualEqual, Equal),
            b'<' => self.with_equal(LessEqual, Less),
            b'>' => self.with_equal(GreaterEqual, Greater),
            _ => return self.error("Unexpected character."),
        };
        self.token(kind)
    }

    fn with_equal(&mut self, both: TokenKind, alone: TokenKind) -> TokenKind {
        if self.peek() == Some(b'=') {
            self.current += 1;
            both
        } else {
            alone
        }
    }

    fn identifier(&mut self) -> Token<'s> {
        while self
            .peek()
            .is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_')
        {
            self.current += 1;
        }
        self.token(keyword(&self.source[self.start..self.current]))
    }

    fn number(&mut self) -> Token<'s> {
        self.skip_digits();
        if self.peek() == Some(b'.') && self.peek_at(1).is_some_and(|b| b.is_ascii_digit()) {
            self.current += 1;
            self.skip_digits();
        }
        self.token(TokenKind::Number)
    }

    fn skip_digits(&mut self) {
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.current += 1;
        }
    }

    fn string(&mut self) -> Token<'s> {
        while let Some(byte) = self.peek() {
            self.current += 1;
            match byte {
                b'"' => return self.token(TokenKind::String),
                b'\n' => self.line += 1,
                _ => {}
            }
        }
        self.error("Unterminated string.")
    }

    fn skip_blanks(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\r' | b'\t' => self.current += 1,
                b'\n' => {
                    self.line += 1;
                    self.current += 1;
                }
                b'/' if self.peek_at(1) == Some(b'/') => {
                    while self.peek().is_some_and(|b| b != b'\n') {
                        self.current += 1;
                    }
                }
                _ => return,
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> Option<u8> {
        self.source.as_bytes().get(self.current + ahead).copied()
    }

    fn token(&self, kind: TokenKind) -> Token<'s> {
        Token {
            kind,
            text: &self.source[self.start..self.current],
            line: self.line,
        }
    }

    fn error(&self, message: &'static str) -> Token<'s> {
        Token {
            kind: TokenKind::Error,
            text: message,
            line: self.line,
        }
    }
}

fn keyword(text: &str) -> TokenKind {
    use TokenKind::*;
    match text {
        "and" => And,
        "class" => Class,
        "else" => Else,
        "false" => False,
        "for" => For,
        "fun" => Fun,
        "if" => If,
        "nil" => Nil,
        "or" => Or,
        "print" => Print,
        "return" => Return,
        "super" => Super,
        "this" => This,
        "true" => True,
        "var" => Var,
        "while" => While,
        _ => Identifier,
    }
}
