"""`turnout models MODEL`: everything that is known of one model, each fact and each score with its source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

import click
import orjson
from rich.markup import escape

from turnout.catalogue.benchmarks import Benchmark, benchmarks_of
from turnout.catalogue.cards import Card, deployment_card, elsewhere, shipped_cards
from turnout.catalogue.facts import Fact, Value
from turnout.catalogue.model import Catalogue, Deployment
from turnout.catalogue.presets import ModelFacts, Preset, load_models, load_presets
from turnout.cli.tables import plain_table, show
from turnout.core.json import Json, JsonObject
from turnout.core.names import did_you_mean


def print_card(catalogue: Catalogue, name: str, *, machine: bool) -> None:
    """Prints the card of a deployment, or the cards of a model that this version knows. Raises ClickException where
    there is none of that name."""
    presets = load_presets()
    models = load_models(presets)
    cards = _cards(catalogue, name, models, presets)
    others = elsewhere(cards, models)
    scores = benchmarks_of(cards[0].model)
    if machine:
        listed: list[Json] = [_card_json(card) for card in cards]
        said: JsonObject = {
            "model": name,
            "cards": listed,
            "elsewhere": [*others],
            "benchmarks": _scores_json(scores),
        }
        click.echo(orjson.dumps(said, option=orjson.OPT_INDENT_2))
        return
    sources = _Sources()
    for card in cards:
        _show_card(card, sources)
    if others:
        show(f"Also served as {', '.join(others)}.", "")
    _show_scores(scores, sources)
    sources.show()


def known_json(deployment: Deployment, models: Sequence[ModelFacts], presets: Mapping[str, Preset]) -> JsonObject:
    """What is known of a deployment's model, for the list of all."""
    card = deployment_card(deployment, models, presets)
    return {"facts": _facts_json(card.facts), "benchmarks": _scores_json(benchmarks_of(card.model))}


class _Sources:
    """Sources, numbered in the order in which they are first named."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, source: str, read_in: str, verified: object) -> str:
        where = source if read_in == source else f"{source}, read in {read_in}"
        line = where if verified is None else f"{where}, {verified}"
        return str(self._numbers.setdefault(line, len(self._numbers) + 1))

    def show(self) -> None:
        """Whole lines, however narrow the window: an address that is broken can't be opened."""
        click.echo("Sources")
        for line, number in self._numbers.items():
            click.echo(f"{number:>3}  {line}")


def _cards(
    catalogue: Catalogue, name: str, models: Sequence[ModelFacts], presets: Mapping[str, Preset]
) -> tuple[Card, ...]:
    deployment = catalogue.deployments.get(name)
    if deployment is not None:
        return (deployment_card(deployment, models, presets),)
    cards = shipped_cards(name, models, presets)
    if not cards:
        known = dict.fromkeys(chain(catalogue.deployments, (each.name for each in models)))
        hint = did_you_mean(name, known) or "`turnout models` lists the deployments."
        raise click.ClickException(f"Nothing is known of a model '{name}'. {hint}")
    return cards


def _show_card(card: Card, sources: _Sources) -> None:
    show(f"{escape(card.model)} at {escape(card.title)}")
    table = plain_table("fact", "value", "source")
    table.columns[2].justify = "right"
    for fact in card.facts:
        number = sources.number(fact.source, fact.read_in, fact.verified)
        table.add_row(fact.name.replace("_", " "), escape(_words(fact.value)), number)
    show(table)
    if card.unknown:
        show(f"Not known: {', '.join(card.unknown).replace('_', ' ')}.")
    show("")


def _show_scores(scores: Sequence[Benchmark], sources: _Sources) -> None:
    if not scores:
        return
    table = plain_table("benchmark", "score", "how", "measured by", "on", "source", title="Scores, not comparable")
    table.columns[1].justify = table.columns[5].justify = "right"
    for each in sorted(scores, key=lambda each: (each.benchmark, each.version, each.measured, each.how)):
        table.add_row(
            escape(f"{each.benchmark} {each.version}".strip()),
            _score(each),
            escape(each.how or "not told"),
            escape(f"{each.by}, its maker" if each.own else each.by),
            each.measured.isoformat(),
            sources.number(each.source, each.read_in, each.verified),
        )
    show(table, "")


def _score(score: Benchmark) -> str:
    unit = "%" if score.unit == "percent" else ""
    return f"{score.score}{unit}" + (f" ±{score.error}" if score.error is not None else "")


def _words(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return value if isinstance(value, str) else ", ".join(value)


def _card_json(card: Card) -> JsonObject:
    unknown: list[Json] = [*card.unknown]
    return {
        "provider": card.provider,
        "model": card.model,
        "facts": _facts_json(card.facts),
        "not_known": unknown,
    }


def _facts_json(facts: Sequence[Fact]) -> JsonObject:
    return {fact.name: _fact_json(fact) for fact in facts}


def _fact_json(fact: Fact) -> JsonObject:
    value: Json = [*fact.value] if isinstance(fact.value, tuple) else fact.value
    verified = None if fact.verified is None else fact.verified.isoformat()
    return {"value": value, "source": fact.source, "read_in": fact.read_in, "verified": verified}


def _scores_json(scores: Sequence[Benchmark]) -> list[Json]:
    return [_score_json(each) for each in scores]


def _score_json(score: Benchmark) -> JsonObject:
    """Numbers are text, so that none is rounded."""
    return {
        "benchmark": score.benchmark,
        "version": score.version or None,
        "score": str(score.score),
        "unit": score.unit,
        "error": None if score.error is None else str(score.error),
        "runs": score.runs,
        "how": score.how or None,
        "by": score.by,
        "own": score.own,
        "measured": score.measured.isoformat(),
        "source": score.source,
        "read_in": score.read_in,
        "verified": score.verified.isoformat(),
    }
