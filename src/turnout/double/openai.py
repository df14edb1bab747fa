"""Answers in OpenAI's dialects: chat completions, completions, embeddings, responses.

Shapes: https://platform.openai.com/docs/api-reference (openai-python 3.54 types).
"""

from __future__ import annotations

from turnout.core.json import Json, JsonObject
from turnout.double.answers import CREATED, Answer, ToolUse, dumps, frame, pieces, words
from turnout.double.record import Tokens
from turnout.double.script import Reply, json, sse

DONE = b"data: [DONE]\n\n"
_FINISH = {"stop": "stop", "length": "length", "tools": "tool_calls", "refusal": "content_filter"}


def chat(answer: Answer = Answer()) -> Reply:  # noqa: B008 an Answer is frozen
    """A chat completion, whole."""
    message: JsonObject = {"role": "assistant", "content": answer.text or None, "refusal": None}
    if answer.reasoning:
        message["reasoning_content"] = answer.reasoning
    if answer.tools:
        message["tool_calls"] = [_tool(tool) for tool in answer.tools]
    body = _chat_head(answer, "chat.completion")
    body["choices"] = [_choice("message", message, _FINISH[answer.ending])]
    if (usage := chat_usage(answer)) is not None:
        body["usage"] = usage
    return _billed(json(dumps(body)), answer.tokens)


def chat_stream(answer: Answer = Answer(), *, usage: bool = True, interleave: bool = False) -> Reply:  # noqa: B008
    """A chat completion as a stream. `interleave`: parallel tool calls take turns, piece by piece."""
    deltas: list[JsonObject] = [{"role": "assistant", "content": "", "refusal": None}]
    for word in words(answer.reasoning):
        deltas.append({"reasoning_content": word})
    for word in words(answer.text):
        deltas.append({"content": word})
    deltas += _tool_deltas(answer.tools, interleave)
    frames = [_chat_chunk(answer, delta, None) for delta in deltas]
    frames.append(_chat_chunk(answer, {}, _FINISH[answer.ending]))
    counted = chat_usage(answer)
    if usage and counted is not None:
        last = _chat_head(answer, "chat.completion.chunk")
        frames.append(frame({**last, "choices": [], "usage": counted}))
    return sse([*frames, DONE], tokens=answer.tokens)


def completion(answer: Answer = Answer()) -> Reply:  # noqa: B008
    """A legacy text completion, whole."""
    body = _chat_head(answer, "text_completion")
    body["choices"] = [{"index": 0, "text": answer.text, "logprobs": None, "finish_reason": _text_finish(answer)}]
    if (usage := chat_usage(answer)) is not None:
        body["usage"] = usage
    return _billed(json(dumps(body)), answer.tokens)


def completion_stream(answer: Answer = Answer()) -> Reply:  # noqa: B008
    """A legacy text completion as a stream."""
    head = _chat_head(answer, "text_completion")
    frames: list[bytes] = []
    for word in words(answer.text):
        frames.append(frame({**head, "choices": [{"index": 0, "text": word, "logprobs": None, "finish_reason": None}]}))
    finish = _text_finish(answer)
    frames.append(frame({**head, "choices": [{"index": 0, "text": "", "logprobs": None, "finish_reason": finish}]}))
    if (usage := chat_usage(answer)) is not None:
        frames.append(frame({**head, "choices": [], "usage": usage}))
    return sse([*frames, DONE], tokens=answer.tokens)


def embeddings(inputs: int = 1, *, model: str = "echo-1", tokens: int = 5, size: int = 4) -> Reply:
    """Embeddings, one vector for each input."""
    data: list[Json] = []
    for index in range(inputs):
        vector: list[Json] = [0.25 * (index + 1)] * size
        data.append({"object": "embedding", "index": index, "embedding": vector})
    usage: JsonObject = {"prompt_tokens": tokens, "total_tokens": tokens}
    reply = json(dumps({"object": "list", "data": data, "model": model, "usage": usage}))
    return _billed(reply, Tokens(input=tokens))


def error(status: int, message: str, *, code: str | None = None, kind: str = "invalid_request_error") -> Reply:
    """An error body with its status, as OpenAI writes it."""
    return json(dumps({"error": {"message": message, "type": kind, "param": None, "code": code}}), status=status)


def chat_usage(answer: Answer) -> Json:
    """The usage object of chat completions; None when there is none."""
    if answer.usage is not None:
        return answer.usage
    if (tokens := answer.tokens) is None:
        return None
    prompt: JsonObject = {"cached_tokens": tokens.cached}
    if tokens.cache_write:
        prompt["cache_write_tokens"] = tokens.cache_write
    return {
        "prompt_tokens": tokens.input,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.input + tokens.output,
        "prompt_tokens_details": prompt,
        "completion_tokens_details": {"reasoning_tokens": tokens.reasoning},
    }


def _text_finish(answer: Answer) -> str:
    """Legacy completions know no tools."""
    return "stop" if answer.ending == "tools" else _FINISH[answer.ending]


def _billed(reply: Reply, tokens: Tokens | None) -> Reply:
    return Reply(status=reply.status, headers=reply.headers, body=reply.body, tokens=tokens)


def _chat_head(answer: Answer, kind: str) -> JsonObject:
    head: JsonObject = {"id": f"chatcmpl-{answer.id}", "object": kind, "created": CREATED, "model": answer.model}
    return head if answer.tier is None else {**head, "service_tier": answer.tier}


def _choice(slot: str, content: JsonObject, finish: str | None) -> JsonObject:
    return {"index": 0, slot: content, "logprobs": None, "finish_reason": finish}


def _chat_chunk(answer: Answer, delta: JsonObject, finish: str | None) -> bytes:
    return frame({**_chat_head(answer, "chat.completion.chunk"), "choices": [_choice("delta", delta, finish)]})


def _tool(tool: ToolUse) -> JsonObject:
    return {"id": tool.id, "type": "function", "function": {"name": tool.name, "arguments": tool.arguments}}


def _tool_deltas(tools: tuple[ToolUse, ...], interleave: bool) -> list[JsonObject]:
    queues: list[list[JsonObject]] = []
    for index, tool in enumerate(tools):
        opened = _tool(tool)
        queue: list[JsonObject] = [{**opened, "index": index, "function": {"name": tool.name, "arguments": ""}}]
        for piece in pieces(tool.arguments):
            queue.append({"index": index, "function": {"arguments": piece}})
        queues.append(queue)
    if interleave:
        longest = max((len(queue) for queue in queues), default=0)
        ordered = [queue[turn] for turn in range(longest) for queue in queues if turn < len(queue)]
    else:
        ordered = [call for queue in queues for call in queue]
    return [{"tool_calls": [call]} for call in ordered]
