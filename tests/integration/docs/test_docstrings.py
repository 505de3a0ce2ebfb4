"""The examples in docstrings are true, and everything public has a docstring."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import re
from collections.abc import AsyncIterator, Iterator
from enum import Enum
from functools import cached_property
from typing import Any

import pytest

import opengradient_sdk
from opengradient_sdk import AsyncOpenGradient, Devnet
from opengradient_sdk.chain import Chain, PendingTx
from opengradient_sdk.client.blocking import Blocking
from opengradient_sdk.client.contracts import Contracts

from .pages import assert_prints, compiled, evaluate

SENTENCE = re.compile(r"[A-Z`].*[.:?](?:\)|``)?$", re.DOTALL)


def modules() -> Iterator[str]:
    """Yield the name of every module of the package but the programs."""
    for found in pkgutil.walk_packages(opengradient_sdk.__path__, "opengradient_sdk."):
        if not found.name.endswith("__main__"):
            yield found.name


def examples() -> list[doctest.DocTest]:
    """Return every docstring with ``>>>`` in it."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [
        test
        for name in modules()
        for test in finder.find(importlib.import_module(name), name)
        if test.examples
    ]
    return list({test.name: test for test in found}.values())


@pytest.fixture(scope="module")
async def net() -> AsyncIterator[Devnet]:
    async with Devnet(accounts=2) as network:
        yield network


@pytest.fixture
async def names(net: Devnet, monkeypatch: pytest.MonkeyPatch, tmp_path) -> AsyncIterator[dict]:
    """What examples may use without saying where it is from, and the environment they run in."""
    for name, value in {**net.env, "OG_STATE_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    wallet = await net.new_account(opg="10", eth="1")
    async with AsyncOpenGradient(signer=wallet, network=net.profile) as client:
        public = {name: getattr(opengradient_sdk, name) for name in opengradient_sdk.__all__}
        yield {**public, "net": net, "client": client, "friend": net.accounts[1].address}


@pytest.mark.parametrize("test", examples(), ids=lambda test: test.name)
async def test_the_example_prints_what_it_says(test: doctest.DocTest, names: dict[str, Any]):
    namespace = {**test.globs, **names}
    for example in test.examples:
        code = compiled(example.source, test.name, "single")
        printed = await evaluate(code, namespace)
        if example.want:
            assert_prints(example.want, printed, f"{test.name}, line {example.lineno + 1}")


def test_the_main_calls_have_examples():
    shown = " ".join(test.name for test in examples())
    for method in ("create", "stream", "estimate", "parse"):
        assert f"Chat.{method}" in shown
    for part in ("Completions", "Models", "Nodes", "Payments", "Receipts", "Wallet", "Chain"):
        assert f".{part}." in shown, part


def public_classes() -> list[type]:
    """Return the classes of ``__all__``, and those that one gets from a client."""
    named = [getattr(opengradient_sdk, name) for name in opengradient_sdk.__all__]
    rooms = [importlib.import_module(name) for name in modules() if ".client.resources." in name]
    parts = [
        thing
        for room in rooms
        for name, thing in vars(room).items()
        if not name.startswith("_") and getattr(thing, "__module__", None) == room.__name__
    ]
    found = filter(inspect.isclass, [*named, *parts, Contracts, Chain, PendingTx])
    return list(dict.fromkeys(found))


def public_members(owner: type) -> Iterator[tuple[str, object]]:
    """Yield what our own code gives a class: methods and properties."""
    for kind in owner.__mro__:
        if not kind.__module__.startswith("opengradient_sdk"):
            continue
        for name, member in vars(kind).items():
            if name.startswith("_") or isinstance(member, type):
                continue
            if inspect.isroutine(member) or isinstance(
                member, property | cached_property | Blocking
            ):
                yield name, member


@pytest.mark.parametrize("owner", public_classes(), ids=lambda owner: owner.__name__)
def test_everything_public_is_explained_in_sentences(owner: type):
    assert_explained(owner.__name__, owner)
    for name, member in public_members(owner):
        assert_explained(f"{owner.__name__}.{name}", member)


def assert_explained(name: str, thing: object) -> None:
    text = inspect.getdoc(thing)
    assert text, f"{name} has no docstring"
    first = text.partition("\n\n")[0]
    assert SENTENCE.match(first), f"{name} does not begin with a sentence: {first!r}"


def test_enums_say_what_their_members_mean():
    for name in opengradient_sdk.__all__:
        thing = getattr(opengradient_sdk, name)
        if inspect.isclass(thing) and issubclass(thing, Enum):
            assert vars(thing).get("__doc__"), name
