"""Networks trained on ImageNet: their outputs on images with known classes."""

import numpy as np
import pytest
import skimage.data

from classicvision.backbone.onnx import OnnxBackbone

SAMPLES = {name: getattr(skimage.data, name) for name in ("chelsea", "coffee", "rocket")}


@pytest.mark.parametrize(
    ("file", "preprocessing", "sample", "top5"),
    [
        ("mobilenetv2-tf2ptq-w8", "inception", "chelsea", [285, 282, 281, 287, 286]),
        ("mobilenetv2-tf2ptq-w8", "inception", "coffee", [967, 925, 960, 969, 504]),
        ("mobilenetv2-tf2ptq-w8", "inception", "rocket", [657, 744, 540, 812, 517]),
        ("googlenet-bvlc-w16", "caffe", "chelsea", [285, 282, 287, 281, 292]),
        ("googlenet-bvlc-w16", "caffe", "coffee", [967, 925, 809, 968, 969]),
        ("googlenet-bvlc-w16", "caffe", "rocket", [657, 733, 744, 668, 437]),
    ],
)
def test_the_top_five_classes_are_those_published(shared, file, preprocessing, sample, top5):
    backbone = OnnxBackbone(shared / "onnx" / f"{file}.onnx", "output", preprocessing)
    logits = backbone(SAMPLES[sample]())
    n_backgrounds = len(logits) - 1000  # TensorFlow's networks have a background class 0 before those of ImageNet
    assert (np.argsort(-logits)[:5] - n_backgrounds).tolist() == top5


@pytest.mark.parametrize(
    ("file", "preprocessing", "length"),
    [
        ("mobilenetv2-tf2ptq-w8", "inception", 1280),
        ("mobilenetv1-0.25-128-w8", "inception-128", 256),
        ("googlenet-bvlc-w16", "caffe", 1024),
        ("squeezenet1.1-fp16-winml", "caffe", 512),
        ("resnet18-trunk-layer3", "imagenet", 256),
    ],
)
def test_the_features_have_their_published_length(shared, file, preprocessing, length):
    vector = OnnxBackbone(shared / "onnx" / f"{file}.onnx", preprocessing=preprocessing)(SAMPLES["chelsea"]())
    assert vector.shape == (length,)
    assert vector.any()


def test_half_precision_of_an_old_operator_set_averages_the_last_map(shared):
    path = shared / "onnx" / "squeezenet1.1-fp16-winml.onnx"
    found, named = (
        OnnxBackbone(path, stage, "caffe")(SAMPLES["coffee"]()) for stage in ("penultimate", "fire9/concat_1")
    )
    assert np.array_equal(found, named)


def test_the_wrong_preprocessing_is_a_silent_error(shared):
    path = shared / "onnx" / "googlenet-bvlc-w16.onnx"
    answers = [int(OnnxBackbone(path, "output", how)(SAMPLES["rocket"]()).argmax()) for how in ("caffe", "imagenet")]
    assert answers[0] == 657  # a missile
    assert answers[1] != 657
