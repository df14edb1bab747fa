"""Answers in Gemini's dialect (generateContent, streamGenerateContent with alt=sse).

Shapes: https://ai.google.dev/api/generate-content (google-genai 3.4 types).
"""

from __future__ import annotations

import dataclasses

import orjson

from turnout.core.json import Json, JsonObject
from turnout.double.answers import Answer, ToolUse, dumps, frame, words
from turnout.double.script import Reply, json, sse

_FINISH = {"stop": "STOP", "length": "MAX_TOKENS", "tools": "STOP", "refusal": "SAFETY"}
SIGNATURE = "ZG91YmxlLXRob3VnaHQ="


def generate(answer: Answer = Answer()) -> Reply:  # noqa: B008 an Answer is frozen
    """A whole answer."""
    parts: list[JsonObject] = []
    if answer.reasoning:
        parts.append({"text": answer.reasoning, "thought": True})
    if answer.text:
        parts.append({"text": answer.text})
    parts += [_call(tool) for tool in answer.tools]
    body = _chunk(answer, parts, _FINISH[answer.ending])
    return dataclasses.replace(json(dumps(body)), tokens=answer.tokens)


def generate_stream(answer: Answer = Answer()) -> Reply:  # noqa: B008
    """The same as a stream; there is no terminal mark but the finish reason."""
    parts: list[JsonObject] = []
    for word in words(answer.reasoning):
        parts.append({"text": word, "thought": True})
    for word in words(answer.text):
        parts.append({"text": word})
    parts += [_call(tool) for tool in answer.tools]
    parts = parts or [{"text": ""}]  # the finish reason needs a chunk to stand in
    last = len(parts) - 1
    frames: list[bytes] = []
    for number, part in enumerate(parts):
        frames.append(frame(_chunk(answer, [part], _FINISH[answer.ending] if number == last else None)))
    return sse(frames, tokens=answer.tokens)


def error(status: int, message: str, *, kind: str = "INVALID_ARGUMENT") -> Reply:
    """An error body with its status, as Google writes it."""
    return json(dumps({"error": {"code": status, "message": message, "status": kind}}), status=status)


def _chunk(answer: Answer, parts: list[JsonObject], finish: str | None) -> JsonObject:
    listed: list[Json] = list(parts)
    candidate: JsonObject = {"content": {"role": "model", "parts": listed}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    body: JsonObject = {"candidates": [candidate], "modelVersion": answer.model, "responseId": f"gen_{answer.id}"}
    if (usage := _usage(answer)) is not None:
        body["usageMetadata"] = usage
    return body


def _usage(answer: Answer) -> Json:
    if answer.usage is not None:
        return answer.usage
    if (tokens := answer.tokens) is None:
        return None
    said: JsonObject = {} if answer.tier is None else {"trafficType": answer.tier}
    return {  # Gemini's candidates exclude the thoughts
        **said,
        "promptTokenCount": tokens.input,
        "cachedContentTokenCount": tokens.cached,
        "candidatesTokenCount": tokens.output - tokens.reasoning,
        "thoughtsTokenCount": tokens.reasoning,
        "totalTokenCount": tokens.input + tokens.output,
    }


def _call(tool: ToolUse) -> JsonObject:
    arguments: Json = orjson.loads(tool.arguments)
    return {"functionCall": {"id": tool.id, "name": tool.name, "args": arguments}, "thoughtSignature": SIGNATURE}
