"""Dates as people write them → Unix milliseconds. Pure; days begin at midnight UTC."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime, timedelta

from indexer.errors import TellPerson

_ISO = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2})(?:[t ](\d{1,2}):(\d{2}))?)?)?")
_DAY_FIRST = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})")
_STAMP = re.compile(r"<t:(-?\d{1,12})(?::[a-zA-Z])?>")
_AGO = re.compile(r"(?:vor\s+)?(\d{1,4}|an?|one|einem|einer)\s*([a-zäöü]+)(?:\s+ago)?")
_UNITS = {
    "minute": ("m", "min", "mins", "minute", "minutes", "minuten"),
    "hour": ("h", "hour", "hours", "stunde", "stunden"),
    "day": ("d", "day", "days", "tag", "tage", "tagen"),
    "week": ("w", "week", "weeks", "woche", "wochen"),
    "month": ("mo", "month", "months", "monat", "monate", "monaten"),
    "year": ("y", "year", "years", "jahr", "jahre", "jahren"),
}
_UNIT_OF = {spelling: unit for unit, spellings in _UNITS.items() for spelling in spellings}
_NAMED_DAYS = {"today": 0, "heute": 0, "yesterday": 1, "gestern": 1}


def parse_date(text: str, now_ms: int) -> int:
    """The Unix milliseconds at which the named stretch begins: `2024-05` is the first of May, `yesterday` its midnight.

    Raises TellPerson where the text is no date, or no date there is.
    """
    spoken = " ".join(text.split()).strip().lower()
    try:
        return _parse(spoken, now_ms)
    except (ValueError, OverflowError):
        raise TellPerson("date-unknown", text=text) from None


def _parse(spoken: str, now_ms: int) -> int:
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    if spoken in _NAMED_DAYS:
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        return _ms(midnight - timedelta(days=_NAMED_DAYS[spoken]))
    if match := _STAMP.fullmatch(spoken):
        return int(match[1]) * 1000
    if match := _DAY_FIRST.fullmatch(spoken):
        return _ms(datetime(int(match[3]), int(match[2]), int(match[1]), tzinfo=UTC))
    if match := _ISO.fullmatch(spoken):
        year, month, day, hour, minute = (int(group) if group else None for group in match.groups())
        assert year is not None, "the pattern needs one"
        return _ms(datetime(year, month or 1, day or 1, hour or 0, minute or 0, tzinfo=UTC))
    if match := _AGO.fullmatch(spoken):
        count = int(match[1]) if match[1].isdigit() else 1
        return _ms(_back(now, count, _UNIT_OF.get(match[2], "")))
    raise ValueError(spoken)


def _back(now: datetime, count: int, unit: str) -> datetime:
    match unit:
        case "minute" | "hour" | "day" | "week":
            return now - timedelta(**{f"{unit}s": count})
        case "month" | "year":
            months = now.year * 12 + now.month - 1 - count * (12 if unit == "year" else 1)
            year, month = divmod(months, 12)
            last = calendar.monthrange(year, month + 1)[1]
            return now.replace(year=year, month=month + 1, day=min(now.day, last))
        case _:
            raise ValueError(unit)


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
