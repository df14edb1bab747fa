"""`data:` URLs, in which clients send images and files."""

from __future__ import annotations


def split_data_url(url: str) -> tuple[str, str] | None:
    """(media type, base64 data) of a `data:` URL; None for any other URL."""
    if not url.startswith("data:"):
        return None
    head, _, data = url[5:].partition(",")
    return head.removesuffix(";base64") or "application/octet-stream", data
