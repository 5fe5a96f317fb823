"""How a training looks."""

from lstmtext.cli.progress import BARS, sparkline


def test_a_sparkline_goes_from_the_lowest_to_the_highest_bar():
    assert sparkline([0.0, 0.5, 1.0]) == BARS[0] + BARS[4] + BARS[-1]
    assert sparkline([3.0, 3.0]) == BARS[0] * 2
    assert sparkline([]) == ""
    assert len(sparkline([float(n) for n in range(500)], width=30)) == 30
