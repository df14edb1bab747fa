"""Near names: what a person may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str], *, most: int = 3) -> list[str]:
    """Up to `most` of the known names that look like `word`, best first."""
    return difflib.get_close_matches(word, list(known), n=most, cutoff=0.55)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A sentence such as `Did you mean 'gpt-5.5'?`, or the empty string."""
    near = nearest(word, known)
    if not near:
        return ""
    return "Did you mean " + " or ".join(f"'{name}'" for name in near) + "?"
