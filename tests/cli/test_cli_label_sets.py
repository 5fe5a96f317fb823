"""Several labels a text, on the command line: a tiny bundle, all that is asked of it, and what it writes read again."""

import json
import random
import re

import pytest

from lstmtext.bundle import load_bundle
from tests.conftest import THINGS, TINY

LINES = "the room was here and the soup\nnothing here\nthere was a film\n"
EPOCHS = ["--epochs", "4", "--set", "train.learning_rate=0.02", "--set", "train.batch_tokens=256"]


def sets_csv(kept: float = 1.0, seed: int = 0) -> str:
    """Texts whose labels are the things that they name, of which some share is kept."""
    random.seed(seed)
    rows = ["text,label"]
    for _ in range(160):
        named = random.sample(THINGS, random.choice([0, 1, 1, 2, 3]))
        words = [random.choice(["the", "a", "was", "here", "there", "and"]) for _ in range(5)] + named
        random.shuffle(words)
        rows.append(f"{' '.join(words)},{' | '.join(name for name in named if random.random() < kept)}")
    return "\n".join(rows) + "\n"


@pytest.fixture(scope="module")
def folder(run_here, tmp_path_factory):
    """A folder with sets.csv, lines.txt, and the bundle `sets` with its report."""
    made = tmp_path_factory.mktemp("sets")
    (made / "sets.csv").write_text(sets_csv())
    (made / "lines.txt").write_text(LINES)
    done = run_here("train", made / "sets.csv", "--multi-label", "-o", made / "sets", *TINY, *EPOCHS)
    assert done.code == 0, done.err
    assert "micro_f1 " in done.err
    return made


def test_labels_and_probabilities_are_parted_by_bars_and_empty_where_there_are_none(run_here, folder):
    done = run_here("classify", folder / "lines.txt", "-m", folder / "sets")
    assert (done.code, done.err) == (0, "")
    rows = [line.split("\t") for line in done.out.decode().splitlines()]
    assert [set(labels.split("|")) for labels, _ in rows] == [{"room", "soup"}, {""}, {"film"}]
    shares = [[float(share) for share in shares.split("|") if share] for _, shares in rows]
    assert [len(own) for own in shares] == [2, 0, 1]
    assert shares[0] == sorted(shares[0], reverse=True)
    assert min(shares[0]) > 0.5


@pytest.mark.parametrize("top", [1, 2, 99])
def test_top_prints_the_likeliest_as_for_one_label(run_here, folder, top):
    done = run_here("classify", folder / "lines.txt", "-m", folder / "sets", "--top", top)
    rows = [line.split("\t") for line in done.out.decode().splitlines()]
    assert [len(row) for row in rows] == [2 * min(top, len(THINGS))] * 3
    assert set(rows[0][: 2 * top : 2]) & {"room", "soup"}
    assert all(row[1::2] == sorted(row[1::2], reverse=True) for row in rows)


def test_json_lines_hold_the_labels_with_their_probabilities(run_here, folder):
    words = ["classify", folder / "lines.txt", "-m", folder / "sets", "--format", "jsonl"]
    records = [json.loads(line) for line in run_here(*words).out.splitlines()]
    assert [set(record) for record in records] == [{"text", "labels"}] * 3
    assert [set(record["labels"]) for record in records] == [{"room", "soup"}, set(), {"film"}]
    more = [json.loads(line) for line in run_here(*words, "--top", 2).out.splitlines()]
    assert [record["labels"] for record in more] == [record["labels"] for record in records]
    assert [len(record["likeliest"]) for record in more] == [2, 2, 2]
    assert more[0]["likeliest"] == records[0]["labels"]


@pytest.mark.parametrize("suffix", ["jsonl", "tsv"])
def test_what_classify_writes_is_evaluated_and_trained_on(run_here, folder, tmp_path, suffix):
    written = run_here("classify", folder / "lines.txt", "-m", folder / "sets", "--format", suffix).out.decode()
    if suffix == "tsv":
        rows = zip(LINES.splitlines(), written.splitlines(), strict=True)
        written = "text\tlabel\tshares\n" + "".join(f"{text}\t{row}\n" for text, row in rows)
    (tmp_path / f"a.{suffix}").write_text(written)
    done = run_here("evaluate", tmp_path / f"a.{suffix}", "-m", folder / "sets", "--json")
    assert done.code == 0, done.err
    scores = json.loads(done.out)["scores"]
    assert (scores["exact_match"], scores["micro_f1"]) == (1.0, 1.0)
    words = ["--valid", tmp_path / f"a.{suffix}", "--multi-label", "-o", tmp_path / "b", "--epochs", 1, *TINY]
    done = run_here("train", tmp_path / f"a.{suffix}", *words)
    assert done.code == 0, done.err
    assert load_bundle(tmp_path / "b").info.heads["labels"].labels == ("film", "room", "soup")


def test_evaluating_the_validation_data_gives_the_scores_in_the_bundle(run_here, folder, tmp_path):
    words = ["--multi-label", "--class-weight", "balanced", "--valid", folder / "sets.csv", "--epochs", 1, "-q"]
    assert run_here("train", folder / "sets.csv", *words, "-o", tmp_path / "b", *TINY).code == 0
    evaluated = json.loads(run_here("evaluate", folder / "sets.csv", "-m", tmp_path / "b", "--json").out)["scores"]
    kept = load_bundle(tmp_path / "b").info.heads["labels"].scores
    assert kept["weighted_nats_per_text"] > 0
    for name in ("micro_f1", "macro_f1", "exact_match", "nats_per_text"):
        assert evaluated[name] == pytest.approx(kept[name], rel=2e-2)
    shown = run_here("evaluate", folder / "sets.csv", "-m", tmp_path / "b").out.decode()
    assert f"{evaluated['exact_match']:.4f}" in shown


def test_labels_that_are_likely_enough_may_be_below_a_half(run_here, tmp_path):
    (tmp_path / "a.csv").write_text(sets_csv(kept=0.4))
    (tmp_path / "v.csv").write_text(sets_csv(kept=0.4, seed=1))
    words = ["--multi-label", "--valid", tmp_path / "v.csv", "-o", tmp_path / "b", *TINY, "--epochs", 1]
    assert run_here("train", tmp_path / "a.csv", *words).code == 0
    bundle = load_bundle(tmp_path / "b")
    thresholds = bundle.head_arrays("labels")["thresholds_K"]
    assert 0.19 < thresholds.min() < 0.45
    (tmp_path / "a.txt").write_text("".join(f"the {thing} was here there\n" for thing in THINGS))
    lines = run_here("classify", tmp_path / "a.txt", "-m", bundle.folder).out.decode().splitlines()
    assert [line.split("\t")[0] for line in lines] == list(THINGS)
    shares = dict(zip(THINGS, (float(line.split("\t")[1]) for line in lines), strict=True))
    limits = dict(zip(bundle.info.heads["labels"].labels, thresholds, strict=True))
    assert min(shares.values()) < 0.5
    assert all(shares[name] > limits[name] for name in THINGS)
    evaluated = json.loads(run_here("evaluate", tmp_path / "v.csv", "-m", bundle.folder, "--json").out)["scores"]
    assert evaluated["micro_f1"] == pytest.approx(bundle.info.heads["labels"].scores["micro_f1"], abs=0.02)
    page = (tmp_path / "b.report.html").read_text().partition("Worst records")[2]
    assert any(float(share) < 0.5 for share in re.findall(r"\w \((0\.\d\d)\)", page))


def test_info_card_and_report_tell_that_a_text_may_have_several(run_here, folder):
    assert "classify: any of film, room" in run_here("info", "-m", folder / "sets").out.decode()
    card = (folder / "sets" / "README.md").read_text()
    assert "Labels, of which a text may have several or none: film, room" in card
    _, info = load_bundle(folder / "sets").head()
    assert info.settings.classify.multi_label is True
    assert info.runtime["micro_f1 in int8"] == pytest.approx(info.runtime["micro_f1 in float32"], abs=0.02)
    page = (folder / "sets.report.html").read_text()
    assert "F1 of each label" in page
    assert "rows are gold" not in page


def test_worst_records_are_texts_of_wrong_sets(run_here, folder, tmp_path):
    (tmp_path / "v.csv").write_text(sets_csv() + "the soup was here,soup|room\na song,new\n")
    words = ["--multi-label", "--valid", tmp_path / "v.csv", "-o", tmp_path / "b", *TINY, *EPOCHS]
    done = run_here("train", folder / "sets.csv", *words)
    assert done.code == 0, done.err
    assert "validation labels or tags that do not occur in training: 1 (new)" in done.err
    page = (tmp_path / "b.report.html").read_text()
    cells = [part.partition("<")[0] for part in page.partition("Worst records")[2].split('<td class="text">')][1:9]
    assert [cell.strip() for cell in cells[:2]] == ["a song", "new"]
    assert (cells[3], cells[4].strip(), cells[5]) == ("inf", "the soup was here", "room|soup")
    assert cells[6].startswith("soup (")
    assert float(cells[7]) > 0


def test_an_encoded_folder_decides_for_train(run_here, folder, data, tmp_path):
    done = run_here("preprocess", folder / "sets.csv", "--multi-label", "-o", tmp_path / "encoded", *TINY[2:])
    assert done.code == 0, done.err
    counts = {
        name: (int(count), share) for name, count, share in re.findall(r"│ (\w+) +│ +(\d+) │ +(.*?%) │", done.err)
    }
    assert counts.keys() == set(THINGS)
    assert all(share == f"{count / 144:.1%}" for count, share in counts.values())  # of texts, not of labels
    assert run_here("train", tmp_path / "encoded", "-o", tmp_path / "b", *TINY, *EPOCHS).code == 0
    arrays = [load_bundle(path).head_arrays("labels") for path in (tmp_path / "b", folder / "sets")]
    assert all((arrays[0][name] == arrays[1][name]).all() for name in arrays[1])
    assert run_here("preprocess", data / "reviews.csv", "-o", tmp_path / "plain", *TINY[2:]).code == 0
    done = run_here("train", tmp_path / "plain", "--multi-label", "-o", tmp_path / "c", *TINY)
    assert (done.code, "classify.multi_label: found True; expected False" in done.err) == (2, True)


def test_a_bundle_of_one_label_a_text_reads_bars_as_they_are(run_here, tmp_path):
    rows = "".join(f"good thing {n},a|b\nbad thing {n},c\n" for n in range(12))
    (tmp_path / "a.csv").write_text("text,label\n" + rows)
    assert run_here("train", tmp_path / "a.csv", "-o", tmp_path / "b", "-q", "--epochs", 1, *TINY).code == 0
    assert load_bundle(tmp_path / "b").info.heads["labels"].labels == ("a|b", "c")
    assert json.loads(run_here("evaluate", tmp_path / "a.csv", "-m", tmp_path / "b", "--json").out)["records"] == 24


@pytest.mark.slow
def test_settings_for_sets_are_searched(run_here, folder, tmp_path):
    words = ["--set", "train.epochs=1", "--threads", "1", "--trials", "2", "--budget", "60s"]
    done = run_here("tune", folder / "sets.csv", "--multi-label", "-o", tmp_path / "best", *words)
    assert done.code == 0, done.err
    assert "baseline: TF-IDF and logistic regression: micro_f1" in done.err
    assert "best micro_f1" in done.err
    assert load_bundle(tmp_path / "best").head()[1].settings.classify.multi_label is True
    done = run_here(
        "tune", folder / "sets.csv", "--multi-label", "-o", tmp_path / "rare", *words, "--metric", "f1:room"
    )
    assert done.code == 0, done.err
