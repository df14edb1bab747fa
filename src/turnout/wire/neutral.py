"""The neutral request, response and stream events: what every dialect is translated through.

A request that stays in its dialect never passes through here on its way upstream: its bytes are sent
as they came. These types are for reading a copy (policy, usage) and for crossing dialects.

Conventions
- `input_tokens` of a Usage contains cached reads and cache writes; `output_tokens` contains reasoning.
  A dialect that counts otherwise converts on reading and on writing. None means "not reported", which is not 0.
- A stream is a sequence of parts. Each part has an index: PartStarted, any number of PartDelta, PartStopped.
  Parts may be open at the same time (OpenAI interleaves parallel tool calls); a dialect that can't
  say so puts them in order. `wire.state` holds the legal order.
- Provider-private values (signatures, encrypted reasoning) carry `origin`, the provider that made them,
  because no other provider accepts them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from turnout.core.json import Json, JsonMap
from turnout.core.target import Dialect

Role = Literal["system", "developer", "user", "assistant", "tool"]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
StopReason = Literal[
    "end", "max_tokens", "stop_sequence", "tool_calls", "refusal", "content_filter", "pause", "context_exceeded"
]
_EMPTY: Mapping[str, Json] = {}

# ---- parts of a message ------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Words. `annotations` are citations in the source dialect's own shape."""

    text: str
    cache_control: JsonMap | None = None
    """Anthropic's cache marker, kept on the part it stood on."""
    refusal: bool = False
    annotations: tuple[JsonMap, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """An image, a document or a sound: by URL, inline (base64) or by a file id of one provider."""

    kind: Literal["image", "document", "audio"]
    media_type: str | None = None
    """Such as `image/png`; None when only a URL is known."""
    data: str | None = None
    """Base64, without a `data:` prefix."""
    url: str | None = None
    file_id: str | None = None
    name: str | None = None
    detail: str | None = None
    """OpenAI's image detail: low, high, auto."""
    cache_control: JsonMap | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Thinking:
    """Reasoning of the model. `text` may be empty when only a private form exists."""

    text: str
    signature: str | None = None
    """Anthropic's signature of the text."""
    encrypted: str | None = None
    """Anthropic's redacted thinking or OpenAI's `encrypted_content`."""
    item_id: str | None = None
    """OpenAI Responses' id of the reasoning item."""
    summary: bool = False
    """The text is a summary written for people, not the reasoning itself."""
    origin: str | None = None
    """The provider that made it; None when a client sent it and it is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """The model asks for a tool."""

    id: str
    name: str
    arguments: str
    """JSON text as the model wrote it (it may be broken), or free text for a custom tool."""
    custom: bool = False
    signature: str | None = None
    """Gemini's `thoughtSignature` of this call."""
    origin: str | None = None
    cache_control: JsonMap | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """What the tool said."""

    call_id: str
    content: tuple[Text | Media, ...]
    is_error: bool = False
    custom: bool = False
    cache_control: JsonMap | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opaque:
    """A part or item that only its own dialect understands, carried whole."""

    dialect: Dialect
    kind: str
    """Its `type` there."""
    raw: JsonMap


Part: TypeAlias = "Text | Media | Thinking | ToolCall | ToolResult | Opaque"


@dataclass(frozen=True, slots=True)
class Message:
    """One turn, or one instruction. Tool results stand in messages of role `tool`."""

    role: Role
    parts: tuple[Part, ...]
    name: str | None = None


# ---- the request -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A function the model may call, or a free-form (custom) tool."""

    name: str
    description: str | None = None
    parameters: JsonMap | None = None
    """JSON Schema of the arguments; None for a custom tool or where the caller gave none."""
    strict: bool | None = None
    custom: bool = False
    format: JsonMap | None = None
    """Grammar of a custom tool, in OpenAI's shape."""
    cache_control: JsonMap | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedTool:
    """A tool that the provider itself runs (web search, code interpreter): known to its dialect only."""

    dialect: Dialect
    kind: str
    raw: JsonMap


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolChoice:
    """`named` needs a name. `allowed` limits `auto` or `required` to some tools where a dialect can."""

    mode: Literal["auto", "none", "required", "named"]
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFormat:
    """Free JSON, or JSON by schema."""

    kind: Literal["json_object", "json_schema"]
    name: str = "answer"
    schema: JsonMap | None = None
    strict: bool | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasoning:
    """How much to think. All None: the caller said nothing."""

    effort: Effort | None = None
    budget_tokens: int | None = None
    enabled: bool | None = None
    summary: str | None = None
    """OpenAI Responses: auto, concise, detailed."""
    encrypted: bool = False
    """The caller asked for encrypted reasoning to be returned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request in no dialect."""

    dialect: Dialect
    """The dialect it came in."""
    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool | HostedTool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    choices: int = 1
    answers: int | None = None
    """Texts that are written and charged for, where they are more than `choices`: for several prompts, or to take the
    best of them."""
    logprobs: bool = False
    top_logprobs: int | None = None
    logit_bias: JsonMap | None = None
    output: OutputFormat | None = None
    verbosity: str | None = None
    reasoning: Reasoning | None = None
    stream: bool = False
    stream_usage: bool = False
    """The caller asked for usage in the stream (chat completions only; elsewhere it is always there)."""
    user: str | None = None
    """The end user's id, as the caller gave it."""
    cache_key: str | None = None
    """OpenAI's `prompt_cache_key`."""
    service_tier: str | None = None
    metadata: JsonMap | None = None
    store: bool | None = None
    extra: JsonMap = field(default_factory=lambda: _EMPTY)
    """Top-level fields that the neutral form does not know, by their name in the caller's dialect. They travel only
    to a target of the same dialect; elsewhere each is refused or dropped as the route says."""

    @property
    def charged_answers(self) -> int:
        """Texts that are written and charged for."""
        return self.answers or self.choices

    def custom_tools(self) -> frozenset[str]:
        """Names of the free-form tools: a call of one that was bridged as a function is unwrapped for the caller."""
        return frozenset(tool.name for tool in self.tools if isinstance(tool, Tool) and tool.custom)


@dataclass(frozen=True, slots=True)
class Rendered:
    """A request written for a target."""

    body: dict[str, Json]
    dropped: tuple[str, ...] = ()
    """Parameters left out because the route allows it, by the caller's field name."""


# ---- usage, response ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens by class. None: not reported. See the module's conventions."""

    input_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    """All cache writes, whatever their lifetime."""
    cache_write_1h_tokens: int | None = None
    """The part of the writes that lives an hour."""
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    service_tier: str | None = None
    """What the provider says it served: standard, flex, priority, batch."""
    speed: str | None = None
    """Anthropic's: standard, or fast, which costs more."""
    inference_geo: str | None = None
    """Where inference ran, in Anthropic's words: global, us, not_available. Some places cost more."""
    raw: JsonMap = field(default_factory=lambda: _EMPTY)
    """The provider's own usage object, for a caller of the same dialect and for audits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A whole answer in no dialect."""

    id: str
    model: str
    parts: tuple[Part, ...]
    stop_reason: StopReason
    stop_sequence: str | None = None
    usage: Usage | None = None
    created: int | None = None
    """Seconds since 1970, where the provider says."""


# ---- stream events -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Started:
    """The answer begins. `usage` is what is known of the input by now."""

    id: str
    model: str
    usage: Usage | None = None
    created: int | None = None


PartKind = Literal["text", "thinking", "tool_call", "opaque"]


@dataclass(frozen=True, slots=True)
class PartStarted:
    """A part opens. `call_id` and `name` are set for tool calls; `raw` for opaque parts (whole, no deltas follow)."""

    index: int
    kind: PartKind
    call_id: str | None = None
    name: str | None = None
    custom: bool = False
    signature: str | None = None
    raw: JsonMap | None = None
    refusal: bool = False
    item_id: str | None = None


@dataclass(frozen=True, slots=True)
class PartDelta:
    """More of a part: words, reasoning, or the next piece of a tool call's arguments."""

    index: int
    text: str


@dataclass(frozen=True, slots=True)
class PartSigned:
    """A thinking part's signature or encrypted form arrived (or an annotation, in `annotation`)."""

    index: int
    signature: str | None = None
    encrypted: str | None = None
    annotation: JsonMap | None = None


@dataclass(frozen=True, slots=True)
class PartStopped:
    """A part is complete."""

    index: int


@dataclass(frozen=True, slots=True)
class UsageReported:
    """Token counts so far; a later report replaces an earlier one field by field (None keeps the old value)."""

    usage: Usage


@dataclass(frozen=True, slots=True)
class Finished:
    """The model stopped, and why."""

    reason: StopReason
    stop_sequence: str | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The provider reported an error inside the stream, after status 200."""

    message: str
    code: str | None = None
    """The provider's own error type or code."""
    status: int = 502
    """The HTTP status that the same error would have had."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The provider's terminal mark was seen; nothing comes after it."""


@dataclass(frozen=True, slots=True)
class Ping:
    """The provider is alive and has nothing to say yet."""


Event: TypeAlias = (
    "Started | PartStarted | PartDelta | PartSigned | PartStopped | UsageReported | Finished | Failed | Ended | Ping"
)
