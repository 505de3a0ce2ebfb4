"""The twin without ``await`` has the names and the signatures of the async client, and no more."""

from __future__ import annotations

import dataclasses
import inspect
import threading
from inspect import getmembers_static
from typing import Any

import pytest

from opengradient_sdk import AsyncOpenGradient, OpenGradient
from opengradient_sdk.chain import Chain, PendingTx
from opengradient_sdk.client import sync_resources as twin
from opengradient_sdk.client.blocking import Blocking
from opengradient_sdk.client.core import Chains
from opengradient_sdk.client.resources.budget import BudgetView
from opengradient_sdk.client.resources.chat import Chat
from opengradient_sdk.client.resources.completions import Completions
from opengradient_sdk.client.resources.models import Models
from opengradient_sdk.client.resources.nodes import Nodes
from opengradient_sdk.client.resources.payments import Payments
from opengradient_sdk.client.resources.receipts import Receipts
from opengradient_sdk.client.resources.verification import Verification
from opengradient_sdk.client.resources.wallet import Wallet
from opengradient_sdk.client.scoped import ScopedClient
from opengradient_sdk.client.stream import ChatStream

PARTS = [
    (Chat, twin.SyncChat),
    (Completions, twin.SyncCompletions),
    (Models, twin.SyncModels),
    (Nodes, twin.SyncNodes),
    (Payments, twin.SyncPayments),
    (Receipts, twin.SyncReceipts),
    (Verification, twin.SyncVerification),
    (Wallet, twin.SyncWallet),
    (ChatStream, twin.SyncChatStream),
    (PendingTx, twin.SyncPendingTx),
    (Chain, twin.SyncChain),
    (BudgetView, twin.SyncBudgetView),
    (ScopedClient, twin.SyncScopedClient),
]
# a chain of one's own is opened with Chain.connect (the client closes its own), and web3.py and
# an endless iterator are async here
ASYNC_ONLY = {Chain: {"connect", "aclose", "web3", "watch"}}
# what hands over something that has a twin of its own
TWINNED = {
    "AsyncIterator[str]": "Iterator[str]",
    "Chat": "SyncChat",
    "ChatStream": "SyncChatStream",
    "Completions": "SyncCompletions",
    "PendingTx": "SyncPendingTx",
    "ScopedClient": "SyncScopedClient",
}


def public(kind: type) -> dict[str, Any]:
    """The public methods and properties of a class."""
    return {name: member for name, member in getmembers_static(kind) if not name.startswith("_")}


def signature_of(member: Any) -> tuple[list[tuple[object, ...]], str]:
    """Parameters without ``self``, and the name of what comes back."""
    if isinstance(member, Blocking):
        member = member.method
    if isinstance(member, property):
        member = member.fget
    signature = inspect.signature(member)
    parameters = [
        (p.name, p.kind, p.default, p.annotation)
        for p in signature.parameters.values()
        if p.name != "self"
    ]
    returned = str(signature.return_annotation)
    return parameters, TWINNED.get(returned, returned)


@pytest.mark.parametrize(("original", "copy"), PARTS, ids=lambda kind: kind.__name__)
def test_names_and_signatures_are_the_same(original: type, copy: type) -> None:
    names = public(original).keys() - ASYNC_ONLY.get(original, set())
    assert public(copy).keys() == names
    for name in names:
        assert signature_of(getattr(copy, name)) == signature_of(getattr(original, name)), name


@pytest.mark.parametrize(("original", "copy"), PARTS, ids=lambda kind: kind.__name__)
def test_properties_stay_properties(original: type, copy: type) -> None:
    for name, member in public(copy).items():
        is_property = isinstance(member, property)
        assert is_property == isinstance(getattr(original, name), property), name


@pytest.mark.parametrize(("original", "copy"), PARTS, ids=lambda kind: kind.__name__)
def test_nothing_of_the_twin_has_to_be_awaited(original: type, copy: type) -> None:
    for name, member in public(copy).items():
        assert not inspect.iscoroutinefunction(member), (original, name)
        assert isinstance(member, Blocking) or not inspect.isasyncgenfunction(member)
        assert inspect.getdoc(member), name


def test_the_clients_are_constructed_alike() -> None:
    assert inspect.signature(OpenGradient.__init__) == inspect.signature(AsyncOpenGradient.__init__)


def test_the_clients_have_the_same_parts() -> None:
    key = "0x" + "11" * 32
    client = OpenGradient(signer=key)
    there = {name for name in dir(client) if not name.startswith("_")}
    wanted = {name for name in dir(AsyncOpenGradient) if not name.startswith("_")} | {"config"}
    assert there == wanted - {"aclose"} | {"close", "run"}
    parts = {field.name for field in dataclasses.fields(Chains)}
    assert {name for name in vars(client.chains) if not name.startswith("_")} == parts


def test_constructing_starts_nothing() -> None:
    before = threading.active_count()
    OpenGradient(signer="0x" + "11" * 32)
    assert threading.active_count() == before
