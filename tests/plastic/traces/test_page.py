"""The page in a real browser: it chooses, zooms and walks, and what it shows is what the store holds."""

from __future__ import annotations

import json
import re
import shutil
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import plastic
from plastic.cli import main
from plastic.traces.opened import Run
from plastic.traces.page import describe
from plastic.traces.serve import server

BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium here; Debian's is `apt-get install chromium`")
RECORD = (
    "pre_spike,pre_trace,membrane,post_factor,spike,eligibility,activity,gate,dendrite,modulator,weight,weight_change,own"
    "[position=0,post=:5,pre=:6] for 8 of 30; weight every 30"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("page") / "run"
    size = ["--levels", "2", "--width", "12", "--batch", "4", "--train-size", "64", "--test-size", "60"]
    rule = Path(__file__).parents[3] / "docs" / "examples" / "my_rule.py"
    given = [
        "--rule",
        f"{rule}:Overlap",
        "--backend",
        "snntorch",
        "--steps",
        "120",
        "--probes",
        "2",
        "--record",
        RECORD,
    ]
    assert main(["simulate", *given, *size, "--out", str(folder)]) == 0
    return plastic.open_run(folder)


@pytest.fixture(scope="module")
def html(run: Run) -> Path:
    assert main(["inspect", str(run.path)]) == 0
    return run.path / "inspect.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Any, html: Path) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 720}, offline=True)
    context.set_default_timeout(120_000)
    shown, errors = context.new_page(), list[str]()
    shown.on("pageerror", lambda error: errors.append(str(error)))
    shown.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    shown.goto(html.resolve().as_uri())
    shown.wait_for_function("document.body.dataset.ready", timeout=120_000)
    yield shown
    assert errors == []
    context.close()


def drawn(page: Any) -> dict[str, tuple[list[float], list[float | None]]]:
    """What the plot shows: by signal, (x, y)."""
    script = "() => document.getElementById('synapse-view').data.map(t => [t.name, Array.from(t.x), Array.from(t.y)])"
    return {name: (x, y) for name, x, y in page.evaluate(script)}


def state(page: Any) -> dict[str, str]:
    return dict(part.split("=") for part in page.evaluate("location.hash").lstrip("#").split("&"))


def act(page: Any, action: Any) -> None:
    """Do something and wait until the page has drawn it."""
    before = page.evaluate("document.getElementById('synapse-view').dataset.drawn")
    action()
    page.wait_for_function(
        f"document.getElementById('synapse-view').dataset.drawn !== {json.dumps(before)}", timeout=60_000
    )


def choose(page: Any, axis: str, value: int) -> None:
    if page.input_value(f"#{axis}") != str(value):
        act(page, lambda: page.select_option(f"#{axis}", str(value)))


def stored(run: Run, name: str, at: dict[str, int]) -> tuple[list[float], list[float]]:
    """What the page has to show, from the store: x and y; signals of stimuli stand until the next one begins."""
    array = run.signal(name, at["layer"])
    chosen = array.sel({axis: at.get(axis, 0) for axis in array.attrs["axes"]})
    if array.dims[0] == "time":
        return chosen["time"].values.tolist(), chosen.values.tolist()
    return ((chosen["stimulus"].values - 1) * 20).tolist(), chosen.values.tolist()


@needs_browser
def test_every_value_on_the_page_is_the_one_in_the_store(page: Any, run: Run) -> None:
    for layer, post, pre in ((2, 3, 5), (1, 4, 2)):
        choose(page, "layer", layer)
        choose(page, "post", post)
        choose(page, "pre", pre)
        shown, at = drawn(page), {"layer": layer, "post": post, "pre": pre}
        expected = {"pre_trace", "membrane", "post_factor", "eligibility", "gate", "dendrite", "modulator", "weight"}
        assert expected | {"overlap"} <= set(shown)  # overlap is the signal of a rule from a user's file
        for name in sorted(expected | {"overlap"}):
            x, y = stored(run, name, at)
            pairs = {(a, b) for a, b in zip(*shown[name], strict=True) if b is not None}
            assert set(zip(x, y, strict=True)) <= pairs, name
            assert {b for _, b in pairs} == set(y), name
        assert len(set(shown["membrane"][1])) > 50
        x, y = stored(run, "spike", at)
        assert shown["spike"][0] == [a for a, b in zip(x, y, strict=True) if b > 0]
        x, y = stored(run, "pre_spike", at)
        assert shown["pre_spike"][0] == [a for a, b in zip(x, y, strict=True) if b > 0]
        assert shown["pre_spike"][0]
    assert shown["threshold"][1] == [1.0, 1.0]


@needs_browser
def test_boundaries_are_marked_and_hover_has_units(page: Any, run: Run) -> None:
    shapes = page.evaluate("document.getElementById('synapse-view').layout.shapes")
    stimuli, stays = run.traces["stimulus"].values, run.traces["fixation"].values[:, 0] > 0
    lines = [shape["x0"] for shape in shapes if shape["type"] == "line"]
    grey = [shape["x0"] for shape in shapes if shape["type"] == "rect"]
    assert lines == ((stimuli - 1) * 20).tolist()
    assert grey == ((stimuli[~stays] - 1) * 20).tolist()
    assert 0 < len(grey) < len(lines)
    about = page.evaluate("document.getElementById('synapse-view').data[0].customdata")
    words = ["fixation" if stay else "saccade" for stay in stays]
    labels = run.traces["label"].values[:, 0].tolist()
    numbered = zip(stimuli, words, labels, strict=True)
    assert about == [f"stimulus {n}: {word}, label {label}" for n, word, label in numbered]
    box = page.locator("#synapse-view .nsewdrag").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, 300)
    page.wait_for_selector(".hoverlayer .legend text, .hoverlayer .hovertext")
    hover = page.locator(".hoverlayer").text_content()
    for words in (r"membrane .*thresholds", r"pre_trace .*a\.u\.", r"weight .*thresholds", r"eligibility .*a\.u\."):
        assert re.search(words, hover), hover


@needs_browser
@pytest.mark.parametrize("step", [0, 7, 19])
def test_pointing_at_any_step_shows_all_factors_of_its_stimulus(page: Any, run: Run, step: int) -> None:
    time = float(state(page)["from"]) + 40 + step  # in the third stimulus that is shown
    at = {name: int(page.input_value(f"#{name}")) for name in ("layer", "post", "pre")}
    box = page.locator("#synapse-view .nsewdrag").first.bounding_box()
    across = page.evaluate(f"document.getElementById('synapse-view')._fullLayout.xaxis.d2p({time})")
    page.mouse.move(box["x"] + across, 300)
    page.wait_for_selector(".hoverlayer .legend text")
    hover = page.locator(".hoverlayer").text_content().replace("−", "-")
    for name in ("membrane", "eligibility", "gate", "dendrite", "modulator", "weight", "overlap"):
        x, y = stored(run, name, at)
        found = re.search(rf"{name}[^ ]* (-?[\d.]+(?:e[-+]\d+)?)", hover)
        assert found, hover
        expected = next(b for a, b in reversed(list(zip(x, y, strict=True))) if a <= time)
        assert float(found[1]) == pytest.approx(expected, rel=1e-4, abs=1e-9), name


@needs_browser
def test_arrow_keys_walk_over_what_was_recorded_and_the_address_holds_the_view(page: Any, run: Run, html: Path) -> None:
    recorded = run.traces["stimulus"].values.tolist()
    start = int(page.input_value("#stimulus"))
    act(page, lambda: page.keyboard.press("ArrowRight"))
    after = recorded[recorded.index(start) + 1]
    assert page.input_value("#stimulus") == str(after)
    assert float(state(page)["from"]) == (after - 1) * 20
    for _ in range(8):  # past the gap between two bouts
        act(page, lambda: page.keyboard.press("ArrowRight"))
    jumped = recorded[recorded.index(start) + 9]
    assert jumped - start > 20
    assert page.input_value("#stimulus") == str(jumped)
    act(page, lambda: page.keyboard.press("ArrowLeft"))
    choose(page, "post", 2)
    link, hidden = page.evaluate("location.href"), state(page)
    other = page.context.new_page()
    other.goto(link)
    other.wait_for_function("document.body.dataset.ready", timeout=120_000)
    assert state(other) == hidden
    assert drawn(other) == drawn(page)
    assert other.input_value("#post") == "2"
    other.close()


@needs_browser
def test_zooming_moves_all_signals_together(page: Any) -> None:
    before = page.evaluate("document.getElementById('synapse-view').layout.xaxis.range")
    box = page.locator("#synapse-view .nsewdrag").first.bounding_box()

    def drag() -> None:
        page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 5)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 6, steps=5)
        page.mouse.up()

    act(page, drag)
    after = page.evaluate("document.getElementById('synapse-view').layout.xaxis.range")
    width = before[1] - before[0]
    assert after[0] == pytest.approx(before[0] + 0.25 * width, abs=0.02 * width)
    assert after[1] == pytest.approx(before[0] + 0.5 * width, abs=0.02 * width)
    assert set(page.evaluate("document.getElementById('synapse-view').data.map(t => t.xaxis)")) == {"x"}
    assert float(state(page)["from"]) == pytest.approx(after[0])
    act(page, lambda: page.click("#wider"))
    assert float(state(page)["to"]) > after[1]


@needs_browser
def test_the_network_view(page: Any, run: Run) -> None:
    page.click("#tab-network")
    page.wait_for_function("document.body.dataset.networkDrawn")
    weight = run.signals("weight", 2)
    whole = next(array for array in weight if array.sizes["post"] == 12)
    shown = page.evaluate("document.getElementById('matrix').data[0].z")
    np.testing.assert_array_equal(np.array(shown, dtype=np.float32), whole.values[-1])
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("document.getElementById('matrix').layout.title.text.includes('stimulus 61')")
    shown = page.evaluate("document.getElementById('matrix').data[0].z")
    np.testing.assert_array_equal(np.array(shown, dtype=np.float32), whole.sel(stimulus=61).values)
    page.wait_for_function("document.getElementById('changes').layout.title.text.includes('stimulus 61')")
    change = page.evaluate("document.getElementById('changes').data[0].x")
    expected = (whole.sel(stimulus=61) - whole.sel(stimulus=1)).values.ravel()
    np.testing.assert_allclose(change, expected, rtol=1e-4, atol=1e-6)
    assert np.abs(expected).max() > 1e-3
    for element, key in (("probes", "probe_accuracy"), ("rates", "activity"), ("gates", "open_gates")):
        rows = [row for row in run.metrics if key in row]
        for layer in (0, 1):
            shown = page.evaluate(f"document.getElementById('{element}').data[{layer}].y")
            assert shown == [row[key][layer] for row in rows]
    names = page.evaluate("document.getElementById('probes').data.map((one) => one.name)")
    assert "own readout" not in names  # the rule trains none
    title = page.evaluate("document.getElementById('probes').layout.title.text")
    assert title == "linear probe (logistic regression), test"
    page.evaluate("chosen({points: [{x: 3, y: 4}]})")
    page.wait_for_function("document.body.dataset.view === 'synapse'")
    assert page.input_value("#post") == "4"
    assert page.input_value("#pre") == "3"


@needs_browser
def test_the_network_view_has_the_accuracy_of_the_readout(browser: Any, tmp_path: Path) -> None:
    size = ["--levels", "2", "--width", "6", "--batch", "4", "--train-size", "64", "--test-size", "60"]
    probes = ["--probe", "ridge", "--probes", "2", "--steps", "30", "--record", "weight"]
    given = ["simulate", "--rule", "dfa", "--backend", "rate", *probes]
    assert main([*given, *size, "--out", str(tmp_path / "run")]) == 0
    assert main(["inspect", str(tmp_path / "run")]) == 0
    page = browser.new_page()
    page.goto((tmp_path / "run" / "inspect.html").as_uri())
    page.wait_for_function("document.body.dataset.ready", timeout=120_000)
    page.click("#tab-network")
    page.wait_for_function("document.body.dataset.networkDrawn", timeout=120_000)
    drawn = page.evaluate("document.getElementById('probes').data.map((one) => [one.name, one.x, one.y])")
    own = [(x, y) for name, x, y in drawn if name == "own readout"]
    rows = [row for row in plastic.open_run(tmp_path / "run").metrics if "probe_accuracy" in row]
    assert own == [([row["step"] for row in rows], [row["readout_accuracy"] for row in rows])]
    assert len(rows) == 4
    title = page.evaluate("document.getElementById('probes').layout.title.text")
    assert title == "linear probe (ridge regression), test"
    page.close()


def test_the_page_is_told_the_kind_of_probe(run: Run) -> None:
    assert describe(run, None, served=False)["probe"] == "logistic regression"


@needs_browser
def test_the_page_fits_and_is_readable_in_light_and_dark(browser: Any, html: Path) -> None:
    for scheme in ("light", "dark"):
        page = browser.new_page(viewport={"width": 1280, "height": 720}, color_scheme=scheme)
        page.set_default_timeout(120_000)
        page.goto(html.resolve().as_uri())
        page.wait_for_function("document.body.dataset.ready", timeout=120_000)
        for view in ("synapse", "network"):
            page.click(f"#tab-{view}")
            page.wait_for_timeout(300)
            overflow = page.evaluate(
                "(d => [d.scrollWidth - innerWidth, d.scrollHeight - innerHeight])(document.documentElement)"
            )
            assert max(overflow) <= 0
            for control in page.locator("header button:visible, header select:visible, footer").all():
                box = control.bounding_box()
                assert box["x"] >= 0
                assert box["x"] + box["width"] <= 1280
                assert box["y"] + box["height"] <= 720
        page.click("#tab-synapse")
        page.wait_for_timeout(300)
        bottom = page.locator("#synapse-view").bounding_box()
        assert bottom["y"] + bottom["height"] <= 720
        colours = page.evaluate(
            "['color', 'backgroundColor'].map(k => getComputedStyle(document.body)[k].match(/\\d+/g).map(Number))"
        )
        assert contrast(*colours) > 7  # WCAG AAA
        assert (sum(colours[1][:3]) > 600) == (scheme == "light")
        page.close()


def contrast(front: list[int], back: list[int]) -> float:
    """Contrast ratio of WCAG 2."""

    def luminance(colour: list[int]) -> float:
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in colour[:3])]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(front), luminance(back)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.fixture
def served(run: Run) -> Iterator[str]:
    serving = server(run, 0)
    thread = threading.Thread(target=serving.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{serving.server_address[1]}/"
    serving.shutdown()
    serving.server_close()


@needs_browser
def test_the_served_page_shows_the_same(browser: Any, page: Any, served: str) -> None:
    other = browser.new_page(viewport={"width": 1280, "height": 720})
    other.set_default_timeout(120_000)
    other.goto(served)
    other.wait_for_function("document.body.dataset.ready", timeout=120_000)
    assert drawn(other) == drawn(page)
    other.click("#tab-network")
    other.wait_for_function("document.body.dataset.networkDrawn")
    page.click("#tab-network")
    page.wait_for_function("document.body.dataset.networkDrawn")
    script = "document.getElementById('matrix').data[0].z"
    assert other.evaluate(script) == page.evaluate(script)
    other.close()


@pytest.mark.parametrize(
    "query", ["variable=x&from=0&to=1", "variable=layer1_gate&from=0&to=999999", "variable=layer1_gate&from=a&to=1",
              "variable=layer1_gate&at=5&from=0&to=1", "", "variable=layer1_gate&at=0,0&from=0&to=1"]
)  # fmt: skip
def test_the_server_refuses_what_is_not_there(served: str, query: str) -> None:
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(served + "data?" + query)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(served + "../etc/passwd")


def test_the_file_needs_nothing_else(html: Path) -> None:
    text = html.read_text(encoding="utf-8")
    own = text[: text.index("plotly.js v")] + text[text.rindex("</script>\n<script>") :]
    assert not re.search(r'(src|href)="(?!data:)', own)
    assert "http" not in re.sub(r"@inproceedings.*?\}\}", "", own)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["nowhere"], "is no run folder"),
        (["RUN", "--window", "5"], "--window is '5'"),
        (["RUN", "--window", "9:5"], "--window is '9:5'"),
        (["RUN", "--window", "20:25"], "has recorded nothing in the stimuli 20:25"),
        (["RUN", "--out", "/proc/none/x.html"], "choose another --out"),
        (["RUN", "--serve", "--out", "x.html"], "leave --out out"),
        (["RUN", "--port", "80"], "add --serve"),
    ],
)
def test_inspect_refuses(arguments: list[str], named: str, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", *(str(run.path) if a == "RUN" else a for a in arguments)]) == 2
    errors = capsys.readouterr().err
    assert named in errors
    assert errors.count("\n") == 1


def test_serving_is_stopped_without_a_word(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(self: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("http.server.ThreadingHTTPServer.serve_forever", stop)
    assert main(["inspect", str(run.path), "--serve", "--port", "0"]) == 0
    printed, errors = capsys.readouterr()
    assert "stop with Ctrl-C" in printed
    assert errors == ""


def test_what_is_too_big_for_one_file_is_refused(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("plastic.traces.page.LARGEST", 40_000)
    assert main(["inspect", str(run.path), "--out", str(tmp_path / "x.html")]) == 2
    assert "--serve" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    assert main(["inspect", str(run.path), "--out", str(tmp_path / "x.html"), "--window", "31:33"]) == 0
