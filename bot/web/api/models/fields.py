"""Types of single fields.

Ids are strings: they have 64 bits, and JavaScript's numbers 53. Times are Unix milliseconds.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from indexer.search.browse import MOST

PER_PAGE = 50

Id = Annotated[str, Meta(pattern="^[0-9]{1,19}$", description="An id as Discord gives it.")]
Share = Annotated[float, Meta(ge=0, le=1)]
Words = Annotated[
    str,
    Meta(max_length=1000, description="The question, with the grammar of /similar. Empty: the newest pictures."),
]
Page = Annotated[int, Meta(ge=1, le=MOST, description="Counted from 1.")]
PerPage = Annotated[int, Meta(ge=1, le=PER_PAGE)]
