"""Every work load, in the order of the table."""

from __future__ import annotations

from bench.harness import Growth, Workload
from bench.workloads import (
    client,
    growth,
    http,
    memory,
    plugin,
    router,
    serializable,
    startup,
    websocket,
)

FAMILIES = (plugin, http, router, websocket, memory, client, startup, serializable)


def list_workloads() -> list[Workload]:
    """Return the work loads of all families."""
    return [work for family in FAMILIES for work in family.list_workloads()]


def list_growths() -> list[Growth]:
    """Return what is drawn as curves."""
    return growth.list_growths()
