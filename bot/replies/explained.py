"""The numbers behind a hit, and the time of each stage: the same in Discord and on the command line. Pure."""

from __future__ import annotations

from bot.texts import Language, translate
from bot.texts.formats import decimal
from indexer.records.hits import Hit, Parts, SearchResult


def explained_parts(hit: Hit, language: Language) -> list[str]:
    """A text for each value that decided the hit's rank."""
    parts, texts = hit.parts, []
    if parts.cosine is not None:
        cosine, rank = decimal(parts.cosine, 3, language), parts.vector_rank or "–"
        texts.append(translate(language, "explain-cosine", cosine=cosine, rank=rank))
    if parts.standing is not None:
        texts.append(translate(language, "explain-standing", standing=decimal(parts.standing, 1, language)))
    if parts.bm25 is not None:
        bm25, rank = decimal(parts.bm25, 2, language), parts.words_rank or "–"
        texts.append(translate(language, "explain-words", bm25=bm25, rank=rank))
    if parts.picture_bm25 is not None:
        texts.append(translate(language, "explain-picture-words", bm25=decimal(parts.picture_bm25, 2, language)))
    if parts.caption_bm25 is not None:
        texts.append(translate(language, "explain-caption-words", bm25=decimal(parts.caption_bm25, 2, language)))
    if parts.hash_distance is not None:
        texts.append(translate(language, "explain-hash", bits=parts.hash_distance))
    if parts.pixels in ("another", "unknown"):
        texts.append(translate(language, f"explain-pixels-{parts.pixels}"))
    elif hit.copied is not None:
        correlation = decimal(hit.copied.correlation, 2, language)
        texts.append(translate(language, "explain-pixels", correlation=correlation))
    if parts.colour is not None:
        texts.append(translate(language, "explain-colour", percent=round(parts.colour * 100)))
    if parts.seen is not None:
        texts.append(_second(parts, language))
    return texts


def _second(parts: Parts, language: Language) -> str:
    """What the second model said of the picture."""
    first = parts.first_rank or "–"
    if parts.second is None:
        return translate(language, "explain-second-unseen", first=first)
    score = decimal(parts.second, 3, language)
    return translate(language, "explain-second", score=score, rank=parts.second_rank or "–", first=first)


def rerank_note(result: SearchResult, language: Language) -> str:
    """One sentence where the second model was to order the hits and could not; else empty."""
    if result.reranked is None or not result.reranked.fell_back:
        return ""
    return translate(language, f"rerank-{result.reranked.outcome}")


def explained_stages(result: SearchResult, language: Language) -> str:
    """The milliseconds of each stage, which floor answered, and how many hits the second model has seen."""
    stages = ", ".join(
        f"{translate(language, f'stage-{name}')} {decimal(spent, 1, language)} ms"
        for name, spent in result.stage_ms.items()
    )
    text = translate(language, "explain-stages", stages=stages, floor=translate(language, f"floor-{result.floor}"))
    if result.reranked is None:
        return text
    seen = translate(
        language,
        "explain-reranked",
        model=result.reranked.model or "–",
        scored=result.reranked.scored,
        candidates=result.reranked.candidates,
    )
    return f"{text} · {seen}"
