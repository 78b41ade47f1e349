"""``classicvision recipes``."""

from __future__ import annotations

import click

from classicvision.cli import options, render

EXAMPLES = """\b
Examples:
  classicvision recipes
  classicvision recipes sift-bovw > mine.toml
"""


@click.command("recipes", epilog=EXAMPLES, short_help="List or print the named recipes.")
@click.argument("name", required=False)
@options.JSON
def recipes_command(name: str | None, as_json: bool) -> int:
    """List the named recipes, or print the recipe NAME as TOML, to edit and pass to --recipe."""
    from classicvision import config
    from classicvision.classify.named_recipes import RECIPES, recipe_to_toml

    if name is None:
        chosen = {key: config.to_dict(recipe) for key, recipe in RECIPES.items()}
        text = "\n".join(chosen)
    else:
        recipe = options.read_recipe(name, (), None)
        chosen, text = {name: config.to_dict(recipe)}, recipe_to_toml(recipe).rstrip()
    if as_json:
        render.print_json(chosen)
    else:
        click.echo(text)
    return 0
