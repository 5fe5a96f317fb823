"""The search for a learning rate."""

from lstmtext.train.find_rate import HIGHEST, LOWEST, RateStep, suggested_rate


def test_the_suggested_rate_is_where_the_loss_falls_fastest():
    smooth = [2.0, 2.0, 1.9, 1.2, 1.0, 1.5]
    steps = [RateStep(10.0**k, 0.0, value) for k, value in enumerate(smooth)]
    assert suggested_rate(steps) == 100.0
    assert suggested_rate(steps[:1]) == LOWEST


def test_rates_rise_and_losses_fall_before_they_are_lost(run_here, data):
    small = ["--set", "encoder.hidden_size=16", "--set", "encoder.embedding_size=8"]
    done = run_here("train", data / "entities.conll", "--find-lr", *small)
    assert done.code == 0, done.err
    header, *lines = [line.split("\t") for line in done.out.decode().splitlines()]
    rates, _, smooth = (list(map(float, column)) for column in zip(*lines, strict=True))
    assert header == ["rate", "loss", "smooth"]
    assert (rates[0], rates) == (LOWEST, sorted(rates))
    assert rates[-1] <= HIGHEST
    assert min(smooth) < 0.5 * smooth[0]
    suggested = float(done.err.partition("it falls fastest at ")[2])
    assert 1e-5 < suggested < 0.5


def test_nothing_is_frozen_while_rates_rise(run_here, data, generate_bundle, tiny):
    words = ["train", data / "reviews.csv", "--find-lr", "--encoder", generate_bundle, *tiny]
    curves = [run_here(*words, "--set", f"transfer.unfreeze={share}") for share in (0, 0.9)]
    assert [done.code for done in curves] == [0, 0], curves[0].err
    assert curves[0].out == curves[1].out
