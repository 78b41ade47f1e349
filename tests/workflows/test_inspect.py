"""Facts about a model file."""

import pytest

from classicvision import workflows
from classicvision.errors import ArchiveError


def test_inspect_tells_the_recipe_and_the_arrays(model_file):
    facts = workflows.inspect(model_file)
    assert facts["recipe"]["encoder"]["n_words"] == 30
    assert facts["arrays"]["codebook/words"] == {"shape": [30, 128], "dtype": "float32"}
    assert facts["bytes"] == model_file.stat().st_size


def test_inspect_refuses_a_file_that_is_not_a_classifier(checkout):
    with pytest.raises(ArchiveError, match="not a classifier"):
        workflows.inspect(checkout / "tests" / "golden" / "archive-1.cvmodel")
