"""What /reindex, /stats, /privacy and /help say, in each language the bot speaks; /similar's words are the replies'.

Every language has the same keys with the same placeholders; a test holds them together.
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.replies.texts import Language

_ENGLISH: Mapping[str, str] = {
    "server_only": "This command works in a server only.",
    "manage_only": "Only members with the permission Manage Server can do this.",
    "failed": "Something went wrong on my side; whoever runs me finds it in the log as error {error_id}.",
    "busy": "Discord did not answer in time: please try again in a minute. (error {error_id})",
    "readers_busy": "I am opening many pictures just now: please try again in a minute.",
    "reason.empty": "The file is empty (0 bytes).",
    "reason.not-a-picture": "The file is not a picture, whatever its name says.",
    "reason.video": "This is a video{format}, and I look at pictures only: give me a screenshot of it.",
    "reason.document": "This is a document{format}, and I look at pictures only: give me a screenshot of it.",
    "reason.corrupt": "The picture is damaged and cannot be read.",
    "reason.truncated": "The picture breaks off in the middle: its file is incomplete.",
    "reason.unsupported-format": "I do not open this format of picture{format}: save it as PNG, JPEG, WebP, GIF,"
    " AVIF, BMP or TIFF.",
    "reason.too-many-pixels": "The picture has too many pixels to be opened safely.",
    "reason.too-many-parts": "The picture is made of too many scans or frames to be opened safely.",
    "reason.too-many-bytes": "The file is larger than I am allowed to download.",
    "reason.too-slow": "Reading the picture took too long.",
    "reason.too-much-memory": "Reading the picture would need too much memory.",
    "reason.worker-died": "The picture crashed what reads it; I go on without it.",
    "reason.host-not-allowed": "The picture lies on a host that I do not contact.",
    "reason.gone": "The picture is no longer there.",
    "reason.forbidden": "Discord does not let me read the picture.",
    "reason.unreachable": "The picture could not be downloaded after several tries.",
    "reason.internal": "I failed on the picture; my log says where.",
    "closed": "A channel cannot be read any more: please try again. (error {error_id})",
    "changed": "This command has just changed: reload Discord (Ctrl+R) and try again.",
    "missing": "I need the permission {permissions} here; someone who manages the server can grant it.",
    "rate": "That was a lot at once: please ask again in {seconds} s.",
    "restarting": "I am just being restarted: please ask again in a minute.",
    "channel.closed": "I may not read the history of {channel}: give me View Channel and Read Message History there, or"
    " choose another channel.",
    "job.running": "This server is already being indexed: /reindex status shows how far it is.",
    "job.paused": "Indexing is paused here: /reindex resume goes on with it, /reindex cancel ends it.",
    "job.none": "Nothing is being indexed here: /reindex start begins.",
    "job.never": "This server was never indexed: /reindex start begins.",
    "job.either": "Choose either a channel or the failed pictures, not both.",
    "scope.server": "this server",
    "scope.failed": "the pictures that failed before",
    "head.running": "**Indexing {what}**",
    "head.paused": "**Paused: indexing {what}**\n/reindex resume goes on.",
    "head.cancelled": "**Cancelled: indexing {what}**\nWhat was indexed stays searchable with /similar.",
    "head.failed": "**Indexing {what} failed**\n{reason}\n/reindex start tries again and reads nothing twice.",
    "head.done": "**Done: indexing {what}**\nAsk with /similar.",
    "starting": "starting …",
    "count.channels": "{done} of {total} channels",
    "count.messages": "{count} messages",
    "count.messages_of": "{count} of about {total} messages",
    "count.pictures": "{count} pictures",
    "count.pictures_of": "{done} of {total} pictures",
    "count.failed": "{count} could not be read",
    "count.closed": "{count} channels closed to me",
    "pace": "{pace} pictures/s",
    "left": "about {time} left",
    "estimating": "estimating …",
    "took": "took {time}",
    "stats.title": "**What I have of this server**, as far as you may see it",
    "stats.nothing": "Nothing that you may see here is indexed yet. Someone with Manage Server begins with"
    " /reindex start.",
    "stats.channels": "{count} channels and threads with pictures",
    "stats.pictures": "{pictures} pictures, shown {places} times in {messages} messages",
    "stats.coverage": "{percent} % indexed · {pending} in line · {failed} could not be read",
    "stats.age": "from {oldest} to {newest}",
    "stats.disk": "{size} of index files on disk, for all of this server",
    "stats.failures": "not read: {reasons}",
    "stats.job": "Indexing is running: {percent} %",
    "privacy.title": "**What I keep, and how to have it removed**",
    "privacy.kept": "Of messages that show pictures I keep: their text, file names and alt texts, who wrote them,"
    " links to the pictures, and what a model makes of each picture (numbers that tell how alike two pictures are). I"
    " keep no picture files, share nothing with anyone, and train nothing with it. Members find only what they may see"
    " in Discord at that moment. What is deleted in Discord is deleted here; when I am removed from a server, all of"
    " it.",
    "privacy.kept_all": "Of every message I keep its text and who wrote it; of messages that show pictures also file"
    " names, alt texts, links to the pictures, and what a model makes of each picture (numbers that tell how alike two"
    " pictures are). I keep no picture files, share nothing with anyone, and train nothing with it. Members find only"
    " what they may see in Discord at that moment. What is deleted in Discord is deleted here; when I am removed from"
    " a server, all of it.",
    "privacy.yours": "Of yours, in this server: {messages} messages with {pictures} pictures.",
    "privacy.out_here": "You asked to be forgotten in this server: nothing new by you is stored here.",
    "privacy.out_everywhere": "You asked to be forgotten everywhere: nothing new by you is stored in any server.",
    "privacy.forget_here": "Forget me in this server",
    "privacy.forget_everywhere": "Forget me everywhere",
    "privacy.export": "Export what you hold of mine",
    "privacy.return": "Let me be found again",
    "privacy.sure_here": "Shall I delete all that I hold of you in this server, and store nothing new by you? Until you"
    " say yes, nothing changes.",
    "privacy.sure_everywhere": "Shall I delete all that I hold of you in every server, and store nothing new by you?"
    " Until you say yes, nothing changes.",
    "privacy.yes": "Yes, forget me",
    "privacy.no": "No",
    "privacy.kept_as_is": "Nothing was changed.",
    "privacy.forgotten": "Done: {messages} messages of yours are gone from my index, and nothing new by you is stored.",
    "privacy.noted": "Your wish is written down and cannot be lost. My database is busy: it is carried out as soon as"
    " that is free.",
    "privacy.back": "Done: what you post from now on can be found again. What I forgot comes back with the next"
    " /reindex start, if someone gives it.",
    "privacy.exported": "Everything that I hold of yours, in all servers: {messages} messages.",
    "privacy.exported_before": "You asked for an export within the last hour; ask for the next one in {minutes} min.",
    "privacy.nothing": "I hold nothing of yours.",
    "privacy.too_large": "What I hold of yours is too large to send here ({size}): ask whoever runs me for it.",
    "help.text": "**I find pictures in this server's own history.** You see only hits from channels that you may"
    " read.\n"
    "- `/similar` with a picture, words, or both: `text: red bicycle -car in:#photos after:2024 has:gif`\n"
    "- `/similar` with filters alone shows the newest: `text: in:#photos has:gif`\n"
    "- right-click (or hold) a message → Apps → **Find similar**\n"
    "- `/duplicates`: what was posted more than once · `/random`: any picture\n"
    "- `/stats`: what is indexed · `/privacy`: what I keep, forget me, export · `/help`: this",
    "help.manager": "You manage this server:\n"
    "- `/reindex start` lets me read its history (newest first), `status`, `pause`, `resume`, `cancel`\n"
    "- I read channels where I have View Channel and Read Message History",
}

_GERMAN: Mapping[str, str] = {
    "server_only": "Dieser Befehl geht nur auf einem Server.",
    "manage_only": "Das dürfen nur Mitglieder mit dem Recht „Server verwalten“.",
    "failed": "Bei mir ging etwas schief; wer mich betreibt, findet es im Protokoll als Fehler {error_id}.",
    "busy": "Discord hat nicht rechtzeitig geantwortet: bitte in einer Minute noch einmal. (Fehler {error_id})",
    "readers_busy": "Ich öffne gerade viele Bilder: bitte in einer Minute noch einmal.",
    "reason.empty": "Die Datei ist leer (0 Bytes).",
    "reason.not-a-picture": "Die Datei ist kein Bild, was auch immer ihr Name sagt.",
    "reason.video": "Das ist ein Video{format}, und ich sehe mir nur Bilder an: gib mir ein Bildschirmfoto davon.",
    "reason.document": "Das ist ein Dokument{format}, und ich sehe mir nur Bilder an: gib mir ein Bildschirmfoto"
    " davon.",
    "reason.corrupt": "Das Bild ist beschädigt und lässt sich nicht lesen.",
    "reason.truncated": "Das Bild bricht mittendrin ab: seine Datei ist unvollständig.",
    "reason.unsupported-format": "Dieses Bildformat öffne ich nicht{format}: speichere es als PNG, JPEG, WebP, GIF,"
    " AVIF, BMP oder TIFF.",
    "reason.too-many-pixels": "Das Bild hat zu viele Pixel, um es gefahrlos zu öffnen.",
    "reason.too-many-parts": "Das Bild besteht aus zu vielen Durchgängen oder Einzelbildern, um es gefahrlos zu"
    " öffnen.",
    "reason.too-many-bytes": "Die Datei ist größer, als ich herunterladen darf.",
    "reason.too-slow": "Das Bild zu lesen hat zu lange gedauert.",
    "reason.too-much-memory": "Das Bild zu lesen bräuchte zu viel Arbeitsspeicher.",
    "reason.worker-died": "An dem Bild ist mein Leseprogramm abgestürzt; ich mache ohne das Bild weiter.",
    "reason.host-not-allowed": "Das Bild liegt auf einem Rechner, den ich nicht anspreche.",
    "reason.gone": "Das Bild ist nicht mehr da.",
    "reason.forbidden": "Discord lässt mich das Bild nicht lesen.",
    "reason.unreachable": "Das Bild ließ sich auch nach mehreren Versuchen nicht herunterladen.",
    "reason.internal": "Ich bin an dem Bild gescheitert; mein Protokoll sagt, woran.",
    "closed": "Ein Kanal ist nicht mehr lesbar: bitte noch einmal versuchen. (Fehler {error_id})",
    "changed": "Dieser Befehl hat sich gerade geändert: Discord neu laden (Strg+R) und noch einmal versuchen.",
    "missing": "Mir fehlt hier das Recht {permissions}; wer den Server verwaltet, kann es geben.",
    "rate": "Das war viel auf einmal: bitte in {seconds} s noch einmal.",
    "restarting": "Ich werde gerade neu gestartet: bitte in einer Minute noch einmal.",
    "channel.closed": "Den Verlauf von {channel} darf ich nicht lesen: gib mir dort „Kanal anzeigen“ und"
    " „Nachrichtenverlauf anzeigen“, oder wähle einen anderen Kanal.",
    "job.running": "Dieser Server wird schon erfasst: /reindex status zeigt, wie weit.",
    "job.paused": "Das Erfassen pausiert: /reindex resume setzt es fort, /reindex cancel beendet es.",
    "job.none": "Hier wird gerade nichts erfasst: /reindex start beginnt damit.",
    "job.never": "Dieser Server wurde noch nie erfasst: /reindex start beginnt damit.",
    "job.either": "Entweder ein Kanal oder die gescheiterten Bilder, nicht beides.",
    "scope.server": "dieser Server",
    "scope.failed": "die zuvor gescheiterten Bilder",
    "head.running": "**Wird erfasst: {what}**",
    "head.paused": "**Pausiert: {what}**\n/reindex resume setzt fort.",
    "head.cancelled": "**Abgebrochen: {what}**\nWas erfasst wurde, bleibt mit /similar auffindbar.",
    "head.failed": "**Gescheitert: {what}**\n"
    "{reason}\n"
    "/reindex start versucht es noch einmal und liest nichts doppelt.",
    "head.done": "**Erfasst: {what}**\nFrag mit /similar.",
    "starting": "es geht los …",
    "count.channels": "{done} von {total} Kanälen",
    "count.messages": "{count} Nachrichten",
    "count.messages_of": "{count} von etwa {total} Nachrichten",
    "count.pictures": "{count} Bilder",
    "count.pictures_of": "{done} von {total} Bildern",
    "count.failed": "{count} nicht lesbar",
    "count.closed": "{count} Kanäle mir verschlossen",
    "pace": "{pace} Bilder/s",
    "left": "noch etwa {time}",
    "estimating": "wird geschätzt …",
    "took": "dauerte {time}",
    "stats.title": "**Was ich von diesem Server habe**, soweit du es sehen darfst",
    "stats.nothing": "Von dem, was du hier sehen darfst, ist noch nichts erfasst. Wer den Server verwaltet, beginnt"
    " mit /reindex start.",
    "stats.channels": "{count} Kanäle und Threads mit Bildern",
    "stats.pictures": "{pictures} Bilder, {places}-mal gezeigt in {messages} Nachrichten",
    "stats.coverage": "{percent} % erfasst · {pending} in der Schlange · {failed} nicht lesbar",
    "stats.age": "von {oldest} bis {newest}",
    "stats.disk": "{size} Indexdateien auf der Platte, für den ganzen Server",
    "stats.failures": "nicht gelesen: {reasons}",
    "stats.job": "Wird gerade erfasst: {percent} %",
    "privacy.title": "**Was ich speichere, und wie du es löschen lässt**",
    "privacy.kept": "Von Nachrichten mit Bildern speichere ich: ihren Text, Dateinamen und Alternativtexte, wer sie"
    " schrieb, Links zu den Bildern, und was ein Modell aus jedem Bild macht (Zahlen, die sagen, wie ähnlich sich zwei"
    " Bilder sind). Ich speichere keine Bilddateien, gebe nichts weiter und trainiere nichts damit. Mitglieder finden"
    " nur, was sie in Discord in diesem Augenblick sehen dürfen. Was in Discord gelöscht wird, wird hier gelöscht;"
    " werde ich von einem Server entfernt, alles von dort.",
    "privacy.kept_all": "Von jeder Nachricht speichere ich ihren Text und wer sie schrieb; von Nachrichten mit"
    " Bildern auch Dateinamen, Alternativtexte, Links zu den Bildern, und was ein Modell aus jedem Bild macht (Zahlen,"
    " die sagen, wie ähnlich sich zwei Bilder sind). Ich speichere keine Bilddateien, gebe nichts weiter und trainiere"
    " nichts damit. Mitglieder finden nur, was sie in Discord in diesem Augenblick sehen dürfen. Was in Discord"
    " gelöscht wird, wird hier gelöscht; werde ich von einem Server entfernt, alles von dort.",
    "privacy.yours": "Von dir auf diesem Server: {messages} Nachrichten mit {pictures} Bildern.",
    "privacy.out_here": "Du wolltest auf diesem Server vergessen werden: nichts Neues von dir wird hier gespeichert.",
    "privacy.out_everywhere": "Du wolltest überall vergessen werden: nichts Neues von dir wird gespeichert.",
    "privacy.forget_here": "Vergiss mich auf diesem Server",
    "privacy.forget_everywhere": "Vergiss mich überall",
    "privacy.export": "Gib mir, was du von mir hast",
    "privacy.return": "Ich will wieder gefunden werden",
    "privacy.sure_here": "Soll ich alles löschen, was ich auf diesem Server von dir habe, und nichts Neues von dir"
    " speichern? Bis du ja sagst, ändert sich nichts.",
    "privacy.sure_everywhere": "Soll ich alles löschen, was ich auf allen Servern von dir habe, und nichts Neues von"
    " dir speichern? Bis du ja sagst, ändert sich nichts.",
    "privacy.yes": "Ja, vergiss mich",
    "privacy.no": "Nein",
    "privacy.kept_as_is": "Nichts wurde geändert.",
    "privacy.forgotten": "Erledigt: {messages} Nachrichten von dir sind aus meinem Index verschwunden, und nichts"
    " Neues von dir wird gespeichert.",
    "privacy.noted": "Dein Wunsch ist aufgeschrieben und kann nicht verloren gehen. Meine Datenbank ist beschäftigt: er"
    " wird ausgeführt, sobald sie frei ist.",
    "privacy.back": "Erledigt: was du von nun an schreibst, kann wieder gefunden werden. Was ich vergaß, kommt mit"
    " dem nächsten /reindex start zurück, falls jemand es gibt.",
    "privacy.exported": "Alles, was ich auf allen Servern von dir habe: {messages} Nachrichten.",
    "privacy.exported_before": "Du hast in der letzten Stunde schon um einen Export gebeten; der nächste geht in"
    " {minutes} min.",
    "privacy.nothing": "Ich habe nichts von dir.",
    "privacy.too_large": "Was ich von dir habe, ist zu groß zum Senden ({size}): frag, wer mich betreibt.",
    "help.text": "**Ich finde Bilder in der Geschichte dieses Servers.** Du siehst nur Treffer aus Kanälen, die du"
    " lesen darfst.\n"
    "- `/similar` mit Bild, Wörtern oder beidem: `text: red bicycle -car in:#fotos after:2024 has:gif`\n"
    "- `/similar` nur mit Filtern zeigt das Neueste: `text: in:#fotos has:gif`\n"
    "- Rechtsklick auf eine Nachricht (oder gedrückt halten) → Apps → **Ähnliche finden**\n"
    "- `/duplicates`: was mehrmals gezeigt wurde · `/random`: irgendein Bild\n"
    "- `/stats`: was erfasst ist · `/privacy`: was ich speichere, vergiss mich, Export · `/help`: dies",
    "help.manager": "Du verwaltest diesen Server:\n"
    "- `/reindex start` lässt mich seine Geschichte lesen (Neuestes zuerst), `status`, `pause`, `resume`, `cancel`\n"
    "- ich lese Kanäle, in denen ich „Kanal anzeigen“ und „Nachrichtenverlauf anzeigen“ habe",
}

WORDS: Mapping[Language, Mapping[str, str]] = {Language.ENGLISH: _ENGLISH, Language.GERMAN: _GERMAN}


def tell(language: Language, key: str, **values: object) -> str:
    """The words of `key` with their placeholders filled. Raises KeyError for a key that there is not."""
    return WORDS[language][key].format(**values)
