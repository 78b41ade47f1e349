"""When an index learns its words again."""

import numpy as np
import pytest

from classicvision.index.growth import relearn_if_grown
from classicvision.index.index import Index
from classicvision.index.vocabulary import learn_vocabulary
from classicvision.index.writer import IndexWriter


@pytest.mark.parametrize(("n_keypoints", "relearned"), [(319, False), (320, True)])
def test_two_words_are_learned_again_when_there_are_keypoints_for_eight(
    tmp_path, make_features, make_whole, n_keypoints, relearned
):
    words = learn_vocabulary([make_features(80, 0)], 2, 80, np.random.default_rng(0))
    index = Index.create(tmp_path / "l.cvindex", words, root=tmp_path, learned=True)
    with IndexWriter(index) as writer:  # a word per 40 keypoints
        writer.add(
            tmp_path / "a.jpg", make_features(n_keypoints, 1), make_whole(1), content="0" * 64, status=tmp_path.stat()
        )
        writer.commit()
        assert relearn_if_grown(writer, n_threads=1) == relearned
    assert len(index.reopen().vocabulary) == (8 if relearned else 2)
