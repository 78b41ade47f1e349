"""The graph of an ONNX network as plain values: its image input, its nodes, and the shape of every tensor."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from classicvision.backbone.constant_folding import attributes_of
from classicvision.backbone.image_input import ImageInput, find_image_input
from classicvision.backbone.modelfile import read_model
from classicvision.backbone.shapes import infer_tensors
from classicvision.backbone.tensors import Tensor

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

__all__ = ["Graph", "ImageInput", "Node", "Tensor", "graph_of_model", "read_graph"]


@dataclass(frozen=True)
class Node:
    """One operation. The name of an omitted optional input is empty."""

    name: str  # from the file; if empty there, the name of the first output
    operator: str
    domain: str  # "" for the standard operators
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]  # numbers, text and tuples of them; without tensors and subgraphs

    def integers(self, name: str, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        """Return an attribute that is a list of integers."""
        value = self.attributes.get(name, default)
        return tuple(map(int, value)) if isinstance(value, tuple) else default

    def integer(self, name: str, default: int) -> int:
        """Return an attribute that is an integer."""
        value = self.attributes.get(name, default)
        return value if isinstance(value, int) else default


@dataclass(frozen=True, eq=False)
class Graph:
    """A network as plain values, its nodes in topological order."""

    input: ImageInput
    size: tuple[int, int]  # height and width of the image that the shapes are for
    outputs: tuple[str, ...]
    nodes: tuple[Node, ...]
    tensors: Mapping[str, Tensor]  # dtype and shape of every named tensor
    constants: frozenset[str]  # tensors that do not depend on the image: weights, sizes and what follows from them
    values: Mapping[str, NDArray[Any]]  # of small constants
    metadata: Mapping[str, str]
    opset: int
    producer: str

    def tensor(self, name: str) -> Tensor:
        """Return dtype and shape of a tensor."""
        return self.tensors.get(name, Tensor("", None))

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Return the shape of a tensor, or None if it is not fully known."""
        shape = self.tensor(name).shape
        return None if shape is None or None in shape else tuple(n or 0 for n in shape)

    @property
    def batch(self) -> int:
        """The number of images that the shapes are for."""
        return self.input.batch or 1

    def is_data(self, name: str) -> bool:
        """Tell whether a tensor depends on the image; an omitted input does not."""
        return bool(name) and name not in self.constants


def read_graph(path: str | os.PathLike[str], *, size: tuple[int, int] | None = None) -> Graph:
    """Read the graph of an ONNX file.

    Parameters
    ----------
    path : path
        The file. External weights must be in the same folder; they are not read.
    size : (height, width), optional
        Size of the image for which shapes are inferred, if the file does not fix it; 224 x 224 by default.

    Raises
    ------
    BackboneError
        If the file is not an intact ONNX network with one image as input, or fixes another size.
    OSError
        If the file cannot be read.
    """
    return graph_of_model(read_model(path), Path(path), size=size)


def graph_of_model(model: ModelProto, path: str | os.PathLike[str], *, size: tuple[int, int] | None = None) -> Graph:
    """Return the graph of a model that `read_model` returned; error messages begin with `path`."""
    graph = model.graph
    stored = {tensor.name for tensor in graph.initializer} | {sparse.values.name for sparse in graph.sparse_initializer}
    image = find_image_input([value for value in graph.input if value.name not in stored], path)
    size = image.image_size(size, path)
    constants = _constants(graph, stored)
    tensors, values = infer_tensors(model, image, size, constants, path)
    return Graph(
        input=image,
        size=size,
        outputs=tuple(value.name for value in graph.output),
        nodes=tuple(
            Node(
                node.name or next(filter(None, node.output), node.op_type),
                node.op_type,
                "" if node.domain == "ai.onnx" else node.domain,
                tuple(node.input),
                tuple(node.output),
                attributes_of(node),
            )
            for node in graph.node
        ),
        tensors=tensors,
        constants=constants,
        values=values,
        metadata={entry.key: entry.value for entry in model.metadata_props},
        opset=max(opset.version for opset in model.opset_import if opset.domain in ("", "ai.onnx")),
        producer=" ".join(filter(None, (model.producer_name, model.producer_version))),
    )


def _constants(graph: GraphProto, stored: set[str]) -> frozenset[str]:
    """Return the tensors that do not depend on the image: stored tensors, sizes, and what follows from those alone."""
    constants = set(stored)
    for node in graph.node:
        has_branches = any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute)
        known = node.op_type in ("Shape", "Size") or constants.issuperset(filter(None, node.input))
        if known and not has_branches:
            constants.update(filter(None, node.output))
    return frozenset(constants)
