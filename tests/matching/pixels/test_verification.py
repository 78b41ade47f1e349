"""Verification by pixels: copies, edited copies, templates, separate photographs, other colours."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from classicvision.matching.outline import contains, polygon_area
from classicvision.matching.pair import match_features
from classicvision.matching.pixels.verification import verify_by_pixels
from classicvision.matching.result import MatchResult
from classicvision.matching.settings import MATCHING_SIFT


def verified(image_a, image_b):
    a, b = MATCHING_SIFT(image_a), MATCHING_SIFT(image_b)
    return verify_by_pixels(image_a, image_b, a, b, match_features(a, b))


def jpeg(image, quality):
    data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])


def jittered(image, sigma, side=12):
    """Displace every detail on its own, as parallax does."""
    height, width = image.shape[:2]
    grid = np.random.default_rng(1).normal(0, sigma, (2, height // side + 1, width // side + 1)).astype(np.float32)
    dx, dy = (cv2.resize(one, (width, height), interpolation=cv2.INTER_CUBIC) for one in grid)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return cv2.remap(image, x + dx, y + dy, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


COPIES = {
    "equal": lambda image: image.copy(),
    "jpeg": lambda image: jpeg(image, 15),
    "half size": lambda image: cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
    "mirrored": lambda image: np.ascontiguousarray(image[:, ::-1]),
    "gamma": lambda image: np.rint(255 * (image / 255) ** 1.8).astype(np.uint8),
    "inverted": lambda image: 255 - image,
    "grey": lambda image: np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2),
    "crop": lambda image: np.ascontiguousarray(image[60:260, 100:360]),
}


@pytest.mark.parametrize("edit", COPIES)
def test_copies_stay_copies_and_nothing_differs(scene, edit):
    result = verified(scene, COPIES[edit](scene))
    assert result.verdict == "copy"
    assert {region.pixels.relation for region in result.regions} == {"same"}
    assert result.regions[0].pixels.displacement < 0.9


@pytest.mark.parametrize("edit", ["equal", "jpeg", "half size", "crop"])
def test_copies_of_a_page_of_text_stay_copies(page, edit):
    image = page(
        ["These lines of text are", "a page that is copied", "as a whole, in one of", "several ways, and found"]
    )
    assert verified(image, COPIES[edit](image)).verdict == "copy"


def test_the_whole_image_is_outlined(scene):
    (region,) = verified(scene, jpeg(scene, 60)).regions
    assert region.share_a == pytest.approx(1, abs=0.01)
    assert region.share_b == pytest.approx(1, abs=0.01)
    assert polygon_area(region.polygon_a) == pytest.approx(400 * 300, rel=0.01)


@pytest.mark.parametrize("edit", ["equal", "jpeg"])
@pytest.mark.parametrize("side", [60, 90, 140])
def test_what_differs_is_outlined_and_not_counted(scene, other_scene, side, edit):
    changed = scene.copy()
    changed[80 : 80 + side, 150 : 150 + side] = other_scene[80 : 80 + side, 150 : 150 + side]
    result = verified(scene, COPIES[edit](changed))
    (region,) = result.regions
    replaced = side**2 / (400 * 300)
    assert result.verdict == "copy"
    assert region.pixels.relation == "edited"
    assert region.share_a == pytest.approx(1 - replaced, abs=0.03)
    assert sum(one.share_a for one in region.pixels.differences) == pytest.approx(replaced, abs=0.03)
    y, x = np.mgrid[80 : 80 + side : 4, 150 : 150 + side : 4]
    points = np.column_stack([x.ravel(), y.ravel()]).astype(float)
    assert contains(region.pixels.differences[0].polygon_a, points).mean() >= 0.8


def test_the_corners_that_a_rotation_loses_differ(scene):
    matrix = cv2.getRotationMatrix2D((200, 150), 12, 1)
    (region,) = verified(scene, cv2.warpAffine(scene, matrix, (400, 300), borderValue=(255, 255, 255))).regions
    assert region.pixels.relation == "edited"
    assert 0.75 < region.share_a < 0.95


def test_a_copy_inside_a_page_is_outlined_alone(scene, page):
    image = page(["A page with an image", "", "", "", "", "", "", "and some words below it"])
    image[140:440, 200:600] = scene
    result = verified(scene, image)
    assert result.verdict == "copy"
    assert sum(region.share_b for region in result.regions) == pytest.approx(400 * 300 / (600 * 800), abs=0.03)


def test_the_same_layout_with_other_words_is_a_template(page):
    frame = ["REQUEST FOR LEAVE", "Name:", "Department:", "From:", "Until:", "Reason:", "Signature:", "Place and date:"]
    a, b = page(frame), page(frame)
    for image, words in (
        (a, ["Mary Smith", "Physics", "12 May", "19 June", "Holiday", "M. Smith", "London"]),
        (b, ["Qadir Zhou", "Botany", "30 Oct", "28 Dec", "Surgery", "Q. Zhou", "Kyoto"]),
    ):
        for row, word in enumerate(words):
            for column in (430, 620):
                place = (column, 135 + 65 * row)
                cv2.putText(image, word, place, cv2.FONT_HERSHEY_DUPLEX, 1.2, (20, 20, 20), 3, cv2.LINE_AA)
    assert match_features(MATCHING_SIFT(a), MATCHING_SIFT(b)).verdict == "copy"
    result = verified(a, b)
    assert result.verdict == "related"
    assert {region.pixels.relation for region in result.regions} == {"template"}
    assert "layout" in result.reason


def test_details_that_move_on_their_own_show_separate_photographs(scene):
    result = verified(scene, jittered(scene, 2.5))
    assert result.verdict == "related"
    assert result.regions[0].pixels.relation == "same scene"
    assert "two photographs" in result.reason


def test_another_colour_is_named(scene):
    other = scene.copy()
    other[:, :200] = other[:, :200, ::-1]
    (region,) = verified(scene, other).regions
    assert region.pixels.recoloured is not None
    assert verified(scene, COPIES["gamma"](scene)).regions[0].pixels.recoloured is None


def test_both_orders_give_one_relation(scene, other_scene):
    changed = scene.copy()
    changed[80:180, 150:250] = other_scene[80:180, 150:250]
    forth, back = verified(scene, changed), verified(changed, scene)
    assert forth.verdict == back.verdict == "copy"
    assert forth.regions[0].pixels.relation == back.regions[0].pixels.relation == "edited"
    assert forth.regions[0].share_a == pytest.approx(back.regions[0].share_b, abs=0.01)


def test_a_part_has_only_the_inliers_that_lie_in_it(scene, page):
    image = page([])
    image[20:170, 50:450], image[400:550, 50:450] = scene[:150], scene[150:]
    result = verified(scene, image)
    a = MATCHING_SIFT(scene)
    assert len(result.regions) == 2
    for region in result.regions:
        assert contains(region.polygon_a, a.xy[region.pairs[:, 0]].astype(float)).mean() > 0.9


def test_other_results_are_returned_as_they_are(scene, other_scene):
    a, b = MATCHING_SIFT(scene), MATCHING_SIFT(other_scene)
    result = match_features(a, b)
    assert result.verdict == "no evidence"
    assert verify_by_pixels(scene, other_scene, a, b, result) is result
    equal = MatchResult("copy", "bytes", (), 0.0, (0, 0), 0, (scene.shape[:2],) * 2, "the same")
    assert verify_by_pixels(scene, scene, a, a, equal) is equal


def test_a_region_that_is_too_small_is_a_copy_only_if_its_keypoints_leave_no_doubt(scene):
    small = cv2.resize(scene, (200, 150), interpolation=cv2.INTER_AREA)[64:86]
    a = MATCHING_SIFT(small)
    result = match_features(a, a)
    assert result.verdict == "copy"
    for significance, verdict in ((59.0, "related"), (61.0, "copy")):
        regions = tuple(replace(region, significance=significance) for region in result.regions)
        found = verify_by_pixels(small, small, a, a, replace(result, regions=regions))
        assert found.verdict == verdict
        assert found.regions[0].pixels is None
        assert "too small" in found.reason


def test_a_caption_on_a_page_with_little_on_it_leaves_a_copy(page):
    image = page(["", "Three words here"])
    captioned = image.copy()
    captioned[510:] = 40
    for row in (545, 585):
        text = "A caption in two lines that covers"
        cv2.putText(captioned, text, (20, row), cv2.FONT_HERSHEY_DUPLEX, 1.1, (255, 255, 255), 2, cv2.LINE_AA)
    assert verified(image, captioned).verdict == "copy"
    assert verified(captioned, image).verdict == "copy"


def test_keypoints_of_other_images_are_refuted(scene, other_scene):
    """Keypoints that agree, by chance or by likeness, on images that show something else."""
    a = MATCHING_SIFT(scene)
    found = verify_by_pixels(scene, other_scene, a, a, match_features(a, a))
    assert found.verdict == "no evidence"
    assert not found.regions
    assert "pixels do not" in found.reason


def test_signs_that_differ_in_one_mark_are_not_copies():
    def die(*pips):
        image = np.full((256, 256, 3), 255, np.uint8)
        cv2.rectangle(image, (30, 30), (225, 225), (0, 0, 0), 12, cv2.LINE_AA)
        for x, y in pips:
            cv2.circle(image, (x, y), 22, (0, 0, 0), -1, cv2.LINE_AA)
        return image

    two, three = die((80, 80), (176, 176)), die((80, 80), (128, 128), (176, 176))
    assert verified(two, three).verdict != "copy"
    assert verified(three, two).verdict != "copy"
