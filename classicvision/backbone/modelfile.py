"""Reading an ONNX file without trusting it: what is wrong is said before any library computes on it.

The checks are those that a shape inference or a runtime would otherwise stumble over: a file cut short, tensors whose
stored bytes do not fit their shape, external data that is missing, too short or outside the folder of the file, tensors
that nobody makes or that two nodes make, windows of no length, and cycles. Large weights are read but never converted.
"""

from __future__ import annotations

import heapq
import math
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from classicvision.errors import BackboneError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto

__all__ = ["external_files", "read_model"]

# Bits of one element, by ONNX's number of the type (onnx.proto, TensorProto.DataType); text has no fixed size.
BITS = {1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 14: 64, 15: 128, 16: 16}
BITS |= {17: 8, 18: 8, 19: 8, 20: 8, 21: 4, 22: 4, 23: 4, 24: 8, 25: 2, 26: 2}
EXTERNAL = 1  # TensorProto.DataLocation
INTEGER = 2  # AttributeProto.AttributeType
LENGTHS = {"blocksize", "dilations", "group", "kernel_shape", "num_groups", "strides"}  # attributes that are from 1 on
LARGEST = 1 << 31
MAX_NAMED = 4  # tensors and nodes that a message names

# Fields that hold a tensor's elements where they are not raw bytes, with the types that are stored there.
TYPED_FIELDS = {
    "float_data": {1, 14},
    "double_data": {11, 15},
    "int64_data": {7},
    "uint64_data": {12, 13},
    "string_data": {8},
}


def read_model(path: str | os.PathLike[str]) -> ModelProto:
    """Read and check an ONNX file; its nodes come sorted. Data in other files is checked to be there, not loaded.

    Raises
    ------
    BackboneError
        If the file is not an intact ONNX model. The message says what was found and what to do.
    OSError
        If there is no such file, or it cannot be read.
    """
    path = Path(path)
    model = _parse(path)
    for tensor in _stored_tensors(model):
        _check_tensor(tensor, path)
    for node in model.graph.node:
        _check_lengths(node, path)
    _sort_nodes(model.graph, path)
    return model


def external_files(model: ModelProto) -> tuple[str, ...]:
    """Return the names of the files, relative to the model's folder, that hold data of a model; sorted."""
    external = (tensor for tensor in _stored_tensors(model) if tensor.data_location == EXTERNAL)
    return tuple(sorted({_entries(tensor).get("location", "") for tensor in external}))


def named(names: Iterable[str]) -> str:
    """Return the first few names, quoted, for a message."""
    names = list(names)
    rest = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(repr(name) for name in names[:MAX_NAMED]) + rest


def _parse(path: Path) -> ModelProto:
    from google.protobuf.message import DecodeError
    from onnx import ModelProto

    content = path.read_bytes()
    if not content:
        raise BackboneError(f"{path}: the file is empty; an ONNX network was expected. Fetch or export it again.")
    # A model begins with its field 1, a number: the version of the format.
    looks_like_onnx = content[0] == 0x08
    broken = f"{path}: the ONNX file is damaged or cut short ({len(content)} bytes). Fetch or export it again."
    model = ModelProto()
    try:
        model.ParseFromString(content)
    except (DecodeError, RecursionError) as error:
        raise BackboneError(broken if looks_like_onnx else _not_onnx(path)) from error
    if not model.HasField("graph") or not model.graph.node:
        raise BackboneError(broken if looks_like_onnx and not model.HasField("graph") else _not_onnx(path))
    if not any(_is_standard(opset.domain) for opset in model.opset_import):
        raise BackboneError(f"{path}: names no version of the ONNX operators, so it was cut short. Fetch it again.")
    return model


def _not_onnx(path: Path) -> str:
    return f"{path}: is not an ONNX network. Export one (see docs/backbones.md), or name an .onnx file."


def _is_standard(domain: str) -> bool:
    return domain in ("", "ai.onnx")


def _stored_tensors(model: ModelProto) -> Iterator[TensorProto]:
    yield from model.graph.initializer
    for sparse in model.graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in model.graph.node:
        yield from (attribute.t for attribute in node.attribute if attribute.HasField("t"))


def _entries(tensor: TensorProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in tensor.external_data}


def _check_tensor(tensor: TensorProto, path: Path) -> None:
    """Compare the bytes that a tensor stores with its shape and type."""
    where = f"{path}: the tensor {tensor.name!r}"
    if any(n < 0 for n in tensor.dims):
        raise BackboneError(
            f"{where} has the shape {tuple(tensor.dims)}; the file is damaged. Fetch or export it again."
        )
    if tensor.data_type not in BITS and tensor.data_type != 8:
        raise BackboneError(f"{where} has the unknown type {tensor.data_type}. Export it with standard types.")
    n_elements = math.prod(tensor.dims)
    n_bytes = -(-n_elements * BITS.get(tensor.data_type, 0) // 8)
    if tensor.data_location == EXTERNAL:
        _check_external(tensor, n_bytes, path)
        return
    if tensor.HasField("raw_data"):
        found, expected = len(tensor.raw_data), n_bytes
    else:
        field = next((name for name, types in TYPED_FIELDS.items() if tensor.data_type in types), "int32_data")
        per_element = 2 if tensor.data_type in (14, 15) else 1  # complex: real and imaginary part
        found, expected = len(getattr(tensor, field)), n_elements * per_element
        if BITS.get(tensor.data_type, 8) < 8:  # packed, several to an element of the field
            expected = n_bytes
    if found != expected:
        raise BackboneError(
            f"{where} has the shape {tuple(tensor.dims)} and stores {found} of {expected} values; the file is damaged "
            "or comes without its weights. Fetch or export it again."
        )


def _check_external(tensor: TensorProto, n_bytes: int, path: Path) -> None:
    """Check that the file beside the model that holds a tensor is there, is inside the folder, and is long enough."""
    entries = _entries(tensor)
    location = entries.get("location", "")
    where = f"{path}: the weights {tensor.name!r} are in another file, {location!r},"
    # Only below the model's own folder: a foreign network may not point at other files.
    inside = location and not Path(location).is_absolute() and ".." not in Path(location).parts and "\0" not in location
    if not inside or not (path.parent / location).resolve().is_relative_to(path.parent.resolve()):
        raise BackboneError(f"{where} outside the model's folder. Put it beside the model and export again.")
    data = path.parent / location
    if not data.is_file():
        raise BackboneError(f"{where} which is missing. Copy it to {data.parent}, beside the model.")
    try:
        offset = int(entries.get("offset", "0"))
        length = int(entries.get("length", str(n_bytes)))
    except ValueError as error:
        raise BackboneError(f"{where} at a place that is no number. Fetch or export it again.") from error
    size = data.stat().st_size
    if offset < 0 or length != n_bytes or offset + length > size:
        raise BackboneError(
            f"{where} at bytes {offset} to {offset + length}; {n_bytes} bytes are needed and the file has {size}. "
            "Fetch or export both again."
        )


def _check_lengths(node: NodeProto, path: Path) -> None:
    """Refuse windows and groups of no length: onnxruntime divides by them, which ends the process."""
    for attribute in node.attribute:
        if attribute.name in LENGTHS and _is_standard(node.domain):
            lengths = [attribute.i] if attribute.type == INTEGER else list(attribute.ints)
            if any(not 1 <= length < LARGEST for length in lengths):
                raise BackboneError(
                    f"{path}: the layer {_label(node)!r} ({node.op_type}) has {attribute.name} = {lengths}; whole "
                    "numbers from 1 on were expected. Fetch or export it again."
                )


def _sort_nodes(graph: GraphProto, path: Path) -> None:
    """Put the nodes into an order in which each follows those that it needs (Kahn 1962); the file's order where it can.

    ONNX asks for sorted nodes, and runtimes forgive what is not.
    """
    makers = _makers(graph, path)
    given = {value.name for value in (*graph.input, *graph.initializer)}
    given |= {sparse.values.name for sparse in graph.sparse_initializer}
    _check_names(graph, makers, given, path)
    waits = [len({makers[name] for name in _needs(node) if name in makers}) for node in graph.node]
    users = defaultdict(list)
    for number, node in enumerate(graph.node):
        for maker in {makers[name] for name in _needs(node) if name in makers}:
            users[maker].append(number)
    if all(maker < number for maker, numbers in users.items() for number in numbers):
        return
    ready = [number for number, n in enumerate(waits) if n == 0]
    order = []
    while ready:
        order.append(heapq.heappop(ready))
        for user in users[order[-1]]:
            waits[user] -= 1
            if waits[user] == 0:
                heapq.heappush(ready, user)
    if len(order) < len(waits):
        stuck = [_label(graph.node[number]) for number, n in enumerate(waits) if n > 0]
        raise BackboneError(f"{path}: the network has a cycle through {named(stuck)}. Fetch or export it again.")
    nodes = [graph.node[number] for number in order]
    del graph.node[:]
    graph.node.extend(nodes)


def _makers(graph: GraphProto, path: Path) -> dict[str, int]:
    """Return, for each tensor, the number of the node that makes it."""
    makers: dict[str, int] = {}
    for number, node in enumerate(graph.node):
        for name in filter(None, node.output):
            if name in makers:
                raise BackboneError(f"{path}: two nodes make the tensor {name!r}. Fetch or export it again.")
            makers[name] = number
    return makers


def _check_names(graph: GraphProto, makers: Mapping[str, int], given: set[str], path: Path) -> None:
    needed = [name for node in graph.node for name in _needs(node)] + [value.name for value in graph.output]
    unknown = [name for name in dict.fromkeys(needed) if name not in makers and name not in given]
    if unknown:
        raise BackboneError(f"{path}: nothing makes the tensors {named(unknown)}. Fetch or export it again.")
    if not graph.output:
        raise BackboneError(f"{path}: the network has no output. Fetch or export it again.")


def _needs(node: NodeProto) -> Iterator[str]:
    """Yield the tensors that a node reads, those inside its branches and loops too."""
    yield from filter(None, node.input)
    for attribute in node.attribute:
        for inner in (attribute.g, *attribute.graphs):
            made = {name for n in inner.node for name in n.output} | {value.name for value in inner.input}
            made |= {value.name for value in inner.initializer}
            read = [name for n in inner.node for name in _needs(n)] + [value.name for value in inner.output]
            yield from (name for name in read if name not in made)


def _label(node: NodeProto) -> str:
    return node.name or next(filter(None, node.output), node.op_type)
