"""Responses made of what came over the wire, or of why nothing came."""

from __future__ import annotations

from kit.errors import BodyError, SerializableError
from kit.headers import Headers, RawHeaders
from kit.messages import content
from kit.messages.response import ErrorResponse, JsonResponse, Response, SerializableResponse


def response_from_wire(
    status: int, reason: str, raw_headers: RawHeaders, body: bytes, url: str
) -> Response:
    """Make the response a caller gets, by its status and Content-Type.

    - A status of 400 and more is an `ErrorResponse`; its payload is the object
      where the body is JSON, as it is on the server's side.
    - JSON is a `JsonResponse`. A body that says JSON and is not stays a plain
      `Response` with the bytes: the transfer did succeed, and `json()` says
      what is wrong.
    - MessagePack is a `SerializableResponse`. A message of a type that is not
      defined here, or that does not load, is an `ErrorResponse` with the
      bytes, whose `exception` is the `SerializableError`.

    Args:
        status: the final status.
        reason: the reason phrase, "" where there is none.
        raw_headers: the fields as they came, kept by reference.
        body: the body, content codings undone (see `decode_content`).
        url: where it came from, after redirects.
    """
    headers = Headers.from_raw(raw_headers)
    kind = headers.text(b"content-type", "") if body else ""
    made: type[Response] = Response if status < 400 else ErrorResponse
    payload: object = body
    exception: SerializableError | None = None
    if content.is_json(kind):
        try:
            payload = content.parse_json(body)
            made = JsonResponse if status < 400 else made
        except BodyError:
            payload = body
    elif status < 400 and content.is_msgpack(kind):
        from kit.serializable import Serializable

        try:
            payload = Serializable.loadb(body)
            made = SerializableResponse
        except SerializableError as exc:
            made = ErrorResponse
            exception = exc
    response = made._received(payload, status, reason, headers, body, url)
    if exception is not None:
        response._exception = exception
    return response


def error_from_transport(exc: BaseException, url: str) -> ErrorResponse:
    """Make the response of a request that got none.

    Its `status_code` is 0, its payload the reason as text, and its
    `exception` an `urllib.error.URLError` whose `reason` is `exc`: an
    `OSError`, `ssl.SSLError`, `TimeoutError`, or what the peer did wrong.
    """
    import urllib.error

    if isinstance(exc, urllib.error.URLError):
        error = exc
    else:
        error = urllib.error.URLError(exc if isinstance(exc, Exception) else repr(exc), url)
        error.__cause__ = exc
    text = str(exc) or type(exc).__name__
    body = text.encode("utf-8", "replace")
    response = ErrorResponse._received(body, 0, text, Headers(), body, url)
    response._exception = error
    return response
