"""Class weights: what they are, and that a weight of two is a text twice."""

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight

from lstmtext.data.plan import DataRequest, make_plan
from lstmtext.data.prepare import prepare
from lstmtext.nn.heads.classifier import Classifier, NgramBypass
from lstmtext.nn.model import Model
from lstmtext.resolve import resolve_settings
from lstmtext.sizes import fit_training
from lstmtext.text.examples import collate_texts
from lstmtext.text.lexical import known_rows
from lstmtext.train.bypass import fit_bypass
from lstmtext.train.weighting import class_weights

WORDS = ["soup", "noodle", "bread", "tea"]


def data_of(folder, texts, *settings):
    (folder / "a.csv").write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in texts))
    (folder / "v.csv").write_text("text,label\nsoup good,a\nbad bread,b\n")
    plan, _ = make_plan(DataRequest([str(folder / "a.csv")], [str(folder / "v.csv")]))
    data = prepare(plan, resolve_settings("classify", assignments=settings), folder)
    return data, fit_training(data.settings, data.task, data.facts.train_tokens, data.facts.words)


@pytest.fixture
def imbalanced(tmp_path):
    texts = [(f"good {WORDS[n % 4]}", "a") for n in range(12)] + [(f"bad {WORDS[n % 4]} {n}", "b") for n in range(4)]
    return data_of(tmp_path, texts, "classify.class_weight=balanced")


def test_balanced_weights_are_those_of_scikit_learn(imbalanced):
    data, settings = imbalanced
    wanted = compute_class_weight("balanced", classes=np.array([0, 1]), y=data.texts("train").labels)
    assert class_weights(data, settings) == pytest.approx(wanted)
    assert class_weights(data, resolve_settings("classify")) is None


def test_a_weight_of_two_is_every_text_twice(tmp_path):
    small = ("encoder.hidden_size=8", "classify.dropout=0", "encoder.input_dropout=0", "encoder.output_dropout=0",
             "encoder.embedding_dropout=0", "classify.bypass=false", "text.vocabulary_size=300")  # fmt: skip
    data, settings = data_of(tmp_path, [("good soup", "a"), ("fine tea", "a"), ("bad soup", "b")], *small)
    texts = data.texts("train")
    model = Model("classify", settings, vocabulary_size=data.tokenizer.size, labels=2)
    assert isinstance(model.head, Classifier)
    found = []
    for places, weights in (((0, 1, 2), [1.0, 2.0]), ((0, 1, 2, 2), [1.0, 1.0])):
        model.head.weigh(np.array(weights))
        total, count, _ = model.loss(collate_texts([texts[place] for place in places], None))
        assert count == model.count(collate_texts([texts[place] for place in places], None)) == 4
        found.append(total.item())
    assert found[0] == pytest.approx(found[1], abs=1e-5)


def test_a_bypass_that_sees_no_difference_gives_balanced_labels_even_odds(tmp_path):
    data, _ = data_of(tmp_path, [("soup", "a")] * 9 + [("soup", "b")])
    found = []
    for weights in (None, np.array([10 / 18, 5.0])):
        bypass = NgramBypass(512, 2)
        fit_bypass(bypass, data.texts("train"), data.texts("train"), weights)
        logits = bypass(torch.from_numpy(known_rows(data.texts("train")[0].ngrams, bypass.keys_N.numpy())).long()[None])
        found.append(torch.softmax(logits, 1)[0, 1].item())
    assert found == pytest.approx([0.1, 0.5], abs=0.02)


def test_balanced_training_finds_more_of_a_rare_label(run_here, tmp_path):
    rng = np.random.default_rng(0)
    rows = [("a", 0.55) for _ in range(380)] + [("b", 0.45) for _ in range(20)]
    lines = [" ".join(rng.choice(["up", "down"], 8, p=[share, 1 - share])) + f",{label}" for label, share in rows]
    (tmp_path / "a.csv").write_text("text,label\n" + "\n".join(lines) + "\n")
    small = ["--set", "encoder.hidden_size=8", "--set", "encoder.embedding_size=8", "--epochs", "3", "-q"]
    found = []
    for weight in ("none", "balanced"):
        options = [*small, "--class-weight", weight, "-o", tmp_path / weight]
        assert run_here("train", tmp_path / "a.csv", "--valid", tmp_path / "a.csv", *options).code == 0
        done = run_here("classify", "-m", tmp_path / weight, tmp_path / "a.csv")
        found.append(done.out.decode().count("b\t"))
    assert found[0] < found[1]


WEIGHED = {"flag": ["--class-weight", "balanced"], "set": ["--set", "classify.class_weight=balanced"]}
PLACES = {"flag": "--class-weight", "set": "--set classify.class_weight"}


@pytest.mark.parametrize("how", WEIGHED)
@pytest.mark.parametrize(("name", "task"), [("entities.conll", "tag"), ("prose.txt", "generate")])
def test_classes_of_what_has_none_cannot_be_weighed(run_here, data, tmp_path, name, task, how):
    for more in (["-o", tmp_path / "m"], ["--find-lr"]):
        done = run_here("train", data / name, *more, *WEIGHED[how], "-q")
        said = f"{PLACES[how]}: the task is {task}; expected classify"
        assert (done.code, said in done.err, done.out) == (2, True, b""), done.err
    assert list(tmp_path.iterdir()) == []


def test_classes_are_not_weighed_where_data_are_encoded_joined_or_searched_either(run_here, data, tmp_path):
    assert run_here("preprocess", data / "entities.conll", "-o", tmp_path / "encoded", "-q").code == 0
    pair = [f"--task-data={name}={data / 'entities.conll'}" for name in "ab"]
    for words in (["train", tmp_path / "encoded"], ["train", *pair], ["tune", data / "entities.conll", "--budget=9s"],
                  ["train", data / "entities.conll", "--adapt-on", data / "prose.txt"]):  # fmt: skip
        done = run_here(*words, "-o", tmp_path / "m", *WEIGHED["set"], "-q")
        assert (done.code, done.err.startswith("lstmtext: --set classify.class_weight: ")) == (2, True), done.err
    assert [path.name for path in tmp_path.iterdir()] == ["encoded"]


def test_settings_that_several_tasks_share_may_weigh_classes(run_here, data, tiny, tmp_path):
    (tmp_path / "shared.toml").write_text('[classify]\nclass_weight = "balanced"\n')
    done = run_here("train", data / "entities.conll", "-o", tmp_path / "m", "--config", tmp_path / "shared.toml",
                    "--epochs", 1, *tiny)  # fmt: skip
    assert done.code == 0, done.err
    both = [f"--task-data=mood={data / 'reviews.csv'}", f"--task-data=ner={data / 'entities.conll'}"]
    done = run_here("train", *both, "-o", tmp_path / "n", *WEIGHED["flag"], "--epochs", 1, *tiny)
    assert done.code == 0, done.err
