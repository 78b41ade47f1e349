"""The sheet of SIFT's steps."""

from classicvision import workflows
from classicvision.folders import find_images


def test_show_draws_a_sheet_and_counts_the_keypoints(texture_folder, tmp_path):
    path = find_images([texture_folder])[0]
    assert workflows.show(path, tmp_path / "stages.png") > 10
    assert (tmp_path / "stages.png").read_bytes().startswith(b"\x89PNG")
