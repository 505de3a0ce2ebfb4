"""What a rollback touches: outputs, payments, and everything that was made from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._core.lazy import lazy_names

if TYPE_CHECKING:
    from .auditing import audit, builds_in, report
    from .clocks import Clocks
    from .drawing import tree
    from .findings import Calls, Impact, Mark, Touched, TouchedPayment
    from .flowchart import mermaid
    from .impact_json import to_json
    from .lineage import AgentRun, Lineage, Run, agent_run, current_run, parents_for
    from .query import ImpactQuery
    from .receipts import TouchedReceipts
    from .tracing import impact, paid_since
    from .unsettled import Inquiry, Source, Unsettled

__all__ = [
    "AgentRun",
    "Calls",
    "Clocks",
    "Impact",
    "ImpactQuery",
    "Inquiry",
    "Lineage",
    "Mark",
    "Run",
    "Source",
    "Touched",
    "TouchedPayment",
    "TouchedReceipts",
    "Unsettled",
    "agent_run",
    "audit",
    "builds_in",
    "current_run",
    "impact",
    "mermaid",
    "paid_since",
    "parents_for",
    "report",
    "to_json",
    "tree",
]

__getattr__ = lazy_names(
    __name__,
    {
        "auditing": "audit builds_in report",
        "clocks": "Clocks",
        "drawing": "tree",
        "findings": "Calls Impact Mark Touched TouchedPayment",
        "flowchart": "mermaid",
        "impact_json": "to_json",
        "lineage": "AgentRun Lineage Run agent_run current_run parents_for",
        "query": "ImpactQuery",
        "receipts": "TouchedReceipts",
        "tracing": "impact paid_since",
        "unsettled": "Inquiry Source Unsettled",
    },
)
