"""`turnout simulate`: what it would cost if. Each question is a command of its own, imported when it is asked."""

from __future__ import annotations

from importlib import import_module

import click

from turnout.cli.main import Lazy

QUESTIONS: dict[str, Lazy] = {
    "workload": Lazy(
        "turnout.cli.simulate_workload", "workload", "Price a workload described in a line, model by model."
    ),
    "traffic": Lazy(
        "turnout.cli.simulate_traffic", "traffic", "Price the recorded traffic as if another model had it."
    ),
    "retries": Lazy("turnout.cli.simulate_retries", "retries", "Cost and success of several attempts with a check."),
    "self-host": Lazy(
        "turnout.cli.simulate_selfhost", "self_host", "Hardware against API prices: where they break even."
    ),
}


class _Questions(click.Group):
    """A group whose commands stand in a table."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(QUESTIONS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        lazy = QUESTIONS.get(cmd_name)
        if lazy is None:
            return None
        command = getattr(import_module(lazy.module), lazy.attribute)
        assert isinstance(command, click.Command), "the table names commands"
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.help) for name, lazy in QUESTIONS.items()])


@click.group(cls=_Questions)
def simulate() -> None:
    """Answer "what would it cost if". Nothing is sent anywhere."""
