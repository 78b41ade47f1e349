"""The words of the project: plain English, one noun for one thing, checked in code, templates and documents."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# "a row a finding": what is counted, and per what.
COUNTED = (
    "bit|byte|case|column|entry|file|folder|image|item|line|list|module|number|page|pair|process|row|second|vote"
    "|wheel|word|worker"
)
PER = (
    "cell|class|command|component|core|descriptor|direction|file|finding|fold|folder|group|image|keypoint|layer|line|match"
    "|page|pair|pixel|platform|point|processor|query|recipe|row|split|stage|step|symmetry|vector|version|word"
)

# A pattern that may not occur, and what to write instead.
BANNED = {
    r"pictures?": "image",
    r"photos?": "image; photograph only where it matters that a camera made it",
    r"suspects?": "query",
    r"anew": "again",
    r"mend(?:s|ed|ing)?": "fix, repair",
    r"abreast": "as a batch, side by side",
    r"beside": "next to, compared with, in addition to",
    r"told": "reported, passed",
    r"said": "reported, stated",
    r"asked": "requested, wanted",
    r"(?:is|are|was|were) (?-i:none)": "say what is wrong: not found, invalid, unsupported",
    r"(?<!there )(?:is|are|was|were) no(?! (?:longer|more|less|larger|smaller|better|slower|faster))": "is not a",
    r"(?:holds?|has) (?-i:none)": "is empty, lacks",
    r"holds no": "contains no, has no",
    r"(?:stands?|stood|standing)(?! for| out|-)": "is, lies",
    r"looked at": "examined, checked",
    r"rightly": "correctly",
    r"(?:left|leave|leaves|leaving) out": "skipped, excluded, omitted",
    r"passed over": "skipped, excluded",
    r"all that": "everything, all",
    r"of (?:its|their|his|one's|your) own": "own, separate",
    r"at once": "immediately, at the same time",
    r"by chance(?! (?:agree|alone))": "random; agreement by chance is the statistical term",
    r"go(?:es)? on(?! to)": "continue, resume",
    r"turned(?! (?:on|off|into|out))": "rotated, flipped, transposed",
    rf"(?:{COUNTED})s? an? (?:{PER})s?": "one row per finding",
}
PATTERNS = {re.compile(rf"(?<![a-z]){pattern}(?![a-z])", re.IGNORECASE): better for pattern, better in BANNED.items()}

# Where a phrase is right: a part of a path, and a part of the line.
ALLOWED = {
    ("tests/project/test_words.py", ""),
    # Common words of English prose.
    ("classicvision/synthetic/lookalikes.py", "your how said an each"),
    # Former keys of JSON, which the change log names.
    ("CHANGELOG.md", "`suspects`, `library`"),
    ("CHANGELOG.md", "`photos` and `agreements`"),
    ("CHANGELOG.md", "`photo` is `image`"),
    # The statistical term: agreements by chance, and what is expected by chance.
    *{(f"{folder}/matching/", "by chance") for folder in ("classicvision", "tests")},
}

ENDINGS = {
    ".cfg",
    ".cpp",
    ".css",
    ".h",
    ".ipynb",
    ".j2",
    ".js",
    ".json",
    ".md",
    ".py",
    ".pyi",
    ".toml",
    ".yaml",
    ".yml",
}
OTHERS = {".ci/aarch64", ".ci/run", ".gitignore", "CITATION.cff", "Dockerfile", "MANIFEST.in", "Makefile"}

# What is not text at the start and the end of a line: the marks of comments, and quotes of strings in several lines.
LINE_START, LINE_END = re.compile(r"""^[\s#*/>|"'-]*(?:f["'])?"""), re.compile(r"""["'\s\\]*$""")
LONGEST = 40  # characters of a phrase


def sources(checkout: Path) -> Iterator[Path]:
    """Yield the files whose words are checked."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=checkout, capture_output=True, text=True, check=True)
    for name in filter(None, listing.stdout.split("\0")):
        if Path(name).suffix in ENDINGS or name in OTHERS:
            yield checkout / name


def faults(path: Path, name: str) -> Iterator[str]:
    """Yield a sentence for each banned phrase in a line, or across the end of a line."""
    lines = path.read_text("utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        text = line.replace("_", " ") if "def test_" in line else line  # the names of tests are sentences
        end = LINE_END.sub("", text)[-LONGEST:]
        start = LINE_START.sub("", lines[number])[:LONGEST] if number < len(lines) else ""
        if any(place in name and part in f"{line} {start}" for place, part in ALLOWED):
            continue
        for pattern, better in PATTERNS.items():
            across = (found for found in pattern.finditer(f"{end} {start}") if found.start() < len(end) < found.end())
            if found := pattern.search(text) or next(across, None):
                yield f"{name}:{number}: {found[0]!r}: write {better}: {line.strip()[:100]}"


def misspelt(folder: Path, *names: str) -> str:
    """Return what codespell reports of files, with the settings in pyproject.toml of the folder."""
    command = [sys.executable, "-m", "codespell_lib", *names]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout


def test_no_word_is_misspelt(checkout):
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=checkout, capture_output=True, text=True, check=True)
    names = [name for name in listing.stdout.split("\0") if name and (checkout / name).is_file()]
    assert misspelt(checkout, *names) == ""


def test_a_misspelt_word_is_found(tmp_path):
    (tmp_path / "a.md").write_text("an occur" + "ence of a word", "utf-8")
    assert "occurrence" in misspelt(tmp_path, "a.md")


def test_no_banned_phrase(checkout):
    found = [fault for path in sources(checkout) for fault in faults(path, path.relative_to(checkout).as_posix())]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "line",
    [
        "def as_picture(x):",
        "Write a row a finding.",
        "x is no image",
        "it stands here",
        "one line a class",
        "They go on where",
        "def test_a_folder_is_no_image():",
        "# It is\n# no image.",
        '"""Write a row a\n    finding."""',
        "reason = (\n    f'{path} is '\n    f'no image'\n)",
    ],
)
def test_a_planted_phrase_is_found(tmp_path, line):
    (tmp_path / "a.py").write_text(line, "utf-8")
    assert list(faults(tmp_path / "a.py", "a.py"))


@pytest.mark.parametrize(
    "line",
    [
        "there is no index",
        "the standard deviation",
        "is no longer there",
        "agreement by chance alone",
        "sigma stands for",
    ],
)
def test_plain_english_is_not_a_fault(tmp_path, line):
    (tmp_path / "a.py").write_text(line, "utf-8")
    assert list(faults(tmp_path / "a.py", "a.py")) == []
