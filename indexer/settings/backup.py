"""`[backup]`: the daily backup."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from indexer.settings.about import About


@dataclass(frozen=True, slots=True)
class BackupSettings:
    """The daily backup that the running bot makes by itself."""

    keep: Annotated[
        int,
        About(
            "How many daily backups stay; one is made where something has changed, and the oldest goes. What is"
            " deleted stays in them for at most so many days and two more. 0: none is made.",
            "backups",
            low=0,
            high=365,
        ),
    ] = 3
    folder: Annotated[
        Path | None,
        About(
            "Where daily backups lie: best a folder on another disk, which must be there. Empty: `backups` in the data"
            " folder."
        ),
    ] = None
