"""What a prompt is made of, on texts whose class is plain to a reader."""

from __future__ import annotations

import json
import timeit
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.core.target import Dialect
from turnout.wire.content import CONTENT_CLASSES, content_class, text_class
from turnout.wire.neutral import Media, Message, Part, Request, Text, ToolCall, ToolResult

ROOT = Path(__file__).parent.parent.parent
LINES = "\n".join(f"{day},Oslo,{day * 37 % 100},{day * 7.5},EUR" for day in range(60))
RECORD = {"id": 17, "name": "Anna", "tags": ["a", "b"], "open": True, "at": "2026-11-22T10:00:00Z"}
LABELLED = [
    ("prose", "Please write a short letter to our customers, and tell them that the office is closed on Friday."),
    ("prose", "Warum ist der Himmel blau? Erkläre es einem Kind, ohne Formeln und in höchstens fünf Sätzen."),
    ("prose", "Résume ce texte en trois phrases, puis donne-moi les deux arguments les plus faibles de l'auteur."),
    ("prose", "Hi"),
    ("prose", ""),
    ("code", "def add(a, b):\n    total = a + b\n    return total\n\n\nprint(add(1, 2))\n"),
    ("code", "for (int i = 0; i < n; i++) {\n  sum += values[i];\n}\nreturn sum;\n"),
    ("code", '#!/bin/sh\nset -eu\nfor f in *.log; do\n  gzip -9 "$f" || exit 1\ndone\n'),
    ("structured", json.dumps([RECORD] * 5)),
    ("structured", json.dumps([RECORD] * 5, indent=2)),
    ("structured", LINES),
    ("structured", "<ul>" + "".join(f'<li><a href="/p/{n}">Page {n}</a></li>' for n in range(20)) + "</ul>"),
    ("cjk", "请用三句话总结下面的文章，并指出作者最弱的论点。语气要客观，不要重复原文。"),
    ("cjk", "次の文章を三つの文で要約してください。筆者の最も弱い論点も指摘してください。"),
    ("cjk", "다음 글을 세 문장으로 요약하고 글쓴이의 가장 약한 주장을 지적해 주세요."),
    ("other_script", "Кратко перескажи этот текст тремя предложениями и назови самый слабый довод автора."),
    ("other_script", "لخص هذا النص في ثلاث جمل واذكر أضعف حجة للكاتب دون تكرار النص."),
    ("other_script", "इस लेख का तीन वाक्यों में सारांश लिखो और लेखक का सबसे कमज़ोर तर्क बताओ।"),
    ("other_script", "Σύνοψισε το κείμενο σε τρεις προτάσεις και βρες το πιο αδύναμο επιχείρημα."),
    ("mixed", "Hãy tóm tắt bài viết dưới đây trong ba câu và nêu luận điểm yếu nhất của tác giả."),
]


@pytest.mark.parametrize(("label", "text"), LABELLED, ids=range(len(LABELLED)))
def test_a_plain_text_has_its_class(label: str, text: str) -> None:
    """Short requests in many forms."""
    assert text_class(text) == label


def test_the_repository_s_own_files_are_told_apart() -> None:
    """At least 17 of 20 of the sources are code, of the transcripts structured, of the guides' paragraphs prose."""
    pages = "\n\n".join(path.read_text() for path in sorted((ROOT / "docs").glob("*.md")))
    paragraphs = [each for each in pages.split("\n\n") if each[:1].isalpha() and len(each) > 200]
    sources = [path.read_text() for path in sorted((ROOT / "src").rglob("*.py")) if path.stat().st_size > 500]
    transcripts = [path.read_text() for path in sorted((ROOT / "tests/wire/transcripts").rglob("*.sse"))]
    for label, texts in (("prose", paragraphs), ("code", sources), ("structured", transcripts)):
        found = Counter(map(text_class, texts))
        assert len(texts) > 20
        assert found[label] >= 0.85 * len(texts), (label, found)


def _request(*parts: Part) -> Request:
    return Request(dialect=Dialect.OPENAI_CHAT, model="m", messages=tuple(Message("user", (part,)) for part in parts))


def test_a_request_is_what_most_of_it_is() -> None:
    """A question of a few words does not make prose of the file that it is about; nor an image of nothing."""
    prose, code, table = (
        next(text for label, text in LABELLED if label == each) for each in ("prose", "code", "structured")
    )
    question = Text(text="What is wrong here?")

    assert content_class(_request(question)) == "prose"
    assert content_class(_request(question, Text(text=code * 40))) == "code"
    assert content_class(_request(question, ToolResult(call_id="c", content=(Text(text=table * 40),)))) == "structured"
    assert content_class(_request(*[Text(text=prose)] * 300, Text(text=code))) == "prose"
    assert content_class(_request(question, ToolCall(id="c", name="f", arguments=table))) == "structured"
    assert content_class(_request(Media(kind="image", url="https://x/y.png"))) == "prose"


@given(st.text(max_size=5000))
def test_any_text_has_a_class(text: str) -> None:
    """Surrogates and control characters included."""
    assert text_class(text + "\ud800") in CONTENT_CLASSES


def test_a_long_prompt_costs_no_more_than_a_short_one() -> None:
    """Slices are looked at: 400 KB take less than three times as long as 4 KB."""
    dice = Random(1)
    text = "".join(dice.choice("abcdefgh (){}=_.\n") for _ in range(400_000))
    short, long = (
        min(timeit.repeat(lambda each=each: content_class(_request(Text(text=each))), number=200, repeat=5))
        for each in (text[:4000], text)
    )

    assert long < 3 * short
