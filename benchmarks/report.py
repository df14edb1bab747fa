"""Results as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from phases import Phase
from results import UNMETERED, Results, Spread, judge

SERVERS = ("turnout", "nginx", "litellm")
NAMES = {"turnout": "Turnout", "nginx": "nginx", "litellm": "LiteLLM", "direct": "none"}

COSTS = (
    ("json_cpu", "CPU per JSON request, µs", "json"),
    ("one_cpu", "CPU per JSON request, one at a time, µs", "one"),
    ("burst_cpu", "CPU per chunk of a burst, µs", "burst"),
    ("paced_cpu", "CPU per paced chunk, µs", "paced"),
    ("prompt_cpu", "CPU per request with a long prompt, µs", "prompt"),
    ("start_fresh_cpu", "CPU of a first start, to the first answer, s", ""),
    ("start_cpu", "CPU of a later start, s", ""),
    ("start_fresh_wall", "first start to first answer, s", ""),
    ("start_wall", "later start to first answer, s", ""),
    ("idle_memory", "memory at rest (Pss), MB", ""),
    ("idle_rss", "memory at rest (RSS), MB", ""),
    ("load_memory", "memory after a round (Pss), MB", ""),
    ("install_mb", "install size of the core, as its wheels unpack, MB", ""),
    ("install_compiled_mb", "install size of the core, with compiled modules, MB", ""),
    ("install_disk_mb", "install size of the core, compiled, as du counts it, MB", ""),
    ("install_distributions", "distributions of the core", ""),
)
LATENCIES = (
    ("one_added", "added to the median answer, one at a time, ms", "one"),
    ("ttft_added", "added to the median first chunk, ms", "ttft"),
    ("prompt_added", "added to the median answer, long prompt, ms", "prompt"),
    ("one_latency_p50", "answer, one at a time, median, ms", "one"),
    ("one_latency_p99", "answer, one at a time, p99, ms", "one"),
    ("json_latency_p50", "answer, median, ms", "json"),
    ("json_latency_p99", "answer, p99, ms", "json"),
    ("paced_delay_p50", "from writing a paced chunk to its arrival, median, ms", "paced"),
    ("paced_delay_p99", "the same, p99, ms", "paced"),
    ("json_rate", "JSON requests per second", "json"),
    ("burst_rate", "burst chunks per second", "burst"),
)


def number(value: float) -> str:
    """Three digits that mean something."""
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def spread(value: Spread | None) -> str:
    """Median with smallest and largest."""
    if value is None:
        return "-"
    if value.low == value.high:
        return number(value.middle)
    return f"{number(value.middle)} ({number(value.low)} to {number(value.high)})"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, its first column left and the others right."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def _targets(results: Results) -> str:
    verdicts = judge(results)
    rows = [(each.target.title, "at most " + each.target.said, each.measured, each.state) for each in verdicts]
    return table(("target", "bound", "measured", "state"), rows)


def _figures(results: Results, figures: Sequence[tuple[str, str, str]], phases: Mapping[str, Phase]) -> str:
    shown = [name for name in SERVERS if name in results.samples]
    if figures is LATENCIES:
        shown.append("direct")
    rows: list[Sequence[str]] = []
    for figure, title, phase in figures:
        cells = [spread(results.spread(name, figure)) for name in shown]
        if set(cells) != {"-"}:
            rows.append((f"{title} ({phases[phase].said()})" if phase in phases else title, *cells))
    return table(("median (smallest to largest)", *(NAMES[name] for name in shown)), rows)


def _ratios(results: Results) -> str:
    peers = [name for name in SERVERS[1:] if name in results.samples]
    rows: list[Sequence[str]] = []
    for figure, title, _ in COSTS:
        cells: list[str] = []
        for peer in peers:
            ratio = results.ratio(figure, "turnout", peer)
            if ratio is None:
                cells.append("-")
            elif ratio.middle >= 1:
                cells.append(f"{number(ratio.middle)} x")
            else:
                cells.append(f"1 / {number(1 / ratio.middle)}")
        if set(cells) - {"-"}:
            rows.append((title.rsplit(",", 1)[0], *cells))
    return table(("Turnout over", *(NAMES[name] for name in peers)), rows) if rows else ""


def _money(results: Results) -> str:
    """What setting aside and booking adds, round by round."""
    rows: list[Sequence[str]] = []
    for figure, title, _ in COSTS:
        if (added := results.spread("turnout", f"money_{figure}")) is not None:
            cells = [spread(results.spread(name, figure)) for name in ("turnout", UNMETERED)]
            rows.append((title, *cells, spread(added)))
    return table(("median (smallest to largest)", "with money", "without", "added"), rows) if rows else ""


def markdown(results: Results, about: Mapping[str, str], phases: Sequence[Phase]) -> str:
    """The whole report."""
    known = {phase.name: phase for phase in phases}
    parts = [
        "## Targets",
        _targets(results),
        "## Cost",
        _figures(results, COSTS, known),
        "## Ratios, round by round",
        _ratios(results) or "No peer was measured.",
        "## Money: two budgets and a price, against `[money] enabled = false`",
        _money(results) or "Turnout without money was not measured.",
        "## Time",
        _figures(results, LATENCIES, known),
    ]
    if micro := results.samples.get("parts"):
        rows = [(name, spread(Spread.of(values))) for name, values in micro.items()]
        parts += ["## Parts, without a network", table(("CPU time", "µs"), rows)]
    parts += ["## Run", "\n".join(f"- {name}: {value}" for name, value in about.items())]
    return "\n\n".join(parts)
