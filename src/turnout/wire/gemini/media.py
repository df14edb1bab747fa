"""Images, documents and sounds in Gemini's words: inline bytes, or a URL that Google fetches.

https://ai.google.dev/gemini-api/docs/file-input-methods
"""

from __future__ import annotations

from turnout.core.json import JsonObject
from turnout.core.target import Target
from turnout.wire.neutral import Media
from turnout.wire.parameters import Unexpressed

_BY_ENDING = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "heic": "image/heic",
    "heif": "image/heif",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "csv": "text/csv",
    "html": "text/html",
    "md": "text/markdown",
    "wav": "audio/wav",
    "mp3": "audio/mp3",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
}
_BY_KIND = {"image": "image/jpeg", "document": "application/pdf", "audio": "audio/wav"}
"""Gemini demands a type; where nothing tells it, the most common one of the kind is named."""


def media_part(part: Media, target: Target, problems: Unexpressed) -> JsonObject | None:
    """The part, or None where it was dropped. Raises Unsupported for another provider's file ids."""
    if part.kind == "image" and not target.quirks.images:
        problems.cannot("messages", f"'{target.model}' takes no images", param="messages")
        return None
    if part.data is not None:
        return {"inlineData": {"mimeType": media_type(part), "data": part.data}}
    if part.url is not None:
        return {"fileData": {"mimeType": media_type(part), "fileUri": part.url}}
    problems.cannot("messages", f"a {part.kind} by file id is known to its own provider only", param="messages")
    return None


def media_type(part: Media) -> str:
    """The type as given, or read from the ending of the URL or name."""
    if part.media_type:
        return part.media_type
    path = (part.url or part.name or "").partition("?")[0].partition("#")[0]
    return _BY_ENDING.get(path.rpartition(".")[2].lower(), _BY_KIND[part.kind])
