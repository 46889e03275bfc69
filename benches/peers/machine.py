"""The machine and the tools of a round, in general terms."""

import os
import platform
import re
import subprocess

from systems import HERE, go_tool, java_homes

CRATES = ("gc-arena", "gc", "boa_gc", "dumpster", "rudo-gc", "bacon_rajan_cc", "bumpalo", "libmimalloc-sys")


def first_line(command):
    """The first line that a command prints, or nothing."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    text = (done.stdout or done.stderr).strip()
    return text.splitlines()[0] if done.returncode == 0 and text else ""


def memory_gib():
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def kernel():
    release = re.match(r"\d+\.\d+", platform.release())
    return f"{platform.system()} {release.group() if release else ''}".strip()


def locked_crates():
    """The versions of the crates compared, as the lock file has them."""
    text = (HERE / "Cargo.lock").read_text()
    versions = dict(re.findall(r'name = "(.+)"\nversion = "(.+)"', text))
    return ", ".join(f"{name} {versions[name]}" for name in CRATES if name in versions)


def mimalloc_version():
    """As its header has it: 209 is 2.0.9."""
    source = "#include <mimalloc.h>\nMI_MALLOC_VERSION\n"
    done = subprocess.run(["gcc", "-E", "-P", "-"], input=source, capture_output=True, text=True, check=False)
    number = re.search(r"^(\d)(\d)(\d)$", done.stdout, re.MULTILINE)
    return ".".join(number.groups()) if number else ""


def tools():
    """(what, version), of those that are here."""
    found = [("Rust", first_line(["rustc", "--version"])), ("C", first_line(["gcc", "--version"]))]
    found.append(("mimalloc for C", mimalloc_version()))
    found.append(("Boehm's collector", first_line(["pkg-config", "--modversion", "bdw-gc"])))
    if go_tool():
        found.append(("Go", first_line([go_tool(), "version"])))
    found.append(("OCaml", first_line(["ocamlopt", "-version"])))
    for home in java_homes().values():
        found.append(("Java", first_line([str(home / "bin" / "java"), "-version"])))
    found.append(("crates", locked_crates()))
    return [(what, version) for what, version in found if version]


def describe():
    """Lines of a list in Markdown."""
    lines = [
        f"- {cores()} processors ({platform.machine()}), {memory_gib():.0f} GiB of memory, {kernel()}; the load of the "
        f"last minute was {os.getloadavg()[0]:.1f} before the round.",
    ]
    return lines + [f"- {what}: {version}" for what, version in tools()]
