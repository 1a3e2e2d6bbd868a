"""The pytest plugin: servers, clients and certificates that live as long as a test.

pytest loads it by itself once wirekit is installed. Nothing but the standard
library and pytest is imported until a fixture is used. The names here are for
annotations and warning filters.
"""

from __future__ import annotations

from pytest_plugin.servers import KitWarning, ServerFactory

__all__ = ["KitWarning", "ServerFactory"]
