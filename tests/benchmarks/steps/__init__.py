"""Milliseconds a training step: by hand, Pyro, NumPyro and dgmppl, on the same numbers.

*A step* is loss, gradient and Adam's update (fused where the library has it, learning rate 1e-3) on
a batch that is already an array of the library in question; it ends when the bound is a Python
number. Noise is drawn inside the step; reading, shuffling and binarising data are not part of it.

*Contenders* of one workload each live in a process of their own, so that memory and the state of
compilers do not mix. All processes have one thread and are pinned to one core (where the system can
pin). In every round each takes its turn to run a block of steps, in an order that rotates from
round to round; a busy machine so disturbs all alike. While one runs, the others sleep.

*Same numbers.* The parameters and 64 batches are drawn once and written as NumPy arrays, which
every contender loads. Two checks must pass before a table is printed (`agreement.py`): at the
initial parameters the bounds on one batch agree within their standard errors, and over the first
steps of learning, batch for batch the same, they agree again.

*Figures.* A block's figure is the median of its steps, a contender's `ms a step` the median over
blocks, after one block to warm up. `ratio` is the median over rounds of its block's figure by that
of the hand-written eager step in the same round, so that slow changes of the machine cancel; it may
differ a little from the quotient of the medians. `build` is the time from making the contender to
the end of its second step, with cold caches of compiled code, imports of the libraries themselves
left out but what compilers import later counted. `break-even` is the number of steps after which
the built step has paid for being built, beside the eager step of the same family. `peak` is the
largest resident size of the process less its size just before the contender was made: it counts
parameters, Adam's moments, workspace, and the compiler if there is one (not the processes that a
compiler starts).

*Limits.* `products alone` runs the step's matrix products and convolutions and nothing else, as one
more contender: their number of operations is a formula of the shapes (`layers.py`, tested against
PyTorch's count), their time is measured, once with PyTorch's kernels and once with XLA's. `Adam
alone` is the fused optimizer on as many parameters.

    python tests/benchmarks/bench.py [--workload vae-20 …] [--only hand dgmppl …] [--blocks 30]
                                     [--steps N] [--seed 0] [--folder tests/benchmarks]

*On a GPU* (`BENCH_DEVICE=cuda`) nothing is pinned and contenders are built side by side; a block's
figure is its time, the GPU waited for at its end, by its number of steps, so that it wants long
blocks (`--steps 500`). Two more things are shown: the step by hand captured as a CUDA graph, and
the time that kernels take in a step, from PyTorch's profiler. `peak` is PyTorch's memory there.

Without `--folder` the tables are only printed. What is not installed is left out, with a line that
says so. A new workload is a file in `workloads/` (with a model in `in_numpyro/` if it is to have
one) and a line in `registry.py`.
"""
