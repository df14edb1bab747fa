"""Everything that is known of one model at one kind of provider, each fact with its source, from all the data files.

Limits and abilities are in `presets`, tokenizers in `tokenizers`, the rest in `facts`. Knows no price.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from turnout.catalogue.facts import FACTS, Fact, Value, facts_of
from turnout.catalogue.model import DataPolicy, Deployment
from turnout.catalogue.presets import MODELS_FILE, PROVIDERS_FILE, ModelFacts, Preset
from turnout.catalogue.tokenizers import TOKENIZERS_FILE, tokenizer_of

_LIMITS = ("context", "max_output", "tools", "reasoning")
_HOST = ("jurisdiction", "region", "retention_days", "trains_on_data")
CARD_FACTS = (*_LIMITS, "tokenizer", *FACTS, *(f"host_{name}" for name in _HOST))
"""What a card may tell, in its order; `retires` is told only where a last day was announced."""
CONFIGURATION = "the configuration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What is known of a model at a kind of provider."""

    provider: str
    """The preset's name, or for a deployment the provider's of the configuration."""
    title: str
    model: str
    facts: tuple[Fact, ...]

    @property
    def unknown(self) -> tuple[str, ...]:
        """The names of what a card may tell and this one does not."""
        told = {fact.name for fact in self.facts}
        return tuple(name for name in CARD_FACTS if name not in told)


def shipped_cards(name: str, models: Sequence[ModelFacts], presets: Mapping[str, Preset]) -> tuple[Card, ...]:
    """A card for each kind of provider that calls a model so: `openai/gpt-5.5`, or `gpt-5.5`; where none does, for each
    that has such a name behind a last slash."""
    named = [each for each in models if name == f"{each.provider}/{each.name}"]
    whole = named or [each for each in models if name == each.name]
    fitting = whole or [each for each in models if _bare(each.name) == name.lower()]
    return tuple(
        Card(
            provider=each.provider,
            title=presets[each.provider].title,
            model=each.name,
            facts=tuple(_facts(presets[each.provider], each.name, each, presets[each.provider].data)),
        )
        for each in fitting
    )


def elsewhere(cards: Sequence[Card], models: Sequence[ModelFacts]) -> tuple[str, ...]:
    """Other names of the same model, to ask for by: the same name at other kinds of providers."""
    shown = {(card.provider, card.model) for card in cards}
    bare = {_bare(card.model) for card in cards}
    others = [each for each in models if (each.provider, each.name) not in shown and _bare(each.name) in bare]
    return tuple(f"{each.provider}/{each.name}" for each in others)


def _bare(model: str) -> str:
    return model.lower().rpartition("/")[2]


def deployment_card(deployment: Deployment, models: Sequence[ModelFacts], presets: Mapping[str, Preset]) -> Card:
    """The card of a configured model; what the configuration says stands in place of what was shipped."""
    provider, model = deployment.provider, deployment.model
    preset = presets[provider.preset]
    shipped = next((each for each in models if (each.provider, each.name) == (preset.name, model)), None)
    facts = {fact.name: fact for fact in _facts(preset, model, shipped, deployment.data)}
    for name, value in (("context", deployment.context), ("max_output", deployment.max_output)):
        if value is not None and (name not in facts or facts[name].value != value):
            facts[name] = _fact(name, value, CONFIGURATION, CONFIGURATION)
    ordered = sorted(facts.values(), key=lambda fact: (*CARD_FACTS, fact.name).index(fact.name))
    return Card(provider=provider.name, title=provider.title, model=model, facts=tuple(ordered))


def _facts(preset: Preset, model: str, shipped: ModelFacts | None, data: DataPolicy) -> Iterator[Fact]:
    """`data` is what holds, the preset's or the configuration's over it."""
    yield from _limits(shipped) if shipped is not None else ()
    tokenizer = tokenizer_of(model)
    if tokenizer is not None:
        yield _fact("tokenizer", tokenizer.id, tokenizer.source, TOKENIZERS_FILE)
    yield from facts_of(preset.name, model)
    for name in _HOST:
        value: Value | None = getattr(data, name)
        if value is None:
            continue
        if value == getattr(preset.data, name):
            yield _fact(f"host_{name}", value, preset.data.source or PROVIDERS_FILE, PROVIDERS_FILE)
        else:
            yield _fact(f"host_{name}", value, CONFIGURATION, CONFIGURATION)
    if shipped is not None and shipped.retires is not None:
        yield _fact("retires", shipped.retires.isoformat(), shipped.source, MODELS_FILE, shipped.verified)


def _limits(shipped: ModelFacts) -> Iterator[Fact]:
    for name in _LIMITS:
        value: Value | None = getattr(shipped, name)
        if value is not None:
            yield _fact(name, value, shipped.source, MODELS_FILE, shipped.verified)


def _fact(name: str, value: Value, source: str, file: str, verified: date | None = None) -> Fact:
    return Fact(name=name, value=value, source=source, read_in=file, verified=verified)
