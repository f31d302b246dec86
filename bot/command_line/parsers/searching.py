"""`search`, `random`, `duplicates`, `failures` and `eval`: what reads the index."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

from bot.command_line.parsers.parser import Commands, Parser, add_json, positive
from indexer.errors import Reason

_GUILD_HELP = "the server, by name or id (may be left out where there is only one)"
_WORDS = "words"
_MINUS = "\u2212"  # the true minus sign, which the grammar reads as a hyphen, too


class GrammarParser(Parser):
    """A parser whose WORDS may stand anywhere among the options, and may begin with a minus: `cat -dog --count 3`.

    A word with a minus is a word to leave out; argparse would take it for options of one letter.
    """

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        before, after = _split(list(args or ()))
        found, rest = super().parse_known_args([_spelled(word) for word in before], namespace)
        unknown = [word for word in rest if word.startswith("--")]
        more = [word for word in rest if not word.startswith("--")]
        words = [_typed(word) for word in (*getattr(found, _WORDS), *more)]
        setattr(found, _WORDS, [*words, *after])
        return found, unknown


def _split(words: list[str]) -> tuple[list[str], list[str]]:
    """What stands before the first `--`, and what stands behind it."""
    at = words.index("--") if "--" in words else len(words)
    return words[:at], words[at + 1 :]


def _spelled(word: str) -> str:
    """A word to leave out, so that argparse takes it for a word."""
    return f"{_MINUS}{word[1:]}" if re.fullmatch(r"-[^-].*", word, re.DOTALL) and word != "-h" else word


def _typed(word: str) -> str:
    return f"-{word[1:]}" if word.startswith(_MINUS) else word


def add_searching(commands: Commands) -> None:
    search = commands.add(
        "search",
        "search:search",
        "Search from here: everything in a server, without Discord. Reads only.",
        examples=[
            "search a red bicycle in:#photos -car",
            "search cat.jpg --count 5 --sheet cats.png",
            "search https://cdn.discordapp.com/attachments/1/2/cat.png in the snow",
            "search has:gif after:2024 --json",
            "search --paths 'from:\"Anna Maria\"' sunset | head -1",
            "search --batch questions.txt --csv > answers.csv",
        ],
        notes="A word is a picture if it is an address (of Discord's own hosts, or fetch.extra_hosts), `-` for standard"
        " input, or the path of a file that is there. What follows `--` is never an option. A running bot answers at"
        " once; without one the model is loaded first.",
        parser_class=GrammarParser,
    )
    search.add_argument(_WORDS, nargs="*", metavar="WORD", help="words, filters and pictures, in any order")
    search.add_argument(
        "--image", action="append", default=[], metavar="FILE", help="a picture to look for; may be repeated"
    )
    search.add_argument("--count", type=positive, metavar="N", help="how many hits (default: search.default_count)")
    search.add_argument(
        "--explain", action="store_true", help="say why each hit is there, and how long each stage took"
    )
    search.add_argument("--batch", metavar="FILE", help="answer a file of questions, one a line (-: standard input)")
    _add_hit_forms(search)

    random = commands.add(
        "random",
        "random_picture:draw",
        "Show random pictures of a server's history; each message has the same chance. Needs no model.",
        examples=["random", "random in:#photos --count 9 --sheet nine.png", "random from:@anna --open 1"],
        parser_class=GrammarParser,
    )
    random.add_argument(_WORDS, nargs="*", metavar="FILTER", help="in: from: after: before: has: as in search")
    random.add_argument("--count", type=positive, metavar="N", help="how many pictures (default: 1)")
    random.set_defaults(explain=False)
    _add_hit_forms(random)
    _add_duplicates(commands)
    _add_failures(commands)
    _add_eval(commands)


def _add_hit_forms(command: argparse.ArgumentParser) -> None:
    """How hits are shown."""
    _add_guild(command)
    forms = command.add_mutually_exclusive_group()
    for form, text in {
        "json": "one JSON object, for programs",
        "jsonl": "a JSON object a line: a hit, or of a batch an answer",
        "csv": "a line a hit, for spreadsheets",
        "paths": "bare paths, or links where there is no file, one a line",
    }.items():
        forms.add_argument(f"--{form}", dest="form", action="store_const", const=form, help=text)
    command.add_argument(
        "--save", type=Path, metavar="FILE", help="write the answer into FILE (.json, .jsonl, .csv, or text)"
    )
    command.add_argument("--sheet", type=Path, metavar="FILE", help="draw the hits into one picture (PNG)")
    command.add_argument(
        "--preview", action="store_const", const="auto", help="show the pictures in the terminal, as well as it can"
    )
    command.add_argument(
        "--preview-as",
        dest="preview",
        choices=("kitty", "iterm2", "sixel", "blocks"),
        metavar="WAY",
        help="the same, in this way: kitty, iterm2, sixel or blocks",
    )
    command.add_argument("--open", type=positive, metavar="N", help="open hit N in the browser")
    _add_quiet(command)


def _add_duplicates(commands: Commands) -> None:
    duplicates = commands.add(
        "duplicates",
        "duplicates:show",
        "Show what was posted more than once, as it was or edited, the largest groups first.",
        examples=[
            "duplicates",
            "duplicates in:#memes --threshold 0.9 --html report.html",
            "duplicates --csv > all.csv",
        ],
        parser_class=GrammarParser,
    )
    duplicates.add_argument(_WORDS, nargs="*", metavar="FILTER", help="in: from: after: before: has: as in search")
    _add_guild(duplicates)
    duplicates.add_argument(
        "--threshold", type=float, metavar="SURE", help="how sure a re-post must be, 0.5 to 1 (default: 0.95)"
    )
    duplicates.add_argument("--count", type=positive, default=50, metavar="N", help="how many groups (default: 50)")
    forms = duplicates.add_mutually_exclusive_group()
    forms.add_argument("--json", dest="form", action="store_const", const="json", help="one JSON object, for programs")
    forms.add_argument("--csv", dest="form", action="store_const", const="csv", help="a line a post, for spreadsheets")
    forms.add_argument("--html", type=Path, metavar="FILE", help="a report with small copies of the pictures, one file")
    _add_quiet(duplicates)


def _add_failures(commands: Commands) -> None:
    reasons = [reason.value for reason in Reason]
    failures = commands.add(
        "failures",
        "failures:show",
        "Show the pictures that could not be read: what, where, why, and when each is tried again.",
        examples=["failures --count 10", "failures --reason too-slow --json", "failures --retry unreachable"],
        notes=f"Reasons: {', '.join(reasons)}.",
    )
    failures.add_argument("--guild", metavar="NAME", help="only of this server, by name or id")
    failures.add_argument(
        "--reason", action="append", choices=reasons, metavar="REASON", help="only for this reason; may be repeated"
    )
    failures.add_argument("--count", type=positive, default=50, metavar="N", help="how many (default: 50)")
    failures.add_argument(
        "--retry",
        action="append",
        choices=reasons,
        metavar="REASON",
        help="let what failed for this reason be tried again; may be repeated",
    )
    forms = failures.add_mutually_exclusive_group()
    forms.add_argument("--json", dest="form", action="store_const", const="json", help="one JSON object, for programs")
    forms.add_argument("--csv", dest="form", action="store_const", const="csv", help="a line a picture")


def _add_eval(commands: Commands) -> None:
    evaluate = commands.add(
        "eval",
        "evaluate:run",
        "Measure how well questions find what they should: by vectors, by words, by both, and with a second model.",
        examples=[
            "eval make questions.jsonl",
            "eval questions.jsonl --plot quality.svg",
            "eval questions.jsonl --json",
        ],
        notes='FILE has a JSON object a line: {"query": "a red bicycle", "expected": ["MESSAGE_ID"]}; "like":'
        ' "MESSAGE_ID" asks with that message\'s picture. `make` writes such a file, of re-posts that the index has'
        " found.",
    )
    evaluate.add_argument("make", nargs="?", choices=("make",), help="write a new FILE to begin with")
    evaluate.add_argument("file", type=Path, metavar="FILE", help="the labelled questions")
    _add_guild(evaluate)
    evaluate.add_argument("--count", type=positive, default=100, metavar="N", help="with make: of how many re-posts")
    evaluate.add_argument("--plot", type=Path, metavar="FILE", help="draw the measures (SVG)")
    add_json(evaluate)
    _add_quiet(evaluate)


def _add_guild(command: argparse.ArgumentParser) -> None:
    command.add_argument("--guild", metavar="NAME", help=_GUILD_HELP)


def _add_quiet(command: argparse.ArgumentParser) -> None:
    command.add_argument("--quiet", action="store_true", help="do not show what is waited for")
