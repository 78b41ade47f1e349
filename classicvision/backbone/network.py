"""Run a network in onnxruntime up to one tensor, on one thread."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from classicvision.backbone.graph import Graph, graph_of_model
from classicvision.backbone.image_input import ImageInput
from classicvision.backbone.modelfile import read_model
from classicvision.backbone.penultimate import Tap, has_classes, output_of, penultimate, tap_at
from classicvision.backbone.stages import HEAD, PENULTIMATE, find_stages
from classicvision.errors import BackboneError

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["OUTPUT", "Network", "open_network", "tensor_of_stage"]

OUTPUT: Final = "output"  # the network's output: usually logits or probabilities
MAX_NAMED = 12  # stages listed in a message

_PROVIDERS: Final = {
    "cpu": ["CPUExecutionProvider"],
    "cuda": ["CUDAExecutionProvider", "CPUExecutionProvider"],
}


@dataclass(frozen=True, eq=False)
class Network:
    """An onnxruntime session that computes one tensor; call it with a batch of input tensors.

    Attributes
    ----------
    path : Path
        The ONNX file, for messages.
    input : ImageInput
    tap : Tap
        The tensor that is computed.
    session : onnxruntime.InferenceSession
        With one input and one output.
    """

    path: Path
    input: ImageInput
    tap: Tap
    session: Any

    def __call__(self, tensors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network.

        Parameters
        ----------
        tensors : (N, 3, H, W) float32
            Channels first, whatever the layout of the network.

        Returns
        -------
        (N, ...) float32
            The tensor. With four axes, channels are second: (N, C, h, w).

        Raises
        ------
        BackboneError
            If the network takes tensors of another size, or fails.
        """
        self._require_size(tensors.shape)
        fed = tensors.transpose(0, 2, 3, 1) if self.input.layout == "NHWC" else tensors
        fed = np.ascontiguousarray(fed, self.input.dtype)
        n = self.input.batch or len(fed)
        blocks = [self._run(fed[start : start + n], n) for start in range(0, len(fed), n)]
        found = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
        return np.moveaxis(found, 3, 1) if found.ndim == 4 and self.tap.channel_axis == 3 else found

    def _run(self, block: NDArray[Any], n: int) -> NDArray[np.float32]:
        """Run at most n images through a network with a batch of n, padded with zeros."""
        n_given = len(block)
        if n_given < n:
            block = np.concatenate([block, np.zeros((n - n_given, *block.shape[1:]), block.dtype)])
        try:
            (found,) = self.session.run(None, {self.input.name: block})
        except Exception as error:  # onnxruntime has a dozen exception types, all defined at run time
            raise BackboneError(f"{self.path}: the network failed at {self.tap.tensor!r}: {_line(error)}") from error
        if not isinstance(found, np.ndarray) or found.ndim < 1 or len(found) != n:
            raise BackboneError(
                f"{self.path}: the tensor {self.tap.tensor!r} has the shape {np.shape(found)} for {n} image(s); "
                "expected one row per image. Choose another stage."
            )
        return found[:n_given].astype(np.float32, copy=False)

    def _require_size(self, shape: tuple[int, ...]) -> None:
        for name, expected, given in zip(
            ("high", "wide"), (self.input.height, self.input.width), shape[2:], strict=True
        ):
            if expected not in (None, given):
                raise BackboneError(
                    f"{self.path}: the network takes images {expected} pixels {name}; the preprocessing crops "
                    f"{given}. Set the preprocessing's crop to {expected}, and resize_to to match."
                )


def open_network(path: Path, stage: str, device: str = "cpu", *, crop: int | None = None) -> Network:
    """Open an ONNX file to compute one stage; layers that the stage does not need are removed.

    Parameters
    ----------
    path : Path
    stage : str
        ``penultimate``, ``output``, a stage of `find_stages`, or the name of a tensor. ``head`` is the output of a
        network with a last layer after the penultimate tensor.
    device : {"cpu", "cuda"}
    crop : int, optional
        Height and width of the input images. Shapes are checked for this size first: a window that does not fit into a
        small image would kill the process.

    Raises
    ------
    BackboneError
        If the file is damaged or not an image network, lacks the stage, or cannot be run.
    """
    model = read_model(path)
    graph = graph_of_model(model, path)
    if crop is not None and (graph.input.height, graph.input.width) == (None, None):
        graph = graph_of_model(model, path, size=(crop, crop))
    tap = tap_at(graph, tensor_of_stage(graph, stage, path))
    return Network(path, graph.input, tap, _start(_cut(model, tap, path), path, device))


def read_weights(path: Path, tensor: str) -> NDArray[np.float32]:
    """Return the values of a tensor that does not depend on the image: stored, or computed from stored tensors.

    Raises
    ------
    BackboneError
        If the file is damaged, or its weights cannot be computed.
    """
    from onnx import numpy_helper
    from onnx.external_data_helper import load_external_data_for_model

    model = read_model(path)
    try:
        for stored in model.graph.initializer:
            if stored.name == tensor:
                load_external_data_for_model(model, str(path.parent))
                return np.asarray(numpy_helper.to_array(stored), np.float32)
        (found,) = _start(_cut(model, Tap(tensor), path), path, "cpu").run(None, {})
    except BackboneError:
        raise
    except Exception as error:  # from protobuf, onnx or onnxruntime
        raise BackboneError(f"{path}: the weights {tensor!r} cannot be read: {_line(error)}") from error
    return np.asarray(found, np.float32)


def tensor_of_stage(graph: Graph, stage: str, path: Path) -> str:
    """Return the name of a stage's tensor; for an unknown stage, a `BackboneError` that lists the stages."""
    last = penultimate(graph)
    known = {PENULTIMATE: last, OUTPUT: output_of(graph)}
    if stage in known:
        return known[stage]
    known |= {found.name: found.tensor for found in find_stages(graph, last)}
    if has_classes(graph):
        known[HEAD] = known[OUTPUT]
    if stage in known:
        return known[stage]
    made = {name for node in graph.nodes for name in node.outputs if graph.is_data(name)}
    if stage in made:
        return stage
    raise BackboneError(
        f"{path}: there is no stage or tensor {stage!r}. Its stages are {', '.join(list(known)[:MAX_NAMED])}; "
        "`classicvision backbone inspect` lists all stages and tensors."
    )


def _cut(model: ModelProto, tap: Tap, path: Path) -> bytes:
    """Serialise the part of a model that computes one tensor, which becomes its only output, with all weights."""
    from onnx.external_data_helper import load_external_data_for_model
    from onnx.helper import make_empty_tensor_value_info, make_node

    graph, output = model.graph, tap.tensor
    if tap.scale:
        output = f"{tap.tensor} as numbers"
        graph.node.append(make_node("DequantizeLinear", [tap.tensor, tap.scale, tap.zero_point], [output]))
    _keep_what_makes(graph, output)
    del graph.output[:]
    graph.output.append(make_empty_tensor_value_info(output))
    try:
        load_external_data_for_model(model, str(path.parent))
        return bytes(model.SerializeToString())
    except Exception as error:  # the error for protobuf's limit of 2 GB differs between its releases
        raise BackboneError(f"{path}: its weights cannot be combined into one model: {_line(error)}") from error


def _keep_what_makes(graph: Any, output: str) -> None:
    """Remove every node and weight that a tensor does not depend on."""
    needed, kept = {output}, []
    for node in reversed(graph.node):
        has_branches = any(a.HasField("g") or a.graphs for a in node.attribute)
        if has_branches:  # a node does not list the tensors read inside its branches
            return
        if needed.intersection(node.output):
            kept.append(node)
            needed.update(node.input)
    weights = [tensor for tensor in graph.initializer if tensor.name in needed]
    inputs = [value for value in graph.input if value.name in needed]  # in old files these include the weights
    for field, values in ((graph.node, kept[::-1]), (graph.initializer, weights), (graph.input, inputs)):
        del field[:]
        field.extend(values)


def _start(model: bytes, path: Path, device: str) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # parallel over images; keeps the order of sums
    options.log_severity_level = 4  # errors are raised; warnings about unused weights are useless
    try:
        return onnxruntime.InferenceSession(model, options, providers=_PROVIDERS[device])
    except Exception as error:
        raise BackboneError(f"{path}: onnxruntime cannot run the network: {_line(error)}") from error


def _line(error: Exception) -> str:
    """Return a library's error message, shortened, on one line."""
    return " ".join(str(error).split())[:400] or type(error).__name__
