"""What a training holds: which average of the weights is validated and saved, and when it begins."""

import pytest
import torch

from lstmtext.train.course import Course
from tests.train.test_loop import start


def moved(course: Course, value: float) -> None:
    with torch.no_grad():
        for weights in course.model.parameters():
            weights.fill_(value)


def kept(course: Course) -> float:
    return next(course.kept.parameters()).detach().flatten()[0].item()


def test_without_an_average_the_model_itself_is_kept(tmp_path):
    model, _, settings = start("classify", tmp_path, "train.average=0")
    assert Course(model, settings).kept is model


def test_a_triggered_average_is_the_weights_until_it_begins_and_then_their_mean(tmp_path):
    model, _, settings = start("classify", tmp_path, "train.average_after=2")
    course = Course(model, settings)
    for step, value in enumerate([5.0, 7.0]):
        moved(course, value)
        course.average(step)
        assert kept(course) == value
    course.averaged = 1  # the trigger
    for step, value in enumerate([1.0, 2.0, 6.0]):
        moved(course, value)
        course.average(step)
    assert kept(course) == pytest.approx(3.0)


def test_what_is_retained_of_weights_that_were_taken_over_is_in_what_is_kept_alone(tmp_path):
    model, _, settings = start("classify", tmp_path, "train.average=0", "transfer.retain=0.25")
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    course = Course(model, settings, taken=("encoder.",))
    for step, value in enumerate([5.0, 8.0]):
        moved(course, value)
        course.average(step)
    assert all((value == 8.0).all() for value in course.model.parameters())
    for name, value in course.kept.named_parameters():
        wanted = 0.25 * before[name] + 0.75 * 8.0 if name.startswith("encoder.") else torch.full_like(value, 8.0)
        torch.testing.assert_close(value.detach(), wanted)


def test_a_running_average_is_drawn_back_as_a_whole(tmp_path):
    courses = []
    for place, share in enumerate((0.0, 0.25)):
        (tmp_path / str(place)).mkdir()
        model, _, settings = start("classify", tmp_path / str(place), f"transfer.retain={share}")
        courses.append(Course(model, settings, taken=("encoder.", "head.")))
    plain, drawn = courses
    before = {name: value.detach().clone() for name, value in plain.model.named_parameters()}
    for step, value in enumerate([5.0, 7.0, -2.0]):
        for course in courses:
            moved(course, value)
            course.average(step)
    learned = dict(plain.kept.named_parameters())
    for name, value in drawn.kept.named_parameters():
        torch.testing.assert_close(value.detach(), 0.25 * before[name] + 0.75 * learned[name].detach())


def test_a_part_that_begins_later_is_frozen_until_then(tmp_path):
    model, _, settings = start("tag", tmp_path, "transfer.unfreeze=0.6")
    course = Course(model, settings, fresh_head=True)
    assert [course.is_frozen(progress) for progress in (0.0, 0.5, 0.59, 0.6, 1.0)] == [True, True, True, False, False]
    assert not Course(model, settings).is_frozen(0.0)
