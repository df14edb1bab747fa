"""GPUs, measured throughputs and the shapes of models, as shipped data. Read strictly; each with its source and day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from importlib.resources import files

from turnout.catalogue.calendar_file import open_table, required_day
from turnout.core.money import Money
from turnout.core.toml_table import Table
from turnout.planning.deepseek_v4 import V4Shape, v4_footprint
from turnout.planning.footprint import Footprint

_GIGA = 10**9
_MOST_HOURLY = Money.of(100)
_SHAPE = tuple(V4Shape.__dataclass_fields__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """A kind of GPU, and an hour of one."""

    name: str
    title: str
    memory: int
    """Bytes."""
    per_node: int
    hourly: Money
    source: str
    """Of the price."""
    verified: date
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Tokens a second that somebody measured, for one model on one kind of GPU."""

    model: str
    gpu: str
    gpus: int
    """Of one instance of the model."""
    concurrency: int
    input_tokens: int
    output_tokens: int
    per_gpu: Fraction
    """Tokens a second and GPU, input and output together."""
    first_token_ms: int
    token_ms: Decimal
    source: str
    verified: date


def load_gpus() -> dict[str, Gpu]:
    """The shipped GPUs by name. Raises ConfigError at a defect of the data."""
    root, problems = open_table(_read("gpus.toml"), "gpus.toml")
    found = {name: _gpu(name, root.table(name)) for name in root.names()}
    problems.raise_any()
    return found


def load_footprints() -> dict[str, Footprint]:
    """The shipped models by name. Raises ConfigError at a defect of the data: a sum that is not the published one."""
    root, problems = open_table(_read("footprints.toml"), "footprints.toml")
    found = {name: _footprint(root.table(name)) for name in root.names()}
    problems.raise_any()
    return found


def load_measured() -> tuple[Measured, ...]:
    """The shipped throughputs. Raises ConfigError at a defect of the data."""
    root, problems = open_table(_read("throughputs.toml"), "throughputs.toml")
    table = root.table("measured")
    source, verified = table.required_text("source"), required_day(table, "verified")
    size = (_whole(table, "input"), _whole(table, "output"))
    found = tuple(_measured(row, source, verified, size) for row in table.array_of_tables("rows"))
    table.done()
    root.done()
    problems.raise_any()
    return found


def _gpu(name: str, table: Table) -> Gpu:
    hourly = Money.of(_decimal(table, "usd_per_hour"))
    if not Money.of(0) < hourly <= _MOST_HOURLY:
        table.wrong("usd_per_hour", f"must be more than $0 and at most {_MOST_HOURLY} for a GPU.")
    gpu = Gpu(
        name=name,
        title=table.required_text("title"),
        memory=_whole(table, "memory_gb") * _GIGA,
        per_node=_whole(table, "per_node"),
        hourly=hourly,
        source=table.required_text("source"),
        verified=required_day(table, "verified"),
        note=table.text("note"),
    )
    table.done()
    return gpu


def _footprint(table: Table) -> Footprint:
    table.choice("family", ("deepseek-v4",), "deepseek-v4")
    title, source, day = table.required_text("title"), table.required_text("source"), required_day(table, "verified")
    shape: Mapping[str, int] = {name: table.integer(name, 0, least=0, most=10**6) for name in _SHAPE}
    found = v4_footprint(title, V4Shape(**shape), f"{source}, {day}")
    published = table.integer("published_parameters", 0, least=1, most=10**15)
    if found.parameters != published:
        table.wrong("published_parameters", f"is not the sum of the shape, {found.parameters:,}.")
    table.done()
    return found


def _measured(table: Table, source: str, verified: date, size: tuple[int, int]) -> Measured:
    found = Measured(
        model=table.required_text("model"),
        gpu=table.required_text("gpu"),
        gpus=_whole(table, "gpus"),
        concurrency=_whole(table, "concurrency"),
        input_tokens=size[0],
        output_tokens=size[1],
        per_gpu=Fraction(_decimal(table, "tokens")),
        first_token_ms=_whole(table, "first_token_ms"),
        token_ms=_decimal(table, "token_ms"),
        source=source,
        verified=verified,
    )
    table.done()
    return found


def _whole(table: Table, key: str) -> int:
    return table.integer(key, 1, least=1, most=10**9)


def _decimal(table: Table, key: str) -> Decimal:
    text = table.required_text(key)
    if text and text.replace(".", "", 1).isdigit():
        return Decimal(text)
    table.wrong(key, f"must be a decimal number as text, not '{text}'.")
    return Decimal(1)


def _read(name: str) -> bytes:
    return files("turnout.planning").joinpath("data", name).read_bytes()
