"""What is wrong with a configuration, told all at once, each with its place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from turnout.core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and where. As text: `turnout.toml:12: routes.fast.stratgy: unknown key.`"""

    file: str
    """The file as the operator named it, or `environment`."""
    line: int | None
    key: str
    """Dotted path of the key, or the variable's name; empty where the file as a whole is at fault."""
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


class ConfigProblems(ConfigError):
    """The configuration can't be used. Holds every problem that was found, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        unique = dict.fromkeys(problems)
        self.problems: tuple[Problem, ...] = tuple(sorted(unique, key=lambda p: (p.file, p.line or 0)))
        super().__init__("\n".join(str(problem) for problem in self.problems))
