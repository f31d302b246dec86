"""What a person has confirmed is what is done: the count of a dry run holds when the work is given."""

from __future__ import annotations

from bot.control.handler import Values
from indexer.errors import TellPerson


class CountChanged(TellPerson):
    """Another number is meant now than was confirmed. Nothing was changed. `counted`: how many it is now."""

    def __init__(self, confirmed: int, counted: int) -> None:
        super().__init__("selection-changed", confirmed=confirmed, counted=counted)
        self.counted = counted


def require_confirmed(confirmed: int, counted: int) -> None:
    """Raises CountChanged where the dry run counted another number than there are now."""
    if confirmed != counted:
        raise CountChanged(confirmed, counted)


def require_confirmed_in(values: Values, counted: int) -> None:
    """The same where the request carries what was `confirmed`: with --yes nobody counted. Raises TellPerson."""
    confirmed = values.get("confirmed")
    if confirmed is None:
        return
    if not isinstance(confirmed, int):
        raise TellPerson("cli-needs", name="confirmed")
    require_confirmed(confirmed, counted)
