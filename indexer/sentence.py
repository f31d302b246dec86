"""What a person is told, before it has words: a key of the message catalogue and the values that stand in its text.

The indexer speaks no language. Whoever shows a sentence (`bot.texts`) writes its words, for each reader in their own
language, and makes values that come from members harmless.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

Value = str | int | float

# The key of a reason that a version before the catalogue stored as an English text; `text` is that text.
STORED_TEXT = "stored-text"


@dataclass(frozen=True, slots=True)
class Sentence:
    """`key` names a text of the catalogue. A number chooses between singular and plural and is written with the
    reader's own separators; an id is given as a string, so that it stays as it is.
    """

    key: str
    values: Mapping[str, Value] = field(default_factory=dict)

    def __str__(self) -> str:
        """For the log: the key and its values."""
        values = ", ".join(f"{name}={value!r}" for name, value in self.values.items())
        return f"{self.key} ({values})" if values else self.key

    def stored(self) -> str:
        """As a column keeps it, until somebody reads it in their own language."""
        return json.dumps({"key": self.key, "values": dict(self.values)}, ensure_ascii=False)

    @classmethod
    def of_stored(cls, text: str) -> Sentence:
        """What `stored` wrote; a text from before that is a sentence that says just this text."""
        try:
            found = json.loads(text)
            return cls(found["key"], found["values"])
        except (ValueError, TypeError, KeyError):
            return cls(STORED_TEXT, {"text": text})
