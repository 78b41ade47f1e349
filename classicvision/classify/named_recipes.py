"""Recipes by name, from a file or around a network, with single values replaced; and as TOML."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import tomli_w

from classicvision import config
from classicvision.backbone.onnx import OnnxBackbone
from classicvision.backbone.preprocessing import PRESETS
from classicvision.classify.recipe import Recipe, Several, SvmSettings
from classicvision.encoding.bovw import BovwSettings
from classicvision.encoding.fisher import FisherSettings
from classicvision.encoding.fusion import FusionSettings
from classicvision.encoding.llc import LlcSettings
from classicvision.encoding.vector import VectorSettings
from classicvision.encoding.vlad import VladSettings
from classicvision.errors import SettingsError
from classicvision.features.dense import DenseSift
from classicvision.features.sift import Sift

__all__ = ["FUSION", "NETWORK", "RECIPES", "fusion_data", "load_recipe", "recipe_to_toml", "short_name", "short_names"]

# Weak keypoints help scenes and hurt objects. Mean per-class accuracy, cross-validated, at contrast 0.04, 0.02, 0.01
# and 0.005: 53.8, 56.6, 57.8, 59.5 % on 1,500 images of Scene-15; 77.8, 77.6, 76.6, 74.9 % on 8 classes of Caltech-101.
# Words do not need the keypoints of the exact scale space, so it is the fast one where there are kernels: 57.3 %
# against 56.1 % of the exact one, cross-validated on four such sets of Scene-15; 74.9 % against 72.9 % on four of
# Caltech-101.
_SIFT = Sift(contrast=0.02, max_side=640, precision="fast").runnable()

# Dense grids with settings from the literature, at one image size, so that sizes in pixels are comparable.
_GRID = DenseSift(step=6, bin_sizes=(4, 6, 8, 10), max_side=300)
_FINE_GRID = replace(_GRID, step=4)
_ENLARGED = replace(_GRID, enlarge=1.5, max_side=450, window=1.5, contrast=0.002)
_PYRAMID = ("1x1", "2x2", "4x4")
# Codes of tens of thousands of numbers: each fold learns a vocabulary and encodes all images again.
_WIDE = SvmSettings(costs=(1.0, 10.0, 100.0), folds=3)

RECIPES: dict[str, Recipe] = {
    # Csurka et al. (2004) with RootSIFT and the Hellinger kernel.
    "sift-bovw": Recipe(extractor=_SIFT),
    # The same with the additive chi-squared kernel map (Vedaldi and Zisserman 2012): codes three times as long.
    "sift-bovw-chi2": Recipe(extractor=_SIFT, encoder=BovwSettings(normalization="chi2")),
    # Each descriptor shares its vote among its nearest words (Philbin et al. 2008).
    "sift-bovw-soft": Recipe(extractor=_SIFT, encoder=BovwSettings(assignment="soft", n_neighbors=5)),
    # A grid describes skies and walls too, where keypoints are few (Bosch et al. 2007).
    "dense-bovw": Recipe(extractor=_GRID, encoder=BovwSettings(n_words=4000, n_samples=400_000)),
    # With the position of the words in the image (Lazebnik et al. 2006).
    "dense-bovw-spm": Recipe(
        extractor=_GRID, encoder=BovwSettings(n_words=4000, n_samples=400_000, cells=_PYRAMID), classifier=_WIDE
    ),
    # Each descriptor in coordinates of its nearest words (Wang et al. 2010).
    "llc": Recipe(extractor=_GRID, encoder=LlcSettings(n_words=1024, cells=_PYRAMID), classifier=_WIDE),
    # How descriptors differ from their words (Jegou et al. 2010; Arandjelovic and Zisserman 2013).
    "vlad": Recipe(extractor=_GRID, encoder=VladSettings(), classifier=_WIDE),
    # Fisher vector of a mixture of Gaussians (Perronnin et al. 2010), intra-normalised.
    "fisher": Recipe(extractor=_FINE_GRID, encoder=FisherSettings(intra_norm=True), classifier=_WIDE),
    # Fisher vectors of enlarged images with weak patches and mirror images, which help scenes and harm objects; of
    # larger patches, of the image and of its three bands; and LLC, which help both. Cross-validated on two sets of
    # 1,500 images of Scene-15 and two of 240 of Caltech-101, the first part alone has 88.5 and 91.4 %, with LLC 89.0
    # and 92.6 %, all three have 89.8 and 93.0 %: by ridge regression with fixed shares, and with LLC of the mirror
    # image too, which made no difference before.
    "fisher-best": Recipe(
        extractor=Several(parts=(_ENLARGED, replace(_ENLARGED, bin_sizes=(4, 6, 8, 10, 14)), _GRID)),
        encoder=FusionSettings(
            parts=(
                FisherSettings(mirror=True, intra_norm=True),
                FisherSettings(n_components=128, cells=("1x1", "3x1"), mirror=True, intra_norm=True),
                LlcSettings(n_words=1024, cells=_PYRAMID),
            ),
            weights=((0.4, 0.4, 0.2), (0.35, 0.35, 0.3)),
        ),
        classifier=_WIDE,
    ),
}


NETWORK = "cnn:"  # begins a recipe's name that is the path, or the name, of a network
FUSION = "fusion:"  # the same with four views of an image, fused with the parts of "fisher-best"
# Of the network, both Fisher vectors and LLC.
_SHARES_WITH_NETWORK = [[0.34, 0.27, 0.27, 0.12], [0.44, 0.22, 0.22, 0.12], [0.55, 0.18, 0.18, 0.09]]
_PREPROCESSING = "extractor.preprocessing."  # begins an override of one value of a network's preprocessing

# Codes of norm 1 with many similar dimensions need a larger C than histograms of words.
_LINEAR_PROBE = SvmSettings(costs=(0.3, 1.0, 3.0, 10.0, 30.0))


def load_recipe(name_or_file: str, overrides: Iterable[str] = (), *, seed: int | None = None) -> Recipe:
    """Return a named recipe, or one from a TOML file, with single values replaced.

    Parameters
    ----------
    name_or_file : str
        A key of `RECIPES`; or the path of a ``.toml`` file as `recipe_to_toml` writes it, where settings that are
        missing have the default of their class, such as `Sift()`, which can differ from a named recipe's; or
        ``cnn:FILE`` for a network's features in place of visual words; or ``fusion:FILE`` for a network fused with
        the parts of "fisher-best". ``FILE@NAME`` also names the preprocessing preset.
    overrides : iterable of str
        Assignments such as ``extractor.contrast=0.03``, in order.
    seed : int, optional
        Replaces that of the recipe.

    Raises
    ------
    SettingsError
        For an unknown name, an unreadable file, or a setting that does not exist or cannot have its value.
    BackboneError
        If a network's file is not found, or its preprocessing is not known.

    Examples
    --------
    >>> from classicvision import load_recipe
    >>> recipe = load_recipe("sift-bovw", ["encoder.n_words=300", "encoder.tf_idf=true"], seed=1)
    >>> recipe.encoder.n_words, recipe.encoder.tf_idf, recipe.seed
    (300, True, 1)
    """
    if isinstance(overrides, str):
        raise SettingsError(f"overrides is {overrides!r}; expected a list of assignments, [{overrides!r}]")
    data = _recipe_data(name_or_file)
    for assignment in overrides:
        if assignment.startswith(_PREPROCESSING):
            data = _with_preprocessing(data)
        data = config.override(data, assignment)
    recipe = config.from_dict(Recipe, data)
    return recipe if seed is None else replace(recipe, seed=seed)


def short_name(name_or_file: str) -> str:
    """Return what `load_recipe` takes without folders, a network also without ending and preset: ``cnn:resnet50``."""
    for prefix in (NETWORK, FUSION):
        if name_or_file.startswith(prefix):
            return prefix + Path(_parted(name_or_file.removeprefix(prefix))[0]).name.removesuffix(".onnx")
    return Path(name_or_file).name


def short_names(arguments: Sequence[str]) -> dict[str, str]:
    """Return a name for each argument of `load_recipe`: its short name, unless another argument has the same one.

    Repeated arguments are numbered, so that a recipe can be compared with itself.
    """
    shared = Counter(short_name(argument) for argument in set(arguments))
    n_given: Counter[str] = Counter()
    names = {}
    for argument in arguments:
        short = short_name(argument)
        name = short if shared[short] == 1 else argument
        n_given[argument] += 1
        names[f"{name} ({n_given[argument]})" if n_given[argument] > 1 else name] = argument
    return names


def recipe_to_toml(recipe: Recipe) -> str:
    """Return a recipe as TOML text that `load_recipe` reads back to an equal recipe.

    Parameters
    ----------
    recipe : Recipe

    Returns
    -------
    str

    Examples
    --------
    >>> from pathlib import Path
    >>> from classicvision import load_recipe, recipe_to_toml
    >>> recipe = load_recipe("sift-bovw", ["encoder.n_words=300"])
    >>> _ = Path("mine.toml").write_text(recipe_to_toml(recipe))
    >>> load_recipe("mine.toml") == recipe
    True
    """
    return tomli_w.dumps(config.to_dict(recipe))


def fusion_data(network: dict[str, Any], encoder: VectorSettings) -> dict[str, Any]:
    """Return as plain values the recipe of a network with four views, fused with the parts of "fisher-best".

    Parameters
    ----------
    network : dict
        The settings of an `OnnxBackbone`; missing ones can still be set.
    encoder : VectorSettings
        Of its features.
    """
    best = config.to_dict(RECIPES["fisher-best"])
    extractors = [network | {"views": "whole"}, *best["extractor"]["parts"]]
    encoders = [config.to_dict(encoder), *best["encoder"]["parts"]]
    return best | {
        "extractor": {"kind": Several.kind, "parts": extractors},
        "encoder": {"kind": FusionSettings.kind, "parts": encoders, "weights": _SHARES_WITH_NETWORK},
    }


def _recipe_data(name_or_file: str) -> dict[str, Any]:
    """Return a recipe as plain values; one with a network may lack some, which can then be set."""
    if name_or_file.startswith(FUSION):
        return fusion_data(_network(name_or_file.removeprefix(FUSION)), VectorSettings())
    if name_or_file.startswith(NETWORK):
        settings = {"encoder": VectorSettings(), "classifier": _LINEAR_PROBE}
        plain = {name: config.to_dict(part) for name, part in settings.items()}
        return {"extractor": _network(name_or_file.removeprefix(NETWORK)), "seed": 0} | plain
    return config.to_dict(RECIPES[name_or_file] if name_or_file in RECIPES else _read_recipe(name_or_file))


def _with_preprocessing(data: dict[str, Any]) -> dict[str, Any]:
    """Return a recipe's data with its network's preprocessing as values, so that one of them can be replaced."""
    extractor = data["extractor"]
    if extractor.get("kind") != OnnxBackbone.kind or isinstance(extractor.get("preprocessing"), dict):
        return data
    contract = config.from_dict(OnnxBackbone, extractor, where="extractor").contract
    return data | {"extractor": extractor | {"preprocessing": config.to_dict(contract)}}


def _network(text: str) -> dict[str, Any]:
    """Return the settings of a network given as ``FILE`` or ``FILE@PREPROCESSING``."""
    path, preset = _parted(text)
    return {"kind": OnnxBackbone.kind, "path": path} | ({"preprocessing": preset} if preset else {})


def _parted(text: str) -> tuple[str, str]:
    """Return file and preprocessing of ``FILE`` or ``FILE@PREPROCESSING``; the latter empty if not given."""
    path, at, preset = text.rpartition("@")
    is_preset = at and (preset in PRESETS or (Path(path).is_file() and not Path(text).exists()))
    return (path, preset) if is_preset else (text, "")


def _read_recipe(name_or_file: str) -> Recipe:
    path = Path(name_or_file)
    if path.suffix != ".toml":
        raise SettingsError(
            f"no recipe is named {name_or_file!r}; choose from {', '.join(RECIPES)}, "
            f"or give a .toml file, {NETWORK}FILE for the features of a network, or {FUSION}FILE for Fisher vectors too"
        )
    try:
        data: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
        return config.from_dict(Recipe, data)
    except OSError as error:
        raise SettingsError(f"{path}: the recipe cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: not UTF-8 text; a recipe is a TOML file in UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from error
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from error
    except RecursionError as error:
        raise SettingsError(f"{path}: nested too deeply for a recipe") from error
