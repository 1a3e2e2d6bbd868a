"""The pytest plugin: servers, clients and certificates that live as long as a test.

pytest loads it by itself once wirekit is installed. Nothing but the standard
library and pytest is imported until a fixture is used. The names here are for
annotations and warning filters.

PYTEST_DONT_REWRITE: coverage.py may import this package, for `coverage_contexts`,
before pytest does, which would warn that it came too late. There is no assert here.
"""

from __future__ import annotations

from pytest_plugin.servers import KitWarning, ServerFactory

__all__ = ["KitWarning", "ServerFactory"]
