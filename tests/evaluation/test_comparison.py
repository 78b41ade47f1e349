"""Comparing recipes: no winner without significance or where the tests differ, and the correct one otherwise."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from classicvision.errors import NotEnoughDataError
from classicvision.evaluation.comparison import Split, compare
from classicvision.evaluation.metrics import score

CLASSES = ("cat", "dog", "eel")


def make_splits(n_splits, *, n_images=300, n_test=200, seed=0):
    """Return random splits of images 0, 1, 2 ..., image i of class i mod 3."""
    rng = np.random.default_rng(seed)
    names = [sorted(rng.permutation(n_images)[:n_test].tolist()) for _ in range(n_splits)]
    return [
        Split(tuple(map(str, test)), tuple(CLASSES[i % 3] for i in test), n_train=n_images - n_test) for test in names
    ]


def answers(splits, accuracy, seed):
    """Return predictions of which a share is right; for one image mostly the same in each split."""
    rng = np.random.default_rng(seed)
    ease = dict.fromkeys(image for split in splits for image in split.images)
    ease = {image: rng.random() for image in ease}
    return [
        [t if ease[i] + rng.normal(0, 0.05) < accuracy else "none" for i, t in zip(s.images, s.true, strict=True)]
        for s in splits
    ]


def flipped(predictions, share, seed=0):
    """Return predictions of which a share is replaced by a wrong class."""
    rng = np.random.default_rng(seed)
    return [["none" if rng.random() < share else p for p in found] for found in predictions]


def only(comparison):
    (verdict,) = comparison.verdicts
    return verdict


@pytest.mark.parametrize("n_splits", [1, 5])
def test_one_recipe_under_two_names_shows_no_difference(n_splits):
    splits = make_splits(n_splits)
    found = answers(splits, 0.8, seed=1)
    verdict = only(compare(splits, {"a": found, "b": found}))
    assert verdict.better is None
    assert verdict.p == 1
    assert (verdict.difference.value, verdict.difference.low, verdict.difference.high) == (0, 0, 0)
    assert verdict.sentence.startswith("No difference between a and b is shown: +0.0 points")


@pytest.mark.parametrize("n_splits", [1, 5])
@pytest.mark.parametrize("order", [("good", "bad"), ("bad", "good")])
def test_a_recipe_with_a_twentieth_of_its_answers_spoilt_is_worse(n_splits, order):
    splits = make_splits(n_splits, n_images=900, n_test=600)
    good = answers(splits, 0.9, seed=1)
    both = {"good": good, "bad": flipped(good, 0.05)}
    verdict = only(compare(splits, {name: both[name] for name in order}))
    assert verdict.better == "good"
    assert verdict.sentence.startswith("good is better than bad by ")
    assert verdict.adjusted_p <= 0.05


def test_the_numbers_of_a_sentence_are_those_of_the_winner():
    split = Split(tuple(map(str, range(20))), ("cat",) * 20, n_train=20)
    verdict = only(compare([split], {"a": [["dog"] * 20], "b": [["cat"] * 20]}))
    assert verdict.sentence == (
        "b is better than a by 100.0 points (95 % interval +100.0 to +100.0; per image 20 against 0, p below 0.0001; "
        "one split, so nothing is known about other training images; corrected p below 0.0001)."
    )


def test_two_lucky_splits_do_not_make_a_winner_even_if_the_images_would():
    # Split 1: a has 30 more images right. Split 2: none more. Per image that is 30 against 0.
    images = tuple(map(str, range(100)))
    splits = [Split(images, ("cat",) * 100, 100), Split(tuple(f"x{i}" for i in images), ("cat",) * 100, 100)]
    right, poor = ["cat"] * 100, ["dog"] * 30 + ["cat"] * 70
    verdict = only(compare(splits, {"a": [right, right], "b": [poor, right]}))
    assert verdict.per_image.p < 1e-6
    assert verdict.per_split.p > 0.05
    assert verdict.better is None


def test_images_that_speak_against_the_mean_over_classes_leave_no_winner():
    # 100 cats, of which b has 30 more right; 2 dogs, of which a has 2 more: the mean over classes is for a.
    split = Split(tuple(map(str, range(102))), ("cat",) * 100 + ("dog",) * 2, n_train=10)
    a = ["none"] * 30 + ["cat"] * 70 + ["dog"] * 2
    b = ["cat"] * 100 + ["none"] * 2
    verdict = only(compare([split], {"a": [a], "b": [b]}))
    assert verdict.difference.value == pytest.approx(0.35)
    assert verdict.per_image.p < 1e-6
    assert verdict.better is None


def test_an_image_tested_in_many_splits_has_one_vote():
    splits = [Split(("1", "2"), ("cat", "dog"), n_train=5)] * 10
    verdict = only(compare(splits, {"a": [["cat", "dog"]] * 10, "b": [["dog", "dog"]] * 10}))
    assert (verdict.per_image.n_only_a, verdict.per_image.n_only_b) == (1, 0)
    assert verdict.better is None


def test_three_recipes_are_three_pairs_with_holms_correction():
    splits = make_splits(1, n_images=150, n_test=60)
    found = {
        name: answers(splits, accuracy, seed)
        for seed, (name, accuracy) in enumerate([("a", 0.9), ("b", 0.75), ("c", 0.85)])
    }
    verdicts = compare(splits, found).verdicts
    assert [(v.a, v.b) for v in verdicts] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert all(v.adjusted_p >= v.p for v in verdicts)
    assert min(v.adjusted_p for v in verdicts) == pytest.approx(3 * min(v.p for v in verdicts))


def test_mean_per_class_accuracy_of_one_split_is_that_of_the_scores():
    (split,) = splits = make_splits(1)
    found = answers(splits, 0.8, seed=3)
    accuracy = compare(splits, {"a": found}).accuracies["a"]
    known = (*CLASSES, "none")
    expected = score([known.index(t) for t in split.true], [known.index(p) for p in found[0]], known)
    assert accuracy.mean.value == pytest.approx(expected.mean_per_class_accuracy)
    assert [accuracy.mean.low, accuracy.mean.high] == pytest.approx(expected.mean_per_class_interval, abs=0.004)
    assert accuracy.deviation is None


def test_the_mean_over_splits_by_hand():
    # Split 1: cat 1 of 2, dog 1 of 1: 3/4. Split 2 tests no dog: cat 1 of 1.
    splits = [Split(("1", "2", "3"), ("cat", "cat", "dog"), 4), Split(("1",), ("cat",), 4)]
    accuracy = compare(splits, {"a": [["cat", "dog", "dog"], ["cat"]]}).accuracies["a"]
    assert_array_equal(accuracy.per_split, [0.75, 1])
    assert accuracy.mean.value == 0.875
    assert accuracy.deviation == pytest.approx(0.125 * 2**0.5)


def test_images_that_several_splits_share_do_not_make_the_interval_narrower():
    split = make_splits(1)[0]
    found = answers([split], 0.8, seed=3)
    one, many = (compare([split] * n, {"a": found * n}).accuracies["a"].mean for n in (1, 10))
    assert many.high - many.low == pytest.approx(one.high - one.low, abs=0.002)


def test_one_seed_gives_one_interval():
    splits = make_splits(2)
    found = {"a": answers(splits, 0.8, seed=3)}
    first, same, other = (compare(splits, found, seed=seed).accuracies["a"].mean for seed in (0, 0, 1))
    assert first == same != other


def test_equal_recipes_seldom_have_a_winner():
    # Exact tests keep below their level: 5 % of 200 runs would be 10, with a deviation of 3.
    splits = make_splits(3, n_images=60, n_test=30)
    n_winners = 0
    for seed in range(200):
        # One draw of ease an image and recipe, so that both recipes are equally good on the whole.
        found = {name: answers(splits, 0.7, seed=2 * seed + k) for k, name in enumerate("ab")}
        n_winners += only(compare(splits, found)).better is not None
    assert n_winners <= 16


@pytest.mark.parametrize(
    ("splits", "predictions", "message"),
    [
        ([], {"a": []}, "0 splits and 1 recipes"),
        ([Split(("1",), ("cat",), 1)], {}, "1 splits and 0 recipes"),
        ([Split(("1",), ("cat",), 1)], {"a": [["cat", "dog"]]}, r"'a' has \[2\] predictions"),
        ([Split(("1",), ("cat",), 1), Split(("1",), ("dog",), 1)], {"a": [["cat"]] * 2}, "1 is of class 'cat' in one"),
    ],
)
def test_what_does_not_fit_together_is_refused(splits, predictions, message):
    with pytest.raises(ValueError, match=message):
        compare(splits, predictions)


@pytest.mark.parametrize(
    ("facts", "error"),
    [
        ((("1", "2"), ("cat",), 1), ValueError),
        ((("1", "1"), ("cat", "cat"), 1), ValueError),
        ((("1",), ("cat",), 0), ValueError),
        (((), (), 1), NotEnoughDataError),
    ],
)
def test_a_split_that_cannot_be_is_refused(facts, error):
    with pytest.raises(error):
        Split(*facts)
