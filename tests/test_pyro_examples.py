"""Programs as Pyro's users write them run through `Pair` unmodified and learn what `SVI` learns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import SVI, Trace_ELBO
from torch import Tensor, nn

import dgmppl
from dgmppl.data import StaticBinarisation, load
from dgmppl.objectives import ELBO

PIXELS, HIDDEN, EPOCHS, BATCH = 64, 64, 30, 100


class Encoder(nn.Module):
    def __init__(self, in_features: int, z_dim: int):
        super().__init__()
        self.hidden = nn.Linear(in_features, HIDDEN)
        self.loc = nn.Linear(HIDDEN, z_dim)
        self.log_scale = nn.Linear(HIDDEN, z_dim)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        hidden = nn.functional.softplus(self.hidden(x))
        return self.loc(hidden), self.log_scale(hidden).exp()


class Decoder(nn.Sequential):
    def __init__(self, z_dim: int):
        hidden = (nn.Linear(z_dim, HIDDEN), nn.Softplus())
        super().__init__(*hidden, nn.Linear(HIDDEN, PIXELS), nn.Sigmoid())


class PyroVAE(nn.Module):
    """In the manner of Pyro's VAE tutorial: `pyro.module`, a plate by the batch's length."""

    def __init__(self, z_dim: int = 5):
        super().__init__()
        self.z_dim = z_dim
        self.encoder, self.decoder = Encoder(PIXELS, z_dim), Decoder(z_dim)

    def model(self, x: Tensor) -> None:
        pyro.module("decoder", self.decoder)
        with pyro.plate("data", x.shape[0]):
            loc = x.new_zeros((x.shape[0], self.z_dim))
            z = pyro.sample("latent", dist.Normal(loc, torch.ones_like(loc)).to_event(1))
            image = self.decoder(z)
            pyro.sample("obs", dist.Bernoulli(image, validate_args=False).to_event(1), obs=x)

    def guide(self, x: Tensor) -> None:
        pyro.module("encoder", self.encoder)
        with pyro.plate("data", x.shape[0]):
            loc, scale = self.encoder(x)
            pyro.sample("latent", dist.Normal(loc, scale).to_event(1))


class PyroCVAE(nn.Module):
    """In the manner of Pyro's CVAE tutorial: the lower half of an image given the upper."""

    def __init__(self, z_dim: int = 5):
        super().__init__()
        hidden = (nn.Linear(PIXELS, HIDDEN), nn.ReLU())
        self.baseline = nn.Sequential(*hidden, nn.Linear(HIDDEN, PIXELS))
        self.prior = Encoder(2 * PIXELS, z_dim)
        self.recognition = Encoder(2 * PIXELS, z_dim)
        self.generation = Decoder(z_dim)

    def model(self, xs: Tensor, ys: Tensor | None = None) -> Tensor:
        pyro.module("cvae", self)
        with pyro.plate("data"):
            with torch.no_grad():
                guess = self.baseline(xs).sigmoid()
            zs = pyro.sample("z", dist.Normal(*self.prior(torch.cat([xs, guess], -1))).to_event(1))
            loc = self.generation(zs)
            if ys is not None:
                unknown = xs == -1
                there = loc[unknown].view(len(xs), -1)
                truth = ys[unknown].view(len(xs), -1)
                pyro.sample("y", dist.Bernoulli(there, validate_args=False).to_event(1), obs=truth)
            else:
                pyro.deterministic("y", loc.detach())
            return loc

    def guide(self, xs: Tensor, ys: Tensor | None = None) -> None:
        with pyro.plate("data"):
            both = torch.cat([xs, xs if ys is None else ys], -1)
            pyro.sample("z", dist.Normal(*self.recognition(both)).to_event(1))


def images() -> Tensor:
    data = load("digits", pixels=StaticBinarisation(seed=0))
    assert isinstance(data.values, Tensor)
    return data.values


def halves() -> dict[str, Tensor]:
    ys = images()
    xs = ys.clone()
    xs[:, PIXELS // 2 :] = -1
    return {"xs": xs, "ys": ys}


def final_svi(make: Callable[[], Any], data: dict[str, Tensor], seed: int) -> float:
    """The mean loss a datum over Pyro's last epoch."""
    pyro.set_rng_seed(seed)
    with pyro.get_param_store().scope():
        program = make()
        svi = SVI(program.model, program.guide, pyro.optim.Adam({"lr": 3e-3}), Trace_ELBO())
        number = len(next(iter(data.values())))
        for _ in range(EPOCHS):
            total = 0.0
            for rows in torch.randperm(number).split(BATCH):
                total += svi.step(*(tensor[rows] for tensor in data.values()))
    return total / number


def final_pair(make: Callable[[], Any], data: dict[str, Tensor], seed: int) -> float:
    """Minus the mean bound a datum over our last epoch."""
    pyro.set_rng_seed(seed)
    program = make()
    values = tuple(data.values())
    run = dgmppl.fit(
        dgmppl.Pair(program.model, program.guide),
        values if len(values) > 1 else values[0],
        ELBO(analytic_kl=False),
        optimizer=lambda parameters: torch.optim.Adam(parameters, lr=3e-3),
        epochs=EPOCHS,
        batch_size=BATCH,
        seed=seed,
        progress=False,
    )
    return -run.history.epochs[-1]["value"]


@pytest.mark.parametrize("make", [PyroVAE, PyroCVAE])
def test_pair_reaches_the_loss_of_svi(make: Callable[[], Any]) -> None:
    data = {"x": images()} if make is PyroVAE else halves()
    seeds = range(3)
    ours = torch.tensor([final_pair(make, data, seed) for seed in seeds])
    theirs = torch.tensor([final_svi(make, data, seed) for seed in seeds])
    assert len(pyro.get_param_store()) == 0
    noise = float((ours.var() / len(seeds) + theirs.var() / len(seeds)).sqrt())
    assert abs(float(ours.mean() - theirs.mean())) < max(4 * noise, 0.02 * float(theirs.mean()))
