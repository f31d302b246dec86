"""The texts of the demo guild's members. Pure data; {thing} is replaced by what a picture shows."""

from typing import Final

CHAT: Final = {
    "lounge": (
        "morning all", "anyone up for a walk this weekend?", "the bus was late again", "coffee first, then opinions",
        "who left the kettle on", "it finally stopped raining here", "can someone remind me what time we meet?",
        "six, as always", "ok see you there", "I'll be ten minutes late, sorry", "did you all see the moon last night?",
        "back from holiday, what did I miss", "three hundred messages and one argument about soup",
        "happy birthday Kofi!!", "thank you everyone, you are too kind", "does anybody have a ladder I can borrow",
        "I have one, come by after five", "power is out in our street", "same here", "and we're back",
        "note to self: never trust the weather app", "what's everyone reading?",
        "a book about bridges, surprisingly good",
        "please pin that", "done", "new here, hello from Porto", "welcome!", "welcome, the tea is on the left",
        "I can't find that picture Wren posted last spring", "scroll up. further. further.",
        "there should be a better way",
        "good night", "we should do the quiz again", "only if Sam isn't allowed to write the questions",
        "I stand by question four", "found my keys, they were in the fridge", "meeting moved to Thursday",
        "the bakery on the corner has reopened", "this is not a drill", "ok who is driving",
    ),
    "memes": (
        "I'm crying", "this is so Jonas", "no", "delete this", "who made this", "saving that one", "again??",
        "posted this in March, Tomás", "a classic", "it gets better every time", "I don't get it", "explain",
        "the compression adds flavour", "ten out of ten", "sir this is a library", "my aunt sent me the same one",
    ),
    "photos": (
        "what camera is that?", "the light is lovely", "where was this taken?", "up by the lake, early",
        "more of these please", "that sky!", "is that the new lens?", "cropped a bit, hope you don't mind",
        "could I print this?", "sure, go ahead", "I was there an hour later and saw nothing",
    ),
    "pets-and-beasts": (
        "who is this", "that face", "mine does the same", "is it allowed on the sofa", "absolutely not, look at it",
        "the vet says all is well", "good news!", "give them a treat from me", "what do you feed it",
    ),
    "kitchen": (
        "recipe please", "second attempt, still flat", "needs more salt", "I would eat that cold", "bring it on Sunday",
        "mine collapsed", "how long in the oven?", "forty minutes, lid on", "I'm allergic but it looks great",
    ),
    "after-dark": ("can't sleep", "same", "one more and then bed", "famous last words", "close the laptop, Nina"),
    "moderators": (
        "warned the same account twice now", "agreed, mute it", "please look at the report from this morning",
        "handled", "new rule text is in the doc", "should we allow links in lounge?", "not yet",
    ),
    "odd-files": (
        "this one won't open for me", "same, only a grey box", "my phone died while it was sending",
        "try renaming it?", "renamed it, still nothing",
    ),
    "lounge-voice": ("mic is broken, typing", "can you hear me", "no", "try again"),
}  # fmt: skip
"""Lines without a picture, by channel."""

PLAIN: Final = (
    "", "", "", "look", "this", "from today", "found this on my phone", "as promised", "see above", "finally",
    "took me all afternoon", "thoughts?", "wow", "you asked for it", "before I forget", "same place, other day",
    "oh no", "here you go", "one more", "I regret nothing", "for the album", "could not resist", "good morning",
    "late night edition", "last one for today", "the original, for the record",
)  # fmt: skip
"""Captions that say nothing about the picture."""

TELLING: Final = (
    "my {thing}", "a {thing}, who would have thought", "{thing} again", "new {thing}!", "spot the {thing}",
    "not every day you see a {thing}", "{thing} season", "I drew a {thing}", "{thing} for {other}",
    "that {thing} from yesterday", "does this {thing} look right to you?", "{other} + {thing}", "the {thing} is back",
)  # fmt: skip
"""Captions that name what the picture shows."""

FILE_NAMES: Final = (
    "IMG_{n}.{x}", "IMG_{n}.{x}", "image0.{x}", "unknown.{x}", "Screenshot_{day}.{x}", "PXL_{day}_{n}.{x}",
    "{thing}.{x}", "{thing}_final.{x}", "photo_{day}.{x}", "download.{x}", "DSC0{n}.{x}", "{thing}-{n}.{x}",
)  # fmt: skip

ALT_TEXTS: Final = ("a {thing}", "picture of a {thing}", "{thing} and {other}")

POSTS: Final = (
    ("Sunday walk, the good ones", "Everything from Sunday in one place, add yours."),
    ("Show your desk", "Tidy or not, no judging."),
    ("Things I found at the flea market", "None of it was necessary."),
    ("Garden diary", "Week by week, from mud to jungle."),
    ("Costume ideas", "For the party. Nothing that needs batteries."),
)
"""Forum posts: title and first message."""
