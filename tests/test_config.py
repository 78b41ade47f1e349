"""Settings as values: there and back, strict about what they do not know, and with a fingerprint."""

import hashlib
import json
import math
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from classicvision.classify.named_recipes import RECIPES
from classicvision.classify.recipe import Recipe
from classicvision.config import canonical_json, fingerprint, from_dict, override, require, to_dict, validate
from classicvision.errors import SettingsError


@dataclass(frozen=True)
class Blur:
    kind: ClassVar[str] = "blur"
    version: ClassVar[int] = 1
    sigma: float = 1.6
    border: Literal["reflect", "zero"] = "reflect"

    def __post_init__(self):
        if self.sigma <= 0:
            raise SettingsError(f"sigma is {self.sigma}; give a value above 0")


@dataclass(frozen=True)
class Median:
    kind: ClassVar[str] = "median"
    size: int = 3


@dataclass(frozen=True)
class Pipeline:
    filter: Blur | Median = field(default_factory=Blur)
    levels: tuple[int, ...] = (1, 2)
    corner: tuple[int, float] = (0, 0.5)
    limit: int | None = None
    name: str = "plain"
    exact: bool = False
    bound: int | str = 1
    more: tuple[Blur, ...] = ()


@dataclass(frozen=True)
class Needy:
    size: int
    name: str


positive = st.floats(1e-6, 1e6)
blurs = st.builds(Blur, sigma=positive, border=st.sampled_from(["reflect", "zero"]))
medians = st.builds(Median, size=st.integers(-(2**63), 2**63 - 1))
text = st.text(st.characters(codec="utf-8"))
pipelines = st.builds(
    Pipeline,
    filter=blurs | medians,
    levels=st.lists(st.integers(0, 9), max_size=4).map(tuple),
    corner=st.tuples(st.integers(0, 9), positive),
    limit=st.none() | st.integers(0, 9),
    name=text,
    exact=st.booleans(),
    bound=st.integers(0, 9) | text,
    more=st.lists(blurs, max_size=2).map(tuple),
)


@given(pipelines)
def test_settings_round_trip_through_plain_values(settings):
    assert from_dict(Pipeline, to_dict(settings)) == settings


@given(pipelines)
def test_settings_round_trip_through_json(settings):
    assert from_dict(Pipeline, json.loads(canonical_json(to_dict(settings)))) == settings


@given(pipelines)
def test_settings_round_trip_through_toml(settings):
    assert from_dict(Pipeline, tomllib.loads(tomli_w.dumps(to_dict(settings)))) == settings


@given(pipelines)
def test_a_round_trip_keeps_the_fingerprint(settings):
    assert fingerprint(from_dict(Pipeline, to_dict(settings))) == fingerprint(settings)


@given(pipelines, pipelines)
def test_fingerprints_are_equal_exactly_when_settings_are(one, other):
    assert (fingerprint(one) == fingerprint(other)) == (one == other)


@pytest.mark.parametrize("name", RECIPES)
def test_every_named_recipe_round_trips(name):
    assert from_dict(Recipe, to_dict(RECIPES[name])) == RECIPES[name]


def test_plain_values_are_the_fields_that_are_not_none_and_the_kind():
    assert to_dict(Pipeline(filter=Blur(2.0), more=(Blur(),))) == {
        "filter": {"kind": "blur", "sigma": 2.0, "border": "reflect"},
        "levels": [1, 2],
        "corner": [0, 0.5],
        "name": "plain",
        "exact": False,
        "bound": 1,
        "more": [{"kind": "blur", "sigma": 1.6, "border": "reflect"}],
    }


def test_fields_that_are_not_given_take_their_defaults():
    assert from_dict(Pipeline, {}) == Pipeline()
    assert from_dict(Blur, {"kind": "blur"}) == Blur()


@pytest.mark.parametrize("chosen", [Blur(), Median()])
def test_an_instance_of_any_allowed_class_is_kept_as_it_is(chosen):
    pipeline = Pipeline(filter=chosen)
    validate(pipeline)
    assert pipeline.filter is chosen


def test_an_integer_is_accepted_for_a_float():
    assert type(from_dict(Blur, {"sigma": 2}).sigma) is float


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"nam": "x"}, "unknown setting 'nam'; did you mean 'name'?"),
        (
            {"filter": {"kind": "blur", "sigmo": 1.0}},
            "'filter.sigmo'; did you mean 'filter.sigma'? Known here: border, sigma",
        ),
        ({"zzz": 1}, "unknown setting 'zzz'. Known here: bound, corner"),
        ({"filter": {"kind": "sharpen"}}, "filter.kind is 'sharpen'; choose from blur, median"),
        ({"filter": {"kind": ["blur"]}}, "filter.kind is ['blur']; choose from blur, median"),
        ({"filter": {"sigma": 1.0}}, "filter has no kind; choose from blur, median"),
        (
            {"filter": "blur"},
            "filter is 'blur'; expected a table of settings with a kind: choose from blur",
        ),
        ({"filter": {"kind": "blur", "border": "wrap"}}, "filter.border is 'wrap'; choose from 'reflect', 'zero'"),
        ({"filter": {"kind": "blur", "sigma": "2"}}, "filter.sigma is '2'; expected float"),
        ({"filter": {"kind": "blur", "sigma": True}}, "filter.sigma is True; expected float"),
        ({"filter": {"kind": "blur", "sigma": math.nan}}, "filter.sigma is nan; expected a finite number"),
        ({"filter": {"kind": "blur", "sigma": math.inf}}, "filter.sigma is inf; expected a finite number"),
        ({"filter": {"kind": "blur", "sigma": 10**400}}, "filter.sigma is inf; expected a finite number"),
        ({"filter": {"kind": "blur", "sigma": -1.0}}, "sigma is -1.0; give a value above 0"),
        ({"filter": {"kind": "median", "size": 3.0}}, "filter.size is 3.0; expected int"),
        ({"filter": {"kind": "median", "size": True}}, "filter.size is True; expected int"),
        ({"levels": 3}, "levels is 3; expected a list"),
        ({"levels": [1, "2"]}, "levels[1] is '2'; expected int"),
        ({"corner": [1]}, "corner has 1 value(s); expected 2"),
        ({"limit": "many"}, "limit is 'many'; expected int"),
        ({"exact": 1}, "exact is 1; expected bool"),
        ({"bound": 1.5}, "bound is 1.5; expected int or str"),
        ({"more": [{"kind": "median"}]}, "more[0].kind is 'median', expected 'blur'"),
        ({"more": [3]}, "more[0] is 3; expected a table of settings"),
        ([], "Pipeline is []; expected a table of settings"),
    ],
)
def test_an_invalid_setting_is_refused_with_its_path_and_value(data, words):
    with pytest.raises(SettingsError) as caught:
        from_dict(Pipeline, data)
    assert words in str(caught.value)


def test_the_message_begins_with_the_path_in_a_larger_document():
    with pytest.raises(SettingsError, match=r"recipe\.filter\.size is 'big'"):
        from_dict(Pipeline, {"filter": {"kind": "median", "size": "big"}}, where="recipe")


def test_missing_fields_without_a_default_are_listed_together():
    with pytest.raises(SettingsError, match="Needy lacks size, name"):
        from_dict(Needy, {})


def test_true_is_not_the_choice_one():
    @dataclass(frozen=True)
    class Choice:
        order: Literal[1, 2] = 1

    with pytest.raises(SettingsError, match="order is True; choose from 1, 2"):
        from_dict(Choice, {"order": True})


@pytest.mark.parametrize(
    ("assignment", "place", "value"),
    [
        ("filter.sigma=0.5", ("filter", "sigma"), 0.5),
        ("filter.border=zero", ("filter", "border"), "zero"),
        ('filter.border="zero"', ("filter", "border"), "zero"),
        ("levels=[3, 4]", ("levels",), [3, 4]),
        ("exact=true", ("exact",), True),
        ("name=", ("name",), ""),
        ("name=a=b", ("name",), "a=b"),
        (" name = two words ", ("name",), "two words"),
        ("name=1\nlimit = 2", ("name",), "1\nlimit = 2"),
        ("limit=7", ("limit",), 7),  # not in the dictionary, since it is None there
    ],
)
def test_one_value_is_replaced_as_toml_or_as_a_word(assignment, place, value):
    result = override(to_dict(Pipeline()), assignment)
    for key in place:
        result = result[key]
    assert (type(result), result) == (type(value), value)


def test_replacing_a_value_changes_neither_the_given_dictionary_nor_other_values():
    data = to_dict(Pipeline())
    before = canonical_json(data)
    result = override(data, "filter.sigma=9.0")
    assert canonical_json(data) == before
    assert override(result, "filter.sigma=1.6") == data


def test_changing_the_kind_resets_to_its_defaults():
    data = to_dict(Pipeline(filter=Blur(sigma=3.0)))
    result = override(override(data, "filter.kind=median"), "filter.size=7")
    assert from_dict(Pipeline, result).filter == Median(size=7)
    assert override(data, "filter.kind=blur") == data


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("filter.sigma", "not of the form key=value"),
        ("=3", "not of the form key=value"),
        ("filter..sigma=3", "not of the form key=value"),
        ("fliter.sigma=3", "unknown setting 'fliter'; did you mean 'filter'?"),
        ("filter.sigma.unit=3", "filter.sigma is 1.6, which has no 'unit' to set"),
    ],
)
def test_an_invalid_assignment_is_refused(assignment, words):
    with pytest.raises(SettingsError) as caught:
        override(to_dict(Pipeline()), assignment)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"filter": Median()},
        {"filter": Blur(1.7)},
        {"levels": (2, 1)},
        {"corner": (1, 0.5)},
        {"limit": 0},
        {"name": ""},
        {"exact": True},
        {"bound": "1"},
        {"more": (Blur(),)},
    ],
)
def test_any_field_changes_the_fingerprint(change):
    assert fingerprint(replace(Pipeline(), **change)) != fingerprint(Pipeline())


def renamed(name, version=1):
    return type(name, (Blur,), {"version": version, "__module__": __name__})


@pytest.mark.parametrize(
    "place",
    [lambda blur: blur, lambda blur: Pipeline(blur), lambda blur: Pipeline(more=(blur,))],
    ids=["top", "field", "list"],
)
def test_class_and_version_change_the_fingerprint_at_any_depth(place):
    same, newer, other = renamed("Blur"), renamed("Blur", version=2), renamed("Smooth")
    assert fingerprint(place(same())) == fingerprint(place(Blur()))
    assert fingerprint(place(newer())) != fingerprint(place(Blur()))
    assert fingerprint(place(other())) != fingerprint(place(Blur()))


def test_a_fingerprint_is_the_sha256_of_the_sorted_text():
    text = '{"border":"reflect","class":"Blur","kind":"blur","sigma":1.6,"version":1}'
    assert fingerprint(Blur()) == hashlib.sha256(text.encode()).hexdigest()


def test_another_process_finds_the_same_fingerprint():
    code = (
        "from classicvision.config import fingerprint; from classicvision.classify.named_recipes import RECIPES;"
        "print(fingerprint(RECIPES['sift-bovw']))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert found == fingerprint(RECIPES["sift-bovw"])
    assert len(found) == 64


def test_canonical_json_sorts_keys_and_has_no_spaces():
    assert canonical_json({"b": [1, None], "a": "é"}) == '{"a":"\\u00e9","b":[1,null]}'


def test_require_reports_the_name_the_value_and_the_allowed_values():
    require(True, "ratio", 0.5, "at most 1")
    with pytest.raises(SettingsError, match=r"^ratio is 1\.5; it must be at most 1$"):
        require(False, "ratio", 1.5, "at most 1")
