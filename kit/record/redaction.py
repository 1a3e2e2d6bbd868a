"""Taking secrets out of recordings, before anything touches the disk.

What a sensitive name stands for becomes the placeholder, the same one for every
secret: a request recorded with one token so still matches a request with another,
which a digest of the token would prevent, and would give away short ones besides.

Three steps: values under sensitive names, wherever names are, and what looks like that
in texts; what the patterns and functions of the user find; and last, in every place, the
values found by the first step, as secrets come back in paths, echoes, error texts and
tracebacks. In every place only those are searched that are unlikely to be anything else:
of at least 8 characters, letters and digits among them, or 16 with a letter. Shorter ones
are searched in the error and the tracebacks of their own entry.

What cannot be searched, a body in a content coding that is not undone, is left out, and
the entry's `_kit` says so in `left_out`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from kit.record.redacted_body import Deep, redact_body, redact_tree
from kit.record.redacted_fields import redact_url
from kit.record.redacted_headers import redact_header, redact_headers
from kit.record.redacted_text import redact_head, redact_string
from kit.record.rules import Rules, ValueRule
from kit.record.sensitive import Secrets

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterable, Sequence

    from kit.record.entry import (
        Entry,
        Page,
        RecordedFrame,
        RecordedMessage,
        RecordedRequest,
        RecordedResponse,
    )
    from kit.record.sensitive import NameRule

M = TypeVar("M", bound="RecordedMessage")

PLACEHOLDER: Final = "REDACTED"

_TRAILERS: Final = ("request_trailers", "response_trailers")


class Redaction:
    """What is taken out of a recording; immutable, and safe from any thread.

    Args:
        names: names of header fields, cookies, query parameters, form fields, parts and
            JSON members that stand for secrets, beside the usual ones. Case, hyphens,
            underscores and dots make no difference. A compiled pattern is searched in
            names as they came.
        keep: names, or patterns, that are none, whatever the other rules say; of cookies
            and the Authorization fields too. The name of a content coding, such as "br",
            keeps bodies that cannot be searched, as they are in it.
        patterns: compiled patterns (or texts of patterns) that are searched in URLs,
            header values, bodies that are text, websocket messages and error texts.
            What a match's groups hold is taken out, or all of it if it has none.
        functions: asked about each named value: `function(place, name, value)`, place
            being "header", "cookie", "query", "form", "part" or "json"; the text they
            return takes the value's place, None leaves it.
        placeholder: what takes a secret's place.
        is_default: whether the usual names count, and credentials in URLs and the
            Authorization fields.

    Raises:
        ConfigurationError: a rule is none of these, or the placeholder is empty.
    """

    __slots__ = ("_given", "_rules")

    def __init__(
        self,
        *,
        names: Iterable[NameRule] = (),
        keep: Iterable[NameRule] = (),
        patterns: Iterable[re.Pattern[str] | str] = (),
        functions: Iterable[ValueRule] = (),
        placeholder: str = PLACEHOLDER,
        is_default: bool = True,
    ) -> None:
        self._given: dict[str, tuple[Any, ...]] = {
            "names": tuple(names),
            "keep": tuple(keep),
            "patterns": tuple(patterns),
            "functions": tuple(functions),
        }
        self._rules = Rules(**self._given, placeholder=placeholder, is_default=is_default)

    @property
    def placeholder(self) -> str:
        """What takes a secret's place."""
        return self._rules.placeholder

    def extend(
        self,
        *,
        names: Iterable[NameRule] = (),
        keep: Iterable[NameRule] = (),
        patterns: Iterable[re.Pattern[str] | str] = (),
        functions: Iterable[ValueRule] = (),
    ) -> Redaction:
        """Make a redaction with further rules."""
        further = {"names": names, "keep": keep, "patterns": patterns, "functions": functions}
        return Redaction(
            **{key: (*self._given[key], *more) for key, more in further.items()},
            placeholder=self._rules.placeholder,
            is_default=self._rules.names.is_default,
        )

    def without_functions(self) -> Redaction:
        """Make a redaction of the same rules but the functions, for what they have seen."""
        if not self._given["functions"]:
            return self
        return Redaction(
            **{**self._given, "functions": ()},
            placeholder=self._rules.placeholder,
            is_default=self._rules.names.is_default,
        )

    def secrets(self) -> Secrets:
        """Make a memory for secrets, to be shared by calls that belong together."""
        return Secrets(self._rules.placeholder)

    def redact_all(
        self,
        entries: Iterable[Entry],
        pages: Iterable[Page] = (),
        *,
        secrets: Secrets | None = None,
        note_step: Callable[[], None] | None = None,
    ) -> tuple[list[Entry], list[Page]]:
        """Redact a whole recording: a secret found in one entry is taken out of all.

        Args:
            entries: the entries.
            pages: the pages they belong to.
            secrets: what was found before, and is to be added to.
            note_step: called twice for each entry, as each is gone through twice.
        """
        note = note_step or _note_nothing
        secrets = self.secrets() if secrets is None else secrets
        kept = []
        for entry in entries:
            kept.append(self._redact_named(entry, secrets))
            note()
        shown = [self._redact_page(page, secrets) for page in pages]
        scrub = _Scrub(secrets, self._rules)
        for at, entry in enumerate(kept):
            kept[at] = scrub.entry(entry)
            note()
        return kept, [scrub.page(page) for page in shown]

    def redact_entry(self, entry: Entry, secrets: Secrets | None = None) -> Entry:
        """Redact one entry.

        Args:
            entry: the entry.
            secrets: what was found before, and is to be added to.
        """
        secrets = self.secrets() if secrets is None else secrets
        named = self._redact_named(entry, secrets)
        return _Scrub(secrets, self._rules).entry(named)

    def redact_request(
        self, request: RecordedRequest, secrets: Secrets | None = None
    ) -> RecordedRequest:
        """Redact a request alone, as it is redacted in its entry: for comparing."""
        secrets = self.secrets() if secrets is None else secrets
        named = self._redact_named_request(request, secrets)
        return _Scrub(secrets, self._rules).request(named)

    def redact_response(
        self, response: RecordedResponse, secrets: Secrets | None = None
    ) -> RecordedResponse:
        """Redact a response alone."""
        secrets = self.secrets() if secrets is None else secrets
        named = self._redact_message(response, secrets)
        return _Scrub(secrets, self._rules).response(named)

    def redact_text(self, text: str, secrets: Secrets | None = None) -> str:
        """Redact a text: JSON by its names, anything else by what looks like a secret."""
        raw = text.encode("utf-8", "surrogatepass")
        return self.redact_message(raw, secrets).decode("utf-8", "surrogatepass")

    def redact_message(self, data: bytes, secrets: Secrets | None = None) -> bytes:
        """Redact a websocket message, as it is redacted in its entry: for comparing."""
        secrets = self.secrets() if secrets is None else secrets
        return _Scrub(secrets, self._rules).bytes(redact_body(data, "", self._rules, secrets))

    # Under names

    def _redact_named(self, entry: Entry, secrets: Secrets) -> Entry:
        secrets.begin_entry()
        request = self._redact_named_request(entry.request, secrets)
        response = self._redact_message(entry.response, secrets)
        frames = self._redact_frames(entry.frames, secrets)
        kit = self._redact_extras(entry, secrets)
        error = response.error
        if error is not None:
            error = redact_string(error, self._rules, secrets)
        scrub = _Scrub(secrets, self._rules, is_near=True)
        return replace(
            entry,
            request=request,
            response=replace(response, error=None if error is None else scrub.text(error)),
            frames=frames,
            pageref=redact_string(entry.pageref, self._rules, secrets),
            kit=scrub.value(kit),
        )

    def _redact_extras(self, entry: Entry, secrets: Secrets) -> dict[str, Any]:
        kit = self._redact_facts(entry.kit, secrets)
        bodies = {"request_body": entry.request, "response_body": entry.response}
        left_out = {
            name: "in a content coding that is not undone, so it cannot be searched for secrets"
            for name, message in bodies.items()
            if self._is_unsearchable(message)
        }
        return {**kit, "left_out": left_out} if left_out else kit

    def _redact_facts(self, facts: dict[str, Any], secrets: Secrets) -> dict[str, Any]:
        """Redact what HAR has no place for: heads and trailers as such, the rest as JSON."""
        rules = self._rules
        redacted: dict[str, Any] = {}
        for name, value in facts.items():
            if name == "unparsed" and isinstance(value, str):
                redacted[name] = redact_head(value, rules, secrets)
            elif name in _TRAILERS and isinstance(value, list):
                redacted[name] = [_redact_trailer(field, rules, secrets) for field in value]
            else:
                redacted[name] = _redact_fact(name, value, rules, secrets)
        return redacted

    def _redact_page(self, page: Page, secrets: Secrets) -> Page:
        id_, title = (redact_string(text, self._rules, secrets) for text in (page.id, page.title))
        return replace(page, id=id_, title=title, kit=self._redact_facts(page.kit, secrets))

    def _redact_named_request(self, request: RecordedRequest, secrets: Secrets) -> RecordedRequest:
        url = redact_url(request.url, self._rules, secrets)
        return _with_url(self._redact_message(request, secrets), url)

    def _redact_message(self, message: M, secrets: Secrets) -> M:
        headers = redact_headers(message.headers, self._rules, secrets)
        changed = _with_headers(message, headers)
        if self._is_unsearchable(message):
            return _leave_body_out(changed)
        if message.body and not message.is_encoded:
            body = redact_body(message.body, message.content_type, self._rules, secrets)
            changed = with_body(changed, body)
        return changed

    def _is_unsearchable(self, message: RecordedMessage) -> bool:
        if not message.is_encoded or not message.body:
            return False
        codings = message.fields.tokens(b"content-encoding")
        return not any(map(self._rules.names.is_kept, codings))

    def _redact_frames(
        self, frames: tuple[RecordedFrame, ...] | None, secrets: Secrets
    ) -> tuple[RecordedFrame, ...] | None:
        if frames is None:
            return None
        return map_messages(frames, lambda data: redact_body(data, "", self._rules, secrets))


class _Scrub:
    """The last steps: what was learned, and what the patterns find, in every place.

    Args:
        is_near: whether to look for what the entry itself has told, and nothing else.
    """

    __slots__ = ("_is_near", "_rules", "_secrets")

    def __init__(self, secrets: Secrets, rules: Rules, *, is_near: bool = False) -> None:
        self._secrets = secrets
        self._rules = rules
        self._is_near = is_near

    def entry(self, entry: Entry) -> Entry:
        frames = entry.frames
        return replace(
            entry,
            request=self.request(entry.request),
            response=self.response(entry.response),
            frames=None if frames is None else map_messages(frames, self.bytes),
            pageref=self.text(entry.pageref),
            kit=self.value(entry.kit),
        )

    def page(self, page: Page) -> Page:
        id_, title = self.text(page.id), self.text(page.title)
        return replace(page, id=id_, title=title, kit=self.value(page.kit))

    def request(self, request: RecordedRequest) -> RecordedRequest:
        return _with_url(self.message(request), self.text(request.url))

    def response(self, response: RecordedResponse) -> RecordedResponse:
        error = None if response.error is None else self.text(response.error)
        return replace(self.message(response), reason=self.text(response.reason), error=error)

    def message(self, message: M) -> M:
        headers = tuple((name, self.bytes(value)) for name, value in message.headers)
        changed = _with_headers(message, headers)
        return with_body(changed, self.bytes(message.body)) if message.body else changed

    def value(self, value: Any) -> Any:
        """Scrub every text in a JSON value, names left out."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {name: self.value(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self.value(one) for one in value]
        return value

    def text(self, text: str) -> str:
        raw = text.encode("utf-8", "surrogatepass")
        scrubbed = self.bytes(raw)
        return text if scrubbed is raw else scrubbed.decode("utf-8", "surrogatepass")

    def bytes(self, data: bytes) -> bytes:
        """Scrub bytes; the same object comes back if nothing was found."""
        placeholder = self._rules.placeholder.encode()
        find = self._secrets.find_near if self._is_near else self._secrets.find_in
        for form in find(data):
            data = data.replace(form, placeholder)
        return data if self._is_near else self._rules.apply_patterns(data)


def map_messages(
    frames: Sequence[RecordedFrame], change: Callable[[bytes], bytes]
) -> tuple[RecordedFrame, ...]:
    """Change the payloads of frames, those of a fragmented message as a whole."""
    changed = list(frames)
    begun: dict[str, list[int]] = {}
    for index, frame in enumerate(frames):
        if frame.opcode >= 8:
            changed[index] = _change_control(frame, change)
            continue
        parts = begun.setdefault(frame.direction, [])
        parts.append(index)
        if frame.is_final:
            _change_message(changed, parts, change)
            parts.clear()
    for parts in begun.values():
        _change_message(changed, parts, change)
    return tuple(changed)


def _redact_trailer(field: Any, rules: Rules, secrets: Secrets) -> Any:
    if isinstance(field, list) and len(field) == 2 and all(isinstance(one, str) for one in field):
        return [field[0], redact_header(field[0], field[1], rules, secrets)]
    return _redact_fact("", field, rules, secrets)


def _redact_fact(name: str, value: Any, rules: Rules, secrets: Secrets) -> Any:
    try:
        return redact_tree({name: value}, rules, secrets)[name]
    except Deep:
        return rules.placeholder


def _leave_body_out(message: M) -> M:
    """Leave out a body that cannot be searched; its size on the wire is still told."""
    headers = tuple(pair for pair in message.headers if pair[0].lower() != b"content-encoding")
    facts: dict[str, Any] = {"body": b"", "is_encoded": False, "is_truncated": True, "sha256": None}
    if hasattr(message, "marks"):
        facts["marks"] = ()
    return replace(_with_headers(message, headers), **facts)


def _note_nothing() -> None:
    """Do as if a step were shown."""


def _change_control(frame: RecordedFrame, change: Callable[[bytes], bytes]) -> RecordedFrame:
    # The first two bytes of a Close are its code (RFC 6455 section 5.5.1).
    keep = 2 if frame.opcode == 8 else 0
    return _with_data(frame, frame.data[:keep] + change(frame.data[keep:]))


def _change_message(
    changed: list[RecordedFrame], parts: Sequence[int], change: Callable[[bytes], bytes]
) -> None:
    whole = b"".join(changed[index].data for index in parts)
    rest = change(whole)
    if rest == whole:
        return
    for index in parts:
        frame = changed[index]
        size = len(rest) if index == parts[-1] else len(frame.data)
        changed[index], rest = _with_data(frame, rest[:size]), rest[size:]


def _with_data(frame: RecordedFrame, data: bytes) -> RecordedFrame:
    if data == frame.data:
        return frame
    return replace(frame, data=data, size=frame.size + len(data) - len(frame.data))


def _with_url(request: RecordedRequest, url: str) -> RecordedRequest:
    if url == request.url:
        return request
    changed = replace(request, url=url)
    if request.headers_size < 0:
        return changed
    grown = len(changed.target) - len(request.target)
    return replace(changed, headers_size=request.headers_size + grown)


def _with_headers(message: M, headers: tuple[tuple[bytes, bytes], ...]) -> M:
    if headers == message.headers:
        return message
    size = message.headers_size
    if size >= 0:
        size += _size_of(headers) - _size_of(message.headers)
    return replace(message, headers=headers, headers_size=size)


def _size_of(headers: Iterable[tuple[bytes, bytes]]) -> int:
    return sum(len(name) + len(value) + 4 for name, value in headers)


def with_body(message: M, body: bytes) -> M:
    """Change a body, and with it whatever tells its length.

    A body whose content codings are undone is from then on one that had none.
    """
    if body == message.body:
        return message
    grown = len(body) - len(message.body)
    was_coded = not message.is_encoded and b"content-encoding" in message.fields
    left_out = b"content-encoding" if was_coded else b""
    is_whole = not message.is_truncated
    size = len(body) if is_whole else max(message.body_size + grown, len(body))
    headers = tuple(
        (name, b"%d" % size) if name.lower() == b"content-length" else (name, value)
        for name, value in message.headers
        if name.lower() != left_out
    )
    facts: dict[str, Any] = {"body": body, "body_size": size, "sha256": None}
    if marks := getattr(message, "marks", ()):
        facts["marks"] = move_marks(marks, message.body, body)
    return replace(_with_headers(message, headers), **facts)


def move_marks(
    marks: Sequence[tuple[float, int]], old: bytes, new: bytes
) -> tuple[tuple[float, int], ...]:
    """Fit the sizes of a body's pieces to the changed body.

    A piece that ended in some line and column goes on to end there, if the body has
    as many lines as before; else pieces keep their sizes as far as the body goes.
    """
    old_lines, new_lines = old.split(b"\n"), new.split(b"\n")
    is_alike = len(old_lines) == len(new_lines)
    moved, end, placed, line, old_start, new_start = [], 0, 0, 0, 0, 0
    for at, size in marks[:-1]:
        end += size
        target = min(end, len(new))
        if is_alike:
            while end > old_start + len(old_lines[line]):
                old_start += len(old_lines[line]) + 1
                new_start += len(new_lines[line]) + 1
                line += 1
            target = new_start + min(end - old_start, len(new_lines[line]))
        moved.append((at, target - placed))
        placed = target
    return (*moved, (marks[-1][0], len(new) - placed))


DEFAULT: Final = Redaction()
"""The redaction of whoever says nothing else."""
