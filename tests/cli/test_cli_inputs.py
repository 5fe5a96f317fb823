"""Inputs from unusual places: JSON keys, named pipes, Parquet on standard input, folders of preprocess."""

import gzip
import json
import os
import subprocess
import sys
import threading

import datasets
import pytest

COUNTS = ["--epochs", "1", "-q"]


@pytest.fixture(scope="session")
def parquet(data):
    path = data / "reviews.parquet"
    datasets.Dataset.from_csv(str(data / "reviews.csv"), cache_dir=str(data / "cache")).to_parquet(path)
    return path


@pytest.mark.parametrize("command", ["classify", "tag"])
def test_a_text_column_is_read_whatever_the_output(run_process, bundle_of, command):
    lines = [{"body": "The soup was awful.", "id": 1}, {"body": "Anna Berg"}]
    plain = "".join(f"{line['body']}\n" for line in lines).encode()
    given = "".join(json.dumps(line) + "\n" for line in lines).encode()
    expected = run_process(command, "-m", bundle_of(command), given=plain).out
    done = run_process(command, "-m", bundle_of(command), "--text-column", "body", given=given)
    assert done.out == expected
    assert not done.err
    done = run_process(command, "-m", bundle_of(command), "--text-column", "body", "--format", "jsonl", given=given)
    assert [json.loads(line).get("id") for line in done.out.splitlines()] == [1, None]


@pytest.mark.parametrize("command", ["classify", "tag"])
def test_objects_without_the_text_are_counted(run_process, bundle_of, command):
    done = run_process(command, "-m", bundle_of(command), "--format", "jsonl", given=b'{"body": "x"}\n{"text": "y"}\n')
    assert len(done.out.splitlines()) == 2
    assert "line 1 has no text under 'text' (it has 'body') and is read as plain text" in done.err
    mixed = b'  {"body": "x"}\n{"broken\nplain\n'
    done = run_process(command, "-m", bundle_of(command), "--text-column", "body", "--format", "jsonl", given=mixed)
    assert "line 2 has no text under 'body' (it is no JSON object)" in done.err
    assert "lines without a text under 'body', read as plain text: 2" in done.err
    done = run_process(command, "-m", bundle_of(command), "--format", "jsonl", given=b'{"broken\nplain\n')
    assert "line 1 has no text under 'text' (it is no JSON object)" in done.err
    done = run_process(command, "-m", bundle_of(command), "--format", "jsonl", given=b'{"text": 5}\n')
    assert "line 1 has no text under 'text' (what it has there is no string) and is read as plain text" in done.err
    quiet = run_process(command, "-q", "-m", bundle_of(command), "--format", "jsonl", given=b'{"body": "x"}\n')
    assert not quiet.err


@pytest.mark.parametrize("command", ["classify", "tag"])
def test_json_and_tables_that_are_read_as_text_are_remarked(run_process, bundle_of, command, data):
    done = run_process(command, "-m", bundle_of(command), given=b'{"text": "x"}\n')
    assert "the first line is a JSON object and read as plain text; --format jsonl" in done.err
    done = run_process(command, data / "reviews.csv", "-m", bundle_of(command))
    assert "reviews.csv is read line by line" in done.err


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ('{"id": 5, "text": null}', {"id": 5}),
        ('{"id": 5, "texts": "good"}', {"id": 5, "texts": "good"}),
        ('{"id": 1e999, "text": "good"}', {}),  # which nothing but a word that JSON lacks could be written for
        ('{"id": NaN, "text": "good"}', {}),
        (f'{{"text": "good", "deep": {"[" * 300}{"]" * 300}}}', {}),
    ],
)
def test_a_line_that_is_read_as_text_keeps_the_other_keys_it_has(run_here, classify_bundle, tmp_path, line, kept):
    (tmp_path / "a.jsonl").write_text(f"{line}\n")
    done = run_here("classify", tmp_path / "a.jsonl", "-m", classify_bundle, "--format", "jsonl")
    answer = json.loads(done.out)
    assert {key: own for key, own in answer.items() if key not in ("label", "probability", "text")} == kept
    assert answer["text"] == line
    assert "line 1 has no text under 'text'" in done.err


def test_a_line_that_was_cut_off_inside_a_string_takes_linear_time(run_process, classify_bundle):
    cut = '{"text": "' + '{\\"a\\": \\"b\\"}, ' * 70_000
    done = run_process("classify", "-m", classify_bundle, "--format", "jsonl", given=cut.encode())
    assert (done.code, json.loads(done.out)["text"] == cut) == (0, True), done.err[:1000]


def test_nesting_that_is_read_does_not_depend_on_the_stack(run_here, classify_bundle, tmp_path):
    deep = [f'{{"text": "good", "deep": {"[" * depth}{"]" * depth}}}\n' for depth in (198, 199, 200, 900, 980, 3000)]
    (tmp_path / "a.jsonl").write_text("".join(deep))
    words = ["classify", tmp_path / "a.jsonl", "-m", classify_bundle, "--format", "jsonl", "--threads"]
    one, two = run_here(*words, 1), run_here(*words, 2)
    assert one.out == two.out
    assert [json.loads(line)["text"] == "good" for line in one.out.splitlines()] == [True, True] + [False] * 4


def test_words_and_tags_that_were_there_are_kept_as_gold(run_process, tag_bundle):
    given = json.dumps({"text": "Anna", "words": ["Anna"], "tags": ["O"]}).encode()
    record = json.loads(run_process("tag", "-m", tag_bundle, "--format", "jsonl", given=given).out)
    assert (record["gold_words"], record["gold_tags"]) == (["Anna"], ["O"])
    assert record["tags"] == ["B-PER"]


@pytest.mark.parametrize("packed", [False, True])
def test_parquet_comes_from_standard_input_and_compressed(run_process, classify_bundle, parquet, tmp_path, packed):
    expected = json.loads(run_process("evaluate", parquet, "-m", classify_bundle, "--json").out)
    if packed:
        path = tmp_path / "reviews.parquet.gz"
        path.write_bytes(gzip.compress(parquet.read_bytes()))
        done = run_process("evaluate", path, "-m", classify_bundle, "--json")
    else:
        words = ["evaluate", "-", "--format", "parquet", "-m", classify_bundle, "--json"]
        done = run_process(*words, given=parquet.read_bytes())
    assert json.loads(done.out) == expected


def test_a_named_pipe_is_read_once(run_here, data, tiny, tmp_path):
    pipe = tmp_path / "reviews.csv"
    os.mkfifo(pipe)
    words = ["train", pipe, "-o", tmp_path / "out", *COUNTS, *tiny]
    assert "reviews.csv: its task cannot be read ahead; name it with --task" in run_here(*words).err
    writer = threading.Thread(target=pipe.write_bytes, args=[(data / "reviews.csv").read_bytes()])
    writer.start()
    done = run_here(*words, "--task", "classify")
    writer.join()
    assert done.code == 0, done.err
    info = json.loads((tmp_path / "out" / "bundle.json").read_text())["heads"]["labels"]
    assert info["data"]["training records"] + info["data"]["validation records"] == 48


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--valid", "reviews.csv"], "--valid: {folder} is encoded already; give it to lstmtext preprocess"),
        (["--task", "tag"], "--task: found tag; expected classify, as {folder} was encoded for"),
        (["--format", "csv"], "--format: {folder} is encoded already"),
        (["--text-column", "text"], "--text-column: {folder} is encoded already"),
        (
            ["--set", "text.max_tokens=20"],
            "--set text.max_tokens: found 20; expected 400, as {folder} was encoded with",
        ),
        (["--set", "train.validation_share=0.3"], "--set train.validation_share: found 0.3; expected 0.1, as {folder}"),
        (["reviews.csv"], "{folder}: is a folder of lstmtext preprocess; expected raw data"),
    ],
)
def test_options_for_raw_data_do_not_fit_an_encoded_folder(run_here, data, tmp_path, monkeypatch, more, said):
    folder = tmp_path / "encoded"
    assert run_here("preprocess", data / "reviews.csv", "-o", folder, "-q").code == 0
    monkeypatch.chdir(data)
    done = run_here("train", folder, *more, "-o", tmp_path / "out", *COUNTS)
    assert done.code == 2
    assert said.format(folder=folder) in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "--encoder"], "--set encoder.hidden_size: found 99; expected 16, as {bundle} has"),
        (["preprocess", "--tokenizer"], "--set text.unit: found char; expected bpe, as the tokenizer to use has"),
    ],
)
def test_a_setting_that_a_bundle_decides_is_not_dropped(run_here, data, generate_bundle, tmp_path, words, said):
    command, flag = words
    more = ["--set", "encoder.hidden_size=99"] if command == "train" else ["--set", "text.unit=char"]
    done = run_here(command, data / "prose.txt", flag, generate_bundle, "-o", tmp_path / "out", *more)
    assert done.code == 2
    assert said.format(bundle=generate_bundle) in done.err


def test_the_columns_of_the_validation_data_may_have_other_names(run_here, data, tiny, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text((data / "reviews.csv").read_text().replace("text,label", "sentence,sentiment"))
    words = ["train", data / "reviews.csv", "--valid", other, "-o", tmp_path / "out", *COUNTS, *tiny]
    done = run_here(*words)
    assert done.code == 0, done.err


def test_preprocess_refuses_a_folder_with_other_files_before_it_reads(run_here, data, tmp_path):
    (tmp_path / "out").mkdir()
    for name in ("preprocess.json", "notes.txt"):
        (tmp_path / "out" / name).write_text("{}")
    done = run_here("preprocess", data / "reviews.csv", "-o", tmp_path / "out")
    assert done.code == 2
    assert done.err.startswith(f"lstmtext: {tmp_path / 'out'}: holds other files; ")


@pytest.mark.parametrize("broken", ["the middle", "the end", "the head"])
def test_a_broken_archive_is_a_data_error(run_here, classify_bundle, tmp_path, broken):
    content = bytearray(gzip.compress(b"".join(b"line %d of it\n" % number for number in range(5000))))
    if broken == "the end":
        del content[-2000:]
    else:
        start = 500 if "middle" in broken else 0
        content[start : start + 300] = b"\xff" * 300
    (tmp_path / "a.txt.gz").write_bytes(content)
    done = run_here("classify", tmp_path / "a.txt.gz", "-m", classify_bundle)
    assert done.code == 3
    assert "a.txt.gz: cannot be read: " in done.err
    assert (done.out.count(b"\n") > 100) == (broken == "the end")  # whole lines before the break are answered


def test_a_line_of_one_endless_word_takes_linear_time(run_process, classify_bundle):
    done = run_process("classify", "-m", classify_bundle, given=b"ab-" * 200_000 + b"\n")  # minutes if quadratic
    assert len(done.out.splitlines()) == 1


def test_long_words_leave_nothing_in_memory():
    program = (
        "import resource\n"
        "from lstmtext.text.lexical import word_features, text_ngrams\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "def read(count):\n"
        "    for n in range(count): text_ngrams(f'{n}' + 'x' * 300, 2, 5), word_features([[f'{n}' + 'y' * 300]])\n"
        "read(300)\n"
        "before = peak()\n"
        "read(4000)\n"
        "print(peak() - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 8000  # kilobytes; 60,000 when every word was kept


def test_columns_of_standard_input_are_told_and_remembered(run_process, data, tiny, tmp_path):
    content = (data / "reviews.csv").read_text().replace("text,label", "words,topic")
    words = ["train", "-", "--format", "csv", "--task", "classify", "--text-column", "words", "-o", tmp_path / "out"]
    done = run_process(*words, "--epochs", 1, *tiny, given=content.encode())
    assert "text from column 'words', labels from column 'topic'" in done.err
    both = tmp_path / "both.csv"
    both.write_text("words,label,topic\na room,unknown,positive\n")
    scores = json.loads(run_process("evaluate", both, "-m", tmp_path / "out", "--json").out)["scores"]
    assert scores["unknown"] == 0


def test_a_borrowed_tokenizer_and_its_encoder_fit_each_other(run_here, data, generate_bundle, tmp_path):
    encoded = tmp_path / "encoded"
    assert run_here("preprocess", data / "reviews.csv", "-o", encoded, "--tokenizer", generate_bundle, "-q").code == 0
    done = run_here("train", encoded, "-o", tmp_path / "out", "--encoder", generate_bundle, *COUNTS)
    assert done.code == 0, done.err


@pytest.mark.parametrize("command", ["classify", "tag"])
def test_bytes_that_are_no_text_are_told(run_process, bundle_of, command):
    done = run_process(command, "-m", bundle_of(command), given="Zoë\nAnna\ncafé\n".encode("latin-1"))
    assert done.err == "lstmtext: lines with bytes that are not UTF-8, now U+FFFD: 2; iconv converts files\n"
