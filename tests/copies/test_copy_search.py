"""Copies are found in a library and among images; nothing is a copy of itself, and equal files are distinguished."""

import os
import shutil
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from classicvision import FeatureCache, workflows
from classicvision.copies import library
from classicvision.copies.copy_search import undecided_queries
from classicvision.copies.queries import Query, QueryResult
from classicvision.copies.settings import SearchSettings
from classicvision.errors import ImageReadError, NotEnoughDataError
from classicvision.images import read_image, write_image
from classicvision.index import lock
from classicvision.index.index import Index
from classicvision.index.lock import only_writer
from classicvision.matching.global_match import CONCLUSIVE_KEYPOINTS


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return FeatureCache(tmp_path_factory.mktemp("cache"))


def pairs(findings, *folders):
    def name(path):
        return str(next((path.relative_to(folder) for folder in folders if path.is_relative_to(folder)), path))

    return {(name(f.path_a), name(f.path_b)): f for f in findings.findings}


@pytest.fixture(scope="module")
def against_folder(copies_folder, cache):
    return workflows.find_copies(copies_folder / "queries", copies_folder / "library", cache=cache)


@pytest.fixture
def images(tmp_path):
    """Return an empty folder and a function that writes images into it."""
    folder = tmp_path / "images"
    folder.mkdir()

    def write(**images):
        for name, image in images.items():
            write_image(folder / f"{name}.png", np.ascontiguousarray(image))
        return folder

    return write


def test_crop_mirrored_and_equal_files_are_found_and_a_stranger_is_not(against_folder, copies_folder):
    found = pairs(against_folder, copies_folder / "queries", copies_folder / "library")
    assert set(found) == {("crop.png", "0.png"), ("mirrored.png", "1.png"), ("equal.png", "2.png")}
    assert found["crop.png", "0.png"].labels == ("cropped",)
    assert found["mirrored.png", "1.png"].labels == ("mirrored",)
    assert found["equal.png", "2.png"].labels == ("exact",)


@pytest.mark.parametrize("is_index", [False, True])
def test_equal_pixels_in_other_files_are_found_without_keypoints(tmp_path, cache, is_index):
    blank, sign = np.full((30, 40, 3), 250, np.uint8), np.full((30, 40, 3), 250, np.uint8)
    sign[10:20, 10:30] = 0  # that two images are blank says nothing
    (tmp_path / "library").mkdir()
    for name, image in [("blank", blank), ("sign", sign)]:
        write_image(tmp_path / "library" / f"{name}.bmp", image)
        write_image(tmp_path / f"{name}.png", image)
    library = tmp_path / "library"
    if is_index:
        workflows.build_index(library, tmp_path / "library.cvindex", cache=cache)
        library = tmp_path / "library.cvindex"
    queries = [tmp_path / "blank.png", tmp_path / "sign.png"]
    found = pairs(workflows.find_copies(queries, library, cache=cache), tmp_path, tmp_path / "library")
    assert found.keys() == {("sign.png", "library/sign.bmp")}
    assert all(finding.labels == ("same pixels",) for finding in found.values())


def test_of_n_images_of_equal_pixels_n_minus_1_are_findings_with_the_first(tmp_path, cache, make_image):
    for ending in ("bmp", "png", "ppm", "tif"):
        write_image(tmp_path / f"a.{ending}", make_image(0))
    shutil.copy(tmp_path / "a.bmp", tmp_path / "b.bmp")
    write_image(tmp_path / "crop.png", make_image(0)[10:, 15:])
    found = pairs(workflows.find_copies_among(tmp_path, cache=cache), tmp_path)
    labels = {tuple(sorted(pair)): finding.labels for pair, finding in found.items()}
    assert labels.pop(("a.bmp", "b.bmp")) == ("exact",)
    assert labels.pop(("a.bmp", "crop.png")) == ("cropped",)
    assert labels == {("a.bmp", f"a.{ending}"): ("same pixels",) for ending in ("png", "ppm", "tif")}


@pytest.fixture
def drawings(tmp_path):
    """Return a folder with two signs, and a query: one of them blurred, with a few keypoints at most."""
    (tmp_path / "library").mkdir()
    for name, boxes in {"l": [(10, 10, 70, 22), (58, 10, 70, 60)], "t": [(10, 10, 22, 70), (22, 34, 70, 46)]}.items():
        image = np.full((80, 80, 3), 255, np.uint8)
        for top, left, bottom, right in boxes:
            image[top:bottom, left:right] = 0
        write_image(tmp_path / "library" / f"{name}.png", image)
    blurred = cv2.GaussianBlur(read_image(tmp_path / "library" / "t.png"), (0, 0), 2)
    write_image(tmp_path / "query.png", blurred)
    return tmp_path


def test_a_blurred_sign_is_found_in_an_index_by_its_hash_and_its_pixels(drawings, cache):
    workflows.build_index(drawings / "library", drawings / "l.cvindex", cache=cache)
    found = workflows.find_copies(drawings / "query.png", drawings / "l.cvindex", cache=cache)
    assert [(f.path_b.name, f.labels) for f in found.findings] == [("t.png", ("signature",))]
    among = workflows.find_copies_among([drawings / "library", drawings / "query.png"], cache=cache)
    assert [{f.path_a.name, f.path_b.name} for f in among.findings] == [{"query.png", "t.png"}]


@pytest.mark.parametrize("change", ["missing", "changed"])
def test_a_candidate_whose_file_is_missing_or_changed_is_a_failure_and_not_a_finding(drawings, change):
    workflows.build_index(drawings / "library", drawings / "l.cvindex")
    path = drawings / "library" / "t.png"
    path.unlink() if change == "missing" else shutil.copy(drawings / "library" / "l.png", path)
    found = workflows.find_copies(drawings / "query.png", drawings / "l.cvindex")
    assert found.findings == ()
    assert [failure.path for failure in found.failures] == [path]


def test_equal_files_are_the_best_finding(against_folder):
    assert against_folder.findings[0].result.method == "bytes"


def test_findings_say_how_many_images_were_compared_and_how(against_folder, copies_folder):
    assert (against_folder.n_queries, against_folder.n_references) == (4, 5)
    assert (against_folder.queries, against_folder.references) == (
        str(copies_folder / "queries"),
        str(copies_folder / "library"),
    )
    assert against_folder.settings["search"]["match"]["ratio"] == SearchSettings().match.ratio
    assert against_folder.seconds > 0


def test_points_of_a_crop_lie_where_it_was_cut_out(against_folder, copies_folder):
    finding = pairs(against_folder, copies_folder / "queries", copies_folder / "library")["crop.png", "0.png"]
    a, b = finding.points[0]
    assert len(a) == len(finding.result.regions[0].pairs) > 10
    assert np.median(np.abs(a + np.array([40, 30]) - b)) < 0.5


def test_paths_are_named_as_the_user_named_them(copies_folder, cache, monkeypatch):
    monkeypatch.chdir(copies_folder)
    finding = workflows.find_copies("queries/crop.png", "library", cache=cache).findings[0]
    assert (str(finding.path_a), str(finding.path_b)) == ("queries/crop.png", "library/0.png")


def test_a_folder_that_is_named_by_a_way_up_is_searched_like_any_other(copies_folder, cache, monkeypatch, images):
    crop = read_image(copies_folder / "library" / "0.png")
    folder = images(whole=crop, part=crop[20:, 20:])
    (folder.parent / "next").mkdir()
    monkeypatch.chdir(folder.parent / "next")
    (finding,) = workflows.find_copies_among("../images", cache=cache).findings
    assert (str(finding.path_a), str(finding.path_b)) == ("../images/whole.png", "../images/part.png")


def test_an_index_gives_the_same_findings_as_its_folder(against_folder, copies_folder, cache, tmp_path):
    workflows.build_index(copies_folder / "library", tmp_path / "library.cvindex", cache=cache)
    found = workflows.find_copies(copies_folder / "queries", tmp_path / "library.cvindex", cache=cache)
    assert pairs(found, copies_folder).keys() == pairs(against_folder, copies_folder).keys()
    assert found.references == str(tmp_path / "library.cvindex")


def test_an_image_of_the_library_is_not_a_copy_of_itself(copies_folder, cache):
    found = workflows.find_copies(copies_folder / "library" / "0.png", copies_folder / "library", cache=cache)
    assert (found.findings, found.n_queries) == ((), 1)


def test_an_image_that_changed_after_it_was_indexed_is_not_a_copy_of_what_it_was(images, make_image, cache, tmp_path):
    folder = images(a=make_image(0), b=make_image(1))
    workflows.build_index(folder, tmp_path / "l.cvindex", cache=cache)
    images(a=make_image(0)[:110, :150])
    assert workflows.find_copies(folder, tmp_path / "l.cvindex", cache=cache).findings == ()


def test_a_link_to_an_image_is_not_a_copy_of_it(copies_folder, cache, tmp_path):
    (tmp_path / "link.png").symlink_to(copies_folder / "library" / "0.png")
    assert workflows.find_copies(tmp_path / "link.png", copies_folder / "library", cache=cache).findings == ()


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_the_number_of_jobs_changes_nothing(copies_folder, cache, against_folder, n_jobs):
    found = workflows.find_copies(copies_folder / "queries", copies_folder / "library", cache=cache, n_jobs=n_jobs)
    for one, other in zip(found.findings, against_folder.findings, strict=True):
        assert (one.path_a, one.path_b, one.result.score) == (other.path_a, other.path_b, other.result.score)


def test_two_images_of_a_folder_are_one_finding_whichever_copies_which(images, make_image):
    folder = images(whole=make_image(0), part=make_image(0)[:110, :150], other=make_image(1))
    found = workflows.find_copies_among(folder)
    assert [{f.path_a.name, f.path_b.name} for f in found.findings] == [{"whole.png", "part.png"}]
    assert (found.n_queries, found.n_references, found.references) == (3, 3, "")


def test_a_hundred_equal_files_are_all_found(images, make_image):
    folder = images(first=make_image(0))
    for number in range(100):
        shutil.copy(folder / "first.png", folder / f"{number:03}.png")
    found = workflows.find_copies_among(folder)
    assert {finding.labels for finding in found.findings} == {("exact",)}
    assert (len(found.findings), len(found.groups)) == (100, 1)


def test_the_paths_of_equal_files_are_listed_once_for_all_of_them(images, make_image, monkeypatch):
    folder = images(first=make_image(0), part=make_image(0)[:110, :150], other=make_image(1))
    for number in range(20):
        shutil.copy(folder / "first.png", folder / f"{number:02}.png")
    listed, path_of = [], Index.path
    monkeypatch.setattr(Index, "path", lambda index, number: listed.append(number) or path_of(index, number))
    found = workflows.find_copies_among(folder)
    assert len(found.findings) == 20 + 1
    assert len(listed) <= 3 * 23


def test_a_part_of_a_file_is_a_copy_of_all_its_equals_and_of_the_first_among_images(images, make_image, tmp_path):
    folder = images(b=make_image(0), other=make_image(1))
    for name in "ca":
        shutil.copy(folder / "b.png", folder / f"{name}.png")
    write_image(tmp_path / "part.png", np.ascontiguousarray(make_image(0)[:110, :150]))
    found = workflows.find_copies(tmp_path / "part.png", folder)
    assert {f.path_b.name for f in found.findings} == {"a.png", "b.png", "c.png"}
    assert all(len(f.points[0][0]) == len(f.result.regions[0].pairs) for f in found.findings)
    shutil.copy(tmp_path / "part.png", folder)
    near = [f for f in workflows.find_copies_among(folder).findings if f.result.method != "bytes"]
    assert [{f.path_a.name, f.path_b.name} for f in near] == [{"a.png", "part.png"}]


def test_files_that_were_searched_before_are_brought_up_to_date_together(images, make_image, tmp_path, monkeypatch):
    files = sorted(images(whole=make_image(0), part=make_image(0)[:110, :150], other=make_image(1)).iterdir())
    cache, updates = FeatureCache(tmp_path / "cache"), []

    def update(index, library, **how):
        updates.append(library)
        return workflows.update_index(index, library, **how)

    monkeypatch.setattr(library, "update", update)
    first, again = (workflows.find_copies_among(files, cache=cache).findings for _ in range(2))
    assert [f.result.score for f in again] == [f.result.score for f in first]
    assert updates == [files]


def test_n_equal_files_are_n_minus_1_findings_with_the_first(images, make_image):
    folder = images(a=make_image(0))
    for name in ("b", "c", "d"):
        shutil.copy(folder / "a.png", folder / f"{name}.png")
    found = workflows.find_copies_among(folder)
    assert sorted((f.path_a.name, f.path_b.name) for f in found.findings) == [
        ("b.png", "a.png"),
        ("c.png", "a.png"),
        ("d.png", "a.png"),
    ]
    assert [len(group.paths) for group in found.groups] == [4]


def test_a_copy_of_an_image_that_is_there_twice_is_one_finding_more(images, make_image):
    folder = images(a=make_image(0), **{"0 part": make_image(0)[:110, :150]})  # searched for first, so it meets both
    shutil.copy(folder / "a.png", folder / "b.png")
    found = workflows.find_copies_among(folder)
    assert {frozenset((f.path_a.name, f.path_b.name)) for f in found.findings} == {
        frozenset(("b.png", "a.png")),
        frozenset(("0 part.png", "a.png")),
    }


def test_images_connected_through_others_are_one_group(images, make_image):
    collage = np.concatenate([make_image(0)[:, :104], make_image(1)[:, :104]], axis=1)
    found = workflows.find_copies_among(
        images(zero=make_image(0), one=make_image(1), collage=collage, other=make_image(2))
    )
    assert [[path.name for path in group.paths] for group in found.groups] == [["collage.png", "one.png", "zero.png"]]


def test_a_copy_of_an_image_without_keypoints_is_found_as_a_whole(images, make_image):
    soft = cv2.GaussianBlur(make_image(3), (0, 0), 30).astype(float)
    soft = np.clip(128 + 6 * (soft - soft.mean()), 0, 255).astype(np.uint8)
    small = cv2.resize(soft[:, ::-1], (104, 80), interpolation=cv2.INTER_AREA)
    found = workflows.find_copies_among(images(soft=soft, small=small, other=make_image(0)))
    (finding,) = found.findings
    assert finding.labels == ("signature",)
    assert {finding.path_a.name, finding.path_b.name} == {"soft.png", "small.png"}
    assert found.undecided == ()


def test_a_query_with_more_copies_than_may_be_compared_is_incomplete(images, make_image, tmp_path):
    for number in range(1, 9):
        folder = images(**{f"{number}": make_image(0)[number:, 3 * number :], f"other{number}": make_image(number + 1)})
    write_image(tmp_path / "query.png", make_image(0))
    settings = SearchSettings(n_candidates=2, max_candidates=4)
    found = workflows.find_copies(tmp_path / "query.png", folder, settings=settings)
    (one,) = found.incomplete
    assert len(found.findings) == 4
    assert one.path == tmp_path / "query.png"
    assert "compared with 4 images" in one.reason
    assert "max_candidates=16" in one.reason
    complete = workflows.find_copies(tmp_path / "query.png", folder, settings=replace(settings, max_candidates=16))
    assert (len(complete.findings), complete.incomplete) == (8, ())


def test_an_image_with_nothing_in_it_is_undecided(images, make_image):
    blank = np.full((100, 100, 3), 200, np.uint8)
    found = workflows.find_copies_among(images(blank=blank, other=make_image(0)))
    (undecided,) = found.undecided
    assert undecided.path.name == "blank.png"
    assert f"0 keypoints; {CONCLUSIVE_KEYPOINTS} are needed" in undecided.reason


def test_an_equal_file_without_keypoints_is_decided(images):
    folder = images(blank=np.full((100, 100, 3), 200, np.uint8))
    shutil.copy(folder / "blank.png", folder / "twin.png")
    found = workflows.find_copies_among(folder)
    assert [finding.labels for finding in found.findings] == [("exact",)]
    assert found.undecided == ()


def test_broken_files_are_failures_once_whether_query_or_reference(images, cache, make_image):
    folder = images(a=make_image(0))
    (folder / "broken.png").write_text("nothing")
    found = workflows.find_copies_among(folder, cache=cache)
    assert [failure.path for failure in found.failures] == [folder / "broken.png"]
    assert [f.path for f in workflows.find_copies_among(folder, cache=cache).failures] == [folder / "broken.png"]


def test_the_library_is_brought_up_to_date_when_it_is_used_again(images, cache, tmp_path, make_image):
    folder = images(a=make_image(0))
    write_image(tmp_path / "query.png", make_image(5)[:130, :150])
    assert workflows.find_copies(tmp_path / "query.png", folder, cache=cache).findings == ()
    images(b=make_image(5))
    (finding,) = workflows.find_copies(tmp_path / "query.png", folder, cache=cache).findings
    assert finding.path_b == folder / "b.png"
    (folder / "b.png").unlink()
    assert workflows.find_copies(tmp_path / "query.png", folder, cache=cache).findings == ()


def test_a_damaged_index_of_ours_is_made_again(images, tmp_path, make_image):
    cache, folder = FeatureCache(tmp_path / "cache"), images(a=make_image(0), b=make_image(0)[:110, :150])
    assert len(workflows.find_copies_among(folder, cache=cache).findings) == 1
    for path in (tmp_path / "cache" / "indexes").rglob("*"):
        if path.is_file():
            path.write_bytes(b"{}")
    assert len(workflows.find_copies_among(folder, cache=cache).findings) == 1


def test_without_a_store_nothing_is_kept(images, monkeypatch, tmp_path, make_image):
    monkeypatch.setenv("CLASSICVISION_CACHE", str(tmp_path / "cache"))
    folder = images(a=make_image(0), b=make_image(0)[:110, :150])
    assert len(workflows.find_copies_among(folder).findings) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images"]


def test_no_file_of_the_user_is_changed(copies_folder, cache):
    def state():
        files = sorted(path for path in copies_folder.rglob("*") if path.is_file())
        return [(path, path.read_bytes(), path.stat().st_mtime_ns) for path in files]

    before = state()
    workflows.find_copies(copies_folder / "queries", copies_folder / "library", cache=cache)
    workflows.find_copies_among([copies_folder / "queries", copies_folder / "library"], cache=cache)
    assert state() == before


def test_an_interrupted_search_resumes_with_the_extracted_features(copies_folder, tmp_path, monkeypatch):
    cache = FeatureCache(tmp_path / "cache")

    def stop(stage, done, total):
        if stage == "search" and done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        workflows.find_copies(copies_folder / "queries", copies_folder / "library", cache=cache, progress=stop)
    monkeypatch.setattr("classicvision.features.sift.Sift.__call__", lambda *_: pytest.fail("extracted again"))
    assert len(workflows.find_copies(copies_folder / "queries", copies_folder / "library", cache=cache).findings) == 3


def test_places_without_an_image_and_paths_that_are_not_there_are_errors(copies_folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotEnoughDataError, match=r"no image files in .*empty"):
        workflows.find_copies(tmp_path / "empty", copies_folder / "library")
    with pytest.raises(NotEnoughDataError, match=r"no image files in .*empty"):
        workflows.find_copies(copies_folder / "queries", tmp_path / "empty")
    with pytest.raises(ImageReadError, match="nowhere"):
        workflows.find_copies_among(tmp_path / "nowhere")


def test_a_part_copied_within_an_image_is_one_finding_with_itself(images, make_image):
    moved = make_image(0)
    moved[90:150, 130:200] = moved[10:70, 20:90]
    found = workflows.find_copies_within(images(moved=moved, plain=make_image(1)))
    (finding,) = found.findings
    assert finding.is_within
    assert finding.path_a.name == "moved.png"
    a, b = finding.points[0]
    assert np.median(np.abs(np.abs(a - b) - np.array([110, 80]))) < 0.5
    assert (found.n_queries, found.references) == (2, "")


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_images_without_such_a_part_give_nothing_whatever_the_jobs(copies_folder, cache, n_jobs):
    found = workflows.find_copies_within(copies_folder / "library", cache=cache, n_jobs=n_jobs)
    assert (found.findings, found.n_queries) == ((), 5)


def test_while_another_search_brings_the_index_of_a_folder_up_to_date_a_search_makes_its_own(
    images, tmp_path, make_image, monkeypatch
):
    monkeypatch.setattr(library, "PATIENCE", 0)
    cache, folder = FeatureCache(tmp_path / "cache"), images(a=make_image(0), b=make_image(0)[:110, :150])
    workflows.find_copies_among(folder, cache=cache)
    (home,) = (tmp_path / "cache" / "indexes").iterdir()
    shutil.rmtree(home / "library.cvindex")
    (home / "library.cvindex").mkdir()  # begun by the other
    with only_writer(home):
        assert len(workflows.find_copies_among(folder, cache=cache).findings) == 1
        assert list((home / "library.cvindex").iterdir()) == []


def test_a_search_waits_for_another_that_is_soon_done_with_the_same_index(images, tmp_path, make_image, monkeypatch):
    cache, folder = FeatureCache(tmp_path / "cache"), images(a=make_image(0), b=make_image(0)[:110, :150])
    workflows.find_copies_among(folder, cache=cache)
    (home,) = (tmp_path / "cache" / "indexes").iterdir()
    with ExitStack() as other:
        other.enter_context(only_writer(home))
        monkeypatch.setattr(lock.time, "sleep", lambda _: other.close())
        monkeypatch.setattr(library, "build", None)
        assert len(workflows.find_copies_among(folder, cache=cache).findings) == 1


def test_an_index_that_was_unused_for_30_days_makes_room_for_a_new_one(images, tmp_path, make_image):
    cache, folder = (
        FeatureCache(tmp_path / "cache"),
        images(a=make_image(0), b=make_image(0)[:110, :150], c=make_image(1)),
    )
    workflows.find_copies_among([folder / "a.png", folder / "b.png"], cache=cache)
    (old,) = (tmp_path / "cache" / "indexes").iterdir()
    workflows.find_copies_among([folder / "a.png", folder / "c.png"], cache=cache)
    assert (old / "library.cvindex").exists()
    used = time.time() - 29 * 86_400  # 29 days ago
    os.utime(old / "writer.lock", (used, used))
    workflows.find_copies_among([folder / "b.png", folder / "c.png"], cache=cache)
    assert (old / "library.cvindex").exists()
    used = time.time() - 31 * 86_400
    os.utime(old / "writer.lock", (used, used))
    workflows.find_copies_among(folder, cache=cache)
    kept = [home for home in (tmp_path / "cache" / "indexes").iterdir() if (home / "library.cvindex").exists()]
    assert len(kept) == 3
    assert old not in kept


def test_an_empty_folder_next_to_others_does_not_cost_the_index_that_was_kept(
    images, tmp_path, make_image, monkeypatch
):
    cache, folder = FeatureCache(tmp_path / "cache"), images(a=make_image(0), b=make_image(0)[:110, :150])
    (tmp_path / "empty").mkdir()
    first = workflows.find_copies_among([folder, tmp_path / "empty"], cache=cache)
    monkeypatch.setattr(library, "build", None)
    again = workflows.find_copies_among([folder, tmp_path / "empty"], cache=cache)
    assert len(first.findings) == 1
    assert [f.path_a for f in again.findings] == [f.path_a for f in first.findings]


@pytest.mark.parametrize(
    ("n_keypoints", "is_undecided"), [(CONCLUSIVE_KEYPOINTS - 1, True), (CONCLUSIVE_KEYPOINTS, False)]
)
def test_a_query_with_fewer_keypoints_than_needed_is_undecided(make_whole, n_keypoints, is_undecided):
    query, result = Query(Path("a.png"), "0" * 64, "", make_whole(0)), QueryResult((), n_keypoints, (90, 90))
    assert bool(undecided_queries([query], [result], [], {})) == is_undecided
