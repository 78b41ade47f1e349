"""``classicvision backbone inspect``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from classicvision.cli import options, render

if TYPE_CHECKING:
    from classicvision.backbone.inspection import Layer, NetworkInspection
    from classicvision.backbone.receptive_field import ReceptiveField

EXAMPLES = """\b
Examples:
  classicvision backbone inspect resnet50.onnx
  classicvision backbone inspect resnet50.onnx --layers
  classicvision backbone inspect trunk.onnx --size 299 --json
"""

NOTES = """\
MACs: multiply-adds of convolutions and matrix products. Memory: size of the layers' outputs;
activation functions and views need none. Field: size / stride of the receptive field in pixels of
the image; all: the whole image. Centre: of the receptive field of the first position."""

WIDTH = 100  # characters per line; names are shortened to fit
MIN_NAME = 12
MAX_LISTED = 10  # layers without figures shown as text; JSON lists every one


def _parse_size(ctx: click.Context, parameter: click.Parameter, text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() and 0 < int(side) <= 1 << 16 for side in sides):
        raise click.BadParameter(f"{text!r} is not a size; pass a side, e.g. 224, or HEIGHTxWIDTH, e.g. 480x640")
    return int(sides[0]), int(sides[-1])


@click.command("inspect", epilog=EXAMPLES, short_help="Print a network's layers and their cost.")
@options.NETWORK
@click.option("-l", "--layers", is_flag=True, help="List every layer, not only stages.")
@click.option(
    "--size",
    callback=_parse_size,
    metavar="SIDE|HxW",
    help="Input size, for networks that accept any; 224 by default.",
)
@options.JSON
def inspect_command(network: str, layers: bool, size: tuple[int, int] | None, as_json: bool) -> int:
    """Print the shapes, parameters, MACs, memory and receptive fields of a network.

    A stage is a run of layers at one resolution; pass its name to any --stage option. The network is not run, and the
    file is not trusted.
    """
    from classicvision import workflows

    found = workflows.inspect_backbone(network, size=size)
    if as_json:
        render.print_json(_to_dict(network, found))
    else:
        click.echo(_to_text(network, found, layers))
    return 0


def _to_dict(network: str, found: NetworkInspection) -> dict[str, Any]:
    from dataclasses import asdict

    return {"network": network, **asdict(found)}


def _to_text(network: str, found: NetworkInspection, with_layers: bool) -> str:
    image, (height, width) = found.input, found.size
    axes = f"{'any' if image.batch is None else image.batch}, {image.height or 'any'} x {image.width or 'any'}"
    sections = [
        f"{render.printable(network)}: opset {found.opset}"
        + (f", made by {render.printable(found.producer)}" if found.producer else "")
        + f"\nInput {render.printable(image.name)}: {image.dtype} {image.layout}, batch {axes}. "
        f"The figures are for one image of {height} x {width}.",
    ]
    if with_layers:
        sections.append(_layer_table(found))
    sections += [_stage_table(found), _totals(found)]
    return "\n\n".join([*sections, *_unknown(found), NOTES])


def _stage_table(found: NetworkInspection) -> str:
    rows = [("stage", "output", "layers", "parameters", "MACs", "memory", "field", "centre", "tensor")]
    rows += [
        (
            stage.name,
            _shape(stage.shape),
            str(stage.n_layers),
            f"{stage.n_parameters:,}",
            _short(stage.n_macs),
            render.file_size(stage.n_bytes),
            *_field(stage.receptive_field),
            stage.tensor,
        )
        for stage in found.stages
    ]
    return _fitted(rows, name=8, right=(2, 3, 4, 5, 6, 7))


def _layer_table(found: NetworkInspection) -> str:
    rows = [("layer", "operator", "output", "parameters", "MACs", "memory", "field", "centre")]
    rows += [
        (
            layer.name,
            f"{layer.operator}{_window(layer)}",
            _shape(layer.shape),
            f"{layer.n_parameters:,}" if layer.n_parameters else "-",
            "?" if layer.n_macs is None else _short(layer.n_macs) if layer.n_macs else "-",
            "?" if layer.n_bytes is None else render.file_size(layer.n_bytes) if layer.n_bytes else "-",
            *_field(layer.receptive_field),
        )
        for layer in found.layers
    ]
    return _fitted(rows, name=0, right=(3, 4, 5, 6, 7))


def _totals(found: NetworkInspection) -> str:
    peak = "" if found.peak_bytes is None else f", {render.file_size(found.peak_bytes)} at the peak"
    return (
        f"{found.n_parameters:,} parameters, {found.n_macs:,} MACs ({_short(found.n_macs)}), "
        f"{render.file_size(found.n_bytes)} of activations{peak}."
    )


def _unknown(found: NetworkInspection) -> list[str]:
    """List the layers that the totals exclude."""
    lines = []
    if found.unknown_operators:
        listed = ", ".join(
            f"{render.printable(name)} ({render.count(n, 'layer')})" for name, n in found.unknown_operators.items()
        )
        lines.append(f"Not counted because the operator is unknown: {listed}.")
    if found.unknown_layers:
        names, more = found.unknown_layers[:MAX_LISTED], len(found.unknown_layers) - MAX_LISTED
        listed = ", ".join(map(render.printable, names)) + (f" and {more} more" if more > 0 else "")
        lines.append(f"Not counted because the shapes are unknown: {listed}.")
    return ["\n".join(lines)] if lines else []


def _fitted(rows: Sequence[Sequence[str]], *, name: int, right: Sequence[int]) -> str:
    """Return a table with one column of names shortened to fit the line; their ends, which differ most, are kept."""
    others = sum(max(len(row[i]) for row in rows) + 2 for i in range(len(rows[0])) if i != name)
    width = max(WIDTH - others, MIN_NAME)
    names = [render.printable(row[name]) for row in rows]
    short = [text if len(text) <= width else "…" + text[1 - width :] for text in names]
    fitted = [(*row[:name], text, *row[name + 1 :]) for row, text in zip(rows, short, strict=True)]
    return render.table(fitted, right=right)


def _shape(shape: tuple[int, ...] | None) -> str:
    return "?" if shape is None else "x".join(map(str, shape))


def _window(layer: Layer) -> str:
    """Return `` 3x3/2`` for a window of 3 x 3 with stride 2, followed by its dilation and groups if not 1."""
    window = layer.window
    if window is None:
        return ""
    stride = "" if window.stride == (1, 1) else f"/{_pair(window.stride)}"
    dilation = "" if window.dilation == (1, 1) else f" d{_pair(window.dilation)}"
    groups = "" if window.groups == 1 else f" g{window.groups}"
    return f" {window.kernel[0]}x{window.kernel[1]}{stride}{dilation}{groups}"


def _field(field: ReceptiveField | None) -> tuple[str, str]:
    """Return size and stride of a receptive field, and its centre."""
    if field is None:
        return "-", "-"
    if field.whole:
        return "all", "-"
    return f"{_pair(field.size)}/{_pair(field.stride)}", _pair(field.centre)


def _pair(pair: tuple[float, float]) -> str:
    """Return one number where both are equal."""
    return f"{pair[0]:g}" if pair[0] == pair[1] else f"{pair[0]:g}x{pair[1]:g}"


def _short(number: int) -> str:
    """Return 569 M for 568740352: three digits."""
    for factor, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= 0.9995 * factor:
            return f"{number / factor:#.3g}".rstrip(".") + f" {unit}"
    return str(number)
