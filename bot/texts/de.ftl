## title

title-pictures = Bilder wie { $what }
title-words = Bilder zu { $what }
title-asked = { $author } fragte: { $what }
title-newest = Die neuesten Bilder, die durch deine Filter passen
title-by = Die neuesten Bilder von { $author }
title-given = das angegebene
title-message = das in jener Nachricht
title-shown = das gewählte
title-more = die { $count } angegebenen
title-and = { $left } und { $right }
title-without = ohne { $what }

## hit

hit-line = **{ $number } · { $band }**
hit-where = { $author } in { $channel } · { $age } · [Zur Nachricht]({ $link })
hit-first = Zuerst gezeigt von { $author } { $age }, insgesamt { $count }-mal

hit-in-picture = Wörter im Bild gefunden
hit-in-caption = Wörter in der Bildbeschreibung eines Modells gefunden

## band

band-same-picture = Dasselbe Bild
band-edited-copy = Bearbeitete Kopie
band-very-similar = Sehr ähnlich
band-related = Verwandt
band-said = In den Worten
band-far = Weit entfernt
band-at = { $band }, bei { $moment }

## words

words-same-picture = Dasselbe Bild
words-edited-copy = Bearbeitete Kopie
words-very-similar = Passt gut
words-related = Passt
words-said = In den Worten
words-far = Weit entfernt

## none

none-title = Nichts nah genug
none-found = { $searched ->
        [one] Das eine Bild, das du hier sehen darfst, kommt nicht nahe heran.
       *[other] Keines der { $searched } Bilder, die du hier sehen darfst, kommt nahe heran.
    } Versuch andere Wörter, ein anderes Bild oder weniger Filter.
none-searched = Es gibt kein erfasstes Bild, das du sehen darfst und das durch deine Filter passt. Nimm einen Filter weg oder bitte jemanden mit „Server verwalten“ um /reindex start.
none-by = Es gibt kein erfasstes Bild von { $author }, das du sehen darfst.

## footer

footer-searched = { $searched ->
        [one] { $searched } Bild durchsucht
       *[other] { $searched } Bilder durchsucht
    }
footer-listed = { $searched ->
        [one] { $searched } Bild passt durch diese Filter
       *[other] { $searched } Bilder passen durch diese Filter
    }
footer-older = gezeigt werden die neuesten { $shown }: before: zeigt ältere
footer-page = Seite { $page } von { $pages }
footer-ms = { $ms } ms
footer-coverage = { $percent } % von { $what } erfasst
footer-server = dem, was du sehen darfst,
footer-chosen = diesen Kanälen
footer-everyone = dem, was alle hier sehen dürfen,
footer-floor-direct = ohne den schnellen Index gesucht, er wird neu aufgebaut
footer-floor-live = nur in den neuesten Nachrichten gesucht
rerank-loading = nur vom ersten Modell geordnet: das zweite wird gerade geladen
rerank-weights = nur vom ersten Modell geordnet: das zweite fehlt
rerank-memory = nur vom ersten Modell geordnet: dem zweiten fehlte Speicher
rerank-deadline = nur vom ersten Modell geordnet: das zweite brauchte zu lange
rerank-unseen = nur vom ersten Modell geordnet: das zweite konnte die Bilder nicht rechtzeitig sehen
rerank-failed = nur vom ersten Modell geordnet: das zweite ist gescheitert
footer-shared = geteilt von { $author }: nur, was alle hier sehen dürfen
newest-unread = { $count ->
        [one] Die neuesten Nachrichten eines Kanals sind noch nicht auffindbar.
       *[other] Die neuesten Nachrichten von { $count } Kanälen sind noch nicht auffindbar.
    }
newest-read = Gerade gelesen: die neuesten Nachrichten { $channels ->
        [one] eines Kanals
       *[other] von { $channels } Kanälen
    }. { $pictures ->
        [one] { $pictures } weiteres Bild ist auffindbar.
       *[other] { $pictures } weitere Bilder sind auffindbar.
    }
newest-nothing = Neueres war gerade nicht zu lesen.

## button

button-previous = Zurück
button-next = Weiter
button-share = Hier teilen
button-sheet = Kontaktbogen
button-another = Noch eins
button-like = Mehr davon
button-newest = Neueste Nachrichten jetzt

## reposts

reposts-title = Mehrmals gezeigt
reposts-none = Von keinem Bild hier bin ich zu { $percent } % sicher, dass es noch einmal gezeigt wurde. Senk die Schwelle oder erweitere Kanal und Zeitraum.
reposts-line = **{ $number } · { $count }-mal** ({ $percent } % sicher)
reposts-first = Zuerst { $author } in { $channel }, { $age } · [Zur Nachricht]({ $link })
reposts-then = Dann { $links }
reposts-more = { $count ->
        [one] und { $count } weiteres Mal
       *[other] und { $count } weitere
    }
reposts-likely = wohl eine Kopie
reposts-compared = { $count ->
        [one] { $count } Bild verglichen, mindestens { $percent } % sicher
       *[other] { $count } Bilder verglichen, mindestens { $percent } % sicher
    }
reposts-newest = die neuesten von { $total }: wähle Kanal oder Zeitraum für die anderen

## random

random-none = Es gibt kein erfasstes Bild, das du sehen darfst und das durch deine Filter passt.

## select

select-more = Mehr wie …
select-hit = Mehr wie Bild { $number }

## explain

explain-cosine = Kosinus { $cosine }, Rang { $rank }
explain-words = BM25 { $bm25 }, Rang { $rank }
explain-picture-words = { $bm25 } davon durch Wörter im Bild
explain-caption-words = { $bm25 } davon durch die Bildbeschreibung eines Modells
copy-cropped = auf { $percent } % beschnitten
copy-mirrored = gespiegelt
copy-turned = um { $degrees }° gedreht
copy-framed = gerahmt
copy-captioned = mit Beschriftung
copy-saved = neu gespeichert
explain-pixels = Pixel stimmen zu { $correlation } überein
explain-pixels-another = die Pixel zeigen ein anderes Bild
explain-pixels-unknown = die Pixel wurden nicht verglichen
explain-colour = { $percent } % davon hat die Farbe
explain-second = zweites Modell { $score }, Rang { $rank } (erste Stufe: { $first })
explain-second-unseen = das zweite Modell konnte es nicht rechtzeitig sehen (erste Stufe: { $first })
explain-reranked = { $model }: { $scored } von { $candidates } gesehen
explain-hash = { $bits } von 64 Bits des Fingerabdrucks verschieden
explain-standing = { $standing } σ über einem beliebigen Bild
explain-stages = { $stages } · Ebene: { $floor }
stage-list = Liste
stage-picture = Bild
stage-text = Text
stage-vectors = Vektoren
stage-words = Wörter
stage-retrieve = Suche
stage-compare = Vergleich
stage-judge = Urteil
stage-fuse = Mischung
stage-rerank = zweites Modell
stage-choose = Auswahl
stage-total = gesamt
floor-index = Index
floor-direct = direkt
floor-live = neueste Nachrichten

## waking

waking-up = Ich wache gerade auf, einen Moment … Die Antwort kommt hier von selbst.

## error

error-not-yours = Blättern kann nur, wer gefragt hat; frag selbst mit /similar.
error-too-old = Diese Knöpfe sind abgelaufen: frag noch einmal mit /similar.
error-rate = Das war viel auf einmal: bitte in { $seconds } s noch einmal.
error-nothing-asked = Gib ein Bild, Wörter oder beides an: /similar image: … oder /similar text: …. Filter allein (in:, from:, has:) zeigen das Neueste.
error-only-without = Wörter, die fehlen sollen, brauchen etwas Gesuchtes daneben: Katze -Hund, oder ein Bild.
error-age-restricted-by-id = <#{ $channel }> ist altersbeschränkt: frag danach in einem altersbeschränkten Kanal.
error-age-restricted-by-name = #{ $channel } ist altersbeschränkt: frag danach in einem altersbeschränkten Kanal.
error-channel-by-id = In <#{ $channel }> ist kein Bild erfasst, das du sehen darfst; wähle einen anderen oder lass ihn weg.
error-channel-by-name = In #{ $channel } ist kein Bild erfasst, das du sehen darfst; wähle einen anderen oder lass ihn weg.
error-only-in-collections = camera:, lens: und near: durchsuchen Bilderordner, die auf der Maschine des Bots importiert wurden, und nur dort; von Bildern in Discord wird nichts davon behalten. Lass es weg.
error-author = Niemand namens { $name } hat ein Bild gezeigt, das du sehen darfst; prüf den Namen.
error-no-picture = Diese Nachricht zeigt kein Bild; nimm „Ähnliche finden“ bei einer, die eines zeigt.
error-no-hit = Dieses Bild ist nicht mehr da oder nicht mehr für dich sichtbar; frag noch einmal mit /similar.
error-model = Mein Modell ist gerade nicht da: bitte in einer Minute noch einmal. Filter allein (in:, from:, has:) gehen ohne. (Fehler { $error })
error-still-waking = Mein Modell wird noch geladen: bitte in einigen Minuten noch einmal. Filter allein (in:, from:, has:) gehen ohne.
error-newest-again = Du hast die neuesten Nachrichten gerade erst lesen lassen: Versuche es in { $seconds } s noch einmal.
error-timeout = Die Suche hat zu lange gedauert: versuch es gleich noch einmal oder mit engerem Filter.
error-still-comparing = Dein letztes /duplicates vergleicht noch: warte auf seine Antwort.
error-many-comparing = Gerade vergleichen viele: bitte in einer Minute noch einmal um /duplicates.
error-nothing-to-share = Von diesen Treffern darf keinen jeder in diesem Kanal sehen; nichts wurde geteilt.
error-server-only = Dieser Befehl geht nur auf einem Server.
error-manage-only = Das dürfen nur Mitglieder mit dem Recht „Server verwalten“.
error-failed = Bei mir ging etwas schief; wer mich betreibt, findet es im Protokoll als Fehler { $error }.
error-busy = Discord hat nicht rechtzeitig geantwortet: bitte in einer Minute noch einmal. (Fehler { $error })
error-readers-busy = Ich öffne gerade viele Bilder: bitte in einer Minute noch einmal.
error-closed = Ein Kanal ist nicht mehr lesbar: bitte noch einmal versuchen. (Fehler { $error })
error-changed = Dieser Befehl hat sich gerade geändert: Discord neu laden (Strg+R) und noch einmal versuchen.
error-restarting = Ich werde gerade neu gestartet: bitte in einer Minute noch einmal.
error-channel-closed = Den Verlauf von <#{ $channel }> darf ich nicht lesen: gib mir dort „Kanal anzeigen“ und „Nachrichtenverlauf anzeigen“, oder wähle einen anderen Kanal.

## share

share-unknown = Diesen Kanal kenne ich nicht gut genug, um hier zu schreiben; nichts wurde geteilt.
share-timed-out = Du bist im Timeout; nichts wurde geteilt.
share-you = Nichts wurde geteilt: so eine Nachricht darfst du hier selbst nicht schreiben (es fehlt: { $permissions }).
share-locked = Dieser Thread ist gesperrt; nichts wurde geteilt.
share-me = Nichts wurde geteilt: mir fehlt hier { $permissions }; wer den Kanal verwaltet, kann es geben.

## permission

permission-view-channel = „Kanal anzeigen“
permission-send-messages = „Nachrichten senden“
permission-send-messages-in-threads = „Nachrichten in Threads senden“
permission-attach-files = „Dateien anhängen“
permission-embed-links = „Links einbetten“

## sheet

sheet-asked = Gefragt
sheet-heading = Wie das Bild links

## done

done-shared = { $count ->
        [one] Unten geteilt: { $count } Treffer, den alle hier sehen dürfen.
       *[other] Unten geteilt: { $count } Treffer, die alle hier sehen dürfen.
    }

## job

job-running = Dieser Server wird schon erfasst: /reindex status zeigt, wie weit.
job-paused = Das Erfassen pausiert: /reindex resume setzt es fort, /reindex cancel beendet es.
job-none = Hier wird gerade nichts erfasst: /reindex start beginnt damit.
job-not-allowed = Niemand, der diesen Server verwaltet, hat gesagt, dass er gelesen werden darf: Dazu dient /reindex start in Discord.
job-elsewhere = Ein anderer Prozess dieses Bots bedient diesen Server: dort wird er erfasst.
job-never = Dieser Server wurde noch nie erfasst: /reindex start beginnt damit.
job-either = Entweder ein Kanal oder die gescheiterten Bilder, nicht beides.

## scope

scope-server = dieser Server
scope-failed = die zuvor gescheiterten Bilder

## head

head-running = **Wird erfasst: { $what }**
head-paused = **Pausiert: { $what }**
    /reindex resume setzt fort.
head-cancelled = **Abgebrochen: { $what }**
    Was erfasst wurde, bleibt mit /similar auffindbar.
head-failed = **Gescheitert: { $what }**
    { $reason }
    /reindex start versucht es noch einmal und liest nichts doppelt.
head-done = **Erfasst: { $what }**
    Frag mit /similar.

## progress

disk-low = ⏸ Es ruht: die Platte dieses Bots ist fast voll, und ihr Rest bleibt für Löschungen und Antworten. Wer den Bot betreibt, muss Platz schaffen; dann geht es von selbst weiter.
disk-notice-full = ⏸ An alle, die diesen Server verwalten: Zurzeit wird nichts Neues indexiert, denn die Platte des Rechners, auf dem ich laufe, ist fast voll. Fragen werden beantwortet und Löschungen ausgeführt. Wer mich betreibt, muss auf dieser Platte Platz schaffen. Dann geht es von selbst weiter, und ich lese nach, was inzwischen gepostet wurde.
disk-notice-room = ▶ An alle, die diesen Server verwalten: Die Platte hat wieder Platz, und es wird weiter indexiert.
progress-starting = es geht los …
progress-pace = { $pace } Bilder/s
progress-left = noch etwa { $time }
progress-estimating = wird geschätzt …
progress-took = dauerte { $time }

## count

count-channels = { $total ->
        [one] { $done } von { $total } Kanal
       *[other] { $done } von { $total } Kanälen
    }
count-messages = { $count ->
        [one] { $count } Nachricht
       *[other] { $count } Nachrichten
    }
count-messages-of = { $total ->
        [one] { $count } von etwa { $total } Nachricht
       *[other] { $count } von etwa { $total } Nachrichten
    }
count-new = { $count ->
        [one] { $count } neues Bild
       *[other] { $count } neue Bilder
    }
count-nothing-new = keine neuen Bilder
count-indexed = { $count ->
        [one] { $count } Bild ist auffindbar
       *[other] { $count } Bilder sind auffindbar
    }
progress-moved = Das Erfassen geht weiter; wie weit es ist, steht in einer neueren Nachricht.
count-pictures-of = { $total ->
        [one] { $done } von { $total } Bild
       *[other] { $done } von { $total } Bildern
    }
count-failed = { $count } nicht lesbar
count-closed = { $count ->
        [one] { $count } Kanal mir verschlossen
       *[other] { $count } Kanäle mir verschlossen
    }

## stats

stats-title = **Was ich von diesem Server habe**, soweit du es sehen darfst
stats-nothing = Von dem, was du hier sehen darfst, ist noch nichts erfasst. Wer den Server verwaltet, beginnt mit /reindex start.
stats-channels = { $count ->
        [one] { $count } Kanal oder Thread mit Bildern
       *[other] { $count } Kanäle und Threads mit Bildern
    }
stats-pictures = { $pictures ->
        [one] { $pictures } Bild
       *[other] { $pictures } Bilder
    }, { $places }-mal gezeigt in { $messages ->
        [one] { $messages } Nachricht
       *[other] { $messages } Nachrichten
    }
stats-coverage = { $percent } % erfasst · { $pending } in der Schlange · { $failed } nicht lesbar
stats-age = von { $oldest } bis { $newest }
stats-disk = { $size } Indexdateien auf der Platte, für den ganzen Server
stats-failures = nicht gelesen: { $count } × { $reason }
stats-job = Wird gerade erfasst: { $percent } %

## privacy

privacy-title = **Was ich speichere, und wie du es löschen lässt**
privacy-kept = Von Nachrichten mit Bildern speichere ich: ihren Text, Dateinamen und Alternativtexte, wer sie schrieb, Links zu den Bildern, und was ein Modell aus jedem Bild macht (Zahlen, die sagen, wie ähnlich sich zwei Bilder sind). Ich speichere keine Bilddateien, gebe nichts weiter und trainiere nichts damit. Mitglieder finden nur, was sie in Discord in diesem Augenblick sehen dürfen. Was in Discord gelöscht wird, wird hier gelöscht; werde ich von einem Server entfernt, alles von dort.
privacy-kept-all = Von jeder Nachricht speichere ich ihren Text und wer sie schrieb; von Nachrichten mit Bildern auch Dateinamen, Alternativtexte, Links zu den Bildern, und was ein Modell aus jedem Bild macht (Zahlen, die sagen, wie ähnlich sich zwei Bilder sind). Ich speichere keine Bilddateien, gebe nichts weiter und trainiere nichts damit. Mitglieder finden nur, was sie in Discord in diesem Augenblick sehen dürfen. Was in Discord gelöscht wird, wird hier gelöscht; werde ich von einem Server entfernt, alles von dort.
privacy-yours = Von dir auf diesem Server: { $messages ->
        [one] { $messages } Nachricht
       *[other] { $messages } Nachrichten
    } mit { $pictures ->
        [one] { $pictures } Bild
       *[other] { $pictures } Bildern
    }.
privacy-saved = Du hast auf diesem Server { $searches ->
        [one] { $searches } Suche
       *[other] { $searches } Suchen
    } gespeichert: `/saved list`.
privacy-out-here = Du wolltest auf diesem Server vergessen werden: nichts Neues von dir wird hier gespeichert.
privacy-out-everywhere = Du wolltest überall vergessen werden: nichts Neues von dir wird gespeichert.
privacy-some-servers = Ich laufe als mehrere Prozesse, jeder mit einem eigenen Index. Überall heißt hier: auf den Servern dessen, der dir gerade antwortet. Auf einem Server, wo ein anderer antwortet, nutze /privacy auch dort.
privacy-forget-here = Vergiss mich auf diesem Server
privacy-forget-everywhere = Vergiss mich überall
privacy-export = Gib mir, was du von mir hast
privacy-return = Ich will wieder gefunden werden
privacy-sure-here = Soll ich alles löschen, was ich auf diesem Server von dir habe, und nichts Neues von dir speichern? Bis du ja sagst, ändert sich nichts.
privacy-sure-everywhere = Soll ich alles löschen, was ich auf allen Servern von dir habe, und nichts Neues von dir speichern? Bis du ja sagst, ändert sich nichts.
privacy-yes = Ja, vergiss mich
privacy-no = Nein
privacy-kept-as-is = Nichts wurde geändert.
privacy-forgotten = Erledigt: { $messages ->
        [one] { $messages } Nachricht von dir ist
       *[other] { $messages } Nachrichten von dir sind
    } aus meinem Index verschwunden, und nichts Neues von dir wird gespeichert.
privacy-noted = Dein Wunsch ist aufgeschrieben und kann nicht verloren gehen. Meine Datenbank ist beschäftigt: er wird ausgeführt, sobald sie frei ist.
privacy-here-only = Eines fehlt: Der Speicher, der deinen Wunsch für den Fall bewahrt, dass meine Maschine verloren geht, hat ihn noch nicht. Ich wiederhole es, bis er ihn hat.
privacy-back = Erledigt: was du von nun an schreibst, kann wieder gefunden werden. Was ich vergaß, kommt mit dem nächsten /reindex start zurück, falls jemand es gibt.
privacy-exported = Alles, was ich auf allen Servern von dir habe: { $messages ->
        [one] { $messages } Nachricht
       *[other] { $messages } Nachrichten
    }.
privacy-exported-before = Du hast in der letzten Stunde schon um einen Export gebeten; der nächste geht in { $minutes } min.
privacy-nothing = Ich habe nichts von dir.
privacy-nothing-here = Der meiner Prozesse, der hier antwortet, hat nichts von dir. Auf einem Server, wo ein anderer antwortet, frag auch dort.
privacy-too-large = Was ich von dir habe, ist zu groß zum Senden ({ $size }): frag, wer mich betreibt.

## saved

saved-added = Gespeichert als **{ $name }**: `/saved run` fragt noch einmal. Niemand sonst sieht das; `/saved remove` entfernt es.
saved-with-an-old-picture = ihr Bild ist von einem früheren Modell: `/saved add` speichert es neu
saved-tells = meldet dir Neues
saved-will-tell = Ich melde mich mit einer Direktnachricht, wenn etwas Neues passt, { $minutes ->
        [0] jedes Mal
       *[other] höchstens alle { $minutes } Minuten
    }. Deine eigenen Nachrichten zählen nie.
saved-will-tell-in = Ich melde mich mit einer Direktnachricht, wenn etwas Neues passt, { $minutes ->
        [0] jedes Mal
       *[other] höchstens alle { $minutes } Minuten
    }; nimmst du keine an, erwähne ich dich in { $channel }, mit dem, was dort alle sehen dürfen. Deine eigenen Nachrichten zählen nie.
saved-channel-closed = Ich kann dich in <#{ $channel }> nicht erwähnen: du oder ich dürfen dort nicht schreiben. Wähle einen anderen Kanal.
saved-too-many-told = Auf diesem Server melden schon { $most } gespeicherte Suchen Neues, mehr geht nicht; ohne `notify` lässt sie sich speichern.
saved-with-a-picture = mit einem Bild
saved-without-picture = Das Modell ist ein anderes, seit du **{ $name }** gespeichert hast; ihr Bild hat hier nicht gezählt. `/saved add` mit dem Bild speichert sie neu.
saved-picture-outdated = Das Modell ist ein anderes, seit du „{ $name }“ gespeichert hast; ihr Bild lässt sich nicht mehr vergleichen. `/saved add` mit dem Bild speichert sie neu.
saved-removed = **{ $name }** ist entfernt.
saved-list = { $searches ->
        [0] Du hast auf diesem Server keine Suche gespeichert: `/saved add` tut es.
        [one] Du hast auf diesem Server { $searches } von { $most } Suchen gespeichert:
       *[other] Du hast auf diesem Server { $searches } von { $most } Suchen gespeichert:
    }
saved-unknown = Du hast auf diesem Server keine Suche namens „{ $name }“; `/saved list` zeigt deine.
saved-name = Ein Name hat 1 bis { $most } Zeichen.
saved-too-many = Du hast auf diesem Server { $most } Suchen gespeichert, mehr geht nicht; `/saved remove` schafft Platz.
saved-server-full = Die Mitglieder dieses Servers haben { $most } Suchen gespeichert, mehr geht nicht.
saved-opted-out = Du wolltest vergessen werden, also speichere ich keine Suche von dir; mit `/privacy` kommst du zurück.

## notices

notice-saved = { $pictures ->
        [one] Ein neues Bild passt
       *[other] { $pictures } neue Bilder passen
    } zu deiner gespeicherten Suche **{ $name }** auf **{ $server }**:
notice-saved-in-channel = { $member }, { $pictures ->
        [one] ein neues Bild passt
       *[other] { $pictures } neue Bilder passen
    } zu einer gespeicherten Suche von dir:
notice-more = … und { $pictures } weitere: `/saved run` zeigt sie.
notice-end = `/saved remove` beendet diese Nachrichten.
notice-watch = { $pictures ->
        [one] Ein beobachtetes Bild wurde gezeigt:
       *[other] { $pictures } beobachtete Bilder wurden gezeigt:
    }
notice-watch-what = { $what } (beobachtetes Bild #{ $number })

## watch

watch-added = Beobachtet als **{ $numbers }**: ich schreibe in { $channel }, wenn es noch einmal gezeigt wird, gleich oder verändert. Ich lösche nie etwas.
watch-added-alike = Beobachtet als **{ $numbers }**: ich schreibe in { $channel }, wenn es oder etwas sehr Ähnliches gezeigt wird. Ich lösche nie etwas.
watch-goes = Beobachtet wird es, solange es diese Nachricht gibt; ein hochgeladenes Bild bis `/watch remove`.
watch-unwatched = { $channels ->
        [one] { $channels } Kanal, den du siehst, wird dafür nicht beobachtet
       *[other] { $channels } Kanäle, die du siehst, werden dafür nicht beobachtet
    }: nicht alle, die { $channel } lesen, dürfen lesen, was dort steht.
watch-list = { $pictures ->
        [0] Auf diesem Server wird kein Bild beobachtet: `/watch add` tut es.
        [one] Auf diesem Server wird { $pictures } Bild beobachtet:
       *[other] Auf diesem Server werden { $pictures } Bilder beobachtet:
    }
watch-more = … und { $pictures }, die früher hinzukamen.
watch-uploaded = ein hochgeladenes Bild
watch-hidden = eine Nachricht, die du nicht sehen darfst
watch-copies = Kopien
watch-alike = Kopien und sehr Ähnliches
watch-removed = **#{ $number }** wird nicht mehr beobachtet.
watch-unknown = Auf diesem Server wird kein Bild als #{ $number } beobachtet; `/watch list` zeigt sie.
watch-either = Gib mir entweder ein Bild (`image`) oder den Link einer Nachricht (`message`).
watch-no-picture = Das ist kein Link zu einer Nachricht dieses Servers mit Bildern, die ich kenne. Neue Bilder brauchen einen Moment.
watch-channel-closed = Ich kann in <#{ $channel }> nicht schreiben: du oder ich dürfen es nicht. Wähle einen anderen Kanal.
watch-too-many = Höchstens { $most } Bilder lassen sich auf einem Server beobachten; `/watch remove` schafft Platz.
watch-opted-out = Du wolltest vergessen werden, also beobachte ich nichts, was du hinzufügst; mit `/privacy` kommst du zurück.

## help

help-text = **Ich finde Bilder in der Geschichte dieses Servers.** Du siehst nur Treffer aus Kanälen, die du lesen darfst.
    - `/similar` mit Bild, Wörtern oder beidem: `text: red bicycle -car in:#fotos after:2024 has:gif`
    - `/similar` nur mit Filtern zeigt das Neueste: `text: in:#fotos has:gif`
    - Rechtsklick auf eine Nachricht (oder gedrückt halten) → Apps → **Ähnliche finden**; auf ein Mitglied → Apps → **Bilder von …**
    - `/saved add`, `list`, `run`, `remove`: Suchen, die du behältst, nur für dich; `notify` meldet dir Neues
    - `/duplicates`: was mehrmals gezeigt wurde · `/random`: irgendein Bild
    - `/stats`: was erfasst ist · `/privacy`: was ich speichere, vergiss mich, Export · `/help`: dies
help-manager = Du verwaltest diesen Server:
    - `/reindex start` lässt mich seine Geschichte lesen (Neuestes zuerst), `status`, `failures`, `pause`, `resume`, `cancel`
    - `/watch add` nennt ein Bild: wird es noch einmal gezeigt, erfährt es ein Kanal; `list`, `remove`
    - ich lese Kanäle, in denen ich „Kanal anzeigen“ und „Nachrichtenverlauf anzeigen“ habe

## command

command-find-similar = Ähnliche finden
command-pictures-by = Bilder von …
command-similar = Findet Bilder in der Geschichte dieses Servers: nach Bild, Wörtern oder beidem
command-duplicates = Findet Bilder, die mehrmals gezeigt wurden
command-random = Zeigt irgendein Bild aus der Geschichte dieses Servers
command-help = Was ich finden kann, und wie man fragt
command-privacy = Was ich speichere; vergiss mich; gib mir, was du von mir hast
command-saved = Suchen, die du unter einem Namen behältst, nur für dich
command-saved-add = Behält eine Suche unter einem Namen
command-saved-list = Deine Suchen auf diesem Server
command-saved-run = Fragt eine deiner Suchen noch einmal
command-saved-remove = Entfernt eine deiner Suchen
command-watch = Bilder, die beobachtet werden: ein Kanal erfährt, wenn eines wiederkommt (Server verwalten)
command-watch-add = Beobachtet ein Bild, oder alle Bilder einer Nachricht
command-watch-list = Was auf diesem Server beobachtet wird
command-watch-remove = Beobachtet es nicht mehr
command-reindex = Liest die Geschichte dieses Servers für /similar (Server verwalten)
command-reindex-start = Beginnt: liest die Bilder dieses Servers, eines Kanals oder was gescheitert ist
command-reindex-status = Wie weit es ist
command-reindex-failures = Bilder, die nicht lesbar waren: wo, warum, und wann es wieder versucht wird
command-reindex-pause = Pausiert: was gelesen wurde, bleibt auffindbar, und nichts wird doppelt gelesen
command-reindex-resume = Setzt fort, was pausiert wurde
command-reindex-cancel = Beendet es; was gelesen wurde, bleibt auffindbar
command-stats = Was von diesem Server erfasst ist

## option

option-image = Ein Bild, mit dem verglichen wird
option-second-image = Ein zweites Bild: Treffer ähneln beiden
option-third-image = Ein drittes Bild: Treffer ähneln allen dreien
option-text = Was gesucht wird, zum Beispiel: Katze im Regen -Hund in:#memes has:gif
option-channel = Nur in diesem Kanal oder dieser Kategorie, samt Threads
option-author = Nur, was dieses Mitglied gezeigt hat
option-after = Nur ab diesem Tag: 2024-05-01, gestern, vor 3 Wochen
option-before = Nur vor diesem Tag: 2024-05-01, gestern, vor 3 Wochen
option-count = Wie viele Treffer
option-saved-name = Ihr Name
option-saved-notify = Sag mir mit einer Direktnachricht, wenn etwas Neues passt
option-saved-channel = Wo ich dich erwähnen darf, wenn du keine Direktnachrichten annimmst
option-watch-channel = Der Kanal, der es erfährt
option-watch-image = Das Bild, das beobachtet wird
option-watch-message = Stattdessen: der Link einer Nachricht mit Bildern
option-watch-lookalikes = Auch, was nur sehr ähnlich ist
option-watch-number = Seine Nummer, wie /watch list sie zeigt
option-share = Zeigt die Treffer allen in diesem Kanal, soweit alle sie sehen dürfen
option-explain = Zeigt, wie jeder Treffer an seinen Platz kam
option-threshold = Wie sicher ich sein muss, von 0,5 bis 1; ohne Angabe 0,95
option-reindex-channel = Nur dieser Kanal und seine Threads
option-reindex-failed = Nur die Bilder, die zuvor nicht lesbar waren
option-failures-page = Welche Seite davon; ohne Angabe die erste

## reason

reason-empty = Die Datei ist leer (0 Bytes).
reason-not-a-picture = Die Datei ist kein Bild, was auch immer ihr Name sagt.
reason-video = Das ist ein Video{ $format ->
        [none] {""}
       *[other] {" "}({ $format })
    }, und ich sehe mir nur Bilder an: gib mir ein Bildschirmfoto davon.
reason-document = Das ist ein Dokument{ $format ->
        [none] {""}
       *[other] {" "}({ $format })
    }, und ich sehe mir nur Bilder an: gib mir ein Bildschirmfoto davon.
reason-corrupt = Das Bild ist beschädigt und lässt sich nicht lesen.
reason-truncated = Das Bild bricht mittendrin ab: seine Datei ist unvollständig.
reason-unsupported-format = Dieses Bildformat öffne ich nicht{ $format ->
        [none] {""}
       *[other] {" "}({ $format })
    }: speichere es als PNG, JPEG, WebP, GIF, AVIF, BMP oder TIFF.
reason-needs-heic = HEIC-Bilder öffne ich nur mit der Erweiterung dafür: wer mich betreibt, gibt `pip install 'afterimage[heic]'` ein.
reason-needs-raw = Rohdaten von Kameras öffne ich nur mit der Erweiterung dafür: wer mich betreibt, gibt `pip install 'afterimage[raw]'` ein.
reason-too-many-pixels = Das Bild hat zu viele Pixel, um es gefahrlos zu öffnen.
reason-too-many-parts = Das Bild besteht aus zu vielen Durchgängen oder Einzelbildern, um es gefahrlos zu öffnen.
reason-too-many-bytes = Die Datei ist größer, als ich herunterladen darf.
reason-too-slow = Das Bild zu lesen hat zu lange gedauert.
reason-too-much-memory = Das Bild zu lesen bräuchte zu viel Arbeitsspeicher.
reason-worker-died = An dem Bild ist mein Leseprogramm abgestürzt; ich mache ohne das Bild weiter.
reason-host-not-allowed = Das Bild liegt auf einem Rechner, den ich nicht anspreche.
reason-gone = Das Bild ist nicht mehr da.
reason-forbidden = Discord lässt mich das Bild nicht lesen.
reason-unreachable = Das Bild ließ sich auch nach mehreren Versuchen nicht herunterladen.
reason-readers-busy = Meine Bildleser waren zu beschäftigt für das Bild; ich versuche es später noch einmal.
reason-internal = Ich bin an dem Bild gescheitert; mein Protokoll sagt, woran.

## Was eine Frage nicht bedeuten kann (indexer/search)

grammar-too-long = Das sind { $characters } Zeichen; beschreib das Bild in höchstens { $most }.
grammar-not-excluded = -{ $filter }: lässt sich nicht ausschließen; -in:, -has:, -tag: und -Wörter schon.
grammar-twice = { $filter }: steht zweimal da; gib es einmal an.
grammar-both = has: und -has: nennen beide { $property }; nichts kann beides sein.
grammar-both-tags = tag: und -tag: nennen beide „{ $tag }“; kein Bild kann es haben und nicht haben.
grammar-swapped = after: liegt nicht vor before:, also kann keine Nachricht dazwischen liegen; tausch die beiden.
grammar-no-channel = { $text } ist kein Kanal; in: braucht #kanal.
grammar-no-member = { $text } ist kein Mitglied; from: braucht @name.
grammar-empty-channel = in: braucht einen Kanal, wie in in:#memes.
grammar-empty-member = from: braucht ein Mitglied.
grammar-no-value = { $filter }: hat keinen Wert; schreib es wie in { $filter ->
        [in] in:#memes
        [from] from:@anna
        [after] after:2024-05-01
        [before] before:"vor 3 Wochen"
        [has] has:gif
        [count] count:10
        [min] min:0.8
        [weight] weight:0.7
        [camera] camera:"EOS"
        [color] color:rot
        [colour] colour:rot
        [lens] lens:"50mm"
        [near] near:48.1,11.6,5km
        [tag] tag:urlaub
       *[diverse] diverse:0.5
    }.
grammar-unknown-property = has: kennt „{ $text }“ nicht; es kennt { $known }.
grammar-near = near: braucht Breite, Länge und eine Entfernung, wie in near:48.1,11.6,5km oder near:-33.9,18.4,800m, nicht „{ $text }“.
grammar-colour = color: kennt „{ $text }“ nicht; es kennt { $known }, dasselbe auf Deutsch und Farben als #rrggbb.
grammar-count = count: braucht eine ganze Zahl ab 1, nicht „{ $text }“.
grammar-number = { $filter }: braucht eine Zahl von 0 bis 1, wie in { $filter ->
        [min] min:0,8
        [weight] weight:0,7
       *[diverse] diverse:0,5
    }, nicht „{ $text }“.
tag-empty = Ein Tag braucht mindestens einen Buchstaben, eine Ziffer oder ein Symbol, wie in urlaub.
tag-too-long = Ein Tag darf { $most } Zeichen haben; dieses hat { $characters }.
tag-character = Das Tag „{ $tag }“ darf { $character } an dieser Stelle nicht haben: ein Tag besteht aus Buchstaben, Ziffern und Symbolen, und dazwischen aus Leerzeichen und - _ . ' & + / ! ? :
tag-many = Ein Bild darf höchstens { $most } Tags haben.
date-unknown = „{ $text }“ ist kein Datum, das ich verstehe; schreib es in einer dieser Formen: 2024, 2024-05, 2024-05-01, 01.05.2024, heute, gestern, vor 3 Wochen.
search-picture-gone = Dieses Bild ist nicht mehr da oder nicht mehr für dich sichtbar; frag nach einem anderen.
search-nothing-asked = Sag, was gesucht wird: ein Bild, Wörter oder beides.
search-too-old = Diese Antwort ist zu alt, um mit ihr weiterzumachen; frag noch einmal.
index-other-model = Mit { $model } ({ $pretrained }) ist in { $folder } noch nichts erfasst: starte den Bot und gib /reindex start, oder stell das Modell ein, das benutzt wurde.

## Warum ein Kanal, ein Server oder ein Auftrag nicht lesbar ist (gespeichert als Schlüssel und Werte)

closed-server = Server { $server }: der Bot ist nicht (mehr) dort. Lade ihn wieder ein, um den Server zu erfassen.
closed-hidden = Kanal { $channel }: Discord zeigt ihn diesem Bot nicht.
closed-view = Kanal { $channel }: dem Bot fehlt „Kanal anzeigen“.
closed-history = Kanal { $channel }: dem Bot fehlt „Nachrichtenverlauf anzeigen“.
closed-connect = Kanal { $channel }: dem Bot fehlt „Verbinden“, das der Text eines Sprachkanals braucht.
closed-private-thread = Kanal { $channel }: ein privater Thread ohne diesen Bot.
closed-either = Dem Bot fehlt „Kanal anzeigen“ oder „Nachrichtenverlauf anzeigen“.
closed-refused = Discord lässt diesen Bot dort nicht lesen (403, Code { $code }).
closed-gone = Das gibt es nicht mehr (404, Code { $code }).
closed-archive = Das Archiv { $archive } lässt sich nicht (mehr) lesen. Lege es wieder dorthin, wo es war, oder importiere es neu.
history-no-content = Discord verbirgt vor diesem Bot den Inhalt der Nachrichten: der „Message Content Intent“ ist ausgeschaltet. Schalte ihn in Discords Entwicklerportal ein (deine Anwendung, Bot, Privileged Gateway Intents), starte den Bot neu und beginne noch einmal.
job-incomplete = { $channels ->
        [one] Ein Kanal konnte nicht bis zum Ende gelesen werden
       *[other] { $channels } Kanäle konnten nicht bis zum Ende gelesen werden
    }, weil Discord nicht richtig geantwortet hat: der nächste Start macht dort weiter.
job-kept-waiting = Discord oder die Datenbank des Bots hat zu lange warten lassen; sein Protokoll sagt, was (Auftrag { $job }).
job-archive = Dies ist ein Import auf dem Rechner des Bots: sein Protokoll sagt dort mehr.
job-bot-failed = Der Bot ist gescheitert; sein Protokoll sagt, woran (Auftrag { $job }).
stored-text = { $text }

## Die Kommandozeile spricht Englisch; diese Texte hält die Prüfung vollständig

cli-nothing-asked = Sag, wonach gesucht werden soll: afterimage search a red bicycle, oder ein Bild (sein Pfad, seine Adresse, oder - für die Standardeingabe), oder beides.
cli-which-server = Sag mit --guild NAME, auf welchem Server; bekannt sind: { $known }.
cli-unknown-server = Server { $server } ist nicht im Index; bekannt sind: { $known }.
cli-author = Niemand namens { $name } hat dort ein erfasstes Bild gezeigt.
cli-ocr-off = Wörter in Bildern werden nicht gelesen: setze zuerst ocr.enabled = true in der Konfiguration.
cli-captions-off = Bildbeschreibungen sind abgeschaltet: setze zuerst captions.enabled = true in der Konfiguration.
cli-channel = Kein Kanal { $channel } ist dort erfasst.
cli-in-no-server = Der Bot ist auf keinem Server von Discord: afterimage setup zeigt seine Einladung.
cli-archived-server = Server { $server } ist nur aus einem Archiv bekannt, das afterimage import liest; der Bot ist nicht darauf.
cli-channel-unknown = Ein Kanal { $channel } dieses Servers ist nicht bekannt. Kanäle sind bekannt, sobald der Server gelesen wurde: afterimage reindex liest ihn ganz.
cli-several-channels = Mehrere Kanäle heißen { $channel }: gib die ID an, eine von { $known }.
cli-reindex-start-only = { $option } geht nur mit einem Start.
fleet-no-ray = --fleet braucht Ray, das hier nicht installiert ist: pip install 'afterimage[fleet]'. Ohne --fleet macht dieser Rechner die Arbeit.
fleet-away = --fleet: von dem Cluster bei { $address } ist kein Encoder zu gebrauchen ({ $reason }). ray.address sagt, wo er ist, ray.token_file, wie man hineinkommt; docs/fleet.md sagt, wie man einen startet. Ohne --fleet macht dieser Rechner die Arbeit.
fleet-other-model = --fleet: der Cluster bei { $address } hat andere Gewichte von { $model } als dieser Rechner; ihre Vektoren wären nicht vergleichbar. Installiere dort dieselbe Version von Afterimage und dieselben Gewichte. Ohne --fleet macht dieser Rechner die Arbeit.
cli-reindex-no-bot = Auf diesem Datenordner läuft kein Bot: starte ihn (afterimage run), oder lass --background weg.
cli-reindex-no-token = Um Discord zu lesen, braucht es das Token des Bots: afterimage setup fragt danach.
cli-reindex-not-connected = Der Bot war nach { $seconds } Sekunden nicht mit Discord verbunden: sieh nach, ob dieser Rechner Discord erreicht und ob Discord eine Störung hat, und versuch es noch einmal.
cli-job-running = { $server } wird schon indexiert, von einem anderen Auftrag: afterimage reindex status zeigt ihn, afterimage reindex cancel beendet ihn.
cli-job-paused = In { $server } ist das Indexieren angehalten: afterimage reindex resume setzt es fort, afterimage reindex cancel beendet es.
cli-job-none = In { $server } wird nichts indexiert: afterimage reindex beginnt damit.
cli-job-elsewhere = { $server } gehört zu einem Shard, den dieser Prozess nicht bedient (discord.shards): beginne damit dort, wo dieser Shard bedient wird. afterimage status nennt solche Server, afterimage split nimmt sie heraus.
cli-job-nowhere = Es wird nichts indexiert: afterimage reindex beginnt damit.
cli-job-gone = Der Auftrag ist mit seinem Server gegangen, den der Bot verlassen hat.
cli-file-too-large = { $path } ist zu groß: alle Bilder zusammen dürfen { $most } Bytes haben (fetch.max_download_bytes).
cli-file-unreadable = { $path } ist nicht lesbar: { $error }.
cli-picture = { $path }: { $reason }
cli-needs = Dieser Befehl braucht { $name }.
cli-id = { $name } muss eine ID sein, wie Discord sie gibt (ID kopieren), nicht „{ $found }“.
cli-nobody-to-ask = Das ändert oder löscht viel, und niemand ist hier, den man fragen könnte: gib es mit --yes.
select-nothing = Sag, was gemeint ist: Filter (in:#fotos, from:, after:, has:, tag:) oder Wörter.
selection-changed = Bestätigt waren { $confirmed }, gemeint sind jetzt { $counted }; nichts wurde geändert. Sieh noch einmal nach und bestätige das.
undelete-filters = Hier gehen nur in:, after: und before:; mehr ist über das Gelöschte nicht bekannt.
delete-not-imported = Auf diesem Server ist oder war der Bot. Nenn, was weg soll: in:#kanal, from:, after:, before:. Entferne den Bot vom Server, um alles davon zu löschen.
delete-collection-alone = --collection nennt alles davon; gib weder Wörter noch --guild dazu.
target-line = Zeile { $line } nennt kein Bild: „{ $text }“. Die ID oder der Link einer Nachricht, ein Pfad oder eine Zeile von search --jsonl tut es.
tag-full = Das Bild hätte zu viele Tags; nimm erst welche weg.
tag-none = Nenn das Tag.
tag-nothing = Nenn die Bilder: mit der ID oder dem Link einer Nachricht, einem Pfad, --file DATEI, --query WÖRTER oder über eine Pipe.
tag-query-alone = --query nennt die Bilder schon; gib keine anderen dazu.
tag-file-alone = Gib die Bilder als Wörter an oder mit --file, nicht beides.
cli-nothing-changed = Nichts wurde geändert.
cli-one-collection = --as benennt eine Sammlung: gib dabei einen Ordner an.
cli-path-no-text = Der Pfad { $path } ist kein Text in UTF-8 und kann nicht vermerkt werden. Benenne den Ordner um.
cli-no-folder = { $path } ist kein Ordner.
cli-several-servers = Mehrere Server heißen { $server }: gib die ID an; bekannt sind: { $known }.
cli-filters-only = Hier gehen nur Filter (in:, from:, after:, before:, has:, tag:), nicht „{ $words }“.
cli-many-pictures = Mit höchstens { $most } Bildern auf einmal kann gefragt werden.
cli-one-standard-input = Die Standardeingabe (-) kann nur ein Bild sein.
cli-host = { $link }: Bilder werden nur von Discords eigenen Rechnern und denen in fetch.extra_hosts geholt. Speichere es, und gib seinen Pfad an.
cli-threshold = Wie sicher eine Wiederholung sein muss, ist eine Zahl von 0.5 bis 1, nicht „{ $found }“.
cli-not-with-batch = { $option } geht nicht zusammen mit --batch.
cli-no-such-hit = Es gibt keinen Treffer { $number }: { $count ->
        [one] einer wurde gefunden.
       *[other] { $count } wurden gefunden.
    }
cli-file-unwritable = { $path } kann nicht geschrieben werden: { $error }.
cli-nothing-to-open = Dieser Treffer hat weder einen Link, der sich öffnet, noch eine Bilddatei, die noch da ist.
cli-no-browser = Kein Browser ließ sich starten; die Adresse ist { $address }
cli-no-second-model = Im Bot, der antwortet, ist kein zweites Modell eingestellt: setze rerank.kind und starte ihn neu.
cli-eval-empty = In { $path } steht keine Frage; afterimage eval make FILE schreibt welche für den Anfang.
cli-eval-line = { $path }, Zeile { $line }: dort muss ein Objekt mit "query" oder "like" stehen, und mit "expected", einer Liste von Nachrichten-IDs.
cli-eval-exists = { $path } gibt es schon; nenne eine neue Datei.
cli-eval-nothing = Auf diesem Server wurde kein Bild noch einmal gepostet, also gibt es nichts, woraus sich Fragen machen ließen.

## /reindex failures

failures-none = Jedes Bild in den Kanälen, die du siehst, war lesbar oder wartet, bis es an der Reihe ist.
failures-title = { $count ->
        [one] **{ $count } Bild war nicht lesbar** in den Kanälen, die du siehst:
       *[other] **{ $count } Bilder waren nicht lesbar** in den Kanälen, die du siehst, die neuesten zuerst:
    }
failures-line = { $channel } · [Nachricht]({ $link }) · { $file }: { $reason } { $again }
failures-again = Nächster Versuch { $time }.
failures-never = Wird nicht von selbst noch einmal versucht.
failures-page = Seite { $page } von { $pages }; /reindex start mit failed:True versucht alle noch einmal
failures-pages = { $pages ->
        [one] Davon gibt es { $pages } Seite.
       *[other] Davon gibt es { $pages } Seiten.
    }

## Was von einem Archiv nicht gelesen werden kann: `afterimage import` und sein --dry-run
archive-cut-off = Die Datei endet mittendrin. Was davor steht, wird übernommen.
archive-damaged = Was hier steht, ist keine Nachricht. Ab der nächsten Nachricht wird wieder übernommen.
archive-bad-message = Diese Nachricht kann nicht gelesen werden: { $error }
archive-bad-id = Diese Nachricht hat keine ID von Discord: { $id }
archive-fewer = Die Datei nennt { $stated } Nachrichten; gefunden wurden { $found }.
archive-no-export = Das ist kein Export von DiscordChatExporter: Es gibt keine Liste von Nachrichten.
archive-no-header = Das ist kein Export von DiscordChatExporter: { $error }
archive-two-servers = Kanal { $channel } gehört in einer früheren Datei zu einem anderen Server. Diese Datei wird ausgelassen.
archive-missing = Es gibt keine solche Datei und keinen solchen Ordner.
archive-unreadable = Es kann nicht gelesen werden: { $error }
archive-encrypted = Es ist verschlüsselt. Entpacke das Archiv mit seinem Passwort und importiere den Ordner.
archive-many-members = Es hat { $members } Dateien; gelesen werden höchstens { $most }. Entpacke es und importiere den Ordner.
archive-bomb = Es entpackt sich auf mehr als das { $times }-Fache seiner Größe, wie kein Export es tut. Es wird nicht weitergelesen.
archive-climbs = Der Pfad führt aus dem Export hinaus. Die Datei wird nicht geöffnet.
archive-link-out = Es ist ein Verweis, der aus dem Ordner des Exports hinausführt. Er wird nicht geöffnet.
archive-folder-empty = Darin wurde kein Bild gefunden, wo es vorher { $count } waren. Nichts wird gelöscht: Ist der Datenträger da?
archive-server-busy = { $servers }: Von diesem Server wird gerade etwas anderes gelesen oder ist angehalten, deshalb wartet { $archive }. Importiere es noch einmal, wenn kein Auftrag des Servers mehr läuft oder angehalten ist.
archive-not-for-bot = Der laufende Bot findet unter { $path } nichts, was er lesen kann. Als Dienst oder in einem Container sieht er andere Ordner als du, und sein Benutzer muss sie lesen dürfen.
archive-no-package = Das ist kein Kanal aus Discords Datenpaket: { $error }
archive-no-account = Das Datenpaket sagt nicht, wessen es ist: account/user.json fehlt. Entpacke oder nenne das ganze Paket.
archive-no-channel = { $count } Nachrichten stehen in Kanälen, die die Datei nicht kennt. Sie werden ausgelassen.
archive-no-tracker = Das ist eine SQLite-Datenbank, aber keine von Discord History Tracker.
archive-tracker-forged = Ihre Tabellen sind nicht die, die Discord History Tracker anlegt. Sie wird nicht gelesen.
archive-tracker-version = Sie hat die Version { $version } der Dateien von Discord History Tracker; lesbar sind { $known }. Öffne sie einmal mit dem aktuellen Discord History Tracker, der sie auf den neuen Stand bringt.
archive-not-in-folder = Im Ordner für Archive (web.archives) gibt es { $path } nicht, oder nur eine Verknüpfung führt dorthin.
archive-looking = Gerade wird ein anderes Archiv durchgesehen: Warte, bis das fertig ist.
archive-nothing = Nichts hier ist ein Export von DiscordChatExporter in JSON oder ein anderes Archiv. Ein Ordner mit Bildern braucht einen Namen.
archive-stopped = Der Bot wurde beendet, während er das Archiv durchsah. Importiere es noch einmal.
archive-failed = Der Bot ist an diesem Import gescheitert; sein Protokoll sagt, woran.
upload-name = Der Name einer Datei hat höchstens 200 Byte, beginnt nicht mit einem Punkt und enthält keines von / \ : * ? " < > |.
upload-exists = Im Ordner für Archive gibt es schon eine Datei { $name }.
upload-too-large = Mehr als { $most } Byte (web.upload_bytes) und mehr als 8 Dateien können nicht auf einmal hochgeladen werden.
upload-folder = In den Ordner für Archive lässt sich nichts schreiben: { $error }.
upload-no-room = Auf der Festplatte ist für diese Datei nicht genug Platz.
upload-part = Teil { $part } ist keiner der { $parts } Teile dieser Datei oder hat eine andere Größe.
upload-checksum = Teil { $part } kam anders an, als er gesendet wurde: Seine Prüfsumme ist eine andere. Sende ihn noch einmal.
upload-other = Teil { $part }, der da ist, ist nicht Teil { $part } deiner Datei: Eine andere Datei mit diesem Namen und dieser Größe wird auch hochgeladen. Sende den Teil noch einmal.
upload-incomplete = { $parts } Teile dieser Datei fehlen noch.
upload-unknown = Diesen Upload gibt es nicht, oder er ist abgelaufen.
archive-outside = Es liegt außerhalb des Ordners des Exports. Ist es der Ordner der gespeicherten Dateien, so nenne ihn mit --media.
bundle-nothing-stored = Davon ist hier nichts gespeichert, also gibt es nichts zu schreiben.
bundle-another = Ein anderes Bündel wird gerade gemacht oder wartet darauf, geholt zu werden: Hole oder lösche zuerst dieses.
bundle-no-room = Auf der Festplatte ist nicht genug Platz: Ein Bündel zu machen braucht das Doppelte der Größe der Datenbank.
bundle-not-there = Es gibt keine Datei zu holen: Sie ist noch nicht gemacht oder nicht mehr da.
bundle-unknown = Dieses Bündel gibt es nicht.
bundle-fetched = Es wurde geholt.
bundle-expired = Niemand hat es rechtzeitig geholt.
bundle-cancelled = Es wurde gelöscht.
bundle-stopped = Der Bot wurde beendet.
bundle-outdated = Etwas darin muss seither vergessen sein: Mache es noch einmal.
bundle-too-slow = Es dauerte länger als eine Stunde. Mache es mit `afterimage export`, das sich die Zeit nimmt.
bundle-failed = Dem Bot misslang es; sein Protokoll sagt, wo.
bundle-confirm = Dieses Bündel kann löschen und ersetzen, was hier gespeichert ist; { $deleted } Nachrichten würden gehen. Sieh nach, was es bringt. Wer weiß, wer es gemacht hat, und das will, gibt diese Zahl als Bestätigung.
bundle-unsound = Das Bündel kommt nicht herein: { $error }
bundle-import-no-room = Auf der Festplatte ist nicht genug Platz: Die Zeilen eines Bündels brauchen das Doppelte ihrer Größe. Was hereinkam, bleibt, und derselbe Import geht weiter.
bundle-import-busy = Die Datenbank war zu lange beschäftigt. Was hereinkam, bleibt, und derselbe Import geht weiter.
bundle-import-stopped = Der Bot wurde beendet. Was hereinkam, bleibt, und derselbe Import geht weiter.

## Schlüssel der HTTP-Schnittstelle
key-name = Ein Schlüssel braucht einen Namen von 1 bis { $most } Zeichen.
key-days = Ein Schlüssel gilt 1 bis { $most } Tage oder ohne Ende.
key-unknown = Es gibt keinen Schlüssel { $key }: „afterimage keys list“ zeigt, welche es gibt.
key-guild = Der Server { $guild } ist nicht im Index.
