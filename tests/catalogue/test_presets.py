"""The shipped catalogue data and its strict reader."""

from __future__ import annotations

import dataclasses
import string
import time

import pytest

from turnout.catalogue.presets import (
    ModelFacts,
    Preset,
    load_models,
    load_presets,
    parse_models,
    parse_presets,
)
from turnout.catalogue.quirks import merge_quirks
from turnout.core.errors import ConfigError
from turnout.core.target import Dialect, Quirks

PRESETS = load_presets()
MODELS = load_models()
MINIMAL = b"""
[acme]
title = "Acme"
source = "https://acme.example/docs"
auth = "bearer"
[acme.endpoints]
openai_chat = "{base}/chat/completions"
"""
NAMES = (
    "openai anthropic google deepseek mistral xai groq cerebras together fireworks openrouter azure vllm sglang ollama "
    "llamacpp openai_compatible embedded"
).split()


def _model(provider: str, name: str) -> ModelFacts:
    return next(m for m in MODELS if (m.provider, m.name) == (provider, name))


def test_every_promised_preset_is_there() -> None:
    """The presets are exactly the documented ones."""
    assert list(PRESETS) == NAMES


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda p: p.name)
def test_a_preset_has_a_source_for_each_fact(preset: Preset) -> None:
    """Endpoints, a documented data policy and each quirk name the page that says so."""
    assert preset.source.startswith("https://")
    if preset.data != type(preset.data)() and preset.data.jurisdiction != "self":
        assert preset.data.source.startswith("https://")
    for dialect, quirks in preset.quirks.items():
        assert set(quirks) == set(preset.quirk_sources[dialect])
        assert all(source.startswith("https://") for source in preset.quirk_sources[dialect].values())


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda p: p.name)
def test_a_preset_can_be_called(preset: Preset) -> None:
    """Each preset has an endpoint, and its templates hold only the placeholders that are filled."""
    assert preset.endpoints
    assert set(preset.quirks) <= set(preset.endpoints)
    templates = [*preset.endpoints.values(), *filter(None, [preset.count_tokens_url])]
    for template in templates:
        fields = {name for _, name, _, _ in string.Formatter().parse(template) if name}
        assert fields <= {"base", "model", "method"}
        assert preset.embedded or template.startswith("{base}/")
    assert preset.base_url is None or not preset.base_url.endswith("/")


def test_only_operators_presets_have_no_base_url() -> None:
    """Azure, a generic server and the embedded model have no address of their own."""
    assert [p.name for p in PRESETS.values() if p.base_url is None] == ["azure", "openai_compatible", "embedded"]


def test_every_quirk_of_a_model_is_a_field_and_changes_its_provider() -> None:
    """A model's quirk set is mergeable and is not a mere repetition of its provider's quirks."""
    for model in MODELS:
        for dialect, overrides in model.quirks.items():
            base = merge_quirks(Quirks(), PRESETS[model.provider].quirks.get(dialect, {}))
            assert merge_quirks(base, overrides) != base, model.name


def test_models_name_known_providers_once() -> None:
    """A model stands once under a known preset and can be called through at least one of its endpoints."""
    names = [(m.provider, m.name) for m in MODELS]
    assert len(names) == len(set(names))
    for model in MODELS:
        assert model.dialects
        assert set(model.dialects) <= set(PRESETS[model.provider].endpoints)
        assert (model.kind == "embedding") == (model.dialects == (Dialect.OPENAI_EMBEDDINGS,))


def test_limits_are_plausible() -> None:
    """No limit is a typing error: contexts lie between 4 thousand and 2 million, and hold the output."""
    for model in MODELS:
        assert model.context is None or 4_000 <= model.context <= 2_000_000, model.name
        assert model.max_output is None or model.context is None or model.max_output <= model.context, model.name


def test_no_model_has_retired_before_its_facts_were_taken() -> None:
    """A model past its announced last day is not shipped as current."""
    assert [m.name for m in MODELS if m.retires is not None and m.retires < m.verified] == []


def test_deepseek_v4_thinks_by_default_and_needs_its_reasoning_back() -> None:
    """DeepSeek's chat quirks are those of its thinking-mode guide."""
    quirks = merge_quirks(Quirks(), PRESETS["deepseek"].quirks[Dialect.OPENAI_CHAT])
    assert quirks.thinking_default
    assert (quirks.forced_tool_choice, quirks.replay_reasoning) == ("not_thinking", "tool_turns")
    assert quirks.effort_levels == ("low", "high", "max")
    assert "developer" not in quirks.system_roles


def test_claude_opus_5_5_thinks_adaptively_and_refuses_sampling() -> None:
    """The newest Claude takes no budget, no temperature and no forced tool."""
    base = merge_quirks(Quirks(), PRESETS["anthropic"].quirks[Dialect.ANTHROPIC])
    quirks = merge_quirks(base, _model("anthropic", "claude-opus-5-5").quirks[Dialect.ANTHROPIC])
    assert quirks.signed_thinking
    assert quirks.adaptive_thinking
    assert quirks.forced_tool_choice == "never"
    assert "temperature" in quirks.unsupported


def test_responses_only_models_are_not_offered_through_chat() -> None:
    """gpt-5.5-pro has the one endpoint that OpenAI serves it on."""
    assert _model("openai", "gpt-5.5-pro").dialects == (Dialect.OPENAI_RESPONSES,)


def test_unlisted_abilities_are_unknown_not_absent() -> None:
    """A model without a `can` list has None for each ability."""
    model = _model("openrouter", "x-ai/grok-4.7")
    assert (model.tools, model.vision, model.reasoning) == (None, None, None)


@pytest.mark.parametrize(
    ("preset", "pasted", "base"),
    [
        ("vllm", "http://gpu:8000/v1/", "http://gpu:8000"),
        ("vllm", "http://gpu:8000", "http://gpu:8000"),
        ("openai", "https://api.openai.com/v1", "https://api.openai.com/v1"),
        ("openai_compatible", "http://h/v1/chat/completions", "http://h/v1"),
        ("azure", "https://x.openai.azure.com/openai/v1/", "https://x.openai.azure.com"),
        ("anthropic", "https://api.anthropic.com/v1/messages", "https://api.anthropic.com"),
        ("deepseek", "https://api.deepseek.com/anthropic", "https://api.deepseek.com"),
    ],
)
def test_a_pasted_base_url_loses_what_the_templates_add(preset: str, pasted: str, base: str) -> None:
    """The path that a template repeats is cut from the operator's base URL."""
    assert PRESETS[preset].clean_base(pasted) == base


@pytest.mark.parametrize(
    ("addition", "told"),
    [
        ('[acme]\nnonsense = 1\n[acme.endpoints]\nopenai_chat = "x"', "nonsense"),
        ('[acme.endpoints]\nopenai_chatt = "{base}/x"', "openai_chatt"),
        ("[acme.quirks.openai_chat]\nimages = false", "images has no source"),
        ('[acme.quirks.openai_chat]\nsource = "https://a"\nimagez = false', "Did you mean 'images'?"),
        ('[acme.quirks.openai_chat]\nsource = "https://a"\nimages = 1', "true or false"),
        ('[acme]\nauth = "basic"', "auth"),
    ],
)
def test_a_defect_in_the_presets_names_file_and_key(addition: str, told: str) -> None:
    """An unknown key, dialect or quirk, a wrong type and a missing source are refused."""
    with pytest.raises(ConfigError, match=r"data\.toml") as caught:
        parse_presets(addition.encode(), "data.toml")
    assert told in caught.value.message


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ('{ name = "m", colour = "red" }', "colour"),
        ('{ name = "m", quirks = ["none_such"] }', "none_such"),
        ('{ name = "m", dialects = ["gemini"] }', "gemini"),
        ('{ name = "m", kind = "embedding" }', "has no endpoint"),
        ('{ name = "m", can = ["fly"] }', "fly"),
        ('{ name = "m", context = "big" }', "context"),
        ('{ name = "m", retires = "soon" }', "retires"),
    ],
)
def test_a_defect_in_the_models_names_file_and_key(row: str, told: str) -> None:
    """A model row with an unknown key, set, dialect or ability is refused."""
    text = f'[acme]\nsource = "https://a"\nverified = "2026-11-22"\nmodels = [{row}]'
    with pytest.raises(ConfigError, match=r"models\.toml: acme") as caught:
        parse_models(text.encode(), parse_presets(MINIMAL, "data.toml"), "models.toml")
    assert told in caught.value.message


def test_models_of_an_unknown_provider_are_refused() -> None:
    """A section that names no preset is an error."""
    with pytest.raises(ConfigError, match="nobody"):
        parse_models(b'[nobody]\nsource = "s"\nverified = "2026-11-22"', PRESETS, "models.toml")


def test_merging_replaces_and_checks() -> None:
    """Arrays replace, tuples and sets keep their types, and wrong types or names are refused by name."""
    merged = merge_quirks(Quirks(), {"unsupported": ["n"], "effort_levels": ["low"], "min_thinking_budget": 7})
    assert (merged.unsupported, merged.effort_levels, merged.min_thinking_budget) == (frozenset({"n"}), ("low",), 7)
    assert merge_quirks(merged, {"unsupported": []}).unsupported == frozenset()
    for wrong in (
        {"images": "no"},
        {"min_thinking_budget": True},
        {"replay_reasoning": "often"},
        {"effort_levels": [1]},
    ):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            merge_quirks(Quirks(), wrong)


def test_each_quirk_can_be_written_as_data() -> None:
    """Every field of Quirks takes its own default back from its TOML form."""
    for field in dataclasses.fields(Quirks):
        value = getattr(Quirks(), field.name)
        data = list(value) if isinstance(value, tuple | frozenset) else value
        assert merge_quirks(Quirks(), {field.name: data}) == Quirks()


def test_reading_everything_is_cheap() -> None:
    """Presets and models load in well under a tenth of a second (about 10 ms on the machine this was written on)."""
    best = min(_timed() for _ in range(3))
    assert best < 0.1


def _timed() -> float:
    start = time.perf_counter()
    load_models(load_presets())
    return time.perf_counter() - start
