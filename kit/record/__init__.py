"""What happened: exchanges, the journal that keeps them, and who else is told."""

from __future__ import annotations

from kit.record.capture import (
    DEFAULT_BODY_CAP,
    BodyCapture,
    BodyRecord,
    FrameLog,
    FrameRecord,
)
from kit.record.connection import ConnectionInfo
from kit.record.exchange import Exchange
from kit.record.heads import UnparsedHead
from kit.record.journal import Journal
from kit.record.observer import Observer, Observers

__all__ = [
    "DEFAULT_BODY_CAP",
    "BodyCapture",
    "BodyRecord",
    "ConnectionInfo",
    "Exchange",
    "FrameLog",
    "FrameRecord",
    "Journal",
    "Observer",
    "Observers",
    "UnparsedHead",
]
