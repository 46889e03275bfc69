//! The Lox example: the language, the collector's settings under it, and the command line.
//!
//! `tests/lox/*.lox` hold many programs each. A line `//// title` starts one, and comments in it say what it must do:
//!
//! - `// expect: text`: a line of output;
//! - `// expect runtime error: message`, and `// trace: line` for each line of its stack trace, if any is given;
//! - `// error: message`: a line of the compiler's messages.

mod common;
#[path = "../examples/lox/interpreter.rs"]
mod interpreter;

#[path = "lox/command_line.rs"]
mod command_line;

use std::path::{Path, PathBuf};

use common::{BARRIERS, wait_until};
use interpreter::{Error, Interpreter};
use tricolor_gc::{Heap, HeapBuilder, StressConfig};

/// A program and what it must do.
struct Case {
    name: String,
    source: String,
    output: String,
    compile_errors: String,
    runtime_error: Option<String>,
    trace: String,
}

/// The programs in a file of `tests/lox`.
fn cases(file: &str) -> Vec<Case> {
    let path = directory("tests/lox").join(file);
    let text = std::fs::read_to_string(&path).expect("the test file is there");
    let parts = text.split("//// ").skip(1);
    parts
        .map(|part| {
            let (title, source) = part.split_once('\n').expect("a title is a line");
            case(format!("{file}: {title}"), source)
        })
        .collect()
}

fn case(name: String, source: &str) -> Case {
    let lines = |mark: &str| -> String {
        let after = source.lines().filter_map(|line| line.split_once(mark));
        after
            .map(|(_, text)| format!("{}\n", text.strip_prefix(' ').unwrap_or(text)))
            .collect()
    };
    let runtime_error = lines("// expect runtime error:");
    Case {
        name,
        source: source.to_string(),
        output: lines("// expect:"),
        compile_errors: lines("// error:"),
        runtime_error: (!runtime_error.is_empty()).then_some(runtime_error),
        trace: lines("// trace:"),
    }
}

fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Runs a program on a heap of its own.
fn run(builder: HeapBuilder, source: &str) -> (String, Result<(), Error>) {
    let heap = builder.build().expect("the settings are valid");
    let mut interpreter = Interpreter::new(heap);
    let mut output = Vec::new();
    let result = interpreter.interpret(source, &mut output);
    (String::from_utf8(output).expect("Lox prints text"), result)
}

fn check(case: &Case, builder: HeapBuilder, settings: &str) {
    let (output, result) = run(builder, &case.source);
    let name = format!("{} ({settings})", case.name);
    assert_eq!(output, case.output, "output of {name}");
    match result {
        Ok(()) => {
            assert_eq!(case.runtime_error, None, "{name} should fail");
            assert_eq!(case.compile_errors, "", "{name} should not compile");
        }
        Err(Error::Compile(messages)) => assert_eq!(messages, case.compile_errors, "{name}"),
        Err(Error::Runtime(message)) => {
            let (first, trace) = message.split_once('\n').expect("a trace follows");
            assert_eq!(Some(format!("{first}\n")), case.runtime_error, "{name}");
            if !case.trace.is_empty() {
                assert_eq!(trace, case.trace, "trace of {name}");
            }
        }
    }
}

/// Runs a file's programs under each barrier, with marker threads and without.
fn check_file(file: &str) {
    for case in cases(file) {
        for barrier in BARRIERS {
            check(
                &case,
                Heap::builder().barrier(barrier),
                &barrier.to_string(),
            );
        }
        check(&case, Heap::builder().marker_threads(0), "no marker thread");
    }
}

/// Runs a file's programs under each barrier with a cycle as often as can be.
fn check_file_under_stress(file: &str) {
    for case in cases(file) {
        for (barrier, seed) in BARRIERS.into_iter().zip(1..) {
            let builder = Heap::builder()
                .barrier(barrier)
                .stress(StressConfig::new(seed));
            check(&case, builder, &format!("{barrier}, stress"));
        }
    }
}

#[test]
fn values() {
    check_file("values.lox");
}

#[test]
fn operators() {
    check_file("operators.lox");
}

#[test]
fn variables() {
    check_file("variables.lox");
}

#[test]
fn control() {
    check_file("control.lox");
}

#[test]
fn functions() {
    check_file("functions.lox");
}

#[test]
fn closures() {
    check_file("closures.lox");
}

#[test]
fn classes() {
    check_file("classes.lox");
}

#[test]
fn inheritance() {
    check_file("inheritance.lox");
}

#[test]
fn memory() {
    check_file("memory.lox");
}

#[test]
fn functions_under_stress() {
    check_file_under_stress("functions.lox");
}

#[test]
fn closures_under_stress() {
    check_file_under_stress("closures.lox");
}

#[test]
fn classes_under_stress() {
    check_file_under_stress("classes.lox");
}

#[test]
fn inheritance_under_stress() {
    check_file_under_stress("inheritance.lox");
}

#[test]
fn memory_under_stress() {
    check_file_under_stress("memory.lox");
}

// Limits

/// Compiles and runs; the compiler's messages, or nothing.
fn messages(source: &str) -> String {
    match run(Heap::builder(), source).1 {
        Ok(()) => String::new(),
        Err(Error::Compile(messages) | Error::Runtime(messages)) => messages,
    }
}

fn repeat(count: usize, part: impl Fn(usize) -> String) -> String {
    (0..count).map(part).collect()
}

#[test]
fn a_function_has_256_constants() {
    let numbers = |count| repeat(count, |i| format!("{i}.5;\n"));
    assert_eq!(messages(&numbers(256)), "");
    let too_many = "[line 257] Error at '256.5': Too many constants in one chunk.\n";
    assert_eq!(messages(&numbers(257)), too_many);
}

#[test]
fn a_function_has_256_locals() {
    let source = |count| {
        format!(
            "fun f() {{{}}} f();",
            repeat(count, |i| format!("var v{i};\n"))
        )
    };
    assert_eq!(messages(&source(255)), "");
    let too_many = "[line 256] Error at 'v255': Too many local variables in function.\n";
    assert_eq!(messages(&source(256)), too_many);
}

#[test]
fn a_function_captures_256_variables() {
    let half = |name: char, count| repeat(count, |i| format!("var {name}{i};\n"));
    let uses = |name: char, count| repeat(count, |i| format!("{name}{i};\n"));
    let source = |count: usize| {
        let (a, b) = (half('a', 128), half('b', count));
        let (use_a, use_b) = (uses('a', 128), uses('b', count));
        format!("fun f() {{{a} fun g() {{{b} fun h() {{{use_a}{use_b}}} h();}} g();}} f();")
    };
    assert_eq!(messages(&source(128)), "");
    let message = messages(&source(129));
    assert!(message.ends_with("Error at 'b128': Too many closure variables in function.\n"));
}

#[test]
fn a_call_has_255_arguments() {
    let list = |count, part: &str| vec![part; count].join(", ");
    let names = |count| {
        (0..count)
            .map(|i| format!("p{i}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let source = |count| {
        format!(
            "fun f({}) {{ return p{}; }} f({});",
            names(count),
            count - 1,
            list(count, "nil")
        )
    };
    assert_eq!(messages(&source(255)), "");
    let arguments = messages(&format!("var f; f({});", list(256, "nil")));
    assert_eq!(
        arguments,
        "[line 1] Error at 'nil': Can't have more than 255 arguments.\n"
    );
    let parameters = messages(&source(256));
    let expected = "[line 1] Error at 'p255': Can't have more than 255 parameters.\n";
    assert!(parameters.starts_with(expected), "{parameters}");
}

#[test]
fn jumps_reach_65535_bytes() {
    let body = |count| repeat(count, |_| "nil;\n".to_string());
    let branch = |count| messages(&format!("if (false) {{ {} }} print 1;", body(count)));
    assert_eq!(branch(32765), "");
    assert!(branch(32767).ends_with("Error at '}': Too much code to jump over.\n"));
    let looping = |count| messages(&format!("while (false) {{ {} }}", body(count)));
    assert_eq!(looping(32760), "");
    assert!(looping(32767).contains("Error at '}': Loop body too large.\n"));
}

#[test]
fn deep_nesting_is_an_error() {
    let functions = ["fun f() {", "class C { m() {"];
    for part in ["(", "{", "-", "!", "nil(", "nil and ", "if (nil) "]
        .into_iter()
        .chain(functions)
    {
        let source = part.repeat(100_000);
        let message = messages(&source);
        assert!(message.contains("nests too deeply."), "{part}: {message}");
        assert_eq!(message.lines().count(), 1, "{part}");
    }
    let shallow = format!("print {}1{};", "(".repeat(200), ")".repeat(200));
    assert_eq!(run(Heap::builder(), &shallow), ("1\n".to_string(), Ok(())));
}

#[test]
fn many_pending_values_are_an_error_or_work() {
    let sum = |count| format!("print {}0{};", "1 + (".repeat(count), ")".repeat(count));
    assert_eq!(
        run(Heap::builder(), &sum(200)),
        ("200\n".to_string(), Ok(()))
    );
    let call = format!("clock({}", "nil, ".repeat(250));
    assert!(messages(&call.repeat(5)).contains("too many values at once"));
}

// The machine

#[test]
fn global_variables_last_from_one_program_to_the_next() {
    let mut interpreter = Interpreter::new(Heap::new());
    let mut output = Vec::new();
    let programs = [
        "var a = 1; fun f() { return a + b; }",
        "var b = 2;",
        "print f();",
    ];
    for program in programs {
        assert_eq!(interpreter.interpret(program, &mut output), Ok(()));
    }
    assert!(interpreter.interpret("print c;", &mut output).is_err());
    assert!(interpreter.interpret("print (;", &mut output).is_err());
    assert_eq!(interpreter.interpret("print a;", &mut output), Ok(()));
    assert_eq!(output, b"3\n1\n");
}

#[test]
fn dead_strings_and_objects_are_collected() {
    let source = "
        class Node {}
        for (var i = 0; i < 300000; i = i + 1) { var n = Node(); n.self = n; n.text = \"a\" + \"b\"; }
        var s = \"\";
        for (var i = 0; i < 3000; i = i + 1) s = s + \"0123456789\";";
    let mut interpreter = Interpreter::new(Heap::new());
    assert_eq!(interpreter.interpret(source, &mut Vec::new()), Ok(()));
    // On a busy machine the background threads may be late.
    wait_until("the heap is small again", || {
        let stats = interpreter.heap().stats();
        stats.cycles > 0 && stats.bytes_in_use < 32 << 20
    });
}

#[test]
fn a_full_heap_is_a_runtime_error() {
    let source = "
        class Node { init(next) { this.next = next; } }
        var list = nil;
        fun grow() { while (true) list = Node(list); }
        grow();";
    let (_, result) = run(Heap::builder().max_heap(16 << 20), source);
    let Err(Error::Runtime(message)) = result else {
        panic!("{result:?}")
    };
    assert!(
        message.starts_with("Out of memory.\n[line 4] in grow()"),
        "{message}"
    );
    assert!(message.ends_with("[line 5] in script\n"), "{message}");
}

#[test]
fn a_string_that_does_not_fit_is_a_runtime_error() {
    let source = "
        var text = \"text\";
        while (true) text = text + text;";
    for barrier in BARRIERS {
        let builder = Heap::builder().barrier(barrier).max_heap(16 << 20);
        let (_, result) = run(builder, source);
        let message = "Out of memory.\n[line 3] in script\n".to_string();
        assert_eq!(result, Err(Error::Runtime(message)), "{barrier}");
    }
}

#[test]
fn garbage_does_not_fill_a_small_heap() {
    let source = "
        class Node { init(next) { this.next = next; } }
        for (var i = 0; i < 500000; i = i + 1) Node(Node(nil));
        print \"done\";";
    for barrier in BARRIERS {
        let builder = Heap::builder().barrier(barrier).max_heap(16 << 20);
        assert_eq!(
            run(builder, source),
            ("done\n".to_string(), Ok(())),
            "{barrier}"
        );
    }
}
