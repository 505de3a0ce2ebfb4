"""The search for secrets finds what was planted, in every spelling, and nothing else."""

from __future__ import annotations

import base64
import pickle
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.secret_search import find_secrets

TOKEN = "session-8d1f-correct-horse"
KEY = bytes(range(7, 39)).hex()
HEADER = base64.b64encode(b'{"signature": "battery staple"}').decode()
ALL = {"token": TOKEN, "key": KEY, "header": HEADER}


@dataclass
class Shy:
    token: str = field(repr=False)


class Mute:
    def __init__(self, token: str) -> None:
        self.token = token

    def __reduce__(self) -> str:
        raise TypeError("not this one")


@pytest.mark.parametrize("padding", range(4))
@pytest.mark.parametrize(
    ("name", "planted"),
    [
        ("token", TOKEN.encode()),
        ("key", KEY.encode()),
        ("key", bytes.fromhex(KEY)),
        ("header", HEADER.encode()),
        ("header", base64.b64decode(HEADER)),
    ],
)
def test_every_spelling_is_found(name: str, planted: bytes, padding: int) -> None:
    whole = b"?" * padding + planted + b"?" * padding
    for spelled in (
        whole,
        whole.hex().encode(),
        whole.hex().upper().encode(),
        base64.b64encode(whole),
        base64.urlsafe_b64encode(whole),
    ):
        assert find_secrets(spelled, {name: ALL[name]}), spelled


def test_nothing_is_found_where_nothing_is() -> None:
    assert find_secrets("no secrets here", ALL) == []
    assert find_secrets({"a": ["dictionary", 7]}, ALL) == []
    assert find_secrets(ValueError("no secrets here"), ALL) == []


def test_objects_are_searched_by_repr_and_pickle() -> None:
    assert find_secrets([TOKEN], ALL) == [
        "token, as it is, in the repr of a list",
        "token, as it is, in the text of a list",
        "token, as it is, in the pickle of a list",
    ]
    assert find_secrets(Shy(TOKEN), ALL) == ["token, as it is, in the pickle of a Shy"]
    assert find_secrets(Mute(TOKEN), ALL) == []
    with pytest.raises(TypeError):
        pickle.dumps(Mute(TOKEN))


def test_errors_are_searched_with_causes_and_members() -> None:
    error = ValueError("outer")
    error.__cause__ = RuntimeError(TOKEN)
    found = find_secrets(error, ALL)
    assert any("traceback of a ValueError" in one for one in found)
    assert any("repr of a RuntimeError" in one for one in found)

    silent = ValueError("outer")
    silent.sent = TOKEN  # type: ignore[attr-defined]
    assert any("members of a ValueError" in one for one in find_secrets(silent, ALL))


def test_local_variables_of_a_traceback_are_searched() -> None:
    source = "def careless(word):\n    held = [word]\n    raise ValueError(len(held))\n"
    space: dict[str, object] = {}
    exec(compile(source, "/somewhere/careless.py", "exec"), space)
    with pytest.raises(ValueError, match="1") as info:
        space["careless"](TOKEN)  # type: ignore[operator]

    assert find_secrets(info.value, ALL) == [
        "token, as it is, in word at careless.py:careless",
        "token, as it is, in held at careless.py:careless",
    ]


def test_folders_are_searched_to_the_bottom(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "wal").write_bytes(b"\x00\xff" + bytes.fromhex(KEY) + b"\xff")
    (tmp_path / "clean").write_text("nothing")

    assert find_secrets(tmp_path, ALL) == ["key, as the bytes of its hex, in wal"]


def test_what_is_too_short_is_no_secret() -> None:
    with pytest.raises(ValueError, match="no secret"):
        find_secrets("anything", {"empty": ""})
