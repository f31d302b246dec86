"""The commands' own texts in the languages Discord shows them in: English in the code, German here.

Names stay as they are, so that what one member says ("use /similar") is what another can type; only the message
command, which nobody types, is translated.
"""

from __future__ import annotations

from collections.abc import Mapping

import discord
from discord import app_commands

_GERMAN: Mapping[str, str] = {
    "Find similar": "Ähnliche finden",
    "Find pictures in this server's history: like a picture, by words, or both": (
        "Findet Bilder in der Geschichte dieses Servers: nach Bild, Wörtern oder beidem"
    ),
    "A picture to compare with": "Ein Bild, mit dem verglichen wird",
    "A second picture: hits are like both": "Ein zweites Bild: Treffer ähneln beiden",
    "A third picture: hits are like all three": "Ein drittes Bild: Treffer ähneln allen dreien",
    "What to look for, as in: cat in the rain -dog in:#memes has:gif": (
        "Was gesucht wird, zum Beispiel: Katze im Regen -Hund in:#memes has:gif"
    ),
    "Only in this channel or category, threads included": "Nur in diesem Kanal oder dieser Kategorie, samt Threads",
    "Only what this member posted": "Nur, was dieses Mitglied gezeigt hat",
    "Only from this day on: 2024-05-01, yesterday, 3 weeks ago": "Nur ab diesem Tag: 2024-05-01, gestern, vor 3 Wochen",
    "Only before this day: 2024-05-01, yesterday, 3 weeks ago": "Nur vor diesem Tag: 2024-05-01, gestern, vor 3 Wochen",
    "How many hits": "Wie viele Treffer",
    "Show the hits to everybody in this channel, as far as all may see them": (
        "Zeigt die Treffer allen in diesem Kanal, soweit alle sie sehen dürfen"
    ),
    "Show how each hit got its place": "Zeigt, wie jeder Treffer an seinen Platz kam",
    "Find pictures that were posted more than once": "Findet Bilder, die mehrmals gezeigt wurden",
    "How sure I must be, from 0.5 to 1; 0.95 if you do not say": (
        "Wie sicher ich sein muss, von 0,5 bis 1; ohne Angabe 0,95"
    ),
    "Show any picture of this server's history": "Zeigt irgendein Bild aus der Geschichte dieses Servers",
    "What I can find, and how to ask": "Was ich finden kann, und wie man fragt",
    "What I keep; forget me; export what you hold of mine": (
        "Was ich speichere; vergiss mich; gib mir, was du von mir hast"
    ),
    "Read this server's history for /similar (Manage Server)": (
        "Liest die Geschichte dieses Servers für /similar (Server verwalten)"
    ),
    "Start: read the pictures of this server, one channel, or what failed": (
        "Beginnt: liest die Bilder dieses Servers, eines Kanals oder was gescheitert ist"
    ),
    "Only this channel and its threads": "Nur dieser Kanal und seine Threads",
    "Only the pictures that could not be read before": "Nur die Bilder, die zuvor nicht lesbar waren",
    "How far it is": "Wie weit es ist",
    "Pause: what was read stays searchable, and nothing is read twice": (
        "Pausiert: was gelesen wurde, bleibt auffindbar, und nichts wird doppelt gelesen"
    ),
    "Go on with what was paused": "Setzt fort, was pausiert wurde",
    "End it; what was read stays searchable": "Beendet es; was gelesen wurde, bleibt auffindbar",
    "What is indexed of this server": "Was von diesem Server erfasst ist",
}
LANGUAGES: Mapping[discord.Locale, Mapping[str, str]] = {discord.Locale.german: _GERMAN}


class Translator(app_commands.Translator):
    """Give it to the tree before the commands are registered with Discord."""

    async def translate(
        self, string: app_commands.locale_str, locale: discord.Locale, context: app_commands.TranslationContextTypes
    ) -> str | None:
        """The text in that language; None leaves the English one."""
        return LANGUAGES.get(locale, {}).get(string.message)
