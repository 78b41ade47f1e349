"""The verbs of classicvision: what each command does, without printing and without parsing.

Start reading here. Each function says one thing in the words of the modules below it, takes paths and settings, and
returns values. `cache` is where features are kept between runs, `n_jobs` the number of worker processes (-1: one a
core), and `progress` is told the stage, the number of steps done and their total.

`classify` has `fit`, `predict`, `evaluate` and `inspect`, `selection` chooses a recipe; `match` compares two pictures,
`copies` and `copymove` search many for copies; `index` builds an index of a library and looks after it; `calibrate`
measures what a threshold is worth; `backbone` fetches networks and looks into them; `benchmark` compares recipes,
`benchmark_matching` detectors of keypoints; `about` has `show` and `doctor`.
"""

from classicvision.index.changes import IndexChange
from classicvision.progress import Progress
from classicvision.workflows.about import doctor, show
from classicvision.workflows.backbone import (
    inspect_backbone,
    list_backbones,
    pull_backbone,
    verify_backbone,
    write_reference,
)
from classicvision.workflows.backbone_classify import NamedClasses, classify_with_backbone
from classicvision.workflows.backbone_explain import explain_backbone
from classicvision.workflows.benchmark import benchmark
from classicvision.workflows.benchmark_matching import MatchingBenchmark, benchmark_matching
from classicvision.workflows.calibrate import CalibrationRun, calibrate, read_calibration, write_calibration
from classicvision.workflows.calibrate_backbone import (
    BackboneCalibrationRun,
    calibrate_backbone,
    read_fallback,
)
from classicvision.workflows.classify import Fit, Predictions, evaluate, fit, inspect, predict
from classicvision.workflows.copies import at_false_match_rate, find_copies, find_copies_among
from classicvision.workflows.copymove import find_copy_moves
from classicvision.workflows.index import (
    add_to_index,
    build_index,
    index_info,
    remove_from_index,
    update_index,
    verify_index,
)
from classicvision.workflows.match import match
from classicvision.workflows.selection import choose_recipe
from classicvision.workflows.stages import compare_stages

__all__ = [
    "BackboneCalibrationRun",
    "CalibrationRun",
    "Fit",
    "IndexChange",
    "MatchingBenchmark",
    "NamedClasses",
    "Predictions",
    "Progress",
    "add_to_index",
    "at_false_match_rate",
    "benchmark",
    "benchmark_matching",
    "build_index",
    "calibrate",
    "calibrate_backbone",
    "choose_recipe",
    "classify_with_backbone",
    "compare_stages",
    "doctor",
    "evaluate",
    "explain_backbone",
    "find_copies",
    "find_copies_among",
    "find_copy_moves",
    "fit",
    "index_info",
    "inspect",
    "inspect_backbone",
    "list_backbones",
    "match",
    "predict",
    "pull_backbone",
    "read_calibration",
    "read_fallback",
    "remove_from_index",
    "show",
    "update_index",
    "verify_backbone",
    "verify_index",
    "write_calibration",
    "write_reference",
]
