"""All dialects, by name."""

from __future__ import annotations

from collections.abc import Mapping

from turnout.core.target import Dialect
from turnout.wire import (
    anthropic,
    gemini,
    openai_chat,
    openai_completions,
    openai_embeddings,
    openai_responses,
)
from turnout.wire.codec import Codec

CODECS: Mapping[Dialect, Codec] = {
    codec.dialect: codec
    for codec in (
        openai_chat.CODEC,
        openai_responses.CODEC,
        openai_completions.CODEC,
        openai_embeddings.CODEC,
        anthropic.CODEC,
        gemini.CODEC,
    )
}
