"""Classical computer vision: SIFT, visual words, image classification.

The public names are imported on first use (PEP 562), so importing the package takes almost no time.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from classicvision._version import __version__

if TYPE_CHECKING:
    from classicvision import errors, workflows
    from classicvision.backbone.onnx import OnnxBackbone
    from classicvision.backbone.preprocessing import Preprocessing
    from classicvision.cache import FeatureCache, default_cache_folder
    from classicvision.classify.classifier import Classifier
    from classicvision.classify.named_recipes import RECIPES, load_recipe, recipe_to_toml
    from classicvision.classify.prediction import Prediction
    from classicvision.classify.recipe import Recipe, SvmSettings
    from classicvision.copies.search import search_index
    from classicvision.copies.settings import SearchSettings
    from classicvision.encoding.bovw import BovwSettings
    from classicvision.encoding.estimators import BagOfVisualWords, FisherVector, LocalityConstrainedCoding, Vlad
    from classicvision.encoding.fisher import FisherSettings
    from classicvision.encoding.llc import LlcSettings
    from classicvision.encoding.vlad import VladSettings
    from classicvision.extraction import Extraction, Failure, extract
    from classicvision.features.dense import DenseSift
    from classicvision.features.local import LocalFeatures
    from classicvision.features.rootsift import root_sift
    from classicvision.features.sift import Sift, trace
    from classicvision.features.sift_trace import SiftTrace
    from classicvision.folders import ImageFolder, find_images
    from classicvision.images import Image, read_image, shrink, to_gray, write_image
    from classicvision.index.index import Index
    from classicvision.index.settings import IndexSettings
    from classicvision.index.writer import IndexWriter
    from classicvision.items import Items
    from classicvision.matching.copymove import find_copy_moves
    from classicvision.matching.nearest import match_descriptors
    from classicvision.matching.pair import match_features
    from classicvision.matching.pixels.verification import verify_by_pixels
    from classicvision.matching.result import MatchResult, Region
    from classicvision.matching.settings import MATCHING_SIFT, CopyMoveSettings, MatchSettings
    from classicvision.matching.transform_text import describe_region

_MODULE_OF = {
    "MATCHING_SIFT": "matching.settings",
    "BagOfVisualWords": "encoding.estimators",
    "BovwSettings": "encoding.bovw",
    "Classifier": "classify.classifier",
    "CopyMoveSettings": "matching.settings",
    "DenseSift": "features.dense",
    "Extraction": "extraction",
    "Failure": "extraction",
    "FisherSettings": "encoding.fisher",
    "FisherVector": "encoding.estimators",
    "Image": "images",
    "ImageFolder": "folders",
    "Index": "index.index",
    "IndexSettings": "index.settings",
    "IndexWriter": "index.writer",
    "Items": "items",
    "LlcSettings": "encoding.llc",
    "LocalFeatures": "features.local",
    "LocalityConstrainedCoding": "encoding.estimators",
    "MatchResult": "matching.result",
    "MatchSettings": "matching.settings",
    "OnnxBackbone": "backbone.onnx",
    "Prediction": "classify.prediction",
    "Preprocessing": "backbone.preprocessing",
    "RECIPES": "classify.named_recipes",
    "Recipe": "classify.recipe",
    "Region": "matching.result",
    "SearchSettings": "copies.settings",
    "Sift": "features.sift",
    "SiftTrace": "features.sift_trace",
    "FeatureCache": "cache",
    "SvmSettings": "classify.recipe",
    "Vlad": "encoding.estimators",
    "VladSettings": "encoding.vlad",
    "default_cache_folder": "cache",
    "describe_region": "matching.transform_text",
    "extract": "extraction",
    "find_copy_moves": "matching.copymove",
    "find_images": "folders",
    "load_recipe": "classify.named_recipes",
    "match_descriptors": "matching.nearest",
    "match_features": "matching.pair",
    "read_image": "images",
    "recipe_to_toml": "classify.named_recipes",
    "root_sift": "features.rootsift",
    "search_index": "copies.search",
    "shrink": "images",
    "to_gray": "images",
    "trace": "features.sift",
    "verify_by_pixels": "matching.pixels.verification",
    "write_image": "images",
}
_MODULES = ("errors", "workflows")

__all__ = [
    "MATCHING_SIFT",
    "RECIPES",
    "BagOfVisualWords",
    "BovwSettings",
    "Classifier",
    "CopyMoveSettings",
    "DenseSift",
    "Extraction",
    "Failure",
    "FeatureCache",
    "FisherSettings",
    "FisherVector",
    "Image",
    "ImageFolder",
    "Index",
    "IndexSettings",
    "IndexWriter",
    "Items",
    "LlcSettings",
    "LocalFeatures",
    "LocalityConstrainedCoding",
    "MatchResult",
    "MatchSettings",
    "OnnxBackbone",
    "Prediction",
    "Preprocessing",
    "Recipe",
    "Region",
    "SearchSettings",
    "Sift",
    "SiftTrace",
    "SvmSettings",
    "Vlad",
    "VladSettings",
    "__version__",
    "default_cache_folder",
    "describe_region",
    "errors",
    "extract",
    "find_copy_moves",
    "find_images",
    "load_recipe",
    "match_descriptors",
    "match_features",
    "read_image",
    "recipe_to_toml",
    "root_sift",
    "search_index",
    "shrink",
    "to_gray",
    "trace",
    "verify_by_pixels",
    "workflows",
    "write_image",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _MODULE_OF:
        value = getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
