"""Names that stand for secrets, and the secrets that were found under them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from kit.errors import ConfigurationError
from kit.limits import KIB, MIB
from kit.record.canary import forms_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    NameRule = str | re.Pattern[str]

NAMES: Final = frozenset(
    [
        *("authorization", "proxyauthorization", "auth", "bearer", "jwt", "assertion"),
        *("apikey", "xapikey", "accesskey", "secretkey", "privatekey", "signingkey"),
        *("token", "accesstoken", "refreshtoken", "idtoken", "authtoken", "bearertoken"),
        *("xauthtoken", "xcsrftoken", "xxsrftoken", "csrftoken", "xsrftoken", "csrf", "xsrf"),
        *("csrfmiddlewaretoken", "authenticitytoken", "requestverificationtoken"),
        *("secret", "clientsecret", "clientassertion", "codeverifier", "passphrase", "passcode"),
        *("password", "passwd", "pwd", "newpassword", "oldpassword", "otp", "totp"),
        *("session", "sessionid", "sessionkey", "sessiontoken", "sid", "jsessionid", "phpsessid"),
        *("credential", "credentials", "signature", "sig", "xamzsignature", "xamzcredential"),
        *("authkey", "subscriptionkey", "jwtassertion"),
        *("xamzsecuritytoken", "xgoogsignature", "xgoogcredential", "cardnumber", "cvv", "cvc"),
    ]
)
"""Without case, hyphens, underscores, dots and blanks."""

_ENDINGS = (
    "accesskey",
    "apikey",
    "authkey",
    "jwtassertion",
    "password",
    "passwd",
    "privatekey",
    "secret",
    "secretkey",
    "sessionid",
    "subscriptionkey",
    "token",
)
# They end so and are no secrets: requests that differ in them alone are different.
_HARMLESS = re.compile(
    r"(?:next|prev|previous|page|paging|pagination|continuation|cursor|sync|start|end|max|change"
    r"|delta|resume|idempotency)+token"
)
_FILLING = re.compile(r"[-_.\s\[\]]+")

# A secret has about so many forms; a look at each place takes as long as the search for those
# of _MANY secrets, or in short data for as many forms as it has places.
_FORMS = 10
_FEWEST_NEAR = 4
_FEWEST = 8
_LONG = 16
_MAX_LEARNED = 10_000
_MAX_LENGTH = 8192
_MAX_CHARACTERS = 4 * MIB
_MANY = 400
_AT_ONCE = 64 * KIB


def fold(name: str) -> str:
    """Make names comparable that differ in case, hyphens, underscores, dots or blanks."""
    return _FILLING.sub("", name).lower()


class SensitiveNames:
    """Decides whether a name stands for a secret.

    Args:
        also: further names, or patterns that are searched in names.
        never: names, or patterns, that are none whatever the other rules say.
        is_default: whether the usual ones count.
    """

    __slots__ = ("_known", "_names", "_never", "_never_patterns", "_patterns", "is_default")

    def __init__(
        self,
        also: Iterable[NameRule] = (),
        never: Iterable[NameRule] = (),
        *,
        is_default: bool = True,
    ) -> None:
        self._names, self._patterns = _sort_rules("names", also)
        self._never, self._never_patterns = _sort_rules("keep", never)
        self.is_default: bool = is_default
        self._known: dict[str, bool] = {}

    def __contains__(self, name: str) -> bool:
        known = self._known.get(name)
        if known is None:
            known = self._decide(name)
            # Names come from outside: they are not remembered without end.
            if len(self._known) < 10_000 and len(name) < 200:
                self._known[name] = known
        return known

    def is_kept(self, name: str) -> bool:
        """Tell whether a name is none by a rule of the user."""
        if not self._never and not self._never_patterns:
            return False
        return fold(name) in self._never or any(one.search(name) for one in self._never_patterns)

    def _decide(self, name: str) -> bool:
        folded = fold(name)
        if self.is_kept(name):
            return False
        if folded in self._names or any(one.search(name) for one in self._patterns):
            return True
        if not self.is_default or _HARMLESS.fullmatch(folded):
            return False
        return folded in NAMES or folded.endswith(_ENDINGS)


def _sort_rules(
    what: str, rules: Iterable[NameRule]
) -> tuple[frozenset[str], tuple[re.Pattern[str], ...]]:
    names, patterns = set(), []
    for rule in rules:
        if isinstance(rule, str) and fold(rule):
            names.add(fold(rule))
        elif isinstance(rule, re.Pattern) and isinstance(rule.pattern, str):
            patterns.append(rule)
        else:
            raise ConfigurationError(
                f"{what} takes names and compiled patterns of str, not {rule!r}"
            )
    return frozenset(names), tuple(patterns)


class Secrets:
    """Values that were found under sensitive names, to be found elsewhere too.

    A test's token comes back: in a path, in an error's text, in a log line. What is
    learned is bounded. Values that might be ordinary words or numbers (of fewer than 8
    characters, of digits alone) are found again only in the error and the tracebacks of
    their own entry: in a path or a body, something else may be equal.

    Args:
        placeholder: what takes their place.

    Attributes:
        not_learned: how often one was found that is not searched elsewhere, beyond the bounds.
    """

    __slots__ = ("_characters", "_forms", "_near", "_placeholder", "_values", "not_learned")

    def __init__(self, placeholder: str) -> None:
        self._placeholder = placeholder
        self._values: dict[str, None] = {}
        self._near: dict[str, None] = {}
        self._forms: dict[bytes, list[bytes]] = {}  # by their first bytes
        self._characters = 0
        self.not_learned: int = 0

    def learn(self, value: str) -> None:
        """Note a secret."""
        value = value.strip()
        if not _FEWEST_NEAR <= len(value) <= _MAX_LENGTH or self._placeholder in value:
            return
        self._near[value] = None
        if value in self._values or not is_distinct(value):
            return
        self._characters += len(value)
        if len(self._values) >= _MAX_LEARNED or self._characters > _MAX_CHARACTERS:
            self._characters -= len(value)
            self.not_learned += 1
            return
        self._values[value] = None
        for form in forms_of(value):
            self._forms.setdefault(form[:_FEWEST], []).append(form)

    def begin_entry(self) -> None:
        """Forget those that are known by their place alone."""
        self._near.clear()

    def find_in(self, data: bytes) -> list[bytes]:
        """List the forms of secrets that stand in some data, the longest first."""
        forms, end = self._forms, len(data) - _FEWEST + 1
        if not forms or end <= 0:
            return []
        # Many secrets: one look at each place of the data instead of one search for each.
        starts: Iterable[bytes] = forms
        if len(self._values) > _MANY or len(self._values) * _FORMS > end:
            starts = set()
            for first in range(0, end, _AT_ONCE):
                places = range(first, min(first + _AT_ONCE, end))
                starts |= forms.keys() & {data[at : at + _FEWEST] for at in places}
        found = [form for start in starts for form in forms[start] if form in data]
        return _sort_by_length(found)

    def find_near(self, data: bytes) -> list[bytes]:
        """List those that the entry itself has told, however short, in one of its texts."""
        found = {form for value in self._near for form in forms_of(value) if form in data}
        return _sort_by_length(found)

    def __len__(self) -> int:
        return len(self._values)


def _sort_by_length(forms: Iterable[bytes]) -> list[bytes]:
    return sorted(forms, key=lambda form: (-len(form), form))


def is_distinct(value: str) -> bool:
    """Tell whether a value is unlikely to be something else that happens to be equal.

    It has at least 8 characters, letters and digits among them, or 16 with a letter.
    """
    if len(value) < _FEWEST or fold(value) in NAMES:
        return False
    has_digit = any(character.isdigit() for character in value)
    has_letter = any(character.isalpha() for character in value)
    return (has_digit and has_letter) or (len(value) >= _LONG and has_letter)
