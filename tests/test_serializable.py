from __future__ import annotations

import datetime as dt
import enum
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.errors import ConfigurationError, SerializableError
from kit.serializable import Serializable, name_of


class Colour(enum.Enum):
    Red = "red"
    Blue = "blue"


class Position(Serializable, name="test.Position"):
    x: int
    y: int = 0


class Position3(Position, name="test.Position3"):
    z: int = 0


class Ship(Serializable, name="test.Ship"):
    at: Position
    wake: list[Position] = msgspec.field(default_factory=list)
    target: Position | None = None
    names: dict[str, str] = msgspec.field(default_factory=dict)
    colour: Colour = Colour.Red
    built: dt.datetime | None = None
    blob: bytes = b""
    tags: frozenset[str] = frozenset()


class Node(Serializable, name="test.Node"):
    child: Node | None = None


class Either(Serializable, name="test.Either"):
    one: Position | Node


class Loose(Serializable, name="test.Loose"):
    value: object = None
    keys: dict[object, object] = msgspec.field(default_factory=dict)
    members: set[object] = msgspec.field(default_factory=set)


class Checked(Serializable, name="test.Checked"):
    low: int
    high: int

    def __post_init__(self) -> None:
        if self.low > self.high:
            message = "low must not be above high"
            raise ValueError(message)


class Unnamed(Serializable):
    x: int = 0


SHIP = Ship(
    at=Position(1, 2),
    wake=[Position(0), Position(-5, 2**62)],
    target=Position(9),
    names={"en": "ship", "de": "Schiff\u00e9"},
    colour=Colour.Blue,
    built=dt.datetime(2024, 2, 29, 12, 30, 1, 5, tzinfo=dt.UTC),
    blob=b"\x00\xff",
    tags=frozenset({"a"}),
)


@pytest.mark.parametrize(
    "message",
    [
        Position(1),
        Position3(1, 2, 3),
        SHIP,
        Node(Node(Node())),
        Either(Position(1)),
        Either(Node()),
    ],
)
def test_a_message_survives_both_encodings(message: Serializable) -> None:
    assert Serializable.loadb(message.dumpb()) == message
    assert Serializable.loads(message.dumps()) == message
    assert type(message).loadb(message.dumpb()) == message
    assert type(message).loads(message.dumps()) == message


def test_the_stable_name_goes_first_on_the_wire() -> None:
    assert Position(1).dumps() == '{"$type":"test.Position","x":1,"y":0}'
    assert Position(1).dumpb() == b"\x83\xa5$type\xadtest.Position\xa1x\x01\xa1y\x00"


def test_a_type_is_called_by_module_and_qualname_by_default() -> None:
    assert name_of(Unnamed) == f"{__name__}.Unnamed"
    assert json.loads(Unnamed().dumps())["$type"] == f"{__name__}.Unnamed"


def test_the_name_may_stand_anywhere_in_the_message() -> None:
    assert Serializable.loads('{"x": 1, "$type": "test.Position"}') == Position(1)


def test_messages_compare_by_type_and_fields() -> None:
    assert Position(1) == Position(1, 0)
    assert Position(1) != Position(2)
    assert Position(1) != Position3(1)
    assert repr(Position(1)) == "Position(x=1, y=0)"


def test_a_class_loads_its_subclasses_as_they_are() -> None:
    loaded = Position.loadb(Position3(1, 2, 3).dumpb())
    assert type(loaded) is Position3
    assert loaded == Position3(1, 2, 3)


def test_a_class_takes_a_message_without_a_name_for_its_own() -> None:
    assert Position.loads('{"x": 4}') == Position(4)
    assert Position.loadb(b"\x81\xa1x\x04") == Position(4)


def test_unknown_fields_are_skipped() -> None:
    assert Position.loads('{"x": 1, "later": [1, 2]}') == Position(1)


def test_unknown_fields_are_refused_where_the_class_says_so() -> None:
    class Strict(Serializable, forbid_unknown_fields=True):
        x: int

    with pytest.raises(SerializableError, match="Object contains unknown field `later`"):
        Strict.loads('{"x": 1, "later": 2}')


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_of_any_kind_are_loaded(kind: type) -> None:
    assert Serializable.loadb(kind(Position(1).dumpb())) == Position(1)
    assert Serializable.loads(kind(Position(1).dumps().encode())) == Position(1)


@pytest.mark.parametrize("data", ["text", None, 7, [1]])
def test_what_is_not_bytes_is_a_type_error(data: object) -> None:
    for cls in (Serializable, Position):
        with pytest.raises(TypeError) as caught:
            cls.loadb(data)  # type: ignore[arg-type]
        assert str(caught.value) == (
            f"a MessagePack message is bytes or bytearray or memoryview, not {type(data).__name__}"
        )


@pytest.mark.parametrize(
    ("cls", "text", "error"),
    [
        (
            Serializable,
            '{"$type": "no.Such"}',
            "unknown message type 'no.Such': no Serializable of that name is defined",
        ),
        (
            Serializable,
            '{"x": 1}',
            "not a valid JSON message of type Serializable: Object missing required field `$type`",
        ),
        (
            Serializable,
            '{"$type": "Serializable"}',
            "unknown message type 'Serializable': no Serializable of that name is defined",
        ),
        (
            Serializable,
            '{"$type": 7}',
            (
                "not a valid JSON message of type Serializable: "
                "Expected `str`, got `int` - at `$.$type`"
            ),
        ),
        (
            Position,
            '{"$type": "test.Ship"}',
            "expected a message of type test.Position, got one of type 'test.Ship'",
        ),
        (
            Position3,
            '{"$type": "test.Position", "x": 1}',
            "expected a message of type test.Position3, got one of type 'test.Position'",
        ),
        (
            Position,
            '{"$type": "no.Such"}',
            "expected a message of type test.Position, got one of type 'no.Such'",
        ),
        (
            Serializable,
            '{"$type": "test.Position", "x": "1"}',
            "not a valid JSON message of type test.Position: Expected `int`, got `str` - at `$.x`",
        ),
        (
            Position,
            '{"$type": "test.Position"}',
            "not a valid JSON message of type test.Position: Object missing required field `x`",
        ),
        (
            Ship,
            '{"at": {"x": 1}, "wake": [{"x": 1}, {"x": null}]}',
            (
                "not a valid JSON message of type test.Ship: "
                "Expected `int`, got `null` - at `$.wake[1].x`"
            ),
        ),
        (
            Checked,
            '{"low": 2, "high": 1}',
            "not a valid JSON message of type test.Checked: low must not be above high",
        ),
        (Position, "", "not a valid JSON message of type test.Position: Input data was truncated"),
    ],
)
def test_a_message_that_does_not_load_says_why(
    cls: type[Serializable], text: str, error: str
) -> None:
    with pytest.raises(SerializableError) as caught:
        cls.loads(text)
    assert str(caught.value) == error


def test_a_hostile_name_is_cut_short_in_the_text() -> None:
    with pytest.raises(SerializableError) as caught:
        Serializable.loads(json.dumps({"$type": "x" * 100_000}))
    assert len(str(caught.value)) < 400


DEEP = 200_000
HOSTILE = [
    b"",
    b"\xc1",
    b"\x01",
    b"\xc0",
    b"\x80",
    b"\xa1\xff",
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff",
    b"\xdb\xff\xff\xff\xff",
    b"\x81\xa5$type\xa1\xff",
    b"\x81\xa5$type\xadtest.Position",
    b"\x82\xa5$type\xadtest.Position\xa1x\xcf\xff\xff\xff\xff\xff\xff\xff\xff\x00",
    b"\x82\xa5$type\xadtest.Position\xa1x\xa1x",
    b"\x82\xa5$type\xa4test",
    b"\x81\x91\x01\x02",
    b"\x81\xc7\x00\x01\x02",
    b"\x82\xa5$type\xaatest.Loose\xa5value\xc7\x01\x05\x00",
    b"\x82\xa5$type\xaatest.Loose\xa5value\xd6\xff\xff\xff\xff\xff",
    b"\x82\xa5$type\xaatest.Loose\xa5value\xd7\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x82\xa5$type\xaatest.Loose\xa4keys\x81\x80\x01",
    b"\x82\xa5$type\xaatest.Loose\xa7members\x91\x80",
    b"\x82\xa5$type\xaatest.Loose\xa7members\x91\x90",
    b"\x82\xa5$type\xaatest.Loose\xa5value" + b"\x91" * DEEP,
    b"\x82\xa5$type\xa9test.Node\xa5child" * DEEP,
    b"\x91" * DEEP,
    b"[" * DEEP,
    b'{"$type":"test.Node","child":' * DEEP,
    b'{"$type":"test.Loose","value":' + b"[" * DEEP,
    b'{"$type":"test.Position","x":' + b"1" * 10_000 + b"}",
    b'{"$type":"test.Position","x":1e999}',
    b'{"$type":"test.Loose","value":1e999}',
    b'{"$type":"test.Loose","value":' + b"1" * 10_000 + b"}",
    b'{"$type":"test.Loose","value":NaN}',
    b'{"$type":"test.Loose","value":"\\ud800"}',
    b'{"$type":"test.Loose","value":"\xff"}',
    b'{"$type":"test.Loose","members":[{}]}',
    b'{"$type":"\\ud800"}',
    b'\xef\xbb\xbf{"$type":"test.Node"}',
    b"\xff\xfe{\0}\0",
]


@pytest.mark.parametrize("data", HOSTILE, ids=lambda data: repr(data[:24]))
@pytest.mark.parametrize("cls", [Serializable, Position, Ship, Node, Loose])
def test_hostile_bytes_raise_the_documented_error_only(
    cls: type[Serializable], data: bytes
) -> None:
    refused = 0
    for load in (cls.loadb, cls.loads):
        try:
            load(data)
        except SerializableError:
            refused += 1
    # No sample is a message in both encodings.
    assert refused >= 1


def test_text_with_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(SerializableError, match="surrogates not allowed"):
        Serializable.loads("\ud800")


@settings(max_examples=150)
@given(st.binary(max_size=60))
def test_random_bytes_raise_the_documented_error_only(noise: bytes) -> None:
    for data in (noise, b"\x82\xa5$type\xa9test.Ship\xa2at" + noise, b'{"$type":' + noise):
        for load in (Serializable.loadb, Serializable.loads, Ship.loadb, Loose.loadb):
            try:
                loaded = load(data)
            except SerializableError:
                continue
            assert isinstance(loaded, Serializable)


@settings(max_examples=100)
@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_flipped_byte_raises_the_documented_error_or_loads(at: int, octet: int) -> None:
    good = SHIP.dumpb()
    data = bytearray(good)
    data[at % len(data)] = octet
    try:
        loaded = Serializable.loadb(data)
    except SerializableError:
        return
    assert isinstance(loaded, Serializable)


@settings(max_examples=60)
@given(st.builds(Position, x=st.integers(-(2**63), 2**63 - 1), y=st.integers(-9, 9)))
def test_any_position_survives_both_encodings(message: Position) -> None:
    assert Serializable.loadb(message.dumpb()) == message
    assert Serializable.loads(message.dumps()) == message


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (1j, "Encoding objects of type complex is unsupported"),
        ("\ud800", "surrogates not allowed"),
        (object(), "Encoding objects of type object is unsupported"),
    ],
)
def test_a_message_that_does_not_dump_says_why(value: object, reason: str) -> None:
    for dump in (Loose(value).dumpb, Loose(value).dumps):
        with pytest.raises(SerializableError, match=reason) as caught:
            dump()
        assert str(caught.value).startswith("message of type test.Loose does not dump: ")


def test_a_message_that_holds_itself_does_not_dump() -> None:
    node = Node()
    node.child = node
    for dump in (node.dumpb, node.dumps):
        with pytest.raises(SerializableError, match="maximum recursion depth exceeded"):
            dump()


def test_a_number_beyond_64_bits_does_not_dump_as_messagepack() -> None:
    with pytest.raises(SerializableError, match="does not dump"):
        Position(2**64).dumpb()


class TestDefinition:
    def test_a_name_taken_by_another_class_is_refused(self) -> None:
        class First(Serializable, name="test.taken"):
            x: int

        with pytest.raises(ConfigurationError) as caught:

            class Second(Serializable, name="test.taken"):
                x: int

        here = f"{__name__}.{type(self).__qualname__}.{First.__qualname__.split('.')[1]}.<locals>"
        assert str(caught.value) == (
            f"message type {here}.Second: the name 'test.taken' is taken by {here}.First; "
            "give one of them another name="
        )
        assert Serializable.loads('{"$type": "test.taken", "x": 1}') == First(1)

    def test_a_class_defined_again_in_its_place_replaces_the_old_one(self) -> None:
        def define() -> type[Serializable]:
            class Again(Serializable):
                x: int = 0

            return Again

        old, new = define(), define()
        assert old is not new
        assert type(Serializable.loadb(old().dumpb())) is new

    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({"tag": "x"}, "tag= is not for Serializable; give the stable name as name="),
            ({"tag_field": "t"}, "tag_field= is not for Serializable; it is always '$type'"),
            (
                {"array_like": True},
                (
                    "array_like= is not for Serializable; "
                    "messages are maps, so that fields can be added later"
                ),
            ),
            ({"name": ""}, "name= must be a text that is not empty, not ''"),
            ({"name": 7}, "name= must be a text that is not empty, not 7"),
        ],
    )
    def test_an_option_that_cannot_work_is_refused(
        self, options: dict[str, object], text: str
    ) -> None:
        define: Any = type(Serializable)
        namespace = {"__module__": "m", "__qualname__": "Odd"}
        with pytest.raises(ConfigurationError) as caught:
            define("Odd", (Serializable,), namespace, **options)
        assert str(caught.value) == f"message type m.Odd: {text}"

    def test_a_field_called_like_a_method_is_refused(self) -> None:
        with pytest.raises(ConfigurationError) as caught:

            class Shadow(Serializable):
                dumps: int  # type: ignore[assignment]

        assert str(caught.value).endswith("a field cannot be called 'dumps', as the method is")

    def test_a_field_of_an_unknown_type_is_told_when_loading(self) -> None:
        class Lost(Serializable):
            x: NoSuchType  # type: ignore[name-defined]  # noqa: F821

        with pytest.raises(ConfigurationError) as caught:
            Lost.loads("{}")
        assert str(caught.value) == (
            f"message type {Lost.__qualname__} cannot be loaded from JSON: "
            "name 'NoSuchType' is not defined"
        )

    def test_options_of_a_struct_are_taken(self) -> None:
        class Frozen(Serializable, frozen=True, kw_only=True):
            x: int

        with pytest.raises(AttributeError, match="immutable type: 'Frozen'"):
            Frozen(x=1).x = 2  # type: ignore[misc]
        assert isinstance(Frozen(x=1), msgspec.Struct)
        assert hash(Frozen(x=1)) == hash(Frozen(x=1))
