"""What a look at a program tells: sites, plates, and whose each parameter is."""

from __future__ import annotations

import pyro
import pytest
import torch
from enumerable import Mixture, Switch
from enumerable import data as few_numbers
from linear_gaussian import LinearGaussian
from linear_gaussian import data as some_data
from pyro.distributions import Bernoulli, Delta, Normal
from torch import Tensor, nn

import dgmppl
from dgmppl.binding import ProgramError, bind
from dgmppl.energy import Binary
from dgmppl.sites import Kind


def test_the_table_of_sites() -> None:
    sites = bind(LinearGaussian(), some_data(4)).sites
    z, x = sites["z"], sites["x"]
    assert [*sites] == ["z", "x"]
    assert (z.kind, z.distribution, z.support) == (Kind.EXPLICIT, "Normal", "Real")
    assert (z.batch_shape, z.event_shape) == ((4,), (2,))
    assert (z.observed, z.in_model, z.in_guide, z.local) == (False, True, True, True)
    assert (x.observed, x.in_model, x.in_guide, x.local) == (True, True, False, True)
    assert z.reparameterised and not z.enumerable and not z.point


def test_discrete_sites() -> None:
    binding = bind(Switch(), few_numbers())
    h = binding.sites["h"]
    assert h.enumerable and not h.reparameterised and h.distribution == "Bernoulli"
    assert [site.name for site in binding.latents] == ["h"]
    assert [site.name for site in binding.observed] == ["x"]
    assert not bind(Mixture(), few_numbers()).has_guide


class Roles(dgmppl.Program):
    """One parameter in every place where autograd can find one, and some where it cannot."""

    def __init__(self) -> None:
        super().__init__()
        names = ["prior", "likelihood", "weight", "loc", "both", "place", "unused", "frozen"]
        for name in names:
            setattr(self, name, nn.Parameter(torch.tensor(0.3)))
        self.frozen.requires_grad_(False)

    def model(self, x: Tensor | None = None, n: int = 1) -> None:
        pyro.factor("penalty", -self.weight.square())
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(self.prior, 1.0))
            w = pyro.sample("w", Normal(0.0, 1.0))
            loc = z * self.likelihood + w + self.frozen
            pyro.sample("x", Normal(loc + self.both, 1.0), obs=x)

    def guide(self, x: Tensor) -> None:
        with dgmppl.data_plate(x):
            pyro.sample("z", Normal(self.loc + self.both, 1.0))
            pyro.sample("w", Delta(self.place.expand(len(x))))


def test_roles_are_what_autograd_reaches() -> None:
    binding = bind(Roles(), torch.zeros(3))
    assert set(binding.roles["model"]) == {"prior", "likelihood", "weight", "both"}
    assert set(binding.roles["guide"]) == {"loc", "both", "place"}
    together = binding.parameters(("model", "guide"))
    assert [*together] == ["prior", "likelihood", "weight", "loc", "both", "place"]
    assert [site.name for site in binding.draws] == ["z"] and binding.sites["w"].point


def test_roles_can_be_said() -> None:
    class Said(Roles):
        def roles(self) -> dict[str, list[str]]:
            return {"model": ["prior"], "critic": ["unused"]}

    binding = bind(Said(), torch.zeros(3))
    assert binding.roles["model"] == ("prior",) and binding.roles["critic"] == ("unused",)
    assert "loc" in binding.roles["guide"]


def test_roles_without_gradients_around() -> None:
    with torch.no_grad():
        assert bind(Roles(), torch.zeros(3)).roles == bind(Roles(), torch.zeros(3)).roles


class Generator(dgmppl.Program):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(2, 3)

    def model(self, x: Tensor | None = None, n: int = 1) -> None:
        with dgmppl.data_plate(x, n) as rows:
            z = pyro.sample("z", Normal(torch.zeros(2), 1.0).to_event(1).expand([len(rows)]))
            dgmppl.implicit("x", self.net(z), obs=x)
            dgmppl.units("h", Binary(4))


def test_kinds() -> None:
    binding = bind(Generator(), torch.zeros(5, 3))
    kinds = {name: site.kind for name, site in binding.sites.items()}
    assert kinds == {"z": Kind.EXPLICIT, "x": Kind.IMPLICIT, "h": Kind.ENERGY}
    assert set(binding.roles["model"]) == {"net.weight", "net.bias"}


class Plates(dgmppl.Program):
    """Global and local sites, and plates in any order."""

    def __init__(self, outer: str, inner: str, plate: str | None = None):
        super().__init__()
        self.outer, self.inner, self.data_plate = outer, inner, plate
        self.loc = nn.Parameter(torch.zeros(()))

    def model(self, x: Tensor, n: int = 1) -> None:
        with pyro.plate("parts", 7, dim=-1):
            pyro.sample("g", Normal(self.loc, 1.0), obs=torch.zeros(7))
        with pyro.plate(self.outer, x.shape[0], dim=-2):
            pyro.sample("u", Normal(self.loc, 1.0), obs=x[:, :1])
            with pyro.plate(self.inner, x.shape[1], dim=-1):
                pyro.sample("x", Normal(self.loc, 1.0), obs=x)


@pytest.mark.parametrize(
    ("program", "plate", "dim", "local"),
    [
        (Plates("data", "pixels"), "data", -2, {"u", "x"}),
        (Plates("groups", "data"), "data", -1, {"x"}),
        (Plates("rows", "columns", "columns"), "columns", -1, {"x"}),
        (Plates("rows", "columns", "rows"), "rows", -2, {"u", "x"}),
    ],
)
def test_the_data_plate(program: Plates, plate: str, dim: int, local: set[str]) -> None:
    binding = bind(program, torch.zeros(4, 3))
    assert (binding.data_plate, binding.data_dim, binding.particle_dim) == (plate, dim, -3)
    assert {name for name, site in binding.sites.items() if site.local} == local


def test_an_open_choice_of_plate_is_refused() -> None:
    with pytest.raises(ProgramError, match=r"one plate.*\['parts', 'rows'\].*data_plate="):
        bind(Plates("rows", "columns"), torch.zeros(4, 3))
    with pytest.raises(ProgramError, match=r"plate named 'none'.*\['columns', 'parts', 'rows'\]"):
        bind(Plates("rows", "columns", "none"), torch.zeros(4, 3))


def test_a_program_without_plates_is_one_datum() -> None:
    def model(x: Tensor) -> None:
        pyro.sample("x", Bernoulli(pyro.param("p", torch.tensor(0.3))), obs=x)

    binding = bind(dgmppl.Pair(model), torch.tensor(1.0))
    assert binding.data_plate is None and not binding.sites["x"].local
