"""One contract for every recipe of every gallery: a new model is covered by being listed."""

from __future__ import annotations

import inspect
import math
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from pyro import poutine
from torch import Tensor, nn

import dgmppl
import dgmppl.models
from dgmppl.data import names
from dgmppl.data.nested import map_tensors, named_tensors
from dgmppl.inference import load_parameters, read_checkpoint, write_checkpoint
from dgmppl.lowering import Plain
from dgmppl.objectives import Progress
from dgmppl.recipes import Recipe, find_recipes
from dgmppl.sites import Kind, site_kind

NUMBER = 64
PUBLISHED = {"mnist", "fashion_mnist", "omniglot", "frey_faces"}  # need a network
PUBLISHED |= {"newsgroups", "tinyshakespeare"}
RECIPES = find_recipes()
#: What may stay: a number added to a critic changes no difference of means, nor a hinge's losses
#: before a margin (but for rounding).
IDLE = {name: {"critic.3.bias"} for name in ("hinge", "wgan", "wgan-gp")}
IDLE["dcgan-wgan-gp"] = {"critic.0.5.bias"}

every_recipe = pytest.mark.parametrize("name", RECIPES)


@cache
def data_of(name: str) -> Any:
    """The first data of a recipe's training set."""
    return RECIPES[name].data(split="train").first(NUMBER)


def built(name: str, seed: int = 0) -> tuple[Recipe, nn.Module, Any]:
    """A recipe, its program before any learning, and a batch."""
    torch.manual_seed(seed)
    program = RECIPES[name].build(data_of(name))
    return RECIPES[name], program, data_of(name).draw()


def value_of(name: str, program: nn.Module, x: Any) -> float:
    """The objective on a batch, with the same draws every time."""
    torch.manual_seed(1)
    return float(RECIPES[name].objective.value(dgmppl.bind(program, x), x, Progress(size=NUMBER)))


def source_of(name: str) -> Any:
    """The module that a recipe's program comes from."""
    program = RECIPES[name].program
    return inspect.getmodule(getattr(program, "func", program))


def test_every_file_of_the_gallery_has_a_recipe() -> None:
    files = {source_of(name).__name__.rpartition(".")[2] for name in RECIPES}
    assert files == set(dgmppl.models.modules())


@every_recipe
def test_its_data_need_no_network(name: str) -> None:
    for split in ("train", "test"):
        data = RECIPES[name].data(split=split)
        assert len(data) >= NUMBER
        assert data.record["name"] in set(names()) - PUBLISHED


@every_recipe
def test_its_program_can_be_described(name: str) -> None:
    _, program, x = built(name)
    text = str(dgmppl.describe(program, x))
    assert all(site in text for site in dgmppl.bind(program, x).sites)


@every_recipe
def test_its_objective_suits_its_program(name: str) -> None:
    recipe, program, x = built(name)
    recipe.objective.check(dgmppl.bind(program, x))
    assert str(recipe.objective)
    assert math.isfinite(value_of(name, program, x))


@every_recipe
def test_every_parameter_has_a_role(name: str) -> None:
    _, program, x = built(name)
    roles = dgmppl.bind(program, x).roles
    owned = {parameter for own in roles.values() for parameter in own}
    assert owned == {parameter for parameter, _ in program.named_parameters()}


@every_recipe
def test_it_draws_data_of_the_shape_it_learns_from(name: str) -> None:
    _, program, x = built(name)
    expected = [list(tensor.shape[1:]) for _, tensor in named_tensors(x)]
    drawn = [tensor for _, tensor in named_tensors(program.model(n=5))]
    assert [list(tensor.shape) for tensor in drawn] == [[5, *shape] for shape in expected]
    assert all(bool(torch.isfinite(tensor).all()) for tensor in drawn)


@every_recipe
def test_it_scores_data_or_says_why_not(name: str) -> None:
    _, program, x = built(name)
    found = dgmppl.evidence(program, map_tensors(lambda tensor: tensor[:8], x), 10)
    if found.value is None:
        assert found.kind == "unavailable" and found.reason
    else:
        assert found.value.shape == (8,) and bool(torch.isfinite(found.value).all())


@every_recipe
def test_learning_moves_every_parameter(name: str) -> None:
    recipe, program, _ = built(name)
    before = {n: p.detach().clone() for n, p in program.named_parameters()}
    run = dgmppl.fit(
        program,
        data_of(name),
        recipe.objective,
        optimizer=recipe.optimizer,
        schedule=recipe.schedule,
        clip_gradient=recipe.clip_gradient,
        epochs=5 if recipe.batch_size else 2,
        batch_size=NUMBER // 2 if recipe.batch_size else None,
        device="cpu",
        progress=False,
    )
    assert run.step == (10 if recipe.batch_size else 2)
    assert math.isfinite(run.history.epochs[-1]["value"])
    still = {n for n, p in run.program.named_parameters() if torch.equal(p, before[n])}
    assert still <= IDLE.get(name, set())
    assert all(parameter.grad is None for parameter in program.parameters())


@every_recipe
def test_it_learns_the_same_as_a_graph(name: str) -> None:
    """From one seed in double precision, two batches and a last one of another size."""
    recipe = RECIPES[name]
    data = map_tensors(lambda t: t.double() if t.is_floating_point() else t, data_of(name).draw())
    learned = []
    for compile in (False, Plain()):
        _, program, _ = built(name)
        run = dgmppl.fit(
            program.double(),
            data,
            recipe.objective,
            optimizer=recipe.optimizer,
            clip_gradient=recipe.clip_gradient,
            epochs=1,
            batch_size=24,
            compile=compile,
            device="cpu",
            progress=False,
        )
        learned.append(run.program.state_dict())
    assert run.step == 3 and run.notes
    for parameter, value in learned[0].items():
        torch.testing.assert_close(value, learned[1][parameter], rtol=1e-9, atol=1e-12)


@every_recipe
def test_it_survives_a_checkpoint(name: str, tmp_path: Path) -> None:
    _, program, x = built(name, seed=0)
    _, fresh, _ = built(name, seed=1)
    path = tmp_path / "program.safetensors"
    write_checkpoint(path, {"program": dict(program.state_dict())})
    assert value_of(name, fresh, x) != value_of(name, program, x)
    load_parameters(fresh, read_checkpoint(path)["program"])
    assert value_of(name, fresh, x) == value_of(name, program, x)


@every_recipe
def test_a_batch_is_the_sum_of_its_data(name: str) -> None:
    """No datum looks at another: the exact part of its score is its own, whatever the batch."""
    _, program, x = built(name)
    program.eval()
    torch.manual_seed(1)
    latents = {
        site: value
        for site, value in dgmppl.generate(program, 6).items()
        if site in {latent.name for latent in dgmppl.bind(program, x).latents}
    }
    some = map_tensors(lambda tensor: tensor[:6], x)
    together = joint(program, some, latents)
    for row in (0, 5):
        one = map_tensors(lambda tensor, row=row: tensor[row : row + 1], some)
        alone = joint(program, one, {s: v[row : row + 1] for s, v in latents.items()})
        torch.testing.assert_close(alone, together[row : row + 1], rtol=1e-4, atol=1e-3)


def joint(program: nn.Module, x: Any, latents: dict[str, Tensor]) -> Tensor:
    """Log p(x, z) a datum at given latents, `[B]`; of implicit sites the sum of what they draw."""
    trace = poutine.trace(poutine.condition(program.model, data=latents)).get_trace(x)
    sites = [s for s in trace.nodes.values() if s["type"] == "sample" and s["cond_indep_stack"]]
    drawn = [s["fn"].value.flatten(1).sum(1) for s in sites if site_kind(s) is Kind.IMPLICIT]
    trace.compute_log_prob(site_filter=lambda _, site: site_kind(site) is not Kind.IMPLICIT)
    scored = [s["log_prob"] for s in sites if "log_prob" in s]
    return torch.stack([*scored, *drawn]).sum(0).detach()


@every_recipe
def test_its_file_is_short_and_says_what_it_is(name: str) -> None:
    module = source_of(name)
    text = module.__doc__ or ""
    assert "▶" in text, "Expected the graphical model in the docstring. Try `z ──▶ x`."
    assert "References:" in text and "https://" in text.partition("References:")[2]
    lines = Path(inspect.getsourcefile(module) or "").read_text(encoding="utf-8").count("\n")
    assert lines < 150
    assert RECIPES[name].about and "\n" not in RECIPES[name].about


def test_the_readme_shows_the_gallery() -> None:
    readme = Path(__file__).parents[1] / "README.md"
    if not readme.exists():
        pytest.skip("needs README.md")
    shown = readme.read_text(encoding="utf-8").partition("<!-- gallery -->")[2]
    shown = shown.partition("<!-- /gallery -->")[0].strip()
    assert shown == dgmppl.models.table(), "Try pasting what `python -m dgmppl.models` prints."
