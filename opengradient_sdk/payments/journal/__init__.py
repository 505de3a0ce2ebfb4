"""Authorizations and calls, written down before they are sent."""

from __future__ import annotations

from .journal import Journal, JournalEntry
from .records import CallRecord, CallState
from .schema import SCHEMA

__all__ = ["SCHEMA", "CallRecord", "CallState", "Journal", "JournalEntry"]
