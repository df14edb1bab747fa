"""What is known of models beside limits and prices: strictly read, each with its source, the closer group wins."""

from __future__ import annotations

import datetime

import pytest

from turnout.catalogue.cards import CARD_FACTS, elsewhere, shipped_cards
from turnout.catalogue.facts import FACTS, Fact, Group, conflicts, facts_of, load_facts, parse_facts
from turnout.catalogue.presets import load_models, load_presets
from turnout.core.errors import ConfigError

HEAD = 'source = "https://example.com"\nread_in = "a table 1.0"\nverified = "2026-11-22"\n'


def _group(rest: str, models: str = '["m"]') -> str:
    return f"[[facts]]\nmodels = {models}\n{HEAD}{rest}\n"


def _parse(*groups: str) -> tuple[Group, ...]:
    return parse_facts("\n".join(groups).encode(), "facts.toml")


def _told(facts: tuple[Fact, ...]) -> dict[str, object]:
    return {fact.name: fact.value for fact in facts}


def test_every_shipped_fact_has_its_source_and_day() -> None:
    """The page of whoever is responsible, where it was read, and when."""
    facts = [fact for group in load_facts() for fact in group.facts]

    assert len(facts) > 150
    for fact in facts:
        assert fact.source.startswith("https://") and fact.read_in, fact
        assert fact.verified is not None
        assert datetime.date(2026, 1, 1) <= fact.verified <= datetime.date(2027, 12, 31)


def test_every_group_is_about_a_model_that_is_known() -> None:
    """A name that was misspelt, or that no provider has any more, would never be shown."""
    models = [(each.provider, each.name) for each in load_models()] + [("embedded", "smollm2-135m-instruct")]
    presets = load_presets()

    for group in load_facts():
        assert group.provider is None or group.provider in presets, group
        for name in (each for each in group.models if "*" not in each):
            alone = Group(provider=group.provider, models=(name,), facts=group.facts)
            assert any(alone.specificity(*model) for model in models), name


def test_no_fact_is_stated_twice_equally_closely() -> None:
    """Nobody could say which of the two holds."""
    models = [(each.provider, each.name) for each in load_models()]

    assert conflicts(models, load_facts()) == []


def test_what_two_files_say_agrees() -> None:
    """A model that is known to see takes images, but for those on which the public tables disagree."""
    disputed = {"deepseek-v4-flash", "ministral-8b-latest", "ministral-3b-latest", "magistral-medium-latest"}
    for each in (each for each in load_models() if each.name not in disputed):
        told = _told(facts_of(each.provider, each.name))
        taken = told.get("input")
        if each.vision is True and isinstance(taken, tuple):
            assert "image" in taken, each.name


@pytest.mark.parametrize("model", ["claude-opus-4-8", "gpt-5.5", "gemini-3.1-pro-preview", "deepseek-v4-pro"])
def test_a_leading_model_is_known_well(model: str) -> None:
    """Every fact but few, at the vendor itself."""
    card = shipped_cards(model, load_models(), load_presets())[0]

    assert {"context", "max_output", "tokenizer", "input", "reasoning_returned", "maker"} <= _told(card.facts).keys()
    assert len(card.unknown) <= 6


def test_what_nobody_states_is_not_known() -> None:
    """Neither no nor yes: absent."""
    (group,) = _parse(_group("logprobs = false"))

    assert _told(facts_of("any", "m", (group,))) == {"logprobs": False}
    assert facts_of("any", "another", (group,)) == ()


def test_the_closer_group_wins() -> None:
    """At this provider before anywhere, a name before a pattern, a longer pattern before a shorter."""
    groups = _parse(
        _group('licence = "anywhere"', '["big-*"]'),
        _group('licence = "longer"', '["big-model*"]'),
        _group('licence = "named"', '["big-model"]'),
        _group('provider = "here"\nlicence = "here"', '["*"]'),
    )

    assert _told(facts_of("there", "big-one", groups)) == {"licence": "anywhere"}
    assert _told(facts_of("there", "big-model-2", groups)) == {"licence": "longer"}
    assert _told(facts_of("there", "org/Big-Model", groups)) == {"licence": "named"}
    assert _told(facts_of("here", "big-model", groups)) == {"licence": "here"}


def test_equally_close_groups_that_differ_are_found() -> None:
    """Two patterns of one length: the test of the shipped data must see it."""
    groups = _parse(_group('licence = "MIT"', '["ab*"]'), _group('licence = "other"', '["*bc"]'))

    assert conflicts([("any", "abc")], groups) == ["any/abc: licence is stated twice, equally closely."]
    assert conflicts([("any", "abd")], groups) == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (_group("tools = true\nlogprobs = true"), "tools"),
        (_group(""), "states no fact"),
        (_group("logprobs = true", "[]"), "names no model"),
        (_group("logprobs = true", '["GPT-5.5"]'), "small letters"),
        (_group('input = ["smell"]'), "'smell' is none of"),
        (_group('cache_lifetimes = ["soon"]'), "such as '5m'"),
        (_group('maker_jurisdiction = "Utopia"'), "ISO 3166"),
        (_group('logprobs = "yes"'), "logprobs"),
        (_group("cache_min_tokens = 0"), "cache_min_tokens"),
        ('[[facts]]\nmodels = ["m"]\nlogprobs = true\n', "source"),
        (_group("logprobs = true").replace("2026-11-22", "lately"), "verified"),
        (_group("logprobs = true") + _group("logprobs = false"), "stated twice"),
        ("[[facts", "facts.toml"),
    ],
)
def test_a_defect_is_named_with_its_file(text: str, complaint: str) -> None:
    """No fact is read past, and none is guessed."""
    with pytest.raises(ConfigError) as caught:
        _parse(text)

    assert complaint in caught.value.message
    assert "facts.toml" in caught.value.message


def test_a_card_is_found_by_each_form_of_the_name() -> None:
    """Plain, with the provider before it even where a gateway calls it so, and what stands behind a gateway's slash where nobody calls it that."""
    models, presets = load_models(), load_presets()

    assert [card.provider for card in shipped_cards("gpt-5.5", models, presets)] == ["openai"]
    assert shipped_cards("openai/gpt-5.5", models, presets) == shipped_cards("gpt-5.5", models, presets)
    assert all(card.model.endswith("GLM-5.2") for card in shipped_cards("glm-5.2", models, presets))
    assert elsewhere(shipped_cards("gpt-5.5", models, presets), models) == ("openrouter/openai/gpt-5.5",)
    assert shipped_cards("no-such-model", models, presets) == ()
    card = shipped_cards("gpt-5.5", models, presets)[0]
    assert set(card.unknown) | set(_told(card.facts)) == set(CARD_FACTS)
    assert set(FACTS) <= set(CARD_FACTS)
