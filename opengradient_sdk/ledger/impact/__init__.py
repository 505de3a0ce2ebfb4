"""What a rollback touches: outputs, payments, and everything that was made from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._core.lazy import lazy_names

if TYPE_CHECKING:
    from .auditing import builds_in, report
    from .drawing import tree
    from .findings import Calls, Impact, Mark, Touched, TouchedPayment
    from .flowchart import mermaid
    from .impact_json import to_json
    from .lineage import AgentRun, Lineage, Run, agent_run, current_run, parents_for
    from .query import ImpactQuery
    from .tracing import impact

__all__ = [
    "AgentRun",
    "Calls",
    "Impact",
    "ImpactQuery",
    "Lineage",
    "Mark",
    "Run",
    "Touched",
    "TouchedPayment",
    "agent_run",
    "builds_in",
    "current_run",
    "impact",
    "mermaid",
    "parents_for",
    "report",
    "to_json",
    "tree",
]

__getattr__ = lazy_names(
    __name__,
    {
        "auditing": "builds_in report",
        "drawing": "tree",
        "findings": "Calls Impact Mark Touched TouchedPayment",
        "flowchart": "mermaid",
        "impact_json": "to_json",
        "lineage": "AgentRun Lineage Run agent_run current_run parents_for",
        "query": "ImpactQuery",
        "tracing": "impact",
    },
)
