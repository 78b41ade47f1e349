"""Finding image files, and sub-folders as labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from classicvision.errors import ImageReadError, NotEnoughDataError, SkippedImagesWarning
from classicvision.folders import ImageFolder, find_images, images_in


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def names(root: Path, found: list[Path] | tuple[Path, ...]) -> list[str]:
    return [path.relative_to(root).as_posix() for path in found]


def test_images_are_found_at_every_depth_in_sorted_order(tmp_path):
    touch(tmp_path, "b/2.png", "b/c/1.tif", "a.jpg", "b/10.png")
    assert names(tmp_path, find_images([tmp_path])) == ["a.jpg", "b/10.png", "b/2.png", "b/c/1.tif"]


def test_a_folder_sorts_before_its_longer_namesakes(tmp_path):
    # As plain text "a-b/1.png" comes before "a/1.png"; part by part it does not.
    touch(tmp_path, "a-b/1.png", "a/1.png")
    assert names(tmp_path, find_images([tmp_path])) == ["a/1.png", "a-b/1.png"]


def test_extensions_match_in_any_case(tmp_path):
    extensions = ["jpg", "JPEG", "jpe", "Png", "webp", "TIF", "tiff", "bmp", "dib", "pnm", "ppm", "pgm", "pbm", "gif"]
    touch(tmp_path, *(f"a.{extension}" for extension in extensions))
    assert len(find_images([tmp_path])) == len(extensions)


def test_hidden_files_system_files_and_other_files_are_skipped(tmp_path):
    touch(
        tmp_path, "notes.txt", "jpg", ".a.jpg", ".git/a.jpg", "Thumbs.db", "desktop.ini", ".DS_Store", "__MACOSX/a.jpg"
    )
    assert find_images([tmp_path]) == []


def test_a_file_named_by_the_user_is_listed_whatever_its_name(tmp_path):
    touch(tmp_path, ".hidden", "scan")
    assert names(tmp_path, find_images([tmp_path / "scan", tmp_path / ".hidden"])) == [".hidden", "scan"]


def test_a_file_given_twice_is_listed_once(tmp_path):
    touch(tmp_path, "a/1.jpg")
    assert names(tmp_path, find_images([tmp_path / "a" / "1.jpg", tmp_path, str(tmp_path / "a")])) == ["a/1.jpg"]


def test_a_path_that_does_not_exist_is_an_error(tmp_path):
    with pytest.raises(ImageReadError, match=r"gone: there is no such file or folder"):
        find_images([tmp_path / "gone"])


def test_a_dangling_link_is_listed_so_that_reading_it_reports_the_error(tmp_path):
    (tmp_path / "a.jpg").symlink_to(tmp_path / "gone.jpg")
    assert find_images([tmp_path]) == find_images([tmp_path / "a.jpg"]) == [tmp_path / "a.jpg"]


def test_a_folder_named_like_an_image_is_a_folder(tmp_path):
    touch(tmp_path, "x.jpg/1.png")
    assert names(tmp_path, find_images([tmp_path])) == ["x.jpg/1.png"]


def test_links_are_followed_but_not_in_circles(tmp_path):
    touch(tmp_path, "images/cat/1.jpg", "elsewhere/2.jpg")
    (tmp_path / "images" / "cat" / "up").symlink_to(tmp_path / "images")
    (tmp_path / "images" / "linked").symlink_to(tmp_path / "elsewhere")
    assert names(tmp_path, find_images([tmp_path / "images"])) == ["images/cat/1.jpg", "images/linked/2.jpg"]


def test_a_folder_that_cannot_be_opened_is_an_error(tmp_path, monkeypatch):
    def refuse(_folder):
        raise PermissionError(13, "Permission denied")

    # Mocked, because root can open everything.
    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(ImageReadError, match="cannot open the folder"):
        find_images([tmp_path])


def test_each_sub_folder_is_a_class_of_all_images_below_it(tmp_path):
    touch(tmp_path, "dog/1.jpg", "cat/indoors/2.jpg", "cat/1.jpg", "cat/indoors/deep/3.jpg")
    folder = ImageFolder.open(tmp_path)
    assert folder.classes == ("cat", "dog")
    assert folder.labels == ("cat", "cat", "cat", "dog")
    assert names(tmp_path, folder.paths) == ["cat/1.jpg", "cat/indoors/2.jpg", "cat/indoors/deep/3.jpg", "dog/1.jpg"]
    assert len(folder) == 4


def test_images_outside_of_the_classes_are_listed_as_ignored(tmp_path):
    touch(tmp_path, "cat/1.jpg", "dog/1.jpg", "cover.jpg", "README.txt", ".cache/1.jpg")
    with pytest.warns(SkippedImagesWarning, match=r"cover\.jpg"):
        folder = ImageFolder.open(tmp_path)
    assert names(tmp_path, folder.ignored) == ["cover.jpg"]
    assert len(folder) == 2


def test_a_link_back_to_the_root_adds_neither_a_class_nor_an_image(tmp_path):
    touch(tmp_path, "cat/1.jpg", "dog/1.jpg")
    (tmp_path / "again").symlink_to(tmp_path)
    (tmp_path / "cat" / "loop").symlink_to(tmp_path)
    folder = ImageFolder.open(tmp_path)
    assert folder.classes == ("cat", "dog")
    assert len(folder) == 2


def test_a_subset_has_the_rows_in_the_given_order_and_keeps_all_classes(tmp_path):
    touch(tmp_path, "cat/1.jpg", "cat/2.jpg", "dog/1.jpg")
    folder = ImageFolder.open(tmp_path)
    subset = folder.subset([2, 0])
    assert names(tmp_path, subset.paths) == ["dog/1.jpg", "cat/1.jpg"]
    assert subset.labels == ("dog", "cat")
    assert folder.subset(np.array([False, True, False])).labels == ("cat",)
    assert folder.subset([]).paths == ()
    assert folder.subset([]).classes == ("cat", "dog")


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(NotEnoughDataError, match="gone does not exist"):
        ImageFolder.open(tmp_path / "gone")


def test_a_file_is_not_a_folder_of_classes(tmp_path):
    touch(tmp_path, "a.jpg")
    with pytest.raises(NotEnoughDataError, match=r"a\.jpg is a file"):
        ImageFolder.open(tmp_path / "a.jpg")


def test_a_folder_without_sub_folders_explains_the_layout(tmp_path):
    touch(tmp_path, "1.jpg", "2.jpg")
    with pytest.raises(
        NotEnoughDataError, match=r"no sub-folders and 2 images outside of sub-folders. Put the images of each"
    ):
        ImageFolder.open(tmp_path)


def test_one_class_is_too_few_for_training_and_enough_for_testing(tmp_path):
    touch(tmp_path, "cat/1.jpg")
    with pytest.raises(NotEnoughDataError, match="the sub-folder 'cat' only"):
        ImageFolder.open(tmp_path)
    assert ImageFolder.open(tmp_path, min_classes=1).labels == ("cat",)


def test_classes_without_images_are_named(tmp_path):
    touch(tmp_path, "cat/1.jpg", "dog/notes.txt", "emu/.hidden.jpg")
    with pytest.raises(NotEnoughDataError, match="no images in class 'dog', 'emu'"):
        ImageFolder.open(tmp_path)


def test_an_empty_list_of_paths_is_refused():
    with pytest.raises(NotEnoughDataError, match="the list of paths is empty"):
        images_in([])
