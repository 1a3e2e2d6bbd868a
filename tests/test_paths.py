from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kit.errors import UnsafePathError
from kit.paths import path_join_safe

COLON = "it holds a colon, which names a drive or a stream on Windows"
BACKSLASH = "it holds a backslash; separate components with '/'"
ABSOLUTE = "it is absolute, expected a name relative to the root directory"
EMPTY_COMPONENT = "it has an empty component ('//' or a trailing '/')"


def refusal(root: Path, filename: str) -> str:
    with pytest.raises(UnsafePathError) as caught:
        path_join_safe(str(root), filename)
    assert caught.value.filename == filename
    assert str(caught.value) == f"unsafe file name {filename!r}: {caught.value.reason}"
    return caught.value.reason


@pytest.mark.parametrize(
    "filename",
    [
        "a",
        "a.txt",
        "a/b/c.txt",
        "..a",
        ".hidden",
        "a..b",
        "%2e%2e",
        "%2F",
        "with space.txt",
        "r\u00e9sum\u00e9.txt",
        "\u6587\u4ef6",
        "CONSOLE",
        "COM",
        "COM10",
        "LPT",
        "nullable",
        "xCON",
        "a.CON",
        "com\u2074",
        "~",
        "~root",
        "-rf",
        "$HOME",
        "a" * 255,
        "a*b?",
    ],
)
def test_a_plain_name_is_joined_to_the_root(tmp_path: Path, filename: str) -> None:
    assert path_join_safe(str(tmp_path), filename) == f"{tmp_path}/{filename}".replace("/", os.sep)


@pytest.mark.parametrize(
    ("filename", "reason"),
    [
        ("", "it is empty"),
        ("/", ABSOLUTE),
        ("/etc/passwd", ABSOLUTE),
        ("//host/share", ABSOLUTE),
        ("..", "it has a '..' component"),
        ("../a", "it has a '..' component"),
        ("a/../b", "it has a '..' component"),
        ("a/..", "it has a '..' component"),
        (".", "it has a '.' component"),
        ("./a", "it has a '.' component"),
        ("a/./b", "it has a '.' component"),
        ("a//b", EMPTY_COMPONENT),
        ("a/", EMPTY_COMPONENT),
        ("a\\b", BACKSLASH),
        ("..\\a", BACKSLASH),
        ("\\\\host\\share", BACKSLASH),
        ("\\\\?\\C:\\a", BACKSLASH),
        ("C:", COLON),
        ("C:/a", COLON),
        ("c:a", COLON),
        ("a.txt:stream", COLON),
        ("a/b::$DATA", COLON),
        ("a\0", "it holds the control character '\\x00' at index 1"),
        ("a\0.txt", "it holds the control character '\\x00' at index 1"),
        ("a\nb", "it holds the control character '\\n' at index 1"),
        ("\x7f", "it holds the control character '\\x7f' at index 0"),
        ("a\x85", "it holds the control character '\\x85' at index 1"),
        ("a\udc80", "it holds the lone surrogate '\\udc80' at index 1"),
        ("a ", "component 'a ' ends in a dot or space, which Windows drops"),
        ("a.", "component 'a.' ends in a dot or space, which Windows drops"),
        ("...", "component '...' ends in a dot or space, which Windows drops"),
        ("a /b", "component 'a ' ends in a dot or space, which Windows drops"),
        (".. /b", "component '.. ' ends in a dot or space, which Windows drops"),
        ("a" * 256, "component 'aaaaaaaaaaaaaaaa'... is longer than 255 bytes"),
        ("\u00e9" * 128, "component 'éééééééééééééééé'... is longer than 255 bytes"),
    ],
)
def test_an_unsafe_name_is_refused_with_its_reason(
    tmp_path: Path, filename: str, reason: str
) -> None:
    assert refusal(tmp_path, filename) == reason


@pytest.mark.parametrize(
    "device",
    [
        *["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$"],
        *[f"COM{digit}" for digit in "0123456789\u00b9\u00b2\u00b3"],
        *[f"LPT{digit}" for digit in "0123456789\u00b9\u00b2\u00b3"],
    ],
)
@pytest.mark.parametrize("form", ["{}", "{}.txt", "{}.tar.gz", "{} .txt", "{}  .x", "{}.a b"])
def test_a_device_name_of_windows_is_refused(tmp_path: Path, device: str, form: str) -> None:
    for name in (form.format(device), form.format(device.lower()), form.format(device.title())):
        assert refusal(tmp_path, name) == f"component {name!r} is a device name on Windows"
        assert refusal(tmp_path, f"a/{name}/b") == f"component {name!r} is a device name on Windows"


@pytest.mark.parametrize("filename", [None, b"a", 7, Path("a")])
def test_a_file_name_that_is_no_str_is_a_type_error(tmp_path: Path, filename: object) -> None:
    with pytest.raises(TypeError) as caught:
        path_join_safe(str(tmp_path), filename)  # type: ignore[arg-type]
    assert str(caught.value) == f"filename must be str, not {type(filename).__name__}"


def test_a_root_that_is_no_str_is_a_type_error(tmp_path: Path) -> None:
    with pytest.raises(TypeError) as caught:
        path_join_safe(tmp_path, "a")  # type: ignore[arg-type]
    assert str(caught.value) == f"root_directory must be str, not {type(tmp_path).__name__}"


def test_a_relative_root_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert path_join_safe("sub/../files", "a") == str(tmp_path / "files" / "a")
    assert path_join_safe("", "a") == str(tmp_path / "a")


def test_the_root_of_the_file_system_is_a_root() -> None:
    assert path_join_safe(os.sep, "no-such-file") == f"{os.sep}no-such-file"


def test_neither_file_nor_root_need_exist(tmp_path: Path) -> None:
    root = tmp_path / "later"
    assert path_join_safe(str(root), "a/b") == str(root / "a" / "b")


def test_a_name_below_a_file_is_joined(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert path_join_safe(str(tmp_path), "file/x") == str(tmp_path / "file" / "x")


class TestSymlinks:
    LEAVES = "a symlink leads out of the root directory"

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        root = tmp_path / "root"
        root.mkdir()
        (tmp_path / "outside").mkdir()
        (tmp_path / "outside" / "secret").write_text("x")
        (tmp_path / "root-twin").mkdir()
        return root

    def test_one_inside_the_root_is_followed(self, root: Path) -> None:
        (root / "real").mkdir()
        (root / "link").symlink_to("real")
        assert path_join_safe(str(root), "link/a") == str(root / "link" / "a")

    def test_the_root_itself_may_be_one(self, root: Path, tmp_path: Path) -> None:
        (tmp_path / "alias").symlink_to(root)
        (root / "a").write_text("x")
        assert path_join_safe(str(tmp_path / "alias"), "a") == str(tmp_path / "alias" / "a")

    @pytest.mark.parametrize(
        ("target", "filename"),
        [
            ("../outside", "link"),
            ("../outside", "link/secret"),
            ("../outside", "link/new"),
            ("../outside/secret", "link"),
            ("../outside/dangling", "link"),
            ("../missing/deeper", "link"),
            ("/", "link/etc/passwd"),
            ("..", "link/outside/secret"),
            ("../root-twin", "link/a"),
            (".", "link"),
        ],
    )
    def test_one_that_leaves_is_refused(self, root: Path, target: str, filename: str) -> None:
        (root / "link").symlink_to(target)
        assert refusal(root, filename) == self.LEAVES

    def test_a_chain_that_leaves_is_refused(self, root: Path) -> None:
        (root / "sub").mkdir()
        (root / "sub" / "second").symlink_to("../../outside")
        (root / "first").symlink_to("sub/second")
        assert refusal(root, "first/secret") == self.LEAVES

    def test_a_detour_that_comes_back_is_followed(self, root: Path) -> None:
        (root / "link").symlink_to("../root/real")
        assert path_join_safe(str(root), "link") == str(root / "link")

    def test_a_loop_is_refused(self, root: Path) -> None:
        (root / "a").symlink_to("b")
        (root / "b").symlink_to("a")
        assert refusal(root, "a/x").startswith("it cannot be resolved: ")

    def test_a_path_that_links_make_too_long_is_refused(self, root: Path) -> None:
        # Each link stands for a long directory. Expanded, the path passes
        # PATH_MAX, behind which a lenient resolver sees no links any more.
        links = "abcdefghijklmnopqrst"
        here = os.open(root, os.O_RDONLY)
        for letter in links:
            os.mkdir(letter * 240, dir_fd=here)
            os.symlink(letter * 240, letter, dir_fd=here)
            inner = os.open(letter, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = inner
        os.symlink("/etc", "out", dir_fd=here)
        os.close(here)
        name = "/".join([*links, "out", "passwd"])
        assert (root / name).exists()
        assert refusal(root, name).startswith("it cannot be resolved: ")


characters = st.sampled_from([*"ab./\\: ~%", "\0", "\n", "..", "../", "\u00e9", "\ud800", "NUL"])


@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
)
@given(
    st.one_of(st.text(max_size=40), st.lists(characters, max_size=12).map("".join)),
)
@example("in/../out")
@example("in/a")
@example("out/a")
def test_any_name_is_refused_or_stays_inside(
    tmp_path_factory: pytest.TempPathFactory, filename: str
) -> None:
    base = tmp_path_factory.getbasetemp() / "any-name"
    root = base / "root"
    if not root.exists():
        (root / "a").mkdir(parents=True)
        (root / "in").symlink_to("a")
        (root / "out").symlink_to("..")
    try:
        joined = path_join_safe(str(root), filename)
    except UnsafePathError:
        return
    real_root = os.path.realpath(root)
    assert os.path.commonpath([os.path.realpath(joined), real_root]) == real_root
    assert joined.startswith(f"{root}{os.sep}")
