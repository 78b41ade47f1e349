"""Every block of the README runs, in order, in one folder."""

import re
import sys


def blocks(readme: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)


def test_shell_blocks_run_in_order(checkout, docs_folder):
    found = [block for block in blocks((checkout / "README.md").read_text("utf-8"), "sh") if "pip install" not in block]
    assert len(found) == 5
    output = docs_folder.run(["/bin/sh", "-euc", "\n".join(found)])
    assert "Cross-validated accuracy" in output
    assert "5 copies in 5 groups" in output
    folder = docs_folder.folder
    assert (folder / "copies.html").stat().st_size > 10_000
    assert (folder / "match.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "report.html").stat().st_size > 10_000
    assert (folder / "bench.html").stat().st_size > 10_000
    assert "That does not make it the winner" in output
    assert (folder / "stages.png").read_bytes().startswith(b"\x89PNG")


def test_python_blocks_run_in_order(checkout, docs_folder):
    found = blocks((checkout / "README.md").read_text("utf-8"), "python")
    assert len(found) == 4
    output = docs_folder.run([sys.executable, "-W", "error", "-c", "\n".join(found)])
    assert "['grass', 'grass'" in output
    assert "copy ['scale 1.00" in output
