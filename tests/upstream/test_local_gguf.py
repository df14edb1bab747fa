"""The GGUF header reader, on the real file and on hostile ones."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import pytest
from gguf_bytes import ARCHITECTURE, gguf, pair, small_gguf, tensor, text
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from turnout.core.errors import ConfigError
from turnout.upstream.local_gguf import GgufHeader, read_gguf
from turnout.upstream.local_weights import Weights

WHOLE = small_gguf()


def written(folder: Path, data: bytes) -> Path:
    path = folder / "model.gguf"
    path.write_bytes(data)
    return path


def test_the_real_file_is_described_as_its_publisher_does(smollm2: Weights) -> None:
    """SmolLM2-135M has 134,515,008 parameters and 8,192 tokens of context."""
    header = read_gguf(smollm2.path)

    assert header == GgufHeader(
        version=3,
        architecture="llama",
        name="Smollm2 135M 8k Lc100K Mix1 Ep2",
        context=8192,
        chat_template=True,
        quantisation="Q4_1",
        parameters=134_515_008,
        tensors=272,
        size=98_362_432,
    )


def test_a_small_file_is_read(tmp_path: Path) -> None:
    """Arrays are skipped, everything else is understood."""
    header = read_gguf(written(tmp_path, WHOLE))

    assert (header.name, header.context, header.quantisation, header.parameters) == ("Tiny", 512, "Q4_0", 96)
    assert header.chat_template


def test_a_file_cut_at_any_byte_is_refused(tmp_path: Path) -> None:
    """No prefix of a file passes as the file."""
    for length in range(len(WHOLE)):
        with pytest.raises(ConfigError, match=r"cut short|not a GGUF"):
            read_gguf(written(tmp_path, WHOLE[:length]))


HUGE = (1 << 64) - 1
HOSTILE = {
    "no magic": (b"GGML" + WHOLE[4:], "not a GGUF"),
    "big endian": (b"GGUF" + struct.pack(">I", 3) + WHOLE[8:], "big-endian"),
    "tensors": (gguf([], [], b"", counts=(HUGE, 0)), "claims"),
    "pairs": (gguf([], [], b"", counts=(1, HUGE)), "claims"),
    "text": (gguf([struct.pack("<Q", HUGE)], [], b"", counts=(1, 1)), "claims"),
    "array": (gguf([pair("a", 9, struct.pack("<IQ", 4, HUGE))], [], b"", counts=(1, 1)), "64 MiB|cut short"),
    "texts": (gguf([pair("a", 9, struct.pack("<IQ", 8, HUGE))], [], b"", counts=(1, 1)), "claims"),
    "arrays": (gguf([pair("a", 9, struct.pack("<IQ", 9, 1))], [], bytes(64), counts=(1, 1)), "unknown type 9"),
    "kind": (gguf([pair("a", 99, b"")], [], bytes(64), counts=(1, 1)), "unknown type 99"),
    "dimensions": (gguf([ARCHITECTURE], [tensor("t", (1,) * 5, 0, 0)], bytes(64)), "5 dimensions"),
    "elements": (gguf([ARCHITECTURE], [tensor("t", (HUGE,) * 4, 0, 0)], bytes(64)), "cut short"),
    "offset": (gguf([ARCHITECTURE], [tensor("t", (1,), 0, HUGE)], bytes(64)), "cut short"),
    "offset of an unknown type": (gguf([ARCHITECTURE], [tensor("t", (1,), 999, 4096)], bytes(64)), "cut short"),
    "alignment": (
        gguf([ARCHITECTURE, pair("general.alignment", 4, bytes(4))], [tensor("t", (1,), 0, 0)], bytes(64)),
        "alignment",
    ),
    "no architecture": (gguf([], [tensor("t", (1,), 0, 0)], bytes(64)), "no architecture"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_header_is_refused_with_a_reason(tmp_path: Path, case: str) -> None:
    """Claims beyond the file or beyond reason end in an error that says what is wrong and what to do."""
    data, reason = HOSTILE[case]

    with pytest.raises(ConfigError, match=reason) as caught:
        read_gguf(written(tmp_path, data))
    assert caught.value.message.endswith("Fetch the file again, or name another one.")


def test_a_claimed_size_is_not_allocated(tmp_path: Path) -> None:
    """A text that claims 1 MiB in a file of some bytes costs no megabyte."""
    path = written(tmp_path, gguf([text("a") + struct.pack("<IQ", 8, 1 << 20)], [], b"", counts=(1, 1)))
    tracemalloc.start()
    try:
        with pytest.raises(ConfigError, match="cut short"):
            read_gguf(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 500_000


@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=12))
@settings(max_examples=400, deadline=1000, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_changed_file_is_read_or_refused_and_nothing_else(tmp_path: Path, changes: list[tuple[int, int]]) -> None:
    """Whatever bytes are changed, the reader answers or raises ConfigError."""
    data = bytearray(WHOLE)
    for position, value in changes:
        data[position] = value
    try:
        header = read_gguf(written(tmp_path, bytes(data)))
    except ConfigError:
        return
    assert header.tensors > 0


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=1000, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_noise_behind_the_magic_is_refused(tmp_path: Path, noise: bytes) -> None:
    """Random bytes are no model."""
    with pytest.raises(ConfigError):
        read_gguf(written(tmp_path, b"GGUF" + struct.pack("<I", 3) + noise))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The error names the path."""
    with pytest.raises(ConfigError, match=r"no file .*nowhere"):
        read_gguf(tmp_path / "nowhere.gguf")
