"""Errors of users: one line that names the place, and the exit code that says whose mistake it is."""

import shutil

import pytest

USAGE, DATA, MODEL = 2, 3, 4


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train"], "lstmtext: -o/--output: is missing; see lstmtext train --help"),
        (["nonsense"], "No such command 'nonsense'"),
        (["train", "{data}/reviews.csv", "-o", "{out}", "--nonsense"], "No such option"),
        (["train", "{data}/reviews.csv", "-o", "{out}", "--set", "train.clipp=1"], "train.clipp"),
        (["train", "{data}/reviews.csv", "-o", "{out}", "--set", "train.clip"], "SECTION.NAME=VALUE"),
        (["train", "{data}/reviews.csv", "-o", "{out}", "--epochs", "0"], "--epochs"),
        (
            ["train", "{data}/reviews.csv", "-o", "{out}", "--set", "train.epochs=-1"],
            "--set train.epochs: found -1; expected",
        ),
        (["train", "{data}/reviews.csv", "-o", "{out}", "--task", "translate"], "classify, tag, generate"),
        (["train", "{data}/reviews.csv", "-o", "{out}", "--budget", "soon"], "90s, 5m or 1h"),
        (["train", "{data}/reviews.csv", "-o", "{out}", "--format", "xlsx"], "--format"),
        (["train", "{data}/reviews.csv", "-o", "{data}/prose.txt"], "is a file"),
        (["classify", "-m", "{model}", "--format", "conll"], "tsv, jsonl"),
        (["classify", "-m", "{model}", "--top", "0"], "--top"),
        (["generate", "-m", "{model}", "--temperature", "-1"], "--temperature"),
        (["generate", "-m", "{model}", "--max-tokens", "-1"], "--max-tokens"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_use_ends_with_exit_2_and_one_line(run_here, data, classify_bundle, tmp_path, words, said):
    done = run_here(*[word.format(data=data, out=tmp_path / "out", model=classify_bundle) for word in words])
    assert done.code == USAGE
    assert said in done.err
    assert done.err.splitlines()[-1].startswith("lstmtext: ")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("short.csv", b"text,label\na,b\nc\n", "short.csv:3: 1 fields; expected 2"),
        ("column.csv", b"words of text,stars\na,b\nc,d\n", "no column 'text'; found 'words of text', 'stars'"),
        ("bytes.csv", b"text,label\na,b\n\xe9t\xe9,c\n", "bytes.csv:3: byte 0xe9 at column 1 is not UTF-8"),
        ("label.csv", b"text,label\na,b\nc,\n", "label.csv:3: 'label' is empty"),
        ("broken.jsonl", b'{"text": "a", "label": "b"}\n{"text": \n', "broken.jsonl:2: is not JSON"),
        ("list.jsonl", b'{"text": "a", "label": "b"}\n[1]\n', "list.jsonl:2: holds a JSON list"),
        ("columns.conll", b"Anna\tB-PER\nBerg\n\n", "columns.conll:2: 1 columns; expected 2"),
        ("columns.conllu", b"# text\n1\tAnna\tNOUN\n", "columns.conllu:2: 3 columns"),
        ("empty.csv", b"", "empty.csv: no records"),
        ("empty.conll", b"\n\n", "empty.conll: no records"),
        ("one.csv", b"text,label\na,b\nc,b\n", "one label"),
    ],
    ids=lambda value: value if isinstance(value, str) and "." in value and ":" not in value else "",
)
def test_broken_data_end_with_exit_3_and_the_line(run_here, tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    done = run_here("train", tmp_path / name, "-o", tmp_path / "out")
    assert done.code == DATA, done.err
    assert said in done.err.splitlines()[-1]
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]


def test_evaluate_names_the_line_of_broken_data_too(run_here, classify_bundle, tmp_path):
    (tmp_path / "rows.csv").write_text("text,label\na,positive\nb\n")
    done = run_here("evaluate", tmp_path / "rows.csv", "-m", classify_bundle)
    assert done.code == DATA
    assert f"{tmp_path}/rows.csv:3: 1 fields; expected 2" in done.err


@pytest.mark.parametrize("command", ["train", "evaluate", "classify", "tag"])
def test_an_absent_file_ends_with_exit_3(run_here, bundle_of, tmp_path, command):
    option = (
        ["-o", tmp_path / "out"] if command == "train" else ["-m", bundle_of("tag" if command == "tag" else "classify")]
    )
    done = run_here(command, tmp_path / "absent.csv", *option)
    assert done.code == DATA, done.err
    assert "absent.csv" in done.err


@pytest.mark.parametrize("command", ["classify", "tag", "generate", "info", "evaluate"])
def test_an_absent_bundle_ends_with_exit_4(run_here, data, tmp_path, command):
    done = run_here(command, *[data / "reviews.csv"] * (command == "evaluate"), "-m", tmp_path / "absent")
    assert done.code == MODEL
    assert f"{tmp_path}/absent: no bundle.json there" in done.err


@pytest.mark.parametrize("name", ["tokenizer.json", "encoder.safetensors", "head-labels.onnx"])
def test_an_altered_bundle_ends_with_exit_4(run_here, classify_bundle, tmp_path, name):
    shutil.copytree(classify_bundle, tmp_path / "copy")
    with (tmp_path / "copy" / name).open("ab") as stream:
        stream.write(b" ")
    done = run_here("info", "-m", tmp_path / "copy")
    assert done.code == MODEL
    assert name in done.err


def test_a_bundle_for_another_task_ends_with_exit_4_and_says_what_it_has(run_here, classify_bundle):
    done = run_here("tag", "-m", classify_bundle)
    assert done.code == MODEL
    assert "no head for tag; it has 'labels' (classify)" in done.err


def test_debug_shows_the_traceback_and_changes_no_exit_code(run_process, tmp_path):
    done = run_process("--debug", "info", "-m", tmp_path / "absent")
    assert done.code == MODEL
    assert "Traceback" in done.err
