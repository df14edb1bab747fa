"""What would make a stated sum true, in sentences and as JSON."""

from __future__ import annotations

from fractions import Fraction

from turnout.catalogue.tariff import UnknownPrice
from turnout.cli.amounts import dollars, exact, percent, share_text
from turnout.core.json import Json, JsonObject
from turnout.planning.inverse import Explanation, Line

_PLACES = 5


def explanation_lines(found: Explanation | UnknownPrice, discount: Fraction | None) -> list[str]:
    """Sentences, the first of which says how far off the sum is."""
    if isinstance(found, UnknownPrice):
        return [found.message]
    label, target = found.candidate.label, dollars(found.target)
    if found.stated == found.target:
        return [f"{label}: {target} follows from the prices and the workload as they stand."]
    lines = [f"{label}: {target} does not follow; the workload costs {dollars(found.stated)}. What would make it true:"]
    lines.append(f"- cached share: {_cached(found.cached, target)}")
    lines.append(f"- off-peak share: {_off_peak(found.off_peak, target, discount)}")
    pairs = [(off_peak, cached) for off_peak, cached in found.both if cached is not None]
    if pairs:
        told = "; ".join(f"{percent(off)} off-peak with {_finely(cached)} cached" for off, cached in pairs)
        lines.append(f"- both: {told}.")
    elif found.both:
        lines.append("- both: none of 0%, 25%, 50%, 75%, 100% off-peak makes it true with a known cached price.")
    return lines


def _cached(line: Line | None, target: str) -> str:
    if line is None:
        return "there is no input that could be cached."
    ends = f"none cached {dollars(line.at_none)}, all cached {dollars(line.at_all)}"
    if line.free and line.share is not None:
        return (
            f"the cached price is not known. Were cached tokens free, it would take {_finely(line.share)} ({ends});"
            " at any real price, more."
        )
    if line.share is not None:
        return f"{_finely(line.share)} ({ends})."
    even = ", even if cached tokens were free" if line.free else ""
    return f"none makes it {target}{even}: {ends}."


def _off_peak(line: Line | None, target: str, discount: Fraction | None) -> str:
    if line is None:
        return "the price does not depend on the hour. Assume a discount with --off-peak-discount."
    ends = f"none off-peak {dollars(line.at_none)}, all off-peak {dollars(line.at_all)}"
    assumed = "" if discount is None else f", where off-peak is {percent(discount)} cheaper"
    if line.share is None:
        return f"none makes it {target}{assumed}: {ends}."
    return f"{_finely(line.share)}{assumed} ({ends})."


def _finely(share: Fraction) -> str:
    """To a thousandth of a percent; `exactly` where that is all of it."""
    text = f"{share_text(share * 100, _PLACES - 2)}%"
    return text if (share * 100 * 10 ** (_PLACES - 2)).denominator == 1 else f"{text} (rounded)"


def explanation_json(found: Explanation | UnknownPrice) -> JsonObject:
    """Shares as exact fractions too: they need not end as decimals."""
    if isinstance(found, UnknownPrice):
        return {"unknown": found.message}
    both: list[Json] = [
        {"off_peak_share": share_text(off_peak), "cached_share": _share(cached)} for off_peak, cached in found.both
    ]
    return {
        "model": found.candidate.label,
        "target_usd": exact(found.target),
        "stated_usd": exact(found.stated),
        "cached": _line(found.cached),
        "off_peak": _line(found.off_peak),
        "both": both,
    }


def _line(line: Line | None) -> Json:
    if line is None:
        return None
    return {
        "share": _share(line.share),
        "usd_at_none": exact(line.at_none),
        "usd_at_all": exact(line.at_all),
        "cached_taken_as_free": line.free,
    }


def _share(share: Fraction | None) -> Json:
    return None if share is None else {"share": share_text(share, 9), "exact": str(share)}
