"""Small networks with the blocks of families that are not in the model zoo: what their features are.

Each is a stem, one or two blocks as its paper draws them, and the classifier. The features are computed a second time,
by NumPy, from the tensor before the pooling; what leads there is the business of onnxruntime.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from classicvision.backbone.graph import read_graph
from classicvision.backbone.onnx import OnnxBackbone
from classicvision.backbone.penultimate import penultimate
from classicvision.backbone.preprocessing import Preprocessing
from classicvision.backbone.stages import find_stages

SIDE = 32  # pixels
N_CLASSES = 5
PREPARED = Preprocessing(resize="square", resize_to=SIDE, crop=SIDE, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


class Net:
    """A network builder; each method adds nodes after a tensor and returns the name of the last one's output."""

    def __init__(self):
        self.rng = np.random.default_rng(0)
        self.nodes, self.weights, self.width = [], [], {"images": 3}

    def op(self, operator, *inputs, name=None, n_outputs=1, width=None, **attributes):
        from onnx import helper

        outputs = [name or f"{operator.lower()}_{len(self.nodes)}"]
        outputs += [f"{outputs[0]}_{k}" for k in range(1, n_outputs)]
        self.nodes.append(helper.make_node(operator, inputs, outputs, **attributes))
        self.width[outputs[0]] = width or self.width.get(inputs[0])
        return outputs[0] if n_outputs == 1 else outputs

    def constant(self, values, dtype=np.float32):
        from onnx import numpy_helper

        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def random(self, *shape):
        return self.constant(self.rng.normal(0, 1 / np.sqrt(np.prod(shape[1:])), shape))

    def conv(self, x, width, kernel=1, stride=1, groups=1, name=None):
        weights = self.random(width, self.width[x] // groups, kernel, kernel)
        half = kernel // 2
        return self.op(
            "Conv", x, weights, name=name, width=width, group=groups, strides=[stride] * 2, pads=[half] * 4,
            kernel_shape=[kernel] * 2,
        )  # fmt: skip

    def relu(self, x):
        return self.op("Relu", x)

    def silu(self, x, name=None):
        return self.op("Mul", x, self.op("Sigmoid", x), name=name)

    def dense(self, x, n_in, n_out):
        return self.op("Add", self.op("MatMul", x, self.random(n_in, n_out)), self.random(n_out))

    def classifier(self, x):
        pooled = self.op("Flatten", self.op("GlobalAveragePool", x), name="code")
        return self.op("Gemm", pooled, self.random(self.width[x], N_CLASSES), self.random(N_CLASSES), name="logits")

    def save(self, path):
        from onnx import TensorProto, checker, helper, save

        graph = helper.make_graph(
            self.nodes,
            "net",
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", N_CLASSES])],
            self.weights,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        checker.check_model(model)
        save(model, path)


def resnext(net):
    """Add a block of Xie et al. (2017), figure 3c: 1 x 1, 3 x 3 in 8 groups, 1 x 1, parallel to a shortcut."""
    x = net.relu(net.conv("images", 16, 3, 2))
    y = net.relu(net.conv(x, 32))
    y = net.relu(net.conv(y, 32, 3, groups=8))
    y = net.op("Add", net.conv(y, 64), net.conv(x, 64))
    return net.classifier(net.op("Relu", y, name="last"))


def xception(net):
    """Add a block of Chollet (2017), figure 5: two separable convolutions, pooling, and a strided shortcut."""
    x = net.relu(net.conv("images", 16, 3, 2))
    y = x
    for width in (24, 24):
        y = net.conv(net.conv(net.relu(y), net.width[y], 3, groups=net.width[y]), width)
    y = net.op("MaxPool", y, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    y = net.op("Add", y, net.conv(x, 24, 1, 2))
    return net.classifier(net.op("Relu", y, name="last"))


def efficientnet_v2(net):
    """Add the blocks of Tan and Le (2021), figure 2: a fused MBConv, then an MBConv that squeezes and excites."""
    x = net.silu(net.conv("images", 8, 3, 2))
    y = net.conv(net.silu(net.conv(x, 32, 3)), 8)
    x = net.op("Add", x, y)
    y = net.silu(net.conv(x, 32))
    y = net.silu(net.conv(y, 32, 3, 2, groups=32))
    gate = net.silu(net.conv(net.op("GlobalAveragePool", y), 4))
    y = net.op("Mul", y, net.op("Sigmoid", net.conv(gate, 32)))
    y = net.conv(y, 16)
    return net.classifier(net.silu(net.conv(y, 48), name="last"))


def vit(net, d=16, n_heads=2):
    """Add an encoder layer of Dosovitskiy et al. (2021), figure 1, on 16 patches and a class token."""
    n = (SIDE // 8) ** 2
    patches = net.op(
        "Conv", "images", net.random(d, 3, 8, 8), width=d, kernel_shape=[8, 8], strides=[8, 8], name="patches"
    )
    x = net.op("Reshape", patches, net.constant([0, d, n], np.int64))
    x = net.op("Transpose", x, perm=[0, 2, 1])
    batch = net.op("Slice", net.op("Shape", "images"), net.constant([0], np.int64), net.constant([1], np.int64))
    shape = net.op("Concat", batch, net.constant([1, d], np.int64), axis=0)
    x = net.op("Concat", net.op("Expand", net.random(1, 1, d), shape), x, axis=1)
    x = net.op("Add", x, net.random(1, n + 1, d))
    y = net.op("LayerNormalization", x, net.constant(np.ones(d)), net.constant(np.zeros(d)))
    heads = []
    for order in ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]):  # queries, keys transposed, values
        split = net.op("Reshape", net.dense(y, d, d), net.constant([0, 0, n_heads, d // n_heads], np.int64))
        heads.append(net.op("Transpose", split, perm=order))
    weights = net.op("Softmax", net.op("MatMul", heads[0], heads[1]), axis=-1)
    y = net.op("Transpose", net.op("MatMul", weights, heads[2]), perm=[0, 2, 1, 3])
    x = net.op("Add", x, net.dense(net.op("Reshape", y, net.constant([0, 0, d], np.int64)), d, d))
    y = net.op("LayerNormalization", x, net.constant(np.ones(d)), net.constant(np.zeros(d)))
    y = net.dense(y, d, 2 * d)
    y = net.op("Mul", y, net.op("Sigmoid", y))
    x = net.op("Add", x, net.dense(y, 2 * d, d), name="last")
    code = net.op("Gather", x, net.constant(0, np.int64), axis=1, name="code")
    return net.op("Gemm", code, net.random(d, N_CLASSES), net.random(N_CLASSES), name="logits")


FAMILIES = {
    "resnext": (resnext, 64),
    "xception": (xception, 24),
    "efficientnet_v2": (efficientnet_v2, 48),
    "vit": (vit, 16),
}


@pytest.fixture(params=FAMILIES)
def family(request, tmp_path):
    """Return the name of a family, its file, and the length of its features."""
    build, width = FAMILIES[request.param]
    net = Net()
    build(net)
    net.save(tmp_path / f"{request.param}.onnx")
    return request.param, tmp_path / f"{request.param}.onnx", width


@pytest.fixture
def image():
    return np.random.default_rng(1).integers(0, 256, (48, 60, 3), np.uint8)


def test_the_features_are_the_input_of_the_classifier(family):
    _, path, _ = family
    assert penultimate(read_graph(path)) == "code"


def test_the_features_follow_from_the_tensor_before_the_pooling(family, image):
    name, path, width = family
    features = OnnxBackbone(str(path), preprocessing=PREPARED)(image)
    last = OnnxBackbone(str(path), stage="last", preprocessing=PREPARED)
    tensor = last.activations(last.tensors(image))[0]
    assert features.shape == (width,)
    assert features.std() > 0
    assert_allclose(features, tensor[0] if name == "vit" else tensor.mean(axis=(1, 2)), rtol=1e-4, atol=1e-6)


def test_an_image_has_the_same_features_alone_and_in_a_batch(family, image):
    _, path, _ = family
    backbone = OnnxBackbone(str(path), preprocessing=PREPARED)
    others = np.concatenate([backbone.tensors(image[::-1]), backbone.tensors(image)])
    assert_allclose(backbone.run(others)[1], backbone(image), rtol=1e-4, atol=1e-6)


def test_another_image_has_other_features(family, image):
    _, path, _ = family
    backbone = OnnxBackbone(str(path), preprocessing=PREPARED)
    assert not np.allclose(backbone(image), backbone(255 - image), rtol=1e-2)


@pytest.mark.parametrize(
    ("name", "maps"),
    [
        ("resnext", [(64, 16, 16)]),
        ("xception", [(16, 16, 16), (24, 8, 8)]),
        ("efficientnet_v2", [(32, 16, 16), (48, 8, 8)]),
        ("vit", [(16, 4, 4)]),
    ],
)
def test_the_stages_are_the_runs_of_one_resolution(name, maps, tmp_path):
    net = Net()
    FAMILIES[name][0](net)
    net.save(tmp_path / "net.onnx")
    graph = read_graph(tmp_path / "net.onnx")
    stages = find_stages(graph, penultimate(graph))
    assert [stage.shape for stage in stages if stage.name != "penultimate"] == maps
    assert stages[-1].shape == (FAMILIES[name][1],)
