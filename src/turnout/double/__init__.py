"""A scriptable, byte-exact upstream for tests: yours as well as Turnout's own.

It speaks HTTP/1.1 on a real socket, answers exactly the bytes it is told, breaks in every way that providers break,
writes down every byte it receives, and keeps its own bill.

    from turnout.double import Answer, Double, faults, openai

    with Double([faults.status(429, retry_after="1"), openai.chat(Answer(text="Hi"))]) as double:
        ...  # point a provider's base_url at double.url
    assert [request.path for request in double.requests] == ["/v1/chat/completions"] * 2
    assert double.bill[0].tokens.output == 7

Without a script it is an echo model in every dialect; `python -m turnout.double --port 8099` serves that one.
Builders: `openai` (chat, completions, embeddings), `responses`, `anthropic`, `gemini`. Failures: `faults`.
"""

from turnout.double import anthropic, faults, gemini, openai, responses
from turnout.double.answers import Answer, ToolUse
from turnout.double.echo import echo
from turnout.double.record import BillLine, Connected, Received, Tokens
from turnout.double.script import Close, Repeat, Reply, Reset, Script, Send, Stall, Wait, json, raw, sse, text
from turnout.double.server import Double

__all__ = [
    "Answer",
    "BillLine",
    "Close",
    "Connected",
    "Double",
    "Received",
    "Repeat",
    "Reply",
    "Reset",
    "Script",
    "Send",
    "Stall",
    "Tokens",
    "ToolUse",
    "Wait",
    "anthropic",
    "echo",
    "faults",
    "gemini",
    "json",
    "openai",
    "raw",
    "responses",
    "sse",
    "text",
]
