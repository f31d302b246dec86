"""The third stage: which candidates are worth showing. The rule is in relevance.py."""

from __future__ import annotations

from indexer.search.relevance import judge
from indexer.search.stages import Search


class Judge:
    """Writes `judged`."""

    name = "judge"

    async def run(self, search: Search) -> None:
        search.judged = judge(
            search.query,
            search.target,
            search.calibration,
            search.near,
            search.agreeing,
            search.said,
            search.nearest_frames,
            search.searched,
            search.compared.told,
            search.compared.doubtful,
        )
