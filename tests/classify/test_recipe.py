"""Recipes, by name and as TOML."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from classicvision import config
from classicvision._native import native_available
from classicvision.backbone.onnx import OnnxBackbone
from classicvision.classify.named_recipes import RECIPES, load_recipe, recipe_to_toml, short_name, short_names
from classicvision.classify.recipe import Recipe, Several, SvmSettings
from classicvision.encoding.bovw import BovwSettings
from classicvision.encoding.fisher import FisherSettings
from classicvision.encoding.fusion import FusionSettings
from classicvision.encoding.vector import VectorSettings
from classicvision.encoding.vlad import VladSettings
from classicvision.errors import SettingsError
from classicvision.features.dense import DenseSift
from classicvision.features.local import LocalFeatures
from classicvision.features.sift import Sift

MEASURED = {
    "sift-bovw": "79d40980a2e7",
    "sift-bovw-chi2": "5895b20768d4",
    "sift-bovw-soft": "e1981c93ed57",
    "dense-bovw": "a16887562177",
    "dense-bovw-spm": "780a97b8493d",
    "llc": "95c337a2a044",
    "vlad": "699c5b038b43",
    "fisher": "3a737a533b41",
    "fisher-best": "d4f218c0c305",
}
"""SHA-256 of the recipes' settings, without the engines. If one differs, the accuracies in the docs belong to another
recipe: measure them again, and update the digest."""

NETWORK = OnnxBackbone("a.onnx", preprocessing="inception", sha256="0" * 64)


@pytest.mark.parametrize("name", RECIPES)
def test_named_recipes_name_an_engine_that_is_here(name):
    extractor = RECIPES[name].extractor
    assert extractor.runnable() == extractor


def settings_digest(values):
    def without_engines(value):
        if isinstance(value, dict):
            return {key: without_engines(item) for key, item in value.items() if key != "engine"}
        return [without_engines(item) for item in value] if isinstance(value, list) else value

    return hashlib.sha256(config.canonical_json(without_engines(values)).encode()).hexdigest()[:12]


@pytest.mark.skipif(not native_available(), reason="without compiled kernels sift-bovw has another precision")
def test_the_named_recipes_are_those_whose_accuracy_was_measured():
    assert {name: settings_digest(config.to_dict(recipe)) for name, recipe in RECIPES.items()} == MEASURED


@pytest.mark.parametrize(("kind", "digest"), [("cnn", "015c265d2e1b"), ("fusion", "79f036863ca4")])
def test_the_recipes_of_a_network_have_the_encoder_and_classifier_that_were_measured(kind, digest, make_network):
    recipe = load_recipe(f"{kind}:{make_network(preprocessing='imagenet')}")
    assert settings_digest([config.to_dict(recipe.encoder), config.to_dict(recipe.classifier)]) == digest


@pytest.mark.parametrize("name", RECIPES)
def test_every_named_recipe_comes_back_from_toml(name, tmp_path):
    file = tmp_path / "recipe.toml"
    file.write_text(recipe_to_toml(RECIPES[name]), "utf-8")
    assert load_recipe(str(file)) == RECIPES[name]


def test_a_value_is_replaced_where_its_dotted_name_says():
    recipe = load_recipe("sift-bovw", ["extractor.contrast=0.03", "encoder.n_words=50"])
    assert (recipe.extractor.contrast, recipe.encoder.n_words) == (0.03, 50)


def test_the_last_of_two_replacements_counts():
    assert load_recipe("sift-bovw", ["encoder.n_words=50", "encoder.n_words=60"]).encoder.n_words == 60


def test_a_seed_replaces_that_of_the_recipe():
    assert load_recipe("sift-bovw", seed=7).seed == 7
    assert load_recipe("sift-bovw").seed == 0


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("extractor.contrst=0.03", "did you mean 'extractor.contrast'"),
        ("extractor.contrast=high", "extractor.contrast is 'high'; expected float"),
        ("extractor.kind=surf", "'surf'"),
        ("classifier.folds=1", "folds is 1"),
        ("classifier.costs=[]", "costs"),
        ("classifier.costs=[0.0]", "costs"),
        ("classifier.costs=[1.0, 1e9]", "costs"),  # no search in float32 ends well there
        ("classifier.costs=[1e-9]", "costs"),
        ("seed=-1", "seed is -1"),
        ("encoder.n_words", "key=value"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value(assignment, words):
    with pytest.raises(SettingsError, match=words.replace("[", r"\[")):
        load_recipe("sift-bovw", [assignment])


@pytest.mark.parametrize(
    ("extractor", "encoder"),
    [(Sift(), VectorSettings()), (DenseSift(), VectorSettings()), (NETWORK, BovwSettings()), (NETWORK, VladSettings())],
)
def test_an_encoder_that_cannot_take_what_the_extractor_makes_is_refused(extractor, encoder):
    words = f"'{extractor.kind}' and an encoder of kind '{encoder.kind}' do not fit"
    with pytest.raises(SettingsError, match=words):
        Recipe(extractor, encoder)
    with pytest.raises(SettingsError, match=words):
        Recipe(Several((Sift(), extractor)), FusionSettings((BovwSettings(), encoder)))


def test_a_part_of_a_fusion_is_set_by_its_number():
    fusion = Recipe(Several((Sift(), DenseSift())), FusionSettings((BovwSettings(), FisherSettings())))
    changed = config.changed(fusion, ["encoder.parts.1.n_components=8", "extractor.parts.0.contrast=0.03"])
    assert changed.encoder.parts == (BovwSettings(), FisherSettings(n_components=8))
    assert changed.extractor.parts == (Sift(contrast=0.03), DenseSift())
    with pytest.raises(SettingsError, match=r"'encoder\.parts\.2'.*0, 1"):
        config.changed(fusion, ["encoder.parts.2.n_components=8"])


def test_the_most_accurate_recipe_has_the_documented_length_and_sees_no_left_and_right_in_its_fisher_vectors(checkout):
    rng = np.random.default_rng(0)

    def image():
        raw = rng.integers(0, 256, (900, 128)).astype(np.uint8)
        return LocalFeatures(rng.uniform(0, 99, (900, 2)), *np.ones((3, 900)), raw, (100, 100))

    items = [image(), image()]
    encoder = load_recipe("fisher-best").encoder
    codebook = replace(encoder, parts=tuple(map(fewer_samples, encoder.parts))).learn([(x, x, x) for x in items], rng)
    assert f"| {codebook.n_outputs:,} |" in (checkout / "docs" / "recipes.md").read_text("utf-8")
    for part in codebook.parts[:2]:
        assert part.encode(items[0]) @ part.encode(items[0].mirrored()) > 0.999


def fewer_samples(settings):
    return replace(settings, n_samples=1800)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(SettingsError, match=r"'sift-bow'.*sift-bovw"):
        load_recipe("sift-bow")


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"seed = ", "invalid|Invalid"), (b"sed = 1", "unknown setting 'sed'"), (b"\xff\xfe", "UTF-8")],
)
def test_a_broken_file_is_named(content, words, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match=rf"mine\.toml.*({words})"):
        load_recipe(str(file))


@pytest.mark.parametrize(
    ("given", "short"),
    [
        ("llc", "llc"),
        ("a/b/mine.toml", "mine.toml"),
        ("cnn:a/b.c/net.onnx", "cnn:net"),
        ("cnn:a@b/net.v2.onnx@imagenet", "cnn:net.v2"),
        ("fusion:squeezenet1.0-12", "fusion:squeezenet1.0-12"),
    ],
)
def test_a_short_name_has_neither_folders_nor_preprocessing(given, short):
    assert short_name(given) == short


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"nowhere\.toml.*cannot be read"):
        load_recipe(str(tmp_path / "nowhere.toml"))


def test_a_change_of_any_part_changes_the_fingerprint():
    known = {config.fingerprint(Recipe())}
    for assignment in ("extractor.sigma=1.7", "encoder.n_words=999", "classifier.folds=3", "seed=1"):
        known.add(config.fingerprint(load_recipe("sift-bovw", ["extractor.max_side=640", assignment])))
    assert len(known) == 5


def test_costs_of_the_classifier_are_a_tuple_of_floats():
    assert config.from_dict(SvmSettings, {"costs": [1, 10]}).costs == (1.0, 10.0)


def test_recipes_are_called_by_short_names_where_these_differ():
    assert short_names(["llc", "cnn:a/net.onnx@imagenet", "fusion:a/net.onnx"]) == {
        "llc": "llc",
        "cnn:net": "cnn:a/net.onnx@imagenet",
        "fusion:net": "fusion:a/net.onnx",
    }
    assert list(short_names(["cnn:a/net.onnx", "cnn:b/net.onnx", "mine/x.toml"])) == [
        "cnn:a/net.onnx",
        "cnn:b/net.onnx",
        "x.toml",
    ]


def test_a_recipe_that_is_given_again_is_numbered():
    assert short_names(["llc", "a/x.toml", "llc", "a/x.toml", "llc"]) == {
        "llc": "llc",
        "x.toml": "a/x.toml",
        "llc (2)": "llc",
        "x.toml (2)": "a/x.toml",
        "llc (3)": "llc",
    }


@pytest.mark.parametrize("parts", [(Sift(), 5), (Sift(), {"kind": "orb"}), (Sift(),)])
def test_several_extractors_are_two_or_more_that_exist(parts):
    with pytest.raises(SettingsError, match="parts"):
        Several(parts=parts)


def test_one_assignment_without_its_list_is_refused():
    with pytest.raises(SettingsError, match="expected a list of assignments"):
        load_recipe("sift-bovw", "encoder.n_words=50")


def test_a_file_that_is_not_toml_is_named(tmp_path):
    (tmp_path / "mine.toml").write_text("seed = [", "utf-8")
    with pytest.raises(SettingsError, match=r"mine\.toml is not valid TOML"):
        load_recipe(str(tmp_path / "mine.toml"))
