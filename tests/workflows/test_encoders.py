"""Encoders as the second half of a recipe: from a TOML file to a saved classifier that answers as it did."""

import pytest
from numpy.testing import assert_array_equal

from classicvision import Classifier, DenseSift, load_recipe, read_image, workflows

ENCODERS = {
    "bovw": 'kind = "bovw"\nn_words = 20\nn_samples = 2000\ncells = ["1x1", "2x2"]\nmirror = true',
    "llc": 'kind = "llc"\nn_words = 20\nn_samples = 2000\ncells = ["1x1", "3x1"]\npooling = "sum"',
}


@pytest.mark.parametrize("kind", ENCODERS)
def test_a_classifier_answers_after_loading_as_it_did_before(kind, texture_folder, tmp_path):
    toml = tmp_path / "recipe.toml"
    toml.write_text(
        f'[extractor]\nkind = "dense-sift"\nstep = 6\nenlarge = 1.5\n\n[encoder]\n{ENCODERS[kind]}\n', "utf-8"
    )
    fit = workflows.fit(texture_folder, recipe=load_recipe(str(toml)))
    assert fit.validation.mean_per_class_accuracy > 0.9  # of three classes
    fit.classifier.save(tmp_path / "model.cvmodel")
    loaded = Classifier.load(tmp_path / "model.cvmodel")
    assert loaded.recipe == fit.classifier.recipe
    assert loaded.recipe.extractor == DenseSift(step=6, enlarge=1.5)
    items = [loaded.recipe.extractor(read_image(path)) for path in sorted(texture_folder.rglob("*.png"))[::5]]
    assert_array_equal(loaded.codebook.encode_all(items), fit.classifier.codebook.encode_all(items))
    assert [loaded_answer.scores for loaded_answer in loaded.predict(items)] == [
        answer.scores for answer in fit.classifier.predict(items)
    ]
