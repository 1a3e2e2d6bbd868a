"""What can go wrong on purpose: values that `fault()` of a server, a stub or a client takes.

Each is applied to the bytes on their way, below the protocol, so that it works on any
route, with TLS, with streamed bodies and with websockets.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kit.faults.book import FaultBook
    from kit.faults.delays import ChunkDelay, Delay, LogNormalDelay, UniformDelay
    from kit.faults.fault import Fault
    from kit.faults.http import (
        EarlyResponse,
        EndlessHeaders,
        Garbage,
        InterimBurst,
        MalformedChunk,
        RawBytes,
        WrongLength,
    )
    from kit.faults.plan import FaultRule
    from kit.faults.transport import (
        CloseOnReuse,
        Dribble,
        EmptyReply,
        NeverAnswer,
        Refuse,
        Reset,
        Stall,
        StopReading,
        Truncate,
    )
    from kit.faults.websocket import (
        CloseWithoutFrame,
        InvalidUtf8,
        NeverAnswerClose,
        OversizedFrame,
        RefuseHandshake,
        ResetMidMessage,
        StalledFragment,
        UnaskedPong,
        WrongAccept,
        WrongMask,
    )

__all__ = [
    "ChunkDelay",
    "CloseOnReuse",
    "CloseWithoutFrame",
    "Delay",
    "Dribble",
    "EarlyResponse",
    "EmptyReply",
    "EndlessHeaders",
    "Fault",
    "FaultBook",
    "FaultRule",
    "Garbage",
    "InterimBurst",
    "InvalidUtf8",
    "LogNormalDelay",
    "MalformedChunk",
    "NeverAnswer",
    "NeverAnswerClose",
    "OversizedFrame",
    "RawBytes",
    "Refuse",
    "RefuseHandshake",
    "Reset",
    "ResetMidMessage",
    "Stall",
    "StalledFragment",
    "StopReading",
    "Truncate",
    "UnaskedPong",
    "UniformDelay",
    "WrongAccept",
    "WrongLength",
    "WrongMask",
]

# Imported when the first of a module's is asked for: most tests order no fault.
_HOMES = {
    "ChunkDelay": "kit.faults.delays",
    "CloseOnReuse": "kit.faults.transport",
    "CloseWithoutFrame": "kit.faults.websocket",
    "Delay": "kit.faults.delays",
    "Dribble": "kit.faults.transport",
    "EarlyResponse": "kit.faults.http",
    "EmptyReply": "kit.faults.transport",
    "EndlessHeaders": "kit.faults.http",
    "Fault": "kit.faults.fault",
    "FaultBook": "kit.faults.book",
    "FaultRule": "kit.faults.plan",
    "Garbage": "kit.faults.http",
    "InterimBurst": "kit.faults.http",
    "InvalidUtf8": "kit.faults.websocket",
    "LogNormalDelay": "kit.faults.delays",
    "MalformedChunk": "kit.faults.http",
    "NeverAnswer": "kit.faults.transport",
    "NeverAnswerClose": "kit.faults.websocket",
    "OversizedFrame": "kit.faults.websocket",
    "RawBytes": "kit.faults.http",
    "Refuse": "kit.faults.transport",
    "RefuseHandshake": "kit.faults.websocket",
    "Reset": "kit.faults.transport",
    "ResetMidMessage": "kit.faults.websocket",
    "Stall": "kit.faults.transport",
    "StalledFragment": "kit.faults.websocket",
    "StopReading": "kit.faults.transport",
    "Truncate": "kit.faults.transport",
    "UnaskedPong": "kit.faults.websocket",
    "UniformDelay": "kit.faults.delays",
    "WrongAccept": "kit.faults.websocket",
    "WrongLength": "kit.faults.http",
    "WrongMask": "kit.faults.websocket",
}


if not TYPE_CHECKING:  # or type checkers would take any misspelt name

    def __getattr__(name: str) -> Any:
        """Import a fault."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = found = getattr(importlib.import_module(_HOMES[name]), name)
        return found
