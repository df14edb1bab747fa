"""The process that holds the embedded model. Started by `LocalEngine`; not meant to be run by hand.

    python -P -m turnout.upstream.local_child      one line of JSON in, one line of JSON out, then HTTP until stdin ends

It is a process of its own because xllamacpp holds the interpreter's lock while it loads (measured: 0.42 s for 98 MB
during which no other thread ran), because a fault in native code would take the gateway with it, and because a
process can always be stopped. When its parent dies in whatever way, stdin ends, and so does this.
"""

from __future__ import annotations

import importlib
import os
import sys
import urllib.request
from typing import BinaryIO, NoReturn, cast

import orjson

from turnout.core.json import Json, JsonObject

# Prompt tokens computed between two looks at whether the caller is still there. Measured with SmolLM2-135M on one
# thread: 128, 256, 512 and 2048 all compute about 190 tokens/s, but after an abandoned prompt of 1,500 tokens the
# next caller waits 0.7 s with 128, 1.8 s with 512, and 9.9 s with llama.cpp's default of 2048.
_BATCH = 128
# Seconds between SSE comments while a long prompt is computed; below the transport's idle timeout of 30 s.
_PING = 10
# A connection occupies a thread of the HTTP server while it is open, waiting requests and kept-alive ones included.
_HTTP_THREADS = 16
_ERRORS_ONLY, _INFORMATION = 1, 3


def main() -> None:
    """Serves until stdin ends."""
    answer = _claim_stdout()
    try:
        settings = cast(JsonObject, orjson.loads(sys.stdin.buffer.readline()))
        server, ready = _serve(settings)
    except Exception as error:
        _tell(answer, {"error": f"{type(error).__name__}: {error}"})
        os._exit(1)
    if not settings["debug"]:
        _silence()
    _tell(answer, ready)
    sys.stdin.buffer.read()
    _leave(server)


def _leave(server: object) -> NoReturn:
    """Ends at once. `server` is passed so that it lives until here: its destructor waits for running generations."""
    os._exit(0)


def _silence() -> None:
    """Once loaded, the log would hold a line for each refused request, without end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


def _claim_stdout() -> BinaryIO:
    """The real stdout for the answer; whatever native code prints goes to stderr."""
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answer


def _tell(answer: BinaryIO, message: JsonObject) -> None:
    answer.write(orjson.dumps(message) + b"\n")
    answer.close()


def _serve(settings: JsonObject) -> tuple[object, JsonObject]:
    native = importlib.import_module("xllamacpp")  # optional and heavy: only here
    threads, api_key = cast(int, settings["threads"]), cast(str, settings["api_key"])
    params = native.CommonParams()
    params.model.path = settings["path"]
    params.model_alias = {cast(str, settings["name"])}
    params.n_ctx = settings["context"]
    # With two threads on a busy machine the spin barriers between them can hang for minutes: one, unless told.
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.n_batch = params.n_ubatch = _BATCH
    params.n_parallel = 1
    params.warmup = False
    params.cache_ram_mib = 0  # else up to 8 GiB of old prompts are kept
    params.hostnames = ["127.0.0.1"]
    params.port = 0  # any free one
    params.api_keys = [api_key]
    params.n_threads_http = _HTTP_THREADS
    params.sse_ping_interval = _PING
    params.ui = False
    params.endpoint_slots = False  # would show prompts
    params.verbosity = _INFORMATION if settings["debug"] else _ERRORS_ONLY
    server = native.Server(params)
    address = cast(str, server.listening_address)
    return server, {"address": address, **_properties(address, api_key)}


def _properties(address: str, api_key: str) -> JsonObject:
    """What the loaded model can: the context it really got, and whether its chat template knows tools."""
    request = urllib.request.Request(f"{address}/props", headers={"Authorization": f"Bearer {api_key}"})
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(request, timeout=30) as reply:
        properties = cast(JsonObject, orjson.loads(reply.read()))
    generation = cast(JsonObject, properties["default_generation_settings"])
    template = cast("dict[str, Json]", properties.get("chat_template_caps") or {})
    return {"context": generation["n_ctx"], "tools": bool(template.get("supports_tools"))}


if __name__ == "__main__":
    main()
