"""What the suite's Python 2.7 runs: the suite, with a quick way through text that is ASCII.

The suite looks at each byte of a text message in turn, which takes most of the time of
its compressed megabytes. Those are ASCII, which is told at once; what is not goes to the
suite's own validator from the byte on at which the last character ended.
"""

from __future__ import annotations

VALIDATOR = """
class AsciiFirstValidator(object):
    def __init__(self):
        self._thorough = Thorough()
        self.reset()

    def reset(self):
        self._thorough.reset()
        self._is_between_characters = True
        self._total = 0

    def validate(self, data):
        if self._is_between_characters and self._is_ascii(data):
            valid, at = True, len(data)
        else:
            valid, self._is_between_characters, at, _ = self._thorough.validate(data)
        self._total += at
        return valid, self._is_between_characters, at, self._total

    def _is_ascii(self, data):
        try:
            data.decode("ascii")
        except UnicodeDecodeError:
            return False
        return True
"""

PROGRAM = f"""
import sys
from autobahn.websocket import utf8validator

Thorough = utf8validator.Utf8Validator
{VALIDATOR}
utf8validator.Utf8Validator = AsciiFirstValidator
from autobahntestsuite.wstest import run
sys.exit(run())
"""
