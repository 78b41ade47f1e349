"""The search: votes by hand, scores compared with a sparse product, and copies among unrelated images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from classicvision.copies.candidates import Candidates, find_candidates, rarity
from classicvision.copies.search import _least_votes, _orientations, choose_candidates, search_contents, search_index
from classicvision.copies.settings import SearchSettings
from classicvision.errors import SettingsError
from classicvision.features.local import LocalFeatures
from classicvision.index.index import Index
from classicvision.index.writer import IndexWriter

FEW = SearchSettings(n_candidates=5, n_always=2)


def noisy(features, seed, *, turn=0.0, grow=1.0):
    """Return the features of a copy: rotated and resized as a whole, with other noise in the descriptors."""
    rng = np.random.default_rng(seed)
    changed = features.descriptors + rng.normal(0, 3, features.descriptors.shape)
    cos, sin = np.cos(turn) * grow, np.sin(turn) * grow
    return LocalFeatures(
        xy=features.xy @ np.array([[cos, sin], [-sin, cos]]),
        scale=features.scale * grow,
        angle=(features.angle + turn) % (2 * np.pi),
        response=features.response,
        descriptors=np.clip(np.rint(changed), 0, 255).astype(np.uint8),
        image_size=features.image_size,
    )


@pytest.fixture
def filled(index, fill):
    """Return an index of 30 images of 200 keypoints, in two segments."""
    fill(index, list(range(20)), list(range(20, 30)), n=200)
    return index.reopen()


def test_each_keypoint_of_a_copy_votes_for_its_image(filled, make_features):
    found = find_candidates(filled, make_features(200, 3), limit=0)
    weights = rarity(filled, np.inf)
    words = filled.vocabulary.quantize(make_features(200, 3).descriptors).words
    assert found.ids[0] == 3
    assert found.votes[0] == pytest.approx(weights[words].sum(), rel=1e-6)
    assert not found.mirrored[0]


@pytest.mark.parametrize(("turn", "grow"), [(0.0, 1.0), (1.5, 1.0), (4.0, 0.5), (0.3, 3.0)])
def test_a_copy_that_is_rotated_and_resized_comes_first(filled, make_features, turn, grow):
    found = find_candidates(filled, noisy(make_features(200, 25), 1, turn=turn, grow=grow), limit=20)
    assert found.ids[0] == 25
    assert found.votes[0] > 3 * found.votes[1]


def test_a_mirrored_copy_is_found_and_reported_to_be_one(filled, make_features):
    query = noisy(make_features(200, 12).mirrored(), 2, turn=0.7)
    found = find_candidates(filled, query, limit=20)
    assert (found.ids[0], found.mirrored[0]) == (12, True)
    assert find_candidates(filled, query, limit=20, mirrored=False).votes[0] < found.votes[0] / 3


def test_votes_that_disagree_about_the_rotation_do_not_add_up(filled, make_features):
    copy = make_features(200, 3)
    rng = np.random.default_rng(0)
    scattered = LocalFeatures(
        copy.xy, copy.scale, rng.uniform(0, 6.28, 200), copy.response, copy.descriptors, copy.image_size
    )
    agreeing, disagreeing = (find_candidates(filled, query, limit=0).votes[0] for query in (copy, scattered))
    assert disagreeing < agreeing / 3


def test_without_signatures_and_geometry_the_sums_of_votes_are_a_sparse_product(filled, make_features):
    """The oracle of the postings: tf-idf by scipy, when every bit may differ and every keypoint has one frame."""
    index = filled.reopen()
    query = make_features(200, 77)
    query = replace(query, scale=np.ones(200, np.float32), angle=np.zeros(200, np.float32))
    for segment in index.segments:
        segment.postings.__dict__["angles"] = np.zeros(len(segment.postings), np.uint8)
        segment.postings.__dict__["scales"] = np.full(len(segment.postings), 80, np.uint8)
    found = find_candidates(index, query, limit=64, mirrored=False)
    n_words = len(index.vocabulary)
    words = [index.vocabulary.quantize(index.features(n).descriptors).words for n in index.ids.tolist()]
    counts = sparse.csr_array(np.array([np.bincount(w, minlength=n_words) for w in words]))
    weights = rarity(index, np.inf)
    requested = np.bincount(index.vocabulary.quantize(query.descriptors).words, minlength=n_words)
    # A keypoint with n votes for an image counts sqrt(n): n votes of 1 / sqrt(n) each.
    expected = counts.sqrt() @ (requested * weights)
    assert_allclose(found.votes, expected[found.ids], rtol=1e-5)
    assert sorted(found.ids.tolist()) == index.ids.tolist()


def test_a_word_that_many_more_images_have_than_the_mean_word_is_not_searched(filled):
    n_images = filled.n_images_of_words
    stopped = rarity(filled, 1.01) == 0
    assert (stopped == (n_images > 1.01 * n_images.mean())).all()
    assert 0 < stopped.sum() < len(stopped)


def test_a_rarer_word_weighs_more(filled):
    weights = rarity(filled, np.inf)
    rarest, commonest = filled.n_images_of_words.argmin(), filled.n_images_of_words.argmax()
    assert weights[rarest] > weights[commonest] > 0


def test_votes_above_chance_are_enough_however_few():
    found = Candidates(np.arange(4), np.array([3.0, 2.4, 1.0, 0.9]), np.zeros(4, bool), np.zeros(4))
    assert _least_votes(found, SearchSettings(least_votes=5.0, least_ratio=2.5)) == pytest.approx(2.25)


def test_an_image_with_many_copies_needs_no_more_than_enough_votes():
    found = Candidates(np.arange(4), np.full(4, 90.0), np.zeros(4, bool), np.zeros(4))
    assert _least_votes(found, SearchSettings(least_votes=5.0)) == 5.0


def test_a_candidate_is_compared_in_the_orientations_that_it_has_votes_in():
    votes, is_flat, others = np.array([9.0, 9.0, 9.0]), np.array([False, True, True]), np.array([1.0, 1.0, 6.0])
    candidates = Candidates(np.arange(3), votes, is_flat, others)
    assert _orientations(candidates, SearchSettings(least_votes=5.0)) == ["direct", "mirrored", "both"]


def test_votes_of_the_other_orientation_are_kept(filled, make_features):
    found = find_candidates(filled, make_features(200, 3), limit=20)
    upright, flat = (
        find_candidates(filled, q, limit=20, mirrored=False)
        for q in (make_features(200, 3), make_features(200, 3).mirrored())
    )
    assert found.votes[found.ids == 3] == upright.votes[upright.ids == 3]
    assert found.other_votes[found.ids == 3] == flat.votes[flat.ids == 3]


def test_a_removed_image_has_no_vote(filled, make_features):
    with IndexWriter(filled) as writer:
        writer.remove(3)
    found = find_candidates(filled.reopen(), make_features(200, 3), limit=20)
    assert 3 not in found.ids


def test_nothing_is_found_in_an_index_without_images_or_for_no_keypoints(index, filled, make_features):
    assert search_index(index, make_features(200, 1)) == []
    assert search_index(filled, LocalFeatures.empty((9, 9)), FEW) == []
    assert len(find_candidates(filled, LocalFeatures.empty((9, 9)), limit=20)) == 0


def test_a_copy_is_found_with_its_transform_and_other_images_are_not(filled, make_features):
    query = noisy(make_features(200, 25), 1, turn=np.pi / 2)
    for settings in (FEW, SearchSettings()):  # by words, and all compared
        ((number, result),) = search_index(filled, query, settings)
        assert number == 25
        assert result.verdict == "copy"
        assert_allclose(result.regions[0].b_from_a[:2, :2], [[0, 1], [-1, 0]], atol=0.05)


def test_an_excluded_image_is_not_compared(filled, make_features):
    assert search_index(filled, make_features(200, 4), FEW, exclude=[4]) == []
    assert search_index(filled, make_features(200, 4), exclude=[4]) == []


def test_of_exact_duplicates_each_is_found(index, fill, make_features, tmp_path, make_whole):
    fill(index, list(range(10)), n=200)
    with IndexWriter(index) as writer:
        again = writer.add(
            tmp_path / "again.jpg", make_features(200, 4), make_whole(4), content=f"{4:064x}", status=tmp_path.stat()
        )
    assert sorted(n for n, _ in search_index(index.reopen(), make_features(200, 4), FEW)) == [4, again]


@pytest.fixture
def crowded(filled, make_features, tmp_path, make_whole):
    """Return an index of 30 images, of one of which there are 30 more of the same content."""
    with IndexWriter(filled) as writer:
        for number in range(30):
            writer.add(
                tmp_path / f"{number}.jpg",
                make_features(200, 4),
                make_whole(4),
                content=f"{4:064x}",
                status=tmp_path.stat(),
            )
    return filled.reopen()


def test_many_equal_images_leave_room_for_another_and_all_are_found(crowded, make_features):
    logo, other = make_features(200, 4), make_features(200, 7)[np.arange(150)]
    query = LocalFeatures(
        **{
            name: np.concatenate([getattr(part, name) for part in (logo, other)])
            for name in ("xy", "scale", "angle", "response", "descriptors")
        },
        image_size=logo.image_size,
    )
    found = dict(search_index(crowded, query, FEW))
    assert sorted(found) == [4, 7, *range(30, 60)]
    assert len({id(result) for result in found.values()}) == 2


def test_an_excluded_image_is_not_found_by_way_of_its_equals(crowded, make_features):
    found = [number for number, _ in search_index(crowded, make_features(200, 4), FEW, exclude=[4, 31])]
    assert sorted(found) == [30, *range(32, 60)]


def test_candidates_are_as_many_different_images_as_requested(crowded, make_features):
    settings = SearchSettings(n_candidates=12, n_always=12)
    ids = choose_candidates(crowded, make_features(200, 4), settings).ids.tolist()
    assert ids[0] == 4
    assert len({crowded.image(number).content for number in ids}) == len(ids) == 12


def test_of_equal_images_one_is_compared_in_a_small_index_too(crowded, make_features):
    assert len(choose_candidates(crowded, make_features(200, 4), SearchSettings())) == 30


def test_no_more_candidates_than_requested_and_none_without_votes_after_the_first(filled, make_features):
    stranger = make_features(200, 500)
    assert len(choose_candidates(filled, stranger, FEW)) <= 5
    strict = SearchSettings(n_candidates=20, n_always=3, least_votes=1000, least_ratio=1000)
    assert len(choose_candidates(filled, stranger, strict)) == 3
    lenient = SearchSettings(n_candidates=20, n_always=3, least_votes=0)
    assert len(choose_candidates(filled, stranger, lenient)) == 20


@pytest.fixture
def versions(filled, make_features, tmp_path, make_whole):
    """Return an index of 30 images, and of 26 more versions of image 4, each with other noise."""
    with IndexWriter(filled) as writer:
        for number in range(100, 126):
            features, status = noisy(make_features(200, 4), number), tmp_path.stat()
            writer.add(
                tmp_path / f"{number}.jpg", features, make_whole(number), content=f"{number:064x}", status=status
            )
    return filled.reopen()


def test_further_candidates_are_compared_as_long_as_the_last_ones_are_copies(versions, make_features):
    search = search_contents(versions, make_features(200, 4), FEW)
    assert len(search.found) == 27
    assert not search.is_cut
    assert 27 <= search.n_compared < 40


def test_a_search_that_ends_at_the_limit_among_copies_says_so(versions, make_features):
    limited = replace(FEW, max_candidates=20)
    search = search_contents(versions, make_features(200, 4), limited)
    assert (len(search.found), search.n_compared, search.is_cut) == (20, 20, True)
    assert not search_contents(versions, make_features(200, 5), limited).is_cut


def test_a_limit_that_is_reached_by_the_last_candidate_cuts_nothing(index, fill, make_features):
    fill(index, [4, 5, 6], n=200)
    everything = SearchSettings(n_candidates=2, max_candidates=3, n_always=3)
    assert not search_contents(index.reopen(), make_features(200, 4), everything).is_cut


def test_related_images_do_not_prolong_the_search(versions, make_features):
    search = search_contents(
        versions, make_features(200, 4), FEW, verify=lambda _, proposed: replace(proposed, verdict="related")
    )
    assert search.n_compared == FEW.n_candidates
    assert {result.verdict for _, result in search.found} == {"related"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"limit": 65},
        {"least_ratio": 0.5},
        {"n_candidates": 0},
        {"max_candidates": 0},
        {"stop_ratio": 0.5},
        {"n_always": -1},
        {"least_votes": -1.0},
    ],
)
def test_a_setting_out_of_its_range_is_named(wrong):
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        SearchSettings(**wrong)


def test_real_crops_are_found_among_real_images(shared, tmp_path):
    from classicvision import find_images, read_image, workflows

    images = find_images([shared / "data" / "bsds500" / "train"])[:120]
    workflows.build_index(images, tmp_path / "images.cvindex")
    index = Index.open(tmp_path / "images.cvindex")
    assert len(index) == 120 > SearchSettings().n_candidates
    for path in images[::12]:
        image = read_image(path)
        part = np.ascontiguousarray(image[: image.shape[0] // 2, ::-1])
        query = index.settings.extractor(part)
        numbers = [number for number, _ in search_index(index, query)]
        if len(query) >= 100:
            assert index.with_path(path) in numbers
