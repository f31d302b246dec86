"""Every sentence that a person reads, by key and language. Imports nothing of the bot; start at catalogue.py.

To add a sentence, write it under one key into `en.ftl` and `de.ftl`. Use the same variables in both files, and a plural
where the sentence counts something:

    footer-searched = { $searched ->
        [one] { $searched } picture searched
       *[other] { $searched } pictures searched
    }

Then `translate(language, "footer-searched", searched=12)` returns its words. An error is raised as
`TellPerson("error-author", name=name)`. `sentence_for` in bot/commands writes its words and escapes every text among
the values. So callers must not escape them before. Pass numbers as int (the language writes 1,234 or 1.234), and ids as
str. `localized("option-count")` is the text of a command or option.

tests/texts/test_texts.py compares the languages, and finds keys that are missing or unused.
"""

from bot.texts.catalogue import translate as translate
from bot.texts.catalogue import translate_sentence as translate_sentence
from bot.texts.language import Language as Language
