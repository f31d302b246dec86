"""`[fetch]`: what may be downloaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from indexer.settings.about import About


@dataclass(frozen=True, slots=True)
class FetchSettings:
    """What may be downloaded."""

    max_download_bytes: Annotated[
        int, About("The largest file that is downloaded, for history and for uploads.", "bytes", low=1024)
    ] = 32 * 1024 * 1024
    max_video_bytes: Annotated[
        int,
        About(
            "The largest video that is downloaded to find it by its frames, not by Discord's still picture of it alone."
            " Needs the extra `video`, and `decode.frames` above 1. 0: none is.",
            "bytes",
            low=0,
        ),
    ] = 25_000_000
    timeout_s: Annotated[
        float, About("The longest wait for one file, connect to last byte.", "seconds", low=1, high=600)
    ] = 30.0
    concurrency: Annotated[int, About("Downloads at once.", "downloads", low=1, high=256)] = 8
    extra_hosts: Annotated[
        tuple[str, ...], About("Hosts beside Discord's own that may be contacted, as exact names.")
    ] = ()
    use_media_proxy: Annotated[
        bool, About("Ask Discord's media proxy for a copy just above the model's input, not for the original.")
    ] = True
    insecure_hosts: Annotated[
        tuple[str, ...], About('"host:port" on loopback that is reached over plain http: for the sandbox only.')
    ] = ()
