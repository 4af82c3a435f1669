"""What a run's folder says of its network comes back as it was."""

import json
from dataclasses import dataclass, field

import pytest

from palmar.errors import PalmarError
from palmar.train.described import NETWORK, data_of, read_network, write_network
from palmar.types.firstperson import Vocabulary


@dataclass(frozen=True)
class Inner:
    widths: tuple[int, ...] = (1, 2)


@dataclass(frozen=True)
class Config:
    size: int = 3
    rows: tuple[tuple[float, ...], ...] = ((0.5, 1.0), (2.0,))
    inner: Inner = field(default_factory=Inner)
    perhaps: Inner | None = None
    word: str = "a"


@pytest.mark.parametrize("config", [Config(), Config(4, ((1.0,),), Inner((9,)), Inner(()), "b")])
def test_read_what_was_written(tmp_path, config):
    words = Vocabulary(("none", "cup"), ("pour",))
    write_network(tmp_path, config, words, ("one:/a", "two:/b"), name="net")
    assert read_network(tmp_path, Config, name="net") == (config, words)
    assert data_of(tmp_path) == ("one:/a", "two:/b")
    write_network(tmp_path, config, words, "other:/c", name="net")  # the same network: the run goes on


def test_another_network_is_refused(tmp_path):
    write_network(tmp_path, Config(), None, "d", name="net")
    assert data_of(tmp_path) == ("d",)
    with pytest.raises(PalmarError, match="another network, size or vocabulary"):
        write_network(tmp_path, Config(size=4), None, "d", name="net")
    with pytest.raises(PalmarError, match="not a run of other but of 'net'"):
        read_network(tmp_path, Config, name="other")
    with pytest.raises(PalmarError, match="does not say config"):
        read_network(tmp_path, Inner, name="net")


@pytest.mark.parametrize("inner", [5, {"widths": [1], "more": 2}, {"size": 1}])
def test_a_config_that_was_tampered_with(tmp_path, inner):
    write_network(tmp_path, Config(), None, "d", name="net")
    said = json.loads((tmp_path / NETWORK).read_text())
    said["config"] |= {"inner": inner} if isinstance(inner, dict) else {"unknown": inner}
    (tmp_path / NETWORK).write_text(json.dumps(said))
    with pytest.raises(PalmarError, match="does not say config"):
        read_network(tmp_path, Config, name="net")
