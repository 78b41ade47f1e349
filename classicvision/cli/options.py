"""Options that several commands share, and the checks made before any work begins."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import click

from classicvision.cli import render

if TYPE_CHECKING:
    from classicvision.backbone.onnx import OnnxBackbone
    from classicvision.classify.recipe import Recipe
    from classicvision.matching.likeness import BackboneFallback

F = TypeVar("F", bound=Callable[..., Any])
S = TypeVar("S")
Command: TypeAlias = Callable[..., int]

DEFAULT_RECIPE = "sift-bovw"


class FloatRange(click.FloatRange):
    """Click's range, which also refuses NaN: Click takes it to be in every range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number, or fail if it is NaN."""
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is not a number", param, ctx)
        return number


MODEL = click.argument("model", type=click.Path(path_type=Path))
TTA = click.option(
    "--tta",
    type=click.Choice(["none", "mirror", "ten-crop"]),
    help="Test-time augmentation: average the scores of several views of each image. Overrides the model's setting.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")
BACKBONE = click.option(
    "--backbone",
    type=click.Path(path_type=Path),
    metavar="FILE.onnx",
    help="The model's network, if the file has moved since the model was fitted.",
)
NETWORK = click.argument("network", metavar="FILE.onnx|NAME")
PREPROCESSING = click.option(
    "--preprocessing",
    metavar="NAME",
    help="Preprocessing preset, if neither the file nor the registry names one, e.g. imagenet.",
)
STAGE = click.option(
    "--stage", metavar="NAME", help="Stage or tensor to take features from; `backbone inspect` lists them."
)
QUIET = click.option("-q", "--quiet", is_flag=True, help="Show no progress bar.")


def _check_jobs(ctx: click.Context, parameter: click.Parameter, jobs: int) -> int:
    if jobs == 0:
        raise click.BadParameter("0 workers cannot work; pass 1 or more, or -1 for all cores")
    return jobs


JOBS = click.option(
    "-j",
    "--jobs",
    type=int,
    default=-1,
    show_default=True,
    callback=_check_jobs,
    help="Number of worker processes; -1 uses all cores. The result does not depend on it.",
)


@dataclass(frozen=True)
class Run:
    """How a command processes many images: workers, cache, progress."""

    jobs: int
    cache: Path | None
    no_cache: bool
    quiet: bool

    @contextmanager
    def settings(self) -> Iterator[dict[str, Any]]:
        """Yield the keyword arguments `cache`, `n_jobs` and `progress` of a workflow, and draw its progress bar."""
        from classicvision.cache import FeatureCache, default_cache_folder

        if self.no_cache and self.cache:
            raise click.UsageError("--cache and --no-cache exclude each other")
        cache = None if self.no_cache else FeatureCache(self.cache or default_cache_folder())
        with render.progress_bar(self.quiet) as progress:
            yield {"cache": cache, "n_jobs": self.jobs, "progress": progress}


def extraction_options(command: Callable[..., int]) -> Callable[..., int]:
    """Add the options of a command that processes many images; it receives them as `run`, a `Run`."""

    @functools.wraps(command)
    def with_run(*, jobs: int, cache: Path | None, no_cache: bool, quiet: bool, **others: Any) -> int:
        return command(run=Run(jobs, cache, no_cache, quiet), **others)

    for option in (
        QUIET,
        click.option("--no-cache", is_flag=True, help="Neither read nor write the feature cache."),
        click.option(
            "--cache",
            type=click.Path(path_type=Path, file_okay=False),
            metavar="DIR",
            help="Folder of the feature cache; by default the user's cache folder.",
        ),
        JOBS,
    ):
        with_run = option(with_run)
    return with_run


def recipe_options(command: F) -> F:
    """Add the options that choose and change a recipe."""
    for option in (
        click.option("--seed", type=click.IntRange(min=0), help="Random seed, instead of the recipe's."),
        click.option(
            "--set",
            "overrides",
            multiple=True,
            metavar="KEY=VALUE",
            help="Change one setting, e.g. encoder.n_words=200. May be repeated.",
        ),
        click.option(
            "--recipe",
            show_default=DEFAULT_RECIPE,
            metavar="NAME|FILE.toml|cnn:FILE|fusion:FILE",
            help="The recipe: a name from `classicvision recipes`, a TOML file, or a network as features (cnn:FILE) or "
            "fused with Fisher vectors (fusion:FILE). FILE@PRESET adds a preprocessing preset.",
        ),
    ):
        command = option(command)
    return command


def network_options(command: F) -> F:
    """Add the options for the use of a network: `preprocessing`, `overrides` and `stage`."""
    option = click.option(
        "--stage",
        default="penultimate",
        show_default=True,
        metavar="NAME",
        help="Stage or tensor to take features from; `backbone inspect` lists them.",
    )
    return preprocessing_options(option(command))


def preprocessing_options(command: F) -> F:
    """Add the options for the preprocessing of a network: `preprocessing` and `overrides`."""
    for option in (
        click.option(
            "--set",
            "overrides",
            multiple=True,
            metavar="KEY=VALUE",
            help="Change one value of the preprocessing, e.g. crop=384. May be repeated.",
        ),
        PREPROCESSING,
    ):
        command = option(command)
    return command


def open_backbone(network: str, preprocessing: str | None, overrides: tuple[str, ...], stage: str) -> OnnxBackbone:
    """Return the network named on the command line; an invalid setting is a usage error."""
    from dataclasses import replace

    from classicvision.backbone.onnx import OnnxBackbone
    from classicvision.errors import SettingsError

    try:
        backbone = OnnxBackbone(network, stage=stage, preprocessing=preprocessing)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    return replace(backbone, preprocessing=change(backbone.contract, overrides)) if overrides else backbone


@dataclass(frozen=True)
class Fallback:
    """The network that compares images with too few keypoints, as the options describe it."""

    backbone: str | None
    stage: str | None
    preprocessing: str | None
    calibration: Path | None

    def open_backbone(self) -> OnnxBackbone | None:
        """Return the network, or None without `--backbone`; its other options are a usage error then."""
        if self.backbone is None:
            if self.stage or self.preprocessing or self.calibration:
                names = "--stage, --preprocessing and --backbone-calibration"
                raise click.UsageError(f"{names} need a network: add --backbone FILE")
            return None
        return open_backbone(self.backbone, self.preprocessing, (), self.stage or "penultimate")

    def open(self, false_match_rate: float | None = None) -> BackboneFallback | None:
        """Return the network with its calibration, if any; a rate can only make the threshold stricter."""
        from classicvision import workflows
        from classicvision.matching.likeness import FALLBACK_RATE

        backbone = self.open_backbone()
        if backbone is None:
            return None
        rate = min(false_match_rate or FALLBACK_RATE, FALLBACK_RATE)
        return workflows.read_fallback(backbone, self.calibration, false_match_rate=rate)


def fallback_options(command: Command) -> Command:
    """Add the options of a network that compares images with too few keypoints; received as `fallback`."""
    text = "Also compare images with too few keypoints by the features of this network."
    return _backbone_options(command, text, _BACKBONE_CALIBRATION)


def calibrating_options(command: Command) -> Command:
    """Add the options of a network to calibrate."""
    return _backbone_options(command, "Calibrate the features of this network instead of keypoints.")


_BACKBONE_CALIBRATION = click.option(
    "--backbone-calibration",
    "calibration_of_backbone",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Calibration of the network's similarities, from `classicvision calibrate --backbone`. Without it, "
    "similarities are reported but never decide.",
)


def _backbone_options(command: Command, text: str, *more: Callable[[Command], Command]) -> Command:
    @functools.wraps(command)
    def with_fallback(
        *,
        backbone: str | None,
        stage: str | None,
        preprocessing: str | None,
        calibration_of_backbone: Path | None = None,
        **others: Any,
    ) -> int:
        return command(fallback=Fallback(backbone, stage, preprocessing, calibration_of_backbone), **others)

    added: tuple[Callable[[Command], Command], ...] = (
        *more,
        PREPROCESSING,
        STAGE,
        click.option("--backbone", metavar="FILE.onnx|NAME", help=text),
    )
    extended: Command = with_fallback
    for option in added:
        extended = option(extended)
    return extended


def output_option(*names: str, suffixes: tuple[str, ...], required: bool = True, text: str) -> Callable[[F], F]:
    """Return an option for an output file; its folder and suffix are checked before any work begins."""

    def check(ctx: click.Context, parameter: click.Parameter, path: Path | None) -> Path | None:
        if path is None:
            return None
        if path.suffix.lower() not in suffixes:
            raise click.BadParameter(f"{path} must end in {' or '.join(suffixes)}")
        if path.is_dir():
            raise click.BadParameter(f"{path} is a folder; pass a file name")
        if not path.absolute().parent.is_dir():
            raise click.BadParameter(f"the folder {path.absolute().parent} does not exist; create it first")
        if not os.access(path.absolute().parent, os.W_OK):
            raise click.BadParameter(f"no permission to write to the folder {path.absolute().parent}")
        return path

    return click.option(*names, type=click.Path(path_type=Path), required=required, callback=check, help=text)


def change(settings: S, overrides: tuple[str, ...]) -> S:
    """Return settings with single values replaced; an invalid one is a usage error."""
    from classicvision import config
    from classicvision.errors import SettingsError

    try:
        return config.changed(settings, overrides)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error


def read_recipe(recipe: str, overrides: tuple[str, ...], seed: int | None) -> Recipe:
    """Return the recipe that the options describe; an invalid one is a usage error."""
    from classicvision.classify.named_recipes import load_recipe
    from classicvision.errors import SettingsError

    try:
        return load_recipe(recipe, overrides, seed=seed)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
