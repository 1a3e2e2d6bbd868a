from __future__ import annotations

import os
from pathlib import Path

from kit.cli.watching import Watch


def test_what_did_not_change_is_not_told(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("a")
    watch = Watch([file])
    assert watch.find_changed() == []


def test_a_change_is_told_once(tmp_path: Path) -> None:
    file, other = tmp_path / "a", tmp_path / "b"
    file.write_text("a")
    other.write_text("b")
    watch = Watch([file, other])
    file.write_text("longer")
    assert watch.find_changed() == [file]
    assert watch.find_changed() == []


def test_a_change_of_the_time_alone_is_told(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("a")
    watch = Watch([file])
    os.utime(file, ns=(1, 1))
    assert watch.find_changed() == [file]


def test_a_file_that_goes_and_comes_is_told_each_time(tmp_path: Path) -> None:
    file = tmp_path / "a"
    watch = Watch([file])
    file.write_text("a")
    assert watch.find_changed() == [file]
    file.unlink()
    assert watch.find_changed() == [file]


def test_a_file_that_is_added_counts_from_then_on(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text("a")
    watch = Watch([first])
    second.write_text("b")
    first.write_text("changed")
    watch.add([first, second])
    assert watch.find_changed() == [first]
    assert watch.files == [first, second]
