"""What a server's record says against a test that seems to have passed."""

from __future__ import annotations

import dataclasses
import itertools
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from kit.errors import ConfigurationError, ConnectionClosedError, describe_error
from kit.expect.near_misses import format_unmatched
from kit.faults.fault import is_harmful
from kit.messages import Request
from kit.opcodes import WebSocketOpCode
from kit.routing import format_near_misses
from kit.testing.sources import show_exchange, show_request
from kit.testing.text import count, escape, show_line, show_value

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from kit.faults.plan import FaultRule
    from kit.record import Exchange, FrameRecord
    from kit.server import HTTPServer

UNCLEAN_CODES = frozenset((1002, 1006, 1007, 1009, 1011))
"""Close codes that tell of a failure (RFC 6455 section 7.4.1)."""

LINT = "lint:"
"""What the kind of a problem begins with that is a client's sloppiness."""

_UNMATCHED = frozenset((404, 405, 426))
# What a limit refuses is answered as it was configured; nothing was malformed.
_LIMITED = frozenset((408, 413, 414, 431, 507))
_GOING_AWAY = 1001
_SHOWN = 20
_TEXT_SHOWN = 300
_LINES_SHOWN = 60


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """One thing that went wrong on a server.

    Attributes:
        kind: "handler-error", "unmatched", "malformed", "websocket-unclean",
            "stub-unused", "stub-hidden", "fault-unused", or "lint:" and the name of a rule
            of `LINT_RULES`.
        text: what is wrong; several lines.
        exchange: where it happened; None for a stub or fault.
        cause: what the handler raised; None for the other kinds.
        others: of lint, where it happened besides.
    """

    kind: str
    text: str
    exchange: Exchange | None = None
    cause: BaseException | None = None
    others: tuple[Exchange, ...] = ()

    def __str__(self) -> str:
        return self.text


class VerificationError(AssertionError):
    """A server's record holds what no test should pass over.

    Its `__cause__` is the first exception that a handler raised.

    Attributes:
        problems: all that was found.
    """

    __module__ = "kit.testing"  # as it is imported, and as a report names it

    def __init__(self, text: str, problems: Sequence[Problem]) -> None:
        self.problems: list[Problem] = list(problems)
        causes = (each.cause for each in problems if each.cause is not None)
        self.__cause__: BaseException | None = next(causes, None)
        super().__init__(text)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Allowances:
    """What a server's problems may be; each is off unless it is said.

    Raises:
        ConfigurationError: one is neither True nor False.
    """

    unmatched: bool = False
    """Requests that no stub and no route takes."""
    handler_errors: bool = False
    """Exceptions that handlers raise."""
    malformed: bool = False
    """Requests that do not parse."""
    unused_stubs: bool = False
    """Stubs that do not take what they expect, or never can; faults that no request is asked."""
    unclean_websockets: bool = False
    """Websockets that end without a proper Close, or with a code that tells of a failure."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, bool):
                msg = f"{field.name} must be True or False, not {value!r}"
                raise ConfigurationError(msg)

    def permits(self, kind: str) -> bool:
        """Tell whether problems of this kind are none."""
        return bool(getattr(self, _ALLOWED_BY[kind]))


_ALLOWED_BY = {
    "handler-error": "handler_errors",
    "unmatched": "unmatched",
    "malformed": "malformed",
    "websocket-unclean": "unclean_websockets",
    "stub-unused": "unused_stubs",
    "stub-hidden": "unused_stubs",
    "fault-unused": "unused_stubs",
}


def is_suspect(exchange: Exchange) -> bool:
    """Tell whether an exchange may be a problem, as quickly as can be."""
    endpoint = exchange.endpoint
    return (
        exchange.exception is not None
        or exchange.error is not None
        or endpoint is None
        or not endpoint.is_match
        or exchange.close_code in UNCLEAN_CODES
    )


def judge_exchange(exchange: Exchange, server: HTTPServer) -> Problem | None:
    """Say what was wrong with an exchange; None if nothing was."""
    is_broken = is_harmful(exchange.fault)
    if exchange.exception is not None and not _is_nobodys(exchange):
        return _describe_exception(exchange, exchange.exception)
    # A fault that answers by itself, or never lets it come to that, needs no route.
    is_preempted = is_broken and exchange.handled_at is None
    if _is_unmatched(exchange) and not is_preempted:
        return _describe_unmatched(exchange, server)
    if is_broken:
        return None  # whatever else is wrong may come of that
    if exchange.is_websocket:
        return _judge_websocket(exchange)
    return _judge_refusal(exchange)


def judge_stubs(server: HTTPServer, unmatched: Iterable[Exchange]) -> list[Problem]:
    """List the stubs that did not take what they expect.

    Args:
        server: the stubs' server.
        unmatched: requests that nothing took, for the explanation.
    """
    found = server.stubs.problems([remake_request(exchange) for exchange in unmatched])
    return [
        Problem("stub-hidden" if each.kind == "hidden" else "stub-unused", each.text)
        for each in found
    ]


def judge_faults(server: HTTPServer, standing: Collection[FaultRule] = ()) -> list[Problem]:
    """List the faults of a server that were ordered for requests of which none came.

    Args:
        server: the faults' server.
        standing: those that may go unused.
    """
    return [
        Problem(
            "fault-unused",
            f"{_name_fault(rule)} was never used: no request came that could have it",
        )
        for rule in server.faults.rules
        if not rule.seen and rule not in standing
    ]


def _name_fault(rule: FaultRule) -> str:
    ordered_at = f" ({rule.ordered_at})" if rule.ordered_at else ""
    wanted = f"{rule.method or 'any method'} {rule.pattern or 'any path'}"
    return f"fault {rule.fault!r} for {wanted}{ordered_at}"


def format_problems(url: str, problems: Sequence[Problem], gaps: Iterable[str] = ()) -> str:
    """Write the problems of a server, and how to allow them.

    Args:
        url: the server's.
        problems: what was found.
        gaps: what could not be looked at.
    """
    lines = [f"{count(len(problems), 'problem')} on {url}:"]
    for number, problem in enumerate(problems[:_SHOWN], 1):
        first, *rest = problem.text.splitlines()
        if len(rest) > _LINES_SHOWN:
            left_out = count(len(rest) - _LINES_SHOWN, "line")
            rest = [*rest[:_LINES_SHOWN], f"({left_out} left out)"]
        lines += [f"{number} {first}", *(f"    {line}" if line else "" for line in rest)]
    if len(problems) > _SHOWN:
        lines.append(f"and {len(problems) - _SHOWN} more")
    lines += gaps
    given = ", ".join(list_allowing(problem.kind for problem in problems))
    return "\n".join([*lines, f"where that is meant to happen: server.allow({given})"])


def list_allowing(kinds: Iterable[str]) -> list[str]:
    """Write the arguments of `CheckedServer.allow` that permit problems of these kinds."""
    every = list(dict.fromkeys(kinds))
    lint = [kind.removeprefix(LINT) for kind in every if kind.startswith(LINT)]
    names = dict.fromkeys(_ALLOWED_BY[kind] for kind in every if not kind.startswith(LINT))
    return [*(f"{name}=True" for name in names), *([f"lint={lint!r}"] if lint else [])]


# A handler's exception


def _is_nobodys(exchange: Exchange) -> bool:
    """Tell whether a handler was cut, or only sent to a websocket's peer that had left."""
    if type(exchange.exception).__name__ == "CancelledError":
        return True
    if not exchange.is_websocket:
        return False  # other handlers never have to do with their client's connection
    if is_harmful(exchange.fault) and _comes_of_the_connection(exchange.exception):
        return True
    if not isinstance(exchange.exception, ConnectionClosedError):
        return False
    close = _find_close(exchange)
    return close is None or close.direction == "received" or close.close_code == _GOING_AWAY


def _comes_of_the_connection(error: BaseException | None) -> bool:
    """Tell whether a broken or silent connection has caused an error."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, ConnectionError | TimeoutError):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False


def _describe_exception(exchange: Exchange, error: BaseException) -> Problem:
    handler = show_line(exchange.handler or "the handler", _TEXT_SHOWN)
    told = show_line(describe_error(error), _TEXT_SHOWN)
    lines = [f"handler error: {show_exchange(exchange)}", f"{handler} raised {told}"]
    lines += _locate(error)
    return Problem("handler-error", "\n".join(lines), exchange, error)


def _locate(error: BaseException) -> list[str]:
    own = str(Path(__file__).resolve().parents[1])
    frames = traceback.extract_tb(error.__traceback__)
    outside = [frame for frame in frames if not frame.filename.startswith(own)]
    if not outside:
        return []
    frame = outside[-1]
    path = Path(frame.filename)
    if path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return [show_line(f"at {path}:{frame.lineno} in {frame.name}", _TEXT_SHOWN)]


# A request that nothing took


def _is_unmatched(exchange: Exchange) -> bool:
    endpoint = exchange.endpoint
    status = getattr(endpoint, "status_code", None)
    return endpoint is not None and not endpoint.is_match and status in _UNMATCHED


def _describe_unmatched(exchange: Exchange, server: HTTPServer) -> Problem:
    lines = [f"unmatched: {show_exchange(exchange)}"]
    told = exchange.response_body.decode("utf-8", "replace").splitlines()
    if not told:
        told = _explain_miss(exchange, server)
    return Problem("unmatched", "\n".join([*lines, *map(escape, told)]), exchange)


def _explain_miss(exchange: Exchange, server: HTTPServer) -> list[str]:
    """Say what an answer to HEAD has no body for."""
    near = server.router.explain(exchange.method, exchange.path)
    if len(server.stubs):
        request = remake_request(exchange)
        stubs_near = server.stubs.explain(request)
        text = format_unmatched(request, near, stubs_near, stub_count=len(server.stubs))
    else:
        text = format_near_misses(near)
    return text.splitlines() or ["no route is registered"]


def remake_request(exchange: Exchange) -> Request:
    """Make the request of an exchange anew, with what is kept of its body."""
    head = exchange.request_head
    peer = exchange.connection.peer
    body = exchange.request_body
    return Request.from_wire(peer, head.method, head.target, list(head.raw_headers), body)


# A request that does not parse


def _judge_refusal(exchange: Exchange) -> Problem | None:
    status = exchange.response_status
    is_refused = (
        exchange.is_failed
        and status is not None
        and status >= 400
        and status not in _LIMITED
        and exchange.handler_started_at is None
    )
    if not is_refused:
        return None
    lines = [f"malformed: {show_exchange(exchange)}"]
    if not exchange.method:
        lines.append(f"it began {show_value(exchange.request_head.raw, 200)}")
    return Problem("malformed", "\n".join(lines), exchange)


# A websocket


def _judge_websocket(exchange: Exchange) -> Problem | None:
    close = _find_close(exchange)
    if close is not None and close.direction == "sent" and close.close_code == _GOING_AWAY:
        return None  # the server was stopped
    if exchange.error is not None:
        reason = exchange.error
    elif (
        close is not None and close.direction == "received" and exchange.close_code in UNCLEAN_CODES
    ):
        said = f": {close.close_reason}" if close.close_reason else ""
        reason = f"the client closed it with {exchange.close_code}{said}"
    else:
        return None
    frames = [frame.name for frame in itertools.islice(reversed(exchange.frames), 5)]
    last = f"its last frames: {', '.join(reversed(frames))}" if frames else "it carried no frame"
    text = f"websocket: {show_request(exchange)}\n{show_line(reason, _TEXT_SHOWN)}\n{last}"
    return Problem("websocket-unclean", text, exchange)


def _find_close(exchange: Exchange) -> FrameRecord | None:
    close = int(WebSocketOpCode.Close)
    return next((frame for frame in exchange.frames if frame.opcode == close), None)
