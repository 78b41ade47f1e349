"""Building an index of a folder and keeping it up to date."""

import os
import shutil

import numpy as np
import pytest

from classicvision import workflows
from classicvision.cache import FeatureCache
from classicvision.errors import NotEnoughDataError, SettingsError
from classicvision.features.sift import Sift
from classicvision.images import write_image
from classicvision.index import changes, growth, maintenance
from classicvision.index.index import Index
from classicvision.index.settings import IndexSettings
from classicvision.synthetic import textures

SETTINGS = IndexSettings(extractor=Sift(max_features=60), n_words=50)


@pytest.fixture(scope="module")
def textures_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("textures")
    images, _ = textures(2, 6, size=96, rng=np.random.default_rng(3))
    for number, image in enumerate(images):
        write_image(folder / f"{number:02}.png", image)
    return folder


@pytest.fixture
def library(tmp_path, textures_folder):
    return shutil.copytree(textures_folder, tmp_path / "library")


@pytest.fixture
def cache(tmp_path):
    return FeatureCache(tmp_path / "cache")


@pytest.fixture
def built(tmp_path, library, cache):
    """Return the path of an index of the library."""
    workflows.build_index(library, tmp_path / "l.cvindex", settings=SETTINGS, cache=cache)
    return tmp_path / "l.cvindex"


def names(index):
    return sorted(image.path.name for image in Index.open(index))


def test_an_index_has_the_images_of_its_library_and_lists_those_that_cannot_be_read(tmp_path, library):
    (library / "broken.png").write_bytes(b"no image")
    change = workflows.build_index(library, tmp_path / "l.cvindex", settings=SETTINGS)
    assert (change.n_added, change.n_images) == (12, 12)
    assert [failure.path.name for failure in change.failures] == ["broken.png"]
    assert names(tmp_path / "l.cvindex") == [f"{n:02}.png" for n in range(12)]
    assert Index.open(tmp_path / "l.cvindex").settings == SETTINGS


def test_the_same_library_and_seed_give_the_same_files(tmp_path, library, cache):
    for name in ("a", "b"):
        workflows.build_index(library, tmp_path / name, settings=SETTINGS, cache=cache)
    for path in (tmp_path / "a").glob("[sv]*"):
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_an_existing_index_is_not_overwritten_and_the_error_says_what_to_do(built, library):
    with pytest.raises(SettingsError, match="index update"):
        workflows.build_index(library, built)


def test_a_library_without_images_is_an_error(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotEnoughDataError, match="no image files"):
        workflows.build_index(tmp_path / "empty", tmp_path / "l.cvindex")
    assert not (tmp_path / "l.cvindex").exists()


def test_the_vocabulary_of_another_index_can_be_taken(tmp_path, built, library, cache):
    other = tmp_path / "other.cvindex"
    workflows.build_index(library, other, settings=SETTINGS, vocabulary=built, cache=cache)
    assert (Index.open(other).vocabulary.words == Index.open(built).vocabulary.words).all()


def test_nothing_is_read_again_when_nothing_changed(built, cache, monkeypatch):
    monkeypatch.setattr(maintenance, "extract", None)
    monkeypatch.setattr(changes, "read_bytes", None)
    before = (built / "manifest.json").read_bytes()
    change = workflows.update_index(built, cache=cache)
    assert (change.n_unchanged, change.n_added, change.n_replaced, change.n_removed) == (12, 0, 0, 0)
    assert (built / "manifest.json").read_bytes() == before


def test_an_update_adds_new_images_replaces_changed_ones_and_removes_missing_ones(built, library, cache):
    shutil.copy(library / "00.png", library / "new.png")
    (library / "01.png").unlink()
    write_image(library / "02.png", np.zeros((50, 50, 3), np.uint8))
    change = workflows.update_index(built, cache=cache)
    assert (change.n_added, change.n_replaced, change.n_removed, change.n_unchanged) == (1, 1, 1, 10)
    index = Index.open(built)
    assert "01.png" not in names(built)
    assert index.image(index.with_path(library / "02.png")).image_size == (50, 50)
    original = index.image(index.with_path(library / "00.png"))
    assert index.with_content(original.content) == (original.id, index.with_path(library / "new.png"))


def test_a_file_with_another_time_and_the_same_content_is_left_as_it_is(built, library, cache, monkeypatch):
    os.utime(library / "03.png", (1, 1))
    monkeypatch.setattr(maintenance, "extract", None)
    assert workflows.update_index(built, cache=cache).n_unchanged == 12


def test_a_file_that_changes_while_it_is_read_is_taken_again_by_the_next_update(built, library, cache, monkeypatch):
    write_image(library / "new.png", np.zeros((40, 40, 3), np.uint8))
    extract = maintenance.extract

    def extract_and_change(*arguments, **settings):
        found = extract(*arguments, **settings)
        write_image(library / "new.png", np.zeros((50, 50, 3), np.uint8))
        return found

    with monkeypatch.context() as patch:
        patch.setattr(maintenance, "extract", extract_and_change)
        workflows.update_index(built, cache=cache)
    assert workflows.update_index(built, cache=cache).n_replaced == 1


def test_a_library_named_by_another_way_is_the_same(built, library, cache, monkeypatch):
    (library.parent / "elsewhere").mkdir()
    monkeypatch.chdir(library.parent / "elsewhere")
    change = workflows.update_index(built, "../elsewhere/../library", cache=cache)
    assert (change.n_unchanged, change.n_images) == (12, 12)
    assert workflows.remove_from_index(built, ["../library/00.png"]).n_removed == 1


def test_a_library_that_is_gone_removes_nothing(built, library, cache):
    shutil.rmtree(library)
    library.mkdir()
    with pytest.raises(NotEnoughDataError, match="no image files"):
        workflows.update_index(built, cache=cache)
    assert len(Index.open(built)) == 12


def test_an_image_that_was_added_by_name_stays_whatever_its_ending(built, library, cache):
    (library / "00.png").rename(library / "00.jfif")
    workflows.add_to_index(built, library / "00.jfif", cache=cache)
    change = workflows.update_index(built, cache=cache)
    assert (change.n_removed, change.n_unchanged) == (1, 12)
    assert "00.jfif" in names(built)


def test_a_changed_file_that_cannot_be_read_is_a_failure_and_keeps_its_place(built, library, cache):
    (library / "04.png").write_bytes(b"cut off")
    change = workflows.update_index(built, cache=cache)
    assert [failure.path.name for failure in change.failures] == ["04.png"]
    assert "04.png" in names(built)


def test_images_of_other_folders_can_be_added_and_are_left_alone_by_an_update(built, library, tmp_path, cache):
    shutil.copytree(library, tmp_path / "more")
    assert workflows.add_to_index(built, tmp_path / "more", cache=cache).n_added == 12
    assert workflows.add_to_index(built, tmp_path / "more", cache=cache).n_unchanged == 12
    (library / "00.png").unlink()
    change = workflows.update_index(built, cache=cache)
    assert (change.n_removed, change.n_images) == (1, 23)


def test_an_update_of_some_folders_and_files_leaves_the_others_alone(built, library, tmp_path, cache):
    for name in ("more", "alone"):
        shutil.copytree(library, tmp_path / name)
        workflows.add_to_index(built, tmp_path / name, cache=cache)
    for folder in (library, tmp_path / "more", tmp_path / "alone"):
        for name in ("01.png", "02.png"):
            write_image(folder / name, np.zeros((50, 50, 3), np.uint8))
        (folder / "03.png").unlink()
    change = workflows.update_index(built, [tmp_path / "more", library / "01.png"], cache=cache)
    assert (change.n_replaced, change.n_removed, change.n_images) == (3, 1, 35)


def test_an_index_of_folders_and_files_does_not_take_in_what_lies_next_to_them(library, tmp_path, cache):
    for name in ("more", "other"):
        shutil.copytree(library, tmp_path / name)
    built = tmp_path / "some.cvindex"
    workflows.build_index([library, tmp_path / "more" / "00.png"], built, settings=SETTINGS, cache=cache)
    write_image(library / "new.png", np.zeros((40, 40, 3), np.uint8))
    write_image(tmp_path / "more" / "00.png", np.zeros((50, 50, 3), np.uint8))
    change = workflows.update_index(built, cache=cache)
    assert (change.n_added, change.n_replaced, change.n_images) == (1, 1, 14)


def test_an_index_of_files_that_are_all_gone_keeps_them_and_says_where_they_were(library, tmp_path, cache):
    files = [library / "00.png", library / "01.png"]
    built = tmp_path / "files.cvindex"
    workflows.build_index(files, built, settings=SETTINGS, cache=cache)
    for file in files:
        file.unlink()
    with pytest.raises(NotEnoughDataError, match=f"no image files in {library}"):
        workflows.update_index(built, cache=cache)
    assert len(Index.open(built)) == 2


def test_a_folder_that_is_empty_now_removes_nothing(built, library, tmp_path, cache):
    shutil.copytree(library, tmp_path / "more")
    workflows.add_to_index(built, tmp_path / "more", cache=cache)
    shutil.rmtree(tmp_path / "more")
    (tmp_path / "more").mkdir()
    (library / "03.png").unlink()
    with pytest.raises(NotEnoughDataError, match="more"):
        workflows.update_index(built, [library, tmp_path / "more"], cache=cache)
    assert len(Index.open(built)) == 24


def test_a_folder_that_never_held_an_image_does_not_matter(built, library, tmp_path, cache):
    (tmp_path / "empty").mkdir()
    assert workflows.update_index(built, [library, tmp_path / "empty"], cache=cache).n_unchanged == 12


def test_images_are_removed_by_path_and_by_folder_and_their_files_stay(built, library):
    assert workflows.remove_from_index(built, [library / "00.png"]).n_removed == 1
    assert workflows.remove_from_index(built, [library]).n_images == 0
    assert len(list(library.glob("*.png"))) == 12


def test_removing_a_path_that_is_not_in_removes_nothing(built, library):
    with pytest.raises(SettingsError, match=r"nowhere\.png is not in the index"):
        workflows.remove_from_index(built, [library / "00.png", "nowhere.png"])
    assert len(Index.open(built)) == 12


def test_the_first_path_that_is_not_in_is_named_as_it_was_given(built, library, monkeypatch):
    monkeypatch.chdir(library)
    with pytest.raises(SettingsError, match=r"^b/\.\./x\.png is not in the index"):
        workflows.remove_from_index(built, ["00.png", "b/../x.png", "a.png", library])


def test_an_image_that_is_named_twice_is_removed_once(built, library):
    assert workflows.remove_from_index(built, [library / "00.png", library, library / "00.png"]).n_removed == 12


def test_each_image_of_an_index_is_read_once_however_many_paths_are_removed(built, library, monkeypatch):
    read, image_of = [], Index.image
    monkeypatch.setattr(Index, "image", lambda index, image_id: read.append(image_id) or image_of(index, image_id))
    ids = sorted(Index.open(built).ids.tolist())
    assert workflows.remove_from_index(built, [library / f"{n:02}.png" for n in range(12)]).n_removed == 12
    assert sorted(read) == ids


def test_an_index_that_has_grown_learns_its_words_again(tmp_path, library, cache):
    (tmp_path / "few").mkdir()
    for name in ("00.png", "01.png"):
        shutil.copy(library / name, tmp_path / "few")
    first = workflows.build_index(tmp_path / "few", tmp_path / "g.cvindex", settings=SETTINGS, cache=cache)
    grown = workflows.add_to_index(tmp_path / "g.cvindex", library, cache=cache)
    assert grown.relearned
    assert grown.n_words >= growth.GROWTH * first.n_words
    assert not workflows.verify_index(tmp_path / "g.cvindex")


def test_equal_files_earn_no_words(tmp_path, library, cache):
    for number in range(20):
        shutil.copy(library / "00.png", library / f"again{number:02}.png")
    with_equals = workflows.build_index(library, tmp_path / "a.cvindex", settings=SETTINGS, cache=cache)
    for path in library.glob("again*.png"):
        path.unlink()
    without = workflows.build_index(library, tmp_path / "b.cvindex", settings=SETTINGS, cache=cache)
    assert with_equals.n_images == without.n_images + 20
    assert with_equals.n_words == without.n_words


def test_equal_files_make_no_index_learn_its_words_again(tmp_path, library, cache):
    folder = tmp_path / "few"
    folder.mkdir()
    shutil.copy(library / "00.png", folder)
    assert workflows.build_index(folder, tmp_path / "f.cvindex", settings=SETTINGS, cache=cache).n_words == 2
    for number in range(30):
        shutil.copy(library / "00.png", folder / f"again{number:02}.png")
    change = workflows.update_index(tmp_path / "f.cvindex", cache=cache)
    assert (change.n_images, change.relearned) == (31, False)


def test_a_vocabulary_that_was_given_is_kept(tmp_path, library, cache, built):
    (tmp_path / "few").mkdir()
    shutil.copy(library / "00.png", tmp_path / "few")
    workflows.build_index(tmp_path / "few", tmp_path / "f.cvindex", settings=SETTINGS, cache=cache)
    given = tmp_path / "g.cvindex"
    workflows.build_index(tmp_path / "few", given, settings=SETTINGS, vocabulary=tmp_path / "f.cvindex", cache=cache)
    assert not workflows.add_to_index(given, library, cache=cache).relearned


def test_progress_is_reported_from_first_to_last(built, library, cache):
    for number in range(3):
        write_image(library / f"new{number}.png", np.full((40, 40, 3), number, np.uint8))
    reported = []
    workflows.update_index(built, cache=cache, progress=lambda *step: reported.append(step))
    assert reported[-1] == ("images", 3, 3)
    reported.clear()
    workflows.verify_index(built, progress=lambda *step: reported.append(step))
    assert reported[0] == ("files", 1, reported[0][2])
    assert reported[-1][1] == reported[-1][2]


def test_what_an_index_says_of_itself_adds_up(built):
    facts = workflows.index_info(built)
    assert facts["n_images"] == 12
    assert facts["bytes"] == sum(facts["bytes_of"].values())
    on_disk = sum(path.stat().st_size for path in built.iterdir())
    assert facts["bytes"] <= on_disk < facts["bytes"] + 5000


def test_a_file_of_the_same_size_and_another_content_is_replaced(built, library, cache):
    path = library / "05.png"
    status, data = path.stat(), path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))  # in the checksum at the end, which decoding ignores
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert path.stat().st_size == status.st_size
    assert workflows.update_index(built, cache=cache).n_replaced == 1
