"""A file as it was given, and the typed cells of its lines. What can't be read is refused with file and line."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import NoReturn, cast

from turnout.core.errors import ConfigError
from turnout.core.money import Money

MOST_BYTES = 1 << 30
"""A larger file, or one that unpacks to more, is no usage export of a month."""
MOST_TOKENS = 10**18
_WHOLE = re.compile(r"(\d+|\d{1,3}(,\d{3})+)(\.0+)?")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}|\d{8}")


@dataclass(frozen=True, slots=True)
class Source:
    """A file's name and content. A member of an archive is named `archive.zip/member.csv`."""

    name: str
    data: bytes

    def text(self) -> str:
        """The content as text; a byte order mark at its start is left out."""
        try:
            return self.data.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise ConfigError(f"{self.name}: is no text in UTF-8.") from None

    def json(self) -> object:
        """The content as JSON, or None where it is none. Numbers with a fraction are decimals, because they are
        money."""
        try:
            return json.loads(self.text(), parse_float=Decimal)  # noqa: TID251 -- a file, not a body; no floats
        except (ValueError, RecursionError):
            return None

    def header(self) -> list[str]:
        """The names in the first line, as a CSV's; none where it is no CSV."""
        line = self.text().partition("\n")[0].rstrip("\r")
        if line.lstrip()[:1] in ("{", "["):
            return []
        try:
            return [name.strip() for name in next(csv.reader([line]), list[str]())]
        except csv.Error:
            return []


def open_sources(path: Path) -> list[Source]:
    """The file, or the CSV and JSON files in it where it is a zip archive. Raises ConfigError."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ConfigError(f"{path}: is larger than {MOST_BYTES >> 30} GiB. Export a shorter time.")
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}.") from None
    if not data.startswith(b"PK\x03\x04"):
        return [Source(str(path), data)]
    return _members(path, data)


def _members(path: Path, data: bytes) -> list[Source]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            wanted = [info for info in archive.infolist() if info.filename.lower().endswith((".csv", ".json"))]
            if sum(info.file_size for info in wanted) > MOST_BYTES:
                raise ConfigError(f"{path}: unpacks to more than {MOST_BYTES >> 30} GiB.")
            found = [Source(f"{path}/{info.filename}", archive.read(info)) for info in wanted]
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise ConfigError(f"{path}: is a zip archive that can't be read: {error}.") from None
    if not found:
        raise ConfigError(f"{path}: there is no CSV or JSON file in the archive.")
    return found


@dataclass(frozen=True, slots=True)
class Cells:
    """The values of one line or one object, by name, and where they stand."""

    place: str
    values: Mapping[str, object]

    def text(self, *names: str) -> str:
        """The first of these that is given, without space around it; empty where none is."""
        for name in names:
            value = self.values.get(name)
            if value is not None and str(value).strip():
                return str(value).strip()
        return ""

    def required(self, name: str) -> str:
        """A value that must be there."""
        return self.text(name) or self.refuse(f"`{name}` is missing.")

    def count(self, name: str) -> int | None:
        """A whole number that is not negative; None where there is none. `1,234` and `3.0` are whole numbers."""
        text = self.text(name)
        if not text:
            return None
        if not _WHOLE.fullmatch(text) or len(text) > 40:
            self.refuse(f"`{name}` is '{text}', which is no whole number.")
        whole = int(text.partition(".")[0].replace(",", ""))
        return whole if whole <= MOST_TOKENS else self.refuse(f"`{name}` is {whole}, which is no count of tokens.")

    def amount(self, name: str) -> Decimal | None:
        """A number of money, negative where it was paid back; None where there is none."""
        text = self.text(name).replace(",", "").removeprefix("$")
        if not text:
            return None
        try:
            number = Decimal(text)
        except InvalidOperation:
            number = Decimal("NaN")
        return number if number.is_finite() and abs(number) < 10**15 else self.refuse(f"`{name}` is no amount: {text}.")

    def money(self, name: str) -> Money | None:
        """The same, in dollars."""
        number = self.amount(name)
        return None if number is None else Money.of(number)

    def instant(self, name: str, zone: tzinfo = UTC) -> datetime:
        """An instant: seconds since 1970, ISO 8601, or a day, which is its midnight. `zone` holds where none is
        written."""
        text = self.required(name)
        try:
            if text.isdigit() and len(text) in (9, 10):
                return datetime.fromtimestamp(int(text), UTC)
            at = datetime.fromisoformat(text.removesuffix(" UTC"))
        except (ValueError, OverflowError):
            self.refuse(f"`{name}` is '{text}', which is no time such as 2026-11-22 or 2026-11-22T04:00:00Z.")
        return at if at.tzinfo is not None else at.replace(tzinfo=UTC if text.endswith(" UTC") else zone)

    def day(self, name: str, zone: tzinfo = UTC) -> tuple[datetime, datetime]:
        """The first instants of a day and of the next one, such as `2026-11-22` or `20261122`, with or without a
        midnight behind it."""
        at = self.instant(name, zone)
        if not _DAY.match(self.text(name)) or (at.hour, at.minute, at.second) != (0, 0, 0):
            self.refuse(f"`{name}` is '{self.text(name)}', which is no day.")
        return at, at + timedelta(days=1)

    def inner(self, name: str) -> Cells:
        """The object of that name; an empty one where it is null or absent."""
        return Cells(self._below(name), self._object(name, self.values.get(name)))

    def items(self, name: str) -> Iterator[Cells]:
        """The objects of a list."""
        value = self.values.get(name)
        if not isinstance(value, list):
            self.refuse(f"`{name}` must be a list.")
        for index, each in enumerate(cast("list[object]", value)):
            place = f"{name}[{index}]"
            yield Cells(self._below(place), self._object(place, each))

    def refuse(self, message: str) -> NoReturn:
        """Raises ConfigError with the place."""
        raise ConfigError(f"{self.place}: {message}")

    def _below(self, name: str) -> str:
        return f"{self.place}.{name}" if ": " in self.place else f"{self.place}: {name}"

    def _object(self, name: str, value: object) -> Mapping[str, object]:
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.refuse(f"`{name}` must be an object.")
        return cast("dict[str, object]", value)


@dataclass(slots=True)
class Seen:
    """The names that a reader met and does not know. Owned by the reading of one file."""

    known: frozenset[str]
    unread: dict[str, None] = field(default_factory=dict[str, None])

    def note(self, names: Iterable[str]) -> None:
        """Notes those that are not known."""
        for name in names:
            if name and name not in self.known:
                self.unread[name] = None


def csv_lines(source: Source, seen: Seen) -> Iterator[Cells]:
    """The lines below the header. A line that is longer or shorter than the header is refused."""
    reader = csv.reader(io.StringIO(source.text(), newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, list[str]())]
        seen.note(header)
        for cells in reader:
            place = f"{source.name}:{reader.line_num}"
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                raise ConfigError(f"{place}: has {len(cells)} columns, and the header has {len(header)}.")
            yield Cells(place, dict(zip(header, cells, strict=True)))
    except csv.Error as error:
        raise ConfigError(f"{source.name}:{reader.line_num}: {error}.") from None


def json_page(source: Source) -> Cells:
    """The object that a JSON file is. Raises ConfigError with the line where it is none."""
    try:
        value: object = json.loads(source.text(), parse_float=Decimal)  # noqa: TID251 -- a file, not a body; no floats
    except json.JSONDecodeError as error:
        raise ConfigError(f"{source.name}:{error.lineno}: {error.msg}.") from None
    except RecursionError:
        raise ConfigError(f"{source.name}: is nested too deeply.") from None
    if not isinstance(value, dict):
        raise ConfigError(f"{source.name}: must be a JSON object.")
    return Cells(source.name, cast("dict[str, object]", value))
