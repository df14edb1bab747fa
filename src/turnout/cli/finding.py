"""What `turnout doctor` finds: one thing looked at, how it is, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's result. `remedy` is empty where all is well."""

    check: str
    state: State
    told: str
    remedy: str = ""


def ok(check: str, told: str) -> Finding:
    """All is well."""
    return Finding(check, "ok", told)


def warning(check: str, told: str, remedy: str) -> Finding:
    """It works, and may not be what is wanted."""
    return Finding(check, "warning", told, remedy)


def problem(check: str, told: str, remedy: str) -> Finding:
    """It does not work."""
    return Finding(check, "problem", told, remedy)
