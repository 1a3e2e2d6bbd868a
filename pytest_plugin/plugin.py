"""What pytest loads: the fixtures, and hooks that hand over to other modules."""

from __future__ import annotations

from pytest_plugin.fixtures import (
    _kit_ca_path,
    _kit_relay,
    kit_ca,
    kit_client,
    kit_server,
    kit_server_factory,
    kit_trust,
)

__all__ = [
    "_kit_ca_path",
    "_kit_relay",
    "kit_ca",
    "kit_client",
    "kit_server",
    "kit_server_factory",
    "kit_trust",
]
