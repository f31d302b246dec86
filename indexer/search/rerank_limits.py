"""How much a second model is asked for at once, and how long. Pure."""

from __future__ import annotations

from collections.abc import Callable


class BatchSize:
    """How many pictures are worked on at once: at most `most`, and less where memory has run out once."""

    def __init__(self, most: int) -> None:
        self.now = most

    def halve(self, failed: int) -> bool:
        """There was no memory for `failed` pictures at once. Returns whether fewer can be tried."""
        self.now = max(min(self.now, failed // 2), 1)
        return failed > 1


class Budget:
    """The seconds that one question has, by `clock` (seconds). A batch that would come too late is not begun: it would
    keep the model from the next question.
    """

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._end_s = clock() + seconds
        self._a_picture_s = 0.0  # the slowest so far

    @property
    def left_s(self) -> float:
        """Never negative."""
        return max(self._end_s - self._clock(), 0.0)

    def took(self, pictures: int, seconds: float) -> None:
        """A batch of so many pictures took so long."""
        self._a_picture_s = max(self._a_picture_s, seconds / max(pictures, 1))

    def affords(self, most: int) -> int:
        """How many pictures the next batch may have, `most` at most; 0: no picture would be done in time.

        Before anything is known of the model's speed, one picture is allowed.
        """
        if self.left_s <= 0:
            return 0
        if not self._a_picture_s:
            return min(most, 1)
        return min(int(self.left_s / self._a_picture_s), most)
