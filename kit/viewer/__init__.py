"""Recordings as one page: `render` makes it, `write` puts it into a file."""

from __future__ import annotations

from kit.viewer.page import render, write

__all__ = ["render", "write"]
