"""What Discord refuses of a message, a modal or a command is refused here."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.checks import commands, components, localizations, messages
from sandbox.errors import ApiError, Invalid
from sandbox.mentions import find
from tests import openapi

TEXT: dict[str, Any] = {"type": 10, "content": "hello"}
PICTURE: dict[str, Any] = {"type": 11, "media": {"url": "https://pictures.example/a.png"}}
BUTTON: dict[str, Any] = {"type": 2, "style": 1, "label": "Next", "custom_id": "next"}
LINK: dict[str, Any] = {"type": 2, "style": 5, "label": "Site", "url": "https://pictures.example"}
OPTION: dict[str, Any] = {"label": "one", "value": "1"}
MENU: dict[str, Any] = {"type": 3, "custom_id": "menu", "options": [OPTION]}
V2 = 1 << 15


def _row(*children: dict[str, Any]) -> dict[str, Any]:
    return {"type": 1, "components": list(children)}


def _section(accessory: dict[str, Any] | None = None, texts: int = 1) -> dict[str, Any]:
    return {"type": 9, "components": [TEXT] * texts, "accessory": PICTURE if accessory is None else accessory}


def _container(*children: dict[str, Any]) -> dict[str, Any]:
    return {"type": 17, "components": list(children)}


def _check(*found: dict[str, Any], v2: bool = True, files: frozenset[str] = frozenset()) -> list[dict[str, Any]]:
    return components.of_message(list(found), v2=v2, files=files)


GOOD = [
    [TEXT],
    [_section(), _section(BUTTON), _section(LINK, 3)],
    [_container(TEXT, _section(), {"type": 14}, _row(BUTTON, LINK)), _row(MENU)],
    [{"type": 12, "items": [{"media": {"url": "https://pictures.example/a.png"}}] * 10}],
    [_row({**BUTTON, "label": None, "emoji": {"name": "▶"}})],
    [_row({**MENU, "type": 8, "channel_types": [0]})],
    [TEXT] * 40,
]
BAD = {
    "a container in a container": [_container(_container(TEXT))],
    "an empty container": [_container()],
    "41 components": [TEXT] * 41,
    "41 nested components": [_container(*[TEXT] * 20), _container(*[TEXT] * 19)],
    "4001 characters": [{"type": 10, "content": "x" * 4001}],
    "4001 characters in all": [{"type": 10, "content": "x" * 2001}, {"type": 10, "content": "x" * 2000}],
    "an empty text": [{"type": 10, "content": ""}],
    "a blank text": [{"type": 10, "content": "  "}],
    "a section without accessory": [{"type": 9, "components": [TEXT]}],
    "a section of four texts": [_section(texts=4)],
    "a section beside a menu": [_section(MENU)],
    "a thumbnail on its own": [PICTURE],
    "a gallery of eleven": [{"type": 12, "items": [{"media": {"url": "https://pictures.example/a.png"}}] * 11}],
    "a gallery of none": [{"type": 12, "items": []}],
    "a picture without scheme": [_section({**PICTURE, "media": {"url": "pictures.example/a.png"}})],
    "a picture that is not attached": [_section({**PICTURE, "media": {"url": "attachment://a.png"}})],
    "an address of 2049 characters": [_section({**PICTURE, "media": {"url": "https://x.example/" + "a" * 2031}})],
    "a file from elsewhere": [{"type": 13, "file": {"url": "https://pictures.example/a.png"}}],
    "six buttons": [_row(*({**BUTTON, "custom_id": str(i)} for i in range(6)))],
    "a button beside a menu": [_row(BUTTON, MENU)],
    "two buttons of one custom id": [_row(BUTTON, BUTTON)],
    "a button without label": [_row({**BUTTON, "label": None})],
    "a label of 81 characters": [_row({**BUTTON, "label": "x" * 81})],
    "a custom id of 101 characters": [_row({**BUTTON, "custom_id": "x" * 101})],
    "a button without custom id": [_row({"type": 2, "style": 1, "label": "x"})],
    "a link with custom id": [_row({**LINK, "custom_id": "x"})],
    "a link of 513 characters": [_row({**LINK, "url": "https://x.example/" + "a" * 495})],
    "a menu of 26": [_row({**MENU, "options": [{"label": str(i), "value": str(i)} for i in range(26)]})],
    "a menu of one value twice": [_row({**MENU, "options": [OPTION, OPTION]})],
    "two of one id": [{**TEXT, "id": 5}, {**TEXT, "id": 5}],
    "an unknown type": [{"type": 99}],
    "a text input outside a modal": [_row({"type": 4, "custom_id": "x", "style": 1})],
}


@pytest.mark.parametrize("found", GOOD)
def test_good_components_pass_and_get_ids_of_their_own(found: list[dict[str, Any]]) -> None:
    checked = list(components.walk(_check(*found)))
    ids = [component["id"] for component in checked]
    assert len(set(ids)) == len(ids)
    assert "id" not in TEXT, "a request must not be changed"


@pytest.mark.parametrize("name", BAD)
def test_bad_components_are_refused(name: str) -> None:
    with pytest.raises(Invalid):
        _check(*BAD[name])


def test_without_the_flag_only_rows_are_allowed() -> None:
    assert _check(_row(BUTTON), v2=False)
    with pytest.raises(Invalid):
        _check(TEXT, v2=False)
    with pytest.raises(Invalid):
        _check(*[_row({**BUTTON, "custom_id": str(i)}) for i in range(6)], v2=False)


def test_an_attached_file_may_be_shown() -> None:
    shown = _section({**PICTURE, "media": {"url": "attachment://a.png"}})
    assert _check(shown, files=frozenset(["a.png"]))


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda x: (
            st.lists(x)
            | st.dictionaries(
                st.sampled_from(["type", "components", "accessory", "content", "id", "items", "media"]), x
            )
        ),
        max_leaves=12,
    )
)
def test_no_request_makes_the_checks_stumble(value: Any) -> None:
    with pytest.raises(ApiError):
        messages.check({"flags": V2, "components": [value]}, {})


MESSAGES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "2001 characters": {"content": "x" * 2001},
    "text beside components": {"flags": V2, "content": "x", "components": [TEXT]},
    "an embed beside components": {"flags": V2, "embeds": [{"title": "x"}], "components": [TEXT]},
    "eleven embeds": {"embeds": [{"title": "x"}] * 11},
    "embeds of 6001 characters": {"embeds": [{"description": "x" * 3001}] * 2},
    "mentions of an unknown kind": {"content": "x", "allowed_mentions": {"parse": ["friends"]}},
    "mentions parsed and listed": {"content": "x", "allowed_mentions": {"parse": ["users"], "users": ["1"]}},
    "an attachment that was not sent": {"content": "x", "attachments": [{"id": 0, "filename": "a.png"}]},
    "flags of another type": {"content": "x", "flags": "64"},
}


@pytest.mark.parametrize("name", MESSAGES)
def test_bad_messages_are_refused(name: str) -> None:
    with pytest.raises(ApiError) as caught:
        messages.check(MESSAGES[name], {})
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [
        (None, {"users": [1, 2], "roles": [3], "everyone": True}),
        ({"parse": []}, {"users": [], "roles": [], "everyone": False}),
        ({"parse": ["users"]}, {"users": [1, 2], "roles": [], "everyone": False}),
        ({"users": ["2"], "roles": ["3"]}, {"users": [2], "roles": [3], "everyone": False}),
    ],
)
def test_only_allowed_mentions_notify(allowed: dict[str, Any] | None, expected: dict[str, Any]) -> None:
    assert find("<@1> <@!2> <@&3> @everyone", allowed) == expected


def _command(**extra: Any) -> dict[str, Any]:
    return {"name": "similar", "description": "Find", **extra}


def _option(name: str = "text", kind: int = 3, **extra: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "description": "what", **extra}


BAD_COMMANDS = {
    "an upper-case name": [_command(name="Similar")],
    "a name with a space": [_command(name="find it")],
    "a long name": [_command(name="x" * 33)],
    "no description": [_command(description="")],
    "one name twice": [_command(), _command()],
    "a menu with description": [{"type": 3, "name": "Find", "description": "x"}],
    "a required option after another": [_command(options=[_option("a"), _option("b", required=True)])],
    "one option twice": [_command(options=[_option(), _option()])],
    "26 options": [_command(options=[_option(f"o{i}") for i in range(26)])],
    "26 choices": [_command(options=[_option(choices=[{"name": str(i), "value": str(i)} for i in range(26)])])],
    "choices and autocomplete": [_command(options=[_option(choices=[{"name": "a", "value": "a"}], autocomplete=True)])],
    "a sub-command beside an option": [_command(options=[_option(), _option("start", 1)])],
    "16 message menus": [{"type": 3, "name": f"Find {i}"} for i in range(16)],
    "more than 8000 characters": [
        _command(options=[_option(f"o{i}", description="x" * 100, choices=[
            {"name": "x" * 98 + f"{j:02}", "value": "y" * 98 + f"{j:02}"} for j in range(4)]) for i in range(10)])
    ],
    "a localised name too long": [_command(name_localizations={"de": "x" * 33})],
    "a localised name in upper case": [_command(name_localizations={"de": "Finden"})],
    "a localised option name with a space": [_command(options=[_option(name_localizations={"de": "ein Wort"})])],
    "an empty localised description": [_command(description_localizations={"de": ""})],
    "a language Discord has not": [_command(name_localizations={"tlh": "tu"})],
    "localisations in a list": [_command(name_localizations=["de"])],
    "a localised choice too long": [
        _command(options=[_option(choices=[{"name": "a", "value": "a", "name_localizations": {"de": "x" * 101}}])])
    ],
    "a name that is a number": [_command(name=5)],
    "a name of signs": [_command(name="find!")],
    "a command that is none": ["similar"],
    "an option that is none": [_command(options=["text"])],
    "options that are none": [_command(options="text")],
    "an unknown type": [_command(type=9)],
    "true for a type": [_command(type=True)],
    "permissions that are no number": [_command(default_member_permissions="all")],
    "permissions below nothing": [_command(default_member_permissions=-1)],
    "no context at all": [_command(contexts=[])],
    "one context twice": [_command(contexts=[0, 0])],
    "an unknown context": [_command(contexts=[3])],
    "an unknown integration type": [_command(integration_types=[2])],
    "age restriction by words": [_command(nsfw="yes")],
    "an option required by words": [_command(options=[_option(required="yes")])],
    "a choice without value": [_command(options=[_option(choices=[{"name": "a"}])])],
    "a choice that is none": [_command(options=[_option(choices=["a"])])],
    "one choice twice": [
        _command(options=[_option(choices=[{"name": "a", "value": "a"}, {"name": "a", "value": "b"}])])
    ],
    "a text among numbers": [_command(options=[_option(kind=4, choices=[{"name": "a", "value": "1"}])])],
    "half a whole number": [_command(options=[_option(kind=4, choices=[{"name": "a", "value": 1.5}])])],
    "a number too large": [_command(options=[_option(kind=4, max_value=1 << 53)])],
    "a range the wrong way round": [_command(options=[_option(kind=10, min_value=2.5, max_value=1)])],
    "a range of a text": [_command(options=[_option(min_value=1)])],
    "a length of a number": [_command(options=[_option(kind=4, max_length=5)])],
    "a length of nothing": [_command(options=[_option(max_length=0)])],
    "a length of 6001": [_command(options=[_option(min_length=6001)])],
    "lengths the wrong way round": [_command(options=[_option(min_length=9, max_length=3)])],
    "an unknown channel type": [_command(options=[_option(kind=7, channel_types=[99])])],
    "channel types of a text": [_command(options=[_option(channel_types=[0])])],
    "an empty group": [_command(options=[_option("more", 2)])],
    "an option in a group": [_command(options=[_option("more", 2, options=[_option()])])],
    "a sub-command in a sub-command": [_command(options=[_option("more", 1, options=[_option("now", 1)])])],
    "a group in a group": [
        _command(options=[_option("more", 2, options=[_option("now", 2, options=[_option("go", 1)])])])
    ],
    "more than 8000 characters in another language": [
        _command(options=[_option(f"o{i}", choices=[
            {"name": "a" + str(j), "value": "y" * 98, "name_localizations": {"de": "x" * 98}} for j in range(4)])
            for i in range(11)])
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_COMMANDS)
def test_bad_commands_are_refused(name: str) -> None:
    with pytest.raises(ApiError) as caught:
        commands.check_all(BAD_COMMANDS[name])
    assert (caught.value.status, caught.value.code) in ((400, 50035), (400, 30032))
    assert caught.value.errors or caught.value.code == 30032


def test_good_commands_pass() -> None:
    group = _command(
        name="reindex",
        options=[_option("start", 1, options=[_option("channel", 7)]), _option("more", 2, options=[_option("now", 1)])],
    )
    assert commands.check_all([_command(options=[_option(required=True), _option("image", 11)]), group])


def test_names_may_be_of_every_script() -> None:
    for name in ("ähnlich", "похожее", "相似", "ค้นหา", "खोजें", "l'image", "find_it-2"):
        commands.check(_command(name=name, name_localizations={"th": "ค้นหา"}), "")


_ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 12)
    | st.floats(allow_nan=False)
    | st.sampled_from(["", "a", "de", "x" * 101]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["de", "name", "value", "type", "description", "options"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def _mostly(good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(good, good, good, _ANY)


_TRANSLATED = {
    "name_localizations": _mostly(st.dictionaries(st.sampled_from(["de", "fr", "tlh"]), st.sampled_from(["a", "B"]))),
    "description_localizations": _mostly(st.just({"de": "Wort"})),
}
_CHOICE = st.fixed_dictionaries(
    {"name": _mostly(st.sampled_from("ab")), "value": _mostly(st.sampled_from(["a", 1, 1.5]))},
    optional={"name_localizations": _TRANSLATED["name_localizations"]},
)
_OPTION = st.fixed_dictionaries(
    {
        "name": _mostly(st.sampled_from("abc")), "description": _mostly(st.just("what")),
        "type": _mostly(st.integers(1, 11)),
    },
    optional={
        "choices": _mostly(st.lists(_CHOICE, max_size=2)), "min_value": _mostly(st.integers(0, 9)),
        "max_value": _mostly(st.just(9)), "min_length": _mostly(st.just(1)), "max_length": _mostly(st.just(9)),
        "channel_types": _mostly(st.lists(st.sampled_from([0, 5, 99]))), "required": _mostly(st.booleans()),
        "autocomplete": _mostly(st.booleans()), "options": _mostly(st.just([_option("now", 1)])), **_TRANSLATED,
    },
)  # fmt: skip
_COMMAND = st.fixed_dictionaries(
    {"name": _mostly(st.sampled_from(["similar", "Similar"])), "description": _mostly(st.just("Find"))},
    optional={
        "type": _mostly(st.integers(1, 3)), "options": _mostly(st.lists(_OPTION, max_size=3)),
        "contexts": _mostly(st.just([0])), "integration_types": _mostly(st.just([0, 1])),
        "nsfw": _mostly(st.booleans()),
        "default_member_permissions": _mostly(st.just(32)), "dm_permission": _mostly(st.booleans()), **_TRANSLATED,
    },
)  # fmt: skip


@given(_mostly(_COMMAND))
def test_what_is_accepted_is_as_discord_describes_it_and_nothing_makes_the_checks_stumble(command: Any) -> None:
    try:
        commands.check_all([command])
    except ApiError:
        return
    openapi.description().check_schema("ApplicationCommandUpdateRequest", command)


def test_the_languages_are_those_that_discord_describes() -> None:
    described = openapi.description().schema("AvailableLocalesEnum")
    assert [entry["const"] for entry in described["oneOf"]] == list(localizations.LOCALES)


MODAL: dict[str, Any] = {
    "custom_id": "m", "title": "Ask",
    "components": [{"type": 18, "label": "Words", "component": {"type": 4, "custom_id": "w", "style": 1}}],
}  # fmt: skip


@pytest.mark.parametrize(
    "change", [{"title": "x" * 46}, {"components": []}, {"custom_id": ""}, {"components": [TEXT, 1]}]
)
def test_bad_modals_are_refused(change: dict[str, Any]) -> None:
    assert components.of_modal(MODAL)["components"][0]["id"] == 1
    with pytest.raises(Invalid):
        components.of_modal(MODAL | change)
