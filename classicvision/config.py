"""Settings as values: convert frozen dataclasses to and from plain dictionaries, and compute their fingerprints.

A settings class may have two class variables. `kind` names it where a field accepts several classes; `version` is
raised when the same settings begin to give different results, so that old fingerprints no longer match. Fields with
``compare=False``, such as the path of a file whose content is compared, are not part of the fingerprint.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import math
import numbers
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from classicvision.errors import SettingsError

__all__ = ["canonical_json", "changed", "fingerprint", "from_dict", "override", "require", "to_dict", "validate"]

T = TypeVar("T")


def to_dict(settings: Any) -> dict[str, Any]:
    """Convert a settings dataclass to plain values for JSON and TOML.

    Fields that are None are omitted, because TOML has no null; None is their default, so `from_dict` restores them.
    """
    data: dict[str, Any] = {"kind": settings.kind} if hasattr(settings, "kind") else {}
    for field in fields(settings):
        value = getattr(settings, field.name)
        if value is not None:
            data[field.name] = _plain(value)
    return data


def from_dict(cls: type[T], data: Mapping[str, Any], *, where: str = "") -> T:
    """Build a settings dataclass from plain values, strictly.

    Parameters
    ----------
    cls : dataclass type
    data : mapping
        As `to_dict` returns it; missing fields take their defaults.
    where : str
        Dotted path of `data` within a larger document, for messages.

    Raises
    ------
    SettingsError
        For an unknown key, a value of the wrong type, or a value that the class rejects.
    """
    if not isinstance(data, Mapping):
        raise SettingsError(f"{where or cls.__name__} is {data!r}; expected a table of settings")
    hints = typing.get_type_hints(cls)
    names = [field.name for field in fields(cls)]  # type: ignore[arg-type]
    values = {}
    for key, value in data.items():
        if key == "kind" and (kind := getattr(cls, "kind", None)) is not None:
            if value != kind:
                raise SettingsError(f"{_join(where, 'kind')} is {value!r}, expected {kind!r}")
            continue
        if key not in names:
            raise SettingsError(_unknown(key, names, where))
        values[key] = _typed(hints[key], value, _join(where, key))
    missing = [field.name for field in fields(cls) if field.name not in values and _is_required(field)]  # type: ignore[arg-type]
    if missing:
        raise SettingsError(f"{where or cls.__name__} lacks {', '.join(missing)}; add the missing values")
    return cls(**values)


def override(data: Mapping[str, Any], assignment: str) -> dict[str, Any]:
    """Return a copy of a settings dictionary with one value replaced.

    Parameters
    ----------
    data : mapping
        As `to_dict` returns it.
    assignment : str
        ``dotted.key=value`` with the value as in TOML; an unquoted word is taken as a string. A number in the key is a
        list index from 0: ``encoder.parts.1.n_words=300``. Changing a kind, as in ``encoder.kind=vlad``, resets all
        other values of its table to the defaults of the new kind.

    Examples
    --------
    >>> override({"extractor": {"contrast": 0.04}}, "extractor.contrast=0.03")
    {'extractor': {'contrast': 0.03}}
    """
    key, equals, text = assignment.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise SettingsError(f"{assignment!r} is not of the form key=value, e.g. extractor.contrast=0.03")
    result: dict[str, Any] = _replaced(data, parts, _parse_value(text.strip()))
    return result


def validate(settings: Any) -> None:
    """Check the types of a settings dataclass's fields; call it from ``__post_init__``.

    NumPy integers become int, and an int in a float field becomes float.

    Raises
    ------
    SettingsError
        For a value of the wrong type.
    """
    hints = typing.get_type_hints(type(settings))
    for field in fields(settings):
        hint, value = hints[field.name], getattr(settings, field.name)
        object.__setattr__(settings, field.name, _typed(hint, value, field.name))


def require(fact: bool, name: str, value: object, allowed: str) -> None:
    """Raise a SettingsError with a setting's name, value and allowed values, unless `fact` is true."""
    if not fact:
        raise SettingsError(f"{name} is {value!r}; it must be {allowed}")


def changed(settings: T, assignments: Iterable[str]) -> T:
    """Return a copy of settings with assignments such as ``n_words=300`` applied in order; see `override`."""
    data = to_dict(settings)
    for assignment in assignments:
        data = override(data, assignment)
    return from_dict(type(settings), data)


def fingerprint(settings: Any) -> str:
    """Return a SHA-256 of settings, 64 hexadecimal digits, that changes with their values, class or class version."""
    return hashlib.sha256(canonical_json(_with_versions(settings)).encode()).hexdigest()


def canonical_json(data: Any) -> str:
    """Serialise plain data as canonical JSON: sorted keys, no spaces, no NaN."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def _with_versions(value: Any) -> Any:
    """Convert a value to plain data, adding the class and version of every dataclass in it."""
    if isinstance(value, tuple | list):
        return [_with_versions(item) for item in value]
    if not is_dataclass(value):
        return value
    kept = {field.name: getattr(value, field.name) for field in fields(value) if field.compare}
    known = {name: _with_versions(item) for name, item in kept.items() if item is not None}
    kind = {"kind": value.kind} if hasattr(value, "kind") else {}
    return kind | known | {"class": type(value).__name__, "version": getattr(value, "version", 1)}


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return to_dict(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def _is_required(field: Any) -> bool:
    return field.default is field.default_factory  # both MISSING


def _replaced(table: Any, parts: list[str], value: Any, where: str = "") -> Any:
    """Return a copy of nested tables and lists with the value at a dotted path replaced."""
    part, *rest = parts
    is_list = isinstance(table, list)
    known = dict(zip(map(str, range(len(table))), table, strict=True)) if is_list else table
    is_there = isinstance(known.get(part), Mapping | list) if rest else part in known or not is_list
    if not is_there:
        if part in known:
            raise SettingsError(f"{_join(where, part)} is {known[part]!r}, which has no {rest[0]!r} to set")
        raise SettingsError(_unknown(part, list(known), where))
    if part == "kind" and not rest and known.get(part, value) != value:
        return {part: value}
    changed = {**known, part: _replaced(known[part], rest, value, _join(where, part)) if rest else value}
    return list(changed.values()) if is_list else changed


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _unknown(key: str, known: list[str], where: str) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    hint = f"; did you mean {_join(where, close[0])!r}?" if close else ""
    return f"unknown setting {_join(where, key)!r}{hint or '.'} Known here: {', '.join(sorted(known)) or 'none'}"


def _parse_value(text: str) -> Any:
    try:
        document = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    except RecursionError as error:
        raise SettingsError(f"{text[:40]}... is nested too deeply for a setting") from error
    return document["value"] if len(document) == 1 else text  # a line break in the text would start another setting


def _typed(hint: Any, value: Any, where: str) -> Any:
    """Check a plain value against a type hint and return it as that type."""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return _one_of(get_args(hint), value, where)
    if origin is Literal:
        if (type(value), value) not in [(type(choice), choice) for choice in get_args(hint)]:  # True equals 1
            raise SettingsError(f"{where} is {value!r}; choose from {', '.join(map(repr, get_args(hint)))}")
        return value
    if origin is tuple:
        return _tuple_of(get_args(hint), value, where)
    if is_dataclass(hint):
        if isinstance(value, hint):  # type: ignore[arg-type]
            return value  # validated by its constructor
        return from_dict(hint, value, where=where)  # type: ignore[arg-type]
    if hint is float and isinstance(value, numbers.Real) and not isinstance(value, bool):
        return _finite(value, where)
    if hint is int and isinstance(value, numbers.Integral) and not isinstance(value, bool):
        return int(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise SettingsError(f"{where} is {value!r}; expected {hint.__name__}")
    return value


def _finite(value: numbers.Real, where: str) -> float:
    """Convert a number to float; TOML allows inf and nan, which are not valid settings and have no fingerprint."""
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise SettingsError(f"{where} is {number}; expected a finite number")
    return number


def _one_of(options: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in options:
        return None
    options = tuple(option for option in options if option is not type(None))
    if len(options) == 1:
        return _typed(options[0], value, where)
    kinds = {option.kind: option for option in options if hasattr(option, "kind")}
    if isinstance(value, tuple(kinds.values())):
        return value  # validated by its constructor
    if kinds:
        return _typed(kinds[_kind_of(value, sorted(kinds), where)], value, where)
    tables = [option for option in options if is_dataclass(option)]
    if tables and isinstance(value, Mapping):
        return _typed(tables[0], value, where)
    for option in options:
        try:
            return _typed(option, value, where)
        except SettingsError:
            continue
    raise SettingsError(
        f"{where} is {value!r}; expected {' or '.join(getattr(o, '__name__', str(o)) for o in options)}"
    )


def _kind_of(value: Any, kinds: Sequence[str], where: str) -> str:
    """Return the kind of a table of settings, one of `kinds`."""
    choice = f"choose from {', '.join(kinds)}"
    if not isinstance(value, Mapping):
        raise SettingsError(f"{where} is {value!r}; expected a table of settings with a kind: {choice}")
    if "kind" not in value:
        raise SettingsError(f"{where} has no kind; {choice}")
    kind = value["kind"]
    if not isinstance(kind, str) or kind not in kinds:
        raise SettingsError(f"{_join(where, 'kind')} is {kind!r}; {choice}")
    return kind


def _tuple_of(hints: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise SettingsError(f"{where} is {value!r}; expected a list")
    if len(hints) == 2 and hints[1] is Ellipsis:
        hints = (hints[0],) * len(value)
    if len(hints) != len(value):
        raise SettingsError(f"{where} has {len(value)} value(s); expected {len(hints)}")
    return tuple(_typed(hint, item, f"{where}[{i}]") for i, (hint, item) in enumerate(zip(hints, value, strict=True)))
