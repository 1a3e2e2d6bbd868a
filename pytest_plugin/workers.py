"""What the workers of pytest-xdist tell the controller: builtins, by `workeroutput`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest


def is_worker(config: pytest.Config) -> bool:
    """Tell whether this process is a worker of pytest-xdist."""
    return hasattr(config, "workerinput")


def send(config: pytest.Config, name: str, value: object) -> None:
    """Leave something for the controller, which gets it when the worker has ended.

    Args:
        config: the worker's.
        name: what it is called; it is prefixed on its way.
        value: made of lists, dicts, text and numbers only, as execnet carries no others.
    """
    output: dict[str, Any] = config.workeroutput  # type: ignore[attr-defined]
    output[f"kit_{name}"] = value


def receive(node: object, name: str) -> Any:
    """Return what a worker has left; None if it ended before it could."""
    return getattr(node, "workeroutput", {}).get(f"kit_{name}")


def name_worker(node: Any) -> str:
    """Return the worker's name, `gw0`."""
    return str(node.gateway.id)
