//! `lox [options] [file]`: runs a Lox program, or lines from the standard input without one.
//!
//! Exit codes as in the reference implementation: 64 for wrong usage, 65 for a program that does not compile, 70 for one
//! that fails while it runs, 74 for a file that cannot be read.

mod cli;
#[path = "interpreter.rs"]
mod interpreter;

use std::io::{self, BufRead, BufWriter, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use self::cli::Options;
use self::interpreter::{Error, Interpreter};

const USAGE: u8 = 64;
const BAD_PROGRAM: u8 = 65;
const RUNTIME_ERROR: u8 = 70;
const NO_FILE: u8 = 74;

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args_os().skip(1)) {
        Ok(options) => options,
        Err(message) => return fail(USAGE, &format!("{message}\n{}", cli::USAGE)),
    };
    let heap = match options.heap() {
        Ok(heap) => heap,
        Err(error) => return fail(USAGE, &error.to_string()),
    };
    let mut interpreter = Interpreter::new(heap);
    let result = catch_unwind(AssertUnwindSafe(|| match &options.file {
        Some(file) => run_file(&mut interpreter, file),
        None => repl(&mut interpreter),
    }));
    if options.gc_stats {
        let _ = writeln!(io::stderr(), "{:#?}", interpreter.heap().stats());
    }
    // A panic, for example of a heap that is full while the program is loaded, has printed its message.
    result.unwrap_or(ExitCode::from(RUNTIME_ERROR))
}

fn run_file(interpreter: &mut Interpreter, file: &std::ffi::OsStr) -> ExitCode {
    let name = file.to_string_lossy();
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) => {
            return fail(
                NO_FILE,
                &format!("Could not open file \"{name}\": {error}."),
            );
        }
    };
    let Ok(source) = String::from_utf8(bytes) else {
        return fail(
            BAD_PROGRAM,
            &format!("File \"{name}\" is not text: it is not valid UTF-8."),
        );
    };
    match run(interpreter, &source) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Error::Compile(_)) => ExitCode::from(BAD_PROGRAM),
        Err(Error::Runtime(_)) => ExitCode::from(RUNTIME_ERROR),
    }
}

fn repl(interpreter: &mut Interpreter) -> ExitCode {
    let mut input = io::stdin().lock();
    let mut line = Vec::new();
    loop {
        prompt("> ");
        line.clear();
        match input.read_until(b'\n', &mut line) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => return fail(NO_FILE, &format!("Could not read the input: {error}.")),
        }
        match std::str::from_utf8(&line) {
            // The error has been printed; the next line may do better.
            Ok(source) => drop(run(interpreter, source)),
            Err(_) => eprintln!("The line is not valid UTF-8."),
        }
    }
    prompt("\n");
    ExitCode::SUCCESS
}

/// Prints without a newline. That nobody reads it is no error.
fn prompt(text: &str) {
    let mut out = io::stdout();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// Runs a program, and prints the error that it ends with.
fn run(interpreter: &mut Interpreter, source: &str) -> Result<(), Error> {
    let mut out = BufWriter::new(io::stdout().lock());
    let result = interpreter.interpret(source, &mut out);
    // A reader that has gone needs no more output.
    let _ = out.flush();
    if let Err(Error::Compile(message) | Error::Runtime(message)) = &result {
        let _ = io::stderr().write_all(message.as_bytes());
    }
    result
}

fn fail(code: u8, message: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "{message}");
    ExitCode::from(code)
}
