"""Networks of the literature, built here layer by layer, have the figures of papers and well-known tables.

Weights are made by a node from their shape alone, so that the largest file here has a few kilobytes.
"""

from functools import cache

import pytest
from onnx import TensorProto, helper

from classicvision.backbone.graph import graph_of_model
from classicvision.backbone.inspection import inspect_graph
from classicvision.backbone.penultimate import penultimate


class Drawing:
    """A network drawn layer by layer; each method adds one, gives its name, and returns the name of its output."""

    def __init__(self, size=224, channels=3):
        self.nodes, self.shapes = [], []
        self.channels = {"image": channels}
        self.input = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, channels, size, size])

    def add(self, operator, inputs, n_channels, name=None, **attributes):
        output = name or f"{operator}{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        self.channels[output] = n_channels
        return output

    def weights(self, *shape):
        name = f"weights{len(self.shapes)}"
        self.shapes.append(helper.make_tensor(f"{name}_shape", TensorProto.INT64, [len(shape)], shape))
        self.nodes.append(helper.make_node("ConstantOfShape", [f"{name}_shape"], [name]))
        return name

    def conv(self, x, n_out, kernel, stride=1, pad=None, *, groups=1, bias=True, name=None, **attributes):
        pads = [(kernel - 1) // 2 if pad is None else pad] * 4
        inputs = [x, self.weights(n_out, self.channels[x] // groups, kernel, kernel), *([self.weights(n_out)] * bias)]
        attributes = {"pads": pads, "strides": [stride] * 2, "group": groups} | attributes
        return self.add("Conv", inputs, n_out, name, **attributes)

    def relu(self, x):
        return self.add("Relu", [x], self.channels[x])

    def conv_relu(self, *how, **more):
        return self.relu(self.conv(*how, **more))

    def norm(self, x):
        n = self.channels[x]
        return self.add("BatchNormalization", [x, *(self.weights(n) for _ in range(4))], n)

    def conv_norm(self, *how, activate=True, **more):
        x = self.norm(self.conv(*how, bias=False, **more))
        return self.relu(x) if activate else x

    def pool(self, x, kernel, stride, pad=0, name=None):
        how = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [pad] * 4}
        return self.add("MaxPool", [x], self.channels[x], name, **how)

    def linear(self, x, n_out, n_in=None, name=None):
        n_in = n_in or self.channels[x]
        return self.add("Gemm", [x, self.weights(n_out, n_in), self.weights(n_out)], n_out, name, transB=1)

    def flatten(self, x):
        return self.add("Flatten", [x], None)

    def pooled(self, x, n_classes=1000):
        n = self.channels[x]
        return self.linear(self.flatten(self.add("GlobalAveragePool", [x], n)), n_classes, n)

    def model(self, output, opset):
        outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)]
        graph = helper.make_graph(self.nodes, "drawing", [self.input], outputs, self.shapes)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


def inspected(drawing, output, opset=13):
    graph = graph_of_model(drawing.model(output, opset), "drawing")
    return inspect_graph(graph, penultimate(graph))


def layer(found, name):
    return next(layer for layer in found.layers if layer.name == name)


@cache
def alexnet():
    """Krizhevsky's network without its two towers, on 227 x 227 as its arithmetic needs."""
    net = Drawing(227)
    x = net.pool(net.conv_relu("image", 96, 11, 4, 0, name="conv1"), 3, 2)
    x = net.pool(net.conv_relu(x, 256, 5, name="conv2"), 3, 2)
    for number, width in enumerate((384, 384, 256), 3):
        x = net.conv_relu(x, width, 3, name=f"conv{number}")
    x = net.flatten(net.pool(x, 3, 2, name="pool5"))
    x = net.relu(net.linear(x, 4096, 6 * 6 * 256))
    return inspected(net, net.linear(net.relu(net.linear(x, 4096)), 1000))


@cache
def vgg16():
    net = Drawing()
    x = "image"
    for number, (n_layers, width) in enumerate([(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)], 1):
        for place in range(1, n_layers + 1):
            x = net.conv_relu(x, width, 3, name=f"conv{number}_{place}")
        x = net.pool(x, 2, 2, name=f"pool{number}")
    x = net.relu(net.linear(net.flatten(x), 4096, 7 * 7 * 512, name="fc6"))
    x = net.relu(net.linear(x, 4096, name="fc7"))
    return inspected(net, net.linear(x, 1000, name="fc8"))


@cache
def resnet50(*, stride_last=False):
    """He's network; a group's stride is in its first unit, or in the last of the group before, as TensorFlow has it."""
    net = Drawing()
    x = net.pool(net.conv_norm("image", 64, 7, 2), 3, 2, 1)
    for group, (n_units, width) in enumerate([(3, 64), (4, 128), (6, 256), (3, 512)]):
        for unit in range(n_units):
            strided = (group < 3 and unit == n_units - 1) if stride_last else (group > 0 and unit == 0)
            inner = net.conv_norm(net.conv_norm(x, width, 1), width, 3, 1 + strided)
            inner = net.conv_norm(inner, 4 * width, 1, activate=False)
            if unit == 0:
                x = net.conv_norm(x, 4 * width, 1, 1 + strided, activate=False)
            elif strided:
                x = net.pool(x, 1, 2)
            x = net.relu(net.add("Add", [inner, x], 4 * width))
    return inspected(net, net.pooled(x))


@cache
def mobilenet():
    """Howard et al. (2017), table 1."""
    net = Drawing()
    x = net.conv_norm("image", 32, 3, 2)
    strides = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    for width, stride in strides:
        x = net.conv_norm(x, net.channels[x], 3, stride, groups=net.channels[x])
        x = net.conv_norm(x, width, 1)
    return inspected(net, net.pooled(x))


@cache
def vision_transformer():
    """Dosovitskiy et al. (2021), table 1: ViT-B/16, with the shapes computed in the graph as exporters write them."""
    net = Drawing()
    n_tokens, depth, heads = 197, 768, 12
    for name, shape in {
        "flat": (0, depth, -1),
        "heads": (0, 0, 3, heads, depth // heads),
        "joined": (0, 0, depth),
        "first": (),
    }.items():
        net.shapes.append(helper.make_tensor(name, TensorProto.INT64, [len(shape)] if shape else [], shape or [0]))

    def product(x, n_in, n_out):
        return net.add("Add", [net.add("MatMul", [x, net.weights(n_in, n_out)], None), net.weights(n_out)], None)

    def layer_norm(x):
        return net.add("LayerNormalization", [x, net.weights(depth), net.weights(depth)], None)

    def attention(x):
        parts = net.add(
            "Transpose", [net.add("Reshape", [product(x, depth, 3 * depth), "heads"], None)], None, perm=[2, 0, 3, 1, 4]
        )
        q, k, v = (net.add("Gather", [parts, place], None) for place in ("first", "second", "third"))
        scores = net.add("MatMul", [q, net.add("Transpose", [k], None, perm=[0, 1, 3, 2])], None)
        mixed = net.add("MatMul", [net.add("Softmax", [scores], None), v], None)
        return product(
            net.add("Reshape", [net.add("Transpose", [mixed], None, perm=[0, 2, 1, 3]), "joined"], None), depth, depth
        )

    for place, name in enumerate(("second", "third"), 1):
        net.shapes.append(helper.make_tensor(name, TensorProto.INT64, [], [place]))
    x = net.add("Reshape", [net.conv("image", depth, 16, 16, 0), "flat"], None)
    x = net.add("Concat", [net.weights(1, 1, depth), net.add("Transpose", [x], None, perm=[0, 2, 1])], None, axis=1)
    x = net.add("Add", [x, net.weights(1, n_tokens, depth)], None)
    for _ in range(12):
        x = net.add("Add", [x, attention(layer_norm(x))], None)
        hidden = net.add("Gelu", [product(layer_norm(x), depth, 4 * depth)], None)
        x = net.add("Add", [x, product(hidden, 4 * depth, depth)], None)
    x = net.add("Gather", [layer_norm(x), "first"], depth, axis=1)
    return inspected(net, net.linear(x, 1000), opset=20)


@cache
def inception_module(*, bottlenecks):
    """The lectures' example on 256 maps of 28 x 28: 128 maps by 1x1, 192 by 3x3, 96 by 5x5, and a pooling."""
    net = Drawing(28)
    x = net.conv("image", 256, 1, name="before")

    def reduced(y):
        return net.conv(y, 64, 1) if bottlenecks else y

    paths = [net.conv(x, 128, 1), net.conv(reduced(x), 192, 3, name="3x3"), net.conv(reduced(x), 96, 5)]
    paths.append(reduced(net.pool(x, 3, 1, 1)))
    found = inspected(net, net.add("Concat", paths, None, axis=1))
    return found.n_macs - layer(found, "before").n_macs, layer(found, "3x3").n_macs


def test_first_layer_of_alexnet_has_34944_parameters_and_gives_96_maps_of_55_x_55():
    conv1 = layer(alexnet(), "conv1")
    assert conv1.n_parameters == 34_944
    assert conv1.shape == (96, 55, 55)


def test_shapes_of_alexnet():
    shapes = [layer.shape for layer in alexnet().layers if layer.operator in ("Conv", "MaxPool", "Gemm")]
    assert shapes == [
        *[(96, 55, 55), (96, 27, 27), (256, 27, 27), (256, 13, 13), (384, 13, 13), (384, 13, 13), (256, 13, 13)],
        *[(256, 6, 6), (4096,), (4096,), (1000,)],
    ]


# Layer, parameters with biases, activations (Simonyan and Zisserman 2015, configuration D; the lectures' table).
VGG16 = [
    *[("conv1_1", 1_792, 3_211_264), ("conv1_2", 36_928, 3_211_264), ("pool1", 0, 802_816)],
    *[("conv2_1", 73_856, 1_605_632), ("conv2_2", 147_584, 1_605_632), ("pool2", 0, 401_408)],
    *[("conv3_1", 295_168, 802_816), ("conv3_2", 590_080, 802_816), ("conv3_3", 590_080, 802_816)],
    *[("pool3", 0, 200_704), ("conv4_1", 1_180_160, 401_408), ("conv4_2", 2_359_808, 401_408)],
    *[("conv4_3", 2_359_808, 401_408), ("pool4", 0, 100_352), ("conv5_1", 2_359_808, 100_352)],
    *[("conv5_2", 2_359_808, 100_352), ("conv5_3", 2_359_808, 100_352), ("pool5", 0, 25_088)],
    *[("fc6", 102_764_544, 4_096), ("fc7", 16_781_312, 4_096), ("fc8", 4_097_000, 1_000)],
]


@pytest.mark.parametrize(("name", "n_parameters", "n_activations"), VGG16)
def test_a_layer_of_vgg_16_is_that_of_the_table(name, n_parameters, n_activations):
    found = layer(vgg16(), name)
    assert (found.n_parameters, found.n_activations) == (n_parameters, n_activations)


def test_vgg_16_has_138_million_parameters_most_of_them_in_its_first_linear_layer():
    assert vgg16().n_parameters == 138_357_544
    assert layer(vgg16(), "fc6").n_parameters > 138_357_544 / 2


def test_vgg_16_takes_15_and_a_half_billion_macs():
    assert vgg16().n_macs == 15_470_264_320


def test_activations_of_vgg_16_are_the_sum_of_the_table_and_most_of_them_are_early():
    """Often 24 million are stated, which the rows of that table do not add up to: they are 15.1 million numbers."""
    found = vgg16()
    assert found.n_bytes == 4 * sum(n for _, _, n in VGG16) == 4 * 15_087_080
    assert found.stages[0].n_bytes > found.n_bytes / 3


def test_resnet_50_has_25_and_a_half_million_parameters_and_4_point_1_billion_macs():
    assert resnet50().n_parameters == 25_557_032
    assert round(resnet50().n_macs / 1e9, 1) == 4.1


def test_stages_of_resnet_50_are_its_groups():
    assert [(stage.name, stage.shape) for stage in resnet50().stages] == [
        ("stage1", (64, 112, 112)),
        ("stage2", (256, 56, 56)),
        ("stage3", (512, 28, 28)),
        ("stage4", (1024, 14, 14)),
        ("stage5", (2048, 7, 7)),
        ("penultimate", (2048,)),
        ("head", (1000,)),
    ]


def test_mobilenet_has_4_point_2_million_parameters_and_569_million_macs():
    assert round(mobilenet().n_macs / 1e6) == 569
    assert round(mobilenet().n_parameters / 1e6, 1) == 4.2


def test_vit_b_16_has_86_point_6_million_parameters_and_17_point_6_billion_macs():
    found = vision_transformer()
    assert found.n_parameters == 86_567_656
    assert round(found.n_macs / 1e9, 1) == 17.6
    assert (found.unknown_operators, found.unknown_layers) == ({}, ())


def test_a_naive_inception_module_takes_854_million_macs():
    assert round(inception_module(bottlenecks=False)[0] / 1e6) == 854


def test_an_inception_module_with_bottlenecks_takes_358_million_macs_if_its_3x3_is_counted_twice():
    """The lectures' list of layers adds up to 271 million; their total of 358 million has the 3x3 layer twice."""
    macs, of_3x3 = inception_module(bottlenecks=True)
    assert round(macs / 1e6) == 271
    assert round((macs + of_3x3) / 1e6) == 358


def last_field(found):
    """Return the receptive field of the last tensor that is more than one vector."""
    return next(layer.receptive_field for layer in reversed(found.layers) if not layer.receptive_field.whole)


@pytest.mark.parametrize(
    ("network", "size", "stride"),
    [
        (alexnet, 195, 32),
        (vgg16, 212, 32),
        (mobilenet, 315, 32),
        (lambda: resnet50(stride_last=True), 483, 32),
    ],
    ids=["AlexNet v2", "VGG-16", "MobileNet v1", "ResNet v1-50"],
)
def test_receptive_field_is_that_of_tensorflows_table(network, size, stride):
    """Araujo et al. (2019), table 1."""
    field = last_field(network())
    assert field.size == (size, size)
    assert field.stride == (stride, stride)


def test_a_depthwise_separable_layer_costs_one_by_width_plus_one_by_window_of_a_full_one():
    """Howard et al. (2017), section 3.1: 1/C_out + 1/K^2."""
    net = Drawing(16)
    x = net.conv("image", 32, 1)
    full = net.conv(x, 64, 3, name="full")
    depthwise = net.conv(x, 32, 3, groups=32, name="depthwise")
    pointwise = net.conv(depthwise, 64, 1, name="pointwise")
    found = inspected(net, net.add("Add", [full, pointwise], 64))
    separable = layer(found, "depthwise").n_macs + layer(found, "pointwise").n_macs
    assert separable / layer(found, "full").n_macs == pytest.approx(1 / 64 + 1 / 9)
