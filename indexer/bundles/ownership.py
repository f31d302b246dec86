"""Whose word a bundle is: the folder's own bot's, which is Discord's, or another's, which is an archive's."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ownership:
    """`application_id` is the bot (Discord's word: application) that the rows come from; None: of no bot. `source` and
    `version` name the bundle where its rows are an archive's. `adopt`: its rows are Discord's word also where it was
    another bot. `same_machine`: they come from a data folder here, so the paths of archives in them are believed. Those
    of a bundle are not: whoever wrote it may name any file here, which the bot would read and show.
    """

    application_id: int | None
    source: str
    version: str
    adopt: bool = False
    same_machine: bool = False

    def is_discords_word(self, own: int | None) -> bool:
        """Whether what Discord said to that bot counts as said to the bot `own` of this folder (None: it has none)."""
        return self.adopt or own is None or own == self.application_id
