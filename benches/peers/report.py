"""Writes the figures of a round as a table in Markdown and as bar charts in SVG."""

OURS = "tricolor-gc"
TITLES = {
    "binary-trees": "binary-trees",
    "gcbench": "GCBench",
    "churn": "FIFO churn",
    "graph": "Random graph rewiring",
    "rings": "Short-lived cycles",
    "traversal": "Traversal",
    "threads": "binary-trees on two threads, one heap",
    "latency": "Allocation beside 512 MB of live objects",
    "mark-ordered": "One full collection, objects in allocation order",
    "mark-shuffled": "One full collection, objects at random addresses",
    "tables": "Growing hash tables",
    "strings": "Strings",
    "arrays": "Large array with random stores",
}
# More columns: (heading, figure, format).
MORE = {
    "latency": [
        ("CPU p50, µs per 1000", "cpu_p50_us", "{:.1f}"),
        ("p99.9", "cpu_p999_us", "{:.1f}"),
        ("max", "cpu_max_us", "{:.0f}"),
        ("wall p99.9", "wall_p999_us", "{:.1f}"),
        ("wall max", "wall_max_us", "{:.0f}"),
    ],
    "mark-ordered": [
        ("collection, CPU ms", "collect_cpu_ms", "{:.0f}"),
        ("M objects/s", "mark_mobjects_per_s", "{:.1f}"),
    ],
}
MORE["mark-shuffled"] = MORE["mark-ordered"]
STOPS = [("cycles", "cycles", "{:.0f}"), ("longest stop, µs", "longest_stop_us", "{:.1f}")]



def write(results, folder):
    """Writes table.md and a chart for each workload to `folder`."""
    ordered = [name for name in TITLES if name in results]
    lines = [
        "# Performance",
        "",
        "Written by `benches/peers/run`: medians of a round with the systems interleaved, on one machine. CPU is user +",
        "system time of the whole process with all its threads. C frees by hand (Boehm's collector apart), and so leaks the",
        "graph's cycles; `Rc` leaks those and the rings. Sorted by CPU time; compare within one table only.",
        "",
    ]
    lines += summary(results, ordered)
    for name in ordered:
        lines += section(name, results[name])
        (folder / f"{name}.svg").write_text(chart(name, results[name]["systems"]))
    (folder / "table.md").write_text("\n".join(lines) + "\n")


def summary(results, ordered):
    """Our CPU seconds beside the best by hand and the best of the other collectors."""
    by_hand = ("C ", "Rc", "Box", "bumpalo")
    lines = [
        "| workload | tricolor-gc, CPU s | C mimalloc | C malloc | best other collector | our share of its time |",
        "|---|---:|---:|---:|---|---:|",
    ]
    for name in ordered:
        figure = "collect_cpu_ms" if name.startswith("mark-") else "cpu"
        systems = {s: f[figure] for s, f in results[name]["systems"].items() if figure in f}
        others = {s: v for s, v in systems.items()
                  if s != OURS and (s == "C Boehm" or not s.startswith(by_hand))}
        ours = systems.get(OURS)
        best = min(others, key=others.get) if others else None
        unit = " ms" if figure == "collect_cpu_ms" else ""
        show = lambda value: "–" if value is None else f"{value:.2f}{unit}" if not unit else f"{value:.0f}{unit}"
        best_text = f"{best} {show(others[best])}" if best else "–"
        share = f"{ours / others[best]:.2f}" if best and ours else "–"
        lines.append(f"| [{TITLES[name]}](#{anchor(name)}) | {show(ours)} | {show(systems.get('C mimalloc'))} "
                     f"| {show(systems.get('C malloc'))} | {best_text} | {share} |")
    return lines + [""]


def anchor(name):
    return "".join(c for c in TITLES[name].lower().replace(" ", "-") if c.isalnum() or c == "-")


def section(name, result):
    sizes = " ".join(map(str, result["sizes"]))
    systems = result["systems"]
    columns = [("CPU s", "cpu", "{:.2f}"), ("wall s", "wall", "{:.2f}"), ("peak RSS MB", "rss", "{:.0f}")]
    columns += MORE.get(name, []) + STOPS
    columns = [c for c in columns if any(c[1] in figures for figures in systems.values())]
    lines = [f"## {TITLES[name]}", "", f"`{name} {sizes}`", "", f"![{TITLES[name]}]({name}.svg)", ""]
    lines.append("| system | " + " | ".join(heading for heading, _, _ in columns) + " |")
    lines.append("|---|" + "---:|" * len(columns))
    for system, figures in by_cpu(systems):
        cells = [form.format(figures[key]) if key in figures else "–" for _, key, form in columns]
        label = f"**{system}**" if system == OURS else system
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    failed = [f"{system} ({figures['error']})" for system, figures in systems.items() if "error" in figures]
    if failed:
        lines += ["", "Failed: " + ", ".join(failed) + "."]
    return lines + [""]


def by_cpu(systems):
    good = [(system, figures) for system, figures in systems.items() if "error" not in figures]
    return sorted(good, key=lambda item: item[1]["cpu"])


def chart(name, systems):
    """Horizontal bars: CPU seconds, or milliseconds of a collection, or µs of the slowest thousandth."""
    key, unit = "cpu", "CPU s"
    if name == "latency":
        key, unit = "cpu_p999_us", "µs CPU, p99.9 of 1000 allocations"
    elif name.startswith("mark-"):
        key, unit = "collect_cpu_ms", "CPU ms of one collection"
    bars = sorted((f[key], s) for s, f in systems.items() if key in f)
    longest = max((value for value, _ in bars), default=1) or 1
    row, left, width = 22, 190, 420
    height = 50 + row * len(bars)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 90}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text x="10" y="20" font-size="14" font-weight="bold">{TITLES[name]}: {unit}</text>',
    ]
    for index, (value, system) in enumerate(bars):
        y = 36 + row * index
        length = max(1, width * value / longest)
        colour = "#c0392b" if system == OURS else "#7f8c9b"
        out.append(f'<text x="{left - 8}" y="{y + 13}" text-anchor="end">{system}</text>')
        out.append(f'<rect x="{left}" y="{y}" width="{length:.1f}" height="16" fill="{colour}"/>')
        out.append(f'<text x="{left + length + 6:.1f}" y="{y + 13}">{value:.4g}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"
