"""A recipe: everything that determines a result, apart from the images."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, Self, TypeAlias

from classicvision import config
from classicvision.backbone.onnx import OnnxBackbone
from classicvision.classify.svm import LARGEST_COST, LEAST_COST
from classicvision.encoding.bovw import BovwSettings
from classicvision.encoding.fusion import FusionSettings, SingleSettings
from classicvision.encoding.vector import VectorSettings
from classicvision.errors import SettingsError
from classicvision.features.dense import DenseSift
from classicvision.features.sift import Sift
from classicvision.images import Image
from classicvision.items import Item, cacheable
from classicvision.synthetic.augmentation import Augmentation

__all__ = ["LogisticSettings", "Recipe", "Several", "SvmSettings", "TestTime"]


TestTime: TypeAlias = Literal["none", "mirror", "ten-crop"]


@dataclass(frozen=True)
class SvmSettings:
    """A linear support vector machine, one class against the rest, with squared hinge loss.

    Parameters
    ----------
    costs : tuple of float, default (0.1, 0.3, 1, 3, 10)
        Candidates for C, the weight of the loss against the regularisation, from 1e-6 to 1e6. Larger values fit the
        training images more closely and can overfit. Cross-validation chooses one; more candidates take longer.
    folds : int, default 5
        Folds of that cross-validation, at least 2. More folds train on more of the images and take longer. A class with
        fewer images lowers the number.
    balanced : bool, default True
        Weigh classes inversely to their number of images, so that a rare class counts as much as a frequent one.

    Raises
    ------
    SettingsError
        For a value of C out of range, or fewer than two folds.

    Examples
    --------
    A recipe whose C is fixed:

    >>> from classicvision import Recipe, SvmSettings
    >>> Recipe(classifier=SvmSettings(costs=(1.0,))).classifier.costs
    (1.0,)
    """

    kind: ClassVar[str] = "linear-svm"
    version: ClassVar[int] = 2

    costs: tuple[float, ...] = (0.1, 0.3, 1.0, 3.0, 10.0)
    folds: int = 5
    balanced: bool = True

    def __post_init__(self) -> None:
        config.validate(self)
        _require_costs_and_folds(self.costs, self.folds)


@dataclass(frozen=True)
class LogisticSettings:
    """Multinomial logistic regression: linear like the SVM; its scores are log-odds.

    Parameters
    ----------
    costs : tuple of float, default (1, 10, 100, 1000)
        Candidates for C, the weight of the loss against the regularisation, from 1e-6 to 1e6. Larger values fit the
        training images more closely and can overfit. Cross-validation chooses one; more candidates take longer.
    folds : int, default 5
        Folds of that cross-validation, at least 2. More folds train on more of the images and take longer. A class with
        fewer images lowers the number.
    balanced : bool, default True
        Weigh classes inversely to their number of images, so that a rare class counts as much as a frequent one.

    Raises
    ------
    SettingsError
        For a value of C out of range, or fewer than two folds.
    """

    kind: ClassVar[str] = "logistic"
    version: ClassVar[int] = 1

    costs: tuple[float, ...] = (1.0, 10.0, 100.0, 1000.0)
    folds: int = 5
    balanced: bool = True

    def __post_init__(self) -> None:
        config.validate(self)
        _require_costs_and_folds(self.costs, self.folds)


def _require_costs_and_folds(costs: tuple[float, ...], folds: int) -> None:
    if not costs or not all(LEAST_COST <= cost <= LARGEST_COST for cost in costs):
        raise SettingsError(
            f"classifier.costs is {costs!r}; give at least one, all from {LEAST_COST:g} to {LARGEST_COST:g}"
        )
    if folds < 2:
        raise SettingsError(f"classifier.folds is {folds}; cross-validation needs at least 2")


@dataclass(frozen=True)
class Several:
    """Several extractors, for a fusion: an item is the tuple of theirs.

    Parameters
    ----------
    parts : tuple of Sift, DenseSift or OnnxBackbone
        At least two; the encoder of the recipe is a `FusionSettings` with as many parts.

    Raises
    ------
    SettingsError
        For fewer than two parts.
    """

    kind: ClassVar[str] = "several"
    version: ClassVar[int] = 1

    parts: tuple[Sift | DenseSift | OnnxBackbone, ...]

    def __post_init__(self) -> None:
        config.validate(self)
        if len(self.parts) < 2:
            raise SettingsError(f"extractor.parts has {len(self.parts)} part(s); give at least two")

    @property
    def cacheable(self) -> bool:
        """Whether the items of all parts are worth storing in a cache, where they are extracted together."""
        return all(map(cacheable, self.parts))

    def __call__(self, image: Image) -> tuple[Item, ...]:
        """Return the items of one image."""
        return tuple(part(image) for part in self.parts)

    def runnable(self) -> Self:
        """Return the same with engines that this installation has."""
        return replace(self, parts=tuple(part.runnable() for part in self.parts))


@dataclass(frozen=True)
class Recipe:
    """Extractor, encoder, classifier and seed: with the same images they give the same model.

    Each step is an instance of a settings class. `recipe_to_toml` and `load_recipe` write and read recipes as TOML.

    Parameters
    ----------
    extractor : Sift, DenseSift, OnnxBackbone or Several, default Sift()
        Turns an image into local features or a vector. `Sift` describes keypoints; `DenseSift` describes a grid, which
        covers walls and skies too and takes longer; `OnnxBackbone` runs a network.
    encoder : BovwSettings, LlcSettings, VladSettings, FisherSettings, VectorSettings or FusionSettings
        Turns local features into one vector; default `BovwSettings()`. Networks need `VectorSettings`.
    classifier : SvmSettings or LogisticSettings, default SvmSettings()
    seed : int, default 0
        Random seed of the vocabulary and of the folds, from 0 to 2**32 - 1.
    augment : tuple of {"mirror", "crop", "scale", "color", "cutout"}, default ()
        Also train on one variant of each image per name. Each takes as long as the images themselves.
    tta : {"none", "mirror", "ten-crop"}, default "none"
        Test-time augmentation: predict several views of an image and average the scores. Slower, and often slightly
        more accurate.

    Raises
    ------
    SettingsError
        If extractor and encoder do not fit, or a value is out of range.

    Examples
    --------
    >>> from classicvision import BovwSettings, Recipe, Sift, workflows
    >>> recipe = Recipe(Sift(max_features=200), BovwSettings(n_words=30), augment=("mirror",))
    >>> fitted = workflows.fit("data/textures", recipe=recipe)
    >>> fitted.classifier.codebook.n_outputs
    30
    """

    extractor: Sift | DenseSift | OnnxBackbone | Several = field(default_factory=Sift)
    encoder: SingleSettings | FusionSettings = field(default_factory=BovwSettings)
    classifier: SvmSettings | LogisticSettings = field(default_factory=SvmSettings)
    seed: int = 0
    augment: tuple[Augmentation, ...] = ()
    tta: TestTime = "none"

    def __post_init__(self) -> None:
        config.validate(self)
        if not 0 <= self.seed < 2**32:  # the range of scikit-learn
            raise SettingsError(f"seed is {self.seed}; give one from 0 to {2**32 - 1}")
        n_extractors = len(self.extractor.parts) if isinstance(self.extractor, Several) else 1
        n_encoders = len(self.encoder.parts) if isinstance(self.encoder, FusionSettings) else 1
        if n_extractors != n_encoders:
            raise SettingsError(
                f"the recipe has {n_extractors} extractor(s) and {n_encoders} encoder(s); an extractor of kind "
                "'several' needs an encoder of kind 'fusion' with as many parts, and the other way round"
            )
        extractors = self.extractor.parts if isinstance(self.extractor, Several) else (self.extractor,)
        encoders = self.encoder.parts if isinstance(self.encoder, FusionSettings) else (self.encoder,)
        for extractor, encoder in zip(extractors, encoders, strict=True):
            _require_match(extractor, encoder)


def _require_match(extractor: Sift | DenseSift | OnnxBackbone, encoder: SingleSettings) -> None:
    """Refuse an encoder of keypoints after a network, and one of vectors after any other extractor."""
    if isinstance(extractor, OnnxBackbone) != isinstance(encoder, VectorSettings):
        raise SettingsError(
            f"an extractor of kind {extractor.kind!r} and an encoder of kind {encoder.kind!r} do not fit: the vectors "
            f"of a network ({OnnxBackbone.kind!r}) are for {VectorSettings.kind!r}, keypoints for all other encoders"
        )
