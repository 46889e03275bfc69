//! The built example as a process: options, exit codes, bad files, lines from the standard input.

use std::path::Path;
use std::process::{Command, Output};

use super::directory;

/// The built example beside this test, built now if it is not there.
fn lox() -> Command {
    let test = std::env::current_exe().expect("a test has a path");
    let profile = test
        .parent()
        .and_then(Path::parent)
        .expect("it lies in target/<profile>/deps");
    let binary = profile.join("examples/lox");
    if !binary.exists() {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build
            .args(["build", "--example", "lox"])
            .current_dir(directory("."));
        if profile.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().expect("cargo runs").success());
    }
    Command::new(binary)
}

fn lox_with(arguments: &[&str]) -> Output {
    lox().args(arguments).output().expect("lox runs")
}

/// Runs a program from a file with this content.
fn lox_file(name: &str, content: &[u8], arguments: &[&str]) -> Output {
    let path = std::env::temp_dir().join(format!("tricolor-lox-{}-{name}", std::process::id()));
    std::fs::write(&path, content).expect("the file can be written");
    let output = lox().args(arguments).arg(&path).output().expect("lox runs");
    let _ = std::fs::remove_file(&path);
    output
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn exit_codes() {
    let ok = lox_file("ok", b"print 1;", &[]);
    assert_eq!(
        (ok.status.code(), ok.stdout.as_slice()),
        (Some(0), b"1\n".as_slice())
    );
    let bad = lox_file("bad", b"print ;", &[]);
    assert_eq!(bad.status.code(), Some(65));
    assert_eq!(stderr(&bad), "[line 1] Error at ';': Expect expression.\n");
    let failing = lox_file("failing", b"print 1; print -nil;", &[]);
    assert_eq!(
        (failing.status.code(), failing.stdout.as_slice()),
        (Some(70), b"1\n".as_slice())
    );
    assert_eq!(
        stderr(&failing),
        "Operand must be a number.\n[line 1] in script\n"
    );
    let missing = lox_with(&["/nowhere/to/be/found.lox"]);
    assert_eq!(missing.status.code(), Some(74));
    assert!(stderr(&missing).contains("Could not open file"));
    let empty = lox_file("empty", b"", &[]);
    assert_eq!(empty.status.code(), Some(0));
}

#[test]
fn wrong_usage() {
    let uses: [&[&str]; 5] = [
        &["a", "b"],
        &["--unknown"],
        &["--barrier", "none"],
        &["--markers"],
        &["--growth", "x"],
    ];
    for arguments in uses {
        let output = lox_with(arguments);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        assert!(stderr(&output).contains("Usage: lox"), "{arguments:?}");
    }
}

#[test]
fn bad_files() {
    let binary = lox_file("binary", &[0x7f, b'E', b'L', b'F', 0xff, 0xfe, 0], &[]);
    assert_eq!(binary.status.code(), Some(65));
    assert!(stderr(&binary).contains("not valid UTF-8"));
    let nul = lox_file("nul", b"print 1;\0", &[]);
    assert_eq!(nul.status.code(), Some(65));
    let parentheses = lox_file("parentheses", &vec![b'('; 10 << 20], &[]);
    assert_eq!(parentheses.status.code(), Some(65));
    assert!(stderr(&parentheses).contains("nests too deeply."));
}

#[test]
fn options() {
    let source = b"class N {} for (var i = 0; i < 1000; i = i + 1) N(); print \"ok\";";
    for barrier in ["insertion", "deletion", "hybrid", "stop-the-world"] {
        let settings = [
            "--barrier",
            barrier,
            "--markers",
            "1",
            "--growth",
            "50",
            "--gc-stats",
        ];
        let output = lox_file(barrier, source, &settings);
        assert_eq!(output.stdout, b"ok\n", "{}", stderr(&output));
        assert!(stderr(&output).contains("cycles"));
    }
    let output = lox_file("stress", source, &["--stress", "--max-heap", "100000000"]);
    assert_eq!(output.stdout, b"ok\n", "{}", stderr(&output));
}

#[test]
fn lines_from_the_standard_input() {
    use std::io::Write;
    use std::process::Stdio;
    let mut child = lox()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("lox runs");
    let lines = b"var a = 1;\nprint a + ;\nprint a + 1;\nprint b;\na = a + 5; print a;\n";
    child
        .stdin
        .take()
        .expect("piped")
        .write_all(lines)
        .expect("lox reads");
    let output = child.wait_with_output().expect("lox ends");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "> > > 2\n> > 6\n> \n"
    );
    let errors = "[line 1] Error at ';': Expect expression.\n\
                  Undefined variable 'b'.\n[line 1] in script\n";
    assert_eq!(stderr(&output), errors);
}
