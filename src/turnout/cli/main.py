"""`turnout`: the command line. A command's module is imported when the command is named, not before: `turnout --help`
answers at once, and a serving process holds nothing of the reports (rich, SQLAlchemy) in memory."""

from __future__ import annotations

from importlib import import_module
from typing import NamedTuple

import click

from turnout.core.errors import TurnoutError


class Lazy(NamedTuple):
    """Where a command is, and what `turnout --help` says of it."""

    module: str
    attribute: str
    help: str


COMMANDS: dict[str, Lazy] = {
    "up": Lazy("turnout.cli.up", "up", "Quick start: fetch the embedded model, make a key, serve."),
    "serve": Lazy("turnout.cli.serve", "serve", "Serve what the configuration says."),
    "check": Lazy("turnout.cli.check", "check", "Check the configuration without starting anything."),
    "explain": Lazy("turnout.cli.explain", "explain", "Show where a request would go, and why. Sends nothing."),
    "models": Lazy("turnout.cli.models", "models", "List deployments and routes, or all that is known of a model."),
    "price": Lazy("turnout.cli.price", "price", "Show what a model costs, and the cost of a usage."),
    "tokens": Lazy("turnout.cli.tokens", "tokens", "Count a text's tokens at several models, and what it costs."),
    "spend": Lazy("turnout.cli.spend", "spend", "Show what was spent, on what, by whom."),
    "budgets": Lazy("turnout.cli.budgets", "budgets", "Show where budgets stand, and correct what they have spent."),
    "simulate": Lazy("turnout.cli.simulate", "simulate", "Answer what it would cost if."),
    "reconcile": Lazy("turnout.cli.reconcile", "reconcile", "Compare the ledger with a provider's own export."),
    "keys": Lazy("turnout.cli.keys", "keys", "Make, list, revoke and rotate virtual keys."),
    "requests": Lazy("turnout.cli.requests", "requests", "Show what was asked, where it went, how it ended."),
    "local": Lazy("turnout.cli.local", "local", "Fetch, list, verify and remove the embedded model's weights."),
    "doctor": Lazy("turnout.cli.doctor", "doctor", "Look for what could keep the server from working."),
}


class LazyGroup(click.Group):
    """A group whose commands stand in a table. Also shows our own errors as one line, without a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        lazy = COMMANDS.get(cmd_name)
        if lazy is None:
            return None
        command = getattr(import_module(lazy.module), lazy.attribute)
        assert isinstance(command, click.Command), "the table names commands"
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """From the table: click would import every command for its help text."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.help) for name, lazy in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except TurnoutError as error:
            raise click.ClickException(error.message) from error


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="turnout", prog_name="turnout", message="%(prog)s %(version)s")
def main() -> None:
    """One self-hosted endpoint before every language model.

    `turnout up` starts with nothing configured. `turnout COMMAND --help` tells more of a command.
    """
