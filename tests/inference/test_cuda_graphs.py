"""On a GPU a step replayed as a CUDA graph ends where the program itself ends."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import dgmppl
from dgmppl.data.nested import map_tensors
from dgmppl.inference import Run
from dgmppl.lowering import CUDAGraphs, Inductor, Plain
from dgmppl.models.vae import VAE
from dgmppl.objectives import ELBO, IWAE
from dgmppl.recipes import find_recipes
from dgmppl.schedules import Linear

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

RECIPES = find_recipes()
#: Twelve zeros and ones that follow from two; rates that single precision holds exactly.
X = torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]).repeat(20, 6).double()
RATE = 2**-7
small = partial(VAE, data_dim=12, z_dim=2, hidden_features=8)


def learned(compile: Any, objective: Any = None, **settings: Any) -> Run:
    """A small VAE over ten steps an epoch."""
    torch.manual_seed(0)
    settings = {"epochs": 2, "batch_size": 8, "device": "cuda", "progress": False} | settings
    settings = {"optimizer": partial(torch.optim.Adam, lr=RATE)} | settings
    return dgmppl.fit(small().double(), X, objective, compile=compile, **settings)


def same(a: Run, b: Run, tolerance: float = 1e-9) -> None:
    for name, value in a.program.state_dict().items():
        torch.testing.assert_close(
            value, b.program.state_dict()[name], rtol=tolerance, atol=tolerance, msg=name
        )


def replayed(run: Run) -> bool:
    return any("CUDA graph from now on" in note for note in run.notes)


SETTINGS: dict[str, dict[str, Any]] = {
    "elbo": {},
    "iwae": {"objective": IWAE(4)},
    "annealing": {"objective": ELBO(temper={"z": Linear(0.1, 1.0, epochs=2)})},
    "sgd": {"optimizer": partial(torch.optim.SGD, lr=RATE, momentum=0.875)},
    "rmsprop": {"optimizer": partial(torch.optim.RMSprop, lr=RATE)},
    "learning rate": {"schedule": partial(torch.optim.lr_scheduler.ExponentialLR, gamma=0.5)},
    "clipping": {"clip_gradient": partial(torch.nn.utils.clip_grad_norm_, max_norm=0.1)},
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_it_learns_the_same(settings: dict[str, Any]) -> None:
    eager, graph = learned(False, **settings), learned(Plain(), **settings)
    assert replayed(graph) and not replayed(learned(Plain(cuda_graphs=False), **settings))
    same(eager, graph)
    assert eager.history["value"] == pytest.approx(graph.history["value"], rel=1e-9)


@pytest.mark.parametrize("backend", [Plain(), Inductor()], ids=str)
def test_single_and_half_precision(backend: Any) -> None:
    for amp in (None, torch.bfloat16, torch.float16):
        torch.manual_seed(0)
        settings = {"epochs": 8, "batch_size": 8, "device": "cuda", "progress": False, "amp": amp}
        settings |= {"optimizer": partial(torch.optim.Adam, lr=RATE)}
        run = dgmppl.fit(small(), X.float(), compile=backend, **settings)
        assert replayed(run)
        assert run.history["value"][-1] > run.history["value"][0] + 1.0


def test_a_learning_rate_that_somebody_sets_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[torch.optim.Optimizer] = []

    def optimizer(parameters: Any) -> torch.optim.Optimizer:
        made.append(torch.optim.Adam(parameters, lr=RATE))
        return made[-1]

    def halt(run: Run) -> None:
        made[-1].param_groups[0]["lr"] = 0.0

    runs = [learned(c, optimizer=optimizer, callbacks=[halt], epochs=3) for c in (False, Plain())]
    assert replayed(runs[1])
    same(*runs)


def test_a_run_goes_on_on_either_device(tmp_path: Path) -> None:
    whole = learned(Plain(), epochs=4)
    learned(Plain(), directory=tmp_path / "run")
    rest = learned(Plain(), epochs=4, directory=tmp_path / "run", resume=True)
    same(whole, rest, tolerance=0.0)
    learned(False, epochs=5, directory=tmp_path / "run", resume=True, device="cpu")


@pytest.mark.parametrize("name", [n for n in RECIPES if not n.startswith("vq-vae")])  # cuDNN's RNN
def test_every_recipe_learns_the_same(name: str) -> None:
    recipe = RECIPES[name]
    drawn = recipe.data(split="train").first(64).draw()
    data = map_tensors(lambda t: t.double() if t.is_floating_point() else t, drawn)
    runs = []
    for compile in (False, Plain()):
        torch.manual_seed(0)
        settings = {"optimizer": recipe.optimizer, "clip_gradient": recipe.clip_gradient}
        settings |= {"epochs": 1, "batch_size": 8, "device": "cuda", "progress": False}
        program = recipe.build(recipe.data(split="train")).double()
        runs.append(dgmppl.fit(program, data, recipe.objective, compile=compile, **settings))
    same(*runs, tolerance=1e-7)
    assert replayed(runs[1]), runs[1].notes


def graphs(fn: Any, *changed: Tensor) -> tuple[CUDAGraphs, list[str]]:
    said: list[str] = []
    made = CUDAGraphs(
        fn, fixed=lambda x: x.shape, changed=lambda: changed, tolerance=1e-6, say=said.append
    )
    return made, said


def test_a_number_of_the_host_that_changes_is_found_out() -> None:
    calls = [0]

    def count(x: Tensor) -> Tensor:
        calls[0] += 1
        return x + calls[0]

    run, said = graphs(count)
    x = torch.zeros(2, device="cuda")
    found = [run(x)[0].item() for _ in range(8)]
    assert found == sorted(set(found)) and "another result" in said[0]


def test_what_waits_for_the_gpu_is_not_captured_and_draws_go_on() -> None:
    def look(x: Tensor) -> Tensor:
        return x + torch.randn_like(x) * float(x.sum())

    run, said = graphs(look)
    x = torch.ones(2, device="cuda")
    torch.manual_seed(0)
    found = [run(x).clone() for _ in range(6)]
    torch.manual_seed(0)
    assert all(torch.equal(a, look(x)) for a in found) and len(said) == 1
    assert torch.isfinite(nn.Linear(2, 2).cuda()(x)).all()


def test_state_and_random_numbers_go_on_as_without() -> None:
    def walk(x: Tensor) -> Tensor:
        place.add_(x * torch.randn_like(x))
        return place.sum()

    x, found = torch.full((3,), 0.5, device="cuda"), []
    for captured in (False, True):
        place = torch.zeros(3, device="cuda")
        run = graphs(walk, place)[0] if captured else walk
        torch.manual_seed(0)
        found.append([run(x * i).item() for i in range(10)])
    assert found[0] == found[1]
