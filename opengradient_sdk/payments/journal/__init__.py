"""Authorizations and calls, written down before they are sent."""

from __future__ import annotations

from .authorizations import Reservation
from .book import PaymentJournal
from .calls import Admission, Begun, Interrupted, Replied, UnderWay
from .entries import JournalEntry
from .records import CallRecord, CallState
from .refusals import Refusal
from .restoring import Inherited
from .schema import SCHEMA

__all__ = [
    "SCHEMA",
    "Admission",
    "Begun",
    "CallRecord",
    "CallState",
    "Inherited",
    "Interrupted",
    "JournalEntry",
    "PaymentJournal",
    "Refusal",
    "Replied",
    "Reservation",
    "UnderWay",
]
