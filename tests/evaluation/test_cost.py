"""What recipes cost; the times are tested with the runner."""

import numpy as np

from classicvision.evaluation.cost import peak_megabytes
from classicvision.workers import Workers


def peak_here(_task):
    return peak_megabytes()


def test_the_memory_of_a_process_is_not_that_of_the_one_that_started_it(monkeypatch, checkout):
    monkeypatch.syspath_prepend(checkout)  # the worker finds the function above
    large = np.ones(75_000_000)  # 600 MB
    with Workers(peak_here, 1) as workers:
        workers.send([0])
        ((_, peak),) = workers.finished(n_left=0)
    assert peak_megabytes() > large.nbytes / 1e6
    assert 10 < peak < large.nbytes / 1e6
