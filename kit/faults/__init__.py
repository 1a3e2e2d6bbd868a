"""What can go wrong on purpose: values that `fault()` of a server, a stub or a client takes.

Each is applied to the bytes on their way, below the protocol, so that it works on any
route, with TLS, with streamed bodies and with websockets.
"""

from __future__ import annotations

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
from kit.faults.plan import FaultBook, FaultRule
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
