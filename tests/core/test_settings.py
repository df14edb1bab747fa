"""Reading the settings: defaults, values, the environment, and every way to get them wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.core.problems import ConfigProblems
from turnout.core.settings import data_dir, find_config, read_settings, settings_from
from turnout.core.settings_model import (
    DataSettings,
    LimitSettings,
    SecretSource,
    ServerSettings,
    Settings,
    TargetSettings,
    TimeoutSettings,
)
from turnout.core.toml_source import parse_toml

EVERYTHING = """
default_route = "fast"
[server]
host = "0.0.0.0"
port = 8080
cors_origins = ["https://app.example.com"]
[storage]
dir = "state"
[log]
level = "debug"
requests = true
format = "json"
[limits]
rpm = 60
[providers.azure-eu]
preset = "azure"
base_url = "https://x.openai.azure.com/"
api_key_env = "AZURE_KEY"
headers = { X-Team = "search" }
models = ["gpt-5.5"]
jurisdiction = "EU"
retention_days = 0
connect_timeout = 1
quirks.openai_chat = { images = false }
[deployments."azure-eu/mini"]
provider = "azure-eu"
model = "mini"
context = 1000
max_output = 100
max_concurrency = 4
total_timeout = 30.5
[routes.fast]
targets = ["azure-eu/mini", { deployment = "openai/gpt-5.5", weight = 3 }]
strategy = "weighted"
drop = ["logit_bias"]
sticky = false
[aliases]
claude-gw-fast = "fast"
[[keys]]
name = "app"
secret_env = "APP_KEY"
routes = ["fast"]
tpm = 1000
[[keys]]
name = "ops"
secret_file = "/run/secrets/ops"
role = "admin"
"""


def _read(text: str, environ: dict[str, str] | None = None) -> Settings:
    return settings_from(parse_toml(text), {"HOME": "/home/op"} | (environ or {}))


def _problems(text: str, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigProblems) as caught:
        _read(text, environ)
    return [str(problem) for problem in caught.value.problems]


def test_without_a_file_everything_has_a_default() -> None:
    """An empty environment is enough to start."""
    settings = read_settings(None, {"HOME": "/home/op"})

    assert ServerSettings() == settings.server
    assert settings.server.host == "127.0.0.1"
    assert Path("/home/op/.local/share/turnout") == settings.storage.dir
    assert settings.local.enabled
    assert (
        settings.retry.budget,
        settings.retry.max_attempts,
        settings.breaker.failures,
        settings.breaker.open_seconds,
    ) == (0.1, 3, 5, 15)


def test_each_section_is_read() -> None:
    """Values of every section arrive where they belong."""
    settings = _read(EVERYTHING)
    provider, deployment = settings.providers["azure-eu"], settings.deployments["azure-eu/mini"]
    route = settings.routes["fast"]

    assert (
        settings.server.host,
        settings.server.port,
        settings.server.cors_origins,
    ) == ("0.0.0.0", 8080, ("https://app.example.com",))
    assert (settings.log.level, settings.log.requests, settings.log.format) == ("debug", True, "json")
    assert provider.base_url == "https://x.openai.azure.com"
    assert SecretSource(env="AZURE_KEY") == provider.api_key
    assert provider.headers == {"x-team": "search"}
    assert DataSettings(jurisdiction="EU", retention_days=0) == provider.data
    assert TimeoutSettings(connect=1.0) == provider.timeouts
    assert provider.quirks == {"openai_chat": {"images": False}}
    assert (
        deployment.context,
        deployment.max_output,
        deployment.max_concurrency,
        deployment.timeouts.total,
    ) == (1000, 100, 4, 30.5)
    assert (TargetSettings(deployment="azure-eu/mini"), TargetSettings(deployment="openai/gpt-5.5", weight=3)) == (
        route.targets
    )
    assert (route.strategy, route.drop, route.sticky) == ("weighted", ("logit_bias",), False)
    assert settings.aliases == {"claude-gw-fast": "fast"}
    assert settings.default_route == "fast"


def test_a_key_takes_the_default_limits_that_it_does_not_set() -> None:
    """`[limits]` stands behind each key."""
    app, ops = _read(EVERYTHING).keys

    assert LimitSettings(rpm=60, tpm=1000) == app.limits
    assert LimitSettings(rpm=60) == ops.limits
    assert ("admin", SecretSource(file="/run/secrets/ops")) == (ops.role, ops.secret)


def test_a_route_takes_the_attempts_of_the_retry_section() -> None:
    """`[retry] max_attempts` is the default of each route."""
    settings = _read(
        '[retry]\nmax_attempts = 5\n[routes.a]\ntargets = ["x"]\n[routes.b]\ntargets = ["x"]\nmax_attempts = 1'
    )

    assert (settings.routes["a"].max_attempts, settings.routes["b"].max_attempts) == (5, 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prot = 1", "turnout.toml:1: prot: unknown key."),
        ('[routes.fast]\ntargets = ["x"]\nstratgy = "w"', "turnout.toml:3: routes.fast.stratgy: unknown key. Did you mean 'strategy'?"),
        ("[sever]\nport = 1", "turnout.toml:1: sever: unknown key. Did you mean 'server'?"),
        ("[server]\n\nport = 70000", "turnout.toml:3: server.port: must lie between 0 and 65,535, not 70000."),
        ("[server]\nport = true", "turnout.toml:2: server.port: must be an integer, not a boolean."),
        ("[server]\nport = 1.5", "server.port: must be an integer, not a number."),
        ("server = 1", "turnout.toml:1: server: must be a table, not an integer."),
        ("[server]\nheader_timeout = nan", "server.header_timeout: must lie between"),
        ("[server]\ndrain_seconds = -1", "server.drain_seconds: must lie between"),
        ("[server]\ncors_origins = ['*']", "server.cors_origins[0]: must be named one by one"),
        ("[server]\ncors_origins = ['https://a.example/x']", "server.cors_origins[0]: must be an origin"),
        ("[server]\nhost = ''", "server.host: must not be empty."),
        ("[log]\nlevel = 'warn'", "log.level: must be one of 'debug', 'info', 'warning', 'error', not 'warn'. Did you mean 'warning'?"),
        ("[log]\nrequests = 1", "log.requests: must be true or false, not 1."),
        ("[retry]\nbudget = 1.5", "retry.budget: must lie between 0 and 1, not 1.5."),
        ("[limits]\nrpm = 0", "limits.rpm: must lie between"),
        ("[telemetry]\notlp_endpoint = 'collector:4318'", "telemetry.otlp_endpoint: must be a URL"),
        ("[providers.'a/b']\npreset = 'openai'", 'providers."a/b": a provider\'s name has'),
        ("[providers.x]\nbase_url = 'ftp://h/'", "providers.x.base_url: must be a URL that begins with https"),
        ("[providers.x]\nbase_url = 'https://u:p@h/'", "providers.x.base_url: must not hold a user or password."),
        ("[providers.x]\nbase_url = 'https://h:x/'", "providers.x.base_url: is not a URL."),
        ("[providers.x]\nbase_url = 'https://h/a b'", "providers.x.base_url: must not hold spaces."),
        ("[providers.x]\nmodels = []", "providers.x.models: must not be empty."),
        ("[providers.x]\nmodels = ['a',\n'a']", "turnout.toml:3: providers.x.models[1]: 'a' is given twice."),
        ("[providers.x]\nheaders = { Authorization = 'b' }", "providers.x.headers.Authorization: credentials must not"),
        ("[providers.x]\nheaders = { Host = 'b' }", "providers.x.headers.Host: this header can't be set."),
        ('[providers.x]\nheaders = { a = "b\\r\\nc: d" }', "providers.x.headers.a: the value must be one line"),
        ("[providers.x]\nheaders = { a = 'b', A = 'c' }", "providers.x.headers.A: this header is given twice."),
        ("[providers.x]\njurisdiction = 'Germany'", "providers.x.jurisdiction: must be a country code"),
        ("[providers.x]\nretention_days = -1", "providers.x.retention_days: must lie between"),
        ("[providers.x]\nidle_timeout = 1e9", "providers.x.idle_timeout: must lie between"),
        ("[providers.x]\napi_key_env = 'A'\napi_key_file = 'b'", "providers.x.api_key_file: `api_key_env` is given too."),
        ("[deployments.x]\nmodel = 'm'", "turnout.toml:1: deployments.x: needs `provider`."),
        ("[deployments.x]\nprovider = 'p'\nmodel = 'm'\ncontext = 1\nmax_output = 2", "deployments.x.max_output: is larger than"),
        ("[deployments.'a b']\nprovider = 'p'\nmodel = 'm'", 'deployments."a b": a name has letters'),
        ("[routes.r]\nsticky = true", "routes.r: needs `targets`"),
        ("[routes.r]\ntargets = []", "routes.r.targets: must name at least one deployment."),
        ("[routes.r]\ntargets = [\n3]", "turnout.toml:3: routes.r.targets[0]: must be the name of a deployment"),
        ("[routes.r]\ntargets = [{ deployment = 'a', weight = 0 }]", "routes.r.targets[0].weight: must lie between"),
        ("[routes.r]\ntargets = [{ deployment = 'a', wieght = 1 }]", "routes.r.targets[0].wieght: unknown key. Did you mean 'weight'?"),
        ("[routes.r]\ntargets = 'a'", "routes.r.targets: must be an array, not a string."),
        ("[routes.r]\ntargets = ['a']\nstrategy = 'weigthed'", "Did you mean 'weighted'?"),
        ("[aliases]\na = 1", "aliases.a: must be a string, not an integer."),
        ("[aliases]\n'a b' = 'x'", 'aliases."a b": a name has letters'),
        ("[[keys]]\nname = 'a'", "turnout.toml:1: keys[0]: needs `secret_env` or `secret_file`."),
        ("[[keys]]\nsecret_env = 'A'", "keys[0]: needs `name`."),
        ("[[keys]]\nname = 'a'\nsecret_env = 'A'\n[[keys]]\nname = 'a'\nsecret_env = 'B'", "turnout.toml:5: keys[1].name: another key is called 'a' already."),
        ("keys = [1]", "keys[0]: must be a table, not an integer."),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(text: str, said: str) -> None:
    """Exactly one problem, at the key that is wrong."""
    (problem,) = _problems(text)

    assert said in problem


def test_all_mistakes_are_told_together_in_the_order_of_the_file() -> None:
    """One run finds everything."""
    told = _problems(
        "[server]\nport = -1\nhots = 'x'\n[log]\nlevel = 3\n[breaker]\nfailures = 0", {"TURNOUT_HOST": "\t"}
    )

    assert [line.split(": ")[1] for line in told] == ["server.port", "server.hots", "log.level", "breaker.failures"]


@pytest.mark.parametrize("key", ["api_key", "api_key_env"])
def test_a_literal_secret_is_refused_and_not_repeated(key: str) -> None:
    """Neither under its own name nor where a variable's name belongs does the secret reach the message."""
    (problem,) = _problems(f"[providers.openai]\n{key} = 'sk-live-123'")

    assert "sk-live-123" not in problem
    assert "environment variable" in problem


def test_the_environment_goes_before_the_file() -> None:
    """A container can be set up without touching the file."""
    environ = {
        "TURNOUT_PORT": "5000",
        "TURNOUT_LOG_REQUESTS": "yes",
        "TURNOUT_DEFAULT_ROUTE": "slow",
        "TURNOUT_HOST": " ",
    }
    settings = _read(EVERYTHING, environ)

    assert (settings.server.port, settings.log.requests, settings.default_route) == (5000, True, "slow")
    assert settings.server.host == "0.0.0.0", "an empty variable is as good as none"


def test_a_wrong_variable_is_told_by_its_name() -> None:
    """The place of such a problem is the environment."""
    told = _problems("", {"TURNOUT_PORT": "http", "TURNOUT_LOG_REQUESTS": "maybe"})

    assert told == [
        "environment: TURNOUT_PORT: must be an integer, not 'http'.",
        "environment: TURNOUT_LOG_REQUESTS: must be true or false, not 'maybe'.",
    ]


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({"TURNOUT_HOME": "/srv/t", "XDG_DATA_HOME": "/x"}, "/srv/t"),
        ({"XDG_DATA_HOME": "/x", "HOME": "/h"}, "/x/turnout"),
        ({"XDG_DATA_HOME": "relative", "HOME": "/h"}, "/h/.local/share/turnout"),
    ],
)
def test_the_data_directory_follows_the_environment(environ: dict[str, str], wanted: str) -> None:
    """$TURNOUT_HOME, then XDG, then the home directory."""
    assert Path(wanted) == data_dir(environ)


def test_a_relative_directory_belongs_to_the_file(tmp_path: Path) -> None:
    """The place does not depend on where the server was started."""
    path = tmp_path / "turnout.toml"
    path.write_text('[storage]\ndir = "state"\n')

    assert tmp_path / "state" == read_settings(path, {}).storage.dir

    path.write_text('[storage]\ndir = "~/state"\n')

    assert Path("/home/op/state") == read_settings(path, {"HOME": "/home/op"}).storage.dir


def test_the_file_is_found_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--config, then $TURNOUT_CONFIG, then ./turnout.toml, then none."""
    monkeypatch.chdir(tmp_path)
    given, variable = tmp_path / "given.toml", tmp_path / "variable.toml"
    given.touch()
    variable.touch()
    environ = {"TURNOUT_CONFIG": str(variable)}

    assert find_config(None, {}) is None
    (tmp_path / "turnout.toml").touch()
    assert Path("turnout.toml") == find_config(None, {})
    assert variable == find_config(None, environ)
    assert given == find_config(given, environ)


def test_a_named_file_that_is_missing_is_a_problem(tmp_path: Path) -> None:
    """Defaults must not be served in its place."""
    with pytest.raises(ConfigProblems, match="--config"):
        find_config(tmp_path / "absent.toml", {})
    with pytest.raises(ConfigProblems, match="TURNOUT_CONFIG"):
        find_config(None, {"TURNOUT_CONFIG": str(tmp_path / "absent.toml")})


def test_settings_can_be_compared() -> None:
    """Moving a line changes nothing; a value does."""
    assert _read(EVERYTHING) == _read("\n\n" + EVERYTHING)
    assert _read(EVERYTHING) != _read(EVERYTHING.replace("8080", "8081"))


@given(
    st.sampled_from(EVERYTHING.strip().splitlines()),
    st.sampled_from(["1", "-1", "'x'", "[]", "{}", "[{}]", "nan", "true", "[1]", "{a = 1}", "1979-05-27"]),
)
def test_any_value_of_any_type_ends_in_settings_or_in_problems(line: str, value: str) -> None:
    """No key brings the reader down."""
    broken = line.split("=")[0] + "= " + value if "=" in line else line
    text = EVERYTHING.replace(line, broken, 1)

    try:
        assert isinstance(_read(text), Settings)
    except ConfigProblems as error:
        assert all(problem.line for problem in error.problems)


def test_reading_settings_imports_no_web_framework() -> None:
    """`turnout check` and the CLI's help stay quick."""
    code = "import sys, turnout.core.settings; print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout

    for heavy in ("pydantic", "rich", "click", "starlette", "httptools", "sqlalchemy", "asyncio"):
        assert f"'{heavy}'" not in loaded
