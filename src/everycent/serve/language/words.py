"""The words of the model's language as its declarations give them: how each is written, and what it means."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from enum import Enum, StrEnum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Le
from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

from everycent.base.engine.declaration import Called, Declaration

#: What people call the plain types; the model's own ways of writing are `Called` where they are declared.
_PLAIN: dict[type, str] = {
    str: "text",
    int: "whole number",
    date: "date",
    time: "time of day",
    timedelta: "length of time",
}

#: Stand in a path for a name that the author gives, and for each item of a list.
ANY_NAME, EACH = "NAME", "each"


class Shape(StrEnum):
    """How many there are of what a word holds."""

    ONE = "one"
    LIST = "list"
    NAMED = "named"  # any number, each under a name that the author gives


#: How a declaration is written, whose words its own section has.
WORDS_BELOW = "the words below"


@dataclass(frozen=True)
class Inside:
    """A declaration whose words stand inside a word."""

    declaration: type[Declaration]
    shape: Shape = Shape.ONE

    @property
    def path(self) -> tuple[str, ...]:
        """What leads from the word to them."""
        return {Shape.ONE: (), Shape.LIST: (EACH,), Shape.NAMED: (ANY_NAME,)}[self.shape]


@dataclass(frozen=True)
class Written:
    """How a value is written.

    `label`: in words, of a single value. `values`: all there may be, where they can be listed. `inside`: the
    declarations that it may hold instead.
    """

    label: str
    values: tuple[str, ...] = ()
    inside: tuple[Inside, ...] = ()
    shape: Shape = Shape.ONE

    def times(self, shape: Shape) -> "Written":
        """The same, a list of it or many with names."""
        inside = tuple(Inside(each.declaration, shape) for each in self.inside)
        return Written(self.label, self.values, inside, shape)


@dataclass(frozen=True)
class Word:
    """One word of a declaration. `default` is None where it must be given, empty where nothing stands in for it."""

    name: str
    written: Written
    default: str | None
    meaning: str
    examples: tuple[Any, ...]


@dataclass(frozen=True)
class Section:
    """A declaration at its first place in the model."""

    path: tuple[str, ...]
    declaration: type[Declaration]
    words: tuple[Word, ...]

    @property
    def about(self) -> str:
        """The first paragraph of its docstring, on one line."""
        return " ".join((self.declaration.__doc__ or "").split("\n\n")[0].split())


def sections(root: type[Declaration], top_words: Sequence[str] = ()) -> list[Section]:
    """The root's section, then each declaration's inside it where it is met first, depth first, as declared.

    `top_words` of the root are walked before its others, in their order.
    """
    place = {word: at for at, word in enumerate(top_words)}
    top = _section(root, ())
    seen: set[type[Declaration]] = {root}
    words = sorted(top.words, key=lambda word: place.get(word.name, len(place)))
    return [top, *(found for word in words for found in _inside(word, (), seen))]


def _inside(word: Word, path: tuple[str, ...], seen: set[type[Declaration]]) -> Iterator[Section]:
    for child in word.written.inside:
        if child.declaration not in seen:
            seen.add(child.declaration)
            section = _section(child.declaration, (*path, word.name, *child.path))
            yield section
            for own in section.words:
                yield from _inside(own, section.path, seen)


def _section(declaration: type[Declaration], path: tuple[str, ...]) -> Section:
    return Section(path, declaration, tuple(_word(name, field) for name, field in declaration.model_fields.items()))


def reader(field: FieldInfo) -> TypeAdapter[Any]:
    """What reads this word's value, with all that its declaration says of it."""
    return TypeAdapter(_whole(field))


def _whole(field: FieldInfo) -> Any:
    whole: Any = field.annotation
    for extra in field.metadata:
        whole = Annotated[whole, extra]
    return whole


def _word(name: str, field: FieldInfo) -> Word:
    return Word(
        name=field.alias or name,
        written=_written(_whole(field)),
        default=None if field.is_required() else _as_written(field.get_default(call_default_factory=True)),
        meaning=field.description or "",
        examples=tuple(field.examples or ()),
    )


def _written(kind: Any, extras: tuple[Any, ...] = ()) -> Written:
    origin, inside = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _written(inside[0], (*inside[1:], *extras))
    called = next((extra.label for extra in extras if isinstance(extra, Called)), None)
    if called is not None:
        return Written(called)
    if origin in (Union, UnionType):
        return _either([_written(each) for each in inside if each is not NoneType])
    if origin is dict:
        return _written(inside[1]).times(Shape.NAMED)
    if origin is tuple:
        return _several(inside)
    if origin is Literal:
        return Written("", tuple(map(str, inside)))
    return _single(kind, extras)


def _single(kind: Any, extras: tuple[Any, ...]) -> Written:
    if kind is bool:
        return Written("", ("yes", "no"))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return Written("", tuple(str(member.value) for member in kind))
    if isinstance(kind, type) and issubclass(kind, Declaration):
        return Written(WORDS_BELOW, inside=(Inside(kind),))
    least = [f"at least {extra.ge}" for extra in extras if isinstance(extra, Ge)]
    most = [f"at most {extra.le}" for extra in extras if isinstance(extra, Le)]
    return Written(", ".join([_PLAIN.get(kind, "value"), *least, *most]))


def _several(inside: tuple[Any, ...]) -> Written:
    if inside[1:] == (...,):
        return _written(inside[0]).times(Shape.LIST)
    return Written("[" + ", ".join(_written(each).label for each in inside) + "]")


def _either(ways: list[Written]) -> Written:
    if len(ways) == 1:
        return ways[0]
    labels = dict.fromkeys(way.label for way in ways if way.label)
    values = tuple(value for way in ways for value in way.values)
    return Written(" or ".join(labels), values, tuple(child for way in ways for child in way.inside))


def _as_written(value: Any) -> str:
    """A default as an author would write it; empty where there is none."""
    match value:
        case None | () | []:
            return ""
        case dict() if not value:
            return ""
        case bool():
            return "yes" if value else "no"
        case Enum():
            return str(value.value)
        case timedelta():
            return f"{value // timedelta(minutes=1)} minutes"
        case time():
            return f"{value:%H:%M}"
        case tuple() if len(value) == 1:
            return _as_written(value[0])
        case tuple():
            return f"[{', '.join(map(_as_written, value))}]"
    return str(value)
