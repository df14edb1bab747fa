"""How sums of dollars and shares are shown, the same in every command."""

from __future__ import annotations

from fractions import Fraction

import pytest
from click.testing import CliRunner

from turnout.cli.amounts import calls, chance, dollars
from turnout.cli.main import main
from turnout.core.money import Money


@pytest.mark.parametrize(
    ("amount", "beside", "shown"),
    [
        ("0", None, "$0"),
        ("104400", None, "$104,400.00"),
        ("1.005", None, "$1.00"),
        ("0.5", None, "$0.50"),
        ("0.029041", None, "$0.02904"),
        ("0.000000003625", None, "$0.000000004"),
        ("-12.345", None, "-$12.34"),
        ("0.0025", "0.422573", "$0.0025"),
        ("0.00004", "0.422573", "<$0.0001"),
        ("0.004", "12.5", "$0.0040"),
        ("0.004", "1200", "<$0.01"),
        ("-0.004", "1200", "<-$0.01"),
    ],
)
def test_dollars_are_cents_or_four_digits(amount: str, beside: str | None, shown: str) -> None:
    """A column has the places of its sum; what they can't show is not nothing."""
    assert dollars(Money.of(amount), None if beside is None else Money.of(beside)) == shown
    assert dollars(Fraction(amount), None if beside is None else Fraction(beside)) == shown


def test_what_is_not_known_is_no_amount() -> None:
    assert dollars(None) == "not known"


def test_one_call_is_no_calls() -> None:
    assert (calls(1), calls(1200), calls(0)) == ("1 call", "1,200 calls", "0 calls")


def test_what_is_nearly_certain_keeps_its_distance() -> None:
    assert [chance(Fraction(each)) for each in ("0.526", "0.99987", "1", "0.00013")] == [
        "52.6%",
        "99.987%",
        "100%",
        "0.013%",
    ]


@pytest.mark.parametrize("cost", ["0.002", "$0.002", "$3.99", "70K", "1,000"])
def test_dollars_are_written_alike_in_every_option(cost: str) -> None:
    """Also with a sign, commas and a K."""
    done = CliRunner().invoke(main, ["simulate", "retries", "--success", "50%", "--cost", cost, "--json"])

    assert done.exit_code == 0, done.output
