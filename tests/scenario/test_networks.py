"""A network is a preset, a full value, or a mix; what cannot be is told in one line."""

from __future__ import annotations

import msgspec
import pytest

from model.scenario import NETWORKS, Clocks, Disk, Links, Network, Scenario, Step, machines, networks


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (b'"4g"', "4g"),
        (b'{"delay_us": 5000, "loss": 0.01}', Network(delay_us=5000, loss=0.01)),
        (b'[["4g", 0.6], [{"delay_us": 1}, 0.4]]', (("4g", 0.6), (Network(delay_us=1), 0.4))),
    ],
)
def test_a_network_is_written_in_three_ways(text: bytes, meant: Links) -> None:
    scenario = msgspec.json.decode(b'{"name": "a", "question": "b", "network": %s}' % text, type=Scenario)
    assert scenario.network == meant
    assert msgspec.json.decode(msgspec.json.encode(scenario), type=Scenario) == scenario


def test_a_mix_is_resolved_to_networks_with_their_shares() -> None:
    assert networks.resolved("3g") == ((NETWORKS["3g"], 1.0),)
    assert networks.resolved((("3g", 0.3), (Network(), 0.7))) == ((NETWORKS["3g"], 0.3), (Network(), 0.7))
    with pytest.raises(KeyError):
        networks.resolved("6g")


def test_every_preset_can_be_played_and_stands_in_the_table_with_its_figures() -> None:
    """The table of the module is the documentation: least delay, tail, bandwidths and loss of each row are the preset's."""
    assert networks.__doc__ is not None
    rows = [line.strip("| ").split(" | ") for line in networks.__doc__.splitlines() if line.startswith("| ``")]
    assert [row[0].strip("`") for row in rows] == list(NETWORKS)
    for name, least, tail, bits, loss, _ in rows:
        network = NETWORKS[name.strip("`")]
        assert not list(networks.problems(network))
        assert float(least.split()[0]) == network.delay_us / 1000
        kind, figures = tail.split()[0], [float(x) for x in tail.replace(",", "").split()[1:] if not x.startswith("[")]
        assert (kind, figures[0]) == (network.tail, network.jitter_us / 1000)
        assert kind == "exponential" or figures[1] == network.sigma
        if bits != "no limit":
            assert [float(x) for x in bits.split(" [")[0].split(", ")] == [network.up_bit_s / 1e6, network.down_bit_s / 1e6]
        assert loss.startswith("none") or float(loss.split()[0]) == pytest.approx(network.loss * 100)


@pytest.mark.parametrize(
    ("links", "words"),
    [
        ("6g", "network is '6g', which is no preset; presets are loopback, lan"),
        (Network(delay_us=-1), "network.delay_us is -1; give 0 to"),
        (Network(jitter_us=float("nan")), "network.jitter_us is nan"),
        (Network(loss=1.0), "network.loss is 1; give 0 to 0.5"),
        (Network(sigma=5), "network.sigma is 5"),
        (Network(cell=0), "network.cell is 0"),
        (Network(up_bit_s=-5), "network.up_bit_s is -5"),
        (Network(give_up_us=0), "network.give_up_us is 0"),
        (Network(loss=0.1, retransmit_us=0), "network.retransmit_us is 0"),
        (Network(outage_us=5), "network.outage_us and outage_every_us go together"),
        ((("4g", 0.6), ("3g", 0.5)), "network's shares add up to 1.1"),
        ((("4g", 0.0), ("3g", 1.0)), "network.0.1 is 0; give a share above 0"),
        ((("4g", 0.5), ("5h", 0.5)), "network.1.0 is '5h', which is no preset"),
        ((("4g", 0.5), (Network(loss=-1), 0.5)), "network.1.0.loss is -1"),
        ((), "network's shares add up to 0"),
    ],
)
def test_what_cannot_be_is_told(links: Links, words: str) -> None:
    problems = list(networks.problems(links))
    assert problems
    assert words in problems[0]
    assert "\n" not in problems[0]


@pytest.mark.parametrize("name", NETWORKS)
def test_presets_are_possible(name: str) -> None:
    assert list(networks.problems(name)) == []


@pytest.mark.parametrize(
    ("clocks", "disk", "words"),
    [
        (Clocks(rate_ppm=-1), Disk(), "clocks.rate_ppm is -1"),
        (Clocks(offset_us=-1), Disk(), "clocks.offset_us is -1"),
        (Clocks(steps=(Step(-1, 5),)), Disk(), "clocks.steps.0.at_s is -1"),
        (Clocks(steps=(Step(1, 5), Step(1, 5, 0))), Disk(), "clocks.steps.1.share is 0"),
        (Clocks(), Disk(sigma=9), "disk.sigma is 9"),
        (Clocks(), Disk(stall_share=1.5), "disk.stall_share is 1.5"),
        (Clocks(), Disk(stall_us=-1), "disk.stall_us is -1"),
    ],
)
def test_machines_that_cannot_be_are_told(clocks: Clocks, disk: Disk, words: str) -> None:
    assert words in next(machines.problems(clocks, disk))
    assert list(machines.problems(Clocks(), Disk())) == []
