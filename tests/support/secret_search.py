"""A search for secrets in whatever a program shows or leaves behind: texts, objects, errors, files.

A secret counts as found in any of its spellings: as it is, in hex, in base64 at any offset, and
where it is itself hex or base64, as the bytes that it spells.
"""

from __future__ import annotations

import base64
import binascii
import pickle
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

_SHORTEST: Final = 8
"""Characters below which a "secret" would be found everywhere by chance."""


def find_secrets(root: object, secrets: Mapping[str, str]) -> list[str]:
    """Return where in ``root`` which secret shows, and how it is spelled; empty when none does.

    A ``Path`` is searched with all that is below it, an exception with its causes and with the
    local variables of every frame but those of tests, anything else by its text and its pickle.
    ``secrets`` maps names to texts.

    Raises:
        ValueError: A secret is too short to be told from chance.
    """
    spellings = {name: _spellings(secret) for name, secret in secrets.items()}
    return [
        f"{name}, {how}, in {where}"
        for where, shown in _shown(root)
        for name, spelled in spellings.items()
        for how, form in spelled
        if form in shown
    ]


def _spellings(secret: str) -> list[tuple[str, bytes]]:
    if len(secret) < _SHORTEST:
        raise ValueError(f"a secret of {len(secret)} characters is no secret")
    plain = secret.encode()
    found = [("as it is", plain), *_encoded(plain)]
    for what, raw in _decoded(secret):
        found += [(f"as the bytes of its {what}", raw), *_encoded(raw)]
    return found


def _encoded(raw: bytes) -> Iterator[tuple[str, bytes]]:
    yield "in hex", raw.hex().encode()
    yield "in hex", raw.hex().upper().encode()
    for offset in range(3):  # where it begins within a larger base64 text
        text = base64.b64encode(bytes(offset) + raw)
        end = (
            len(text) - 4 if text.endswith(b"=") else len(text)
        )  # the last group mixes with what follows
        inner = text[4 if offset else 0 : end]
        yield "in base64", inner
        yield "in base64", inner.translate(bytes.maketrans(b"+/", b"-_"))


def _decoded(secret: str) -> Iterator[tuple[str, bytes]]:
    digits = secret.removeprefix("0x")
    try:
        yield "hex", binascii.unhexlify(digits)
    except (binascii.Error, ValueError):
        try:
            yield "base64", base64.b64decode(secret, validate=True)
        except (binascii.Error, ValueError):
            return


def _shown(root: object) -> Iterator[tuple[str, bytes]]:
    """Yield every place of ``root`` with the bytes that are there."""
    if isinstance(root, bytes):
        yield "bytes", root
    elif isinstance(root, str):
        yield "a text", root.encode(errors="surrogateescape")
    elif isinstance(root, Path):
        yield from _files(root)
    elif isinstance(root, BaseException):
        yield from _of_error(root)
    else:
        yield from _of_object(root)


def _files(place: Path) -> Iterator[tuple[str, bytes]]:
    if place.is_dir():
        for inner in sorted(place.iterdir()):
            yield from _files(inner)
    else:
        yield place.name, place.name.encode() + place.read_bytes()


def _of_object(one: object) -> Iterator[tuple[str, bytes]]:
    kind = type(one).__name__
    yield f"the repr of a {kind}", repr(one).encode()
    yield f"the text of a {kind}", str(one).encode()
    try:
        pickled = pickle.dumps(one)
    except (TypeError, AttributeError, NotImplementedError, pickle.PicklingError):
        return  # what cannot be pickled gives nothing away
    yield f"the pickle of a {kind}", pickled


def _of_error(error: BaseException) -> Iterator[tuple[str, bytes]]:
    yield from _of_object(error)
    kind = type(error).__name__
    yield f"the traceback of a {kind}", "".join(traceback.format_exception(error)).encode()
    yield f"the members of a {kind}", repr(vars(error)).encode()
    for frame, _ in traceback.walk_tb(error.__traceback__):
        name = frame.f_code.co_filename
        if "/tests/" in name:  # they know every secret
            continue
        at = f"{Path(name).name}:{frame.f_code.co_name}"
        for variable, value in frame.f_locals.items():
            yield f"{variable} at {at}", repr(value).encode()
    for inner in (error.__cause__, error.__context__):
        if inner is not None:
            yield from _of_error(inner)
