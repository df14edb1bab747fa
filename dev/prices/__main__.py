"""`python -m dev.prices FOLDER`: see the package."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import click

from turnout.catalogue.prices import load_prices

from .compare import compare, only_there
from .genai_table import genai_prices
from .litellm_table import litellm
from .metergraph_table import metergraph
from .model_prices_table import model_prices


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--at", "when", required=True, help="The instant, such as 2026-11-23T02:00Z.")
@click.option("--all", "everything", is_flag=True, help="Also what agrees, and what only the tables have.")
def main(folder: Path, when: str, everything: bool) -> None:
    """Compare the shipped prices with the tables in FOLDER, unpacked wheels. Exits with 1 at a silent disagreement."""
    at = datetime.fromisoformat(when)
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    book = load_prices()
    sources = [read(folder) for read in (litellm, genai_prices, metergraph, model_prices)]
    verdicts: Counter[str] = Counter()
    silent = 0
    for each in compare(book, sources, at):
        verdicts[each.verdict] += 1
        silent += sum(not difference.noted for difference in each.differences)
        if everything or each.differences:
            click.echo(f"{each.verdict:<10} {each.channel}/{each.model} [{', '.join(each.agreed)}]")
        for difference in each.differences:
            click.echo(f"           {difference}")
    missing = list(only_there(book, sources))
    for channel, name, names in missing if everything else ():
        click.echo(f"only-there {channel}/{name} [{', '.join(names)}]")
    told = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
    click.echo(f"{told}, {len(missing)} only-there (in two tables or more); {silent} differences without a note")
    if silent:
        raise click.exceptions.Exit(1)


if __name__ == "__main__":
    main()
