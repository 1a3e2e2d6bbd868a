"""Certificates while time is frozen: which class their dates are of.

freezegun puts a class of its own in the place of `datetime.datetime`. cryptography
looks that name up once, with the first date that it is given, and from then on takes
dates of what it found and of its subclasses. Was time frozen at that moment, it would
refuse every ordinary date for as long as the process lives.
"""

from __future__ import annotations

import datetime as dt
import sys
import threading
from types import ModuleType

# In a tuple, because freezegun replaces the class where it is a module's attribute.
_REAL_DATETIME = tuple(
    cls for cls in dt.datetime.__mro__ if f"{cls.__module__}.{cls.__name__}" == "datetime.datetime"
)
_lock = threading.Lock()
_is_settled = False


def settle_date_class() -> None:
    """Have cryptography find the real `datetime.datetime`, whatever is frozen."""
    global _is_settled  # noqa: PLW0603
    import trustme

    with _lock:
        if _is_settled:
            return
        if dt.datetime not in _REAL_DATETIME:
            # What is in `sys.modules` is exchanged, not the attribute: freezing and
            # unfreezing in another thread meanwhile do not touch it.
            sys.modules["datetime"] = _make_real_module()
            try:
                trustme.CA()
            finally:
                sys.modules["datetime"] = dt
        _is_settled = True


def _make_real_module() -> ModuleType:
    module = ModuleType("datetime")
    vars(module).update(vars(dt))
    module.datetime = _REAL_DATETIME[0]  # type: ignore[attr-defined]
    return module
