"""The config: through TOML and back, refused where it is wrong, complete once resolved."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plastic.backends import capabilities
from plastic.config.defaults import resolve
from plastic.config.file import from_table, from_toml, read_config, to_toml
from plastic.config.settings import Architecture, ChipOptions, Config, Spiking, Stimuli, Training, validate
from plastic.errors import PlasticError
from plastic.networks import Input, Layer, Network, Patches, Sparse

NETWORK = Network(Input(32), Layer(5, Patches(2), rule="vicreg:sides=current"), Layer(3, Sparse(0.5), rule=None))
share = st.floats(0, 1)
count = st.integers(1, 10**6)


def any_of(cls: type, **known: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Any values that the annotations of the fields allow, or `known` ones."""
    hints = get_type_hints(cls, include_extras=True)
    return st.builds(cls, **{k: st.from_type(hint) for k, hint in hints.items()} | known)


any_config = any_of(
    Config,
    stimuli=any_of(Stimuli),
    network=any_of(Architecture, layout=st.none() | st.just(NETWORK)),
    spiking=any_of(Spiking),
    training=any_of(Training),
    chip=any_of(ChipOptions),
)


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


@st.composite
def valid_configs(draw: st.DrawFn) -> Config:
    data = draw(st.sampled_from(["rhm", "digits"]))
    backend = draw(st.sampled_from(["rate", "snntorch"]))
    return Config(
        rule=draw(st.sampled_from(["clapp", "dfa", "bp", "none"])),
        backend=backend,
        mask=draw(optional(st.sampled_from(["sample", "batch", "none"]))),
        stimuli=Stimuli(
            data=data,
            levels=draw(optional(st.integers(1, 6))),
            symbols=draw(st.integers(2, 9)),
            synonyms=draw(st.integers(2, 9)),
            classes=draw(st.integers(2, 9)),
            branching=draw(st.integers(2, 3)),
            train_size=draw(optional(st.integers(2, 100))) if data == "digits" else None,
            test_size=draw(optional(st.integers(1, 400))),
            fixation_probability=draw(share),
        ),
        network=Architecture(
            topology=draw(optional(st.sampled_from(["dense"] if data == "digits" else ["dense", "tree"]))),
            depth=draw(optional(st.integers(1, 5))),
            width=draw(count),
        ),
        training=Training(
            steps=draw(optional(count)),
            batch=draw(count),
            learning_rate=draw(optional(st.floats(1e-6, 1e3))),
            optimizer=draw(st.sampled_from(["adam", "sgd"])),
        ),
    )


# None says: --views say how small crops are, the run's seed draws the data, --depth and --width how wide layers are.
ANSWERED_BY_NONE = ("stimuli.smallest_crop", "stimuli.data_seed", "network.widths", "network.layout")


def left_open(config: Any, where: str = "") -> list[str]:
    """Names of all fields that are None, at any depth."""
    names = []
    for f in dataclasses.fields(config):
        value = getattr(config, f.name)
        if dataclasses.is_dataclass(value):
            names += left_open(value, f"{f.name}.")
        elif value is None:
            names.append(where + f.name)
    return names


@pytest.mark.filterwarnings("ignore:Ignoring unsupported Unit")  # of hypothesis, for which a unit is no constraint
@given(any_config)
@settings(max_examples=100, deadline=None)
def test_a_config_comes_back_from_toml_as_it_was(config: Config) -> None:
    back = from_toml(to_toml(config))
    assert back == config
    assert repr(back) == repr(config)  # also −0.0, and 1.0 that is not 1


@given(valid_configs())
@settings(max_examples=100, deadline=None)
def test_resolve_leaves_nothing_open_and_nothing_to_resolve(config: Config) -> None:
    resolved = resolve(config)
    chip = capabilities(config.backend).integers
    assert left_open(resolved) == [*ANSWERED_BY_NONE, *([] if chip else ["chip.calibration"])]
    assert resolve(resolved) == resolved
    assert from_toml(to_toml(resolved)) == resolved


@given(valid_configs())
@settings(max_examples=100, deadline=None)
def test_resolve_changes_nothing_that_was_given(config: Config) -> None:
    def given_values(part: Any, whole: Any) -> None:
        for f in dataclasses.fields(part):
            before, after = getattr(part, f.name), getattr(whole, f.name)
            if dataclasses.is_dataclass(before):
                given_values(before, after)
            elif before is not None:
                assert before == after

    given_values(config, resolve(config))


def test_the_defaults_are_those_of_the_help() -> None:
    spiking, rate = resolve(Config()), resolve(Config(backend="rate"))
    assert (spiking.rule, spiking.backend, spiking.stimuli.data) == ("clapp", "snntorch", "rhm")
    assert (spiking.stimuli.levels, rate.stimuli.levels) == (2, 3)
    assert (spiking.network.topology, spiking.network.depth, rate.network.depth) == ("tree", 2, 3)
    assert spiking.stimuli.train_size == 384  # three quarters of 8 · 4³
    assert spiking.stimuli.test_size == 128
    assert (rate.stimuli.train_size, rate.stimuli.test_size) == (4096, 4000)
    assert (spiking.training.optimizer, rate.training.optimizer) == ("sgd", "adam")
    assert (spiking.training.steps, rate.training.steps) == (2000, 3000)
    for optimizer, backend, expected in (
        ("adam", "rate", 0.001),
        ("adam", "snntorch", 0.004),
        ("sgd", "rate", 0.128 / 64),
        ("sgd", "snntorch", 0.512 / 64),
    ):
        config = resolve(Config(backend=backend, training=Training(optimizer=optimizer, batch=64)))
        assert config.training.learning_rate == pytest.approx(expected)
    digits = resolve(Config(stimuli=Stimuli(data="digits")))
    assert (digits.network.topology, digits.network.depth) == ("dense", 2)
    assert (digits.stimuli.train_size, digits.stimuli.test_size) == (1437, 360)


def test_the_mask_is_the_rules_own_unless_given() -> None:
    assert resolve(Config(rule="bp")).mask == "sample"
    assert resolve(Config(rule="bp", mask="batch")).mask == "batch"
    by_option = Config(rule="bp", rule_options=("mask=none",))
    assert resolve(by_option).mask == "none"
    assert resolve(by_option).options()["mask"] == "none"


def test_a_whole_number_may_stand_for_a_float_and_a_setting_be_left_out() -> None:
    config = from_toml("seed = 3\n[training]\nlearning_rate = 1\n[spiking]\nthreshold = 2\n")
    assert config.seed == 3
    assert isinstance(config.training.learning_rate, float)
    assert isinstance(config.spiking.threshold, float)
    assert config.stimuli == Stimuli()
    assert from_toml("[training]\nweight_bound = inf\n").training.weight_bound == math.inf


@pytest.mark.parametrize(
    ("toml", "named"),
    [
        ("seeds = 3", "'seeds' in config"),
        ("[stimuli]\nlevel = 3", r"'level' in \[stimuli\]"),
        ("[plasticity]\nx = 1", "'plasticity' in config"),
        ("stimuli = 3", "'stimuli' in config must be a table"),
        ("seed = '3'", "'seed' .* must be int"),
        ("seed = 1.5", "'seed' .* must be int"),
        ("seed = true", "'seed' .* must be int"),
        ("rule = 7", "'rule' .* must be str"),
        ("mask = false", "'mask' .* must be str"),
        ("[training]\nlearning_rate = 'fast'", "'learning_rate' .* must be float"),
        ("[training]\nlearning_rate = true", "'learning_rate' .* must be float"),
        ("[training]\nsteps = 10.0", "'steps' .* must be int"),
        ("[training]\nsteps = [10]", "'steps' .* must be int"),
        ("[stimuli]\nlevels = {}", "'levels' .* must be int"),
        ("rule_options = 'sides=both'", "'rule_options' .* must be list"),
        ("rule_options = [1]", "'rule_options'"),
        ("rule_options = [['a=b']]", "'rule_options'"),
        ("[training]\nlearning_rate = 0.1\n[training]", "not valid TOML"),
        ("seed = ", "not valid TOML"),
        ("seed = -1", "--seed is -1; it must be at least 0"),
        ("seed = 2024-01-01", "'seed' .* must be int"),
        ("mask = 'half'", "unknown mask 'half'; choose one of: sample, batch, none, as in --mask sample"),
        ("[spiking]\nthreshold = inf", "--threshold is inf; it must be greater than 0 and finite"),
        ("[spiking]\nslope = nan", "--slope is nan"),
        ("[network]\nwidth = 0", "--width is 0; it must be greater than 0 neurons"),
        ("[network]\nwidths = [8, 0]", "--widths is 0; it must be greater than 0 neurons"),
        ("[stimuli]\nfixation_error = 2", "--fixation-error is 2; it must be from 0 to 1"),
        ("[chip]\nweight_bits = 9", "--weight-bits is 9; it must be from 2 to 8 bits"),
        ("\x00", "not valid TOML"),
        ("{", "not valid TOML"),
        ("seed = " + "[" * 5000 + "]" * 5000, "not valid TOML"),  # deeper than the parser can go
        ("seed = " + "9" * 6000, "not valid TOML"),  # longer than Python reads numbers
    ],
)
def test_a_config_that_is_not_one_is_refused(toml: str, named: str) -> None:
    with pytest.raises(PlasticError, match=named):
        from_toml(toml)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", None])
def test_a_file_that_cannot_be_read_is_named(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PlasticError, match=r"cannot read the config '.*config\.toml'"):
        read_config(path)
    with pytest.raises(PlasticError, match="cannot read the config"):
        read_config(tmp_path)


def test_an_empty_file_does_not_pass_for_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    for content in ("", "\n"):
        path.write_text(content)
        with pytest.raises(PlasticError, match="is empty"):
            read_config(path)


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(to_toml(Config(seed=3)), encoding="utf-8-sig")
    assert read_config(tmp_path / "config.toml") == Config(seed=3)


def test_a_file_says_its_version_and_the_first_one_said_none() -> None:
    text = to_toml(Config(seed=3))
    first, rest = text.split("\n", 1)
    assert first == "version = 3"
    assert "version" not in rest
    for older in (rest, f"version = 1\n{rest}", f"version = 2\n{rest}"):
        assert from_toml(older) == from_toml(text) == Config(seed=3)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("seed = 3\n", "ridge"),
        ("version = 1\n[training]\nprobes = 2\n", "ridge"),
        ("version = 2\n[training]\nprobes = 2\n", "ridge"),
        ('version = 2\n[training]\nprobe = "logistic"\n', "logistic"),
        ("version = 3\n[training]\nprobes = 2\n", "logistic"),
        ('version = 3\n[training]\nprobe = "ridge"\n', "ridge"),
    ],
)
def test_what_was_written_before_there_was_a_choice_is_probed_by_ridge(text: str, kind: str) -> None:
    assert from_toml(text).training.probe == kind
    assert from_toml(to_toml(from_toml(text))).training.probe == kind


def test_training_that_is_no_table_is_refused_whatever_the_version() -> None:
    for version in (2, 3):
        with pytest.raises(PlasticError, match="'training' in config must be a table"):
            from_toml(f"version = {version}\ntraining = 3\n")


@pytest.mark.parametrize(
    ("version", "named"),
    [
        ("4", "has version 4, newer than 3, which this plastic reads; install the plastic that wrote it"),
        ("0", "'version' in config is 0; it must be a whole number"),
        ("'2'", "'version' in config is '2'"),
        ("true", "'version' in config is True"),
        ("1.0", "'version' in config is 1.0"),
    ],
)
def test_a_version_that_is_not_known_is_refused(version: str, named: str) -> None:
    with pytest.raises(PlasticError, match=named):
        from_toml(f"version = {version}\nseed = 3\n")


@pytest.mark.parametrize("version", [1, 2])
def test_latent_pairings_of_earlier_versions_keep_their_law(version: int) -> None:
    def read(pairing: str, version: int = version) -> str:
        return from_toml(f'version = {version}\n[stimuli]\npairing = "{pairing}"\nlevels = 3\n').stimuli.pairing

    assert read("latent:2") == "latent:2+fresh-fixations"
    assert [read(other) for other in ("class", "within")] == ["class", "within"]
    assert [read(today, 3) for today in ("latent:2", "latent:2+fresh")] == ["latent:2", "latent:2+fresh"]


def test_a_latent_pairing_without_a_version_is_not_guessed() -> None:
    """A file that was written by hand may mean today's law, one of the first version does not."""
    with pytest.raises(PlasticError, match="'version = 3' above it for today's, 'version = 2' for a run made before"):
        from_toml('[stimuli]\npairing = "latent:2"\n')
    assert from_toml('[stimuli]\npairing = "latent:2+fresh"\n').stimuli.pairing == "latent:2+fresh"


SECTIONS = {"stimuli": Stimuli, "network": Architecture, "spiking": Spiking, "training": Training}


def wrong(**value: Any) -> Config:
    """A config with one setting, of the section that has it."""
    (name,) = value
    for section, cls in SECTIONS.items():
        if name in {f.name for f in dataclasses.fields(cls)}:
            return Config(**{section: cls(**value)})
    return Config(**value)


ALL_SECTIONS = SECTIONS | {"chip": ChipOptions}
FIELDS = [(section, name) for section, cls in ALL_SECTIONS.items() for name in get_type_hints(cls)]
FIELDS += [("", name) for name in get_type_hints(Config) if name not in ALL_SECTIONS]


@pytest.mark.parametrize(("section", "name"), FIELDS)
def test_every_setting_is_held_to_its_type(section: str, name: str) -> None:
    """From Python as from a file."""
    for value in (True, b"x", {"a": 1}, 1j, math.nan):
        config = Config(**{section: ALL_SECTIONS[section](**{name: value})} if section else {name: value})
        with pytest.raises(PlasticError, match=f"--{name.replace('_', '-')} ") as caught:
            validate(config)
        assert repr(value) in str(caught.value)
        if isinstance(value, (bool, dict)):
            with pytest.raises(PlasticError, match=f"{name!r} in "):
                from_table({section: {name: value}} if section else {name: value}, "config")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("backend", "nest"), ("device", "tpu"), ("dtype", "float16"), ("data", "imagenet"), ("input_format", "raw"),
        ("topology", "ring"), ("weights", "free"), ("trace_timing", "late"), ("coding", "phase"),
        ("optimizer", "lion"), ("context", "lost"),
        ("width", 0), ("width", -3), ("depth", 0), ("time_steps", 0), ("learning_period", 0), ("threshold", 0.0),
        ("threshold", math.nan), ("slope", -1.0), ("steps", 0), ("batch", 0), ("batch", -1), ("learning_rate", 0.0),
        ("learning_rate", math.nan), ("weight_bound", -1.0), ("fixation_probability", 1.5),
        ("fixation_probability", -0.1), ("fixation_probability", math.nan), ("membrane_decay", 1.01),
        ("trace_decay", -0.5), ("input_rate", 2.0), ("seed", -1), ("probes", -1), ("threads", 0),
        ("levels", 0), ("levels", -2), ("train_size", 0), ("test_size", 0), ("test_size", -1),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_is_named_with_its_flag(name: str, value: Any) -> None:
    for check in (validate, resolve):
        with pytest.raises(PlasticError) as caught:
            check(wrong(**{name: value}))
        assert f"--{name.replace('_', '-')}" in str(caught.value)
        assert str(value) in str(caught.value) or name in ("seed", "probes")
        assert "\n" not in str(caught.value)


def test_settings_that_exclude_each_other_are_refused() -> None:
    with pytest.raises(PlasticError, match="--topology dense"):
        validate(Config(stimuli=Stimuli(data="digits"), network=Architecture(topology="tree")))
    with pytest.raises(PlasticError, match="--context recomputed"):
        validate(Config(backend="snntorch", training=Training(context="recomputed")))
    validate(Config(backend="rate", training=Training(context="recomputed")))
    with pytest.raises(PlasticError, match=r"--learning-period is 21, .* nothing would be learned"):
        validate(Config(spiking=Spiking(learning_period=21, time_steps=20)))
    validate(Config(spiking=Spiking(learning_period=20, time_steps=20)))
    with pytest.raises(PlasticError, match=r"--time-steps is 3: .* last of 3 layers .* at least 4"):
        resolve(Config(spiking=Spiking(time_steps=3), network=Architecture(depth=3)))
    assert resolve(Config(spiking=Spiking(time_steps=4), network=Architecture(depth=3))).network.depth == 3


@pytest.mark.parametrize("levels", [25, 10**9])
def test_a_grammar_beyond_all_bounds_does_not_hang(levels: int) -> None:
    """P_max of 25 levels has 20 million digits; it is not needed for the defaults."""
    assert resolve(Config(backend="rate", stimuli=Stimuli(levels=levels))).stimuli.train_size == 4096


@pytest.mark.parametrize("option", ["sides", "", "sides both"])
def test_rule_options_without_a_value_are_refused(option: str) -> None:
    with pytest.raises(PlasticError, match="KEY=VALUE"):
        Config(rule_options=(option,)).options()


def test_rule_options_are_split_at_the_first_equals_sign() -> None:
    config = Config(rule_options=("a=b=c", "d=", "mask=none"), mask="batch")
    assert config.options() == {"a": "b=c", "d": "", "mask": "batch"}
