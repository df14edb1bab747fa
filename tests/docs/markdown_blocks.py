"""The documents and the code blocks in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
DOCUMENTS = [*PAGES, *(ROOT / name for name in ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"))]
_BLOCK = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: `language` and `mark` are the words behind the fence."""

    page: Path
    line: int
    language: str
    mark: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """The commands of a console block."""
        return [line.removeprefix("$ ") for line in self.text.splitlines() if line.startswith("$ ")]


def blocks() -> list[Block]:
    """Every block of every document."""
    found: list[Block] = []
    for page in DOCUMENTS:
        text = page.read_text(encoding="utf-8")
        for match in _BLOCK.finditer(text):
            language, _, mark = match["info"].partition(" ")
            line = text.count("\n", 0, match.start()) + 1
            found.append(Block(page, line, language, mark, match["text"]))
    return found


def all_text() -> str:
    """What a reader of README and docs can find."""
    return "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
