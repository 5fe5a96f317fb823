"""`train` and `preprocess`: what they say, what they leave on disk, how they start from and replace bundles."""

import json
import re
import signal
import subprocess

import pytest

from lstmtext.bundle import load_bundle

SOURCES = {"classify": "reviews.csv", "tag": "entities.conll", "generate": "prose.txt"}
REASONS = {
    "classify": "task classify, from a column 'label'",
    "tag": "task tag, from conll columns",
    "generate": "task generate, from plain text",
}
FILES = {"README.md", "bundle.json", "encoder.safetensors", "tokenizer.json"}
SHOWN = {
    "classify": r"accuracy [01]\.\d{4} nats_per_text \d\.\d{4}",
    "tag": r"span_f1 [01]\.\d{4}",
    "generate": r"nats_per_character \d\.\d{4}",
}
HEADS = {"classify": "labels", "tag": "tags", "generate": "lm"}


@pytest.fixture
def source(data):
    """Words that name the training data of a task."""
    return lambda task: [data / SOURCES[task], *(["--valid", data / "held.txt"] if task == "generate" else [])]


@pytest.mark.parametrize("task", SOURCES)
def test_train_tells_the_task_it_infers(run_here, source, tiny, tmp_path, task):
    done = run_here("train", *source(task), "-o", tmp_path / "out", "--epochs", 1, *tiny)
    assert (done.code, done.out) == (0, b"")
    assert f"lstmtext: {REASONS[task]}; --task chooses another\n" in done.err
    assert re.search(rf"lstmtext: epoch   1.00  loss \d\.\d{{4}}  {SHOWN[task]} \* kept ", done.err), done.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "out.report.html"]
    own = {f"head-{HEADS[task]}{ending}" for ending in (".onnx", ".safetensors")}
    own |= set() if task == "generate" else {"encoder.onnx"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES | own
    assert [head.task for head in load_bundle(tmp_path / "out").info.heads.values()] == [task]


def test_quiet_says_nothing_and_the_head_takes_the_given_name(run_here, source, tiny, tmp_path):
    done = run_here("train", *source("classify"), "-o", tmp_path / "out", "--epochs", 1, "-q", "--head", "mood", *tiny)
    assert done == (0, b"", "")
    assert list(load_bundle(tmp_path / "out").info.heads) == ["mood"]


@pytest.mark.parametrize("name", ["../up", "two words", "größe", ""])
def test_a_name_that_no_head_can_have_is_said_before_anything_is_done(run_here, source, tmp_path, name):
    done = run_here("train", *source("classify"), "-o", tmp_path / "out", "--head", name)
    assert done.code == 2
    assert f"--head: found {name!r}; expected 1 to 64 letters" in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("task", SOURCES)
def test_a_preprocessed_folder_trains_to_the_same_weights_as_its_files(run_here, source, tiny, tmp_path, task):
    done = run_here("preprocess", *source(task), "-o", tmp_path / "encoded", *tiny[2:])
    assert (done.code, done.out) == (0, b""), done.err
    assert f"{task} data" in done.err
    done = run_here("train", tmp_path / "encoded", "-o", tmp_path / "second", "--epochs", 1, *tiny)
    assert done.code == 0, done.err
    assert run_here("train", *source(task), "-o", tmp_path / "first", "--epochs", 1, *tiny).code == 0
    first, second = (load_bundle(tmp_path / name).encoder_arrays() for name in ("first", "second"))
    assert first.keys() == second.keys()
    assert all((first[name] == second[name]).all() for name in first)


@pytest.mark.parametrize("task", ["classify", "tag"])
def test_a_language_model_can_lend_its_encoder(run_here, generate_bundle, source, tiny, tmp_path, task):
    words = ["-o", tmp_path / "out", "--encoder", generate_bundle, "--epochs", 1, *tiny]
    done = run_here("train", *source(task), *words, "--set", "train.learning_rate=1e-8")
    assert done.code == 0, done.err
    old, new = load_bundle(generate_bundle), load_bundle(tmp_path / "out")
    assert new.tokenizer.to_json() == old.tokenizer.to_json()
    assert new.head()[1].training["started_from"] == generate_bundle.name
    for name, array in old.encoder_arrays().items():
        assert abs(new.encoder_arrays()[name] - array).max() < 1e-5
    text = tmp_path / "one.txt"
    text.write_text("Anna was good.\n")
    assert run_here(task, text, "-m", tmp_path / "out").code == 0


def test_retraining_replaces_a_bundle_whole(run_here, source, tiny, tmp_path):
    output = tmp_path / "model"
    assert run_here("train", *source("classify"), "-o", output, "--epochs", 1, *tiny).code == 0
    assert run_here("train", *source("tag"), "-o", output, "--epochs", 1, *tiny).code == 0
    own = {"encoder.onnx", "head-tags.onnx", "head-tags.safetensors"}
    assert {path.name for path in output.iterdir()} == FILES | own
    assert list(load_bundle(output).info.heads) == ["tags"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "model.report.html"]


def test_a_failed_retraining_leaves_the_old_bundle(run_here, source, tiny, tmp_path):
    output = tmp_path / "model"
    assert run_here("train", *source("classify"), "-o", output, "--epochs", 1, *tiny).code == 0
    before = (output / "bundle.json").read_bytes()
    (tmp_path / "broken.csv").write_text("text,label\na,b\nc\n")
    assert run_here("train", tmp_path / "broken.csv", "-o", output, *tiny).code == 3
    assert (output / "bundle.json").read_bytes() == before
    load_bundle(output)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.csv", "model", "model.report.html"]


@pytest.mark.parametrize("command", ["train", "preprocess"])
def test_a_folder_with_other_files_is_refused_and_left_alone(run_here, source, tmp_path, command):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_text("meow")
    done = run_here(command, *source("classify"), "-o", tmp_path / "photos")
    assert done.code == 2
    assert "holds other files" in done.err
    assert [path.read_text() for path in tmp_path.rglob("*") if path.is_file()] == ["meow"]


def test_flags_win_over_assignments_and_those_over_the_file(run_here, source, tiny, tmp_path):
    (tmp_path / "run.toml").write_text("[train]\nepochs = 3\nseed = 3\nclip = 0.25\n")
    words = ["--config", tmp_path / "run.toml", "--set", "train.seed=4", "--set", "train.epochs=2", "--epochs", 1]
    done = run_here("train", *source("classify"), "-o", tmp_path / "out", *tiny, *words)
    assert done.code == 0, done.err
    settings = load_bundle(tmp_path / "out").head()[1].settings.train
    assert (settings.epochs, settings.seed, settings.clip) == (1, 4, 0.25)


def test_an_interrupt_ends_with_exit_130_and_a_bundle_that_loads(start_process, run_here, source, tiny, tmp_path):
    (tmp_path / "out.report.html").write_text("of an older bundle")
    words = ["-o", tmp_path / "out", "--epochs", 10_000, "--set", "train.patience=10000", *tiny]
    process = start_process("train", *source("classify"), *words, stderr=subprocess.PIPE)
    for line in process.stderr:
        if b"epoch" in line:
            break
    process.send_signal(signal.SIGINT)
    said = f"lstmtext: interrupted; the best weights so far are in {tmp_path}/out; go on with: lstmtext train --resume"
    assert any(line.decode().startswith(said) for line in process.stderr)  # reads no further than that line
    process.send_signal(signal.SIGINT)  # one more, out of impatience
    assert process.wait(timeout=60) == 130
    assert load_bundle(tmp_path / "out").head()[1].training["interrupted"] is True
    assert {path.name for path in tmp_path.iterdir()} == {".runs", "out", "out.report.html"}
    assert "Worst records" in (tmp_path / "out.report.html").read_text()
    assert run_here("info", "-m", tmp_path / "out").code == 0


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_end_saves_what_there_is_and_leaves_no_text(start_process, source, tiny, tmp_path, ending):
    words = ["-o", tmp_path / "out", "--epochs", 10_000, "--set", "train.patience=10000", *tiny]
    process = start_process("train", *source("tag"), *words, stderr=subprocess.PIPE)
    assert any(b"epoch" in line for line in process.stderr)
    process.send_signal(ending)
    assert process.wait(timeout=60) == 130
    assert load_bundle(tmp_path / "out").head()[1].training["interrupted"] is True
    run = tmp_path / ".runs" / "out"
    left = {path.name.partition("-")[0] for path in run.iterdir()}
    assert left <= {"run.json", "fixed", "step", "steps.jsonl", "lock"}
    assert run.stat().st_mode & 0o777 == 0o700
    held = [path for path in run.rglob("*") if path.is_file() and path.name != "run.json"]  # whose tokenizer has words
    assert not any(b"Oslo" in path.read_bytes() for path in held)


def test_a_training_goes_on_when_nobody_reads_what_it_says(start_process, source, tiny, tmp_path):
    process = start_process("train", *source("classify"), "-o", tmp_path / "out", *tiny, stderr=subprocess.PIPE)
    process.stderr.readline()
    process.stderr.close()
    assert process.wait(timeout=60) == 0
    assert load_bundle(tmp_path / "out").head()[1].training["interrupted"] is False


def test_a_training_that_diverges_says_so_and_saves_the_best_before(run_here, source, tiny, tmp_path):
    wild = {"learning_rate": 10, "weight_decay": 10, "clip": 1e6, "patience": 999, "decay": "constant", "warmup": 0}
    words = [word for name, value in wild.items() for word in ("--set", f"train.{name}={value}")]
    done = run_here("train", *source("classify"), "-o", tmp_path / "out", "--epochs", 99, *tiny, *words)
    assert done.code == 2
    assert "training diverged at step" in done.err
    assert f"the best weights before are in {tmp_path / 'out'}; lower it" in done.err
    assert load_bundle(tmp_path / "out").head()[1].training["diverged"] is True


@pytest.mark.parametrize("task", SOURCES)
def test_the_same_training_gives_the_same_bundle(run_here, source, tiny, tmp_path, task):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        done = run_here("train", *source(task), "-o", tmp_path / name / "model", "--epochs", 1, "--seed", 5, *tiny)
        assert done.code == 0, done.err
    one, two = (
        {path.name: path.read_bytes() for path in (tmp_path / name / "model").iterdir()} for name in ("one", "two")
    )
    assert one == two
    described = json.loads(one["bundle.json"])["heads"][HEADS[task]]
    assert (described["settings"]["train"]["seed"], described["training"]["threads"]) == (5, 1)


@pytest.mark.slow
@pytest.mark.parametrize("task", SOURCES)
def test_so_it_does_in_other_processes_on_two_threads_in_the_precision_that_is_timed(
    run_process, source, tiny, tmp_path, task
):
    words = [*tiny, "--threads", 2, "--set", "train.precision=auto", "--epochs", 1]
    made = []
    for name in ("one", "two"):
        done = run_process("train", *source(task), "-o", tmp_path / name / "model", *words)
        assert done.code == 0, done.err
        made.append({path.name: path.read_bytes() for path in (tmp_path / name / "model").iterdir()})
    assert made[0] == made[1]
    described = json.loads(made[0]["bundle.json"])["heads"][HEADS[task]]
    assert (described["settings"]["train"]["precision"], described["training"]["threads"]) == ("auto", 2)


@pytest.mark.parametrize("task", SOURCES)
@pytest.mark.parametrize(("lower", "share"), [("float16", 0.6), ("int8", 0.4)])
def test_weights_of_lower_precision_are_those_of_the_graph(run_here, source, tiny, tmp_path, task, lower, share):
    sizes = {}
    for kind in ("float32", lower):
        done = run_here(
            "train", *source(task), "-o", tmp_path / kind, "--epochs", 1, *tiny, "--set", f"export.weights={kind}",
            "--set", "export.precision=float32",
        )  # fmt: skip
        assert done.code == 0, done.err
        sizes[kind] = sum(path.stat().st_size for path in (tmp_path / kind).glob("*.safetensors"))
        sizes[kind] -= 8 * 1024  # headers
    assert sizes[lower] < share * sizes["float32"]
    bundle = load_bundle(tmp_path / lower)
    graphs = {path.name: path.read_bytes() for path in bundle.folder.glob("*.onnx")}
    assert run_here("export", "-m", bundle.folder, "--precision", "float32").code == 0
    assert {path.name: path.read_bytes() for path in bundle.folder.glob("*.onnx")} == graphs
    words = ["train", *source(task), "--encoder", bundle.folder, "-o", tmp_path / "on", "--epochs", 1, *tiny]
    done = run_here(*words, "--set", "train.learning_rate=1e-8")
    assert done.code == 0, done.err
    before, now = (load_bundle(folder).encoder_arrays() for folder in (bundle.folder, tmp_path / "on"))
    assert max(abs(now[name] - array).max() for name, array in before.items()) < 1e-5
