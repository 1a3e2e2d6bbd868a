"""permessage-deflate (RFC 7692) that takes memory only once it is used."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from websockets.exceptions import ProtocolError
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    PerMessageDeflate,
    ServerPerMessageDeflateFactory,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from websockets.extensions import Extension
    from websockets.frames import Frame
    from websockets.typing import ExtensionParameter

WINDOW_BITS = 12
"""A window of 4 KiB: test messages are short, and a server holds one per connection."""
_COMPRESSION: dict[str, Any] = {"memLevel": 5}
# What is left of a message that the sender ended with a final deflate block: the empty
# block it may add (RFC 7692 section 7.2.3.5), then the four bytes that the receiver adds.
_FINAL_BLOCK_TAILS = (b"\x00\x00\xff\xff", b"\x00\x00\x00\xff\xff")


def size_slack(max_message_bytes: int) -> int:
    """Return by how many bytes a message of that size may grow when compressed.

    zlib's own bound for small windows: an eighth, a sixty-fourth and some constants.
    """
    return max_message_bytes // 8 + max_message_bytes // 64 + 64


class LazyDeflate(PerMessageDeflate):
    """The extension, with each zlib context made when a frame first needs it.

    An idle connection would otherwise hold some 40 KiB of them.
    """

    def __init__(self, negotiated: PerMessageDeflate, max_message_bytes: int) -> None:
        # The parent's constructor would make both contexts at once, so its fields
        # are taken over from the instance that the negotiation made.
        self.remote_no_context_takeover: bool = negotiated.remote_no_context_takeover
        self.local_no_context_takeover: bool = negotiated.local_no_context_takeover
        self.remote_max_window_bits: int = negotiated.remote_max_window_bits
        self.local_max_window_bits: int = negotiated.local_max_window_bits
        self.compress_settings: dict[Any, Any] = negotiated.compress_settings
        self.decode_cont_data = False
        self.slack: int = size_slack(max_message_bytes)

    def __getattr__(self, name: str) -> Any:
        if name == "decoder":
            made: Any = zlib.decompressobj(wbits=-self.remote_max_window_bits)
        elif name == "encoder":
            made = zlib.compressobj(wbits=-self.local_max_window_bits, **self.compress_settings)
        else:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        setattr(self, name, made)
        return made

    def decode(self, frame: Frame, *, max_size: int | None = None) -> Frame:
        """Decompress one frame to at most one byte more than the message has room for.

        `max_size` is the room plus `slack`, so that an incompressible message of the
        allowed size passes. The one byte more tells a message that fills the room
        from one that is too big: zlib reports neither by itself.
        """
        if max_size is not None:
            max_size = max_size - self.slack + 1
        decoded = super().decode(frame, max_size=max_size)
        if decoded is not frame:
            self._check_final_block(fin=frame.fin)
        return decoded

    def _check_final_block(self, *, fin: bool) -> None:
        # A decoder that met a final block gives b"" for all that comes later, which
        # would turn every further message into an empty one.
        decoder = self.__dict__.get("decoder")
        if decoder is None or not decoder.eof:
            return
        if not fin or decoder.unused_data not in _FINAL_BLOCK_TAILS:
            raise ProtocolError("compressed data after a final deflate block")
        del self.decoder


class ServerDeflateFactory(ServerPerMessageDeflateFactory):
    """Negotiates `LazyDeflate` for a server."""

    def __init__(self, max_message_bytes: int) -> None:
        super().__init__(
            server_max_window_bits=WINDOW_BITS,
            client_max_window_bits=WINDOW_BITS,
            compress_settings=_COMPRESSION,
        )
        self.max_message_bytes = max_message_bytes

    def process_request_params(
        self, params: Sequence[ExtensionParameter], accepted_extensions: Sequence[Extension]
    ) -> tuple[list[ExtensionParameter], PerMessageDeflate]:
        """Answer one offer (RFC 7692 section 5)."""
        answer, negotiated = super().process_request_params(params, accepted_extensions)
        return answer, LazyDeflate(negotiated, self.max_message_bytes)


class ClientDeflateFactory(ClientPerMessageDeflateFactory):
    """Negotiates `LazyDeflate` for a client."""

    def __init__(self, max_message_bytes: int) -> None:
        super().__init__(compress_settings=_COMPRESSION)
        self.max_message_bytes = max_message_bytes

    def process_response_params(
        self, params: Sequence[ExtensionParameter], accepted_extensions: Sequence[Extension]
    ) -> PerMessageDeflate:
        """Take the server's answer (RFC 7692 section 5)."""
        negotiated = super().process_response_params(params, accepted_extensions)
        return LazyDeflate(negotiated, self.max_message_bytes)
