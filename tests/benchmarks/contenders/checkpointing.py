"""Checkpoints of a training after a few steps, each a whole one on disk."""

from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks.contenders.training import set_up

STEPS = 5


def prepare(data, task, settings=()):
    """Work, amount, and what else to report."""
    import torch

    from lstmtext.nn.model import Model
    from lstmtext.train.bypass import count_features
    from lstmtext.train.course import Course
    from lstmtext.train.feeds import train_feed
    from lstmtext.train.loop import Trainee, training_steps
    from lstmtext.train.runs import RunFolder

    encoded, chosen = set_up(data, task, list(settings))
    torch.manual_seed(1)
    model = Model(task, chosen, vocabulary_size=encoded.tokenizer.size, labels=len(encoded.labels))
    if task == "tag":
        counts_N = count_features(encoded.sentences("train"), chosen.tag.bypass_rows)
        model.head.bypass.learn_only(counts_N >= chosen.tag.bypass_least)
    course = Course(model, chosen)
    trainee = Trainee(model, course.optimizer, chosen.train)
    steps = training_steps(trainee, train_feed(encoded, chosen), course.position)
    list(islice(steps, STEPS))
    course.best.take(course.kept, {}, 0.0)
    folder = TemporaryDirectory()
    run = RunFolder.new(Path(folder.name) / "model")

    def work():
        course.position.step += 1  # another name on disk
        run.save(course.snapshot([course.of_rank()]), 2)

    work()
    size = sum(path.stat().st_size for path in run.checkpoints()[0].iterdir())
    return work, 1, {"megabytes": f"{size / 1e6:.1f}"}
