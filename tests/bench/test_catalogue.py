from __future__ import annotations

from pathlib import Path

import pytest

from bench.catalogue import list_growths, list_workloads
from bench.peers.routers import ROUTERS, list_paths, list_targets
from bench.programs import PEERS
from bench.results import OURS
from bench.workloads.http import JSON_BYTES, write_blob, write_json
from bench.workloads.plugin import HEAD, SUITES, Suite
from bench.workloads.router import FEW
from bench.workloads.sides import MODULES, SERVERS


def test_every_work_load_measures_us_and_somebody_else() -> None:
    for work in list_workloads():
        roles = [side.role for side in work.sides]
        assert roles.count("ours") == 1, work.name
        assert "peer" in roles, work.name
        assert work.sides[0].name == OURS


def test_no_work_load_has_two_sides_of_one_name() -> None:
    for work in list_workloads():
        names = [side.name for side in work.sides]
        assert len(set(names)) == len(names), work.name


def test_the_sizes_of_a_curve_rise() -> None:
    for growth in list_growths():
        assert list(growth.sizes) == sorted(set(growth.sizes))


def test_every_server_has_a_program() -> None:
    assert set(SERVERS) == set(MODULES)
    missing = [name for name, *_ in SERVERS.values() if not (PEERS / f"{name}.py").is_file()]
    assert missing == []
    assert (PEERS / "node_server.cjs").is_file()


def test_the_json_that_is_posted_has_one_kib(tmp_path: Path) -> None:
    assert write_json(tmp_path).stat().st_size == JSON_BYTES


def test_a_body_is_as_long_as_was_asked(tmp_path: Path) -> None:
    assert write_blob(tmp_path, 12_345).stat().st_size == 12_345


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_the_suites_are_python(suite: Suite) -> None:
    for body in (suite.plain, suite.tls):
        compile(HEAD.format(count=1) + body, suite.name, "exec")


def test_the_routers_are_asked_for_paths_that_they_know() -> None:
    assert set(FEW) == set(ROUTERS)
    for count in (10, 1000):
        assert len(set(list_paths(count))) == count
        find = ROUTERS[OURS](count)
        assert all(getattr(find(target), "is_match", True) for target in list_targets(count))
        assert len(list_targets(count)) == 10
