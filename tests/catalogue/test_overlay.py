"""The operator's prices over the shipped ones, and what a deployment is priced by."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from turnout.catalogue.load import LocalModel, build_catalogue
from turnout.catalogue.model import Catalogue
from turnout.catalogue.priced import price_key
from turnout.catalogue.tariff import SELF_HOSTED, Cost, Tier, Unknown, UnknownPrice, price
from turnout.catalogue.usage_classes import billable
from turnout.core.problems import ConfigProblems
from turnout.core.settings import settings_from
from turnout.core.toml_source import parse_toml

KEYS = {"OPENAI_API_KEY": "sk-0123456789abcdef", "DEEPSEEK_API_KEY": "sk-0123456789abcdef"}
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUSE = """
[providers.house]
preset = "vllm"
models = ["qwen3-32b", "other"]
"""
CONTRACT = """
[prices.openai]
source = "contract 4711"
verified = "2026-11-01"
rows = [ { model = "gpt-5.5", from = "2026-01-01", input = "4", cached = "0.4", output = "24" } ]
"""


def _build(text: str = "", environ: dict[str, str] | None = None) -> Catalogue:
    environ = {"HOME": "/home/op"} | (KEYS if environ is None else environ)
    local = LocalModel(name="tiny", context=4096)
    return build_catalogue(settings_from(parse_toml(text), environ), environ, local_model=local)


def _problems(text: str) -> list[str]:
    with pytest.raises(ConfigProblems) as caught:
        _build(text)
    return [str(problem) for problem in caught.value.problems]


def _cost(
    catalogue: Catalogue, name: str, *, tier: Tier = Tier.STANDARD, region: str | None = None, at: datetime = NOW
) -> Cost | UnknownPrice:
    """Of a million tokens in and a million out, 1,000 at a time: no long-context band."""
    key = price_key(catalogue.deployments[name], tier=tier, region=region)
    return price(catalogue.prices, billable(input_tokens=1000, output_tokens=1000), key, at)


def _thousandths(cost: Cost | UnknownPrice) -> str:
    assert isinstance(cost, Cost), cost
    return str(cost.total)


def test_a_vendor_s_deployment_has_the_shipped_price() -> None:
    """Under its own name for the model, at its own channel."""
    catalogue = _build()

    assert _thousandths(_cost(catalogue, "openai/gpt-5.5")) == "$0.035"
    assert _thousandths(_cost(catalogue, "openai/gpt-5.5", tier=Tier.FLEX)) == "$0.0175"
    assert catalogue.deployments["openai/gpt-5.5"].channel == "openai"


def test_the_operator_s_price_stands_in_place_of_all_shipped_ones() -> None:
    """Of the model at the seller: a tier that the contract does not name has no price, rather than the list's."""
    catalogue = _build(CONTRACT)
    cost, flex = _cost(catalogue, "openai/gpt-5.5"), _cost(catalogue, "openai/gpt-5.5", tier=Tier.FLEX)

    assert isinstance(cost, Cost)
    assert (cost.row.id, str(cost.total)) == ("openai/gpt-5.5@2026-01-01T00:00Z;own", "$0.028")
    assert (cost.row.source, str(cost.row.verified)) == ("contract 4711", "2026-11-01")
    assert isinstance(flex, UnknownPrice)
    assert _thousandths(_cost(catalogue, "openai/gpt-5.4")) == "$0.0175"


def test_a_price_for_one_name_leaves_its_other_names_alone() -> None:
    """`deepseek-flash` is another name of `deepseek-v4-flash`, and a contract may be for one of them only."""
    rows = 'rows = [ { model = "deepseek-v4-flash", from = "2026-01-01", input = "9", output = "9" } ]'
    catalogue = _build(f"[prices.deepseek]\n{rows}")

    assert _thousandths(_cost(catalogue, "deepseek/deepseek-v4-flash")) == "$0.018"
    assert _thousandths(_cost(catalogue, "deepseek/deepseek-flash")) == "$0.00075"


def test_a_provider_of_one_s_own_has_its_own_prices() -> None:
    """Under the provider's name; a row for `*` holds for the models that have none."""
    own = '{ model = "qwen3-32b", from = "2026-01-01", input = "0.20", output = "0.60" }'
    catalogue = _build(f"{HOUSE}[prices.house]\nrows = [ {own} ]")
    both = _build(f"{HOUSE}[prices.house]\nrows = [ {own}, {own.replace('qwen3-32b', '*').replace('0.20', '1')} ]")

    assert _thousandths(_cost(catalogue, "house/qwen3-32b")) == "$0.0008"
    assert _thousandths(_cost(catalogue, "house/other")) == "$0"
    assert _thousandths(_cost(both, "house/qwen3-32b")) == "$0.0008"
    assert _thousandths(_cost(both, "house/other")) == "$0.0016"


@pytest.mark.parametrize(
    ("provider", "channel"),
    [
        ('preset = "vllm"', SELF_HOSTED),
        ('preset = "vllm"\nbase_url = "http://10.0.0.7:8000"\njurisdiction = "DE"', SELF_HOSTED),
        ('preset = "vllm"\nbase_url = "https://gpu.example.com"', "vllm"),
        ('preset = "vllm"\nbase_url = "https://gpu.example.com"\njurisdiction = "self"', SELF_HOSTED),
        ('preset = "ollama"', SELF_HOSTED),
        ('preset = "openai_compatible"\nbase_url = "https://api.example.com/v1"', "openai_compatible"),
        ('preset = "openai_compatible"\nbase_url = "http://127.0.0.1:9/v1"', "openai_compatible"),
        ('preset = "azure"\nbase_url = "https://x.openai.azure.com"', "azure"),
    ],
)
def test_own_machines_cost_nothing_and_strangers_are_unknown(provider: str, channel: str) -> None:
    """A server at a public address may be rented by the token, and one of no known kind may hand on to a vendor."""
    catalogue = _build(f'[providers.p]\n{provider}\nmodels = ["m"]\napi_key_env = "K"', {"K": "k" * 20})
    cost = _cost(catalogue, "p/m", tier=Tier.STANDARD)

    assert catalogue.deployments["p/m"].channel == channel
    if channel == SELF_HOSTED:
        assert _thousandths(cost) == "$0"
    else:
        assert isinstance(cost, UnknownPrice) and cost.reason is Unknown.MODEL


def test_ollama_s_cloud_models_are_not_on_the_machine() -> None:
    """They are run and billed by ollama.com."""
    catalogue = _build('[providers.ollama]\nmodels = ["gpt-oss:20b", "gpt-oss:120b-cloud"]')

    assert _thousandths(_cost(catalogue, "ollama/gpt-oss:20b")) == "$0"
    assert isinstance(_cost(catalogue, "ollama/gpt-oss:120b-cloud"), UnknownPrice)


def test_the_embedded_model_costs_nothing() -> None:
    """By a row, so that a record can name it; whatever service a caller asks for."""
    cost = _cost(_build(), "local/tiny", tier=Tier.PRIORITY, region="us")

    assert isinstance(cost, Cost)
    assert (cost.row.id.split("/")[0], str(cost.total)) == (SELF_HOSTED, "$0")


def test_a_regional_address_has_the_regional_price() -> None:
    """Unless the answer says where inference ran."""
    catalogue = _build('[providers.openai]\nbase_url = "https://eu.api.openai.com/v1"')

    assert _thousandths(_cost(catalogue, "openai/gpt-5.5")) == "$0.0385"
    assert _thousandths(_cost(catalogue, "openai/gpt-5.5", region="global")) == "$0.035"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ('input = "0.0000002"', "4: prices.openai.rows[0].input: 0.0000002 is no price of a million tokens"),
        ('input = "0.0000002"', "lie between $0.0005/M and $2000/M. If it is the price of one token, write '0.2'."),
        ('input = "-1"', "not negative, not -1. Prices of a million tokens lie between $0.0005/M and $2000/M."),
        ('input = "20000"', "lie between $0.0005/M and $2000/M"),
        ("input = 0.2", "must be text, such as '0.20'"),
        ('input = "1", currency = "EUR"', "prices.openai.rows[0].currency: must be one of 'USD', not 'EUR'."),
        ('input = "1", inside = "nightly"', "prices.openai.rows[0].inside: there is no schedule 'nightly'."),
        ('input = "1", tiers = { turbo = "2" }', "'turbo' is none of"),
        ('input = "1" }, { model = "m", from = "2026-02-01", input = "2"', "both would hold for the same request"),
    ],
)
def test_pain_04_a_price_that_can_t_be_right_is_refused_at_load(row: str, said: str) -> None:
    """litellm#22726: a price of a million typed as that of one token locked users out. File, line, key and range."""
    problems = _problems(f'\n[prices.openai]\nrows = [\n{{ model = "m", from = "2026-01-01", {row} }},\n]')

    assert any(said in problem for problem in problems), problems
    assert all(problem.startswith("turnout.toml:4: ") for problem in problems)


def test_a_seller_that_nobody_knows_is_refused() -> None:
    """Its prices would never be used."""
    (problem,) = _problems('[prices.opnai]\nrows = [ { model = "m", from = "2026-01-01", input = "1" } ]')

    assert problem.startswith("turnout.toml:1: prices.opnai: is neither a provider of yours nor a seller")
    assert "Did you mean 'openai'" in problem


def test_a_schedule_of_one_s_own() -> None:
    """With a zone; its clock decides which of two rows holds."""
    text = f"""{HOUSE}
[calendars.schedules.night]
zone = "Europe/Berlin"
hours = ["22:00-06:00"]
[prices.house]
rows = [
  {{ model = "qwen3-32b", from = "2026-01-01", inside = "night", input = "0.1", output = "0.1" }},
  {{ model = "qwen3-32b", from = "2026-01-01", outside = "night", input = "0.2", output = "0.2" }},
]
"""
    catalogue = _build(text)
    night = datetime(2026, 7, 1, 20, 0, tzinfo=UTC)

    assert _thousandths(_cost(catalogue, "house/qwen3-32b", at=night)) == "$0.0002"
    assert _thousandths(_cost(catalogue, "house/qwen3-32b", at=night.replace(hour=19, minute=59))) == "$0.0004"
    assert any("'Mars' is no time zone" in each for each in _problems(text.replace("Europe/Berlin", "Mars")))


def test_next_year_s_holidays_can_be_added() -> None:
    """The shipped calendar ends with 2026; then DeepSeek's price is unknown until somebody says the days."""
    year = """
[calendars.holidays.china]
zone = "UTC+08:00"
valid_from = "2027-01-01"
valid_until = "2027-12-31"
days = ["2027-01-01"]
"""
    monday, holiday = datetime(2027, 1, 4, 2, tzinfo=UTC), datetime(2027, 1, 1, 2, tzinfo=UTC)

    assert isinstance(_cost(_build(), "deepseek/deepseek-v4-pro", at=monday), UnknownPrice)
    assert _thousandths(_cost(_build(year), "deepseek/deepseek-v4-pro", at=monday)) == "$0.00528"
    assert _thousandths(_cost(_build(year), "deepseek/deepseek-v4-pro", at=holiday)) == "$0.00264"


def test_the_version_changes_with_the_prices_and_with_nothing_else() -> None:
    """So that a record's cost can be computed again by the same prices."""
    plain = _build().price_version

    assert len(plain) == 12
    assert _build(HOUSE, {}).price_version == plain
    assert _build(CONTRACT).price_version == _build(f"# by contract\n{CONTRACT}").price_version != plain
    assert _build(CONTRACT.replace('"24"', '"25"')).price_version != _build(CONTRACT).price_version
    assert _build(CONTRACT).version == _build().version
