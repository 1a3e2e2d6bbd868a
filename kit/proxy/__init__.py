"""Passing on what a server is asked to an upstream server, by a client that is given.

- `proxy`: the fallback of a server; `passage`: one request on its way up and its
  response on its way down; `tunnel`: two websockets joined; `fields`: what of a head
  is passed on.
"""

from __future__ import annotations

from kit.proxy.proxy import Proxy

__all__ = ["Proxy"]
