"""`[fleet]`: what outlives this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from indexer.settings.about import About


@dataclass(frozen=True, slots=True)
class FleetSettings:
    """What outlives this machine: promises to members and backups, in a storage elsewhere."""

    storage: Annotated[
        str,
        About(
            "Where promises to members and backups are kept beside the data folder, in case its machine is lost: an"
            " absolute path on another disk, or an address of fsspec as s3://bucket/afterimage, gs://… or az://…, which"
            " needs `pip install 'afterimage[fleet]'` and s3fs, gcsfs or adlfs. Empty: nowhere."
        ),
    ] = ""
    name: Annotated[
        str,
        About(
            "The name of this data folder in the storage: letters, digits and -. No two folders have the same one, and"
            " a folder that is restored elsewhere has the one it had."
        ),
    ] = ""
    lease_s: Annotated[
        float,
        About(
            "Where several machines could start a bot for the same name: the time to live of a lease in the storage,"
            " which one alone holds. A bot that cannot renew it in this time stops, so it runs only while the storage"
            " can be reached. 0: no lease.",
            "seconds",
            low=0,
            high=600,
        ),
    ] = 0.0
