"""How results look in a session and in a notebook."""

import numpy as np

from classicvision.matching.result import MatchResult, Region


def result(regions=(), reason="426 keypoints agree on one transform"):
    return MatchResult("copy", "keypoints", regions, 123.456, (500, 400), 300, ((10, 20), (30, 40)), reason)


def region(b_from_a):
    pairs, empty = np.zeros((7, 2), np.int32), np.zeros((0, 2))
    return Region(b_from_a, "similarity", pairs, empty, empty, 0.25, 1.0, 123.456)


def test_the_repr_has_verdict_method_score_and_number_of_regions():
    assert repr(result()) == "MatchResult(verdict='copy', method='keypoints', score=123, regions=0)"
    assert repr(result((region(np.eye(3)),) * 2)).endswith("regions=2)")


def test_the_notebook_table_has_one_row_per_region():
    html = result((region(np.eye(3)), region(np.diag([-1.0, 1, 1]))))._repr_html_()
    assert "<caption>copy by keypoints, score 123.5: 426 keypoints agree on one transform</caption>" in html
    assert html.count("<tr>") == 3
    assert "<td>similarity</td><td>7</td><td>25 %</td><td>100 %</td><td>123</td>" in html
    assert "<td>similarity, mirrored</td>" in html


def test_the_notebook_table_without_regions_is_a_caption():
    assert "<tr>" not in result()._repr_html_()


def test_the_reason_is_escaped_in_the_notebook_table():
    assert "a &lt;b&gt; &amp; c" in result(reason="a <b> & c")._repr_html_()
