"""A chain of codes: its density is the product of its conditionals, and layers do no harm."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor
from torch.distributions import Bernoulli, Normal

import dgmppl
from dgmppl.models.hierarchical_vae import HierarchicalVAE
from dgmppl.objectives import IWAE, DoublyReparameterized
from dgmppl.recipes import DIGITS

Z_DIMS = (4, 3, 2)


def bounded(log_scale: Tensor) -> Tensor:
    """A scale between e⁻⁵ and e⁵."""
    return (5 * (log_scale / 5).tanh()).exp()


def normal(network: torch.nn.Module, given: Tensor, value: Tensor) -> Tensor:
    """log N(value; μ(given), σ²(given)), summed over units."""
    loc, log_scale = network(given).split(value.shape[-1], -1)
    return Normal(loc, bounded(log_scale)).log_prob(value).sum(-1)


def test_joint_and_guide_are_the_products_of_their_conditionals() -> None:
    program, x = HierarchicalVAE(6, Z_DIMS, 8), torch.bernoulli(torch.full((5, 6), 0.5))
    tables = dgmppl.weights(program, x, num_particles=7)
    z1, z2, z3 = (tables.runs[0].guide[name]["value"] for name in ("z1", "z2", "z3"))
    conditionals = {
        "z3": Normal(0.0, 1.0).log_prob(z3).sum(-1),
        "z2": normal(program.down[1], z3, z2),
        "z1": normal(program.down[0], z2, z1),
        "x": Bernoulli(logits=program.decoder(z1)).log_prob(x).sum(-1),
    }
    upwards = {
        "z1": normal(program.up[0], x, z1),
        "z2": normal(program.up[1], z1, z2),
        "z3": normal(program.up[2], z2, z3),
    }
    torch.testing.assert_close(tables.log_p, conditionals)
    torch.testing.assert_close(tables.log_q, upwards)


def test_with_one_layer_it_is_a_plain_vae() -> None:
    program, x = HierarchicalVAE(6, (3,), 8), torch.ones(5, 6)
    assert [site.name for site in dgmppl.bind(program, x).latents] == ["z1"]
    tables = dgmppl.weights(program, x)
    z = tables.runs[0].guide["z1"]["value"]
    torch.testing.assert_close(tables.log_p["z1"][0], Normal(0.0, 1.0).log_prob(z).sum(-1))


def test_draws_pass_through_every_layer() -> None:
    """Each layer's draws have the moments that the layer above gives them."""
    program = HierarchicalVAE(6, (2, 1), 8)
    with torch.no_grad():
        for parameter in program.down.parameters():
            parameter.zero_()
        program.down[0][-1].bias.copy_(torch.tensor([3.0, -3.0, -2.0, -2.0]))
    drawn = dgmppl.generate(program, 4000)["z1"]
    scale = bounded(torch.tensor(-2.0))
    error = 4 * float(scale) / 4000**0.5
    torch.testing.assert_close(drawn.mean(0), torch.tensor([3.0, -3.0]), atol=error, rtol=0)
    torch.testing.assert_close(drawn.std(0), scale.expand(2), atol=error, rtol=0)


@pytest.mark.slow
def test_two_layers_are_no_worse_than_one() -> None:
    """Evidence of held-out digits, within two standard errors of the paired difference."""
    objective = IWAE(num_particles=5, gradient=DoublyReparameterized())
    test = DIGITS(split="test").draw()
    values = []
    for z_dims in ((10,), (10, 5)):
        torch.manual_seed(0)
        program = HierarchicalVAE(64, z_dims, 100)
        dgmppl.fit(
            program,
            DIGITS(split="train"),
            objective,
            optimizer=partial(torch.optim.Adam, lr=3e-3),
            epochs=100,
            device="cpu",
            progress=False,
        )
        values.append(dgmppl.evidence(program, test, 500, seed=0).value)
    gain = (values[1] - values[0]).double()
    assert gain.mean() > -2 * gain.std() / len(gain) ** 0.5
