## title

title-pictures = Pictures like { $what }
title-words = Pictures for { $what }
title-asked = { $author } asked: { $what }
title-newest = The newest pictures that pass your filters
title-by = The newest pictures by { $author }
title-given = the one you gave
title-message = the one in that message
title-shown = the one you chose
title-more = the { $count } you gave
title-and = { $left } and { $right }
title-without = without { $what }

## hit

hit-line = **{ $number } · { $band }**
hit-where = { $author } in { $channel } · { $age } · [Go to message]({ $link })
hit-first = First posted by { $author } { $age }, shown { $count ->
        [one] once
       *[other] { $count } times
    }

hit-in-picture = words found in the picture
hit-in-caption = words found in a model's caption of it

## band

band-same-picture = Same picture
band-edited-copy = Edited copy
band-very-similar = Very similar
band-related = Related
band-said = In its words
band-far = Far off
band-at = { $band }, at { $moment }

## words

words-same-picture = Same picture
words-edited-copy = Edited copy
words-very-similar = Fits well
words-related = Fits
words-said = In its words
words-far = Far off

## none

none-title = Nothing close enough
none-found = { $searched ->
        [one] The one picture that you may see here does not come close.
       *[other] None of the { $searched } pictures that you may see here comes close.
    } Try other words, another picture, or fewer filters.
none-searched = There is no indexed picture that you may see and that passes your filters. Take away a filter, or ask someone with Manage Server to give /reindex start.
none-by = There is no indexed picture by { $author } that you may see.

## footer

footer-searched = { $searched ->
        [one] { $searched } picture searched
       *[other] { $searched } pictures searched
    }
footer-listed = { $searched ->
        [one] { $searched } picture passes these filters
       *[other] { $searched } pictures pass these filters
    }
footer-older = the newest { $shown } are listed: before: shows older ones
footer-page = page { $page } of { $pages }
footer-ms = { $ms } ms
footer-coverage = { $percent } % of { $what } indexed
footer-server = what you may see
footer-chosen = these channels
footer-everyone = what everyone here may see
footer-floor-direct = searched without the fast index, which is being rebuilt
footer-floor-live = searched the newest messages only
rerank-loading = ordered by the first model alone: the second is being loaded
rerank-weights = ordered by the first model alone: the second is not to be had
rerank-memory = ordered by the first model alone: the second had too little memory
rerank-deadline = ordered by the first model alone: the second took too long
rerank-unseen = ordered by the first model alone: the second could not see the pictures in time
rerank-failed = ordered by the first model alone: the second failed
footer-shared = shared by { $author }: only what everyone here may see
newest-unread = { $count ->
        [one] The newest messages of one channel cannot be found yet.
       *[other] The newest messages of { $count } channels cannot be found yet.
    }
newest-read = Read just now: the newest messages of { $channels ->
        [one] one channel
       *[other] { $channels } channels
    }. { $pictures ->
        [one] { $pictures } more picture can be found.
       *[other] { $pictures } more pictures can be found.
    }
newest-nothing = Nothing newer could be read just now.

## button

button-previous = Previous
button-next = Next
button-share = Share here
button-sheet = Contact sheet
button-another = Another
button-like = More like this
button-newest = Newest messages now

## reposts

reposts-title = Posted more than once
reposts-none = No picture here was posted again that I would be { $percent } % sure of. Lower the threshold, or widen channel and span.
reposts-line = **{ $number } · { $count } times** ({ $percent } % sure)
reposts-first = First { $author } in { $channel }, { $age } · [Go to message]({ $link })
reposts-then = Then { $links }
reposts-more = and { $count } more
reposts-likely = likely a copy
reposts-compared = { $count ->
        [one] { $count } picture compared, { $percent } % or surer
       *[other] { $count } pictures compared, { $percent } % or surer
    }
reposts-newest = the newest of { $total }: choose a channel or a span for the others

## random

random-none = There is no indexed picture that you may see and that passes your filters.

## select

select-more = More like …
select-hit = More like picture { $number }

## explain

explain-cosine = cosine { $cosine }, rank { $rank }
explain-words = BM25 { $bm25 }, rank { $rank }
explain-picture-words = { $bm25 } of it from words in the picture
explain-caption-words = { $bm25 } of it from a model's caption of the picture
copy-cropped = cropped to { $percent } %
copy-mirrored = mirrored
copy-turned = turned by { $degrees }°
copy-framed = framed
copy-captioned = with a caption
copy-saved = saved again
explain-pixels = its pixels agree by { $correlation }
explain-pixels-another = its pixels show another picture
explain-pixels-unknown = its pixels were not compared
explain-colour = { $percent } % of it has the colour
explain-second = second model { $score }, rank { $rank } (first stage: { $first })
explain-second-unseen = the second model could not see it in time (first stage: { $first })
explain-reranked = { $model }: { $scored } of { $candidates } seen
explain-hash = { $bits } of 64 hash bits differ
explain-standing = { $standing } σ above a random picture
explain-stages = { $stages } · floor: { $floor }
stage-list = list
stage-picture = picture
stage-text = text
stage-vectors = vectors
stage-words = words
stage-retrieve = retrieve
stage-compare = compare
stage-judge = judge
stage-fuse = fuse
stage-rerank = second model
stage-choose = choose
stage-total = total
floor-index = index
floor-direct = direct
floor-live = live

## waking

waking-up = Waking up, a moment … The answer comes here by itself.

## error

error-not-yours = Only who asked can turn these pages; ask with /similar yourself.
error-too-old = These buttons have expired: ask again with /similar.
error-rate = That was a lot at once: please try again in { $seconds } s.
error-nothing-asked = Give a picture, words, or both: /similar image: … or /similar text: …. Filters alone (in:, from:, has:) show the newest.
error-only-without = Words to leave out need something to look for beside them: cat -dog, or a picture.
error-age-restricted-by-id = <#{ $channel }> is age-restricted: ask about it from an age-restricted channel.
error-age-restricted-by-name = #{ $channel } is age-restricted: ask about it from an age-restricted channel.
error-channel-by-id = <#{ $channel }> has no indexed picture that you may see; choose another channel or leave it out.
error-channel-by-name = #{ $channel } has no indexed picture that you may see; choose another channel or leave it out.
error-only-in-collections = camera:, lens: and near: search folders of pictures that were imported on the bot's own machine, and only there; nothing of that is kept of pictures in Discord. Leave it out.
error-author = Nobody named { $name } has posted a picture that you may see; check the name, or mention them.
error-no-picture = That message shows no picture; use Find similar on one that does.
error-no-hit = This picture is no longer there or no longer yours to see; ask again with /similar.
error-model = My model is not there just now: please try again in a minute. Filters alone (in:, from:, has:) work without it. (error { $error })
error-still-waking = My model is still being loaded: please ask again in some minutes. Filters alone (in:, from:, has:) work without it.
error-newest-again = You had the newest messages read a moment ago: please try again in { $seconds } s.
error-timeout = The search took too long: try again in a moment, or with a narrower filter.
error-still-comparing = Your last /duplicates is still comparing: wait for its answer.
error-many-comparing = Many are comparing pictures just now: please ask for /duplicates again in a minute.
error-nothing-to-share = Not one of these hits may be seen by everyone in this channel, so nothing was shared.
error-server-only = This command works in a server only.
error-manage-only = Only members with the permission Manage Server can do this.
error-failed = Something went wrong on my side; whoever runs me finds it in the log as error { $error }.
error-busy = Discord did not answer in time: please try again in a minute. (error { $error })
error-readers-busy = I am opening many pictures just now: please try again in a minute.
error-closed = A channel cannot be read any more: please try again. (error { $error })
error-changed = This command has just changed: reload Discord (Ctrl+R) and try again.
error-restarting = I am just being restarted: please ask again in a minute.
error-channel-closed = I may not read the history of <#{ $channel }>: give me View Channel and Read Message History there, or choose another channel.

## share

share-unknown = I do not know this channel well enough to post here, so nothing was shared.
share-timed-out = You are in time-out, so nothing was shared.
share-you = Nothing was shared: you may not post such a message here yourself (missing: { $permissions }).
share-locked = This thread is locked, so nothing was shared.
share-me = Nothing was shared: I need { $permissions } here; someone who manages this channel can grant it.

## permission

permission-view-channel = View Channel
permission-send-messages = Send Messages
permission-send-messages-in-threads = Send Messages in Threads
permission-attach-files = Attach Files
permission-embed-links = Embed Links

## sheet

sheet-asked = Asked
sheet-heading = Like the picture on the left

## done

done-shared = { $count ->
        [one] Shared below: { $count } hit that everyone here may see.
       *[other] Shared below: { $count } hits that everyone here may see.
    }

## job

job-running = This server is already being indexed: /reindex status shows how far it is.
job-paused = Indexing is paused here: /reindex resume goes on with it, /reindex cancel ends it.
job-none = Nothing is being indexed here: /reindex start begins.
job-not-allowed = Nobody who manages this server has said that it may be read: that takes /reindex start in Discord.
job-elsewhere = Another process of this bot serves this server: it is indexed there.
job-never = This server was never indexed: /reindex start begins.
job-either = Choose either a channel or the failed pictures, not both.

## scope

scope-server = this server
scope-failed = the pictures that failed before

## head

head-running = **Indexing { $what }**
head-paused = **Paused: indexing { $what }**
    /reindex resume goes on.
head-cancelled = **Cancelled: indexing { $what }**
    What was indexed stays searchable with /similar.
head-failed = **Indexing { $what } failed**
    { $reason }
    /reindex start tries again and reads nothing twice.
head-done = **Done: indexing { $what }**
    Ask with /similar.

## progress

disk-low = ⏸ Resting: the disk of this bot is nearly full, and the rest of it is kept for deletions and answers. Whoever runs this bot must make room; it goes on by itself then.
disk-notice-full = ⏸ To those who manage this server: nothing new is indexed at present, because the disk of the machine that I run on is nearly full. Questions are answered and deletions are carried out. Whoever runs me must make room on that disk. Then I go on by myself and read what was posted meanwhile.
disk-notice-room = ▶ To those who manage this server: the disk has room again, and indexing goes on.
progress-starting = starting …
progress-pace = { $pace } pictures/s
progress-left = about { $time } left
progress-estimating = estimating …
progress-took = took { $time }

## count

count-channels = { $total ->
        [one] { $done } of { $total } channel
       *[other] { $done } of { $total } channels
    }
count-messages = { $count ->
        [one] { $count } message
       *[other] { $count } messages
    }
count-messages-of = { $total ->
        [one] { $count } of about { $total } message
       *[other] { $count } of about { $total } messages
    }
count-new = { $count ->
        [one] { $count } new picture
       *[other] { $count } new pictures
    }
count-nothing-new = no new pictures
count-indexed = { $count ->
        [one] { $count } picture can be found
       *[other] { $count } pictures can be found
    }
progress-moved = Indexing goes on; how far it is stands in a newer message.
count-pictures-of = { $total ->
        [one] { $done } of { $total } picture
       *[other] { $done } of { $total } pictures
    }
count-failed = { $count } could not be read
count-closed = { $count ->
        [one] { $count } channel closed to me
       *[other] { $count } channels closed to me
    }

## stats

stats-title = **What I have of this server**, as far as you may see it
stats-nothing = Nothing that you may see here is indexed yet. Someone with Manage Server begins with /reindex start.
stats-channels = { $count ->
        [one] { $count } channel or thread with pictures
       *[other] { $count } channels and threads with pictures
    }
stats-pictures = { $pictures ->
        [one] { $pictures } picture
       *[other] { $pictures } pictures
    }, shown { $places ->
        [one] once
       *[other] { $places } times
    } in { $messages ->
        [one] { $messages } message
       *[other] { $messages } messages
    }
stats-coverage = { $percent } % indexed · { $pending } in line · { $failed } could not be read
stats-age = from { $oldest } to { $newest }
stats-disk = { $size } of index files on disk, for all of this server
stats-failures = not read: { $count } × { $reason }
stats-job = Indexing is running: { $percent } %

## privacy

privacy-title = **What I keep, and how to have it removed**
privacy-kept = Of messages that show pictures I keep: their text, file names and alt texts, who wrote them, links to the pictures, and what a model makes of each picture (numbers that tell how alike two pictures are). I keep no picture files, share nothing with anyone, and train nothing with it. Members find only what they may see in Discord at that moment. What is deleted in Discord is deleted here; when I am removed from a server, all of it.
privacy-kept-all = Of every message I keep its text and who wrote it; of messages that show pictures also file names, alt texts, links to the pictures, and what a model makes of each picture (numbers that tell how alike two pictures are). I keep no picture files, share nothing with anyone, and train nothing with it. Members find only what they may see in Discord at that moment. What is deleted in Discord is deleted here; when I am removed from a server, all of it.
privacy-yours = Of yours, in this server: { $messages ->
        [one] { $messages } message
       *[other] { $messages } messages
    } with { $pictures ->
        [one] { $pictures } picture
       *[other] { $pictures } pictures
    }.
privacy-saved = You have saved { $searches ->
        [one] { $searches } search
       *[other] { $searches } searches
    } in this server: `/saved list`.
privacy-out-here = You asked to be forgotten in this server: nothing new by you is stored here.
privacy-out-everywhere = You asked to be forgotten everywhere: nothing new by you is stored in any server.
privacy-some-servers = I run as several processes, each with an index of its own. Everywhere means here: in the servers of the one that answers you now. In a server where another one answers, use /privacy there too.
privacy-forget-here = Forget me in this server
privacy-forget-everywhere = Forget me everywhere
privacy-export = Export what you hold of mine
privacy-return = Let me be found again
privacy-sure-here = Shall I delete all that I hold of you in this server, and store nothing new by you? Until you say yes, nothing changes.
privacy-sure-everywhere = Shall I delete all that I hold of you in every server, and store nothing new by you? Until you say yes, nothing changes.
privacy-yes = Yes, forget me
privacy-no = No
privacy-kept-as-is = Nothing was changed.
privacy-forgotten = Done: { $messages ->
        [one] { $messages } message of yours is
       *[other] { $messages } messages of yours are
    } gone from my index, and nothing new by you is stored.
privacy-noted = Your wish is written down and cannot be lost. My database is busy: it is carried out as soon as that is free.
privacy-here-only = One thing is missing: the store that keeps your wish in case my machine is lost has not taken it yet. I repeat it until it has.
privacy-back = Done: what you post from now on can be found again. What I forgot comes back with the next /reindex start, if someone gives it.
privacy-exported = Everything that I hold of yours, in all servers: { $messages ->
        [one] { $messages } message
       *[other] { $messages } messages
    }.
privacy-exported-before = You asked for an export within the last hour; ask for the next one in { $minutes } min.
privacy-nothing = I hold nothing of yours.
privacy-nothing-here = The one of my processes that answers here holds nothing of yours. In a server where another one answers, ask there too.
privacy-too-large = What I hold of yours is too large to send here ({ $size }): ask whoever runs me for it.

## saved

saved-added = Kept as **{ $name }**: `/saved run` asks it again. Nobody else sees it; `/saved remove` removes it.
saved-with-an-old-picture = its picture is of a former model: `/saved add` saves it anew
saved-tells = tells you
saved-will-tell = I tell you by direct message when something new fits, { $minutes ->
        [0] each time
       *[other] at most every { $minutes } minutes
    }. Your own messages never count.
saved-will-tell-in = I tell you by direct message when something new fits, { $minutes ->
        [0] each time
       *[other] at most every { $minutes } minutes
    }; if you take none, I mention you in { $channel }, with what everybody there may see. Your own messages never count.
saved-channel-closed = I cannot mention you in <#{ $channel }>: you, or I, may not post there. Choose another channel.
saved-too-many-told = In this server { $most } saved searches tell their members already, and no more can; without `notify` it can be saved.
saved-with-a-picture = with a picture
saved-without-picture = The model has changed since you saved **{ $name }**, so its picture did not count here. `/saved add` with the picture saves it anew.
saved-picture-outdated = The model has changed since you saved “{ $name }”, so its picture cannot be compared any more. `/saved add` with the picture saves it anew.
saved-removed = **{ $name }** is removed.
saved-list = { $searches ->
        [0] You have saved no search in this server: `/saved add` does.
        [one] You have saved { $searches } search of { $most } in this server:
       *[other] You have saved { $searches } searches of { $most } in this server:
    }
saved-unknown = You have saved no search named “{ $name }” in this server; `/saved list` shows yours.
saved-name = A name has 1 to { $most } characters.
saved-too-many = You have saved { $most } searches in this server, and no more fit; `/saved remove` makes room.
saved-server-full = The members of this server have saved { $most } searches, and no more fit.
saved-opted-out = You asked to be forgotten, so I keep no search of yours; `/privacy` lets you come back.

## notices

notice-saved = { $pictures ->
        [one] A new picture fits
       *[other] { $pictures } new pictures fit
    } your saved search **{ $name }** in **{ $server }**:
notice-saved-in-channel = { $member }, { $pictures ->
        [one] a new picture fits
       *[other] { $pictures } new pictures fit
    } a saved search of yours:
notice-more = … and { $pictures } more: `/saved run` shows them.
notice-end = `/saved remove` ends these messages.
notice-watch = { $pictures ->
        [one] A watched picture was posted:
       *[other] { $pictures } watched pictures were posted:
    }
notice-watch-what = { $what } (watched picture #{ $number })

## watch

watch-added = Watched as **{ $numbers }**: I post in { $channel } when it is posted again, as it is or edited. I never delete anything.
watch-added-alike = Watched as **{ $numbers }**: I post in { $channel } when it, or something very similar, is posted. I never delete anything.
watch-goes = It is watched as long as that message is there; an uploaded picture is watched until `/watch remove`.
watch-unwatched = { $channels ->
        [one] { $channels } channel that you see is not watched for it
       *[other] { $channels } channels that you see are not watched for it
    }, because not everybody who reads { $channel } may read what is posted there.
watch-list = { $pictures ->
        [0] No picture is watched in this server: `/watch add` does it.
        [one] { $pictures } picture is watched in this server:
       *[other] { $pictures } pictures are watched in this server:
    }
watch-more = … and { $pictures } that were added earlier.
watch-uploaded = an uploaded picture
watch-hidden = a message that you may not see
watch-copies = re-posts
watch-alike = re-posts and look-alikes
watch-removed = **#{ $number }** is no longer watched.
watch-unknown = No picture is watched as #{ $number } in this server; `/watch list` shows them.
watch-either = Give me either a picture (`image`) or the link of a message (`message`).
watch-no-picture = That is no link to a message of this server with pictures that I know. New pictures take a moment.
watch-channel-closed = I cannot post in <#{ $channel }>: you, or I, may not. Choose another channel.
watch-too-many = At most { $most } pictures can be watched in one server; `/watch remove` makes room.
watch-opted-out = You asked to be forgotten, so I watch for nothing that you add; `/privacy` lets you come back.

## help

help-text = **I find pictures in this server's own history.** You see only hits from channels that you may read.
    - `/similar` with a picture, words, or both: `text: red bicycle -car in:#photos after:2024 has:gif`
    - `/similar` with filters alone shows the newest: `text: in:#photos has:gif`
    - right-click (or hold) a message → Apps → **Find similar**; a member → Apps → **Pictures by …**
    - `/saved add`, `list`, `run`, `remove`: searches that you keep, for you alone; `notify` tells you what is new
    - `/duplicates`: what was posted more than once · `/random`: any picture
    - `/stats`: what is indexed · `/privacy`: what I keep, forget me, export · `/help`: this
help-manager = You manage this server:
    - `/reindex start` lets me read its history (newest first), `status`, `failures`, `pause`, `resume`, `cancel`
    - `/watch add` names a picture: when it is posted again, I tell a channel; `list`, `remove`
    - I read channels where I have View Channel and Read Message History

## command

command-find-similar = Find similar
command-pictures-by = Pictures by …
command-similar = Find pictures in this server's history: like a picture, by words, or both
command-duplicates = Find pictures that were posted more than once
command-random = Show any picture of this server's history
command-help = What I can find, and how to ask
command-privacy = What I keep; forget me; export what you hold of mine
command-saved = Searches that you keep under a name, for you alone
command-saved-add = Keep a search under a name
command-saved-list = Your searches in this server
command-saved-run = Ask one of your searches again
command-saved-remove = Remove one of your searches
command-watch = Pictures to watch for: a channel is told when one is posted again (Manage Server)
command-watch-add = Watch for a picture, or for all pictures of a message
command-watch-list = What is watched in this server
command-watch-remove = Watch for it no longer
command-reindex = Read this server's history for /similar (Manage Server)
command-reindex-start = Start: read the pictures of this server, one channel, or what failed
command-reindex-status = How far it is
command-reindex-failures = Pictures that could not be read: where, why, and when they are tried again
command-reindex-pause = Pause: what was read stays searchable, and nothing is read twice
command-reindex-resume = Go on with what was paused
command-reindex-cancel = End it; what was read stays searchable
command-stats = What is indexed of this server

## option

option-image = A picture to compare with
option-second-image = A second picture: hits are like both
option-third-image = A third picture: hits are like all three
option-text = What to look for, as in: cat in the rain -dog in:#memes has:gif
option-channel = Only in this channel or category, threads included
option-author = Only what this member posted
option-after = Only from this day on: 2024-05-01, yesterday, 3 weeks ago
option-before = Only before this day: 2024-05-01, yesterday, 3 weeks ago
option-count = How many hits
option-saved-name = Its name
option-saved-notify = Tell me by direct message when something new fits
option-saved-channel = Where I may mention you, if you take no direct messages
option-watch-channel = The channel that is told
option-watch-image = The picture to watch for
option-watch-message = Instead: the link of a message with pictures
option-watch-lookalikes = Also what is only very similar
option-watch-number = Its number, as /watch list shows it
option-share = Show the hits to everybody in this channel, as far as all may see them
option-explain = Show how each hit got its place
option-threshold = How sure I must be, from 0.5 to 1; 0.95 if you do not say
option-reindex-channel = Only this channel and its threads
option-reindex-failed = Only the pictures that could not be read before
option-failures-page = Which page of them; the first if you do not say

## reason

reason-empty = The file is empty (0 bytes).
reason-not-a-picture = The file is not a picture, whatever its name says.
reason-video = This is a video{ $format ->
        [none] {""}
       *[other] {" "}({ $format })
    }, and I look at pictures only: give me a screenshot of it.
reason-document = This is a document{ $format ->
        [none] {""}
       *[other] {" "}({ $format })
    }, and I look at pictures only: give me a screenshot of it.
reason-corrupt = The picture is damaged and cannot be read.
reason-truncated = The picture breaks off in the middle: its file is incomplete.
reason-unsupported-format = I do not open this format of picture{ $format ->
        [none] {""}
       *[other] {" "}({ $format })
    }: save it as PNG, JPEG, WebP, GIF, AVIF, BMP or TIFF.
reason-needs-heic = I open HEIC pictures only where the extra for them is installed: whoever runs me gives `pip install 'afterimage[heic]'`.
reason-needs-raw = I open camera raw files only where the extra for them is installed: whoever runs me gives `pip install 'afterimage[raw]'`.
reason-too-many-pixels = The picture has too many pixels to be opened safely.
reason-too-many-parts = The picture is made of too many scans or frames to be opened safely.
reason-too-many-bytes = The file is larger than I am allowed to download.
reason-too-slow = Reading the picture took too long.
reason-too-much-memory = Reading the picture would need too much memory.
reason-worker-died = The picture crashed what reads it; I go on without it.
reason-host-not-allowed = The picture lies on a host that I do not contact.
reason-gone = The picture is no longer there.
reason-forbidden = Discord does not let me read the picture.
reason-unreachable = The picture could not be downloaded after several tries.
reason-readers-busy = My picture readers were too busy for the picture; I try again later.
reason-internal = I failed on the picture; my log says where.

## What a question cannot mean (indexer/search)

grammar-too-long = That is { $characters } characters; describe the picture in at most { $most }.
grammar-not-excluded = -{ $filter }: cannot be excluded; -in:, -has:, -tag: and -words can.
grammar-twice = { $filter }: stands there twice; give it once.
grammar-both = has: and -has: both name { $property }; nothing can be both.
grammar-both-tags = tag: and -tag: both name “{ $tag }”; no picture can have it and not have it.
grammar-swapped = after: is not earlier than before:, so no message can lie between them; swap them.
grammar-no-channel = { $text } is not a channel; in: needs #channel.
grammar-no-member = { $text } is not a member; from: needs @name.
grammar-empty-channel = in: needs a channel, as in in:#memes.
grammar-empty-member = from: needs a member.
grammar-no-value = { $filter }: has no value; write it as in { $filter ->
        [in] in:#memes
        [from] from:@anna
        [after] after:2024-05-01
        [before] before:"3 weeks ago"
        [has] has:gif
        [count] count:10
        [min] min:0.8
        [weight] weight:0.7
        [camera] camera:"EOS"
        [color] color:red
        [colour] colour:red
        [lens] lens:"50mm"
        [near] near:48.1,11.6,5km
        [tag] tag:holiday
       *[diverse] diverse:0.5
    }.
grammar-unknown-property = has: does not know “{ $text }”; it knows { $known }.
grammar-near = near: needs latitude, longitude and a distance, as in near:48.1,11.6,5km or near:-33.9,18.4,800m, not “{ $text }”.
grammar-colour = color: does not know “{ $text }”; it knows { $known }, and colours as #rrggbb.
grammar-count = count: needs a whole number from 1 on, not “{ $text }”.
grammar-number = { $filter }: needs a number from 0 to 1, as in { $filter ->
        [min] min:0.8
        [weight] weight:0.7
       *[diverse] diverse:0.5
    }, not “{ $text }”.
tag-empty = A tag needs at least one letter, digit or symbol, as in holiday.
tag-too-long = A tag may have { $most } characters; this one has { $characters }.
tag-character = The tag “{ $tag }” cannot have { $character } at that position: a tag is made of letters, digits and symbols, and between these of spaces and - _ . ' & + / ! ? :
tag-many = One picture may have { $most } tags at most.
date-unknown = “{ $text }” is not a date I understand; write it as one of: 2024, 2024-05, 2024-05-01, 01.05.2024, today, yesterday, 3 weeks ago.
search-picture-gone = That picture is no longer there, or no longer yours to see; ask for another.
search-nothing-asked = Say what to look for: a picture, words, or both.
search-too-old = That answer is too old to go on with; ask again.
index-other-model = Nothing was embedded with { $model } ({ $pretrained }) in { $folder }: run the bot and give /reindex start, or configure the model that was used.

## Why a channel, a server or a job cannot be read (stored as key and values)

closed-server = Server { $server }: the bot is not in it (any more). Invite it again to index it.
closed-hidden = Channel { $channel }: Discord does not show it to this bot.
closed-view = Channel { $channel }: the bot lacks View Channel.
closed-history = Channel { $channel }: the bot lacks Read Message History.
closed-connect = Channel { $channel }: the bot lacks Connect, which a voice channel's text needs.
closed-private-thread = Channel { $channel }: it is a private thread without this bot.
closed-either = The bot lacks View Channel or Read Message History.
closed-refused = Discord does not let this bot read it (403, code { $code }).
closed-gone = It does not exist any more (404, code { $code }).
closed-archive = Archive { $archive } cannot be read (any more). Put it back where it was, or import it again.
history-no-content = Discord hides the contents of messages from this bot: the Message Content intent is switched off. Switch it on in Discord's developer portal (your application, Bot, Privileged Gateway Intents), restart the bot and start again.
job-incomplete = { $channels ->
        [one] One channel could not be read to its end
       *[other] { $channels } channels could not be read to their end
    }, because Discord did not answer as it should: the next start goes on there.
job-kept-waiting = Discord or the bot's own database kept it waiting for too long; the bot's log says which (job { $job }).
job-archive = This is an import on the bot's machine: its log there says more.
job-bot-failed = The bot failed; its log says where (job { $job }).
stored-text = { $text }

## The command line, always in English

cli-nothing-asked = Say what to look for: afterimage search a red bicycle, or a picture (its path, its address, or - for standard input), or both.
cli-which-server = Say in which server with --guild NAME; known are: { $known }.
cli-unknown-server = Server { $server } is not in the index; known are: { $known }.
cli-author = Nobody named { $name } has posted a picture that is indexed there.
cli-ocr-off = Reading words in pictures is off: set ocr.enabled = true in the configuration first.
cli-captions-off = Captions are off: set captions.enabled = true in the configuration first.
cli-channel = No channel { $channel } is indexed there.
cli-in-no-server = The bot is in no server of Discord: afterimage setup shows its invitation.
cli-archived-server = Server { $server } is known by an archive alone, which afterimage import reads; the bot is not in it.
cli-channel-unknown = No channel { $channel } of that server is known. Channels are known once the server has been read: afterimage reindex reads all of it.
cli-several-channels = Several channels are called { $channel }: give the id, one of { $known }.
cli-reindex-start-only = { $option } goes with a start alone.
fleet-no-ray = --fleet needs Ray, which is not installed here: pip install 'afterimage[fleet]'. Without --fleet this machine does the work.
fleet-away = --fleet: no encoder of the cluster at { $address } can be used ({ $reason }). ray.address says where it is, ray.token_file how to get in; docs/fleet.md says how to start one. Without --fleet this machine does the work.
fleet-other-model = --fleet: the cluster at { $address } has other weights of { $model } than this machine, whose vectors could not be compared. Install the same version of Afterimage and the same weights there. Without --fleet this machine does the work.
cli-reindex-no-bot = No bot runs on this data folder: start it (afterimage run), or leave --background out.
cli-reindex-no-token = Reading Discord needs the bot's token: afterimage setup asks for it.
cli-reindex-not-connected = The bot was not connected to Discord after { $seconds } seconds: see whether this machine reaches Discord, and whether Discord has an outage, and try again.
cli-job-running = { $server } is being indexed already, by another job: afterimage reindex status shows it, afterimage reindex cancel ends it.
cli-job-paused = Indexing is paused in { $server }: afterimage reindex resume goes on with it, afterimage reindex cancel ends it.
cli-job-none = Nothing is being indexed in { $server }: afterimage reindex begins.
cli-job-elsewhere = { $server } belongs to a shard that this process does not serve (discord.shards): start it where that shard is served. afterimage status lists such servers, afterimage split takes them away.
cli-job-nowhere = Nothing is being indexed: afterimage reindex begins.
cli-job-gone = The job went with its server, which the bot has left.
cli-file-too-large = { $path } is too large: all pictures together may have { $most } bytes (fetch.max_download_bytes).
cli-file-unreadable = { $path } cannot be read: { $error }.
cli-picture = { $path }: { $reason }
cli-needs = This command needs { $name }.
cli-id = { $name } must be an id as Discord gives it (Copy ID), not “{ $found }”.
cli-nobody-to-ask = This changes or deletes much, and nobody is here to be asked: give it with --yes.
select-nothing = Say what is meant: filters (in:#photos, from:, after:, has:, tag:), or words.
selection-changed = You confirmed { $confirmed }, and now { $counted } are meant; nothing was changed. Look again, and confirm that.
undelete-filters = Only in:, after: and before: can be given here: nothing else is known of what was deleted.
delete-not-imported = The bot is, or was, in this server. Name what is to go: in:#channel, from:, after:, before:. Remove the bot from the server to have all of it deleted.
delete-collection-alone = --collection names all of it; give no words and no --guild with it.
target-line = Line { $line } names no picture: “{ $text }”. A message's id or link, a path, or a line of search --jsonl does.
tag-full = The picture would have too many tags; take some away first.
tag-none = Name the tag.
tag-nothing = Name the pictures: by a message's id or link, a path, --file FILE, --query WORDS, or a pipe.
tag-query-alone = --query names the pictures by itself; give no other with it.
tag-file-alone = Give the pictures as words, or with --file, not both.
cli-nothing-changed = Nothing was changed.
cli-one-collection = --as names one collection: give one folder with it.
cli-path-no-text = The path { $path } is no UTF-8 text, so it cannot be written down. Rename the folder.
cli-no-folder = { $path } is no folder.
cli-several-servers = Several servers are called { $server }: give the id; known are: { $known }.
cli-filters-only = Only filters (in:, from:, after:, before:, has:, tag:) can be given here, not “{ $words }”.
cli-many-pictures = At most { $most } pictures can be asked with at once.
cli-one-standard-input = Standard input (-) can be one picture only.
cli-host = { $link }: pictures are downloaded from Discord's own hosts and those in fetch.extra_hosts alone. Save it, and give its path.
cli-threshold = How sure a re-post must be is a number from 0.5 to 1, not “{ $found }”.
cli-not-with-batch = { $option } cannot be given with --batch.
cli-no-such-hit = There is no hit { $number }: { $count ->
        [one] one was found.
       *[other] { $count } were found.
    }
cli-file-unwritable = { $path } cannot be written: { $error }.
cli-nothing-to-open = This hit has neither a link that opens nor a picture's file that is still there.
cli-no-browser = No browser could be started; the address is { $address }
cli-no-second-model = No second model is configured in the bot that answers: set rerank.kind and restart it.
cli-eval-empty = { $path } has no question in it; afterimage eval make FILE writes some to begin with.
cli-eval-line = { $path }, line { $line }: it must be an object with "query" or "like", and "expected", a list of message ids.
cli-eval-exists = { $path } exists already; name a new file.
cli-eval-nothing = No picture was posted again in this server, so there is nothing to make questions of.

## /reindex failures

failures-none = Every picture in the channels that you can see could be read, or waits for its turn.
failures-title = { $count ->
        [one] **{ $count } picture could not be read** in the channels that you can see:
       *[other] **{ $count } pictures could not be read** in the channels that you can see, the newest first:
    }
failures-line = { $channel } · [Message]({ $link }) · { $file }: { $reason } { $again }
failures-again = Tried again { $time }.
failures-never = Not tried again by itself.
failures-page = page { $page } of { $pages }; /reindex start with failed:True tries all of them again
failures-pages = { $pages ->
        [one] There is { $pages } page of this.
       *[other] There are { $pages } pages of this.
    }

## What of an archive cannot be read: `afterimage import` and its --dry-run
archive-cut-off = The file ends in the middle. What stands before is taken.
archive-damaged = What stands here is no message. What follows is taken again from the next message on.
archive-bad-message = This message cannot be read: { $error }
archive-bad-id = This message has no id of Discord's: { $id }
archive-fewer = The file says that it has { $stated } messages; { $found } were found in it.
archive-no-export = This is no export of DiscordChatExporter: it has no list of messages.
archive-no-header = This is no export of DiscordChatExporter: { $error }
archive-two-servers = Channel { $channel } belongs to another server in an earlier file. This file is left out.
archive-missing = There is no such file or folder.
archive-unreadable = It cannot be read: { $error }
archive-encrypted = It is encrypted. Unpack the archive with its password, and import the folder.
archive-many-members = It has { $members } files; at most { $most } are read. Unpack it, and import the folder.
archive-bomb = It expands to more than { $times } times its size, as no export does. It is not read on.
archive-climbs = Its path leads out of the export. It is not opened.
archive-link-out = It is a link that leads out of the export's folder. It is not opened.
archive-folder-empty = No picture was found in it, where { $count } were before. Nothing is deleted: is its disk there?
archive-server-busy = { $servers }: something else of this server is being read or paused just now, so { $archive } waits. Import it again when no job of the server runs or is paused any more.
archive-not-for-bot = The running bot finds nothing at { $path } that it can read. As a service or in a container it sees other folders than you do, and its user must be allowed to read them.
archive-no-package = This is no channel of Discord's data package: { $error }
archive-no-account = The data package does not say whose it is: its account/user.json is missing. Unpack or name the whole package.
archive-no-channel = { $count } messages stand in channels that the file does not know. They are left out.
archive-no-tracker = This is a SQLite database, but none of Discord History Tracker.
archive-tracker-forged = Its tables are not those that Discord History Tracker makes. It is not read.
archive-tracker-version = It has the version { $version } of Discord History Tracker's files; { $known } can be read. Open it once with the current Discord History Tracker, which brings it up to date.
archive-not-in-folder = There is no file or folder { $path } in the folder for archives (web.archives), or a link leads to it.
archive-looking = Another archive is being looked through: wait until that is done.
archive-nothing = Nothing here is an export of DiscordChatExporter in JSON, or another archive. A folder of pictures needs a name.
archive-stopped = The bot was stopped while it looked through the archive. Import it again.
archive-failed = The bot failed at this import; its log says where.
upload-name = A file's name has at most 200 bytes, does not begin with a dot, and has none of / \ : * ? " < > |.
upload-exists = There is a file { $name } in the folder for archives already.
upload-too-large = More than { $most } bytes cannot be uploaded at once (web.upload_bytes), and not more than 8 files.
upload-folder = Nothing can be written into the folder for archives: { $error }.
upload-no-room = There is not enough room on the disk for this file.
upload-part = Part { $part } is not one of the { $parts } parts of this file, or has another size.
upload-checksum = Part { $part } did not come as it was sent: its checksum is another one. Send it again.
upload-other = Part { $part } that is there is not part { $part } of your file: another file of this name and size is being uploaded too. Send the part again.
upload-incomplete = { $parts } parts of this file are still missing.
upload-unknown = There is no such upload, or it has expired.
archive-outside = It lies outside of the export's folder. If it is the folder of saved media, name it with --media.
bundle-nothing-stored = Nothing of it is stored here, so there is nothing to write.
bundle-another = Another bundle is being made, or waits to be fetched: fetch or delete that one first.
bundle-no-room = There is not enough room on the disk: making a bundle takes twice the size of the database.
bundle-not-there = There is no file to fetch: it is not made yet, or it is gone.
bundle-unknown = There is no such bundle.
bundle-fetched = It was fetched.
bundle-expired = Nobody fetched it in time.
bundle-cancelled = It was deleted.
bundle-stopped = The bot was stopped.
bundle-outdated = Something in it must be forgotten since: make it again.
bundle-too-slow = It took longer than an hour. Make it with `afterimage export`, which takes its time.
bundle-failed = The bot failed at it; its log says where.
bundle-confirm = This bundle may delete and replace what is stored here; { $deleted } messages would go. Look at what it brings. Who knows who made it and wants that gives this number as confirmation.
bundle-unsound = The bundle does not come in: { $error }
bundle-import-no-room = There is not enough room on the disk: the rows of a bundle need twice their size. What came in stays, and the same import goes on.
bundle-import-busy = The database was busy for too long. What came in stays, and the same import goes on.
bundle-import-stopped = The bot was stopped. What came in stays, and the same import goes on.

## Keys of the HTTP interface
key-name = A key needs a name of 1 to { $most } characters.
key-days = A key lives from 1 to { $most } days, or without an end.
key-unknown = There is no key { $key }: “afterimage keys list” shows which there are.
key-guild = Server { $guild } is not in the index.
