"""What the bot says, in each language it speaks. Discord's own locale of the asking member chooses.

Every language has the same keys with the same placeholders; a test holds them together.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from indexer.model import Band, Floor


class Language(StrEnum):
    ENGLISH = "en"
    GERMAN = "de"

    @classmethod
    def of(cls, locale: object) -> Language:
        """The language for one of Discord's locales (`en-GB`, `de`, …); English where we speak no better."""
        return cls.GERMAN if str(locale).split("-")[0] == "de" else cls.ENGLISH


_ENGLISH: Mapping[str, str] = {
    "title.pictures": "Pictures like {what}",
    "title.words": "Pictures for {what}",
    "title.asked": "{author} asked: {what}",
    "title.one": "the one you gave",
    "title.more": "the {count} you gave",
    "title.and": "{left} and {right}",
    "title.without": "without {what}",
    "hit.line": "**{number} · {band}**",
    "hit.where": "{author} in {channel} · {age} · [Go to message]({link})",
    "hit.first": "First posted by {author} {age}, shown {count} times",
    "hit.no_picture": "(no preview)",
    f"band.{Band.SAME}": "Same picture",
    f"band.{Band.EDITED}": "Edited copy",
    f"band.{Band.VERY_SIMILAR}": "Very similar",
    f"band.{Band.RELATED}": "Related",
    f"band.{Band.SAID}": "In its words",
    f"band.{Band.FAR}": "Far off",
    f"words.{Band.SAME}": "Same picture",
    f"words.{Band.EDITED}": "Edited copy",
    f"words.{Band.VERY_SIMILAR}": "Fits well",
    f"words.{Band.RELATED}": "Fits",
    f"words.{Band.SAID}": "In its words",
    f"words.{Band.FAR}": "Far off",
    "none.title": "Nothing close enough",
    "none.found": "None of the {searched} pictures that you may see here comes close. Try other words, another picture,"
    " or fewer filters.",
    "none.searched": "There is no indexed picture that you may see and that passes your filters."
    " Take away a filter, or ask someone with Manage Server to give /reindex start.",
    "footer.searched": "{searched} pictures searched",
    "footer.page": "page {page} of {pages}",
    "footer.ms": "{ms} ms",
    "footer.coverage": "{percent} % of {what} indexed",
    "footer.server": "what you may see",
    "footer.chosen": "these channels",
    "footer.everyone": "what everyone here may see",
    f"footer.floor.{Floor.DIRECT}": "searched without the fast index, which is being rebuilt",
    f"footer.floor.{Floor.LIVE}": "searched the newest messages only",
    "footer.shared": "shared by {author}: only what everyone here may see",
    "button.previous": "Previous",
    "button.next": "Next",
    "button.share": "Share here",
    "button.sheet": "Contact sheet",
    "button.another": "Another",
    "button.like": "More like this",
    "reposts.title": "Posted more than once",
    "reposts.none": "No picture here was posted again that I would be {percent} % sure of. Lower the threshold, or"
    " widen channel and span.",
    "reposts.line": "**{number} · {count} times** ({percent} % sure)",
    "reposts.first": "First {author} in {channel}, {age} · [Go to message]({link})",
    "reposts.then": "Then {links}",
    "reposts.more": "and {count} more",
    "reposts.compared": "{count} pictures compared, {percent} % or surer",
    "reposts.newest": "the newest of {total}: choose a channel or a span for the others",
    "random.none": "There is no indexed picture that you may see and that passes your filters.",
    "select.more": "More like …",
    "select.hit": "More like picture {number}",
    "explain.cosine": "cosine {cosine}, rank {rank}",
    "explain.words": "BM25 {bm25}, rank {rank}",
    "explain.hash": "{bits} of 64 hash bits differ",
    "explain.standing": "{standing} σ above a random picture",
    "explain.stages": "{stages} · floor: {floor}",
    "error.not_yours": "Only who asked can turn these pages; ask with /similar yourself.",
    "error.too_old": "These buttons have expired: ask again with /similar.",
    "error.rate": "That was a lot at once: please try again in {seconds} s.",
    "error.nothing_asked": "Give a picture, words, or both: /similar image: … or /similar text: ….",
    "error.channel": "{channel} has no indexed picture that you may see; choose another channel or leave it out.",
    "error.author": "Nobody named {name} has posted a picture that you may see; check the name, or mention them.",
    "error.no_picture": "That message shows no picture; use Find similar on one that does.",
    "error.no_hit": "This picture is no longer there or no longer yours to see; ask again with /similar.",
    "error.timeout": "The search took too long: try again in a moment, or with a narrower filter.",
    "error.still_comparing": "Your last /duplicates is still comparing: wait for its answer.",
    "error.many_comparing": "Many are comparing pictures just now: please ask for /duplicates again in a minute.",
    "error.nothing_to_share": "Not one of these hits may be seen by everyone in this channel, so nothing was shared.",
    "share.unknown": "I do not know this channel well enough to post here, so nothing was shared.",
    "share.timed_out": "You are in time-out, so nothing was shared.",
    "share.you": "Nothing was shared: you may not post such a message here yourself (missing: {permissions}).",
    "share.locked": "This thread is locked, so nothing was shared.",
    "share.me": "Nothing was shared: I need {permissions} here; someone who manages this channel can grant it.",
    "permission.view_channel": "View Channel",
    "permission.send_messages": "Send Messages",
    "permission.send_messages_in_threads": "Send Messages in Threads",
    "permission.attach_files": "Attach Files",
    "permission.embed_links": "Embed Links",
    "sheet.asked": "Asked",
    "sheet.heading": "Like the picture on the left",
    "done.shared": "Shared below: {count} hits that everyone here may see.",
}

_GERMAN: Mapping[str, str] = {
    "title.pictures": "Bilder wie {what}",
    "title.words": "Bilder zu {what}",
    "title.asked": "{author} fragte: {what}",
    "title.one": "das angegebene",
    "title.more": "die {count} angegebenen",
    "title.and": "{left} und {right}",
    "title.without": "ohne {what}",
    "hit.line": "**{number} · {band}**",
    "hit.where": "{author} in {channel} · {age} · [Zur Nachricht]({link})",
    "hit.first": "Zuerst gezeigt von {author} {age}, insgesamt {count}-mal",
    "hit.no_picture": "(keine Vorschau)",
    f"band.{Band.SAME}": "Dasselbe Bild",
    f"band.{Band.EDITED}": "Bearbeitete Kopie",
    f"band.{Band.VERY_SIMILAR}": "Sehr ähnlich",
    f"band.{Band.RELATED}": "Verwandt",
    f"band.{Band.SAID}": "In den Worten",
    f"band.{Band.FAR}": "Weit entfernt",
    f"words.{Band.SAME}": "Dasselbe Bild",
    f"words.{Band.EDITED}": "Bearbeitete Kopie",
    f"words.{Band.VERY_SIMILAR}": "Passt gut",
    f"words.{Band.RELATED}": "Passt",
    f"words.{Band.SAID}": "In den Worten",
    f"words.{Band.FAR}": "Weit entfernt",
    "none.title": "Nichts nah genug",
    "none.found": "Keines der {searched} Bilder, die du hier sehen darfst, kommt nahe heran. Versuch andere Wörter, ein"
    " anderes Bild oder weniger Filter.",
    "none.searched": "Es gibt kein erfasstes Bild, das du sehen darfst und das durch deine Filter passt."
    " Nimm einen Filter weg oder bitte jemanden mit „Server verwalten“ um /reindex start.",
    "footer.searched": "{searched} Bilder durchsucht",
    "footer.page": "Seite {page} von {pages}",
    "footer.ms": "{ms} ms",
    "footer.coverage": "{percent} % von {what} erfasst",
    "footer.server": "dem, was du sehen darfst,",
    "footer.chosen": "diesen Kanälen",
    "footer.everyone": "dem, was alle hier sehen dürfen,",
    f"footer.floor.{Floor.DIRECT}": "ohne den schnellen Index gesucht, er wird neu aufgebaut",
    f"footer.floor.{Floor.LIVE}": "nur in den neuesten Nachrichten gesucht",
    "footer.shared": "geteilt von {author}: nur, was alle hier sehen dürfen",
    "button.previous": "Zurück",
    "button.next": "Weiter",
    "button.share": "Hier teilen",
    "button.sheet": "Kontaktbogen",
    "button.another": "Noch eins",
    "button.like": "Mehr davon",
    "reposts.title": "Mehrmals gezeigt",
    "reposts.none": "Von keinem Bild hier bin ich zu {percent} % sicher, dass es noch einmal gezeigt wurde. Senk die"
    " Schwelle oder erweitere Kanal und Zeitraum.",
    "reposts.line": "**{number} · {count}-mal** ({percent} % sicher)",
    "reposts.first": "Zuerst {author} in {channel}, {age} · [Zur Nachricht]({link})",
    "reposts.then": "Dann {links}",
    "reposts.more": "und {count} weitere",
    "reposts.compared": "{count} Bilder verglichen, mindestens {percent} % sicher",
    "reposts.newest": "die neuesten von {total}: wähle Kanal oder Zeitraum für die anderen",
    "random.none": "Es gibt kein erfasstes Bild, das du sehen darfst und das durch deine Filter passt.",
    "select.more": "Mehr wie …",
    "select.hit": "Mehr wie Bild {number}",
    "explain.cosine": "Kosinus {cosine}, Rang {rank}",
    "explain.words": "BM25 {bm25}, Rang {rank}",
    "explain.hash": "{bits} von 64 Bits des Fingerabdrucks verschieden",
    "explain.standing": "{standing} σ über einem beliebigen Bild",
    "explain.stages": "{stages} · Ebene: {floor}",
    "error.not_yours": "Blättern kann nur, wer gefragt hat; frag selbst mit /similar.",
    "error.too_old": "Diese Knöpfe sind abgelaufen: frag noch einmal mit /similar.",
    "error.rate": "Das war viel auf einmal: bitte in {seconds} s noch einmal.",
    "error.nothing_asked": "Gib ein Bild, Wörter oder beides an: /similar image: … oder /similar text: ….",
    "error.channel": "In {channel} ist kein Bild erfasst, das du sehen darfst; wähle einen anderen oder lass ihn weg.",
    "error.author": "Niemand namens {name} hat ein Bild gezeigt, das du sehen darfst; prüf den Namen.",
    "error.no_picture": "Diese Nachricht zeigt kein Bild; nimm „Ähnliche finden“ bei einer, die eines zeigt.",
    "error.no_hit": "Dieses Bild ist nicht mehr da oder nicht mehr für dich sichtbar; frag noch einmal mit /similar.",
    "error.timeout": "Die Suche hat zu lange gedauert: versuch es gleich noch einmal oder mit engerem Filter.",
    "error.still_comparing": "Dein letztes /duplicates vergleicht noch: warte auf seine Antwort.",
    "error.many_comparing": "Gerade vergleichen viele: bitte in einer Minute noch einmal um /duplicates.",
    "error.nothing_to_share": "Von diesen Treffern darf keinen jeder in diesem Kanal sehen; nichts wurde geteilt.",
    "share.unknown": "Diesen Kanal kenne ich nicht gut genug, um hier zu schreiben; nichts wurde geteilt.",
    "share.timed_out": "Du bist im Timeout; nichts wurde geteilt.",
    "share.you": "Nichts wurde geteilt: so eine Nachricht darfst du hier selbst nicht schreiben (es fehlt:"
    " {permissions}).",
    "share.locked": "Dieser Thread ist gesperrt; nichts wurde geteilt.",
    "share.me": "Nichts wurde geteilt: mir fehlt hier {permissions}; wer den Kanal verwaltet, kann es geben.",
    "permission.view_channel": "„Kanal anzeigen“",
    "permission.send_messages": "„Nachrichten senden“",
    "permission.send_messages_in_threads": "„Nachrichten in Threads senden“",
    "permission.attach_files": "„Dateien anhängen“",
    "permission.embed_links": "„Links einbetten“",
    "sheet.asked": "Gefragt",
    "sheet.heading": "Wie das Bild links",
    "done.shared": "Unten geteilt: {count} Treffer, die alle hier sehen dürfen.",
}

TEXTS: Mapping[Language, Mapping[str, str]] = {Language.ENGLISH: _ENGLISH, Language.GERMAN: _GERMAN}


def say(language: Language, key: str, **values: object) -> str:
    """The text of `key` in `language` with its placeholders filled. Raises KeyError for a key that no text has."""
    return TEXTS[language][key].format(**values)


def number(value: int, language: Language) -> str:
    """12345 as 12,345 or 12.345."""
    return f"{value:,}".replace(",", "." if language is Language.GERMAN else ",")
