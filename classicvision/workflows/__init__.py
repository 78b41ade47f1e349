"""The commands of classicvision as functions, without parsing and printing: one module per command.

Start reading here. Each function takes paths and settings, composes functions of the packages below, and returns a
value. `cache` is where features are stored between runs, `n_jobs` the number of worker processes (-1: one per core),
and `progress` is called with a stage, the number of its steps that are done, and their total.
"""

from classicvision.classify.fitting import Fit
from classicvision.copies.backbone_calibration import BackboneCalibrationRun, read_fallback
from classicvision.copies.calibration_file import write_calibration
from classicvision.copies.keypoint_calibration import CalibrationRun, read_calibration
from classicvision.copies.thresholds import at_false_match_rate
from classicvision.evaluation.keypoint_benchmark import MatchingBenchmark
from classicvision.index.changes import IndexChange
from classicvision.progress import Progress
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
from classicvision.workflows.benchmark_matching import benchmark_matching
from classicvision.workflows.calibrate import calibrate, calibrate_backbone
from classicvision.workflows.copies import find_copies, find_copies_among, find_copies_within
from classicvision.workflows.doctor import doctor
from classicvision.workflows.evaluate import evaluate
from classicvision.workflows.fit import compare_stages, fit
from classicvision.workflows.index import (
    add_to_index,
    build_index,
    index_info,
    remove_from_index,
    update_index,
    verify_index,
)
from classicvision.workflows.inspect import inspect
from classicvision.workflows.match import match
from classicvision.workflows.predict import Predictions, predict
from classicvision.workflows.show import show

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
    "classify_with_backbone",
    "compare_stages",
    "doctor",
    "evaluate",
    "explain_backbone",
    "find_copies",
    "find_copies_among",
    "find_copies_within",
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
