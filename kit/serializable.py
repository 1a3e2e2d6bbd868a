"""Typed messages that cross the wire, as MessagePack or JSON."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final, TypeVar, dataclass_transform

import msgspec

from kit.errors import ConfigurationError, SerializableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

MEDIA_TYPE: Final = "application/vnd.msgpack"
TAG_FIELD: Final = "$type"
"""Where the type's name stands; it is no identifier, so no field has it."""

S = TypeVar("S", bound="Serializable")

_CLIP: Final = 200
_RESERVED: Final = frozenset({"dumpb", "loadb", "dumps", "loads"})
_REFUSED_OPTIONS: Final = {
    "tag": "give the stable name as name=",
    "tag_field": f"it is always {TAG_FIELD!r}",
    "array_like": "messages are maps, so that fields can be added later",
}
_CODING_ERRORS: Final = (
    msgspec.MsgspecError,
    ValueError,
    TypeError,
    OverflowError,
    RecursionError,
)

_types: dict[str, type[Serializable]] = {}
_types_lock = threading.Lock()


# Told again, so that type checkers let subclasses be frozen: only a class that
# names the decorated metaclass itself is neither frozen nor the opposite.
@dataclass_transform(field_specifiers=(msgspec.field,))
class SerializableMeta(msgspec.StructMeta):
    """Registers each subclass of `Serializable` under its stable name."""

    def __new__(  # noqa: PYI034 - `Self` has no meaning in a metaclass
        cls,
        clsname: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        /,
        *,
        name: str | None = None,
        **options: Any,
    ) -> SerializableMeta:
        """Make the class and register it; see `Serializable`."""
        if not any(isinstance(base, SerializableMeta) for base in bases):
            return super().__new__(cls, clsname, bases, namespace, **options)
        origin = f"{namespace['__module__']}.{namespace['__qualname__']}"
        tag = origin if name is None else name
        _check_options(origin, tag, options)
        made = super().__new__(
            cls, clsname, bases, namespace, tag=tag, tag_field=TAG_FIELD, **options
        )
        _check_fields(origin, made)
        _register(tag, made)
        return made


class Serializable(msgspec.Struct, metaclass=SerializableMeta):
    """Base class of typed messages; subclasses declare their fields.

    Fields are annotated as in a dataclass, defaults included, with the types
    that msgspec knows: the built-in ones, `datetime`, enums, containers,
    unions, and other `Serializable` classes. A field that may hold one of
    several message types is annotated with their union.

    A message carries its type's name under `$type`: `module.qualname`, or
    what the class says, which keeps old messages readable when it moves::

        class Position(Serializable, name="shop.Position"):
            x: int
            y: int = 0

    A class defined again in the same place (a reload) replaces the old one.
    Options of `msgspec.Struct` (`frozen`, `kw_only`, `omit_defaults`,
    `forbid_unknown_fields`, ...) may be given, all but `tag`, `tag_field` and
    `array_like`. Fields that the class does not know are skipped when loading
    unless it forbids them. Types are checked when loading, not when dumping.

    Raises:
        ConfigurationError: when the class is defined: its name is taken by
            another class, or an option or field cannot work.
    """

    def dumpb(self) -> bytes:
        """Give the message as MessagePack.

        Raises:
            SerializableError: a field holds what MessagePack cannot carry.
        """
        try:
            return _encode_msgpack(self)
        except _CODING_ERRORS as exc:
            raise _explain_dump(self, exc) from exc

    def dumps(self) -> str:
        """Give the message as JSON; bytes are in base64, times in ISO 8601.

        Raises:
            SerializableError: a field holds what JSON cannot carry.
        """
        try:
            return _encode_json(self).decode()
        except _CODING_ERRORS as exc:
            raise _explain_dump(self, exc) from exc

    @classmethod
    def loadb(cls, data: bytes | bytearray | memoryview) -> Self:
        """Load a message from MessagePack.

        On `Serializable` itself the type is found by the name in the message.
        On a subclass it must be that class or a subclass of it, and a message
        without a name is taken for that class.

        Raises:
            SerializableError: the bytes are not such a message. Nothing else
                is raised, whatever the bytes.
        """
        return _MSGPACK.load(cls, data)

    @classmethod
    def loads(cls, text: str | bytes | bytearray | memoryview) -> Self:
        """Load a message from JSON; otherwise as `loadb`.

        Raises:
            SerializableError: the text is not such a message.
        """
        return _JSON.load(cls, text)


class _Envelope(msgspec.Struct):
    tag: str = msgspec.field(name=TAG_FIELD)


class _Format:
    """One encoding of messages, with the decoders that it has needed so far."""

    __slots__ = ("_decoder_class", "_decoders", "_envelope", "_inputs", "_name")

    def __init__(
        self, name: str, decoder_class: Callable[..., Any], inputs: tuple[type, ...]
    ) -> None:
        self._name = name
        self._decoder_class = decoder_class
        self._inputs = inputs
        self._envelope: Callable[[Any], _Envelope] = decoder_class(_Envelope).decode
        self._decoders: dict[type, Callable[[Any], Any]] = {Serializable: self._load_any}

    def load(self, cls: type[S], data: object) -> S:
        decode: Callable[[Any], S] = self._decoders.get(cls) or self._make_decoder(cls)
        try:
            return decode(data)
        except SerializableError:
            raise
        except _CODING_ERRORS as exc:
            if not isinstance(data, self._inputs):
                expected = " or ".join(kind.__name__ for kind in self._inputs)
                msg = f"a {self._name} message is {expected}, not {type(data).__name__}"
                raise TypeError(msg) from None
            return self._load_subclass(cls, data, exc)

    def _make_decoder(self, cls: type) -> Callable[[Any], Any]:
        try:
            decode: Callable[[Any], Any] = self._decoder_class(cls).decode
        except (TypeError, NameError, AttributeError) as exc:
            msg = f"message type {cls.__qualname__} cannot be loaded from {self._name}: {exc}"
            raise ConfigurationError(msg) from exc
        self._decoders[cls] = decode
        return decode

    def _load_any(self, data: object) -> Serializable:
        tag = self._envelope(data).tag
        found = _types.get(tag)
        if found is None:
            msg = f"unknown message type {_clip(tag)!r}: no Serializable of that name is defined"
            raise SerializableError(msg)
        return self.load(found, data)

    def _load_subclass(self, cls: type[S], data: object, cause: Exception) -> S:
        """Load what a class's own decoder refused, if it names a subclass."""
        try:
            tag = self._envelope(data).tag
        except _CODING_ERRORS:
            tag = None
        found = None if tag is None else _types.get(tag)
        own = name_of(cls)
        if tag is None or tag == own:
            msg = f"not a valid {self._name} message of type {own}: {_clip(str(cause))}"
            raise SerializableError(msg) from cause
        if found is None or not issubclass(found, cls):
            msg = f"expected a message of type {own}, got one of type {_clip(tag)!r}"
            raise SerializableError(msg) from None
        return self.load(found, data)


def name_of(cls: type[Serializable]) -> str:
    """Give the stable name of a message type."""
    return str(cls.__struct_config__.tag or cls.__qualname__)


def _explain_dump(message: Serializable, exc: Exception) -> SerializableError:
    return SerializableError(f"message of type {name_of(type(message))} does not dump: {exc}")


def _check_options(origin: str, name: object, options: dict[str, Any]) -> None:
    if not isinstance(name, str) or not name:
        msg = f"message type {origin}: name= must be a text that is not empty, not {name!r}"
        raise ConfigurationError(msg)
    for option, advice in _REFUSED_OPTIONS.items():
        if option in options:
            msg = f"message type {origin}: {option}= is not for Serializable; {advice}"
            raise ConfigurationError(msg)


def _check_fields(origin: str, made: Any) -> None:
    for field in made.__struct_fields__:
        if field in _RESERVED:
            msg = f"message type {origin}: a field cannot be called {field!r}, as the method is"
            raise ConfigurationError(msg)


def _register(name: str, made: Any) -> None:
    with _types_lock:
        known = _types.get(name)
        if known is not None and _origin(known) != _origin(made):
            msg = (
                f"message type {_origin(made)}: the name {name!r} is taken by {_origin(known)}; "
                "give one of them another name="
            )
            raise ConfigurationError(msg)
        _types[name] = made


def _origin(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _clip(text: str) -> str:
    """Keep hostile text in messages short."""
    return text if len(text) <= _CLIP else f"{text[:_CLIP]}..."


_encode_msgpack = msgspec.msgpack.Encoder().encode
_encode_json = msgspec.json.Encoder().encode
_MSGPACK = _Format("MessagePack", msgspec.msgpack.Decoder, (bytes, bytearray, memoryview))
_JSON = _Format("JSON", msgspec.json.Decoder, (str, bytes, bytearray, memoryview))
