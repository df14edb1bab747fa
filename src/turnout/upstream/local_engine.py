"""The embedded model, running: an OpenAI-compatible server on loopback that only this process can use.

    engine = LocalEngine(find_weights(data_dir, "smollm2-135m-instruct"))
    await engine.start()
    ...                      # engine.base_url, engine.api_key: the ordinary transport and dialect talk to it
    await engine.close()

Owns the child process (`local_child`). Closing a connection to it cancels the generation behind it.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import IO, cast

import orjson

from turnout.core.errors import ConfigError
from turnout.core.ids import RandomBytes
from turnout.core.json import JsonObject
from turnout.core.secret import Secret
from turnout.upstream.local_gguf import GgufHeader, read_gguf
from turnout.upstream.local_weights import Weights

# What the child may see of the environment: how to find libraries and devices, and no provider's key.
_ENVIRONMENT = frozenset(
    {"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TEMP", "SYSTEMROOT", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    | {"LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"}
)
_CLOSE_SECONDS = 2.0
_LAST_WORDS = 4096  # bytes of stderr that are looked at


class LocalEngine:
    """One model in one child process. Not started until `start()`; can't be started twice."""

    def __init__(
        self,
        weights: Weights,
        *,
        context: int = 4096,
        threads: int = 1,
        load_seconds: float = 300.0,
        debug: bool = False,
        random_bytes: RandomBytes = os.urandom,
    ) -> None:
        """`context` is lowered to what the model was trained on. `debug` lets the native log through to stderr."""
        self.weights = weights
        self.model_name = weights.name
        self.api_key = Secret(random_bytes(24).hex())
        self.base_url = ""
        """`http://127.0.0.1:PORT` once started; empty before. Endpoints: `/v1/chat/completions`, `/v1/completions`,
        and `/v1/messages/count_tokens` and `/v1/chat/completions/input_tokens` to count tokens."""
        self.context = context
        """Tokens of prompt and answer together; the real number once started."""
        self.supports_tools = False
        """Whether the model's chat template knows tools; where False, tools sent to it are silently ignored."""
        self._threads = threads
        self._load_seconds = load_seconds
        self._debug = debug
        self._process: asyncio.subprocess.Process | None = None
        self._stderr: IO[bytes] | None = None

    @property
    def running(self) -> bool:
        """The model is loaded and its process alive."""
        return bool(self.base_url) and self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int | None:
        """The child's process id."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Returns when requests can be sent. Raises ConfigError with what to do."""
        assert self._process is None, "an engine is started once"
        if importlib.util.find_spec("xllamacpp") is None:
            raise ConfigError(
                "The embedded model needs the package 'xllamacpp'. Install it with `pip install 'turnout[local]'`, "
                "or switch the embedded model off: `[local] enabled = false`."
            )
        header = await asyncio.to_thread(read_gguf, self.weights.path)
        try:
            async with asyncio.timeout(self._load_seconds):
                ready = await self._spawn(self._settings(header))
        except TimeoutError:
            await self.close()
            raise ConfigError(
                f"The embedded model '{self.model_name}' was not loaded within {self._load_seconds:g} s."
            ) from None
        except BaseException:
            await self.close()
            raise
        self.base_url = cast(str, ready["address"])
        self.context = cast(int, ready["context"])
        self.supports_tools = cast(bool, ready["tools"])

    def _settings(self, header: GgufHeader) -> JsonObject:
        return {
            "path": str(Path(self.weights.path).resolve()),
            "name": self.model_name,
            "context": min(self.context, header.context or self.context),
            "threads": self._threads,
            "api_key": self.api_key.reveal(),
            "debug": self._debug,
        }

    async def _spawn(self, settings: JsonObject) -> JsonObject:
        self._stderr = None if self._debug else tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # not the current directory: it may hold anything
            "-m",
            "turnout.upstream.local_child",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=self._stderr,
            env={name: value for name, value in os.environ.items() if name in _ENVIRONMENT},
            start_new_session=True,  # Ctrl-C is for the gateway, which drains first
        )
        assert process.stdin is not None and process.stdout is not None, "both are pipes"
        process.stdin.write(orjson.dumps(settings) + b"\n")  # the key never stands on a command line
        line = await process.stdout.readline()
        if not line:
            code = await process.wait()
            how = signal.Signals(-code).name if code < 0 else f"status {code}"
            raise ConfigError(self._why(f"the loader ended with {how}"))
        ready = cast(JsonObject, orjson.loads(line))
        if "error" in ready:
            raise ConfigError(self._why(str(ready["error"])))
        return ready

    def _why(self, error: str) -> str:
        said = self._last_words()
        return (
            f"The embedded model '{self.model_name}' ({self.weights.path}) can't be loaded: {said or error}. Check the "
            f"file with `turnout local verify`, and the memory: `[local] context` ({self.context}) can be lowered."
        )

    def _last_words(self) -> str:
        """The first error that native code logged; the later ones only say that loading failed."""
        if self._stderr is None:
            return ""
        self._stderr.seek(0)
        lines = self._stderr.read(_LAST_WORDS).decode("utf-8", "replace").splitlines()
        errors = [line.split(" E ", 1)[1].strip() for line in lines if " E " in line]
        telling = [line for line in errors if "error loading model:" in line or "failed to allocate" in line]
        return (telling or errors or [""])[0].rstrip(".")

    async def close(self) -> None:
        """Stops the model, whatever it is doing, within about two seconds. Idempotent."""
        process, stderr = self._process, self._stderr
        self.base_url, self._stderr = "", None
        if process is not None and process.returncode is None:
            assert process.stdin is not None, "stdin is a pipe"
            process.stdin.close()
            try:
                await asyncio.wait_for(process.wait(), _CLOSE_SECONDS)
            except TimeoutError:
                process.kill()
                await process.wait()
        if stderr is not None:
            stderr.close()
