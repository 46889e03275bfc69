"""Writes the figures of a round as tables in Markdown, with a bar chart for each workload."""

import chart
import targets
from systems import OURS, has_collector, is_ours

TITLES = {
    "binary-trees": "binary-trees",
    "gcbench": "GCBench",
    "churn": "FIFO churn",
    "graph": "Random graph rewiring",
    "rings": "Short-lived cycles",
    "traversal": "Traversal",
    "traversal-raw": "Traversal beside raw pointers",
    "threads": "binary-trees on two threads, one heap",
    "latency": "Allocation beside 512 MB of live objects",
    "mark-ordered": "Full collections, objects in allocation order",
    "mark-shuffled": "Full collections, objects at random addresses",
    "tables": "Growing hash tables",
    "strings": "Strings",
    "arrays": "Large array with random stores",
}
TIMES = [("CPU s", "cpu", "{:.2f}"), ("wall s", "wall", "{:.2f}"), ("peak RSS MiB", "rss", "{:.0f}")]
# More columns: (heading, figure, format).
MORE = {
    "traversal-raw": [
        ("a round through `Gc`, µs", "gc_round_us", "{:.0f}"),
        ("through raw pointers", "raw_round_us", "{:.0f}"),
    ],
    "latency": [
        ("CPU p50, µs per 1000", "cpu_p50_us", "{:.1f}"),
        ("p99.9", "cpu_p999_us", "{:.1f}"),
        ("max", "cpu_max_us", "{:.0f}"),
        ("wall p99.9", "wall_p999_us", "{:.1f}"),
        ("wall max", "wall_max_us", "{:.0f}"),
    ],
    "mark-ordered": [
        ("a collection, CPU ms", "collect_cpu_ms", "{:.0f}"),
        ("M objects per CPU s", "mark_mobjects_per_s", "{:.1f}"),
        ("marking alone, M objects per s", "marking_mobjects_per_s", "{:.1f}"),
    ],
}
MORE["mark-shuffled"] = MORE["mark-ordered"]
STOPS = [("cycles", "cycles", "{:.0f}"), ("longest stop, µs", "longest_stop_us", "{:.1f}")]
INTRODUCTION = """# Performance

Written by `benches/peers/run`; `results.json` holds all figures. A system runs as one process for each run; the systems take
turns, and figures are medians of as many runs as the column *runs* says. *CPU* is user + system time of the whole process with
all its threads, *low–high* its range over the runs, *ratio* that time divided by tricolor-gc's: above 1 is slower than
tricolor-gc. Peak memory is of the whole process; longest stops and waits are the longest of all runs. Stops are what a system
says of itself, where it does. All checksums of a workload agree, or the round has failed.

Compare within a table only, and mind what is compared: C frees by hand (Boehm's collector apart) and so leaks the graph's
cycles; `Rc` and `Arc` leak those and the rings, `bumpalo` frees whole arenas at once. `bacon_rajan_cc` collects when the program
asks: after 2^18 possible roots. Java starts its machine and compiles within the time measured. A system without a row does not
have the workload.
"""


def figure_of(name):
    """What a workload is ranked by in its chart: (figure, unit, format)."""
    if name == "latency":
        return "cpu_p999_us", "CPU time of 1000 allocations, 99.9th percentile", "{:.0f} µs"
    if name.startswith("mark-"):
        return "collect_cpu_ms", "CPU time of one", "{:.0f} ms"
    return "cpu", "CPU time", "{:.2f} s"


def write(stored, folder):
    """Writes README.md and a chart for each workload to `folder`."""
    results = {name: stored["workloads"][name] for name in TITLES if name in stored["workloads"]}
    lines = [INTRODUCTION, "## Machine", "", *stored["machine"], "", "## Summary", "", *summary(results)]
    lines += ["## Targets", "", *targets.table(results)]
    for name, result in results.items():
        lines += section(name, result)
        (folder / f"{name}.svg").write_text(draw(name, result["systems"]))
    (folder / "README.md").write_text("\n".join(lines).rstrip() + "\n")


def summary(results):
    """Our figures beside C's and those of the best other collector, by what the workload is ranked by."""
    lines = [
        "| workload | tricolor-gc | C mimalloc | C malloc | best other collector | its time / ours |",
        "|---|---:|---:|---:|---|---:|",
    ]
    for name, result in results.items():
        figure, _, form = figure_of(name)
        systems = {s: f[figure] for s, f in result["systems"].items() if figure in f}
        show = lambda system: form.format(systems[system]) if system in systems else "–"
        others = [s for s in systems if has_collector(s) and not is_ours(s)]
        best = min(others, key=systems.get, default=None)
        best_text = f"{best}, {show(best)}" if best else "–"
        share = f"{systems[best] / systems[OURS]:.2f}" if best and systems.get(OURS) else "–"
        lines.append(f"| [{TITLES[name]}](#{anchor(name)}) | {show(OURS)} | {show('C mimalloc')} | {show('C malloc')} "
                     f"| {best_text} | {share} |")
    return lines + [""]


def anchor(name):
    return "".join(c for c in TITLES[name].lower().replace(" ", "-") if c.isalnum() or c == "-")


def section(name, result):
    systems = result["systems"]
    columns = [*TIMES, *MORE.get(name, []), *STOPS]
    columns = [c for c in columns if any(c[1] in figures for figures in systems.values())]
    headings = [heading for heading, _, _ in columns]
    headings[1:1] = ["low–high", "ratio"]
    lines = [f"## {TITLES[name]}", "", f"Repeated by `{result['command']}`; each program is called with "
             f"`{name} {' '.join(map(str, result['sizes']))}`.", "", f"![{TITLES[name]}]({name}.svg)", "",
             f"| system | runs | {' | '.join(headings)} |", "|---|" + "---:|" * (len(headings) + 1)]
    ours = systems.get(OURS, {}).get("cpu")
    for system, figures in by_cpu(systems):
        cells = [form.format(figures[key]) if key in figures else "–" for _, key, form in columns]
        cells[1:1] = [f"{figures['cpu_low']:.2f}–{figures['cpu_high']:.2f}",
                      f"{figures['cpu'] / ours:.2f}" if ours else "–"]
        label = f"**{system}**" if is_ours(system) else system
        lines.append(f"| {label} | {figures['runs']} | {' | '.join(cells)} |")
    failed = [f"{system} ({figures['error']})" for system, figures in systems.items() if "error" in figures]
    if failed:
        lines += ["", "Failed: " + ", ".join(failed) + "."]
    return lines + [""]


def by_cpu(systems):
    good = [(system, figures) for system, figures in systems.items() if "error" not in figures]
    return sorted(good, key=lambda item: item[1]["cpu"])


def draw(name, systems):
    """The chart of a workload; behind each bar the value, its ratio to ours and the memory."""
    figure, unit, form = figure_of(name)
    ours = systems.get(OURS, {}).get(figure)
    rows = []
    for system, figures in systems.items():
        if figure not in figures:
            continue
        colour = chart.OURS_COLOUR if is_ours(system) else \
            chart.COLLECTOR_COLOUR if has_collector(system) else chart.OTHER_COLOUR
        ratio = f" · {figures[figure] / ours:.2f} ×" if ours else ""
        rows.append((system, figures[figure], colour, f"{form.format(figures[figure])}{ratio} · {figures['rss']:.0f} MiB"))
    entries = [(chart.OURS_COLOUR, OURS), (chart.COLLECTOR_COLOUR, "with a collector"),
               (chart.OTHER_COLOUR, "freed by hand or by counts")]
    return chart.bars(TITLES[name], f"{unit} · relative to tricolor-gc · peak memory", rows, ours, entries)
