"""What the workers of pytest-xdist tell the controller, by `workeroutput`.

One channel for all that is merged over workers, be they forked, spawned or behind a
gateway on another machine: no files are shared, nothing is asked over a network. Whoever
has something to tell is a class that is registered as a plugin in controller and workers
alike, and does three things:

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node):  # in the controller, once per worker
        data = workers.receive(node, "mine")
        if data is None:  # it crashed, or was stopped, before it could tell
            self._lost.append(workers.name_worker(node))
        else:
            self._merge(data)

    def pytest_sessionfinish(self, session):  # in both; in the controller after all workers
        if workers.is_worker(self._config):
            workers.send(self._config, "mine", self._to_builtins())

    def pytest_terminal_summary(self, terminalreporter): ...  # in the controller alone

`totals` is the shortest example. What is sent travels once, when the worker ends, as one
message: it is bounded to `MAX_BYTES`, and what is larger is refused where it is sent, so
that no worker hangs in a message that its gateway cannot take. Whoever may have more sends
what fits, and counts the rest. What belongs to one test goes with its report instead
(`report.sections`, `item.user_properties`), which xdist carries as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

MAX_BYTES = 64 * 1024 * 1024
"""About how much a worker may leave under one name."""


def is_worker(config: pytest.Config) -> bool:
    """Tell whether this process is a worker of pytest-xdist."""
    return hasattr(config, "workerinput")


def send(config: pytest.Config, name: str, value: object) -> None:
    """Leave something for the controller, which gets it when the worker has ended.

    Args:
        config: the worker's.
        name: what it is called; it is prefixed on its way.
        value: made of lists, tuples, dicts, text, bytes, numbers, truth values and None
            only, as execnet carries no others.

    Raises:
        ValueError: it is larger than `MAX_BYTES`.
        TypeError: it holds what cannot be carried; the text says where.
    """
    size = measure(value, name)
    if size > MAX_BYTES:
        raise ValueError(
            f"{name!r} of a worker is about {size} bytes, more than {MAX_BYTES}: "
            "send what fits, and count the rest"
        )
    output: dict[str, Any] = config.workeroutput  # type: ignore[attr-defined]
    output[f"kit_{name}"] = value


def measure(value: object, where: str = "value") -> int:
    """Estimate how many bytes a value takes on its way.

    Raises:
        TypeError: it holds what cannot be carried; the text says where.
    """
    size, open_values = 0, [(value, where)]
    while open_values:
        one, at = open_values.pop()
        size += 8
        if isinstance(one, str | bytes):
            size += len(one)
        elif isinstance(one, dict):
            open_values += [(key, f"a key of {at}") for key in one]
            open_values += [(each, f"{at}[{key!r}]") for key, each in one.items()]
        elif isinstance(one, list | tuple):
            open_values += [(each, f"{at}[{index}]") for index, each in enumerate(one)]
        elif one is not None and type(one) not in (bool, int, float):
            raise TypeError(f"{at} is a {type(one).__name__}, which cannot be sent by a worker")
    return size


def receive(node: object, name: str) -> Any:
    """Return what a worker has left; None if it ended before it could."""
    return getattr(node, "workeroutput", {}).get(f"kit_{name}")


def name_worker(node: Any) -> str:
    """Return the worker's name, `gw0`."""
    return str(node.gateway.id)


def tell_lost(names: list[str], what: str) -> list[str]:
    """Write of each worker that ended before it could tell what this means."""
    return [f"{name} ended without a word: {what}" for name in names]
