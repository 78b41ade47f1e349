"""Learning, and the honesty of its estimate."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import StratifiedKFold

from classicvision.archive import arrays as archive_arrays
from classicvision.backbone.onnx import OnnxBackbone
from classicvision.cache import FeatureCache
from classicvision.classify import code_cache, cross_validation, training
from classicvision.classify.folds import split_folds
from classicvision.classify.head import LinearHead
from classicvision.classify.recipe import Recipe, Several, SvmSettings
from classicvision.classify.svm import fit_hyperplanes
from classicvision.classify.training import _choose
from classicvision.encoding.bovw import BovwSettings
from classicvision.encoding.fusion import FusionSettings
from classicvision.encoding.vector import VectorSettings
from classicvision.errors import ClassicVisionError, NotEnoughDataError
from classicvision.features.local import LocalFeatures
from classicvision.features.sift import Sift
from classicvision.items import Items, JointItems

RECIPE = Recipe(
    encoder=BovwSettings(n_words=8, n_samples=2000), classifier=SvmSettings(costs=(1.0, 10.0), folds=3), seed=3
)


def keys_of(n):
    return [f"{i:064x}" for i in range(n)]


def features_around(centre, n, rng):
    """Return n keypoints whose descriptors scatter around one of a class."""
    descriptors = np.clip(centre + rng.integers(-20, 21, (n, 128)), 0, 255).astype(np.uint8)
    return LocalFeatures(rng.random((n, 2)), np.ones(n), np.zeros(n), np.ones(n), descriptors, (10, 10))


def train(items, labels, recipe, **options):
    """Train with the cache that holds the items."""
    return training.train(items, labels, recipe, cache=items.cache, **options)


def make_problem(cache):
    """Return items of two classes, ten images each, and their labels."""
    rng = np.random.default_rng(0)
    centres = rng.integers(0, 256, (2, 128))
    keys, labels = keys_of(20), ["x"] * 10 + ["y"] * 10
    for key, label in zip(keys, labels, strict=True):
        cache.put(key, features_around(centres["xy".index(label)], 12, rng).to_arrays())
    return Items(cache, tuple(keys)), labels


@pytest.fixture
def problem(tmp_path):
    return make_problem(FeatureCache(tmp_path / "items"))


def test_each_fold_has_its_share_of_each_class():
    y = np.array([0] * 10 + [1] * 5)
    folds = split_folds(y, keys_of(15), ["a", "b"], 5, seed=0)
    assert_array_equal(np.bincount(folds[:10]), [2] * 5)
    assert_array_equal(np.bincount(folds[10:]), [1] * 5)


@pytest.mark.parametrize("seed", [0, 7])
def test_folds_are_those_of_sklearn(seed):
    y = np.random.default_rng(seed).permutation(np.repeat([0, 1, 2, 3], [5, 23, 6, 17]))
    folds = split_folds(y, keys_of(len(y)), list("abcd"), 5, seed=seed)
    splitter = StratifiedKFold(5, shuffle=True, random_state=seed)
    for fold, (_, held_out) in enumerate(splitter.split(y, y)):
        assert_array_equal(np.flatnonzero(folds == fold), held_out)


def test_copies_of_an_image_share_a_fold():
    keys = [*keys_of(10), *keys_of(10)]
    folds = split_folds(np.tile([0, 1], 10), keys, ["a", "b"], 5, seed=0)
    assert_array_equal(folds[:10], folds[10:])


def test_copies_with_contradictory_labels_share_a_fold_too():
    y = np.array([0, 0, 0, 1, 1, 1])
    keys = keys_of(6)
    keys[3] = keys[0]
    folds = split_folds(y, keys, ["a", "b"], 2, seed=0)
    assert folds[3] == folds[0]


def test_a_small_class_lowers_the_number_of_folds():
    assert split_folds(np.array([0] * 10 + [1] * 3), keys_of(13), ["a", "b"], 5, seed=0).max() == 2


def test_another_seed_shuffles_otherwise():
    y = np.repeat([0, 1], 20)
    first, again, other = (split_folds(y, keys_of(40), ["a", "b"], 5, seed=s) for s in (0, 0, 1))
    assert_array_equal(first, again)
    assert (first != other).any()


def test_a_class_of_copies_of_one_image_is_too_small():
    keys = [*keys_of(3), "f" * 64, "f" * 64]
    with pytest.raises(NotEnoughDataError, match=r"'b' has 1 different.*2 readable images are copies"):
        split_folds(np.array([0, 0, 0, 1, 1]), keys, ["a", "b"], 5, seed=0)


def test_one_class_is_not_enough():
    with pytest.raises(NotEnoughDataError, match="at least 2"):
        split_folds(np.zeros(4, np.intp), keys_of(4), ["a"], 2, seed=0)


def test_each_fold_is_predicted_with_the_cost_that_was_best_on_the_others():
    y = np.array([0, 0, 1, 1])
    folds = np.array([0, 0, 1, 1])
    predicted = np.array([[0, 0, 0, 0], [1, 1, 1, 1]])  # cost 1 is right on fold 0 alone, cost 10 on fold 1 alone
    found, _ = _choose(predicted, y, folds, Recipe(classifier=SvmSettings(costs=(1.0, 10.0))))
    assert_array_equal(found.predicted, [1, 1, 0, 0])  # for fold 0, fold 1 chose cost 10; and the other way round
    assert_array_equal(found.fold_accuracy, [0, 0])
    assert found.mean_per_class_accuracy == 0


def test_of_equally_good_costs_the_smallest_is_chosen():
    predicted = np.zeros((3, 4), np.intp)
    found, _ = _choose(
        predicted,
        np.array([0, 0, 1, 1]),
        np.array([0, 1, 0, 1]),
        Recipe(classifier=SvmSettings(costs=(10.0, 0.1, 1.0))),
    )
    assert found.cost == 0.1


def test_mean_per_class_accuracy_weighs_classes_alike():
    y = np.array([0, 0, 0, 1])
    found, _ = _choose(
        np.array([[0, 0, 0, 0]]), y, np.array([0, 1, 0, 1]), Recipe(classifier=SvmSettings(costs=(1.0,)))
    )
    assert found.mean_per_class_accuracy == 0.5


def test_of_equally_good_weights_the_first_are_chosen():
    recipe = fusion_recipe(weights=((1, 3), (1, 1)), costs=(10.0, 1.0))
    y, folds = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    found, weighing = _choose(np.zeros((4, 4), np.intp), y, folds, recipe)
    assert (found.weights, found.cost, weighing) == ((0.25, 0.75), 1.0, 0)
    predicted = np.array([[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 1], [0, 0, 0, 0]])
    found, weighing = _choose(predicted, y, folds, recipe)
    assert (found.weights, found.cost, weighing) == ((0.5, 0.5), 10.0, 1)


def fusion_recipe(weights, costs):
    parts = (BovwSettings(n_words=4, n_samples=2000), VectorSettings())
    classifier = SvmSettings(costs=costs, folds=3)
    network = OnnxBackbone("a.onnx", preprocessing="inception", sha256="0" * 64)
    extractor = Several(parts=(Sift(), network))  # never called: the items are made by the tests
    return Recipe(extractor, FusionSettings(parts, weights), classifier, 3)


@pytest.fixture
def joint_problem(problem, tmp_path):
    """Return items of two parts: words that tell the classes apart, and vectors that do not."""
    items, labels = problem
    cache = FeatureCache(tmp_path / "vectors")
    rng = np.random.default_rng(1)
    for key in items.keys:
        cache.put(key, {"vector": rng.normal(size=5).astype(np.float32)})
    return JointItems.of([items, Items(cache, items.keys)]), labels


def test_a_fusion_gives_weight_to_the_part_that_tells_the_classes_apart(joint_problem):
    items, labels = joint_problem
    learned = train(items, labels, fusion_recipe(((0, 1), (1, 0)), (1.0,)))
    assert learned.validation.weights == (1, 0)
    assert learned.validation.mean_per_class_accuracy == 1
    assert not learned.head.weights[:, 4:].any()  # of the vectors
    codes = learned.codebook.encode_all(items)
    assert [learned.head.classes[i] for i in learned.head.predict(codes)] == labels


def test_the_head_of_a_fusion_takes_codes_that_are_not_weighed(joint_problem):
    items, labels = joint_problem
    learned = train(items, labels, fusion_recipe(((1, 3),), (1.0,)))
    codes = learned.codebook.encode_all(items)
    weighed = codes * np.sqrt(np.repeat([0.25, 0.75], [4, 5])).astype(np.float32)
    y = np.array([learned.head.classes.index(label) for label in labels])
    ((weights, bias),) = fit_hyperplanes(weighed, y, [1.0])
    assert_allclose(learned.head.decide(codes)[:, 1], weighed @ weights[0] + bias[0], rtol=1e-5, atol=1e-5)


def test_a_shared_codebook_is_learned_once_from_all_items(problem, monkeypatch):
    items, labels = problem
    seen = []
    learn = BovwSettings.learn

    def spy(settings, chosen, rng):
        seen.append(len(chosen))
        return learn(settings, chosen, rng)

    monkeypatch.setattr(BovwSettings, "learn", spy)
    shared = train(items, labels, RECIPE, share_codebook=True)
    assert seen == [20]
    own = train(items, labels, RECIPE)
    assert seen == [20, 13, 13, 14]
    assert_array_equal(shared.codebook.words, own.codebook.words)
    assert_array_equal(shared.head.weights, own.head.weights)


def test_the_words_of_a_fold_are_learned_without_its_images(problem, monkeypatch):
    items, labels = problem
    seen = []

    def spy(settings, chosen, rng):
        seen.append(set(chosen.keys))
        return learn(settings, chosen, rng)

    learn = BovwSettings.learn
    monkeypatch.setattr(BovwSettings, "learn", spy)
    train(items, labels, RECIPE)
    folds = split_folds(np.repeat([0, 1], 10), items.keys, ["x", "y"], 3, RECIPE.seed)
    for fold, keys in enumerate(seen[:3]):
        assert keys == {key for key, its_fold in zip(items.keys, folds, strict=True) if its_fold != fold}
    assert seen[3] == set(items.keys)


def test_a_head_is_never_fitted_on_the_images_it_is_judged_by(problem, monkeypatch):
    items, labels = problem
    sizes = []
    fit = cross_validation.fit_hyperplanes

    def spy(codes, y, *rest, **options):
        sizes.append(len(y))
        return fit(codes, y, *rest, **options)

    monkeypatch.setattr(cross_validation, "fit_hyperplanes", spy)
    train(items, labels, RECIPE)
    assert max(sizes[:-1]) < len(items)
    assert sizes[-1] == len(items)


def test_no_variant_of_a_held_out_image_is_learned_from(problem, tmp_path, monkeypatch):
    items, labels = problem
    cache = FeatureCache(tmp_path / "variants")
    for row, key in enumerate(items.keys):  # a variant of image i is i keypoints: its code says whose it is
        cache.put(key, features_around(np.full(128, 100), row + 1, np.random.default_rng(row)).to_arrays())
    variants, recipe = Items(cache, items.keys), replace(RECIPE, encoder=replace(RECIPE.encoder, normalization="l1"))
    codes = recipe.encoder.learn(items, np.random.default_rng(recipe.seed)).encode_all([*items, *variants])
    seen = []
    fit = cross_validation.fit_hyperplanes

    def spy(codes, y, *rest, rows=None, **options):
        seen.append((codes[slice(None) if rows is None else rows], y))
        return fit(codes, y, *rest, rows=rows, **options)

    monkeypatch.setattr(cross_validation, "fit_hyperplanes", spy)
    train(items, labels, recipe, share_codebook=True, variants=[variants])
    folds = split_folds(np.repeat([0, 1], 10), items.keys, ["x", "y"], 3, recipe.seed)
    for fold, (learned, y) in enumerate(seen[:3]):
        rows = np.flatnonzero(folds != fold)
        assert_array_equal(learned, codes[np.r_[rows, 20 + rows]])
        assert_array_equal(y, np.tile(rows // 10, 2))


def test_two_clear_classes_are_learned(problem):
    learned = train(*problem, RECIPE)
    assert learned.validation.mean_per_class_accuracy == 1.0
    assert learned.head.classes == ("x", "y")


def test_random_labels_are_no_better_than_chance(problem):
    items, labels = problem
    shuffled = np.random.default_rng(1).permutation(labels).tolist()
    assert train(items, shuffled, RECIPE).validation.mean_per_class_accuracy < 0.75


def test_workers_and_what_the_store_knows_change_no_bit(tmp_path):
    in_turn, workers = (make_problem(FeatureCache(tmp_path / name)) for name in ("in turn", "workers"))
    plain = train(*in_turn, RECIPE)
    for other in (train(*workers, RECIPE, n_jobs=2), train(*in_turn, RECIPE)):
        assert_array_equal(other.head.weights, plain.head.weights)
        assert_array_equal(other.codebook.words, plain.codebook.words)
        assert_array_equal(other.validation.predicted, plain.validation.predicted)


def test_hyperplanes_are_the_same_in_threads_and_one_after_the_other():
    rng = np.random.default_rng(0)
    codes, y = rng.random((120, 300), np.float32), np.arange(120) % 4
    tasks = [(codes, y, (cost,)) for cost in (1.0, 10.0, 100.0)] * 2
    with ThreadPoolExecutor(2) as pool:
        threads = list(pool.map(lambda task: fit_hyperplanes(*task), tasks))
    for (planes,), task in zip(threads, tasks, strict=True):
        assert_array_equal(planes.weights, fit_hyperplanes(*task)[0].weights)


@pytest.mark.parametrize("is_wide", [False, True])
def test_wide_codes_of_folds_are_not_held_side_by_side(tmp_path, monkeypatch, is_wide):
    in_turn, workers = (make_problem(FeatureCache(tmp_path / name)) for name in ("in turn", "workers"))
    expected = train(*in_turn, RECIPE).validation.predicted
    n_jobs_here, encode = [], cross_validation.encode_in_workers  # of this process: workers know nothing of the list

    def spy(codebook, items, n_jobs, **options):
        n_jobs_here.append(n_jobs)
        return encode(codebook, items, n_jobs, **options)

    monkeypatch.setattr(cross_validation, "encode_in_workers", spy)
    of_two_folds = 2 * 4 * RECIPE.encoder.n_outputs * 20
    monkeypatch.setattr(training, "MAX_CODE_BYTES", of_two_folds - is_wide)
    assert_array_equal(train(*workers, RECIPE, n_jobs=2).validation.predicted, expected)
    assert n_jobs_here == ([2, 2, 2, 2] if is_wide else [])


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_too_few_descriptors_are_the_same_error_from_a_worker(problem, n_jobs):
    recipe = replace(RECIPE, encoder=replace(RECIPE.encoder, n_words=1000))
    with pytest.raises(NotEnoughDataError, match="are too few for 1000 words"):
        train(*problem, recipe, n_jobs=n_jobs)


def test_a_fold_that_keeps_killing_its_worker_is_an_error_with_the_remedy():
    results = iter([(0, np.zeros((1, 2), np.intp)), (1, None)])
    with pytest.raises(ClassicVisionError, match="Use one job"):
        list(training._alive(results))


def test_what_the_store_knows_is_not_learned_again(problem, monkeypatch):
    first = train(*problem, RECIPE)
    n_fitted = []
    fit = cross_validation.fit_hyperplanes
    monkeypatch.setattr(BovwSettings, "learn", lambda *_: pytest.fail("learned again"))

    def spy(*task, **options):
        n_fitted.append(1)
        return fit(*task, **options)

    monkeypatch.setattr(cross_validation, "fit_hyperplanes", spy)
    assert_array_equal(train(*problem, RECIPE).validation.predicted, first.validation.predicted)
    assert len(n_fitted) == 1  # the head that is kept


def test_wide_codes_are_kept_of_the_last_model_alone(problem, monkeypatch):
    items, labels = problem
    monkeypatch.setattr(cross_validation, "MAX_KEPT_BYTES", 0)
    wide = train(items, labels, RECIPE)
    kept = [arrays for path in items.cache.folder.glob("??/*.block") if "codes" in (arrays := entry(items.cache, path))]
    assert [arrays["codes"].shape for arrays in kept] == [(20, 8)]
    assert_array_equal(kept[0]["codebook/words"], wide.codebook.words)
    again = train(items, labels, RECIPE)
    assert_array_equal(again.head.weights, wide.head.weights)


@pytest.mark.parametrize("share_codebook", [False, True])
def test_codes_wider_than_an_entry_of_the_store_are_learned_once(problem, tmp_path, monkeypatch, share_codebook):
    items, labels = problem
    recipe = replace(RECIPE, encoder=replace(RECIPE.encoder, cells=("1x1", "2x2", "4x4")))
    row = 4 * 8 * (1 + 4 + 16)  # bytes
    plain = train(*make_problem(FeatureCache(tmp_path / "plain")), recipe, share_codebook=share_codebook)
    monkeypatch.setattr(cross_validation, "MAX_KEPT_BYTES", 0)
    monkeypatch.setattr(code_cache, "MAX_BLOCK_BYTES", 7 * row)
    monkeypatch.setattr(archive_arrays, "MAX_BYTES", 20 * row - 1)
    wide = train(items, labels, recipe, share_codebook=share_codebook)
    kept = [found for path in items.cache.folder.glob("??/*.block") if "codes" in (found := entry(items.cache, path))]
    assert sorted(len(found["codes"]) for found in kept) == [6, 7, 7]
    monkeypatch.setattr(BovwSettings, "learn", lambda *_: pytest.fail("learned again"))
    again = train(items, labels, recipe, share_codebook=share_codebook)
    for other in (wide, again):
        assert_array_equal(other.head.weights, plain.head.weights)
        assert_array_equal(other.codebook.words, plain.codebook.words)
        assert_array_equal(other.validation.predicted, plain.validation.predicted)


def entry(cache, path):
    return cache.get(path.parent.name + path.stem)


def test_other_labels_or_another_classifier_are_not_answered_from_the_store(problem, tmp_path):
    items, labels = problem
    train(items, labels, RECIPE)
    swapped = ["y", *labels[1:10], "x", *labels[11:]]
    other = replace(RECIPE, classifier=replace(RECIPE.classifier, costs=(0.001,)))
    for n, (question_labels, recipe) in enumerate([(swapped, RECIPE), (labels, other)]):
        fresh_items, _ = make_problem(FeatureCache(tmp_path / f"fresh {n}"))
        fresh = train(fresh_items, question_labels, recipe)
        found = train(items, question_labels, recipe)
        assert_array_equal(found.validation.predicted, fresh.validation.predicted)
        assert found.validation.cost == fresh.validation.cost
    assert train(items, swapped, RECIPE).validation.mean_per_class_accuracy < 1


@pytest.mark.parametrize(
    "other", [replace(RECIPE, seed=4), replace(RECIPE, encoder=replace(RECIPE.encoder, n_words=9))]
)
def test_another_seed_or_setting_is_not_answered_from_the_store(problem, other):
    first, second = train(*problem, RECIPE), train(*problem, other)
    assert (
        first.codebook.words.shape != second.codebook.words.shape
        or (first.codebook.words != second.codebook.words).any()
    )


def test_other_images_are_not_answered_from_the_store(problem):
    items, labels = problem
    first = train(items, labels, RECIPE)
    rows = np.r_[0:9, 10:19]
    other = train(items[rows], [labels[row] for row in rows], RECIPE)
    assert (first.codebook.words != other.codebook.words).any()


def test_progress_counts_the_folds_and_the_last_model(problem):
    reported = []
    train(*problem, RECIPE, progress=lambda done, total: reported.append((done, total)))
    assert reported == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_balanced_classes_help_the_rare_one():
    rng = np.random.default_rng(0)
    codes = np.r_[rng.normal(0, 1, (90, 2)), rng.normal(1, 1, (10, 2))].astype(np.float32)
    y = np.repeat([0, 1], [90, 10])
    recall = {}
    for balanced in (False, True):
        (planes,) = fit_hyperplanes(codes, y, [1.0], balanced=balanced)
        head = LinearHead(("a", "b"), *planes, 1.0)
        recall[balanced] = (head.predict(codes)[y == 1] == 1).mean()
    assert recall[True] > recall[False] + 0.3
