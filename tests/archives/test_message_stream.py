"""Messages are found in a document of any size and shape, and damage is told with its place and costs only itself."""

from __future__ import annotations

import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.archives.message_stream import Damage, Element, MessageStream, NotAnExport
from tests.worlds.exports import document, message

TRICKY = [
    '"',
    "\\",
    '\\"',
    "{",
    "}",
    "[",
    "]",
    ",",
    "\n    }",
    '{"id": "1", "type": "x", "timestamp"',
    "é日😀\u2028",
    "\x00",
]
words = st.lists(st.sampled_from(TRICKY) | st.text(max_size=8), max_size=12).map("".join)


def read(data: bytes, chunk: int = 1 << 20) -> tuple[list[Element], list[Damage], bytes]:
    """What an attentive reader makes of the document: it refuses what is no JSON."""
    stream = MessageStream(io.BytesIO(data), chunk)
    stream.header()
    found: list[Element] = []
    damaged: list[Damage] = []
    for element in stream:
        if isinstance(element, Damage):
            damaged.append(element)
            continue
        try:
            json.loads(element.data)
        except ValueError:
            stream.refuse()
            continue
        found.append(element)
    return found, damaged, stream.tail


def ids(elements: list[Element]) -> list[str]:
    return [json.loads(element.data)["id"] for element in elements]


@given(st.lists(words, max_size=8), st.integers(1, 200), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_every_message_comes_whole_whatever_it_says_and_wherever_a_chunk_ends(
    contents: list[str], chunk: int, newline: str, minified: bool
) -> None:
    messages = [message(number, content=content) for number, content in enumerate(contents)]
    data = document(messages, newline=newline)
    if minified:
        data = json.dumps(json.loads(data), separators=(",", ":")).encode()
    found, damaged, tail = read(data, chunk)
    assert [json.loads(element.data)["content"] for element in found] == contents
    assert [data[element.offset : element.offset + len(element.data)] for element in found] == [
        element.data for element in found
    ]
    assert not damaged
    assert re.match(rb'\]\s*,\s*"messageCount"', tail)


@given(st.integers(0, 10_000), st.integers(1, 300))
def test_a_document_that_is_cut_off_gives_what_stood_before_the_cut(cut: int, chunk: int) -> None:
    data = document([message(number) for number in range(6)])
    begin = data.index(b'"messages": [') + len(b'"messages": [')
    end = begin + cut % (len(data) - begin - 30)
    whole = [element for element in read(data)[0] if element.offset + len(element.data) <= end]
    found, damaged, tail = read(data[:end], chunk)
    assert found == whole
    assert len(damaged) == 1 or tail
    assert all(damage.reason.key == "archive-cut-off" for damage in damaged)


@pytest.mark.parametrize("chunk", [64, 1000, 1 << 20])
@pytest.mark.parametrize("damage", [b'"', b"}", b"{", b"]", b"\x00\x00\x00\x00", b'"}]'])
def test_a_damaged_message_costs_only_itself(damage: bytes, chunk: int) -> None:
    messages = [message(number) for number in range(9)]
    data = document(messages)
    at = data.index(b'"message 3"') + 4
    found, _, _ = read(data[:at] + damage + data[at + len(damage) :], chunk)
    expected = [entry["id"] for entry in messages]
    assert set(expected) - {expected[3]} <= set(ids(found)) <= set(expected)


@pytest.mark.parametrize("chunk", [64, 1000, 1 << 20])
def test_a_message_that_lost_its_last_bracket_is_not_the_end_of_those_behind_it(chunk: int) -> None:
    messages = [message(number) for number in range(9)]
    data = document(messages)
    at = data.rindex(b"}", 0, data.index(messages[4]["id"].encode()))
    found, _, _ = read(data[:at] + data[at + 1 :], chunk)
    assert ids(found) == [entry["id"] for entry in messages if entry is not messages[3]]


def test_garbage_between_messages_is_told_with_its_place() -> None:
    data = document([message(0), message(1)])
    at = data.index(b'"timestamp"', data.index(b"message 0"))
    at = data.rindex(b"{", 0, at)
    found, damaged, _ = read(data[:at] + b'garbage " here ' + data[at:])
    assert len(found) == 2
    assert [damage.reason.key for damage in damaged] == ["archive-damaged"]
    assert damaged[0].offset <= at + 15


@pytest.mark.parametrize("data", [b"", b"hello", b"{}", b"[1, 2]", b'{"name": "wave", "layers": []}', b"\x00" * 5000])
def test_what_has_no_messages_is_no_export(data: bytes) -> None:
    with pytest.raises(NotAnExport):
        MessageStream(io.BytesIO(data), 100).header()


def test_a_byte_order_mark_and_an_empty_channel_are_fine() -> None:
    stream = MessageStream(io.BytesIO(b"\xef\xbb\xbf" + document([])))
    assert json.loads(stream.header())["messages"] == []
    assert list(stream) == []
