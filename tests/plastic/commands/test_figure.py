"""plastic figure: numbers, picture and command from a sweep; partial stores; what it refuses."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plastic.cli import main
from plastic.experiments.figures.depth import analyse as analyse_depth
from plastic.experiments.figures.depth import draw as draw_depth
from plastic.experiments.figures.efficiency import analyse as analyse_efficiency
from plastic.experiments.figures.efficiency import curves_of
from plastic.experiments.figures.every_string_valid import analyse as analyse_every_string_valid
from plastic.experiments.figures.every_string_valid import draw as draw_every_string_valid
from plastic.experiments.figures.latents import analyse as analyse_latents
from plastic.experiments.figures.latents import draw as draw_latents
from plastic.experiments.figures.make import FOLDER, NAMES, accuracy_label, error_label, top_error
from plastic.experiments.figures.shallow import analyse
from plastic.experiments.figures.spiking import analyse as analyse_spiking
from plastic.experiments.sweeps.spec import read_sweep
from plastic.experiments.sweeps.store import Row
from plastic.stimuli.grammar import RandomHierarchyModel

SMALL = """
name = "rhm-efficiency"
question = "q"
measures = ["probe", "readout", "invariance"]

[settings]
backend = "rate"
width = 8
batch = 8
steps = 20
test_size = 50
probes = 0

[[arm]]
name = "bp"
rule = "bp"

[[arm]]
name = "clapp"
rule = "clapp"

[[grid]]
levels = 3
train_size = [40, 80]
seed = [0, 1]
"""


@pytest.mark.parametrize("file", sorted({"scale.toml", *(file for _, file in NAMES.values())}))
def test_the_sweeps_that_come_with_plastic_can_be_read(file: str) -> None:
    sweep = read_sweep(FOLDER / file)
    assert len(sweep.members()) == sum(len(group) for group in sweep.groups())
    assert len(sweep.members()) > 10 or {m.arm for m in sweep.members()} == {"bp", "dfa", "clapp", "none"}


def test_the_efficiency_sweep_has_what_was_asked() -> None:
    """Eight rules, five sizes and those that are added around P*, ten grammars at L = 3."""
    sweep = read_sweep(FOLDER / "rhm_efficiency.toml")
    members = [m for m in sweep.members() if (m.config.stimuli.levels, m.config.stimuli.synonyms) == (3, 4)]
    assert all(grid.refine for grid in sweep.grids)
    assert {(m.config.stimuli.symbols, m.config.stimuli.classes, m.config.stimuli.branching) for m in members} == {
        (8, 8, 2)
    }
    assert {"bp", "clapp", "dfa", "vicreg", "none"} <= {m.arm for m in members}
    sizes = {m.config.stimuli.train_size for m in members}
    seeds = {m.config.seed for m in members}
    assert (len({m.arm for m in members}), len(sizes), len(seeds)) == (8, 5, 10)
    assert len(members) == 400
    assert not seeds & {100, 101}, "those were tuned on"


def test_a_figure_is_made_from_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "small.toml"
    file.write_text(SMALL.replace("[40, 80]", "[40]"))
    assert main(["sweep", str(file), "--out", "store"]) == 0
    file.write_text(SMALL)
    common = ["--sweep", str(file), "--store", "store", "--out", "here"]
    assert main(["figure", "rhm-efficiency", *common, "--partial", "--json"]) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert said["missing"] == {"bp, L=3, m=4, P=80": 2, "clapp, L=3, m=4, P=80": 2}
    assert (said["networks"], said["networks_in_all"]) == (4, 8)
    assert main(["figure", "rhm-efficiency", *common, "--json"]) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert said["missing"] == {}
    content = json.loads(Path("here/rhm-efficiency.json").read_text())
    assert content["command"] == f"plastic figure rhm-efficiency --sweep {file}"
    assert set(content["p_star"]["L=3"]) == set(content["p_star_interval"]["L=3"]) == {"bp", "clapp"}
    assert content["p_star"]["L=3"]["bp"] is None, "nothing is learned in 20 steps"
    assert content["p_star"]["readout"]["L=3"] == {"bp": None, "clapp": None}
    assert [len(errors) for errors in content["points_of_readout"]["L=3"]["bp"].values()] == [2, 2]
    assert content["probe"] == "logistic"
    assert [len(errors) for errors in content["points"]["L=3"]["bp"].values()] == [2, 2]
    assert content["p_star_grammars"]["L=3"]["bp"]["n"] == 2
    assert content["unequal_budgets"] == []
    assert content["tuning"] == {"bp": "not recorded", "clapp": "not recorded"}
    assert [one["presentations"] for one in content["budgets"]] == [160, 160]
    assert Path("here/rhm-efficiency.png").stat().st_size > 10_000
    assert main(["figure", "synonyms", *common, "--partial"]) == 0
    entry = json.loads(Path("here/synonyms.json").read_text())["rules"]["clapp"]["80"]
    assert (len(entry["S"]), len(entry["S"][0]), entry["seeds"]) == (3, 3, 2)


def hand_made(
    errors: dict[str, tuple[tuple[float, ...], tuple[float, ...] | None]], task: dict[str, object]
) -> list[Row]:
    """Rows of each arm's errors by the probe and, where it has one, by its readout, at P = 100, 200 and 400, in two
    grammars."""
    rows: list[Row] = []
    for arm, (probes, readouts) in errors.items():
        for number, size in enumerate((100, 200, 400)):
            own = None if readouts is None else 1 - readouts[number]
            measured = {"probe": [{"class": 0.2}, {"class": 1 - probes[number]}], "readout": own}
            for seed in (0, 1):
                settings = {**task, "train_size": size, "seed": seed}
                rows.append({"arm": arm, "settings": settings, "course": [{}, measured]})
    return rows


@pytest.mark.parametrize(
    ("analysed", "task", "named"),
    [
        (analyse_efficiency, {"levels": 3, "synonyms": 4}, "L=3"),
        (analyse_depth, {"levels": 3, "synonyms": 2}, "L=3"),
        (analyse, {"width": 64}, "64"),
    ],
)
def test_p_star_is_of_the_probe_and_of_the_readout_apart(
    analysed: Callable[[list[Row]], dict[str, Any]], task: dict[str, object], named: str
) -> None:
    """Half of the error is below the threshold at P = 200 or at P = 400; a rule without a readout has null there."""
    early, late, never = (0.5, 0.01, 0.0), (0.5, 0.5, 0.01), (0.5, 0.5, 0.5)
    found = analysed(hand_made({"bp": (early, late), "dfa": (late, never), "clapp": (early, None)}, task))
    stars = found["p_star"]
    assert stars[named] == stars["probe"][named]
    assert 100 < stars[named]["bp"] == stars[named]["clapp"] < 200 < stars[named]["dfa"] < 400
    assert stars["readout"][named] == {"bp": stars[named]["dfa"], "dfa": None, "clapp": None}
    assert set(found["points_of_readout"][named]) == {"bp", "dfa"}
    assert found["p_star_over_bp"][named]["dfa"] == pytest.approx(stars[named]["dfa"] / stars[named]["bp"], abs=1e-3)
    assert found["p_star_over_bp"]["readout"][named] == {"bp": 1.0, "dfa": None, "clapp": None}
    low, high = found["p_star_interval"]["readout"][named]["bp"]
    assert low <= stars["readout"][named]["bp"] <= high


def test_the_spiking_figure_has_p_star_of_both() -> None:
    early, late = (0.5, 0.01, 0.0), (0.5, 0.5, 0.01)
    rows = [
        row | {"settings": {**row["settings"], "rule": row["arm"], "backend": "snntorch"}}
        for row in hand_made({"dfa": (early, late), "clapp": (early, None)}, {})
    ]
    stars = analyse_spiking(rows)["p_star"]
    assert 100 < stars["dfa"] == stars["probe"]["dfa"] < 200 < stars["readout"]["dfa"] < 400
    assert stars["readout"]["clapp"] is None


def test_a_label_names_the_probe_and_what_names_none_is_ridge() -> None:
    assert error_label({"probe": "logistic"}) == "test error (logistic probe of the top layer)"
    assert accuracy_label({}) == "test accuracy (ridge probe)"


def test_two_levels_leave_no_room_behind_backpropagation() -> None:
    """The number of strings, the crossing of hand-made errors, and that 2.5 times it is more than there are."""
    rows = [
        {"arm": arm, "settings": {"width": 64, "train_size": size, "seed": 0},
         "course": [{"probe": [{"class": 1 - error}]}]}
        for arm, errors in (("bp", (0.35, 0.175, 0.04375)), ("dfa", (0.5, 0.4, 0.3)))
        for size, error in zip((100, 200, 400), errors, strict=True)
    ]  # fmt: skip
    found = analyse(rows)
    assert found["all_strings"] == RandomHierarchyModel(levels=2, synonyms=4).size == 512
    star = 200 * 2**0.5  # half way, in the logarithms, from 0.175 down to 0.04375: a tenth of chance error, 0.0875
    assert found["p_star"]["64"] == {"bp": round(star, 1), "dfa": None}
    assert found["p_star_of_bp_times_2.5"]["64"] == pytest.approx(2.5 * star, abs=0.2)
    assert found["p_star_of_bp_times_2.5"]["64"] > found["all_strings"]


def test_each_level_multiplies_p_star_as_the_rows_say() -> None:
    """P* doubles per level for bp and grows fourfold for dfa, whose deepest network never gets there."""
    rows = []
    for levels, of_bp, of_dfa in ((3, 100, 200), (4, 200, 800), (5, 400, 3200), (6, 800, None)):
        for arm, star in (("bp", of_bp), ("dfa", of_dfa)):
            for size, error in ((50, 0.4), ((star or 8000) / 2**0.5, 0.175), ((star or 8000) * 2**0.5, 0.04375)):
                settings = {"levels": levels, "synonyms": 2, "train_size": round(size), "seed": 0}
                error = 0.3 if star is None else error
                rows.append({"arm": arm, "settings": settings, "course": [{"probe": [{"class": 1 - error}]}]})
    found = analyse_depth(rows)
    assert found["p_star_theory"] == {"L=3": 64, "L=4": 128, "L=5": 256, "L=6": 512}
    assert found["p_star"]["L=5"] == pytest.approx({"bp": 400, "dfa": 3200}, rel=0.01)
    assert found["p_star"]["L=6"]["dfa"] is None
    assert found["factor_per_level"]["bp"]["factor"] == pytest.approx(2, rel=0.01)
    assert found["factor_per_level"]["dfa"]["factor"] == pytest.approx(4, rel=0.01)
    ratios = [found["p_star_over_bp"][f"L={levels}"].get("dfa") for levels in (3, 4, 5, 6)]
    assert ratios == [pytest.approx(2, rel=0.02), pytest.approx(4, rel=0.02), pytest.approx(8, rel=0.02), None]
    picture = draw_depth(found | {"networks": 24, "networks_in_all": 24})
    titles = [axis.get_title() for axis in picture.axes]
    assert sum("n_c m^L" in title for title in titles) == 4
    assert len(picture.axes) == 6


def test_where_every_string_is_valid_the_threshold_is_that_of_m_classes_and_growth_is_as_the_rows_say() -> None:
    """bp needs n_c m^L = m^(L+1) strings, dfa twice as many at L = 2 and four times at L = 3, where one grammar of two
    never gets there; a tenth of chance error is (1 - 1/m) / 10."""
    rows: list[Row] = []
    for levels, m in ((2, 3), (2, 4), (2, 6), (3, 3)):
        tenth = (1 - 1 / m) / 10
        for arm, factor in (("bp", 1), ("dfa", 2 ** (levels - 1))):
            star = factor * m ** (levels + 1)
            for seed, size, error in itertools.product((0, 1), (star / 2, 2 * star), (2 * tenth, tenth / 2)):
                if (error > tenth) == (size < star):
                    settings = {"levels": levels, "synonyms": m, "train_size": round(size), "seed": seed}
                    settings = {k: v for k, v in settings.items() if (k, v) != ("synonyms", 4)}  # as a store has it
                    readout = None if arm == "bp" else 1 - 2 * tenth
                    rows.append({"arm": arm, "settings": settings,
                                 "course": [{"probe": [{"class": 1 - error}], "readout": readout}]})  # fmt: skip
    found = analyse_every_string_valid(rows)
    assert list(found["p_star"]["probe"]) == ["L=2, m=3", "L=2, m=4", "L=2, m=6", "L=3, m=3"]
    assert found["p_star"]["L=3, m=3"] == {"bp": pytest.approx(81, rel=0.01), "dfa": pytest.approx(324, rel=0.01)}
    assert found["p_star"]["readout"]["L=2, m=4"] == {"bp": None, "dfa": None}
    assert found["p_star_theory"]["L=2, m=6"] == 216
    grown = found["growth"]["probe"]
    assert grown["bp"]["m at L=2"]["exponent"] == pytest.approx(3, abs=0.05) == grown["bp"]["m at L=2"]["theory"]
    assert grown["bp"]["L=2 to 3 at m=3"] == {"factor": pytest.approx(3, rel=0.04), "theory": 3}
    assert grown["dfa"]["L=2 to 3 at m=3"]["factor"] == pytest.approx(6, rel=0.04)
    picture = draw_every_string_valid(found | {"networks": 32, "networks_in_all": 40})
    assert sum("n_c m^L" in axis.get_title() for axis in picture.axes) == 4
    assert "8 of 40 networks are not trained" in picture.get_suptitle()


def test_latents_are_compared_seed_by_seed() -> None:
    """Differences of 0.1, 0.2 and 0.3: mean 0.2 ± 4.303 · 0.1 / √3 (Student's t of two degrees of freedom, tables)."""
    rows = [
        {"arm": "clapp", "settings": {"pairing": pairing, "seed": seed}, "distinct_shown_at_most": 512,
         "course": [{"probe": [{"class": accuracy}]}]}
        for pairing, accuracies in (("latent:2", (0.2, 0.3, 0.4)), ("latent:1", (0.7, 0.4, 0.4)))
        for seed, accuracy in zip((0, 1, 2) if pairing == "latent:2" else (2, 0, 1), accuracies, strict=True)
    ]  # fmt: skip
    found = analyse_latents(rows)
    assert found["accuracy"] == {"clapp": {"latent:2": [0.2, 0.3, 0.4], "latent:1": [0.7, 0.4, 0.4]}}
    better = found["better_by"]["clapp"]
    assert list(better) == ["latent:1 − latent:2"]
    assert better["latent:1 − latent:2"]["mean"] == pytest.approx(0.2)
    assert better["latent:1 − latent:2"]["interval"] == pytest.approx([0.2 - 0.2484, 0.2 + 0.2484], abs=1e-3)
    assert len(draw_latents(found).axes[0].patches) == 2


def test_a_network_that_is_missing_leaves_the_lists_of_a_task_in_line() -> None:
    rows = [
        {"arm": arm, "settings": {"width": 64, "train_size": size, "seed": seed},
         "course": [{"probe": [{"class": 1 - size / 1000 - seed / 10}]}]}
        for arm, size, seeds in (("bp", 100, (1, 0)), ("bp", 200, (1,)), ("dfa", 100, (2,))) for seed in seeds
    ]  # fmt: skip
    assert curves_of(rows, lambda s: "task", top_error) == {
        "task": {"bp": {100: [0.1, 0.2, None], 200: [None, 0.3, None]}, "dfa": {100: [None, None, 0.3]}}
    }


@pytest.mark.parametrize("name", ["rhm-efficiency", "depth", "shallow", "spiking", "every-string-valid"])
def test_published_p_star_is_that_of_the_published_errors(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--redraw` changes nothing in what is published; on errors that are changed it gives other numbers."""
    published = Path(__file__).parents[3] / "docs" / "results" / f"{name}.json"
    monkeypatch.chdir(tmp_path)
    Path("here").mkdir()
    (Path("here") / published.name).write_bytes(published.read_bytes())
    assert main(["figure", name, "--redraw", "--out", "here"]) == 0
    again = json.loads((Path("here") / published.name).read_text())
    content = json.loads(published.read_text())
    assert again == content
    key = "errors" if name == "spiking" else "points"
    task = "snntorch" if name == "spiking" else next(t for t, own in content["p_star"].items() if own["bp"])
    arm = "clapp" if name == "spiking" else "bp"
    content[key][task][arm] = {p: [error / 2 for error in own] for p, own in content[key][task][arm].items()}
    (Path("here") / published.name).write_text(json.dumps(content))
    assert main(["figure", name, "--redraw", "--out", "here"]) == 0
    other = json.loads((Path("here") / published.name).read_text())
    before, after = (c["p_star"] if name == "spiking" else c["p_star"][task] for c in (again, other))
    assert after[arm] < before[arm]


def test_points_of_other_grammars_at_each_size_are_not_redrawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    points = {"8": {"bp": {"100": [0.1, 0.2], "200": [0.1]}}}
    Path("shallow.json").write_text(json.dumps({"points": points}))
    assert main(["figure", "shallow", "--redraw", "--out", "."]) == 2
    assert "not of the same grammars" in capsys.readouterr().err
    assert main(["figure", "depth", "--redraw", "--out", "."]) == 2
    assert "cannot read 'depth.json'" in capsys.readouterr().err


PROBES_ONLY = str(FOLDER / "shallow.toml")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonesuch"], "no figure 'nonesuch'"),
        (["masking", "--partial", "--store", "empty"], "no result in 'empty'"),
        (["masking", "--sweep", "none.toml"], "cannot read the sweep 'none.toml'"),
        (["masking", "--workers", "0"], "--workers is 0"),
        (["masking", "--sweep", PROBES_ONLY], "draws alignment and invariance, which"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(["figure", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())
