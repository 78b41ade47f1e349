"""The verbs of classicvision: what each command does, without printing and without parsing.

Start reading here. Each function says one thing in the words of the modules below it, takes paths and settings, and
returns values. `store` is where features are kept between runs, `n_jobs` the number of worker processes (-1: one a
core), and `progress` is told the stage, the number of steps done and their total.

`calibrate` has `calibrate`, `classify` has `fit`, `predict`, `evaluate` and `inspect`; `index` builds an index of a
library and looks after it; `match` has `match`; `about` has `show` and `doctor`.
"""

from classicvision.workflows.about import doctor, show
from classicvision.workflows.calibrate import CalibrationRun, calibrate, read_calibration, write_calibration
from classicvision.workflows.classify import Fit, Predictions, evaluate, fit, inspect, predict
from classicvision.workflows.index import (
    IndexChange,
    add_to_index,
    build_index,
    index_info,
    remove_from_index,
    update_index,
    verify_index,
)
from classicvision.workflows.match import match
from classicvision.workflows.run import Progress

__all__ = [
    "CalibrationRun",
    "Fit",
    "IndexChange",
    "Predictions",
    "Progress",
    "add_to_index",
    "build_index",
    "calibrate",
    "doctor",
    "evaluate",
    "fit",
    "index_info",
    "inspect",
    "match",
    "predict",
    "read_calibration",
    "remove_from_index",
    "show",
    "update_index",
    "verify_index",
    "write_calibration",
]
