"""What a training leaves to look at: each step once, in order, resumed or not; a page that needs no network."""

import base64
import csv
import html
import json
import re
import resource
import shutil
import subprocess
from xml.etree import ElementTree

import pytest
import torch

from lstmtext.train.listener import Validation
from lstmtext.train.loop import StepReport
from lstmtext.train.track import JsonLines, Tracker, read_log

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NO_NETWORK = ["--host-resolver-rules=MAP * ~NOTFOUND", "--disable-background-networking", "--disable-component-update"]


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
    for name, task in (("reviews.csv", "classify"), ("entities.conll", "tag"), ("prose.txt", "generate")):
        done = run_here("train", data / name, "-o", folder / task, "--log-dir", folder / f"{task}.logs", *small)
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


@pytest.mark.parametrize("task", ["classify", "tag", "generate"])
def test_a_report_stands_on_its_own(trained, task):
    page = (trained / f"{task}.report.html").read_text()
    pictures = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', page)
    assert len(pictures) == {"classify": 6, "tag": 5, "generate": 3}[task]
    for picture in pictures:
        assert ElementTree.fromstring(base64.b64decode(picture)).tag.endswith("svg")
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "<script" not in page
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
    small = ["--set", "encoder.hidden_size=8", "--epochs", "1", "-q", "--set", "train.report=false"]
    assert run_here("train", data / "reviews.csv", "-o", tmp_path / "m", *small).code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_a_browser_without_network_shows_the_report(trained, tmp_path):
    """The pictures have a size, so they were decoded, and nothing was fetched."""
    page = (trained / "classify.report.html").read_text()
    title = "document.title = [...document.images].map(i => i.naturalWidth > 100).join()"
    probe = f"<script>onload = () => {title}</script>"
    (tmp_path / "probed.html").write_text(page.replace("</body>", probe + "</body>"))
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync", *NO_NETWORK]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=5000", "--dump-dom"]
    done = subprocess.run(
        [*command, f"file://{tmp_path / 'probed.html'}"], capture_output=True, text=True, check=True, timeout=120
    )
    assert "<title>" + ",".join(["true"] * 6) + "</title>" in done.stdout


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
