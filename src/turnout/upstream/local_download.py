"""Downloads a file over HTTP into a partial file: resumable, with the environment's proxies, never over plain http."""

from __future__ import annotations

import re
import shutil
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote, urlsplit

from turnout.core.errors import ConfigError
from turnout.upstream.local_weights import Progress

_HUB = "https://huggingface.co"
_CHUNK = 1 << 20
_SILENCE_SECONDS = 60
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def hub_url(source: str) -> str:
    """`hf:owner/repo/path/file.gguf`, with `@revision` behind `repo` where it is not `main`."""
    match = re.fullmatch(r"hf:([\w.-]+)/([\w.-]+)(?:@([\w.-]+))?/(\S+\.gguf)", source)
    if match is None:
        raise ConfigError(f"'{source}' is not of the form hf:OWNER/REPO/FILE.gguf.")
    owner, repo, revision, file = match.groups()
    return f"{_HUB}/{owner}/{repo}/resolve/{revision or 'main'}/{quote(file)}"


def _check_address(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise ConfigError(f"Weights are not fetched over plain http from '{parts.hostname}'. Use https.")


def download(url: str, part: Path, progress: Progress, *, resume: bool) -> None:
    """Fetches into `part`. With `resume` it goes on where an earlier try stopped: only right where a digest proves the
    whole afterwards. Raises ConfigError with what to do."""
    _check_address(url)
    have = part.stat().st_size if resume and part.is_file() else 0
    headers = {"User-Agent": "turnout", "Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=_SILENCE_SECONDS) as reply:
            _check_address(reply.url)  # where redirects led
            have = have if reply.status == 206 else 0
            left = reply.headers.get("Content-Length")
            total = have + int(left) if left is not None and left.isdigit() else None
            need_space(part.parent, 2 * (total or 0) - have)
            with part.open("ab" if have else "wb") as file:
                while chunk := reply.read(_CHUNK):
                    file.write(chunk)
                    have += len(chunk)
                    progress("Downloading", have, total)
    except urllib.error.HTTPError as error:
        with error:
            if error.code != 416:  # nothing left to fetch: the part is whole, or the digest will say that it is wrong
                raise ConfigError(_http_advice(url, error.code)) from None
        return
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        host = urlsplit(url).hostname
        raise ConfigError(f"'{host}' can't be reached: {reason}. Check the network and the proxy settings.") from None
    if total is not None and have < total:
        raise ConfigError(f"The download was cut off at {have:,} of {total:,} bytes. Run the same command again.")


def _http_advice(url: str, status: int) -> str:
    hint = "The file is not public; fetch it yourself and pull its path." if status in (401, 403) else "Check the URL."
    return f"'{urlsplit(url).hostname}' answered {status} for '{urlsplit(url).path}'. {hint}"


def need_space(folder: Path, size: int) -> None:
    """Raises ConfigError when the disk that holds `folder` has fewer than `size` bytes free."""
    free = shutil.disk_usage(folder).free
    if free < size:
        raise ConfigError(f"'{folder}' has {free / 1e6:.0f} MB free, and {size / 1e6:.0f} MB are needed.")
