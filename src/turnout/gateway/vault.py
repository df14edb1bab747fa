"""Provider-private reasoning, kept for clients that drop it.

Some providers refuse the next turn of a tool conversation unless they get back what they thought (DeepSeek), or a
signature (Anthropic, Gemini). Many clients drop it. The vault keeps it by the id of the tool call that it led to, apart
for each key, in memory only: a restart loses it, and then the dialects send their placeholder.

State: owned by the event loop; bounded in entries, bytes and age.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from turnout.core.clock import Clock
from turnout.wire.codec import Vault
from turnout.wire.neutral import Part, Thinking, ToolCall


@dataclass(frozen=True, slots=True)
class _Entry:
    thinking: tuple[Thinking, ...]
    size: int
    expires: float


class ReasoningVault:
    """Keeps reasoning by (key, tool-call id)."""

    def __init__(
        self, clock: Clock, *, max_entries: int = 20_000, max_bytes: int = 64 << 20, seconds: float = 3600.0
    ) -> None:
        self._clock = clock
        self._max_entries, self._max_bytes, self._seconds = max_entries, max_bytes, seconds
        self._entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def keep(self, key_id: str, parts: Sequence[Part], provider: str) -> None:
        """Takes the reasoning out of an answer and files it under each of its tool calls."""
        thinking = tuple(part for part in parts if isinstance(part, Thinking))
        for part in parts:
            if not isinstance(part, ToolCall):
                continue
            kept = thinking
            if part.signature:
                kept = (*thinking, Thinking(text="", signature=part.signature, origin=provider))
            if kept:
                self._put((key_id, part.id), kept)

    def of(self, key_id: str) -> Vault:
        """The view of one key: no other key's reasoning can be reached through it."""

        def look_up(call_id: str) -> Sequence[Thinking]:
            entry = self._entries.get((key_id, call_id))
            if entry is None or entry.expires <= self._clock.monotonic():
                return ()
            return entry.thinking

        return look_up

    def _put(self, key: tuple[str, str], thinking: tuple[Thinking, ...]) -> None:
        size = sum(len(part.text) + len(part.signature or "") + len(part.encrypted or "") + 200 for part in thinking)
        if size > self._max_bytes:
            return
        old = self._entries.pop(key, None)
        if old is not None:
            self.bytes -= old.size
        self._entries[key] = _Entry(thinking, size, self._clock.monotonic() + self._seconds)
        self.bytes += size
        while len(self._entries) > self._max_entries or self.bytes > self._max_bytes:
            _, oldest = self._entries.popitem(last=False)
            self.bytes -= oldest.size
