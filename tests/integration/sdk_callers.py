"""The official clients as one function: a `Talk` in, a `Got` out, in each of their four ways of asking."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import anthropic
import openai
from dialect_world import World
from talk import Answered, Call, Called, Counts, Got, Said, Talk, Turn

from harness import KEY

Mode = Literal["whole", "stream", "async", "async_stream"]
MODES: tuple[Mode, ...] = ("whole", "stream", "async", "async_stream")
Caller: TypeAlias = Callable[[World, str, Talk, Mode], Got]


# ---- chat completions --------------------------------------------------------------------


def chat_arguments(talk: Talk) -> dict[str, Any]:
    """What openai's chat methods are called with."""
    messages: list[Any] = [{"role": "system", "content": talk.system}] if talk.system else []
    for turn in talk.turns:
        messages.extend(_chat_turn(turn))
    asked: dict[str, Any] = {"messages": messages, "max_completion_tokens": talk.max_tokens}
    if talk.tools:
        asked["tools"] = [openai.pydantic_function_tool(tool) for tool in talk.tools]
    if talk.force:
        asked["tool_choice"] = {"type": "function", "function": {"name": talk.force}}
    if talk.effort:
        asked["reasoning_effort"] = talk.effort
    if talk.stop:
        asked["stop"] = list(talk.stop)
    if talk.temperature is not None:
        asked["temperature"] = talk.temperature
    return asked


def _chat_turn(turn: Turn) -> list[Any]:
    match turn:
        case Said(picture=""):
            return [{"role": turn.role, "content": turn.text}]
        case Said():
            picture = {"type": "image_url", "image_url": {"url": turn.picture}}
            return [{"role": turn.role, "content": [{"type": "text", "text": turn.text}, picture]}]
        case Called():
            calls = [
                {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}}
                for c in turn.calls
            ]
            return [{"role": "assistant", "content": turn.text or None, "tool_calls": calls}]
        case Answered():
            return [{"role": "tool", "tool_call_id": call, "content": text} for call, text in turn.results]


def chat(world: World, model: str, talk: Talk, mode: Mode) -> Got:
    """openai-python, `chat.completions`."""
    asked = {"model": model, **chat_arguments(talk)}
    shape = {"response_format": talk.schema} if talk.schema else {}
    usage = {"stream_options": {"include_usage": True}}

    async def asynchronous() -> Any:
        async with openai.AsyncOpenAI(base_url=world.gateway.url + "/v1", api_key=KEY, max_retries=0) as client:
            if mode == "async":
                return await client.chat.completions.parse(**asked, **shape)
            async with client.chat.completions.stream(**asked, **shape, **usage) as stream:
                return await stream.get_final_completion()

    try:
        if mode == "whole":
            completion = world.openai.chat.completions.parse(**asked, **shape)
        elif mode == "stream":
            with world.openai.chat.completions.stream(**asked, **shape, **usage) as stream:
                completion = stream.get_final_completion()
        else:
            completion = asyncio.run(asynchronous())
    except openai.LengthFinishReasonError as error:  # the parse helpers' way to say so
        completion = error.completion
    except openai.ContentFilterFinishReasonError:
        return Got(text="", reasoning="", calls=(), finish="refusal", parsed=None, counts=_NOTHING, model=model)
    return _chat_got(completion)


_NOTHING = Counts(input=0, cached=0, cache_write=0, output=0, reasoning=0)
_FINISH: Mapping[str, Any] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tools",
    "content_filter": "refusal",
    "end_turn": "stop",
    "max_tokens": "length",
    "tool_use": "tools",
    "refusal": "refusal",
    "max_output_tokens": "length",
}


def _chat_got(completion: Any) -> Got:
    (choice,) = completion.choices
    message, usage = choice.message, completion.usage
    return Got(
        text=message.content or "",
        reasoning=(message.model_extra or {}).get("reasoning_content") or "",
        calls=tuple(
            Call(id=c.id, name=c.function.name, arguments=c.function.arguments) for c in message.tool_calls or ()
        ),
        finish=_FINISH.get(choice.finish_reason, "other"),
        parsed=getattr(message, "parsed", None),
        counts=Counts(
            input=usage.prompt_tokens,
            cached=_of(usage.prompt_tokens_details, "cached_tokens"),
            cache_write=_of(usage.prompt_tokens_details, "cache_write_tokens"),
            output=usage.completion_tokens,
            reasoning=_of(usage.completion_tokens_details, "reasoning_tokens"),
        ),
        model=completion.model,
    )


def _of(details: Any, name: str) -> int:
    return getattr(details, name, None) or 0


# ---- responses ---------------------------------------------------------------------------


def responses_arguments(talk: Talk) -> dict[str, Any]:
    """What openai's responses methods are called with."""
    items = [item for turn in talk.turns for item in _items(turn)]
    asked: dict[str, Any] = {"input": items, "max_output_tokens": talk.max_tokens, "store": False}
    if talk.system:
        asked["instructions"] = talk.system
    if talk.tools:
        asked["tools"] = [_flat(openai.pydantic_function_tool(tool)) for tool in talk.tools]
    if talk.force:
        asked["tool_choice"] = {"type": "function", "name": talk.force}
    if talk.effort:
        asked["reasoning"] = {"effort": talk.effort, "summary": "auto"}
    if talk.temperature is not None:
        asked["temperature"] = talk.temperature
    return asked


def _flat(tool: Any) -> Any:
    return {"type": "function", **tool["function"]}


def _items(turn: Turn) -> list[Any]:
    match turn:
        case Said(picture=""):
            return [{"role": turn.role, "content": turn.text}]
        case Said():
            picture = {"type": "input_image", "image_url": turn.picture, "detail": "auto"}
            return [{"role": turn.role, "content": [{"type": "input_text", "text": turn.text}, picture]}]
        case Called():
            said = [{"role": "assistant", "content": turn.text}] if turn.text else []
            return said + [
                {"type": "function_call", "call_id": c.id, "name": c.name, "arguments": c.arguments} for c in turn.calls
            ]
        case Answered():
            return [{"type": "function_call_output", "call_id": call, "output": text} for call, text in turn.results]


def responses(world: World, model: str, talk: Talk, mode: Mode) -> Got:
    """openai-python, `responses`."""
    asked = {"model": model, **responses_arguments(talk)}
    shape = {"text_format": talk.schema} if talk.schema else {}

    async def asynchronous() -> Any:
        async with openai.AsyncOpenAI(base_url=world.gateway.url + "/v1", api_key=KEY, max_retries=0) as client:
            if mode == "async":
                return await client.responses.parse(**asked, **shape)
            async with client.responses.stream(**asked, **shape) as stream:
                events = [event async for event in stream]
                return await stream.get_final_response() if _complete(events) else events[-1].response

    if mode == "whole":
        answer = world.openai.responses.parse(**asked, **shape)
    elif mode == "stream":
        with world.openai.responses.stream(**asked, **shape) as stream:
            events = list(stream)
            answer = stream.get_final_response() if _complete(events) else events[-1].response
    else:
        answer = asyncio.run(asynchronous())
    return _responses_got(answer)


def _complete(events: list[Any]) -> bool:
    """The helper knows complete answers only; an incomplete one stands in the last event."""
    assert events[-1].type in ("response.completed", "response.incomplete")
    return events[-1].type == "response.completed"


def _responses_got(answer: Any) -> Got:
    calls = tuple(
        Call(id=item.call_id, name=item.name, arguments=item.arguments)
        for item in answer.output
        if item.type == "function_call"
    )
    reasoning = "".join(
        part.text
        for item in answer.output
        if item.type == "reasoning"
        for part in [*(item.summary or ()), *(item.content or ())]
    )
    finish = "tools" if calls else "stop"
    if answer.status == "incomplete":
        finish = _FINISH.get(answer.incomplete_details.reason, "other")
    elif any(p.type == "refusal" for item in answer.output if item.type == "message" for p in item.content):
        finish = "refusal"
    usage = answer.usage
    return Got(
        text=answer.output_text,
        reasoning=reasoning,
        calls=calls,
        finish=finish,
        parsed=getattr(answer, "output_parsed", None),
        counts=Counts(
            input=usage.input_tokens,
            cached=usage.input_tokens_details.cached_tokens,
            cache_write=usage.input_tokens_details.cache_write_tokens,
            output=usage.output_tokens,
            reasoning=usage.output_tokens_details.reasoning_tokens,
        ),
        model=answer.model,
    )


# ---- messages ----------------------------------------------------------------------------

BUDGETS = {"low": 1024, "medium": 2048, "high": 3000}
"""How an Anthropic client says how much to think."""


def messages_arguments(talk: Talk) -> dict[str, Any]:
    """What anthropic's message methods are called with."""
    asked: dict[str, Any] = {"messages": [_message(turn) for turn in talk.turns], "max_tokens": talk.max_tokens}
    if talk.system:
        asked["system"] = talk.system
    if talk.tools:
        asked["tools"] = [
            {"name": tool.__name__, "description": tool.__doc__, "input_schema": tool.model_json_schema()}
            for tool in talk.tools
        ]
    if talk.force:
        asked["tool_choice"] = {"type": "tool", "name": talk.force}
    if talk.effort:
        asked["thinking"] = {"type": "enabled", "budget_tokens": BUDGETS[talk.effort]}
    if talk.stop:
        asked["stop_sequences"] = list(talk.stop)
    if talk.temperature is not None:
        asked["extra_body"] = {"temperature": talk.temperature}  # this client has no argument for it any more
    return asked


def _message(turn: Turn) -> Any:
    match turn:
        case Said(picture=""):
            return {"role": turn.role, "content": turn.text}
        case Said():
            head, _, data = turn.picture.partition(";base64,")
            source = (
                {"type": "base64", "media_type": head.removeprefix("data:"), "data": data}
                if data
                else {"type": "url", "url": turn.picture}
            )
            blocks = [{"type": "text", "text": turn.text}, {"type": "image", "source": source}]
            return {"role": turn.role, "content": blocks}
        case Called():
            said = [{"type": "text", "text": turn.text}] if turn.text else []
            calls = [
                {"type": "tool_use", "id": c.id, "name": c.name, "input": json.loads(c.arguments)} for c in turn.calls
            ]
            return {"role": "assistant", "content": said + calls}
        case Answered():
            results = [{"type": "tool_result", "tool_use_id": call, "content": text} for call, text in turn.results]
            return {"role": "user", "content": results}


def messages(world: World, model: str, talk: Talk, mode: Mode) -> Got:
    """anthropic's client, `messages`."""
    asked = {"model": model, **messages_arguments(talk)}
    shape = {"output_format": talk.schema} if talk.schema else {}

    async def asynchronous() -> Any:
        async with anthropic.AsyncAnthropic(base_url=world.gateway.url, api_key=KEY, max_retries=0) as client:
            if mode == "async":
                return await client.messages.parse(**asked, **shape)
            async with client.messages.stream(**asked, **shape) as stream:
                return await stream.get_final_message()

    if mode == "whole":
        answer = world.anthropic.messages.parse(**asked, **shape)
    elif mode == "stream":
        with world.anthropic.messages.stream(**asked, **shape) as stream:
            answer = stream.get_final_message()
    else:
        answer = asyncio.run(asynchronous())
    return _message_got(answer)


def _message_got(answer: Any) -> Got:
    usage = answer.usage
    read, wrote = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    return Got(
        text="".join(block.text for block in answer.content if block.type == "text"),
        reasoning="".join(block.thinking for block in answer.content if block.type == "thinking"),
        calls=tuple(
            Call(id=block.id, name=block.name, arguments=json.dumps(block.input))
            for block in answer.content
            if block.type == "tool_use"
        ),
        finish=_FINISH.get(answer.stop_reason, "other"),
        parsed=answer.parsed_output,
        counts=Counts(
            input=usage.input_tokens + read + wrote,
            cached=read,
            cache_write=wrote,
            output=usage.output_tokens,
            reasoning=_of(usage.output_tokens_details, "thinking_tokens"),
        ),
        model=answer.model,
    )


CALLERS: Mapping[str, Caller] = {"chat": chat, "responses": responses, "messages": messages}
