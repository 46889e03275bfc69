"""The targets that a round can measure: each compared with what the round found."""

from dataclasses import dataclass

from systems import ONE_MARKER, OURS, has_collector, is_ours

C_MALLOC, C_MIMALLOC, GO, OCAML = "C malloc", "C mimalloc", "Go", "OCaml"


@dataclass
class Target:
    """A row: ours against a limit, both as numbers, and what the limit is made of."""

    workload: str
    what: str
    ours: float | None
    limit: float | None
    of: str
    unit: str
    # Whether ours must be at least the limit; else at most.
    at_least: bool = False

    def met(self):
        if self.ours is None or self.limit is None:
            return None
        return self.ours >= self.limit if self.at_least else self.ours <= self.limit

    def row(self):
        met = self.met()
        show = lambda value: "–" if value is None else f"{value:.{0 if value >= 100 else 2}f} {self.unit}"
        share = f"{self.ours / self.limit:.2f}" if met is not None and self.limit else "–"
        sign = "≥" if self.at_least else "≤"
        verdict = "not measured" if met is None else "met" if met else "**missed**"
        return f"| {self.workload} | {self.what} {sign} {self.of} | {show(self.ours)} | {show(self.limit)} | {share} | {verdict} |"


class Round:
    """Figures by workload, system and name; None where there is none."""

    def __init__(self, results):
        self.results = results

    def get(self, workload, system, figure):
        return self.results.get(workload, {}).get("systems", {}).get(system, {}).get(figure)

    def times(self, factor, workload, system, figure):
        value = self.get(workload, system, figure)
        return None if value is None else factor * value

    def best_collector(self, workload):
        """The other system with a collector that took least CPU time, and its time."""
        systems = self.results.get(workload, {}).get("systems", {})
        others = {name: figures["cpu"] for name, figures in systems.items()
                  if "cpu" in figures and not is_ours(name) and has_collector(name)}
        return min(others.items(), key=lambda item: item[1], default=(None, None))


def time_targets(figures):
    def against(workload, figure, factor, system, other="cpu"):
        name = "CPU" if figure == "cpu" else figure
        of = f"{system}'s {'CPU' if other == 'cpu' else other}" if factor == 1 else \
            f"{factor:g} × {system}'s {'CPU' if other == 'cpu' else other}"
        return Target(workload, name, figures.get(workload, OURS, figure),
                      figures.times(factor, workload, system, other), of, "s")

    best, cpu = figures.best_collector("graph")
    return [
        against("binary-trees", "cpu", 0.85, C_MIMALLOC),
        against("binary-trees", "wall", 0.55, C_MIMALLOC, "wall"),
        Target("binary-trees", "peak RSS", figures.get("binary-trees", OURS, "rss"),
               figures.times(2.5, "binary-trees", GO, "rss"), "2.5 × Go's", "MiB"),
        against("gcbench", "cpu", 1, C_MIMALLOC),
        against("churn", "cpu", 1, C_MALLOC),
        Target("graph", "CPU", figures.get("graph", OURS, "cpu"), None if cpu is None else 0.8 * cpu,
               f"0.8 × the best other collector's ({best or 'none ran'})", "s"),
        against("rings", "cpu", 1, OCAML),
        Target("traversal-raw", "a round through `Gc`", figures.get("traversal-raw", OURS, "gc_round_us"),
               figures.times(1.03, "traversal-raw", OURS, "raw_round_us"), "1.03 × one through raw pointers", "µs"),
        against("threads", "cpu", 1.2, C_MIMALLOC),
        # On two threads, C's wall time is half of its CPU time.
        Target("threads", "wall", figures.get("threads", OURS, "wall"),
               figures.times(0.6, "threads", C_MIMALLOC, "cpu"), "half of 1.2 × C mimalloc's CPU", "s"),
    ]


def collector_targets(figures):
    rows = []
    for workload, speed in (("mark-ordered", 120), ("mark-shuffled", 30)):
        rows.append(Target(workload, "marking on one marker", figures.get(workload, ONE_MARKER, "marking_mobjects_per_s"),
                           speed, f"{speed} M objects/s", "M/s", at_least=True))
    rows.append(Target("latency", "longest stop", figures.get("latency", OURS, "longest_stop_us"), 20, "20 µs", "µs"))
    rows.append(Target("latency", "p99.9 by CPU clock", figures.get("latency", OURS, "cpu_p999_us"),
                       figures.times(2, "latency", OURS, "cpu_p50_us"), "2 × the median", "µs"))
    for workload in figures.results:
        live = figures.get(workload, OURS, "live_mib")
        limit = None if live is None else 2.2 * live + 16
        of = "2.2 × live + 16 MiB" + (f", live {live:.0f} MiB" if live is not None else ", no cycle ran")
        rows.append(Target(workload, "peak RSS", figures.get(workload, OURS, "rss"), limit, of, "MiB"))
    return rows


def table(results):
    """The targets as lines of Markdown."""
    figures = Round(results)
    rows = time_targets(figures) + collector_targets(figures)
    known = [row for row in rows if row.met() is not None]
    met = sum(row.met() for row in known)
    return [
        f"{met} of {len(known)} targets met, {len(rows) - len(known)} not measured. Ours is the median of tricolor-gc's runs;",
        "live is the most that a cycle of the run reported alive, with what was allocated while it ran.",
        "",
        "| workload | target | ours | limit | ours / limit | |",
        "|---|---|---:|---:|---:|---|",
        *(row.row() for row in rows),
        "",
    ]
