"""A look at the validation data of all heads, and which weights are the better.

One head is judged by its task's own score. Several are judged by their joint loss: the mean over heads of what is
left of the loss that each had at the first look (nats, or what accuracy or F1 lack of 1). So each head counts alike,
whatever its unit, and progress of one outweighs what another loses only where it is the greater part.
"""

from lstmtext.metrics import Scores
from lstmtext.nn.joint import JointModel, models_of
from lstmtext.nn.model import Model
from lstmtext.tasks import Task, first_of
from lstmtext.train.job import TrainJob
from lstmtext.train.validate import validate

JOINT = "joint_loss"
SMALLEST = 0.01
"""Added to losses before they are divided, or a head that is right from the start would outweigh all others."""


def look(job: TrainJob, model: Model | JointModel, precision: str, known: Scores | None) -> Scores:
    """Scores of a model; of several heads the joint loss, and under `heads` those of each. `known` are earlier ones."""
    models = models_of(model, [head.name for head in job.heads])
    found = {head.name: validate(models[head.name], head.data, head.settings, precision) for head in job.heads}
    if len(job.heads) == 1:
        return found[job.head]
    losses = {head.name: loss_of(head.task, found[head.name]) for head in job.heads}
    first = losses if known is None else known["first"]
    assert isinstance(first, dict)
    ratios = [(loss + SMALLEST) / (first[name] + SMALLEST) for name, loss in losses.items()]
    return {JOINT: sum(ratios) / len(ratios), "first": first, "heads": found}


def loss_of(task: Task, scores: Scores) -> float:
    """What a head's selecting score lacks: nats as they are, other scores of 1."""
    _, value = first_of(task.selects, scores)
    return value if task.lower_is_better else 1.0 - value


def better(job: TrainJob, scores: Scores, than: Scores | None) -> bool:
    """Whether scores beat others; any number beats none."""
    return judge_of(job).better(scores, than)


def shown(job: TrainJob, scores: Scores) -> tuple[str, float]:
    """Name and value of the score to show."""
    return first_of(judge_of(job).shown, scores)


def deciding(job: TrainJob, scores: Scores) -> tuple[str, float] | None:
    """Name and value of the score that decides, where that is not the one to show."""
    judge = judge_of(job)
    return None if judge.selects == judge.shown else first_of(judge.selects, scores)


def shown_of_heads(job: TrainJob, scores: Scores) -> dict[str, tuple[str, float]]:
    """Name and value of the score to show of each head, where there are several."""
    if len(job.heads) == 1:
        return {}
    found = by_head(job, scores)
    return {head.name: first_of(head.task.shown, found[head.name]) for head in job.heads}


def by_head(job: TrainJob, scores: Scores) -> dict[str, Scores]:
    """The scores of each head."""
    heads = scores["heads"] if len(job.heads) > 1 else {job.head: scores}
    assert isinstance(heads, dict)
    return heads


def judge_of(job: TrainJob) -> Task:
    """What says which scores decide."""
    first = job.heads[0].task
    return first if len(job.heads) == 1 else Task(first.name, "", (JOINT,), (JOINT,), lower_is_better=True)
