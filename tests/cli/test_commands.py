"""The commands, in this process: what they print where, and their exit codes."""

import json
import shutil
from importlib.metadata import PackageNotFoundError

import pytest

from classicvision import _native, cli, load_recipe, versions
from classicvision.classify import selection
from classicvision.classify.classifier import Classifier
from classicvision.features.sift import Sift

WORDS = ["--set", "encoder.n_words=30"]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CLASSICVISION_CACHE", str(tmp_path / "default cache"))


@pytest.fixture
def run(capsys):
    """Return a function that runs a command line and returns exit code, output and messages."""

    def run(*words):
        code = cli._run([str(word) for word in words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def folder(texture_folder, tmp_path):
    return shutil.copytree(texture_folder, tmp_path / "folder")


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_help_has_examples_that_begin_with_the_command(name, run):
    code, output, _ = run(name, "--help")
    assert code == 0
    examples = output.partition("Examples:")[2].strip().splitlines()
    assert examples
    assert all(line.strip().startswith(f"classicvision {name}") for line in examples)


def test_the_group_lists_every_command(run):
    code, output, _ = run("--help")
    assert code == 0
    assert all(f"\n  {name} " in output for name in cli.COMMANDS)


def test_the_version_is_that_of_the_package(run):
    assert run("--version")[1].split()[-1] == cli.__version__


def test_fit_saves_a_model_and_prints_the_cross_validated_accuracy(run, texture_folder, tmp_path):
    code, output, _ = run("fit", texture_folder, "-o", tmp_path / "m.cvmodel", "--jobs", 1, *WORDS)
    assert code == 0
    assert "Cross-validated accuracy 100.0 %" in output
    assert (tmp_path / "m.cvmodel").is_file()
    assert (tmp_path / "default cache").is_dir()


def test_fit_as_json_is_one_document(run, texture_folder, tmp_path):
    code, output, _ = run("fit", texture_folder, "-o", tmp_path / "m.cvmodel", "-j", 1, "--json", "--no-cache", *WORDS)
    assert code == 0
    facts = json.loads(output)
    assert facts["accuracy"] == 1.0
    assert dict(zip(facts["classes"], facts["images_per_class"], strict=True))["texture-1"] == 8
    assert facts["n_images"] == 24
    assert not (tmp_path / "default cache").exists()


@pytest.fixture
def two_recipes(monkeypatch):
    """Let `--recipe auto` choose from two small recipes."""
    sizes = {"two": ["encoder.n_words=2", "extractor.max_features=1"], "thirty": ["encoder.n_words=30"]}
    recipes = {name: load_recipe("sift-bovw", overrides) for name, overrides in sizes.items()}
    monkeypatch.setattr(selection, "candidates", lambda network: recipes)


def test_fit_with_auto_prints_a_table_of_trials_and_the_reason(run, two_recipes, texture_folder, tmp_path):
    code, output, _ = run("fit", texture_folder, "-o", tmp_path / "m.cvmodel", "-j", 1, "--recipe", "auto")
    lines = output.splitlines()
    assert code == 0
    assert lines[0].split()[:4] == ["recipe", "images", "accuracy", "deviation"]
    assert [line.split()[:2] for line in lines[1:3]] == [["two", "24"], ["thirty", "24"]]
    assert lines[3].startswith("thirty has the highest mean per-class accuracy, 100.0 % of 24 images")
    assert lines[4].startswith("For speed the 3 folds of this comparison share a codebook")
    assert Classifier.load(tmp_path / "m.cvmodel").recipe.encoder.n_words == 30


def test_recipes_skipped_for_the_same_reason_share_a_line(run, texture_folder, tmp_path, monkeypatch):
    recipes = {name: load_recipe("sift-bovw", ["encoder.n_words=30"]) for name in ("one", "two", "three")}
    monkeypatch.setattr(selection, "candidates", lambda network: recipes)
    words = ["--recipe", "auto", "--budget", 0.001]
    _, output, _ = run("fit", texture_folder, "-o", tmp_path / "m.cvmodel", "-j", 1, *words)
    assert "\nSkipped two, three: 0 seconds were left, fewer than one took.\n" in output


def test_fit_with_auto_as_json_has_the_trials_and_the_reason(run, two_recipes, texture_folder, tmp_path):
    words = ["--recipe", "auto", "--budget", 60, "--seed", 3, "--augment", "mirror", "--json"]
    code, output, _ = run("fit", texture_folder, "-o", tmp_path / "m.cvmodel", "-j", 1, *words)
    found = json.loads(output)["selection"]
    assert code == 0
    assert found["name"] == "thirty"
    assert found["reason"].startswith("thirty has the highest")
    assert [trial["name"] for trial in found["trials"]] == ["two", "thirty"]
    recipe = Classifier.load(tmp_path / "m.cvmodel").recipe
    assert (recipe.seed, recipe.augment) == (3, ("mirror",))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--budget", 60], "--budget needs --recipe auto"),
        (["--recipe", "auto", *WORDS], "--set and --stages apply to one recipe"),
        (["--recipe", "auto", "--stage", "penultimate"], "add --backbone"),
        (["--recipe", "auto", "--budget", 0], "--budget"),
        (["--recipe", "auto", "--budget", "nan"], "'--budget': 'nan' is not a number"),
    ],
)
def test_options_that_auto_excludes_or_requires_are_usage_errors(run, texture_folder, tmp_path, words, message):
    code, _, messages = run("fit", texture_folder, "-o", tmp_path / "m.cvmodel", *words)
    assert code == 2
    assert message in messages


def test_a_broken_image_gives_exit_code_3_and_its_name(run, folder, tmp_path):
    (folder / "texture-0" / "broken.jpg").write_text("nothing")
    code, output, messages = run("fit", folder, "-o", tmp_path / "m.cvmodel", "-j", 1, *WORDS)
    assert code == 3
    assert "Saved" in output
    assert "broken.jpg" in messages
    assert "broken.jpg" not in output


def test_identical_files_in_two_classes_are_reported(run, folder, tmp_path):
    shutil.copy(folder / "texture-0" / "00.png", folder / "texture-1" / "copy.png")
    code, _, messages = run("fit", folder, "-o", tmp_path / "m.cvmodel", "-j", 1, *WORDS)
    assert code == 0
    assert "identical files are in more than one class" in messages
    assert "copy.png" in messages


def test_a_failed_fit_leaves_the_earlier_model(run, tmp_path):
    model = tmp_path / "m.cvmodel"
    model.write_bytes(b"earlier")
    (tmp_path / "empty").mkdir()
    code, _, messages = run("fit", tmp_path / "empty", "-o", model)
    assert code == 1
    assert messages.startswith("Error: ")
    assert model.read_bytes() == b"earlier"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-o", "m.zip"], "must end in .cvmodel"),
        (["-o", "nowhere/m.cvmodel"], "does not exist; create it first"),
        (["-o", "m.cvmodel", "--jobs", "0"], "0 workers"),
        (["-o", "m.cvmodel", "--recipe", "best"], "no recipe is named 'best'"),
        (["-o", "m.cvmodel", "--set", "encoder.words=3"], "unknown setting 'encoder.words'"),
        (["-o", "m.cvmodel", "--seed", "-1"], "-1"),
        (["-o", "m.cvmodel", "--seed", "4294967296"], "4294967295"),
        (["-o", "m.cvmodel", "--set", "extractor.n_layers=1000000"], "from 1 to "),
        (["-o", "m.cvmodel", "--set", "classifier.costs=" + "[" * 3000], "too deeply"),
        (["-o", "m.cvmodel", "--cache", "c", "--no-cache"], "exclude each other"),
        ([], "Missing option"),
    ],
)
def test_a_usage_error_is_exit_code_2_with_the_reason(words, message, run, texture_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, output, messages = run("fit", texture_folder, *words)
    assert (code, output) == (2, "")
    assert message in messages


def test_an_output_that_is_a_folder_is_a_usage_error(run, texture_folder, tmp_path):
    (tmp_path / "m.cvmodel").mkdir()
    assert run("fit", texture_folder, "-o", tmp_path / "m.cvmodel")[0] == 2


def test_predict_prints_one_row_per_image(run, model_file, texture_folder):
    code, output, _ = run("predict", model_file, texture_folder / "texture-1", "-j", 1)
    header, *rows = output.splitlines()
    assert code == 0
    assert header.split() == ["image", "class", "margin"]
    assert [row.split()[1] for row in rows] == ["texture-1"] * 8


def test_predict_as_json_has_scores_and_failures(run, model_file, texture_folder, tmp_path):
    for name in ("broken.png", "empty.png"):
        (tmp_path / name).write_text("nothing"[: 7 * (name == "broken.png")])
    image = texture_folder / "texture-1" / "08.png"
    code, output, _ = run(
        "predict", model_file, image, tmp_path / "broken.png", tmp_path / "empty.png", "--json", "-j", 1
    )
    facts = json.loads(output)
    assert code == 3
    (answer,) = facts["predictions"]
    assert answer["label"] == max(answer["scores"], key=answer["scores"].get) == "texture-1"
    assert [failure["path"][-10:] for failure in facts["failures"]] == ["broken.png", "/empty.png"]


def test_predict_names_a_file_that_is_not_a_model(run, texture_folder, tmp_path):
    (tmp_path / "fake.cvmodel").write_text("nothing")
    code, output, messages = run("predict", tmp_path / "fake.cvmodel", texture_folder)
    assert (code, output) == (1, "")
    assert "fake.cvmodel" in messages


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_a_model_that_does_not_exist_is_an_error_that_names_it(command, run, texture_folder, tmp_path):
    code, _, messages = run(command, tmp_path / "no.cvmodel", texture_folder)
    assert code == 1
    assert "no.cvmodel" in messages


def test_evaluate_prints_a_table_and_warns_of_training_images(run, model_file, texture_folder):
    code, output, messages = run("evaluate", model_file, texture_folder, "-j", 1)
    assert code == 0
    assert "Accuracy 100.0 %" in output
    assert "24 of these 24 images are training images" in messages


def test_evaluate_as_json_has_both_accuracies(run, model_file, texture_folder):
    code, output, _ = run("evaluate", model_file, texture_folder, "--json", "-j", 1)
    facts = json.loads(output)
    assert code == 0
    assert (facts["accuracy"], facts["mean_per_class_accuracy"]) == (1.0, 1.0)


def test_evaluate_with_a_broken_image_is_exit_code_3(run, model_file, folder):
    (folder / "texture-0" / "broken.jpg").write_text("nothing")
    code, output, messages = run("evaluate", model_file, folder, "-j", 1)
    assert code == 3
    assert "24 images" in output
    assert "broken.jpg" in messages


def test_images_outside_the_class_folders_raise_a_warning(run, folder, tmp_path):
    shutil.copy(folder / "texture-0" / "00.png", folder / "loose.png")
    code, _, messages = run("fit", folder, "-o", tmp_path / "m.cvmodel", "-j", 1, *WORDS)
    assert code == 0
    assert "Warning: " in messages
    assert "loose.png" in messages


def test_control_characters_in_a_name_are_not_sent_to_the_terminal(run, model_file, tmp_path):
    (tmp_path / "red\x1b[31m\nline.png").write_text("nothing")
    _, _, messages = run("predict", model_file, tmp_path)
    assert "red\\x1b[31m\\nline.png" in messages


def test_evaluate_writes_a_page(run, model_file, texture_folder, tmp_path):
    code, _, messages = run("evaluate", model_file, texture_folder, "--report", tmp_path / "r.html", "-j", 1)
    assert code == 0
    assert "r.html" in messages
    assert (tmp_path / "r.html").read_text("utf-8").lower().startswith("<!doctype html>")


def test_inspect_prints_the_recipe(run, model_file):
    code, output, _ = run("inspect", model_file)
    assert code == 0
    assert "n_words = 30" in output
    assert "codebook/words" in output


def test_inspect_as_json_has_the_manifest(run, model_file):
    assert json.loads(run("inspect", model_file, "--json")[1])["kind"] == "classifier"


def test_show_draws_a_figure_with_changed_settings(run, texture_folder, tmp_path):
    code, output, _ = run(
        "show", texture_folder / "texture-0" / "00.png", "-o", tmp_path / "s.png", "--set", "contrast=0.5"
    )
    assert code == 0
    assert output.startswith("Drew 0 keypoints to ")
    assert (tmp_path / "s.png").is_file()


def test_show_with_an_unknown_setting_is_a_usage_error(run, texture_folder, tmp_path):
    code, _, messages = run("show", texture_folder / "texture-0" / "00.png", "-o", tmp_path / "s.png", "--set", "x=1")
    assert code == 2
    assert "unknown setting 'x'" in messages


def test_show_refuses_to_overwrite_its_input(run, texture_folder):
    image = texture_folder / "texture-0" / "00.png"
    before = image.read_bytes()
    code, _, messages = run("show", image, "-o", image)
    assert code == 2
    assert "is the input image" in messages
    assert image.read_bytes() == before


def test_show_of_a_broken_image_writes_nothing(run, tmp_path):
    (tmp_path / "broken.jpg").write_text("nothing")
    code, _, messages = run("show", tmp_path / "broken.jpg", "-o", tmp_path / "s.png")
    assert code == 1
    assert "broken.jpg" in messages
    assert not (tmp_path / "s.png").exists()


def test_a_printed_recipe_can_be_read_again(run, texture_folder, tmp_path):
    (tmp_path / "mine.toml").write_text(run("recipes", "sift-bovw")[1], "utf-8")
    recipe = ["--recipe", tmp_path / "mine.toml", *WORDS]
    assert run("fit", texture_folder, "-o", tmp_path / "m.cvmodel", "-j", 1, *recipe)[0] == 0


def test_recipes_lists_the_names(run):
    assert "sift-bovw" in run("recipes")[1].splitlines()
    assert set(json.loads(run("recipes", "--json")[1])) == set(run("recipes")[1].splitlines())


def test_doctor_names_the_engine_and_the_libraries(run):
    code, output, _ = run("doctor")
    assert code == 0
    assert output.splitlines()[0].split() == ["SIFT", "engine", Sift().engine]
    assert "opencv" in output
    assert "scikit-learn" in output


def test_doctor_as_json_has_the_instruction_set(run):
    facts = json.loads(run("doctor", "--json")[1])
    assert facts["instruction_set"] == _native.instruction_set()
    assert {"python", "numpy", "pillow", "scikit-learn"} <= set(facts["versions"])


@pytest.mark.parametrize("installed", [True, False])
def test_doctor_names_onnxruntime_installed_or_not(installed, run, monkeypatch):
    def version(name):
        if installed and name == "onnxruntime":
            return "1.2.3"
        raise PackageNotFoundError(name)

    monkeypatch.setattr(versions, "version", version)
    found = json.loads(run("doctor", "--json")[1])["versions"]["onnxruntime"]
    assert found == ("1.2.3" if installed else "not installed")


def test_doctor_says_how_to_get_missing_kernels(run, monkeypatch):
    monkeypatch.setattr(_native, "_LOADED", None)
    assert "C++17 compiler" in run("doctor")[1]
    assert json.loads(run("doctor", "--json")[1])["engine"] == "opencv"


def test_an_unknown_command_is_a_usage_error(run):
    assert run("fitt")[0] == 2


@pytest.mark.parametrize(
    ("error", "code", "words"), [(KeyboardInterrupt, 130, "Interrupted"), (MemoryError, 1, "--jobs 1")]
)
def test_an_unexpected_end_has_a_message(error, code, words, run, texture_folder, tmp_path, monkeypatch):
    def end(*_, **__):
        raise error

    monkeypatch.setattr("classicvision.workflows.fit", end)
    found, output, messages = run("fit", texture_folder, "-o", tmp_path / "m.cvmodel")
    assert (found, output) == (code, "")
    assert words in messages
    assert "Traceback" not in messages


def test_an_unwritable_cache_is_an_error_with_the_remedy(run, texture_folder, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, messages = run("fit", texture_folder, "-o", tmp_path / "m.cvmodel", "--cache", tmp_path / "file" / "cache")
    assert code == 1
    assert "--no-cache" in messages
