"""Through which dialect a deployment is called, given the one the caller speaks."""

from __future__ import annotations

from turnout.catalogue.model import Deployment
from turnout.core.target import Dialect
from turnout.routing.features import Operation

_CHAT = (Dialect.OPENAI_CHAT, Dialect.OPENAI_RESPONSES, Dialect.ANTHROPIC, Dialect.GEMINI)
_PATHS: dict[Dialect, tuple[Dialect, ...]] = {
    # The caller's own dialect always comes first: its bytes can go through untouched.
    Dialect.OPENAI_CHAT: (Dialect.OPENAI_CHAT, *_CHAT),
    Dialect.OPENAI_RESPONSES: (Dialect.OPENAI_RESPONSES, *_CHAT),
    Dialect.ANTHROPIC: (Dialect.ANTHROPIC, *_CHAT),
    Dialect.OPENAI_COMPLETIONS: (Dialect.OPENAI_COMPLETIONS, *_CHAT),
    Dialect.OPENAI_EMBEDDINGS: (Dialect.OPENAI_EMBEDDINGS,),
}


def path_dialect(deployment: Deployment, caller: Dialect, operation: Operation = "chat") -> Dialect | None:
    """The dialect to call it in: the caller's, else the deployment's own first choice; None where there is no path.

    Counting tokens is possible everywhere, because where the provider does not count, Turnout does.
    """
    possible = _PATHS.get(caller, ())
    if caller in possible and caller in deployment.endpoints:
        return caller
    for dialect in deployment.endpoints:
        if dialect in possible:
            return dialect
    return None
