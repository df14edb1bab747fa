"""Repeated attempts at the same tasks, as they were recorded: the file, and what it says without any model.

    task,success          a row for each attempt: 1, 0, true, false, right, wrong
    task,n,successes      a row for each task: attempts made, attempts that were right

What several attempts bring is told in two ways. `pass_at` is unbiased (Chen et al. 2021, "Evaluating Large Language
Models Trained on Code"), and knows only as many attempts as were made. `own_rates` takes each task's share as its rate;
it goes on to any number, and says of a task that never succeeded that it never will.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import comb
from pathlib import Path

_TRUTH = {"1": 1, "true": 1, "yes": 1, "right": 1, "0": 0, "false": 0, "no": 0, "wrong": 0}
_MOST_DRAWS = 100_000
_DRAWS, _COUNTS = ("task", "success"), ("task", "n", "successes")


@dataclass(frozen=True, slots=True)
class Draws:
    """Attempts at one task. Raises ValueError where more are right than were made, or none was made."""

    made: int
    right: int

    def __post_init__(self) -> None:
        if not (0 < self.made <= _MOST_DRAWS and 0 <= self.right <= self.made):
            raise ValueError(f"{self.right} of {self.made} attempts can't be right.")

    @property
    def rate(self) -> Fraction:
        """The share that is right."""
        return Fraction(self.right, self.made)


def read_draws(path: Path) -> list[Draws]:
    """The tasks of a CSV file, in the order of the file. Raises ValueError with file and line; OSError."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, restval="")
        header = [name.strip().lower() for name in reader.fieldnames or ()]
        reader.fieldnames = header
        if set(_COUNTS) <= set(header):
            found = _counted(path, reader)
        elif set(_DRAWS) <= set(header):
            found = _drawn(path, reader)
        else:
            raise ValueError(
                f"{path}: the first line must name the columns {','.join(_DRAWS)} or {','.join(_COUNTS)}; "
                f"it names {','.join(header) or 'nothing'}."
            )
    if not found:
        raise ValueError(f"{path} has no attempts.")
    return found


def _counted(path: Path, reader: csv.DictReader[str]) -> list[Draws]:
    found: dict[str, Draws] = {}
    for row in reader:
        task, where = row["task"].strip(), f"{path}, line {reader.line_num}"
        if not task or task in found:
            raise ValueError(f"{where}: {f'the task {task} has a row already' if task else 'the task has no name'}.")
        try:
            found[task] = Draws(int(row["n"]), int(row["successes"]))
        except ValueError:
            raise ValueError(
                f"{where}: n and successes must be whole numbers, n from 1 to {_MOST_DRAWS:,}, successes from 0 to n; "
                f"not '{row['n']}' and '{row['successes']}'."
            ) from None
    return list(found.values())


def _drawn(path: Path, reader: csv.DictReader[str]) -> list[Draws]:
    made: dict[str, int] = {}
    right: dict[str, int] = {}
    for row in reader:
        task, word = row["task"].strip(), row["success"].strip().lower()
        if not task or word not in _TRUTH:
            what = f"success must be 1 or 0, not '{row['success']}'" if task else "the task has no name"
            raise ValueError(f"{path}, line {reader.line_num}: {what}.")
        made[task] = made.get(task, 0) + 1
        right[task] = right.get(task, 0) + _TRUTH[word]
    return [Draws(count, right[task]) for task, count in made.items()]


def mean_success(tasks: Sequence[Draws]) -> Fraction:
    """The mean of the tasks' rates: each task counts alike."""
    return _mean(each.rate for each in tasks)


def pass_at(tasks: Sequence[Draws], most: int) -> Fraction | None:
    """The chance that one of `most` attempts is right, without bias; None where a task has fewer attempts than that."""
    if any(each.made < most for each in tasks):
        return None
    return _mean(1 - Fraction(comb(each.made - each.right, most), comb(each.made, most)) for each in tasks)


def own_rates(tasks: Sequence[Draws], most: int) -> Fraction:
    """The same, were each task's share its rate. With few attempts at a task it is too low."""
    return _mean(1 - (1 - each.rate) ** most for each in tasks)


def _mean(values: Iterable[Fraction]) -> Fraction:
    listed = list(values)
    return sum(listed, Fraction(0)) / len(listed)
