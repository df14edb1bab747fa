"""Parameters that a target can't express: refused by the caller's own name, or dropped where the route says so."""

from __future__ import annotations

from collections.abc import Iterable

from turnout.core.errors import Unsupported
from turnout.core.target import Dialect, Target
from turnout.wire.neutral import Request

_NAMES: dict[Dialect, dict[str, str]] = {
    Dialect.OPENAI_CHAT: {
        "max_tokens": "max_completion_tokens",
        "choices": "n",
        "output": "response_format",
        "reasoning": "reasoning_effort",
        "cache_key": "prompt_cache_key",
    },
    Dialect.OPENAI_COMPLETIONS: {"choices": "n", "messages": "prompt"},
    Dialect.OPENAI_RESPONSES: {
        "max_tokens": "max_output_tokens",
        "output": "text.format",
        "verbosity": "text.verbosity",
        "cache_key": "prompt_cache_key",
    },
    Dialect.ANTHROPIC: {
        "stop": "stop_sequences",
        "output": "output_config.format",
        "reasoning": "thinking",
        "user": "metadata.user_id",
        "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
    },
}


HARMLESS = frozenset({"metadata", "context_management", "include", "truncation", "container", "mcp_servers"})
"""Fields of other dialects that change no answer when empty or left out; those that hold something are refused."""


def caller_name(dialect: Dialect, parameter: str) -> str:
    """What the caller of that dialect calls a field of `neutral.Request`."""
    return _NAMES.get(dialect, {}).get(parameter, parameter)


class Unexpressed:
    """Collects what a target can't express. `cannot` raises unless the route allows the drop."""

    __slots__ = ("_request", "_target", "dropped")

    def __init__(self, request: Request, target: Target) -> None:
        self._request = request
        self._target = target
        self.dropped: list[str] = []

    def cannot(self, parameter: str, why: str = "", *, param: str | None = None) -> None:
        """`parameter` is the neutral name; `param` overrides the path that the error names."""
        name = caller_name(self._request.dialect, parameter)
        if name in self._target.drop or parameter in self._target.drop:
            self.dropped.append(name)
            return
        reason = why or f"'{self._target.model}' at {self._target.provider} has no such parameter"
        raise Unsupported(
            f"'{param or name}' can't be sent: {reason}. Leave it out, choose another model, or add "
            f"'{name}' to the route's `drop` list.",
            param=param or name,
        )

    def hint(self, parameter: str) -> None:
        """Leaves out a wish that changes no answer's correctness, and says so in the record."""
        self.dropped.append(caller_name(self._request.dialect, parameter))

    def cannot_extra(self, harmless: Iterable[str] = ()) -> None:
        """Refuses every field that only the caller's dialect knows, but for hints that change no answer."""
        skip = frozenset(harmless)
        for name in self._request.extra:
            if name not in skip:
                self.cannot(name, f"{self._target.dialect.value} has no such field")
