"""What `make bench` times is the same bound in every hand, and its tables are right."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyro
import pytest
import torch
from benchmarks.steps.agreement import DisagreementError, check_agreement
from benchmarks.steps.child import Child
from benchmarks.steps.figures import rows
from benchmarks.steps.makers import bound_makers
from benchmarks.steps.parts import TorchProducts
from benchmarks.steps.picture import picture
from benchmarks.steps.race import Measured, Race, race
from benchmarks.steps.registry import WORKLOADS, make
from benchmarks.steps.report import report, table
from benchmarks.steps.workload import UnavailableError, Workload
from benchmarks.steps.workloads.conv_vae import conv_vae
from benchmarks.steps.workloads.gan import gan, wgan_gp
from benchmarks.steps.workloads.hierarchical_vae import hierarchical_vae
from benchmarks.steps.workloads.iwae import iwae
from benchmarks.steps.workloads.vae import negative_elbo, vae
from pyro.infer import TraceMeanField_ELBO
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from dgmppl.objectives import ELBO

TINY = (
    vae(8, data_dim=20, z_dim=3, hidden_features=8),
    iwae(8, K=3, data_dim=20, z_dim=3, hidden_features=8),
    conv_vae(8, size=8, z_dim=3, channels=4),
    hierarchical_vae(8, data_dim=20, z_dims=(3, 2), hidden_features=8),
    gan(8, generator=8, critic=8),
    wgan_gp(8, generator=8, critic=8),
)
each_tiny_workload = pytest.mark.parametrize("workload", TINY, ids=lambda w: w.name)


class Operations(TorchDispatchMode):
    """Counts by PyTorch's formulas; its own counter knows no gradients of gradients."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        out = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func._overloadpacket)
        self.count += formula(*args, **(kwargs or {}), out_val=out) if formula else 0
        return out


@pytest.fixture(autouse=True)
def own_parameter_store() -> Iterator[None]:
    """SVI keeps its parameters in Pyro's global store."""
    with pyro.get_param_store().scope():
        yield


def compare(workload: Workload, contenders: Sequence[str], draws: int = 60) -> None:
    """The two checks of `make bench`, in this process."""
    parameters, batches = workload.parameters(0), workload.batches(0)
    learned, drawn = {}, {}
    for name in contenders:
        step = make(workload, name, batches[0])
        step.load(parameters)
        learned[name] = [float(step(step.convert(batch))) for batch in batches]
        drawn[name] = []
        for _ in range(draws):
            step.load(parameters)
            drawn[name].append(float(step(step.convert(batches[0]))))
    check_agreement(drawn, learned)


@each_tiny_workload
def test_eager_contenders_compute_the_same_bound_and_learn_alike(workload: Workload) -> None:
    eager = ("hand", "pyro", "dgmppl")
    compare(workload, [name for name in eager if name in workload.makers])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")  # of its own compiler
@pytest.mark.parametrize("contender", ["hand-compiled", "numpyro"])
@each_tiny_workload
def test_compiled_contenders_do_so_too(workload: Workload, contender: str) -> None:
    try:
        compare(workload, ("hand", contender))
    except UnavailableError as reason:
        pytest.skip(str(reason))


def changed(**arguments: object) -> Workload:
    """The VAE with a contender made to differ from the others."""
    tiny = TINY[0]
    same = {
        "loss": negative_elbo,
        "objective": ELBO(),
        "pyro_elbo": TraceMeanField_ELBO,
        "numpyro": ("vae", None),
    }
    return replace(tiny, makers=bound_makers(tiny.program, **{**same, **arguments}))  # type: ignore[arg-type]


def test_another_bound_is_refused() -> None:
    def without_kl(program: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
        loc, log_scale = program.encoder(x).chunk(2, -1)
        return negative_elbo(program, x) - 0.5 * (loc**2 + log_scale.exp() ** 2).sum() / len(x)

    with pytest.raises(DisagreementError, match="initial parameters"):
        compare(changed(loss=without_kl), ("hand", "pyro"))


def test_the_same_bound_with_another_gradient_is_refused() -> None:
    """With p(x|z) to the power 0 the reported bound is the same, but nothing is learned of x."""
    with pytest.raises(DisagreementError, match="learns otherwise"):
        compare(changed(objective=ELBO(temper={"x": 0.0})), ("hand", "dgmppl"))


@each_tiny_workload
def test_operations_are_those_that_pytorch_counts(workload: Workload) -> None:
    step = make(workload, "hand", workload.batches(0)[0])
    x = step.convert(workload.batches(0)[0])
    with Operations() as whole:
        step(x)
    assert workload.flops == whole.count


@each_tiny_workload
def test_the_products_alone_are_all_products(workload: Workload) -> None:
    step = TorchProducts(workload)
    with Operations() as alone:
        step(None)
    assert workload.flops == alone.count


def measured() -> Race:
    """Three rounds on a machine that slows down; eager takes 2, 4, 8 ms, built in 1 s."""
    return Race(
        TINY[0],
        {
            "hand": Measured(1.0, [-3.0, -5.0], [2.0, 4.0, 8.0], [2.0, 4.0, 8.0], 10.0),
            "hand-compiled": Measured(11.0, [-4.0, -4.5], [1.0, 2.0, 5.0], [1.0, 2.0, 5.0], None),
            "products": Measured(0.0, [], [0.5, 1.0, 2.0], [0.5, 1.0, 2.0], 1.0),
        },
        {"numpyro": "jax is not installed"},
    )


def test_figures() -> None:
    eager, compiled, products = rows(measured())
    assert (eager.milliseconds, eager.ratio, eager.break_even) == (4.0, 1.0, None)
    assert eager.bound == (-4.0, pytest.approx(1.0))
    assert compiled.ratio == 0.5  # of 1/2, 2/4 and 5/8, not 2/4 by chance of medians
    assert compiled.break_even == pytest.approx(10 / 0.002)
    assert (products.ratio, products.bound) == (0.25, None)


def test_building_that_saves_nothing_never_pays() -> None:
    slow = measured()
    slow.measured["hand-compiled"].blocks = [2.0, 4.0, 9.0]
    assert rows(slow)[1].break_even == float("inf")
    assert "| never |" in table(slow)


def test_tables_render() -> None:
    text = report([measured()], {"processor": "an abacus"}, "results.png")
    lines = [line for line in text.splitlines() if line.startswith("|")]
    widths = [line.count("|") for line in lines]
    assert widths == [10] * 3 + [9] * 5
    assert (
        "| by hand, torch.compile | 2.00 | 0.50 × | 2.00 | – | 11.0 | 5,000 | -4.25 ± 0.25 |"
        in text
    )
    assert "Left out: NumPyro, jit, jax is not installed." in text
    assert "* processor: an abacus" in text


def test_the_picture_is_small() -> None:
    buffer = io.BytesIO()
    picture([measured()] * 5).savefig(buffer, format="png")
    assert 10_000 < len(buffer.getvalue()) < 150_000


def test_a_contender_answers_each_command(tmp_path: Path) -> None:
    workload = WORKLOADS["vae-20"]
    inputs = tmp_path / "inputs.npz"
    np.savez(inputs, batches=workload.batches(0), **workload.parameters(0))
    child = Child(workload.name, "hand", inputs, seed=0)
    assert child.make(0)["seconds"] > 0
    first, drawn = child.run(3), child.draw(4)
    assert len(first["milliseconds"]) == len(first["bounds"]) == 3
    assert first["bounds"][0] < first["bounds"][2]
    np.testing.assert_allclose(drawn["bounds"], first["bounds"][0], rtol=0.01)
    assert child.peak(0)["mebibytes"] is None or child.peak(0)["mebibytes"] > 1


@pytest.mark.slow
def test_contenders_take_turns_in_processes_of_their_own() -> None:
    workload = replace(WORKLOADS["vae-20"], block=2)
    found = race(workload, ["dgmppl", "products"], blocks=2, steps=1, seed=0)
    assert [*found.measured] == ["hand", "dgmppl", "products"]
    assert all(len(own.blocks) == len(own.cpu) == 2 for own in found.measured.values())
    assert not found.measured["products"].draws
