"""How much memory the bot's processes have, by their kind."""

from __future__ import annotations

from collections.abc import Iterable

from indexer.encode.cluster_encoder import ClusterEncoder
from indexer.encode.encoder import ModelEncoder
from indexer.platforms.processes import resident_bytes
from indexer.ports import Encoder
from indexer.search.model_switch import GuildSearcher


def process_memory(
    encoder: Encoder, searcher: GuildSearcher, readers: Iterable[int | None] | None = None
) -> dict[str, int]:
    """Resident bytes of this process ("bot") and of the model's ("model", 0 while it is away); of the second model's
    ("second") where one is configured, and of the processes with the ids `readers`, which open pictures ("pictures").

    Empty where the system has no /proc.
    """
    pids: dict[str, list[int | None]] = {
        "bot": [None],
        "model": list(encoder.pids) if isinstance(encoder, ModelEncoder | ClusterEncoder) else [],
    }
    if searcher.reranks:
        pids["second"] = [] if searcher.second_pid is None else [searcher.second_pid]
    if readers is not None:
        pids["pictures"] = list(readers)
    found = {name: [resident_bytes(pid) for pid in processes] for name, processes in pids.items()}
    return {name: sum(filter(None, sizes)) for name, sizes in found.items() if found["bot"] != [None]}
