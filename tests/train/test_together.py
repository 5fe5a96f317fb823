"""Heads that train together: each learns, a step moves one of them, and what one would have alone stays its own."""

import json
import math
import random
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from lstmtext.bundle import load_bundle
from lstmtext.data.plan import DataRequest
from lstmtext.errors import UsageError
from lstmtext.nn.joint import JointModel
from lstmtext.nn.model import model_arrays
from lstmtext.resolve import resolve_settings
from lstmtext.runtime.export import export_graphs
from lstmtext.sizes import fit_training
from lstmtext.text.examples import StreamBatch
from lstmtext.train.checkpoint import read_snapshot, write_snapshot
from lstmtext.train.course import Course
from lstmtext.train.job import TrainRequest
from lstmtext.train.looks import JOINT, SMALLEST, better, by_head, look, loss_of, shown
from lstmtext.train.loop import Trainee, make_optimizer, training_steps
from lstmtext.train.making import make_model
from lstmtext.train.quantize import Trained, choose_together
from lstmtext.train.ranks import ALONE, Ranks
from lstmtext.train.run import _feed
from lstmtext.train.together import make_joint_job
from lstmtext.train.track import STEPS, read_log
from lstmtext.train.validate import validate
from tests.conftest import TINY
from tests.train.test_add_to import classes_conll, files_of
from tests.train.test_resume import kill_at_random, run

SETTINGS = [word for word in TINY if "=" in word and "bypass_rows" not in word]
THREE = {"mood": "reviews.csv", "ner": "entities.conll", "lm": "prose.txt"}
QUICK = [*TINY, "--epochs", "12", "--set", "train.learning_rate=0.02", "--set", "train.batch_tokens=128"]


@pytest.fixture
def making(data, tmp_path):
    """The job of heads that train together."""

    def make(*assignments: str, heads=THREE, encoder="none", first=None, **more):
        requests = {name: DataRequest([str(data / source)]) for name, source in heads.items()}
        work = tmp_path / f"work {len(list(tmp_path.iterdir()))}"
        work.mkdir()
        chosen = [*SETTINGS, "train.batch_tokens=128", *assignments]
        return make_joint_job(
            TrainRequest(next(iter(requests.values())), tmp_path / "out", str(encoder), together=requests),
            lambda task: resolve_settings(task, assignments=chosen),
            more.pop("ranks", ALONE),
            work,
            lambda text: None,
            **more,
        )

    return make


def words_of(data: Path, heads=THREE) -> list[object]:
    return [word for name, source in heads.items() for word in ("--task-data", f"{name}={data / source}")]


def test_a_step_moves_the_encoder_and_one_head(making):
    job = making()
    model = make_model(job)
    course = Course(model, job.settings)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    rng = np.random.default_rng(0)
    batches = {}
    for _, batch in _feed(job).shuffled(rng):
        batches.setdefault(batch.head, batch)
    assert batches.keys() == THREE.keys()
    trainee = Trainee(model, course.optimizer, job.settings.train)
    trainee.step([batches["ner"]], model.count(batches["ner"]), 0.01, course.position)
    moved = {name.partition(".")[0] for name, value in model.state_dict().items() if not value.equal(before[name])}
    assert moved == {"encoder", "head-ner"}


def test_the_loss_of_a_batch_is_that_of_its_head_alone_whatever_it_counts_by(making):
    job = making()
    model = make_model(job).eval()
    for _, batch in _feed(job).shuffled(np.random.default_rng(0)):
        total, count, _ = model.models[batch.head].loss(batch.batch)
        mean, _ = model(batch)
        assert mean.item() == pytest.approx(total.item() / count)
        assert model.count(batch) == 1.0


def test_a_language_model_reads_on_over_the_batches_of_other_heads(making):
    job = making(heads=THREE | {"style": "prose.txt"})
    model = make_model(job).eval()
    carried, alone = None, {}
    for _, batch in _feed(job).shuffled(np.random.default_rng(0)):
        own = batch.batch
        with torch.no_grad():
            given, carried = model(batch, carried)
            if isinstance(own, StreamBatch):
                wanted, count, alone[batch.head] = model.models[batch.head].loss(own, alone.get(batch.head))
                assert given.item() == pytest.approx(wanted.item() / count)
    assert carried.keys() == alone.keys() == {"lm", "style"}


def test_any_name_will_do_and_decides_nothing(making):
    names = ("values", "training", "bypass", "encoder")
    job = making(heads={**dict.fromkeys(names, "entities.conll")})
    model = make_model(job)
    groups = make_optimizer(model, job.settings).param_groups
    factors = Counter(group["factor"] for group in groups for _ in group["params"])
    assert factors[job.settings.tag.bypass_rate] == len(names)
    assert len(model.models) == len(names)


def test_all_heads_share_tokenizer_encoder_and_settings_of_training(making):
    job = making("text.unit=char", "text.vocabulary_size=0")
    tokenizers = {head.data.tokenizer.to_json() for head in job.heads}
    assert len(tokenizers) == 1
    for character in "?Tw.BO":  # names have the B and the O
        assert (job.data.tokenizer.encode(character) == [job.data.tokenizer.unknown_id]) == (character == "?")
    for section in ("encoder", "train", "text"):
        own = {json.dumps(head.settings.as_dict()[section] | {"batch_tokens": 0}) for head in job.heads}
        assert len(own) == 1, section
    assert job.settings.encoder.embedding_dropout == 0.3  # of the first, a classifier
    assert making(heads=dict(reversed(THREE.items()))).settings.encoder.input_dropout == 0.0  # a language model


def test_there_are_as_many_passes_as_make_the_heads_read_what_each_would_alone(making):
    job = making("train.batch_tokens=1")
    alone = {}
    for head in job.heads:
        tokens = head.data.facts.train_tokens
        own = fit_training(head.data.settings, head.data.task, tokens, head.data.facts.words)
        alone[head.name] = (own.train.epochs, tokens)
    assert len({epochs for epochs, _ in alone.values()}) > 1
    every = sum(head.data.facts.train_tokens for head in job.heads)
    assert {head.settings.train.epochs for head in job.heads} == {
        math.ceil(sum(map(math.prod, alone.values())) / every)
    }
    assert making("train.epochs=2").settings.train.epochs == 2
    assert making("train.budget=9").settings.train.epochs == 0


def test_the_joint_loss_is_the_mean_of_what_is_left_of_each_heads_first_loss(making):
    job = making("train.learning_rate=0.02", "classify.bypass=false")  # which would know all before the first step
    model = make_model(job)
    first = look(job, model, "float32", None)
    assert first[JOINT] == 1.0
    assert shown(job, first) == (JOINT, 1.0)
    course = Course(model, job.settings)
    for _ in training_steps(Trainee(model, course.optimizer, job.settings.train), _feed(job)):
        pass
    then = look(job, model, "float32", first)
    assert then["first"] == first["first"]
    ratios = []
    for head in job.heads:
        scores = by_head(job, then)[head.name]
        assert scores == validate(model.models[head.name], head.data, head.settings, "float32")
        ratios.append((loss_of(head.task, scores) + SMALLEST) / (first["first"][head.name] + SMALLEST))
    assert then[JOINT] == pytest.approx(sum(ratios) / 3)
    assert max(ratios) < 1
    assert better(job, then, first)
    assert not better(job, first, then)
    assert not better(job, {JOINT: math.nan}, None)
    assert loss_of(job.heads[1].task, {"span_f1": 0.75}) == 0.25


@pytest.mark.parametrize("mixing", ["1.0", "0.3"])
def test_ten_steps_are_five_and_five_after_a_checkpoint(making, tmp_path, mixing):
    heads = {"mood": "reviews.csv", "lm": "prose.txt", "style": "prose.txt"}

    def course():
        job = making(f"train.mixing={mixing}", "train.epochs=9", heads=heads)
        made = Course(make_model(job), job.settings)
        return made, _feed(job), job.settings.train

    def steps(made, feed, settings, count) -> list[float]:
        losses = []
        for report in training_steps(Trainee(made.model, made.optimizer, settings), feed, made.position):
            losses.append(report.loss)
            if len(losses) == count:
                return losses
        raise AssertionError("there are more steps than that")

    torch.manual_seed(7)
    whole, *rest = course()
    torch.manual_seed(8)
    wanted = steps(whole, *rest, 40)
    torch.manual_seed(7)
    first, *rest = course()
    torch.manual_seed(8)
    losses = steps(first, *rest, 21)
    assert set(first.position.carried) == {"lm", "style"}
    write_snapshot(first.snapshot([first.of_rank()]), tmp_path / "checkpoint")
    second, *rest = course()
    second.restore(read_snapshot(tmp_path / "checkpoint"), "here")
    losses += steps(second, *rest, 19)
    assert losses == wanted
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, second.model.state_dict()[name]), name


@pytest.mark.parametrize(("worse", "precisions"), [("", "int8 int8 int8"), ("ner", "float32 float32 int8")])
def test_int8_is_for_all_heads_that_read_the_encoder_or_for_none(making, worse, precisions):
    job = making()
    model = make_model(job)
    encoder, heads = model_arrays(model.encoder), {}
    for head in job.heads:
        own = model.models[head.name]
        scores = validate(own, head.data, head.settings, "float32")
        name = {"mood": "accuracy", "ner": "span_f1", "lm": "nats_per_character"}[head.name]
        easy = 1e9 if head.name == "lm" else -1.0
        scores[name] = 1.0 if head.name == worse else easy
        heads[head.name] = Trained(head.data, head.settings, model_arrays(own.head), scores)
    chosen = choose_together(heads, encoder)
    assert [chosen[name][1]["precision"] for name in heads] == precisions.split()
    for name in ("mood", "ner"):
        wanted = export_graphs(
            heads[name].data.task,
            heads[name].settings,
            encoder,
            heads[name].arrays,
            precision=chosen[name][1]["precision"],
        )
        assert chosen[name][0] == wanted
    assert "span_f1 in int8" in chosen["ner"][1]


@pytest.fixture(scope="module")
def three(run_here, data, tmp_path_factory):
    """A bundle of three heads that trained together."""
    folder = tmp_path_factory.mktemp("three")
    done = run_here("train", *words_of(data), "-o", folder / "all", "--log-dir", folder / "logs", *QUICK)
    assert (done.code, done.out) == (0, b""), done.err
    (folder / "said").write_text(done.err)
    return folder


def test_each_head_learns(run_process, three):
    def say(command: str, text: bytes) -> str:
        done = run_process(command, "-m", three / "all", given=text)
        assert done.code == 0, done.err
        return done.out.decode()

    assert say("classify", b"The soup was lovely.\n").startswith("positive")
    assert say("tag", b"Dag Berg lives in Oslo.\n").startswith("Dag\tB-PER\nBerg\tI-PER\nlives\tO\nin\tO\nOslo\tB-LOC")
    assert say("generate", b"Anna went to\n").startswith("Anna went to ")
    info = load_bundle(three / "all").info
    assert list(info.heads) == list(THREE)
    for name, score, least in (("mood", "accuracy", 0.6), ("ner", "span_f1", 0.9)):
        assert info.heads[name].scores[score] >= least
    assert info.heads["lm"].scores["nats_per_character"] < 1.5


def test_progress_report_card_and_log_tell_of_each_head(run_here, three):
    said = (three / "said").read_text()
    assert "mood: task classify, from a column 'label'\n" in said
    assert "ner: tags from the last column" in said
    assert "joint_loss 1.0000 * kept 1.0000  mood accuracy " in said
    page, card = (three / "all.report.html").read_text(), (three / "all" / "README.md").read_text()
    for name in THREE:
        assert f"<h2>Head {name}</h2>" in page
        assert f"## Head `{name}`" in card
        assert load_bundle(three / "all").info.heads[name].training["together"] == list(THREE)
    assert page.count("Worst records") == 3
    for curve in ("mood: accuracy", "mood: nats_per_text", "ner: span_f1", "lm: nats_per_character"):
        assert f"<figcaption>Validation of {curve}</figcaption>" in page
    assert "<th>hardest token</th>" in page[page.index("Head lm") :]
    told = json.loads(run_here("info", "-m", three / "all", "--json").out)
    assert told["heads"].keys() == THREE.keys()
    assert told["runtime"]["precision"] == told["heads"]["ner"]["runtime"]["precision"]


def test_tensorboard_has_the_scores_of_each_head(three):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(three / "logs"))
    events.Reload()
    looks = [record for record in read_log(three / "logs" / STEPS) if record["kind"] == "validation"]
    for head, score in (("mood", "accuracy"), ("mood", "nats_per_text"), ("ner", "span_f1"), ("lm", "bits_per_byte")):
        values = [(event.step, event.value) for event in events.Scalars(f"validation/{head}/{score}")]
        assert values == [(look["step"], pytest.approx(look["heads"][head]["scores"][score])) for look in looks]
    assert len(events.Scalars(f"validation/{JOINT}")) == len(looks)


def test_a_bundle_of_heads_that_trained_together_can_be_added_to(run_here, three, tmp_path):
    (tmp_path / "classes.conll").write_text(classes_conll(), encoding="utf-8")
    words = ["--add-to", three / "all", "--head", "upos", "-o", tmp_path / "four", "--epochs", 1, "--threads", 1]
    assert run_here("train", tmp_path / "classes.conll", *words).code == 0
    old, new = files_of(three / "all"), files_of(tmp_path / "four")
    assert all(new[name] == old[name] for name in old.keys() - {"bundle.json", "README.md"})


def test_a_name_may_have_several_files_and_validation_data_of_its_own(run_here, data, tmp_path):
    shutil.copy(data / "entities.conll", tmp_path / "more.conll")
    words = [*words_of(data, {"lm": "prose.txt", "ner": "entities.conll"}), "--task-data", f"ner={tmp_path}/more.conll"]
    words += ["--valid-data", f"lm={data / 'held.txt'}", "--epochs", 1, *TINY]
    done = run_here("train", *words, "-o", tmp_path / "out")
    assert done.code == 0, done.err
    heads = load_bundle(tmp_path / "out").info.heads
    assert list(heads["ner"].data["files"]) == [str(data / "entities.conll"), str(tmp_path / "more.conll")]
    assert heads["ner"].data["training records"] + heads["ner"].data["validation records"] == 24
    assert list(heads["lm"].data["files"]) == [str(data / "prose.txt"), str(data / "held.txt")]


def test_weights_are_for_rows_with_labels(run_here, data, tmp_path):
    rows = (data / "reviews.csv").read_text().splitlines()
    (tmp_path / "a.csv").write_text("\n".join([rows[0] + ",count", *(f"{row},0.5" for row in rows[1:])]) + "\n")
    words = ["--task-data", f"mood={tmp_path / 'a.csv'}", "--task-data", f"ner={data / 'entities.conll'}"]
    options = ["--weight-column", "count", "--epochs", 1, *TINY]
    done = run_here("train", *words, "-o", tmp_path / "out", *options)
    assert done.code == 0, done.err
    assert "mood: text from column 'text', labels from column 'label', weights from column 'count'\n" in done.err
    heads = load_bundle(tmp_path / "out").info.heads
    assert [head.data["columns"].get("weight") for head in heads.values()] == ["count", None]
    words = [word.replace(str(tmp_path / "a.csv"), str(data / "prose.txt")) for word in words]
    done = run_here("train", *words, "-o", tmp_path / "none", *options, "-q")
    assert (done.code, "--weight-column: no data are for classify" in done.err) == (2, True)


def test_a_budget_ends_it(run_here, data, tmp_path):
    done = run_here("train", *words_of(data), "-o", tmp_path / "out", "--budget", "1s", *TINY)
    assert done.code == 0, done.err
    head = load_bundle(tmp_path / "out").info.heads["ner"]
    assert (head.settings.train.budget, head.training["interrupted"]) == (1.0, False)


def test_heads_of_the_same_name_and_labels_go_on_and_others_begin(making, classify_bundle):
    heads = {"labels": "reviews.csv", "mood": "reviews.csv", "ner": "entities.conll"}
    other = making(
        heads={"ner": "entities.conll", "mood": "reviews.csv", "labels": "prose.txt"}, encoder=classify_bundle
    )
    assert [head.before for head in other.heads] == [None] * 3  # of that name is a classifier, and of that task another
    job = making(heads=heads, encoder=classify_bundle)
    assert [head.before is not None for head in job.heads] == [True, False, False]
    model, old = make_model(job), load_bundle(classify_bundle)
    assert isinstance(model, JointModel)
    for name, array in old.encoder_arrays().items():
        assert np.array_equal(model_arrays(model.encoder)[name], array), name
    kept = old.head_arrays("labels")["output.weight"]
    assert np.array_equal(model_arrays(model.models["labels"].head)["output.weight"], kept)
    assert not np.array_equal(model_arrays(model.models["mood"].head)["output.weight"], kept)
    assert job.data.tokenizer.to_json() == old.tokenizer.to_json()


@pytest.mark.parametrize(("names", "parts"), [(["labels", "ner"], 3), (["mood", "ner"], 3), (["labels"], 1)])
def test_layers_are_added_one_by_one_wherever_a_head_is_new(making, classify_bundle, names, parts):
    sources = {"labels": "reviews.csv", "mood": "reviews.csv", "ner": "entities.conll"}
    job = making("transfer.unfreeze=0.6", heads={name: sources[name] for name in names}, encoder=classify_bundle)
    groups = make_optimizer(make_model(job), job.settings, fresh_head=job.fresh_head).param_groups
    assert len({group["begins"] for group in groups}) == parts


def test_what_changed_is_told_of_the_head_that_went_on(run_here, classify_bundle, data, tmp_path):
    words = words_of(data, {"labels": "reviews.csv", "ner": "entities.conll"})
    options = ["--encoder", classify_bundle, "-o", tmp_path / "out", "--epochs", 1, "--threads", 1]
    done = run_here("train", *words, *options)
    assert done.code == 0, done.err
    assert f"labels: the whole of {classify_bundle} goes on, this head too\n" in done.err
    assert f"ner: the encoder of {classify_bundle} goes on\n" in done.err
    heads = load_bundle(tmp_path / "out").info.heads
    assert heads["labels"].changes[0].startswith("new data, ")
    assert heads["ner"].changes == []


def test_a_head_that_the_bundle_lacks_cannot_be_kept(making, classify_bundle):
    heads = {"labels": "reviews.csv", "ner": "entities.conll"}
    with pytest.raises(UsageError, match=r"transfer.head=keep: .* has no head 'ner' to tag; leave it out, or "):
        making("transfer.head=keep", heads=heads, encoder=classify_bundle)
    kept = making("transfer.head=keep", heads={"labels": "reviews.csv"}, encoder=classify_bundle)
    assert kept.before is not None


TWO = "--task-data a={A} --task-data b={B}"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("--task-data a={A}", 2, "--task-data: found 1 heads; expected two at least; for one head, give DATA"),
        ("--task-data {A}", 2, "--task-data: found '{A}'; expected NAME=DATA"),
        ("--task-data ={A} --task-data b={B}", 2, "--task-data: found '={A}'"),
        ("--task-data a/b={A} --task-data b={B}", 2, "found 'a/b'; expected 1 to 64 letters"),
        ("--task-data ner={A} --task-data NER={B}", 2, "found ner, NER; expected names that differ by more"),
        ("--task-data a={A} --task-data b=absent.csv", 3, "absent.csv: no such file or folder"),
        (f"{TWO} --valid-data c={{A}}", 2, "--valid-data: found 'c'; expected a head of --task-data: a, b"),
        ("--valid-data a={A}", 2, "expected a head of --task-data"),
        (f"{{A}} {TWO}", 2, "DATA: cannot be had with --task-data"),
        (f"{TWO} --head c", 2, "--head: cannot be had with --task-data"),
        (f"{TWO} --add-to c", 2, "--add-to: cannot be had with --task-data"),
        (f"{TWO} --task tag", 2, "--task: cannot be had with --task-data"),
        (f"{TWO} --find-lr", 2, "--task-data: cannot be had with --find-lr"),
        (f"{TWO} --set transfer.language_loss=1", 2, "--set transfer.language_loss: cannot be had with --task-data"),
        ("--task-data a=- --task-data b=-", 2, "standard input: named more than once"),
        ("--task-data a={B} --task-data b={B} --multi-label", 2, "--multi-label: no data are for classify"),
    ],
)
def test_what_does_not_fit_is_said(run_here, data, tmp_path, words, code, said):
    places = {"A": data / "reviews.csv", "B": data / "entities.conll"}
    done = run_here("train", *words.format(**places).split(), "-o", tmp_path / "out", "-q", *TINY)
    assert (done.code, said.format(**places) in done.err) == (code, True), done.err
    assert done.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_data_that_are_encoded_have_a_tokenizer_of_their_own(run_here, data, tmp_path):
    assert run_here("preprocess", data / "reviews.csv", "-o", tmp_path / "encoded", "-q").code == 0
    words = ["--task-data", f"a={tmp_path / 'encoded'}", "--task-data", f"b={data / 'entities.conll'}"]
    done = run_here("train", *words, "-o", tmp_path / "out", "-q")
    assert (done.code, "is encoded already, with a tokenizer of its own" in done.err) == (2, True)


def test_several_processes_are_refused(making):
    with pytest.raises(UsageError, match="--task-data: cannot be had with torchrun"):
        making(ranks=Ranks(0, 2))


@pytest.fixture(scope="module")
def killed(data, tmp_path_factory):
    """A training of three heads that was killed, beside the bundle that it is to end in."""
    folder = tmp_path_factory.mktemp("killed")
    for source in THREE.values():
        shutil.copy(data / source, folder / source)
    options = [*words_of(Path(), THREE), *TINY, "--epochs", 30, "--set", "checkpoint.steps=5", "-q"]
    options += ["--set", "train.batch_tokens=64", "--set", "train.patience=100", "--set", "train.mixing=0.5"]
    done = run(*options, "-o", "whole/model", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert kill_at_random([*options, "-o", "model"], folder, "model", random.Random(5))
    return folder


@pytest.fixture
def place(killed, tmp_path):
    return Path(shutil.copytree(killed, tmp_path / "place"))


def test_a_killed_training_goes_on_to_the_same_bytes(place):
    done = run("--resume", "model", "-q", cwd=place)
    assert (done.returncode, done.stderr) == (0, "")
    assert files_of(place / "model") == files_of(place / "whole" / "model")
    assert (place / "model.report.html").exists()


def test_data_and_settings_of_any_head_that_changed_are_named(place):
    done = run("--resume", "model", "-q", "--set", "tag.dropout=0.9", cwd=place)
    assert (done.returncode, "tag.dropout=0.3 before, 0.9 now" in done.stderr) == (2, True)
    done = run("--resume", "model", "-q", "--force", "--set", "transfer.language_loss=1", cwd=place)
    assert (done.returncode, "transfer.language_loss: cannot be had with --task-data" in done.stderr) == (2, True)
    with (place / "entities.conll").open("a") as stream:
        stream.write("Eva\tB-PER\n\n")
    done = run("--resume", "model", "-q", cwd=place)
    assert (done.returncode, "entities.conll: is not what the run was trained on" in done.stderr) == (3, True)
    done = run("--resume", "model", "other.csv", cwd=place)
    assert (done.returncode, "the run has data of several heads" in done.stderr) == (2, True)
