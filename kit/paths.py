"""File names from outside, joined to a directory without leaving it."""

from __future__ import annotations

import os
import re
from typing import Final

from kit.errors import UnsafePathError

COMPONENT_BYTES: Final = 255
"""Longest component in UTF-8 bytes, the bound of the usual file systems."""

# C0, DEL and C1; NUL would end the name in C.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
# Names that Windows takes for devices in every directory, whatever extension
# follows. The superscript digits count as digits there.
_DEVICE = re.compile(
    r"(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|CLOCK\$|(?:COM|LPT)[0-9\u00b9\u00b2\u00b3]) *(?:\..*)?",
    re.IGNORECASE | re.DOTALL,
)


def path_join_safe(root_directory: str, filename: str) -> str:
    """Join a trusted directory and a name that may be hostile.

    `filename` is relative, with `/` between its components, and is taken as
    it is: percent-encoding is not decoded here, so decode it (once) before.
    What is refused is refused on every platform, so that a name that passes
    on one machine passes on all.

    Neither the file nor the directory need exist. The root may itself be a
    symlink, and symlinks inside it may point anywhere inside it. They are
    looked at now: somebody who can change directories under the root between
    this call and the use of its result can still lead it elsewhere.

    Returns:
        `abspath(root_directory)` joined with `filename`. Its real path lies
        inside the real root, never the root itself.

    Raises:
        UnsafePathError: the name is empty or absolute; has an empty, `.` or
            `..` component, a backslash, a colon (drive or stream), a control
            character, a lone surrogate, a Windows device name, a component
            that ends in a dot or space or is longer than 255 bytes; or a
            symlink leads out of the root or cannot be resolved.
        TypeError: an argument is not `str`.
    """
    _check_str("root_directory", root_directory)
    _check_str("filename", filename)
    reason = _find_fault(filename)
    if reason is not None:
        raise UnsafePathError(filename, reason)
    root = os.path.abspath(root_directory)
    joined = os.path.join(root, *filename.split("/"))
    try:
        real = _resolve(joined)
    except (OSError, ValueError) as exc:
        raise UnsafePathError(filename, f"it cannot be resolved: {exc}") from exc
    if not _is_inside(real, os.path.realpath(root)):
        raise UnsafePathError(filename, "a symlink leads out of the root directory")
    return joined


def _check_str(name: str, value: object) -> None:
    if not isinstance(value, str):
        msg = f"{name} must be str, not {type(value).__name__}"
        raise TypeError(msg)


def _find_fault(filename: str) -> str | None:
    if not filename:
        return "it is empty"
    if filename.startswith("/"):
        return "it is absolute, expected a name relative to the root directory"
    if "\\" in filename:
        return "it holds a backslash; separate components with '/'"
    if found := _CONTROL.search(filename):
        return f"it holds the control character {found[0]!r} at index {found.start()}"
    if found := _SURROGATE.search(filename):
        return f"it holds the lone surrogate {found[0]!a} at index {found.start()}"
    if ":" in filename:
        return "it holds a colon, which names a drive or a stream on Windows"
    for component in filename.split("/"):
        if reason := _find_component_fault(component):
            return reason
    return None


def _find_component_fault(component: str) -> str | None:
    if not component:
        return "it has an empty component ('//' or a trailing '/')"
    if component in (".", ".."):
        return f"it has a {component!r} component"
    if component[-1] in ". ":
        return f"component {component!r} ends in a dot or space, which Windows drops"
    if _DEVICE.fullmatch(component):
        return f"component {component!r} is a device name on Windows"
    if len(component.encode()) > COMPONENT_BYTES:
        return f"component {component[:16]!r}... is longer than {COMPONENT_BYTES} bytes"
    return None


def _resolve(path: str) -> str:
    """Resolve symlinks as the system would, also where the file is not there yet.

    The strict form goes first because the lenient one takes whatever it
    cannot look at (a loop, a path that symlinks made too long) for a plain
    name. Only when something is missing does the lenient one decide: it also
    follows a symlink whose target does not exist.
    """
    try:
        return os.path.realpath(path, strict=True)
    except (FileNotFoundError, NotADirectoryError):
        return os.path.realpath(path)


def _is_inside(real: str, real_root: str) -> bool:
    # Case is folded where the file system is known to ignore it (Windows).
    child, parent = os.path.normcase(real), os.path.normcase(real_root)
    return child != parent and child.startswith(os.path.join(parent, ""))
