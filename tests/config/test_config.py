"""The configuration: strict, documented by itself, and deaf to tokens in the wrong place."""

from __future__ import annotations

import pickle
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.config.loader import all_keys, load
from bot.config.show import example, in_force
from bot.config.tables import Config
from bot.config.values import Secret
from indexer.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
# The shape of a token and nothing more: never issued.
TOKEN = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA.GabcdE.abcdefghijklmnopqrstuvwxyz-123456"


def write(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text)
    return path


def refusal(folder: Path, text: str, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load(write(folder, text), environ or {})
    return str(caught.value)


def test_without_a_file_everything_is_at_its_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = load(None, {})
    assert replace(config, origins={}) == Config()
    assert set(config.origins.values()) == {"default", "not given"}


def test_the_example_file_is_rendered_from_the_dataclasses() -> None:
    stands = (ROOT / "config.example.toml").read_text("utf-8")
    assert stands == example(), "run: afterimage check-config --example > config.example.toml"


def test_the_example_file_holds_every_key_with_its_default_and_its_unit(tmp_path: Path) -> None:
    parsed = tomllib.loads(example())
    flat = {key: value for key, value in parsed.items() if not isinstance(value, dict)}
    flat |= {
        f"{table}.{key}": value
        for table, rows in parsed.items()
        if isinstance(rows, dict)
        for key, value in rows.items()
    }
    assert set(flat) == set(all_keys())
    config = load(write(tmp_path, example()), {})
    defaults = Config()
    assert replace(config.settings, data_dir=defaults.settings.data_dir) == defaults.settings
    assert (config.discord, config.log, config.limits) == (defaults.discord, defaults.log, defaults.limits)
    assert config.settings.data_dir == tmp_path / "data"


@pytest.mark.parametrize("dotted", sorted(all_keys()))
def test_each_key_says_what_it_means_and_in_which_unit(dotted: str) -> None:
    key = all_keys()[dotted]
    assert key.about.text.endswith("."), "a sentence for the example file"
    if key.kind in (int, float):
        assert key.about.low is not None
        assert key.about.unit or key.dotted == "search.words_weight"  # a ratio has none
    if key.about.choices:
        assert key.default in key.about.choices


def test_no_two_keys_share_an_environment_variable() -> None:
    variables = [key.variable for key in all_keys().values()]
    assert len(variables) == len(set(variables))


def test_the_environment_goes_before_the_file_and_the_file_before_the_default(tmp_path: Path) -> None:
    path = write(tmp_path, '[model]\nname = "from-file"\nbatch_size = 3\n[fetch]\ntimeout_s = 7\n')
    config = load(path, {"AFTERIMAGE_MODEL_NAME": "from-env", "AFTERIMAGE_FETCH_EXTRA_HOSTS": "a.example, b.example"})
    assert config.settings.model.name == "from-env"
    assert config.settings.model.batch_size == 3
    assert config.settings.fetch.timeout_s == 7.0
    assert config.settings.fetch.extra_hosts == ("a.example", "b.example")
    assert config.origins["model.name"] == "AFTERIMAGE_MODEL_NAME"
    assert config.origins["model.batch_size"] == str(path)
    assert config.origins["model.device"] == "default"


def test_the_file_is_found_through_its_variable(tmp_path: Path) -> None:
    path = write(tmp_path, "[index]\nseal_rows = 99\n")
    assert load(None, {"AFTERIMAGE_CONFIG": str(path)}).settings.index.seal_rows == 99


def test_paths_in_the_file_count_from_its_folder_and_paths_in_the_environment_do_not(tmp_path: Path) -> None:
    path = write(tmp_path, 'data_dir = "store"\n')
    assert load(path, {}).settings.data_dir == tmp_path / "store"
    assert load(path, {"AFTERIMAGE_DATA_DIR": "here"}).settings.data_dir == Path("here")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[model]\nnam = 'x'", ("model.nam = 'x'", "no key nam in [model]", "did you mean name?", "pretrained")),
        ("[modle]\nname = 'x'", ("[modle]", "did you mean model?", "crawl")),
        ("dta_dir = 'x'", ("dta_dir", "did you mean data_dir?")),
        ("model = 3", ("model is 3", "write [model]")),
        ("[model]\nbatch_size = 0", ("model.batch_size is 0", "whole number from 1 to 1024 (pictures)")),
        ("[model]\nbatch_size = 1.5", ("model.batch_size is 1.5", "whole number")),
        ("[model]\nbatch_size = true", ("model.batch_size is True", "whole number")),
        ("[model]\ndevice = 'gpu'", ("model.device is 'gpu'", "one of auto, cpu, cuda, mps")),
        ("[model]\ndevice = 'cudaa'", ("did you mean cuda?",)),
        ("[fetch]\ntimeout_s = nan", ("fetch.timeout_s is nan", "from 1 to 600 (seconds)")),
        ("[fetch]\nextra_hosts = 'one.example'", ("fetch.extra_hosts", "a list of texts")),
        ("[fetch]\nextra_hosts = ['']", ("fetch.extra_hosts", "a list of texts")),
        ("[crawl]\nstickers = 1", ("crawl.stickers is 1", "true or false")),
        ("data_dir = ''", ("data_dir is ''", "a path")),
        ("[search]\ndefault_count = 60\nmax_count = 50", ("search.default_count is 60", "search.max_count", "50")),
        ("[ray]\nmin_replicas = 5\nmax_replicas = 4", ("ray.min_replicas is 5", "ray.max_replicas", "4")),
        ("[ray]\ncores = 0\ngpus = 0", ("ray.cores", "ray.gpus", "both 0")),
        ('[ray]\naddress = "10.0.0.5"', ("ray.address is '10.0.0.5'", "ray://")),
        ("[discord]\napi_base = 'http://discord.example/api'", ("discord.api_base", "https")),
        ("data_dir = 'data'\n[web]\narchives = 'data/archives'", ("web.archives is", "data_dir is", "neither")),
        ("data_dir = 'data'\n[web]\narchives = 'elsewhere/../data'", ("web.archives is", "data_dir is")),
        ("data_dir = 'here/data'\n[web]\narchives = 'here'", ("web.archives is", "Name a folder beside")),
        ("[web]\norigins = ['*']", ("web.origins has '*'", "like https://tools.example.org")),
        ("[web]\norigins = ['https://tools.example.org/']", ("web.origins has", "nothing behind")),
        ("[web]\nupload_bytes = 50000000000", ("web.upload_bytes is", "40000000000 (bytes)")),
        ("model.name = ", ("not valid TOML", "at end of document")),
    ],
)
def test_what_is_wrong_is_named_with_file_key_value_and_what_is_allowed(
    tmp_path: Path, text: str, parts: tuple[str, ...]
) -> None:
    message = refusal(tmp_path, text)
    assert "config.toml" in message
    for part in parts:
        assert part in message


def test_a_variable_that_sets_nothing_is_an_error(tmp_path: Path) -> None:
    for meant in ("AFTERIMAGE_MODEL_NAM", "AFTERIMAGE_MODLE_NAME"):
        message = refusal(tmp_path, "", {meant: "x"})
        assert meant in message
        assert "did you mean AFTERIMAGE_MODEL_NAME?" in message
    assert "sets nothing" in refusal(tmp_path, "", {"AFTERIMAGE_MODEL_COLOUR": "x"})


def test_a_variable_of_somebody_elses_is_warned_of_only() -> None:
    (warning,) = load(None, {"AFTERIMAGE_ZQX": "x"}).warnings
    assert "AFTERIMAGE_ZQX" in warning


def test_a_bad_value_in_the_environment_names_the_variable(tmp_path: Path) -> None:
    message = refusal(tmp_path, "", {"AFTERIMAGE_MODEL_THREADS": "many"})
    assert (
        message
        == "AFTERIMAGE_MODEL_THREADS: model.threads is 'many', but must be a whole number from 0 to 512 (threads)"
    )


def test_a_file_that_is_missing_or_no_text_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        load(tmp_path / "nowhere.toml", {})
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="UTF-8"):
        load(tmp_path / "bytes.toml", {})


def test_the_token_comes_from_the_environment_or_from_its_file(tmp_path: Path) -> None:
    token_file = tmp_path / "token.txt"
    token_file.write_text(TOKEN + "\n")
    token_file.chmod(0o600)
    path = write(tmp_path, '[discord]\ntoken_file = "token.txt"\n')
    config = load(path, {})
    assert config.discord.token is not None
    assert config.discord.token.reveal() == TOKEN
    assert config.warnings == ()
    other = load(path, {"AFTERIMAGE_DISCORD_TOKEN": "b3RoZXI.x.y"})
    assert other.discord.token is not None
    assert other.discord.token.reveal() == "b3RoZXI.x.y"
    assert other.origins["discord.token"] == "AFTERIMAGE_DISCORD_TOKEN"


def test_a_token_file_that_others_can_read_is_warned_of(tmp_path: Path) -> None:
    token_file = tmp_path / "token.txt"
    token_file.write_text(TOKEN)
    token_file.chmod(0o644)
    (warning,) = load(None, {"AFTERIMAGE_DISCORD_TOKEN_FILE": str(token_file)}).warnings
    assert "644" in warning
    assert "chmod 600" in warning


def test_a_token_written_into_the_configuration_is_refused_and_not_repeated(tmp_path: Path) -> None:
    message = refusal(tmp_path, f'[discord]\ntoken = "{TOKEN}"')
    assert TOKEN not in message
    assert "discord.token_file" in message
    assert "AFTERIMAGE_DISCORD_TOKEN" in message


@pytest.mark.parametrize("key", ["token_file", "api_base", "tokn"])
def test_a_token_given_to_the_wrong_key_is_not_repeated(tmp_path: Path, key: str) -> None:
    assert TOKEN not in refusal(tmp_path, f'[discord]\n{key} = "{TOKEN}"')


@pytest.mark.parametrize("content", ["", "  \n", f"Bot {TOKEN}", f"{TOKEN}\n{TOKEN}", "tökén"])
def test_a_token_file_with_anything_else_in_it_is_refused_without_showing_it(tmp_path: Path, content: str) -> None:
    token_file = tmp_path / "token.txt"
    token_file.write_text(content)
    with pytest.raises(ConfigError) as caught:
        load(None, {"AFTERIMAGE_DISCORD_TOKEN_FILE": str(token_file)})
    assert TOKEN not in str(caught.value)
    assert "token" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("123456789012345678", "an application's id"),
        ("0f" * 32, "public key"),
        ("k3mPz9QwErTyUiOpAsDfGhJkLzXcVbNm", "client secret"),
        ("hunter2", "something else"),
    ],
)
def test_what_cannot_be_a_token_is_said_to_be_what_it_probably_is(text: str, meant: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, {"AFTERIMAGE_DISCORD_TOKEN": text})
    assert meant in str(caught.value)
    assert text not in str(caught.value)


def test_a_secret_shows_itself_to_nobody() -> None:
    secret = Secret(TOKEN)
    for text in (repr(secret), str(secret), f"{secret}", f"{[secret]!r}"):
        assert TOKEN not in text
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_what_is_in_force_is_shown_with_its_origin_and_without_the_token(tmp_path: Path) -> None:
    path = write(tmp_path, "[model]\nthreads = 3\n")
    text = in_force(load(path, {"AFTERIMAGE_DISCORD_TOKEN": TOKEN, "AFTERIMAGE_LOG_LEVEL": "debug"}))
    lines = {line.split(" = ")[0]: line for line in text.splitlines()}
    assert set(lines) == {*all_keys(), "discord.token"}
    assert lines["model.threads"].endswith(f"# {path}")
    assert lines["log.level"].endswith("# AFTERIMAGE_LOG_LEVEL")
    assert lines["model.device"].endswith("# default")
    assert "<hidden>" in lines["discord.token"]
    assert TOKEN not in text


@given(
    st.dictionaries(
        st.sampled_from(sorted(all_keys())), st.one_of(st.integers(), st.text(), st.booleans(), st.floats())
    )
)
def test_any_value_in_the_environment_is_taken_or_refused_with_its_name(values: dict[str, object]) -> None:
    keys = all_keys()
    environ = {keys[dotted].variable: str(value).replace("\0", "") for dotted, value in values.items()}
    config, refused = None, ""
    try:
        config = load(None, environ)
    except ConfigError as error:
        refused = str(error)
    assert config is not None or any(dotted in refused or keys[dotted].variable in refused for dotted in values)
