"""What models scored in public benchmarks, by whom: `data/benchmarks.toml`. Shown, and never decided by.

Scores of different people, harnesses, efforts or versions are not comparable, so each stands alone with them; where two
disagree, both stand. A score without a source that can be opened is not here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from turnout.catalogue.calendar_file import open_table, read_data, required_day
from turnout.core.toml_table import Table

BENCHMARKS_FILE = "benchmarks.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """One score of one model."""

    model: str
    """The model's name without a provider, in small letters."""
    benchmark: str
    version: str
    """Of the benchmark, or the split of it; empty where none was told."""
    score: Decimal
    """Percent, unless `unit` says otherwise."""
    unit: str
    error: Decimal | None
    """Half of the standard error's interval, as told; None: not told."""
    runs: int | None
    """Attempts or trials that it is the mean of; None: not told."""
    how: str
    """Harness, effort, tools: what else decided the score."""
    by: str
    """Who measured it; the maker itself or somebody else."""
    own: bool
    """Whether that is the model's maker."""
    measured: date
    """The day of the measurement, or else of its publication."""
    source: str
    """Who publishes it, to check it there."""
    read_in: str
    """Where it was read."""
    verified: date


@lru_cache(maxsize=1)
def load_benchmarks() -> tuple[Benchmark, ...]:
    """The shipped scores. Raises ConfigError at a defect of the data."""
    return parse_benchmarks(read_data(BENCHMARKS_FILE), BENCHMARKS_FILE)


def benchmarks_of(model: str, known: Sequence[Benchmark] | None = None) -> tuple[Benchmark, ...]:
    """The scores of a model, whatever provider serves it and however it writes the version: 4.7 or 4-7."""
    name = _plain(model)
    return tuple(each for each in (load_benchmarks() if known is None else known) if _plain(each.model) == name)


def _plain(model: str) -> str:
    return model.lower().rpartition("/")[2].replace(".", "-")


def parse_benchmarks(text: bytes, file: str) -> tuple[Benchmark, ...]:
    """Scores from TOML. Raises ConfigError naming `file` and the key."""
    root, problems = open_table(text, file)
    found: dict[tuple[str, ...], Benchmark] = {}
    for source in root.array_of_tables("sources"):
        origin = _Origin(source)
        for row in source.array_of_tables("scores"):
            score = _score(row, origin)
            key = (score.model, score.benchmark, score.version, score.how, score.by, score.measured.isoformat())
            if key in found:
                row.wrong("", f"the score of '{score.model}' in {score.benchmark} is given twice.")
            found[key] = score
        source.done()
    root.done()
    problems.raise_any()
    return tuple(found.values())


class _Origin:
    """Who measured, and where it is published and was read."""

    def __init__(self, table: Table) -> None:
        self.by = table.required_text("by")
        self.own = table.flag("own", default=False)
        self.source = table.required_text("source", check=_url)
        self.read_in = table.text("read_in", self.source)
        self.measured = required_day(table, "measured")
        self.verified = required_day(table, "verified")


def _score(row: Table, origin: _Origin) -> Benchmark:
    model = row.required_text("model")
    if model != model.lower() or "/" in model:
        row.wrong("model", "must be the name without a provider, in small letters.")
    unit = row.choice("unit", ("percent", "rating"), "percent")
    score = _decimal(row, "score") or Decimal(0)
    if not row.has("score"):
        row.wrong("", "needs `score`.")
    if unit == "percent" and not 0 <= score <= 100:
        row.wrong("score", f"{score} is no percentage.")
    made = Benchmark(
        model=model,
        benchmark=row.required_text("benchmark"),
        version=row.text("version"),
        score=score,
        unit=unit,
        error=_decimal(row, "error"),
        runs=row.optional_integer("runs", least=1, most=10**6),
        how=row.text("how"),
        by=origin.by,
        own=origin.own,
        measured=required_day(row, "measured") if row.has("measured") else origin.measured,
        source=row.optional_text("source", check=_url) or origin.source,
        read_in=row.text("read_in", origin.read_in),
        verified=origin.verified,
    )
    row.done()
    return made


def _decimal(row: Table, key: str) -> Decimal | None:
    """A number written as text, because TOML's would become floats."""
    text = row.optional_text(key)
    try:
        number = None if text is None else Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if number is not None and not number.is_finite():
        row.wrong(key, f"'{text}' is no number.")
        return None
    return number


def _url(text: str) -> str | None:
    return None if text.startswith("https://") else "must be an address that starts with https://."
