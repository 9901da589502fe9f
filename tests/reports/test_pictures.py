"""Figures draw what they were given, and files are whole, small and reproducible."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.evaluation.test_assessment import STEPS, VARIABLES, episodes_of, errors
from tests.evaluation.test_nudges import arms as nudged_arms
from tests.reports.test_tables import results
from wm_lab.evaluation.assessment import MODEL, OVERALL, assess
from wm_lab.evaluation.comparison import success_rows
from wm_lab.evaluation.nudges import nudge_differences
from wm_lab.reports import plots, style
from wm_lab.reports.error_curves import horizon_curves
from wm_lab.reports.filmstrip import GAP, HEAD, LABEL, filmstrip, save_png, side_by_side
from wm_lab.reports.moving import save_moving
from wm_lab.reports.page import write_page
from wm_lab.reports.tables import success_table


@pytest.fixture(scope="module")
def assessment():
    baselines = {"persistence": errors(np.full(20, 0.03)), "my_own_baseline": errors(np.full(20, 0.01))}
    return assess(errors(0.001 * STEPS), baselines, episodes_of(), VARIABLES)


def test_horizon_curves_draw_the_medians_of_every_predictor(assessment):
    axes = horizon_curves(assessment).axes
    assert [a.get_title(loc="left").split()[0] for a in axes] == [OVERALL, "hand", "block"]
    lines = {line.get_label(): line for line in axes[0].lines}
    np.testing.assert_array_equal(lines["model"].get_ydata(), assessment.curves[MODEL][OVERALL].median)
    assert {"model", "model, p90", "persistence", "my own baseline"} <= lines.keys()
    assert "tolerance kept" in axes[2].get_title(loc="right")


def test_a_diverging_and_a_perfect_baseline_leave_the_model_readable():
    baselines = {
        "persistence": errors(np.full(20, 0.03)),
        "linear": errors(np.minimum(10.0**STEPS, 1e9)),
        "oracle": errors(np.zeros(20)),
    }
    found = assess(errors(0.001 * STEPS), baselines, episodes_of(), VARIABLES)
    low, high = horizon_curves(found).axes[0].get_ylim()
    assert 1e-4 < low < 0.001
    assert 0.03 < high < 0.2
    nothing = errors(np.zeros(20))
    horizon_curves(assess(nothing, {"persistence": nothing}, episodes_of(), VARIABLES), title="all zero")


@pytest.mark.parametrize(("tolerance", "where"), [(1e-9, "below"), (0.01, ""), (1e9, "above")])
def test_nothing_is_drawn_outside_a_panel_and_a_tolerance_that_lies_there_is_told(tolerance, where):
    baselines = {"persistence": errors(np.full(20, 0.03))}
    found = assess(
        errors(0.001 * STEPS), baselines, episodes_of(), [replace(v, tolerance=tolerance) for v in VARIABLES]
    )
    for axes in horizon_curves(found).axes[1:]:
        low, high = axes.get_ylim()
        kept = axes.get_title(loc="right")
        assert kept.startswith("tolerance kept") and kept.endswith(where)
        marks = [line for line in axes.lines if line.get_marker() not in ("None", None)]
        assert len(marks) == 1
        at = marks[0].get_transform().transform(marks[0].get_xydata())[0, 1]
        bottom, top = axes.transData.transform([[1, low], [1, high]])[:, 1]
        assert bottom <= at <= top, "the mark lies in the panel, wherever the tolerance does"


def test_a_variable_that_never_moves_is_called_constant(assessment):
    still = {"persistence": {**errors(np.full(20, 0.03)), "hand": np.zeros_like(errors(STEPS)["hand"])}}
    found = assess(errors(0.001 * STEPS), still, episodes_of(), [replace(v, tolerance=None) for v in VARIABLES])
    told = [axes.get_title(loc="right") for axes in horizon_curves(found).axes]
    assert told == ["", "constant", ""]


def test_bars_are_as_high_as_the_rates_and_stand_by_task():
    axes = plots.success_bars(success_rows(results())).axes[0]
    tops = [bar.get_y() + bar.get_height() for bar in axes.patches]
    assert tops == pytest.approx([0.92, 0.4, 0, 1.0, 0.99, 0])
    assert min(bar.get_height() for bar in axes.patches) > 0, "a bar of zero has its colour, too"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["toy/push\ncontact", "toy/reach\nreach"]


def test_success_after_a_nudge_stands_above_the_group_that_was_disturbed():
    (axes,) = plots.nudged_success(nudge_differences({"toy/push": nudged_arms()})).axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["undisturbed", "position", "orientation"]
    dots = {line.get_label(): np.round(line[0].get_xydata()).tolist() for line in axes.containers}
    assert [place for place, _ in dots["bc"]] == [0, 1, 2] and [place for place, _ in dots["expert"]] == [0, 2]
    heights = {line.get_label(): line[0].get_ydata() for line in axes.containers}
    assert heights["bc"].tolist() == pytest.approx([1.0, 0.98, 0.24])


def test_the_legend_of_many_arms_with_long_names_lies_on_the_picture():
    (row, *_) = success_rows(results())
    figure = plots.success_bars([replace(row, arm=f"subgoal_retrieved_{number}") for number in range(14)])
    (legend,) = figure.legends
    assert legend.get_window_extent().width <= figure.bbox.width and len(legend.get_texts()) == 14


def lightness_and_hue(colour: str) -> np.ndarray:
    """CIE L*a*b*, in which an eye tells what is 10 apart."""
    rgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = np.cbrt(to_xyz @ linear / np.array([0.9505, 1.0, 1.089]))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_every_arm_of_a_run_has_a_colour_that_is_told_from_the_others():
    arms = ["expert", "random", "noop", "bc", "mpc", "mpc_cost", "mpc_reward", "greedy", "local", "selected"]
    arms += ["simulator", "simulator_reward", "actor", "value"]
    shades = [lightness_and_hue(colour) for colour in style.colours(arms, plots.ARMS).values()]
    apart = [np.linalg.norm(a - b) for i, a in enumerate(shades) for b in shades[:i]]
    assert min(apart) > 12


def test_success_is_drawn_against_latency_on_a_log_scale():
    axes = plots.success_latency(success_rows(results())).axes[0]
    assert axes.get_xscale() == "log"


def test_a_figure_is_a_small_reproducible_svg_with_real_text(assessment, tmp_path):
    first = style.save(horizon_curves(assessment), tmp_path / "a.svg").read_bytes()
    second = style.save(horizon_curves(assessment), tmp_path / "deeper" / "b.svg").read_bytes()
    assert first == second
    assert len(first) < 150_000
    ElementTree.fromstring(first)
    assert b">imagined steps</text>" in first
    assert not list(tmp_path.glob("**/*.tmp"))


def test_reports_import_no_plotting_library_until_they_draw():
    code = (
        "import sys, wm_lab.reports.plots, wm_lab.reports.filmstrip, wm_lab.reports.page, wm_lab.reports.tables;"
        "print([m for m in ('matplotlib', 'PIL', 'jinja2', 'torch', 'rich') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_filmstrip_shows_truth_imagined_and_their_signed_difference(tmp_path):
    truth = np.full((3, 64, 64, 3), 100.0)
    imagined = truth + np.array([0, 50, -300])[:, None, None, None]
    imagined[2, 0, 0] = np.nan
    picture = Image.open(save_png(filmstrip(truth, imagined, context=1), tmp_path / "strip.png"))
    frame = 128  # 64 enlarged by 2
    assert picture.size == (LABEL + 3 * (frame + GAP), HEAD + 3 * (frame + GAP))

    def pixel(row: int, column: int) -> tuple[int, ...]:
        return picture.getpixel((LABEL + column * (frame + GAP) + 60, HEAD + row * (frame + GAP) + 60))

    assert [pixel(0, t)[0] for t in range(3)] == [100, 100, 100]
    assert [pixel(1, t)[0] for t in range(3)] == [100, 150, 0]
    assert [pixel(2, t)[0] for t in range(3)] == [128, 178, 28]


def test_a_filmstrip_takes_one_channel_and_chosen_steps():
    depth = np.random.default_rng(0).uniform(0, 255, size=(20, 16, 32))
    picture = filmstrip(depth, depth, steps=[0, 4, 9])
    assert picture.size == (LABEL + 3 * (96 + GAP), HEAD + 3 * (48 + GAP))
    with pytest.raises(ValueError, match="differ in shape"):
        filmstrip(depth, depth[:3])


def test_a_clip_plays_side_by_side_at_its_rate_and_holds_its_last_frame(tmp_path):
    ramp = (np.arange(12) * 20)[:, None, None, None] * np.ones((1, 96, 96, 3))
    frames = side_by_side([ramp, ramp[::-1]])
    assert frames.shape == (12, 96, 2 * 96 + GAP, 3)
    with Image.open(save_moving(list(frames), tmp_path / "clip", 50)) as moving:
        assert (moving.n_frames, moving.info["loop"]) == (12, 0)
        durations = []
        for number in range(12):
            moving.seek(number)
            moving.load()
            durations.append(moving.info["duration"])
        last = np.asarray(moving.convert("RGB"))
    assert durations[:-1] == [50] * 11 and durations[-1] > 1000
    assert last[48, 48, 0] == pytest.approx(220, abs=8)
    assert last[48, 150, 0] == pytest.approx(0, abs=8)


def test_a_page_holds_everything_itself(assessment, tmp_path):
    svg = style.save(horizon_curves(assessment), tmp_path / "curves.svg")
    png = save_png(filmstrip(np.zeros((2, 8, 8, 3)), np.zeros((2, 8, 8, 3))), tmp_path / "strip.png")
    page = write_page(
        tmp_path / "index.html",
        "planning <1>",
        verdicts=["planning beats cloning."],
        tables=[success_table(success_rows(results()))],
        figures={"Curves": svg, "Again": svg, "Strip": png},
        texts={"settings": "a: <b>"},
    )
    html = Path(page).read_text()
    assert "planning &lt;1&gt;" in html
    assert "a: &lt;b&gt;" in html
    assert "0.92 [0.85, 0.96]" in html
    assert html.count("<svg") == 2
    assert "data:image/png;base64," in html
    assert "<script" not in html
    assert 'src="http' not in html
    ids = [part.split('"')[0] for part in html.split(' id="')[1:]]
    assert len(ids) == len(set(ids)) > 0  # two figures never share a clip path
