"""What the double does without a script: an echo model, in the dialect of the path.

It answers with the last words of the caller. A model whose name starts with `fail-` fails instead: `fail-429`,
`fail-500` and so on answer with that status, `fail-cut` and `fail-stall` break off after three events,
`fail-reset` resets the connection, `fail-empty` answers an empty 200, `fail-html` a web page.
"""

from __future__ import annotations

from collections.abc import Callable

from turnout.core.json import Json, JsonMap
from turnout.double import anthropic, faults, gemini, openai, responses
from turnout.double.answers import Answer
from turnout.double.record import Received, Tokens
from turnout.double.script import Reply


def echo(request: Received) -> Reply:
    """The default script."""
    return _failing(request.model, _answering(request))


def _answering(request: Received) -> Reply:
    path, body = request.path, request.json
    stream = body.get("stream") is True
    answer = _answer(request)
    if path.endswith("/chat/completions"):
        options = body.get("stream_options")
        usage = isinstance(options, dict) and options.get("include_usage") is True
        return openai.chat_stream(answer, usage=usage) if stream else openai.chat(answer)
    if path.endswith("/completions"):
        return openai.completion_stream(answer) if stream else openai.completion(answer)
    if path.endswith("/responses"):
        return responses.responses_stream(answer) if stream else responses.responses(answer)
    if path.endswith("/messages/count_tokens"):
        return anthropic.count_tokens(_count(_said(body)))
    if path.endswith("/messages"):
        return anthropic.messages_stream(answer) if stream else anthropic.messages(answer)
    if path.endswith("/embeddings"):
        given = body.get("input")
        return openai.embeddings(len(given) if isinstance(given, list) else 1, model=request.model)
    if path.endswith(":streamGenerateContent"):
        return gemini.generate_stream(answer)
    if path.endswith(":generateContent"):
        return gemini.generate(answer)
    return openai.error(404, f"The double has no endpoint {path}.", code="not_found")


def _answer(request: Received) -> Answer:
    said = _said(request.json)
    return Answer(
        text=said or "Hello.",
        tokens=Tokens(input=_count(said), output=_count(said or "Hello.")),
        model=request.model or "echo-1",
        id=f"{request.number:06d}",
    )


def _count(text: str) -> int:
    return max(1, len(text.split()))


def _said(body: JsonMap) -> str:
    """The last text of the last turn, wherever the dialect keeps it."""
    for key in ("messages", "input", "contents", "prompt"):
        if (found := _last_text(body.get(key))) is not None:
            return found
    return ""


def _last_text(value: Json) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        for item in reversed(value):
            if (found := _last_text(item)) is not None:
                return found
    if isinstance(value, dict):
        for key in ("content", "parts", "text"):
            if (found := _last_text(value.get(key))) is not None:
                return found
    return None


_FAILURES: dict[str, Callable[[Reply], Reply]] = {
    "fail-cut": lambda good: faults.cut_after(good, 3),
    "fail-stall": lambda good: faults.stall(good, 3),
    "fail-reset": lambda _good: faults.reset_before_headers(),
    "fail-empty": lambda _good: faults.empty_200(),
    "fail-html": lambda _good: faults.html_200(),
}


def _failing(model: str, good: Reply) -> Reply:
    name = model.rpartition("/")[2]
    if name in _FAILURES:
        return _FAILURES[name](good)
    code = name.removeprefix("fail-")
    if code != name and code.isdigit() and 400 <= int(code) <= 599:
        return faults.status(int(code))
    return good
