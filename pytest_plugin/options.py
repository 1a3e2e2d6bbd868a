"""The command line's options, each with its ini key, and the marker's arguments."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_HOST = "127.0.0.1"
DEFAULT_GRACE_S = 1.0
DEFAULT_SHOWN = 20
DEFAULT_LATE = "warn"

MARKER = (
    "kit_server(*, routes, tls, host, hostname, limits, allow_unmatched, allow_handler_errors, "
    "allow_malformed, allow_unused_stubs, allow_unclean_websockets, allow_lint, faults, strict, "
    "verify): "
    "how kit_server and kit_plain_server are made; what is allowed on all servers of the test"
)
ALLOWANCES = (
    "allow_unmatched",
    "allow_handler_errors",
    "allow_malformed",
    "allow_unused_stubs",
    "allow_unclean_websockets",
)
LATE = ("ignore", "warn", "error")
ARTIFACTS = {
    "report": "a page of the run, tests and exchanges on a time axis,",
    "har": "the exchanges of the run, as HAR,",
}
ARTIFACT_MODES = ("on", "off", "retain-on-failure")
OF_ALL_SERVERS = (*ALLOWANCES, "allow_lint", "strict", "verify")
"""What the marker says of all servers of a test."""
ARGUMENTS = (
    *("routes", "tls", "host", "hostname", "limits"),
    *(*ALLOWANCES, "allow_lint", "faults", "strict", "verify"),
)


class Settings:
    """What the command line says, or else the ini file, or else nobody.

    A plain class, as pytest imports it at every start: a tuple with names takes half
    a millisecond to make.

    Args:
        given: attributes that are not to be as usual.
    """

    host: str = DEFAULT_HOST
    is_tls: bool = True
    is_verifying: bool = True
    is_strict: bool = False
    allow_unmatched: bool = False
    shown_exchanges: int = DEFAULT_SHOWN
    grace_s: float = DEFAULT_GRACE_S
    late: str = DEFAULT_LATE
    fault_seed: int = 0

    def __init__(self, **given: Any) -> None:
        vars(self).update(given)

    @property
    def is_usual(self) -> bool:
        """Whether everything is as it is when nobody says anything."""
        told = {name: value for name, value in vars(self).items() if name != "fault_seed"}
        return all(value == getattr(Settings, name) for name, value in told.items())


SETTINGS = pytest.StashKey[Settings]()


def add_options(parser: pytest.Parser) -> None:
    """Declare the options and their ini keys."""
    group = parser.getgroup("kit", "wirekit: HTTP servers for tests")
    group.addoption("--kit-host", metavar="HOST", help="where servers listen (127.0.0.1)")
    group.addoption(
        "--kit-tls",
        action="store_true",
        default=None,
        help="kit_server speaks TLS unless a test says otherwise (the default)",
    )
    group.addoption(
        "--kit-no-tls",
        action="store_false",
        dest="kit_tls",
        default=None,
        help="kit_server speaks plain HTTP unless a test says otherwise",
    )
    group.addoption(
        "--kit-verify",
        metavar="on|off",
        help="whether a test fails for what its servers have seen go wrong (on)",
    )
    group.addoption(
        "--kit-strict",
        action="store_true",
        default=None,
        help="a test fails for what its client does sloppily, such as HTTP/1.0",
    )
    group.addoption(
        "--kit-allow-unmatched",
        action="store_true",
        default=None,
        help="no test fails for a request that nothing takes",
    )
    group.addoption(
        "--kit-show-exchanges",
        metavar="N",
        help=f"exchanges shown in the report of a failed test; 0 for none ({DEFAULT_SHOWN})",
    )
    group.addoption(
        "--kit-grace",
        metavar="SECONDS",
        help=f"how long handlers may still run after their test ({DEFAULT_GRACE_S:g})",
    )
    group.addoption(
        "--kit-late",
        metavar="ignore|warn|error",
        help="what becomes of requests that come when the test that owned the port is over: "
        f"nothing, a section of the summary, or that and a failed run ({DEFAULT_LATE})",
    )
    group.addoption(
        "--kit-fault-seed",
        metavar="N",
        help="choose by lot as the run did that told this seed in its header",
    )
    parser.addini("kit_fault_seed", "as --kit-fault-seed", default="")
    parser.addini("kit_host", "as --kit-host", default=DEFAULT_HOST)
    parser.addini("kit_tls", "whether kit_server speaks TLS", type="bool", default=True)
    parser.addini("kit_verify", "as --kit-verify", default="on")
    parser.addini("kit_strict", "as --kit-strict", type="bool", default=False)
    parser.addini("kit_allow_unmatched", "as --kit-allow-unmatched", type="bool", default=False)
    parser.addini("kit_show_exchanges", "as --kit-show-exchanges", default=str(DEFAULT_SHOWN))
    parser.addini("kit_grace", "as --kit-grace", default=f"{DEFAULT_GRACE_S:g}")
    parser.addini("kit_late", "as --kit-late", default=DEFAULT_LATE)
    _add_artifacts(group, parser)


def _add_artifacts(group: pytest.OptionGroup, parser: pytest.Parser) -> None:
    for kind, text in ARTIFACTS.items():
        group.addoption(f"--kit-{kind}", metavar="PATH", help=f"write {text} to this file")
        group.addoption(
            f"--kit-{kind}-mode",
            metavar="|".join(ARTIFACT_MODES),
            help=f"whether --kit-{kind} is written; the last: of tests that fail, if one does (on)",
        )
        parser.addini(f"kit_{kind}", f"as --kit-{kind}", default="")
        parser.addini(f"kit_{kind}_mode", f"as --kit-{kind}-mode", default="on")
    group.addoption(
        "--kit-hold",
        action="store_true",
        help="keep the servers of a test that fails up until Enter is pressed",
    )
    parser.addini(
        "kit_hold", "as --kit-hold, where somebody can press Enter", type="bool", default=False
    )


def read_artifacts(config: pytest.Config) -> list[tuple[str, str, str]]:
    """Read which files are asked for: kind, path, mode.

    Raises:
        pytest.UsageError: a mode is none.
    """
    found = []
    for kind in ARTIFACTS:
        path, mode = _read(config, kind), _read(config, f"{kind}_mode")
        if mode not in ARTIFACT_MODES:
            raise pytest.UsageError(
                f"--kit-{kind}-mode (ini: kit_{kind}_mode) is {', '.join(ARTIFACT_MODES[:-1])} "
                f"or {ARTIFACT_MODES[-1]}, not {mode!r}"
            )
        if path and mode != "off" and not config.option.collectonly:
            found.append((kind, path, mode))
    return found


def configure(config: pytest.Config) -> None:
    """Read the settings and register the marker.

    Raises:
        pytest.UsageError: an option or ini key holds what cannot be used.
    """
    config.addinivalue_line("markers", MARKER)
    config.stash[SETTINGS] = read_settings(config)


def read_settings(config: pytest.Config) -> Settings:
    """Read the settings of a run; an option goes before its ini key."""
    verify = _read(config, "verify")
    if verify not in ("on", "off"):
        raise pytest.UsageError(f"--kit-verify (ini: kit_verify) is on or off, not {verify!r}")
    late = _read(config, "late")
    if late not in LATE:
        raise pytest.UsageError(
            f"--kit-late (ini: kit_late) is {', '.join(LATE[:-1])} or {LATE[-1]}, not {late!r}"
        )
    return Settings(
        host=_read(config, "host"),
        is_tls=_read(config, "tls"),
        is_verifying=verify == "on",
        is_strict=_read(config, "strict"),
        allow_unmatched=_read(config, "allow_unmatched"),
        shown_exchanges=int(_read_number(config, "show_exchanges", "a whole number")),
        grace_s=_read_number(config, "grace", "a number of seconds"),
        late=late,
        fault_seed=_read_fault_seed(config),
    )


def _read_fault_seed(config: pytest.Config) -> int:
    if hasattr(config, "workerinput"):
        config.option.kit_fault_seed = config.workerinput["kit_fault_seed"]
    elif not _read(config, "fault_seed"):
        config.option.kit_fault_seed = str(int.from_bytes(os.urandom(4)))
    return int(_read_number(config, "fault_seed", "a whole number"))


def _read(config: pytest.Config, name: str) -> Any:
    given = config.getoption(f"kit_{name}")
    return config.getini(f"kit_{name}") if given is None else given


def _read_number(config: pytest.Config, name: str, what: str) -> float:
    given = _read(config, name)
    try:
        number = int(given) if "whole" in what else float(given)
    except ValueError:
        number = -1
    if not 0 <= number < float("inf"):
        option = f"--kit-{name.replace('_', '-')}"
        raise pytest.UsageError(f"{option} (ini: kit_{name}) is {what}, 0 or more, not {given!r}")
    return number


def describe_settings(settings: Settings) -> str | None:
    """Write the report header's line; None where everything is as usual."""
    if settings.is_usual:
        return None
    from importlib.metadata import version

    parts = [
        f"kit: wirekit {version('wirekit')}",
        f"{'TLS' if settings.is_tls else 'plain'} on {settings.host}",
        f"verify {'on' if settings.is_verifying else 'off'}",
    ]
    if settings.is_strict:
        parts.append("strict")
    if settings.allow_unmatched:
        parts.append("unmatched requests allowed")
    if settings.shown_exchanges != DEFAULT_SHOWN:
        parts.append(f"{settings.shown_exchanges} exchanges shown")
    if settings.grace_s != DEFAULT_GRACE_S:
        parts.append(f"grace {settings.grace_s:g} s")
    if settings.late != DEFAULT_LATE:
        parts.append(f"late requests: {settings.late}")
    return ", ".join(parts)


# The marker


def read_marker(item: pytest.Item) -> dict[str, Any]:
    """Merge the arguments of an item's markers, those nearest to the test first.

    A wrong one fails the test at its setup.
    """
    merged: dict[str, Any] = {}
    for mark in item.iter_markers("kit_server"):
        if mark.args:
            given = ", ".join(map(repr, mark.args))
            fail(f"@pytest.mark.kit_server takes arguments by name, routes= first, not {given}")
        merged = {**mark.kwargs, **merged}
    check_arguments("@pytest.mark.kit_server", merged)
    return merged


def check_arguments(where: str, given: Mapping[str, Any]) -> None:
    """Fail the test if an argument is unknown or cannot be."""
    for name, value in given.items():
        if name not in ARGUMENTS:
            import difflib

            near = difflib.get_close_matches(name, ARGUMENTS, 1, 0.5)
            hint = f"did you mean {near[0]}?" if near else f"it takes {', '.join(ARGUMENTS)}"
            fail(f"{where} has no argument {name!r}: {hint}")
        wanted = _describe_wanted(name, value)
        if wanted:
            fail(f"{where}: {name} must be {wanted}, not {value!r}")


def _describe_wanted(name: str, value: object) -> str:
    """Say what an argument must be; empty if it is that."""
    if name in ALLOWANCES or name in ("tls", "strict", "verify"):
        return "" if isinstance(value, bool) else "True or False"
    if name == "host":
        return "" if isinstance(value, str) else "a host's name or address"
    if name == "hostname":
        names = [value] if isinstance(value, str) else value
        is_good = isinstance(names, list | tuple) and all(isinstance(each, str) for each in names)
        return "" if is_good else "a name, or a list of names"
    import kit

    if name == "allow_lint":
        return _describe_wanted_lint(value)
    if name == "faults":
        is_good = isinstance(value, list | tuple) and all(_is_fault(each, kit) for each in value)
        return "" if is_good else "a list of faults, or of (fault, method, pattern)"
    if name == "limits":
        return "" if isinstance(value, kit.Limits) else "a kit.Limits"
    return "" if _is_routes(value, kit) else "a Resource, its class, or a list of routes"


def _describe_wanted_lint(value: object) -> str:
    from kit.testing.lint import LINT_RULES

    is_good = isinstance(value, list | tuple) and all(
        isinstance(each, str) and each in LINT_RULES for each in value
    )
    return "" if is_good else f"a list of {', '.join(LINT_RULES)}"


def _is_fault(value: object, kit: Any) -> bool:
    fault, *where = value if isinstance(value, tuple) and len(value) in (1, 2, 3) else (value,)
    is_text = all(each is None or isinstance(each, str) for each in where)
    return is_text and isinstance(fault, kit.faults.Fault)


def _is_routes(value: object, kit: Any) -> bool:
    if isinstance(value, type):
        return issubclass(value, kit.Resource)
    if isinstance(value, list):
        return all(isinstance(each, tuple) or _is_routes(each, kit) for each in value)
    return isinstance(value, kit.Resource)


def fail(text: str) -> None:
    """Fail a test by a text alone."""
    __tracebackhide__ = True
    pytest.fail(text, pytrace=False)
