from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import pytest

from kit import path_join_safe
from kit.errors import ConfigurationError
from kit.testing import HostileName, assert_guarded, corpus, load_corpus


def join(root: str, name: str) -> str:
    return os.path.join(root, name)  # noqa: PTH118 - a guard as people write them


def compare_prefix(root: str, name: str) -> str:
    """Forget the separator behind the root, a common mistake."""
    path = os.path.realpath(join(root, name))
    if not path.startswith(os.path.realpath(root)):
        raise PermissionError(path)
    return path


def normalise(root: str, name: str) -> str | None:
    """Look at the text alone, and follow symbolic links out."""
    path = os.path.normpath(join(root, name))
    return path if path.startswith(root + os.sep) and "\0" not in path else None


def resolve(root: str, name: str) -> Path:
    path = Path(root, name).resolve()
    if "\0" in name or not path.is_relative_to(Path(root).resolve()):
        raise LookupError(name)
    return path


def fail_guarded(guard: object, **options: object) -> list[str]:
    with pytest.raises(AssertionError) as caught:
        assert_guarded(guard, **options)  # type: ignore[arg-type]
    text = re.sub(r"/\S*?kit-guard-\w+", "BASE", str(caught.value))
    return text.splitlines()


def test_path_join_safe_is_a_guard() -> None:
    assert_guarded()


def test_a_guard_that_resolves_and_compares_passes() -> None:
    assert_guarded(resolve)


def test_a_guard_that_only_joins_fails_with_every_leak_listed() -> None:
    lines = fail_guarded(join)
    found = re.fullmatch(
        r"test_traversal\.join lets (\d+) of (\d+) hostile names out of BASE/files:",
        lines[0].replace(join.__module__, "test_traversal"),
    )
    assert found is not None
    assert int(found[1]) == len(lines) - 1 > 50
    assert int(found[2]) == len(load_corpus())
    assert lines[1] == "  '../canary.txt' -> BASE/canary.txt (parent directory; CWE-24)"
    assert "  '/etc/passwd' -> /etc/passwd (absolute path; CWE-37)" in lines


def test_a_guard_that_compares_prefixes_lets_the_sibling_out() -> None:
    leaks = "\n".join(fail_guarded(compare_prefix)[1:])
    assert "'../files-private/canary.txt' -> BASE/files-private/canary.txt" in leaks
    assert "'../canary.txt'" not in leaks


def test_a_guard_that_looks_at_the_text_alone_lets_links_out() -> None:
    lines = fail_guarded(normalise)[1:]
    assert (
        "  'leaving.txt' -> BASE/canary.txt (symbolic link that leaves the root; CWE-61)" in lines
    )
    assert all("symbolic link" in line for line in lines)


def test_a_path_that_holds_nul_is_a_leak() -> None:
    assert fail_guarded(join, corpus=["inside.txt\0.png"])[1] == (
        r"  'inside.txt\x00.png' -> 'BASE/files/inside.txt\x00.png', which C code reads only "
        "up to the NUL (given by the test)"
    )


@pytest.mark.parametrize("wrong", [True, 3, ["a"]])
def test_what_is_no_path_is_told_of(wrong: object) -> None:
    lines = fail_guarded(lambda root, name: wrong if ".." in name else root, corpus=[".."])
    assert lines[1] == f"  '..' -> {type(wrong).__name__}, which is no path (given by the test)"


@pytest.mark.parametrize(
    ("guard", "reason"),
    [
        (lambda root, name: None, "it returned None"),
        (lambda root, name: 1 / 0, "it raised ZeroDivisionError: division by zero"),
        (lambda root: root, "it raised TypeError: "),
    ],
)
def test_a_guard_that_refuses_everything_proves_nothing(guard: object, reason: str) -> None:
    (line,) = fail_guarded(guard)
    assert "<lambda> refuses even the ordinary name 'inside.txt': " + reason in line


def test_a_guard_that_returns_no_path_at_all_is_told_of() -> None:
    (line,) = fail_guarded(lambda root, name: 3)
    assert line.endswith(
        "returned int for 'inside.txt': expected a path, or None or an exception where it refuses"
    )


def test_a_directory_of_ones_own_can_be_tried(tmp_path: Path) -> None:
    root = tmp_path / "files"
    root.mkdir()
    assert_guarded(root=root)
    lines = fail_guarded(join, root=root, corpus=[HostileName("{outside}", "absolute"), "a.txt"])
    assert lines == [
        f"{join.__module__}.join lets 1 of 2 hostile names out of {root}:",
        f"  '{tmp_path}/canary.txt' -> {tmp_path}/canary.txt (absolute)",
    ]
    assert list(tmp_path.rglob("*")) == [root]


def test_a_root_that_is_no_directory_is_refused(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    with pytest.raises(ConfigurationError) as caught:
        assert_guarded(root=missing)
    assert str(caught.value) == f"root {missing!r} is not a directory"


def test_an_empty_corpus_is_refused() -> None:
    with pytest.raises(ConfigurationError) as caught:
        assert_guarded(corpus=[])
    assert str(caught.value) == "the corpus is empty: assert_guarded would prove nothing"


def test_a_missing_corpus_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "_CORPUS", "nowhere.json")
    with pytest.raises(ConfigurationError) as caught:
        load_corpus()
    assert str(caught.value) == (
        "the corpus nowhere.json is missing from the installation: reinstall wirekit"
    )


def test_the_corpus_is_large_distinct_and_explained() -> None:
    names = load_corpus()
    assert len(names) >= 150
    assert [name for name, times in Counter(one.name for one in names).items() if times > 1] == []
    assert all(one.why and one.source for one in names)


@pytest.mark.parametrize(
    "why",
    [
        "parent directory",
        "absolute path",
        "backslash as separator",
        "drive letter",
        "UNC share",
        "symbolic link that leaves the root",
        "device name",
        "alternate data stream",
        "control characters",
        "percent-encoded twice",
        "characters that Unicode normalisation turns into dots and slashes",
        "a path parameter behind a parent directory, which some servers drop",
    ],
)
def test_the_corpus_knows_every_kind(why: str) -> None:
    assert sum(one.why == why for one in load_corpus()) >= 4


def test_the_temporary_layout_is_removed() -> None:
    roots: list[str] = []

    def note(root: str, name: str) -> str | None:
        roots.append(root)
        return join(root, name) if name == "inside.txt" else None

    assert_guarded(note)
    assert not Path(roots[0]).parent.exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"canary": b"secret content"}, "canary can be given for a URL only, not for a function"),
        (
            {"cafile": "x.pem", "headers": {}},
            "headers and cafile can be given for a URL only, not for a function",
        ),
    ],
)
def test_what_is_meant_for_urls_is_refused(options: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        assert_guarded(join, **options)  # type: ignore[arg-type]
    assert str(caught.value) == told


def test_a_guard_that_refuses_all_of_an_empty_directory_proves_nothing(tmp_path: Path) -> None:
    (line,) = fail_guarded(lambda name: name, root=tmp_path)
    assert re.search(
        r"<lambda> refuses even the ordinary name 'inside-[0-9a-f]{8}\.txt': it raised TypeError: ",
        line,
    )
    assert list(tmp_path.iterdir()) == []


def test_an_ordinary_file_of_ones_own_is_left_as_it_is(tmp_path: Path) -> None:
    own = tmp_path / "inside.txt"
    own.write_text("mine")
    assert_guarded(root=tmp_path)
    assert own.read_text() == "mine"


def test_a_link_that_leads_nowhere_is_left_as_it_is(tmp_path: Path) -> None:
    link = tmp_path / "inside.txt"
    link.symlink_to(tmp_path / "missing.txt")
    assert_guarded(root=tmp_path)
    assert list(tmp_path.iterdir()) == [link]


def test_two_that_guard_one_directory_at_a_time_do_not_meet(tmp_path: Path) -> None:
    def guard(root: str, name: str) -> str:
        if re.fullmatch(r"inside.*\.txt", name) and not is_nested:
            is_nested.append(True)
            assert_guarded(guard, root=root, corpus=["../a"])
            # What the outer one has made is still there.
            assert [path.name for path in tmp_path.iterdir()] == [name]
        return path_join_safe(root, name)

    is_nested: list[bool] = []
    assert_guarded(guard, root=tmp_path, corpus=["../a"])
    assert is_nested == [True]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(
    not Path("/proc/self/task").is_dir(), reason="needs a directory of the kernel's"
)
def test_a_directory_in_which_nothing_can_be_made_is_refused() -> None:
    # Permissions mean nothing to root.
    with pytest.raises(ConfigurationError) as caught:
        assert_guarded(root="/proc/self/task")
    assert re.fullmatch(
        r"no file can be made in '/proc/self/task': [A-Za-z ]+: assert_guarded needs an "
        r"ordinary one there, such as 'inside\.txt', or would prove nothing",
        str(caught.value),
    )
