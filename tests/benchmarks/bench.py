"""Milliseconds a training step of every workload, by turns: see `steps/__init__.py`.

python tests/benchmarks/bench.py [--workload vae-20] [--only hand dgmppl] [--blocks 30]
                                 [--steps 50] [--seed 0] [--folder tests/benchmarks]
"""

from steps.command import main

if __name__ == "__main__":
    main()
