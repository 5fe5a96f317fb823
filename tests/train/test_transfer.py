"""Going on from a bundle: the head's old labels are kept, new ones are learned, and what changed is told."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from lstmtext.bundle import load_bundle
from lstmtext.data.plan import DataRequest
from lstmtext.nn.model import model_arrays
from lstmtext.resolve import resolve_settings
from lstmtext.runtime.export import Graphs, export_graphs
from lstmtext.text.lexical import keys_of, text_ngrams
from lstmtext.train.changes import changes
from lstmtext.train.feeds import sentence_feed, stream_windows, text_feed
from lstmtext.train.job import TrainRequest
from lstmtext.train.making import make_model
from lstmtext.train.ranks import ALONE
from lstmtext.train.request import make_job
from lstmtext.train.transfer import OldHead

NEW = "text,label\n" + "The room was odd.,strange\nThe soup was odd.,strange\nThe film was grim.,negative\n" * 4
FAR = "text,label\n" + "Anna sings.,music\nDag runs.,sport\n" * 6


@pytest.fixture
def going_on(tmp_path):
    """The job of a training that goes on from a bundle, and the model that it begins with."""

    def make(bundle: Path, text: str, name: str, *assignments: str, replay=()):
        (tmp_path / name).write_text(text, encoding="utf-8")
        asked = DataRequest([str(tmp_path / name)], replay=replay)
        (tmp_path / "work").mkdir()
        said = []
        job = make_job(
            TrainRequest(asked, tmp_path / "out", str(bundle)),
            lambda task: resolve_settings(task, assignments=["train.precision=float32", *assignments]),
            ALONE,
            tmp_path / "work",
            said.append,
        )
        return job, make_model(job).eval(), " ".join(said)

    return make


def test_a_head_for_more_labels_has_the_old_ones_in_their_places():
    rng = np.random.default_rng(0)
    old = {"output.weight": rng.random((2, 3)), "crf.transitions_KK": rng.random((2, 2)), "pooling.query": np.ones(3)}
    fresh = {"output.weight": np.zeros((3, 3)), "crf.transitions_KK": np.zeros((3, 3)), "pooling.query": np.zeros(3)}
    made = OldHead("mood", ("a", "c"), old, Graphs(None, b""), np.array([0, 2])).widened(fresh)
    assert (made["output.weight"][[0, 2]] == old["output.weight"]).all()
    assert (made["crf.transitions_KK"][np.ix_([0, 2], [0, 2])] == old["crf.transitions_KK"]).all()
    assert made["crf.transitions_KK"][1].sum() + made["output.weight"][1].sum() == 0
    assert (made["pooling.query"] == 1).all()
    assert not fresh["output.weight"].any()


def test_a_larger_or_smaller_table_has_the_known_ngrams_in_its_last_rows():
    old = {
        "bypass.keys_N": np.array([0, 0, 5, 9], dtype=np.int32),
        "bypass.table_NK": np.arange(8.0).reshape(4, 2),
        "bypass.weights_N": np.array([0.0, 0, 3, 4]),
    }
    head = OldHead("mood", ("a", "c"), old, Graphs(None, b""), np.array([0, 2]))
    assert head.ngrams == 2
    for rows in (3, 4, 7):  # one for padding alone, as many as it had, and more
        fresh = {
            "bypass.keys_N": np.zeros(rows, dtype=np.int32),
            "bypass.table_NK": np.zeros((rows, 3)),
            "bypass.weights_N": np.zeros(rows),
        }
        made = head.widened(fresh)
        assert made["bypass.keys_N"].tolist() == [0] * (rows - 2) + [5, 9]
        assert made["bypass.keys_N"].dtype == np.int32
        assert made["bypass.weights_N"].tolist() == [0] * (rows - 2) + [3, 4]
        assert made["bypass.table_NK"][-2:].tolist() == [[4, 0, 5], [6, 0, 7]]
        assert not fresh["bypass.keys_N"].any()


@pytest.mark.parametrize("rows", [0, 210])  # it knows 186: as many others as if it began, or a few
def test_a_classifier_begins_as_it_was(going_on, classify_bundle, rows: int):
    job, model, said = going_on(classify_bundle, NEW, "new.csv", f"classify.bypass_rows={rows}")
    assert job.data.labels.names == ("negative", "positive", "strange")
    assert "head 'labels' too; new: strange; kept without a record: positive" in said
    assert job.head == "labels"
    old, head = load_bundle(classify_bundle).head_arrays("labels"), model.state_dict()
    assert (head["head.output.weight"].numpy()[:2] == old["output.weight"]).all()
    own = {name: head[f"head.bypass.{name}"].numpy() for name in ("keys_N", "table_NK", "weights_N")}
    was = {name: old[f"bypass.{name}"] for name in own}
    rows = np.searchsorted(own["keys_N"], was["keys_N"][was["keys_N"] > 0])
    learned = was["table_NK"][was["keys_N"] > 0].any(1)
    assert (own["keys_N"][rows] == was["keys_N"][was["keys_N"] > 0]).all()
    assert (own["weights_N"][rows] == was["weights_N"][was["keys_N"] > 0])[learned].all()
    new = keys_of(text_ngrams("odd", 1))
    assert own["table_NK"][np.searchsorted(own["keys_N"], new), 2].all()
    assert not np.isin(new, was["keys_N"]).any()
    occurring = np.unique(np.concatenate([keys_of(hashes) for hashes in job.data.texts("train").ngrams()]))
    absent = ~np.isin(own["keys_N"][rows], occurring) & learned
    assert absent.sum() > 20
    before = was["table_NK"][was["keys_N"] > 0]
    assert np.array_equal(
        own["table_NK"][rows][absent, :2], before[absent]
    )  # what new texts do not have is not forgotten
    assert not np.array_equal(own["table_NK"][rows][~absent, :2], before[~absent])


def test_a_tagger_begins_as_it_was(going_on, tag_bundle):
    text = "Anna\tB-PER\nlives\tO\n.\tO\n\nBjorn\tB-PER\nowns\tO\nVolvo\tB-ORG\n.\tO\n\n" * 6
    job, model, said = going_on(tag_bundle, text, "new.conll")
    names = load_bundle(tag_bundle).info.heads["tags"].labels
    assert "new: B-ORG; kept without a record: B-LOC, I-PER" in said
    places = [job.data.labels.id(name) for name in names]
    old = load_bundle(tag_bundle).head_arrays("tags")
    head = {name.removeprefix("head."): value.numpy() for name, value in model.state_dict().items()}
    assert np.array_equal(head["crf.transitions_KK"][np.ix_(places, places)], old["crf.transitions_KK"])
    assert np.array_equal(head["bypass.table_NK"][:, places], old["bypass.table_NK"])  # rare words of now are known
    _, batch = next(iter(sentence_feed(job.data, "validation", job.settings).ordered()))
    assert model.predict(batch)[0].shape[2] == len(names) + 1


def test_a_language_model_begins_as_it_was(going_on, generate_bundle):
    job, model, said = going_on(generate_bundle, "Anna went to Rome and it was good.\n" * 60, "new.txt")
    assert "head 'lm' too" in said
    old = load_bundle(generate_bundle)
    arrays = {f"encoder.{name}": own for name, own in old.encoder_arrays().items()}
    arrays |= {f"head.{name}": own for name, own in old.head_arrays("lm").items()}
    assert arrays.keys() == model.state_dict().keys()
    for name, value in model.state_dict().items():
        assert np.array_equal(value.numpy(), arrays[name]), name
    batch = next(iter(stream_windows(job.data.stream("validation"), 1, 16)))
    assert np.isfinite(model.predict(batch)[0]).all()


@pytest.mark.parametrize(("head", "labels"), [("auto", 2), ("keep", 4), ("new", 2)])
def test_other_labels_take_the_encoder_alone(going_on, classify_bundle, head, labels):
    job, model, said = going_on(classify_bundle, FAR, "far.csv", f"transfer.head={head}")
    assert len(job.data.labels) == labels
    assert ("its labels (negative, positive) are not in the data; --set transfer.head=keep" in said) == (head == "auto")
    old = load_bundle(classify_bundle)
    assert np.array_equal(model.encoder.embedding_VD.detach().numpy(), old.encoder_arrays()["embedding_VD"])
    taken = np.isin(old.head_arrays("labels")["output.weight"], model.head.output.weight.detach().numpy()).all()
    assert taken == (head == "keep")


def test_a_part_of_the_old_data_is_replayed(going_on, classify_bundle, data):
    job, _, _ = going_on(classify_bundle, NEW, "new.csv", "transfer.replay=2", replay=[str(data / "reviews.csv")])
    facts = job.data.facts
    new = NEW.count("\n") - 1
    assert (facts.replayed, facts.replayed_held) == (20, 2)  # twice the 11 that are learned from, a tenth held out
    assert len(job.data.tables["train"]) == new - round(new / 10) + facts.replayed
    assert facts.label_counts["positive"] > 0
    held = job.data.texts("validation")
    assert all(job.data.labels.names[held[len(held) - 1 - k].label] != "strange" for k in range(2))
    assert str(data / "reviews.csv") in facts.sources


def test_what_changed_is_told_and_kept(run_here, classify_bundle, data, tiny, tmp_path):
    (tmp_path / "new.csv").write_text(NEW, encoding="utf-8")
    words = ["train", tmp_path / "new.csv", "--encoder", classify_bundle, "--replay", data / "reviews.csv"]
    settings = [word for word in tiny if "=" not in str(word) and word != "--set"]
    answer = run_here(*words, "-o", tmp_path / "out", *settings, "--epochs", 12, "--set", "train.precision=float32",
                      "--set", "transfer.replay=4")  # fmt: skip
    assert answer.code == 0, answer.err
    changes = load_bundle(tmp_path / "out").head()[1].changes
    assert any(text.startswith("new data, 1 records: accuracy") for text in changes)
    assert any(text.startswith("replayed data, ") for text in changes)
    assert all(text in answer.err for text in changes)
    assert changes[0] in (tmp_path / "out" / "README.md").read_text()
    assert changes[0] in (tmp_path / "out.report.html").read_text()
    for part, least in (("new.csv", 0.9), ("reviews.csv", 0.9)):
        folder = tmp_path if part == "new.csv" else data
        scored = json.loads(run_here("evaluate", folder / part, "-m", tmp_path / "out", "--json").out)["scores"]
        assert scored["accuracy"] > least, part
    said = run_here("classify", folder / "reviews.csv", "-m", tmp_path / "out", "--top", 3, "--format", "jsonl").out
    assert set(json.loads(said.splitlines()[1])["labels"]) == {"negative", "positive", "strange"}


def test_scores_before_are_those_of_the_old_bundle(going_on, classify_bundle, run_here, data, tiny, tmp_path):
    words = ["train", data / "reviews.csv", "--valid", data / "reviews.csv", "--encoder", classify_bundle, "-q"]
    answer = run_here(*words, "-o", tmp_path / "again", "--epochs", 1, *tiny, "--set", "classify.bypass_rows=2048")
    assert answer.code == 0, answer.err
    told = load_bundle(tmp_path / "again").head()[1].changes[0]
    old = json.loads(run_here("evaluate", data / "reviews.csv", "-m", classify_bundle, "--json").out)["scores"]
    assert f"accuracy {old['accuracy']:.4f} before" in told


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--replay", "reviews.csv"], "--replay: there is no model to go on from; name it with --encoder BUNDLE"),
        (["--encoder", "{bundle}", "-o", "{bundle}"], "is the model to go on from; write another beside it"),
        (["--encoder", "{bundle}", "--set", "classify.bypass_ngrams=2"], "found 2; expected 3, as"),
        (
            ["--encoder", "{bundle}", "--set", "classify.bypass_rows=186"],
            "--set classify.bypass_rows: found 186; expected more than 186, the n-grams that",
        ),
        (["--encoder", "{bundle}", "--replay", "nothing.csv"], "no such file or folder"),
    ],
)
def test_what_does_not_fit_is_said(run_here, classify_bundle, data, tmp_path, options, said, monkeypatch):
    monkeypatch.chdir(data)
    words = [word.format(bundle=classify_bundle) for word in options]
    answer = run_here("train", "reviews.csv", "-o", tmp_path / "out", "-q", *words)
    assert answer.code == 2 + ("nothing.csv" in options)
    assert said in answer.err
    assert answer.err.count("\n") == 1


def test_the_outside_tag_alone_is_no_label_in_common(going_on, tag_bundle):
    text = "Aspirin\tB-DRUG\nhelps\tO\n.\tO\n\nQuinine\tB-DRUG\nhelps\tO\n.\tO\n\n" * 6
    job, _, said = going_on(tag_bundle, text, "drugs.conll")
    assert job.data.labels.names == ("B-DRUG", "O")
    assert "are not in the data" in said


def test_several_labels_a_text_go_on_too(run_here, tiny, tmp_path):
    old = "text,label\n" + "".join(
        f"the {'bad lamp' if n % 2 else 'fine soup'} {n},{'light|waste' if n % 2 else ''}\n" for n in range(40)
    )
    new = "text,label\n" + "".join(
        f"the {'wet floor' if n % 2 else 'bad lamp'} {n},{'water' if n % 2 else 'light|waste'}\n" for n in range(24)
    )
    for name, text in {"old": old, "new": new}.items():
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
    words = ["--epochs", 4, "--set", "train.precision=float32", "--threads", 1]
    done = run_here("train", tmp_path / "old.csv", "--multi-label", "-o", tmp_path / "old", *words, *tiny)
    assert done.code == 0, done.err
    words += ["--encoder", tmp_path / "old", "--replay", tmp_path / "old.csv"]
    done = run_here("train", tmp_path / "new.csv", "--multi-label", "-o", tmp_path / "new", *words)
    assert done.code == 0, done.err
    bundle = load_bundle(tmp_path / "new")
    assert bundle.info.heads["labels"].labels == ("light", "waste", "water")
    assert "new data, 2 records: micro_f1" in done.err
    assert len(bundle.head_arrays("labels")["thresholds_K"]) == 3


def test_other_labels_leave_the_shape_of_the_head_to_the_user(run_here, tiny, data, tmp_path):
    plain = ["--set", "classify.bypass=false", "--set", "classify.pooling=max", "--epochs", 1, *tiny]
    assert run_here("train", data / "reviews.csv", "-o", tmp_path / "old", *plain).code == 0
    (tmp_path / "far.csv").write_text(FAR, encoding="utf-8")
    words = ["train", tmp_path / "far.csv", "--encoder", tmp_path / "old", "-o", tmp_path / "new", "--epochs", 1]
    done = run_here(*words, "--threads", 1, "--set", "classify.pooling=mean,last")
    assert done.code == 0, done.err
    own = load_bundle(tmp_path / "new").head()[1].settings.classify
    assert (own.bypass, own.pooling) == (True, ("mean", "last"))


def test_data_that_are_encoded_say_whether_a_head_can_go_on(run_here, classify_bundle, tmp_path):
    for name, text in {"new": NEW, "both": NEW + "The song was fine.,positive\n" * 4}.items():
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
        words = [tmp_path / f"{name}.csv", "-o", tmp_path / name, "--tokenizer", classify_bundle, "-q"]
        assert run_here("preprocess", *words).code == 0
    words = ["--encoder", classify_bundle, "-o", tmp_path / "out", "--epochs", 1, "--threads", 1]
    assert "head 'labels' too; new: strange" in run_here("train", tmp_path / "both", *words).err
    done = run_here("train", tmp_path / "new", *words)
    assert (done.code, "encoded without its labels, or otherwise; raw files would keep its head" in done.err) == (
        0,
        True,
    )
    done = run_here("train", tmp_path / "new", *words, "--set", "transfer.head=keep")
    assert (done.code, "--set transfer.head=keep: the data were encoded without its labels" in done.err) == (2, True)
    done = run_here("train", tmp_path / "new", *words, "--replay", tmp_path / "new.csv")
    assert (done.code, "is encoded already; give train the raw files" in done.err) == (2, True)


@pytest.mark.parametrize("several", [True, False])
def test_one_label_a_text_and_several_are_other_heads(run_here, tiny, tmp_path, several):
    rows = "text,label\n" + "the bad lamp,light\nthe wet floor,water\n" * 12
    (tmp_path / "a.csv").write_text(rows, encoding="utf-8")
    flags = [["--multi-label"], []][:: 1 if several else -1]
    words = ["train", tmp_path / "a.csv", "--epochs", 1]
    assert run_here(*words, *flags[0], "-o", tmp_path / "old", *tiny).code == 0
    done = run_here(*words, *flags[1], "--encoder", tmp_path / "old", "-o", tmp_path / "new", "--threads", 1)
    assert f"its head gives {'several labels' if several else 'one label'} a text" in done.err
    assert load_bundle(tmp_path / "new").head()[1].settings.classify.multi_label != several
    scores = load_bundle(tmp_path / "new").info.heads["labels"].scores
    assert ("accuracy" in scores) == several


def test_an_old_bundle_may_go_while_the_training_runs(going_on, classify_bundle, tmp_path):
    copy = Path(shutil.copytree(classify_bundle, tmp_path / "copy"))
    job, model, _ = going_on(copy, NEW, "new.csv")
    shutil.rmtree(copy)
    arrays = model_arrays(model)
    encoder, head = (
        {k.partition(".")[2]: v for k, v in arrays.items() if k.startswith(p)} for p in ("encoder", "head")
    )
    told = changes(job.heads[0], export_graphs("classify", job.settings, encoder, head), head)
    assert told[0].startswith("new data, 1 records: accuracy ")


def test_old_tags_keep_their_own_scheme(going_on, tag_bundle, tmp_path):
    (tmp_path / "old.conll").write_text("Anna\tI-PER\nBerg\tI-PER\nsings\tO\n.\tO\n\n" * 30, encoding="utf-8")
    new = "Anna\tB-PER\nlives\tO\n\nBjorn\tB-PER\nBerg\tI-PER\nruns\tO\n\n" * 6
    job, _, said = going_on(tag_bundle, new, "new.conll", "transfer.replay=9", replay=[str(tmp_path / "old.conll")])
    assert job.data.facts.repaired_tags == 0
    assert "repaired" not in said
    assert job.data.facts.label_counts["B-PER"] > 30


SENTENCES = ("Anna\tB-PER\nsings\tO\n.\tO\n\n" + "Unpronounceable\tB-LOC\n!\tO\n\n") * 6


@pytest.mark.parametrize(
    ("text", "name"), [(FAR + "Unpronounceably grim.,sport\n" * 6, "far.csv"), (SENTENCES, "new.conll")]
)
def test_a_language_model_beside_the_head_begins_as_that_of_the_bundle_and_counts_in_training_alone(
    text, name, going_on, generate_bundle
):
    job, model, _ = going_on(generate_bundle, text, name, "transfer.language_loss=0.5", "train.batch_tokens=32")
    old = load_bundle(generate_bundle).head_arrays("lm")
    assert old.keys() == model.language.state_dict().keys()
    assert all((old[key] == value.numpy()).all() for key, value in model.language.state_dict().items())
    given = job.data, "train", job.settings
    feed = text_feed(*given, None) if name.endswith("csv") else sentence_feed(*given)
    _, batch = next(iter(feed.ordered()))
    alone, _, _ = model.loss(batch)
    language = model.language
    model.language = None
    assert model.loss(batch)[0].item() == alone.item()
    torch.manual_seed(1)
    without, _, _ = model.train().loss(batch)
    model.language = language
    torch.manual_seed(1)
    together, _, _ = model.loss(batch)
    torch.manual_seed(1)
    encoding, _ = model.encode(batch)
    nats, tokens = language.text_nats(encoding, batch.ids_BT, batch.lengths_B)
    assert tokens == 2 * (batch.lengths_B - 1).sum()
    data = job.data.texts("train") if name.endswith("csv") else job.data.sentences("train")
    every = len(data) if name.endswith("csv") else sum(len(sentence.words) for sentence in data)
    a_token = every / (2 * (data.lengths - 1).sum())
    assert model.count(batch) / tokens != pytest.approx(a_token, rel=0.1)  # of all data, not of the batch
    assert together.item() == pytest.approx(without.item() + 0.5 * a_token * nats.item(), rel=1e-5)


def test_a_language_model_beside_the_head_is_not_saved(run_here, data, generate_bundle, tiny, tmp_path):
    words = ["train", data / "reviews.csv", "--encoder", generate_bundle, "--epochs", 1, *tiny]
    sizes = []
    for share in (0, 1):
        done = run_here(*words, "-o", tmp_path / str(share), "--set", f"transfer.language_loss={share}")
        assert done.code == 0, done.err
        bundle = load_bundle(tmp_path / str(share))
        names = sorted(bundle.encoder_arrays()), sorted(bundle.head_arrays("labels"))
        sizes.append((bundle.info.parameters, bundle.head()[1].parameters, names))
    assert sizes[0] == sizes[1]
    first, second = ((tmp_path / name / "encoder.safetensors").read_bytes() for name in ("0", "1"))
    assert first != second


def test_a_training_does_not_end_before_all_of_the_encoder_learns(run_here, generate_bundle, tiny, tmp_path):
    lines = [f"{word}\t{'AB'[place % 7 % 2]}" for place, word in enumerate(["so", "go", "no", "to"] * 30)]
    (tmp_path / "noise.conll").write_text("\n\n".join(lines) + "\n", encoding="utf-8")
    words = ["--encoder", generate_bundle, "-o", tmp_path / "out", "--epochs", 12, "--set", "train.patience=1", *tiny]
    done = run_here("train", tmp_path / "noise.conll", *words, "--set", "transfer.unfreeze=0.75")
    assert done.code == 0, done.err
    assert "epoch   9.00" in done.err
    assert done.err.count("lstmtext: no better in 1 validations (train.patience): the training ends here") == 1


@pytest.mark.parametrize(("text", "new_labels"), [(FAR, True), (NEW, True), (None, False)])
def test_what_is_retained_is_the_encoder_and_a_head_without_new_labels(
    text, new_labels, run_here, classify_bundle, data, tiny, tmp_path
):
    source = data / "reviews.csv"
    if text is not None:
        source = tmp_path / "new.csv"
        source.write_text(text, encoding="utf-8")
    words = ["train", source, "--encoder", classify_bundle, "--epochs", 2, *tiny, "--set", "transfer.unfreeze=0"]
    old, made = load_bundle(classify_bundle), {}
    for share in (0, 1):
        done = run_here(*words, "-o", tmp_path / str(share), "--set", f"transfer.retain={share}")
        assert done.code == 0, done.err
        made[share] = load_bundle(tmp_path / str(share))
    encoders = [own.encoder_arrays() for own in (made[0], made[1], old)]
    for name, array in encoders[2].items():
        np.testing.assert_allclose(encoders[1][name], array, atol=1e-6)
        assert not np.allclose(encoders[0][name], array, atol=1e-6), name
    now, was = (own.head_arrays("labels")["output.weight"] for own in (made[1], old))
    if not new_labels:
        np.testing.assert_allclose(now, was, atol=1e-6)
    else:
        assert not np.allclose(now[: len(was)], was, atol=1e-6)


def test_heads_that_learn_together_retain_what_each_was(run_here, data, tiny, tmp_path):
    words = ["train", "--task-data", f"mood={data / 'reviews.csv'}", "--task-data", f"ner={data / 'entities.conll'}"]
    for name, more in {"old": ["none"], "new": [tmp_path / "old", "--set", "transfer.retain=1"]}.items():
        done = run_here(*words, "--epochs", 1, *tiny, "-o", tmp_path / name, "--encoder", *more)
        assert done.code == 0, done.err
    old, new = (load_bundle(tmp_path / name) for name in ("old", "new"))
    pairs = [(own.encoder_arrays()["embedding_VD"], own.head_arrays("mood")["output.weight"]) for own in (old, new)]
    pairs = [(*pair, own.head_arrays("ner")["crf.transitions_KK"]) for pair, own in zip(pairs, (old, new), strict=True)]
    for before, after in zip(*pairs, strict=True):
        np.testing.assert_allclose(after, before, atol=1e-6)
