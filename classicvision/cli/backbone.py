"""``classicvision backbone``: the commands about networks, each in a module of its own."""

from __future__ import annotations

import importlib

import click

EXAMPLES = """\b
Examples:
  classicvision backbone list
  classicvision backbone pull resnet18-v1
  classicvision backbone verify resnet18-v1
  classicvision backbone inspect resnet18-v1
  classicvision backbone classify resnet18-v1 photo.jpg
  classicvision backbone explain resnet18-v1 photo.jpg -o photo.html
"""

# Sub-command to module `backbone_<name>`, which has a click command `<name>_command`.
COMMANDS = (
    "list",
    "pull",
    "verify",
    "inspect",
    "classify",
    "explain",
)


class _LazyGroup(click.Group):
    """A group that imports a sub-command's module when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"classicvision.cli.backbone_{name}")
        command: click.Command = getattr(module, f"{name}_command")
        return command


@click.group("backbone", cls=_LazyGroup, epilog=EXAMPLES, short_help="Fetch networks, and look into them.")
def backbone_command() -> None:
    """Work with networks for image classification, as ONNX files.

    A network is a file, or a name of the model zoo that `pull` has fetched.
    """
