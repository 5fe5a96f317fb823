"""What a training leaves to look at: each step once, in order, resumed or not; a page that needs no network."""

import base64
import csv
import html
import json
import re
import resource
import sys
from xml.etree import ElementTree

import pytest
import torch

from lstmtext.train.listener import Validation
from lstmtext.train.loop import StepReport
from lstmtext.train.track import JsonLines, Tracker, read_log
from tests.train.pages import CHROMIUM, References, viewed


class Silent:
    def started(self, **_: object) -> None: ...

    def stepped(self, report: StepReport) -> None: ...

    def validated(self, validation: Validation) -> None: ...

    def noted(self, text: str) -> None: ...

    def saving(self) -> None: ...


def report(step: int) -> StepReport:
    return StepReport(step, step / 10, 0.0, torch.tensor(step / 4), 7, 0.5)


def test_steps_and_looks_stand_in_order_whatever_was_settled_when(tmp_path):
    tracker = Tracker(Silent(), [JsonLines(tmp_path / "log", after=0)])
    for step in range(1, 26):
        tracker.stepped(report(step))
        if step == 23:
            tracker.validated(Validation(report(step), 1.0, "accuracy", 0.5, 0.6, {}, False, 3.0, 9.0))
    tracker.close()
    log = read_log(tmp_path / "log")
    assert [record["step"] for record in log] == [*range(1, 24), 23, 24, 25]
    assert log[3] == {"kind": "step", "step": 4, "epochs": 0.4, "loss": 1.0, "rate": 0.5, "tokens": 7}
    assert (log[23]["kind"], log[23]["score"], log[23]["best"]) == ("validation", 0.5, 0.6)


def test_a_resumed_log_drops_what_will_be_made_again_and_half_a_line(tmp_path):
    first = JsonLines(tmp_path / "log", after=0)
    for step in range(1, 9):
        first.step({"step": step})
    first.close()
    with (tmp_path / "log").open("a") as stream:
        stream.write('{"kind": "st')
    second = JsonLines(tmp_path / "log", after=5)
    second.step({"step": 6})
    second.close()
    assert [record["step"] for record in read_log(tmp_path / "log")] == [1, 2, 3, 4, 5, 6]


def facts_of(page: str) -> dict[str, str]:
    """The facts that a report ends with."""
    cells = [html.unescape(cell) for cell in re.findall(r'<td class="text">([^<]*)</td>', page.rpartition("<h2>")[2])]
    return dict(zip(cells[::2], cells[1::2], strict=True))


def test_a_full_disk_leaves_the_log_of_a_resumed_training(tmp_path):
    first = JsonLines(tmp_path / "log", after=0)
    for step in range(1, 9):
        first.step({"step": step})
    first.close()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        JsonLines(tmp_path / "log", after=5).close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [record["step"] for record in read_log(tmp_path / "log")] == [1, 2, 3, 4, 5]


@pytest.fixture(scope="module")
def trained(run_here, data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tracked")
    small = ["--set", "encoder.hidden_size=16", "--set", "encoder.embedding_size=8", "--epochs", "2", "-q"]
    small += ["--set", "classify.bypass=false"]  # n-grams would be right everywhere
    rows = (data / "reviews.csv").read_text().splitlines()[1:]
    sets = [f"{row}|{row.split()[1]}" for row in rows]  # what is reviewed is a label too
    (folder / "sets.csv").write_text("\n".join(["text,label", *sets]) + "\n")
    sources = {"classify": data / "reviews.csv", "tag": data / "entities.conll", "generate": data / "prose.txt"}
    more = {"sets": ["--multi-label"]}
    for name, source in (sources | {"sets": folder / "sets.csv"}).items():
        logs = ["--log-dir", folder / f"{name}.logs", *more.get(name, ())]
        done = run_here("train", source, "-o", folder / name, *logs, *small)
        assert done.code == 0, done.err
    return folder


@pytest.mark.parametrize("task", ["classify", "tag", "generate"])
def test_a_log_folder_holds_every_step_for_both_readers(trained, task):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = read_log(trained / f"{task}.logs" / "steps.jsonl")
    steps = [record for record in log if record["kind"] == "step"]
    assert [record["step"] for record in steps] == list(range(1, len(steps) + 1))
    events = EventAccumulator(str(trained / f"{task}.logs"))
    events.Reload()
    losses = [(event.step, event.value) for event in events.Scalars("train/loss")]
    assert losses == [(record["step"], pytest.approx(record["loss"])) for record in steps]
    assert any(tag.startswith("validation/") for tag in events.Tags()["scalars"])


CURVES = ["Loss of training, nats", "Validation: {score}", "Learning rate"]
OF_LABELS = ["Tokens of a training record", "F1 of each label"]
CONFUSION = "Validation: rows are gold, columns predicted"
PICTURES = {
    "classify": [*CURVES, *OF_LABELS, CONFUSION],
    "tag": [*CURVES, *OF_LABELS, CONFUSION],  # of the tags of words, beside F1 of spans
    "generate": [*CURVES, "Tokens of a training passage"],
    "sets": [*CURVES, *OF_LABELS, "Validation: found and missed, of each label"],
}
SHOWN = {"classify": "accuracy", "tag": "span_f1", "generate": "nats_per_character", "sets": "micro_f1"}


@pytest.mark.parametrize("task", PICTURES)
def test_a_report_stands_on_its_own(trained, task):
    page = (trained / f"{task}.report.html").read_text()
    titles = re.findall(r"<figcaption>([^<]+)</figcaption>", page)
    assert titles == [title.format(score=SHOWN[task]) for title in PICTURES[task]]
    pictures = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', page)
    assert len(pictures) == len(titles)
    for picture in pictures:
        assert ElementTree.fromstring(base64.b64decode(picture)).tag.endswith("svg")
    scores = json.loads((trained / task / "bundle.json").read_text())["heads"].popitem()[1]["scores"]
    assert f"{next(value for value in scores.values() if isinstance(value, float)):.4f}" in page
    assert "Worst records" in page


def test_a_report_quotes_texts_that_the_model_gets_wrong(trained, data):
    page = (trained / "classify.report.html").read_text()
    quoted = [html.unescape(text) for text in re.findall(r'<td class="text">([^<]+)</td>', page)]
    with (data / "reviews.csv").open() as stream:
        texts = {row["text"] for row in csv.DictReader(stream)}
    assert set(quoted) & texts


def test_texts_of_a_report_cannot_become_markup(run_here, tmp_path):
    rows = [f'"<script>alert({n})</script> & so on",{"a" if n % 2 else "b"}' for n in range(40)]
    (tmp_path / "rows.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    small = ["--set", "encoder.hidden_size=8", "--set", "encoder.embedding_size=8", "--epochs", "1", "-q"]
    assert run_here("train", tmp_path / "rows.csv", "-o", tmp_path / "m", *small).code == 0
    page = (tmp_path / "m.report.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_a_report_can_be_left_out(run_here, data, tmp_path):
    (tmp_path / "m.report.html").write_text("of an older bundle")
    small = ["--set", "encoder.hidden_size=8", "--epochs", "1", "-q", "--set", "train.report=false"]
    assert run_here("train", data / "reviews.csv", "-o", tmp_path / "m", *small).code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_a_training_that_diverges_reports_on_what_it_saved(run_here, data, tmp_path, tiny):
    (tmp_path / "m.report.html").write_text("of an older bundle")
    wild = {"learning_rate": 10, "weight_decay": 10, "clip": 1e6, "patience": 999, "decay": "constant", "warmup": 0}
    words = [word for name, value in wild.items() for word in ("--set", f"train.{name}={value}")]
    done = run_here(
        "train",
        data / "reviews.csv",
        "-o",
        tmp_path / "m",
        *tiny,
        *words,
        "--epochs",
        99,
        "--log-dir",
        tmp_path / "log",
    )
    assert (done.code, "the best weights before are in" in done.err) == (2, True)
    page = (tmp_path / "m.report.html").read_text()
    assert "Worst records" in page
    assert facts_of(page)["diverged"] == "True"
    lines = (tmp_path / "log" / "steps.jsonl").read_text().splitlines()
    steps = [json.loads(line, parse_constant=pytest.fail) for line in lines]
    assert (steps[0]["loss"] > 0, steps[-1]["loss"]) == (True, None)


def test_what_is_no_number_is_null_however_deep_it_stands(tmp_path):
    log = JsonLines(tmp_path / "steps.jsonl", after=0)
    heads = {"a": {"score": float("inf"), "scores": {"nats": float("nan"), "f1": 0.5}}}
    log.validation({"step": 1, "loss": float("nan"), "heads": heads})
    log.close()
    (record,) = read_log(tmp_path / "steps.jsonl")
    assert (record["loss"], record["heads"]) == (None, {"a": {"score": None, "scores": {"nats": None, "f1": 0.5}}})


@pytest.mark.parametrize("task", PICTURES)
def test_a_report_refers_to_nothing_outside_itself(trained, task):
    found = References((trained / f"{task}.report.html").read_text())
    assert sum(address.startswith("data:image/svg+xml;base64,") for address in found.addresses) == len(PICTURES[task])
    assert any(address.startswith("#") for address in found.addresses)  # pictures were read too
    assert (found.elsewhere(), found.handlers) == ([], set())
    assert not found.elements & {"script", "link", "iframe", "object", "embed", "base"}


INNER = base64.b64encode(b'<svg><use xlink:href="x.svg#a"/></svg>').decode()
PLANTED = {
    '<img src="https://a.example/x.png">': "https://a.example/x.png",
    '<p style="background: url(//a.example/x.png)">': "//a.example/x.png",
    "<style>@import 'x.css';</style>": "x.css",
    f'<img src="data:image/svg+xml;base64,{INNER}">': "x.svg#a",
    '<meta http-equiv="refresh" content="0; url=x.html">': "0; url=x.html",
}


@pytest.mark.parametrize("markup", PLANTED)
def test_what_a_page_refers_to_is_found(markup):
    assert References(f"{markup}<p>as in url(y.png)</p>").elsewhere() == [PLANTED[markup]]


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("task", PICTURES)
def test_a_browser_without_network_shows_the_report(trained, tmp_path, task):
    """The pictures have a size, so they were decoded, and nothing was asked for."""
    page = (trained / f"{task}.report.html").read_text()
    widths, asked = viewed(page, tmp_path)
    assert len(widths) == len(PICTURES[task])
    assert all(width > 100 for width in widths)
    assert asked == []
    planted = "http://a.example/x.png"
    assert viewed(page.replace("</h1>", f'</h1><img src="{planted}">'), tmp_path)[1] == [planted]


def test_a_log_that_cannot_be_written_ends_no_training():
    said = []

    class Talking(Silent):
        def noted(self, text: str) -> None:
            said.append(text)

    class Full:
        def step(self, record: dict) -> None:
            raise OSError("No space left on device")

        validation = step

        def close(self) -> None: ...

    tracker = Tracker(Talking(), [Full()])
    for step in range(1, 50):
        tracker.stepped(report(step))
    tracker.close()
    assert said == ["no more is logged: No space left on device"]


def test_another_trainings_log_is_not_overwritten(run_here, data, trained, tmp_path):
    before = (trained / "tag.logs" / "steps.jsonl").read_bytes()
    done = run_here("train", data / "entities.conll", "-o", tmp_path / "m", "--log-dir", trained / "tag.logs")
    assert (done.code, "holds the log of another training" in done.err) == (2, True)
    assert (trained / "tag.logs" / "steps.jsonl").read_bytes() == before


def test_a_log_folder_can_be_used_once_tensorboard_is_there(run_here, data, tmp_path, tiny, monkeypatch):
    words = ["train", data / "reviews.csv", "-o", tmp_path / "m", "--log-dir", tmp_path / "logs", *tiny, "--epochs", 1]
    with monkeypatch.context() as absent:
        absent.setitem(sys.modules, "torch.utils.tensorboard", None)
        done = run_here(*words)
    assert (done.code, "pip install 'lstmtext[track]'" in done.err) == (2, True)
    assert list(tmp_path.iterdir()) == []
    done = run_here(*words)
    assert done.code == 0, done.err
    assert read_log(tmp_path / "logs" / "steps.jsonl")


def test_labels_that_look_like_formulas_or_nothing_are_drawn(run_here, tmp_path):
    labels = ["$5_$", "$10-$20", "a\x07b", "中文"]
    rows = [f"word{n % 4} text,{labels[n % 4]}" for n in range(60)]
    (tmp_path / "rows.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    small = ["--set", "encoder.hidden_size=8", "--epochs", "1", "-q"]
    done = run_here("train", tmp_path / "rows.csv", "-o", tmp_path / "m", *small)
    assert (done.code, done.err) == (0, "")
    page = (tmp_path / "m.report.html").read_text()
    pictures = [base64.b64decode(own) for own in re.findall(r"base64,([^\"]+)\"", page)]
    assert len(pictures) == 6
    assert all(ElementTree.fromstring(picture).tag.endswith("svg") for picture in pictures)
    assert (tmp_path / "m.report.html").stat().st_mode & 0o777 == 0o600
