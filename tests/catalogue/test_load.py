"""The catalogue as it is made from settings and environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from turnout.catalogue.fingerprint import fingerprint
from turnout.catalogue.load import LocalModel, build_catalogue, wanted_local_model
from turnout.catalogue.model import Catalogue, DataPolicy
from turnout.catalogue.presets import load_presets
from turnout.core.errors import UnknownModel
from turnout.core.problems import ConfigProblems
from turnout.core.secret import Secret
from turnout.core.settings import read_settings, settings_from
from turnout.core.target import Dialect
from turnout.core.toml_source import parse_toml

LOCAL = LocalModel(name="smollm2-135m-instruct", context=4096)
HOUSE = """
[providers.house]
preset = "vllm"
models = ["qwen3", "other"]
"""


def _build(text: str = "", environ: dict[str, str] | None = None, local: LocalModel | None = None) -> Catalogue:
    environ = {"HOME": "/home/op"} | (environ or {})
    return build_catalogue(settings_from(parse_toml(text), environ), environ, local_model=local)


def _problems(text: str, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigProblems) as caught:
        _build(text, environ)
    return [str(problem) for problem in caught.value.problems]


def _targets(catalogue: Catalogue, name: str) -> list[str]:
    return [deployment.name for deployment, _ in catalogue.targets(catalogue.resolve(name))]


def test_with_nothing_at_all_the_embedded_model_answers() -> None:
    """`local`, the deployment and the plain name lead to it, and it is the default."""
    catalogue = _build(local=LOCAL)
    deployment = catalogue.deployments["local/smollm2-135m-instruct"]

    for name in ("local", "smollm2-135m-instruct", "local/smollm2-135m-instruct"):
        assert _targets(catalogue, name) == ["local/smollm2-135m-instruct"]
    assert catalogue.default_route == "local"
    assert deployment.provider.embedded
    assert deployment.provider.base_url == "embedded:"
    assert deployment.endpoints == {
        Dialect.OPENAI_CHAT: "{base}/v1/chat/completions",
        Dialect.OPENAI_COMPLETIONS: "{base}/v1/completions",
    }
    assert (deployment.context, deployment.data.jurisdiction) == (4096, "self")


def test_without_a_local_model_or_key_there_is_an_empty_catalogue() -> None:
    """Nothing is made up."""
    catalogue = _build()

    assert (dict(catalogue.providers), dict(catalogue.routes), catalogue.default_route) == ({}, {}, None)
    with pytest.raises(UnknownModel):
        catalogue.resolve("gpt-5.5")


def test_a_key_in_the_environment_brings_the_vendors_models() -> None:
    """`OPENAI_API_KEY` is all that is needed."""
    catalogue = _build(environ={"OPENAI_API_KEY": "sk-one\n"})
    deployment = catalogue.deployments["openai/gpt-5.5"]

    assert list(catalogue.providers) == ["openai"]
    assert deployment.provider.api_key == Secret("sk-one")
    assert deployment.context == 1_050_000
    assert _targets(catalogue, "gpt-5.5") == ["openai/gpt-5.5"]
    assert next(iter(deployment.endpoints)) is Dialect.OPENAI_RESPONSES


def test_a_models_facts_are_laid_over_its_providers() -> None:
    """Quirks, kinds and dialects come from the shipped data."""
    catalogue = _build(environ={"OPENAI_API_KEY": "sk-one", "ANTHROPIC_API_KEY": "sk-two"})

    pro, small = catalogue.deployments["openai/gpt-5.5-pro"], catalogue.deployments["openai/text-embedding-3-small"]
    assert list(pro.endpoints) == [Dialect.OPENAI_RESPONSES]
    assert list(small.endpoints) == [Dialect.OPENAI_EMBEDDINGS]
    quirks = catalogue.deployments["anthropic/claude-opus-4-7"].quirks[Dialect.ANTHROPIC]
    assert quirks.signed_thinking and quirks.adaptive_thinking
    assert not catalogue.deployments["anthropic/claude-haiku-4-5"].quirks[Dialect.ANTHROPIC].adaptive_thinking


def test_every_preset_with_a_key_can_be_loaded_at_once() -> None:
    """The shipped data has no deployment without an endpoint and no clash of names."""
    presets = load_presets()
    environ = {name: "key-1" for preset in presets.values() for name in preset.key_env}
    catalogue = _build(environ=environ, local=LOCAL)

    vendors = [p.name for p in presets.values() if p.key_env and not p.self_hosted and not p.base_url_env]
    assert list(catalogue.providers) == [*vendors, "local"]
    assert all(deployment.endpoints for deployment in catalogue.deployments.values())
    for route in catalogue.routes.values():
        assert list(catalogue.targets(route))


def test_the_maker_of_a_model_stands_before_other_places() -> None:
    """A plain name leads to all deployments, in the order of the presets, whatever the file's order."""
    text = """
[providers.zz]
preset = "openrouter"
models = ["gpt-5.5"]
[providers.azure-eu]
preset = "azure"
base_url = "https://x.openai.azure.com/openai/v1/"
models = ["gpt-5.5"]
"""
    environ = {"OPENAI_API_KEY": "a", "AZURE_OPENAI_API_KEY": "b", "OPENROUTER_API_KEY": "c"}
    catalogue = _build(text, environ)

    assert _targets(catalogue, "gpt-5.5") == ["openai/gpt-5.5", "zz/gpt-5.5", "azure-eu/gpt-5.5"]
    assert catalogue.providers["azure-eu"].base_url == "https://x.openai.azure.com"


def test_a_variable_that_a_configured_provider_uses_makes_no_second_provider() -> None:
    """Who sends a key to a regional address does not want it sent to the global one."""
    text = '[providers.openai-eu]\npreset = "openai"\nbase_url = "https://eu.api.openai.com/v1"\njurisdiction = "EU"\n'
    environ = {"OPENAI_API_KEY": "a", "MISTRAL_API_KEY": "b"}

    assert list(_build(text, environ).providers) == ["openai-eu", "mistral"]
    named = _build(text + 'api_key_env = "OTHER"', environ | {"OTHER": "c"})
    assert list(named.providers) == ["openai-eu", "openai", "mistral"]


def test_providers_from_the_environment_can_be_switched_off() -> None:
    """A key that stands there for another program is then not used."""
    assert not _build("providers_from_environment = false", {"OPENAI_API_KEY": "a"}).providers


def test_an_address_of_ones_own_carries_none_of_the_vendors_promises() -> None:
    """What a preset says of data holds at the vendor's address, and `self` on private machines only."""
    text = '[providers.openai]\nbase_url = "https://proxy.example.com/v1"\n[providers.vllm]\n'

    def policies(extra: str) -> tuple[DataPolicy, DataPolicy]:
        providers = _build(text + extra, {"OPENAI_API_KEY": "a"}).providers
        return providers["openai"].data, providers["vllm"].data

    assert policies("")[0] == DataPolicy()
    assert policies("")[1].jurisdiction == "self"
    assert policies('base_url = "https://gpu.example.com"')[1] == DataPolicy()
    assert policies('base_url = "https://gpu.example.com"\njurisdiction = "DE"')[1].jurisdiction == "DE"


def test_a_written_deployment_goes_before_what_is_known() -> None:
    """Its values win, the rest is taken from the model's facts, and a plain name leads to it once."""
    text = """
[deployments.gpt]
provider = "openai"
model = "gpt-5.5"
max_output = 1000
total_timeout = 7
region = "us-east"
endpoints = ["openai_chat"]
quirks.openai_chat = { images = false }
"""
    catalogue = _build(text, {"OPENAI_API_KEY": "a"})
    deployment = catalogue.deployments["gpt"]

    assert (deployment.context, deployment.max_output, deployment.timeouts.total) == (1_050_000, 1000, 7.0)
    assert (deployment.data.region, deployment.data.jurisdiction) == ("us-east", "US")
    assert list(deployment.endpoints) == [Dialect.OPENAI_CHAT]
    assert not deployment.quirks[Dialect.OPENAI_CHAT].images
    assert deployment.quirks[Dialect.OPENAI_CHAT].custom_tools
    assert _targets(catalogue, "gpt-5.5") == ["gpt"]
    assert _targets(catalogue, "openai/gpt-5.5") == ["openai/gpt-5.5"]


def test_the_operators_quirks_stand_over_the_models() -> None:
    """Preset, model, provider entry, deployment: the later wins."""
    text = """
[providers.anthropic]
quirks.anthropic = { adaptive_thinking = false }
[deployments.x]
provider = "anthropic"
model = "claude-opus-4-7"
quirks.anthropic = { adaptive_thinking = true, keep_billing_line = true }
"""
    catalogue = _build(text, {"ANTHROPIC_API_KEY": "a"})

    assert not catalogue.deployments["anthropic/claude-opus-4-7"].quirks[Dialect.ANTHROPIC].adaptive_thinking
    assert catalogue.deployments["x"].quirks[Dialect.ANTHROPIC].adaptive_thinking
    assert catalogue.deployments["x"].quirks[Dialect.ANTHROPIC].keep_billing_line


def test_a_route_may_stand_in_front_of_a_deployment_of_its_name() -> None:
    """So a deployment's own name can be given a fallback."""
    catalogue = _build(HOUSE + '[routes."house/qwen3"]\ntargets = ["house/qwen3", "house/other"]\n')

    assert _targets(catalogue, "house/qwen3") == ["house/qwen3", "house/other"]


def test_an_alias_is_the_route_under_another_name() -> None:
    """Records then show the route."""
    catalogue = _build(
        HOUSE + '[routes.fast]\ntargets = ["house/qwen3"]\n[aliases]\nclaude-gw-x = "fast"\ngpt-4 = "qwen3"'
    )

    assert catalogue.resolve("claude-gw-x") is catalogue.resolve("fast")
    assert _targets(catalogue, "gpt-4") == ["house/qwen3"]


def test_the_default_route_may_be_written() -> None:
    """It goes before the embedded model."""
    assert _build('default_route = "qwen3"' + HOUSE, local=LOCAL).default_route == "qwen3"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[providers.local]\npreset = 'vllm'", "turnout.toml:1: providers.local: the name 'local' belongs to"),
        ("[providers.x]", "turnout.toml:1: providers.x: needs `preset`"),
        ("[providers.opnai]", "Did you mean 'openai'"),
        ("[providers.x]\npreset = 'mistrall'", "turnout.toml:2: providers.x.preset: there is no preset 'mistrall'. Did you mean 'mistral'"),
        ("[providers.x]\npreset = 'embedded'", "there is no preset 'embedded'"),
        ("[providers.openai]", "providers.openai: no key is found: OPENAI_API_KEY is not set"),
        ("[providers.openai]\napi_key_env = 'NOPE'", "turnout.toml:2: providers.openai.api_key_env: the environment variable NOPE is not set"),
        ("[providers.openai]\napi_key_file = '/nope'", "providers.openai.api_key_file: the file '/nope' can't be read: No such file"),
        ("[providers.azure]\napi_key_env = 'HOME'", "providers.azure.base_url: the preset 'azure' has no address of its own. Write `base_url` or $AZURE_OPENAI_ENDPOINT."),
        ("[providers.vllm]\nbase_url = 'http://gpu.example.com'", "turnout.toml:2: providers.vllm.base_url: must begin with https://"),
        ("[providers.vllm]\nbase_url = 'http://169.254.169.254/'", "metadata addresses are refused"),
        ("[providers.vllm]\nbase_url = 'http://metadata.google.internal'", "metadata addresses are refused"),
        ("[providers.vllm]\nbase_url = 'http://[::ffff:169.254.169.254]'", "metadata addresses are refused"),
        ("[providers.vllm]\nbase_url = 'http://h/?a=b'", "must not have a query"),
        ("[providers.vllm]\nquirks.openai_chta = {}", "providers.vllm.quirks.openai_chta: must be a dialect that the provider speaks. Did you mean 'openai_chat'"),
        ("[providers.vllm]\nquirks.gemini = {}", "must be a dialect that the provider speaks"),
        ("[providers.vllm]\nquirks.openai_chat = { image = true }", "quirks.openai_chat.image: 'image' is no quirk. Did you mean 'images'?"),
        ("[providers.vllm]\nquirks.openai_chat = 3", "must be a table of quirks"),
        ("[deployments.x]\nprovider = 'huose'\nmodel = 'm'" + HOUSE, "turnout.toml:2: deployments.x.provider: there is no provider 'huose'. Did you mean 'house'?"),
        ("[deployments.x]\nprovider = 'house'\nmodel = 'm'\nendpoints = ['openai_chta']" + HOUSE, "deployments.x.endpoints[0]: 'house' does not speak 'openai_chta'. Did you mean 'openai_chat'"),
        ("[routes.r]\ntargets = [\n'house/qwen', 'house/other']" + HOUSE, "turnout.toml:3: routes.r.targets[0]: there is no deployment 'house/qwen'. Did you mean 'house/qwen3'"),
        ("[routes.r]\ntargets = ['r']" + HOUSE, "routes.r.targets[0]: a route can't lead to itself."),
        ("[routes.r]\ntargets = ['s']\n[routes.s]\ntargets = ['house/qwen3']" + HOUSE, "routes.r.targets[0]: 's' is a route."),
        ("[routes.r]\ntargets = ['qwen3']" + HOUSE, "routes.r.targets[0]: 'qwen3' is a model. Name its deployments: house/qwen3."),
        ("[routes.r]\ntargets = ['house/qwen3', 'house/qwen3']" + HOUSE, "routes.r.targets[1]: 'house/qwen3' is in this route already."),
        ("[routes.r]\ntargets = ['vllm/m']\n[providers.vllm]", "The provider 'vllm' offers no models"),
        ("[aliases]\nqwen = 'qwne3'" + HOUSE, "turnout.toml:2: aliases.qwen: there is no route or model 'qwne3'. Did you mean 'qwen3'"),
        ("[aliases]\na = 'b'\nb = 'qwen3'" + HOUSE, "aliases.a: 'b' is an alias too."),
        ("[aliases]\n'house/qwen3' = 'other'" + HOUSE, "is the name of a route or deployment already"),
        ("default_route = 'qwen4'" + HOUSE, "turnout.toml:1: default_route: there is no route or model 'qwen4'. Did you mean 'qwen3'"),
        ("[[keys]]\nname = 'a'\nsecret_env = 'A'\nroutes = ['qwen4']" + HOUSE, "turnout.toml:4: keys[0].routes[0]: there is no route or model 'qwen4'."),
        ("[budgets.b]\nlimit = '1'\nper = 'route'\nmatch = ['qwen3', 'qwen4']" + HOUSE, "turnout.toml:4: budgets.b.match[1]: there is no route or model 'qwen4'. Did you"),
        ("[aliases]\na = 'qwen3'\n[budgets.b]\nlimit = '1'\nper = 'route'\nmatch = ['a']" + HOUSE, "turnout.toml:6: budgets.b.match[0]: 'a' is another name for 'qwen3', whose money it is."),
    ],
)  # fmt: skip
def test_a_loose_end_is_told_with_its_place(text: str, said: str) -> None:
    """Exactly one problem, at the key that is wrong, with the nearest name."""
    (problem,) = _problems(text)

    assert said in problem


def test_a_route_can_not_mix_chat_and_embedding_models() -> None:
    """No request could be served by both."""
    text = '[routes.r]\ntargets = ["openai/gpt-5.5", "openai/text-embedding-3-small"]'
    (problem,) = _problems(text, {"OPENAI_API_KEY": "a"})

    assert "turnout.toml:2: routes.r.targets: no kind of request can be sent to all of them" in problem


def test_a_deployment_needs_a_dialect_that_its_model_can_be_called_through() -> None:
    """What would fail on every request fails at start."""
    text = '[deployments.x]\nprovider = "openai"\nmodel = "gpt-5.5-pro"\nendpoints = ["openai_chat"]'
    (problem,) = _problems(text, {"OPENAI_API_KEY": "a"})

    assert "deployments.x.endpoints: the model 'gpt-5.5-pro' can only be called through openai_responses." in problem


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1",
        "http://localhost",
        "http://10.0.0.3",
        "http://vllm:8000",
        "http://[::1]:1",
        "http://gpu.internal",
    ],
)
def test_plain_http_is_for_private_hosts(url: str) -> None:
    """Loopback, private addresses and names that no public DNS has."""
    assert _build(f'[providers.vllm]\nbase_url = "{url}"').providers["vllm"].base_url == url


def test_plain_http_to_the_world_must_be_meant() -> None:
    """`allow_http` says so."""
    text = '[providers.vllm]\nbase_url = "http://gpu.example.com"\nallow_http = true'

    assert _build(text).providers["vllm"].base_url == "http://gpu.example.com"


def test_a_key_comes_from_a_file_beside_the_settings(tmp_path: Path) -> None:
    """Relative paths start at the settings' file, and the line end is no part of the key."""
    (tmp_path / "key").write_text("sk-file\n")
    path = tmp_path / "turnout.toml"
    path.write_text('[providers.openai]\napi_key_file = "key"\n')

    catalogue = build_catalogue(read_settings(path, {}), {}, local_model=None)

    assert catalogue.providers["openai"].api_key == Secret("sk-file")


def test_a_key_that_can_not_be_a_header_is_refused_without_being_shown() -> None:
    """A line break inside a key would end the header."""
    (problem,) = _problems("", {"OPENAI_API_KEY": "sk-a\nb: c"})

    assert problem.startswith("environment: OPENAI_API_KEY:")
    assert "sk-a" not in problem


def test_a_vendor_without_an_address_is_left_out() -> None:
    """A key that stands in the environment for another program does not stop the server."""
    assert not _build(environ={"AZURE_OPENAI_API_KEY": "a"}).providers
    found = _build(environ={"AZURE_OPENAI_API_KEY": "a", "AZURE_OPENAI_ENDPOINT": "https://x.openai.azure.com/"})
    assert found.providers["azure"].base_url == "https://x.openai.azure.com"


def test_the_version_follows_the_content_and_no_secret() -> None:
    """Equal content, equal version; a rotated key changes nothing."""
    version = _build(HOUSE, {"OPENAI_API_KEY": "a"}).version

    assert _build("\n" + HOUSE, {"OPENAI_API_KEY": "b"}).version == version
    assert _build(HOUSE + "idle_timeout = 3", {"OPENAI_API_KEY": "a"}).version != version
    assert _build(HOUSE).version != version


def test_sets_have_one_canonical_form() -> None:
    """The version does not depend on the order that a process hashes strings in."""
    assert fingerprint(frozenset({"a", "b"})) == fingerprint(frozenset({"b", "a"}))
    assert fingerprint({"a": 1, "b": 2}) != fingerprint({"b": 2, "a": 1})


def test_a_gguf_file_is_called_by_its_name() -> None:
    """The path is no part of the deployment's name."""
    settings = settings_from(parse_toml('[local]\nmodel = "/models/tiny-q8.gguf"\ncontext = 512'), {"HOME": "/h"})

    assert wanted_local_model(settings) == LocalModel(name="tiny-q8", context=512)
    assert wanted_local_model(settings_from(parse_toml("[local]\nenabled = false"), {"HOME": "/h"})) is None


def test_the_example_is_a_good_configuration() -> None:
    """What people copy must load."""
    settings = read_settings(Path(__file__).parents[2] / "turnout.example.toml", {"HOME": "/home/op"})
    catalogue = build_catalogue(settings, {}, local_model=LOCAL)

    assert catalogue.default_route == "chat"
    assert _targets(catalogue, "claude-gw-house") == ["house/qwen3-32b", "house/qwen3-long"]
