"""Routers: one lookup among many routes, half of them with a parameter."""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable

Lookup = Callable[[str], object]


def answer(*_: object) -> None:
    """Stand for a handler, which no lookup calls."""


def build_wirekit(count: int) -> Lookup:
    from kit import Request, Router

    router = Router()
    router.registerRoutes([("GET", path.format(":id"), answer) for path in list_paths(count)])
    # As a server has a request before it looks: made once for each path, not timed.
    requests = {
        path: Request(("127.0.0.1", 1), "GET", path, {}, "", {}, None)
        for path in list_targets(count)
    }
    resolve = router.resolve
    return lambda path: resolve(requests[path], is_upgrade=False)


def build_falcon(count: int) -> Lookup:
    from falcon.routing import CompiledRouter

    class Item:
        def on_get(self, request: object, response: object, **matches: str) -> None:
            """Stand for a handler."""

    router = CompiledRouter()
    for path in list_paths(count):
        router.add_route(path.format("{id}"), Item())
    router.find(list_targets(count)[0])
    find: Lookup = router.find
    return find


def build_werkzeug(count: int) -> Lookup:
    from werkzeug.routing import Map, Rule

    rules = [Rule(path.format("<id>"), endpoint=answer) for path in list_paths(count)]
    return Map(rules).bind("localhost").match


def build_starlette(count: int) -> Lookup:
    from starlette.routing import Match, Route

    routes = [Route(path.format("{id}"), answer) for path in list_paths(count)]

    def find(path: str) -> object:
        scope = {"type": "http", "method": "GET", "path": path}
        for route in routes:
            match, found = route.matches(scope)
            if match is Match.FULL:
                return found
        return None

    return find


def build_mpgameserver(count: int) -> Lookup:
    from mpgameserver.http_server import Route, Router

    router = Router()
    router.registerRoutes(
        [Route("answer", "GET", path.format(":id"), answer) for path in list_paths(count)]
    )
    return lambda path: router.getRoute("GET", path)


def list_paths(count: int) -> list[str]:
    """Return patterns with {} where the parameter stands.

    All are equally deep, and no more than 25 are siblings, as in an API of some size: what is
    compared is the number of routes and nothing else.
    """
    stems = [
        f"/area{number // 400}/thing{number // 20 % 20}/part{number % 20}"
        for number in range(count)
    ]
    return [f"{stem}/{{}}" if number % 2 else stem for number, stem in enumerate(stems)]


def list_targets(count: int) -> list[str]:
    """Return the paths that are looked up, spread over all routes."""
    step = max(1, count // 10)
    return [path.format("ada") for path in list_paths(count)[step // 2 :: step]]


ROUTERS = {
    "wirekit": build_wirekit,
    "falcon": build_falcon,
    "werkzeug": build_werkzeug,
    "starlette": build_starlette,
    "mpgameserver": build_mpgameserver,
}


def time_us(find: Lookup, targets: list[str], seconds: float) -> float:
    """Return the time of one lookup in microseconds, less that of the loop around it."""
    rounds = count_rounds(find, targets, seconds)
    return (clock(find, targets, rounds) - clock(answer, targets, rounds)) / rounds / len(targets)


def count_rounds(find: Lookup, targets: list[str], seconds: float) -> int:
    """Tell how many rounds over the targets take so many seconds."""
    rounds = 1
    while (taken := clock(find, targets, rounds)) < 1e6 * seconds / 10:
        rounds *= 2
    return max(1, int(rounds * seconds * 1e6 / taken))


def clock(find: Lookup, targets: list[str], rounds: int) -> float:
    """Return what so many rounds take, in microseconds."""
    start = time.process_time()
    for _ in itertools.repeat(None, rounds):
        for target in targets:
            find(target)
    return (time.process_time() - start) * 1e6


def main() -> None:
    """Time one router."""
    parser = argparse.ArgumentParser()
    parser.add_argument("router", choices=ROUTERS)
    parser.add_argument("--routes", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=0.5)
    asked = parser.parse_args()
    find = ROUTERS[asked.router](asked.routes)
    targets = list_targets(asked.routes)
    if not all(find(target) for target in targets):
        raise SystemExit("a route is not found")
    print(json.dumps({"value": time_us(find, targets, asked.seconds)}))


if __name__ == "__main__":
    main()
