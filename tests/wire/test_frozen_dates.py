"""Each in a process of its own, as what is settled there is settled for good."""

from __future__ import annotations

import subprocess
import sys

import pytest

ISSUE = """
import datetime as dt
import sys
import freezegun

def freeze():
    return freezegun.freeze_time("2001-02-03")

def issue():
    from kit.wire.tls import CertificateAuthority
    authority = CertificateAuthority()
    authority.server_context("a.test")
    authority.server_context("a.test", valid_to=dt.datetime.now() + dt.timedelta(days=1))
    authority.create_intermediate().server_context("b.test")

REAL_EXPIRY = dt.datetime(2031, 4, 5)
"""


def run_alone(code: str) -> str:
    command = [sys.executable, "-c", ISSUE + code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("loaded", ["", "import trustme\n", "import kit.wire.tls\n"])
def test_certificates_are_issued_whether_time_was_frozen_first_or_is_later(loaded: str) -> None:
    run_alone(
        f"{loaded}"
        "with freeze():\n"
        "    issue()\n"
        "issue()\n"
        "import trustme\n"
        "trustme.CA().issue_cert('a.test', not_after=REAL_EXPIRY)\n"
        "with freeze():\n"
        "    issue()\n"
    )


def test_a_certificate_signed_by_itself_does_not_settle_the_frozen_class() -> None:
    run_alone(
        "with freeze():\n"
        "    from kit.testing import TlsFaultServer\n"
        "    TlsFaultServer('self-signed').start().stop()\n"
        "import trustme\n"
        "trustme.CA().issue_cert('a.test', not_after=REAL_EXPIRY)\n"
    )


def test_the_modules_are_as_they_were() -> None:
    printed = run_alone(
        "with freeze():\n"
        "    before = dt.datetime\n"
        "    issue()\n"
        "    print(sys.modules['datetime'] is dt, dt.datetime is before)\n"
        "print(sys.modules['datetime'] is dt, dt.datetime is type(REAL_EXPIRY))\n"
    )
    assert printed == "True True\nTrue True\n"


def test_without_frozen_time_nothing_is_exchanged() -> None:
    printed = run_alone(
        "from kit.wire import frozen_dates\n"
        "frozen_dates._make_real_module = lambda: print('exchanged')\n"
        "issue()\n"
        "with freeze():\n"
        "    issue()\n"
        "print('issued')\n"
    )
    assert printed == "issued\n"
