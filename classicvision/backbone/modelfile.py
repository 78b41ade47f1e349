"""Read an ONNX file without trusting it: problems are reported before any library computes on it.

Checked is what would crash shape inference or a runtime: truncated files, tensors whose stored bytes do not fit their
shape, external data that is missing, too short or outside the folder of the file, tensors that no node or two nodes
produce, windows of length 0, and cycles. Large weights are read but never converted.
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

# Bits per element, by ONNX's number of the type (onnx.proto, TensorProto.DataType); text has no fixed size.
BITS = {1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 14: 64, 15: 128, 16: 16}
BITS |= {17: 8, 18: 8, 19: 8, 20: 8, 21: 4, 22: 4, 23: 4, 24: 8, 25: 2, 26: 2}
EXTERNAL = 1  # TensorProto.DataLocation
INTEGER = 2  # AttributeProto.AttributeType
LENGTHS = {"blocksize", "dilations", "group", "kernel_shape", "num_groups", "strides"}  # attributes that are at least 1
LARGEST = 1 << 31
MAX_NAMED = 4  # tensors or nodes listed in a message

# The fields of a tensor's elements when they are not raw bytes, with the types stored in each.
TYPED_FIELDS = {
    "float_data": {1, 14},
    "double_data": {11, 15},
    "int64_data": {7},
    "uint64_data": {12, 13},
    "string_data": {8},
}


def read_model(path: str | os.PathLike[str]) -> ModelProto:
    """Read and validate an ONNX file, and sort its nodes topologically. External data is checked, not loaded.

    Raises
    ------
    BackboneError
        If the file is not an intact ONNX model. The message says what was found and what to do.
    OSError
        If the file does not exist or cannot be read.
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
    """Return the sorted names of a model's external data files, relative to its folder."""
    external = (tensor for tensor in _stored_tensors(model) if tensor.data_location == EXTERNAL)
    return tuple(sorted({_entries(tensor).get("location", "") for tensor in external}))


def named(names: Iterable[str]) -> str:
    """Format the first few names, quoted, for a message."""
    names = list(names)
    rest = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(repr(name) for name in names[:MAX_NAMED]) + rest


def _parse(path: Path) -> ModelProto:
    from google.protobuf.message import DecodeError
    from onnx import ModelProto

    content = path.read_bytes()
    if not content:
        raise BackboneError(f"{path}: the file is empty; expected an ONNX network. Download or export it again.")
    # A model begins with its field 1, an integer: the version of the format.
    looks_like_onnx = content[0] == 0x08
    broken = f"{path}: the ONNX file is damaged or truncated ({len(content)} bytes). Download or export it again."
    model = ModelProto()
    try:
        model.ParseFromString(content)
    except (DecodeError, RecursionError) as error:
        raise BackboneError(broken if looks_like_onnx else _not_onnx(path)) from error
    if not model.HasField("graph") or not model.graph.node:
        raise BackboneError(broken if looks_like_onnx and not model.HasField("graph") else _not_onnx(path))
    if not any(_is_standard(opset.domain) for opset in model.opset_import):
        raise BackboneError(f"{path}: the ONNX file is truncated: it has no operator set version. Download it again.")
    return model


def _not_onnx(path: Path) -> str:
    return f"{path}: not an ONNX network. Pass an .onnx file, or export one (see docs/backbones.md)."


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
    """Check that the stored bytes of a tensor fit its shape and type."""
    where = f"{path}: the tensor {tensor.name!r}"
    if any(n < 0 for n in tensor.dims):
        raise BackboneError(
            f"{where} has the shape {tuple(tensor.dims)}; the file is damaged. Download or export it again."
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
        if BITS.get(tensor.data_type, 8) < 8:  # packed: several per element of the field
            expected = n_bytes
    if found != expected:
        raise BackboneError(
            f"{where} has the shape {tuple(tensor.dims)} and stores {found} of {expected} values; the file is damaged "
            "or lacks its weights. Download or export it again."
        )


def _check_external(tensor: TensorProto, n_bytes: int, path: Path) -> None:
    """Check that the external file of a tensor exists, is inside the model's folder, and is long enough."""
    entries = _entries(tensor)
    location = entries.get("location", "")
    where = f"{path}: the weights {tensor.name!r} are in another file, {location!r},"
    # Only inside the model's folder: an untrusted network must not read other files.
    inside = location and not Path(location).is_absolute() and ".." not in Path(location).parts and "\0" not in location
    if not inside or not (path.parent / location).resolve().is_relative_to(path.parent.resolve()):
        raise BackboneError(f"{where} outside the model's folder. Export the network with its weights in one folder.")
    data = path.parent / location
    if not data.is_file():
        raise BackboneError(f"{where} which is missing. Copy it to the model's folder, {data.parent}.")
    try:
        offset = int(entries.get("offset", "0"))
        length = int(entries.get("length", str(n_bytes)))
    except ValueError as error:
        raise BackboneError(f"{where} at an invalid offset. Download or export it again.") from error
    size = data.stat().st_size
    if offset < 0 or length != n_bytes or offset + length > size:
        raise BackboneError(
            f"{where} at bytes {offset} to {offset + length}; {n_bytes} bytes are needed and the file has {size}. "
            "Download or export both again."
        )


def _check_lengths(node: NodeProto, path: Path) -> None:
    """Reject windows and groups of length 0: onnxruntime divides by them, which kills the process."""
    for attribute in node.attribute:
        if attribute.name in LENGTHS and _is_standard(node.domain):
            lengths = [attribute.i] if attribute.type == INTEGER else list(attribute.ints)
            if any(not 1 <= length < LARGEST for length in lengths):
                raise BackboneError(
                    f"{path}: the layer {_label(node)!r} ({node.op_type}) has {attribute.name} = {lengths}; expected "
                    "positive integers. Download or export it again."
                )


def _sort_nodes(graph: GraphProto, path: Path) -> None:
    """Sort the nodes topologically (Kahn 1962), keeping the file's order where possible.

    The ONNX standard requires sorted nodes, and runtimes tolerate unsorted ones.
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
        raise BackboneError(f"{path}: the network has a cycle through {named(stuck)}. Download or export it again.")
    nodes = [graph.node[number] for number in order]
    del graph.node[:]
    graph.node.extend(nodes)


def _makers(graph: GraphProto, path: Path) -> dict[str, int]:
    """Return, for each tensor, the number of the node that produces it."""
    makers: dict[str, int] = {}
    for number, node in enumerate(graph.node):
        for name in filter(None, node.output):
            if name in makers:
                raise BackboneError(f"{path}: two nodes produce the tensor {name!r}. Download or export it again.")
            makers[name] = number
    return makers


def _check_names(graph: GraphProto, makers: Mapping[str, int], given: set[str], path: Path) -> None:
    needed = [name for node in graph.node for name in _needs(node)] + [value.name for value in graph.output]
    unknown = [name for name in dict.fromkeys(needed) if name not in makers and name not in given]
    if unknown:
        raise BackboneError(f"{path}: no node produces the tensors {named(unknown)}. Download or export it again.")
    if not graph.output:
        raise BackboneError(f"{path}: the network has no output. Download or export it again.")


def _needs(node: NodeProto) -> Iterator[str]:
    """Yield the tensors that a node reads, including those read inside its branches and loops."""
    yield from filter(None, node.input)
    for attribute in node.attribute:
        for inner in (attribute.g, *attribute.graphs):
            made = {name for n in inner.node for name in n.output} | {value.name for value in inner.input}
            made |= {value.name for value in inner.initializer}
            read = [name for n in inner.node for name in _needs(n)] + [value.name for value in inner.output]
            yield from (name for name in read if name not in made)


def _label(node: NodeProto) -> str:
    return node.name or next(filter(None, node.output), node.op_type)
