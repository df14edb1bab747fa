"""`turnout local`: the weights of the embedded model: fetch, list, inspect, verify, remove."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from turnout.core.errors import ConfigError
from turnout.core.settings import find_config, read_settings
from turnout.upstream import local_weights
from turnout.upstream.local_gguf import read_gguf
from turnout.upstream.local_pull import pull as pull_weights
from turnout.upstream.local_weights import DEFAULT_MODEL, KNOWN, Weights, find_weights, installed_file, pulled


@click.group()
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="The configuration that names the data directory. Default: $TURNOUT_CONFIG, else ./turnout.toml.",
)
@click.pass_context
def local(context: click.Context, config: Path | None) -> None:
    """The embedded model's weights."""
    with _told():
        context.obj = read_settings(find_config(config, os.environ), os.environ).storage.dir


@local.command()
@click.argument("source", default=DEFAULT_MODEL)
@click.option("--sha256", help="What the file's digest must be. Without it the digest is recorded at the first pull.")
@click.pass_obj
def pull(data_dir: Path, source: str, sha256: str | None) -> None:
    """Fetch a model. SOURCE is a known name (`turnout local list`), hf:OWNER/REPO/FILE.gguf, a URL, or a path."""
    with _told(), _bar() as progress:
        done = pull_weights(source, data_dir, progress=progress, sha256=sha256)
    state = "is here, verified" if done.fetched else "was already here, verified"
    click.echo(f"{done.weights.name} {state}: {done.weights.path}")
    if not done.pinned:
        click.echo(f"Recorded sha256 {done.weights.sha256}; nobody said before what it should be.")


@local.command("list")
@click.pass_obj
def list_(data_dir: Path) -> None:
    """Show the models that are here, and those that can be fetched by name."""
    here = {weights.name: weights for weights in pulled(data_dir)}
    for name in sorted({*KNOWN, *here}):
        click.echo(_line(name, here.get(name)))


def _line(name: str, here: Weights | None) -> str:
    known = KNOWN.get(name)
    if here is not None:
        return f"{name}  {_megabytes(here.path.stat().st_size)}  {here.path}"
    assert known is not None, "a model is listed because it is known or here"
    if (installed := installed_file(known)) is not None:
        return f"{name}  {_megabytes(known.size)}  {installed} (in package {known.package})"
    return f"{name}  {_megabytes(known.size)}  not here; `turnout local pull {name}` ({known.licence})"


@local.command()
@click.argument("model", default=DEFAULT_MODEL)
@click.pass_obj
def info(data_dir: Path, model: str) -> None:
    """Show what a model's file says of itself. MODEL is a name or a path."""
    with _told():
        weights = find_weights(data_dir, model)
        header = read_gguf(weights.path)
    known = KNOWN.get(weights.name)
    rows = {
        "file": str(weights.path),
        "size": _megabytes(header.size),
        "name": header.name or "-",
        "architecture": header.architecture,
        "parameters": f"{header.parameters:,}",
        "quantisation": header.quantisation,
        "context": f"{header.context:,} tokens" if header.context else "not said",
        "chat template": "yes" if header.chat_template else "no: a generic one is used",
        "sha256": weights.sha256 or "not recorded",
        "licence": known.licence if known else "see where it came from",
    }
    for label, value in rows.items():
        click.echo(f"{label + ':':<15}{value}")


@local.command()
@click.argument("model", required=False)
@click.pass_obj
def verify(data_dir: Path, model: str | None) -> None:
    """Check a model's digest and header; without MODEL, of all that are here. Exits with 1 when one is wrong."""
    with _told():
        chosen = [find_weights(data_dir, model)] if model else list(pulled(data_dir))
    wrong = 0
    for weights in chosen:
        try:
            digest = local_weights.verify(weights)
            read_gguf(weights.path)
        except ConfigError as error:
            wrong += 1
            click.echo(f"{weights.name}: {error.message}", err=True)
        else:
            click.echo(f"{weights.name}: {'good' if weights.sha256 else 'readable; no digest was recorded'} ({digest})")
    if not chosen:
        click.echo("No models are here. `turnout local pull` fetches one.")
    if wrong:
        raise SystemExit(1)


@local.command()
@click.argument("model")
@click.pass_obj
def remove(data_dir: Path, model: str) -> None:
    """Delete a pulled model."""
    with _told():
        click.echo(f"Removed {local_weights.remove(data_dir, model)}")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"


@contextmanager
def _told() -> Generator[None]:
    """Shows our errors as a line on stderr, without a traceback; exit status 1."""
    try:
        yield
    except ConfigError as error:
        raise click.ClickException(error.message) from None


@contextmanager
def _bar() -> Generator[local_weights.Progress]:
    """A progress bar on stderr; nothing where stderr is no terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)

        def told(doing: str, done: int, total: int | None) -> None:
            bar.update(task, description=doing, completed=done, total=total)

        yield told
