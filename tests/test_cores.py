"""Cores that a process may use: where it may run, and what time its container has."""

import os

import pytest
import torch

from lstmtext import cores
from lstmtext.resolve import resolve_settings
from lstmtext.train import making


@pytest.mark.parametrize(
    ("files", "count"),
    [
        ({}, 6),
        ({"cpu.max": "max 100000\n"}, 6),
        ({"cpu.max": "200000 100000\n"}, 2),
        ({"cpu.max": "250000 100000\n"}, 3),
        ({"cpu.max": "10000 100000\n"}, 1),
        ({"cpu.max": "6400000 100000\n"}, 6),
        ({"cpu.max": "what\n"}, 6),
        ({"cpu.max": "200000 0\n"}, 6),
        ({"cpu/cpu.cfs_quota_us": "400000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 4),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 6),
    ],
)
def test_there_are_as_many_as_the_process_may_run_on_and_its_container_has_time_of(
    tmp_path, monkeypatch, files: dict[str, str], count: int
):
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    monkeypatch.setattr(cores, "LIMITS", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(6)), raising=False)
    assert cores.core_count() == count


def test_where_no_system_says_where_a_process_may_run_all_cores_count(tmp_path, monkeypatch):
    monkeypatch.setattr(cores, "LIMITS", tmp_path)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert cores.core_count() == 3


@pytest.mark.parametrize(("there_are", "chosen", "threads"), [(1, 0, 1), (2, 0, 2), (8, 0, 3), (1, 2, 2)])
def test_training_has_the_threads_that_were_chosen_or_no_more_than_cores(monkeypatch, there_are, chosen, threads):
    monkeypatch.setattr(making, "core_count", lambda: there_are)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        making.set_threads(resolve_settings("tag", flags={"train.threads": chosen}).train)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
