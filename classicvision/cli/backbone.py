"""``classicvision backbone``: the group of commands for networks, one module per command."""

from __future__ import annotations

import importlib

import click

EXAMPLES = """\b
Examples:
  classicvision backbone list
  classicvision backbone pull resnet18-v1
  classicvision backbone verify resnet18-v1
  classicvision backbone inspect resnet18-v1
  classicvision backbone classify resnet18-v1 image.jpg
  classicvision backbone explain resnet18-v1 image.jpg -o page.html
"""

# A sub-command `name` is the click command `name_command` in the module `backbone_name`.
COMMANDS = (
    "list",
    "pull",
    "verify",
    "inspect",
    "classify",
    "explain",
)


class _LazyGroup(click.Group):
    """A group that imports a sub-command's module only when the sub-command runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"classicvision.cli.backbone_{name}")
        command: click.Command = getattr(module, f"{name}_command")
        return command


@click.group("backbone", cls=_LazyGroup, epilog=EXAMPLES, short_help="Fetch, verify and inspect networks.")
def backbone_command() -> None:
    """Fetch, verify and inspect ONNX networks for image classification.

    Name a network by its file, or by its name in the model zoo once `pull` has fetched it.
    """
